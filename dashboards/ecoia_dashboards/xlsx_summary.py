"""Write the first sheet of the report's workbook: what a committee decides on, with rounded figures, verdicts and native charts.

Cells hold exact numbers in the unit of their column and show three significant figures. The sheet prints on A4, one page wide.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from openpyxl.chart import BarChart, Reference
from openpyxl.chart.data_source import NumDataSource, NumRef
from openpyxl.chart.error_bar import ErrorBars
from openpyxl.chart.label import DataLabelList
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.pagebreak import Break
from openpyxl.worksheet.worksheet import Worksheet

from ecoia.readable.scales import ColumnScale, column_scale, decimals_for
from ecoia.report import Headline, Quantity, QuarterChange, QuarterlyReport, ServiceEntry, TargetVerdict
from ecoia_dashboards import wording
from ecoia_dashboards.figures.roles import ROLES
from ecoia_dashboards.language import NBSP, SHARE_UNIT, Language
from ecoia_dashboards.pages.targets import Targets
from ecoia_dashboards.wording import N_
from ecoia_dashboards.wording.coverage import COUNTED_BY
from ecoia_dashboards.wording.verdicts import probability, verdict_words
from ecoia_dashboards.xlsx_cells import print_on_a4, put_text

COLUMNS = 8
"""Columns of the sheet."""
_WIDTHS = (46, 15, 14, 14, 15, 26, 26, 16)
_TITLE_FONT, _BLOCK_FONT, _HEAD_FONT = Font(bold=True, size=16), Font(bold=True, size=13, color="1F4E79"), Font(bold=True)
_HEAD_FILL = PatternFill("solid", fgColor="E3EBF3")
_LINE = Border(bottom=Side(style="hair", color="9AA3AD"))
_CHART_CM, _CHART_ROWS = 6.6, 13
_MOST_SERVICES = 8  # of the chart
_LINE_HEIGHT = 15.0  # points
_PAGE_POINTS = 600.0
"""Height of the rows that one printed page holds at the scale that makes the sheet one page wide."""

_PARTS = ("co2e_operational", "co2e_embodied", "co2e_api")
_AGAINST = ("previous-quarter", "year-before")


@dataclass(frozen=True)
class _Number:
    """A number of a cell: its value in the unit that is shown, and its format."""

    value: float
    format: str


Shown = str | _Number | None


class _Writer:
    """Writes blocks below each other into a sheet."""

    def __init__(self, sheet: Worksheet, language: Language) -> None:
        self.sheet, self.language, self.row = sheet, language, 1

    def line(self, texts: Sequence[Shown], font: Font | None = None, fill: PatternFill | None = None) -> int:
        """Write a line of cells, and return its number."""
        row, self.row = self.row, self.row + 1
        for place, value in enumerate(texts, start=1):
            cell = self.sheet.cell(row, place)
            if isinstance(value, _Number):
                cell.value, cell.number_format = value.value, value.format
            elif value is not None:
                put_text(cell, value)
            is_number = isinstance(value, _Number)
            cell.alignment = Alignment(
                wrap_text=True, vertical="center", horizontal="right" if is_number else "left", indent=0 if is_number else 1
            )
            if font is not None:
                cell.font = font
            if fill is not None:
                cell.fill = fill
            else:
                cell.border = _LINE
        lines = max(math.ceil(len(text) / (_WIDTHS[place] - 2)) for place, text in enumerate(texts) if isinstance(text, str))
        self.sheet.row_dimensions[row].height = _LINE_HEIGHT * max(lines, 2 if fill is not None else 1)
        return row

    def sentence(self, text: str, font: Font | None = None, height: float | None = None) -> None:
        """Write a text over the whole width."""
        row, self.row = self.row, self.row + 1
        put_text(self.sheet.cell(row, 1), text)
        self.sheet.merge_cells(start_row=row, start_column=1, end_row=row, end_column=COLUMNS)
        self.sheet.cell(row, 1).alignment = Alignment(wrap_text=True, vertical="center")
        if font is not None:
            self.sheet.cell(row, 1).font = font
        if height is not None:
            self.sheet.row_dimensions[row].height = height

    def room_for_charts(self) -> int:
        """Leave rows for charts, on a page of their own where they do not fit below what is written; return the first of them."""
        heights = (self.sheet.row_dimensions[row].height or _LINE_HEIGHT for row in range(1, self.row + 1 + _CHART_ROWS))
        if sum(heights) > _PAGE_POINTS:
            self.sheet.row_breaks.append(Break(id=self.row))
        first = self.row + 1
        self.row = first + _CHART_ROWS
        self.sheet.row_breaks.append(Break(id=self.row - 1))
        return first

    def block(self, title: str, headings: Sequence[str], lines: Iterable[Sequence[Shown]]) -> tuple[int, int]:
        """Write a titled table, and return the numbers of its first and last line."""
        self.row += 1
        self.sentence(title, _BLOCK_FONT)
        self.line([*headings, *[""] * (COLUMNS - len(headings))], _HEAD_FONT, _HEAD_FILL)
        first = self.row
        for line in lines:
            self.line(line)
        return first, self.row - 1


def fill_summary(sheet: Worksheet, report: QuarterlyReport, language: Language) -> None:
    """Fill the summary sheet.

    Args:
        sheet: An empty sheet.
        report: The quarter's data, cleaned.
        language: Language of the texts.
    """
    writer = _Writer(sheet, language)
    for place, width in enumerate(_WIDTHS, start=1):
        sheet.column_dimensions[get_column_letter(place)].width = width
    quarter = language.quarter(report.quarter)
    writer.sentence(language.t("Énergie et CO₂e des services d’IA, %(quarter)s", quarter=quarter), _TITLE_FONT, 28)
    writer.sentence(" · ".join(part for part in (report.organisation, _standing(report, language)) if part))
    _key_figures(writer, report, language)
    _targets(writer, report, language)
    charts_row = writer.room_for_charts()
    trend = _trend(writer, report, language)
    services = _services(writer, report, language)
    _charts(sheet, charts_row, trend, services, language)
    print_on_a4(sheet, 1, "1:2")
    sheet.print_area = f"A1:{get_column_letter(COLUMNS)}{writer.row}"
    sheet.sheet_view.showGridLines = False
    sheet.freeze_panes = "A3"


def _standing(report: QuarterlyReport, language: Language) -> str:
    parts = [language.t("projet, et non la publication")] if report.seal is None else []
    if report.is_restated:
        parts.append(language.t("republié"))
    if report.simulated or "simulated-history" in report.notices:
        parts.append(language.t("contient des données simulées"))
    return ", ".join(parts)


# --- blocks ---


def _key_figures(writer: _Writer, report: QuarterlyReport, language: Language) -> None:
    changes = [next((each for each in report.changes if each.against == against), None) for against in _AGAINST]
    headings = [
        *(language.t(text) for text in (N_("Chiffre"), N_("Valeur"), N_("Borne basse"), N_("Borne haute"), N_("Unité"))),
        *(
            language.t("Depuis le %(quarter)s", quarter=language.quarter(each.reference)) if each is not None else ""
            for each in changes
        ),
    ]
    headline = report.headline
    whole = language.t("CO₂e connu, au moins") if headline.lacking else language.t("CO₂e total")
    mass = column_scale([headline.co2e.value or 0.0], "kgCO2e")
    energy = column_scale([report.totals.energy.value or 0.0], "kWh")
    lines = [
        [
            whole,
            *_figure(headline.co2e, mass, language),
            *_moves(changes, lambda it: None if it.total is None else it.total.relative, language),
        ],
        *(
            [
                language.t("dont %(part)s", part=language.of(wording.INDICATORS, part)),
                *_figure(report.footprint[part], mass, language),
            ]
            for part in _PARTS
        ),
        [
            language.t("Énergie"),
            *_figure(report.totals.energy, energy, language),
            *_moves(changes, lambda it: it.energy, language),
        ],
    ]
    writer.block(language.t("Chiffres du trimestre"), headings, lines)


def _relative(change: QuarterChange) -> Quantity | None:
    return None if change.total is None else change.total.relative


def _moves(
    changes: Sequence[QuarterChange | None], of: Callable[[QuarterChange], Quantity | None], language: Language
) -> list[Shown]:
    """Say where a figure went against each compared quarter, with the interval of the change."""
    return ["" if each is None else _move(of(each), language) for each in changes]


def _move(change: Quantity | None, language: Language) -> str:
    if change is None or change.value is None:
        return language.t("non calculé")
    interval = language.change_interval(change)
    return language.direction(change) + (f" ({interval})" if interval else "")


def _targets(writer: _Writer, report: QuarterlyReport, language: Language) -> None:
    if not report.targets:
        return
    texts = (N_("Cible"), N_("Constaté"), N_("Borne basse"), N_("Borne haute"), N_("Unité"), N_("Demandé"), N_("Verdict"))
    headings = [*(language.t(text) for text in texts), language.t("Probabilité de manquer la cible")]
    view = Targets(report, language)
    writer.block(language.t("Cibles et verdicts"), headings, [_target(target, view, language) for target in report.targets])


def _target(target: TargetVerdict, view: Targets, language: Language) -> list[Shown]:
    name = language.of(wording.INDICATORS, target.indicator)
    if target.service is not None:
        name += f" ({view.service(target.service)})"
    observed = target.observed
    scale = column_scale([observed.value or 0.0, target.value or 0.0], observed.unit)
    missed = "—" if target.miss_probability is None else probability(language, target.miss_probability)
    return [
        name[:1].upper() + name[1:],
        *_figure(observed, scale, language),
        view.aim(target),
        verdict_words(language, target),
        missed,
    ]


def _trend(writer: _Writer, report: QuarterlyReport, language: Language) -> tuple[int, int]:
    energy, co2e = _scale(point.energy for point in report.trend), _scale(point.co2e for point in report.trend)
    headings = [
        language.t("Trimestre"),
        *_headings(language.t("Énergie"), energy, language),
        f"{language.t('CO₂e d’usage')} ({language.unit(co2e.unit)})",
        language.t("Intervalle à 95 %%"),
    ]
    co2es = language.column(point.co2e for point in report.trend)
    lines = [
        [
            language.quarter(point.quarter) + (f" ({language.t('simulé')})" if point.simulated else ""),
            *_figure(point.energy, energy, language)[:3],
            _value(point.co2e, co2e, language),
            co2es.bounds(point.co2e) or "",
        ]
        for point in report.trend
    ]
    return writer.block(language.t("Tendance"), headings, lines)


def _services(writer: _Writer, report: QuarterlyReport, language: Language) -> tuple[int, int]:
    wholes = {each.service: each.headline for each in report.services}
    lines = [(entry, wholes.get(entry.id, Headline())) for entry in report.register]
    lines.sort(key=lambda line: (-(line[1].co2e.value or 0.0), -(line[0].energy.value or 0.0), line[0].name))
    co2e, energy = _scale(headline.co2e for _, headline in lines), _scale(entry.energy for entry, _ in lines)
    energies = language.column(entry.energy for entry, _ in lines)
    headings = [
        language.t("Service"),
        *_headings(language.t("CO₂e"), co2e, language),
        f"{language.t('Énergie')} ({language.unit(energy.unit)})",
        language.t("Intervalle à 95 %%"),
        language.t("Ce qui manque au CO₂e"),
        language.t("Compté par"),
    ]
    rows = [
        [
            entry.name,
            *_figure(headline.co2e, co2e, language)[:3],
            _value(entry.energy, energy, language),
            energies.bounds(entry.energy) or "",
            _lacking(headline, language),
            _counted(entry, language),
        ]
        for entry, headline in lines
    ]
    return writer.block(language.t("Services, du plus grand au plus petit"), headings, rows)


def _lacking(headline: Headline, language: Language) -> str:
    return language.listed(language.of(wording.INDICATORS, part) for part in headline.lacking) if headline.parts else ""


def _counted(entry: ServiceEntry, language: Language) -> str:
    return language.of(COUNTED_BY, entry.counted_by) if entry.counted_by else language.t("non mesuré")


def _headings(name: str, scale: ColumnScale, language: Language) -> list[str]:
    return [f"{name} ({language.unit(scale.unit)})", language.t("Borne basse"), language.t("Borne haute")]


# --- numbers ---


def _scale(quantities: Iterable[Quantity]) -> ColumnScale:
    known = [each for each in quantities if each.value is not None]
    return column_scale([each.value or 0.0 for each in known], known[0].unit if known else "")


def _figure(quantity: Quantity, scale: ColumnScale, language: Language) -> list[Shown]:
    """Return value, bounds and unit as cells; without a value, the reason why."""
    if quantity.value is None:
        return [_value(quantity, scale, language), "", "", ""]
    bounds = [None if bound is None else _number(bound, scale, language) for bound in (quantity.low, quantity.high)]
    return [_value(quantity, scale, language), *bounds, "" if quantity.unit == SHARE_UNIT else language.unit(scale.unit)]


def _value(quantity: Quantity, scale: ColumnScale, language: Language) -> Shown:
    if quantity.value is None:
        return language.of({**wording.VERDICT_REASONS, **wording.REASONS}, quantity.reason or "no-data")
    return _number(quantity.value, scale, language)


def _number(value: float, scale: ColumnScale, language: Language) -> _Number:
    if scale.unit == SHARE_UNIT:
        decimals = decimals_for(100 * value, 2)
        return _Number(value, "0" + (f".{'0' * decimals}" if decimals else "") + "%")
    scaled = value / scale.size
    if scale.is_below_least(scaled):
        return _Number(scaled, f'"<{NBSP}{language.fixed(scale.least, scale.most_decimals)}"')
    decimals = scale.decimals(scaled)
    return _Number(scaled, "#,##0" + (f".{'0' * decimals}" if decimals else ""))


# --- charts and print ---


def _charts(sheet: Worksheet, row: int, trend: tuple[int, int], services: tuple[int, int], language: Language) -> None:
    """Draw the energy of the last quarters and the greatest services' CO2e, from the cells of the sheet."""
    if trend[1] >= trend[0]:
        chart = _bars(sheet, trend, language.t("Énergie par trimestre"), ROLES["series"][0])
        _add_intervals(chart, sheet, trend)
        sheet.add_chart(chart, f"A{row}")
    last = min(services[1], services[0] + _MOST_SERVICES - 1)
    if last >= services[0]:
        chart = _bars(sheet, (services[0], last), language.t("CO₂e des services"), ROLES["constant"][0])
        chart.dataLabels = DataLabelList(showVal=True, showSerName=False, showCatName=False, showLegendKey=False)
        chart.type, chart.y_axis.crosses = "bar", "max"
        chart.x_axis.scaling.orientation, chart.x_axis.tickLblSkip = "maxMin", 1
        sheet.add_chart(chart, f"E{row}")


def _bars(sheet: Worksheet, rows: tuple[int, int], title: str, color: str) -> BarChart:
    chart = BarChart()
    chart.title = title
    chart.add_data(Reference(sheet, min_col=2, min_row=rows[0] - 1, max_row=rows[1]), titles_from_data=True)
    chart.set_categories(Reference(sheet, min_col=1, min_row=rows[0], max_row=rows[1]))
    chart.legend, chart.gapWidth = None, 40
    chart.width, chart.height = 15, _CHART_CM
    chart.x_axis.delete = chart.y_axis.delete = False
    series = chart.series[0]
    series.graphicalProperties.solidFill = color.removeprefix("#")
    return chart


def _add_intervals(chart: BarChart, sheet: Worksheet, rows: tuple[int, int]) -> None:
    """Draw the intervals: their lengths stand in two columns beyond the printed sheet."""
    places, top = (COLUMNS + 2, COLUMNS + 3), 0.0
    for row in range(rows[0], rows[1] + 1):
        value, low, high = (sheet.cell(row, place).value for place in (2, 3, 4))
        if isinstance(value, float) and isinstance(low, float) and isinstance(high, float):
            sheet.cell(row, places[0]).value = high - value
            sheet.cell(row, places[1]).value = value - low
            top = max(top, high)
    above, below = (
        NumDataSource(numRef=NumRef(f=str(Reference(sheet, min_col=place, min_row=rows[0], max_row=rows[1])))) for place in places
    )
    for place in places:
        sheet.column_dimensions[get_column_letter(place)].hidden = True
    scaling: Any = chart.y_axis.scaling  # its published types allow whole numbers only
    scaling.min, scaling.max = 0.0, _round_above(top)
    chart.series[0].errBars = ErrorBars(errDir="y", errBarType="both", errValType="cust", plus=above, minus=below)


def _round_above(number: float) -> float | None:
    """Return a round number above another, for the end of an axis; None for 0."""
    if number <= 0:
        return None
    step = 10.0 ** math.floor(math.log10(number)) / 2
    return math.ceil(number / step) * step
