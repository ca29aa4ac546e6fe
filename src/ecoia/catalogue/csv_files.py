"""Tables of the catalogue: CSV files, with every mistake reported by line and column."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from ecoia import limits
from ecoia.catalogue.problems import Problem
from ecoia.errors import UsageError
from ecoia.keeping.csv_lines import CsvError, csv_lines
from ecoia.keeping.office_tables import EITHER
from ecoia.periods import Quarter
from ecoia.semconv import is_slug

Line = TypeVar("Line")


class Cells(dict[str, str]):
    """Cells of a line by column. ``decimal_comma``: a comma in a number is its decimal mark, as ``;`` separates the columns."""

    def __init__(self, cells: Iterable[tuple[str, str]], *, decimal_comma: bool = False) -> None:
        super().__init__(cells)
        self.decimal_comma = decimal_comma


class CellMistake(NamedTuple):
    """A mistake of a line: its column, the remedy, and its kind and refused value for pages in other languages."""

    column: str
    remedy: str
    kind: str = ""
    value: Any = None


CellMistakes = list[CellMistake]


def read_csv(
    path: Path,
    columns: Sequence[str],
    make: Callable[[Cells, CellMistakes], Line],
    key: Callable[[Line], tuple[str, ...]],
) -> tuple[dict[int, Line], list[Problem]]:
    """Read a file, and find every mistake in it.

    Args:
        path: The file, UTF-8, with ``,`` or ``;`` as delimiter. It may be absent.
        columns: Columns of its header, in any order.
        make: Makes a line from its cells by column. It adds what is wrong to the list; the line is then dropped.
        key: Returns what identifies a line, the quarter first. Two lines with one key are a mistake.

    Returns:
        The lines by their number, none where the file is absent or unreadable; and the mistakes.
    """
    if not path.exists():
        return {}, []
    text, unreadable = _read_text(path)
    if unreadable is not None:
        return {}, [unreadable]
    delimiter = ";" if ";" in text.partition("\n")[0] else ","
    found: dict[tuple[str, ...], tuple[int, Line]] = {}
    problems: list[Problem] = []
    header: list[str] = []
    try:
        for number, cells in csv_lines(text, delimiter):
            if not header:
                header = [cell.strip() for cell in cells]
                if sorted(header) != sorted(columns):
                    remedy = f"{', '.join(header)[:60]!r}: write the columns {', '.join(columns)}, each once"
                    return {}, [Problem(path.name, 1, ("header",), remedy)]
            elif any(cell.strip() for cell in cells):
                made, mistakes = _read_line(cells, header, make, decimal_comma=delimiter == ";")
                if made is not None:
                    mistakes += _add_once(made, key(made), number, found)
                problems += [
                    Problem(path.name, number, (each.column,), each.remedy, each.kind, values={"value": each.value})
                    for each in mistakes
                ]
    except CsvError as error:
        problems.append(Problem(path.name, error.line, (), str(error)))
    return dict(found.values()), problems


def _read_text(path: Path) -> tuple[str, Problem | None]:
    """Return the text of a file, or why it cannot be read."""
    try:
        return limits.read_bytes(path, limits.CSV_BYTES).decode("utf-8-sig"), None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        return "", Problem(path.name, line, (), "not readable as UTF-8: save the file in UTF-8")
    except OSError as error:
        return "", Problem(path.name, 1, (), f"not readable ({error.strerror}): check the file and its permissions")


def _read_line(
    cells: Sequence[str], header: Sequence[str], make: Callable[[Cells, CellMistakes], Line], *, decimal_comma: bool
) -> tuple[Line | None, CellMistakes]:
    """Make a line from its cells; None with the mistakes where some are wrong."""
    if len(cells) != len(header):
        return None, [CellMistake("line", f"{len(cells)} cells: write {len(header)}, as in the header")]
    mistakes: CellMistakes = []
    made = make(Cells(zip(header, map(str.strip, cells), strict=True), decimal_comma=decimal_comma), mistakes)
    return (None if mistakes else made), mistakes


def _add_once(made: Line, key: tuple[str, ...], line: int, found: dict[tuple[str, ...], tuple[int, Line]]) -> CellMistakes:
    """Add a line, unless there is one with its key already, which is a mistake."""
    if key not in found:
        found[key] = (line, made)
        return []
    others = ", ".join(map(repr, key[1:]))
    remedy = f"{key[0]!r} of {others} is already on line {found[key][0]}: keep one line"
    return [CellMistake("quarter", remedy, "used-twice", key[0])]


def service_of(cells: Cells, wrong: CellMistakes) -> str:
    """Read the cell ``service``, an id. A mistake is added to ``wrong``.

    Example:
        >>> wrong = []
        >>> _ = service_of(Cells([("service", "Un service")]), wrong)
        >>> wrong[0].remedy
        "'Un service': write the id of a service, e.g. vadore"
    """
    if not is_slug(cells["service"]):
        remedy = f"{cells['service']!r}: write the id of a service, e.g. vadore"
        wrong.append(CellMistake("service", remedy, "not-an-id", cells["service"]))
    return cells["service"]


def quarter_of(cells: Cells, wrong: CellMistakes) -> str:
    """Read the cell ``quarter``, e.g. ``2026Q4``. A mistake is added to ``wrong``.

    Example:
        >>> wrong = []
        >>> quarter_of(Cells([("quarter", "2026Q4")]), wrong), wrong
        ('2026Q4', [])
    """
    try:
        return str(Quarter.parse(cells["quarter"]))
    except UsageError as error:
        wrong.append(CellMistake("quarter", str(error), "not-a-quarter", cells["quarter"]))
        return ""


def count_of(cells: Cells, column: str, wrong: CellMistakes) -> float:
    """Read a count of 0 or more. A mistake is added to ``wrong``.

    Example:
        >>> count_of(Cells([("units", "12,5")], decimal_comma=True), "units", [])
        12.5
    """
    if "," in cells[column] and not cells.decimal_comma:  # in such a file "1,234" may be 1234
        remedy = f"{cells[column]!r}: columns are separated by ',', so write the count without one"
        wrong.append(CellMistake(column, remedy, "not-a-count", cells[column]))
        return 0.0
    if cells.decimal_comma and EITHER.fullmatch(cells[column]):
        remedy = f"{cells[column]!r}: may be read as thousands or as decimals: write the count without a point"
        wrong.append(CellMistake(column, remedy, "not-a-count", cells[column]))
        return 0.0
    try:
        count = float(cells[column].replace(",", "."))
    except ValueError:
        count = -1.0
    if not 0 <= count < 1e15:
        remedy = f"{cells[column]!r}: write a count of 0 or more, without spaces"
        wrong.append(CellMistake(column, remedy, "not-a-count", cells[column]))
    return count


def source_of(cells: Cells, wrong: CellMistakes) -> str:
    """Read the cell ``source``. A mistake is added to ``wrong``."""
    if not cells["source"]:
        wrong.append(CellMistake("source", "empty: name where the count comes from, e.g. 'enquête 2026-12'", "empty"))
    return cells["source"]
