"""Merge a filled workbook into the lines that the files hold now: the values that somebody changed, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ecoia_dashboards.workbook.cells import plain, shown
from ecoia_dashboards.workbook.filled import Line, Page
from ecoia_dashboards.workbook.tables import Table, Values, key_of, plain_line


@dataclass
class Merge:
    """The lines of a sheet as they shall be: ``entries`` as ``changed_text`` takes them, and the ``lines`` of the sheet."""

    table: Table
    page: Page
    entries: list[tuple[int | None, Values | None]] = field(default_factory=list)
    lines: list[Line | None] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)

    @property
    def added(self) -> int:
        """How many lines are new."""
        return sum(place is None for place, _ in self.entries)

    @property
    def changed(self) -> int:
        """How many lines differ from the file's."""
        return sum(place is not None and values is not None for place, values in self.entries)


def merge_lines(page: Page, now: Table, written_with: list[dict[str, Any]] | None) -> Merge:
    """Merge the changes of a filled sheet into the lines that the files hold now."""
    sheet, merge = page.sheet, Merge(now, page)
    current = {key_of(sheet, item.values): place for place, item in enumerate(now.items)}
    # A workbook without its hidden sheet: every difference from the files counts as a change, and no line is removed.
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
            page.fault(1, 1, "removed-and-changed", value=_said(page, key))
        else:
            merge.removed.append(_said(page, key))
    for key, line in filled.items():
        if key in current:
            continue
        if base is not None and key in base:
            if base[key] != plain_line(sheet, line.values):
                page.wrong(line, sheet.fields[0].path, "gone-meanwhile", value=_said(page, key))
        else:
            _add(merge, None, {path: value for path, value in line.values.items() if value is not None}, line)
    return merge


def _add(merge: Merge, place: int | None, values: Values | None, line: Line | None) -> None:
    merge.entries.append((place, values))
    merge.lines.append(line)


def _keyed(page: Page) -> Iterator[tuple[tuple[Any, ...], Line]]:
    """List the lines by their key; a missing key, or one that a line above has, is a mistake."""
    sheet = page.sheet
    needed = [column.path for column in sheet.fields if column.needed]
    seen: dict[tuple[Any, ...], int] = {}
    for line in page.lines:
        for path in needed:
            if line.values[path] is None and path not in line.wrong:
                page.wrong(line, path, "empty")
        key = key_of(sheet, line.values)
        if any(path in line.wrong for path in sheet.key):
            continue
        if key in seen:
            page.wrong(line, sheet.key[0], "on-two-lines", value=_said(page, key), row=seen[key])
            continue
        seen[key] = line.first[0]
        yield key, line


def _changed(merge: Merge, line: Line, was: Mapping[str, Any], now: Values) -> Values:
    """List the values of a line that were changed in the workbook and are not in the file yet."""
    changed = {}
    for path, value in line.values.items():
        new, current = plain(value), plain(now[path])
        if path in line.wrong or new in (was.get(path), current):
            continue
        if current != was.get(path):
            page, column = merge.page, merge.page.column(path)
            words = {"value": shown(column, value, page.language), "other": shown(column, now[path], page.language)}
            page.wrong(line, path, "emptied-meanwhile" if now[path] is None else "changed-meanwhile", **words)
        changed[path] = value
    return changed


def _said(page: Page, key: Sequence[Any]) -> str:
    """Write the key of a line as its cells show it."""
    columns = map(page.column, page.sheet.key)
    return ", ".join(
        str(shown(column, part, page.language)) for column, part in zip(columns, key, strict=True) if part is not None
    )
