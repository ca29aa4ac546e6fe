"""Tables of factors: read a CSV line by line and note every mistake, so that a file is refused once with all of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ecoia import limits
from ecoia.errors import FactorFileError
from ecoia.factors.model import GREATEST_G_PER_KWH, LIFECYCLE
from ecoia.keeping.csv_lines import CsvError, csv_lines, first
from ecoia.keeping.office_tables import encoding_of


@dataclass
class Faults:
    """Mistakes of a file, collected in one reading.

    Attributes:
        name: The file's name, for messages.
        found: Line and text of each mistake.

    Example:
        >>> faults = Faults("grid.csv")
        >>> faults.add(2, "zone", "Fr", "write an ISO 3166 alpha-3 code, e.g. FRA")
        >>> faults.found
        [(2, "grid.csv:2, field 'zone', value 'Fr': write an ISO 3166 alpha-3 code, e.g. FRA")]
    """

    name: str
    found: list[tuple[int, str]] = field(default_factory=list)

    def add(self, line: int, column: str, value: object, remedy: str) -> None:
        """Note a mistake.

        Args:
            line: Line of the file, from 1.
            column: Column, or detail of the set.
            value: The value found there.
            remedy: The fault, and what to do about it.
        """
        self.found.append((line, f"{self.name}:{line}, field '{column}', value {value!r}: {remedy}"))

    def raise_any(self) -> None:
        """Raise the mistakes noted so far, in the order of the lines.

        Raises:
            FactorFileError: There is one or more.
        """
        if not self.found:
            return
        texts = [text for _, text in sorted(self.found)]
        raise FactorFileError("\n".join(["factor file refused, nothing was taken from it:", *first(texts)]))


@dataclass(frozen=True)
class TableLine:
    """A line of a table: its number in the file, and its cells by column."""

    line: int
    cells: Mapping[str, str]


def read_bytes(path: Path) -> bytes:
    """Read a file.

    Raises:
        FactorFileError: It cannot be read.
    """
    try:
        return limits.read_bytes(path, limits.FACTOR_FILE_BYTES)
    except OSError as error:
        raise FactorFileError(f"factor file '{path}' cannot be read ({error.strerror}): check the path") from error


def decode(data: bytes, encoding: str | None, faults: Faults) -> str:
    """Decode a file.

    Args:
        data: Content of the file.
        encoding: Its encoding. None: as office tables, UTF-16 or UTF-8 by their marks, else UTF-8, else CP1252. No CP1252 text
            with accents is valid UTF-8 by chance.
        faults: Where mistakes are noted.

    Raises:
        FactorFileError: It has another encoding.
        LookupError: There is no such encoding.

    Example:
        >>> decode(b"zone,start", None, Faults("grid.csv"))
        'zone,start'
    """
    known = encoding or encoding_of(data)
    try:
        return data.decode("utf-8-sig" if known == "utf-8" else known)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        faults.add(line, "encoding", data[error.start : error.start + 1], f"not {known}: save it so, or give --encoding")
        faults.raise_any()
        raise AssertionError from error  # unreachable: raise_any has a mistake to raise


def table(
    text: str,
    delimiter: str,
    needed: Sequence[str],
    faults: Faults,
    *,
    known: Sequence[str] | None = None,
    skip: int = 0,
    ragged: bool = False,
) -> Iterator[TableLine]:
    """Read the lines of a CSV below its header. Empty lines are left out.

    Args:
        text: Text of the file.
        delimiter: Delimiter between columns.
        needed: Columns that must be there.
        faults: Where mistakes are noted.
        known: Columns that may be there. None: any.
        skip: How many lines stand before the header.
        ragged: Whether lines may be longer or shorter than the header (eCO2mix ends lines with a tab, and files with a notice).

    Yields:
        Each line.

    Raises:
        FactorFileError: The header is wrong, so no line can be read.

    Example:
        >>> [line] = table("zone,value\\nFRA,41\\n", ",", ["zone"], Faults("grid.csv"))
        >>> line
        TableLine(line=2, cells={'zone': 'FRA', 'value': '41'})
    """
    body = "".join(text.split("\n", skip)[skip:])
    read = csv_lines(body, delimiter)
    try:
        header = [column.strip() for column in next(read, (1, []))[1]]
        _check_header(header, delimiter, needed, known, skip + 1, faults)
        for number, cells in read:
            line = number + skip
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header) and not ragged:
                faults.add(line, "line", delimiter.join(cells)[:60], f"{len(cells)} cells where the header has {len(header)}")
                continue
            yield TableLine(line, dict(zip(header, (cell.strip() for cell in cells), strict=False)))
    except CsvError as error:
        faults.add(error.line + skip, "line", "", str(error))


def _check_header(
    header: Sequence[str], delimiter: str, needed: Iterable[str], known: Sequence[str] | None, line: int, faults: Faults
) -> None:
    """Refuse a header with missing, unknown or repeated columns."""
    noted = len(faults.found)
    other = next((d for d in (";", ",", "\t") if d != delimiter and d in header[0]), None) if len(header) == 1 else None
    hint = f"; columns are separated by {delimiter!r} in this kind of file, here by {other!r}" if other else ""
    for column in needed:
        if column not in header:
            faults.add(line, column, ", ".join(header)[:60], f"the column is missing: add it{hint}")
    for column in header if known is not None else ():
        if column not in (known or ()):
            faults.add(line, column, column, f"no such column: known are {', '.join(known or ())}")
    for column in sorted({column for column in header if column and header.count(column) > 1}):
        faults.add(line, column, column, "the column is there twice: keep one")
    if len(faults.found) > noted:
        faults.raise_any()


def number(text: str, line: int, column: str, faults: Faults, *, decimal: str = ".") -> float | None:
    """Read a number as it is written in a cell.

    Args:
        text: Content of the cell.
        line: Line of the file.
        column: Column.
        faults: Where a mistake is noted.
        decimal: The decimal mark.

    Returns:
        The number; None where the cell holds none, which is noted.

    Example:
        >>> number("0,0517", 2, "Total", Faults("base.csv"), decimal=",")
        0.0517
    """
    written = text.replace("\N{NO-BREAK SPACE}", "").replace("\N{NARROW NO-BREAK SPACE}", "")
    if decimal == "," and "." not in written:
        written = written.replace(",", ".")
    if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", written) is None:
        comma = decimal == "." and re.fullmatch(r"[+-]?\d+,\d+", written) is not None
        faults.add(line, column, text, "write a decimal point, not a comma" if comma else f"write a number, e.g. 41{decimal}4")
        return None
    return float(written)


def check_value(value_g_per_kwh: float, line: int, column: str, written: str, scope: str, faults: Faults) -> bool:
    """Check whether a value can be an emission factor.

    Args:
        value_g_per_kwh: The value in gCO2e per kWh.
        line: Line of the file.
        column: Column.
        written: The value as written there.
        scope: One of ``model.SCOPES``.
        faults: Where a mistake is noted.

    Returns:
        Whether it can; if not, the mistake is noted.

    Example:
        >>> faults = Faults("grid.csv")
        >>> check_value(0.041, 2, "value", "0.041", LIFECYCLE, faults), check_value(-1.0, 3, "value", "-1", LIFECYCLE, faults)
        (True, False)
    """
    if value_g_per_kwh < 0:
        faults.add(line, column, written, "an emission factor is not negative: correct it")
    elif value_g_per_kwh > GREATEST_G_PER_KWH:
        faults.add(line, column, written, f"above {GREATEST_G_PER_KWH:,.0f} gCO2e/kWh, which no grid emits: check the unit")
    elif value_g_per_kwh == 0 and scope == LIFECYCLE:
        faults.add(
            line, column, written, "every grid emits something over its life cycle: leave out a line without a known value"
        )
    else:
        return True
    return False
