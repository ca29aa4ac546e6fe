"""From energy to impact: building, grid, uncertainty. Energy is a measurement and never changes; this may be computed again.

    energy = energy_components x wall factor (where the site is calibrated, else 1) x PUE (where known)
    co2e   = sum over half-hours of energy x emission factor of the zone then; beside it, never in a total, the same with the
             factors of the contracts that cover a part (market-based)

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
from ecoia.factors import FactorSet, FactorUse
from ecoia.factors.model import micrograms
from ecoia.periods import utc_datetime
from ecoia.records import Row
from ecoia.semconv import COMPONENTS, DECLARED, MEASURED
from ecoia.units import MICROJOULES_PER_KWH, kwh

if TYPE_CHECKING:  # importing the catalogue costs pydantic
    from ecoia.catalogue import Calibration, Contract

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
    "grid-filled": 1.30,  # a gap filled by a rule, beside the factor's own: no better than another year's, by our judgement
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


@dataclass(frozen=True, order=True)
class AppliedFactor:
    """Emission factors of one zone, year and source over the energy that they were applied to.

    ``value_g_per_kwh`` is their mean weighted by that energy; ``least`` and ``greatest`` what half-hours had.
    """

    use: FactorUse
    value_g_per_kwh: float
    least_g_per_kwh: float
    greatest_g_per_kwh: float


@dataclass(frozen=True, order=True)
class FactorGap:
    """Energy of half-hours that no factor of the zone covers: its share of the whole, and the rule that filled it, if any."""

    zone: str
    filled: str  # empty: not filled, so CO2e is not computed
    share: float


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
    factors_used: tuple[AppliedFactor, ...]
    reason: str | None  # no-data | not-measured | no-zone | no-factor | factor-gap
    precision_class: int | None
    energy_at_wall_microjoules: int = 0
    calibrations_used: tuple[Calibration, ...] = ()  # in the order given
    factor_gaps: tuple[FactorGap, ...] = ()
    co2e_market_kg: float | None = None
    co2e_market_interval: Interval | None = None
    market_reason: str | None = "no-contract"  # why there is none: no-contract | contract-scope, or ``reason``
    contracts_used: tuple[Contract, ...] = ()  # in the order given


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
    contracts: Sequence[Contract] = (),
    gsd: Mapping[str, float] = GSD,
) -> Impact:
    """Energy and CO2e of some rows, with their 95 % intervals.

    Args:
        rows: Ledger rows, in any order.
        zone: Where the electricity was used, for rows that did not record it themselves. None: not known.
        pue: Power usage effectiveness of the site. None: not known, so figures are IT only.
        factors: Emission factors of one scope and basis.
        timezone: Civil time in which a row's day is taken.
        calibrations: Wall factors of the site, of which at most one covers a component of an instance on a day. They apply
            to counters and models, not to what was declared or read at the plug.
        contracts: Contracted electricity, covering all of a use together at most. What none covers has the factor of its zone.
        gsd: Geometric standard deviations, by the names of ``GSD``.

    Returns:
        The impact. Where part of the energy has no zone (or its zone no factor, or there is a gap that no rule fills), CO2e is
        None for the whole: a part is never presented as the sum.

    Raises:
        FactorError: ``zone`` is not a zone of ``factors``, or they hold several scopes or bases.
    """
    if zone is not None:
        factors.check(zone)
    grid, market = _Grid(factors), _Market(contracts)
    sums = _sums(rows, zone, timezone, calibrations, grid, market)
    components = {c: _add(sum_.microjoules for key, sum_ in sums.items() if key.component == c) for c in COMPONENTS}
    boundary = "it" if pue is None else "site"
    if not sums:
        why = "not-measured" if rows else "no-data"
        return Impact(0, components, None, None, None, None, boundary, None, None, (), why, None, market_reason=why)
    building = 1.0 if pue is None else pue
    total = sum(sum_.microjoules for sum_ in sums.values())
    parts = [
        _Part(key, sum_, building, calibrations[key.calibration] if key.calibration >= 0 else None)
        for key, sum_ in sorted(sums.items(), key=lambda item: item[0])
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

    uses, reason = _grid(parts, grid)
    co2e_kg: float | None = None
    co2e: Interval | None = None
    market_kg: float | None = None
    market_co2e: Interval | None = None
    market_reason = reason or market.reason(factors)
    if uses is not None:
        for use in grid.uses:
            # Errors of one set, zone and year are one error; used in several years, as wide as the longest gap makes it.
            named[_grid_name(use)] = max(named.get(_grid_name(use), 1.0), _grid_gsd(use.age_years, gsd))
        kilograms = [part.kilograms(part.sum.grid) for part in parts]
        co2e_kg = math.fsum(kilograms)
        cells = [part.cell(mass, site | _grid_errors(use)) for part, use, mass in zip(parts, uses, kilograms, strict=True)]
        wall = math.fsum(part.wall_bias * mass for part, mass in zip(parts, kilograms, strict=True))
        co2e, variance = bounds(cells, named, co2e_kg, wall)
        if market_reason is None:
            contracted = [part.kilograms(part.sum.contracted, _PPM) for part in parts]
            rest = [part.kilograms(part.sum.rest, _PPM) for part in parts]
            market_kg = math.fsum((*contracted, *rest))
            cells = [part.cell(mass, site) for part, mass in zip(parts, contracted, strict=True)]
            cells += [part.cell(mass, site | _grid_errors(use)) for part, use, mass in zip(parts, uses, rest, strict=True)]
            wall = math.fsum(part.wall_bias * mass for part, mass in zip((*parts, *parts), (*contracted, *rest), strict=True))
            market_co2e, _ = bounds(cells, named, market_kg, wall)
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
        factors_used=grid.applied(parts) if uses is not None else (),
        reason=reason,
        precision_class=precision_class(variance) if total else None,
        energy_at_wall_microjoules=sum(part.microjoules for part in parts if part.at_wall),
        calibrations_used=tuple(calibrations[index] for index in sorted({key.calibration for key in sums} - {-1})),
        factor_gaps=grid.gaps(parts, total),
        co2e_market_kg=market_kg,
        co2e_market_interval=market_co2e,
        market_reason=market_reason,
        contracts_used=market.used,
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
    grid: int  # the place of its factors' use among those of ``_Grid``, or why there is none
    calibration: int  # its place among those given; -1: none


class _Sum:
    """Exact sums of a cell: its energy, and the energy x factor of its half-hours, in microjoule-micrograms per kWh.

    ``contracted`` and ``rest`` part the market-based sum in what contracts cover and what they do not, in millionths of that.
    """

    __slots__ = ("contracted", "grid", "microjoules", "rest")

    def __init__(self) -> None:
        self.microjoules = self.grid = self.contracted = self.rest = 0


@dataclass(frozen=True)
class _Part:
    """A cell of energy, before it is given its errors."""

    key: _Key
    sum: _Sum
    building: float
    calibration: Calibration | None

    @property
    def microjoules(self) -> int:
        return self.sum.microjoules

    def kilograms(self, sum_: int, per: int = 1) -> float:
        """The kilograms of one of the sums (of ``per`` parts of one), at the wall and with the building."""
        return sum_ / (_PER_KILOGRAM * per) * self.wall_factor * self.building

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


_PPM = 1_000_000
_PER_KILOGRAM = MICROJOULES_PER_KWH * _PPM * 1000  # in micrograms
_NO_ZONE, _NO_FACTOR, _GAP = -1, -2, -3


class _Grid:
    """What the electricity of each half-hour emits: looked up once a zone and half-hour."""

    def __init__(self, factors: FactorSet) -> None:
        self._factors = factors
        self._places: dict[FactorUse, int] = {}
        self._found: dict[tuple[str, int], tuple[int, int]] = {}
        self._bounds: dict[int, tuple[int, int]] = {}

    @property
    def uses(self) -> tuple[FactorUse, ...]:
        return tuple(self._places)

    def at(self, zone: str, half_hour: int) -> tuple[int, int]:
        """The place of the use among ``uses``, and its factor in micrograms per kWh; or why there is none, and 0."""
        where = (zone, half_hour)
        if where not in self._found:
            self._found[where] = self._look_up(zone, half_hour)
        return self._found[where]

    def _look_up(self, zone: str, half_hour: int) -> tuple[int, int]:
        if not zone:
            return _NO_ZONE, 0
        try:
            found = self._factors.at(zone, half_hour)
        except FactorError:
            return _NO_FACTOR, 0  # a zone that a record carries: it stays recorded, and the report flags it
        if found is None:
            return _GAP, 0
        use, value = found
        place = self._places.setdefault(use, len(self._places))
        least, greatest = self._bounds.get(place, (value, value))
        self._bounds[place] = min(least, value), max(greatest, value)
        return place, value

    def applied(self, parts: Sequence[_Part]) -> tuple[AppliedFactor, ...]:
        found = []
        for use, place in self._places.items():
            least, greatest = (value / 1e6 for value in self._bounds[place])
            energy = sum(part.sum.microjoules for part in parts if part.key.grid == place)
            mass = sum(part.sum.grid for part in parts if part.key.grid == place)
            mean = mass / (energy * _PPM) if energy else least
            found.append(AppliedFactor(use, least if least == greatest else mean, least, greatest))
        return tuple(sorted(found))

    def gaps(self, parts: Sequence[_Part], total: int) -> tuple[FactorGap, ...]:
        """Shares of the energy that no factor covers, by zone."""
        uses, sums = self.uses, dict[tuple[str, str], int]()
        for part in parts:
            place = part.key.grid
            if place == _GAP or (place >= 0 and uses[place].filled):
                key = part.key.zone, uses[place].filled if place >= 0 else ""
                sums[key] = sums.get(key, 0) + part.microjoules
        return tuple(FactorGap(*key, microjoules / total if total else 0.0) for key, microjoules in sorted(sums.items()))


class _Market:
    """What contracts say of the electricity of an instance in a zone on a day."""

    def __init__(self, contracts: Sequence[Contract]) -> None:
        self._contracts = contracts
        self._found: dict[tuple[str, str, date], tuple[int, int]] = {}
        self._used: set[int] = set()

    def at(self, zone: str, instance: str, day: date) -> tuple[int, int] | None:
        """Contracted emissions per kWh of the whole use, in picograms; and the share that no contract covers, in millionths."""
        if not self._contracts:
            return None
        where = (zone, instance, day)
        if where not in self._found:
            covering = [index for index, each in enumerate(self._contracts) if each.covers(*where)]
            self._used.update(covering)
            shares = {index: round(self._contracts[index].share * _PPM) for index in covering}
            contracted = sum(share * micrograms(self._contracts[index].gco2e_per_kwh) for index, share in shares.items())
            self._found[where] = contracted, max(_PPM - sum(shares.values()), 0)
        return self._found[where]

    @property
    def used(self) -> tuple[Contract, ...]:
        return tuple(self._contracts[index] for index in sorted(self._used))

    def reason(self, factors: FactorSet) -> str | None:
        """Why there is no market-based figure: nothing is covered, or a contract has another scope than the grid's factors."""
        if not self._used:
            return "no-contract"
        scopes = {scope for scope, _ in factors.pairs}
        return None if all(each.scope in scopes for each in self.used) else "contract-scope"


def _sums(
    rows: Iterable[Row],
    zone: str | None,
    timezone: tzinfo,
    calibrations: Sequence[Calibration],
    grid: _Grid,
    market: _Market,
) -> dict[_Key, _Sum]:
    """Exact sums by cell; what is missing is in no cell."""
    plain: dict[tuple[str, str, str, str, str, str, int, int], _Sum] = {}
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
        used_in = row["zone"] or zone or ""
        place, value = grid.at(used_in, half_hour)
        covered = market.at(used_in, row["instance"], day)
        service, phase, energy, methods = row["service"] or "", row["phase"] or "", row["energy_microjoules"], row["method"]
        for component in COMPONENTS:
            microjoules = energy[component]
            if microjoules is None:
                continue
            status, name = methods[component]["status"], methods[component]["name"]
            calibrated = calibrations and method_class(status, name) not in _NOT_CALIBRATED
            key = (
                service,
                phase,
                component,
                status,
                name,
                used_in,
                place,
                calibration(component, row["instance"], day) if calibrated else -1,
            )
            sum_ = plain.get(key)
            if sum_ is None:
                sum_ = plain[key] = _Sum()
            sum_.microjoules += microjoules
            sum_.grid += microjoules * value
            if covered is not None:
                sum_.contracted += microjoules * covered[0]
                sum_.rest += microjoules * value * covered[1]
    return {_Key(*key): sum_ for key, sum_ in plain.items()}


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


def _grid(parts: Sequence[_Part], grid: _Grid) -> tuple[list[FactorUse] | None, str | None]:
    """One use of factors a part; else None and why."""
    places = {part.key.grid for part in parts}
    for place, reason in ((_NO_ZONE, "no-zone"), (_NO_FACTOR, "no-factor"), (_GAP, "factor-gap")):
        if place in places:
            return None, reason
    return [grid.uses[part.key.grid] for part in parts], None


def _grid_errors(use: FactorUse) -> set[str]:
    return {_grid_name(use), "grid-filled"} if use.filled else {_grid_name(use)}


def _grid_name(use: FactorUse) -> str:
    return f"grid:{use.zone}:{use.factor_set}:{use.year}"


def _grid_gsd(years: int, gsd: Mapping[str, float]) -> float:
    """A factor of the year, of the year before, or older: a grid's drift adds up like a random walk's."""
    if years == 0:
        return gsd["grid-same-year"]
    return math.exp(math.log(gsd["grid-previous-year"]) * math.sqrt(years))
