"""Set the year so far against its budget on a trajectory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ecoia.impact.period_impact import EstimateOrReason
from ecoia.impact.trajectory import Trajectory
from ecoia.impact.uncertainty import Estimate
from ecoia.indicators import INDICATORS
from ecoia.periods import Quarter
from ecoia.report.baselines import Baseline, Levels
from ecoia.report.context import Context
from ecoia.report.likelihood import share_above
from ecoia.report.model import BudgetState, Quantity
from ecoia.report.quantities import relative, shown

if TYPE_CHECKING:  # importing the catalogue costs pydantic
    from ecoia.catalogue import Target

_TOO_FEW = "too-few-quarters"


def budget_of_year(context: Context, levels: Levels, target: Target, path: Trajectory, baseline: Baseline) -> BudgetState:
    """Set the quarters of the report's year against the year's budget.

    Args:
        context: The quarters.
        levels: Levels of the target's indicator.
        target: A target with a trajectory.
        path: Its trajectory, which gives the budget of each year.
        baseline: Its baseline.

    Returns:
        The budget in the target's unit; without a value, for the reason ``too-few-quarters``, where a quarter of the year is not
        measured.
    """
    unit, quarter = INDICATORS[target.indicator].unit, context.quarter
    over = levels.last_over()
    spent = [each for each in sorted({quarter, *over} & levels.measured) if each.year == quarter.year]
    budget = Quantity(path.budget(quarter.year), unit)
    if len(spent) < quarter.number:
        lacking, share = Quantity(None, unit, reason=_TOO_FEW), Quantity(None, "1", reason=_TOO_FEW)
        return BudgetState(quarter.year, budget, lacking, share, lacking, share, lacking)

    def estimates(quarters: Sequence[Quarter]) -> list[Estimate]:
        return [known.estimate for known in levels.each(target, quarters, baseline) if known.estimate is not None]

    used, recent = estimates(spent), estimates(over)
    total_used = Estimate.total(used)
    passed = quarter.number - 1 + context.days_elapsed
    expected = path.expected(used, recent, 4 - passed)
    probability = path.overrun_probability(quarter.year, used, recent, 4 - passed)
    consumed = _over(total_used, path.quarter_mean.scaled(4 * path.path(quarter.year)))
    return BudgetState(
        year=quarter.year,
        budget=budget,
        spent=shown(EstimateOrReason(total_used), unit),
        consumed=consumed,
        distance=Quantity(total_used.value - (budget.value or 0.0) * passed / 4, unit),
        overrun_probability=Quantity(probability, "1", reason=_TOO_FEW if probability is None else None),
        expected=shown(EstimateOrReason(expected, None if expected else _TOO_FEW), unit),
        spent_probability=share_above(consumed, 1.0),
    )


def _over(used: Estimate, budget: Estimate) -> Quantity:
    """Divide what is used by a budget. The interval is that of a change: errors that both share cancel."""
    if not budget.value:
        return Quantity(None, "1", reason="no-data")
    change = relative(used, budget)
    low, high = (None if bound is None else 1 + bound for bound in (change.low, change.high))
    return Quantity(used.value / budget.value, "1", low, high)
