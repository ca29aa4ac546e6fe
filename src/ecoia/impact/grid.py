"""The grid: emission factors over half-hours, how wide their error is, and the energy that no factor covers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ecoia.errors import FactorError
from ecoia.factors import FactorSet, FactorUse

if TYPE_CHECKING:
    from ecoia.impact.energy_cells import EnergyCell

NO_ZONE, NO_FACTOR, GAP = -1, -2, -3
"""Codes that stand in for the index of the emission factors where none applies."""

_REASONS = {NO_ZONE: "no-zone", NO_FACTOR: "no-factor", GAP: "factor-gap"}
"""In order of precedence: of several reasons, only the first one is reported."""

_MICRO = 1_000_000


@dataclass(frozen=True, order=True)
class AppliedFactor:
    """Emission factors of one zone, year and source, over the energy that they were applied to.

    Attributes:
        use: Zone, year and source.
        value_g_per_kwh: Their mean, weighted by that energy.
        least_g_per_kwh: The lowest factor of a half-hour.
        greatest_g_per_kwh: The highest factor of a half-hour.
    """

    use: FactorUse
    value_g_per_kwh: float
    least_g_per_kwh: float
    greatest_g_per_kwh: float


@dataclass(frozen=True, order=True)
class FactorGap:
    """Energy of half-hours that no factor of the zone covers.

    Attributes:
        zone: The zone.
        filled: The rule that filled the gap; empty where none did, so CO2e is not computed.
        share: Share of the whole energy.
    """

    zone: str
    filled: str
    share: float


class UsedFactors:
    """Uses of emission factors, each known by its index.

    Args:
        uses: The uses, in the order of their indexes.
        bounds: The lowest and the highest factor of a half-hour, in micrograms per kWh, by index.
    """

    def __init__(self, uses: Iterable[FactorUse] = (), bounds: Iterable[tuple[int, int]] = ()) -> None:
        self._index_of = {use: index for index, use in enumerate(uses)}
        self._bounds = dict(enumerate(bounds))

    @property
    def uses(self) -> list[tuple[FactorUse, tuple[int, int]]]:
        """Each use with its bounds, in the order of their indexes."""
        return [(use, self._bounds[index]) for use, index in self._index_of.items()]

    def uses_of(self, cells: Iterable[EnergyCell]) -> tuple[list[FactorUse] | None, str | None]:
        """Return (the factors used by each cell, None), or (None, the reason) if some cell has no factor."""
        indexes = [cell.key.factor_use for cell in cells]
        met = set(indexes)
        for index, reason in _REASONS.items():
            if index in met:
                return None, reason
        uses = tuple(self._index_of)
        return [uses[index] for index in indexes], None

    def applied(self, cells: Sequence[EnergyCell]) -> tuple[AppliedFactor, ...]:
        """Return the factors that were applied to some cells, sorted."""
        found = []
        for use, index in self._index_of.items():
            sums = [cell.sums for cell in cells if cell.key.factor_use == index]
            if not sums:
                continue
            least, greatest = (value / 1e6 for value in self._bounds[index])
            energy, emitted = sum(each.microjoules for each in sums), sum(each.emitted for each in sums)
            mean = emitted / (energy * _MICRO) if energy else least
            found.append(AppliedFactor(use, least if least == greatest else mean, least, greatest))
        return tuple(sorted(found))

    def gaps(self, cells: Sequence[EnergyCell], total_microjoules: int) -> tuple[FactorGap, ...]:
        """Return the shares of the energy that no factor covers, by zone and rule of filling."""
        uses, sums = tuple(self._index_of), dict[tuple[str, str], int]()
        for cell in cells:
            index = cell.key.factor_use
            if index == GAP or (index >= 0 and uses[index].filled):
                key = cell.key.zone, uses[index].filled if index >= 0 else ""
                sums[key] = sums.get(key, 0) + cell.microjoules
        return tuple(
            FactorGap(*key, microjoules / total_microjoules if total_microjoules else 0.0)
            for key, microjoules in sorted(sums.items())
        )


class GridFactors(UsedFactors):
    """Emission factors of the grid, looked up once for each zone and half-hour.

    Args:
        factors: Factors of one scope and basis.
    """

    def __init__(self, factors: FactorSet) -> None:
        super().__init__()
        self._factors = factors
        self._found: dict[tuple[str, int], tuple[int, int]] = {}

    def at(self, zone: str, half_hour_utc_ns: int) -> tuple[int, int]:
        """Return the factor of a half-hour.

        Returns:
            Index of the use of factors, and the factor in micrograms per kWh; or ``NO_ZONE``, ``NO_FACTOR`` or ``GAP``, and 0.
        """
        where = (zone, half_hour_utc_ns)
        if where not in self._found:
            self._found[where] = self._look_up(zone, half_hour_utc_ns)
        return self._found[where]

    def _look_up(self, zone: str, half_hour_utc_ns: int) -> tuple[int, int]:
        if not zone:
            return NO_ZONE, 0
        try:
            found = self._factors.at(zone, half_hour_utc_ns)
        except FactorError:
            return NO_FACTOR, 0  # a record carries this zone: it stays recorded, and the report flags it
        if found is None:
            return GAP, 0
        use, value = found
        index = self._index_of.setdefault(use, len(self._index_of))
        least, greatest = self._bounds.get(index, (value, value))
        self._bounds[index] = min(least, value), max(greatest, value)
        return index, value


def grid_error(use: FactorUse) -> str:
    """Return the name of the error that all energy under factors of one set, zone and year shares."""
    return f"grid:{use.zone}:{use.factor_set}:{use.year}"


def grid_errors(use: FactorUse) -> set[str]:
    """Return the names of the errors that a factor brings in: its own, and the error of filling a gap."""
    return {grid_error(use), "grid-filled"} if use.filled else {grid_error(use)}


def grid_gsds(uses: Iterable[FactorUse], gsd: Mapping[str, float]) -> dict[str, float]:
    """Return the geometric standard deviation of each grid error.

    Factors used in several years have one error, as wide as the longest distance in time makes it.

    Args:
        uses: Uses of factors.
        gsd: Geometric standard deviations by source of error.

    Example:
        ``grid_gsds(uses, GSD)`` maps e.g. ``grid:FRA:ember:2025`` to 1.1 within 2025, and to 1.3 for use in 2026.
    """
    widths: dict[str, float] = {}
    for use in uses:
        name = grid_error(use)
        widths[name] = max(widths.get(name, 1.0), grid_gsd(use.age_years, gsd))
    return widths


def grid_gsd(age_years: int, gsd: Mapping[str, float]) -> float:
    """Return the geometric standard deviation of a grid factor that is some years old.

    A grid drifts like a random walk: the variance of the logarithm grows in proportion to the years, so the deviation of the
    logarithm grows with their square root. ``grid-previous-year`` is the deviation of one year.

    Args:
        age_years: How many years later than its validity the factor is applied; 0 within it.
        gsd: Geometric standard deviations by source of error.

    Example:
        >>> widths = {"grid-same-year": 1.1, "grid-previous-year": 1.3}
        >>> round(grid_gsd(4, widths), 9)  # 1.3 ** 2
        1.69
    """
    if age_years == 0:
        return gsd["grid-same-year"]
    return math.exp(math.log(gsd["grid-previous-year"]) * math.sqrt(age_years))
