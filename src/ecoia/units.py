"""Exact arithmetic on the units in which everything is kept.

Energy is kept in integer microjoules and counts of functional units in integer millionths, so sums are
exact and do not depend on their order. Watt-hours and kilowatt-hours appear only in what people read and in exports.
"""

from __future__ import annotations

from collections.abc import Sequence

MICROJOULES_PER_JOULE = 1_000_000
MICROJOULES_PER_WH = 3_600_000_000
MICROJOULES_PER_KWH = 1000 * MICROJOULES_PER_WH
NANOSECONDS_PER_SECOND = 1_000_000_000


def kwh(microjoules: int) -> float:
    """Convert integer microjoules to kilowatt-hours (the nearest float).

    Example:
        >>> kwh(1_800_000_000_000)
        0.5
    """
    return microjoules / MICROJOULES_PER_KWH


def wh(microjoules: int) -> float:
    """Convert integer microjoules to watt-hours (the nearest float).

    Example:
        >>> wh(1_800_000_000)
        0.5
    """
    return microjoules / MICROJOULES_PER_WH


def microjoules_from_kwh(energy_kwh: float) -> int:
    """Convert kilowatt-hours to integer microjoules, rounded.

    Example:
        >>> microjoules_from_kwh(0.5)
        1800000000000
    """
    return round(energy_kwh * MICROJOULES_PER_KWH)


def micro(number: float) -> int:
    """Convert a count to integer millionths, rounded.

    Raises:
        ValueError: ``number`` is NaN.
        OverflowError: ``number`` is infinite.

    Example:
        >>> micro(2.5)
        2500000
    """
    return round(number * 1_000_000)


def from_micro(millionths: int) -> int | float:
    """Convert integer millionths back to a count, an ``int`` where it is whole.

    Example:
        >>> from_micro(2_500_000), from_micro(3_000_000)
        (2.5, 3)
    """
    whole, rest = divmod(millionths, 1_000_000)
    return whole if rest == 0 else millionths / 1_000_000


def split_integer(total: int, weights: Sequence[int]) -> list[int]:
    """Split an integer in proportion to integer weights, by largest remainder: the parts add up exactly.

    Args:
        total: The integer to split, zero or more.
        weights: One weight for each part, each zero or more. If all are zero, nothing can be attributed: every part is 0,
            and the caller keeps ``total`` as unattributed.

    Returns:
        One integer for each weight. Their sum is ``total``, unless every weight is zero. Ties go to the first.

    Example:
        >>> split_integer(100, [1, 1, 1])
        [34, 33, 33]
    """
    whole = sum(weights)
    if whole == 0:
        return [0] * len(weights)
    parts = []
    remainders = []
    for index, weight in enumerate(weights):
        part, remainder = divmod(total * weight, whole)
        parts.append(part)
        remainders.append((-remainder, index))
    missing = total - sum(parts)
    if missing:
        remainders.sort()
        for _, index in remainders[:missing]:
            parts[index] += 1
    return parts
