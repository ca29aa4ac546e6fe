"""Add up figures whose errors are not known to differ."""

from __future__ import annotations

from collections.abc import Sequence

from ecoia.report import Quantity


def added(parts: Sequence[Quantity], unit: str) -> Quantity:
    """Add up figures, their errors taken as shared, so that the interval is not too narrow; unknown where one of them is.

    Example:
        >>> added([Quantity(1.0, "kWh", 0.5, 2.0), Quantity(2.0, "kWh", 1.0, 4.0)], "kWh")
        Quantity(value=3.0, unit='kWh', low=1.5, high=6.0, reason=None)
    """
    unknown = next((each for each in parts if each.value is None), None)
    if unknown is not None:
        return unknown
    sums = [sum(getattr(each, bound) or 0.0 for each in parts) for bound in ("value", "low", "high")]
    bounded = bool(parts) and all(each.low is not None for each in parts)
    return Quantity(sums[0], unit, *(sums[1:] if bounded else (None, None)))
