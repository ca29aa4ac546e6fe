"""Tables of the catalogue: CSV files, with every mistake reported by line and column."""

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
CellMistakes = list[tuple[str, str]]
"""Mistakes of a line: column and remedy."""


def read_csv(
    path: Path,
    columns: Sequence[str],
    make: Callable[[dict[str, str], CellMistakes], Line],
    key: Callable[[Line], tuple[str, ...]],
) -> tuple[tuple[Line, ...], list[Problem]]:
    """Read a file, and find every mistake in it.

    Args:
        path: The file, UTF-8, with ``,`` or ``;`` as delimiter. It may be absent.
        columns: Columns of its header, in any order.
        make: Makes a line from its cells by column. It adds what is wrong to the list; the line is then dropped.
        key: Returns what identifies a line, the quarter first. Two lines with one key are a mistake.

    Returns:
        The lines, none where the file is absent or unreadable; and the mistakes.
    """
    if not path.exists():
        return (), []
    text, unreadable = _read_text(path)
    if unreadable is not None:
        return (), [unreadable]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=";" if ";" in text.partition("\n")[0] else ",")
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
                made, mistakes = _read_line(cells, header, make)
                if made is not None:
                    mistakes += _add_once(made, key(made), reader.line_num, found)
                problems += [Problem(path.name, reader.line_num, (column,), remedy) for column, remedy in mistakes]
    except csv.Error as error:
        problems.append(Problem(path.name, max(reader.line_num, 1), (), f"not readable as CSV ({error}): check quotes"))
    return tuple(line for _, line in found.values()), problems


def _read_text(path: Path) -> tuple[str, Problem | None]:
    """Return the text of a file, or why it cannot be read."""
    try:
        return path.read_text(encoding="utf-8-sig"), None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        return "", Problem(path.name, line, (), "not readable as UTF-8: save the file in UTF-8")
    except OSError as error:
        return "", Problem(path.name, 1, (), f"not readable ({error.strerror}): check its permissions")


def _read_line(
    cells: Sequence[str], header: Sequence[str], make: Callable[[dict[str, str], CellMistakes], Line]
) -> tuple[Line | None, CellMistakes]:
    """Make a line from its cells; None with the mistakes where some are wrong."""
    if len(cells) != len(header):
        return None, [("line", f"{len(cells)} cells: write {len(header)}, as in the header")]
    mistakes: CellMistakes = []
    made = make(dict(zip(header, map(str.strip, cells), strict=True)), mistakes)
    return (None if mistakes else made), mistakes


def _add_once(made: Line, key: tuple[str, ...], line: int, found: dict[tuple[str, ...], tuple[int, Line]]) -> CellMistakes:
    """Add a line, unless there is one with its key already, which is a mistake."""
    if key not in found:
        found[key] = (line, made)
        return []
    others = ", ".join(map(repr, key[1:]))
    return [("quarter", f"{key[0]!r} of {others} is already on line {found[key][0]}: keep one line")]


def service_of(cells: dict[str, str], wrong: CellMistakes) -> str:
    """Read the cell ``service``, an id. A mistake is added to ``wrong``.

    Example:
        >>> wrong = []
        >>> _ = service_of({"service": "Un service"}, wrong)
        >>> wrong
        [('service', "'Un service': write the id of a service, e.g. vadore")]
    """
    if not is_slug(cells["service"]):
        wrong.append(("service", f"{cells['service']!r}: write the id of a service, e.g. vadore"))
    return cells["service"]


def quarter_of(cells: dict[str, str], wrong: CellMistakes) -> str:
    """Read the cell ``quarter``, e.g. ``2026Q4``. A mistake is added to ``wrong``.

    Example:
        >>> wrong = []
        >>> quarter_of({"quarter": "2026Q4"}, wrong), wrong
        ('2026Q4', [])
    """
    try:
        return str(Quarter.parse(cells["quarter"]))
    except UsageError as error:
        wrong.append(("quarter", str(error)))
        return ""


def count_of(cells: dict[str, str], column: str, wrong: CellMistakes) -> float:
    """Read a count of 0 or more. A mistake is added to ``wrong``.

    Example:
        >>> count_of({"units": "12,5"}, "units", [])
        12.5
    """
    try:
        count = float(cells[column].replace(",", "."))
    except ValueError:
        count = -1.0
    if not 0 <= count < 1e15:
        wrong.append((column, f"{cells[column]!r}: write a count of 0 or more, without spaces"))
    return count


def source_of(cells: dict[str, str], wrong: CellMistakes) -> str:
    """Read the cell ``source``. A mistake is added to ``wrong``."""
    if not cells["source"]:
        wrong.append(("source", "empty: name where the count comes from, e.g. 'enquête 2026-12'"))
    return cells["source"]
