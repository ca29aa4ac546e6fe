"""Open a filled workbook, find its sheets, and read their cells."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from openpyxl import Workbook, load_workbook
from openpyxl.cell import Cell
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from ecoia.catalogue import INDICATORS as UNITS
from ecoia.errors import UsageError
from ecoia.records.json_lines import read_json
from ecoia_dashboards.language import LANGUAGES, Language
from ecoia_dashboards.wording import MISTAKES, NOT_READ, OTHER_MISTAKE, QUOTED, SHEET_NOT_READ
from ecoia_dashboards.workbook.book import BASE, LISTS
from ecoia_dashboards.workbook.cells import COLON, CellError, language_of, normal, said, same, understood, unescaped
from ecoia_dashboards.workbook.sheets import SHEETS, TARGETS, Column, Sheet
from ecoia_dashboards.workbook.tables import Values, on_one_line

_HEADER_WITHIN = 10
_GUIDES = ("Lire-moi", "Read me")
_TOTAL = re.compile(r"(?:sous-|sub|grand )?tota(?:l|ux)(?: g[ée]n[ée]ral)?|somme|sum", re.IGNORECASE)
_WHOLE = ("known", "missing", "fields", "remedy")  # values of a message that are never cut


class Fault(NamedTuple):
    """A mistake and its cell."""

    sheet: int
    row: int
    column: int
    text: str


@dataclass
class Line:
    """A line of a sheet, with the row and column of each of its cells."""

    cells: dict[str, tuple[int, int]]
    values: Values = field(default_factory=dict)
    wrong: set[str] = field(default_factory=set)

    @property
    def first(self) -> tuple[int, int]:
        """Its first cell, where a mistake of the line as a whole stands."""
        return min(self.cells.values())


@dataclass
class Page:
    """A sheet of the filled workbook that is ours. ``formulas`` is the same sheet with formulas in place of their results."""

    sheet: Sheet
    place: Worksheet
    formulas: Worksheet
    lang: str
    order: int
    rows: dict[int, list[Cell]] = field(init=False)
    lines: list[Line] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rows = rows_of(self.formulas)

    @property
    def language(self) -> Language:
        """The language of the workbook, in which its mistakes are told."""
        return language_of(self.lang)

    def fault(self, row: int, column: int, kind: str, label: str = "", /, **values: Any) -> None:
        """Add a mistake at a cell, of a kind of ``wording.MISTAKES``, whose words name ``values``."""
        named = f" ({label})" if label else ""
        cell = f"{self.place.title}!{get_column_letter(column)}{row}"
        words = {
            key: value if key in _WHOLE and isinstance(value, str) else said(value, self.language)
            for key, value in values.items()
        }
        text = self.language.t(MISTAKES.get(kind, OTHER_MISTAKE), **words)
        self.faults.append(Fault(self.order, row, column, f"{cell}{named}{self.language.t(COLON)}{text}"))

    def wrong(self, line: Line, path: str, kind: str, /, **values: Any) -> None:
        """Add a mistake at a cell of a line."""
        line.wrong.add(path)
        self.fault(*line.cells[path], kind, self.label(path), **values)

    def column(self, path: str) -> Column:
        """Return a column by its path."""
        return next(column for column in self.sheet.columns if column.path == path)

    def quoted(self, text: str) -> str:
        """Put a text between quotes, as the workbook's language does."""
        return self.language.t(QUOTED, text=text)

    def note(self, what: str, **values: Any) -> None:
        """Note something of the sheet that is not read, in words of ``wording.NOT_READ``."""
        self.ignored.append(self.language.t(NOT_READ[what], title=self.place.title, **values))

    def label(self, path: str) -> str:
        """Return the title of a column in the workbook."""
        return self.language.t(self.column(path).label)


def opened(path: Path, *, values: bool) -> Workbook:
    """Open a workbook that was inspected: its values, or its formulas. Links to other workbooks are not followed."""
    try:
        with path.open("rb") as file:
            return load_workbook(file, data_only=values, keep_links=False)
    except Exception as error:  # whatever a broken part makes the reader raise
        raise UsageError(f"'{path}' cannot be read as a workbook ({error}): save it as XLSX, without a password") from error


def rows_of(place: Worksheet) -> dict[int, list[Cell]]:
    """Return the cells with a content by row, both in ascending order. Rows above a stray cell far down are not made.

    Example:
        >>> book = Workbook()
        >>> book.active["XFD1048576"] = "stray"
        >>> [(row, [cell.coordinate for cell in cells]) for row, cells in rows_of(book.active).items()]
        [(1048576, ['XFD1048576'])]
    """
    rows: dict[int, list[Cell]] = {}
    for (row, _), cell in sorted(place._cells.items()):  # what is public walks every row up to the last
        if cell.value is not None:
            rows.setdefault(row, []).append(cell)
    return rows


def pages_of(book: Workbook, formulas: Workbook, path: Path, written: Collection[str]) -> tuple[list[Page], list[str]]:
    """Find our sheets, in the workbook's order, and say which other sheets were not read.

    Args:
        book: The workbook, with the results of formulas.
        formulas: The same, with formulas.
        path: Its file, for messages.
        written: Ids of the sheets with which it was written. One that is missing may have got another name, which is a mistake.

    Raises:
        UsageError: it holds none of our sheets.
    """
    names = {lang: [(sheet, language_of(lang).t(sheet.title)) for sheet in SHEETS] for lang in LANGUAGES}

    def found(place: Worksheet, lang: str) -> Sheet | None:
        return next((sheet for sheet, title in names[lang] if same(title, place.title)), None)

    lang = max(LANGUAGES, key=lambda lang: sum(found(place, lang) is not None for place in book.worksheets))
    pages, ignored = [], []
    there = {sheet.id for place in book.worksheets if (sheet := found(place, lang)) is not None}
    missing = [sheet for sheet in SHEETS if sheet.id in written and sheet.id not in there]
    for order, place in enumerate(book.worksheets):
        sheet = found(place, lang)
        if sheet is not None:
            pages.append(Page(sheet, place, formulas[place.title], lang, order))
        elif place.title not in (LISTS, BASE, *_GUIDES):
            taken = [Page(sheet, place, formulas[place.title], lang, order) for sheet in missing]
            renamed = next((page for page in taken if _has_titles(page)), None)
            if renamed is not None:
                pages.append(renamed)
            else:
                ignored.append(language_of(lang).t(SHEET_NOT_READ, title=place.title))
    if not pages:
        titles = ", ".join(title for _, title in names["fr"])
        raise UsageError(
            f"'{path}' holds none of the workbook's sheets ({titles}): write one with 'ecoia workbook', fill that in"
        )
    return pages, ignored


def _has_titles(page: Page) -> bool:
    """Return whether a sheet of another name has all the titles of one of ours."""
    if page.sheet.form:
        named = [_named(page, page.place.cell(row, 1).value) for row in page.rows]
        return {column.path for column in named if column} >= {column.path for column in page.sheet.columns}
    return len(_header(page)[1]) == len(page.sheet.columns)


def is_renamed(page: Page) -> bool:
    """Return whether a sheet of ours has another name than it was written with."""
    return not any(same(language_of(lang).t(page.sheet.title), page.place.title) for lang in LANGUAGES)


def written_with(book: Workbook) -> dict[str, list[dict[str, Any]]]:
    """Return the lines with which the workbook was written, by sheet; empty where somebody removed them."""
    found: dict[str, list[dict[str, Any]]] = {}
    if BASE not in book.sheetnames:
        return found
    for cells in rows_of(book[BASE]).values():
        sheet_id, *pieces = (str(cell.value) for cell in cells)
        lines = found.setdefault(sheet_id, [])
        if pieces:
            lines.append(_written_line(sheet_id, "".join(map(unescaped, pieces))))
    return found


def _written_line(sheet_id: str, text: str) -> dict[str, Any]:
    """Read a line of the hidden sheet.

    Raises:
        UsageError: it is not what ``ecoia workbook`` wrote.
    """
    key = next((sheet.key for sheet in SHEETS if sheet.id == sheet_id), ())
    try:
        line = read_json(text.encode())
        if isinstance(line, dict) and not any(isinstance(line.get(path), dict | list) for path in key):
            return line
    except ValueError:
        pass
    raise UsageError(f"the hidden sheet '{BASE}' was changed: write a new workbook, and copy the filled lines into it")


def read_table(page: Page) -> None:
    """Read the lines of a sheet below its header."""
    header, columns = _header(page)
    fields = {column.path: column for column in page.sheet.fields}
    missing = [page.label(path) for path in fields if path not in columns]
    if missing:
        page.fault(header, 1, "columns-missing", missing=", ".join(map(page.quoted, missing)))
        return
    _note_untitled(page, header)
    spread = _spread(page, header, set(columns.values()))
    for row in sorted({*page.rows, *(row for row, _ in spread)}):
        if row <= header:
            continue
        line = Line({path: (row, columns[path]) for path in fields})
        for path, column in fields.items():
            line.values[path] = _value(page, line, column, spread.get(line.cells[path], line.cells[path]))
        needed = page.sheet.substance or tuple(fields)
        if not any(line.values[path] is not None or path in line.wrong for path in needed):
            page.faults = [fault for fault in page.faults if fault.row != row]
        elif _is_total(page, line):
            page.faults = [fault for fault in page.faults if fault.row != row]
            page.fault(*line.first, "line-of-totals", value=_first_text(page, line))
        else:
            _check_percentage(page, line)
            page.lines.append(line)


def _note_untitled(page: Page, header: int) -> None:
    """Note each column without a title that holds something: it is not read."""
    titled = {cell.column for cell in page.rows.get(header, ())}
    for row, cells in page.rows.items():
        for cell in cells:
            if row > header and cell.column not in titled:
                titled.add(cell.column)
                page.note("untitled", cell=cell.coordinate)


def _is_total(page: Page, line: Line) -> bool:
    """Return whether a line is a line of totals that a spreadsheet's user put below the list."""
    return _TOTAL.fullmatch(_first_text(page, line).rstrip(" :")) is not None


def _first_text(page: Page, line: Line) -> str:
    contents = (page.place.cell(*at).value for at in sorted(line.cells.values()))
    return next((normal(unescaped(content)) for content in contents if isinstance(content, str) and content.strip()), "")


def _check_percentage(page: Page, line: Line) -> None:
    """Refuse a percentage as the value of a target whose indicator has a unit."""
    if page.sheet.id != TARGETS.id or line.values["indicator"] is None:
        return
    typed, unit = page.place.cell(*line.cells["value"]).value, UNITS[line.values["indicator"]]
    if isinstance(typed, str) and typed.rstrip().endswith("%") and unit != "1":
        page.wrong(line, "value", "percentage-of-a-unit", value=typed, unit=unit)


def read_form(page: Page) -> None:
    """Read a sheet that has one value a line: name, value."""
    line = Line({})
    for row in page.rows:
        column = _named(page, page.place.cell(row, 1).value)
        if column is not None:
            line.cells[column.path] = (row, 2)
            line.values[column.path] = _value(page, line, column, (row, 2))
    missing = [page.label(column.path) for column in page.sheet.fields if column.path not in line.cells]
    if missing:
        page.fault(1, 1, "lines-missing", missing=", ".join(map(page.quoted, missing)))
    else:
        page.lines.append(line)


def _header(page: Page) -> tuple[int, dict[str, int]]:
    """Find the line of the titles, and the place of each column."""
    best: tuple[int, dict[str, int]] = (1, {})
    for row in range(1, _HEADER_WITHIN + 1):
        columns: dict[str, int] = {}
        for cell in page.rows.get(row, ()):
            column = _named(page, cell.value)
            if column is not None:
                columns.setdefault(column.path, int(cell.column or 0))
        if len(columns) > len(best[1]):
            best = (row, columns)
    row, columns = best
    for cell in page.rows.get(row, ()):
        if cell.column and cell.column not in columns.values():
            if _named(page, cell.value):
                page.fault(row, cell.column, "title-twice", value=cell.value)
            else:
                page.note("column", value=cell.value)
    return row, columns


def _named(page: Page, title: Any) -> Column | None:
    """Find the column of a title, in the workbook's language or another."""
    if not isinstance(title, str):
        return None
    for lang in (page.lang, *LANGUAGES):
        for column in page.sheet.columns:
            if same(language_of(lang).t(column.label), normal(unescaped(title))):
                return column
    return None


def _spread(page: Page, header: int, ours: set[int]) -> dict[tuple[int, int], tuple[int, int]]:
    """Map each merged cell to the cell that it repeats: a value merged down a column holds for every line."""
    found = {}
    for area in page.place.merged_cells.ranges:
        if area.max_row <= header or not ours & set(range(area.min_col, area.max_col + 1)):
            continue
        if area.min_col != area.max_col:
            page.fault(area.min_row, area.min_col, "merged-across", area=area.coord)
        for row in range(area.min_row + 1, area.max_row + 1):
            found[row, area.min_col] = (area.min_row, area.min_col)
    return found


def _value(page: Page, line: Line, column: Column, at: tuple[int, int]) -> Any:
    """Read a cell; None where it is empty or holds a mistake."""
    cell, written = page.place.cell(*at), page.formulas.cell(*at)
    if isinstance(written, Cell) and written.data_type == "f" and cell.value is None:
        page.wrong(line, column.path, "formula-without-result")
        return None
    if isinstance(cell, Cell) and cell.data_type == "e":
        page.wrong(line, column.path, "formula-error", value=cell.value)
        return None
    try:
        return on_one_line(page.sheet, understood(column, cell.value, page.lang))
    except CellError as error:
        page.wrong(line, column.path, error.kind, **error.values)
        return None
