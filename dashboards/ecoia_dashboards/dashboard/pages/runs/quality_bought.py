"""The cost of quality among the runs of a selection: the cheapest that is good enough, the price of the last points."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ecoia.exploring import ComparedRuns
from ecoia.impact.quality_front import Scored, Step, point_of
from ecoia.impact.uncertainty import Estimate, Interval
from ecoia.report import Quantity
from ecoia.report.quantities import quantity
from ecoia_dashboards.dashboard.address import BadAddressError
from ecoia_dashboards.dashboard.page import Reading

BY = "energy"
_UNIT = "kWh"


@dataclass(frozen=True)
class RatedRun:
    """A run with its figure of quality and what it took."""

    run_id: str
    quality: float
    energy: Quantity


@dataclass(frozen=True)
class PricedStep:
    """The cost of quality between two neighbours of the front. ``per_point`` has the interval of ``energy``, per point."""

    worse: RatedRun
    better: RatedRun
    gained: float
    energy: Quantity
    per_point: Quantity
    beyond_noise: bool


@dataclass(frozen=True)
class QualityBought:
    """The cost of quality in one comparison, as ``ecoia frontier`` says it.

    Attributes:
        service: The service.
        phase: The phase.
        metric: The figure of quality.
        better: ``higher`` or ``lower``.
        compared: How many runs are compared.
        tolerance: How much worse than the best is good enough.
        point: Size of a point, in the figure's own unit.
        best: The best run.
        enough: The cheapest within the tolerance.
        as_cheap: Ids of others within the tolerance that are not dearer beyond noise.
        spared: What ``enough`` took less than the best, as a share; None where they are one.
        steps: What the points cost, from the cheapest of the front to the best.
        lost: How many runs failed or were abandoned.
        lost_energy: What they took.
        lost_share: Their share of what all runs of the service and phase took.
    """

    service: str
    phase: str
    metric: str
    better: str
    compared: int
    tolerance: float
    point: float
    best: RatedRun
    enough: RatedRun
    as_cheap: tuple[str, ...]
    spared: Quantity | None
    steps: tuple[PricedStep, ...]
    lost: int
    lost_energy: Quantity
    lost_share: float | None


def read(reading: Reading) -> tuple[QualityBought, ...]:
    """Compare the runs of the selection, the comparison with the most energy first.

    Raises:
        BadAddressError: the tolerance is no number of 0 or more.
    """
    tolerance = _tolerance(reading.address.tolerance)
    found = [each for each in reading.explorer.compared_runs(reading.selection, BY) if len(each.front.scored) > 1]
    found.sort(key=lambda each: -sum(run.cost.value for run in each.front.scored))
    return tuple(_bought(each, tolerance) for each in found)


def _tolerance(text: str) -> float | None:
    if not text:
        return None
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise BadAddressError("tolerance", text, form="a number of 0 or more, e.g. 0.01")
    return number


def _bought(found: ComparedRuns, tolerance: float | None) -> QualityBought:
    front, waste = found.front, found.waste
    point = point_of(run.quality for run in front.scored)
    within = point if tolerance is None else tolerance
    enough = front.good_enough(within)
    return QualityBought(
        service=found.service,
        phase=found.phase,
        metric=found.metric,
        better=front.better,
        compared=len(front.scored),
        tolerance=within,
        point=point,
        best=_rated(enough.best),
        enough=_rated(enough.run),
        as_cheap=tuple(run.key for run in enough.as_cheap),
        spared=None if enough.spared is None else quantity(enough.spared, "1", enough.bounds, None),
        steps=tuple(_priced(step, point) for step in front.steps),
        lost=waste.count,
        lost_energy=Quantity(None, _UNIT, reason="no-data") if waste.cost is None else _quantity(waste.cost),
        lost_share=waste.share if waste.count else None,
    )


def _rated(run: Scored[str]) -> RatedRun:
    return RatedRun(run.key, run.quality, _quantity(run.cost))


def _priced(step: Step[str], point: float) -> PricedStep:
    per_point = point / step.gained
    return PricedStep(
        _rated(step.worse),
        _rated(step.better),
        step.gained,
        quantity(step.cost, _UNIT, step.bounds, None),
        quantity(step.cost * per_point, _UNIT, _scaled(step.bounds, per_point), None),
        step.beyond_noise,
    )


def _scaled(bounds: Interval | None, factor: float) -> Interval | None:
    return None if bounds is None else Interval(bounds.low * factor, bounds.high * factor)


def _quantity(estimate: Estimate) -> Quantity:
    return quantity(estimate.value, _UNIT, estimate.interval, None)
