"""Draw the trend: the energy of the last quarters, and their CO2e at the grid factors of one year."""

from __future__ import annotations

import math
from collections.abc import Sequence

import plotly.graph_objects as go

from ecoia.report import Quantity, QuarterlyReport, TrendPoint
from ecoia.scales import scale_of
from ecoia_dashboards.figures.chart import (
    CONSTANT_COLOR,
    INTERVAL_COLOR,
    TREND_COLOR,
    Chart,
    amount_or_reason,
    simulated_marker,
    value_axis,
)
from ecoia_dashboards.language import NBSP, Language

_HEIGHT = 250


def trend(report: QuarterlyReport, language: Language) -> Chart | None:
    """Draw the energy of each quarter with its interval, simulated quarters hatched; None where no quarter has energy."""
    if all(point.energy.value is None for point in report.trend):
        return None
    columns = (language.t("Trimestre"), language.t("Énergie"), language.t("Intervalle à 95 %%"), "CO₂e", language.t("Nature"))
    rows = tuple(
        (
            language.quarter(point.quarter),
            amount_or_reason(point.energy, language),
            language.interval(point.energy) or "—",
            amount_or_reason(point.co2e, language),
            _nature(point, language),
        )
        for point in report.trend
    )
    series = language.listed(
        f"{row[0]} {row[1]}" + (f" ({row[4]})" if point.simulated else "") for row, point in zip(rows, report.trend, strict=True)
    )
    alt = language.t(
        "Barres verticales, une par trimestre, avec leur intervalle : %(series)s. %(trend)s",
        series=series,
        trend=_direction([(point.quarter, point.energy) for point in report.trend], language),
    )
    return Chart("trend", _trend_title(report, language), alt, _trend_figure(report, language), columns, rows)


def _trend_figure(report: QuarterlyReport, language: Language) -> go.Figure:
    values = [point.energy.value for point in report.trend if point.energy.value is not None]
    scale = scale_of(values, "kWh")
    figure = go.Figure(layout={"barmode": "stack"})
    for simulated, name in ((False, language.t("enregistré")), (True, language.t("simulé"))):
        points = [point for point in report.trend if point.simulated is simulated]
        if points:
            figure.add_bar(
                x=[point.quarter for point in points],
                y=[(point.energy.value or 0.0) / scale.size for point in points],
                name=name,
                marker=simulated_marker(TREND_COLOR, simulated=simulated),
            )
    bounded = [(point, bounds) for point in report.trend if (bounds := _bounds(point)) is not None]
    if bounded:
        figure.add_scatter(
            mode="markers",
            x=[point.quarter for point, _ in bounded],
            y=[(point.energy.value or 0.0) / scale.size for point, _ in bounded],
            error_y={
                "array": [above / scale.size for _, (_, above) in bounded],
                "arrayminus": [below / scale.size for _, (below, _) in bounded],
            },
            marker={"color": INTERVAL_COLOR, "symbol": "diamond"},
            name=language.t("intervalle à 95 %%"),
        )
    tallest = max(max(values), max((point.energy.high or 0.0 for point, _ in bounded), default=0.0))
    value_axis(figure, "y", tallest / scale.size, language.unit(scale.unit), language, room=1.05)
    figure.update_xaxes(
        tickvals=[point.quarter for point in report.trend], ticktext=[_label(point, language) for point in report.trend]
    )
    figure.update_layout(height=_HEIGHT)
    return figure


def _label(point: TrendPoint, language: Language) -> str:
    return (
        language.quarter(point.quarter).replace(NBSP, "<br>")
        + ("<br>" + language.t("simulé") if point.simulated else "")
        + ("<br>—" if point.energy.value is None else "")
    )


def _nature(point: TrendPoint, language: Language) -> str:
    return language.t("simulé") if point.simulated else language.t("enregistré")


def _bounds(point: TrendPoint) -> tuple[float, float] | None:
    """Measure how far the interval goes below and above the value."""
    value, low, high = point.energy.value, point.energy.low, point.energy.high
    return None if value is None or low is None or high is None else (max(0.0, value - low), max(0.0, high - value))


def _trend_title(report: QuarterlyReport, language: Language) -> str:
    """State the change against the quarter before, as far as the intervals allow."""
    points = {point.quarter: point for point in report.trend}
    now = points.get(report.quarter)
    earlier = [point for point in report.trend if point.quarter < report.quarter and point.energy.value]
    quarter = language.quarter(report.quarter)
    if now is None or now.energy.value is None:
        return language.t("%(quarter)s : aucune énergie connue, la tendance s’arrête avant", quarter=quarter)
    amount = language.amount(now.energy)
    if "partial-quarter" in report.notices:
        return language.t("%(quarter)s, inachevé : %(amount)s à ce jour", quarter=quarter, amount=amount)
    if not earlier:
        return language.t("%(quarter)s : %(amount)s, premier trimestre connu", quarter=quarter, amount=amount)
    before = earlier[-1]
    ratio = now.energy.value / (before.energy.value or math.nan) - 1
    values = {
        "quarter": quarter,
        "before": language.quarter(before.quarter) + (f" ({language.t('simulé')})" if before.simulated else ""),
        "share": language.share(abs(ratio)),
        "amount": amount,
    }
    if _overlap(now.energy, before.energy):
        return language.t("%(quarter)s : %(amount)s ; écart avec %(before)s dans la marge d’incertitude", **values)
    if ratio < 0:
        return language.t("%(quarter)s : %(share)s de moins qu’en %(before)s", **values)
    return language.t("%(quarter)s : %(share)s de plus qu’en %(before)s", **values)


def constant(report: QuarterlyReport, language: Language) -> Chart | None:
    """Draw the CO2e of use of each quarter at the reference year's grid factors and at its own; None where none is known."""
    if not any(point.co2e_at_constant_factor.value for point in report.trend):
        return None
    columns = (
        language.t("Trimestre"),
        language.t("CO₂e d’usage à facteur constant"),
        language.t("Intervalle à 95 %%"),
        language.t("CO₂e d’usage au facteur courant"),
        language.t("Nature"),
    )
    rows = tuple(
        (
            language.quarter(point.quarter),
            amount_or_reason(point.co2e_at_constant_factor, language),
            language.interval(point.co2e_at_constant_factor) or "—",
            amount_or_reason(point.co2e, language),
            _nature(point, language),
        )
        for point in report.trend
    )
    alt = language.t(
        "Barres verticales, une par trimestre, à facteur constant, avec un repère au facteur courant : %(series)s. %(trend)s",
        series=language.listed(f"{row[0]} {row[1]}" for row in rows),
        trend=_direction([(point.quarter, point.co2e_at_constant_factor) for point in report.trend], language),
    )
    return Chart("constant", _constant_title(report, language), alt, _constant_figure(report, language), columns, rows)


def _constant_figure(report: QuarterlyReport, language: Language) -> go.Figure:
    known = [value for point in report.trend if (value := point.co2e_at_constant_factor.value) is not None]
    current = [(point.quarter, point.co2e.value) for point in report.trend if point.co2e.value is not None]
    values = [*known, *(value for _, value in current)]
    scale = scale_of(values, "kgCO2e")
    figure = go.Figure(layout={"barmode": "stack", "height": _HEIGHT})
    for simulated, name in ((False, language.t("facteur constant")), (True, language.t("facteur constant, simulé"))):
        points = [point for point in report.trend if point.simulated is simulated]
        if points:
            figure.add_bar(
                x=[point.quarter for point in points],
                y=[(point.co2e_at_constant_factor.value or 0.0) / scale.size for point in points],
                name=name,
                marker=simulated_marker(CONSTANT_COLOR, simulated=simulated),
            )
    if current:
        figure.add_scatter(
            mode="markers",
            x=[quarter for quarter, _ in current],
            y=[value / scale.size for _, value in current],
            marker={"color": INTERVAL_COLOR, "symbol": "diamond"},
            name=language.t("facteur courant"),
        )
    value_axis(figure, "y", max(*values, 0.0) / scale.size, language.unit(scale.unit), language, room=1.05)
    order = [point.quarter for point in report.trend]
    figure.update_xaxes(tickvals=order, ticktext=[language.quarter(each).replace(NBSP, "<br>") for each in order])
    return figure


def _constant_title(report: QuarterlyReport, language: Language) -> str:
    quarter = language.quarter(report.quarter)
    now = next((point for point in report.trend if point.quarter == report.quarter), None)
    if now is None or now.co2e_at_constant_factor.value is None:
        return language.t("À facteur constant, %(quarter)s n’est pas connu", quarter=quarter)
    return language.t(
        "%(quarter)s : %(constant)s à facteur constant, %(current)s au facteur courant",
        quarter=quarter,
        constant=language.amount(now.co2e_at_constant_factor),
        current=amount_or_reason(now.co2e, language),
    )


def _direction(series: Sequence[tuple[str, Quantity]], language: Language) -> str:
    """State where a series goes from its first known quarter to its last, as far as the intervals allow."""
    known = [(quarter, quantity) for quarter, quantity in series if quantity.value]
    if len(known) < 2:
        return language.t("Un seul trimestre connu : aucune tendance.") if known else language.t("Aucun trimestre connu.")
    (start, before), (end, now) = known[0], known[-1]
    values: dict[str, str] = {"start": language.quarter(start), "end": language.quarter(end)}
    if _overlap(now, before):
        return language.t("De %(start)s à %(end)s, écart dans la marge d’incertitude.", **values)
    ratio = (now.value or math.nan) / (before.value or math.nan) - 1
    values["share"] = language.share(abs(ratio))
    if ratio < 0:
        return language.t("De %(start)s à %(end)s, %(share)s de moins.", **values)
    return language.t("De %(start)s à %(end)s, %(share)s de plus.", **values)


def _overlap(one: Quantity, other: Quantity) -> bool:
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return False
    return one.low <= other.high and other.low <= one.high
