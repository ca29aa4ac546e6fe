"""Check that a cell that names an item of another sheet names one that is there."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ecoia_dashboards.workbook.cells import Value
from ecoia_dashboards.workbook.filled import Line, Page
from ecoia_dashboards.workbook.merging import Merge
from ecoia_dashboards.workbook.sheets import SHEETS, Column, Sheet
from ecoia_dashboards.workbook.tables import Table

_MOST_LISTED = 8
"""How many of the known ids a message lists."""


def check_references(merges: Sequence[Merge], table_of: Callable[[Sheet], Table]) -> None:
    """Add a mistake for each cell that names an item that is in no sheet; of sheets that the workbook lacks, the files count.

    Args:
        merges: The sheets of the workbook, merged.
        table_of: Returns the lines of a sheet as the files hold them.
    """
    known: dict[tuple[str, str], dict[Any, str]] = {}
    for merge in merges:
        for column in (column for column in merge.page.sheet.fields if column.of):
            ids: dict[Any, str] = {}
            for sheet_id in column.of:
                key = (sheet_id, _key(column))
                if key not in known:
                    known[key] = dict(_items(sheet_id, _key(column), merges, table_of))
                ids |= known[key]
            if ids:  # where nothing is listed yet, the catalogue says what it needs
                _check(merge.page, column, ids)


def check_spelling(page: Page) -> None:
    """Add a mistake for each name that another line writes nearly alike, in columns whose names tell lines apart."""
    for column in (column for column in page.sheet.fields if column.steady):
        first: dict[str, tuple[str, int]] = {}
        for line in page.lines:
            name = line.values[column.path]
            if name is not None:
                other, row = first.setdefault(plainly(name) or name, (name, line.cells[column.path][0]))
                if other != name:
                    page.wrong(line, column.path, "written-otherwise", value=name, other=other, row=row)


def _key(column: Column) -> str:
    """Return the column by which a reference names an item."""
    return "number" if column.kind == "whole" else "id"


def _items(sheet_id: str, key: str, merges: Sequence[Merge], table_of: Callable[[Sheet], Table]) -> Iterator[tuple[Any, str]]:
    """List the items of a sheet as they shall be: the key of each, and its name."""
    merge = next((merge for merge in merges if merge.page.sheet.id == sheet_id), None)
    if merge is None:
        lines: list[Mapping[str, Value]] = [item.values for item in table_of(_sheet(sheet_id)).items]
    else:
        kept = [merge.table.items[place].values for place, values in merge.entries if place is not None and values is None]
        lines = [*(line.values for line in merge.page.lines), *kept]
    for values in lines:
        if values.get(key) is not None:
            yield values[key], str(values.get("name") or "")


def _sheet(sheet_id: str) -> Sheet:
    return next(sheet for sheet in SHEETS if sheet.id == sheet_id)


def _check(page: Page, column: Column, known: Mapping[Any, str]) -> None:
    titles = [page.language.t(_sheet(sheet_id).title) for sheet_id in column.of]
    for line in page.lines:
        value = line.values[column.path]
        for each in value if isinstance(value, tuple) else (value,):
            if each is not None and each not in known and column.path not in line.wrong:
                _tell(page, line, column, each, known, page.language.listed(titles))


def _tell(page: Page, line: Line, column: Column, value: Any, known: Mapping[Any, str], title: str) -> None:
    near = _near(value, known)
    if near is not None:
        page.wrong(line, column.path, "unknown-but-near", value=value, title=title, near=near)
        return
    listed = [str(each) for each in list(known)[:_MOST_LISTED]]
    listed += ["…"] if len(known) > _MOST_LISTED else []
    page.wrong(line, column.path, "unknown", value=value, title=title, known=", ".join(listed))


def _near(value: Any, known: Mapping[Any, str]) -> str | None:
    """Find what was meant: a known id that is written nearly alike, or whose name was written."""
    if not isinstance(value, str):
        return None
    plain = plainly(value)
    by_plain = {plainly(str(each)): str(each) for each in known} | {
        plainly(name): str(each) for each, name in known.items() if name
    }
    found = difflib.get_close_matches(plain, by_plain, n=1, cutoff=0.8)
    return by_plain[found[0]] if found else None


def plainly(text: str) -> str:
    """Write a text without what people write now one way, now another: case, accents, spaces, dashes, apostrophes.

    Example:
        >>> plainly("Île-de-France") == plainly("ile de france")
        True
    """
    return re.sub(r"[^a-z0-9]+", "", unicodedata.normalize("NFKD", text.casefold()))
