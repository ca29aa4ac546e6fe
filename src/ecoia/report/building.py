"""Puts the report together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ecoia.factors import FactorSet
from ecoia.impact.activity import last_utc_ns
from ecoia.impact.recalculation import Recalculation
from ecoia.periods import Quarter
from ecoia.records import Row
from ecoia.report import annexes, committees, services, sites, sobriety
from ecoia.report.changes import changes
from ecoia.report.context import Context
from ecoia.report.model import NOTICES, Body, Commitment, QuarterlyReport
from ecoia.report.quantities import energy_by_status, measure, utc
from ecoia.report.sensitivity import sensitivities
from ecoia.report.verdicts import Judge
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

_COMMITMENT = 7
_ETHICS_LINE = "ligne-ethique"
_ENERGY_KINDS = (KIND_SPAN, KIND_IDLE, KIND_UNATTRIBUTED, KIND_OVERHEAD)


def build_report(
    rows: Sequence[Row],
    quarter: Quarter,
    *,
    settings: Surroundings,
    catalogue: Catalogue,
    factors: FactorSet,
    known_until_ns: int | None = None,
    over: bool = False,
    published_micrograms: Mapping[str, Mapping[str, int]] | None = None,
    restatements: Sequence[Recalculation] = (),
) -> QuarterlyReport:
    """The report of one quarter.

    Args:
        rows: Ledger rows in any order, of this quarter and of those before it (for the trend).
        quarter: Which one, in the organisation's time zone.
        settings: ``timezone``, ``zone`` and ``pue`` are used.
        catalogue: The register, charter, targets, calibrations, sites, equipment and outcomes; may be empty.
        factors: Emission factors.
        known_until_ns: Until when records were known, UTC nanoseconds. None: until the last of ``rows`` ended.
        over: Whether the quarter is over. False: where no record follows it, equipment counts until the last one.
        published_micrograms: What was last published of quarters before, by quarter and part of CO2e.
        restatements: Published quarters that were computed again since the last report, in any order.

    Raises:
        FactorError: the zone of the settings or of a site has no emission factor; the message says the remedy.
    """
    for zone in (settings.zone, *(site.zone for site in catalogue.sites)):
        if zone is not None:
            factors.check(zone)
    until_ns = last_utc_ns(rows) if known_until_ns is None else known_until_ns
    context = Context(rows, quarter, settings, catalogue, factors, until_ns, over)
    charter = catalogue.charter
    governance = charter.governance if charter else ()
    commitments = charter.charter.commitments if charter and charter.charter else ()
    activity, whole = context.activity, context.period.whole
    totals = measure(whole, activity.strands)
    entries = services.register(context)
    coverage = services.coverage(context, entries)
    footprint = services.footprint(context)
    of_services = services.service_footprints(context)
    of_sites = sites.site_results(context)
    judge = Judge(context, coverage, totals, footprint, of_services)
    kinds = services.energy_by_kind(context)
    # What is listed of factors and figures in use is that of every quarter looked at, so these come first.
    trend, changed = services.trend(context), changes(context, published_micrograms or {})
    spared = sobriety.savings(context)
    targets = tuple(judge.verdict(target) for target in catalogue.targets.targets)
    report = QuarterlyReport(
        quarter=str(quarter),
        timezone=context.timezone.key,
        start_utc=utc(context.start_ns),
        end_utc=utc(context.end_ns),
        last_record_utc=None if activity.last_utc_ns is None else utc(activity.last_utc_ns),
        organisation=charter.organisation.name if charter else "",
        charter_title=charter.charter.title if charter and charter.charter else None,
        commitments=tuple(Commitment(c.number, c.id, c.name, c.text) for c in sorted(commitments, key=lambda c: c.number)),
        ethics_contact=next((body.contact for body in governance if body.id == _ETHICS_LINE), None),
        totals=totals,
        energy_by_kind_microjoules={kind: kinds[kind] for kind in _ENERGY_KINDS if kind in kinds},
        energy_by_status=energy_by_status(activity.strands, (MEASURED, ESTIMATED, DECLARED)),
        results=services.phases(context),
        register=entries,
        coverage=coverage,
        targets=targets,
        trend=trend,
        footprint=footprint,
        services=of_services,
        precision=context.period.precision(),
        factors=annexes.factors_used(context),
        zones=sites.zones(context),
        pue=context.known.pue if not catalogue.sites or any(site.id is None for site in of_sites) else None,
        lost=activity.lost,
        simulated=activity.simulated,
        governance=tuple(Body(b.id, b.name, b.role, b.members, b.count, b.contact) for b in governance),
        calibrations=annexes.calibrations_used(context),
        sites=of_sites,
        site_figures=annexes.site_figures(context),
        equipment=annexes.equipment_used(context),
        instances_without_equipment=context.period.instances_without_equipment if catalogue.equipment else (),
        tokens=annexes.tokens_used(context),
        model_hypotheses=annexes.hypotheses(context),
        reference_year=context.reference_year,
        reference_factors=annexes.reference_factors(context),
        register_as_of=catalogue.register.as_of.isoformat() if catalogue.register.as_of else None,
        factor_set=annexes.factor_set_in_use(factors),
        factor_gaps=whole.factor_gaps,
        contracts=annexes.contracts_used(context),
        doubles=context.doubles,
        inventory=sites.inventory(context, footprint),
        changes=changed,
        costliest_runs=sobriety.costliest_runs(context),
        savings=spared,
        unsupported=sobriety.unsupported(context, spared),
        frontiers=sobriety.frontiers(context),
        said=committees.said(context),
        actions=committees.actions(context),
        regions=committees.regions(context),
        evaluations=committees.evaluations(context),
        sensitivities=sensitivities(context),
        restatements=tuple(sorted(restatements, key=lambda each: each.quarter)),
        published_micrograms={quarter: dict(parts) for quarter, parts in sorted((published_micrograms or {}).items())},
        deviations=annexes.deviations(context),
        equivalences=annexes.equivalences(context, footprint),
        deviations_because=catalogue.method.because if catalogue.method.gsd else None,
    )
    return replace(report, notices=_notices(context, report))


def _notices(context: Context, report: QuarterlyReport) -> tuple[str, ...]:
    recorded = bool(context.activity.strands)
    holds = {
        "no-data": not recorded,
        "no-catalogue": not context.catalogue.services,
        "no-zone": report.totals.co2e.reason == "no-zone",
        "no-factor": report.totals.co2e.reason == "no-factor",
        "factor-gap": any(not gap.filled for gap in report.factor_gaps),
        "factor-gap-filled": any(gap.filled for gap in report.factor_gaps),
        "no-pue": report.totals.boundary != "site" and recorded,
        "commitment-text-missing": any(c.number == _COMMITMENT and not c.text for c in report.commitments),
        "simulated-history": any(point.simulated for point in report.trend if point.quarter != report.quarter),
        "stand-ins": any(entry.stand_in and entry.id in context.services for entry in report.register),
        "partial-quarter": context.partial,
        "idle-not-separated": recorded and KIND_IDLE not in {strand.kind for strand in context.activity.strands},
    }
    return tuple(code for code in NOTICES if holds[code])
