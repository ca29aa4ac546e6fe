"""Check the catalogue as a filled workbook would change it, and place each mistake at its cell."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ecoia.catalogue.loading import problems_of
from ecoia.catalogue.problems import Problem
from ecoia_dashboards.workbook.filled import Fault, Line, Page
from ecoia_dashboards.workbook.merging import Merge
from ecoia_dashboards.workbook.sheets import Sheet
from ecoia_dashboards.workbook.tables import changed_text


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


def check_draft(
    base: Path,
    texts: Mapping[str, str],
    merges: Sequence[Merge],
    places: Sequence[Mapping[int, int]],
    faults: list[Fault],
) -> list[str]:
    """Read the catalogue as it would be: add the mistake of each cell to ``faults``, and return mistakes that have no cell."""
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
