"""Reports that several tests of reports read."""

from __future__ import annotations

import pytest

from ecoia.report import QuarterlyReport
from support.large_organisation import large_report


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> QuarterlyReport:
    """The report of the large organisation."""
    return large_report(tmp_path_factory.mktemp("large"))
