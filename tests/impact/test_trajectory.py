"""A budget on its way down, and how likely it is to be overrun."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecoia.catalogue.error_widths import GSD
from ecoia.impact.trajectory import Trajectory
from ecoia.impact.uncertainty import Cell, Estimate


def quarter(value: float) -> Estimate:
    return Estimate((Cell(value, frozenset({"counters"}), "a"),), GSD, value)


PATH = Trajectory(quarter(10), year=2024, horizon=2028, reduction=0.4)
LAST = [quarter(value) for value in (9.0, 10.0, 8.0, 9.0)]


def test_the_path_is_linear_to_its_horizon_and_stays_there() -> None:
    assert [PATH.path(year) for year in (2023, 2024, 2026, 2028, 2030)] == pytest.approx([1, 1, 0.8, 0.6, 0.6])
    assert PATH.budget(2026) == pytest.approx(32)
    assert Trajectory(quarter(10), 2024, 2024, 0.4).path(2024) == pytest.approx(0.6), "a horizon in the baseline's year is due"


@given(st.lists(st.floats(1, 20), min_size=1, max_size=4), st.integers(0, 3), st.floats(0.1, 5))
def test_more_use_is_never_less_likely_to_overrun(spent: list[float], index: int, more: float) -> None:
    place = min(index, len(spent) - 1)
    raised = [value + more if at == place else value for at, value in enumerate(spent)]
    chances = [PATH.overrun_probability(2026, list(map(quarter, values)), LAST) for values in (spent, raised)]
    assert all(chance is not None and 0 <= chance <= 1 for chance in chances)
    if sum(spent) > 32:  # what is over already is over, whatever lies ahead
        assert chances[0] > 0.5


def test_at_the_budget_exactly_either_is_as_likely() -> None:
    assert PATH.overrun_probability(2026, [quarter(8)] * 4, LAST) == pytest.approx(0.5)
    assert PATH.overrun_probability(2026, [quarter(4)] * 4, LAST) == pytest.approx(0, abs=1e-6)
    assert PATH.overrun_probability(2026, [quarter(16)] * 4, LAST) == pytest.approx(1, abs=1e-6)


def test_fewer_than_four_quarters_say_nothing_of_the_next() -> None:
    assert PATH.overrun_probability(2026, [quarter(8)], LAST[:3]) is None


def test_nothing_used_overruns_nothing_and_a_budget_of_nothing_is_overrun() -> None:
    assert PATH.overrun_probability(2026, [quarter(0)] * 4, LAST) == 0
    assert Trajectory(quarter(10), 2024, 2026, 1.0).overrun_probability(2026, [quarter(1)] * 4, LAST) == 1


def test_quarters_that_differ_much_make_the_rest_of_the_year_less_sure() -> None:
    steady, wild = [quarter(8)] * 4, [quarter(value) for value in (2.0, 14.0, 2.0, 14.0)]
    sure, unsure = (PATH.overrun_probability(2026, [quarter(6)], last) for last in (steady, wild))
    assert sure is not None
    assert unsure is not None
    assert sure < unsure < 0.5
