"""Draw the course of a trajectory: a line, its 95 % band, and in dashes what the path allows."""

from __future__ import annotations

import plotly.graph_objects as go

from ecoia.readable.scales import scale_of
from ecoia.report import Quantity, QuarterlyReport, TargetVerdict
from ecoia_dashboards.figures import Chart, trajectory
from ecoia_dashboards.figures.chart import highest, value_axis
from ecoia_dashboards.figures.roles import line_style, point_style
from ecoia_dashboards.language import NBSP, Language

_HEIGHT = 250


def course_figure(report: QuarterlyReport, target: TargetVerdict, language: Language) -> Chart | None:
    """Draw the quarters of a trajectory up to the report's; None where none of them is known.

    The finding, the words for readers who do not see it and the data are those of the report's figure.

    Args:
        report: The quarter's data.
        target: A target with a course.
        language: Language of the texts.
    """
    points = [point for point in target.course if point.quarter <= report.quarter]
    dues = {point.quarter: point.due for point in points if point.due is not None}
    levels = {point.quarter: point.level for point in points}
    return trajectory(report, target, language, draw=lambda: _figure(levels, dues, target.unit, language))


def _figure(levels: dict[str, Quantity], dues: dict[str, float], unit: str, language: Language) -> go.Figure:
    quarters = list(levels)
    scale = scale_of([level.value or 0.0 for level in levels.values()], unit)

    def sized(values: list[float | None]) -> list[float | None]:
        return [None if value is None else value / scale.size for value in values]

    figure = go.Figure(layout={"height": _HEIGHT})
    bounded = [level for level in levels.values() if level.low is not None and level.high is not None]
    if bounded:
        lows = sized([level.low for level in levels.values()])
        highs = sized([level.high for level in levels.values()])
        figure.add_scatter(mode="lines", x=quarters, y=lows, showlegend=False, **line_style("band", width=0))
        figure.add_scatter(
            mode="lines",
            x=quarters,
            y=highs,
            fill="tonexty",
            name=language.t("intervalle à 95 %%"),
            **line_style("band", width=0),
        )
    if dues:
        figure.add_scatter(
            mode="lines",
            x=list(dues),
            y=sized(list(dues.values())),
            name=language.t("permis par la trajectoire"),
            **line_style("path", dash="dash", shape="hvh"),
        )
    values = sized([level.value for level in levels.values()])
    figure.add_scatter(
        mode="lines+markers",
        x=quarters,
        y=values,
        name=language.t("constaté"),
        **line_style("series"),
        marker=point_style("series", "circle")["marker"],
    )
    _write_ends(figure, levels, dues, unit, language, scale.size)
    tallest = max(highest(levels.values()), *dues.values(), 0.0) / scale.size
    value_axis(figure, "y", tallest or 1.0, language.unit(scale.unit), language, room=1.08)
    labels = [language.quarter(quarter).replace(NBSP, "<br>") for quarter in quarters]
    figure.update_xaxes(tickvals=quarters, ticktext=labels)
    return figure


def _write_ends(
    figure: go.Figure, levels: dict[str, Quantity], dues: dict[str, float], unit: str, language: Language, size: float
) -> None:
    """Write the first and the last level, and the last amount that the path allows."""
    column = language.column(levels.values())
    known = [(quarter, level) for quarter, level in levels.items() if level.value is not None]
    words = [
        (quarter, (level.value or 0.0) / size, column.number(level), "top center") for quarter, level in (known[0], known[-1])
    ]
    if dues:
        quarter, due = list(dues.items())[-1]
        words.append((quarter, due / size, column.number(Quantity(due, unit)), "bottom center"))
    for position in dict.fromkeys(position for *_, position in words):
        x, y, text = zip(*dict.fromkeys(word[:3] for word in words if word[3] == position), strict=True)
        figure.add_scatter(mode="text", x=x, y=y, text=text, textposition=position, showlegend=False)
