"""The report of the large organisation has the same bytes, whatever summed its rows up."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecoia.engines.choosing import engine
from ecoia.engines.engine_rows import EngineRows
from ecoia.engines.row_source import RowSource
from ecoia.records.columns import table_of
from ecoia.report import QuarterlyReport, build_report
from support.large_organisation import QUARTER, large_catalogue, large_factors, large_rows
from support.settings import make_settings


@pytest.mark.long
@pytest.mark.no_cover
@pytest.mark.parametrize("name", ["pandas", "duckdb"])
def test_the_same_bytes_from_each_engine(name: str, large: QuarterlyReport, tmp_path: Path) -> None:
    report = build_report(
        EngineRows(engine(name, RowSource(table=table_of(large_rows())))),
        QUARTER,
        settings=make_settings(timezone="Europe/Paris", zone="FRA"),
        catalogue=large_catalogue(tmp_path),
        factors=large_factors(),
        over=True,
    )
    assert report.to_json() == large.to_json()
