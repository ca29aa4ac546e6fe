"""Add up the work of the provider's side on the model in service, which may have taken several quarters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ecoia.impact.ledger_sums import Bearer
from ecoia.impact.period_impact import EstimateOrReason, PeriodImpact, Split
from ecoia.impact.sides import is_serving
from ecoia.periods import Quarter
from ecoia.report.context import Context
from ecoia.report.model import Measure
from ecoia.report.quantities import measure
from ecoia.semconv import MISSING, NOT_LACKING


@dataclass(frozen=True)
class Making:
    """The provider's phases of one service over some quarters.

    Attributes:
        quarters: Those with such work, in order.
        phases: The phases that were recorded, sorted.
        split: CO2e in kg, by origin.
        lacking: What their energy leaves out, as ``lacking`` names it.
    """

    quarters: tuple[Quarter, ...]
    phases: tuple[str, ...]
    split: Split
    lacking: tuple[str, ...]


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
    measures = [_measured(period, bearers) for period, bearers in found.values()]
    return Making(
        tuple(found),
        tuple(sorted({phase for _, bearers in found.values() for _, phase in bearers})),
        Split(*parts),
        lacking(measures),
    )


def lacking(measures: Iterable[Measure]) -> tuple[str, ...]:
    """Name what some energy leaves out: components without energy, the building, power supplies and fans; sorted.

    Example:
        >>> lacking(result.measure for result in report.results)  # doctest: +SKIP
        ('building', 'gpu')
    """
    found = set()
    for each in measures:
        found |= {share.component for share in each.methods if share.status == MISSING and share.name not in NOT_LACKING}
        found |= {"building"} if each.boundary != "site" else set()
        if each.energy_at_wall_microjoules != each.energy_components_microjoules:
            found.add("power-supply-and-fans")
    return tuple(sorted(found))


def _measured(period: PeriodImpact, bearers: Sequence[Bearer]) -> Measure:
    among = set(bearers)
    strands = [strand for bearer in bearers for strand in period.strands.get(bearer, ())]
    return measure(period.assessment.impact(lambda bearer, _: bearer in among), strands)
