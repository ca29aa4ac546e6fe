"""Compute results by service: phases, the register, coverage, the trend, and footprints."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from ecoia.impact.ledger_sums import Bearer, LedgerSums, Work
from ecoia.impact.period_impact import EstimateOrReason
from ecoia.indicators import Held, held_by
from ecoia.report.context import Context
from ecoia.report.instance_days import covered_share, days_by_phase
from ecoia.report.model import (
    COVERED,
    Coverage,
    Figures,
    Footprint,
    PhaseDays,
    PhaseResult,
    ProviderWork,
    ServiceEntry,
    ServiceFootprint,
    Serving,
    TrendPoint,
)
from ecoia.report.parts import Parts
from ecoia.report.quantities import measure, method_shares, per_unit, shown
from ecoia.semconv import DECLARED, ESTIMATED, KIND_IDLE, KIND_SPAN, MEASURED, OUTCOMES, UNREGISTERED
from ecoia.units import NANOSECONDS_PER_SECOND

if TYPE_CHECKING:  # importing the catalogue costs pydantic
    from ecoia.catalogue import DescribedModel

_TREND_QUARTERS = 8


def phases(context: Context) -> tuple[PhaseResult, ...]:
    """Compute the result of each service and phase with work, or with the end of a run; sorted."""
    return tuple(_phase(context, *work) for work in sorted(context.activity.works))


def _phase(context: Context, service: str, phase: str) -> PhaseResult:
    work: Work = (service, phase)
    bearer: Bearer = work
    activity, period = context.activity, context.period
    strands = [strand for strand in period.strands.get(bearer, ()) if strand.kind == KIND_SPAN]
    impact = period.impacts.get(bearer) or period.assessment.impact(lambda bearer, _: bearer == work)
    found = measure(impact, strands)
    units = context.count([bearer], "units_micro")
    ends = {run: end for run, end in context.outcomes.items() if run[:2] == work}
    entry = context.catalogue.service(service)
    return PhaseResult(
        service=service,
        phase=phase,
        measure=found,
        spans=sum(strand.spans for strand in strands),
        cpu_seconds=sum(strand.cpu_ns for strand in strands) / NANOSECONDS_PER_SECOND,
        duration_seconds=activity.seconds_of(work),
        units=units,
        accepted=context.count([bearer], "accepted_micro"),
        energy_per_unit=per_unit(found.energy, units),
        functional_unit=entry.functional_unit if entry else None,
        runs={end: sum(1 for known in ends.values() if known == end) for end in OUTCOMES},
        waste_microjoules=sum(activity.run_microjoules.get(run, 0) for run, end in ends.items() if end != "ok"),
        quality=dict(sorted(activity.quality.get(work, {}).items())),
        simulated=any(strand.simulated for strand in strands),
    )


def register(context: Context) -> tuple[ServiceEntry, ...]:
    """List the services of the catalogue in its order, then the recorded services that are not registered."""
    registered = [service.id for service in context.catalogue.services]
    return tuple(_entry(context, each) for each in [*registered, *sorted(set(context.services) - set(registered))])


def _entry(context: Context, service_id: str) -> ServiceEntry:
    service = context.catalogue.service(service_id)
    strands = [strand for strand in context.activity.strands if strand.bearer[0] == service_id]
    found = measure(context.impact_of(service_id), strands)
    statuses = {
        status
        for strand in strands
        for (status, _), energy in zip(strand.methods, strand.microjoules, strict=True)
        # A service does not count as measured by simulated activity.
        if strand.kind == KIND_SPAN and energy is not None and not strand.simulated
    }
    counted_by = counted_mostly_by(context.activity, [service_id])
    if not counted_by and service_id in context.recorded_days:
        counted_by = "models"  # nothing but its calls to hosted models is known
    days = days_by_phase(context, service_id)
    declared = [each for each in days if each.expected]
    covered = covered_share(declared)
    headline = Parts(context, context.quarter, service_id).headline
    idle = sum(energy or 0 for strand in strands if strand.kind == KIND_IDLE for energy in strand.known_microjoules)
    return ServiceEntry(
        id=service_id,
        name=service.name if service else service_id,
        status=service.status if service else UNREGISTERED,
        registered=service is not None,
        # Declared energy measures nothing, however many days are recorded beside it.
        measured=_any(days) and counted_by != "declared" and (covered is None or covered >= COVERED),
        declared_only=statuses == {DECLARED},
        audience=service.audience if service else None,
        purpose=service.purpose if service else None,
        functional_unit=service.functional_unit if service else None,
        owner_role=service.owner_role if service else None,
        energy=found.energy,
        co2e=headline.co2e,
        headline=headline,
        stand_in=service.stand_in if service else False,
        counted_among_generalised=service.counted_among_generalised if service else False,
        scope=service.scope if service else None,
        energy_components_microjoules=None if found.energy.value is None else found.energy_components_microjoules,
        idle_microjoules=idle,
        instance_days=sum(each.recorded for each in declared) if declared else _distinct_days(context, service_id),
        instance_days_declared=sum(each.expected or 0.0 for each in declared) if declared else None,
        covered=covered,
        counted_by=counted_by,
        days_by_phase=days,
        boamps=service.boamps.model_dump(mode="json", exclude_none=True) if service and service.boamps else None,
    )


def _distinct_days(context: Context, service_id: str) -> int:
    """Count the instance-days of a service, whatever the phase."""
    phases = context.recorded_days.get(service_id, {}).values()
    return len({(instance, day) for instances in phases for instance, on in instances.items() for day in on})


_COUNTED_BY = {MEASURED: "meters", ESTIMATED: "models", DECLARED: "declared"}


def counted_mostly_by(activity: LedgerSums, services: Collection[str]) -> str:
    """Name what gave most of the energy of some services in a quarter: ``meters``, ``models`` or ``declared``; empty: nothing."""
    strands = [each for each in activity.strands if each.bearer[0] in services and not each.simulated]
    sums: dict[str, int] = {}
    for share in method_shares(strands):
        sums[share.status] = sums.get(share.status, 0) + share.microjoules
    return mostly_by(sums)


def mostly_by(microjoules: Mapping[str, int]) -> str:
    """Name what gave most of some energy by status of the method: ``meters``, ``models`` or ``declared``; empty: nothing.

    Example:
        >>> mostly_by({"measured": 3, "estimated": 2, "missing": 0})
        'meters'
    """
    sums = {status: energy for status, energy in microjoules.items() if status in _COUNTED_BY}
    return _COUNTED_BY[max(sorted(sums), key=lambda status: sums[status])] if sums else ""


def coverage(context: Context, entries: Sequence[ServiceEntry]) -> Coverage:
    """Count the services in scope that are measured; unnamed services are in the denominator."""
    active = [entry for entry in entries if entry.in_scope]
    unnamed = context.catalogue.register.unnamed
    measured = sum(entry.measured for entry in active)
    metered = sum(entry.measured and entry.counted_by == "meters" for entry in active)
    whole = len(active) + unnamed.count
    return Coverage(
        measured=measured,
        named=len(active),
        unnamed=unnamed.count,
        unnamed_approximate=unnamed.approximate,
        share=measured / whole if whole and context.activity.rows else None,
        unregistered=tuple(entry.id for entry in entries if not entry.registered),
        declared=sum(entry.counted_by == "declared" for entry in active),
        partly=tuple(
            entry.id for entry in active if _any(entry.days_by_phase) and not entry.measured and entry.counted_by != "declared"
        ),
        undeclared_days=tuple(entry.id for entry in active if entry.measured and entry.instance_days_declared is None),
        metered=metered,
        estimated=measured - metered,
    )


def _any(days: Iterable[PhaseDays]) -> bool:
    """Return whether any day is recorded, of whatever phase and instance."""
    return any(each.recorded for each in days)


def trend(context: Context) -> tuple[TrendPoint, ...]:
    """Compute the last quarters with a record, oldest first."""
    points = []
    for quarter in context.quarters[-_TREND_QUARTERS:]:
        period = context.period_of(quarter)
        found, reference = measure(period.whole, ()), context.constant(quarter)
        constant = EstimateOrReason(None, "no-reference")
        if reference is not None:
            constant = period.operational(period.bearers(lambda _: True), reference.by_bearer)
        simulated = context.activity_of(quarter).simulated
        points.append(TrendPoint(str(quarter), found.energy, found.co2e, simulated, shown(constant, "kgCO2e")))
    return tuple(points)


def footprint(context: Context, service: str | None = None) -> Footprint:
    """Compute the parts of the impact of a service, or of everything (None)."""
    return _figures(Parts(context, context.quarter, service), "footprint")


def _figures(parts: Parts, held: Held) -> Figures:
    return Figures({each.id: parts.quantity(each) for each in held_by(held)})


def service_footprints(context: Context) -> tuple[ServiceFootprint, ...]:
    """Compute the parts and intensities of each service with a record, sorted by id."""
    return tuple(_service_footprint(context, service) for service in context.services)


def _service_footprint(context: Context, service: str) -> ServiceFootprint:
    parts, entry = Parts(context, context.quarter, service), context.catalogue.service(service)
    split = parts.serving_split
    return ServiceFootprint(
        service=service,
        footprint=_figures(parts, "footprint"),
        functional_unit=entry.functional_unit if entry else None,
        serving=Serving(
            energy=shown(context.period.energy(parts.serving), "kWh"),
            co2e_operational=shown(split.operational, "kgCO2e"),
            co2e_embodied=shown(split.embodied, "kgCO2e"),
            co2e_api=shown(split.api, "kgCO2e"),
            units=parts.units,
            co2e=shown(split.total, "kgCO2e"),
        ),
        intensities=_figures(parts, "intensity"),
        training_quarter=None if parts.latest_training is None else str(parts.latest_training),
        accepted=parts.accepted,
        accepted_source=None if parts.stated is None else parts.stated.source,
        headline=parts.headline,
        provider=_provider_work(parts, entry.model if entry else None),
    )


def _provider_work(parts: Parts, model: DescribedModel | None) -> ProviderWork:
    making, unit = parts.making, parts.provider_unit
    return ProviderWork(
        co2e_operational=shown(making.split.operational, "kgCO2e"),
        co2e_embodied=shown(making.split.embodied, "kgCO2e"),
        co2e_api=shown(making.split.api, "kgCO2e"),
        co2e=shown(making.split.total, "kgCO2e"),
        quarters=tuple(map(str, making.quarters)),
        phases=making.phases,
        lacking=making.lacking,
        unit=unit.unit if unit else None,
        count=unit.count if unit else None,
        values=unit.values if unit else None,
        flop_method=model.flop_method if model else None,
        made_from=model.made_from if model else None,
    )


def energy_by_kind(context: Context) -> dict[str, int]:
    """Sum the energy in microjoules by kind of record; a kind without any known energy is left out."""
    sums: dict[str, int] = {}
    for strand in context.activity.strands:
        known = [energy for energy in strand.known_microjoules if energy is not None]
        if known:
            sums[strand.kind] = sums.get(strand.kind, 0) + sum(known)
    return sums
