"""Files of factors: the normalised form, which is the generic CSV below a few lines that describe the set.

    # id: rte-2026
    # title: RTE eCO2mix, January to March 2026
    # source: RTE, eCO2mix
    # licence: Licence Ouverte 2.0 (Etalab)
    # scope: direct
    # basis: production
    # retrieved_on: 2026-11-25
    zone,start,end,gco2e_per_kwh
    FRA,2026-01-01T00:00Z,2026-01-01T00:30Z,21

``start`` and ``end`` are half-open and on half-hours: days in the organisation's time zone, or ISO 8601 times with their offset.
Columns ``scope``, ``basis`` and ``source`` may differ line by line. All mistakes of a file are reported at once.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, tzinfo
from pathlib import Path

from ecoia.factors.model import BASES, SCOPES, Factor, FactorSet
from ecoia.factors.tables import Faults, TableLine, check_value, decode, number, read_bytes, table
from ecoia.factors.zones import is_known
from ecoia.periods import HALF_HOUR_NS, utc_datetime, utc_ns

SUFFIX = ".csv"
NEEDED = ("zone", "start", "end", "gco2e_per_kwh")
OPTIONAL = ("scope", "basis", "source")
DETAILS = ("id", "version", "title", "source", "licence", "scope", "basis", "retrieved_on")


@dataclass(frozen=True)
class SetDetails:
    """The description of a set. ``scope``, ``basis`` and ``source`` may be empty where each line has its own."""

    id: str
    version: str
    title: str
    source: str
    licence: str
    scope: str
    basis: str
    retrieved_on: str


@dataclass(frozen=True)
class FactorValue:
    """One value of a file before it becomes a factor of a set.

    Attributes:
        line: Line of the file that it comes from.
        zone: Zone.
        start_utc_ns: First instant at which it holds.
        end_utc_ns: First instant at which it no longer holds.
        value_g_per_kwh: The value in gCO2e per kWh.
        scope: One of ``model.SCOPES``.
        basis: One of ``model.BASES``.
        source: Publisher or body that states the figure.
    """

    line: int
    zone: str
    start_utc_ns: int
    end_utc_ns: int
    value_g_per_kwh: float
    scope: str
    basis: str
    source: str


def read(path: Path, timezone: tzinfo) -> FactorSet:
    """Read a normalised file. The file's name is the id of the set.

    Args:
        path: The file.
        timezone: Civil time in which its days begin.

    Raises:
        FactorFileError: It is missing or wrong.

    Example:
        ``read(Path("factors/rte-2026.csv"), ZoneInfo("Europe/Paris")).id`` is ``rte-2026``.
    """
    return parse_generic(read_bytes(path), path.name, timezone, {"id": path.stem})[0]


def parse(data: bytes, name: str, timezone: tzinfo) -> FactorSet:
    """Parse the bytes of a normalised file.

    Args:
        data: Content of the file, UTF-8.
        name: Its name, for messages.
        timezone: Civil time in which its days begin.

    Raises:
        FactorFileError: Something is wrong; the message has one line per mistake.

    Example:
        >>> from datetime import UTC
        >>> head = "# id: ours\\n# source: Us\\n# licence: CC0-1.0\\n# scope: direct\\n# basis: production\\n"
        >>> body = "# retrieved_on: 2026-01-01\\nzone,start,end,gco2e_per_kwh\\nFRA,2025-01-01,2026-01-01,41\\n"
        >>> parse((head + body).encode(), "ours.csv", UTC).zones()
        ('FRA',)
    """
    return parse_generic(data, name, timezone, {})[0]


def parse_generic(data: bytes, name: str, timezone: tzinfo, given: Mapping[str, str]) -> tuple[FactorSet, SetDetails]:
    """Parse the bytes of a generic or normalised CSV.

    Args:
        data: Content of the file, UTF-8.
        name: Its name, for messages.
        timezone: Civil time in which its days begin.
        given: Details that override those in the file.

    Returns:
        The set, and its details.

    Raises:
        FactorFileError: Something is wrong; the message has one line per mistake.
    """
    faults = Faults(name)
    text = decode(data, "utf-8", faults)
    written: dict[str, str] = {}
    skipped = 0
    for line in text.split("\n"):
        if not line.startswith("#"):
            break
        skipped += 1
        key, _, value = line.lstrip("# ").partition(":")
        if key.strip() in DETAILS:
            written[key.strip()] = value.strip()
    details = read_details({**written, **given}, data, faults)
    values = []
    for row in table(text, ",", NEEDED, faults, known=(*NEEDED, *OPTIONAL), skip=skipped):
        found = _value(row, details, timezone, faults)
        if found is not None:
            values.append(found)
    return build(values, details, timezone, faults), details


def build(values: Iterable[FactorValue], details: SetDetails, timezone: tzinfo, faults: Faults) -> FactorSet:
    """Build a set from values in the order in which they stand in the file.

    Args:
        values: The values.
        details: Description of the set.
        timezone: Civil time of the years and quarters in which gaps are filled.
        faults: Mistakes noted so far.

    Raises:
        FactorFileError: A mistake was noted before, or values repeat, overlap or go back in time.
    """
    latest: dict[tuple[str, str, str], FactorValue] = {}
    factors = []
    for value in values:
        series = (value.zone, value.scope, value.basis)
        if _follows(latest.get(series), value, faults):
            latest[series] = value
        factors.append(_factor(value, details))
    if not factors and not faults.found:
        faults.add(1, "line", "", "the file holds no factor: check that it is the right file, and the kind given with --as")
    faults.raise_any()
    return FactorSet(factors, id=details.id, version=details.version, title=details.title, timezone=timezone)


def _follows(before: FactorValue | None, value: FactorValue, faults: Faults) -> bool:
    """Check that a value begins after the one before it in its series has ended."""
    if before is None or value.start_utc_ns >= before.end_utc_ns:
        return True
    start = _text(value.start_utc_ns)
    if value.start_utc_ns == before.start_utc_ns:
        faults.add(value.line, "start", start, f"zone {value.zone} has this time on line {before.line} already: keep one")
    elif value.start_utc_ns < before.start_utc_ns:
        faults.add(value.line, "start", start, f"before the start of line {before.line}: put the lines in order of time")
    else:
        until = _text(before.end_utc_ns)
        faults.add(value.line, "start", start, f"overlaps line {before.line}, which holds until {until}: end one earlier")
    return False


def _factor(value: FactorValue, details: SetDetails) -> Factor:
    return Factor(
        zone=value.zone,
        start_utc_ns=value.start_utc_ns,
        end_utc_ns=value.end_utc_ns,
        value_g_per_kwh=value.value_g_per_kwh,
        scope=value.scope,
        basis=value.basis,
        source=value.source,
        licence=details.licence,
        release=details.version,
        factor_set=details.id,
        retrieved_on=details.retrieved_on,
    )


def render(factors: FactorSet, details: SetDetails) -> str:
    """Write a set in the normalised form.

    A scope, basis or source shared by all lines stands once, above the table.

    Args:
        factors: The set.
        details: Its description.

    Example:
        ``render(*parse_generic(data, "rte-2026.csv", timezone, {}))`` gives back the text of a normalised file.
    """
    shared = {name: {getattr(factor, name) for factor in factors.factors} for name in OPTIONAL}
    columns = [name for name in OPTIONAL if len(shared[name]) > 1]
    once = {name: next(iter(shared[name])) for name in OPTIONAL if name not in columns}
    head = {**{name: getattr(details, name) for name in DETAILS if name not in OPTIONAL}, **once}
    text = io.StringIO()
    for name in DETAILS:
        if head.get(name):
            text.write(f"# {name}: {' '.join(head[name].split())}\n")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((*NEEDED, *columns))
    for factor in sorted(factors.factors, key=lambda f: (f.zone, f.scope, f.basis, f.start_utc_ns)):
        bounds = (_text(factor.start_utc_ns), _text(factor.end_utc_ns))
        writer.writerow((factor.zone, *bounds, f"{factor.value_g_per_kwh:.6g}", *(getattr(factor, name) for name in columns)))
    return text.getvalue()


def read_details(written: Mapping[str, str], data: bytes, faults: Faults) -> SetDetails:
    """Check the description of a set.

    Args:
        written: Details by name.
        data: Content of the file. A set without a version gets a hash of it.
        faults: Where mistakes are noted.
    """
    values = {name: written.get(name, "") for name in DETAILS}
    values["version"] = values["version"] or f"sha256:{hashlib.sha256(data).hexdigest()[:12]}"
    values["title"] = values["title"] or values["id"]
    for name, among in (("scope", SCOPES), ("basis", BASES)):
        if values[name] and values[name] not in among:
            faults.add(1, name, values[name], f"choose one of {', '.join(among)}")
    if not values["licence"]:
        faults.add(1, "licence", "", "name the licence that it is published under: --licence, or a line '# licence: CC BY 4.0'")
    try:
        date.fromisoformat(values["retrieved_on"])
    except ValueError:
        faults.add(1, "retrieved_on", values["retrieved_on"], "write the day on which it was retrieved, e.g. 2026-11-23")
    return SetDetails(**values)


def _value(row: TableLine, details: SetDetails, timezone: tzinfo, faults: Faults) -> FactorValue | None:
    """Read one line; None where it holds a mistake, which is noted."""
    noted = len(faults.found)
    cells = row.cells
    described = {name: cells.get(name) or getattr(details, name) for name in OPTIONAL}
    for name, among in (("scope", SCOPES), ("basis", BASES)):
        if described[name] not in among:
            faults.add(row.line, name, described[name], f"choose one of {', '.join(among)}, for all lines with --{name}")
    if not described["source"]:
        faults.add(row.line, "source", "", "name whose figure it is, for all lines with --source")
    if not is_known(cells["zone"]):
        faults.add(
            row.line, "zone", cells["zone"], "unknown zone: write an ISO 3166 alpha-3 code, e.g. FRA, with a part: DNK-DK1"
        )
    bounds = [_instant(cells[name], row.line, name, timezone, faults) for name in ("start", "end")]
    value = number(cells["gco2e_per_kwh"], row.line, "gco2e_per_kwh", faults)
    if value is not None:
        check_value(value, row.line, "gco2e_per_kwh", cells["gco2e_per_kwh"], described["scope"], faults)
    start, end = bounds
    if start is not None and end is not None and end <= start:
        faults.add(row.line, "end", cells["end"], "not after 'start': both are half-open, a year is 2025-01-01,2026-01-01")
    if len(faults.found) > noted or value is None or start is None or end is None:
        return None
    return FactorValue(row.line, cells["zone"], start, end, value, described["scope"], described["basis"], described["source"])


def _instant(text: str, line: int, column: str, timezone: tzinfo, faults: Faults) -> int | None:
    try:
        if len(text) == len("2026-01-01"):
            moment = datetime.combine(date.fromisoformat(text), time(), timezone)
        else:
            moment = datetime.fromisoformat(text)
            if moment.tzinfo is None:
                faults.add(line, column, text, "write the offset: 2026-01-01T00:00Z, or 2026-01-01T01:00+01:00")
                return None
        instant = utc_ns(moment)
    except (ValueError, OverflowError):
        faults.add(line, column, text, "write a day, 2026-01-01, or a time with its offset, 2026-01-01T00:00Z")
        return None
    if instant % HALF_HOUR_NS:
        faults.add(line, column, text, "not on a half-hour, the grain of the ledger: give half-hourly values, or longer ones")
        return None
    return instant


def _text(instant_ns: int) -> str:
    return utc_datetime(instant_ns).strftime("%Y-%m-%dT%H:%MZ")
