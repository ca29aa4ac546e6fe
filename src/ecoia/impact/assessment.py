"""From energy to impact: building, grid, water, uncertainty. Energy is measured and never changes; this may be computed again.

    energy_it      = energy_components x wall factor (where the site is calibrated, else 1)
    energy         = sum over sites of energy_it x PUE (where known)
    co2e of use    = sum over half-hours of energy x emission factor of the zone then; beside it, never in a total, the same with
                     the factors of the contracts that cover a part (market-based)
    water_direct   = sum over sites of energy_it x WUE
    water_indirect = sum over sites of energy x water factor of the mix

**Uncertainty.** A quantity is a sum of cells c_i (a service and phase, a component, a method, a zone). Cells share
unknown multiplicative errors f: their method class, their calibration, the site's PUE, the grid factor; and each service
and phase has its own. With 1 + r_f^2 = exp(ln^2 GSD_f),

    Var = sum_ij c_i c_j (prod over shared f of (1 + r_f^2) - 1),   s^2 = ln(1 + Var / C^2),
    95 % interval = C exp(-s^2 / 2 +- 1.96 s).

So errors in common do not average out, as they would if cells were taken as independent.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, tzinfo
from fnmatch import fnmatchcase
from functools import cached_property
from itertools import compress
from operator import mul
from typing import TYPE_CHECKING, NamedTuple

from ecoia.catalogue.uncertainty import GSD
from ecoia.errors import FactorError
from ecoia.factors import FactorSet, FactorUse
from ecoia.factors.model import micrograms
from ecoia.impact.activity import Activity, Bearer, Strand
from ecoia.methods import error_class
from ecoia.periods import utc_datetime
from ecoia.records import Row
from ecoia.semconv import COMPONENTS, DECLARED
from ecoia.units import MICROJOULES_PER_KWH, kwh

if TYPE_CHECKING:  # importing the catalogue costs pydantic
    from ecoia.catalogue import Calibration, Contract, Site, SiteFigure

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
    calibrated, or was read at the plug. ``energy_it`` has the wall factors applied, ``energy_kwh`` also the PUE where one is
    known: for all of the energy (``boundary`` ``site``), some (``part``) or none (``it``). An interval is None where the quantity
    is None or 0. ``operational`` is the CO2e as a sum of cells, to be added to others; so is water, in litres.
    """

    energy_components_microjoules: int
    by_component_microjoules: Mapping[str, int | None]
    energy_components_kwh: float | None
    energy_kwh: float | None
    boundary: str
    factors_used: tuple[AppliedFactor, ...]
    reason: str | None  # no-data | not-measured | no-zone | no-factor | factor-gap
    energy_at_wall_microjoules: int = 0
    calibrations_used: tuple[Calibration, ...] = ()  # in the order given
    energy_components: Estimate | None = None
    energy_it: Estimate | None = None
    energy: Estimate | None = None
    operational: Estimate | None = None
    water_direct: Estimate | None = None  # None: some of the energy has no WUE
    water_indirect: Estimate | None = None  # None: some of the energy has no water factor
    figures_used: tuple[tuple[str, SiteFigure], ...] = ()  # site id and figure, in the catalogue's order
    factor_gaps: tuple[FactorGap, ...] = ()
    market: Estimate | None = None
    market_reason: str | None = "no-contract"  # why there is none: no-contract | contract-scope, or ``reason``
    contracts_used: tuple[Contract, ...] = ()  # in the order given

    @property
    def energy_components_interval(self) -> Interval | None:
        """Of what the components' meters and models gave."""
        return self.energy_components.interval if self.energy_components else None

    @property
    def energy_interval(self) -> Interval | None:
        """Of the energy at the wall, with the building where known."""
        return self.energy.interval if self.energy else None

    @property
    def co2e_kg(self) -> float | None:
        """CO2e of use."""
        return self.operational.value if self.operational else None

    @property
    def co2e_interval(self) -> Interval | None:
        """Of the CO2e of use."""
        return self.operational.interval if self.operational else None

    @property
    def co2e_market_kg(self) -> float | None:
        """CO2e of use by the contracts."""
        return self.market.value if self.market else None

    @property
    def co2e_market_interval(self) -> Interval | None:
        """Of the CO2e of use by the contracts."""
        return self.market.interval if self.market else None

    @property
    def precision_class(self) -> int | None:
        """1 to 4, of the CO2e of use where computed, else of the energy."""
        known = self.operational or self.energy
        return known.precision_class if known else None


class Cell(NamedTuple):
    """A part of a sum: its mean, the names of the errors that it shares, and whose own error it has."""

    mean: float
    shared: frozenset[str]
    own: str


def log_variance(cells: Sequence[Cell], gsd: Mapping[str, float], own_gsd: float) -> float:
    """s^2 of a sum of cells, as in the module's formula.

    Args:
        cells: Parts with non-negative means; their sum is above 0.
        gsd: Geometric standard deviation of each shared error, by name.
        own_gsd: Geometric standard deviation of every own error.
    """
    return math.log1p(variance(cells, gsd, own_gsd) / math.fsum(cell.mean for cell in cells) ** 2)


def variance(cells: Iterable[Cell], gsd: Mapping[str, float], own_gsd: float) -> float:
    """Var of a sum of cells, as in the module's formula.

    Args:
        cells: Parts, of any sign.
        gsd: Geometric standard deviation of each shared error, by name.
        own_gsd: Geometric standard deviation of every own error.
    """
    import numpy as np  # 60 ms: not for those who only ask for a factor

    # Cells that share the same errors add up first: the double sum runs over groups, then over groups of one owner. Products
    # are one operation each and sums are exact (fsum), so that neither the order nor the machine changes a digit.
    groups: dict[tuple[str, ...], list[float]] = {}
    owners: dict[str, dict[tuple[str, ...], list[float]]] = {}
    for cell in cells:
        signature = tuple(sorted(cell.shared))
        groups.setdefault(signature, []).append(cell.mean)
        owners.setdefault(cell.own, {}).setdefault(signature, []).append(cell.mean)
    signatures = sorted(groups)
    place = {signature: index for index, signature in enumerate(signatures)}
    common = np.zeros((len(signatures), len(signatures)))
    for name in sorted({name for signature in signatures for name in signature}):
        holds = np.array([name in signature for signature in signatures])
        common += np.outer(holds, holds) * math.log(gsd[name]) ** 2
    logs, where = np.unique(common, return_inverse=True)
    where = where.reshape(common.shape)

    def products(means: Mapping[tuple[str, ...], list[float]], weights: list[float]) -> list[float]:
        ordered = sorted(means)
        sums = np.array([math.fsum(means[signature]) for signature in ordered])
        at = [place[signature] for signature in ordered]
        terms: list[float] = (np.outer(sums, sums) * np.array(weights)[where[np.ix_(at, at)]]).ravel().tolist()
        return terms

    own = math.expm1(math.log(own_gsd) ** 2)
    terms = products(groups, [math.expm1(log) for log in logs])
    weights = [math.exp(log) * own for log in logs]
    for means in owners.values():
        terms += products(means, weights)
    return math.fsum(terms)


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


@dataclass(frozen=True)
class Estimate:
    """A sum known by its cells, so that it adds up with others without its errors being taken as independent.

    ``gsd`` are those of the cells' errors and of ``own``. ``upper_mean`` is what the sum would be with the published wall
    factor, where no calibration is known: the upper bound takes it in.
    """

    cells: tuple[Cell, ...]
    gsd: Mapping[str, float]
    upper_mean: float

    @cached_property
    def value(self) -> float:
        """The sum of the means."""
        return math.fsum(cell.mean for cell in self.cells)

    @cached_property
    def log_variance(self) -> float:
        """As in the module's formula; 0 where the sum is 0."""
        return log_variance(self.cells, self.gsd, self.gsd["own"]) if self.value else 0.0

    @property
    def interval(self) -> Interval | None:
        """The 95 % interval; None where the sum is 0."""
        if not self.value:
            return None
        return Interval(interval(self.value, self.log_variance).low, interval(self.upper_mean, self.log_variance).high)

    @property
    def precision_class(self) -> int | None:
        """1 to 4; None where the sum is 0."""
        return precision_class(self.log_variance) if self.value else None

    def scaled(self, factor: float) -> Estimate:
        """The same, times a number."""
        cells = tuple(Cell(cell.mean * factor, cell.shared, cell.own) for cell in self.cells)
        return Estimate(cells, self.gsd, self.upper_mean * factor)

    def with_error(self, name: str, gsd: float) -> Estimate:
        """The same, with one more error that all of it shares."""
        cells = tuple(Cell(cell.mean, cell.shared | {name}, cell.own) for cell in self.cells)
        return Estimate(cells, {**self.gsd, name: gsd}, self.upper_mean)

    @staticmethod
    def total(estimates: Iterable[Estimate]) -> Estimate:
        """The sum of some, with the errors that they share."""
        parts = list(estimates)
        named: dict[str, float] = {}
        for part in parts:
            if part.cells:
                for name, value in part.gsd.items():  # an error met with two widths is as wide as the wider
                    named[name] = max(named.get(name, value), value)
        cells = tuple(cell for part in parts for cell in part.cells)
        return Estimate(cells, named or GSD, math.fsum(part.upper_mean for part in parts))


@dataclass(frozen=True)
class Knowledge:
    """What energy is assessed with.

    Args:
        zone: Where the electricity was used, for rows that did not record it themselves. None: not known.
        pue: Power usage effectiveness of what is in none of ``sites``, as declared. None: not known, so figures are IT only.
        factors: Emission factors of one scope and basis.
        timezone: Civil time in which a row's day is taken.
        calibrations: Wall factors of the site, of which at most one covers a component of an instance on a day. They apply
            to counters and models, not to what was declared or read at the plug.
        sites: Where instances are, with their zone, PUE, WUE and water factor. An instance is in at most one; in one that has
            no PUE on a day, energy is IT only, whatever ``pue`` is.
        contracts: Contracted electricity, covering all of a use together at most. What none covers has the factor of its zone.
        gsd: Geometric standard deviations, one for each name of ``deviations.GSD``.

    Raises:
        FactorError: ``zone`` is not a zone of ``factors``, or they hold several scopes or bases.
    """

    factors: FactorSet
    zone: str | None = None
    pue: float | None = None
    timezone: tzinfo = UTC
    calibrations: Sequence[Calibration] = ()
    sites: Sequence[Site] = ()
    contracts: Sequence[Contract] = ()
    gsd: Mapping[str, float] = field(default_factory=lambda: GSD)

    def __post_init__(self) -> None:
        """Refuse a zone without a factor."""
        if self.zone is not None:
            self.factors.check(self.zone)

    def site_of(self, instance: str) -> Site | None:
        """The site that holds an instance."""
        return next((site for site in self.sites if site.holds(instance)), None)


def assess(rows: Iterable[Row], known: Knowledge) -> Impact:
    """Energy and CO2e of some ledger rows in any order, with their 95 % intervals."""
    return Assessment(Activity.of(rows).strands, known).impact()


class Assessment:
    """What some activity amounts to, cell by cell: the impact of any part of it is then a sum.

    Args:
        strands: The activity.
        known: What it is assessed with.
    """

    def __init__(self, strands: Iterable[Strand], known: Knowledge) -> None:
        self._known = known
        self._grid, self._market = _Grid(known.factors), _Market(known.contracts)
        places = _Places(known, self._grid, self._market)
        sums: dict[_Key, _Sum] = {}
        self._seen: set[tuple[Bearer, int]] = set()
        for strand in strands:
            self._seen.add((strand.bearer, places.site(strand.instance)))
            places.add(strand, sums)
        self._parts: dict[tuple[Bearer, int], list[_Part]] = {}
        for order, key in enumerate(sorted(sums)):
            calibration = known.calibrations[key.calibration] if key.calibration >= 0 else None
            part = _Part(key, sums[key], calibration, _surroundings(key, known.sites, known.pue), order)
            self._parts.setdefault(((key.service or None, key.phase), key.place[0]), []).append(part)

    @property
    def bearers(self) -> set[Bearer]:
        """Who did something, with or without energy."""
        return {bearer for bearer, _ in self._seen}

    @property
    def sites(self) -> set[Site | None]:
        """Where something was done; None: in no site."""
        return {self._site(index) for _, index in self._seen}

    @cached_property
    def by_bearer(self) -> dict[Bearer, Impact]:
        """The impact of each bearer, by service and phase."""
        wheres: dict[Bearer, list[tuple[Bearer, int]]] = {}
        for where in self._seen:
            wheres.setdefault(where[0], []).append(where)
        ordered = sorted(wheres, key=lambda bearer: (bearer[0] or "", bearer[1]))
        return {bearer: self._of(wheres[bearer]) for bearer in ordered}

    def impact(self, keep: Callable[[Bearer, Site | None], bool] = lambda bearer, site: True) -> Impact:
        """What a part amounts to: that of the bearers, at the sites, for which ``keep`` holds.

        Where part of the energy has no zone (or its zone no factor, or there is a gap that no rule fills), CO2e is None for the
        whole: a part is never presented as the sum.
        """
        return self._of([where for where in self._seen if keep(where[0], self._site(where[1]))])

    def _of(self, wheres: Sequence[tuple[Bearer, int]]) -> Impact:
        parts = sorted((part for where in wheres for part in self._parts.get(where, ())), key=lambda part: part.order)
        return self._impact(parts, bool(wheres))

    def _site(self, index: int) -> Site | None:
        return self._known.sites[index] if index >= 0 else None

    def _impact(self, parts: list[_Part], seen: bool) -> Impact:
        known, gsd = self._known, self._known.gsd
        components = {c: _add(part.microjoules for part in parts if part.key.component == c) for c in COMPONENTS}
        if not parts:
            why = "not-measured" if seen else "no-data"
            boundary = "it" if known.pue is None else "site"
            return Impact(0, components, None, None, boundary, (), why, market_reason=why)
        total = sum(part.microjoules for part in parts)
        with_pue = sum(part.place.pue is not None for part in parts)
        boundary = "it" if with_pue == 0 else "site" if with_pue == len(parts) else "part"

        named = dict(gsd)
        for part in parts:
            named[part.place.pue_name] = gsd[f"pue-{part.place.pue_quality}"]
            if part.calibration is not None:
                named[part.calibration_name] = part.calibration.gsd or gsd["calibration"]

        def estimate(means: Sequence[float], errors: Sequence[Iterable[str]]) -> Estimate:
            cells = tuple(part.cell(mean, shared) for part, mean, shared in zip(parts, means, errors, strict=True))
            # Without a calibration the truth may be higher by the published wall factor.
            upper = math.fsum(part.wall_bias * mean for part, mean in zip(parts, means, strict=True))
            return Estimate(cells, named, upper)

        building = [part.building_errors for part in parts]
        components_kwh = kwh(total)
        uses, reason = _grid(parts, self._grid)
        contracts = sorted({index for part in parts for index in part.key.contracts})
        co2e: Estimate | None = None
        by_contracts: Estimate | None = None
        market_reason = reason or self._market.reason(contracts, known.factors)
        if uses is not None:
            for use in uses:
                # Errors of one set, zone and year are one error; used in several years, as wide as the longest gap makes it.
                named[_grid_name(use)] = max(named.get(_grid_name(use), 1.0), _grid_gsd(use.age_years, gsd))
            with_grid = [(*errors, *_grid_errors(use)) for errors, use in zip(building, uses, strict=True)]
            co2e = estimate([part.kilograms(part.sum.grid) for part in parts], with_grid)
            if market_reason is None:
                contracted = estimate([part.kilograms(part.sum.contracted, _PPM) for part in parts], building)
                rest = estimate([part.kilograms(part.sum.rest, _PPM) for part in parts], with_grid)
                by_contracts = Estimate((*contracted.cells, *rest.cells), named, contracted.upper_mean + rest.upper_mean)
        return Impact(
            energy_components_microjoules=total,
            by_component_microjoules=components,
            energy_components_kwh=components_kwh,
            energy_kwh=_energy_kwh(parts),
            boundary=boundary,
            factors_used=self._grid.applied(parts) if uses is not None else (),
            reason=reason,
            energy_at_wall_microjoules=sum(part.microjoules for part in parts if part.at_wall),
            calibrations_used=tuple(known.calibrations[index] for index in sorted({p.key.calibration for p in parts} - {-1})),
            energy_components=Estimate(tuple(part.raw_cell() for part in parts), named, components_kwh),
            energy_it=estimate([part.energy_it_kwh for part in parts], [()] * len(parts)),
            energy=estimate([part.energy_kwh for part in parts], building),
            operational=co2e,
            water_direct=_water(parts, named, gsd, direct=True),
            water_indirect=_water(parts, named, gsd, direct=False),
            figures_used=_figures_used({part.key.place for part in parts}, known.sites),
            factor_gaps=self._grid.gaps(parts, total),
            market=by_contracts,
            market_reason=market_reason,
            contracts_used=tuple(known.contracts[index] for index in contracts),
        )


@dataclass(frozen=True, order=True, slots=True)
class _Key:
    """What the energy of a cell has in common. ``service`` and ``zone`` are empty where none is known."""

    service: str
    phase: str
    component: str
    status: str
    name: str
    zone: str
    grid: int  # the place of its factors' use among those of ``_Grid``, or why there is none
    calibration: int  # its place among those given; -1: none
    place: tuple[int, int, int, int]  # the site's place among those given, then those of its PUE, WUE and water factor; -1: none
    contracts: tuple[int, ...]  # the places of those that cover a part


_NOWHERE = (-1, -1, -1, -1)


@dataclass(frozen=True)
class _Surroundings:
    """What the building and the mix around a cell are known to be."""

    site: str
    pue: float | None
    pue_quality: str
    wue: float | None
    water_factor: float | None

    @property
    def pue_name(self) -> str:
        return f"pue:{self.site}:{self.pue_quality}"


def _surroundings(key: _Key, sites: Sequence[Site], pue: float | None) -> _Surroundings:
    index, *chosen = key.place
    if index < 0:
        return _Surroundings("", pue, "declared", None, None)
    site = sites[index]
    figures = [None if at < 0 else listed[at] for at, listed in zip(chosen, (site.pue, site.wue, site.water_factor), strict=True)]
    values = [None if figure is None else figure.value for figure in figures]
    return _Surroundings(site.id, values[0], figures[0].quality if figures[0] else "declared", values[1], values[2])


class _Sum:
    """Exact sums of a cell: its energy, and the energy x factor of its half-hours, in microjoule-micrograms per kWh.

    ``contracted`` and ``rest`` part the market-based sum in what contracts cover and what they do not, in millionths of that.
    """

    __slots__ = ("contracted", "grid", "microjoules", "rest")

    def __init__(self) -> None:
        self.microjoules = self.grid = self.contracted = self.rest = 0

    def add(self, microjoules: Sequence[int], micrograms_per_kwh: Sequence[int], contracts: tuple[int, int] | None) -> None:
        """Add what some half-hours used, each with its factor. Without contracts all is of the grid."""
        energy = sum(microjoules)
        grid = sum(map(mul, microjoules, micrograms_per_kwh))
        contracted, rest_ppm = contracts or (0, _PPM)
        self.microjoules += energy
        self.grid += grid
        self.contracted += energy * contracted
        self.rest += grid * rest_ppm


@dataclass(frozen=True)
class _Part:
    """A cell of energy, before it is given its errors."""

    key: _Key
    sum: _Sum
    calibration: Calibration | None
    place: _Surroundings
    order: int  # its place among all, by key

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
    def building(self) -> float:
        return 1.0 if self.place.pue is None else self.place.pue

    @property
    def building_errors(self) -> tuple[str, ...]:
        return () if self.place.pue is None else (self.place.pue_name,)

    @property
    def energy_it_kwh(self) -> float:
        return kwh(self.microjoules) * self.wall_factor

    @property
    def energy_kwh(self) -> float:
        return self.energy_it_kwh * self.building

    @cached_property
    def error_class(self) -> str:
        return error_class(self.key.status, self.key.name)

    @property
    def at_wall(self) -> bool:
        return self.calibration is not None or self.error_class == "wattmeter"

    @property
    def wall_bias(self) -> float:
        """By how much the truth may be higher for want of a calibration."""
        # What a bill or an inventory says is not a component's counter: its own deviation is all there is.
        return 1.0 if self.at_wall or self.key.status == DECLARED else WALL_FACTOR[self.key.component]

    @property
    def calibration_name(self) -> str:
        return f"calibration:{self.key.calibration}"

    @cached_property
    def own(self) -> str:
        """Whose own error it has."""
        return f"{self.key.service}\n{self.key.phase}"

    @cached_property
    def _errors(self) -> tuple[str, ...]:
        if self.calibration is None:
            return (self.error_class,)
        # The counter's error is in the calibration's; a model keeps its own beside it, as its load is not that of the campaign.
        model = () if self.error_class == "counters" else (self.error_class,)
        return (*model, self.calibration_name)

    def raw_cell(self) -> Cell:
        """The energy of the component itself, whatever the wall."""
        return Cell(self.components_kwh, frozenset((self.error_class,)), self.own)

    def cell(self, mean: float, errors: Iterable[str]) -> Cell:
        """A part of a sum at the wall, with errors of what it was multiplied by."""
        return Cell(mean, frozenset((*self._errors, *errors)), self.own)


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
        met = {part.key.grid for part in parts}
        for use, place in self._places.items():
            if place not in met:
                continue
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
        self._shares = [round(each.share * _PPM) for each in contracts]

    def covering(self, zone: str, instance: str, day: date) -> tuple[int, ...]:
        """The places of the contracts that cover a part."""
        return tuple(index for index, each in enumerate(self._contracts) if each.covers(zone, instance, day))

    def terms(self, covering: Iterable[int]) -> tuple[int, int]:
        """Contracted emissions per kWh of the whole use, in picograms; and the share that no contract covers, in millionths."""
        shares = {index: self._shares[index] for index in covering}
        contracted = sum(share * micrograms(self._contracts[index].gco2e_per_kwh) for index, share in shares.items())
        return contracted, max(_PPM - sum(shares.values()), 0)

    def reason(self, used: Sequence[int], factors: FactorSet) -> str | None:
        """Why there is no market-based figure: nothing is covered, or a contract has another scope than the grid's factors."""
        if not used:
            return "no-contract"
        scopes = {scope for scope, _ in factors.pairs}
        return None if all(self._contracts[index].scope in scopes for index in used) else "contract-scope"


class _Moment(NamedTuple):
    """What stands around an instance in a half-hour, but for the value of its emission factor."""

    grid: int
    place: tuple[int, int, int, int]
    contracts: tuple[int, ...]
    calibrations: tuple[int, ...]  # by component; -1: none


class _Times(dict[int, _Moment]):
    """The moments of the half-hours of one zone and of instances that are all alike, and the factors' values beside them."""

    def __init__(self, places: _Places, zone: str, instance: str) -> None:
        super().__init__()
        self.values_micrograms: dict[int, int] = {}
        self._places, self._zone, self._instance = places, zone, instance

    def __missing__(self, half_hour: int) -> _Moment:
        moment, value = self._places.look_up(self._zone, self._instance, half_hour)
        self.values_micrograms[half_hour] = value
        self[half_hour] = moment
        return moment


class _Places:
    """Where energy was used and what is known of it there: looked up once for all instances that are alike."""

    def __init__(self, known: Knowledge, grid: _Grid, market: _Market) -> None:
        self._known, self._grid, self._market = known, grid, market
        self._alike: dict[str, tuple[int, tuple[bool, ...]]] = {}
        self._times: dict[tuple[str, tuple[int, tuple[bool, ...]]], _Times] = {}
        self._days: dict[int, date] = {}
        self._moments: dict[tuple[str, tuple[int, tuple[bool, ...]], date, int], _Moment] = {}

    def site(self, instance: str) -> int:
        """The place of its site among those known; -1: none."""
        return self._group(instance)[0]

    def _group(self, instance: str) -> tuple[int, tuple[bool, ...]]:
        """Instances of one site that the same calibrations and contracts name are alike."""
        found = self._alike.get(instance)
        if found is None:
            known = self._known
            site = next((index for index, each in enumerate(known.sites) if each.holds(instance)), -1)
            patterns = [each.instances for each in known.calibrations] + [each.instances for each in known.contracts]
            named = tuple(any(fnmatchcase(instance, pattern) for pattern in each) for each in patterns)
            found = self._alike[instance] = site, named
        return found

    def look_up(self, zone: str, instance: str, half_hour: int) -> tuple[_Moment, int]:
        """What holds in a half-hour, and the factor in micrograms per kWh."""
        known = self._known
        day = self._days.get(half_hour)
        if day is None:
            day = self._days[half_hour] = utc_datetime(half_hour).astimezone(known.timezone).date()
        grid, value = self._grid.at(zone, half_hour)
        group = self._group(instance)
        key = zone, group, day, grid
        moment = self._moments.get(key)
        if moment is None:
            site = group[0]
            calibrations = tuple(
                next((index for index, each in enumerate(known.calibrations) if each.covers(c, instance, day)), -1)
                for c in COMPONENTS
            )
            place = known.sites[site].at(day, site) if site >= 0 else _NOWHERE
            moment = _Moment(grid, place, self._market.covering(zone, instance, day), calibrations)
            self._moments[key] = moment
        return moment, value

    def add(self, strand: Strand, sums: dict[_Key, _Sum]) -> None:
        """Add a strand's energy to exact sums by cell; what is missing is in no cell."""
        site = self.site(strand.instance)
        zone = strand.zone or (self._known.sites[site].zone if site >= 0 else None) or self._known.zone or ""
        where = zone, self._group(strand.instance)
        times = self._times.get(where)
        if times is None:
            times = self._times[where] = _Times(self, zone, strand.instance)
        half_hours = strand.half_hours_utc_ns
        moments = list(map(times.__getitem__, half_hours))
        values = list(map(times.values_micrograms.__getitem__, half_hours))
        met = set(moments)
        for component, (status, name), energy, number in zip(
            COMPONENTS, strand.methods, strand.microjoules, range(len(COMPONENTS)), strict=True
        ):
            if energy is None:
                continue
            calibrated = error_class(status, name) not in _NOT_CALIBRATED
            for moment in met:
                # Most strands meet one moment; others are taken apart by it.
                at = None if len(met) == 1 else [each == moment for each in moments]
                microjoules = energy if at is None else list(compress(energy, at))
                factors = values if at is None else list(compress(values, at))
                key = _Key(
                    strand.bearer[0] or "",
                    strand.bearer[1],
                    component,
                    status,
                    name,
                    zone,
                    moment.grid,
                    moment.calibrations[number] if calibrated else -1,
                    moment.place,
                    moment.contracts,
                )
                sum_ = sums.get(key)
                if sum_ is None:
                    sum_ = sums[key] = _Sum()
                sum_.add(microjoules, factors, self._market.terms(moment.contracts) if moment.contracts else None)


def _energy_kwh(parts: Sequence[_Part]) -> float:
    """At the wall, then PUE. Integers are added up as such, so that without factors it is their exact sum."""
    sums: dict[tuple[float, float], int] = {}
    for part in parts:
        factors = (part.wall_factor, part.building)
        sums[factors] = sums.get(factors, 0) + part.microjoules
    return math.fsum(kwh(microjoules) * wall_factor * pue for (wall_factor, pue), microjoules in sums.items())


def _water(parts: Sequence[_Part], named: Mapping[str, float], gsd: Mapping[str, float], *, direct: bool) -> Estimate | None:
    """Litres; None where a part has no factor: a part is never presented as the sum."""
    kind = "wue" if direct else "water"
    cells, upper, errors = [], [], dict(named)
    for part in parts:
        factor = part.place.wue if direct else part.place.water_factor
        if factor is None:
            return None
        name = f"{kind}:{part.place.site}"
        errors[name] = gsd["water"]
        litres = (part.energy_it_kwh if direct else part.energy_kwh) * factor
        cells.append(part.cell(litres, (name,) if direct else (*part.building_errors, name)))
        upper.append(part.wall_bias * litres)
    return Estimate(tuple(cells), errors, math.fsum(upper))


def _figures_used(places: Iterable[tuple[int, int, int, int]], sites: Sequence[Site]) -> tuple[tuple[str, SiteFigure], ...]:
    """Each figure that applied, once, in the catalogue's order."""
    chosen = {(index, kind, at) for index, *figures in places for kind, at in enumerate(figures) if at >= 0}
    return tuple(
        (sites[index].id, (sites[index].pue, sites[index].wue, sites[index].water_factor)[kind][at])
        for index, kind, at in sorted(chosen)
    )


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
