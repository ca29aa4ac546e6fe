"""Time: what ``ecoia.light.instants`` says of half-hours and UTC days, civil dates, and the organisation's quarters.

All instants are integer UTC nanoseconds since 1970. Measured processes load ``ecoia.light.instants`` alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from ecoia.errors import UsageError
from ecoia.light.instants import DAY_NS, HALF_HOUR_NS, covered_seconds, half_hour_start, half_hours, utc_day
from ecoia.units import NANOSECONDS_PER_SECOND

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

__all__ = [
    "DAY_NS",
    "HALF_HOUR_NS",
    "Quarter",
    "covered_seconds",
    "half_hour_start",
    "half_hours",
    "utc_datetime",
    "utc_day",
    "utc_ns",
]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_QUARTER = r"(\d{4})Q([1-4])"


def utc_ns(moment: datetime) -> int:
    """Return the nanoseconds since 1970 UTC of an aware datetime, exactly (no float on the way).

    Raises:
        TypeError: ``moment`` has no time zone.

    Example:
        >>> utc_ns(datetime(1970, 1, 2, tzinfo=UTC)) == DAY_NS
        True
    """
    delta = moment - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * NANOSECONDS_PER_SECOND + delta.microseconds * 1000


def utc_datetime(instant_ns: int) -> datetime:
    """Return the aware UTC datetime of an instant in nanoseconds, cut to the microsecond.

    Raises:
        OverflowError: the instant is after the year 9999.

    Example:
        >>> utc_datetime(1_795_435_200_000_000_000).isoformat()
        '2026-11-23T12:00:00+00:00'
    """
    return _EPOCH + timedelta(microseconds=instant_ns // 1000)


@dataclass(frozen=True, order=True)
class Quarter:
    """A quarter of a civil year, half-open, in the time zone that the organisation declares.

    Example:
        >>> str(Quarter.parse("2026q4").shift(1))
        '2027Q1'
    """

    year: int
    number: int

    @classmethod
    def parse(cls, text: str) -> Quarter:
        """Read a quarter written as ``2026Q4``.

        Raises:
            UsageError: ``text`` is not a quarter, or is outside the years 1970 to 2261 that records can be in.
        """
        match = re.fullmatch(_QUARTER, text.strip().upper())
        if match is None or not 1970 <= int(match[1]) <= 2261:  # what int64 nanoseconds hold
            raise UsageError(f"quarter '{text}' is not readable: write the year, Q and 1 to 4, as in 2026Q4")
        return cls(int(match[1]), int(match[2]))

    @classmethod
    def of_date(cls, day: date) -> Quarter:
        """Return the quarter that holds a civil day."""
        return cls(day.year, (day.month - 1) // 3 + 1)

    @classmethod
    def of_instant(cls, instant_ns: int, timezone: ZoneInfo) -> Quarter:
        """Return the quarter that holds an instant in nanoseconds, in a time zone."""
        return cls.of_date(utc_datetime(instant_ns).astimezone(timezone).date())

    def __str__(self) -> str:
        return f"{self.year}Q{self.number}"

    def shift(self, quarters: int) -> Quarter:
        """Return the quarter that is ``quarters`` later, or earlier if negative."""
        year, index = divmod(self.year * 4 + self.number - 1 + quarters, 4)
        return Quarter(year, index + 1)

    def first_day(self) -> date:
        """Return the first civil day of the quarter."""
        return date(self.year, 3 * self.number - 2, 1)

    @property
    def days(self) -> int:
        """How many civil days it has: 90 to 92."""
        return (self.shift(1).first_day() - self.first_day()).days

    def bounds_ns(self, timezone: ZoneInfo) -> tuple[int, int]:
        """Return the first instant of the quarter and the first instant of the next one, in UTC nanoseconds."""
        start, end = self.first_day(), self.shift(1).first_day()
        return tuple(utc_ns(datetime(d.year, d.month, d.day, tzinfo=timezone)) for d in (start, end))  # type: ignore[return-value]
