"""Open a filled workbook, find its sheets, and read their cells."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from openpyxl import Workbook, load_workbook
from openpyxl.cell import Cell
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from ecoia.errors import UsageError
from ecoia.records.json_lines import read_json
from ecoia_dashboards.language import LANGUAGES
from ecoia_dashboards.workbook.book import BASE, LISTS
from ecoia_dashboards.workbook.cells import language_of, normal, same, understood, unescaped
from ecoia_dashboards.workbook.sheets import SHEETS, Column, Sheet
from ecoia_dashboards.workbook.tables import Values, on_one_line

_HEADER_WITHIN = 10
_GUIDES = ("Lire-moi", "Read me")


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

    def fault(self, row: int, column: int, remedy: str, label: str = "") -> None:
        """Add a mistake at a cell."""
        named = f" ({label})" if label else ""
        cell = f"{self.place.title}!{get_column_letter(column)}{row}"
        self.faults.append(Fault(self.order, row, column, f"{cell}{named}: {remedy}"))

    def wrong(self, line: Line, path: str, remedy: str) -> None:
        """Add a mistake at a cell of a line."""
        line.wrong.add(path)
        self.fault(*line.cells[path], remedy, self.label(path))

    def label(self, path: str) -> str:
        """Return the title of a column in the workbook."""
        column = next(column for column in self.sheet.columns if column.path == path)
        return language_of(self.lang).t(column.label)


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


def pages_of(book: Workbook, formulas: Workbook, path: Path) -> tuple[list[Page], list[str]]:
    """Find our sheets, in the workbook's order, and say which other sheets were not read."""
    names = {lang: [(sheet, language_of(lang).t(sheet.title)) for sheet in SHEETS] for lang in LANGUAGES}

    def found(place: Worksheet, lang: str) -> Sheet | None:
        return next((sheet for sheet, title in names[lang] if same(title, place.title)), None)

    lang = max(LANGUAGES, key=lambda lang: sum(found(place, lang) is not None for place in book.worksheets))
    pages, ignored = [], []
    for order, place in enumerate(book.worksheets):
        sheet = found(place, lang)
        if sheet is not None:
            pages.append(Page(sheet, place, formulas[place.title], lang, order))
        elif place.title not in (LISTS, BASE, *_GUIDES):
            ignored.append(f"sheet '{place.title}' is none of the workbook's and was not read")
    if not pages:
        titles = ", ".join(title for _, title in names["fr"])
        raise UsageError(
            f"'{path}' holds none of the workbook's sheets ({titles}): write one with 'ecoia workbook', fill that in"
        )
    return pages, ignored


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
        page.fault(header, 1, f"no column {', '.join(map(repr, missing))}: put back what 'ecoia workbook' wrote in this line")
        return
    spread = _spread(page, header, set(columns.values()))
    for row in sorted({*page.rows, *(row for row, _ in spread)}):
        if row <= header:
            continue
        line = Line({path: (row, columns[path]) for path in fields})
        for path, column in fields.items():
            line.values[path] = _value(page, line, column, spread.get(line.cells[path], line.cells[path]))
        said = page.sheet.substance or tuple(fields)
        if any(line.values[path] is not None or path in line.wrong for path in said):
            page.lines.append(line)
        else:
            page.faults = [fault for fault in page.faults if fault.row != row]


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
        page.fault(1, 1, f"no line {', '.join(map(repr, missing))}: put back what 'ecoia workbook' wrote in this column")
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
            twice = "stands twice: keep one" if _named(page, cell.value) else ""
            if twice:
                page.fault(row, cell.column, f"{cell.value!r} {twice}")
            else:
                page.ignored.append(f"{page.place.title}: column {cell.value!r} is none of the workbook's and was not read")
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
            page.fault(area.min_row, area.min_col, f"cells {area.coord} are merged across columns: unmerge them")
        for row in range(area.min_row + 1, area.max_row + 1):
            found[row, area.min_col] = (area.min_row, area.min_col)
    return found


def _value(page: Page, line: Line, column: Column, at: tuple[int, int]) -> Any:
    """Read a cell; None where it is empty or holds a mistake."""
    cell, written = page.place.cell(*at), page.formulas.cell(*at)
    if isinstance(written, Cell) and written.data_type == "f" and cell.value is None:
        page.wrong(
            line, column.path, "a formula without a result: open and save the workbook in a spreadsheet, or write the value"
        )
        return None
    if isinstance(cell, Cell) and cell.data_type == "e":
        page.wrong(line, column.path, f"{cell.value}: correct the formula, or write the value")
        return None
    try:
        return on_one_line(page.sheet, understood(column, cell.value, page.lang))
    except (ValueError, OverflowError) as error:
        page.wrong(line, column.path, str(error))
        return None
