"""Tables of the dashboard: the unit of a column, and the order of its lines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from ecoia.readable.scales import LADDERS, list_scale
from ecoia.report import Quantity
from ecoia_dashboards.dashboard.address import Address
from ecoia_dashboards.dashboard.tables import FIGURE, Cell, Heading, Link, Mark, Table, sorted_lines, table_csv, writers
from ecoia_dashboards.language import Language

FRENCH = Language("fr")


def column(*values: float | None, unit: str = "kWh", chosen: str = "") -> list[str]:
    """Return the unit of a column and its numbers, as the page writes them."""
    cells = [Quantity(value, unit, reason=None if value is not None else "no-data") for value in values]
    table = Table("t", "t", (Heading("Énergie", FIGURE),), tuple((each,) for each in cells))
    (writer,) = writers(table, FRENCH, chosen)
    return [writer.unit, *(writer.number(each) for each in cells if each.value is not None)]


def test_a_column_keeps_the_figures_of_its_smallest_value() -> None:
    assert column(12_511.0, 2.45) == ["kWh", "12\u202f511", "2,45"]
    assert column(23_916.0, 412.0) == ["MWh", "23,9", "0,41"]
    assert column(0.0, 2.0, None) == ["kWh", "0", "2,00"]


def test_what_is_too_small_for_the_column_is_less_than_its_last_digit() -> None:
    assert column(446.0, 0.00083, unit="kgCO2e") == ["kgCO₂e", "446", "<\xa00,1"]


def test_a_chosen_unit_is_used_where_it_fits() -> None:
    assert column(12_511.0, 2.45, chosen="MWh") == ["MWh", "12,5", "<\xa00,01"]
    assert column(12_511.0, 2.45, chosen="auto")[0] == "kWh"
    assert column(12.0, unit="kgCO2e", chosen="MWh")[0] == "kgCO₂e"


@given(
    st.lists(st.floats(-1e7, 1e7).filter(lambda value: abs(value) > 1e-6), min_size=1), st.sampled_from(["kWh", "kgCO2e", "L"])
)
def test_a_column_is_in_the_greatest_unit_that_suits_all(values: list[float], unit: str) -> None:
    own = dict(LADDERS[unit])[unit]
    sizes = [abs(value) * own for value in values]
    fitting = [name for name, size in LADDERS[unit] if min(sizes) / size >= 0.1 and max(sizes) / size < 100_000]
    scale = list_scale(values, unit)
    assert (
        scale.unit == fitting[0]
        if fitting
        else max(sizes) / dict(LADDERS[unit])[scale.unit] >= 0.99 or scale.unit == LADDERS[unit][-1][0]
    )
    assert scale.size == pytest.approx(dict(LADDERS[unit])[scale.unit] / own)


def kwh(value: float | None) -> Quantity:
    return Quantity(value, "kWh", reason=None if value is not None else "no-data")


TABLE = Table(
    "services",
    "Services",
    (Heading("Service", sort="name"), Heading("Énergie", FIGURE, sort="energy"), Heading("Part")),
    (
        (Link("zoé", "/z"), kwh(2.0), 1),
        (Link("Éric", "/e"), kwh(None), 2),
        (Link("eric b", "/b"), kwh(-3.0), 3),
        (Mark(Markup("<svg>"), "anne"), None, 4),
    ),
    foot=(("total", kwh(-1.0), None),),
)


def order(sort: str) -> list[Cell]:
    return [line[2] for line in sorted_lines(TABLE, Address(sort=sort)).lines]


def test_lines_are_sorted_as_the_address_asks() -> None:
    assert order("name") == [4, 2, 3, 1]
    assert order("-name") == [1, 3, 2, 4]
    assert order("energy") == [3, 1, 2, 4]
    assert order("-energy") == [1, 3, 2, 4], "what is not known stands last in both orders"
    assert order("") == order("nothing") == [1, 2, 3, 4]


def test_sorting_moves_no_total() -> None:
    assert sorted_lines(TABLE, Address(sort="-energy")).foot == TABLE.foot


@given(st.lists(st.floats(-1e6, 1e6) | st.none()))
def test_sorting_keeps_every_line(values: list[float | None]) -> None:
    table = Table("t", "t", (Heading("a", FIGURE, sort="a"),), tuple((kwh(value),) for value in values))
    found = sorted_lines(table, Address(sort="a")).lines
    known = sorted(value for value in values if value is not None)
    assert [cell.value for (cell,) in found] == known + [None] * (len(values) - len(known))  # type: ignore[union-attr]


def test_a_csv_is_exact_whatever_the_unit_of_the_page() -> None:
    text = table_csv(TABLE, Language("en"), ["Who", "https://x"])
    assert "2.0" in text
    assert "Énergie (kWh)" in text


def test_a_table_without_lines_has_a_unit_for_each_column() -> None:
    empty = Table("t", "t", TABLE.headings, ())
    assert len(writers(empty, FRENCH)) == 3
