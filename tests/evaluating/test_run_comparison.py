"""Two runs compared: which was dearer, and that noise is not called a difference."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecoia.evaluating.run_comparison import CHEAPER, DEARER, WITHIN_NOISE, RunEnergy, compare

RAPL = ("cpu", "measured", "rapl")
MODEL = ("cpu", "estimated", "load-model:generic-tdp")


def run(name: str, wh: float, method: tuple[str, str, str] = RAPL, **fields: object) -> RunEnergy:
    return RunEnergy(name, name, {method: wh}, hosts=frozenset({"host-1"}), **fields)  # type: ignore[arg-type]


def test_a_run_that_used_three_times_as_much_is_dearer() -> None:
    found = compare(run("b", 3), run("a", 1))
    assert found is not None
    assert found.verdict == DEARER
    assert found.low > 1
    assert found.change == pytest.approx(2)


@given(st.floats(0.001, 1e6), st.floats(0.001, 1e6))
def test_swapping_the_runs_turns_the_verdict_and_inverts_the_interval(first: float, second: float) -> None:
    there, back = compare(run("a", first), run("b", second)), compare(run("b", second), run("a", first))
    assert there is not None
    assert back is not None
    assert back.verdict == {DEARER: CHEAPER, CHEAPER: DEARER}.get(there.verdict, WITHIN_NOISE)
    assert (1 + there.low) * (1 + back.high) == pytest.approx(1)


def test_a_percent_is_within_noise() -> None:
    found = compare(run("b", 1.01), run("a", 1))
    assert found is not None
    assert found.verdict == WITHIN_NOISE


def test_errors_of_a_meter_cancel_on_one_host_and_not_between_two() -> None:
    same = compare(run("b", 1.5, MODEL), run("a", 1, MODEL))
    other = RunEnergy("a", "a", {MODEL: 1.0}, hosts=frozenset({"host-2"}))
    apart = compare(run("b", 1.5, MODEL), other)
    assert same is not None
    assert apart is not None
    assert (same.alike, apart.alike) == (True, False)
    assert math.log((1 + apart.high) / (1 + apart.low)) > 3 * math.log((1 + same.high) / (1 + same.low))
    assert (same.verdict, apart.verdict) == (DEARER, WITHIN_NOISE)


def test_a_run_without_energy_is_not_compared() -> None:
    assert compare(run("b", 0), run("a", 1)) is None


def test_energy_a_unit_is_compared_where_both_count_units() -> None:
    found = compare(run("b", 3, units=300.0), run("a", 1, units=50.0))
    assert found is not None
    assert found.change_per_unit == pytest.approx(-0.5)
    assert compare(run("b", 3, units=300.0), run("a", 1)).change_per_unit is None  # type: ignore[union-attr]
