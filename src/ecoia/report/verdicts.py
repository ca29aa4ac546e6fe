"""Where each target stands: thresholds at a deadline, trajectories against a baseline, and the budget of the year."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from ecoia.impact.change import successors
from ecoia.impact.period_impact import EstimateOrReason, Split
from ecoia.impact.trajectory import QUARTERS_NEEDED, Trajectory
from ecoia.impact.uncertainty import Estimate
from ecoia.periods import Quarter
from ecoia.report.context import Context
from ecoia.report.model import (
    BaselineAddition,
    BudgetState,
    Coverage,
    Footprint,
    Measure,
    Quantity,
    ServiceFootprint,
    TargetVerdict,
)
from ecoia.report.quantities import measure, relative, shown
from ecoia.report.services import energy_by_status
from ecoia.semconv import MEASURED, MISSING, NOT_LACKING

if TYPE_CHECKING:  # importing the catalogue costs pydantic
    from ecoia.catalogue import Service, Target

_OPEN = "non-concluant"


@dataclass(frozen=True)
class Baseline:
    """What a trajectory starts from: the mean of its quarters, and what of it is there by estimate."""

    level: EstimateOrReason
    quarters: tuple[Quarter, ...] = ()
    levels: Mapping[Quarter, EstimateOrReason] = field(default_factory=dict)  # of each of them
    additions: tuple[BaselineAddition, ...] = ()


class Judge:
    """Judges the targets by the figures of the report.

    Args:
        context: The quarters.
        coverage: Of the services in scope.
        totals: Of everything.
        footprint: Of everything.
        services: Of each service.
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

    def verdict(self, target: Target) -> TargetVerdict:
        """Where a target stands."""
        from ecoia.catalogue import INDICATORS

        reason: str | None
        budget: BudgetState | None = None
        baseline = Baseline(EstimateOrReason(None, "baseline-missing"))
        if target.baseline is not None:
            baseline = self._baseline(target, target.baseline.quarters)
            verdict, reason, observed, budget = self._trajectory(target, baseline)
        else:
            observed = self._observed(target)
            verdict, reason = self._threshold(target, observed)
        decision = target.decision
        return TargetVerdict(
            id=target.id,
            indicator=target.indicator,
            op=target.op,
            value=target.value,
            unit=INDICATORS[target.indicator],
            deadline=target.deadline,
            status=target.status,
            verdict=verdict,
            reason=reason,
            observed=observed,
            reduction=target.reduction,
            baseline_quarters=target.baseline.quarters if target.baseline else (),
            horizon=target.horizon,
            decision_body=decision.body if decision else None,
            decision_date=decision.date.isoformat() if decision and decision.date else None,
            service=target.service,
            budget=budget,
            additions=baseline.additions,
        )

    def _observed(self, target: Target) -> Quantity:
        """Where an indicator stands, for a service if one is asked for."""
        from ecoia.catalogue import INDICATORS

        unit, share = INDICATORS[target.indicator], self._coverage.share
        service = self._services.get(target.service or "")
        if target.service is not None and service is None:
            return Quantity(None, unit, reason="no-data")
        if service is not None and target.indicator == "co2e_operational_market":
            return measure(self._context.impact_of(service.service), ()).co2e_operational_market
        parts = self._footprint if service is None else service.footprint
        counted = energy_by_status(self._context, (MEASURED,)).get(MEASURED)
        precision = self._context.period.precision()
        of_all = {
            "energy_by_method": Quantity(counted, unit, reason="no-data" if counted is None else None),
            "precision": Quantity(precision.get("1", 0.0) + precision.get("2", 0.0), unit)
            if precision
            else Quantity(None, unit, reason="no-data"),
            "coverage_services": Quantity(share, unit, reason="no-data" if share is None else None),
            "energy_components": self._totals.energy_components,
            "energy": self._totals.energy,
            "co2e_operational_market": self._totals.co2e_operational_market,
        }
        found: Quantity | None = (
            of_all.get(target.indicator) if target.service is None else getattr(service, target.indicator, None)
        )
        return found or getattr(parts, target.indicator, None) or Quantity(None, unit, reason="not-computed")

    def _threshold(self, target: Target, observed: Quantity) -> tuple[str, str | None]:
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
        # Under a cap because little was measured is not under a cap: what is not measured is not zero.
        if target.op == "<=" and target.indicator not in ("coverage_services", "energy_by_method", "precision"):
            return self._unless_incomplete()
        return "tenu", None

    def _unless_incomplete(self) -> tuple[str, str | None]:
        """Kept, unless something is not in what is known."""
        lacking = any(m.status == MISSING and m.name not in NOT_LACKING for m in self._totals.methods)
        if self._coverage.share != 1 or lacking:
            return _OPEN, "coverage-incomplete"
        return (_OPEN, "partial-quarter") if self._context.partial else ("tenu", None)

    def _baseline(self, target: Target, quarters: Sequence[str]) -> Baseline:
        """The mean of the baseline's quarters, what was not counted in them added by estimate."""
        references = tuple(Quarter.parse(text) for text in quarters)
        if not self._measured.issuperset(references):
            return Baseline(EstimateOrReason(None, "baseline-missing"), references)
        levels, additions = dict[Quarter, EstimateOrReason](), list[BaselineAddition]()
        for quarter in references:
            added = [found for service in self._uncounted(target, quarter) if (found := self._addition(target, service, quarter))]
            additions += [addition for addition, _ in added]
            # Of one service alone nothing but the estimate is there: it was not counted.
            counted = [self._level(target, quarter)] if target.service is None or not added else []
            levels[quarter] = EstimateOrReason.total([*counted, *(level for _, level in added)])
        mean = EstimateOrReason.total(levels[quarter] for quarter in references).scaled(1 / len(references))
        return Baseline(mean, references, levels, tuple(additions))

    @cached_property
    def _recorded(self) -> dict[Quarter, set[str | None]]:
        """Who was recorded in each quarter, not simulated; a service that goes on under a new name, under that one."""
        names = successors(self._context.catalogue.services)
        return {
            quarter: {
                names.get(strand.bearer[0] or "", strand.bearer[0])
                for strand in self._context.activity_of(quarter).strands
                if not strand.simulated
            }
            for quarter in self._context.quarters
        }

    @cached_property
    def _measured(self) -> set[Quarter]:
        """Quarters that are not all simulated."""
        return {quarter for quarter, recorded in self._recorded.items() if recorded}

    def _uncounted(self, target: Target, quarter: Quarter) -> list[Service]:
        """Services that existed in a quarter of which there is no record of them."""
        recorded, until = self._recorded[quarter], quarter.shift(1).first_day()
        return [
            service
            for service in self._context.catalogue.services
            if target.service in (None, service.id)
            and service.id not in recorded
            and service.since is not None
            and service.since < until
        ]

    def _addition(self, target: Target, service: Service, quarter: Quarter) -> tuple[BaselineAddition, EstimateOrReason] | None:
        """What is added for a service to a quarter: its level in the first quarter that has a record of it."""
        from ecoia.catalogue import INDICATORS

        first = next((each for each, who in self._recorded.items() if each > quarter and service.id in who), None)
        if first is None or service.since is None:
            return None
        start, until = quarter.first_day(), quarter.shift(1).first_day()
        share = (until - max(start, service.since)).days / (until - start).days
        # Making of a machine in use then is in the baseline already, whoever bore it; of one service alone it is not.
        level = self._level(target, first, service.id, made=target.service is not None).scaled(share)
        if level.estimate is not None:
            if not level.estimate.value:
                return None
            error = f"backcast:{service.id}"
            level = EstimateOrReason(level.estimate.with_error(error, self._context.known.gsd["backcast"]), level.reason)
        unit = INDICATORS[target.indicator]
        return BaselineAddition(service.id, str(quarter), str(first), share, shown(level, unit)), level

    def _trajectory(self, target: Target, baseline: Baseline) -> tuple[str, str | None, Quantity, BudgetState | None]:
        """Verdict, reason, the change of the last four quarters that are over against the baseline, and where the year stands."""
        context, references = self._context, baseline.quarters
        if not self._measured.issuperset(references):
            return _OPEN, "baseline-missing", Quantity(None, "1", reason="baseline-missing"), None
        last = self._last_over()
        before, now = baseline.level, self._mean_level(target, last, baseline)
        for known in (before, now):
            if known.estimate is None:
                why = "no-data" if known.reason == "not-measured" else known.reason
                return _OPEN, why, Quantity(None, "1", reason=known.reason), None
        if before.estimate is None or now.estimate is None or target.reduction is None or target.horizon is None:
            raise AssertionError("a trajectory has all of its parts")
        observed = relative(now.estimate, before.estimate)
        budget = self._budget(
            target, Trajectory(before.estimate, max(references).year, target.horizon, target.reduction), baseline
        )
        if observed.value is None:
            return _OPEN, observed.reason, observed, budget
        if context.quarter < Quarter(target.horizon, 4):
            return _OPEN, "horizon-ahead", observed, budget
        if len(last) < QUARTERS_NEEDED:
            return _OPEN, "too-few-quarters", observed, budget
        if context.days_elapsed < 1:
            return _OPEN, "horizon-ahead", observed, budget
        if any(context.activity_of(quarter).simulated for quarter in (*references, *last)):
            return _OPEN, "simulated", observed, budget
        low, high = (observed.value if bound is None else bound for bound in (observed.low, observed.high))
        if low < -target.reduction < high:
            return _OPEN, "interval-straddles", observed, budget
        if observed.value > -target.reduction:
            return "non-tenu", "below-value", observed, budget
        return *self._unless_incomplete(), observed, budget

    def _budget(self, target: Target, path: Trajectory, baseline: Baseline) -> BudgetState:
        from ecoia.catalogue import INDICATORS

        unit, quarter, begun = INDICATORS[target.indicator], self._context.quarter, self._context.days_elapsed
        over = self._last_over()
        spent = [each for each in sorted({quarter, *over} & self._measured) if each.year == quarter.year]
        budget = Quantity(path.budget(quarter.year), unit)
        lacking = Quantity(None, unit, reason="too-few-quarters")
        if len(spent) < quarter.number:
            share = Quantity(None, "1", reason="too-few-quarters")
            return BudgetState(quarter.year, budget, lacking, share, lacking, share, lacking)
        used, recent = (
            [estimate for each in quarters if (estimate := self._level_of(target, each, baseline).estimate) is not None]
            for quarters in (spent, over)
        )
        total_used = Estimate.total(used)
        passed = quarter.number - 1 + begun
        expected = path.expected(used, recent, 4 - passed)
        probability = path.overrun_probability(quarter.year, used, recent, 4 - passed)
        return BudgetState(
            year=quarter.year,
            budget=budget,
            spent=shown(EstimateOrReason(total_used), unit),
            consumed=Quantity(total_used.value / budget.value, "1") if budget.value else Quantity(None, "1", reason="no-data"),
            distance=Quantity(total_used.value - (budget.value or 0.0) * passed / 4, unit),
            overrun_probability=Quantity(probability, "1", reason="too-few-quarters" if probability is None else None),
            expected=shown(EstimateOrReason(expected, None if expected else "too-few-quarters"), unit),
        )

    def _last_over(self) -> list[Quarter]:
        """Of the last four quarters that are over, those that are measured, the latest first; where none is, the present one."""
        quarter = self._context.quarter
        latest = quarter if self._context.days_elapsed == 1 else quarter.shift(-1)
        found = [each for each in (latest.shift(-back) for back in range(QUARTERS_NEEDED)) if each in self._measured]
        return found or [quarter]

    def _mean_level(self, target: Target, quarters: Sequence[Quarter], baseline: Baseline) -> EstimateOrReason:
        """Where an indicator stood, on average of some quarters."""
        if not quarters:
            return EstimateOrReason(None, "no-data")
        return EstimateOrReason.total(self._level_of(target, quarter, baseline) for quarter in quarters).scaled(1 / len(quarters))

    def _level_of(self, target: Target, quarter: Quarter, baseline: Baseline) -> EstimateOrReason:
        """Where an indicator stood in a quarter: one of the baseline has in it what was added to it."""
        return baseline.levels.get(quarter) or self._level(target, quarter)

    def _level(self, target: Target, quarter: Quarter, service: str | None = None, *, made: bool = True) -> EstimateOrReason:
        """Where an indicator that adds up stood in a quarter: of the target's services, or of one; with or without making."""
        service = service or target.service
        period = self._context.period_of(quarter)
        bearers = period.bearers(lambda bearer: service in (None, bearer[0]))
        split = period.split(bearers)
        if not made:
            split = replace(split, embodied=EstimateOrReason(Estimate.total(())))
        levels: dict[str, Callable[[], EstimateOrReason]] = {
            "energy_components": lambda: period.energy_components(bearers),
            "energy_it": lambda: period.energy_it(bearers),
            "energy": lambda: period.energy(bearers),
            "co2e": lambda: split.total,
            "co2e_operational": lambda: split.operational,
            "co2e_operational_market": lambda: self._by_contracts(service, quarter, split),
            "co2e_embodied": lambda: split.embodied,
            "co2e_api": lambda: split.api,
            "co2e_constant_factor": lambda: self._context.at_constant_factor(quarter, bearers, split),
            "water_direct": lambda: period.water(bearers, direct=True),
            "water_indirect": lambda: period.water(bearers, direct=False),
        }
        return levels[target.indicator]()

    def _by_contracts(self, service: str | None, quarter: Quarter, split: Split) -> EstimateOrReason:
        """CO2e of use by the contracts; before the first one and after the last, all of it has the factor of its zone."""
        impact = self._context.period_of(quarter).assessment.impact(lambda bearer, _: service in (None, bearer[0]))
        if impact.market_reason == "no-contract" and self._context.catalogue.contracts:
            return split.operational
        return EstimateOrReason(impact.market, impact.market_reason)
