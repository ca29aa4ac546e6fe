"""RTE, eCO2mix: direct emissions of what is generated in France, each quarter of an hour or half-hour.

RTE estimates what burning emits. It is no inventory: scope ``direct``, basis ``production``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from ecoia.factors.files import FactorValue
from ecoia.factors.importers.registry import MISSING, Publisher, PublisherFile
from ecoia.factors.model import DIRECT, PRODUCTION
from ecoia.factors.tables import Faults, TableLine, check_value, number, table
from ecoia.periods import HALF_HOUR_NS, half_hour_start, utc_ns

_PARIS = ZoneInfo("Europe/Paris")
_RATES = ("Taux de Co2", "Taux de CO2 (g/kWh)")
_INSTANTS = ("Date et Heure", "Date - Heure")
_HOURS = ("Heures", "Heure")


@dataclass(frozen=True)
class _Layout:
    """The columns of a file: the tab-separated ``.xls`` of the site, or the ``;`` of open data."""

    delimiter: str
    rate: str
    hours: str
    instant: str | None  # a time with its offset: open data only

    @classmethod
    def of(cls, text: str) -> _Layout:
        header = text.partition("\n")[0]
        delimiter = "\t" if "\t" in header else ";"
        columns = [column.strip() for column in header.split(delimiter)]
        return cls(
            delimiter,
            rate=next((name for name in _RATES if name in columns), _RATES[delimiter == ";"]),
            hours=next((name for name in _HOURS if name in columns), _HOURS[0]),
            instant=next((name for name in _INSTANTS if name in columns), None),
        )

    @property
    def needed(self) -> tuple[str, ...]:
        return "Périmètre", "Date", self.hours, self.rate


def read(file: PublisherFile) -> Iterator[FactorValue]:
    """Read half-hours, each the mean of the values of its lines. A half-hour without a value stays unknown."""
    layout = _Layout.of(file.text)
    zone = file.given.get("zone") or "FRA"
    half_hours: dict[int, list[tuple[TableLine, float]]] = {}
    clock, written_at = _Clock(), dict[int, str]()
    for at, line in _instants(file, layout, clock):
        written_at[at] = line.cells.get(layout.rate, "")
        written = line.cells.get(layout.rate, "")
        if written.upper() in MISSING:
            file.left_out["no value"] += 1
            continue
        value = number(written, line.line, layout.rate, file.faults)
        if value is not None and check_value(value, line.line, layout.rate, written, DIRECT, file.faults):
            half_hours.setdefault(half_hour_start(at), []).append((line, value))
    for after, line in clock.skipped:
        _leave_out(file, line, layout, written_at.get(after))
    for start in sorted(half_hours):
        values = half_hours[start]
        mean = sum(value for _, value in values) / len(values)
        yield FactorValue(values[0][0].line, zone, start, start + HALF_HOUR_NS, mean, DIRECT, PRODUCTION, "RTE, eCO2mix")


def _leave_out(file: PublisherFile, line: TableLine, layout: _Layout, an_hour_later: str | None) -> None:
    """Leave out a line of the hour that spring skips, if its value is the next hour's: RTE copies it. Others refuse the file."""
    written = line.cells.get(layout.rate, "")
    if written == an_hour_later:
        file.left_out["hour that spring skips"] += 1
        return
    local = f"{line.cells['Date']} {line.cells[layout.hours]}"
    file.faults.add(line.line, "Date", local, "this hour is skipped in spring in France: leave its value empty")


def _instants(file: PublisherFile, layout: _Layout, clock: _Clock) -> Iterator[tuple[int, TableLine]]:
    """Yield the lines about France, each with its instant in UTC nanoseconds. An instant occurs once."""
    faults = file.faults
    seen: dict[int, int] = {}
    for line in table(file.text, layout.delimiter, layout.needed, faults, ragged=True):
        cells = line.cells
        if len(cells) < len(layout.needed) or not cells.get("Date"):
            file.left_out["notice of the publisher"] += 1
            continue
        if cells["Périmètre"].casefold() != "france":
            faults.add(line.line, "Périmètre", cells["Périmètre"], "only the national file has a rate of CO2: import that one")
            continue
        if layout.instant is not None:
            at = _offset_time(line, layout.instant, faults)
        else:
            at = clock.read(line, layout.hours, cells.get(layout.rate, "").upper() in MISSING, faults)
        if at is None:
            continue
        if at in seen:
            faults.add(line.line, "Date", f"{cells['Date']} {cells[layout.hours]}", f"the same time as line {seen[at]}: keep one")
            continue
        seen[at] = line.line
        yield at, line


class _Clock:
    """Turns French local times, in the order of a file, into instants.

    The hour that comes twice in autumn is read in order: the second time, it is an hour later.

    Attributes:
        skipped: Lines with a value in the hour that spring skips, each with the instant of the same minute an hour later.
    """

    def __init__(self) -> None:
        self.skipped: list[tuple[int, TableLine]] = []
        self._met: dict[datetime, int] = {}
        self._latest: tuple[int, int] | None = None

    def read(self, line: TableLine, hours: str, missing: bool, faults: Faults) -> int | None:
        """Return the instant of a line in UTC nanoseconds; None where it has none, which is noted unless its value is missing."""
        written = f"{line.cells['Date']} {line.cells[hours]}"
        local = _local_time(written)
        if local is None:
            faults.add(line.line, "Date", written, "write a day and a time, 2026-01-01 and 00:30, or 01/01/2026 and 00:30")
            return None
        if local.astimezone(UTC).astimezone(_PARIS).replace(fold=0) != local.replace(fold=0):
            if not missing:  # files with 48 half-hours every day leave these empty, or fill them
                self.skipped.append((utc_ns(local), line))
            return None
        twice = local.utcoffset() != local.replace(fold=1).utcoffset()
        met = self._met.get(local)
        self._met[local] = line.line
        at = utc_ns(local.replace(fold=1) if twice and met is not None else local)
        if met is None and self._latest is not None and at < self._latest[0]:
            remedy = f"before line {self._latest[1]}: put the lines in order of time, or local time is not readable in autumn"
            faults.add(line.line, "Date", written, remedy)
            return None
        self._latest = max(self._latest or (at, line.line), (at, line.line))
        return at


def _local_time(written: str) -> datetime | None:
    for form in ("%Y-%m-%d %H:%M", "%d/%m/%Y %H:%M"):
        try:
            return datetime.strptime(written, form).replace(tzinfo=_PARIS)
        except ValueError:
            continue
    return None


def _offset_time(line: TableLine, column: str, faults: Faults) -> int | None:
    """Return the instant of a line of open data. Exports keep no order, and none is needed: the time has its offset."""
    written = line.cells.get(column, "")
    try:
        moment = datetime.fromisoformat(written)
        if moment.tzinfo is not None:
            return utc_ns(moment)
    except ValueError:
        pass
    faults.add(line.line, column, written, "write the time with its offset, 2026-03-29T03:00:00+02:00")
    return None


def _recognises(header: str) -> bool:
    columns = {each.strip(' "') for each in header.replace("\t", ";").split(";")}
    return {"Périmètre", "Date"} <= columns and not columns.isdisjoint(_HOURS)


PUBLISHER = Publisher(
    name="eco2mix",
    details={"title": "RTE, eCO2mix: what burning emits in France", "licence": "Licence Ouverte 2.0 (Etalab)"},
    read=read,
    recognises=_recognises,
)
