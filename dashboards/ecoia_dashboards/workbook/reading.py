"""Reads a filled workbook back into the catalogue: every mistake at once, by sheet and cell, and then nothing is written."""

from __future__ import annotations

import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree.ElementTree import ParseError

from openpyxl import Workbook, load_workbook
from openpyxl.cell import Cell
from openpyxl.utils import get_column_letter
from openpyxl.utils.exceptions import InvalidFileException
from openpyxl.worksheet.worksheet import Worksheet

from ecoia import catalogue
from ecoia.catalogue.editing import comments
from ecoia.catalogue.loading import problems_of
from ecoia.catalogue.problems import Problem
from ecoia.catalogue.saving import save
from ecoia.errors import CatalogueError, UsageError
from ecoia_dashboards.language import LANGUAGES
from ecoia_dashboards.workbook.cells import language_of, normal, plain, same, understood, unescaped
from ecoia_dashboards.workbook.sheets import SHEETS, Column, Sheet
from ecoia_dashboards.workbook.tables import Table, Values, changed_text, key_of, on_one_line, plain_line, table
from ecoia_dashboards.workbook.writing import BASE, LISTS

_HEADER_WITHIN = 10
_GUIDES = ("Lire-moi", "Read me")


@dataclass(frozen=True)
class FileChange:
    """What a reading changed in a file: how many lines are new, how many differ, which are gone, and how many comments."""

    file: str
    added: int
    changed: int
    removed: tuple[str, ...]
    comments_lost: int


@dataclass(frozen=True)
class Reading:
    """What a workbook changed, and what in it is none of ours and was not read."""

    changes: tuple[FileChange, ...]
    ignored: tuple[str, ...]


class _Fault(NamedTuple):
    """A mistake and its cell."""

    sheet: int
    row: int
    column: int
    text: str


@dataclass
class _Line:
    """A line of a sheet, and where each of its cells is: row, column."""

    cells: dict[str, tuple[int, int]]
    values: Values = field(default_factory=dict)
    wrong: set[str] = field(default_factory=set)

    @property
    def first(self) -> tuple[int, int]:
        """Its first cell: of a mistake of the line as a whole."""
        return min(self.cells.values())


@dataclass
class _Page:
    """A sheet of the workbook that is one of ours. ``formulas`` is the same sheet with formulas in place of their results."""

    sheet: Sheet
    place: Worksheet
    formulas: Worksheet
    lang: str
    order: int
    lines: list[_Line] = field(default_factory=list)
    faults: list[_Fault] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)

    def fault(self, row: int, column: int, remedy: str, label: str = "") -> None:
        """Add a mistake at a cell."""
        named = f" ({label})" if label else ""
        cell = f"{self.place.title}!{get_column_letter(column)}{row}"
        self.faults.append(_Fault(self.order, row, column, f"{cell}{named}: {remedy}"))

    def wrong(self, line: _Line, path: str, remedy: str) -> None:
        """Add a mistake at a cell of a line."""
        line.wrong.add(path)
        self.fault(*line.cells[path], remedy, self.label(path))

    def label(self, path: str) -> str:
        """What a column is called in the workbook."""
        column = next(column for column in self.sheet.columns if column.path == path)
        return language_of(self.lang).t(column.label)


@dataclass
class _Merge:
    """What becomes of the lines of a sheet: ``entries`` as ``changed_text`` takes them, ``lines`` the sheet's line of each."""

    table: Table
    page: _Page
    entries: list[tuple[int | None, Values | None]] = field(default_factory=list)
    lines: list[_Line | None] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)

    @property
    def added(self) -> int:
        return sum(place is None for place, _ in self.entries)

    @property
    def changed(self) -> int:
        return sum(place is not None and values is not None for place, values in self.entries)


def read_workbook(path: str | Path, folder: str | Path) -> Reading:
    """Read a filled workbook into the catalogue of a folder.

    A value that differs from the one with which the workbook was written was changed by who filled it in, and is written; the
    others stay what the files say now. Sheets that the workbook lacks are left alone.

    Args:
        path: The workbook, in XLSX.
        folder: The catalogue's folder.

    Raises:
        UsageError: the file is no workbook of ours.
        CatalogueError: the folder is wrong already, or the workbook is; the message has one line a mistake. Nothing was written.
        EcoiaError: the folder cannot be written.
    """
    base = Path(folder)
    loaded = catalogue.load(base)
    book, formulas = _opened(Path(path), values=True), _opened(Path(path), values=False)
    pages, ignored = _pages(book, formulas, Path(path))
    written_with = _base(book)
    merges = []
    for page in pages:
        _read_form(page) if page.sheet.form else _read_table(page)
        now = table(page.sheet, base, loaded)
        merges.append(_merge(page, now, written_with.get(page.sheet.id)))
    texts, places = _texts(merges)
    faults = [fault for page in pages for fault in page.faults]
    others = _checked(base, texts, merges, places, faults)
    if faults or others:
        told = [fault.text for fault in sorted(set(faults))] + others
        count = "1 mistake" if len(told) == 1 else f"{len(told)} mistakes"
        raise CatalogueError("\n".join([f"{count} in '{path}': nothing was written", *told]))
    save(base, texts)
    return Reading(tuple(_changes(merges, texts)), (*ignored, *(each for page in pages for each in page.ignored)))


# ------------------------------------------------------------------------------------------------------------- the file


def _opened(path: Path, *, values: bool) -> Workbook:
    try:
        return load_workbook(path, data_only=values)
    except FileNotFoundError:
        raise UsageError(f"'{path}' is not there: name the filled workbook") from None
    except (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError, TypeError, ParseError, IndexError) as error:
        raise UsageError(f"'{path}' cannot be read as a workbook ({error}): save it as XLSX, without a password") from error
    except OSError as error:
        raise UsageError(f"'{path}' cannot be read ({error.strerror}): check its permissions") from error


def _pages(book: Workbook, formulas: Workbook, path: Path) -> tuple[list[_Page], list[str]]:
    """Our sheets, in the workbook's order, and what is said of the others."""
    names = {lang: [(sheet, language_of(lang).t(sheet.title)) for sheet in SHEETS] for lang in LANGUAGES}

    def found(place: Worksheet, lang: str) -> Sheet | None:
        return next((sheet for sheet, title in names[lang] if same(title, place.title)), None)

    lang = max(LANGUAGES, key=lambda lang: sum(found(place, lang) is not None for place in book.worksheets))
    pages, ignored = [], []
    for order, place in enumerate(book.worksheets):
        sheet = found(place, lang)
        if sheet is not None:
            pages.append(_Page(sheet, place, formulas[place.title], lang, order))
        elif place.title not in (LISTS, BASE, *_GUIDES):
            ignored.append(f"sheet '{place.title}' is none of the workbook's and was not read")
    if not pages:
        titles = ", ".join(title for _, title in names["fr"])
        raise UsageError(
            f"'{path}' holds none of the workbook's sheets ({titles}): write one with 'ecoia workbook', fill that in"
        )
    return pages, ignored


def _base(book: Workbook) -> dict[str, list[dict[str, Any]]]:
    """With what the workbook was written, by sheet; empty where somebody took that out."""
    found: dict[str, list[dict[str, Any]]] = {}
    if BASE not in book.sheetnames:
        return found
    for sheet_id, *pieces in book[BASE].iter_rows(values_only=True):
        lines = found.setdefault(str(sheet_id), [])
        text = "".join(unescaped(str(piece)) for piece in pieces if piece is not None)
        if text:
            lines.append(json.loads(text))
    return found


# ------------------------------------------------------------------------------------------------------------ the cells


def _read_table(page: _Page) -> None:
    """The lines of a sheet, below its header."""
    header, columns = _header(page)
    fields = {column.path: column for column in page.sheet.fields}
    missing = [page.label(path) for path in fields if path not in columns]
    if missing:
        page.fault(header, 1, f"no column {', '.join(map(repr, missing))}: put back what 'ecoia workbook' wrote in this line")
        return
    spread = _spread(page, header, set(columns.values()))
    for row in range(header + 1, page.place.max_row + 1):
        line = _Line({path: (row, columns[path]) for path in fields})
        for path, column in fields.items():
            line.values[path] = _value(page, line, column, spread.get(line.cells[path], line.cells[path]))
        said = page.sheet.substance or tuple(fields)
        if any(line.values[path] is not None or path in line.wrong for path in said):
            page.lines.append(line)
        else:
            page.faults = [fault for fault in page.faults if fault.row != row]


def _read_form(page: _Page) -> None:
    """The values of a sheet that has one a line: name, value."""
    line = _Line({})
    for row in range(1, page.place.max_row + 1):
        column = _named(page, page.place.cell(row, 1).value)
        if column is not None:
            line.cells[column.path] = (row, 2)
            line.values[column.path] = _value(page, line, column, (row, 2))
    missing = [page.label(column.path) for column in page.sheet.fields if column.path not in line.cells]
    if missing:
        page.fault(1, 1, f"no line {', '.join(map(repr, missing))}: put back what 'ecoia workbook' wrote in this column")
    else:
        page.lines.append(line)


def _header(page: _Page) -> tuple[int, dict[str, int]]:
    """The line of the titles, and which column has which place."""
    best: tuple[int, dict[str, int]] = (1, {})
    for row in range(1, min(page.place.max_row, _HEADER_WITHIN) + 1):
        columns: dict[str, int] = {}
        for cell in page.place[row]:
            column = _named(page, cell.value)
            if column is not None:
                columns.setdefault(column.path, int(cell.column or 0))
        if len(columns) > len(best[1]):
            best = (row, columns)
    row, columns = best
    for cell in page.place[row]:
        if cell.value is not None and cell.column and cell.column not in columns.values():
            twice = "stands twice: keep one" if _named(page, cell.value) else ""
            if twice:
                page.fault(row, cell.column, f"{cell.value!r} {twice}")
            else:
                page.ignored.append(f"{page.place.title}: column {cell.value!r} is none of the workbook's and was not read")
    return row, columns


def _named(page: _Page, title: Any) -> Column | None:
    """The column of a title, in the workbook's language or another."""
    if not isinstance(title, str):
        return None
    for lang in (page.lang, *LANGUAGES):
        for column in page.sheet.columns:
            if same(language_of(lang).t(column.label), normal(unescaped(title))):
                return column
    return None


def _spread(page: _Page, header: int, ours: set[int]) -> dict[tuple[int, int], tuple[int, int]]:
    """The cell that each merged one repeats: down a column a merged value holds for every line."""
    found = {}
    for area in page.place.merged_cells.ranges:
        if area.max_row <= header or not ours & set(range(area.min_col, area.max_col + 1)):
            continue
        if area.min_col != area.max_col:
            page.fault(area.min_row, area.min_col, f"cells {area.coord} are merged across columns: unmerge them")
        for row in range(area.min_row + 1, area.max_row + 1):
            found[row, area.min_col] = (area.min_row, area.min_col)
    return found


def _value(page: _Page, line: _Line, column: Column, at: tuple[int, int]) -> Any:
    """What a cell says; None where nothing, or a mistake, stands in it."""
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


# ------------------------------------------------------------------------------------------- what was changed by whom


def _merge(page: _Page, now: Table, written_with: list[dict[str, Any]] | None) -> _Merge:
    """Lines as they shall be: as the files have them now, with what was changed in the workbook."""
    sheet, merge = page.sheet, _Merge(now, page)
    current = {key_of(sheet, item.values): place for place, item in enumerate(now.items)}
    # A workbook without memory: whatever differs from the files is meant, and what it lacks is not taken out.
    base = {key_of(sheet, line): line for line in written_with} if written_with is not None else None
    filled = dict(_keyed(page))
    for key, place in current.items():
        line = filled.get(key)
        values = now.items[place].values
        if line is not None:
            was = plain_line(sheet, values) if base is None else base.get(key, {})
            _add(merge, place, _changed(merge, line, was, values) or None, line)
        elif base is None or key not in base or sheet.form:
            _add(merge, place, None, None)
        elif base[key] != plain_line(sheet, values):
            page.fault(1, 1, f"the line of {_said(key)} was taken out, but changed in {sheet.file} since: write a new workbook")
        else:
            merge.removed.append(_said(key))
    for key, line in filled.items():
        if key in current:
            continue
        if base is not None and key in base:
            if base[key] != plain_line(sheet, line.values):
                path = sheet.fields[0].path
                page.wrong(line, path, f"{_said(key)} is no longer in {sheet.file}: take the line out, or write a new workbook")
        else:
            _add(merge, None, {path: value for path, value in line.values.items() if value is not None}, line)
    return merge


def _add(merge: _Merge, place: int | None, values: Values | None, line: _Line | None) -> None:
    merge.entries.append((place, values))
    merge.lines.append(line)


def _keyed(page: _Page) -> Iterator[tuple[tuple[Any, ...], _Line]]:
    """The lines by their key; what has none, or that of a line above, is a mistake."""
    sheet = page.sheet
    needed = [column.path for column in sheet.fields if column.needed and column.path in sheet.key]
    seen: dict[tuple[Any, ...], int] = {}
    for line in page.lines:
        lacking = [path for path in needed if line.values[path] is None]
        for path in lacking:
            if path not in line.wrong:
                page.wrong(line, path, "empty: fill it in, or clear the line")
        key = key_of(sheet, line.values)
        if lacking or any(path in line.wrong for path in sheet.key):
            continue
        if key in seen:
            page.wrong(line, sheet.key[0], f"{_said(key)} is on line {seen[key]} already: keep one line")
            continue
        seen[key] = line.first[0]
        yield key, line


def _changed(merge: _Merge, line: _Line, was: Mapping[str, Any], now: Values) -> Values:
    """The values of a line that were changed in the workbook and are not in the file yet."""
    changed = {}
    for path, value in line.values.items():
        new, current = plain(value), plain(now[path])
        if path in line.wrong or new in (was.get(path), current):
            continue
        if current != was.get(path):
            page = merge.page
            since = f"is {current!r} in {merge.table.sheet.file} since this workbook was written"
            page.wrong(line, path, f"{new!r}: {since}; write a new workbook, or change it there")
        changed[path] = value
    return changed


def _said(key: Sequence[Any]) -> str:
    return ", ".join(str(part) for part in key if part is not None) or "all"


# ------------------------------------------------------------------------------------------------------------- the files


def _texts(merges: Iterable[_Merge]) -> tuple[dict[str, str], list[dict[int, int]]]:
    """The new text of each file that changes; where each entry of each merge is in it."""
    texts: dict[str, str] = {}
    places: list[dict[int, int]] = []
    for merge in merges:
        file = merge.table.sheet.file
        if not (merge.added or merge.changed or merge.removed):
            places.append({})
            continue
        now = replace(merge.table, text=texts.get(file, merge.table.text))
        texts[file], found = changed_text(now, merge.entries)
        places.append(found)
    return texts, places


def _checked(
    base: Path,
    texts: Mapping[str, str],
    merges: Sequence[_Merge],
    places: Sequence[Mapping[int, int]],
    faults: list[_Fault],
) -> list[str]:
    """Read the catalogue as it would be: adds the mistake of each cell to ``faults``, returns those that have no cell."""
    with tempfile.TemporaryDirectory() as name:
        draft = Path(name)
        for path in base.iterdir():
            if path.is_file() and path.suffix in (".yaml", ".csv"):
                shutil.copyfile(path, draft / path.name)
        for file, text in texts.items():
            (draft / file).write_text(text, encoding="utf-8", newline="")
        problems = problems_of(draft)
    others = []
    for problem in problems:
        found = _located(problem, merges, places)
        if found is None:
            others.append(str(problem))
            continue
        page, line, column = found
        if column is None and not line.wrong:
            page.fault(*line.first, problem.remedy)
            faults.append(page.faults[-1])
        elif column is not None and column not in line.wrong:
            page.fault(*line.cells[column], problem.remedy, page.label(column))
            faults.append(page.faults[-1])
    return others


def _located(
    problem: Problem, merges: Sequence[_Merge], places: Sequence[Mapping[int, int]]
) -> tuple[_Page, _Line, str | None] | None:
    """The line, and the column if it is of one, of which a mistake of a file is."""
    for merge, entries in zip(merges, places, strict=True):
        sheet = merge.table.sheet
        if sheet.file != problem.file:
            continue
        depth = len(sheet.path)
        if sheet.is_csv:
            at, rest = problem.line, problem.location
        elif sheet.form and problem.location:
            at, rest = 0, problem.location
        elif problem.location[:depth] == sheet.path and len(problem.location) > depth:
            at, rest = int(problem.location[depth]), problem.location[depth + 1 :]
        else:
            continue
        entry = next((entry for entry, place in entries.items() if place == at), None)
        line = merge.lines[entry] if entry is not None else None
        path = _path(sheet, rest)
        if line is not None and not (sheet.form and path is None):
            return merge.page, line, path
    return None


def _path(sheet: Sheet, location: Sequence[int | str]) -> str | None:
    """The column in which a location of an item is shown."""
    dotted = ".".join(str(step) for step in location)
    return next(
        (column.path for column in sheet.fields if dotted == column.path or dotted.startswith(f"{column.path}.")),
        next((column.path for column in sheet.fields if dotted and column.path.startswith(f"{dotted}.")), None),
    )


def _changes(merges: Sequence[_Merge], texts: Mapping[str, str]) -> Iterator[FileChange]:
    for file, text in texts.items():
        of = [merge for merge in merges if merge.table.sheet.file == file]
        yield FileChange(
            file,
            sum(merge.added for merge in of),
            sum(merge.changed for merge in of),
            tuple(removed for merge in of for removed in merge.removed),
            0 if file.endswith(".csv") else max(comments(of[0].table.text) - comments(text), 0),
        )
