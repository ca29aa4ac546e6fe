"""Attribute energy to spans: pure integer arithmetic, so nothing is lost or created.

Within one reading, the energy that was allocated to the process is split by CPU time:

* The weight of a span is its own CPU time.
* CPU time of *workers* is added to the spans in proportion to their own CPU time. Workers are threads without a span (BLAS,
  OpenMP, tokenizers) and processes that the spans started. The CPU time of earlier readings counts too, and fades, because
  BLAS threads spin on after a call. If no span used CPU time, workers are split by time in flight.
* If spans were in flight during only part of the reading, not all of the workers' time is theirs. The time that workers use
  while no span is in flight is subtracted first, and spans get no more than the CPUs could deliver while spans were in flight.
  The rest is unattributed.
* CPU time of span-carrying threads outside any span is unattributed.
* CPU time of ecoia's own threads is overhead.

GPU energy is split among the spans in flight by the same weights, because the spans drive the device. If the spans are whole
processes, it is split by what the driver reports of each process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ecoia.light import NamedTuple
from ecoia.semconv import COMPONENTS
from ecoia.units import split_integer

_COVERAGE_SCALE = 1_000_000


class IntervalUsage(NamedTuple):
    """Usage of the process between two readings. CPU time and durations in nanoseconds.

    Attributes:
        spans: (CPU time, time in flight, recent CPU time) of the spans of each key.
        worker_cpu_ns: CPU time of threads and processes without a span.
        outside_cpu_ns: CPU time of span-carrying threads outside any span.
        own_cpu_ns: CPU time of ecoia's own threads.
        coverage: Share of the interval during which at least one span was in flight.
        room_cpu_ns: CPU time that the CPUs could deliver while spans were in flight.
        background_cpu_ns: CPU time that workers are known to use while no span is in flight.
        device_weights: Weights that split the energy of devices: one for the spans of each key, then one for processes of
            no key. None: split it like CPU energy.
    """

    spans: Sequence[tuple[int, int, int]]
    worker_cpu_ns: int
    outside_cpu_ns: int
    own_cpu_ns: int
    coverage: float
    room_cpu_ns: int
    background_cpu_ns: int = 0
    device_weights: Sequence[int] | None = None


class Attribution(NamedTuple):
    """How the energy of one reading was split. Integer microjoules by component; None if the component is missing.

    Attributes:
        spans: Energy of the spans of each key.
        unattributed: Energy of no span.
        overhead: Energy of ecoia's own threads.
        cpu_ns: CPU time of the spans of each key, their part of the workers' included.
        unattributed_cpu_ns: CPU time of no span, ecoia's own threads excepted.
    """

    spans: list[dict[str, int | None]]
    unattributed: dict[str, int | None]
    overhead: dict[str, int | None]
    cpu_ns: list[int]
    unattributed_cpu_ns: int


def span_weights(usage: IntervalUsage) -> tuple[list[int], int]:
    """Split the workers' CPU time among the spans.

    Returns:
        CPU time in ns of the spans of each key, their part of the workers' included; and the CPU time of no span. Both add
        up to the CPU time of spans, workers and threads outside spans.
    """
    own = [max(cpu_ns, 0) for cpu_ns, _, _ in usage.spans]
    basis = [cpu_ns + max(recent_ns, 0) for cpu_ns, (_, _, recent_ns) in zip(own, usage.spans, strict=True)]
    if not any(basis):
        basis = _time_in_flight(usage)
    workers = usage.worker_cpu_ns
    shared = max(min(workers - usage.background_cpu_ns, usage.room_cpu_ns), 0) if any(basis) else 0
    extra = split_integer(shared, basis)
    weights = [cpu_ns + more for cpu_ns, more in zip(own, extra, strict=True)]
    return weights, workers - shared + usage.outside_cpu_ns


def attribute(microjoules: Mapping[str, int | None], usage: IntervalUsage) -> Attribution:
    """Split the energy of one reading. For each component, spans + unattributed + overhead = energy, exactly.

    Args:
        microjoules: Energy allocated to the process, by component; None if missing.
        usage: Usage of the process in the same interval.

    Example:
        >>> usage = IntervalUsage([(3, 9, 0)], 0, outside_cpu_ns=1, own_cpu_ns=0, coverage=1.0, room_cpu_ns=4)
        >>> split = attribute({"cpu": 100}, usage)
        >>> split.spans[0]["cpu"], split.unattributed["cpu"]
        (75, 25)
    """
    weights, unattributed_ns = span_weights(usage)
    result = Attribution([{} for _ in usage.spans], {}, {}, weights, unattributed_ns)
    for component in COMPONENTS:
        energy = microjoules.get(component)
        parts: Sequence[int | None]
        if energy is None:
            parts = [None] * (len(weights) + 2)
        elif component == "gpu":
            parts = [*_split_device(energy, weights, usage), 0]  # ecoia's own threads drive no device
        else:
            parts = _split_or_leave(energy, [*weights, unattributed_ns, usage.own_cpu_ns], rest=len(weights))
        for index in range(len(weights)):
            result.spans[index][component] = parts[index]
        result.unattributed[component] = parts[-2]
        result.overhead[component] = parts[-1]
    return result


def _split_device(energy: int, weights: Sequence[int], usage: IntervalUsage) -> list[int]:
    """Split the energy of a device: a part for the spans of each key, and a last one for no span."""
    if usage.device_weights is not None:
        return _split_or_leave(energy, usage.device_weights, rest=len(weights))
    basis = weights if any(weights) else _time_in_flight(usage)
    scaled = min(max(round(usage.coverage * _COVERAGE_SCALE), 0), _COVERAGE_SCALE)
    covered = energy * scaled // _COVERAGE_SCALE if any(basis) else 0
    return [*split_integer(covered, basis), energy - covered]


def _split_or_leave(energy: int, weights: Sequence[int], *, rest: int) -> list[int]:
    """Split by weights; if all are 0, nothing ran, so everything goes to the part at index ``rest``."""
    if any(weights):
        return split_integer(energy, weights)
    return [energy if index == rest else 0 for index in range(len(weights))]


def _time_in_flight(usage: IntervalUsage) -> list[int]:
    return [max(in_flight_ns, 0) for _, in_flight_ns, _ in usage.spans]
