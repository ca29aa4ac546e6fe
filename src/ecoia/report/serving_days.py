"""Compare on how much of their days services were recorded in two quarters, so that measuring more does not read as growth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ecoia.periods import Quarter
from ecoia.report.context import Context

if TYPE_CHECKING:  # importing the catalogue costs pydantic
    from ecoia.catalogue import Service

_SERVING = "inference"  # the phase that days of serving count for

_Days = dict[str, dict[str, int]]
"""Days recorded serving, by service and instance."""


def covered_shares(
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
    """
    now, before = (_serving_days(context, each, names) for each in (quarter, reference))
    shares: tuple[dict[str, float], dict[str, float]] = ({}, {})
    for service in context.catalogue.services:
        of_now, of_before = now.get(service.id, {}), before.get(service.id, {})
        expected = _expected(service, max(len(of_now), len(of_before)))
        if not expected:
            continue
        still = {name for name in of_before if name in expected}
        for each, days, instances, found in (
            (quarter, of_now, of_now.keys() | still, shares[0]),
            (reference, of_before, of_before.keys(), shares[1]),
        ):
            if share := _share(context, each, days, {name: expected.get(name, expected.get("", 0.0)) for name in instances}):
                found[service.id] = share
    return shares


def _expected(service: Service, instances: int) -> dict[str, float]:
    """Return the days of serving that are expected of each instance in a full quarter; "": of one that is not named."""
    declared = {each.instance: each.days for each in service.expected_days if each.phase == _SERVING}
    return {name: days if name else days / max(instances, 1) for name, days in declared.items()}


def _share(context: Context, quarter: Quarter, days: Mapping[str, int], expected: Mapping[str, float]) -> float:
    """Return the share of the expected days that were recorded; a quarter that is not over counts in part."""
    civil = (quarter.shift(1).first_day() - quarter.first_day()).days
    elapsed = context.days_elapsed if quarter == context.quarter else 1.0
    bounded = {name: min(each, civil) * elapsed for name, each in expected.items() if each}
    recorded = sum(min(days.get(name, 0), most) for name, most in bounded.items())
    return recorded / sum(bounded.values()) if bounded else 0.0


def _serving_days(context: Context, quarter: Quarter, names: Mapping[str, str]) -> _Days:
    """Count the days recorded serving; a replaced service counts under the id of its successor."""
    days: _Days = {}
    for service, by_phase in context.recorded_days_of(quarter).items():
        for instance, on in by_phase.get(_SERVING, {}).items():
            mine = days.setdefault(names.get(service, service), {})
            mine[instance] = mine.get(instance, 0) + len(on)
    return days
