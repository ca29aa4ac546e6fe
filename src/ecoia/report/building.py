"""Put the report together, in stages: figures, then changes and savings, then verdicts, people's part, and sources."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ecoia.factors import FactorSet
from ecoia.impact.ledger_gaps import LedgerGap, LedgerShortfall, shortfall_of
from ecoia.impact.recalculation import PARTS, Recalculation
from ecoia.impact.recorded import last_recorded_ns
from ecoia.periods import Quarter
from ecoia.records import Row
from ecoia.report import annexes, committees, services, sites, sobriety
from ecoia.report.changes import changes
from ecoia.report.context import Context
from ecoia.report.model import NOTICES, DeclaredChange, QuarterlyReport
from ecoia.report.parts import Parts
from ecoia.report.quantities import energy_by_status, measure, utc
from ecoia.report.sensitivity import sensitivities
from ecoia.report.verdicts import verdicts
from ecoia.semconv import (
    DECLARED,
    ESTIMATED,
    KIND_IDLE,
    KIND_OVERHEAD,
    KIND_SPAN,
    KIND_UNATTRIBUTED,
    MEASURED,
)
from ecoia.settings import Surroundings

if TYPE_CHECKING:  # importing the catalogue costs pydantic
    from ecoia.catalogue import Catalogue

_ENERGY_KINDS = (KIND_SPAN, KIND_IDLE, KIND_UNATTRIBUTED, KIND_OVERHEAD)


def build_report(
    rows: Collection[Row],
    quarter: Quarter,
    *,
    settings: Surroundings,
    catalogue: Catalogue,
    factors: FactorSet,
    known_until_ns: int | None = None,
    over: bool = False,
    published_micrograms: Mapping[str, Mapping[str, int]] | None = None,
    restatements: Sequence[Recalculation] = (),
    gaps: Sequence[LedgerGap] = (),
    incomplete_because: str | None = None,
    declared_since: str | None = None,
    declared_changes: Sequence[DeclaredChange] = (),
) -> QuarterlyReport:
    """Build the report of one quarter.

    Args:
        rows: Ledger rows in any order, of this quarter and of earlier ones (for the trend).
        quarter: The quarter, in the organisation's time zone.
        settings: ``timezone``, ``zone`` and ``pue`` are used.
        catalogue: The register, charter, targets, calibrations, sites, equipment and outcomes; may be empty.
        factors: Emission factors.
        known_until_ns: End of the last record known, UTC nanoseconds. None: the end of the last of ``rows``.
        over: Whether the quarter is over. False: without a later record, equipment counts until the last record only.
        published_micrograms: CO2e last published of earlier quarters, in micrograms by quarter and part.
        restatements: Published quarters that were computed again since the last report, in any order.
        gaps: Ledger days that are not, or not wholly, among ``rows``.
        incomplete_because: Why the report is published although days of the ledger are missing, in the organisation's words.
        declared_since: Name of the publication that the declarations are compared with, where there is one.
        declared_changes: What the organisation declares otherwise than in it (``report.declared_changes``).

    Returns:
        The report. Equal arguments give equal reports, whatever the order of the rows.

    Raises:
        FactorError: the zone of the settings or of a site has no emission factor; the message names the remedy.

    Example:
        >>> report = build_report(rows, Quarter(2026, 4), settings=settings, catalogue=catalogue, factors=default_factors())
        ... # doctest: +SKIP
        >>> report.footprint.co2e  # doctest: +SKIP
        Quantity(value=12.3, unit='kgCO2e', low=8.1, high=18.6, reason=None)
    """
    until_ns = last_recorded_ns(rows) if known_until_ns is None else known_until_ns
    return report_of(
        Context(rows, quarter, settings, catalogue, factors, until_ns, over),
        published_micrograms=published_micrograms,
        restatements=restatements,
        gaps=gaps,
        incomplete_because=incomplete_because,
        declared_since=declared_since,
        declared_changes=declared_changes,
    )


def report_of(
    context: Context,
    *,
    published_micrograms: Mapping[str, Mapping[str, int]] | None = None,
    restatements: Sequence[Recalculation] = (),
    gaps: Sequence[LedgerGap] = (),
    incomplete_because: str | None = None,
    declared_since: str | None = None,
    declared_changes: Sequence[DeclaredChange] = (),
) -> QuarterlyReport:
    """Build the report of a quarter whose inputs are held already; the other arguments are those of ``build_report``."""
    factors = context.known.factors
    for zone in (context.known.zone, *(site.zone for site in context.catalogue.sites)):
        if zone is not None:
            factors.check(zone)
    published = published_micrograms or {}
    until = tuple(sorted(gap for gap in gaps if gap.touches(0, context.end_ns)))
    report = replace(_figures(context), ledger_gaps=until, incomplete_because=incomplete_because if until else None)
    report = _with_changes(report, context, published, restatements)
    report = replace(report, targets=verdicts(report, context, context.catalogue.targets.targets))
    # Factors and site figures are listed for every quarter that a figure was drawn from, so sources come last.
    report = _with_sources(_with_people(report, context), context, factors)
    report = replace(report, ledger_shortfalls=_shortfalls(context, report, until))
    report = replace(report, declared_since=declared_since, declared_changes=tuple(declared_changes))
    return replace(report, notices=_notices(context, report))


def _figures(context: Context) -> QuarterlyReport:
    """Compute energy, CO2e, the register and its coverage, and the trend."""
    activity, charter = context.activity, context.catalogue.charter
    totals = measure(context.period.whole, activity.strands)
    entries = services.register(context)
    coverage = services.coverage(context, entries)
    footprint, of_services = services.footprint(context), services.service_footprints(context)
    kinds = services.energy_by_kind(context)
    return QuarterlyReport(
        quarter=str(context.quarter),
        timezone=context.timezone.key,
        start_utc=utc(context.start_ns),
        end_utc=utc(context.end_ns),
        last_record_utc=None if activity.last_utc_ns is None else utc(activity.last_utc_ns),
        organisation=charter.organisation.name if charter else "",
        charter_title=charter.charter.title if charter and charter.charter else None,
        commitments=committees.commitments(context),
        ethics_contact=committees.ethics_contact(context),
        totals=totals,
        energy_by_kind_microjoules={kind: kinds[kind] for kind in _ENERGY_KINDS if kind in kinds},
        energy_by_status=energy_by_status(activity.strands, (MEASURED, ESTIMATED, DECLARED)),
        results=services.phases(context),
        register=entries,
        coverage=coverage,
        targets=(),
        trend=services.trend(context),
        footprint=footprint,
        services=of_services,
        precision=context.period.precision(),
        factors=(),
        zones=sites.zones(context),
        pue=None,
        lost=activity.lost,
        simulated=activity.simulated,
        headline=Parts(context, context.quarter).headline,
    )


def _with_changes(
    report: QuarterlyReport,
    context: Context,
    published: Mapping[str, Mapping[str, int]],
    restatements: Sequence[Recalculation],
) -> QuarterlyReport:
    """Add changes against other quarters, recalculations, and savings."""
    spared = sobriety.savings(context)
    return replace(
        report,
        changes=changes(context, published),
        restatements=tuple(sorted(restatements, key=lambda each: each.quarter)),
        published_micrograms={
            quarter: {part: parts[part] for part in PARTS if part in parts} for quarter, parts in sorted(published.items())
        },
        costliest_runs=sobriety.costliest_runs(context),
        savings=spared,
        unsupported=sobriety.unsupported(context, spared),
        frontiers=sobriety.frontiers(context),
        sensitivities=sensitivities(context),
    )


def _with_people(report: QuarterlyReport, context: Context) -> QuarterlyReport:
    """Add governance, words of committees, actions, self-assessments and regions."""
    return replace(
        report,
        governance=committees.governance(context),
        said=committees.said(context),
        actions=committees.actions(context),
        regions=committees.regions(context),
        evaluations=committees.evaluations(context),
    )


def _with_sources(report: QuarterlyReport, context: Context, factors: FactorSet) -> QuarterlyReport:
    """Add the sources of the figures: factors, contracts, calibrations, sites, equipment, hosted models, errors."""
    catalogue, of_sites = context.catalogue, sites.site_results(context)
    as_of = catalogue.register.as_of
    return replace(
        report,
        factors=annexes.factors_used(context),
        pue=context.known.pue if not catalogue.sites or any(site.id is None for site in of_sites) else None,
        calibrations=annexes.calibrations_used(context),
        crosschecks=annexes.crosschecks(context),
        sites=of_sites,
        site_figures=annexes.site_figures(context),
        equipment=annexes.equipment_used(context),
        instances_without_equipment=context.period.instances_without_equipment if catalogue.equipment else (),
        tokens=annexes.tokens_used(context),
        model_hypotheses=annexes.hypotheses(context),
        reference_year=context.reference_year,
        reference_factors=annexes.reference_factors(context),
        register_as_of=as_of.isoformat() if as_of else None,
        factor_set=annexes.factor_set_in_use(factors),
        factor_gaps=context.period.whole.factor_gaps,
        contracts=annexes.contracts_used(context),
        doubles=context.doubles,
        inventory=sites.inventory(context, report.footprint),
        deviations=annexes.deviations(context),
        equivalences=annexes.equivalences(context, report.footprint),
        deviations_because=catalogue.method.because if catalogue.method.gsd else None,
    )


def _shortfalls(context: Context, report: QuarterlyReport, gaps: Sequence[LedgerGap]) -> tuple[LedgerShortfall, ...]:
    """Sum up what the ledger lacks of the report's quarter, then of each quarter that it is compared with, latest first."""
    references = [quarter for target in report.targets for quarter in target.baseline_quarters]
    compared = {*(each.reference for each in report.changes), *(each.quarter for each in report.trend), *references}
    quarters = [context.quarter, *sorted(map(Quarter.parse, compared - {report.quarter}), reverse=True)]
    found = (shortfall_of(quarter, context.timezone, gaps) for quarter in quarters)
    return tuple(each for each in found if each is not None)


def _notices(context: Context, report: QuarterlyReport) -> tuple[str, ...]:
    """List the codes of the notices that hold, in their order."""
    recorded = bool(context.activity.strands)
    missing = [gap.touches(context.start_ns, context.end_ns) for gap in report.ledger_gaps]
    holds = {
        "ledger-incomplete": any(missing),
        "ledger-history-incomplete": not all(missing),
        "no-data": not recorded,
        "no-catalogue": not context.catalogue.services,
        "no-zone": report.totals.co2e.reason == "no-zone",
        "no-factor": report.totals.co2e.reason == "no-factor",
        "factor-gap": any(not gap.filled for gap in report.factor_gaps),
        "factor-gap-filled": any(gap.filled for gap in report.factor_gaps),
        "no-pue": report.totals.boundary != "site" and recorded,
        "commitment-text-missing": (found := report.environmental_commitment) is not None and not found.text,
        "simulated-history": any(point.simulated for point in report.trend if point.quarter != report.quarter),
        "stand-ins": any(entry.stand_in and entry.id in context.services for entry in report.register),
        "partial-quarter": context.partial,
        "idle-not-separated": recorded and KIND_IDLE not in {strand.kind for strand in context.activity.strands},
    }
    return tuple(code for code in NOTICES if holds[code])
