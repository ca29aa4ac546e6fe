"""Cells of tables that show quantities: value, interval, unit or the reason why there is no figure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ecoia.cli.common import number
from ecoia.errors import UsageError
from ecoia.readable.scales import ColumnScale, column_scale, scale_of

if TYPE_CHECKING:
    from ecoia.report import Quantity

_BOUNDARIES = {"site": "site", "part": "site in part"}


def boundary_text(boundary: str) -> str:
    """Return what a boundary of ``report.Measure`` is called in a table."""
    return _BOUNDARIES.get(boundary, "IT only")


def quantity_cells(quantity: Quantity, digits: int = 3) -> tuple[str, str, str]:
    """Return a quantity as value, interval and unit, in the unit that suits it; without a figure, the reason stands for the unit.

    Example:
        >>> from ecoia.report import Quantity
        >>> quantity_cells(Quantity(0.412, "kWh", 0.31, 0.523))
        ('412', '310 to 523', 'Wh')
    """
    if quantity.value is None:
        return number(None), "", quantity.reason or ""
    unit, size = scale_of([quantity.value], quantity.unit, digits)
    bounds = "" if quantity.low is None or quantity.high is None else _between(quantity.low / size, quantity.high / size, digits)
    return number(quantity.value / size, digits), bounds, unit


def _between(low: float, high: float, digits: int) -> str:
    return f"{number(low, digits)} to {number(high, digits)}"


def column_cells(quantities: Sequence[Quantity], *, bounds: bool = True) -> tuple[str, list[str]]:
    """Return the unit of a column of quantities, chosen once, and a cell for each: value and interval, or a dash.

    Args:
        quantities: The column, all in one unit.
        bounds: Whether the interval stands beside the value.

    Returns:
        The unit for the column's heading, and one text a quantity.

    Example:
        >>> from ecoia.report import Quantity
        >>> column_cells([Quantity(23916.4, "kWh", 15750.7, 49240.8), Quantity(0.05, "kWh")])
        ('MWh', ['23.9 [15.8-49.2]', '<0.01'])
    """
    scale = _scale([each.value for each in quantities], quantities[0].unit if quantities else "")
    return scale.unit, [_column_cell(each, scale, bounds=bounds) for each in quantities]


def column_texts(values: Sequence[float | None], unit: str) -> list[str]:
    """Return the texts of figures that stand beside or below each other, all in the unit that suits the greatest.

    Example:
        >>> column_texts([44.64, 0.9, None], "Wh")
        ['44.6 Wh', '0.90 Wh', '–']
    """
    scale = _scale(values, unit)
    return [number(None) if value is None else f"{_in_column(value, scale)} {scale.unit}" for value in values]


def _scale(values: Sequence[float | None], unit: str) -> ColumnScale:
    return column_scale([value for value in values if value is not None], unit)


def _column_cell(quantity: Quantity, scale: ColumnScale, *, bounds: bool) -> str:
    if quantity.value is None:
        return number(None)
    value = _in_column(quantity.value, scale)
    if not bounds or quantity.low is None or quantity.high is None:
        return value
    return f"{value} [{_in_column(quantity.low, scale)}-{_in_column(quantity.high, scale)}]"


def _in_column(value: float, scale: ColumnScale) -> str:
    scaled = value / scale.size
    if scale.is_below_least(scaled):
        return f"<{scale.least:.{scale.most_decimals}f}"
    return f"{scaled:,.{scale.decimals(scaled)}f}" if value else "0"


def check_units_per_year(units_per_year: float) -> None:
    """Check the option ``--units-per-year``.

    Raises:
        UsageError: it is not a number above 0.
    """
    if not 0 < units_per_year < math.inf:
        raise UsageError(f"--units-per-year {units_per_year:g} is not a volume: write a number above 0, e.g. 2000000")
