"""Holds what a host's journal says against a series of its power at the wall, hour by hour (``ecoia crosscheck``).

Each window of a process states which part of the meters' energy it claimed, so it tells what the meters gave in all: the claims
and what nobody claimed. Over an hour, that is what the wall must have given at least. A wall that gave less means that something
is counted twice; a wall that gave much more, that something is not metered. Graphics cards add what is claimed of them: a card
that no recorded process holds is not known.
"""

from __future__ import annotations

import itertools
import math
import statistics
from bisect import bisect_right
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ecoia.evaluating.wall_power import WallPower
from ecoia.methods import AT_WALL, error_class
from ecoia.records import Record, in_force
from ecoia.semconv import COMPONENTS, DECLARED, KIND_LINK, KIND_OUTCOME, KIND_SPAN

HOUR_SECONDS = 3600
LEAST_COVERED = 0.9
"""Part of an hour that both the series and some process's windows must know."""

TOO_LOW, TOO_HIGH = 0.9, 2.5
LOW_HOURS = 3
"""So many hours in a row below ``TOO_LOW`` are an error: the reading of one hour may be off."""

LEAST_HOURS = 24
"""Hours that a proposed wall factor rests on at least."""

_JOULES_PER_KWH = 3.6e6

_LEAST_SHARE = 0.001
"""A smaller part says nothing of the whole: it is recorded with six digits."""

NO_SERIES, NO_RECORDS, NO_METER = "series", "records", "meter"
"""Why an hour cannot be compared: the series has a gap or zeros; no process measured throughout; no window states its part."""


class Hour(NamedTuple):
    """One hour of a host.

    Attributes:
        start_s: Its start, in epoch seconds.
        wall_kwh: At the wall, by the series.
        claimed_kwh: Claimed by processes.
        metered_kwh: Given by the meters: the claims and what nobody claimed.
        missing: Why it cannot be compared, ``NO_SERIES``, ``NO_RECORDS`` or ``NO_METER``; then the others are 0.
    """

    start_s: int
    wall_kwh: float = 0.0
    claimed_kwh: float = 0.0
    metered_kwh: float = 0.0
    missing: str | None = None

    @property
    def ratio(self) -> float | None:
        """The wall over the greater of meters and claims; None where nothing was metered, or the hour is missing."""
        below = max(self.claimed_kwh, self.metered_kwh)
        return self.wall_kwh / below if self.missing is None and below > 0 else None


class Proposal(NamedTuple):
    """A wall factor that the hours suggest: the geometric mean of their ratios, and its geometric standard deviation."""

    wall_factor: float
    gsd: float
    components: tuple[str, ...]
    hours: int


class Crosscheck(NamedTuple):
    """The hours of a host, and what they say."""

    hours: tuple[Hour, ...]
    components: tuple[str, ...]
    at_wall: bool

    @property
    def compared(self) -> list[float]:
        """The ratios of all hours that could be compared."""
        return [each.ratio for each in self.hours if each.ratio is not None]

    @property
    def is_error(self) -> bool:
        """Whether the wall gave less than what is recorded, for three hours in a row."""
        run = 0
        for each in self.hours:
            run = run + 1 if each.ratio is not None and each.ratio < TOO_LOW else 0
            if run >= LOW_HOURS:
                return True
        return False

    @property
    def mean(self) -> tuple[float, float] | None:
        """The geometric mean of the ratios and their geometric standard deviation; None without two hours."""
        logs = [math.log(each) for each in self.compared if each > 0]
        return (math.exp(statistics.fmean(logs)), math.exp(statistics.stdev(logs))) if len(logs) > 1 else None

    @property
    def proposal(self) -> Proposal | None:
        """The wall factor to consider. None: too few hours, an error, or some energy is at the wall already."""
        mean = self.mean
        if mean is None or len(self.compared) < LEAST_HOURS or self.is_error or self.at_wall or not 0.8 <= mean[0] <= 5:
            return None
        return Proposal(mean[0], mean[1], self.components, len(self.compared))


class _Window:
    """The time between two writes of a process, with what is recorded of it in joules."""

    def __init__(self, start: float, end: float) -> None:
        self.start, self.end = start, end
        self.claimed = 0.0
        self.of_meters = 0.0
        self.gpu = 0.0
        self.knows_part = True

    @property
    def watts(self) -> float:
        """What the meters gave."""
        return (self.of_meters + self.gpu) / (self.end - self.start)


def crosscheck(records: Iterable[Record], power: WallPower, start_s: int, end_s: int) -> Crosscheck:
    """Compare a host's records with its power at the wall.

    Args:
        records: Records of one host, in any order; those of other days do no harm.
        power: The series of its power.
        start_s: First instant, in epoch seconds, on a full hour.
        end_s: Last instant.
    """
    kept = [
        each
        for each in in_force(records)
        if each.kind not in (KIND_LINK, KIND_OUTCOME)
        and not each.simulated
        and each.declared_source is None
        and start_s * 10**9 < each.end_utc_ns
        and each.start_utc_ns < end_s * 10**9
    ]
    within = _by_hour(_windows(kept), start_s)
    begin_s = power.begin_ns / 1e9
    hours = [_hour(start, within.get(start, []), power, begin_s) for start in range(start_s, end_s, HOUR_SECONDS)]
    classes = {
        component: {error_class(*each.method[component]) for each in kept if each.energy_microjoules[component]}
        for component in COMPONENTS
    }
    found = tuple(component for component, of in classes.items() if of)
    return Crosscheck(tuple(hours), found, any(of & AT_WALL for of in classes.values()))


def _windows(records: Sequence[Record]) -> list[_Window]:
    """Return the windows of each process. A span's record may be shorter than its window, so the other kinds give the bounds."""
    by_process: dict[tuple[str, int], list[Record]] = defaultdict(list)
    for each in records:
        if each.end_utc_ns > each.start_utc_ns and DECLARED not in {method.status for method in each.method.values()}:
            by_process[(each.instance, each.pid)].append(each)
    windows: list[_Window] = []
    for own in by_process.values():
        bounds = {(each.start_utc_ns, each.end_utc_ns) for each in own if each.kind != KIND_SPAN}
        bounds = bounds or {(each.start_utc_ns, each.end_utc_ns) for each in own}
        placed = {start: _Window(start / 1e9, end / 1e9) for start, end in sorted(bounds)}
        starts = list(placed)
        for each in own:
            _add(placed[starts[max(bisect_right(starts, each.start_utc_ns) - 1, 0)]], each)
        windows += placed.values()
    return sorted(windows, key=lambda window: window.start)


def _add(window: _Window, record: Record) -> None:
    joules = {component: (microjoules or 0) / 1e6 for component, microjoules in record.energy_microjoules.items()}
    shared = joules["cpu"] + joules["ram"]
    window.claimed += shared + joules["gpu"]
    window.gpu += joules["gpu"]
    share = record.share_claimed
    if shared and (share is None or share < _LEAST_SHARE):
        window.knows_part = False
    elif shared and share is not None:
        window.of_meters += shared / share


def _by_hour(windows: Iterable[_Window], start_s: int) -> dict[int, list[_Window]]:
    """Return the windows of each hour, by its start, in order of time; a window that crosses a full hour is in both."""
    found: dict[int, list[_Window]] = defaultdict(list)
    for each in windows:
        first = start_s + int((each.start - start_s) // HOUR_SECONDS) * HOUR_SECONDS
        for hour in range(first, math.ceil(each.end), HOUR_SECONDS):
            found[hour].append(each)
    return found


def _hour(start: int, within: Sequence[_Window], power: WallPower, begin_s: float) -> Hour:
    """Compare one hour, over the time in which some process measured. Several at once each tell the whole: take their mean."""
    end = start + HOUR_SECONDS
    cuts = sorted({start, end, *(min(max(at, start), end) for each in within for at in (each.start, each.end))})
    coming, here = deque(within), list[_Window]()
    covered = wall = unknown = metered = claimed = 0.0
    told = False
    for left, right in itertools.pairwise(cuts):
        here = [each for each in here if each.end > left]
        while coming and coming[0].start <= left:
            here.append(coming.popleft())
        if not here:
            continue
        seconds = right - left
        covered += seconds
        joules, lacking = power.energy(left - begin_s, right - begin_s)
        wall, unknown = wall + joules, unknown + lacking
        claimed += sum(each.claimed / (each.end - each.start) for each in here) * seconds
        telling = [each.watts for each in here if each.knows_part and each.of_meters]
        told = told or bool(telling)
        metered += (statistics.fmean(telling) if telling else 0.0) * seconds
    if covered < LEAST_COVERED * HOUR_SECONDS:
        return Hour(start, missing=NO_RECORDS)
    if unknown > (1 - LEAST_COVERED) * covered:
        return Hour(start, missing=NO_SERIES)
    if not told:
        return Hour(start, missing=NO_METER)
    known = covered / (covered - unknown)  # what the series does not know is taken as the rest of the hour
    return Hour(start, wall * known / _JOULES_PER_KWH, claimed / _JOULES_PER_KWH, metered / _JOULES_PER_KWH)
