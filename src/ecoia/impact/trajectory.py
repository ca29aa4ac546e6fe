"""Where a year stands on the way down: its budget, what is spent of it, and how likely it is to be overrun.

path(year)   = 1 - reduction x (year - year of the baseline) / (horizon - year of the baseline), linear, then constant
budget(year) = 4 x mean of the baseline's quarters x path(year), a quarter of it each quarter
expected     = spent to date + quarters ahead x mean of the last four quarters that are over
overrun      = P(ln(expected / baseline) > ln path), normal: the variance of the change (see ``change``), and for the quarters
               ahead that of the last four among each other
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, stdev

from ecoia.impact.assessment import Estimate
from ecoia.impact.change import log_ratio_variance

QUARTERS_NEEDED = 4
"""A year of quarters: fewer say nothing of the next."""


@dataclass(frozen=True)
class Trajectory:
    """A reduction against a baseline, in whatever unit the baseline has.

    ``quarter_mean`` is that of the baseline's quarters, of which ``year`` holds the last.
    """

    quarter_mean: Estimate
    year: int
    horizon: int
    reduction: float

    def path(self, year: int) -> float:
        """What may be used in a year, as a part of the baseline."""
        span = self.horizon - self.year
        passed = min(max(year - self.year, 0) / span, 1.0) if span > 0 else 1.0
        return 1 - self.reduction * passed

    def budget(self, year: int) -> float:
        """What may be used in a year."""
        return 4 * self.quarter_mean.value * self.path(year)

    @staticmethod
    def expected(spent: Sequence[Estimate], last: Sequence[Estimate], ahead: float | None = None) -> Estimate | None:
        """What a year ends with, if its quarters ahead are like the last four; None with fewer than four known.

        Args:
            spent: Its quarters to date, each.
            last: The last four quarters that are over.
            ahead: Quarters of the year still to come, that part of the present one included. None: those not in ``spent``.
        """
        if len(last) < QUARTERS_NEEDED:
            return None
        ahead = 4 - len(spent) if ahead is None else ahead
        if not ahead:
            return Estimate.total(spent)
        total = Estimate.total([*spent, Estimate.total(last).scaled(ahead / len(last))])
        if not total.value:
            return total
        return total.with_error("quarters-ahead", math.exp(math.sqrt(ahead) * stdev(each.value for each in last) / total.value))

    def overrun_probability(
        self, year: int, spent: Sequence[Estimate], last: Sequence[Estimate], ahead: float | None = None
    ) -> float | None:
        """How likely a year is to use more than its budget; None with fewer than four quarters known.

        Args:
            year: Which one.
            spent: Its quarters to date, each.
            last: The last four quarters that are over.
            ahead: As of ``expected``.
        """
        expected = self.expected(spent, last, ahead)
        if expected is None or not self.quarter_mean.value:
            return None
        path = self.path(year)
        if not expected.value:
            return 0.0
        if path <= 0:
            return 1.0
        gap = math.log(expected.value / (4 * self.quarter_mean.value)) - math.log(path)
        variance = log_ratio_variance(expected, self.quarter_mean)
        if not variance:
            return float(gap > 0)
        return NormalDist().cdf(gap / math.sqrt(variance))
