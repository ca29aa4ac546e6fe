"""Where a year stands on a reduction path: its budget, how much is spent, and how likely the year is to overrun it.

path(year)   = 1 - reduction x (year - year of the baseline) / (horizon - year of the baseline), linear, then constant
budget(year) = 4 x mean of the baseline's quarters x path(year), a quarter of it each quarter
expected     = spent to date + quarters ahead x mean of the last four quarters that are over
overrun      = P(ln(expected / baseline) > ln path), normal. The variance is that of the change (see ``change``), and for the
               quarters ahead the spread of the last four among each other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, stdev

from ecoia.impact.change import log_ratio_variance
from ecoia.impact.uncertainty import Estimate

QUARTERS_NEEDED = 4
"""A year of quarters. Fewer do not show how quarters differ, so they predict nothing."""


@dataclass(frozen=True)
class Trajectory:
    """A reduction against a baseline, in the unit of the baseline.

    Attributes:
        quarter_mean: Mean of the baseline's quarters.
        year: Year of the last quarter of the baseline.
        horizon: Year by which the reduction is reached.
        reduction: Share of the baseline to save, 0 to 1.

    Example:
        >>> halved = Trajectory(Estimate((), {}, 0.0), year=2026, horizon=2030, reduction=0.5)
        >>> halved.path(2028), halved.path(2035)
        (0.75, 0.5)
    """

    quarter_mean: Estimate
    year: int
    horizon: int
    reduction: float

    def path(self, year: int) -> float:
        """Return the share of the baseline that a year may use."""
        span = self.horizon - self.year
        passed = min(max(year - self.year, 0) / span, 1.0) if span > 0 else 1.0
        return 1 - self.reduction * passed

    def budget(self, year: int) -> float:
        """Return the amount that a year may use."""
        return 4 * self.quarter_mean.value * self.path(year)

    @staticmethod
    def expected(spent: Sequence[Estimate], last: Sequence[Estimate], ahead: float | None = None) -> Estimate | None:
        """Return the expected total of a year whose remaining quarters are like the last four.

        Args:
            spent: Amount of each quarter to date.
            last: Amount of each of the last four quarters that are over.
            ahead: Quarters of the year still to come, counting the rest of the present one. None: those not in ``spent``.

        Returns:
            The total; None with fewer than four quarters in ``last``.
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
        """Return the probability that a year uses more than its budget.

        Args:
            year: The year.
            spent: Amount of each quarter to date.
            last: Amount of each of the last four quarters that are over.
            ahead: Quarters still to come, as for ``expected``.

        Returns:
            A probability, 0 to 1; None with fewer than four quarters in ``last``, or a baseline of 0.
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
