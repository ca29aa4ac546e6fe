"""Write cells of a workbook, whose texts stay texts whatever they begin with, and have its sheets print on A4."""

from __future__ import annotations

import re

from openpyxl.cell import Cell as SheetCell
from openpyxl.cell import MergedCell
from openpyxl.worksheet.properties import PageSetupProperties
from openpyxl.worksheet.worksheet import Worksheet

_LONGEST_TEXT = 32_767  # characters, of a cell

# In a workbook's text, _x0041_ stands for an A, so a text that holds such a code is escaped.
_CODED = re.compile(r"_(?=x[0-9A-Fa-f]{4}_)")


def put_text(cell: SheetCell | MergedCell, text: str) -> None:
    """Write a text into a cell; it never becomes a formula, nor when the cell is edited."""
    cell.value = _CODED.sub("_x005F_", text)[:_LONGEST_TEXT]
    cell.data_type = "s"  # else a text that begins with = becomes a formula, and one with # an error
    cell.quotePrefix = True


def print_on_a4(sheet: Worksheet, pages_wide: int, title_rows: str) -> None:
    """Have a sheet print on A4, lying, on some pages side by side and as many below each other as it needs.

    Args:
        sheet: The sheet.
        pages_wide: Pages side by side.
        title_rows: Rows that each page repeats, e.g. ``1:2``.
    """
    sheet.page_setup.paperSize, sheet.page_setup.orientation = sheet.PAPERSIZE_A4, "landscape"
    sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
    sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight = pages_wide, 0
    sheet.print_title_rows = title_rows
    margins = sheet.page_margins
    margins.left = margins.right = 0.4  # inches
    margins.top = margins.bottom = 0.6
    margins.header = margins.footer = 0.3
    for item, left, right in ((sheet.oddHeader, "&A", ""), (sheet.oddFooter, "", "&P / &N")):
        if item is not None and item.left is not None and item.right is not None:
            item.left.text, item.right.text = left or None, right or None
