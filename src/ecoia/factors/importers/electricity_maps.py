"""Electricity Maps: emissions of what is consumed in a zone, exchanges traced; direct and life cycle side by side."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ecoia.factors.files import FactorValue
from ecoia.factors.importers.registry import MISSING, Publisher, PublisherFile
from ecoia.factors.model import CONSUMPTION, DIRECT, LIFECYCLE
from ecoia.factors.tables import TableLine, check_value, number, table
from ecoia.factors.zones import is_known, of_electricity_maps
from ecoia.keeping.office_dates import AmbiguousDatesError, is_slashed, order_of, read_slashed
from ecoia.periods import HALF_HOUR_NS, utc_ns

_TIME = "Datetime (UTC)"
_STEPS = {"hourly": timedelta(hours=1), "daily": timedelta(days=1)}
_RESOLUTIONS = ("hourly", "daily", "monthly", "yearly")
_DIRECT = re.compile(r"carbon intensity gco.?\s?eq/kwh \(direct\)", re.IGNORECASE)
_LIFECYCLE = re.compile(r"carbon intensity gco.?\s?eq/kwh \((lca|life cycle)\)", re.IGNORECASE)


@dataclass(frozen=True)
class _Moment:
    """A line with its zone and the time at which it begins to hold."""

    line: TableLine
    zone: str
    time: datetime


def read(file: PublisherFile) -> Iterator[FactorValue]:
    """Read values of consumption in two scopes: the file makes a set of both."""
    header = [column.strip() for column in file.text.partition("\n")[0].split(",")]
    columns = {
        DIRECT: next((name for name in header if _DIRECT.fullmatch(name)), "Carbon Intensity gCO₂eq/kWh (direct)"),
        LIFECYCLE: next((name for name in header if _LIFECYCLE.fullmatch(name)), "Carbon Intensity gCO₂eq/kWh (LCA)"),
    }
    zone_column = next((name for name in header if name.casefold() == "zone id"), "Zone Id")
    moments = list(_moments(file, zone_column, columns.values()))
    resolution = file.given.get("resolution") or _resolution(file.faults.name, moments)
    if moments and resolution not in _RESOLUTIONS:
        first = moments[0].line
        remedy = f"name the file as it was downloaded (FR_2026_hourly.csv), or give --resolution: {', '.join(_RESOLUTIONS)}"
        file.faults.add(first.line, _TIME, first.cells[_TIME], f"how long a line holds is not known: {remedy}")
        return
    for moment in moments:
        yield from _values(moment, resolution, columns, file)


def _moments(file: PublisherFile, zone_column: str, columns: Iterable[str]) -> Iterator[_Moment]:
    """Yield the lines with a zone and a time."""
    lines = list(table(file.text, ",", (_TIME, zone_column, *columns), file.faults))
    order = _order(lines, zone_column, file)
    for line in lines:
        zone = file.given.get("zone") or of_electricity_maps(line.cells[zone_column])
        if zone is None or not is_known(zone):
            remedy = "no country has this code: give the zone of the file with --zone"
            file.faults.add(line.line, zone_column, line.cells[zone_column], remedy)
            continue
        written = line.cells[_TIME]
        if is_slashed(written) and order is None:
            continue  # told once for the whole file
        try:
            time = read_slashed(written, order) if order and is_slashed(written) else datetime.fromisoformat(written)
            yield _Moment(line, zone, time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC))
        except ValueError:
            file.faults.add(line.line, _TIME, line.cells[_TIME], "write a UTC time, 2026-01-01 00:00:00")


def _order(lines: Sequence[TableLine], zone_column: str, file: PublisherFile) -> str | None:
    """Return whether day or month comes first, where a spreadsheet rewrote the times. Each zone is in the order of time."""
    by_zone: dict[str, list[TableLine]] = {}
    for line in lines:
        by_zone.setdefault(line.cells[zone_column], []).append(line)
    found: set[str | None] = set()
    for of_zone in by_zone.values():
        try:
            found.add(order_of((line.cells[_TIME] for line in of_zone), in_time=True))
        except AmbiguousDatesError as error:
            file.faults.add(of_zone[0].line, _TIME, of_zone[0].cells[_TIME], str(error))
            return None
    found.discard(None)
    if len(found) > 1:
        file.faults.add(
            lines[0].line, _TIME, lines[0].cells[_TIME], "some zones have day/month and some month/day: write 2026-10-31"
        )
        return None
    return next(iter(found), None)


def _values(moment: _Moment, resolution: str, columns: Mapping[str, str], file: PublisherFile) -> Iterator[FactorValue]:
    """Yield the values of a line, one for each scope."""
    line, start = moment.line, utc_ns(moment.time)
    if start % HALF_HOUR_NS:
        file.faults.add(line.line, _TIME, line.cells[_TIME], "not on a half-hour: import hourly or longer values")
        return
    end = utc_ns(_end(moment.time, resolution))
    for scope, column in columns.items():
        written = line.cells[column]
        if written.upper() in MISSING:
            file.left_out["no value"] += 1
            continue
        value = number(written, line.line, column, file.faults)
        if value is not None and check_value(value, line.line, column, written, scope, file.faults):
            yield FactorValue(line.line, moment.zone, start, end, value, scope, CONSUMPTION, "Electricity Maps")


def _resolution(name: str, moments: Sequence[_Moment]) -> str:
    """Return how long a line holds: by the file's name, else by the shortest time between two lines; empty if unknown."""
    named = next((word for word in _RESOLUTIONS if word in name.casefold()), None)
    if named is not None:
        return named
    by_zone: dict[str, list[datetime]] = {}
    for moment in moments:
        by_zone.setdefault(moment.zone, []).append(moment.time)
    steps = {later - earlier for times in by_zone.values() for earlier, later in itertools.pairwise(times)}
    shortest = min((step for step in steps if step), default=None)
    if shortest is None:
        return ""
    longer = {"monthly": (28, 31), "yearly": (365, 366)}
    exact = next((word for word, step in _STEPS.items() if shortest == step), "")
    return exact or next((word for word, (low, high) in longer.items() if low <= shortest.days <= high), "")


def _end(start: datetime, resolution: str) -> datetime:
    if resolution in _STEPS:
        return start + _STEPS[resolution]
    months = 12 if resolution == "yearly" else 1
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    return start.replace(year=year, month=month + 1)


PUBLISHER = Publisher(
    name="electricitymaps",
    details={"title": "Electricity Maps: carbon intensity of consumption"},
    read=read,
    recognises=lambda header: {_TIME.casefold(), "zone id"} <= {each.strip(' "').casefold() for each in header.split(",")},
)
