"""Check how readings are prepared for attribution: workers that spin after a call, and users of devices."""

from __future__ import annotations

from collections import Counter

from ecoia.measuring.span_sharing import SharedReading, SpanSharing
from ecoia.measuring.subject import Delta, Look, RecordKey

MS = 1_000_000
CALL, OTHER = RecordKey("call", "inference"), RecordKey("other", "inference")


def split(sharing: SpanSharing, look: Look, wall_ms: int, users: dict[int, int] | None = None) -> SharedReading:
    return sharing.split({"cpu": 1_000, "gpu": 1_000}, look, users or {}, wall_ns=wall_ms * MS, elapsed_ns=100 * MS)


def charged_ms(shared: SharedReading) -> dict[RecordKey, int]:
    return {key: cpu_ns // MS for key, cpu_ns in zip(shared.keys, shared.attribution.cpu_ns, strict=True)}


def test_workers_that_spin_after_a_call_are_charged_to_it_while_another_span_waits() -> None:
    sharing = SpanSharing(wall_ns=0, cpus=4)
    split(sharing, Look(90 * MS, 0, 0, 1.0, {CALL: Delta(cpu_ns=90 * MS)}), 100)
    waiting = Look(40 * MS, 0, 0, 1.0, {OTHER: Delta(cpu_ns=0, in_flight_ns=100 * MS)})
    assert charged_ms(split(sharing, waiting, 200)) == {OTHER: 0, CALL: 40}


def test_the_memory_of_a_call_fades() -> None:
    sharing = SpanSharing(wall_ns=0, cpus=4)
    split(sharing, Look(90 * MS, 0, 0, 1.0, {CALL: Delta(cpu_ns=90 * MS)}), 100)
    nothing = Look(0, 0, 0, 0.0, {})
    for number in range(200):
        split(sharing, nothing, 200 + 100 * number)
    waiting = Look(40 * MS, 0, 0, 1.0, {OTHER: Delta(cpu_ns=0, in_flight_ns=100 * MS)})
    assert charged_ms(split(sharing, waiting, 20_200)) == {OTHER: 40}


def test_a_moment_of_workers_is_not_spread_over_thousands_of_calls_that_are_over() -> None:
    """A thread of the program that works on while its counters are read looks like a worker for some microseconds."""
    sharing = SpanSharing(wall_ns=0, cpus=4)
    calls = {RecordKey("call", "inference", endpoint=f"/{number}"): Delta(cpu_ns=9000) for number in range(10_000)}
    split(sharing, Look(90 * MS, 0, 0, 1.0, calls), 100)
    moment = split(sharing, Look(20_000, 0, 0, 0.5, {OTHER: Delta(cpu_ns=1000)}), 200)
    assert moment.keys == [OTHER]
    assert sum(moment.attribution.cpu_ns) + moment.attribution.unattributed_cpu_ns == 20_000, "nothing of it is left out"
    long = split(sharing, Look(90 * MS, 0, 0, 1.0, {OTHER: Delta(cpu_ns=1000)}), 300)
    assert len(long.keys) == 10_001, "after a long time each has a part"


def test_device_energy_is_split_by_the_processes_that_the_driver_reports() -> None:
    owners = {7: CALL, 8: OTHER}
    look = Look(10, 0, 0, 1.0, {CALL: Delta(cpu_ns=9), OTHER: Delta(cpu_ns=1)}, owner_of=owners.get)
    shared = split(SpanSharing(wall_ns=0, cpus=4), look, 100, Counter({7: 1, 8: 2, 9: 1}))
    gpu = dict(zip(shared.keys, (energy["gpu"] for energy in shared.attribution.spans), strict=True))
    assert gpu == {CALL: 250, OTHER: 500}
    assert shared.attribution.unattributed["gpu"] == 250, "process 9 belongs to no service"
