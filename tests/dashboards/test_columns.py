"""Figures of a table are written in one unit a column, and those outside of tables at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.reports import sample_report

from ecoia.report import Quantity
from ecoia_dashboards.language import Language
from ecoia_dashboards.pages.columns import Columns


@pytest.fixture
def columns(tmp_path: Path) -> Columns:
    return Columns(sample_report(tmp_path), Language("en"))


def drawn(columns: Columns, *rows: tuple[Quantity, ...], **how: object) -> str:
    def table() -> str:
        cells = ("".join(f"<td>{columns.figure(each, **how)}</td>" for each in row) for row in rows)  # type: ignore[arg-type]
        return "".join(f"<tr><th>name</th>{row}</tr>" for row in cells)

    return str(columns.whole_table(table)).replace("\xa0", " ")


def kwh(value: float) -> Quantity:
    return Quantity(value, "kWh")


def test_each_column_has_one_unit_and_another_column_its_own(columns: Columns) -> None:
    table = drawn(columns, (kwh(12500), kwh(0.4)), (kwh(412), kwh(0.03)))
    assert "12.5 MWh" in table
    assert "0.41 MWh" in table
    assert "400 Wh" in table
    assert "30.0 Wh" in table


def test_columns_of_one_group_share_their_unit(columns: Columns) -> None:
    assert "0.40 kWh" in drawn(columns, (kwh(12.5), kwh(0.4)), group="budget")


def test_lines_per_units_of_their_own_keep_their_figures(columns: Columns) -> None:
    table = drawn(columns, (kwh(11.1),), (kwh(0.182),), (kwh(0.00887),), apart=True)
    assert all(said in table for said in ("11,100 Wh", "182 Wh", "8.87 Wh")), table


def test_outside_of_a_table_a_figure_has_the_unit_that_suits_it(columns: Columns) -> None:
    assert columns.figure(kwh(412)).replace("\xa0", " ") == "412 kWh"
