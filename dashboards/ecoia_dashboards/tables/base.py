"""Define tables: a column is its heading and its cell in one place, and a table is lines drawn through its columns.

Example:
    >>> columns = (Column("zone", "Zone", lambda it: it.zone), *energy("left", "Énergie laissée", lambda it: it.microjoules))
    >>> table("losses", "Pertes", report.losses, *columns)  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Generic, Protocol, TypeVar

from ecoia.impact.embodied import MICROGRAMS_PER_KG
from ecoia.report import Quantity, QuarterlyReport
from ecoia.units import kwh
from ecoia_dashboards import wording
from ecoia_dashboards.language import Language
from ecoia_dashboards.naming import service_names
from ecoia_dashboards.wording import N_

Cell = str | int | float | bool | date | datetime | tuple[str, ...] | None
Row = tuple[Cell, ...]
Item = TypeVar("Item")
Whole = TypeVar("Whole")

TEXT, CODES, NUMBER, INTEGER, FLAG, DAY, MOMENT = "text", "codes", "number", "integer", "flag", "day", "moment"
"""Kinds of column. ``codes`` holds a tuple of codes; ``moment`` is an instant in UTC."""

LOW, HIGH = N_("%(what)s, borne basse à 95 %%"), N_("%(what)s, borne haute à 95 %%")
REASON = N_("%(what)s : pourquoi aucune valeur")

UNITS = {"1": N_("part")}
BOUNDARIES = {
    "site": N_("bâtiment compris"),
    "part": N_("bâtiment compris pour une partie"),
    "it": N_("hors bâtiment"),
}

_SUFFIXES = {"kWh": "_kwh", "kgCO2e": "_kg", "gCO2e": "_g", "Wh": "_wh", "L": "_litres"}


@dataclass(frozen=True)
class Column(Generic[Item]):
    """A column of a table: its heading, and the cell of each line.

    Attributes:
        id: Heading for programs, in lower case with underscores.
        title: French heading for readers, without the unit.
        cell: Takes the value out of a line's item.
        kind: Type of the cells, e.g. ``NUMBER``.
        unit: Unit of the cells, ``1`` for a share; empty where there is none or each line has its own.
        unit_column: Id of the column that holds the unit, where each line has its own.
        words: Sentence of each code that the cells may hold.
        names: Name of each id that the cells may hold.
        form: Sentence that frames the title, e.g. ``LOW``.
    """

    id: str
    title: str
    cell: Callable[[Item], Cell]
    kind: str = TEXT
    unit: str = ""
    unit_column: str = ""
    words: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    form: str = ""

    def heading(self, language: Language) -> str:
        """Write the heading for readers, with the unit."""
        title = language.t(self.title)
        if self.form:
            title = language.t(self.form, what=title)
        return f"{title} ({self.unit})" if self.unit not in ("", "1") else title

    def of(self, part: Callable[[Whole], Item | None]) -> Column[Whole]:
        """Turn a column of a part of an item into a column of the whole item; cells are empty where the item lacks the part."""

        def cell(whole: Whole) -> Cell:
            found = part(whole)
            return None if found is None else self.cell(found)

        return Column(
            self.id, self.title, cell, self.kind, self.unit, self.unit_column, words=self.words, names=self.names, form=self.form
        )

    def for_readers(self, cell: Cell, language: Language) -> Cell:
        """Write a cell for readers: codes in words, ids by name; numbers, days and flags stay as they are."""
        if isinstance(cell, tuple):
            return language.t(" ; ").join(str(self.for_readers(code, language)) for code in cell)
        if isinstance(cell, str):
            return self.names.get(cell) or language.of(dict(self.words), cell)
        return cell


@dataclass(frozen=True)
class Table:
    """A table whose lines hold one kind of item each.

    Attributes:
        id: Name for programs, e.g. of a file.
        title: French title for readers.
        columns: Columns in order.
        rows: Lines in order, each with one cell a column.
    """

    id: str
    title: str
    columns: tuple[Column[Any], ...]
    rows: tuple[Row, ...]


def table(id_: str, title: str, items: Iterable[Item], *columns: Column[Item]) -> Table:
    """Draw items through columns.

    Args:
        id_: Name of the table for programs.
        title: French title for readers.
        items: One item a line.
        *columns: Columns in order.

    Returns:
        The table, its cells taken from the items by the columns themselves.
    """
    return Table(id_, title, columns, tuple(tuple(column.cell(item) for column in columns) for item in items))


def quantity(
    id_: str, title: str, of: Callable[[Item], Quantity | None], unit: str, unit_column: str = ""
) -> tuple[Column[Item], ...]:
    """Make the four columns of a figure: value, low and high bound at 95 %, and the reason why there is no value.

    Args:
        id_: Start of the columns' ids; the unit follows it, e.g. ``energy_kwh``.
        title: French heading of the value.
        of: Takes the figure out of an item; None leaves all four cells empty.
        unit: Unit of the figure, ``1`` for a share; empty where each line has its own.
        unit_column: Id of the column that holds the unit, where each line has its own.
    """

    suffix = _SUFFIXES.get(unit, "")
    columns: tuple[Column[Quantity], ...] = (
        Column(f"{id_}{suffix}", title, lambda it: it.value, NUMBER, unit, unit_column),
        Column(f"{id_}_low{suffix}", title, lambda it: it.low, NUMBER, unit, unit_column, form=LOW),
        Column(f"{id_}_high{suffix}", title, lambda it: it.high, NUMBER, unit, unit_column, form=HIGH),
        Column(f"{id_}_reason", title, lambda it: it.reason, words=wording.REASONS, form=REASON),
    )
    return tuple(column.of(of) for column in columns)


def energy(id_: str, title: str, of: Callable[[Item], int | None]) -> tuple[Column[Item], ...]:
    """Make the two columns of an energy kept in whole microjoules, which add up exactly, and in kWh beside.

    Args:
        id_: Start of the columns' ids.
        title: French heading of both.
        of: Takes the microjoules out of an item; None leaves both cells empty.
    """
    columns: tuple[Column[int], ...] = (
        Column(f"{id_}_microjoules", title, lambda microjoules: microjoules, INTEGER, "µJ"),
        Column(f"{id_}_kwh", title, kwh, NUMBER, "kWh"),
    )
    return tuple(column.of(of) for column in columns)


def co2e(id_: str, title: str, of: Callable[[Item], int | None]) -> tuple[Column[Item], ...]:
    """Make the two columns of a CO2e kept in whole micrograms, which add up exactly, and in kg beside.

    Args:
        id_: Start of the columns' ids.
        title: French heading of both.
        of: Takes the micrograms out of an item; None leaves both cells empty.
    """
    columns: tuple[Column[int], ...] = (
        Column(f"{id_}_micrograms", title, lambda micrograms: micrograms, INTEGER, "µgCO2e"),
        Column(f"{id_}_kg", title, lambda micrograms: micrograms / MICROGRAMS_PER_KG, NUMBER, "kgCO2e"),
    )
    return tuple(column.of(of) for column in columns)


def service(report: QuarterlyReport, of: Callable[[Item], str | None]) -> Column[Item]:
    """Make the column of a service's id, shown to readers by its name; empty where a line is of no service."""
    return Column("service", N_("Service"), of, names=service_names(report))


def phase(of: Callable[[Item], str | None]) -> Column[Item]:
    """Make the column of a phase of the life cycle; empty where a line is of no phase."""
    return Column("phase", N_("Phase"), of, words=wording.PHASES)


class HasValidity(Protocol):
    """An item that holds from one civil day to another, the last excluded."""

    @property
    def from_day(self) -> str | None:
        """First day as ISO text; None: no limit."""

    @property
    def until_day(self) -> str | None:
        """First day after the last, as ISO text; None: no limit."""


Valid = TypeVar("Valid", bound=HasValidity)


def validity(of: type[Valid]) -> tuple[Column[Valid], ...]:
    """Make the two columns of the civil days from and until which an item of a type holds."""
    return (
        Column("from_day", N_("Depuis le"), lambda it: day(it.from_day), DAY),
        Column("until_day", N_("Jusqu’au (exclu)"), lambda it: day(it.until_day), DAY),
    )


def day(text: str | None) -> date | None:
    """Read a civil day from ISO text; None where there is none."""
    return date.fromisoformat(text) if text else None


def moment(text: str | None) -> datetime | None:
    """Read an instant from ISO text; None where there is none."""
    return datetime.fromisoformat(text) if text else None
