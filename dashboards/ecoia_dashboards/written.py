"""Write quantities into the JSON of an export: value, unit, interval, and the reason where there is no value."""

from __future__ import annotations

from typing import Any

from ecoia.report import Quantity

_GRAMS, _UNIT = 1000.0, "gCO2e"


def in_grams(quantity: Quantity) -> Quantity:
    """Return a quantity of kgCO2e in gCO2e.

    Example:
        >>> in_grams(Quantity(1.5, "kgCO2e", 1.0, 2.0)).value
        1500.0
    """
    value, low, high = (None if number is None else number * _GRAMS for number in (quantity.value, quantity.low, quantity.high))
    return Quantity(value, _UNIT, low, high, quantity.reason)


def written(quantity: Quantity, unit: str | None = None) -> dict[str, Any]:
    """Return a quantity as JSON holds it.

    Args:
        quantity: The quantity.
        unit: Its unit in words, where the quantity's own says less.

    Example:
        >>> written(Quantity(None, "1", reason="no-units"), "functional units")["reason"]
        'no-units'
    """
    return {
        "value": quantity.value,
        "unit": unit or quantity.unit,
        "low": quantity.low,
        "high": quantity.high,
        "reason": quantity.reason,
    }
