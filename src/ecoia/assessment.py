"""From energy to impact: building, grid, uncertainty. Energy is a measurement and never changes; this may be computed again.

    energy = energy_components x wall factor (1: no site is calibrated) x PUE (where known)
    co2e   = sum over zones and years of energy x emission factor

**Uncertainty.** A quantity is a sum of cells c_i (a service and phase, a component, a method, a zone). Cells share
unknown multiplicative errors f: their method class, the site's PUE, the grid factor; and each service and phase has
its own. With 1 + r_f^2 = exp(ln^2 GSD_f),

    Var = sum_ij c_i c_j (prod over shared f of (1 + r_f^2) - 1),   s^2 = ln(1 + Var / C^2),
    95 % interval = C exp(-s^2 / 2 +- 1.96 s).

So errors in common do not average out, as they would if cells were taken as independent.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo

from ecoia.errors import FactorError
from ecoia.factors import Factor, FactorSet
from ecoia.periods import utc_datetime
from ecoia.records import Row
from ecoia.semconv import COMPONENTS, DECLARED, MEASURED
from ecoia.units import kwh

GSD: Mapping[str, float] = {
    "counters": 1.25,  # RAPL, NVML and other hardware counters, not calibrated at the wall
    "model": 1.5,  # a load or memory model of known hardware
    "generic-model": 2.0,  # a load model that does not even know the processor: wider than TDP's 1.5, by our judgement
    "declared": 1.5,  # activity data entered by hand: no better than a model, by our judgement
    "pue": 1.10,  # a PUE that the site declares
    "grid-same-year": 1.10,
    "grid-previous-year": 1.30,
    "own": 1.05,  # what one service and phase deviates on its own, by our judgement
}
"""Geometric standard deviations of each source of error."""

WALL_FACTOR: Mapping[str, float] = {"cpu": 1.61, "gpu": 1.32, "ram": 1.61}
"""Published ratio of energy at the wall to energy of the components, by component: a bias, so it raises the upper bound only.

The comparison gave 1.61 on machines without a GPU, where components are processor and memory, so memory has the processor's.
"""

_Z95 = 1.96
_PRECISION = ((0.10, 1), (0.25, 2), (0.50, 3))


@dataclass(frozen=True)
class Interval:
    """Bounds of the 95 % interval, in the unit of the quantity."""

    low: float
    high: float


@dataclass(frozen=True)
class Impact:
    """What some rows amount to. ``None`` is not computed, never zero; ``reason`` says why there is no CO2e.

    ``energy_components_microjoules`` is the exact sum. ``energy_kwh`` has the PUE applied where one is known
    (``boundary`` ``site``), else is IT energy (``it``). An interval is None where the quantity is None or 0.
    """

    energy_components_microjoules: int
    by_component_microjoules: Mapping[str, int | None]
    energy_components_kwh: float | None
    energy_components_interval: Interval | None
    energy_kwh: float | None
    energy_interval: Interval | None
    boundary: str
    co2e_kg: float | None
    co2e_interval: Interval | None
    factors_used: tuple[Factor, ...]
    factors_not_same_year: frozenset[Factor]  # of those: used for energy of a later year
    reason: str | None  # no-data | not-measured | no-zone | no-factor
    precision_class: int | None


@dataclass(frozen=True)
class Cell:
    """A part of a sum: its mean, the names of the errors that it shares, and whose own error it has."""

    mean: float
    shared: frozenset[str]
    own: str


def log_variance(cells: Iterable[Cell], gsd: Mapping[str, float], own_gsd: float) -> float:
    """s^2 of a sum of cells, as in the module's formula.

    Args:
        cells: Parts with non-negative means; their sum is above 0.
        gsd: Geometric standard deviation of each shared error, by name.
        own_gsd: Geometric standard deviation of every own error.
    """
    # Cells that share the same errors add up first: the double sum runs over groups, then over cells of one owner.
    groups: dict[tuple[str, ...], list[float]] = {}
    owners: dict[str, dict[tuple[str, ...], list[float]]] = {}
    for cell in cells:
        signature = tuple(sorted(cell.shared))
        groups.setdefault(signature, []).append(cell.mean)
        owners.setdefault(cell.own, {}).setdefault(signature, []).append(cell.mean)
    squares = {name: math.log(value) ** 2 for name, value in gsd.items()}
    common = {
        (a, b): math.fsum(squares[name] for name in sorted(set(a) & set(b))) for a in sorted(groups) for b in sorted(groups)
    }
    sums = {signature: math.fsum(means) for signature, means in groups.items()}
    terms = [sums[a] * sums[b] * math.expm1(log) for (a, b), log in common.items()]
    own = math.expm1(math.log(own_gsd) ** 2)
    for owner in sorted(owners):
        parts = {signature: math.fsum(means) for signature, means in owners[owner].items()}
        terms += [parts[a] * parts[b] * math.exp(common[a, b]) * own for a in sorted(parts) for b in sorted(parts)]
    return math.log1p(math.fsum(terms) / math.fsum(sums.values()) ** 2)


def interval(value: float, log_var: float) -> Interval:
    """The 95 % interval of a lognormal quantity of mean ``value``."""
    spread = _Z95 * math.sqrt(log_var)
    return Interval(value * math.exp(-log_var / 2 - spread), value * math.exp(-log_var / 2 + spread))


def precision_class(log_var: float) -> int:
    """1 to 4, from the half-width of the interval relative to the mean: up to 10, 25, 50 % and beyond.

    The wall factor is a bias of known direction, not a lack of precision: it is in the upper bound, not in the class.
    """
    bounds = interval(1.0, log_var)
    half_width = (bounds.high - bounds.low) / 2
    return next((number for limit, number in _PRECISION if half_width <= limit), 4)


def method_class(status: str, name: str) -> str:
    """The entry of ``GSD`` for a method."""
    if status == DECLARED:
        return "declared"
    if status == MEASURED:
        return "counters"
    return "generic-model" if "generic" in name else "model"


def assess(
    rows: Sequence[Row],
    *,
    zone: str | None,
    pue: float | None,
    factors: FactorSet,
    timezone: tzinfo = UTC,
    gsd: Mapping[str, float] = GSD,
) -> Impact:
    """Energy and CO2e of some rows, with their 95 % intervals.

    Args:
        rows: Ledger rows, in any order.
        zone: Where the electricity was used, for rows that did not record it themselves. None: not known.
        pue: Power usage effectiveness of the site. None: not known, so figures are IT only.
        factors: Emission factors.
        timezone: Civil time in which a row's year is taken.
        gsd: Geometric standard deviations, by the names of ``GSD``.

    Returns:
        The impact. Where part of the energy has no zone (or its zone no factor), CO2e is None for the whole: a part is
        never presented as the sum.

    Raises:
        FactorError: ``zone`` is not a zone of ``factors``.
    """
    if zone is not None:
        factors.check(zone)
    sums = _sums(rows, zone, timezone)
    components = {c: _add(sum_ for key, sum_ in sums.items() if key.component == c) for c in COMPONENTS}
    boundary = "it" if pue is None else "site"
    if not sums:
        why = "not-measured" if rows else "no-data"
        return Impact(0, components, None, None, None, None, boundary, None, None, (), frozenset(), why, None)
    building = 1.0 if pue is None else pue
    total = sum(sums.values())
    parts = [_Part(key, microjoules, building) for key, microjoules in sorted(sums.items())]

    def bounds(cells: list[Cell], named: Mapping[str, float], value: float, wall: float) -> tuple[Interval | None, float]:
        if value == 0:
            return None, 0.0
        variance = log_variance(cells, named, gsd["own"])
        # Without a calibration the truth may be higher by the published wall factor: the upper bound takes it in.
        return Interval(interval(value, variance).low, interval(wall, variance).high), variance

    named = dict(gsd)
    site = frozenset() if pue is None else frozenset({"pue"})
    components_kwh, energy_kwh = kwh(total), kwh(total) * building
    wall = math.fsum(part.energy_kwh * part.wall_factor for part in parts)
    raw, _ = bounds([part.cell(part.components_kwh, frozenset()) for part in parts], named, components_kwh, components_kwh)
    energy, variance = bounds([part.cell(part.energy_kwh, site) for part in parts], named, energy_kwh, wall)

    grid, reason = _grid(parts, factors)
    co2e_kg: float | None = None
    co2e: Interval | None = None
    if grid is not None:
        # Errors of one zone and factor year are one error; over several years, as wide as the longest gap makes it.
        for part, factor in zip(parts, grid, strict=True):
            named[_grid_name(factor)] = max(named.get(_grid_name(factor), 1.0), _grid_gsd(part.key.year - factor.year, gsd))
        kilograms = [part.energy_kwh * factor.value_g_per_kwh / 1000 for part, factor in zip(parts, grid, strict=True)]
        co2e_kg = math.fsum(kilograms)
        cells = [part.cell(mass, site | {_grid_name(factor)}) for part, factor, mass in zip(parts, grid, kilograms, strict=True)]
        wall = math.fsum(part.wall_factor * mass for part, mass in zip(parts, kilograms, strict=True))
        co2e, variance = bounds(cells, named, co2e_kg, wall)
    used = {(part.key.year, factor) for part, factor in zip(parts, grid, strict=True)} if grid else set()
    return Impact(
        energy_components_microjoules=total,
        by_component_microjoules=components,
        energy_components_kwh=components_kwh,
        energy_components_interval=raw,
        energy_kwh=energy_kwh,
        energy_interval=energy,
        boundary=boundary,
        co2e_kg=co2e_kg,
        co2e_interval=co2e,
        factors_used=tuple(sorted({factor for _, factor in used})),
        factors_not_same_year=frozenset(factor for year, factor in used if factor.year != year),
        reason=reason,
        precision_class=precision_class(variance) if total else None,
    )


@dataclass(frozen=True, order=True)
class _Key:
    """What the energy of a cell has in common. ``zone`` is empty where none is known."""

    service: str
    phase: str
    component: str
    status: str
    name: str
    zone: str
    year: int


@dataclass(frozen=True)
class _Part:
    """A cell of energy, before it is given its errors."""

    key: _Key
    microjoules: int
    building: float

    @property
    def components_kwh(self) -> float:
        return kwh(self.microjoules)

    @property
    def energy_kwh(self) -> float:
        return kwh(self.microjoules) * self.building

    @property
    def method_class(self) -> str:
        return method_class(self.key.status, self.key.name)

    @property
    def wall_factor(self) -> float:
        # What a bill or an inventory says is not a component's counter: its own deviation is all there is.
        return 1.0 if self.key.status == DECLARED else WALL_FACTOR[self.key.component]

    def cell(self, mean: float, errors: frozenset[str]) -> Cell:
        return Cell(mean, errors | {self.method_class}, f"{self.key.service}\n{self.key.phase}")


def _sums(rows: Iterable[Row], zone: str | None, timezone: tzinfo) -> dict[_Key, int]:
    """Exact energy by cell; what is missing is in no cell."""
    plain: dict[tuple[str, str, str, str, str, str, int], int] = {}
    years: dict[int, int] = {}
    for row in rows:
        half_hour = row["half_hour_utc_ns"]
        if half_hour not in years:
            years[half_hour] = utc_datetime(half_hour).astimezone(timezone).year
        for component in COMPONENTS:
            microjoules = row["energy_microjoules"][component]
            if microjoules is None:
                continue
            method = row["method"][component]
            key = (
                row["service"] or "",
                row["phase"] or "",
                component,
                method["status"],
                method["name"],
                row["zone"] or zone or "",
                years[half_hour],
            )
            plain[key] = plain.get(key, 0) + microjoules
    return {_Key(*key): microjoules for key, microjoules in plain.items()}


def _add(numbers: Iterable[int]) -> int | None:
    """The sum; None of nothing."""
    listed = list(numbers)
    return sum(listed) if listed else None


def _grid(parts: Sequence[_Part], factors: FactorSet) -> tuple[list[Factor] | None, str | None]:
    """One factor a part; else None and why."""
    if any(not part.key.zone for part in parts):
        return None, "no-zone"
    try:
        return [factors.for_zone(part.key.zone, part.key.year) for part in parts], None
    except FactorError:
        return None, "no-factor"  # a zone that a record carries: it stays recorded, and the report flags it


def _grid_name(factor: Factor) -> str:
    return f"grid:{factor.zone}:{factor.year}"


def _grid_gsd(years: int, gsd: Mapping[str, float]) -> float:
    """A factor of the year, of the year before, or older: a grid's drift adds up like a random walk's."""
    if years == 0:
        return gsd["grid-same-year"]
    return math.exp(math.log(gsd["grid-previous-year"]) * math.sqrt(years))
