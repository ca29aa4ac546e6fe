"""Who used the energy: pure arithmetic, in integers, so that nothing is lost or made.

Within one reading, the process's claim goes by CPU time:

* each span weighs its own CPU time;
* *worker* CPU time (threads that carry no span: BLAS, OpenMP, tokenizers; processes that the spans started) is added to
  the spans in proportion to their own CPU time, of this interval and, fading, of those before (BLAS threads spin on after
  a call); to their time in flight where none has any. Not all of it, where spans
  were in flight for a part of the interval only: what such threads use while there is no span at all is taken off, and
  more than the CPUs can do in the time with spans cannot be theirs. The rest is unattributed;
* CPU time of span-carrying threads outside any span is unattributed;
* ecoia's own threads are overhead.

GPU energy goes to the spans in flight by the same weights, since it is the spans that drive the device; where spans are
whole processes, by what the driver says of these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ecoia.semconv import COMPONENTS
from ecoia.units import split_integer

_COVERAGE_SCALE = 1_000_000


@dataclass(frozen=True, slots=True)
class Activity:
    """What the process did over one interval. Times in nanoseconds.

    ``spans`` holds (CPU time, time in flight, recent CPU time) of each kind of span; ``coverage`` is the share of the interval
    during which at least one span was in flight, ``room_cpu_ns`` what the CPUs could do in that time, and
    ``background_cpu_ns`` what workers are known to use in the rest of it. ``device_weights``, where they are told, are of each
    kind of span and, last, of nobody.
    """

    spans: Sequence[tuple[int, int, int]]
    worker_cpu_ns: int
    outside_cpu_ns: int
    own_cpu_ns: int
    coverage: float
    room_cpu_ns: int
    background_cpu_ns: int = 0
    device_weights: Sequence[int] | None = None


@dataclass(frozen=True, slots=True)
class Attribution:
    """Microjoules by component for each kind of span, unattributed, and overhead. None where the claim is None.

    ``cpu_ns`` is the CPU time that each kind of span answers for, its part of the workers' included.
    """

    spans: list[dict[str, int | None]]
    unattributed: dict[str, int | None]
    overhead: dict[str, int | None]
    cpu_ns: list[int]
    unattributed_cpu_ns: int


def span_weights(activity: Activity) -> tuple[list[int], int]:
    """CPU time that each kind of span answers for, its part of the workers' included; and what nobody answers for."""
    own = [max(cpu_ns, 0) for cpu_ns, _, _ in activity.spans]
    basis = [cpu_ns + max(recent_ns, 0) for cpu_ns, (_, _, recent_ns) in zip(own, activity.spans, strict=True)]
    if not any(basis):
        basis = [max(in_flight_ns, 0) for _, in_flight_ns, _ in activity.spans]
    workers = activity.worker_cpu_ns
    shared = max(min(workers - activity.background_cpu_ns, activity.room_cpu_ns), 0) if any(basis) else 0
    extra = split_integer(shared, basis)
    weights = [cpu_ns + more for cpu_ns, more in zip(own, extra, strict=True)]
    return weights, workers - shared + activity.outside_cpu_ns


def attribute(claim_microjoules: Mapping[str, int | None], activity: Activity) -> Attribution:
    """Share out a claim. For each component, spans + unattributed + overhead = claim, exactly.

    Args:
        claim_microjoules: The process's claim by component; None where it is missing.
        activity: What the process did meanwhile.
    """
    weights, unattributed_ns = span_weights(activity)
    in_flight = [max(in_flight_ns, 0) for _, in_flight_ns, _ in activity.spans]
    result = Attribution([{} for _ in activity.spans], {}, {}, weights, unattributed_ns)
    for component in COMPONENTS:
        claim = claim_microjoules.get(component)
        if claim is None:
            parts: list[int | None] = [None] * (len(weights) + 2)
        else:
            if component == "gpu" and activity.device_weights is not None:
                told = activity.device_weights
                parts = [*split_integer(claim, told if any(told) else [*([0] * len(weights)), 1]), 0]
            elif component == "gpu":
                parts = list(_split_device(claim, weights, in_flight, activity.coverage))
            else:
                # Nobody ran at all: nobody can be charged.
                all_weights = [*weights, unattributed_ns, activity.own_cpu_ns]
                parts = list(split_integer(claim, all_weights if any(all_weights) else [*([0] * len(weights)), 1, 0]))
        for index in range(len(weights)):
            result.spans[index][component] = parts[index]
        result.unattributed[component] = parts[-2]
        result.overhead[component] = parts[-1]
    return result


def _split_device(claim: int, weights: Sequence[int], in_flight: Sequence[int], coverage: float) -> list[int]:
    basis = weights if any(weights) else in_flight
    scaled = min(max(round(coverage * _COVERAGE_SCALE), 0), _COVERAGE_SCALE)
    covered = claim * scaled // _COVERAGE_SCALE if any(basis) else 0
    return [*split_integer(covered, basis), claim - covered, 0]
