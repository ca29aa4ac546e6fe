"""Choose what to look at in a quarter: changes that are established, holes, what could be spared, what is late."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice, zip_longest

from ecoia.exploring import Selection
from ecoia.impact.change import successors
from ecoia.report import Quantity, QuarterChange, Saving
from ecoia_dashboards.dashboard.page import Reading

MOST = 6
_MOST_CAUSES = 2
_NO_SIZE = Quantity(None, "1", reason="no-data")


@dataclass(frozen=True)
class Cause:
    """A part of a service whose energy went the way of the service's change, and by how much."""

    phase: str
    change: Quantity


@dataclass(frozen=True)
class Run:
    """A run that ended without a result; its energy and CO2e are None where they are not known here."""

    id: str
    outcome: str | None
    energy: Quantity | None
    co2e: Quantity | None


@dataclass(frozen=True)
class Point:
    """Something to look at.

    Attributes:
        kind: ``change`` (an established one of the energy), ``lost-runs``, ``idle``, ``dominated-runs``, ``other-hours``
            (savings), ``partly`` and ``silent`` (holes), ``late`` (an action), ``co2e`` (it rose, established, and the energy did
            not).
        service: The service; empty: an action of none.
        size: How large it is: a relative change, an energy, a share of days; of an action it is not known.
        co2e: Its CO2e, of a saving; of ``co2e``, its relative change, where ``size`` is that of the energy.
        per_unit: The change of the energy of one use, of a change.
        causes: What made a change, greatest first.
        runs: Runs of a saving.
        action: Id of an action.
    """

    kind: str
    service: str
    size: Quantity = _NO_SIZE
    co2e: Quantity | None = None
    per_unit: Quantity | None = None
    causes: tuple[Cause, ...] = ()
    runs: tuple[Run, ...] = ()
    action: str | None = None


@dataclass(frozen=True)
class Attention:
    """What to look at, and how much more there is."""

    points: tuple[Point, ...]
    left_out: int


def attention(reading: Reading, change: QuarterChange | None) -> Attention:
    """Choose at most ``MOST`` points: the first of each kind, then the second, as long as there is room.

    Args:
        reading: The data at an address.
        change: Why the quarter differs from the one that it is compared with; None: it is compared with nothing.
    """
    savings = list(_savings(reading))
    kinds = (
        list(_changes(reading, change)),
        [each for each in savings if each.kind == "lost-runs"],
        list(_holes(reading)),
        [each for each in savings if each.kind != "lost-runs"],
        [Point("late", action.service or "", action=action.id) for action in reading.report.actions if action.late],
        [] if change is None else list(_co2e_alone(reading)),
    )
    found = [point for point in chain.from_iterable(zip_longest(*kinds)) if point is not None]
    return Attention(tuple(islice(found, MOST)), max(0, len(found) - MOST))


def grown(change: QuarterChange | None) -> list[tuple[str, Quantity]]:
    """List services whose energy rose, or fell, beyond noise: the greatest change first, rises before falls."""
    if change is None:
        return []
    found = [
        (line.explained.service, line.energy)
        for line in change.services
        if line.explained.service is not None and line.energy.direction in ("rise", "fall")
    ]
    return sorted(found, key=lambda each: -(each[1].value or 0.0))


def _changes(reading: Reading, change: QuarterChange | None) -> Iterator[Point]:
    per_unit = {line.explained.service: line.energy_per_unit for line in change.services} if change is not None else {}
    for service, size in grown(change):
        causes = tuple(islice(_causes(reading, service, rise=size.direction == "rise"), _MOST_CAUSES))
        yield Point("change", service, size, per_unit=per_unit.get(service), causes=causes)


def _co2e_alone(reading: Reading) -> Iterator[Point]:
    """Yield services whose CO2e rose beyond noise although their energy did not: hosted models, making, the grid."""
    if reading.before is None:
        return
    found = reading.explorer.changes_by_service(reading.selection, reading.before)
    risen = {
        service: each
        for service, each in found.items()
        if service and each.co2e.direction == "rise" and each.energy.direction != "rise" and not each.days_unequal
    }
    for service in sorted(risen, key=lambda each: -(risen[each].co2e_absolute.value or 0.0)):
        yield Point("co2e", service, risen[service].energy, co2e=risen[service].co2e)


def _causes(reading: Reading, service: str, *, rise: bool) -> Iterable[Cause]:
    """List the phases of a service, and of those that it replaced, whose energy went the same way, the greatest first."""
    if reading.before is None:
        return []
    replaced = successors(reading.catalogue.services)
    ids = (service, *(old for old, new in replaced.items() if new == service))
    now, then = (_by_phase(reading, each, ids) for each in (reading.selection, reading.before))
    differences = {phase: now.get(phase, 0.0) - then.get(phase, 0.0) for phase in now | then}
    same = [(phase, value) for phase, value in differences.items() if (value > 0 if rise else value < 0)]
    return [Cause(phase, Quantity(value, "kWh")) for phase, value in sorted(same, key=lambda each: -abs(each[1]))]


def _by_phase(reading: Reading, selection: Selection, services: tuple[str, ...]) -> dict[str, float]:
    parts = reading.explorer.parts(selection.only(services=services), "phase")
    return {phase: part.energy.value for phase, part in parts.items() if part.energy.value is not None}


def _savings(reading: Reading) -> Iterator[Point]:
    """Yield savings, the greatest first; those of one service and kind together, whatever their phase."""
    together: dict[tuple[str, str], list[Saving]] = {}
    for saving in reading.report.savings:
        together.setdefault((saving.kind, saving.service), []).append(saving)
    points = []
    for (kind, service), savings in together.items():
        runs = tuple(_run(reading, id_, service) for saving in savings for id_ in saving.runs)
        parts: list[Saving] | list[Run] = list(savings)
        if kind == "lost-runs" and all(run.energy is not None for run in runs):
            parts = list(runs)  # all that they took, as the pages of these runs say it
        energy, co2e = (_sum([found for each in parts if (found := getattr(each, name))]) for name in ("energy", "co2e"))
        points.append(Point(kind, service, energy, co2e=co2e, runs=runs))
    return iter(sorted(points, key=lambda point: -(point.size.value or 0.0)))


def _sum(quantities: list[Quantity]) -> Quantity:
    """Add up savings. One keeps its interval; of several no interval is said, as their errors are partly shared."""
    if len(quantities) == 1 or any(each.value is None for each in quantities):
        return next((each for each in quantities if each.value is None), quantities[0])
    return Quantity(sum(each.value or 0.0 for each in quantities), quantities[0].unit)


def _run(reading: Reading, id_: str, service: str) -> Run:
    """Find a run among those of its service, with what it took."""
    known = reading.explorer.runs(reading.selection.only(services=(service,)))
    run = next((each for each in known if each.run_id == id_), None)
    return Run(id_, run.outcome, run.energy, run.co2e) if run else Run(id_, None, None, None)


def _holes(reading: Reading) -> Iterator[Point]:
    """Yield the services in scope that are recorded on too few of their days, then those not recorded at all though they run."""
    entries = [entry for entry in reading.report.register if entry.in_scope and not entry.measured and entry.covered is not None]
    for entry in sorted(entries, key=lambda entry: -(entry.covered or 0.0)):
        yield Point("partly" if entry.covered else "silent", entry.id, Quantity(entry.covered, "1"))
