"""Instants as integers: half-hours and UTC days. All instants are integer UTC nanoseconds since 1970.

Half-hours are the grain of the ledger. They align with grid data and with every midnight of the time zones
in use, and therefore with quarters (``ecoia.periods``). Loads no ``datetime``, as measured processes load this module.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from ecoia.units import NANOSECONDS_PER_SECOND

HALF_HOUR_NS = 1800 * NANOSECONDS_PER_SECOND
DAY_NS = 48 * HALF_HOUR_NS


def half_hour_start(instant_ns: int) -> int:
    """Return the start of the UTC half-hour that holds an instant, both in nanoseconds.

    Example:
        >>> half_hour_start(HALF_HOUR_NS + 1) == HALF_HOUR_NS
        True
    """
    return instant_ns - instant_ns % HALF_HOUR_NS


def utc_day(instant_ns: int) -> str:
    """Return the UTC day of an instant in nanoseconds.

    Example:
        >>> utc_day(1_795_435_200_000_000_000)
        '2026-11-23'
    """
    year, month, day, *_ = time.gmtime(instant_ns // NANOSECONDS_PER_SECOND)
    return f"{year:04d}-{month:02d}-{day:02d}"


def half_hours(start_ns: int, end_ns: int) -> Iterator[tuple[int, int]]:
    """Yield the pieces into which the half-hour grid cuts ``[start, end)``, in order; one piece for an empty interval.

    Args:
        start_ns: Start in nanoseconds.
        end_ns: End in nanoseconds, not before the start.

    Example:
        >>> len(list(half_hours(0, 2 * HALF_HOUR_NS + 1)))
        3
    """
    while True:
        boundary = min(half_hour_start(start_ns) + HALF_HOUR_NS, end_ns)
        yield start_ns, max(boundary, start_ns)
        if boundary >= end_ns:
            return
        start_ns = boundary


def covered_ns(intervals: Iterable[tuple[int, int]]) -> int:
    """Return the nanoseconds that intervals cover together, each instant counted once.

    Args:
        intervals: (start, end) of each, in nanoseconds of 0 or more, in any order.

    Example:
        >>> covered_ns([(0, 2), (1, 3)])
        3
    """
    covered, until = 0, 0
    for start, end in sorted(intervals):
        covered += max(end - max(start, until), 0)
        until = max(until, end)
    return covered


def covered_seconds(intervals: Iterable[tuple[int, int]]) -> float:
    """Return the seconds that intervals cover together; see ``covered_ns``.

    Example:
        >>> covered_seconds([(0, 2 * 10**9), (10**9, 3 * 10**9)])
        3.0
    """
    return covered_ns(intervals) / NANOSECONDS_PER_SECOND
