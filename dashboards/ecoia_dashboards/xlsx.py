"""The report's tables as a workbook, a sheet a table: typed cells, filters, headings that stay, number formats.

No text of anybody's becomes a formula: a text is written as a text, and marked so that editing its cell keeps it one.
"""

from __future__ import annotations

import io
import re
import zipfile
from datetime import UTC, date, datetime

from openpyxl import Workbook
from openpyxl.cell import Cell as SheetCell
from openpyxl.cell import MergedCell
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet
from openpyxl.writer.excel import ExcelWriter

from ecoia.report import QuarterlyReport
from ecoia_dashboards.language import Language, decimals_for
from ecoia_dashboards.tables import Cell, Table, tables

_WIDEST, _NARROWEST = 60, 10
_LONGEST_TEXT = 32_767  # characters, of a cell
_HEADING_FONT, _HEADING_FILL = Font(bold=True, color="FFFFFF"), PatternFill("solid", fgColor="1F4E79")
_WRAPPED = Alignment(wrap_text=True, vertical="top")
_DAYS = {"fr": "dd/mm/yyyy", "en": "yyyy-mm-dd"}

# In a workbook's text, _x0041_ is an A. What is written so by anybody is to be read as it is.
_CODED = re.compile(r"_(?=x[0-9A-Fa-f]{4}_)")


def render_xlsx(report: QuarterlyReport, lang: str = "fr") -> bytes:
    """One workbook. Tables without a line have no sheet; the first sheet names them. Equal reports give equal bytes."""
    language = Language(lang)
    first, *others = tables(report)
    empty = [language.t(table.title) for table in others if not table.rows]
    workbook = Workbook()
    workbook.remove(workbook.worksheets[0])
    for table in (first, *others):
        if table.rows:
            _fill(workbook.create_sheet(language.t(table.title)), table, language)
    if empty:
        workbook.worksheets[0].append([language.t("Tables sans ligne, omises"), ", ".join(empty)])
    moment = datetime.fromisoformat(report.last_record_utc or report.end_utc).astimezone(UTC).replace(tzinfo=None)
    properties = workbook.properties
    properties.title = language.t("Énergie et CO₂e des services d’IA, %(quarter)s", quarter=language.quarter(report.quarter))
    properties.creator, properties.language = "ecoia", lang
    properties.created = properties.modified = moment
    return _packed(workbook, moment)


def _fill(sheet: Worksheet, table: Table, language: Language) -> None:
    columns = table.columns
    ids = [column.id for column in columns]
    units = [ids.index(column.unit_column) if column.unit_column else None for column in columns]
    widths = [_NARROWEST] * len(columns)
    for place, column in enumerate(columns):
        cell = sheet.cell(1, place + 1, column.heading(language))
        cell.font, cell.fill, cell.alignment = _HEADING_FONT, _HEADING_FILL, _WRAPPED
        widths[place] = max(widths[place], len(str(cell.value)) // 2)
    for line, row in enumerate(table.rows, start=2):
        for place, (column, value) in enumerate(zip(columns, row, strict=True)):
            unit_place = units[place]
            unit = column.unit if unit_place is None else row[unit_place]
            said = column.said(value, language)
            _write(sheet.cell(line, place + 1), said, language, share=unit == "1")
            if isinstance(said, str):
                widths[place] = max(widths[place], len(said) + 2)
    for place, width in enumerate(widths, start=1):
        sheet.column_dimensions[get_column_letter(place)].width = min(width, _WIDEST)
    sheet.freeze_panes = "B2"
    sheet.auto_filter.ref = sheet.dimensions


def _write(cell: SheetCell | MergedCell, value: Cell, language: Language, *, share: bool) -> None:
    if isinstance(value, str):
        cell.value = _CODED.sub("_x005F_", value)[:_LONGEST_TEXT]
        cell.data_type = "s"  # else what begins with = is a formula, and what begins with # an error
        cell.quotePrefix = True
        cell.alignment = _WRAPPED
    elif isinstance(value, datetime):
        # A sheet knows no time zone: the heading says UTC.
        cell.value, cell.number_format = value.astimezone(UTC).replace(tzinfo=None), f"{_DAYS[language.code]} hh:mm"
    elif isinstance(value, date):
        cell.value, cell.number_format = value, _DAYS[language.code]
    elif isinstance(value, bool):
        cell.value = value
    elif isinstance(value, int | float):
        cell.value, cell.number_format = value, _number_format(value, share=share)


def _number_format(number: float, *, share: bool) -> str:
    """As many decimals as three figures ask for, two of a percentage: what is not zero never reads as zero."""
    if isinstance(number, int):
        return "#,##0"
    decimals = decimals_for(number * 100, 2) if share else decimals_for(number, 3)
    return ("0" if share else "#,##0") + ("." + "0" * decimals if decimals else "") + ("%" if share else "")


def _packed(workbook: Workbook, moment: datetime) -> bytes:
    """The workbook's file, every date in it that of the data."""
    drawn, packed = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(drawn, "w") as archive:
        ExcelWriter(workbook, archive).save()
    with zipfile.ZipFile(drawn) as archive, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as whole:
        for name in archive.namelist():
            whole.writestr(zipfile.ZipInfo(name, moment.timetuple()[:6]), archive.read(name), zipfile.ZIP_DEFLATED)
    return packed.getvalue()
