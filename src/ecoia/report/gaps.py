"""Find what is missing from the figures that a target is about, so that what is known is not taken for the whole.

A target of one service is about that service: another service that is not measured is no gap of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ecoia.periods import Quarter
from ecoia.report.context import Context
from ecoia.report.model import MethodShare, QuarterlyReport
from ecoia.report.quantities import method_shares
from ecoia.semconv import MISSING, NOT_LACKING

if TYPE_CHECKING:
    from ecoia.report.model import ServiceEntry


@dataclass(frozen=True)
class Gaps:
    """What is missing.

    Attributes:
        reason: The first that was found, one of ``codes.VERDICT_REASONS``; None: nothing.
        growth: The energy that would be known if the days that are not recorded were like the others, over the energy that is
            known. A service counts as measured with some days missing (``codes.COVERED``), and they are in this number only.
    """

    reason: str | None
    growth: float = 1.0


def gaps_of(report: QuarterlyReport, context: Context, service: str | None, since: Quarter) -> Gaps:
    """Find what is missing from the figures of a service, or of all services in scope.

    Args:
        report: The report, with its register, coverage, totals and ledger gaps.
        context: The quarters.
        service: Id of the service; None: all.
        since: The first quarter that the figures are of. Days of the ledger may be missing from any quarter since; services,
            components and days are looked for in the report's own.

    Example:
        >>> gaps_of(report, context, None, context.quarter)  # doctest: +SKIP
        Gaps(reason='coverage-incomplete', growth=1.003)
    """
    entries = [
        each for each in report.register if (each.id == service if service else each.registered and each.status != "retired")
    ]
    start_ns = since.bounds_ns(context.timezone)[0]
    reasons = (
        ("ledger-incomplete", any(gap.touches(start_ns, context.end_ns) for gap in report.ledger_gaps)),
        ("coverage-incomplete", _lacks_components(_methods(report, context, service))),
        _unmeasured(report, entries, service),
        ("days-not-declared", any(each.measured and each.covered is None for each in entries)),
        ("partial-quarter", context.partial),
    )
    return Gaps(next((reason for reason, holds in reasons if holds), None), _growth(report, entries, service))


def _methods(report: QuarterlyReport, context: Context, service: str | None) -> Iterable[MethodShare]:
    if service is None:
        return report.totals.methods
    return method_shares(strand for strand in context.activity.strands if strand.bearer[0] == service)


def _lacks_components(methods: Iterable[MethodShare]) -> bool:
    return any(each.status == MISSING and each.name not in NOT_LACKING for each in methods)


def _unmeasured(report: QuarterlyReport, entries: Iterable[ServiceEntry], service: str | None) -> tuple[str, bool]:
    """Say whether a service is not measured. Of one service that is recorded on too few days, these are the reason."""
    if service is None:
        return "coverage-incomplete", report.coverage.share != 1
    entry = next(iter(entries), None)
    partly = entry is not None and entry.covered is not None and entry.instance_days > 0
    return "days-missing" if partly else "coverage-incomplete", entry is None or not entry.measured


def _growth(report: QuarterlyReport, entries: Iterable[ServiceEntry], service: str | None) -> float:
    known = [(each.energy_components_microjoules or 0, each.covered or 1.0) for each in entries]
    whole = sum(energy for energy, _ in known) if service else report.totals.energy_components_microjoules
    missing = math.fsum(energy / covered - energy for energy, covered in known if covered < 1)
    return 1 + missing / whole if whole else 1.0
