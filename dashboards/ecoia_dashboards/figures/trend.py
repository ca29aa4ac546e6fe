"""Draw the trend: the energy of the last quarters, and their CO2e at the grid factors of one year."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import plotly.graph_objects as go

from ecoia.readable.scales import column_scale
from ecoia.report import Quantity, QuarterChange, QuarterlyReport, TrendPoint
from ecoia_dashboards.figures.chart import Chart, errors, highest, value_axis, written
from ecoia_dashboards.figures.roles import point_style, quarter_style
from ecoia_dashboards.language import NBSP, Language

_HEIGHT = 250


def trend(report: QuarterlyReport, language: Language) -> Chart | None:
    """Draw the energy of each quarter with its interval, simulated quarters hatched; None where no quarter has energy."""
    if all(point.energy.value is None for point in report.trend):
        return None
    headings = (language.t("Trimestre"), language.t("Énergie"), language.t("CO₂e d’usage"), language.t("Nature"))
    cells = tuple((language.quarter(it.quarter), it.energy, it.co2e, _nature(it, language)) for it in report.trend)
    alt = language.t(
        "Barres verticales, une par trimestre, avec leur intervalle : %(series)s.",
        series=_series(report.trend, lambda it: it.energy, language),
    )
    return Chart("trend", _trend_title(report, language), alt, _trend_figure(report, language), headings, cells, language)


def _series(points: Sequence[TrendPoint], of: Callable[[TrendPoint], Quantity], language: Language) -> str:
    column = language.column(map(of, points))
    return language.listed(
        f"{language.quarter(point.quarter)} {written(of(point), column, language)}"
        + (f" ({_nature(point, language)})" if point.simulated else "")
        for point in points
    )


def _trend_figure(report: QuarterlyReport, language: Language) -> go.Figure:
    figure = go.Figure(layout={"barmode": "stack", "height": _HEIGHT})
    energies = [point.energy for point in report.trend]
    names = (language.t("enregistré"), language.t("simulé"))
    _bars(figure, report.trend, energies, "series", names, language)
    return figure


def _bars(
    figure: go.Figure,
    points: Sequence[TrendPoint],
    quantities: Sequence[Quantity],
    role: str,
    names: tuple[str, str],
    language: Language,
    beside: Sequence[float] = (),
) -> float:
    """Draw a bar with its interval a quarter, its value below it; return the size of the axis' unit.

    ``names`` are of recorded and of simulated quarters; ``beside`` are values that the axis has to reach as well.
    """
    column = language.column(quantities)
    unit, size, _ = column_scale([each.value for each in quantities if each.value is not None], quantities[0].unit)
    both = len({point.simulated for point in points}) > 1
    for simulated, name in zip((False, True), names, strict=True):
        held = [(point, quantity) for point, quantity in zip(points, quantities, strict=True) if point.simulated is simulated]
        if held:
            figure.add_bar(
                x=[point.quarter for point, _ in held],
                y=[(quantity.value or 0.0) / size for _, quantity in held],
                name=name,
                showlegend=both or simulated,
                **quarter_style(role, simulated=simulated),
            )
    bounded = [(point.quarter, each) for point, each in zip(points, quantities, strict=True) if each.low is not None]
    if bounded:
        figure.add_scatter(
            mode="markers",
            x=[quarter for quarter, _ in bounded],
            y=[(each.value or 0.0) / size for _, each in bounded],
            error_y=errors([each for _, each in bounded], size),
            showlegend=False,
            **point_style("interval", "line-ns"),
        )
    tallest = max(highest(quantities), *beside, 0.0) / size
    value_axis(figure, "y", tallest, language.unit(unit), language, room=1.05)
    labels = [
        f"{language.quarter(point.quarter).replace(NBSP, '<br>')}<br>{'—' if each.value is None else column.number(each)}"
        for point, each in zip(points, quantities, strict=True)
    ]
    note = language.t("trait : intervalle à 95 %%") if bounded else ""
    figure.update_xaxes(tickvals=[point.quarter for point in points], ticktext=labels, title={"text": note})
    return size


def _nature(point: TrendPoint, language: Language) -> str:
    return language.t("simulé") if point.simulated else language.t("enregistré")


def _trend_title(report: QuarterlyReport, language: Language) -> str:
    now = next((point.energy for point in report.trend if point.quarter == report.quarter), None)
    values = {"quarter": language.quarter(report.quarter)}
    if now is None or now.value is None:
        return language.t("%(quarter)s : aucune énergie connue, la tendance s’arrête avant", **values)
    values["amount"] = language.column(point.energy for point in report.trend).amount(now)
    if "partial-quarter" in report.notices:
        return language.t("%(quarter)s, inachevé : %(amount)s à ce jour", **values)
    change = next((each for each in report.changes if each.energy.value is not None), None)
    if change is not None:
        return language.t("%(quarter)s : %(amount)s, %(change)s", change=_energy_change(change, language), **values)
    if any(point.quarter < report.quarter and point.energy.value for point in report.trend):
        return language.t("%(quarter)s : %(amount)s, changement non calculé", **values)
    return language.t("%(quarter)s : %(amount)s, premier trimestre connu", **values)


def _energy_change(change: QuarterChange, language: Language) -> str:
    """Say where the energy went against another quarter, judged by the interval of the change."""
    before = language.quarter(change.reference) + (f" ({language.t('simulé')})" if change.simulated else "")
    interval = language.change_interval(change.energy)
    said = language.t("%(direction)s depuis le %(before)s", direction=language.direction(change.energy), before=before)
    return f"{said} ({interval})" if interval else said


def constant(report: QuarterlyReport, language: Language) -> Chart | None:
    """Draw the CO2e of use of each quarter at the reference year's grid factors and at its own; None where none is known."""
    if not any(point.co2e_at_constant_factor.value for point in report.trend):
        return None
    headings = (
        language.t("Trimestre"),
        language.t("CO₂e d’usage à facteur constant"),
        language.t("CO₂e d’usage au facteur courant"),
        language.t("Nature"),
    )
    cells = tuple(
        (language.quarter(it.quarter), it.co2e_at_constant_factor, it.co2e, _nature(it, language)) for it in report.trend
    )
    alt = language.t(
        "Barres verticales, une par trimestre, à facteur constant, avec un repère au facteur courant : %(series)s.",
        series=_series(report.trend, lambda it: it.co2e_at_constant_factor, language),
    )
    figure = _constant_figure(report, language)
    return Chart("constant", _constant_title(report, language), alt, figure, headings, cells, language)


def _constant_figure(report: QuarterlyReport, language: Language) -> go.Figure:
    figure = go.Figure(layout={"barmode": "stack", "height": _HEIGHT})
    current = [(point.quarter, point.co2e.value) for point in report.trend if point.co2e.value is not None]
    names = (language.t("facteur constant"), language.t("facteur constant, simulé"))
    constants = [point.co2e_at_constant_factor for point in report.trend]
    size = _bars(figure, report.trend, constants, "constant", names, language, [value for _, value in current])
    if current:
        figure.data[0].showlegend = True
        figure.add_scatter(
            mode="markers",
            x=[quarter for quarter, _ in current],
            y=[value / size for _, value in current],
            name=language.t("facteur courant"),
            **point_style("interval", "diamond"),
        )
    return figure


def _constant_title(report: QuarterlyReport, language: Language) -> str:
    quarter = language.quarter(report.quarter)
    now = next((point for point in report.trend if point.quarter == report.quarter), None)
    if now is None or now.co2e_at_constant_factor.value is None:
        return language.t("À facteur constant, %(quarter)s n’est pas connu", quarter=quarter)
    constants = language.column(point.co2e_at_constant_factor for point in report.trend)
    return language.t(
        "%(quarter)s : %(constant)s à facteur constant, %(current)s au facteur courant",
        quarter=quarter,
        constant=constants.amount(now.co2e_at_constant_factor),
        current=written(now.co2e, language.column(point.co2e for point in report.trend), language),
    )
