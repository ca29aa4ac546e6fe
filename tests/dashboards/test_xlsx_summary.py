"""The first sheet of the workbook, on the large organisation: what it says, its charts, and how it prints."""

from __future__ import annotations

import io
import re
from typing import Any

import openpyxl
import pytest
from openpyxl.worksheet.worksheet import Worksheet

from ecoia.report import QuarterlyReport
from ecoia_dashboards.language import Language
from ecoia_dashboards.wording.verdicts import verdict_words
from ecoia_dashboards.xlsx import render_xlsx

FRENCH = Language("fr")


@pytest.fixture(scope="module")
def report(large: QuarterlyReport) -> QuarterlyReport:
    return large


@pytest.fixture(scope="module")
def book(report: QuarterlyReport) -> openpyxl.Workbook:
    return openpyxl.load_workbook(io.BytesIO(render_xlsx(report)))


@pytest.fixture(scope="module")
def sheet(book: openpyxl.Workbook) -> Worksheet:
    return book.worksheets[0]


def line(sheet: Worksheet, name: str) -> list[Any]:
    """The cells of the first line that begins with a text."""
    return next(list(row) for row in sheet.iter_rows() if row[0].value == name)


def shown(cell: Any) -> str:
    """A number as its format writes it, without thousands."""
    decimals = len(cell.number_format.rstrip("%").partition(".")[2])
    return f"{cell.value:.{decimals}f}"


def test_the_whole_leads_and_its_parts_follow(sheet: Worksheet, report: QuarterlyReport) -> None:
    lead = line(sheet, "CO₂e total")
    assert lead[0].row == 6
    assert (shown(lead[1]), lead[4].value) == (f"{(report.headline.co2e.value or 0) / 1000:.2f}", "tCO₂e")
    parts = [line(sheet, f"dont {name}")[1].value for name in ("CO₂e d’usage", "CO₂e de fabrication")]
    assert lead[1].value > max(parts) > 0


def test_changes_are_words_with_signs(sheet: Worksheet) -> None:
    said = re.sub(r"\s", " ", line(sheet, "Énergie")[5].value)
    assert re.fullmatch(r"hausse de 10,5 % \(\+ \d,\d % à \+ \d\d,\d %\)", said)


def test_each_target_has_its_verdict_and_probability(sheet: Worksheet, report: QuarterlyReport) -> None:
    heading = next(row for row in sheet.iter_rows() if row[0].value == "Cible")
    for offset, target in enumerate(report.targets, start=1):
        cells = [sheet.cell(heading[0].row + offset, place).value for place in (7, 8)]
        assert cells[0] == verdict_words(FRENCH, target)
        assert bool(re.search(r"\d", cells[1])) is (target.miss_probability is not None)


def test_a_column_of_services_has_one_unit_and_no_small_one_reads_as_zero(sheet: Worksheet, report: QuarterlyReport) -> None:
    heading = next(row for row in sheet.iter_rows() if row[0].value == "Service")
    assert heading[4].value == "Énergie (MWh)"
    energies = {entry.name: entry.energy.value for entry in report.register}
    for row in sheet.iter_rows(min_row=heading[0].row + 1, max_row=heading[0].row + len(report.register)):
        energy = energies[row[0].value]
        if energy is None:
            assert isinstance(row[4].value, str)
        else:
            assert row[4].value == pytest.approx(energy / 1000)
            assert "<" in row[4].number_format or float(shown(row[4])) > 0


def test_charts_are_native_and_take_their_numbers_from_the_sheet(sheet: Worksheet) -> None:
    assert [type(chart).__name__ for chart in sheet._charts] == ["BarChart", "BarChart"]
    trend, services = sheet._charts
    assert trend.series[0].errBars is not None
    for chart in (trend, services):
        column, first, last = re.fullmatch(r"'Synthèse'!\$([A-Z])\$(\d+):\$[A-Z]\$(\d+)", chart.series[0].val.numRef.f).groups()
        values = [sheet[f"{column}{row}"].value for row in range(int(first), int(last) + 1)]
        assert all(isinstance(value, float) for value in values)


def test_every_sheet_prints_on_a4_with_its_headings(book: openpyxl.Workbook) -> None:
    for sheet in book:
        assert sheet.page_setup.paperSize == int(sheet.PAPERSIZE_A4)
        assert sheet.sheet_properties.pageSetUpPr.fitToPage
        assert sheet.print_title_rows
        assert sheet.freeze_panes
    assert book.worksheets[0].page_setup.fitToWidth == 1


def test_no_number_or_date_is_wider_than_its_column(book: openpyxl.Workbook) -> None:
    for sheet in book:
        for cells in sheet.iter_rows():
            for cell in cells:
                if isinstance(cell.value, int | float) and not isinstance(cell.value, bool) and not cell.is_date:
                    width = sheet.column_dimensions[cell.column_letter].width
                    assert len(f"{cell.value:,.0f}") < width, (sheet.title, cell.coordinate)
                elif cell.value is not None and cell.is_date:
                    assert sheet.column_dimensions[cell.column_letter].width > len(cell.number_format), cell.coordinate
