"""List every service with what is known of it, and what belongs to none, so that the sum is the whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ecoia.exploring import Selected, Selection
from ecoia.periods import Quarter
from ecoia.report import Quantity, ServiceEntry
from ecoia_dashboards.dashboard.address import Period
from ecoia_dashboards.dashboard.page import Reading
from ecoia_dashboards.dashboard.pieces.narrowing import narrowed
from ecoia_dashboards.dashboard.pieces.remedies import Remedy, remedy_of

NO_SERVICE = ""
"""What no service bears, as a part of a selection is named."""
QUARTERS = 6
"""How many quarters a small line has."""


_NO_ENERGY, _NO_CO2E = Quantity(None, "kWh", reason="no-data"), Quantity(None, "kgCO2e", reason="no-data")


@dataclass(frozen=True)
class CoursePoint:
    """A quarter of a small line; a figure without a value was not recorded."""

    quarter: str
    energy: Quantity
    co2e: Quantity


@dataclass(frozen=True)
class ServiceLine:
    """A service.

    Attributes:
        id: Its id.
        name: Its name.
        status: Its status in the register.
        owner_role: The role that answers for it.
        microjoules: Exact energy of components in what is looked at; None: nothing is recorded.
        by_status_microjoules: The same by how it is known.
        energy: Its energy.
        co2e: Its CO2e, as far as known.
        is_lower_bound: Whether a part of its CO2e is not known.
        change: Relative change of its energy; None: compared with nothing.
        course: Its energy in the last quarters.
        days: Days recorded in the quarter.
        days_expected: Days expected in it; None: not declared.
        covered: Share of the expected days that is recorded.
        counted_by: What gave most of its energy.
        state: ``measured``, ``partly`` (too few days), ``declared``, ``silent`` (nothing recorded), ``retired`` or
            ``unregistered``.
        remedy: The line that would measure it; None: it is measured.
    """

    id: str
    name: str
    status: str
    owner_role: str | None
    microjoules: int | None
    by_status_microjoules: Mapping[str, int]
    energy: Quantity
    co2e: Quantity
    is_lower_bound: bool
    change: Quantity | None
    course: tuple[Quantity, ...]
    days: int
    days_expected: float | None
    covered: float | None
    counted_by: str
    state: str
    remedy: Remedy | None


@dataclass(frozen=True)
class Rest:
    """What no service bears, by its kind of record: idle of machines, work of nobody, ecoia's own."""

    kind: str
    microjoules: int
    energy: Quantity
    co2e: Quantity


@dataclass(frozen=True)
class ServiceList:
    """Services and what belongs to none: their microjoules add up to those of the whole."""

    lines: tuple[ServiceLine, ...]
    rest: tuple[Rest, ...]
    microjoules: int
    energy: Quantity = _NO_ENERGY
    co2e: Quantity = _NO_CO2E


def service_list(reading: Reading, entries: Sequence[ServiceEntry]) -> ServiceList:
    """Read the services that the address lets through.

    Args:
        reading: The data at the address.
        entries: The services of the register that it lets through.
    """
    selection = narrowed(reading, reading.selection, entries)
    if selection is None:
        return ServiceList((), (), 0)
    parts = reading.explorer.parts(selection, "service")
    courses = [_parts_of(reading, quarter, entries) for quarter in last_quarters(reading)]
    known = {entry.id: entry for entry in entries}
    where = bool(selection.phases or selection.sites or selection.instances or selection.statuses or selection.region)
    ids = [id_ for id_ in known if id_ in parts or not where]
    ids += [id_ for id_ in parts if id_ not in known and id_ != NO_SERVICE]
    changes = _changes(reading, selection, [id_ for id_ in ids if id_ in parts])
    lines = tuple(
        _line(id_, known.get(id_), parts.get(id_), changes.get(id_), [part.get(id_) for part in courses], reading) for id_ in ids
    )
    rest = _rest(reading, selection) if NO_SERVICE in parts else ()
    whole = reading.explorer.selected(selection)
    return ServiceList(lines, rest, whole.microjoules, whole.energy, whole.headline.co2e)


def last_quarters(reading: Reading) -> list[str]:
    """Return the quarters of a small line: the last ones up to the one that is looked at."""
    return [quarter for quarter in reading.state.quarters if quarter <= reading.quarter][-QUARTERS:]


def course(reading: Reading, entries: Sequence[ServiceEntry]) -> tuple[CoursePoint, ...]:
    """Read the whole of what the address lets through in each of the last quarters."""
    found = []
    for quarter in last_quarters(reading):
        selection = narrowed(reading, _in_quarter(reading, quarter), entries)
        if selection is not None:
            whole = reading.explorer.selected(selection)
            found.append(CoursePoint(quarter, whole.energy, whole.headline.co2e))
    return tuple(found)


def _in_quarter(reading: Reading, quarter: str) -> Selection:
    return reading.address.selection(Period.of_quarter(Quarter.parse(quarter)))


def _parts_of(reading: Reading, quarter: str, entries: Sequence[ServiceEntry]) -> Mapping[str, Selected]:
    selection = narrowed(reading, _in_quarter(reading, quarter), entries)
    return {} if selection is None else reading.explorer.parts(selection, "service")


def _changes(reading: Reading, selection: Selection, ids: Sequence[str]) -> dict[str, Quantity]:
    """Read the change of each service: the report's where whole quarters are compared, else each by itself."""
    if reading.before is None:
        return {}
    before = reading.before.only(services=selection.services)
    if selection.quarter and before.quarter and not selection.only(services=()).filtered:
        explained = reading.explorer.explained(selection.quarter, before.quarter)
        known = {line.explained.service: line.energy for line in explained.services}
        return {id_: known[id_] for id_ in ids if id_ in known}
    changes = reading.explorer.changes_by_service(selection, before)
    return {id_: changes[id_].energy for id_ in ids}


def _line(
    id_: str,
    entry: ServiceEntry | None,
    part: Selected | None,
    change: Quantity | None,
    courses: Sequence[Selected | None],
    reading: Reading,
) -> ServiceLine:
    return ServiceLine(
        id=id_,
        name=reading.names.get(id_, id_),
        status=entry.status if entry else "unregistered",
        owner_role=entry.owner_role if entry else None,
        microjoules=part.microjoules if part else None,
        by_status_microjoules=part.by_status_microjoules if part else {},
        energy=part.energy if part else _NO_ENERGY,
        co2e=part.headline.co2e if part else _NO_CO2E,
        is_lower_bound=part is not None and part.headline.is_lower_bound,
        change=change,
        course=tuple(_NO_ENERGY if each is None else each.energy for each in courses),
        days=entry.instance_days if entry else 0,
        days_expected=entry.instance_days_declared if entry else None,
        covered=entry.covered if entry else None,
        counted_by=entry.counted_by if entry else "",
        state=_state(entry),
        remedy=remedy_of(entry, _phase(entry.id, reading)) if entry else None,
    )


def _state(entry: ServiceEntry | None) -> str:
    if entry is None or not entry.registered:
        return "unregistered"
    if entry.status == "retired":
        return "retired"
    if entry.measured:
        return "measured"
    if entry.covered:
        return "partly"
    return "declared" if entry.counted_by == "declared" else "silent"


def _phase(service: str, reading: Reading) -> str | None:
    return next((result.phase for result in reading.report.results if result.service == service), None)


def _rest(reading: Reading, selection: Selection) -> tuple[Rest, ...]:
    kinds = reading.explorer.parts(selection.only(services=(NO_SERVICE,)), "phase")
    return tuple(Rest(kind, part.microjoules, part.energy, part.headline.co2e) for kind, part in kinds.items())
