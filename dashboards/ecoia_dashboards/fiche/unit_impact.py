"""Compute what one functional unit of a service costs: its whole CO2e by part, and its electricity."""

from __future__ import annotations

from dataclasses import dataclass

from ecoia.report import Quantity, ServiceFootprint

SERVING_PARTS = ("co2e_operational", "co2e_embodied", "co2e_api")
_NOTHING_TO_COUNT = "no-calls"


@dataclass(frozen=True)
class UnitImpact:
    """Impact of one functional unit.

    Attributes:
        co2e: The whole, in gCO2e: use, making of machines, hosted models, and the share of the training that made the model.
            It is the service's ``sci`` where that is known. Else it adds up what is known: a lower bound.
        parts: The known parts, in gCO2e, by indicator; ``sci_training`` is the training.
        lacking: The reason (a code) of each part that is not known.
        energy: Electricity of the organisation's own machines, in Wh, reserved idle included.
    """

    co2e: Quantity
    parts: dict[str, Quantity]
    lacking: dict[str, str]
    energy: Quantity

    @property
    def is_lower_bound(self) -> bool:
        """Whether a part is not known, so that the whole is at least ``co2e``."""
        return bool(self.lacking)


def unit_impact(found: ServiceFootprint) -> UnitImpact | None:
    """Compute the impact of one unit of a service; None where its units are not counted, or nothing of it is known.

    Example:
        >>> unit_impact(report.services[0]).co2e.unit  # doctest: +SKIP
        'gCO2e'
    """
    serving, units = found.serving, found.serving.units
    if not units:
        return None
    parts = {name: getattr(serving, name) for name in SERVING_PARTS}
    lacking = {name: part.reason for name, part in parts.items() if part.value is None and part.reason != _NOTHING_TO_COUNT}
    known = {name: _per(part, units, 1000, "gCO2e") for name, part in parts.items() if part.value is not None}
    if found.sci_training.value:
        known["sci_training"] = found.sci_training
    elif found.sci_training.reason == "no-lifetime":
        lacking["sci_training"] = "no-lifetime"
    energy = _per(serving.energy, units, 1000, "Wh")
    if not known and energy.value is None:
        return None
    co2e = found.sci if found.sci.value is not None else _sum(list(known.values()))
    return UnitImpact(co2e, known, {name: reason or "no-data" for name, reason in lacking.items()}, energy)


def _per(quantity: Quantity, units: float, size: float, unit: str) -> Quantity:
    if quantity.value is None:
        return Quantity(None, unit, reason=quantity.reason)
    low, high = (None if bound is None else bound * size / units for bound in (quantity.low, quantity.high))
    return Quantity(quantity.value * size / units, unit, low, high)


def _sum(parts: list[Quantity]) -> Quantity:
    """Add up parts. Their errors are taken as common to all of them, which gives the widest interval."""
    if not parts:
        return Quantity(None, "gCO2e", reason="not-computed")
    lows, highs = [part.low for part in parts], [part.high for part in parts]
    return Quantity(
        sum(part.value or 0.0 for part in parts),
        "gCO2e",
        None if None in lows else sum(low or 0.0 for low in lows),
        None if None in highs else sum(high or 0.0 for high in highs),
    )
