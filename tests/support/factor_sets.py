"""Emission factors of made-up sets."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo

from ecoia.factors import Factor, FactorSet
from ecoia.periods import HALF_HOUR_NS, utc_ns
from support.records import instant


def factor(zone: str, year: int, value: float = 50.0, *, timezone: tzinfo = UTC, **fields: str) -> Factor:
    """Build a factor that holds for a year."""
    start, end = (utc_ns(datetime(year + n, 1, 1, tzinfo=timezone)) for n in (0, 1))
    return a_factor(zone, start, end, value, **fields)


def half_hourly(zone: str, start: str, values: list[float | None], **fields: str) -> list[Factor]:
    """Build the factors of the half-hours from ``start`` on; None leaves one out."""
    first = instant(start)
    return [
        a_factor(zone, first + n * HALF_HOUR_NS, first + (n + 1) * HALF_HOUR_NS, value, **fields)
        for n, value in enumerate(values)
        if value is not None
    ]


def a_factor(zone: str, start_ns: int, end_ns: int, value: float, **fields: str) -> Factor:
    """Build a factor of a made-up set."""
    said = {"scope": "lifecycle", "basis": "production", "source": "test", "licence": "CC0-1.0", "release": "1"}
    return Factor(zone, start_ns, end_ns, value, **{**said, "factor_set": "test-1", **fields})


def value_at(factors: FactorSet, zone: str, moment: str) -> float | None:
    """Return the factor that applies, in g/kWh."""
    found = factors.at(zone, instant(moment))
    return None if found is None else found[1] / 1e6
