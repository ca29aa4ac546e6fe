"""Splits small enough to check by hand. Each one fails for a mutation that the laws notice by luck only."""

from __future__ import annotations

from typing import Any

import pytest

from ecoia.measuring.attribution import IntervalUsage, attribute, span_weights


def usage(*spans: tuple[int, int, int], **values: Any) -> IntervalUsage:
    """An interval whose spans used (CPU time, time in flight, recent CPU time), and nothing else ran unless said."""
    default = {"worker_cpu_ns": 0, "outside_cpu_ns": 0, "own_cpu_ns": 0, "coverage": 1.0, "room_cpu_ns": 10**12}
    return IntervalUsage(spans=spans, **{**default, **values})


def energy_of(component: str, microjoules: int, activity: IntervalUsage) -> list[int | None]:
    """Microjoules of each span, unattributed, and overhead."""
    result = attribute({component: microjoules}, activity)
    return [*(span[component] for span in result.spans), result.unattributed[component], result.overhead[component]]


def test_each_part_of_cpu_time_pays_for_itself() -> None:
    activity = usage((30, 0, 0), (50, 0, 0), outside_cpu_ns=15, own_cpu_ns=5)
    assert energy_of("cpu", 1000, activity) == energy_of("ram", 1000, activity) == [300, 500, 150, 50]
    result = attribute({"cpu": 1000}, activity)
    assert (result.cpu_ns, result.unattributed_cpu_ns) == ([30, 50], 15)


@pytest.mark.parametrize("spans", [(), ((0, 0, 0),)], ids=["no span", "a span that never ran"])
def test_workers_without_a_span_to_answer_for_them_are_unattributed(spans: tuple[tuple[int, int, int], ...]) -> None:
    assert span_weights(usage(*spans, worker_cpu_ns=70, outside_cpu_ns=8)) == ([0] * len(spans), 78)


def test_workers_follow_the_cpu_time_of_this_interval_and_of_those_before() -> None:
    assert span_weights(usage((10, 5, 30), (20, 5, 0), worker_cpu_ns=60)) == ([10 + 40, 20 + 20], 0)


def test_without_cpu_time_workers_follow_the_time_in_flight() -> None:
    assert span_weights(usage((0, 0, 0), (0, 30, 0), (0, 10, 0), worker_cpu_ns=400)) == ([0, 300, 100], 0)


@pytest.mark.parametrize(
    ("values", "shared"),
    [({}, 100), ({"background_cpu_ns": 30}, 70), ({"room_cpu_ns": 40}, 40), ({"background_cpu_ns": 130}, 0)],
    ids=["all", "less the background", "no more than the CPUs can do", "never less than nothing"],
)
def test_spans_answer_for_the_workers_that_can_be_theirs(values: dict[str, int], shared: int) -> None:
    assert span_weights(usage((1, 1, 0), worker_cpu_ns=100, **values)) == ([1 + shared], 100 - shared)


def test_a_negative_reading_of_a_clock_weighs_nothing() -> None:
    assert span_weights(usage((-5, -1, -9), (10, 1, 0), worker_cpu_ns=10)) == ([0, 20], 0)


def test_gpu_energy_follows_the_spans_that_compute_not_those_that_wait() -> None:
    assert energy_of("gpu", 400, usage((30, 1, 0), (10, 99, 0), (0, 50, 0))) == [300, 100, 0, 0, 0]


def test_where_no_span_computes_gpu_energy_follows_the_time_in_flight() -> None:
    assert energy_of("gpu", 400, usage((0, 0, 0), (0, 30, 0), (0, 10, 0))) == [0, 300, 100, 0, 0]


@pytest.mark.parametrize(("coverage", "covered"), [(0.25, 100), (1.7, 400), (-0.3, 0), (0.0, 0)])
def test_gpu_energy_of_the_time_without_spans_is_unattributed(coverage: float, covered: int) -> None:
    assert energy_of("gpu", 400, usage((10, 10, 0), coverage=coverage, own_cpu_ns=10)) == [covered, 400 - covered, 0]


def test_where_the_driver_names_the_users_of_a_device_they_pay() -> None:
    activity = usage((90, 1, 0), (10, 1, 0), device_weights=[1, 2, 1])
    assert energy_of("gpu", 400, activity) == [100, 200, 100, 0]
    assert energy_of("gpu", 400, usage((90, 1, 0), device_weights=[0, 0])) == [0, 400, 0]


def test_energy_that_nobody_used_is_unattributed() -> None:
    assert energy_of("cpu", 7, usage((0, 5, 0))) == [0, 7, 0]
    assert energy_of("gpu", 7, usage((0, 0, 0))) == [0, 7, 0]


def test_a_component_that_is_missing_is_missing_for_everybody() -> None:
    result = attribute({"cpu": None, "ram": 8}, usage((1, 1, 0), (1, 1, 0)))
    assert result.spans == [{"cpu": None, "gpu": None, "ram": 4}] * 2
    assert (result.unattributed, result.overhead) == ({"cpu": None, "gpu": None, "ram": 0}, {"cpu": None, "gpu": None, "ram": 0})
