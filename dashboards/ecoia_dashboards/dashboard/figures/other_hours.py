"""Draw what the same work would have emitted some hours earlier or later."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from ecoia.readable.scales import scale_of
from ecoia.report import Quantity
from ecoia_dashboards.figures.chart import Chart, value_axis
from ecoia_dashboards.figures.roles import line_style, point_style
from ecoia_dashboards.language import Language

_HEIGHT = 240
_EVERY = 3


def other_hours(title: str, shifts: Sequence[tuple[int, Quantity]], language: Language) -> Chart:
    """Draw the CO2e of some work against the hours by which it is moved.

    Args:
        title: The finding.
        shifts: Hours later (earlier, below 0), ascending, with the CO2e; 0 is among them.
        language: Language of the texts.
    """
    amounts = [quantity.value or 0.0 for _, quantity in shifts]
    scale = scale_of(amounts, "kgCO2e")
    sized = [amount / scale.size for amount in amounts]
    hours = [step for step, _ in shifts]
    now, least = hours.index(0), amounts.index(min(amounts))
    figure = go.Figure(layout={"height": _HEIGHT})
    figure.add_scatter(mode="lines", x=hours, y=sized, showlegend=False, **line_style("series"))
    column = language.column(quantity for _, quantity in shifts)
    kinds = [(now, language.t("aux heures d’aujourd’hui"), "series", "circle")]
    if least != now:
        kinds.append((least, language.t("au mieux"), "less", "diamond"))
    for place, name, role, symbol in kinds:
        figure.add_scatter(mode="markers", x=[hours[place]], y=[sized[place]], name=name, **point_style(role, symbol))
    figure.add_scatter(
        mode="text",
        x=[hours[place] for place, *_ in kinds],
        y=[sized[place] for place, *_ in kinds],
        text=[column.number(shifts[place][1]) for place, *_ in kinds],
        textposition="top center",
        showlegend=False,
    )
    value_axis(figure, "y", max(sized), language.unit(scale.unit), language, room=1.2)
    figure.update_xaxes(
        tickvals=hours,
        ticktext=[_hours(step, language) if step % _EVERY == 0 else "" for step in hours],
        title={"text": language.t("décalage de tout le travail : plus tôt (−), plus tard (+)")},
    )
    alt = language.t("Courbe du CO₂e selon le décalage : %(series)s.", series=_series(shifts, language))
    cells = tuple((_hours(step, language), quantity) for step, quantity in shifts)
    return Chart("other-hours", title, alt, figure, (language.t("Décalage"), "CO₂e"), cells, language)


def _series(shifts: Sequence[tuple[int, Quantity]], language: Language) -> str:
    column = language.column(quantity for _, quantity in shifts)
    return language.listed(
        f"{_hours(step, language)} {column.amount(quantity)}" for step, quantity in shifts if step % _EVERY == 0
    )


def _hours(step: int, language: Language) -> str:
    return language.signed(step, language.with_unit(language.whole(abs(step)), "h"))
