"""Explain why the quarter's CO2e differs from the quarter before and from the same quarter a year before."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

from ecoia.impact.change import (
    ExplainedChange,
    ServiceFootprint,
    decompose,
    energy_per_unit_change,
    footprints_by_service,
    known_micrograms,
    successors,
    total,
)
from ecoia.impact.ledger_sums import Bearer
from ecoia.impact.period_impact import EstimateOrReason, PeriodImpact, Split
from ecoia.impact.uncertainty import Estimate
from ecoia.periods import Quarter
from ecoia.report.context import Context
from ecoia.report.instance_days import serving_shares
from ecoia.report.model import COMPARED, ChangeLine, Quantity, QuarterChange
from ecoia.report.quantities import relative
from ecoia.report.services import counted_mostly_by

if TYPE_CHECKING:  # importing the catalogue costs pydantic
    from ecoia.catalogue import Service

_SAME_DAYS = 0.05
"""Largest difference between the shares of its days on which two quarters recorded a service, for its energy to be compared."""
_PARTS = ("operational", "embodied", "api")


def changes(context: Context, published: Mapping[str, Mapping[str, int]]) -> tuple[QuarterChange, ...]:
    """Explain the change against each quarter of ``COMPARED``.

    Args:
        context: The quarters.
        published: CO2e last published of earlier quarters, in micrograms by quarter and part; the change starts from it where it
            is known.

    Example:
        >>> changes(context, {"2026Q3": {"co2e_operational": 123_456}})[0].total.relative.value  # doctest: +SKIP
        -0.12
    """
    found = []
    for against, quarters in COMPARED:
        reference = context.quarter.shift(-quarters)
        found.append(change(context, against, reference, published.get(str(reference), {})))
    return tuple(found)


def change(context: Context, against: str, reference: Quarter, published: Mapping[str, int]) -> QuarterChange:
    """Explain the change against an earlier quarter, in the parts that both know.

    Args:
        context: The quarters.
        against: Name of the comparison: the first of a pair of ``COMPARED``, or empty.
        reference: The earlier quarter.
        published: CO2e last published of it, in micrograms by part; the change starts from it where it is known.
    """
    simulated = any(context.activity_of(quarter).simulated for quarter in (reference, context.quarter))
    found = QuarterChange(against, str(reference), simulated)
    recorded = context.quarters
    if reference not in recorded or context.quarter not in recorded:
        return replace(found, reason="no-data" if reference in recorded else "baseline-missing")
    periods = (context.period, context.period_of(reference))
    found = replace(
        found,
        energy=_energy_change(periods, lambda _: True),
        energy_it=_energy_change(periods, lambda _: True, PeriodImpact.energy_it),
    )
    splits = [period.split(period.bearers(lambda _: True)) for period in periods]
    unknown = next((split.operational for split in splits if split.operational.estimate is None), None)
    if unknown is not None:
        return replace(found, reason=unknown.reason or "no-data")
    parts = [part for part in _PARTS if all(getattr(split, part).estimate is not None for split in splits)]
    names = successors(context.catalogue.services)
    shares = serving_shares(context, context.quarter, reference, names)

    def line(explained: ExplainedChange, keep: Callable[[Bearer], bool]) -> ChangeLine:
        """Add the relative changes to an explained one."""
        ends = []
        for period in periods:
            split = period.split(period.bearers(keep))
            estimates = [getattr(split, part).estimate for part in parts]
            ends.append(Estimate.total(estimate for estimate in estimates if estimate is not None))
        per_unit = _per_unit_change(before.get(explained.service), now.get(explained.service))
        energy = _energy_change(periods, keep)
        if energy.value is not None and not _on_as_many_days(explained.service, shares):
            energy = Quantity(None, "1", reason="days-unequal")
        elif energy.value is not None and explained.service is not None:
            known_as = {explained.service, *(each for each, name in names.items() if name == explained.service)}
            ways = {counted_mostly_by(context.activity_of(quarter), known_as) for quarter in (reference, context.quarter)}
            if len(ways) > 1:
                energy = Quantity(None, "1", reason="counted-otherwise")
        return ChangeLine(explained, relative(*ends), energy, per_unit)

    now, before = (
        footprints_by_service(period, names, embodied="embodied" in parts, api="api" in parts, covered=shares)
        for period, shares in zip(periods, shares, strict=True)
    )
    registered = context.catalogue.services
    services = decompose(
        before,
        now,
        began=_began(registered, names, reference.shift(1).first_day()),
        retired={service.id for service in registered if service.status == "retired"},
    )
    return replace(
        found,
        parts=tuple(parts),
        total=line(total(services, _corrected(published, splits[1], parts)), lambda _: True),
        services=tuple(
            line(each, lambda bearer, service=each.service: names.get(bearer[0] or "", bearer[0]) == service)  # type: ignore[misc]
            for each in services
        ),
    )


def _energy_change(
    periods: Sequence[PeriodImpact],
    keep: Callable[[Bearer], bool],
    energy: Callable[[PeriodImpact, Sequence[Bearer]], EstimateOrReason] = PeriodImpact.energy,
) -> Quantity:
    """Compute the relative change of the energy that some bearers took, by default with the building where its PUE is known."""
    now, before = (energy(period, period.bearers(keep)) for period in periods)
    if now.estimate is None or before.estimate is None:
        return Quantity(None, "1", reason=now.reason if now.estimate is None else "baseline-missing")
    return relative(now.estimate, before.estimate)


def _on_as_many_days(service: str | None, shares: tuple[Mapping[str, float], Mapping[str, float]]) -> bool:
    """Say whether both quarters recorded a service on about the same share of its days: who records less has saved nothing."""
    now, before = (1.0 if service is None else each.get(service, 1.0) for each in shares)
    return abs(now - before) <= _SAME_DAYS


def _began(services: Iterable[Service], names: Mapping[str, str], day: date) -> set[str]:
    """Name the services that began on a day or later by the register, none of those that they carry on being older."""
    older = {names.get(each.id, each.id) for each in services if each.since is None or each.since < day}
    return {service.id for service in services} - older


def _per_unit_change(before: ServiceFootprint | None, now: ServiceFootprint | None) -> Quantity:
    """Compute the relative change of serving's energy per unit, where both quarters measured and counted it alike."""
    uses = (each.uses.get("serving") if each else None for each in (before, now))
    found = energy_per_unit_change(*uses)
    return Quantity(None, "1", reason="no-units") if found is None else Quantity(found.value, "1", found.low, found.high)


def _corrected(published: Mapping[str, int], today: Split, parts: Sequence[str]) -> int | None:
    """Return the published sum of some parts, in micrograms; None where a part was not published, or the sum is today's.

    Services are each rounded to whole micrograms, so their sum may miss the published one slightly. That is not a correction.
    """
    names = [f"co2e_{part}" for part in parts]
    if not all(name in published for name in names):
        return None
    was = sum(published[name] for name in names)
    return None if was == sum(known_micrograms(getattr(today, part)) for part in parts) else was
