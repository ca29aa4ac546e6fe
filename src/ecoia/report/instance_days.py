"""Set the days on which services were recorded against those that the register declares (``instance_days``).

For one quarter, so that coverage says which days are missing; for two, so that measuring more does not read as growth.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ecoia.periods import Quarter
from ecoia.report.context import Context
from ecoia.report.model import PhaseDays

if TYPE_CHECKING:  # importing the catalogue costs pydantic
    from ecoia.catalogue import Service

_SERVING = "inference"  # the phase that days of serving count for
_LONGEST = 92  # civil days of the longest quarter

_Days = dict[str, dict[str, int]]
"""Days recorded serving, by service and instance."""


def days_by_phase(context: Context, service_id: str) -> tuple[PhaseDays, ...]:
    """Set the recorded days of a service in the report's quarter against the declared ones; then list what else was recorded.

    Example:
        >>> days_by_phase(context, "vadore")  # doctest: +SKIP
        (PhaseDays(phase='inference', instance='', recorded=36, expected=92.0),)
    """
    service, recorded = context.catalogue.service(service_id), context.recorded_days.get(service_id, {})
    lines, seen = list[PhaseDays](), set[tuple[str, str]]()
    for phase, instance, days in service.expected_days if service else ():
        found = {name: len(on) for name, on in recorded.get(phase, {}).items() if instance in ("", name)}
        seen |= {(phase, name) for name in found}
        # Instances that are not named are at least as many as it takes to run on so many days.
        instances = 1 if instance else math.ceil(days / _LONGEST)
        lines.append(PhaseDays(phase, instance, sum(found.values()), _expected(context, context.quarter, days, instances)))
    return (
        *lines,
        *(
            PhaseDays(phase, instance, len(on), None)
            for phase, instances_on in sorted(recorded.items())
            for instance, on in sorted(instances_on.items())
            if (phase, instance) not in seen
        ),
    )


def covered_share(declared: Sequence[PhaseDays]) -> float | None:
    """Compute the share of the declared days that is recorded: that of the phase with the least, so that no phase hides another.

    Days beyond those declared of an instance, or of a phase, count for nothing. None where no days are declared.

    Example:
        >>> covered_share([PhaseDays("inference", "gpu-01", 46, 92.0), PhaseDays("training", "", 20, 11.0)])
        0.5
    """
    shares = []
    for phase in {each.phase for each in declared}:
        of_phase = [(each.recorded, each.expected or 0.0) for each in declared if each.phase == phase]
        shares.append(sum(min(days) for days in of_phase) / sum(expected for _, expected in of_phase))
    return min(shares, default=None)


def serving_shares(
    context: Context, quarter: Quarter, reference: Quarter, names: Mapping[str, str]
) -> tuple[dict[str, float], dict[str, float]]:
    """Compute the share of its days on which each service was recorded serving, in a quarter and in an earlier one.

    Expected are the days of serving that the register declares: of each instance that it names, or else split over the instances
    of the quarter that recorded more of them. They are expected of the instances that recorded any, so a service that grew by an
    instance has grown; in the later quarter, also of those that the register names and the earlier one recorded.

    Args:
        context: The quarters.
        quarter: The quarter.
        reference: The earlier one.
        names: Id under which a service is compared, where it is not its own.

    Returns:
        For each of the two, the share by service, above 0 and 1 at most. A service is missing where it declares no days of
        serving, or was not recorded.

    Example:
        >>> serving_shares(context, Quarter(2026, 3), Quarter(2026, 2), {})[0]["vadore"]  # doctest: +SKIP
        0.391
    """
    now, before = (_serving_days(context, each, names) for each in (quarter, reference))
    shares: tuple[dict[str, float], dict[str, float]] = ({}, {})
    for service in context.catalogue.services:
        of_now, of_before = now.get(service.id, {}), before.get(service.id, {})
        declared = _declared_by_instance(service, max(len(of_now), len(of_before)))
        if not declared:
            continue
        still = {name for name in of_before if name in declared}
        for each, days, instances, found in (
            (quarter, of_now, of_now.keys() | still, shares[0]),
            (reference, of_before, of_before.keys(), shares[1]),
        ):
            if share := _share(context, each, days, {name: declared.get(name, declared.get("", 0.0)) for name in instances}):
                found[service.id] = share
    return shares


def _declared_by_instance(service: Service, instances: int) -> dict[str, float]:
    """Return the days of serving that are declared of each instance in a full quarter; "": of one that is not named."""
    declared = {each.instance: each.days for each in service.expected_days if each.phase == _SERVING}
    return {name: days if name else days / max(instances, 1) for name, days in declared.items()}


def _expected(context: Context, quarter: Quarter, declared: float, instances: int = 1) -> float:
    """Return the days that a quarter expects of those declared for a full one.

    No instance is expected on more days than the quarter has, and a quarter that is not over counts in part.
    """
    civil = (quarter.shift(1).first_day() - quarter.first_day()).days
    elapsed = context.days_elapsed if quarter == context.quarter else 1.0
    return min(declared, instances * civil) * elapsed


def _share(context: Context, quarter: Quarter, days: Mapping[str, int], declared: Mapping[str, float]) -> float:
    """Return the share of the expected days that were recorded."""
    expected = {name: _expected(context, quarter, each) for name, each in declared.items() if each}
    recorded = sum(min(days.get(name, 0), most) for name, most in expected.items())
    return recorded / sum(expected.values()) if expected else 0.0


def _serving_days(context: Context, quarter: Quarter, names: Mapping[str, str]) -> _Days:
    """Count the days recorded serving; a replaced service counts under the id of its successor."""
    days: _Days = {}
    for service, by_phase in context.recorded_days_of(quarter).items():
        for instance, on in by_phase.get(_SERVING, {}).items():
            mine = days.setdefault(names.get(service, service), {})
            mine[instance] = mine.get(instance, 0) + len(on)
    return days
