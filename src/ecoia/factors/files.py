"""Files of factors: the normalised form, which is the generic CSV with a few lines that say whose it is.

    # id: rte-2026
    # title: RTE eCO2mix, January to March 2026
    # source: RTE, eCO2mix
    # licence: Licence Ouverte 2.0 (Etalab)
    # scope: direct
    # basis: production
    # retrieved_on: 2026-11-25
    zone,start,end,gco2e_per_kwh
    FRA,2026-01-01T00:00Z,2026-01-01T00:30Z,21

``start`` and ``end`` are half-open: days in the organisation's time zone, or ISO 8601 times with their offset, on half-hours.
Columns ``scope``, ``basis`` and ``source`` may say it line by line. Every mistake of a file is reported at once.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, tzinfo
from pathlib import Path

from ecoia.errors import FactorFileError
from ecoia.factors.model import BASES, GREATEST_G_PER_KWH, LIFECYCLE, SCOPES, Factor, FactorSet
from ecoia.factors.zones import is_known
from ecoia.periods import HALF_HOUR_NS, utc_datetime, utc_ns

SUFFIX = ".csv"
NEEDED = ("zone", "start", "end", "gco2e_per_kwh")
OPTIONAL = ("scope", "basis", "source")
DETAILS = ("id", "version", "title", "source", "licence", "scope", "basis", "retrieved_on")

_MOST_TOLD = 20


@dataclass
class Faults:
    """What is wrong with a file, found in one reading."""

    name: str
    found: list[tuple[int, str]] = field(default_factory=list)

    def add(self, line: int, column: str, value: object, remedy: str) -> None:
        """Note a mistake: where, which field, which value, what to do."""
        self.found.append((line, f"{self.name}:{line}, field '{column}', value {value!r}: {remedy}"))

    def raise_any(self) -> None:
        """Raise what was noted, in the order of the lines.

        Raises:
            FactorFileError: there is something.
        """
        if not self.found:
            return
        texts = [text for _, text in sorted(self.found)]
        more = [f"... and {len(texts) - _MOST_TOLD} more"] if len(texts) > _MOST_TOLD else []
        raise FactorFileError("\n".join(["factor file refused, nothing was taken from it:", *texts[:_MOST_TOLD], *more]))


@dataclass(frozen=True)
class Details:
    """What a set says of itself, for all its lines; ``scope``, ``basis`` and ``source`` may be empty where lines say them."""

    id: str
    version: str
    title: str
    source: str
    licence: str
    scope: str
    basis: str
    retrieved_on: str


@dataclass(frozen=True)
class Value:
    """One value of a file, before it is a factor. ``line`` is where it stands."""

    line: int
    zone: str
    start_utc_ns: int
    end_utc_ns: int
    value_g_per_kwh: float
    scope: str
    basis: str
    source: str


def read(path: Path, timezone: tzinfo) -> FactorSet:
    """The set of a normalised file, which its name identifies.

    Raises:
        FactorFileError: it is missing or wrong.
    """
    return parse_generic(read_bytes(path), path.name, timezone, {"id": path.stem})[0]


def read_bytes(path: Path) -> bytes:
    """The bytes of a file.

    Raises:
        FactorFileError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise FactorFileError(f"factor file '{path}' cannot be read ({error.strerror}): check the path") from error


def parse(data: bytes, name: str, timezone: tzinfo) -> FactorSet:
    """The set of a normalised file's bytes.

    Raises:
        FactorFileError: something is wrong; the message has one line a mistake.
    """
    return parse_generic(data, name, timezone, {})[0]


def parse_generic(data: bytes, name: str, timezone: tzinfo, given: Mapping[str, str]) -> tuple[FactorSet, Details]:
    """The set of a generic or normalised CSV, and what it says of itself.

    Args:
        data: The file's bytes, UTF-8.
        name: The file's name, for messages.
        timezone: Where days begin.
        given: Details that stand over those in the file.

    Raises:
        FactorFileError: something is wrong; the message has one line a mistake.
    """
    faults = Faults(name)
    text = decode(data, "utf-8", faults)
    told: dict[str, str] = {}
    skipped = 0
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        skipped += 1
        key, _, value = line.lstrip("# ").partition(":")
        if key.strip() in DETAILS:
            told[key.strip()] = value.strip()
    said = read_details({**told, **given}, data, faults)
    values = []
    for row in table(text, name, ",", (*NEEDED, *OPTIONAL), NEEDED, faults, skip=skipped):
        found = _value(row, said, timezone, faults)
        if found is not None:
            values.append(found)
    return build(values, said, timezone, faults), said


def decode(data: bytes, encoding: str, faults: Faults) -> str:
    """The text of a file.

    Raises:
        FactorFileError: it is in another encoding.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and "16" not in encoding:
        faults.add(1, "encoding", "utf-16", "a spreadsheet saved it as Unicode text: give --encoding utf-16")
        faults.raise_any()
    if encoding == "cp1252" and not data.isascii():
        try:
            data.decode("utf-8")
        except UnicodeDecodeError:
            pass
        else:  # no CP1252 text with accents is valid UTF-8 by chance
            faults.add(1, "encoding", "utf-8", "this kind of file is published in CP1252: give --encoding utf-8")
            faults.raise_any()
    try:
        return data.decode("utf-8-sig" if encoding == "utf-8" else encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        faults.add(line, "encoding", data[error.start : error.start + 1], f"not {encoding}: save it so, or give --encoding")
        faults.raise_any()
        raise AssertionError from error  # never: raise_any has a fault


@dataclass(frozen=True)
class Row:
    """A line of a table: where it stands, and its cells by column."""

    line: int
    cells: Mapping[str, str]


def table(
    text: str,
    name: str,
    delimiter: str,
    known: Iterable[str] | None,
    needed: Iterable[str],
    faults: Faults,
    *,
    skip: int = 0,
    ragged: bool = False,
) -> Iterator[Row]:
    """The lines of a CSV below its header, empty ones left out.

    Args:
        text: The file's text.
        name: The file's name.
        delimiter: Between columns.
        known: The columns that may be there; None: any.
        needed: The columns that must.
        faults: Where mistakes are noted.
        skip: Lines before the header.
        ragged: Whether lines may have other lengths than the header (eCO2mix ends lines with a tab, and files with a notice).

    Raises:
        FactorFileError: the header is wrong, so that no line can be read.
    """
    body = text.split("\n", skip)[skip] if skip else text
    reader = csv.reader(io.StringIO(body, newline=""), delimiter=delimiter, strict=True)
    noted = len(faults.found)
    try:
        header = [column.strip() for column in next(reader, [])]
        wrong = [column for column in needed if column not in header]
        other = next((d for d in (";", ",", "\t") if d != delimiter and d in header[0]), None) if len(header) == 1 else None
        hint = f"; columns are parted by {delimiter!r} in this kind of file, here by {other!r}" if other else ""
        for column in wrong:
            faults.add(skip + 1, column, ", ".join(header)[:60], f"the column is missing: add it{hint}")
        for column in header if known is not None else ():
            if column not in set(known or ()):
                faults.add(skip + 1, column, column, f"no such column: known are {', '.join(known or ())}")
        for column in sorted({column for column in header if column and header.count(column) > 1}):
            faults.add(skip + 1, column, column, "the column is there twice: keep one")
        if len(faults.found) > noted:
            faults.raise_any()
        for cells in reader:
            line = reader.line_num + skip
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header) and not ragged:
                faults.add(line, "line", delimiter.join(cells)[:60], f"{len(cells)} cells where the header has {len(header)}")
                continue
            yield Row(line, dict(zip(header, (cell.strip() for cell in cells), strict=False)))
    except csv.Error as error:
        faults.add(reader.line_num + skip, "line", "", f"not readable as CSV ({error}): check its quotes")


def number(text: str, line: int, column: str, faults: Faults, *, decimal: str = ".") -> float | None:
    """A factor in gCO2e/kWh as written; None where it is none, and that is noted."""
    written = text.replace("\N{NO-BREAK SPACE}", "").replace("\N{NARROW NO-BREAK SPACE}", "")
    if decimal == "," and "." not in written:
        written = written.replace(",", ".")
    if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", written) is None:
        comma = decimal == "." and re.fullmatch(r"[+-]?\d+,\d+", written) is not None
        faults.add(line, column, text, "write a decimal point, not a comma" if comma else f"write a number, e.g. 41{decimal}4")
        return None
    return float(written)


def check_value(value: float, line: int, column: str, written: str, scope: str, faults: Faults) -> bool:
    """Whether a factor can be one; what is absurd is noted."""
    if value < 0:
        faults.add(line, column, written, "an emission factor is not negative")
    elif value > GREATEST_G_PER_KWH:
        faults.add(line, column, written, f"above {GREATEST_G_PER_KWH:,.0f} gCO2e/kWh, which no grid emits: check the unit")
    elif value == 0 and scope == LIFECYCLE:
        faults.add(line, column, written, "no grid emits nothing over its life cycle: leave a line that is not known out")
    else:
        return True
    return False


def build(values: Iterable[Value], details: Details, timezone: tzinfo, faults: Faults) -> FactorSet:
    """The set of some values, in the order in which they stand in the file.

    Raises:
        FactorFileError: something was noted before, or is here: values that repeat, overlap, or go back in time.
    """
    latest: dict[tuple[str, str, str], Value] = {}
    factors = []
    for value in values:
        key = (value.zone, value.scope, value.basis)
        before = latest.get(key)
        start = _text(value.start_utc_ns)
        if before is not None and value.start_utc_ns == before.start_utc_ns:
            faults.add(value.line, "start", start, f"zone {value.zone} has this time on line {before.line} already: keep one")
        elif before is not None and value.start_utc_ns < before.start_utc_ns:
            faults.add(value.line, "start", start, f"before that of line {before.line}: put the lines in order of time")
        elif before is not None and value.start_utc_ns < before.end_utc_ns:
            until = _text(before.end_utc_ns)
            faults.add(value.line, "start", start, f"overlaps line {before.line}, which holds until {until}: end one earlier")
        else:
            latest[key] = value
        factors.append(
            Factor(
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
        )
    if not factors and not faults.found:
        faults.add(1, "line", "", "no factor is in it: check that this is the file, and its kind")
    faults.raise_any()
    return FactorSet(factors, id=details.id, version=details.version, title=details.title, timezone=timezone)


def render(factors: FactorSet, details: Details) -> str:
    """The normalised file of a set: what is the same on every line is said once, above."""
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


def read_details(told: Mapping[str, str], data: bytes, faults: Faults) -> Details:
    """What a set says of itself. Without a version of its own, it has one of the file's content."""
    values = {name: told.get(name, "") for name in DETAILS}
    values["version"] = values["version"] or f"sha256:{hashlib.sha256(data).hexdigest()[:12]}"
    values["title"] = values["title"] or values["id"]
    for name, among in (("scope", SCOPES), ("basis", BASES)):
        if values[name] and values[name] not in among:
            faults.add(1, name, values[name], f"choose one of {', '.join(among)}")
    if not values["licence"]:
        faults.add(1, "licence", "", "say under which licence it is published: --licence, or a line '# licence: CC BY 4.0'")
    try:
        date.fromisoformat(values["retrieved_on"])
    except ValueError:
        faults.add(1, "retrieved_on", values["retrieved_on"], "write the day on which it was retrieved, e.g. 2026-11-23")
    return Details(**values)


def _value(row: Row, details: Details, timezone: tzinfo, faults: Faults) -> Value | None:
    noted = len(faults.found)
    cells = row.cells
    said = {name: cells.get(name) or getattr(details, name) for name in OPTIONAL}
    for name, among in (("scope", SCOPES), ("basis", BASES)):
        if said[name] not in among:
            faults.add(row.line, name, said[name], f"choose one of {', '.join(among)}, for all lines with --{name}")
    if not said["source"]:
        faults.add(row.line, "source", "", "say whose figure it is, for all lines with --source")
    if not is_known(cells["zone"]):
        faults.add(
            row.line, "zone", cells["zone"], "unknown zone: write an ISO 3166 alpha-3 code, e.g. FRA, with a part: DNK-DK1"
        )
    bounds = [_instant(cells[name], row.line, name, timezone, faults) for name in ("start", "end")]
    value = number(cells["gco2e_per_kwh"], row.line, "gco2e_per_kwh", faults)
    if value is not None:
        check_value(value, row.line, "gco2e_per_kwh", cells["gco2e_per_kwh"], said["scope"], faults)
    start, end = bounds
    if start is not None and end is not None and end <= start:
        faults.add(row.line, "end", cells["end"], "not after 'start': both are half-open, a year is 2025-01-01,2026-01-01")
    if len(faults.found) > noted or value is None or start is None or end is None:
        return None
    return Value(row.line, cells["zone"], start, end, value, said["scope"], said["basis"], said["source"])


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
