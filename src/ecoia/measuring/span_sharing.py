"""Prepare each reading for attribution: CPU time of spans, of workers and of neither, and the users of devices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from ecoia.light import NamedTuple
from ecoia.measuring.attribution import Attribution, IntervalUsage, attribute
from ecoia.measuring.subject import NO_DELTA, Look, RecordKey

_RECENT_NS = 1_000_000_000
"""Time constant with which the CPU time of earlier readings fades: BLAS threads spin for about this long after a call."""

_SETTLING_NS = 2_000_000_000
"""This long after the last span, CPU time of workers has nothing to do with spans: it is background."""

_E = 2.718281828459045  # ``math`` would be loaded for this alone

_LEAST_RECENT_NS = 1000
"""Recent CPU time below this is forgotten."""

_LEAST_PART_NS = 1000
"""A call that is over gets no part of the workers' CPU time below this: each part would be a record of its own."""


class SharedReading(NamedTuple):
    """A reading that was split: ``keys`` in the order of ``attribution.spans`` and ``attribution.cpu_ns``."""

    keys: list[RecordKey]
    attribution: Attribution


class SpanSharing:
    """Splits the active energy of each reading among spans, and remembers what earlier readings show about workers.

    Args:
        wall_ns: The monotonic clock when measuring began.
        cpus: CPUs that the process may use at most.

    Example:
        >>> from ecoia.measuring.subject import Delta
        >>> key = RecordKey("vadore", "inference")
        >>> look = Look(process_cpu_ns=4, own_cpu_ns=0, outside_cpu_ns=1, coverage=1.0, deltas={key: Delta(cpu_ns=3)})
        >>> shared = SpanSharing(wall_ns=0, cpus=2).split({"cpu": 100}, look, {}, wall_ns=10, elapsed_ns=10)
        >>> shared.attribution.spans[0]["cpu"], shared.attribution.unattributed["cpu"]
        (75, 25)
    """

    def __init__(self, wall_ns: int, cpus: float) -> None:
        self._cpus = cpus
        self._last_covered_ns = wall_ns
        self._background_cpus = 0.0
        self._recent_cpu_ns: dict[RecordKey, float] = {}

    def split(
        self, microjoules: Mapping[str, int | None], look: Look, users: Mapping[int, int], *, wall_ns: int, elapsed_ns: int
    ) -> SharedReading:
        """Split the active energy of one reading.

        Args:
            microjoules: Active energy by component; None if missing.
            look: Activity of the process since the last reading.
            users: Weights of process ids in the energy of devices.
            wall_ns: The monotonic clock at the reading.
            elapsed_ns: Time since the last reading.
        """
        spans_cpu_ns = sum(delta.cpu_ns for delta in look.deltas.values())
        worker_cpu_ns = max(look.process_cpu_ns - spans_cpu_ns - look.outside_cpu_ns, 0)
        coverage = min(max(look.coverage, 0.0), 1.0)
        # With spans in flight all the time, the workers' clocks may still run a little ahead of the monotonic clock.
        room_cpu_ns = worker_cpu_ns if coverage == 1 else round(coverage * elapsed_ns * self._cpus)
        recent = self._faded(elapsed_ns)
        keys = [*look.deltas, *_served_still(recent, look, min(worker_cpu_ns, room_cpu_ns))]
        self._learn_background(coverage, worker_cpu_ns, wall_ns, elapsed_ns)
        usage = IntervalUsage(
            spans=[_span_usage(look, key, recent) for key in keys],
            worker_cpu_ns=worker_cpu_ns,
            outside_cpu_ns=look.outside_cpu_ns,
            own_cpu_ns=look.own_cpu_ns,
            coverage=coverage,
            room_cpu_ns=room_cpu_ns,
            background_cpu_ns=round((1 - coverage) * elapsed_ns * self._background_cpus),
            device_weights=_device_weights(look, keys, users),
        )
        self._remember(look, recent)
        return SharedReading(keys, attribute(microjoules, usage))

    def _faded(self, elapsed_ns: int) -> dict[RecordKey, float]:
        factor = _E ** (-elapsed_ns / _RECENT_NS)
        return {key: cpu_ns * factor for key, cpu_ns in self._recent_cpu_ns.items()}

    def _remember(self, look: Look, recent: dict[RecordKey, float]) -> None:
        for key, delta in look.deltas.items():
            recent[key] = recent.get(key, 0.0) + delta.cpu_ns
        self._recent_cpu_ns = {key: cpu_ns for key, cpu_ns in recent.items() if cpu_ns >= _LEAST_RECENT_NS}

    def _learn_background(self, coverage: float, worker_cpu_ns: int, wall_ns: int, elapsed_ns: int) -> None:
        """Learn how many CPUs workers keep busy without any span."""
        if coverage > 0:
            self._last_covered_ns = wall_ns
        elif wall_ns - elapsed_ns - self._last_covered_ns >= _SETTLING_NS:
            self._background_cpus = worker_cpu_ns / elapsed_ns


def _served_still(recent: Mapping[RecordKey, float], look: Look, shared_ns: int) -> list[RecordKey]:
    """Return the keys of calls that are over and that workers may still work for: those with a part worth a record."""
    whole_ns = sum(recent.values()) + sum(delta.cpu_ns for delta in look.deltas.values())
    return [key for key, ns in recent.items() if key not in look.deltas and ns * shared_ns >= _LEAST_PART_NS * whole_ns]


def _span_usage(look: Look, key: RecordKey, recent: Mapping[RecordKey, float]) -> tuple[int, int, int]:
    delta = look.deltas.get(key, NO_DELTA)
    return delta.cpu_ns, delta.in_flight_ns, round(recent.get(key, 0.0))


def _device_weights(look: Look, keys: Sequence[RecordKey], users: Mapping[int, int]) -> list[int] | None:
    if look.owner_of is None:
        return None
    owners: Counter[RecordKey | None] = Counter()
    for pid, weight in users.items():
        owners[look.owner_of(pid)] += weight
    weights = [owners.pop(key, 0) for key in keys]
    return [*weights, owners.total()]
