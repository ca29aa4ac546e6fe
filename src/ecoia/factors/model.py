"""An emission factor, a set of them, and the choice of the one that applies to a half-hour."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo

from ecoia.errors import FactorError
from ecoia.periods import DAY_NS, HALF_HOUR_NS, Quarter, utc_datetime, utc_ns

DIRECT, LIFECYCLE = "direct", "lifecycle"
SCOPES = (DIRECT, LIFECYCLE)
"""``direct``: combustion in power stations. ``lifecycle``: also fuel supply, plants and networks, as the source counts them."""

PRODUCTION, CONSUMPTION = "production", "consumption"
BASES = (PRODUCTION, CONSUMPTION)
"""``production``: electricity generated in the zone. ``consumption``: electricity used there, with exchanges with neighbours."""

FILLS = ("previous", "mean", "annual")
"""How a gap may be filled: by the last value before it, or by the mean of the known values of its quarter or of its year."""

GREATEST_G_PER_KWH = 2000.0
"""More than any grid emits (a coal plant: about 1,000). A higher value has the wrong unit."""

_YEAR_NS = 365 * DAY_NS
_MICRO = 1_000_000

Pair = tuple[str, str]
"""A scope and a basis."""


@dataclass(frozen=True, order=True)
class Factor:
    """Emissions of a kilowatt-hour used in a zone over a period.

    Attributes:
        zone: Zone.
        start_utc_ns: First instant at which it holds, on a half-hour.
        end_utc_ns: First instant at which it no longer holds, on a half-hour.
        value_g_per_kwh: The value in gCO2e per kWh.
        scope: One of ``SCOPES``.
        basis: One of ``BASES``.
        source: Publisher or body that states the figure.
        licence: Licence that it is published under.
        release: Edition in which it was found.
        factor_set: Id of the set that it belongs to.
        retrieved_on: ISO day on which it was retrieved; empty where the source is read in place.
    """

    zone: str
    start_utc_ns: int
    end_utc_ns: int
    value_g_per_kwh: float
    scope: str
    basis: str
    source: str
    licence: str
    release: str
    factor_set: str
    retrieved_on: str = ""

    @property
    def pair(self) -> Pair:
        """Scope and basis."""
        return self.scope, self.basis

    @property
    def year(self) -> int:
        """The year in which most of its validity lies."""
        return utc_datetime((self.start_utc_ns + self.end_utc_ns) // 2).year

    @property
    def is_yearly(self) -> bool:
        """Whether it holds for a year or more, and so stands for a year rather than for a moment."""
        return self.end_utc_ns - self.start_utc_ns >= _YEAR_NS


@dataclass(frozen=True, order=True)
class FactorUse:
    """Factors of one zone, year and source as they were applied. All figures under one use share one error.

    Attributes:
        zone: Zone.
        year: Civil year of the factors.
        scope: One of ``SCOPES``.
        basis: One of ``BASES``.
        source: Publisher or body that states the figures.
        licence: Licence that they are published under.
        release: Edition in which they were found.
        factor_set: Id of the set that they belong to.
        retrieved_on: ISO day on which they were retrieved; empty where the source is read in place.
        age_years: How many years after the factors' validity the energy was used; 0 within it.
        filled: The rule by which a gap was filled; empty where there was none.
        varies: Whether the factors vary within the year.
    """

    zone: str
    year: int
    scope: str
    basis: str
    source: str
    licence: str
    release: str
    factor_set: str
    retrieved_on: str
    age_years: int
    filled: str
    varies: bool


def micrograms(value_g_per_kwh: float) -> int:
    """Return a factor in whole micrograms per kWh, so that sums over half-hours are exact in any order.

    Example:
        >>> micrograms(41.44)
        41440000
    """
    return round(value_g_per_kwh * _MICRO)


def pair_text(pair: Pair) -> str:
    """Return scope and basis as text.

    Example:
        >>> pair_text((LIFECYCLE, PRODUCTION))
        'lifecycle, production'
    """
    return ", ".join(pair)


class FactorSet:
    """Emission factors under one name. Scopes and bases never mix: ``choose`` one of each before applying a set.

    Args:
        factors: Factors of any zones and periods. At one instant a zone has at most one factor of a scope and basis.
        id: Name of the set.
        version: Edition: equal versions have equal factors.
        title: Title, for people.
        timezone: Civil time of the years and quarters in which gaps are filled.
        fill: Rule for gaps, one of ``FILLS``. None: a gap stays a gap, and CO2e of its energy is not computed.
        others: By zone, the scopes and bases that ``choose`` left out.

    Raises:
        ValueError: Two factors of one zone, scope and basis overlap, or bounds are not on half-hours.

    Example:
        >>> year = Factor("FRA", 0, 365 * DAY_NS, 41.0, LIFECYCLE, PRODUCTION, "us", "CC0-1.0", "1", "ours")
        >>> use, micrograms_per_kwh = FactorSet([year], id="ours").at("FRA", HALF_HOUR_NS)
        >>> use.year, micrograms_per_kwh
        (1970, 41000000)
    """

    def __init__(
        self,
        factors: Iterable[Factor],
        *,
        id: str = "unnamed",  # noqa: A002 - what it is
        version: str = "",
        title: str = "",
        timezone: tzinfo = UTC,
        fill: str | None = None,
        others: Mapping[str, tuple[Pair, ...]] | None = None,
    ) -> None:
        self.id, self.version, self.title, self.timezone, self.fill = id, version, title, timezone, fill
        self.factors = tuple(sorted(factors))
        self.others = dict(others or {})
        self._series: dict[Pair, dict[str, list[Factor]]] = {}
        for factor in self.factors:
            if factor.start_utc_ns % HALF_HOUR_NS or factor.end_utc_ns % HALF_HOUR_NS:
                raise ValueError(
                    f"a factor of zone {factor.zone!r} holds from {factor.start_utc_ns} to {factor.end_utc_ns} ns, "
                    "which does not begin and end on a UTC half-hour: round its bounds"
                )
            series = self._series.setdefault(factor.pair, {}).setdefault(factor.zone, [])
            if series and factor.start_utc_ns < series[-1].end_utc_ns:
                raise ValueError(
                    f"two factors for zone {factor.zone!r} in {factor.year}: a set holds one at a time; end one before the other"
                )
            series.append(factor)
        self._starts = {
            pair: {zone: [factor.start_utc_ns for factor in series] for zone, series in zones.items()}
            for pair, zones in self._series.items()
        }
        self._yearly = {
            zone: all(factor.is_yearly for factor in series) for zones in self._series.values() for zone, series in zones.items()
        }
        self._means: dict[tuple[str, int, int], float | None] = {}
        self._yearly_uses: dict[tuple[str, int, int], tuple[FactorUse, int]] = {}

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """The scopes and bases of the set, sorted."""
        return tuple(sorted(self._series))

    def zones(self) -> tuple[str, ...]:
        """Return the zones that the set covers, sorted."""
        return tuple(sorted({zone for zones in self._series.values() for zone in zones}))

    def choose(self, scope: str | None = None, basis: str | None = None, *, fill: str | None = None) -> FactorSet:
        """Return the part of one scope and one basis, with a rule for gaps.

        Args:
            scope: One of ``SCOPES``. None: the only one there is.
            basis: One of ``BASES``. None: the only one there is.
            fill: One of ``FILLS``. None: gaps stay gaps.

        Raises:
            FactorError: The set does not hold them, or holds several.
        """
        found = [p for p in self.pairs if scope in (None, p[0]) and basis in (None, p[1])]
        held = "; ".join(map(pair_text, self.pairs)) or "nothing"
        if not found:
            asked = ", ".join(filter(None, (scope, basis)))
            raise FactorError(f"factor set '{self.id}' has no factor that is {asked or 'anything'}: it holds {held}")
        if len(found) > 1:
            raise FactorError(
                f"factor set '{self.id}' holds {held}, which must not be mixed: choose with "
                f"'ecoia factors use {self.id} --scope {found[0][0]} --basis {found[0][1]}'"
            )
        others: dict[str, tuple[Pair, ...]] = {}
        for pair in self.pairs:
            if pair != found[0]:
                for zone in self._series[pair]:
                    others[zone] = (*others.get(zone, ()), pair)
        kept = (factor for factor in self.factors if factor.pair == found[0])
        return FactorSet(
            kept, id=self.id, version=self.version, title=self.title, timezone=self.timezone, fill=fill, others=others
        )

    def check(self, zone: str) -> None:
        """Refuse a zone that the set never covers.

        Raises:
            FactorError: It does not cover the zone; the message names the zone and the remedy.
        """
        pair = self._pair()
        if zone in self._series.get(pair, {}):
            return
        if zone in self.others:
            held = "; ".join(map(pair_text, self.others[zone]))
            raise FactorError(
                f"factor set '{self.id}' has zone '{zone}' as {held} only, and {pair_text(pair)} is in use: they are not mixed; "
                f"use another with 'ecoia factors use', for every zone"
            )
        raise FactorError(
            f"no emission factor covers zone '{zone}': check the code (ISO 3166 alpha-3, e.g. FRA); "
            f"factor set '{self.id}' has {len(self.zones())}, which 'ecoia factors show {self.id}' lists"
        )

    def at(self, zone: str, half_hour_utc_ns: int) -> tuple[FactorUse, int] | None:
        """Return the factor that applies to the energy of a half-hour.

        A zone with yearly factors takes the factor of that time, else the latest one before it, never a later one. In a series
        that varies within the year, a time without a factor is a gap, which the rule of the set fills.

        Args:
            zone: Zone.
            half_hour_utc_ns: The half-hour.

        Returns:
            The use of the factor (``FactorUse.age_years`` states its age) and its value in micrograms per kWh; None in a gap that
            no rule fills.

        Raises:
            FactorError: The set does not cover the zone, or has yearly factors of later years only.
        """
        self.check(zone)
        pair = self._pair()
        series = self._series[pair][zone]
        place = bisect_right(self._starts[pair][zone], half_hour_utc_ns) - 1
        before = series[place] if place >= 0 else None
        if before is not None and half_hour_utc_ns < before.end_utc_ns:
            if before.is_yearly:
                return self._of_year(before, 0)
            return self._use(before, self._day(half_hour_utc_ns).year, 0, ""), micrograms(before.value_g_per_kwh)
        if self._yearly[zone]:
            year = self._day(half_hour_utc_ns).year
            if before is None:
                raise FactorError(
                    f"no emission factor covers zone '{zone}' in {year}: the earliest known is of {series[0].year}; "
                    "energy is kept, CO2e of that time is not computed"
                )
            return self._of_year(before, max(year - self._of_year(before, 0)[0].year, 1))
        return self._filled(zone, series, before, half_hour_utc_ns)

    def _of_year(self, factor: Factor, age: int) -> tuple[FactorUse, int]:
        """Return the use of a yearly factor, found once: it answers for 17,520 half-hours."""
        key = (factor.zone, factor.start_utc_ns, age)
        found = self._yearly_uses.get(key)
        if found is None:
            found = self._yearly_uses[key] = self._use(factor, factor.year, age, ""), micrograms(factor.value_g_per_kwh)
        return found

    def mean(self, zone: str, start_utc_ns: int, end_utc_ns: int) -> float | None:
        """Return the mean over time of a zone's factors between two instants, in gCO2e per kWh; None where none is known."""
        key = (zone, start_utc_ns, end_utc_ns)
        if key not in self._means:
            weights, total = 0, 0
            for factor in self._series[self._pair()].get(zone, ()):
                held = min(factor.end_utc_ns, end_utc_ns) - max(factor.start_utc_ns, start_utc_ns)
                if held > 0:
                    weights += held
                    total += held * micrograms(factor.value_g_per_kwh)
            self._means[key] = total / weights / _MICRO if weights else None
        return self._means[key]

    def gaps(self, zone: str) -> list[tuple[int, int]]:
        """Return the periods without a factor between a zone's first factor and its last: half-open, UTC nanoseconds."""
        series = self._series.get(self._pair(), {}).get(zone, [])
        pairs = itertools.pairwise(series)
        return [(a.end_utc_ns, b.start_utc_ns) for a, b in pairs if a.end_utc_ns < b.start_utc_ns]

    def _filled(
        self, zone: str, series: list[Factor], before: Factor | None, half_hour_utc_ns: int
    ) -> tuple[FactorUse, int] | None:
        day = self._day(half_hour_utc_ns)
        if self.fill is None:
            return None
        if self.fill == "previous":
            value = before.value_g_per_kwh if before is not None else None
        else:
            value = self.mean(zone, *self._period(day))
        if value is None:
            return None
        return self._use(before or series[0], day.year, 0, self.fill), micrograms(value)

    def _period(self, day: date) -> tuple[int, int]:
        """Return the bounds of the quarter or year of a day, whichever the rule for gaps asks for."""
        if self.fill == "mean":
            first = Quarter.of_date(day)
            return self._quarters(first, first.shift(1))
        return self._quarters(Quarter(day.year, 1), Quarter(day.year + 1, 1))

    def _quarters(self, first: Quarter, last: Quarter) -> tuple[int, int]:
        """Return the first instants of two quarters."""
        start, end = (datetime.combine(q.first_day(), datetime.min.time(), self.timezone) for q in (first, last))
        return utc_ns(start), utc_ns(end)

    def _day(self, instant_ns: int) -> date:
        return utc_datetime(instant_ns).astimezone(self.timezone).date()

    def _pair(self) -> Pair:
        if len(self._series) > 1:
            self.choose()  # raises, with the remedy
        return next(iter(self._series), ("", ""))

    def _use(self, factor: Factor, year: int, age: int, filled: str) -> FactorUse:
        return FactorUse(
            zone=factor.zone,
            year=year,
            scope=factor.scope,
            basis=factor.basis,
            source=factor.source,
            licence=factor.licence,
            release=factor.release,
            factor_set=factor.factor_set,
            retrieved_on=factor.retrieved_on,
            age_years=age,
            filled=filled,
            varies=not factor.is_yearly,
        )
