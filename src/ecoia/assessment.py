"""From energy to impact: building, grid, uncertainty. Energy is a measurement and never changes; this may be computed again.

    energy = energy_components x wall factor (where the site is calibrated, else 1) x PUE (where known)
    co2e   = sum over zones and years of energy x emission factor

**Uncertainty.** A quantity is a sum of cells c_i (a service and phase, a component, a method, a zone). Cells share
unknown multiplicative errors f: their method class, their calibration, the site's PUE, the grid factor; and each service
and phase has its own. With 1 + r_f^2 = exp(ln^2 GSD_f),

    Var = sum_ij c_i c_j (prod over shared f of (1 + r_f^2) - 1),   s^2 = ln(1 + Var / C^2),
    95 % interval = C exp(-s^2 / 2 +- 1.96 s).

So errors in common do not average out, as they would if cells were taken as independent.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, tzinfo
from typing import TYPE_CHECKING

from ecoia.errors import FactorError
from ecoia.factors import Factor, FactorSet
from ecoia.periods import utc_datetime
from ecoia.records import Row
from ecoia.semconv import COMPONENTS, DECLARED, MEASURED
from ecoia.units import kwh

if TYPE_CHECKING:  # importing the catalogue costs pydantic
    from ecoia.catalogue import Calibration

GSD: Mapping[str, float] = {
    "wattmeter": 1.02,  # a wattmeter or PDU at the plug
    "counters": 1.25,  # RAPL, NVML and other hardware counters, not calibrated at the wall
    "calibration": 1.10,  # a wall factor of the site whose own spread is not given
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

_NOT_CALIBRATED = ("declared", "wattmeter")
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

    ``energy_components_microjoules`` is the exact sum, before any factor; ``energy_at_wall_microjoules`` the part of it that is
    calibrated, or was read at the plug. ``energy_kwh`` has the wall factors applied, and the PUE where one is known
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
    energy_at_wall_microjoules: int = 0
    calibrations_used: tuple[Calibration, ...] = ()  # in the order given


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
        return "wattmeter" if name.startswith("wattmeter") else "counters"
    return "generic-model" if "generic" in name else "model"


def assess(
    rows: Sequence[Row],
    *,
    zone: str | None,
    pue: float | None,
    factors: FactorSet,
    timezone: tzinfo = UTC,
    calibrations: Sequence[Calibration] = (),
    gsd: Mapping[str, float] = GSD,
) -> Impact:
    """Energy and CO2e of some rows, with their 95 % intervals.

    Args:
        rows: Ledger rows, in any order.
        zone: Where the electricity was used, for rows that did not record it themselves. None: not known.
        pue: Power usage effectiveness of the site. None: not known, so figures are IT only.
        factors: Emission factors.
        timezone: Civil time in which a row's year and day are taken.
        calibrations: Wall factors of the site, of which at most one covers a component of an instance on a day. They apply
            to counters and models, not to what was declared or read at the plug.
        gsd: Geometric standard deviations, by the names of ``GSD``.

    Returns:
        The impact. Where part of the energy has no zone (or its zone no factor), CO2e is None for the whole: a part is
        never presented as the sum.

    Raises:
        FactorError: ``zone`` is not a zone of ``factors``.
    """
    if zone is not None:
        factors.check(zone)
    sums = _sums(rows, zone, timezone, calibrations)
    components = {c: _add(sum_ for key, sum_ in sums.items() if key.component == c) for c in COMPONENTS}
    boundary = "it" if pue is None else "site"
    if not sums:
        why = "not-measured" if rows else "no-data"
        return Impact(0, components, None, None, None, None, boundary, None, None, (), frozenset(), why, None)
    building = 1.0 if pue is None else pue
    total = sum(sums.values())
    parts = [
        _Part(key, microjoules, building, calibrations[key.calibration] if key.calibration >= 0 else None)
        for key, microjoules in sorted(sums.items())
    ]

    def bounds(cells: list[Cell], named: Mapping[str, float], value: float, wall: float) -> tuple[Interval | None, float]:
        if value == 0:
            return None, 0.0
        variance = log_variance(cells, named, gsd["own"])
        # Without a calibration the truth may be higher by the published wall factor: the upper bound takes it in.
        return Interval(interval(value, variance).low, interval(wall, variance).high), variance

    named = dict(gsd)
    for part in parts:
        if part.calibration is not None:
            named[part.calibration_name] = part.calibration.gsd or gsd["calibration"]
    site = frozenset() if pue is None else frozenset({"pue"})
    components_kwh = kwh(total)
    energy_kwh = _energy_kwh(parts, building)
    wall = math.fsum(part.energy_kwh * part.wall_bias for part in parts)
    raw, _ = bounds([part.raw_cell() for part in parts], named, components_kwh, components_kwh)
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
        wall = math.fsum(part.wall_bias * mass for part, mass in zip(parts, kilograms, strict=True))
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
        energy_at_wall_microjoules=sum(part.microjoules for part in parts if part.at_wall),
        calibrations_used=tuple(calibrations[index] for index in sorted({key.calibration for key in sums} - {-1})),
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
    calibration: int  # its place among those given; -1: none


@dataclass(frozen=True)
class _Part:
    """A cell of energy, before it is given its errors."""

    key: _Key
    microjoules: int
    building: float
    calibration: Calibration | None

    @property
    def components_kwh(self) -> float:
        return kwh(self.microjoules)

    @property
    def wall_factor(self) -> float:
        return 1.0 if self.calibration is None else self.calibration.wall_factor

    @property
    def energy_kwh(self) -> float:
        return kwh(self.microjoules) * self.wall_factor * self.building

    @property
    def method_class(self) -> str:
        return method_class(self.key.status, self.key.name)

    @property
    def at_wall(self) -> bool:
        return self.calibration is not None or self.method_class == "wattmeter"

    @property
    def wall_bias(self) -> float:
        """By how much the truth may be higher for want of a calibration."""
        # What a bill or an inventory says is not a component's counter: its own deviation is all there is.
        return 1.0 if self.at_wall or self.key.status == DECLARED else WALL_FACTOR[self.key.component]

    @property
    def calibration_name(self) -> str:
        return f"calibration:{self.key.calibration}"

    def raw_cell(self) -> Cell:
        """The energy of the component itself, whatever the wall."""
        return self._cell(self.components_kwh, {self.method_class})

    def cell(self, mean: float, errors: frozenset[str]) -> Cell:
        if self.calibration is None:
            return self._cell(mean, {*errors, self.method_class})
        # The counter's error is in the calibration's; a model keeps its own beside it, as its load is not that of the campaign.
        model = {self.method_class} - {"counters"}
        return self._cell(mean, {*errors, *model, self.calibration_name})

    def _cell(self, mean: float, errors: Iterable[str]) -> Cell:
        return Cell(mean, frozenset(errors), f"{self.key.service}\n{self.key.phase}")


def _sums(rows: Iterable[Row], zone: str | None, timezone: tzinfo, calibrations: Sequence[Calibration]) -> dict[_Key, int]:
    """Exact energy by cell; what is missing is in no cell."""
    plain: dict[tuple[str, str, str, str, str, str, int, int], int] = {}
    days: dict[int, date] = {}
    in_force: dict[tuple[str, str, date], int] = {}

    def calibration(component: str, instance: str, day: date) -> int:
        where = (component, instance, day)
        if where not in in_force:
            found = (index for index, each in enumerate(calibrations) if each.covers(*where))
            in_force[where] = next(found, -1)
        return in_force[where]

    for row in rows:
        half_hour = row["half_hour_utc_ns"]
        if half_hour not in days:
            days[half_hour] = utc_datetime(half_hour).astimezone(timezone).date()
        day = days[half_hour]
        for component in COMPONENTS:
            microjoules = row["energy_microjoules"][component]
            if microjoules is None:
                continue
            status, name = row["method"][component]["status"], row["method"][component]["name"]
            calibrated = calibrations and method_class(status, name) not in _NOT_CALIBRATED
            key = (
                row["service"] or "",
                row["phase"] or "",
                component,
                status,
                name,
                row["zone"] or zone or "",
                day.year,
                calibration(component, row["instance"], day) if calibrated else -1,
            )
            plain[key] = plain.get(key, 0) + microjoules
    return {_Key(*key): microjoules for key, microjoules in plain.items()}


def _energy_kwh(parts: Sequence[_Part], building: float) -> float:
    """At the wall, then PUE. Integers are added up as such, so that without a calibration it is their exact sum x PUE."""
    sums: dict[float, int] = {}
    for part in parts:
        sums[part.wall_factor] = sums.get(part.wall_factor, 0) + part.microjoules
    return math.fsum(kwh(microjoules) * wall_factor for wall_factor, microjoules in sums.items()) * building


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
