"""Pages whose images are drawn once."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.drawings import drawn_once

__all__ = ["drawn_once"]

UNTRACED = tuple(Path(__file__).resolve().parent / name for name in ("dashboard", "mlflow_server"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Count no branch of the core as reached by a test of the dashboard, which stands above it."""
    for item in items:
        if any(item.path.is_relative_to(folder) for folder in UNTRACED):
            item.add_marker(pytest.mark.no_cover)
