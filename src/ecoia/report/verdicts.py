"""Judge targets: thresholds at a deadline, and trajectories against a baseline with the budget of the year."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ecoia.impact.period_impact import EstimateOrReason
from ecoia.impact.trajectory import QUARTERS_NEEDED, Trajectory
from ecoia.indicators import INDICATORS
from ecoia.periods import Quarter
from ecoia.report.baselines import Baseline, Levels
from ecoia.report.budgets import budget_of_year
from ecoia.report.context import Context
from ecoia.report.model import BudgetState, Coverage, Footprint, Measure, Quantity, ServiceFootprint, TargetVerdict
from ecoia.report.parts import Parts
from ecoia.report.quantities import measure, relative
from ecoia.semconv import MISSING, NOT_LACKING

if TYPE_CHECKING:  # importing the catalogue costs pydantic
    from ecoia.catalogue import Target

_OPEN = "non-concluant"
_Verdict = tuple[str, str | None]  # the verdict, and the reason why it is not "tenu"


@dataclass(frozen=True)
class _Judgement:
    """A verdict, and the figures that it rests on."""

    verdict: str
    reason: str | None
    observed: Quantity
    budget: BudgetState | None = None


class Judge:
    """Judges targets by the figures of the report.

    Args:
        context: The quarters.
        coverage: Coverage of the services in scope.
        totals: Energy and CO2e of everything.
        footprint: Parts of the impact of everything.
        services: Parts and intensities of each service.

    Example:
        >>> Judge(context, coverage, totals, footprint, services).verdict(target).verdict  # doctest: +SKIP
        'tenu'
    """

    def __init__(
        self,
        context: Context,
        coverage: Coverage,
        totals: Measure,
        footprint: Footprint,
        services: Iterable[ServiceFootprint],
    ) -> None:
        self._context, self._coverage, self._totals, self._footprint = context, coverage, totals, footprint
        self._services = {each.service: each for each in services}
        self._levels = Levels(context)

    def verdict(self, target: Target) -> TargetVerdict:
        """Judge a target: a threshold, or a trajectory where it has a baseline."""
        baseline = Baseline(EstimateOrReason(None, "baseline-missing"))
        if target.baseline is not None:
            baseline = self._levels.baseline(target, target.baseline.quarters)
            judged = self._trajectory(target, baseline)
        else:
            observed = self._observed(target)
            judged = _Judgement(*self._threshold(target, observed), observed)
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
        )

    # --- thresholds ---

    def _observed(self, target: Target) -> Quantity:
        """Find the present value of a target's indicator, of its service where it names one."""
        indicator = INDICATORS[target.indicator]
        service = self._services.get(target.service or "")
        if target.service is not None and service is None:
            return Quantity(None, indicator.unit, reason="no-data")
        if indicator.held == "whole":
            return Parts(self._context, self._context.quarter, coverage=self._coverage).quantity(indicator)
        if indicator.held == "measure" and indicator.of_measure is not None:
            found = self._totals if service is None else measure(self._context.impact_of(service.service), ())
            return indicator.of_measure(found)
        if indicator.held == "intensity" and service is not None:
            return service.intensities[indicator.id]
        footprint = self._footprint if service is None else service.footprint
        return footprint.get(indicator.id) or Quantity(None, indicator.unit, reason="not-computed")

    def _threshold(self, target: Target, observed: Quantity) -> _Verdict:
        if observed.value is None or target.value is None or target.deadline is None:
            return _OPEN, "no-data" if observed.reason == "not-measured" else observed.reason
        if self._context.activity.simulated:
            return _OPEN, "simulated"
        low = observed.value if observed.low is None else observed.low
        high = observed.value if observed.high is None else observed.high
        if low < target.value < high:
            return _OPEN, "interval-straddles"
        if not (observed.value >= target.value if target.op == ">=" else observed.value <= target.value):
            late = self._context.quarter >= Quarter.parse(target.deadline)
            return ("non-tenu", "below-value") if late else (_OPEN, "deadline-ahead")
        # A value under a cap proves nothing where energy is not measured: unmeasured is not zero.
        if target.op == "<=" and INDICATORS[target.indicator].gaps_lower_it:
            return self._unless_incomplete()
        return "tenu", None

    def _unless_incomplete(self) -> _Verdict:
        """Return ``tenu``, unless services, components or days are missing from the known part."""
        lacking = any(m.status == MISSING and m.name not in NOT_LACKING for m in self._totals.methods)
        if self._coverage.share != 1 or lacking:
            return _OPEN, "coverage-incomplete"
        return (_OPEN, "partial-quarter") if self._context.partial else ("tenu", None)

    # --- trajectories ---

    def _trajectory(self, target: Target, baseline: Baseline) -> _Judgement:
        """Judge the change of the last four quarters that are over against the baseline."""
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
        reached = self._too_early(target.horizon, references, last) if observed.value is not None else observed.reason
        verdict = (_OPEN, reached) if reached else self._against_reduction(observed, target.reduction)
        return _Judgement(*verdict, observed, budget)

    def _too_early(self, horizon: int, references: Iterable[Quarter], last: list[Quarter]) -> str | None:
        """Name the reason why a trajectory cannot be judged yet; None where it can be."""
        context = self._context
        if context.quarter < Quarter(horizon, 4):
            return "horizon-ahead"
        if len(last) < QUARTERS_NEEDED:
            return "too-few-quarters"
        if context.days_elapsed < 1:
            return "horizon-ahead"
        if any(context.activity_of(quarter).simulated for quarter in (*references, *last)):
            return "simulated"
        return None

    def _against_reduction(self, observed: Quantity, reduction: float) -> _Verdict:
        value = observed.value or 0.0
        low, high = (value if bound is None else bound for bound in (observed.low, observed.high))
        if low < -reduction < high:
            return _OPEN, "interval-straddles"
        if value > -reduction:
            return "non-tenu", "below-value"
        return self._unless_incomplete()
