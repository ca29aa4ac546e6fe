"""Who did what: phases, the register, coverage, the trend, and the footprint of each service and of all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ecoia.impact.ledger_sums import Bearer, Work
from ecoia.impact.period_impact import TRAINING_PHASES, EstimateOrReason, intensity, sci
from ecoia.periods import Quarter, covered_seconds
from ecoia.report.context import Context
from ecoia.report.model import (
    COVERED,
    Coverage,
    Footprint,
    PhaseResult,
    Quantity,
    ServiceEntry,
    ServiceFootprint,
    Serving,
    TrendPoint,
)
from ecoia.report.quantities import measure, per_unit, shown
from ecoia.semconv import DECLARED, KIND_IDLE, KIND_SPAN, OUTCOMES, UNREGISTERED
from ecoia.units import NANOSECONDS_PER_SECOND

_TREND_QUARTERS = 8


def phases(context: Context) -> tuple[PhaseResult, ...]:
    """Each service and phase with work or with an end of a run, sorted."""
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
        duration_seconds=covered_seconds(activity.intervals_utc_ns.get(work, ())),
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
    """The services of the catalogue in its order, then those that nobody registered."""
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
        # A simulated quarter measures nobody.
        if strand.kind == KIND_SPAN and energy is not None and not strand.simulated
    }
    days = context.instance_days.get(service_id, 0)
    declared = service.instance_days * context.days_elapsed if service and service.instance_days else None
    covered = min(days / declared, 1.0) if declared else None
    idle = sum(energy or 0 for strand in strands if strand.kind == KIND_IDLE for energy in strand.known_microjoules)
    return ServiceEntry(
        id=service_id,
        name=service.name if service else service_id,
        status=service.status if service else UNREGISTERED,
        registered=service is not None,
        measured=days > 0 and (covered is None or covered >= COVERED),
        declared_only=statuses == {DECLARED},
        audience=service.audience if service else None,
        purpose=service.purpose if service else None,
        functional_unit=service.functional_unit if service else None,
        owner_role=service.owner_role if service else None,
        energy=found.energy,
        co2e=found.co2e,
        stand_in=service.stand_in if service else False,
        counted_among_generalised=service.counted_among_generalised if service else False,
        scope=service.scope if service else None,
        energy_components_microjoules=None if found.energy.value is None else found.energy_components_microjoules,
        idle_microjoules=idle,
        instance_days=days,
        instance_days_declared=declared,
        covered=covered,
        boamps=service.boamps.model_dump(mode="json", exclude_none=True) if service and service.boamps else None,
    )


def coverage(context: Context, entries: Sequence[ServiceEntry]) -> Coverage:
    """How many of the services in scope are measured, the unnamed ones in the denominator."""
    active = [entry for entry in entries if entry.registered and entry.status != "retired"]
    unnamed = context.catalogue.register.unnamed
    measured = sum(entry.measured for entry in active)
    whole = len(active) + unnamed.count
    return Coverage(
        measured=measured,
        named=len(active),
        unnamed=unnamed.count,
        unnamed_approximate=unnamed.approximate,
        share=measured / whole if whole and context.activity.rows else None,
        unregistered=tuple(entry.id for entry in entries if not entry.registered),
        declared=sum(entry.declared_only for entry in active),
        partly=tuple(entry.id for entry in active if entry.instance_days and not entry.measured),
        undeclared_days=tuple(entry.id for entry in active if entry.measured and entry.instance_days_declared is None),
    )


def trend(context: Context) -> tuple[TrendPoint, ...]:
    """The last quarters with a record."""
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
    """Of a service, or of everything."""
    period = context.period
    bearers = period.bearers(lambda bearer: service is None or bearer[0] == service)
    split = period.split(bearers)
    return Footprint(
        energy_it=shown(period.energy_it(bearers), "kWh"),
        co2e=shown(split.total, "kgCO2e"),
        co2e_operational=shown(split.operational, "kgCO2e"),
        co2e_embodied=shown(split.embodied, "kgCO2e"),
        co2e_api=shown(split.api, "kgCO2e"),
        co2e_constant_factor=shown(context.at_constant_factor(context.quarter, bearers, split), "kgCO2e"),
        water_direct=shown(period.water(bearers, direct=True), "L"),
        water_indirect=shown(period.water(bearers, direct=False), "L"),
        idle_rate=_idle_rate(context, bearers),
        waste_rate=_waste_rate(context, service, bearers),
    )


def _idle_rate(context: Context, bearers: Sequence[Bearer]) -> Quantity:
    idle = [bearer for bearer in bearers if bearer[1] == KIND_IDLE]
    energy = context.period.energy_microjoules(bearers)
    if not idle or not energy:
        return Quantity(None, "1", reason="idle-not-separated" if energy else "no-data")
    return Quantity(context.period.energy_microjoules(idle) / energy, "1")


def _waste_rate(context: Context, service: str | None, bearers: Sequence[Bearer]) -> Quantity:
    energy = context.period.energy_microjoules(bearer for bearer in bearers if _is_training(bearer))
    ends = {run: end for run, end in context.outcomes.items() if service in (None, run[0]) and run[1] in TRAINING_PHASES}
    if not energy or not ends:
        return Quantity(None, "1", reason="no-outcomes" if energy else "no-training")
    lost = sum(context.activity.run_microjoules.get(run, 0) for run, end in ends.items() if end != "ok")
    return Quantity(lost / energy, "1")


def service_footprints(context: Context) -> tuple[ServiceFootprint, ...]:
    """Those of each service with a record, sorted."""
    return tuple(_service_footprint(context, service) for service in context.services)


def _service_footprint(context: Context, service: str) -> ServiceFootprint:
    period, entry = context.period, context.catalogue.service(service)
    serving = period.bearers(lambda bearer: bearer[0] == service and not _is_training(bearer))
    made = period.bearers(lambda bearer: bearer[0] == service and _is_training(bearer))
    trained, training = _latest_training(context, service)
    split, units = period.split(serving), context.count(serving, "units_micro")
    per_unit_, amortised = sci(split.total, units, training, entry.lifetime_units if entry else None)
    whole = period.split([*serving, *made]).total
    stated = next((o for o in context.catalogue.outcomes if (o.service, o.quarter) == (service, str(context.quarter))), None)
    accepted = context.count([*serving, *made], "accepted_micro") if stated is None else stated.accepted
    this = period.split(made).total if made else EstimateOrReason(None, "no-training")
    of_training = intensity(this, context.count(made, "units_micro"), "no-units") if made else this
    return ServiceFootprint(
        service=service,
        footprint=footprint(context, service),
        functional_unit=entry.functional_unit if entry else None,
        serving=Serving(
            energy=shown(period.energy(serving), "kWh"),
            co2e_operational=shown(split.operational, "kgCO2e"),
            co2e_embodied=shown(split.embodied, "kgCO2e"),
            co2e_api=shown(split.api, "kgCO2e"),
            units=units,
        ),
        sci=shown(per_unit_, "gCO2e"),
        sci_training=shown(amortised, "gCO2e"),
        training_quarter=None if trained is None else str(trained),
        training_intensity=shown(of_training, "gCO2e"),
        accepted=accepted,
        accepted_source=None if stated is None else stated.source,
        co2e_per_accepted_outcome=shown(intensity(whole, accepted, "no-accepted"), "gCO2e"),
    )


def _latest_training(context: Context, service: str) -> tuple[Quarter | None, EstimateOrReason | None]:
    """CO2e of the training of the model in service: that of the latest quarter in which there was any."""
    for quarter in reversed(context.quarters):
        if any(strand.bearer[0] == service and _is_training(strand.bearer) for strand in context.activity_of(quarter).strands):
            period = context.period_of(quarter)
            made = period.bearers(lambda bearer: bearer[0] == service and _is_training(bearer))
            return quarter, period.split(made).total
    return None, None


def energy_by_kind(context: Context) -> dict[str, int]:
    """Microjoules by kind of record; a kind of which all is missing is left out."""
    sums: dict[str, int] = {}
    for strand in context.activity.strands:
        known = [energy for energy in strand.known_microjoules if energy is not None]
        if known:
            sums[strand.kind] = sums.get(strand.kind, 0) + sum(known)
    return sums


def energy_by_status(context: Context, statuses: Iterable[str]) -> dict[str, float]:
    """Shares of the energy by how it is known; empty where there is none."""
    sums: dict[str, int] = {}
    for strand in context.activity.strands:
        for (status, _), energy in zip(strand.methods, strand.known_microjoules, strict=True):
            sums[status] = sums.get(status, 0) + (energy or 0)
    whole = sum(sums.values())
    return {status: sums.get(status, 0) / whole for status in statuses} if whole else {}


def _is_training(bearer: Bearer) -> bool:
    return bearer[1] in TRAINING_PHASES
