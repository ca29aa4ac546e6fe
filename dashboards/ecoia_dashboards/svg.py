"""Draw a Plotly figure as static SVG, without a browser and with the same bytes every time.

The trace kinds and attributes that our figures use are translated to matplotlib; any other is an error that names it. The title
is not drawn: the page writes it as text, beside the data table.
"""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ecoia.errors import EcoiaError

if TYPE_CHECKING:
    import plotly.graph_objects as go

INK = "#1b1f24"
GRID = "#d5d9de"

OUR_FONT = "ecoia-text"  # name of the font where it comes with the document, as in the PDF
_FONT = "DejaVu Sans"  # matplotlib carries it, so texts are measured alike everywhere; pages fall back to similar fonts

# Plotly's pattern shapes, as matplotlib's hatches. Dots are left out: each is an outline of its own, 25 kB a figure.
_HATCHES = {"": "", "/": "///", "\\": "\\\\\\", "x": "xxx", "-": "---", "|": "|||", "+": "+++"}
_MARKERS: dict[str, dict[str, Any]] = {
    "diamond": {"marker": "D", "markersize": 8},
    "circle-open": {"marker": "o", "markersize": 8, "markerfacecolor": "white", "markeredgewidth": 1.8},
}
"""Plotly's marker symbols of points in a plane."""
_LEGEND_ENTRY_PX, _LEGEND_ROW_PX = 175, 19

# matplotlib reads its parameters, which are global, while it draws: draw one figure at a time, in our style.
_LOCK = threading.Lock()


class UnknownTraceError(EcoiaError, NotImplementedError):
    """A figure holds a trace or an attribute that has no static drawing."""


def draw(figure: go.Figure, width: int) -> str:
    """Draw a figure as one ``<svg>`` element.

    Args:
        figure: A Plotly figure; its ``layout.height`` is the drawing's height, in pixels.
        width: Width of the drawing in pixels.

    Returns:
        The element, without XML prologue, date or producer: equal figures give equal bytes.

    Raises:
        UnknownTraceError: the figure holds something that has no static drawing.

    Example:
        >>> draw(charts(report, Language("fr"))["trend"].figure, 720)[:4]  # doctest: +SKIP
        '<svg'
    """
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with _drawing():
        columns = max(1, width // _LEGEND_ENTRY_PX)
        legend_rows = -(-sum(trace.showlegend is not False for trace in figure.data) // columns)
        height = figure.layout.height + _LEGEND_ROW_PX * legend_rows
        # 72 dots an inch: one point of the drawing is one pixel of the page.
        drawing: Any = Figure(figsize=(width / 72, height / 72), dpi=72, layout="constrained")
        drawing.get_layout_engine().set(w_pad=2 / 72, h_pad=3 / 72)
        FigureCanvasSVG(drawing)
        axes = drawing.add_subplot()
        entries = _traces(axes, figure)
        _axes(axes, figure)
        if entries:
            # Set afterwards: matplotlib leaves out a label that begins with an underscore.
            legend = drawing.legend(
                [handle for handle, _ in entries],
                [str(index) for index in range(len(entries))],
                loc="outside upper left",
                ncols=columns,
                borderaxespad=0.2,
            )
            for text, (_, label) in zip(legend.get_texts(), entries, strict=True):
                text.set_text(label)
        for artist in drawing.findobj(lambda artist: hasattr(artist, "set_parse_math")):
            artist.set_parse_math(False)  # a service's name may hold a dollar sign
        out = io.StringIO()
        drawing.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = out.getvalue()
    return text[text.index("<svg") :].strip().replace(f"'{_FONT}'", f"{OUR_FONT}, '{_FONT}', Verdana, sans-serif")


@contextmanager
def _drawing() -> Iterator[None]:
    import matplotlib

    parameters = {
        "svg.hashsalt": "ecoia",
        "svg.fonttype": "none",  # text, at a tenth of the weight of outlines
        "font.family": [_FONT],
        "font.size": 11.5,
        "hatch.linewidth": 1.4,
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.edgecolor": INK,
        "xtick.color": INK,
        "ytick.color": INK,
        "axes.axisbelow": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "legend.frameon": False,
        "legend.handlelength": 1.6,
        "legend.handleheight": 1.1,
    }
    with _LOCK, matplotlib.rc_context(), warnings.catch_warnings():
        # Only the estimate of a text's width needs the glyph; the page's own fonts draw it.
        warnings.filterwarnings("ignore", r"Glyph .* missing from font", UserWarning)
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(parameters)
        yield


def _traces(axes: Any, figure: go.Figure) -> list[tuple[Any, str]]:
    """Draw every trace; return the legend's entries, each a handle and a name."""
    if _plane(figure):
        return [(_points(axes, trace), trace.name) for trace in figure.data]
    categories = _categories(figure)
    stacked = [0.0] * len(categories)
    entries = []
    for trace in figure.data:
        if trace.type == "bar":
            if figure.layout.barmode != "stack":
                raise UnknownTraceError(f"barmode {figure.layout.barmode!r} has no static drawing: use 'stack'")
            handle = _bar(axes, trace, categories, stacked)
        elif trace.type == "scatter":
            handle = _scatter(axes, trace, categories, horizontal=_horizontal(figure))
        else:
            raise UnknownTraceError(f"trace kind {trace.type!r} has no static drawing: use 'bar' or 'scatter'")
        if trace.showlegend is not False:
            entries.append((handle, trace.name))
    return entries


def _plane(figure: go.Figure) -> bool:
    """Return whether both axes show values: our figures set a range on both axes only then."""
    return figure.layout.xaxis.range is not None and figure.layout.yaxis.range is not None


def _points(axes: Any, trace: Any) -> Any:
    """Draw points between two axes of values."""
    if trace.type != "scatter" or trace.mode != "markers":
        raise UnknownTraceError(f"trace kind {trace.type!r} between two axes of values has no static drawing: use markers")
    style = _MARKERS.get(trace.marker.symbol)
    if style is None:
        raise UnknownTraceError(f"marker {trace.marker.symbol!r} has no static drawing: use one of {', '.join(_MARKERS)}")
    (points,) = axes.plot(list(trace.x), list(trace.y), linestyle="none", color=trace.marker.color, clip_on=False, **style)
    return points


def _horizontal(figure: go.Figure) -> bool:
    return any(trace.type == "bar" and trace.orientation == "h" for trace in figure.data)


def _categories(figure: go.Figure) -> list[str]:
    """List the categories in the order of their axis; a figure has one axis of categories, named by ticks, and one of values."""
    return list((figure.layout.yaxis if _horizontal(figure) else figure.layout.xaxis).tickvals)


def _bar(axes: Any, trace: Any, categories: Sequence[str], stacked: list[float]) -> Any:
    from matplotlib.patches import Patch

    horizontal = trace.orientation == "h"
    names, lengths = (trace.y, trace.x) if horizontal else (trace.x, trace.y)
    hatch, color = _hatch(trace.marker.pattern.shape), trace.marker.color
    hollow = trace.marker.pattern.fillmode == "replace"
    style: dict[str, Any] = {
        "facecolor": "white" if hollow else color,
        "edgecolor": color if hollow else "white",
        "linewidth": 1.2,
        "hatch": hatch,
    }
    draw_bars = axes.barh if horizontal else axes.bar
    places, sizes, starts = [], [], []
    bases = [None] * len(names) if trace.base is None else trace.base
    for name, length, base in zip(names, lengths, bases, strict=True):
        place = categories.index(name)
        if length:
            places.append(place)
            sizes.append(length)
            starts.append(stacked[place] if base is None else base)  # a bar with a base of its own is not stacked
            if base is None:
                stacked[place] += length
    edge = {"left": starts} if horizontal else {"bottom": starts}
    draw_bars(places, sizes, 0.62, **edge, **style)
    return Patch(**style)


def _hatch(shape: str | None) -> str:
    if (shape or "") not in _HATCHES:
        raise UnknownTraceError(f"pattern {shape!r} has no static drawing: use one of {', '.join(_HATCHES)}")
    return _HATCHES[shape or ""]


def _scatter(axes: Any, trace: Any, categories: Sequence[str], *, horizontal: bool) -> Any:
    places = [categories.index(name) for name in (trace.y if horizontal else trace.x)]
    xs, ys = (list(trace.x), places) if horizontal else (places, list(trace.y))
    if trace.mode == "text":
        if trace.textposition != "middle right":
            raise UnknownTraceError(f"text position {trace.textposition!r} has no static drawing: use 'middle right'")
        for x, y, text in zip(xs, ys, trace.text, strict=True):
            axes.annotate(text, (x, y), (5, 0), textcoords="offset points", va="center", parse_math=False)
        return None
    if trace.mode == "markers":
        if trace.marker.symbol != "diamond":
            raise UnknownTraceError(f"marker {trace.marker.symbol!r} has no static drawing: use 'diamond'")
        return axes.errorbar(
            xs,
            ys,
            yerr=[list(trace.error_y.arrayminus), list(trace.error_y.array)] if trace.error_y.array is not None else None,
            fmt="D",
            color=trace.marker.color,
            markersize=5,
            markeredgecolor="white",
            elinewidth=1.4,
            capsize=4,
        )
    raise UnknownTraceError(f"scatter mode {trace.mode!r} has no static drawing: use 'markers' or 'text'")


def _axes(axes: Any, figure: go.Figure) -> None:
    if _plane(figure):
        for axis, layout in ((axes.xaxis, figure.layout.xaxis), (axes.yaxis, figure.layout.yaxis)):
            _values(axis, layout)
        axes.set(xlim=figure.layout.xaxis.range, ylim=figure.layout.yaxis.range)
        return
    categories = _categories(figure)
    horizontal = _horizontal(figure)
    of_categories, of_values = (axes.yaxis, axes.xaxis) if horizontal else (axes.xaxis, axes.yaxis)
    category_layout = figure.layout.yaxis if horizontal else figure.layout.xaxis
    value_layout = figure.layout.xaxis if horizontal else figure.layout.yaxis
    labels = [label.replace("<br>", "\n") for label in category_layout.ticktext]
    of_categories.set_ticks(range(len(categories)), labels, parse_math=False)
    of_categories.set_tick_params(length=0)
    _values(of_values, value_layout)
    low, high = value_layout.range
    middle = (-0.55, len(categories) - 0.45)
    if horizontal:
        axes.set_ylim(middle[::-1])  # the first category on top
        axes.set_xlim(low, high)
        axes.spines["bottom"].set_visible(False)
    else:
        axes.set_xlim(middle)
        axes.set_ylim(low, high)
        axes.spines["left"].set_visible(False)


def _values(axis: Any, layout: Any) -> None:
    axis.set_ticks(list(layout.tickvals), list(layout.ticktext))
    axis.set_tick_params(length=0)
    axis.grid(visible=True, color=GRID, linewidth=0.8)
    axis.set_label_text(layout.title.text or "")
