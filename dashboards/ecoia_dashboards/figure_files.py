"""Write each figure so that it can leave the page: as SVG, as PNG and its data as CSV.

A drawing that is taken away carries its finding and its source; its CSV has the exact figures, with a unit in each heading.
"""

from __future__ import annotations

import csv
import io

from ecoia.report import QuarterlyReport
from ecoia_dashboards import svg
from ecoia_dashboards.cleaning import clean
from ecoia_dashboards.csvs import BYTE_ORDER_MARK, cell_text
from ecoia_dashboards.figures import Chart, charts
from ecoia_dashboards.figures.chart import Cell, quantity_in
from ecoia_dashboards.language import SHARE_UNIT, Language
from ecoia_dashboards.tables.base import HIGH, LOW
from ecoia_dashboards.versions import versions

_WIDTH_PX = 960


def drawn_with() -> dict[str, str]:
    """Return the versions of what decides the files' bytes (``ecoia.cli.formats``)."""
    return versions("babel", "matplotlib", "plotly", compressed=True)


def render_figures(report: QuarterlyReport, lang: str = "fr") -> dict[str, str | bytes]:
    """Write every figure that the report's data allows.

    Args:
        report: The quarter's data.
        lang: Language of the figures, one of ``language.LANGUAGES``.

    Returns:
        Files by name: ``<figure>.svg``, ``<figure>.png`` and ``<figure>.csv``. Equal reports give equal bytes with the same
        versions of the libraries.

    Raises:
        UsageError: the language is not one of ours.

    Example:
        >>> sorted(render_figures(report))[:3]  # doctest: +SKIP
        ['change.csv', 'change.png', 'change.svg']
    """
    language = Language(lang)
    report = clean(report)
    files: dict[str, str | bytes] = {}
    for chart in charts(report, language).values():
        source = source_text(report, language)
        files[f"{chart.id}.svg"] = svg.draw(chart.figure, _WIDTH_PX, chart.title, source) + "\n"
        files[f"{chart.id}.png"] = svg.draw_png(chart.figure, _WIDTH_PX, chart.title, source)
        files[f"{chart.id}.csv"] = figure_csv(chart)
    return files


def source_text(report: QuarterlyReport, language: Language) -> str:
    """Say where a figure comes from, and what it must not be taken for."""
    parts = [report.organisation, language.t("rapport %(quarter)s", quarter=language.quarter(report.quarter))]
    if report.is_restated:
        parts.append(language.t("republié"))
    if report.seal is None:
        parts.append(language.t("projet, et non la publication"))
    if report.simulated or "simulated-history" in report.notices:
        parts.append(language.t("contient des données simulées"))
    return language.t("Source : %(source)s", source=" · ".join(part for part in parts if part))


def figure_csv(chart: Chart) -> str:
    """Write a figure's data as CSV for a spreadsheet of its language: exact figures, and the bounds of those with intervals.

    In French: ``;``, a decimal comma and a byte order mark; else ``,`` and a decimal point.
    """
    language = chart.language
    french = language.code == "fr"
    bounded = [chart.has_bounds(place) for place in range(len(chart.headings))]
    headings: list[str] = []
    for place, heading in enumerate(chart.headings):
        unit = _unit(chart, place)
        headings.append(heading if unit in ("", SHARE_UNIT) else f"{heading} ({language.unit(unit)})")
        if bounded[place]:
            headings += [language.t(bound, what=heading) for bound in (LOW, HIGH)]
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=";" if french else ",")
    writer.writerow([cell_text(heading, str, {}) for heading in headings])
    for line in chart.cells:
        values = [value for cell, bounds in zip(line, bounded, strict=True) for value in _values(cell, bounds=bounds)]
        writer.writerow([cell_text(value, lambda text: text.replace(".", ",") if french else text, {}) for value in values])
    return (BYTE_ORDER_MARK if french else "") + out.getvalue()


def _values(cell: Cell, *, bounds: bool) -> list[float | str | None]:
    """Return a cell as it stands in the CSV: a text, or a figure and, where its column has them, its bounds."""
    quantity = quantity_in(cell)
    if quantity is None:
        return [str(cell), *([None, None] if bounds else [])]
    return [quantity.value, *([quantity.low, quantity.high] if bounds else [])]


def _unit(chart: Chart, place: int) -> str:
    """Return the unit of a column of figures; empty for a column of texts."""
    return next((quantity.unit for line in chart.cells if (quantity := quantity_in(line[place])) is not None), "")
