"""Laws of what people read: one unit a column, no figure but 0 written as 0, and an order that rounding keeps."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecoia.readable.run_line import energy_text, mass_text
from ecoia.readable.scales import LADDERS, column_scale, decimals_for, scale_of

VALUES = st.floats(1e-9, 1e10)
COLUMNS = st.lists(VALUES, min_size=1, max_size=30)
UNITS = st.sampled_from(sorted(LADDERS))


@given(VALUES, UNITS)
def test_a_value_has_a_figure_before_its_decimal_mark_and_no_more_than_three(value: float, unit: str) -> None:
    name, size = scale_of([value], unit)
    scaled = value / size
    steps = [step for step, _ in LADDERS[unit]]
    assert 0.9995 <= scaled < 999.5 or name in (steps[0], steps[-1])


@given(VALUES, UNITS, UNITS)
def test_a_unit_has_the_same_size_whichever_unit_the_values_are_given_in(value: float, unit: str, other: str) -> None:
    sizes = dict(LADDERS[unit])
    if other in sizes:
        name, size = scale_of([value], unit)
        name_of_other, size_of_other = scale_of([value * sizes[unit] / sizes[other]], other)
        if name == name_of_other:  # at the very edge of two units, the last bit decides
            assert math.isclose(size * sizes[unit], size_of_other * sizes[other], rel_tol=1e-12)


@given(COLUMNS)
def test_a_column_takes_the_unit_of_its_greatest_value(values: list[float]) -> None:
    assert column_scale(values, "kWh")[:2] == scale_of([max(values)], "kWh")


@given(COLUMNS)
def test_rounding_moves_the_order_of_two_values_by_no_more_than_the_last_digit(values: list[float]) -> None:
    column = column_scale(values, "kWh")
    scaled = sorted(value / column.size for value in values)
    written = [round(value, column.decimals(value)) for value in scaled]
    for (one, as_one), (two, as_two) in zip(
        zip(scaled, written, strict=True), zip(scaled[1:], written[1:], strict=True), strict=False
    ):
        assert as_one <= as_two + 1e-12, f"{one} before {two}"


@given(COLUMNS)
def test_no_number_of_a_column_but_0_reads_as_0(values: list[float]) -> None:
    column = column_scale(values, "kgCO2e")
    for value in values:
        scaled = value / column.size
        assert round(scaled, column.decimals(scaled)) > 0 or column.is_below_least(scaled)
    assert not column.is_below_least(0.0)


@given(COLUMNS)
def test_the_greatest_of_a_column_keeps_three_figures(values: list[float]) -> None:
    column = column_scale(values, "L")
    greatest = max(values) / column.size
    assert math.isclose(round(greatest, column.decimals(greatest)), greatest, rel_tol=0.00501)


@pytest.mark.parametrize(("number", "decimals"), [(9.996, 1), (9.994, 2), (999.6, 0), (0.0123, 4), (0.0, 0), (-12.3, 1)])
def test_decimals_are_those_of_the_rounded_number(number: float, decimals: int) -> None:
    assert decimals_for(number) == decimals


def test_a_run_s_line_has_the_units_of_the_report_and_keeps_its_own_to_a_tenth() -> None:
    assert [energy_text(wh * 3_600_000_000) for wh in (0.05, 0.4, 999.7, 23_916_400)] == [
        "50.0 mWh",
        "0.400 Wh",
        "1.00 kWh",
        "23.9 MWh",
    ]
    assert [mass_text(grams) for grams in (0.0312, 0.64, 996, 2_000_800)] == ["31 mg", "0.64 g", "1.0 kg", "2.0 t"]
