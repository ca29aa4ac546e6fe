"""Laws of sharing out: nothing is lost, nothing is made, nobody pays for another."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from ecoia.measuring.attribution import Activity, attribute, span_weights
from ecoia.semconv import COMPONENTS

NANOSECONDS = st.one_of(st.just(0), st.integers(0, 10**11))
CLAIMS = st.fixed_dictionaries({component: st.none() | st.integers(0, 10**12) for component in COMPONENTS})
ACTIVITIES = st.builds(
    Activity,
    spans=st.lists(st.tuples(NANOSECONDS, NANOSECONDS, NANOSECONDS), max_size=8),
    worker_cpu_ns=NANOSECONDS,
    outside_cpu_ns=NANOSECONDS,
    own_cpu_ns=NANOSECONDS,
    coverage=st.sampled_from([0.0, 1.0]) | st.floats(-0.5, 1.5),
    room_cpu_ns=NANOSECONDS,
    background_cpu_ns=NANOSECONDS,
)


@given(CLAIMS, ACTIVITIES)
def test_the_parts_are_the_claim(claim: dict[str, int | None], activity: Activity) -> None:
    result = attribute(claim, activity)
    assert len(result.spans) == len(activity.spans)
    for component in COMPONENTS:
        parts = [*(span[component] for span in result.spans), result.unattributed[component], result.overhead[component]]
        if claim[component] is None:
            assert parts == [None] * len(parts)  # missing stays missing, for everybody
        else:
            assert all(type(part) is int and part >= 0 for part in parts)
            assert sum(part or 0 for part in parts) == claim[component]


@given(CLAIMS, ACTIVITIES, st.data())
def test_where_the_driver_tells_whose_a_device_is_cpu_time_plays_no_part(
    claim: dict[str, int | None], activity: Activity, data: st.DataObject
) -> None:
    weights = data.draw(st.lists(NANOSECONDS, min_size=len(activity.spans) + 1, max_size=len(activity.spans) + 1))
    result = attribute(claim, replace(activity, device_weights=weights))
    *spans, nobodys = [*(span["gpu"] for span in result.spans), result.unattributed["gpu"]]
    if claim["gpu"] is None:
        assert {*spans, nobodys} == {None}
        return
    assert sum(spans) + nobodys == claim["gpu"]
    for weight, energy in zip([*weights[:-1]], spans, strict=True):
        assert abs(energy - claim["gpu"] * weight / max(sum(weights), 1)) <= 1 + claim["gpu"] * 1e-12
    assert result.overhead["gpu"] == 0


@given(CLAIMS, ACTIVITIES)
def test_a_component_that_nobody_claims_is_missing(claim: dict[str, int | None], activity: Activity) -> None:
    result = attribute({"cpu": claim["cpu"]}, activity)
    assert result.unattributed["gpu"] is None
    assert result.overhead["ram"] is None


@given(CLAIMS, ACTIVITIES)
def test_waiting_is_free_while_another_computes(claim: dict[str, int | None], activity: Activity) -> None:
    result = attribute(claim, activity)
    if any(cpu_ns for cpu_ns, _, _ in activity.spans):
        for (cpu_ns, _, recent_ns), energy in zip(activity.spans, result.spans, strict=True):
            if cpu_ns == recent_ns == 0:
                assert not energy["cpu"]
                assert not energy["ram"]
                assert not energy["gpu"]


@given(CLAIMS, ACTIVITIES)
def test_worker_threads_outside_every_span_are_nobodys(claim: dict[str, int | None], activity: Activity) -> None:
    bare = replace(activity, coverage=0.0, room_cpu_ns=0)
    weights, unattributed_ns = span_weights(bare)
    assert weights == [cpu_ns for cpu_ns, _, _ in bare.spans]
    assert unattributed_ns == bare.worker_cpu_ns + bare.outside_cpu_ns
    assert not any(span["gpu"] for span in attribute(claim, bare).spans)


@given(ACTIVITIES)
def test_cpu_time_is_neither_lost_nor_made(activity: Activity) -> None:
    weights, unattributed_ns = span_weights(activity)
    spent_ns = sum(cpu_ns for cpu_ns, _, _ in activity.spans) + activity.worker_cpu_ns + activity.outside_cpu_ns
    assert sum(weights) + unattributed_ns == spent_ns


@given(CLAIMS, ACTIVITIES)
def test_without_spans_all_is_unattributed_or_overhead(claim: dict[str, int | None], activity: Activity) -> None:
    result = attribute(claim, replace(activity, spans=[]))
    assert result.spans == []
    for component, energy in claim.items():
        if energy is not None:
            assert (result.unattributed[component] or 0) + (result.overhead[component] or 0) == energy
    assert not result.overhead["gpu"]  # ecoia's threads drive no device


@given(CLAIMS, ACTIVITIES, st.randoms())
def test_the_order_of_spans_moves_a_microjoule_at_most(claim: dict[str, int | None], activity: Activity, random) -> None:
    order = list(range(len(activity.spans)))
    random.shuffle(order)
    straight = attribute(claim, activity)
    shuffled = attribute(claim, replace(activity, spans=[activity.spans[index] for index in order]))
    # Ties in the largest remainder: a nanosecond of the workers' time, then a microjoule.
    for position, index in enumerate(order):
        for component, energy in claim.items():
            if energy is not None and activity.worker_cpu_ns == 0 and component != "gpu":
                assert abs((straight.spans[index][component] or 0) - (shuffled.spans[position][component] or 0)) <= 1


def test_workers_follow_the_span_that_computes() -> None:
    """10 s of BLAS threads beside a span of 1 s and one that waits: the first pays, the second does not."""
    activity = Activity(
        spans=[(10**9, 2 * 10**9, 0), (0, 10 * 10**9, 0)],
        worker_cpu_ns=10**10,
        outside_cpu_ns=0,
        own_cpu_ns=0,
        coverage=1.0,
        room_cpu_ns=10**10,
    )
    assert attribute({"cpu": 11_000_000, "gpu": None, "ram": None}, activity).spans[0]["cpu"] == 11_000_000


def test_threads_that_spin_on_after_a_call_are_its_own_not_the_sleepers() -> None:
    activity = Activity(
        spans=[(0, 0, 10**9), (1000, 10**9, 0)], worker_cpu_ns=3 * 10**7, outside_cpu_ns=0, own_cpu_ns=0, coverage=1.0,
        room_cpu_ns=10**9,
    )  # fmt: skip
    weights, _ = span_weights(activity)
    assert weights[1] < 0.005 * weights[0]


def test_workers_follow_time_in_flight_where_no_span_computes() -> None:
    activity = Activity(
        spans=[(0, 1, 0), (0, 3, 0)], worker_cpu_ns=10**9, outside_cpu_ns=0, own_cpu_ns=0, coverage=1.0, room_cpu_ns=10**9
    )
    spans = attribute({"cpu": 400, "gpu": 400, "ram": None}, activity).spans
    assert [span["cpu"] for span in spans] == [100, 300]
    assert [span["gpu"] for span in spans] == [100, 300]


def test_where_nobody_ran_nobody_is_charged() -> None:
    idle = Activity(spans=[(0, 5, 0)], worker_cpu_ns=0, outside_cpu_ns=0, own_cpu_ns=0, coverage=1.0, room_cpu_ns=0)
    result = attribute({"cpu": 7, "gpu": None, "ram": 3}, idle)
    assert result.unattributed == {"cpu": 7, "gpu": None, "ram": 3}


@given(ACTIVITIES)
def test_workers_are_charged_no_more_than_they_did_and_than_the_cpus_could_do(activity: Activity) -> None:
    weights, _ = span_weights(activity)
    charged_ns = sum(weights) - sum(cpu_ns for cpu_ns, _, _ in activity.spans)
    assert 0 <= charged_ns <= min(activity.worker_cpu_ns, activity.room_cpu_ns)
    assert charged_ns <= max(activity.worker_cpu_ns - activity.background_cpu_ns, 0)


def test_short_spans_keep_their_blas_threads_and_not_the_background() -> None:
    """0.1 s of spans in a second, on 4 CPUs: 0.3 s of workers are theirs, the half CPU that runs all the time is not."""
    activity = Activity(
        spans=[(10**8, 10**8, 0)],
        worker_cpu_ns=3 * 10**8 + 45 * 10**7,
        outside_cpu_ns=0,
        own_cpu_ns=0,
        coverage=0.1,
        room_cpu_ns=4 * 10**8,
        background_cpu_ns=45 * 10**7,
    )
    assert span_weights(activity) == ([4 * 10**8], 45 * 10**7)
