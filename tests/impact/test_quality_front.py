"""What quality costs: laws of the front, of the cheapest that is good enough, and of the price of points."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecoia.catalogue.error_widths import GSD
from ecoia.impact.quality_front import (
    DOMINATED,
    FRONT,
    HIGHER,
    LOWER,
    WITHIN_NOISE,
    QualityFront,
    Scored,
    cost_of_run,
    point_of,
)
from ecoia.impact.uncertainty import Cell, Estimate

NOISE = math.exp(1.96 * math.sqrt(2 * math.expm1(math.log(1.05) ** 2)))
RUNS = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 9)), min_size=1, max_size=14)


def front_of(runs: list[tuple[int, int]], better: str = HIGHER) -> QualityFront[int]:
    return QualityFront([Scored(n, score / 10, cost_of_run(cost, GSD)) for n, (cost, score) in enumerate(runs)], better)


@given(runs=RUNS, better=st.sampled_from([HIGHER, LOWER]))
def test_a_run_stands_by_the_cheapest_that_is_as_good(runs: list[tuple[int, int]], better: str) -> None:
    sign = 1 if better == HIGHER else -1
    found = front_of(runs, better)
    for number, (cost, score) in enumerate(runs):
        least = min(other for other, theirs in runs if sign * theirs >= sign * score)
        standing = found.standings[number]
        if standing == FRONT:
            assert cost == least
        else:
            assert standing == (DOMINATED if cost > least * NOISE else WITHIN_NOISE)
            assert found.equalled_by[number].cost.value == least


@given(runs=RUNS, better=st.sampled_from([HIGHER, LOWER]))
def test_each_of_the_front_is_better_and_dearer_and_the_steps_add_up(runs: list[tuple[int, int]], better: str) -> None:
    found = front_of(runs, better)
    costs = [run.cost.value for run in found.front]
    worth = [run.quality if better == HIGHER else -run.quality for run in found.front]
    assert costs == sorted(set(costs))
    assert worth == sorted(set(worth))
    assert sum(step.cost for step in found.steps) == pytest.approx(costs[-1] - costs[0])
    assert sum(step.gained for step in found.steps) == pytest.approx(worth[-1] - worth[0])
    for step in found.steps:
        assert step.gained > 0
        assert step.bounds is not None
        assert step.bounds.low <= step.cost <= step.bounds.high
        assert step.beyond_noise == (step.better.cost.value > step.worse.cost.value * NOISE)


@given(runs=RUNS, tolerance=st.integers(0, 9))
def test_good_enough_is_the_least_cost_within_the_tolerance(runs: list[tuple[int, int]], tolerance: int) -> None:
    found = front_of(runs).good_enough(tolerance / 10)
    best = max(score for _, score in runs)
    enough = [cost for cost, score in runs if score >= best - tolerance]
    assert found.run.cost.value == min(enough)
    assert found.best.quality == best / 10
    assert found.best.cost.value == min(cost for cost, score in runs if score == best)
    cheap = sorted(cost for cost in enough if cost <= min(enough) * NOISE)
    assert sorted([found.run.cost.value, *(run.cost.value for run in found.as_cheap)]) == cheap
    if found.spared is not None:
        assert found.bounds is not None
        assert found.bounds.low <= found.spared <= found.bounds.high
        assert found.spared == pytest.approx(1 - min(enough) / found.best.cost.value)


def test_errors_that_two_runs_share_cancel_and_others_do_not() -> None:
    def scored(key: str, quality: float, cost: float, error: str) -> Scored[str]:
        return Scored(key, quality, Estimate((Cell(cost, frozenset({error}), ""),), {**GSD, "other": 2.0}, cost))

    alike = QualityFront([scored("a", 0.5, 12.0, "counters"), scored("b", 0.5, 10.0, "counters")], HIGHER)
    unlike = QualityFront([scored("a", 0.5, 12.0, "counters"), scored("b", 0.5, 10.0, "other")], HIGHER)
    assert alike.standings["a"] == DOMINATED
    assert unlike.standings["a"] == WITHIN_NOISE


def test_a_point_is_a_hundredth_of_a_share_and_one_of_anything_else() -> None:
    assert point_of([0.0, 1.0]) == 0.01
    assert point_of([0.9, 1.1]) == 1
    assert point_of([-0.2, 0.5]) == 1
