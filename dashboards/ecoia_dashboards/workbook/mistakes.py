"""Check the catalogue as a filled workbook would change it, and place each mistake at its cell."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from ecoia.catalogue.loading import problems_of
from ecoia.catalogue.problems import Problem
from ecoia_dashboards.wording import MISTAKES
from ecoia_dashboards.workbook.cells import quarter_text, said
from ecoia_dashboards.workbook.filled import Line, Page
from ecoia_dashboards.workbook.merging import Merge
from ecoia_dashboards.workbook.sheets import Column, Sheet
from ecoia_dashboards.workbook.tables import Values, changed_text

_STAND_INS: dict[str, Any] = {
    "text": "0" * 64,
    "id": "0",
    "ids": ("0",),
    "number": 0.5,
    "days": 1,
    "whole": 2100,
    "day": date(2026, 1, 1),
    "quarter": "2200Q1",
    "quarters": ("2200Q1",),
    "boolean": False,
    "choices": (),
}
"""By kind of column, a value that every file takes: it stands in for a wrong one, so that the rest of the line can be checked."""
_OPENED = "1970Q1"  # stands in for the quarter in which an action was opened: nothing is before it


def changed_texts(merges: Iterable[Merge]) -> tuple[dict[str, str], list[dict[int, int]]]:
    """Write the new text of each file that changes; and find the place of each entry of each merge in it."""
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


def check_draft(base: Path, merges: Sequence[Merge]) -> list[str]:
    """Read the catalogue as it would be: add each mistake to the page of its cell, and return the mistakes that have no cell.

    Files check a line as a whole only where each of its values is right. So the catalogue is read a second time, with a stand-in
    for each wrong value, and one reading of the workbook names every mistake.
    """
    others = list(_check(base, merges))
    if any(merge.page.faults for merge in merges):
        list(_check(base, [_with_stand_ins(merge) for merge in merges], whole_lines=True))
    return others


def _check(base: Path, merges: Sequence[Merge], *, whole_lines: bool = False) -> Iterator[str]:
    """Place the mistakes of a draft; ``whole_lines``: only those of a line as a whole. Yields those that have no cell."""
    texts, places = changed_texts(merges)
    with tempfile.TemporaryDirectory() as name:
        draft = Path(name)
        for path in base.iterdir():
            if path.is_file() and path.suffix in (".yaml", ".csv"):
                shutil.copyfile(path, draft / path.name)
        for file, text in texts.items():
            (draft / file).write_text(text, encoding="utf-8", newline="")
        problems = problems_of(draft)
    for problem in problems:
        found = _located(problem, merges, places)
        if found is None:
            yield _without_cell(problem, merges)
        elif not whole_lines or found[2] is None:
            _place(*found, problem)


def _place(page: Page, line: Line, path: str | None, problem: Problem) -> None:
    """Add a mistake at its cell; one of a line as a whole at the cell to correct, unless that may follow from another mistake."""
    column = path or problem.at
    if column in line.wrong or (path is None and any(_decides(page, wrong) for wrong in line.wrong)):
        return
    kind, values = _words(problem, page)
    if path:
        page.wrong(line, path, kind, **values)
    elif column:  # the value itself is right, so nothing stands in for it
        page.fault(*line.cells[column], kind, page.label(column), **values)
    else:
        page.fault(*line.first, kind, **values)


def _decides(page: Page, path: str) -> bool:
    """Return whether the rules of a line rest on the value of a column, so that no stand-in can replace it."""
    return page.column(path).kind == "choice"


def _words(problem: Problem, page: Page) -> tuple[str, dict[str, Any]]:
    """Return the kind of a mistake, and the values that its words name."""
    values = {"value": problem.values.get("value"), "example": "0,9" if page.lang == "fr" else "0.9"} | dict(problem.values)
    values["count"] = len(str(values["value"]))
    if problem.kind == "before-opened":
        values |= {name: quarter_text(str(values[name]), page.language) for name in ("value", "quarter")}
    if "fields" in values:
        values["fields"] = page.language.listed(page.quoted(page.label(path)) for path in problem.values["fields"])
    if problem.kind in MISTAKES:
        return problem.kind, values
    return "", {"value": values["value"], "remedy": problem.remedy}


def _without_cell(problem: Problem, merges: Sequence[Merge]) -> str:
    """Say a mistake that stands in a file alone, with the file's line."""
    language = merges[0].page.language
    if problem.kind not in MISTAKES:
        return str(problem)
    values = {key: said(value, language) for key, value in problem.values.items()}
    return f"{problem.file}:{problem.line}{language.t(' : ')}{language.t(MISTAKES[problem.kind], **values)}"


def _with_stand_ins(merge: Merge) -> Merge:
    """Replace the wrong values of the lines."""
    entries: list[tuple[int | None, Values | None]] = []
    for (place, values), line in zip(merge.entries, merge.lines, strict=True):
        wrong = [merge.page.column(path) for path in sorted(line.wrong)] if line is not None else []
        entries.append((place, {**(values or {}), **{each.path: _stand_in(each) for each in wrong}} if wrong else values))
    return dataclasses.replace(merge, entries=entries)


def _stand_in(column: Column) -> Any:
    if column.path == "quarter":
        return _OPENED
    return next(iter(column.words or {}), None) if column.kind == "choice" else _STAND_INS[column.kind]


def _located(
    problem: Problem, merges: Sequence[Merge], places: Sequence[Mapping[int, int]]
) -> tuple[Page, Line, str | None] | None:
    """Find the line of a mistake in a file, and its column where the mistake is in a single one."""
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
    """Find the column that shows a location of an item."""
    dotted = ".".join(str(step) for step in location)
    return next(
        (column.path for column in sheet.fields if dotted == column.path or dotted.startswith(f"{column.path}.")),
        next((column.path for column in sheet.fields if dotted and column.path.startswith(f"{dotted}.")), None),
    )
