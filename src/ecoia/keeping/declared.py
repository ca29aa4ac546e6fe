"""Declared activity: what cannot be instrumented, entered from a CSV file as records with status ``declared``.

Each row is a service's activity over a period, in kilowatt-hours or in vCPU- and GPU-hours with the power of the
equipment. The file is read as offices save it (``office_tables``). Columns:

====================================  =========================================================================
``service``, ``phase``                as in ``ecoia.track``
``start``, ``end``                    dates or ISO 8601 times; without an offset, in the setting ``timezone``. An
                                      ``end`` that is a date is that day's end: ``2026-10-01,2026-12-31`` is a quarter.
                                      ``31/12/2026`` too, where a date of the file tells day and month apart
``cpu_kwh``, ``gpu_kwh``, ``ram_kwh``  energy by component; an empty cell is missing, 0 is zero
``energy_kwh``                        energy that cannot be split: kept under ``cpu``, method ``kwh:undivided``
``vcpu_hours``, ``watts_per_vcpu``    processor time and power, method ``power-model``
``gpu_hours``, ``watts_per_gpu``      the same for GPUs
``units``                             functional units delivered (optional)
``instance``, ``site``                where it ran (optional): an instance, or a site of ``sites.yaml``; else this machine's
``zone``                              zone of the electricity (optional); else the site's, or the setting ``zone``
``source``                            where the figures come from (required)
====================================  =========================================================================

A row gives its energy in one way: by component, undivided, or from hours. If any row is wrong, nothing is taken.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

from ecoia.errors import UsageError
from ecoia.instances import instance_of_site
from ecoia.keeping.csv_lines import first
from ecoia.keeping.home_identity import instance_of
from ecoia.keeping.office_dates import AmbiguousDatesError, is_slashed, order_of, read_slashed
from ecoia.keeping.office_tables import EITHER, OfficeTable, number_of, read_table, unknown_columns, wrong_span
from ecoia.methods import KWH, KWH_UNDIVIDED, NOT_MEASURED, POWER_MODEL, Method
from ecoia.periods import utc_ns
from ecoia.records import MOST_WINDOW_NS, Record
from ecoia.semconv import COMPONENTS, KIND_SPAN, MISSING, PHASES, is_slug
from ecoia.settings import Settings, is_zone
from ecoia.units import MICROJOULES_PER_KWH

_NAMESPACE = uuid.UUID("0b1f4a0e-8a55-5e0f-8f43-3f3a2c1d9e6b")
_NEEDED = ("service", "phase", "start", "end", "source")
_BY_COMPONENT = tuple(f"{component}_kwh" for component in COMPONENTS)
_HOURS = {"cpu": ("vcpu_hours", "watts_per_vcpu"), "gpu": ("gpu_hours", "watts_per_gpu")}
_PLACE = ("instance", "site", "zone")
COLUMNS = (*_NEEDED[:4], *_BY_COMPONENT, "energy_kwh", *_HOURS["cpu"], *_HOURS["gpu"], "units", *_PLACE, "source")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}( 00:00:00)?")  # as spreadsheets and pandas write a date
_MAX_KWH = Decimal(10) ** 6  # more in one row is surely a wrong unit; also keeps microjoules within 64 bits
_MAX_UNITS = Decimal(10) ** 12


@dataclass
class _Line:
    """One line of the file, and what is wrong with it.

    Attributes:
        where: Its place.
        cells: Its cells by column.
        decimal_comma: Whether numbers have decimal commas.
        order: Whether day or month comes first in slashed dates; None where there are none, or where it cannot be told.
        problems: What is wrong.
    """

    where: str
    cells: Mapping[str, str]
    decimal_comma: bool = False
    order: str | None = None
    problems: list[str] = field(default_factory=list)

    def wrong(self, column: str, remedy: str) -> None:
        """Note that a cell is wrong."""
        self.problems.append(f"{self.where}, column '{column}', value {self.cells.get(column, '')!r}: {remedy}")

    def number(self, column: str, greatest: Decimal) -> Decimal | None:
        """Return a cell's number from 0 to ``greatest``; None for an empty cell, and for a wrong one, which is noted."""
        text = self.cells.get(column, "")
        if not text:
            return None
        if "," in text and not self.decimal_comma:  # in such a file "1,234" may be 1234
            self.wrong(column, "columns are separated by ',', so write the number without one: 1234 or 1.234")
            return None
        number = number_of(text, decimal_comma=self.decimal_comma)
        if number is None and self.decimal_comma and EITHER.fullmatch(text):
            self.wrong(column, "this can be read in two ways: write it without the point, or with a decimal comma")
            return None
        if number is None:
            self.wrong(column, "write a number, e.g. 12.5")
            return None
        if not 0 <= number <= greatest:
            self.wrong(column, f"write a number from 0 to {greatest:,f}".replace(",", " "))
            return None
        return number


def read_activity(path: str | Path, settings: Settings) -> list[Record]:
    """Read the records of an activity file.

    Reading the same rows again gives the same records, so declaring a file twice changes nothing.

    Args:
        path: The CSV file; its columns are in this module's description.
        settings: Gives ``instance`` and ``home``, ``timezone`` (for times without an offset) and ``zone``.

    Raises:
        UsageError: the file or some rows are wrong; the message lists every fault with line, column, value and remedy.

    Example:
        >>> import tempfile
        >>> from ecoia import settings
        >>> file = Path(tempfile.mkdtemp()) / "activity.csv"
        >>> rows = "service,phase,start,end,energy_kwh,source\\nvadore,training,2026-10-01,2026-12-31,100,invoice\\n"
        >>> _ = file.write_text(rows)
        >>> [record.energy_microjoules["cpu"] for record in read_activity(file, settings.load())]
        [360000000000000]
    """
    table = read_table(path)
    unread = table.problems if not table.columns else []
    problems = unread or unknown_columns(table, COLUMNS, _NEEDED) or table.problems
    lines = [] if problems else _lines(table, problems)
    records: dict[str, Record] = {}
    for line in lines:
        record = _record(line, settings)
        if record is not None and record.record_id in records:
            line.problems.append(f"{line.where}: says the same as an earlier line: remove one, or tell them apart by 'source'")
        elif record is not None:
            records[record.record_id] = record
        problems += line.problems
    if not problems:
        problems += wrong_span(table.name, records.values())
    if not table.lines and not problems:
        problems.append(f"{table.name}: no activity in it: write one line a service, phase and period below the header")
    if problems:
        raise UsageError("\n".join(["activity file refused, nothing was taken from it:", *first(problems)]))
    here = instance_of(settings)  # makes the home, so only now that nothing is refused
    return [record if record.instance else record.copy_with(instance=here) for record in records.values()]


def _lines(table: OfficeTable, problems: list[str]) -> list[_Line]:
    """Return the lines of activity. Dates whose day and month cannot be told apart are a problem."""
    order = None
    try:
        order = order_of(line.cells[column] for line in table.lines for column in ("start", "end"))
    except AmbiguousDatesError as error:
        problems.append(f"{table.name}, columns 'start' and 'end': {error}")
    return [_Line(line.where, line.cells, table.decimal_comma, order) for line in table.lines]


def _record(line: _Line, settings: Settings) -> Record | None:
    """Return the record of a line; None where the line is wrong, which ``problems`` then states."""
    service, phase, source = (line.cells[column] for column in ("service", "phase", "source"))
    if not is_slug(service):
        line.wrong("service", "use lower-case letters, digits, '.', '_' and '-' (63 at most), e.g. vadore")
    if phase not in PHASES:
        line.wrong("phase", f"choose one of {', '.join(PHASES)}")
    if not source:
        line.wrong("source", "say where the figures come from, e.g. facture 2026-11")
    timezone = ZoneInfo(settings.timezone)
    start, end = _instant(line, "start", timezone, ends=False), _instant(line, "end", timezone, ends=True)
    if start is not None and end is not None and end <= start:
        line.wrong("end", f"write an end after the start ({line.cells['start']})")
    elif start is not None and end is not None and end - start > MOST_WINDOW_NS:
        line.wrong("end", "write ten years at most in one line: check the years")
    energy, method = _energy(line)
    units = line.number("units", _MAX_UNITS)
    _check_place(line)
    if line.problems or start is None or end is None:
        return None
    units_micro = None if units is None else int((units * 1_000_000).to_integral_value())
    place = [cell for column in _PLACE if (cell := line.cells.get(column))]
    content = (
        service,
        phase,
        start,
        end,
        source,
        [energy[c] for c in COMPONENTS],
        [method[c].name for c in COMPONENTS],
        units_micro,
        *place,
    )
    return Record(
        record_id=str(uuid.uuid5(_NAMESPACE, json.dumps(content, ensure_ascii=False))),
        kind=KIND_SPAN,
        service=service,
        phase=phase,
        instance=instance_of_site(line.cells["site"]) if line.cells.get("site") else line.cells.get("instance", ""),
        pid=0,
        start_utc_ns=start,
        end_utc_ns=end,
        energy_microjoules=energy,
        method=method,
        units_micro=units_micro,
        zone=line.cells.get("zone", "").upper() or (None if place else settings.zone),
        declared_source=source,
    )


def _check_place(line: _Line) -> None:
    """Note what is wrong with the columns that say where the activity ran."""
    cells = line.cells
    if cells.get("instance") and cells.get("site"):
        line.wrong("site", "give the site or the instance, not both")
    for column, example in (("instance", "gpu-01"), ("site", "lyon")):
        if cells.get(column) and not is_slug(cells[column]):
            line.wrong(column, f"use lower-case letters, digits, '.', '_' and '-' (63 at most), e.g. {example}")
    if cells.get("zone") and not is_zone(cells["zone"].upper()):
        line.wrong("zone", "write a country as ISO 3166 alpha-3, e.g. FRA")


def _instant(line: _Line, column: str, timezone: ZoneInfo, *, ends: bool) -> int | None:
    """Return a cell's instant in nanoseconds, or None for a wrong one; with ``ends``, a date stands for the end of its day."""
    text = line.cells[column]
    if is_slashed(text) and line.order is None:
        return None  # told once for the whole file
    try:
        if line.order is not None and is_slashed(text):
            moment = read_slashed(text, line.order)
            text = moment.date().isoformat() if moment.time() == time.min and ":" not in text else moment.isoformat()
        if _DATE.fullmatch(text):
            day = date.fromisoformat(text[:10]) + timedelta(days=ends)
            instant = utc_ns(datetime(day.year, day.month, day.day, tzinfo=timezone))
        else:
            moment = datetime.fromisoformat(text)
            instant = utc_ns(moment if moment.tzinfo else moment.replace(tzinfo=timezone))
    except (ValueError, OverflowError):
        line.wrong(column, "write a date (2026-10-01) or a time (2026-10-01T08:00+02:00)")
        return None
    if not 0 <= instant < 1 << 63:
        line.wrong(column, "write a time between 1970 and 2261")
        return None
    return instant


def _energy(line: _Line) -> tuple[dict[str, int | None], dict[str, Method]]:
    """Return the energy in microjoules and the method of each component, from the one way that the line uses."""
    given = {column for column in COLUMNS if line.cells.get(column)}
    ways = {way: sorted(given.intersection(columns)) for way, columns in _WAYS.items()}
    used = [way for way, columns in ways.items() if columns]
    if not used:
        line.wrong("energy_kwh", "give energy_kwh, or cpu_kwh, gpu_kwh and ram_kwh, or vcpu_hours with watts_per_vcpu")
    elif len(used) > 1:
        line.wrong(ways[used[1]][0], f"give the energy one way only: this line also has {', '.join(ways[used[0]])}")
    else:
        return used[0](line, given)
    return dict.fromkeys(COMPONENTS), dict.fromkeys(COMPONENTS, NOT_MEASURED)


def _energy_by_component(line: _Line, given: set[str]) -> tuple[dict[str, int | None], dict[str, Method]]:
    energy = {component: _microjoules(line.number(f"{component}_kwh", _MAX_KWH)) for component in COMPONENTS}
    return energy, {component: KWH if f"{component}_kwh" in given else NOT_MEASURED for component in COMPONENTS}


def _undivided_energy(line: _Line, given: set[str]) -> tuple[dict[str, int | None], dict[str, Method]]:
    # A record has exactly three components, and an undivided figure belongs to none of them. It is kept under cpu with a
    # method of its own; the two others are missing, since nobody knows their share.
    energy = {"cpu": _microjoules(line.number("energy_kwh", _MAX_KWH)), "gpu": None, "ram": None}
    undivided = Method(MISSING, "undivided")
    return energy, {"cpu": KWH_UNDIVIDED, "gpu": undivided, "ram": undivided}


def _energy_from_hours(line: _Line, given: set[str]) -> tuple[dict[str, int | None], dict[str, Method]]:
    energy: dict[str, int | None] = dict.fromkeys(COMPONENTS)
    method = dict.fromkeys(COMPONENTS, NOT_MEASURED)
    for component, (hours_column, watts_column) in _HOURS.items():
        hours, watts = line.number(hours_column, _MAX_KWH * 1000), line.number(watts_column, Decimal(100_000))
        for column, other in ((hours_column, watts_column), (watts_column, hours_column)):
            if column not in given and other in given:
                line.wrong(column, f"give it with {other}")
        if hours is not None and watts is not None:
            energy[component] = _microjoules(hours * watts / 1000)
            method[component] = POWER_MODEL
            if hours * watts / 1000 > _MAX_KWH:
                line.wrong(hours_column, f"hours times watts is more than {_MAX_KWH:f} kWh: check the units")
    return energy, method


def _microjoules(energy_kwh: Decimal | None) -> int | None:
    return None if energy_kwh is None else int((energy_kwh * MICROJOULES_PER_KWH).to_integral_value())


_WAYS: dict[Callable[[_Line, set[str]], tuple[dict[str, int | None], dict[str, Method]]], tuple[str, ...]] = {
    _energy_by_component: _BY_COMPONENT,
    _undivided_energy: ("energy_kwh",),
    _energy_from_hours: (*_HOURS["cpu"], *_HOURS["gpu"]),
}
"""The three ways to give a line's energy, and the columns of each."""
