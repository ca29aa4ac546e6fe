"""Tables of the dashboard: one definition that the page draws and the CSV writes."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from markupsafe import Markup

from ecoia.readable.scales import list_scale
from ecoia.report import Quantity
from ecoia_dashboards.csvs import BYTE_ORDER_MARK, cell_text
from ecoia_dashboards.dashboard.address import Address
from ecoia_dashboards.figures.chart import Changed
from ecoia_dashboards.language import SHARE_UNIT, Language, QuantityColumn
from ecoia_dashboards.tables.base import HIGH, LOW

TEXT, FIGURE, MARK = "text", "figure", "mark"
"""Kinds of columns: texts, figures (right-aligned, one unit), and marks that only the page draws (bars, lines)."""


@dataclass(frozen=True)
class Link:
    """A cell that leads somewhere. ``note`` stands beside the link; the CSV holds ``exact`` where the text is shortened."""

    text: str
    href: str
    note: str = ""
    exact: str = ""


@dataclass(frozen=True)
class Mark:
    """A cell that the page draws, and the text that says the same: screen readers and the CSV have it."""

    drawing: Markup
    text: str


@dataclass(frozen=True)
class Code:
    """A cell that says what is missing, with the line to write and where it goes; the CSV holds all three."""

    text: str
    line: str
    place: str = ""


Cell = str | int | Quantity | Changed | Link | Mark | Code | None


@dataclass(frozen=True)
class Heading:
    """The head of a column. ``sort`` is the value of the address that sorts by it; empty: the column does not sort.

    ``less_important`` columns give way on a narrow screen. Columns of one ``family`` are read together, so they share a unit.
    """

    text: str
    kind: str = TEXT
    sort: str = ""
    less_important: bool = False
    family: str = ""

    @property
    def style(self) -> str:
        """Class of its cells."""
        return f"{self.kind} less-important" if self.less_important else self.kind


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        id: Name of the table, and of its CSV.
        title: The finding, as a sentence.
        subtitle: Measure, unit, period, what is filtered.
        headings: Heads of the columns; the first column names the lines.
        lines: Cells of each line, as many as headings.
        foot: Lines below, e.g. what belongs to no line, and the sum.
        note: What a reader must know of it.
        ordered: Whether its lines stand in the order that the address asks for already, since they are a part of a longer list.
    """

    id: str
    title: str
    headings: tuple[Heading, ...]
    lines: tuple[tuple[Cell, ...], ...]
    subtitle: str = ""
    foot: tuple[tuple[Cell, ...], ...] = ()
    note: str = ""
    ordered: bool = False


def writers(table: Table, language: Language, unit: str = "") -> list[QuantityColumn]:
    """Choose for each column how its figures are written: one unit, which stands in the heading.

    Args:
        table: The table.
        language: Its language.
        unit: Unit that figures of its kind are written in, whatever their size; empty: the one that suits them.
    """
    columns = [list(map(quantity_of, column)) for column in zip(*(table.lines or table.foot), strict=True)]
    families: dict[str, list[Quantity | None]] = {}
    for heading, column in zip(table.headings, columns, strict=bool(columns)):
        families.setdefault(heading.family, []).extend(column)
    read_together = [
        families[heading.family] if heading.family else column
        for heading, column in zip(table.headings, columns, strict=bool(columns))
    ]
    found = [language.column(column, scaled=partial(list_scale, chosen=unit)) for column in read_together]
    return found or [language.column(()) for _ in table.headings]


def sorted_lines(table: Table, address: Address) -> Table:
    """Sort the lines of a table as an address asks; a table without such a column stays as it is.

    Figures sort by value and texts as people read them; what is not known stands last, in both orders.

    Example:
        >>> table = Table("t", "t", (Heading("Name", sort="name"),), (("b",), (None,), ("A",)))
        >>> [line[0] for line in sorted_lines(table, Address(sort="-name")).lines]
        ['b', 'A', None]
    """
    name, falling = address.sort.removeprefix("-"), address.sort.startswith("-")
    place = next((place for place, heading in enumerate(table.headings) if name and heading.sort == name), None)
    if place is None or table.ordered:
        return table
    known = [line for line in table.lines if _order(line[place]) is not None]
    unknown = [line for line in table.lines if _order(line[place]) is None]
    known.sort(key=lambda line: _order(line[place]) or (), reverse=falling)
    return replace(table, lines=(*known, *unknown))


def _order(cell: Cell) -> tuple[float, str] | None:
    """Return what a cell sorts by; None where it holds nothing known."""
    quantity = quantity_of(cell)
    if quantity is not None:
        return None if quantity.value is None else (quantity.value, "")
    if isinstance(cell, int):
        return cell, ""
    text = cell.text if isinstance(cell, Link | Mark | Code) else cell
    if not isinstance(text, str) or not text:
        return None
    return 0.0, "".join(each for each in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(each))


def quantity_of(cell: Cell) -> Quantity | None:
    """Return the figure that a cell holds; None where it holds something else."""
    if isinstance(cell, Changed):
        return cell.quantity
    return cell if isinstance(cell, Quantity) else None


def table_csv(table: Table, language: Language, said: Sequence[str]) -> str:
    """Write a table as CSV for a spreadsheet of its language: exact figures with their bounds, a unit in each heading.

    In French: ``;``, a decimal comma and a byte order mark; else ``,`` and a decimal point.

    Args:
        table: The table.
        language: Its language.
        said: What the figures are of (organisation, period, filters, address); they stand first, in a comment.
    """
    french = language.code == "fr"
    figures = [[quantity_of(line[place]) for line in (*table.lines, *table.foot)] for place in range(len(table.headings))]
    bounded = [any(each is not None and each.low is not None for each in column) for column in figures]
    units = [next((each.unit for each in column if each is not None), "") for column in figures]
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=";" if french else ",")
    writer.writerow([cell_text("# " + " · ".join(said), str, {})])
    headings: list[str] = []
    for heading, unit, bounds in zip(table.headings, units, bounded, strict=True):
        headings.append(heading.text if unit in ("", SHARE_UNIT) else f"{heading.text} ({language.unit(unit)})")
        headings += [language.t(bound, what=heading.text) for bound in (LOW, HIGH)] if bounds else []
    writer.writerow([cell_text(each, str, {}) for each in headings])
    for line in (*table.lines, *table.foot):
        values = [value for cell, bounds in zip(line, bounded, strict=True) for value in _values(cell, bounds=bounds)]
        writer.writerow([cell_text(value, lambda text: text.replace(".", ",") if french else text, {}) for value in values])
    return (BYTE_ORDER_MARK if french else "") + out.getvalue()


def _values(cell: Cell, *, bounds: bool) -> list[float | str | int | None]:
    """Return a cell as it stands in the CSV: a text, or a figure and, where its column has them, its bounds."""
    quantity = quantity_of(cell)
    if quantity is not None:
        return [quantity.value, *([quantity.low, quantity.high] if bounds else [])]
    if isinstance(cell, Code):
        cell = " · ".join(part for part in (cell.text, cell.place, cell.line) if part)
    text = (cell.exact or cell.text) if isinstance(cell, Link) else cell.text if isinstance(cell, Mark) else cell
    return [text, *([None, None] if bounds else [])]  # type: ignore[list-item]
