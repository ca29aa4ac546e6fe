"""Factors of one reference year at any time: what CO2e at constant factor is computed with.

Energy of a half-hour takes the factor of the matching half-hour of the reference year: same time of day and same weekday, on the
day nearest to the same date. A service that runs at noon is thus weighed by noons, one that runs on working days by working days.
"""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date, datetime, timedelta, tzinfo

from ecoia.errors import FactorError
from ecoia.factors.model import Factor, FactorSet, FactorUse, micrograms
from ecoia.periods import DAY_NS, HALF_HOUR_NS, Quarter, utc_datetime, utc_ns

COARSER = ("hours-of-quarter", "hours-of-year", "year")
"""Means that stand in where the matching half-hour has no factor: of the known factors of the reference year at the same time of
day, in the same quarter; of the same, in the whole year; of all known factors of the year. The first that exists applies."""

_LEAST_KNOWN_NS = DAY_NS
"""A year counts as known from a day of factors on: a year in UTC ends an hour or more into the next one in civil time."""


def matching_half_hour(half_hour_utc_ns: int, year: int, timezone: tzinfo) -> int:
    """Find the half-hour of a year that matches another: same civil time and weekday, on the day nearest to the same date.

    29 February is matched as 28 February. A day beyond an end of the year is moved by a week, into the year. A civil time that
    the clock skips in spring is read an hour later; one that it repeats in autumn is read as the same of the two.

    Args:
        half_hour_utc_ns: First instant of the half-hour, UTC nanoseconds.
        year: The civil year.
        timezone: Civil time.

    Returns:
        First instant of the matching half-hour; the half-hour itself where it lies in that year.

    Example:
        >>> from datetime import UTC
        >>> tuesday = utc_ns(datetime(2026, 7, 14, 10, 30, tzinfo=UTC))
        >>> utc_datetime(matching_half_hour(tuesday, 2025, UTC)).strftime("%A %d %B, %H:%M")
        'Tuesday 15 July, 10:30'
    """
    local = utc_datetime(half_hour_utc_ns).astimezone(timezone)
    if local.year == year:
        return half_hour_utc_ns
    day = date(year, local.month, 28 if (local.month, local.day) == (2, 29) else local.day)
    day += timedelta(days=(local.weekday() - day.weekday() + 3) % 7 - 3)
    if day.year != year:
        day += timedelta(days=7 if day.year < year else -7)
    return utc_ns(datetime.combine(day, local.time(), timezone).replace(fold=local.fold))


class FactorsOfYear(FactorSet):
    """The factors of one civil year, at any time.

    A zone without factors in that year has those of the latest year before it, else of the earliest after it; the age of a use
    (``FactorUse.age_years``) then is the distance of the two years. Where the matching half-hour has no factor, and no rule of
    the set fills it, a coarser mean stands in, named by ``FactorUse.filled`` (one of ``COARSER``).

    Args:
        source: Factors of one scope and basis.
        year: The civil year.

    Example:
        >>> from ecoia.factors import default_factors
        >>> FactorsOfYear(default_factors(), 2024).at("FRA", 0)[0].year
        2024
    """

    def __init__(self, source: FactorSet, year: int) -> None:
        super().__init__(
            source.factors,
            id=source.id,
            version=source.version,
            title=source.title,
            timezone=source.timezone,
            fill=source.fill,
            others=source.others,
        )
        self.year = year
        self._years: dict[str, int] = {}
        self._by_time: dict[tuple[str, tuple[int, int]], dict[tuple[int, int], float]] = {}

    def at(self, zone: str, half_hour_utc_ns: int) -> tuple[FactorUse, int] | None:
        """Return the factor of the matching half-hour of the reference year; see ``FactorSet.at``."""
        self.check(zone)
        year = self.year_of(zone)
        matched = matching_half_hour(half_hour_utc_ns, year, self.timezone)
        try:
            found = super().at(zone, matched)
        except FactorError:  # a yearly factor that begins later in that year
            found = None
        found = found or self._coarser(zone, matched, year)
        return None if found is None else (replace(found[0], age_years=abs(self.year - found[0].year)), found[1])

    def year_of(self, zone: str) -> int:
        """Return the year whose factors a zone has: the reference year, the latest before it, or else the earliest after it."""
        if zone not in self._years:
            years = self._known_years(zone)
            self._years[zone] = max((year for year in years if year <= self.year), default=min(years))
        return self._years[zone]

    def _known_years(self, zone: str) -> list[int]:
        """List the civil years with at least a day of factors; the first year of all where none has."""
        series = self._of(zone)
        first, last = self._local(series[0].start_utc_ns).year, self._local(series[-1].end_utc_ns - 1).year
        known = {}
        for year in range(first, last + 1):
            bounds = self._bounds(year)
            known[year] = sum(max(_overlap(factor, *bounds), 0) for factor in series)
        return [year for year, held in known.items() if held >= _LEAST_KNOWN_NS] or [first]

    def _coarser(self, zone: str, half_hour_utc_ns: int, year: int) -> tuple[FactorUse, int] | None:
        """Return the first mean of ``COARSER`` that exists for a half-hour of a year."""
        quarter = Quarter.of_date(self._local(half_hour_utc_ns).date())
        of_quarter, of_year = self._quarters(quarter, quarter.shift(1)), self._bounds(year)
        time = self._time_of_day(half_hour_utc_ns)
        means = (
            self._means_by_time(zone, of_quarter).get(time),
            self._means_by_time(zone, of_year).get(time),
            self.mean(zone, *of_year),
        )
        factor = next(each for each in self._of(zone) if _overlap(each, *of_year) > 0)
        return next(
            (
                (self._use(factor, year, 0, rule), micrograms(value))
                for rule, value in zip(COARSER, means, strict=True)
                if value is not None
            ),
            None,
        )

    def _means_by_time(self, zone: str, period: tuple[int, int]) -> dict[tuple[int, int], float]:
        """Average the known factors of a period by half-hour of the civil day (hour and minute), in gCO2e per kWh."""
        if (zone, period) not in self._by_time:
            found: dict[tuple[int, int], list[float]] = {}
            for factor in self._of(zone):
                start, end = max(period[0], factor.start_utc_ns), min(period[1], factor.end_utc_ns)
                for half_hour in range(start, end, HALF_HOUR_NS):
                    found.setdefault(self._time_of_day(half_hour), []).append(factor.value_g_per_kwh)
            self._by_time[zone, period] = {time: math.fsum(values) / len(values) for time, values in found.items()}
        return self._by_time[zone, period]

    def _of(self, zone: str) -> list[Factor]:
        return self._series[self._pair()][zone]

    def _time_of_day(self, instant_ns: int) -> tuple[int, int]:
        local = self._local(instant_ns)
        return local.hour, local.minute

    def _bounds(self, year: int) -> tuple[int, int]:
        return self._quarters(Quarter(year, 1), Quarter(year + 1, 1))

    def _local(self, instant_ns: int) -> datetime:
        return utc_datetime(instant_ns).astimezone(self.timezone)


def _overlap(factor: Factor, start_utc_ns: int, end_utc_ns: int) -> int:
    """Return how many nanoseconds of a period a factor holds; negative where it lies outside."""
    return min(end_utc_ns, factor.end_utc_ns) - max(start_utc_ns, factor.start_utc_ns)
