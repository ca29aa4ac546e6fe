"""Find what is missing from the figures that a target is about, so that what is known is not taken for the whole.

A target of one service is about that service: another service that is not measured is no gap of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ecoia.periods import Quarter
from ecoia.report.context import Context
from ecoia.report.model import MethodShare, QuarterlyReport, ServiceEntry
from ecoia.report.quantities import method_shares
from ecoia.semconv import MISSING, NOT_LACKING


def gap_of(report: QuarterlyReport, context: Context, service: str | None, since: Quarter) -> str | None:
    """Find what is missing from the figures of a service, or of all services in scope.

    Args:
        report: The report, with its register, coverage, totals and ledger gaps.
        context: The quarters.
        service: Id of the service; None: all.
        since: The first quarter that the figures are of. Days of the ledger may be missing from any quarter since; services,
            components and days are looked for in the report's own.

    Returns:
        The first gap that was found, one of ``codes.VERDICT_REASONS``; None: nothing is missing.

    Example:
        >>> gap_of(report, context, None, context.quarter)  # doctest: +SKIP
        'coverage-incomplete'
    """
    entries = [each for each in report.register if (each.id == service if service else each.in_scope)]
    start_ns = since.bounds_ns(context.timezone)[0]
    holds = {
        "ledger-incomplete": any(gap.touches(start_ns, context.end_ns) for gap in report.ledger_gaps),
        "coverage-incomplete": _lacks_components(_methods(report, context, service)) or _unmeasured(report, entries, service),
        "days-missing": any(map(_lacks_days, entries)),
        "days-not-declared": any(each.measured and each.covered is None for each in entries),
        "partial-quarter": context.partial,
    }
    return next((reason for reason, found in holds.items() if found), None)


def _methods(report: QuarterlyReport, context: Context, service: str | None) -> Iterable[MethodShare]:
    if service is None:
        return report.totals.methods
    return method_shares(strand for strand in context.activity.strands if strand.bearer[0] == service)


def _lacks_components(methods: Iterable[MethodShare]) -> bool:
    return any(each.status == MISSING and each.name not in NOT_LACKING for each in methods)


def _unmeasured(report: QuarterlyReport, entries: Sequence[ServiceEntry], service: str | None) -> bool:
    """Say whether a service is not measured; one that is recorded on too few days lacks days."""
    if service is None:
        return report.coverage.share != 1
    return not any(each.measured or _lacks_days(each) for each in entries)


def _lacks_days(entry: ServiceEntry) -> bool:
    """Say whether a whole day of a recorded service is missing. It may count as measured, but no sum holds that day."""
    lines = entry.days_by_phase
    return any(each.recorded for each in lines) and any((each.expected or 0.0) - each.recorded >= 1 for each in lines)
