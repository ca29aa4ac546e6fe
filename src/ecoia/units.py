"""Exact arithmetic on the units in which everything is kept.

Energy is kept in integer microjoules, counts of functional units in integer millionths, so that sums are
exact and do not depend on their order. Kilowatt-hours exist at the borders only: display and exports.
"""

from __future__ import annotations

from collections.abc import Sequence

MICROJOULES_PER_JOULE = 1_000_000
MICROJOULES_PER_KWH = 3_600_000_000_000
NANOSECONDS_PER_SECOND = 1_000_000_000


def kwh(microjoules: int) -> float:
    """Kilowatt-hours of an integer number of microjoules (the nearest float)."""
    return microjoules / MICROJOULES_PER_KWH


def microjoules_from_kwh(energy_kwh: float) -> int:
    """Integer microjoules of a number of kilowatt-hours."""
    return round(energy_kwh * MICROJOULES_PER_KWH)


def micro(number: float) -> int:
    """A count in integer millionths: ``micro(2.5) == 2_500_000``."""
    return round(number * 1_000_000)


def from_micro(millionths: int) -> int | float:
    """The number that a count in millionths stands for; an ``int`` where it is whole."""
    whole, rest = divmod(millionths, 1_000_000)
    return whole if rest == 0 else millionths / 1_000_000


def split_integer(total: int, weights: Sequence[int]) -> list[int]:
    """Split an integer in proportion to integer weights, by largest remainder: the parts add up exactly.

    Args:
        total: What is split, zero or more.
        weights: One weight a part, each zero or more. All zero: nothing can be attributed, so every part is 0
            and the caller keeps ``total`` as unattributed.

    Returns:
        One integer a weight. Their sum is ``total``, unless every weight is zero. Ties go to the first.
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
