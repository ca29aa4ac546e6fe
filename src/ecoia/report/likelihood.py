"""How likely a figure is beyond a limit, from its value and its 95 % interval alone, so that a reader can compute it again.

A level is log-normal, as its interval is (see ``impact.uncertainty``). The lower bound gives s, the upper bound the greatest
mean U:

    low = C exp(-s^2 / 2 - 1.96 s)        high = U exp(-s^2 / 2 + 1.96 s)

U is above C where no calibration is known: the true mean is then anywhere from C to U, each place of its logarithm as likely as
any other, and the probability is the mean over these places:

    P(X > limit) = mean over ln m from ln C to ln U of Phi((ln m - s^2 / 2 - ln limit) / s)

A change is C / C0 - 1, and ln C / C0 is normal around it, without the s^2 / 2. So a limit outside the interval is passed with a
probability of at least 0.975, or of 0.025 at most.
"""

from __future__ import annotations

import math
from statistics import NormalDist

from ecoia.impact.uncertainty import Z95
from ecoia.report.model import Quantity

_NORMAL = NormalDist()
_NO_BIAS = 1e-6  # a range of means below this relative width is one mean


def level_above(level: Quantity, limit: float) -> float | None:
    """Return the probability that a level is above a limit.

    Args:
        level: The level, 0 or more.
        limit: The limit, in the level's unit.

    Returns:
        A probability; 0 or 1 where the level has no interval; None where it has no value.

    Example:
        >>> round(level_above(Quantity(4.0, "kWh", 2.50127, 6.07697), 5.0), 3)
        0.136
        >>> level_above(Quantity(0.4, "1"), 0.5)
        0.0
    """
    if level.value is None:
        return None
    if not level.low or not level.high or limit <= 0:
        return float(level.value > limit)
    s = math.sqrt(Z95**2 + 2 * math.log(level.value / level.low)) - Z95
    least = math.log(level.value) - s**2 / 2
    return _above(least, max(math.log(level.high) - Z95 * s, least), s, math.log(limit))


def level_below(level: Quantity, limit: float) -> float | None:
    """Return the probability that a level is below a limit; see ``level_above``."""
    if level.value is None:
        return None
    if not level.low or not level.high or limit <= 0:
        return float(level.value < limit)
    above = level_above(level, limit)
    return None if above is None else 1 - above


def change_above(change: Quantity, limit: float) -> float | None:
    """Return the probability that a relative change C / C0 - 1 is above a limit.

    Args:
        change: The change, 0.1 standing for 10 % more.
        limit: The limit, above -1.

    Returns:
        A probability; 0 or 1 where the change has no interval; None where it has no value.

    Example:
        >>> round(change_above(Quantity(0.105, "1", 0.046, 0.167), 0.0), 4)
        0.9998
    """
    if change.value is None:
        return None
    if change.low is None or change.high is None or limit <= -1 or min(change.value, change.low, change.high) <= -1:
        return float(change.value > limit)
    low, middle, high = (math.log1p(bound) for bound in (change.low, change.value, change.high))
    # One side of the interval is 1.96 s wide. The other is wider where the ratio of the greatest means is another.
    spread = min(middle - low, high - middle)
    return _above(low + spread, high - spread, spread / Z95, math.log1p(limit))


def share_above(share: Quantity, limit: float) -> float | None:
    """Return the probability that a ratio C / C0 is above a limit; its interval is that of the change C / C0 - 1.

    Example:
        >>> round(share_above(Quantity(1.0625, "1", 0.925, 1.221), 1.0), 3)
        0.805
    """
    if share.value is None:
        return None
    low, high = (None if bound is None else bound - 1 for bound in (share.low, share.high))
    return change_above(Quantity(share.value - 1, "1", low, high), limit - 1)


def _above(least: float, greatest: float, s: float, limit: float) -> float:
    """Return the mean of Phi((m - limit) / s) over m from ``least`` to ``greatest``; all are logarithms."""
    width = greatest - least
    if s <= 0:
        return float(least > limit) if width <= _NO_BIAS else min(max((greatest - limit) / width, 0.0), 1.0)
    if width <= _NO_BIAS:
        return _NORMAL.cdf((least - limit) / s)

    def integral(m: float) -> float:
        z = (m - limit) / s
        return z * _NORMAL.cdf(z) + _NORMAL.pdf(z)

    return min(max(s / width * (integral(greatest) - integral(least)), 0.0), 1.0)
