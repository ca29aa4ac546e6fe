"""List the sources of the figures: factors, contracts, calibrations, sites, equipment, tokens."""

from __future__ import annotations

from collections.abc import Iterable

from ecoia.catalogue.error_widths import LISTED_WHERE_USED
from ecoia.factors import FactorSet
from ecoia.impact.embodied import amortised_micrograms
from ecoia.impact.grid import AppliedFactor
from ecoia.impact.hosted_estimates import Hypotheses
from ecoia.methods import error_class, sharing_error
from ecoia.periods import Quarter
from ecoia.report.context import Context
from ecoia.report.model import (
    CalibrationUsed,
    ContractUsed,
    CrosscheckKept,
    DeviationInUse,
    EquipmentUsed,
    EquivalenceUsed,
    FactorSetInUse,
    FactorUsed,
    FigureUsed,
    Footprint,
    TokensUsed,
)
from ecoia.report.quantities import scaled
from ecoia.semconv import COMPONENTS


def factors_used(context: Context) -> tuple[FactorUsed, ...]:
    """List the emission factors of each quarter that a figure rests on, latest quarter first."""
    return tuple(
        _factor_used(applied, quarter, same_year=applied.use.age_years == 0)
        for quarter, period in context.assessed_quarters
        for applied in period.whole.factors_used
    )


def reference_factors(context: Context) -> tuple[FactorUsed, ...]:
    """List the emission factors of the reference year, as applied to each quarter that was computed with them, latest first."""
    return tuple(
        _factor_used(applied, quarter, same_year=applied.use.year == context.reference_year)
        for quarter, assessment in context.assessed_constant
        for applied in assessment.impact().factors_used
    )


def _factor_used(applied: AppliedFactor, quarter: Quarter, *, same_year: bool) -> FactorUsed:
    use = applied.use
    return FactorUsed(
        zone=use.zone,
        value_g_per_kwh=applied.value_g_per_kwh,
        year=use.year,
        scope=use.scope,
        basis=use.basis,
        source=use.source,
        licence=use.licence,
        factor_set=use.factor_set,
        same_year=same_year,
        least_g_per_kwh=applied.least_g_per_kwh,
        greatest_g_per_kwh=applied.greatest_g_per_kwh,
        release=use.release,
        retrieved_on=use.retrieved_on or None,
        filled=use.filled or None,
        quarter=str(quarter),
    )


def factor_set_in_use(factors: FactorSet) -> FactorSetInUse | None:
    """Describe the chosen set of emission factors; None for an empty set, which computes nothing."""
    if len(factors.pairs) != 1:
        return None
    scope, basis = factors.pairs[0]
    return FactorSetInUse(factors.id, factors.version, factors.title, scope, basis, factors.fill)


def contracts_used(context: Context) -> tuple[ContractUsed, ...]:
    """List the contracts that cover a part of the quarter's energy."""
    return tuple(
        ContractUsed(
            supplier=contract.supplier,
            gco2e_per_kwh=contract.gco2e_per_kwh,
            scope=contract.scope,
            share=contract.share,
            zone=contract.zone,
            instances=contract.instances,
            from_day=contract.start.isoformat(),
            until_day=contract.until.isoformat(),
            evidence=contract.evidence,
        )
        for contract in context.period.whole.contracts_used
    )


def calibrations_used(context: Context) -> tuple[CalibrationUsed, ...]:
    """List the wall factors that a figure rests on, in the catalogue's order."""
    applied = {each for period in context.assessed for each in period.whole.calibrations_used}
    return tuple(
        CalibrationUsed(
            component=each.component,
            wall_factor=each.wall_factor,
            gsd=each.gsd,
            instances=each.instances,
            from_day=each.start.isoformat() if each.start else None,
            until_day=each.until.isoformat() if each.until else None,
            source=each.source,
            measured_on=each.date.isoformat(),
        )
        for each in context.catalogue.calibrations
        if each in applied
    )


def crosschecks(context: Context) -> tuple[CrosscheckKept, ...]:
    """List the quarter's comparisons of records with power at the wall, in the catalogue's order."""
    return tuple(
        CrosscheckKept(
            instance=each.instance,
            hours=each.hours,
            missing_hours=each.missing_hours,
            ratio=each.ratio,
            gsd=each.gsd,
            low_hours=each.low_hours,
            high_hours=each.high_hours,
            series=each.series,
            sha256=each.sha256,
            compared_on=each.date.isoformat(),
        )
        for each in context.catalogue.crosschecks
        if each.quarter == str(context.quarter)
    )


def deviations(context: Context) -> tuple[DeviationInUse, ...]:
    """List the standard deviation of every source of error, in the table's order. What the site measured itself is a default."""
    methods = {
        (component, *method)
        for period in context.assessed
        for strands in period.strands.values()
        for strand in strands
        for component, method in zip(COMPONENTS, strand.methods, strict=True)
    }
    used = {error_class(status, name) for _, status, name in methods} | {sharing_error(each, name) for each, _, name in methods}
    return tuple(
        DeviationInUse(name, context.known.gsd[name], default)
        for name, default in context.catalogue.default_gsd.items()
        if name not in LISTED_WHERE_USED or name in used or context.known.gsd[name] != default
    )


def equivalences(context: Context, footprint: Footprint) -> tuple[EquivalenceUsed, ...]:
    """List the equivalences that the catalogue asks for; none by default."""
    from ecoia.catalogue import EQUIVALENCES

    of = "co2e_operational" if footprint.co2e.value is None else "co2e"
    return tuple(
        EquivalenceUsed(
            id=name,
            of=of,
            quantity=scaled(footprint[of], 1 / known.kg_per_unit, known.unit),
            kg_per_unit=known.kg_per_unit,
            source=known.source,
            dated=known.date,
        )
        for name, known in ((name, EQUIVALENCES[name]) for name in context.catalogue.equivalences)
    )


def site_figures(context: Context) -> tuple[FigureUsed, ...]:
    """List every PUE, WUE and water factor that a figure rests on, in the catalogue's order."""
    applied = {each for period in context.assessed for each in period.whole.figures_used}
    return tuple(
        FigureUsed(
            site=site.id,
            kind=kind,
            value=figure.value,
            quality=figure.quality,
            from_day=figure.start.isoformat() if figure.start else None,
            until_day=figure.until.isoformat() if figure.until else None,
            source=figure.source,
            dated=figure.date.isoformat(),
        )
        for site in context.catalogue.sites
        for kind, figures in (("pue", site.pue), ("wue", site.wue), ("water_factor", site.water_factor))
        for figure in figures
        if (site.id, figure) in applied
    )


def equipment_used(context: Context) -> tuple[EquipmentUsed, ...]:
    """List each piece of equipment, with the part of its making that falls on the quarter."""
    used = []
    for item in context.catalogue.equipment:
        borne: dict[str, int] = {}
        for part in context.period.embodied:
            if part.equipment == item.id:
                borne[part.bearer[0] or ""] = borne.get(part.bearer[0] or "", 0) + part.micrograms
        used.append(
            EquipmentUsed(
                id=item.id,
                name=item.name,
                co2e_kg=item.co2e_kg,
                life_years=item.life_years,
                reserved_share=item.reserved_share,
                instances=item.instances,
                devices=item.devices,
                from_day=item.start.isoformat(),
                until_day=item.until.isoformat() if item.until else None,
                source=item.source,
                dated=item.date.isoformat(),
                quarter_micrograms=amortised_micrograms(item, context.start_ns, context.until_ns, context.timezone),
                by_service_micrograms=dict(sorted(borne.items())),
            )
        )
    return tuple(used)


def tokens_used(context: Context) -> tuple[TokensUsed, ...]:
    """List the tokens of each bearer and model, with their estimate."""
    used = []
    for use in context.period.uses:
        counts = use.counts
        kwh, litres = (bounds or (None, None) for bounds in (use.kwh, use.litres))
        service, phase = use.bearer
        used.append(
            TokensUsed(
                service=service,
                phase=phase,
                provider=use.provider,
                model=use.model,
                tokens_in=counts.tokens_in,
                tokens_out=counts.tokens_out,
                rows=counts.rows,
                standing=use.standing,
                reason=use.reason,
                low_kg=use.low_kg,
                central_kg=use.central_kg,
                high_kg=use.high_kg,
                record_ids=use.record_ids,
                records=use.records,
                requests=counts.requests,
                uncounted_out=counts.uncounted_out,
                cached_in=counts.cached_in,
                cached_untold_in=counts.cached_untold_in,
                reasoning=counts.reasoning,
                reasoning_untold_out=counts.reasoning_untold_out,
                is_lower_bound=use.is_lower_bound,
                making_kg=use.making_kg,
                low_kwh=kwh[0],
                high_kwh=kwh[1],
                low_litres=litres[0],
                high_litres=litres[1],
                input_factor=use.input_factor,
            )
        )
    return tuple(used)


def hypotheses(context: Context) -> tuple[Hypotheses, ...]:
    """List the hypotheses behind the estimates of hosted models, by provider and model."""
    found: Iterable[Hypotheses] = {use.hypotheses for use in context.period.uses if use.hypotheses}
    return tuple(sorted(found, key=lambda each: (each.provider, each.model)))
