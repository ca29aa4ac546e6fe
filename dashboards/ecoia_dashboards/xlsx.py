"""Write the report as a workbook: a summary that prints, then the tables, a sheet each, with typed cells, filters and formats.

No text becomes a formula: texts are written as texts, and marked so that they stay texts when their cell is edited.
"""

from __future__ import annotations

import io
import math
import zipfile
from datetime import UTC, date, datetime

from openpyxl import Workbook
from openpyxl.cell import Cell as SheetCell
from openpyxl.cell import MergedCell
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet
from openpyxl.writer.excel import ExcelWriter

from ecoia.readable.scales import decimals_for
from ecoia.report import QuarterlyReport
from ecoia_dashboards.cleaning import clean
from ecoia_dashboards.language import Language
from ecoia_dashboards.tables import Cell, Table, tables
from ecoia_dashboards.versions import versions
from ecoia_dashboards.xlsx_cells import print_on_a4, put_text
from ecoia_dashboards.xlsx_summary import fill_summary

_WIDEST, _NARROWEST = 60, 10
_PAGE_WIDTH = 130  # characters on a printed page
_HEADING_FONT, _HEADING_FILL = Font(bold=True, color="FFFFFF"), PatternFill("solid", fgColor="1F4E79")
_WRAPPED, _TOP = Alignment(wrap_text=True, vertical="top", indent=1), Alignment(vertical="top")
_DAYS = {"fr": "dd/mm/yyyy", "en": "yyyy-mm-dd"}


def drawn_with() -> dict[str, str]:
    """Return the versions of what decides the workbook's bytes (``ecoia.cli.formats``)."""
    return versions("babel", "openpyxl", compressed=True)


def render_xlsx(report: QuarterlyReport, lang: str = "fr") -> bytes:
    """Write one workbook.

    Args:
        report: The quarter's data.
        lang: Language of the workbook, one of ``language.LANGUAGES``.

    Returns:
        The workbook. Its first sheet is the summary. Tables without a line have no sheet; the sheet after the summary names
        them. Equal reports give equal bytes.

    Raises:
        UsageError: the language is not one of ours.

    Example:
        >>> Path("report.xlsx").write_bytes(render_xlsx(report, "en"))  # doctest: +SKIP
    """
    language = Language(lang)
    first, *others = tables(report)
    empty = [language.t(table.title) for table in others if not table.rows]
    workbook = Workbook()
    workbook.worksheets[0].title = language.t("Synthèse")
    fill_summary(workbook.worksheets[0], clean(report), language)
    for table in (first, *others):
        if table.rows:
            _fill(workbook.create_sheet(language.t(table.title)), table, language)
    if empty:
        workbook.worksheets[1].append([language.t("Tableaux vides, omis"), ", ".join(empty)])
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
            shown = column.for_readers(value, language)
            _write(sheet.cell(line, place + 1), shown, language, share=unit == "1")
            widths[place] = max(widths[place], _shown_width(shown, language) + 3)
    for place, width in enumerate(widths, start=1):
        sheet.column_dimensions[get_column_letter(place)].width = min(width, _WIDEST)
    sheet.freeze_panes = "B2"
    sheet.auto_filter.ref = sheet.dimensions
    print_on_a4(sheet, math.ceil(sum(min(width, _WIDEST) for width in widths) / _PAGE_WIDTH), "1:1")
    sheet.print_title_cols = "A:A"


def _shown_width(shown: Cell, language: Language) -> int:
    """Count the characters that a cell is shown with, so that none becomes #####."""
    if isinstance(shown, bool) or shown is None:
        return 8
    if isinstance(shown, datetime):
        return len("dd/mm/yyyy hh:mm")
    if isinstance(shown, date):
        return len("dd/mm/yyyy")
    if isinstance(shown, int):
        return len(language.whole(shown))
    if isinstance(shown, float):
        return max(len(language.number(shown)), len(language.number(100 * shown, 2)) + 1)
    return len(str(shown))


def _write(cell: SheetCell | MergedCell, value: Cell, language: Language, *, share: bool) -> None:
    cell.alignment = _TOP
    if isinstance(value, str):
        put_text(cell, value)
        cell.alignment = _WRAPPED
    elif isinstance(value, datetime):
        # A sheet has no time zones; the heading states UTC.
        cell.value, cell.number_format = value.astimezone(UTC).replace(tzinfo=None), f"{_DAYS[language.code]} hh:mm"
    elif isinstance(value, date):
        cell.value, cell.number_format = value, _DAYS[language.code]
    elif isinstance(value, bool):
        cell.value = value
    elif isinstance(value, int | float):
        cell.value, cell.number_format = value, _number_format(value, share=share)


def _number_format(number: float, *, share: bool) -> str:
    """Choose the decimals of three significant figures, or of two for a percentage, so that no number but 0 reads as 0."""
    if isinstance(number, int):
        return "#,##0"
    decimals = decimals_for(number * 100, 2) if share else decimals_for(number, 3)
    return ("0" if share else "#,##0") + ("." + "0" * decimals if decimals else "") + ("%" if share else "")


def _packed(workbook: Workbook, moment: datetime) -> bytes:
    """Pack the workbook's file; every date in it is the data's."""
    drawn, packed = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(drawn, "w") as archive:
        ExcelWriter(workbook, archive).save()
    with zipfile.ZipFile(drawn) as archive, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as whole:
        for name in archive.namelist():
            whole.writestr(zipfile.ZipInfo(name, moment.timetuple()[:6]), archive.read(name), zipfile.ZIP_DEFLATED)
    return packed.getvalue()
