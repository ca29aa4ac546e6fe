"""Pages whose images are drawn once, in tests that are not traced."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.drawings import drawn_once

__all__ = ["drawn_once"]

HERE = Path(__file__).resolve().parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Count no branch of the core as reached by a test of what stands above it."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.no_cover)
