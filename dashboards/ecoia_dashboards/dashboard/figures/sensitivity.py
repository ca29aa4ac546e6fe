"""Draw what the CO2e of use would be if one hypothesis were another: a bar from the figure to what it would become."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import plotly.graph_objects as go

from ecoia.readable.scales import scale_of
from ecoia.report import Quantity, QuarterlyReport, Sensitivity
from ecoia_dashboards import wording
from ecoia_dashboards.figures import Chart
from ecoia_dashboards.figures.chart import Cell, Changed, category_axis, errors, highest, value_axis
from ecoia_dashboards.figures.roles import bar_style, point_style
from ecoia_dashboards.language import Language

FIGURE = ""
"""Category of the figure itself."""
_LABEL_WIDTH = 42  # characters: labels stand above their bars


def known(report: QuarterlyReport) -> list[Sensitivity]:
    """Return the hypotheses whose figure is known, that which moves it most first; none where there is no figure to move."""
    now = report.footprint.co2e_operational.value
    if now is None:
        return []
    found = [each for each in report.sensitivities if each.value.value is not None]
    return sorted(found, key=lambda each: -abs((each.value.value or 0.0) - now))


def name_of(hypothesis: Sensitivity, language: Language) -> str:
    """Name a hypothesis."""
    said = language.of(wording.SENSITIVITIES, hypothesis.kind)
    return f"{said} ({hypothesis.name})" if hypothesis.name else said


def difference(hypothesis: Sensitivity, report: QuarterlyReport) -> Quantity:
    """Return what a hypothesis adds to the figure, relative to it."""
    now, otherwise = report.footprint.co2e_operational.value, hypothesis.value.value
    if not now or otherwise is None:
        return Quantity(None, "1", reason="no-data")
    return Quantity(otherwise / now - 1, "1")


def sensitivity(report: QuarterlyReport, language: Language) -> Chart | None:
    """Draw the hypotheses around the CO2e of use; None where there is none."""
    found, now = known(report), report.footprint.co2e_operational
    if not found or not now.value:
        return None
    names = [name_of(each, language) for each in found]
    headings = (language.t("Ce qui change"), language.t("CO₂e d’usage"), language.t("Écart"))
    own = language.t("le chiffre du rapport")
    cells: tuple[tuple[Cell, ...], ...] = (
        (own, now, "—"),
        *((name, each.value, Changed(difference(each, report))) for name, each in zip(names, found, strict=True)),
    )
    alt = language.t(
        "Barres horizontales qui partent du chiffre du rapport, %(now)s, une par hypothèse : %(series)s.",
        now=language.amount(now),
        series=language.listed(f"{name}, {language.amount(each.value)}" for name, each in zip(names, found, strict=True)),
    )
    title = _title(found[0], report, language)
    return Chart("sensitivity", title, alt, _figure(found, [own, *names], now, language), headings, cells, language)


def _title(most: Sensitivity, report: QuarterlyReport, language: Language) -> str:
    change = difference(most, report)
    if not change.value:
        return language.t("Aucune hypothèse ne change le CO₂e d’usage")
    return language.t("Une hypothèse autre déplace le CO₂e d’usage de %(change)s au plus", change=language.change(change))


def _figure(found: Sequence[Sensitivity], labels: Sequence[str], now: Quantity, language: Language) -> go.Figure:
    values = [now, *(each.value for each in found)]
    scale = scale_of([now.value or 0.0], "kgCO2e")
    order = [FIGURE, *(str(place) for place in range(len(found)))]
    figure = go.Figure(layout={"barmode": "stack"})
    start = (now.value or 0.0) / scale.size
    figure.add_bar(orientation="h", y=[FIGURE], x=[start], base=[0.0], showlegend=False, **bar_style("whole"))
    for role, sign in (("more", 1), ("less", -1)):
        moved = [
            (name, (each.value or 0.0) / scale.size - start)
            for name, each in zip(order[1:], values[1:], strict=True)
            if sign * ((each.value or 0.0) / scale.size - start) > 0
        ]
        if moved:
            lengths = [length for _, length in moved]
            bars = {"y": [name for name, _ in moved], "x": lengths, "base": [start] * len(moved)}
            figure.add_bar(orientation="h", showlegend=False, **bars, **bar_style(role))
    ends = [(each.value or 0.0) / scale.size for each in values]
    interval = {"mode": "markers", "y": order, "x": ends, "error_x": errors(values, scale.size), "showlegend": False}
    figure.add_scatter(**interval, **point_style("interval", "line-ns"))
    texts = [language.amount(each) for each in values]
    figure.add_scatter(mode="text", y=order, x=ends, text=texts, textposition="middle right", showlegend=False)
    unit = language.t("%(unit)s · trait : intervalle à 95 %%", unit=language.unit(scale.unit))
    value_axis(figure, "x", highest(values) / scale.size, unit, language, room=1.25)
    category_axis(figure, "y", order, ["<br>".join(textwrap.wrap(label, _LABEL_WIDTH)) for label in labels])
    return figure
