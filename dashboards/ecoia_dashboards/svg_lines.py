"""Draw the lines and bands of a Plotly figure with matplotlib."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

LINE_MODES = ("lines", "lines+markers")
SHAPES = (None, "linear", "hvh")
"""Shapes of lines that have a drawing; ``hvh`` is a level for each category, as wide as the category."""
_MARKER = {"circle": {"marker": "o", "markersize": 5}, None: {}}


def draw_line(axes: Any, trace: Any, xs: Sequence[float], ys: Sequence[float | None], below: Sequence[float | None]) -> Any:
    """Draw a line, or the band between it and the line before; what is missing interrupts it.

    Args:
        axes: Where to draw.
        trace: The trace: its shape is one of ``SHAPES``.
        xs: Its places.
        ys: Its values.
        below: The values of the line before, which a band begins at.

    Returns:
        What the legend shows; None where nothing is drawn.
    """
    values = [math.nan if value is None else value for value in ys]
    if trace.fill == "tonexty":
        bottom = [math.nan if value is None else value for value in below]
        return axes.fill_between(xs, bottom, values, color=trace.line.color, linewidth=0)
    if trace.line.width == 0:
        return None
    if trace.line.shape == "hvh":
        xs = [place + half for place in xs for half in (-0.5, 0.5)]
        values = [value for value in values for _ in range(2)]
    dashes = "--" if trace.line.dash == "dash" else "-"
    marker = _MARKER.get(trace.marker.symbol if trace.mode == "lines+markers" else None, {})
    (line,) = axes.plot(xs, values, dashes, color=trace.line.color, linewidth=1.8, **marker)
    return line
