"""Compare on how much of their days services were recorded in two quarters, so that measuring more does not read as growth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date

from ecoia.impact.period_impact import TRAINING_PHASES
from ecoia.instances import host_of
from ecoia.periods import Quarter, utc_datetime
from ecoia.report.context import Context
from ecoia.semconv import DECLARED, KIND_IDLE, KIND_SPAN

_Days = dict[str, dict[str, set[date]]]
"""Civil days with a record of serving, by service and host."""


def covered_shares(context: Context, quarters: tuple[Quarter, Quarter], names: Mapping[str, str]) -> tuple[dict[str, float], ...]:
    """Compute for each of two quarters the share of its days on which each service was recorded serving.

    Expected are the declared ``instance_days``, split over the instances of the quarter that recorded most of them, on each
    instance that recorded any: a service that grew by an instance has grown. Only services that declare their days are in it.

    Args:
        context: The quarters.
        quarters: The two quarters.
        names: Id under which a service is compared, where it is not its own.

    Returns:
        By service, the share of each quarter, above 0 and 1 at most; a service is missing where it was not recorded.
    """
    days = [_serving_days(context, quarter, names) for quarter in quarters]
    found: tuple[dict[str, float], ...] = ({}, {})
    for service in context.catalogue.services:
        hosts = max(len(each.get(service.id, ())) for each in days)
        declared = sum(each.days for each in service.expected_days if each.phase not in TRAINING_PHASES)
        if not declared or not hosts:
            continue
        for quarter, recorded, shares in zip(quarters, days, found, strict=True):
            if by_host := recorded.get(service.id):
                expected = _expected(context, quarter, declared / hosts) * len(by_host)
                shares[service.id] = min(sum(map(len, by_host.values())) / expected, 1.0)
    return found


def _expected(context: Context, quarter: Quarter, declared: float) -> float:
    """Return the days on which an instance was expected to run, of those declared; a quarter that is not over counts in part."""
    civil = (quarter.shift(1).first_day() - quarter.first_day()).days
    elapsed = context.days_elapsed if quarter == context.quarter else 1.0
    return min(declared, civil) * elapsed


def _serving_days(context: Context, quarter: Quarter, names: Mapping[str, str]) -> _Days:
    days: _Days = {}
    for service, host, instant_ns in _serving(context, quarter, names):
        day = utc_datetime(instant_ns).astimezone(context.timezone).date()
        days.setdefault(service, {}).setdefault(host, set()).add(day)
    return days


def _serving(context: Context, quarter: Quarter, names: Mapping[str, str]) -> Iterator[tuple[str, str, int]]:
    """Yield service, host and half-hour of what was recorded of serving; simulated and declared activity is not recorded."""
    for strand in context.activity_of(quarter).strands:
        service, phase = strand.bearer
        if service is None or phase in TRAINING_PHASES or strand.kind not in (KIND_SPAN, KIND_IDLE) or strand.simulated:
            continue
        known = zip(strand.methods, strand.microjoules, strict=True)
        if any(energy is not None and status != DECLARED for (status, _), energy in known):
            for instant_ns in strand.half_hours_utc_ns:
                yield names.get(service, service), host_of(strand.instance), instant_ns
