"""The tables: each cell stands under the heading of its own column, and holds the field that the heading names."""

from __future__ import annotations

import dataclasses
from datetime import date, datetime
from typing import Any

import pytest

from ecoia.impact.hosted import Hypotheses
from ecoia.report import (
    BudgetState,
    CalibrationUsed,
    ContractUsed,
    CrosscheckKept,
    Quantity,
    QuarterlyReport,
    TokensUsed,
)
from ecoia_dashboards.language import Language
from ecoia_dashboards.tables import Column, Table, tables
from ecoia_dashboards.tables.base import table
from support.reports import full_report


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> QuarterlyReport:
    return full_report(tmp_path_factory.mktemp("catalogue"))


def drawn(report: QuarterlyReport, id_: str) -> Table:
    return next(table for table in tables(report) if table.id == id_)


def lines(report: QuarterlyReport, id_: str) -> list[dict[str, Any]]:
    found = drawn(report, id_)
    return [dict(zip([column.id for column in found.columns], row, strict=True)) for row in found.rows]


def cells(report: QuarterlyReport, id_: str, **key: Any) -> dict[str, Any]:
    """The line that has these cells under these headings."""
    (line,) = (line for line in lines(report, id_) if {name: line[name] for name in key} == key)
    return line


def test_a_cell_stands_under_the_heading_of_its_own_column() -> None:
    columns: tuple[Column[dict[str, str]], ...] = (
        Column("first", "Premier", lambda it: it["a"]),
        Column("second", "Second", lambda it: it["b"]),
    )
    forwards = table("t", "T", [{"a": "1", "b": "2"}], *columns)
    backwards = table("t", "T", [{"a": "1", "b": "2"}], *reversed(columns))
    assert ([column.id for column in forwards.columns], forwards.rows) == (["first", "second"], (("1", "2"),))
    assert ([column.id for column in backwards.columns], backwards.rows) == (["second", "first"], (("2", "1"),))


def test_a_column_of_a_part_is_empty_where_the_item_lacks_the_part() -> None:
    column = Column[str]("length", "Longueur", len, "integer", "m", names={"x": "y"}).of(lambda pair: pair[1])
    assert [column.cell(pair) for pair in ((0, "abc"), (0, None), (0, ""))] == [3, None, 0]
    assert (column.id, column.kind, column.heading(Language("fr")), column.names) == (
        "length",
        "integer",
        "Longueur (m)",
        {"x": "y"},
    )


def test_the_budget_of_a_target_is_read_column_by_column(full: QuarterlyReport) -> None:
    budget = BudgetState(
        year=2026,
        budget=Quantity(31.0, "kgCO2e", 30.0, 32.0),
        spent=Quantity(13.5, "kgCO2e", 12.5, 14.5),
        consumed=Quantity(0.44, "1"),
        distance=Quantity(-2.5, "kgCO2e"),
        overrun_probability=Quantity(0.07, "1"),
        expected=Quantity(29.0, "kgCO2e", 27.0, 33.0),
    )
    with_budget = dataclasses.replace(full.targets[0], id="avec", budget=budget)
    without = dataclasses.replace(full.targets[0], id="sans", budget=None)
    report = dataclasses.replace(full, targets=(with_budget, without))
    expected = {
        "budget_year": 2026,
        "budget": 31.0,
        "budget_low": 30.0,
        "budget_high": 32.0,
        "budget_reason": None,
        "spent": 13.5,
        "spent_low": 12.5,
        "spent_high": 14.5,
        "spent_reason": None,
        "consumed_share": 0.44,
        "distance": -2.5,
        "overrun_probability": 0.07,
        "expected": 29.0,
        "expected_low": 27.0,
        "expected_high": 33.0,
        "expected_reason": None,
    }
    assert expected.items() <= cells(report, "targets", target="avec").items()
    assert dict.fromkeys(expected).items() <= cells(report, "targets", target="sans").items()
    headings = {column.id: column.heading(Language("fr")) for column in drawn(report, "targets").columns}
    assert headings["distance"] == "Écart à la trajectoire"
    assert headings["overrun_probability"] == "Probabilité de dépassement"


def test_the_range_of_an_estimate_by_tokens_goes_from_low_to_high(full: QuarterlyReport) -> None:
    use = TokensUsed(
        "vadore",
        "inference",
        "openai",
        "gpt-4o",
        1000,
        500,
        3,
        "estimated",
        None,
        low_kg=0.1,
        central_kg=0.2,
        high_kg=0.7,
        records=2,
    )
    report = dataclasses.replace(full, tokens=(use,))
    (line,) = lines(report, "tokens")
    assert (line["low_kg"], line["central_kg"], line["high_kg"]) == (0.1, 0.2, 0.7)
    assert (line["tokens_in"], line["tokens_out"], line["rows"], line["records"]) == (1000, 500, 3, 2)
    headings = {column.id: column.heading(Language("fr")) for column in drawn(report, "tokens").columns}
    assert headings["low_kg"] == "CO₂e, hypothèse basse (kgCO2e)"
    assert headings["high_kg"] == "CO₂e, hypothèse haute (kgCO2e)"


def test_the_hypotheses_of_a_model_go_from_low_to_high(full: QuarterlyReport) -> None:
    known = Hypotheses("openai", "gpt-4o", "0.11.3", "USA", "55-220", "11-44", False, 1.0, 2.0, 7.0)
    (line,) = lines(dataclasses.replace(full, model_hypotheses=(known,)), "model_hypotheses")
    assert [line[f"{bound}_kg_per_million"] for bound in ("low", "central", "high")] == [1.0, 2.0, 7.0]
    assert (line["total_parameters"], line["active_parameters"]) == ("55-220", "11-44")


def test_low_bounds_are_never_above_high_ones(full: QuarterlyReport) -> None:
    seen = 0
    for found in tables(full):
        pairs = [(column.id, column.id.replace("low", "high")) for column in found.columns if "low" in column.id.split("_")]
        for line in lines(full, found.id):
            for low, high in pairs:
                if line[low] is not None:
                    assert line[low] <= line[high], f"{found.id}.{low}"
                    seen += line[low] < line[high]
    assert seen > 20


# Tables that draw one item of the report a line, in its order, under the report's own name.
DRAWN = (
    *(
        "register",
        "results",
        "trend",
        "savings",
        "said",
        "actions",
        "evaluations",
        "regions",
        "contracts",
        "calibrations",
        "crosschecks",
    ),
    *("site_figures", "equipment", "tokens", "inventory", "targets", "model_hypotheses", "doubles"),
)
WRITTEN_OTHERWISE = {"baseline_quarters", "may_harm"}  # joined, or numbers as codes


def as_data(cell: Any) -> Any:
    """A cell as the report's data has it: days and instants as text."""
    if isinstance(cell, datetime):
        return cell.strftime("%Y-%m-%dT%H:%M:%SZ")
    return cell.isoformat() if isinstance(cell, date) else cell


@pytest.mark.parametrize("id_", DRAWN)
def test_a_column_named_like_a_field_holds_that_field(full: QuarterlyReport, id_: str) -> None:
    contract = ContractUsed("Fournisseur", 6.0, "lifecycle", 0.5, "FRA", ("h",), "2026-01-01", "2027-01-01", "GO")
    calibration = CalibrationUsed("cpu", 1.42, 1.05, ("host-*",), "2026-07-01", "2027-01-01", "Campagne", "2026-06-15")
    check = CrosscheckKept("host-1", 700, 3, 1.31, 1.04, 0, 1, "bmc.csv", "ab" * 32, "2027-01-02")
    report = dataclasses.replace(full, contracts=(contract,), calibrations=(calibration,), crosschecks=(check,))
    for item, line in zip(getattr(report, id_), lines(report, id_), strict=True):
        values = {field.name: getattr(item, field.name) for field in dataclasses.fields(item)}
        plain = {
            name: value
            for name, value in values.items()
            if name in line and name not in WRITTEN_OTHERWISE and isinstance(value, str | int | float | tuple | None)
        }
        assert plain
        assert {name: as_data(line[name]) for name in plain} == plain
        for name, value in values.items():
            if isinstance(value, Quantity) and f"{name}_reason" in line:
                column = next(column for column in (f"{name}_kwh", f"{name}_kg", f"{name}_wh", name) if column in line)
                low, high = (line[column.replace(name, f"{name}_{bound}", 1)] for bound in ("low", "high"))
                assert Quantity(line[column], value.unit, low, high, line[f"{name}_reason"]) == value


def test_every_table_stands_once_and_has_a_heading_in_each_language(full: QuarterlyReport) -> None:
    found = tables(full)
    assert len({table.id for table in found}) == len(found) == 48
    for language in (Language("fr"), Language("en")):
        for each in found:
            assert all(column.heading(language) for column in each.columns)
            assert all(len(row) == len(each.columns) for row in each.rows)
