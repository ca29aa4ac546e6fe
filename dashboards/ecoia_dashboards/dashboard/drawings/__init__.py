"""Draw a Plotly figure as one ``<svg>`` that fits any width and follows the theme of its page.

The trace kinds and attributes that our figures use are translated one by one; any other is an error that names it. A mark has a
class for what it stands for (``figures.roles``) and no colour: the style sheet gives it, in every theme and on paper.
Across, places are in per cent; down, and for all texts, in pixels. Labels beside the plot stand in the element's padding.
"""

from __future__ import annotations

import plotly.graph_objects as go
from markupsafe import Markup

from ecoia_dashboards.dashboard.drawings.attributes import check
from ecoia_dashboards.dashboard.drawings.axes import grid, heading, labels_below, labels_beside
from ecoia_dashboards.dashboard.drawings.elements import LINE_PX, clean, element, markup, text
from ecoia_dashboards.dashboard.drawings.files import light_colours, standalone, themed_style
from ecoia_dashboards.dashboard.drawings.frames import frame_of
from ecoia_dashboards.dashboard.drawings.legend import legend
from ecoia_dashboards.dashboard.drawings.patterns import patterns
from ecoia_dashboards.dashboard.drawings.traces import drawn_traces

__all__ = ["draw", "light_colours", "patterns", "standalone", "themed_style"]

_TOP_PX = 7  # half a line of text stands above the uppermost tick


def draw(figure: go.Figure, *, name: str, description: str) -> Markup:
    """Draw a figure.

    Args:
        figure: A Plotly figure; ``meta`` of each trace is its role (``figures.roles``).
        name: The finding, for readers who do not see the drawing.
        description: The shape of the data, for them as well.

    Returns:
        The element; equal figures give equal bytes. The page holds ``patterns()`` once.

    Raises:
        UnknownTraceError: the figure holds something that has no drawing.

    Example:
        >>> draw(charts(report, language)["trend"].figure, name="", description="")[:4]  # doctest: +SKIP
        '<svg'
    """
    traces = [trace.to_plotly_json() for trace in figure.data]
    layout = figure.layout.to_plotly_json()
    check(traces, layout)
    frame = frame_of(traces, layout)
    entries, top = legend(traces)
    titles = heading(frame)
    above = "".join(text(line, "0", top + 13 + LINE_PX * place, "note") for place, line in enumerate(titles))
    drawn = element("svg", entries + above, x=-frame.left, overflow="visible") if entries or above else ""
    top += LINE_PX * len(titles) + (_TOP_PX if not frame.rows else 0)
    below, bottom = labels_below(frame)
    plot = grid(frame) + labels_beside(frame) + drawn_traces(traces, layout, frame) + below
    drawn += element("svg", plot, y=top, overflow="visible")
    said = f"{name.rstrip('. ')}. {description}" if name and description else name or description
    sizes = {"width": "100%", "height": top + frame.height + bottom}
    return markup(element("svg", drawn, class_=f"drawing {frame.margins}", role="img", aria_label=clean(said), **sizes))
