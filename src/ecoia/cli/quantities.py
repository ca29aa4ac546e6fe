"""Cells of tables that show quantities: value, interval, unit or the reason why there is no figure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ecoia.cli.common import number
from ecoia.errors import UsageError
from ecoia.semconv import NOT_LACKING

if TYPE_CHECKING:
    from ecoia.report import Measure, Quantity

_BOUNDARIES = {"site": "site", "part": "site in part"}
_GRAMS_PER_KG = 1000.0


def boundary_text(boundary: str) -> str:
    """Return what a boundary of ``report.Measure`` is called in a table."""
    return _BOUNDARIES.get(boundary, "IT only")


def interval_cell(low: float | None, high: float | None, factor: float = 1.0, digits: int = 3) -> str:
    """Return an interval as a cell; empty where there is none.

    Args:
        low: Lower bound.
        high: Upper bound.
        factor: Multiplies both, to convert their unit.
        digits: Significant digits.

    Example:
        >>> interval_cell(0.9, 1.1)
        '0.900 to 1.10'
    """
    return "" if low is None or high is None else f"{number(low * factor, digits)} to {number(high * factor, digits)}"


def quantity_cells(quantity: Quantity, unit: str, digits: int = 3) -> tuple[str, str, str]:
    """Return a quantity as value, interval and unit; where there is no figure, the reason stands in place of the unit."""
    bounds = interval_cell(quantity.low, quantity.high, digits=digits)
    return number(quantity.value, digits), bounds, unit if quantity.reason is None else quantity.reason


def amount_cells(energy_kwh: float | None, co2e_kg: float | None) -> tuple[str, str]:
    """Return energy in kWh and CO2e in grams, as cells."""
    return number(energy_kwh), number(None if co2e_kg is None else co2e_kg * _GRAMS_PER_KG)


def measure_cells(measure: Measure) -> tuple[str, ...]:
    """Return energy in kWh and its interval, CO2e in grams and its interval, and the methods, as cells."""
    energy, co2e = measure.energy, measure.co2e
    return (
        number(energy.value),
        interval_cell(energy.low, energy.high),
        "–" if co2e.value is None else number(co2e.value * _GRAMS_PER_KG),
        "" if co2e.value is None else interval_cell(co2e.low, co2e.high, _GRAMS_PER_KG),
        ", ".join(dict.fromkeys(f"{s.component} {s.status}" for s in measure.methods if s.name not in NOT_LACKING)),
    )


def check_units_per_year(units_per_year: float) -> None:
    """Check the option ``--units-per-year``.

    Raises:
        UsageError: it is not a number above 0.
    """
    if not 0 < units_per_year < math.inf:
        raise UsageError(f"--units-per-year {units_per_year:g} is not a volume: write a number above 0, e.g. 2000000")
