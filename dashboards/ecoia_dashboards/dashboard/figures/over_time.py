"""Draw the course of one figure over quarters or days: a line on its band, and a ? where nothing is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import plotly.graph_objects as go

from ecoia.readable.scales import column_scale
from ecoia.report import Quantity
from ecoia_dashboards import wording
from ecoia_dashboards.figures.chart import Cell, Chart, highest, value_axis
from ecoia_dashboards.figures.roles import line_style, point_style
from ecoia_dashboards.language import NBSP, Language, QuantityColumn

_HEIGHT = 240
MOST_MARKS = 14
"""Steps up to which each has its own label, value and, where nothing is known, its question mark."""
_MOST_LABELS = 6


@dataclass(frozen=True)
class Step:
    """A step of a course: its name, its figure and, where the reason's code says too little, why it has none in words."""

    name: str
    quantity: Quantity
    why: str = ""
    label: str = ""  # its name below the axis, where that is shorter


def over_time(id_: str, title: str, what: str, steps: Sequence[Step], language: Language) -> Chart | None:
    """Draw a course; None where no step has a value.

    Args:
        id_: Name of the figure.
        title: The finding.
        what: Name of the figure, for the head of its column.
        steps: The steps in order of time, all in one unit.
        language: Language of the texts.

    Example:
        >>> over_time("energy", "12,5 MWh", "Énergie", [Step("T3 2026", Quantity(12.5, "MWh"))], Language("fr"))  # doctest: +SKIP
    """
    if not any(step.quantity.value for step in steps):
        return None
    quantities = [step.quantity for step in steps]
    column = language.column(quantities)
    headings = (language.t("Période"), what)
    cells: tuple[tuple[Cell, ...], ...] = tuple((step.name, _cell(step)) for step in steps)
    figure = go.Figure(layout={"height": _HEIGHT})
    unit, size, _ = column_scale([each.value for each in quantities if each.value is not None], quantities[0].unit)
    places = list(range(len(steps)))
    _draw_band(figure, places, quantities, size, language)
    _draw_line(figure, places, quantities, size)
    tallest = highest(quantities) / size
    if len(steps) <= MOST_MARKS:
        _draw_words(figure, places, steps, size, column, tallest)
    value_axis(figure, "y", tallest, language.unit(unit), language, room=1.15)
    figure.update_xaxes(tickvals=places, ticktext=_labels(steps), title={"text": _note(steps, language)})
    return Chart(id_, title, _alt(steps, column, language), figure, headings, cells, language)


def _cell(step: Step) -> Cell:
    return step.why if step.quantity.value is None and step.why else step.quantity


def _known(places: Sequence[int], quantities: Sequence[Quantity]) -> list[list[int]]:
    """Return the places that follow one another without a gap."""
    parts = groupby(places, key=lambda place: quantities[place].value is not None)
    return [list(held) for known, held in parts if known]


def _draw_band(figure: go.Figure, places: Sequence[int], quantities: Sequence[Quantity], size: float, language: Language) -> None:
    """Draw the interval of each part without a gap; the first one names it in the legend."""
    named = False
    for part in _known(places, quantities):
        bounded = [place for place in part if quantities[place].low is not None]
        if len(bounded) < 2:
            continue
        for bound in ("low", "high"):
            upper = bound == "high"
            figure.add_scatter(
                mode="lines",
                x=bounded,
                y=[(getattr(quantities[place], bound) or 0.0) / size for place in bounded],
                fill="tonexty" if upper else None,
                name=language.t("intervalle à 95 %%") if upper else None,
                showlegend=upper and not named,
                **line_style("band", width=0),
            )
        named = True


def _draw_line(figure: go.Figure, places: Sequence[int], quantities: Sequence[Quantity], size: float) -> None:
    marks = {"mode": "lines+markers", "marker": point_style("series", "circle")["marker"]}
    figure.add_scatter(
        x=list(places),
        y=[None if each.value is None else each.value / size for each in quantities],
        showlegend=False,
        **(marks if len(places) <= MOST_MARKS else {"mode": "lines"}),
        **line_style("series"),
    )
    alone = [part[0] for part in _known(places, quantities) if len(part) == 1]
    if alone and len(places) > MOST_MARKS:  # a line needs two points
        figure.add_scatter(
            mode="markers",
            x=alone,
            y=[(quantities[place].value or 0.0) / size for place in alone],
            showlegend=False,
            **point_style("series", "circle"),
        )


def _draw_words(
    figure: go.Figure, places: Sequence[int], steps: Sequence[Step], size: float, column: QuantityColumn, tallest: float
) -> None:
    """Write the last value beside its point, and a question mark where nothing is known."""
    unknown = [place for place in places if steps[place].quantity.value is None]
    last = places[-1]
    words = [(place, tallest * 0.4, "?") for place in unknown]
    if last not in unknown:
        words.append((last, (steps[last].quantity.value or 0.0) / size, column.number(steps[last].quantity)))
    figure.add_scatter(
        mode="text",
        x=[place for place, _, _ in words],
        y=[level for _, level, _ in words],
        text=[text for _, _, text in words],
        textposition="top center",
        showlegend=False,
    )


def _labels(steps: Sequence[Step]) -> list[str]:
    """Label every step of few, and some of many."""
    if len(steps) <= MOST_MARKS:
        return [(step.label or step.name).replace(NBSP, "<br>") for step in steps]
    every = -(-len(steps) // _MOST_LABELS)
    return [(step.label or step.name) if place % every == 0 else "" for place, step in enumerate(steps)]


def _note(steps: Sequence[Step], language: Language) -> str:
    return language.t("? : rien de connu, voir le tableau") if any(step.quantity.value is None for step in steps) else ""


def _alt(steps: Sequence[Step], column: QuantityColumn, language: Language) -> str:
    """Say the values of few steps, or the least and the greatest of many."""
    if len(steps) <= MOST_MARKS:
        series = language.listed(f"{step.name} {_written(step, column, language)}" for step in steps)
        return language.t("Courbe avec son intervalle : %(series)s.", series=series)
    known = [step for step in steps if step.quantity.value is not None]
    least, greatest = (pick(known, key=lambda step: step.quantity.value or 0.0) for pick in (min, max))
    return language.t(
        "Courbe avec son intervalle, %(count)s points, de %(least)s (%(low)s) à %(greatest)s (%(high)s).",
        count=language.whole(len(known)),
        least=least.name,
        low=column.amount(least.quantity),
        greatest=greatest.name,
        high=column.amount(greatest.quantity),
    )


def _written(step: Step, column: QuantityColumn, language: Language) -> str:
    if step.quantity.value is not None:
        return column.amount(step.quantity)
    return step.why or language.of(wording.REASONS, step.quantity.reason or "no-data")
