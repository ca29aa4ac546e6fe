"""Check the laws of attribution: no energy is lost or created, and no span pays for another."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ecoia.measuring.attribution import IntervalUsage, attribute, span_weights
from ecoia.semconv import COMPONENTS

NANOSECONDS = st.one_of(st.just(0), st.integers(0, 10**11))
ENERGIES = st.fixed_dictionaries({component: st.none() | st.integers(0, 10**12) for component in COMPONENTS})
USAGES = st.builds(
    IntervalUsage,
    spans=st.lists(st.tuples(NANOSECONDS, NANOSECONDS, NANOSECONDS), max_size=8),
    worker_cpu_ns=NANOSECONDS,
    outside_cpu_ns=NANOSECONDS,
    own_cpu_ns=NANOSECONDS,
    coverage=st.sampled_from([0.0, 1.0]) | st.floats(-0.5, 1.5),
    room_cpu_ns=NANOSECONDS,
    background_cpu_ns=NANOSECONDS,
    device_weights=st.none(),
)


@given(ENERGIES, USAGES)
def test_the_parts_add_up_to_the_whole(allocated: dict[str, int | None], usage: IntervalUsage) -> None:
    result = attribute(allocated, usage)
    assert len(result.spans) == len(usage.spans)
    for component in COMPONENTS:
        parts = [*(span[component] for span in result.spans), result.unattributed[component], result.overhead[component]]
        if allocated[component] is None:
            assert parts == [None] * len(parts)  # missing stays missing, in each part
        else:
            assert all(type(part) is int and part >= 0 for part in parts)
            assert sum(part or 0 for part in parts) == allocated[component]


@given(ENERGIES, USAGES, st.data())
def test_device_energy_is_split_by_process_alone_if_the_driver_reports_processes(
    allocated: dict[str, int | None], usage: IntervalUsage, data: st.DataObject
) -> None:
    weights = data.draw(st.lists(NANOSECONDS, min_size=len(usage.spans) + 1, max_size=len(usage.spans) + 1))
    result = attribute(allocated, usage._replace(device_weights=weights))
    *spans, unattributed = [*(span["gpu"] for span in result.spans), result.unattributed["gpu"]]
    if allocated["gpu"] is None:
        assert {*spans, unattributed} == {None}
        return
    assert sum(spans) + unattributed == allocated["gpu"]
    for weight, energy in zip([*weights[:-1]], spans, strict=True):
        assert abs(energy - allocated["gpu"] * weight / max(sum(weights), 1)) <= 1 + allocated["gpu"] * 1e-12
    assert result.overhead["gpu"] == 0


@given(ENERGIES, USAGES)
def test_a_component_without_energy_is_missing_everywhere(allocated: dict[str, int | None], usage: IntervalUsage) -> None:
    result = attribute({"cpu": allocated["cpu"]}, usage)
    assert result.unattributed["gpu"] is None
    assert result.overhead["ram"] is None


@given(ENERGIES, USAGES)
def test_waiting_is_free_while_another_computes(allocated: dict[str, int | None], usage: IntervalUsage) -> None:
    result = attribute(allocated, usage)
    if any(cpu_ns for cpu_ns, _, _ in usage.spans):
        for (cpu_ns, _, recent_ns), energy in zip(usage.spans, result.spans, strict=True):
            if cpu_ns == recent_ns == 0:
                assert not energy["cpu"]
                assert not energy["ram"]
                assert not energy["gpu"]


@given(ENERGIES, USAGES)
def test_worker_threads_outside_every_span_are_unattributed(allocated: dict[str, int | None], usage: IntervalUsage) -> None:
    bare = usage._replace(coverage=0.0, room_cpu_ns=0)
    weights, unattributed_ns = span_weights(bare)
    assert weights == [cpu_ns for cpu_ns, _, _ in bare.spans]
    assert unattributed_ns == bare.worker_cpu_ns + bare.outside_cpu_ns
    assert not any(span["gpu"] for span in attribute(allocated, bare).spans)


@given(USAGES)
def test_cpu_time_is_neither_lost_nor_created(usage: IntervalUsage) -> None:
    weights, unattributed_ns = span_weights(usage)
    spent_ns = sum(cpu_ns for cpu_ns, _, _ in usage.spans) + usage.worker_cpu_ns + usage.outside_cpu_ns
    assert sum(weights) + unattributed_ns == spent_ns


@given(ENERGIES, USAGES)
def test_without_spans_all_is_unattributed_or_overhead(allocated: dict[str, int | None], usage: IntervalUsage) -> None:
    result = attribute(allocated, usage._replace(spans=[]))
    assert result.spans == []
    for component, energy in allocated.items():
        if energy is not None:
            assert (result.unattributed[component] or 0) + (result.overhead[component] or 0) == energy
    assert not result.overhead["gpu"]  # ecoia's threads drive no device


@given(ENERGIES, USAGES, st.randoms())
def test_the_order_of_spans_moves_a_microjoule_at_most(allocated: dict[str, int | None], usage: IntervalUsage, random) -> None:
    order = list(range(len(usage.spans)))
    random.shuffle(order)
    straight = attribute(allocated, usage)
    shuffled = attribute(allocated, usage._replace(spans=[usage.spans[index] for index in order]))
    # Ties in the largest remainder: a nanosecond of the workers' time, then a microjoule.
    for position, index in enumerate(order):
        for component, energy in allocated.items():
            if energy is not None and usage.worker_cpu_ns == 0 and component != "gpu":
                assert abs((straight.spans[index][component] or 0) - (shuffled.spans[position][component] or 0)) <= 1


def test_workers_follow_the_span_that_computes() -> None:
    """10 s of BLAS threads run beside a span that computes for 1 s and one that waits: only the first pays."""
    usage = IntervalUsage(
        spans=[(10**9, 2 * 10**9, 0), (0, 10 * 10**9, 0)],
        worker_cpu_ns=10**10,
        outside_cpu_ns=0,
        own_cpu_ns=0,
        coverage=1.0,
        room_cpu_ns=10**10,
    )
    assert attribute({"cpu": 11_000_000, "gpu": None, "ram": None}, usage).spans[0]["cpu"] == 11_000_000


def test_threads_that_spin_after_a_call_belong_to_it_and_not_to_a_sleeper() -> None:
    usage = IntervalUsage(
        spans=[(0, 0, 10**9), (1000, 10**9, 0)], worker_cpu_ns=3 * 10**7, outside_cpu_ns=0, own_cpu_ns=0, coverage=1.0,
        room_cpu_ns=10**9,
    )  # fmt: skip
    weights, _ = span_weights(usage)
    assert weights[1] < 0.005 * weights[0]


def test_workers_follow_time_in_flight_where_no_span_computes() -> None:
    usage = IntervalUsage(
        spans=[(0, 1, 0), (0, 3, 0)], worker_cpu_ns=10**9, outside_cpu_ns=0, own_cpu_ns=0, coverage=1.0, room_cpu_ns=10**9
    )
    spans = attribute({"cpu": 400, "gpu": 400, "ram": None}, usage).spans
    assert [span["cpu"] for span in spans] == [100, 300]
    assert [span["gpu"] for span in spans] == [100, 300]


def test_energy_is_unattributed_if_nothing_ran() -> None:
    idle = IntervalUsage(spans=[(0, 5, 0)], worker_cpu_ns=0, outside_cpu_ns=0, own_cpu_ns=0, coverage=1.0, room_cpu_ns=0)
    result = attribute({"cpu": 7, "gpu": None, "ram": 3}, idle)
    assert result.unattributed == {"cpu": 7, "gpu": None, "ram": 3}


@given(USAGES)
def test_workers_are_charged_no_more_than_they_did_and_than_the_cpus_could_do(usage: IntervalUsage) -> None:
    weights, _ = span_weights(usage)
    charged_ns = sum(weights) - sum(cpu_ns for cpu_ns, _, _ in usage.spans)
    assert 0 <= charged_ns <= min(usage.worker_cpu_ns, usage.room_cpu_ns)
    assert charged_ns <= max(usage.worker_cpu_ns - usage.background_cpu_ns, 0)


def test_short_spans_keep_their_blas_threads_and_not_the_background() -> None:
    """Spans of 0.1 s in a second, on 4 CPUs, get 0.3 s of workers, and nothing of the half CPU that is always busy."""
    usage = IntervalUsage(
        spans=[(10**8, 10**8, 0)],
        worker_cpu_ns=3 * 10**8 + 45 * 10**7,
        outside_cpu_ns=0,
        own_cpu_ns=0,
        coverage=0.1,
        room_cpu_ns=4 * 10**8,
        background_cpu_ns=45 * 10**7,
    )
    assert span_weights(usage) == ([4 * 10**8], 45 * 10**7)
