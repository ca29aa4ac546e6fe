"""Answers of the rules as small tables, which an engine joins rows with: slots of time, places, moments.

A *slot* is a quarter, or a part of it where equipment comes or goes. A *place* is a zone and a group of instances that are
alike.
A *moment* is what half-hours of a place have in common: which factor's use, site figures, contracts and calibrations hold.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import pyarrow as pa

from ecoia.engines.engine import Engine
from ecoia.engines.plan import LIMB, Frame
from ecoia.errors import UsageError
from ecoia.impact.conditions import Conditions, ConditionsLookup
from ecoia.periods import Quarter, utc_datetime


@dataclass(frozen=True)
class Slots:
    """Slots of time.

    Attributes:
        frame: ``half_hour_utc_ns``, ``slot``, ``day`` and ``quarter``, for the engine. The number of a slot or a civil day is its
            first half-hour with a row.
        quarters: The quarters, in the order of their numbers.
        quarter_of: The quarter of each half-hour.
    """

    frame: Frame
    quarters: Sequence[Quarter]
    quarter_of: dict[int, Quarter]


def slots_of(engine: Engine, half_hours: Iterable[int], timezone: ZoneInfo, boundaries_ns: Sequence[int]) -> Slots:
    """Put half-hours into slots.

    Args:
        engine: The engine that joins them.
        half_hours: The half-hours that have a row.
        timezone: The time zone of days and quarters.
        boundaries_ns: Instants that a quarter is split at, sorted.
    """
    ordered = sorted(half_hours)
    first: dict[object, int] = {}
    slots, days, quarter_of = list[int](), list[int](), dict[int, Quarter]()
    for half_hour in ordered:
        quarter = quarter_of[half_hour] = Quarter.of_instant(half_hour, timezone)
        slots.append(first.setdefault((quarter, bisect_right(boundaries_ns, half_hour)), half_hour))
        days.append(first.setdefault(utc_datetime(half_hour).astimezone(timezone).date(), half_hour))
    quarters = sorted({*quarter_of.values()})
    numbers = {quarter: number for number, quarter in enumerate(quarters)}
    columns = {
        "half_hour_utc_ns": ordered,
        "slot": slots,
        "day": days,
        "quarter": [numbers[quarter_of[half_hour]] for half_hour in ordered],
    }
    return Slots(engine.table({name: pa.array(values, pa.int64()) for name, values in columns.items()}), quarters, quarter_of)


@dataclass(frozen=True)
class Places:
    """The places of some instances.

    Attributes:
        numbers: The number of the place of each instance and recorded zone (empty: none was recorded).
        zones: The zone of each place.
        examples: An instance of each place; what holds of it holds of all.
    """

    numbers: dict[tuple[str, str], int]
    zones: Sequence[str]
    examples: Sequence[str]

    @property
    def key(self) -> tuple[tuple[tuple[str, str], int], ...]:
        """The same for equal places, whatever the factors are."""
        return tuple(self.numbers.items())

    def frame(self, engine: Engine) -> Frame:
        """Return ``instance``, ``where`` and ``place`` for the engine."""
        return engine.table(
            {
                "instance": pa.array([instance for instance, _ in self.numbers], pa.string()),
                "where": pa.array([where for _, where in self.numbers], pa.string()),
                "place": pa.array(self.numbers.values(), pa.int64()),
            }
        )


def places_of(recorded: Collection[tuple[str, str]], lookup: ConditionsLookup) -> Places:
    """Find the places of instances with their recorded zone (empty: none)."""
    numbers, place_numbers, examples, zones = {}, dict[object, int](), list[str](), list[str]()
    for instance, where in sorted(recorded):
        zone = lookup.zone_of(where or None, instance)
        place = zone, lookup.group_of(instance)
        if place not in place_numbers:
            place_numbers[place] = len(place_numbers)
            examples.append(instance)
            zones.append(zone)
        numbers[instance, where] = place_numbers[place]
    return Places(numbers, zones, examples)


@dataclass(frozen=True)
class Moments:
    """Moments.

    Attributes:
        frame: ``place``, ``half_hour_utc_ns``, ``moment`` and ``micrograms_per_kwh``, for the engine.
        met: Zone and conditions of each moment.
    """

    frame: Frame
    met: Sequence[tuple[str, Conditions]]


def moments_of(engine: Engine, places: Places, half_hours: Iterable[tuple[int, int]], lookup: ConditionsLookup) -> Moments:
    """Look up the conditions of the half-hours of places.

    Raises:
        UsageError: an emission factor is too large to be summed exactly.
    """
    numbers: dict[tuple[int, Conditions], int] = {}
    at, times, moments, factors = list[int](), list[int](), list[int](), list[int]()
    by_place = [lookup.half_hours(zone, example) for zone, example in zip(places.zones, places.examples, strict=True)]
    for place, half_hour in sorted({*half_hours}):  # each once: two moments of one half-hour would double its energy
        zone, by_half_hour = places.zones[place], by_place[place]
        conditions = by_half_hour[half_hour]
        micrograms = by_half_hour.micrograms_per_kwh[half_hour]
        if not 0 <= micrograms < LIMB:
            raise UsageError(f"emission factor of zone {zone} = {micrograms / 1e6:g} g per kWh: engines sum up to {LIMB / 1e6:g}")
        at.append(place)
        times.append(half_hour)
        moments.append(numbers.setdefault((place, conditions), len(numbers)))
        factors.append(micrograms)
    columns = {"place": at, "half_hour_utc_ns": times, "moment": moments, "micrograms_per_kwh": factors}
    frame = engine.table({name: pa.array(values, pa.int64()) for name, values in columns.items()})
    return Moments(frame, [(places.zones[place], conditions) for place, conditions in numbers])
