"""Hold the workbook while it is written: its hidden sheets, and the styles of its cells."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

from openpyxl import Workbook
from openpyxl.cell import Cell
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.worksheet.properties import PageSetupProperties
from openpyxl.worksheet.worksheet import Worksheet

from ecoia.periods import Quarter
from ecoia_dashboards.language import Language
from ecoia_dashboards.wording import N_
from ecoia_dashboards.workbook.cells import (
    DAY_FORMAT,
    NUMBER_FORMAT,
    TEXT_FORMAT,
    escaped,
    normal,
)
from ecoia_dashboards.workbook.sheets import Column, Sheet

LISTS, BASE = "_listes", "_base"
HEADER_ROW, FIRST_ROW, LAST_ROW = 2, 3, 1002
PIECE = 15_000
"""Longest text of a hidden cell, in characters: a spreadsheet cuts at 32 767 units, and a character may take two."""

HEADING_COLOUR, NEEDED_COLOUR, WRONG_COLOUR = "FF1F4E79", "FFFFF5E6", "FFF4C7C3"
_LONG = 40
"""Width, in characters, from which a column holds sentences, which are wrapped."""


GUIDE_TITLE = N_("Classeur du registre et du suivi")


@dataclass
class Book:
    """The workbook while it is written. ``lists`` holds the range of each list of choices, by its name."""

    language: Language
    quarter: Quarter
    book: Workbook = field(default_factory=Workbook)
    lists: dict[str, str] = field(default_factory=dict)
    present: tuple[Sheet, ...] = ()

    def __post_init__(self) -> None:
        self.book.properties.creator = "ecoia"
        self.book.properties.title = self.language.t(GUIDE_TITLE)
        self.list_sheet = self.book.create_sheet(LISTS)
        self.base_sheet = self.book.create_sheet(BASE)
        self.list_sheet.sheet_state, self.base_sheet.sheet_state = "hidden", "veryHidden"


def cell_at(place: Worksheet, row: int, column: int) -> Cell:
    """Return a cell of a sheet of ours, which holds no merged cells."""
    return cast(Cell, place.cell(row, column))


def put_text(cell: Cell, text: str) -> Cell:
    """Put a text into a cell as text, whatever its first character: no spreadsheet may take it for a formula."""
    cell.value = escaped(normal(text))
    cell.data_type = "s"
    cell.quotePrefix = text.startswith(("=", "+", "-", "@"))
    return cell


def as_heading(cell: Cell) -> None:
    """Style a cell as a heading."""
    cell.font, cell.fill = Font(bold=True, color="FFFFFFFF"), PatternFill("solid", fgColor=HEADING_COLOUR)
    cell.alignment = Alignment(wrap_text=True, vertical="center")


def set_printing(place: Worksheet, titles: int = 0) -> None:
    """Set a sheet to print in landscape on A4, as wide as a page; its first ``titles`` lines repeat on each page."""
    place.page_setup.orientation, place.page_setup.paperSize = "landscape", 9  # A4
    place.page_setup.fitToWidth, place.page_setup.fitToHeight = 1, 0
    place.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
    if titles:
        place.print_title_rows = f"1:{titles}"


def fill_cell(cell: Cell, column: Column, content: Any) -> None:
    """Put a value into a cell, in the format of its column."""
    if isinstance(content, str):
        put_text(cell, content)
    else:
        cell.value = content
    cell.number_format = number_format(column)
    cell.alignment = Alignment(wrap_text=column.width >= _LONG, vertical="top")


def number_format(column: Column) -> str:
    """Choose the number format of a column."""
    return {"day": DAY_FORMAT, "number": NUMBER_FORMAT, "whole": "0"}.get(column.kind, TEXT_FORMAT)


def label(column: Column, language: Language) -> str:
    """Write the title of a column; a star marks a needed one."""
    return f"{language.t(column.label)}{' *' if column.needed else ''}"
