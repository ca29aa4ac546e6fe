"""The data of the page on load and grid."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from ecoia.exploring import HourCell, Selected, Selection
from ecoia.semconv import DECLARED, DEVELOPMENT_PHASES, ESTIMATED, MEASURED
from ecoia_dashboards.dashboard.page import Reading

FILTERS = ("service", "phase", "site", "instance", "method")
"""Filters that the page obeys."""
MOST_DAYS = 21
"""Days up to which each has a line of its own; of longer periods, weekdays have."""
MOST_HOURS = 12
"""Hours by which work is moved, later or earlier."""


@dataclass(frozen=True)
class HourSum:
    """An hour of a day, or of a weekday added up over the period.

    Attributes:
        row: The day in ISO 8601, or the number of the weekday: 0 is Monday.
        hour: Hour of the day.
        microjoules: Exact energy of components.
        micrograms: CO2e of its use. None: some of it has no factor.
        grid_g_per_kwh: Emission factor, the mean of its days. None: not known.
    """

    row: str
    hour: int
    microjoules: int
    micrograms: int | None
    grid_g_per_kwh: float | None


@dataclass(frozen=True)
class Shift:
    """What the same work would have emitted some hours later (earlier, below 0)."""

    hours: int
    micrograms: int


@dataclass(frozen=True)
class Shifts:
    """What the work would have emitted at other hours.

    Attributes:
        shifts: From the earliest to the latest; empty where no factor varies within the day.
        microjoules: Energy that is moved: its factor is known at all of these hours.
        flat_zones: Zones whose factor does not vary within the day.
    """

    shifts: tuple[Shift, ...]
    microjoules: int
    flat_zones: tuple[str, ...]

    @property
    def now(self) -> int:
        """CO2e of the work at its own hours, in micrograms."""
        return next((each.micrograms for each in self.shifts if each.hours == 0), 0)

    @property
    def best(self) -> Shift | None:
        """The shift that would have emitted least, the shortest of equals; None where none would have emitted less than now."""
        least = min(self.shifts, key=lambda each: (each.micrograms, abs(each.hours), -each.hours), default=None)
        return least if least is not None and least.micrograms < self.now else None


@dataclass(frozen=True)
class Load:
    """The data of the page.

    Attributes:
        whole: Figures of the selection.
        timed_microjoules: Energy whose hours are known.
        declared_microjoules: Energy that was declared: its hours are not known.
        by: ``day`` or ``weekday``: what the rows of ``cells`` are.
        cells: The hours with energy or a known factor, in order.
        used_g_per_kwh: Emission factor, the mean over the energy. None: not known of all of it.
        mean_g_per_kwh: Its plain mean over the hours of the period.
        shifts: What all of it would have emitted at other hours.
        movable: The same of each phase that can wait, moved on its own: of making a model. Inference answers when it is asked.
    """

    whole: Selected
    timed_microjoules: int
    declared_microjoules: int
    by: str
    cells: tuple[HourSum, ...]
    used_g_per_kwh: float | None
    mean_g_per_kwh: float | None
    shifts: Shifts
    movable: Mapping[str, Shifts] = field(default_factory=dict)


def read(reading: Reading) -> Load:
    """Read the page's data."""
    selection = replace(reading.selection, region=None)
    whole = reading.explorer.selected(selection)
    timed = _timed(selection)
    hours = [] if timed is None else reading.explorer.hours(timed)
    days = (selection.until_day - selection.first_day).days
    by = "day" if days <= MOST_DAYS else "weekday"
    known = [cell for cell in hours if cell.microjoules and cell.grid_g_per_kwh is not None]
    energy = sum(cell.microjoules for cell in hours)
    covered = sum(cell.microjoules for cell in known)
    factors = [cell.grid_g_per_kwh for cell in hours if cell.grid_g_per_kwh is not None]
    return Load(
        whole=whole,
        timed_microjoules=energy,
        declared_microjoules=whole.by_status_microjoules.get(DECLARED, 0) if DECLARED not in (timed or selection).statuses else 0,
        by=by,
        cells=tuple(_sums(hours, by)),
        used_g_per_kwh=_mean_over_energy(known) if energy and covered == energy else None,
        mean_g_per_kwh=math.fsum(factors) / len(factors) if factors else None,
        shifts=Shifts((), 0, ()) if timed is None or not energy else _shifts(reading, timed),
        movable={} if timed is None or not energy else _movable(reading, timed),
    )


def _movable(reading: Reading, timed: Selection) -> dict[str, Shifts]:
    """Move each phase that can wait on its own, those with the most energy first."""
    energies = reading.explorer.energies(timed, "phase")
    phases = [
        phase for phase in sorted(energies, key=lambda each: -energies[each]) if phase in DEVELOPMENT_PHASES and energies[phase]
    ]
    found = {phase: _shifts(reading, replace(timed, phases=(phase,))) for phase in phases}
    return {phase: shifts for phase, shifts in found.items() if shifts.shifts}


def _timed(selection: Selection) -> Selection | None:
    """Leave out what was declared, as a form does not say at what hours; None where nothing else is selected."""
    statuses = tuple(each for each in selection.statuses or (MEASURED, ESTIMATED) if each != DECLARED)
    return replace(selection, statuses=statuses) if statuses else None


def _mean_over_energy(cells: Iterable[HourCell]) -> float | None:
    known = [(cell.microjoules, cell.grid_g_per_kwh) for cell in cells if cell.grid_g_per_kwh is not None]
    whole = sum(energy for energy, _ in known)
    return math.fsum(energy / whole * factor for energy, factor in known) if whole else None


def _sums(hours: Iterable[HourCell], by: str) -> Iterable[HourSum]:
    """Add up hours by day or weekday."""
    groups: dict[tuple[str, int], list[HourCell]] = {}
    for cell in hours:
        row = cell.day.isoformat() if by == "day" else str(cell.day.weekday())
        groups.setdefault((row, cell.hour), []).append(cell)
    for (row, hour), cells in sorted(groups.items()):
        emitted = [cell.micrograms for cell in cells if cell.microjoules]
        factors = [cell.grid_g_per_kwh for cell in cells if cell.grid_g_per_kwh is not None]
        yield HourSum(
            row,
            hour,
            sum(cell.microjoules for cell in cells),
            None if None in emitted else sum(each or 0 for each in emitted),
            math.fsum(factors) / len(factors) if factors else None,
        )


# --- other hours ---


def _shifts(reading: Reading, selection: Selection) -> Shifts:
    """Move the work of each zone within that zone's factors, and add up."""
    steps = range(-MOST_HOURS, MOST_HOURS + 1)
    sums = dict.fromkeys(steps, 0.0)
    moved, flat, varies = 0, [], False
    for zone, instances in _instances_by_zone(reading, selection).items():
        of_zone = replace(selection, instances=instances)
        grid = _grid(reading, of_zone)
        work = [cell for cell in reading.explorer.hours(of_zone) if cell.microjoules and _can_move(cell, grid, steps)]
        if _varies(grid):
            varies = True
        else:
            flat.append(zone)
        moved += sum(cell.microjoules for cell in work)
        for step in steps:
            sums[step] += math.fsum(_emitted(cell, grid, step) for cell in work)
    if not varies or not moved:
        return Shifts((), 0, tuple(flat))
    return Shifts(tuple(Shift(step, round(micrograms)) for step, micrograms in sums.items()), moved, tuple(flat))


def _instances_by_zone(reading: Reading, selection: Selection) -> dict[str, tuple[str, ...]]:
    """Return the instances whose energy is all of one known zone, by zone; all instances where there is one zone only."""
    zones = {zone for zone, energy in reading.explorer.energies(selection, "zone").items() if energy}
    if len(zones) == 1:
        return {zone: selection.instances for zone in zones if zone}
    found: dict[str, list[str]] = {}
    for name in reading.explorer.energies(selection, "instance"):
        own = reading.explorer.energies(replace(selection, instances=(name,)), "zone")
        held = [zone for zone, energy in own.items() if energy]
        if len(held) == 1 and held[0]:
            found.setdefault(held[0], []).append(name)
    return {zone: tuple(names) for zone, names in sorted(found.items())}


def _grid(reading: Reading, selection: Selection) -> Mapping[datetime, float]:
    """Return the factor of each hour of the selection and of the days beside it."""
    wide = replace(
        selection, first_day=selection.first_day - timedelta(days=1), until_day=selection.until_day + timedelta(days=1)
    )
    cells = reading.explorer.hours(wide)
    return {_at(cell.day, cell.hour): cell.grid_g_per_kwh for cell in cells if cell.grid_g_per_kwh is not None}


def _at(day: date, hour: int) -> datetime:
    return datetime(day.year, day.month, day.day, hour)


def _can_move(cell: HourCell, grid: Mapping[datetime, float], steps: Iterable[int]) -> bool:
    """Return whether the factors of an hour of work are known wherever it is moved."""
    start = _at(cell.day, cell.hour)
    known = all(start + timedelta(hours=step) in grid for step in steps)
    return known and cell.micrograms is not None and grid[start] > 0


def _emitted(cell: HourCell, grid: Mapping[datetime, float], step: int) -> float:
    """Return what an hour of work would have emitted some hours later: the same energy at that hour's factor."""
    start = _at(cell.day, cell.hour)
    return (cell.micrograms or 0) * grid[start + timedelta(hours=step)] / grid[start]


def _varies(grid: Mapping[datetime, float]) -> bool:
    """Return whether a factor is not the same all day, on any day."""
    by_day: dict[date, set[float]] = {}
    for when, factor in grid.items():
        by_day.setdefault(when.date(), set()).add(factor)
    return any(len(factors) > 1 for factors in by_day.values())
