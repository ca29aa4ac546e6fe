"""Judge targets: thresholds at a deadline, and trajectories against a baseline with the budget of the year.

One rule for all: a target is met, or on its way to be, only where nothing that is missing could turn the figure
(``Indicator.gaps_threaten``). What is missing never spares a target that is missed: who records less gains nothing by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ecoia.impact.period_impact import EstimateOrReason
from ecoia.impact.trajectory import QUARTERS_NEEDED, Trajectory
from ecoia.indicators import INDICATORS
from ecoia.periods import Quarter
from ecoia.report.baselines import Baseline, Levels
from ecoia.report.budgets import budget_of_year
from ecoia.report.context import Context
from ecoia.report.gaps import gap_of
from ecoia.report.likelihood import change_above, level_above, level_below
from ecoia.report.model import (
    NEARLY_CERTAIN,
    ON_TRACK,
    BudgetState,
    CoursePoint,
    Quantity,
    QuarterlyReport,
    TargetVerdict,
)
from ecoia.report.parts import Parts
from ecoia.report.quantities import measure, relative, shown

if TYPE_CHECKING:  # importing the catalogue costs pydantic
    from ecoia.catalogue import Target

_MET, _MISSED, _OPEN = "tenu", "non-tenu", "non-concluant"
_NEARLY_MISSED, _ON_TRACK = "depassement-quasi-certain", "en-bonne-voie"


@dataclass(frozen=True)
class _Judgement:
    """A verdict, and the figures that it rests on."""

    verdict: str
    reason: str | None
    observed: Quantity
    miss_probability: float | None = None
    budget: BudgetState | None = None
    course: tuple[CoursePoint, ...] = ()


def verdicts(report: QuarterlyReport, context: Context, targets: Sequence[Target]) -> tuple[TargetVerdict, ...]:
    """Judge targets by the figures of a report.

    Args:
        report: The report, whole but for its verdicts.
        context: The quarters that it is of.
        targets: The targets. Trajectories are judged first, as the others may be on their budgets.

    Returns:
        The verdicts, in the order of the targets.

    Example:
        >>> verdicts(report, context, catalogue.targets.targets)[0].verdict  # doctest: +SKIP
        'tenu'
    """
    judge = _Judge(report, context)
    trajectories = {target.id: judge.verdict(target) for target in targets if target.is_trajectory}
    judge = _Judge(replace(report, targets=tuple(trajectories.values())), context)
    return tuple(trajectories.get(target.id) or judge.verdict(target) for target in targets)


class _Judge:
    def __init__(self, report: QuarterlyReport, context: Context) -> None:
        self._report, self._context = report, context
        self._services = {each.service: each for each in report.services}
        self._levels = Levels(context)

    def verdict(self, target: Target) -> TargetVerdict:
        """Judge a target: a threshold, or a trajectory where it has a baseline."""
        baseline = Baseline(EstimateOrReason(None, "baseline-missing"))
        if target.baseline is not None:
            baseline = self._levels.baseline(target, target.baseline.quarters)
            judged = self._trajectory(target, baseline)
        else:
            judged = self._threshold(target, self._observed(target))
        decision = target.decision
        return TargetVerdict(
            id=target.id,
            indicator=target.indicator,
            op=target.op,
            value=target.value,
            unit=INDICATORS[target.indicator].unit,
            deadline=target.deadline,
            status=target.status,
            verdict=judged.verdict,
            reason=judged.reason,
            observed=judged.observed,
            reduction=target.reduction,
            baseline_quarters=target.baseline.quarters if target.baseline else (),
            horizon=target.horizon,
            decision_body=decision.body if decision else None,
            decision_date=decision.date.isoformat() if decision and decision.date else None,
            service=target.service,
            budget=judged.budget,
            additions=baseline.additions,
            miss_probability=judged.miss_probability,
            trajectory=target.trajectory,
            course=judged.course,
        )

    # --- thresholds ---

    def _observed(self, target: Target) -> Quantity:
        """Find the present value of a target's indicator, of its service or trajectory where it names one."""
        indicator, report = INDICATORS[target.indicator], self._report
        if indicator.of_report is not None:
            return indicator.of_report(report, target.trajectory if indicator.target == "trajectory" else target.service)
        service = self._services.get(target.service or "")
        if target.service is not None and service is None:
            return Quantity(None, indicator.unit, reason="no-data")
        if indicator.held in ("whole", "phase"):
            return Parts(self._context, self._context.quarter, target.service, coverage=report.coverage).quantity(indicator)
        if indicator.held == "measure" and indicator.of_measure is not None:
            found = report.totals if service is None else measure(self._context.impact_of(service.service), ())
            return indicator.of_measure(found)
        if indicator.held == "intensity" and service is not None:
            return service.intensities[indicator.id]
        footprint = report.footprint if service is None else service.footprint
        return footprint.get(indicator.id) or Quantity(None, indicator.unit, reason="not-computed")

    def _threshold(self, target: Target, observed: Quantity) -> _Judgement:
        if observed.value is None or target.value is None or target.deadline is None or target.op is None:
            return _Judgement(_OPEN, "no-data" if observed.reason == "not-measured" else observed.reason, observed)
        if self._context.activity.simulated:
            return _Judgement(_OPEN, "simulated", observed)
        gap = self._gap_of(target)
        missed = (level_above if target.op == "<=" else level_below)(observed, target.value)
        if self._context.quarter < Quarter.parse(target.deadline):
            verdict = _ahead(missed or 0.0, gap)
        else:
            verdict = _at_deadline(observed, target.op, target.value, missed or 0.0, gap)
        # Of a share that has no interval, what is missing leaves no probability to state.
        unknown = observed.low is None and gap is not None and verdict[1] == gap
        return _Judgement(*verdict, observed, None if unknown else missed)

    def _gap_of(self, target: Target) -> str | None:
        """Find what is missing that could turn a threshold's figure."""
        indicator, quarter = INDICATORS[target.indicator], self._context.quarter
        if target.op is None or not indicator.gaps_threaten(target.op):
            return None
        if indicator.target != "trajectory":
            return gap_of(self._report, self._context, target.service, quarter)
        # The use of a year grows until its end.
        if target.deadline is not None and quarter < Quarter.parse(target.deadline):
            return "deadline-ahead"
        service = next((each.service for each in self._report.targets if each.id == target.trajectory), None)
        return gap_of(self._report, self._context, service, Quarter(quarter.year, 1))

    # --- trajectories ---

    def _trajectory(self, target: Target, baseline: Baseline) -> _Judgement:
        """Judge the change of the last four quarters that are over; before the horizon, the budget of the year."""
        context, references, levels = self._context, baseline.quarters, self._levels
        if not levels.measured.issuperset(references):
            return _Judgement(_OPEN, "baseline-missing", Quantity(None, "1", reason="baseline-missing"))
        last = levels.last_over()
        before, now = baseline.level, levels.mean(target, last, baseline)
        for known in (before, now):
            if known.estimate is None:
                why = "no-data" if known.reason == "not-measured" else known.reason
                return _Judgement(_OPEN, why, Quantity(None, "1", reason=known.reason))
        if before.estimate is None or now.estimate is None or target.reduction is None or target.horizon is None:
            raise AssertionError("a trajectory has a baseline, a reduction and a horizon")
        observed = relative(now.estimate, before.estimate)
        path = Trajectory(before.estimate, max(references).year, target.horizon, target.reduction)
        budget = budget_of_year(context, levels, target, path, baseline)
        found = _Judgement(_OPEN, observed.reason, observed, budget=budget, course=self._course(target, path, baseline))
        if observed.value is None:
            return found
        if any(context.activity_of(quarter).simulated for quarter in (*references, *last)):
            return replace(found, reason="simulated")
        gap = gap_of(self._report, context, target.service, min(last))
        if context.quarter >= Quarter(target.horizon, 4) and len(last) < QUARTERS_NEEDED:
            return replace(found, reason="too-few-quarters")
        if context.quarter < Quarter(target.horizon, 4) or context.days_elapsed < 1:
            # Days ahead are in the budget's forecast.
            verdict, reason = _within_budget(budget, None if gap == "partial-quarter" else gap)
            return replace(found, verdict=verdict, reason=reason, miss_probability=_year_missed(budget))
        missed = change_above(observed, -target.reduction)
        verdict, reason = _at_deadline(observed, "<=", -target.reduction, missed or 0.0, gap)
        return replace(found, verdict=verdict, reason=reason, miss_probability=missed)

    def _course(self, target: Target, path: Trajectory, baseline: Baseline) -> tuple[CoursePoint, ...]:
        """Give the level of each quarter from the first of the baseline on, and what the path allows it."""
        unit, quarter, points = INDICATORS[target.indicator].unit, min(baseline.quarters), list[CoursePoint]()
        while quarter <= self._context.quarter:
            known = EstimateOrReason(None, "no-data")
            if quarter in self._levels.measured:
                (known,) = self._levels.each(target, [quarter], baseline)
            due = path.budget(quarter.year) / 4
            points.append(CoursePoint(str(quarter), shown(known, unit), due))
            quarter = quarter.shift(1)
        return tuple(points)


_Verdict = tuple[str, str | None]  # the verdict, and the reason why it is so


def _at_deadline(observed: Quantity, op: str, value: float, missed: float, gap: str | None) -> _Verdict:
    """Judge a figure by its interval; inside it, by the probability of a miss. ``gap`` is what is missing that could turn it."""
    known = observed.value or 0.0
    low, high = (known if bound is None else bound for bound in (observed.low, observed.high))
    if low < value < high:
        return (_NEARLY_MISSED, "interval-mostly-beyond") if missed >= NEARLY_CERTAIN else (_OPEN, "interval-straddles")
    if not (known >= value if op == ">=" else known <= value):
        return _MISSED, "below-value"
    return (_OPEN, gap) if gap else (_MET, None)


def _ahead(missed: float, gap: str | None) -> _Verdict:
    """Judge a threshold before its deadline, by the probability that this quarter's level misses it."""
    if missed >= NEARLY_CERTAIN:
        return _NEARLY_MISSED, "likely-missed"
    if missed > ON_TRACK:
        return _OPEN, "deadline-ahead"
    return (_OPEN, gap) if gap else (_ON_TRACK, "likely-met")


def _within_budget(budget: BudgetState, gap: str | None) -> _Verdict:
    """Judge a trajectory before its horizon, by the probability that the year ends over its budget."""
    missed = _year_missed(budget)
    if (budget.spent_probability or 0.0) >= NEARLY_CERTAIN:
        return _NEARLY_MISSED, "budget-spent"
    if missed is None or ON_TRACK < missed < NEARLY_CERTAIN:
        return _OPEN, "horizon-ahead"
    if missed >= NEARLY_CERTAIN:
        return _NEARLY_MISSED, "budget-likely-overrun"
    return (_OPEN, gap) if gap else (_ON_TRACK, "budget-likely-kept")


def _year_missed(budget: BudgetState) -> float | None:
    """Return the probability that a year ends over its budget: at least that of being over it already."""
    known = [each for each in (budget.overrun_probability.value, budget.spent_probability) if each is not None]
    if budget.overrun_probability.value is None and (budget.spent_probability or 0.0) < NEARLY_CERTAIN:
        return None
    return max(known, default=None)
