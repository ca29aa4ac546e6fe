"""Tables that offices keep: one reader for whatever encoding, separator and case a spreadsheet saved them with.

Nothing is guessed in silence. An encoding is told by its mark, or by the fact that the bytes are valid in it; a separator by the
header; CP1252 is what Windows writes where the bytes are no UTF-8. ``.xlsx`` files give the cells of their first sheet.
"""

from __future__ import annotations

import codecs
import re
import zipfile
from collections.abc import Collection, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecoia import limits
from ecoia.errors import UsageError
from ecoia.keeping.csv_lines import CsvError, csv_lines
from ecoia.periods import HALF_HOUR_NS

if TYPE_CHECKING:
    from ecoia.records import Record

_SEPARATORS = (";", "\t", ",")
_SPACES = str.maketrans("", "", " \N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}\N{THIN SPACE}")
_GROUPED = re.compile(r"[+-]?\d{1,3}(?:[ \N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}\N{THIN SPACE}]\d{3})+(?:[.,]\d+)?")
EITHER = re.compile(r"[1-9]\d{0,2}(?:\.\d{3})+")
"""A number that is two where a comma is the decimal mark: 412.000 is 412 or 412 000."""
_POINTS_THEN_COMMA = re.compile(r"[+-]?\d{1,3}(?:\.\d{3})+,\d+")


@dataclass(frozen=True)
class OfficeLine:
    """A line below the header: its place (``activity.csv:2``), and its cells by column."""

    where: str
    cells: Mapping[str, str]


@dataclass
class OfficeTable:
    """A table.

    Attributes:
        name: Name of the file.
        columns: The columns of its header, in lower case.
        lines: Its lines; empty ones are left out.
        problems: What of it cannot be read, one text a cause.
        decimal_comma: Whether a comma in a number is a decimal mark: it does not separate the columns.
    """

    name: str
    columns: list[str]
    lines: list[OfficeLine] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    decimal_comma: bool = False


def read_table(path: str | Path) -> OfficeTable:
    """Read a table from a CSV file or the first sheet of an ``.xlsx`` file.

    Raises:
        UsageError: the file cannot be read as either.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "activity.csv"
        >>> _ = file.write_bytes("sep=;\\nService;Source\\nvadore;Relevé\\n".encode("cp1252"))
        >>> table = read_table(file)
        >>> table.columns, table.lines[0].cells["source"]
        (['service', 'source'], 'Relevé')
    """
    path = Path(path)
    data = read_bytes(path)
    if data.startswith(b"PK\x03\x04"):
        return _workbook_table(path)
    return _csv_table(path.name, text_of(data, path))


def read_bytes(path: Path) -> bytes:
    """Read a table's file.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        return limits.read_bytes(path, limits.CSV_BYTES)
    except OSError as error:
        raise UsageError(f"'{path}' cannot be read ({error.strerror}): check the path") from error


def encoding_of(data: bytes) -> str:
    """Return the encoding of what a spreadsheet saved as text: UTF-16 or UTF-8 by their marks, else UTF-8, else CP1252.

    Example:
        >>> encoding_of("Périmètre".encode("cp1252"))
        'cp1252'
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8-sig"


def text_of(data: bytes, path: Path) -> str:
    """Decode what a spreadsheet saved as text, in the encoding that ``encoding_of`` tells.

    Raises:
        UsageError: it is none of them.
    """
    try:
        return data.decode(encoding_of(data))
    except UnicodeDecodeError as error:
        said = f"'{path}' is in no encoding that a spreadsheet writes (UTF-8, UTF-16, CP1252): save it as CSV UTF-8"
        raise UsageError(said) from error


def _csv_table(name: str, text: str) -> OfficeTable:
    first, _, rest = text.partition("\n")
    skipped = 0
    told = re.fullmatch(r"sep=(.)", first.strip("\r"), re.IGNORECASE)
    if told:  # Excel's own note, above the header
        separator, text, skipped = told[1], rest, 1
        first = text.partition("\n")[0]
    else:
        separator = max(_SEPARATORS, key=first.count)
    table = OfficeTable(name, [], decimal_comma=separator != ",")
    remedy = "quote cells that hold " + ("a tab" if separator == "\t" else f"'{separator}'")
    header: list[str] | None = None
    try:
        for number, cells in csv_lines(text, separator):
            where = f"{name}:{number + skipped}"
            if header is None:
                header = _without_empty_end(cells, 0)
                table.columns = [_column(cell) for cell in header]
            elif any(cell.strip() for cell in cells):
                _add(table, where, _without_empty_end(cells, len(header)), remedy)
    except CsvError as error:
        table.problems.append(f"{name}:{error.line + skipped}: {error}")
    return table


def _column(cell: str) -> str:
    return re.sub(r"[\s-]+", "_", cell.strip().casefold())


def _without_empty_end(cells: list[str], least: int) -> list[str]:
    """Leave out the empty cells that a separator at the end of a line makes."""
    end = len(cells)
    while end > least and not cells[end - 1].strip():
        end -= 1
    return cells[:end]


def _add(table: OfficeTable, where: str, cells: list[str], remedy: str) -> None:
    if len(cells) == len(table.columns):
        table.lines.append(OfficeLine(where, dict(zip(table.columns, (cell.strip() for cell in cells), strict=True))))
    else:
        table.problems.append(f"{where}: {len(cells)} cells where the header has {len(table.columns)}: {remedy}")


def wrong_span(name: str, records: Iterable[Record]) -> list[str]:
    """Say that the lines of a table cover more half-hours together than reports can hold; nothing where they do not.

    Args:
        name: Name of the file.
        records: What its lines gave.
    """
    half_hours = sum((record.end_utc_ns - record.start_utc_ns) // HALF_HOUR_NS + 1 for record in records)
    if half_hours <= limits.DECLARED_HALF_HOURS:
        return []
    most = f"{limits.DECLARED_HALF_HOURS:,} at most"
    return [f"{name}: its lines cover {half_hours:,} half-hours together, {most}: check the years, or give fewer lines a file"]


def _workbook_table(path: Path) -> OfficeTable:
    try:
        from openpyxl import load_workbook
    except ImportError as error:
        raise UsageError(f"'{path}' is a workbook, which needs 'pip install ecoia[report]': or save it as CSV") from error
    try:
        with zipfile.ZipFile(path) as parts:
            if sum(part.file_size for part in parts.infolist()) > limits.WORKBOOK_BYTES:
                raise UsageError(f"'{path}' unpacks to more than {limits.WORKBOOK_BYTES >> 20} MiB: save it as CSV")  # noqa: TRY301
        with closing(load_workbook(path, read_only=True, data_only=True)) as book:
            sheet = book.worksheets[0]
            sheet.reset_dimensions()  # what the file says of its size may be wrong
            numbered = enumerate(sheet.iter_rows(values_only=True), 1)
            rows = [(number, each) for number, row in numbered if any(each := _texts(row))]
    except UsageError:
        raise
    except Exception as error:
        raise UsageError(f"'{path}' cannot be read as a workbook ({type(error).__name__}): save it anew, or as CSV") from error
    table = OfficeTable(path.name, [], decimal_comma=True)
    for number, cells in rows:
        if not table.columns:
            table.columns = [_column(cell) for cell in _without_empty_end(cells, 0)]
        else:
            filled = cells + [""] * (len(table.columns) - len(cells))  # a row ends with its last cell
            _add(table, f"{path.name}:{number}", _without_empty_end(filled, len(table.columns)), "remove those beside the table")
    if len(rows) > limits.SHEET_ROWS:
        table.problems.append(f"{path.name}: {len(rows):,} rows, {limits.SHEET_ROWS:,} at most: split it, or save it as CSV")
    return table


def _texts(row: Iterable[Any]) -> list[str]:
    return [_cell_text(cell) for cell in row]


def _cell_text(cell: Any) -> str:
    """Return the text of a workbook's cell: a date as ISO, a number with a comma, as tables with decimal commas have it."""
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return cell.date().isoformat() if cell.time() == datetime.min.time() else cell.isoformat(timespec="seconds")
    if isinstance(cell, date):
        return cell.isoformat()
    return str(cell).replace(".", ",") if isinstance(cell, float) else str(cell).strip()


def unknown_columns(table: OfficeTable, known: Collection[str], needed: Collection[str]) -> list[str]:
    """Say what is wrong with a header, one text a cause.

    Args:
        table: The table.
        known: Columns that may be there.
        needed: Columns that must be there.
    """
    missing = [column for column in needed if column not in table.columns]
    others = [column for column in table.columns if column not in known]
    twice = sorted({column for column in table.columns if table.columns.count(column) > 1})
    problems = []
    if missing or others:
        lacking = f"lacks {', '.join(map(repr, missing))}" if missing else ""
        unknown = f"has {', '.join(map(repr, others))}, not known" if others else ""
        has = " and ".join(filter(None, (lacking, unknown)))
        problems.append(f"{table.name}:1, header {has}: known are {', '.join(known)}")
    return problems + [f"{table.name}:1, column '{column}' is there twice: keep one" for column in twice]


def number_of(text: str, *, decimal_comma: bool) -> Decimal | None:
    """Read a number as offices write it; None where it is none, or could be two.

    Thousands may be parted by any kind of space. A comma is a decimal mark where ``decimal_comma`` says so, and nothing else; a
    point parts thousands only where a decimal comma follows, and ``412.000`` (``EITHER``) is then refused.

    Example:
        >>> [number_of(text, decimal_comma=True) for text in ("1 234,5", "1.234,5", "12.5")]
        [Decimal('1234.5'), Decimal('1234.5'), Decimal('12.5')]
        >>> number_of("1,234", decimal_comma=False) is None
        True
    """
    if _GROUPED.fullmatch(text):
        text = text.translate(_SPACES)
    if decimal_comma:
        if EITHER.fullmatch(text):
            return None
        if _POINTS_THEN_COMMA.fullmatch(text):
            text = text.replace(".", "")
        text = text.replace(",", ".")
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
