"""Find the level of a target's indicator in any quarter, and the baseline that a trajectory starts from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from ecoia.impact.change import successors
from ecoia.impact.period_impact import EstimateOrReason
from ecoia.impact.trajectory import QUARTERS_NEEDED
from ecoia.indicators import INDICATORS
from ecoia.periods import Quarter
from ecoia.report.context import Context
from ecoia.report.model import BaselineAddition
from ecoia.report.parts import Parts
from ecoia.report.quantities import shown

if TYPE_CHECKING:  # importing the catalogue costs pydantic
    from ecoia.catalogue import Service, Target


@dataclass(frozen=True)
class Baseline:
    """The start of a trajectory: the mean of its quarters.

    Attributes:
        level: The mean, estimated additions included.
        quarters: The reference quarters.
        levels: The level of each of them.
        additions: Estimates for services that existed in a quarter without a record.
    """

    level: EstimateOrReason
    quarters: tuple[Quarter, ...] = ()
    levels: Mapping[Quarter, EstimateOrReason] = field(default_factory=dict)
    additions: tuple[BaselineAddition, ...] = ()


class Levels:
    """Finds the level of a target's indicator in the quarters of a report.

    Args:
        context: The quarters.
    """

    def __init__(self, context: Context) -> None:
        self._context = context

    @cached_property
    def _recorded(self) -> dict[Quarter, set[str | None]]:
        """Services recorded in each quarter, simulated ones left out; a replaced service counts under its successor's id."""
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
    def measured(self) -> set[Quarter]:
        """Quarters that have a record and are not all simulated."""
        return {quarter for quarter, recorded in self._recorded.items() if recorded}

    def baseline(self, target: Target, quarters: Sequence[str]) -> Baseline:
        """Average the baseline's quarters, with an estimate for each service that existed and was not recorded yet.

        Args:
            target: The target.
            quarters: Its reference quarters, as ``2026Q1``.

        Returns:
            The baseline; without a level, for the reason ``baseline-missing``, where a quarter is not recorded.
        """
        references = tuple(Quarter.parse(text) for text in quarters)
        if not self.measured.issuperset(references):
            return Baseline(EstimateOrReason(None, "baseline-missing"), references)
        levels, additions = dict[Quarter, EstimateOrReason](), list[BaselineAddition]()
        for quarter in references:
            added = [found for service in self._uncounted(target, quarter) if (found := self._addition(target, service, quarter))]
            additions += [addition for addition, _ in added]
            # A target of one service that was not recorded has nothing but the estimate.
            counted = [self.level(target, quarter)] if target.service is None or not added else []
            levels[quarter] = EstimateOrReason.total([*counted, *(level for _, level in added)])
        mean = EstimateOrReason.total(levels[quarter] for quarter in references).scaled(1 / len(references))
        return Baseline(mean, references, levels, tuple(additions))

    def _uncounted(self, target: Target, quarter: Quarter) -> list[Service]:
        """List the target's services that existed in a quarter and have no record in it."""
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
        """Estimate a service's level in a quarter by its first quarter with a record; None where there is nothing to add."""
        first = next((each for each, who in self._recorded.items() if each > quarter and service.id in who), None)
        if first is None or service.since is None:
            return None
        start, until = quarter.first_day(), quarter.shift(1).first_day()
        share = (until - max(start, service.since)).days / (until - start).days
        # A baseline of all services already holds the making of every machine in use then; a baseline of one service does not.
        level = self.level(target, first, service.id, with_making=target.service is not None).scaled(share)
        if level.estimate is not None:
            if not level.estimate.value:
                return None
            error = f"backcast:{service.id}"
            level = EstimateOrReason(level.estimate.with_error(error, self._context.known.gsd["backcast"]), level.reason)
        unit = INDICATORS[target.indicator].unit
        return BaselineAddition(service.id, str(quarter), str(first), share, shown(level, unit)), level

    def last_over(self) -> list[Quarter]:
        """List the measured ones of the last four quarters that are over, latest first; the present quarter where none is."""
        quarter = self._context.quarter
        latest = quarter if self._context.days_elapsed == 1 else quarter.shift(-1)
        found = [each for each in (latest.shift(-back) for back in range(QUARTERS_NEEDED)) if each in self.measured]
        return found or [quarter]

    def mean(self, target: Target, quarters: Sequence[Quarter], baseline: Baseline) -> EstimateOrReason:
        """Average the level of a target's indicator over some quarters."""
        if not quarters:
            return EstimateOrReason(None, "no-data")
        return EstimateOrReason.total(self.each(target, quarters, baseline)).scaled(1 / len(quarters))

    def each(self, target: Target, quarters: Iterable[Quarter], baseline: Baseline) -> list[EstimateOrReason]:
        """Find the level in each quarter; a quarter of the baseline keeps its estimated additions."""
        return [baseline.levels.get(quarter) or self.level(target, quarter) for quarter in quarters]

    def level(
        self, target: Target, quarter: Quarter, service: str | None = None, *, with_making: bool = True
    ) -> EstimateOrReason:
        """Find the level of a target's indicator in a quarter.

        Args:
            target: A target on an indicator that adds up.
            quarter: The quarter.
            service: Id of the service that is summed; None: the target's service, or all.
            with_making: Whether the making of machines is in the sum.
        """
        parts = Parts(self._context, quarter, service or target.service, with_making=with_making)
        return parts.level(INDICATORS[target.indicator])
