"""The environment of programs that tests start."""

from __future__ import annotations

import os


def clean_environment() -> dict[str, str]:
    """Return the machine's environment without the variables of ecoia and MLflow."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("ECOIA_", "MLFLOW_"))}
