"""Tables of the catalogue: CSV files whose mistakes are named by line and column."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from ecoia.catalogue.problems import Problem
from ecoia.errors import UsageError
from ecoia.periods import Quarter
from ecoia.settings import is_slug

Line = TypeVar("Line")
Wrong = list[tuple[str, str]]
"""Every column of a line that is wrong, with its remedy."""


def read_csv(
    path: Path,
    columns: Sequence[str],
    make: Callable[[dict[str, str], Wrong], Line],
    key: Callable[[Line], tuple[str, ...]],
) -> tuple[tuple[Line, ...], list[Problem]]:
    """The lines of a file, and every mistake in it. A file that is not there is empty.

    Args:
        path: The file; ``,`` or ``;`` separates, UTF-8.
        columns: What its header holds, in any order.
        make: A line from its cells; adds what is wrong to the list, in which case the line is dropped.
        key: What a line is known by, the column that tells lines of one file apart first: two of one key is a mistake.
    """
    if not path.exists():
        return (), []
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        return (), [Problem(path.name, line, (), "not readable as UTF-8: save the file in UTF-8")]
    except OSError as error:
        return (), [Problem(path.name, 1, (), f"not readable ({error.strerror}): check its permissions")]
    delimiter = ";" if ";" in text.partition("\n")[0] else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    found: dict[tuple[str, ...], tuple[int, Line]] = {}
    problems: list[Problem] = []
    header: list[str] = []
    try:
        for cells in reader:
            if not header:
                header = [cell.strip() for cell in cells]
                if sorted(header) != sorted(columns):
                    remedy = f"{', '.join(header)!r}: write the columns {', '.join(columns)}, each once"
                    return (), [Problem(path.name, 1, ("header",), remedy)]
            elif any(cell.strip() for cell in cells):
                line = reader.line_num
                if len(cells) != len(header):
                    remedy = f"{len(cells)} cells: write {len(header)}, as in the header"
                    problems.append(Problem(path.name, line, ("line",), remedy))
                    continue
                wrong: Wrong = []
                made = make(dict(zip(header, map(str.strip, cells), strict=True)), wrong)
                problems += [Problem(path.name, line, (column,), remedy) for column, remedy in wrong]
                if not wrong:
                    known = key(made)
                    if known in found:
                        of = ", ".join(map(repr, known[1:]))
                        remedy = f"{known[0]!r} of {of} is already on line {found[known][0]}: keep one line"
                        problems.append(Problem(path.name, line, ("quarter",), remedy))
                    found.setdefault(known, (line, made))
    except csv.Error as error:
        problems.append(Problem(path.name, max(reader.line_num, 1), (), f"not readable as CSV ({error}): check quotes"))
    return tuple(line for _, line in found.values()), problems


def service_of(cells: dict[str, str], wrong: Wrong) -> str:
    """The cell ``service``: an id."""
    if not is_slug(cells["service"]):
        wrong.append(("service", f"{cells['service']!r}: write the id of a service, e.g. vadore"))
    return cells["service"]


def quarter_of(cells: dict[str, str], wrong: Wrong) -> str:
    """The cell ``quarter``, as ``2026Q4``."""
    try:
        return str(Quarter.parse(cells["quarter"]))
    except UsageError as error:
        wrong.append(("quarter", str(error)))
        return ""


def count_of(cells: dict[str, str], column: str, wrong: Wrong) -> float:
    """A cell that counts: 0 or more."""
    try:
        count = float(cells[column].replace(",", "."))
    except ValueError:
        count = -1.0
    if not 0 <= count < 1e15:
        wrong.append((column, f"{cells[column]!r}: write a count of 0 or more, without spaces"))
    return count


def source_of(cells: dict[str, str], wrong: Wrong) -> str:
    """The cell ``source``: who says so."""
    if not cells["source"]:
        wrong.append(("source", "empty: say where the count comes from, e.g. 'enquête 2026-12'"))
    return cells["source"]
