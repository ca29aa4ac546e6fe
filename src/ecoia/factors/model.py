"""What an emission factor and a set of them are, and which one applies to a half-hour."""

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
"""``direct``: what power stations burn; ``lifecycle``: fuel supply, plants and networks too, as the source counts them."""

PRODUCTION, CONSUMPTION = "production", "consumption"
BASES = (PRODUCTION, CONSUMPTION)
"""``production``: of what is generated in the zone; ``consumption``: exchanges with neighbours counted."""

FILLS = ("previous", "mean", "annual")
"""How a gap may be filled: by the last value before it; by the mean of what is known of the same quarter; of the same year."""

GREATEST_G_PER_KWH = 2000.0
"""More than any grid emits (a coal plant: about 1,000): a value above is a mistake of unit."""

_YEAR_NS = 365 * DAY_NS
_MICRO = 1_000_000

Pair = tuple[str, str]
"""A scope and a basis."""


@dataclass(frozen=True, order=True)
class Factor:
    """What a kilowatt-hour used in a zone emits, in gCO2e, over ``[start, end)`` (UTC nanoseconds, on half-hours).

    ``release`` is the edition in which it was found, ``factor_set`` the id of the set that brought it, ``retrieved_on`` an ISO
    day, empty where the source is read in place.
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
        """Whether it holds for a year or more, hence stands for a year rather than for a moment."""
        return self.end_utc_ns - self.start_utc_ns >= _YEAR_NS


@dataclass(frozen=True, order=True)
class FactorUse:
    """Factors of one zone, year and source, as applied: what a figure rests on, and one error that all of it shares.

    ``age_years`` is 0 within the validity, else how many years later the energy was used; ``filled`` the rule by which a gap
    was filled, else empty.
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
    varies: bool  # within the year


def micrograms(value_g_per_kwh: float) -> int:
    """A factor in integer millionths of a gram per kWh, so that sums over half-hours are exact in any order."""
    return round(value_g_per_kwh * _MICRO)


def pair_text(pair: Pair) -> str:
    """``lifecycle, production``."""
    return ", ".join(pair)


class FactorSet:
    """Factors of one set. Its scopes and bases never mix: what is applied has one of each (``choose``).

    Args:
        factors: Any number of zones and periods; at one instant a zone has one factor of a scope and basis.
        id: Name of the set.
        version: Which edition: equal versions are equal factors.
        title: What it is, for people.
        timezone: Civil time of the years and quarters in which gaps are filled.
        fill: The rule for gaps, one of ``FILLS``. None: a gap stays a gap, and CO2e of its energy is not computed.
        others: Scopes and bases by zone that were left out by ``choose``.
        frozen: The year whose factors apply at any time (``of_year``).

    Raises:
        ValueError: two factors of one zone, scope and basis at one instant, or bounds that are not on half-hours.
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
        frozen: int | None = None,
    ) -> None:
        self.id, self.version, self.title, self.timezone, self.fill = id, version, title, timezone, fill
        self._frozen = frozen
        self.factors = tuple(sorted(factors))
        self._others = dict(others or {})
        self._series: dict[Pair, dict[str, list[Factor]]] = {}
        for factor in self.factors:
            if factor.start_utc_ns % HALF_HOUR_NS or factor.end_utc_ns % HALF_HOUR_NS:
                raise ValueError(f"a factor of zone {factor.zone!r} does not begin and end on a UTC half-hour")
            series = self._series.setdefault(factor.pair, {}).setdefault(factor.zone, [])
            if series and factor.start_utc_ns < series[-1].end_utc_ns:
                raise ValueError(f"two factors for zone {factor.zone!r} in {factor.year}: a set holds one at a time")
            series.append(factor)
        self._starts = {
            pair: {zone: [factor.start_utc_ns for factor in series] for zone, series in zones.items()}
            for pair, zones in self._series.items()
        }
        self._yearly = {
            zone: all(factor.is_yearly for factor in series) for zones in self._series.values() for zone, series in zones.items()
        }
        self._means: dict[tuple[str, int, int], float | None] = {}

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """The scopes and bases that it holds, sorted."""
        return tuple(sorted(self._series))

    def zones(self) -> tuple[str, ...]:
        """The zones that it covers, sorted."""
        return tuple(sorted({factor.zone for factor in self.factors}))

    def choose(self, scope: str | None = None, basis: str | None = None, *, fill: str | None = None) -> FactorSet:
        """The part of one scope and one basis, with a rule for gaps.

        Args:
            scope: One of ``SCOPES``; None where the set leaves no choice.
            basis: One of ``BASES``; None where the set leaves no choice.
            fill: One of ``FILLS``, or None.

        Raises:
            FactorError: the set does not hold them, or holds several.
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
        return self._part(kept, fill, others, None)

    def _part(
        self, factors: Iterable[Factor], fill: str | None, others: Mapping[str, tuple[Pair, ...]], frozen: int | None
    ) -> FactorSet:
        """Some of its factors, under its name."""
        return FactorSet(
            factors,
            id=self.id,
            version=self.version,
            title=self.title,
            timezone=self.timezone,
            fill=fill,
            others=others,
            frozen=frozen,
        )

    def of_year(self, year: int) -> FactorSet:
        """The set as it stood in a civil year, whatever the time of the energy: for CO2e at constant factor.

        A zone whose factors vary has their mean over that year.
        """
        return self._part(self.factors, self.fill, self._others, year)

    def check(self, zone: str) -> None:
        """Refuse a zone that is not covered at any time.

        Raises:
            FactorError: the message names the zone and the remedy.
        """
        pair = self._pair()
        if zone in self._series.get(pair, {}):
            return
        if zone in self._others:
            held = "; ".join(map(pair_text, self._others[zone]))
            raise FactorError(
                f"factor set '{self.id}' has zone '{zone}' as {held} only, and {pair_text(pair)} is in use: they are not mixed; "
                f"use another with 'ecoia factors use', for every zone"
            )
        raise FactorError(
            f"no emission factor covers zone '{zone}': check the code (ISO 3166 alpha-3, e.g. FRA); "
            f"factor set '{self.id}' has {len(self.zones())}, which 'ecoia factors show {self.id}' lists"
        )

    def at(self, zone: str, half_hour_utc_ns: int) -> tuple[FactorUse, int] | None:
        """What applies to the energy of a half-hour, and its value in micrograms per kWh.

        A zone known by the year only takes its latest factor before (``FactorUse.age_years`` then says so), never a later
        one. In a series that varies, what no factor covers is a gap: filled by the rule of the set, else None.

        Raises:
            FactorError: the zone is not covered, or known by the year only and not yet at that time.
        """
        self.check(zone)
        series = self._series[self._pair()][zone]
        if self._frozen is not None:
            start, end = self._quarters(Quarter(self._frozen, 1), Quarter(self._frozen + 1, 1))
            if not self._yearly[zone]:
                value = self.mean(zone, start, end)
                return None if value is None else (self._use(series[0], self._frozen, 0, ""), micrograms(value))
            half_hour_utc_ns = start
        place = bisect_right(self._starts[self._pair()][zone], half_hour_utc_ns) - 1
        before = series[place] if place >= 0 else None
        if before is not None and half_hour_utc_ns < before.end_utc_ns:
            year = before.year if before.is_yearly else self._day(half_hour_utc_ns).year
            return self._use(before, year, 0, ""), micrograms(before.value_g_per_kwh)
        if self._yearly[zone]:
            if before is None:
                raise FactorError(
                    f"no emission factor covers zone '{zone}' in {self._day(half_hour_utc_ns).year}: the earliest known is of "
                    f"{series[0].year}; energy is kept, CO2e of that time is not computed"
                )
            age = max(self._day(half_hour_utc_ns).year - before.year, 1)
            return self._use(before, before.year, age, ""), micrograms(before.value_g_per_kwh)
        return self._filled(zone, series, before, half_hour_utc_ns)

    def mean(self, zone: str, start_utc_ns: int, end_utc_ns: int) -> float | None:
        """The mean over time of what is known of a zone between two instants; None of nothing."""
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
        """Where the series of a zone has no factor between its first and its last: half-open, UTC nanoseconds."""
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
        """The quarter or the year of a day, as the rule has it."""
        if self.fill == "mean":
            first = Quarter.of_date(day)
            return self._quarters(first, first.shift(1))
        return self._quarters(Quarter(day.year, 1), Quarter(day.year + 1, 1))

    def _quarters(self, first: Quarter, last: Quarter) -> tuple[int, int]:
        """The beginnings of two quarters."""
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
