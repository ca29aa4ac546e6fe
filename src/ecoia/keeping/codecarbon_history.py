"""An organisation's history in codecarbon's ``emissions.csv``, read as records with status ``estimated``.

Whatever codecarbon measured with (a counter, a table, a constant), the file does not say, so nothing of it counts as measured.
Files of every release since 2.0 are read, by the names of their columns:

- ``timestamp`` (the end, in local time), ``duration``, ``project_name``, ``run_id`` and ``country_iso_code`` are needed;
- ``cpu_energy``, ``gpu_energy`` and ``ram_energy`` give the components; without them, ``energy_consumed`` is kept undivided;
- ``pue``: codecarbon multiplies the energy by it, so it is divided out. The PUE of the site applies later, once;
- ``task_name``: tasks of one run are apart.

A tracker that flushes writes several lines about the same work, each with the sums since the start: the last one counts.
The file does not name its machine, so whoever imports it does. Lines of another processor are of another machine.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from zoneinfo import ZoneInfo

from ecoia.errors import UsageError
from ecoia.keeping.csv_lines import CsvError, csv_lines, first
from ecoia.keeping.office_tables import read_bytes, text_of, wrong_span
from ecoia.methods import CODECARBON_MACHINE, CODECARBON_PROCESS, CODECARBON_UNDIVIDED, NOT_MEASURED, Method
from ecoia.periods import utc_ns
from ecoia.records import MOST_WINDOW_NS, Record
from ecoia.semconv import COMPONENTS, KIND_SPAN, MISSING
from ecoia.units import MICROJOULES_PER_KWH, NANOSECONDS_PER_SECOND

_NAMESPACE = uuid.UUID("5b9f1de0-6f5c-5a53-9d3b-0a8a5f0f7c21")
_NEEDED = ("timestamp", "duration", "project_name", "run_id", "country_iso_code", "energy_consumed")
_OF_MACHINE = ("cpu_count", "cpu_model")
_MAX_KWH, _MAX_SECONDS = Decimal(10) ** 6, Decimal(MOST_WINDOW_NS) / NANOSECONDS_PER_SECOND
_SAME_START_NS = 2 * NANOSECONDS_PER_SECOND  # timestamps are whole seconds, and a line is written a moment after it is summed
_SUM_TOLERANCE = Decimal("0.02")
IMPORTED = "codecarbon"
"""Key of a record's context: which run of which machine and service it was imported from."""

Work = tuple[str, str]
"""A service and phase."""


@dataclass
class _Line:
    """One line of the file that could be read.

    Attributes:
        where: File and number of the line.
        run: Id of the tracker's run, and the task.
        project: The project's name.
        start_ns: Start of the work.
        end_ns: Its end.
        energy: Energy by component in microjoules, without PUE; None where it is not given.
        undivided: Energy that is not split, in place of these.
        zone: Code of the country.
        machine: What the line says of its machine.
        mode: ``tracking_mode``: ``machine`` or ``process``; empty where the file does not say.
        no_gpu: Whether the machine has no GPU: codecarbon writes 0 for its energy.
    """

    where: str
    run: tuple[str, str]
    project: str
    start_ns: int
    end_ns: int
    energy: dict[str, int | None]
    undivided: int | None
    zone: str
    machine: tuple[str, ...]
    mode: str
    no_gpu: bool

    @property
    def amounts(self) -> tuple[int, ...]:
        """Its energies, for comparison with another line of the same run."""
        known = self.energy.values() if self.undivided is None else (self.undivided,)
        return tuple(each or 0 for each in known)

    def goes_on_from(self, other: _Line) -> bool:
        """Return whether it holds all that an earlier line of the same run holds."""
        if abs(self.start_ns - other.start_ns) > _SAME_START_NS or self.end_ns < other.end_ns:
            return False
        return all(more >= less for more, less in zip(self.amounts, other.amounts, strict=True))


@dataclass
class _Cells:
    """The cells of one line by column, and what is wrong with them."""

    where: str
    cells: Mapping[str, str]
    problems: list[str] = field(default_factory=list)

    def wrong(self, column: str, remedy: str) -> None:
        self.problems.append(f"{self.where}, column '{column}', value {self.cells.get(column, '')!r}: {remedy}")

    def number(self, column: str, greatest: Decimal) -> Decimal | None:
        """Return a number from 0 to ``greatest``; None for an empty or absent cell, and for a wrong one, which is noted."""
        text = self.cells.get(column, "")
        if text in ("", "nan"):
            return None
        try:
            number = Decimal(text)
        except InvalidOperation:
            self.wrong(column, "this is no number as codecarbon writes it")
            return None
        if not number.is_finite() or not 0 <= number <= greatest:
            self.wrong(column, f"outside 0 to {greatest:.0f}: leave the line out, or correct it")
            return None
        return number


def read_history(path: str | Path, works: Mapping[str, Work], *, instance: str, timezone: str) -> list[Record]:
    """Read the records of an ``emissions.csv``: one for each run, task or flushed tracker.

    Reading the same file again gives the same records. A file that has grown since gives another record for a run that had not
    ended (``is_same_work``).

    Args:
        path: The file.
        works: Service and phase by name of the project; the name ``*`` stands for all others.
        instance: Name of the machine that the file is of.
        timezone: Time zone of the machine's clock: the file has local times without an offset.

    Raises:
        UsageError: the file or some lines are wrong; every fault is listed with line, column, value and remedy.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "emissions.csv"
        >>> head = "timestamp,project_name,run_id,duration,energy_consumed,country_iso_code"
        >>> _ = file.write_text(f"{head}\\n2026-10-05T10:00:00,cv,1,3600,0.05,FRA\\n")
        >>> [record] = read_history(file, {"*": ("analyse-cv", "training")}, instance="lab", timezone="Europe/Paris")
        >>> record.energy_microjoules["cpu"], record.method["cpu"].status
        (180000000000, 'estimated')
    """
    name = Path(path).name
    lines, problems = _lines(name, text_of(read_bytes(Path(path)), Path(path)), ZoneInfo(timezone))
    problems += _problems_of_machines(lines)
    unknown = sorted({line.project for line in lines} - works.keys()) if "*" not in works else []
    problems += [f"{name}: project {each!r} has no service: --project '{each}=SERVICE:PHASE'" for each in unknown]
    runs = [] if problems else _last_lines(lines, problems)
    records = [_record(began, last, works.get(last.project) or works["*"], instance) for began, last in runs]
    problems += wrong_span(name, records)
    if not lines and not problems:
        problems.append(f"{name}: it has no line below its header, so there is nothing to import")
    if problems:
        raise UsageError("\n".join([f"{name} refused, nothing was taken from it:", *first(problems)]))
    return records


def imported_key(record: Record) -> str | None:
    """Return what a record was imported from: the same for all records of one run, and for two readings of one of them."""
    found = record.context.get(IMPORTED)
    return found if isinstance(found, str) else None


def is_same_work(record: Record, other: Record) -> bool:
    """Return whether two records are two readings of one work of a run, the later of which may hold more.

    A file that keeps one line a run (``on_csv_write="update"``) gives its start anew with each line, to the second.
    """
    return imported_key(record) == imported_key(other) and abs(record.start_utc_ns - other.start_utc_ns) <= _SAME_START_NS


def _lines(name: str, text: str, timezone: ZoneInfo) -> tuple[list[_Line], list[str]]:
    lines: list[_Line] = []
    problems: list[str] = []
    try:
        read = csv_lines(text, ",")
        header = [column.strip() for column in next(read, (1, []))[1]]
        if not header:
            return [], [f"{name}: the file is empty"]
        missing = [column for column in _NEEDED if column not in header]
        if missing:
            return [], [
                f"{name}:1: no column {', '.join(map(repr, missing))}: is this codecarbon's emissions.csv (2.0 or later)?"
            ]
        for number, cells in read:
            where = f"{name}:{number}"
            if len(cells) != len(header):
                if any(cell.strip() for cell in cells):
                    problems.append(
                        f"{where}: {len(cells)} cells where the header has {len(header)}: {_why_uneven(cells, header)}"
                    )
                continue
            found = _Cells(where, dict(zip(header, (cell.strip() for cell in cells), strict=True)))
            line = _line(found, timezone)
            problems += found.problems
            if line is not None:
                lines.append(line)
    except CsvError as error:
        problems.append(f"{name}:{error.line}: {error}")
    return lines, problems


def _why_uneven(cells: list[str], header: list[str]) -> str:
    if len(cells) >= 2 * len(header) - 1:
        return "two lines were joined, as two programs wrote at once: put a line break back"
    return "codecarbon's columns changed within the file: split it where they do, and give each part its header"


def _line(found: _Cells, timezone: ZoneInfo) -> _Line | None:
    """Return what a line says; None where it is wrong, which ``found.problems`` then states."""
    cells = found.cells
    end = _instant(found, timezone)
    seconds = found.number("duration", _MAX_SECONDS)
    pue = found.number("pue", Decimal(5)) or Decimal(1)
    if pue < 1:
        found.wrong("pue", "a PUE is 1 or more")
    parts = {component: found.number(f"{component}_energy", _MAX_KWH) for component in COMPONENTS}
    whole = found.number("energy_consumed", _MAX_KWH)
    if whole is None and not found.problems:
        found.wrong("energy_consumed", "it is empty: leave the line out")
    if seconds is None and not found.problems:
        found.wrong("duration", "it is empty: leave the line out")
    is_split = any(each is not None for each in parts.values())
    if is_split and whole is not None and not found.problems:
        summed = sum((each or Decimal(0) for each in parts.values()), Decimal(0))
        if abs(summed - whole) > max(whole, summed) * _SUM_TOLERANCE:
            found.wrong("energy_consumed", f"the components add up to {summed:f}: this line has other columns than the header")
    zone = cells["country_iso_code"].upper()
    if not (len(zone) == 3 and cells["country_iso_code"].isascii() and zone.isalpha()):
        found.wrong("country_iso_code", "write the country's code of three letters, e.g. FRA")
    if found.problems or end is None or seconds is None or whole is None:
        return None
    return _Line(
        where=found.where,
        run=(cells["run_id"], cells.get("task_name", "")),
        project=cells["project_name"],
        start_ns=end - round(seconds * NANOSECONDS_PER_SECOND),
        end_ns=end,
        energy={component: None if each is None else _microjoules(each / pue) for component, each in parts.items()},
        undivided=None if is_split else _microjoules(whole / pue),
        zone=zone,
        machine=tuple(cells.get(column, "") for column in _OF_MACHINE),
        mode=cells.get("tracking_mode", ""),
        no_gpu=not parts["gpu"] and cells.get("gpu_count", "") in ("", "0", "0.0"),
    )


def _instant(found: _Cells, timezone: ZoneInfo) -> int | None:
    """Return the instant of the end. Of an hour that clocks have twice, the first is taken, as codecarbon does not say which."""
    try:
        moment = datetime.fromisoformat(found.cells["timestamp"])
        instant = utc_ns(moment if moment.tzinfo else moment.replace(tzinfo=timezone))
    except (ValueError, OverflowError):
        found.wrong("timestamp", "write the time as codecarbon does: 2026-10-05T09:00:10")
        return None
    if not MOST_WINDOW_NS <= instant < 1 << 63:
        found.wrong("timestamp", "write a time after 1980")
        return None
    return instant


def _microjoules(energy_kwh: Decimal) -> int:
    return int((energy_kwh * MICROJOULES_PER_KWH).to_integral_value())


def _problems_of_machines(lines: Iterable[_Line]) -> list[str]:
    """Say where lines are of several machines: they cannot all be of the one instance."""
    seen: dict[tuple[str, ...], str] = {}
    for line in lines:
        seen.setdefault(line.machine, line.where)
    if len(seen) < 2:
        return []
    said = "; ".join(f"{where} has {' × '.join(filter(None, machine)) or 'no processor'}" for machine, where in seen.items())
    return [f"lines of several machines ({said}): split the file, and import each part with its own --instance"]


def _last_lines(lines: Iterable[_Line], problems: list[str]) -> list[tuple[_Line, _Line]]:
    """Return the first and the last line of each work. What is neither a continuation nor later is noted as a problem."""
    runs: dict[tuple[str, str], list[tuple[_Line, _Line]]] = {}
    for line in lines:
        works = runs.setdefault(line.run, [])
        for index, (began, last) in enumerate(works):
            if line.goes_on_from(last):
                works[index] = (began, line)
                break
            if line.start_ns < last.end_ns - _SAME_START_NS and last.start_ns < line.end_ns - _SAME_START_NS:
                problems.append(
                    f"{line.where}: it overlaps {last.where} of the same run and holds less: leave out the wrong one of the two"
                )
                break
        else:
            works.append((line, line))
    return [work for works in runs.values() for work in works]


def _record(began: _Line, line: _Line, work: Work, instance: str) -> Record:
    service, phase = work
    run = json.dumps([*line.run, instance, service, phase], ensure_ascii=False)
    key = json.dumps([*line.run, began.start_ns, instance, service, phase], ensure_ascii=False)
    energy = dict(line.energy)
    known = CODECARBON_PROCESS if line.mode == "process" else CODECARBON_MACHINE
    method = {component: NOT_MEASURED if energy[component] is None else known for component in COMPONENTS}
    if line.no_gpu:
        energy["gpu"], method["gpu"] = None, Method(MISSING, "no-device")
    if line.undivided is not None:
        undivided = Method(MISSING, "undivided")
        energy["cpu"], method = line.undivided, {"cpu": CODECARBON_UNDIVIDED, "gpu": undivided, "ram": undivided}
    content = json.dumps([key, line.end_ns, [energy[component] for component in COMPONENTS]])
    return Record(
        record_id=str(uuid.uuid5(_NAMESPACE, content)),
        kind=KIND_SPAN,
        service=service,
        phase=phase,
        instance=instance,
        pid=0,
        start_utc_ns=line.start_ns,
        end_utc_ns=max(line.end_ns, line.start_ns + 1),
        energy_microjoules=energy,
        method=method,
        zone=line.zone,
        declared_source="codecarbon",
        context={IMPORTED: str(uuid.uuid5(_NAMESPACE, run))},
    )
