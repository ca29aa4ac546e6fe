"""The dashboard of the large organisation, built once a session."""

from __future__ import annotations

from typing import Any

import pytest

from ecoia.exploring import Explorer
from ecoia_dashboards.dashboard.app import create_app


@pytest.fixture(scope="session")
def app(explorer: Explorer) -> Any:
    """Return the dashboard of the large organisation, open to everybody."""
    return create_app(explorer)
