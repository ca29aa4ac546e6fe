"""The environment that programs of tests start in."""

from __future__ import annotations

import os


def clean_environment() -> dict[str, str]:
    """The machine's environment without what steers ecoia or MLflow."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("ECOIA_", "MLFLOW_"))}
