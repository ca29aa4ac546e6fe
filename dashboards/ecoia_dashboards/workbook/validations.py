"""Add checks to the workbook: drop-downs, limits of values, and colours of mistakes."""

from __future__ import annotations

from openpyxl.formatting.rule import Rule
from openpyxl.styles import PatternFill
from openpyxl.styles.differential import DifferentialStyle
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.worksheet import Worksheet

from ecoia_dashboards.workbook.book import FIRST_ROW, LAST_ROW, NEEDED_COLOUR, WRONG_COLOUR, Book
from ecoia_dashboards.workbook.sheets import Column, Sheet


def list_name(column: Column) -> str:
    """Name the list of choices of a column."""
    return "boolean" if column.kind == "boolean" else f"{column.label}:{','.join(column.words or {})}"


def add_check(book: Book, place: Worksheet, sheet: Sheet, column: Column, cells: str) -> None:
    """Add a drop-down to cells of a column, or a check of the values typed into them."""
    language = book.language
    rule = _rule(book, sheet, column)
    if rule is None:
        return
    rule.errorTitle = language.t(column.label)[:32]
    rule.error = language.t(column.help)[:255]
    rule.promptTitle, rule.prompt = rule.errorTitle, rule.error
    rule.allowBlank = rule.showErrorMessage = rule.showInputMessage = True
    place.add_data_validation(rule)
    rule.add(cells)


def _rule(book: Book, sheet: Sheet, column: Column) -> DataValidation | None:
    kind = column.kind
    if kind in ("choice", "boolean"):
        return DataValidation(type="list", formula1=book.lists[list_name(column)])
    if kind == "quarter":
        return DataValidation(type="list", formula1=book.lists["quarter"], errorStyle="warning")
    if kind in ("number", "whole"):
        return DataValidation(type="whole" if kind == "whole" else "decimal", operator="greaterThanOrEqual", formula1="0")
    if kind == "day":
        return DataValidation(type="date", operator="greaterThanOrEqual", formula1="1")
    if len(column.of) == 1 and kind == "id":  # a drop-down shows one list, and a cell with several ids is none of its items
        target = next((each for each in book.present if each.id == column.of[0]), None)
        if target is not None:
            cells = f"'{book.language.t(target.title)}'!$A${FIRST_ROW}:$A${LAST_ROW}"
            return DataValidation(type="list", formula1=cells, errorStyle="warning")
    if kind == "id":
        return DataValidation(type="textLength", operator="lessThanOrEqual", formula1="63")
    return None


def mark_lacking(place: Worksheet, sheet: Sheet) -> None:
    """Colour needed cells that are empty on a filled line, and keys that stand twice."""
    last = get_column_letter(len(sheet.columns))
    for index, column in enumerate(sheet.columns, 1):
        letter = get_column_letter(index)
        cells = f"{letter}{FIRST_ROW}:{letter}{LAST_ROW}"
        if column.needed:
            empty = f"AND(COUNTA($A{FIRST_ROW}:${last}{FIRST_ROW})>0,LEN(TRIM({letter}{FIRST_ROW}))=0)"
            place.conditional_formatting.add(cells, _colour(empty, NEEDED_COLOUR))
        if sheet.key == (column.path,):
            whole = f"${letter}${FIRST_ROW}:${letter}${LAST_ROW}"
            twice = f"COUNTIF({whole},{letter}{FIRST_ROW})>1"
            place.conditional_formatting.add(cells, _colour(twice, WRONG_COLOUR))


def _colour(formula: str, colour: str) -> Rule:
    fill = DifferentialStyle(fill=PatternFill("solid", bgColor=colour))
    return Rule(type="expression", formula=[formula], dxf=fill)
