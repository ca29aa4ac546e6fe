"""Map the catalogue to the lines of sheets: the values that a line shows, and the item of the file that they come from."""

from __future__ import annotations

import copy
import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecoia.catalogue import Catalogue
from ecoia.catalogue.editing import Entry, with_list, with_value
from ecoia.catalogue.yaml_files import read_text
from ecoia_dashboards.workbook.cells import Value, known, plain
from ecoia_dashboards.workbook.sheets import Column, Sheet

Values = dict[str, Value]
"""Values of a line, by the path of the column."""


@dataclass(frozen=True)
class Item:
    """A line of the catalogue. ``raw`` is the item as its file has it, fields without a column included."""

    values: Values
    raw: dict[str, Any]


@dataclass(frozen=True)
class Table:
    """The lines of a sheet, in the file's order, and the text of the file."""

    sheet: Sheet
    items: tuple[Item, ...]
    text: str


def key_of(sheet: Sheet, values: Mapping[str, Value]) -> tuple[Any, ...]:
    """Return the key of a line."""
    return tuple(plain(values.get(path)) for path in sheet.key)


def plain_line(sheet: Sheet, values: Mapping[str, Value]) -> dict[str, Any]:
    """Write a line as JSON data."""
    return {column.path: plain(values.get(column.path)) for column in sheet.fields}


def table(sheet: Sheet, folder: Path, catalogue: Catalogue) -> Table:
    """Read the lines of a sheet from a folder whose catalogue was read without a mistake."""
    path = folder / sheet.file
    text = path.read_text(encoding="utf-8-sig") if path.exists() else ""
    source: Any = catalogue
    for step in sheet.source.split("."):
        source = getattr(source, step, None)
    models = () if source is None else (source,) if sheet.form else tuple(source)
    raws = _csv_lines(text)[1] if sheet.is_csv else _yaml_items(sheet, text)
    return Table(
        sheet,
        tuple(Item(_values(sheet, model), raw) for model, raw in zip(models, raws, strict=True)),
        text,
    )


def changed_text(now: Table, entries: Iterable[tuple[int | None, Values | None]]) -> tuple[str, dict[int, int]]:
    """Write the text of the file with some lines changed, and find the place of each entry in it.

    Args:
        now: The lines as they are.
        entries: The lines as they shall be, in order: the present place of each (None: a new line), and the values to set (None:
            the line stays as it is).

    Returns:
        The text; for each entry, in order from 0, its place in the list, or its line in a CSV file.
    """
    sheet = now.sheet
    listed = list(entries)
    if sheet.is_csv:
        return _csv_text(now, listed)
    data = [
        Entry(place, None if values is None else _item(sheet, now.items[place].raw if place is not None else {}, values))
        for place, values in listed
    ]
    if not sheet.form:
        return with_list(now.text, sheet.path, data), {index: index for index in range(len(listed))}
    text = now.text
    for (_, values), entry in zip(listed, data, strict=True):
        for path in values or ():
            name, nested, _ = path.partition(".")
            text = with_value(text, (name,), (entry.data or {}).get(name, {} if nested else None))
    return text, {0: 0}


def _values(sheet: Sheet, model: Any) -> Values:
    values = {}
    for column in sheet.fields:
        value: Any = model
        for step in column.path.split("."):
            value = getattr(value, step, None)
        values[column.path] = on_one_line(sheet, known(column, value))
    return values


def on_one_line(sheet: Sheet, value: Value) -> Value:
    """Write a value as the sheet's file can keep it: in a CSV file, a text has one line."""
    return " ".join(value.split("\n")) if sheet.is_csv and isinstance(value, str) else value


def _yaml_items(sheet: Sheet, text: str) -> list[dict[str, Any]]:
    data = read_text(text)[1]
    if sheet.form:
        return [data or {}]
    for step in sheet.path:
        data = (data or {}).get(step)
    return data or []


def _item(sheet: Sheet, raw: Mapping[str, Any], values: Values) -> dict[str, Any]:
    """Set some values of an item of the file; a value of None is removed."""
    item = copy.deepcopy(dict(raw))
    for path, value in values.items():
        *parents, last = path.split(".")
        part = item
        for step in parents:
            part[step] = part.get(step) or {}
            part = part[step]
        if value is None:
            part.pop(last, None)
        else:
            part[last] = list(value) if isinstance(value, tuple) else value
        if parents and not part:
            item.pop(parents[0])  # every path is two steps deep at most
    return item


# ------------------------------------------------------------------------------------------------------------ CSV files


def _csv_lines(text: str) -> tuple[list[str], list[dict[str, Any]], str]:
    delimiter = ";" if ";" in text.partition("\n")[0] else ","
    lines = [cells for cells in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if any(map(str.strip, cells))]
    header = [cell.strip() for cell in lines[0]] if lines else []
    return header, [dict(zip(header, cells, strict=True)) for cells in lines[1:]], delimiter


def _csv_text(now: Table, entries: list[tuple[int | None, Values | None]]) -> tuple[str, dict[int, int]]:
    header, raws, delimiter = _csv_lines(now.text)
    columns = header or [column.path for column in now.sheet.fields]
    kinds = {column.path: column for column in now.sheet.fields}
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\n")
    writer.writerow(columns)
    places = {}
    for index, (place, values) in enumerate(entries):
        cells = dict(raws[place]) if place is not None else {}
        cells |= {path: _csv_cell(kinds[path], value, delimiter) for path, value in (values or {}).items()}
        writer.writerow([cells.get(column, "") for column in columns])
        places[index] = out.getvalue().count("\n")
    return out.getvalue(), places


def _csv_cell(column: Column, value: Value, delimiter: str) -> str:
    if value is None or column.kind != "number":
        return "" if value is None else str(value)
    return repr(value).replace(".", ",") if delimiter == ";" else repr(value)
