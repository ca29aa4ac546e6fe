"""Add up the work of the provider's side on the model in service, which may have taken several quarters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ecoia.impact.period_impact import EstimateOrReason, Split
from ecoia.impact.sides import is_serving
from ecoia.periods import Quarter
from ecoia.report.context import Context
from ecoia.semconv import COMPONENTS, MISSING, NOT_LACKING


@dataclass(frozen=True)
class Making:
    """The provider's phases of one service over some quarters.

    Attributes:
        quarters: Those with such work, in order.
        phases: The phases that were recorded, sorted.
        split: CO2e in kg, by origin.
        missing: Components of which some of the work has no energy.
    """

    quarters: tuple[Quarter, ...]
    phases: tuple[str, ...]
    split: Split
    missing: tuple[str, ...]


def making_of(context: Context, service: str | None, quarters: Sequence[Quarter]) -> Making:
    """Add up the provider's phases of a service; those of quarters without any add nothing.

    Example:
        >>> making_of(context, "vadore", [Quarter(2026, 3)]).phases  # doctest: +SKIP
        ('evaluation', 'training')
    """
    found = {}
    for quarter in quarters:
        period = context.period_of(quarter)
        bearers = period.bearers(lambda bearer: bearer[0] == service and not is_serving(bearer))
        if bearers:
            found[quarter] = period, bearers
    splits = [period.split(bearers) for period, bearers in found.values()]
    nothing = EstimateOrReason(None, "no-training")
    parts = (
        EstimateOrReason.total(getattr(split, name) for split in splits) if splits else nothing
        for name in ("operational", "embodied", "api")
    )
    missing = {
        component
        for period, bearers in found.values()
        for bearer in bearers
        for strand in period.strands.get(bearer, ())
        for component, (status, method) in zip(COMPONENTS, strand.methods, strict=True)
        if status == MISSING and method not in NOT_LACKING
    }
    return Making(
        tuple(found),
        tuple(sorted({phase for _, bearers in found.values() for _, phase in bearers})),
        Split(*parts),
        tuple(sorted(missing)),
    )
