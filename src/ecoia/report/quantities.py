"""Turn estimates into the report's quantities: a value with unit and interval, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ecoia.impact.assessment import Impact
from ecoia.impact.change import change_interval
from ecoia.impact.ledger_sums import Strand
from ecoia.impact.period_impact import EstimateOrReason, KnownPart
from ecoia.impact.uncertainty import Estimate, Interval
from ecoia.periods import utc_datetime
from ecoia.report.model import Headline, Measure, MethodShare, Quantity
from ecoia.semconv import COMPONENTS


def quantity(value: float | None, unit: str, bounds: Interval | None, reason: str | None) -> Quantity:
    """Make a quantity of a value and its interval; of the reason where there is no value.

    Example:
        >>> quantity(None, "kgCO2e", None, "no-zone")
        Quantity(value=None, unit='kgCO2e', low=None, high=None, reason='no-zone')
    """
    if value is None:
        return Quantity(None, unit, reason=reason)
    return Quantity(value, unit, bounds.low, bounds.high) if bounds else Quantity(value, unit)


def ranged(bounds: tuple[float, float] | None, unit: str, reason: str | None) -> Quantity:
    """Make a quantity of the ends of a range: their mean, without an interval where they are equal, as a point is no certainty.

    Example:
        >>> ranged((1.0, 3.0), "kWh", None)
        Quantity(value=2.0, unit='kWh', low=1.0, high=3.0, reason=None)
        >>> ranged((2.0, 2.0), "kWh", None)
        Quantity(value=2.0, unit='kWh', low=None, high=None, reason=None)
    """
    if bounds is None:
        return Quantity(None, unit, reason=reason or "no-calls")
    low, high = bounds
    return Quantity((low + high) / 2, unit, low, high) if low < high else Quantity((low + high) / 2, unit)


def shown(known: EstimateOrReason, unit: str) -> Quantity:
    """Make a quantity of a known sum; without a value, for its reason, where there was nothing to count."""
    estimate = known.estimate
    if estimate is None or known.reason is not None:
        return Quantity(None, unit, reason=known.reason or "no-data")
    return quantity(estimate.value, unit, estimate.interval, None)


def headline(parts: Mapping[str, KnownPart], share: float = 1.0) -> Headline:
    """Make the headline of what is known of each part of the CO2e; of a share of it, where one is given.

    Example:
        >>> headline({"co2e_api": KnownPart(None, "calls-unmeasured")}).co2e.reason
        'calls-unmeasured'
    """
    known = {name: part.estimate.scaled(share) for name, part in parts.items() if part.estimate is not None}
    lacking = {name: part.lacking for name, part in parts.items() if part.lacking is not None}
    whole = EstimateOrReason(Estimate.total(known.values()), None if known else next(iter(lacking.values()), "no-data"))
    breakdown = {name: shown(EstimateOrReason(part), "kgCO2e") for name, part in known.items()}
    return Headline(shown(whole, "kgCO2e"), tuple(known), lacking, breakdown)


def measure(impact: Impact, strands: Iterable[Strand]) -> Measure:
    """Measure the energy and the CO2e of use of some strands of activity."""
    missing = impact.reason if impact.energy_kwh is None else None
    return Measure(
        energy_components_microjoules=impact.energy_components_microjoules,
        by_component_microjoules=dict(impact.by_component_microjoules),
        energy_components=quantity(impact.energy_components_kwh, "kWh", impact.energy_components_interval, missing),
        energy=quantity(impact.energy_kwh, "kWh", impact.energy_interval, missing),
        boundary=impact.boundary,
        co2e=quantity(impact.co2e_kg, "kgCO2e", impact.co2e_interval, impact.reason),
        methods=method_shares(strands),
        precision_class=impact.precision_class,
        energy_at_wall_microjoules=impact.energy_at_wall_microjoules,
        co2e_operational_market=quantity(impact.co2e_market_kg, "kgCO2e", impact.co2e_market_interval, impact.market_reason),
    )


def method_shares(strands: Iterable[Strand]) -> tuple[MethodShare, ...]:
    """Sum the energy in microjoules by component and method; 0 where all of it is missing."""
    sums: dict[tuple[int, str, str], int] = {}
    for strand in strands:
        for index, ((status, name), microjoules) in enumerate(zip(strand.methods, strand.known_microjoules, strict=True)):
            sums[index, status, name] = sums.get((index, status, name), 0) + (microjoules or 0)
    return tuple(MethodShare(COMPONENTS[index], status, name, sums[index, status, name]) for index, status, name in sorted(sums))


def energy_by_status(strands: Iterable[Strand], statuses: Iterable[str]) -> dict[str, float]:
    """Compute the share of the energy of each status (measured, estimated...); empty where there is no energy."""
    sums: dict[str, int] = {}
    for strand in strands:
        for (status, _), energy in zip(strand.methods, strand.known_microjoules, strict=True):
            sums[status] = sums.get(status, 0) + (energy or 0)
    whole = sum(sums.values())
    return {status: sums.get(status, 0) / whole for status in statuses} if whole else {}


def relative(now: Estimate, before: Estimate) -> Quantity:
    """Compute the relative change C / C0 - 1, with its interval."""
    if not before.value:
        return Quantity(None, "1", reason="baseline-missing")
    return quantity(now.value / before.value - 1, "1", change_interval(now, before), None)


def per_unit(energy: Quantity, units: float | None) -> Quantity:
    """Compute Wh per functional unit from an energy in kWh: sums first, the ratio last.

    Example:
        >>> per_unit(Quantity(2.0, "kWh"), 100).value
        20.0
        >>> per_unit(Quantity(2.0, "kWh"), None).reason
        'no-units'
    """
    if energy.value is None:
        return Quantity(None, "Wh", reason=energy.reason)
    return scaled(energy, 1000 / units, "Wh") if units else Quantity(None, "Wh", reason="no-units")


def scaled(known: Quantity, factor: float, unit: str) -> Quantity:
    """Multiply a quantity and its interval by a factor, into another unit.

    Example:
        >>> scaled(Quantity(2.0, "kWh", 1.0, 4.0), 1000, "Wh")
        Quantity(value=2000.0, unit='Wh', low=1000.0, high=4000.0, reason=None)
    """
    value, low, high = (None if number is None else number * factor for number in (known.value, known.low, known.high))
    return Quantity(value, unit, low, high, known.reason)


def utc(instant_ns: int) -> str:
    """Write an instant as ISO text, e.g. ``2026-10-01T00:00:00Z``."""
    return utc_datetime(instant_ns).strftime("%Y-%m-%dT%H:%M:%SZ")
