"""Choose the unit and the digits in which people read a figure: one ladder of units and one rule for pages, sheets and terminals.

Plain arithmetic that loads nothing: the line at a run's end uses it as well as the report.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

_ENERGY = (("GWh", 1e9), ("MWh", 1e6), ("kWh", 1e3), ("Wh", 1.0), ("mWh", 1e-3), ("µWh", 1e-6))
_MASS = (("tCO2e", 1e6), ("kgCO2e", 1e3), ("gCO2e", 1.0), ("mgCO2e", 1e-3), ("µgCO2e", 1e-6))
_VOLUME = (("m³", 1e3), ("L", 1.0), ("mL", 1e-3))

LADDERS = {unit: ladder for ladder in (_ENERGY, _MASS, _VOLUME) for unit, _ in ladder}
"""By unit, the units that a figure in it can be written in, the greatest first, each with its size in a common one."""

FIGURES = 3
"""Significant figures of a number that people read."""
_COLUMN_DECIMALS = 2
_LEAST_LISTED, _MOST_LISTED = 0.1, 100_000.0


class Scale(NamedTuple):
    """A unit to write figures in, and its size in the unit that they are given in."""

    unit: str
    size: float


def scale_of(values: Iterable[float], unit: str, figures: int = FIGURES, kept: str = "") -> Scale:
    """Choose the greatest unit in which the greatest of some values has a figure before its decimal mark.

    Args:
        values: What is written together, e.g. one value, or those of a column; of either sign.
        unit: Unit of the values, e.g. ``kWh``; one without a ladder stays.
        figures: Significant figures that they are written with: 999.7 Wh is 1.00 kWh in three.
        kept: A unit that is kept down to a tenth, because readers know it best.

    Returns:
        The unit, and how many of ``unit`` it is. Values that are all 0 stay in ``unit``.

    Example:
        >>> scale_of([23916.4, 0.05], "kWh")
        Scale(unit='MWh', size=1000.0)
        >>> scale_of([0.0000764], "kWh").unit, scale_of([0.64], "gCO2e").unit, scale_of([0.64], "gCO2e", kept="gCO2e").unit
        ('mWh', 'mgCO2e', 'gCO2e')
    """
    largest = max((abs(value) for value in values), default=0.0)
    ladder = LADDERS.get(unit, ((unit, 1.0),))
    own = dict(ladder)[unit]
    if largest == 0:
        return Scale(unit, 1.0)
    least = 1 - 0.5 * 10.0**-figures
    for name, size in ladder:
        if largest * own >= size * (0.1 if name == kept else least):
            return Scale(name, _ratio(size, own))
    name, size = ladder[-1]
    return Scale(name, _ratio(size, own))


def _ratio(size: float, own: float) -> float:
    """Divide powers of ten without an error in the last bit: 1e-3 / 1e3 is 1e-6."""
    return float(f"1e{round(math.log10(size / own))}")


def decimals_for(number: float, figures: int = FIGURES) -> int:
    """Count the decimals that a number needs for some significant figures.

    Example:
        >>> decimals_for(0.0123, 2), decimals_for(9.996), decimals_for(1234.5)
        (3, 1, 0)
    """
    if number == 0 or not math.isfinite(number):
        return 0
    rounded = float(f"{number:.{figures - 1}e}")  # 9.996 has two decimals at three figures, not three
    return max(0, figures - 1 - math.floor(math.log10(abs(rounded))))


class ColumnScale(NamedTuple):
    """The unit of a column of figures, and the digits of each of them.

    Attributes:
        unit: Unit of the whole column.
        size: Its size in the unit of the data.
        most_decimals: Decimals that no number of the column exceeds.
    """

    unit: str
    size: float
    most_decimals: int

    def decimals(self, scaled: float, figures: int = FIGURES) -> int:
        """Count the decimals of a number of the column: three significant figures, and no more than the column has."""
        return min(decimals_for(scaled, figures), self.most_decimals)

    @property
    def least(self) -> float:
        """One unit of the column's last digit."""
        return 10.0**-self.most_decimals

    def is_below_least(self, scaled: float) -> bool:
        """Return whether a number that is not 0 would be written as 0."""
        return scaled != 0 and abs(scaled) < self.least / 2


def column_scale(values: Iterable[float], unit: str) -> ColumnScale:
    """Choose the unit of a column, once: the one that suits its greatest value.

    Each number has three significant figures, but never more decimals than the greatest value has and one, or two where that is
    more. A number that is not 0 and would be written as 0 is written as less than the column's last digit.

    Args:
        values: The column's values, of either sign; bounds of intervals are left to follow them.
        unit: Unit of the values.

    Example:
        >>> column = column_scale([23916.4, 412.0, 0.05], "kWh")
        >>> column.unit, [column.decimals(value / column.size) for value in (23916.4, 412.0)], column.is_below_least(0.05 / 1000)
        ('MWh', [1, 2], True)
    """
    known = [abs(value) for value in values]
    unit, size = scale_of(known, unit)
    largest = max(known, default=0.0) / size
    return ColumnScale(unit, size, max(_COLUMN_DECIMALS, decimals_for(largest) + 1))


def cascade_scale(terms: Iterable[float], totals: Iterable[float], unit: str) -> ColumnScale:
    """Choose the unit of two totals and of the terms between them, so that the terms can be read.

    It is the one that suits the greatest term, or a greater one where the totals would have more than five digits in it.

    Args:
        terms: What leads from one total to the other, of either sign.
        totals: The totals.
        unit: Unit of both.

    Example:
        >>> cascade_scale([63.3, -78.9], [1921.0, 1925.0], "kgCO2e").unit, cascade_scale([0.05], [1921.0], "kgCO2e").unit
        ('kgCO2e', 'kgCO2e')
    """
    greatest = max(map(abs, totals), default=0.0)
    size = scale_of([max([abs(term) for term in terms] + [greatest / 100])], unit)
    return ColumnScale(*size, max(_COLUMN_DECIMALS, decimals_for(greatest / size.size) + 1))


def list_scale(values: Iterable[float], unit: str, chosen: str = "") -> ColumnScale:
    """Choose the unit of a column that is read line by line, so that small values keep their figures.

    It is the greatest unit in which the smallest value is 0.1 or more and the largest below 100,000; where there is none, the one
    that suits the largest, and what is too small for one decimal of it is written as less than that.

    Args:
        values: The column's values, of either sign.
        unit: Unit of the values.
        chosen: A unit that a reader chose; it is used for values that can be written in it.

    Example:
        >>> list_scale([12511.0, 2.45], "kWh").unit, list_scale([446.0, 0.083], "kgCO2e")
        ('kWh', ColumnScale(unit='kgCO2e', size=1.0, most_decimals=1))
        >>> list_scale([12511.0], "kWh", "MWh").unit, list_scale([12511.0], "kgCO2e", "MWh").unit
        ('MWh', 'tCO2e')
    """
    known = [abs(value) for value in values if value]
    ladder = LADDERS.get(unit, ((unit, 1.0),))
    own = dict(ladder)[unit]
    if chosen in dict(ladder):
        return ColumnScale(chosen, _ratio(dict(ladder)[chosen], own), _COLUMN_DECIMALS)
    for name, size in ladder:
        if known and min(known) * own / size >= _LEAST_LISTED and max(known) * own / size < _MOST_LISTED:
            return ColumnScale(name, _ratio(size, own), _COLUMN_DECIMALS)
    return ColumnScale(*scale_of(known, unit), 1 if known else _COLUMN_DECIMALS)
