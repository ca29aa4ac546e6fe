"""Draw a Plotly figure as static SVG or PNG, without a browser and with the same bytes every time.

The trace kinds and attributes that our figures use are translated to matplotlib; any other is an error that names it. On a
page the title is text beside the drawing; a drawing that leaves the page carries its title and its source.
"""

from __future__ import annotations

import io
import textwrap
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ecoia.errors import EcoiaError
from ecoia_dashboards.figures.roles import DENSE, ROLES
from ecoia_dashboards.svg_lines import LINE_MODES, SHAPES, draw_line

if TYPE_CHECKING:
    import plotly.graph_objects as go

INK = "#1b1f24"
GRID = "#d5d9de"

OUR_FONT = "ecoia-text"  # name of the font where it comes with the document, as in the PDF
_FONT = "DejaVu Sans"  # matplotlib carries it, so texts are measured alike everywhere; pages fall back to similar fonts

# Plotly's pattern shapes, as matplotlib's hatches. Dots are left out: each is an outline of its own, 25 kB a figure.
_HATCHES = {"": "", "/": "///", "\\": "\\\\\\", "x": "xxx", "-": "---", "|": "|||", "+": "+++"}
_DENSER = 2  # times the lines of a pattern of size ``DENSE``
_MARKERS: dict[str, dict[str, Any]] = {
    "circle": {"marker": "o", "markersize": 6},
    "diamond": {"marker": "D", "markersize": 8},
    "circle-open": {"marker": "o", "markersize": 8, "markerfacecolor": "white", "markeredgewidth": 1.8},
}
"""Plotly's marker symbols of points in a plane."""
_INTERVAL_MARKERS: dict[str, dict[str, Any]] = {
    "diamond": {"fmt": "D", "markersize": 5, "markeredgecolor": "white"},
    "circle-open": {"fmt": "o", "markersize": 6, "markerfacecolor": "white", "markeredgewidth": 1.6},
    "circle": {"fmt": "o", "markersize": 6},
    "line-ns": {"fmt": "none"},
}
"""Plotly's marker symbols of points with intervals; ``line-ns`` is the interval alone."""
_BREAK = "line-ne"
"""Plotly's marker symbol that we draw as the break of a bar whose axis is cut."""
_TEXT_PLACES: dict[str, dict[str, Any]] = {
    "middle right": {"xytext": (5, 0), "va": "center", "ha": "left"},
    "top center": {"xytext": (0, 4), "va": "bottom", "ha": "center"},
    "top left": {"xytext": (0, 4), "va": "bottom", "ha": "right"},
    "top right": {"xytext": (7, 1), "va": "bottom", "ha": "left"},
    "bottom center": {"xytext": (0, -4), "va": "top", "ha": "center"},
    "bottom right": {"xytext": (7, -1), "va": "top", "ha": "left"},
}
"""Plotly's positions of a text beside its point; right of it, a text is clear of the stroke of an interval."""
_LEGEND_ENTRY_PX, _LEGEND_ROW_PX = 175, 19
_TITLE_CHARACTER_PX, _TITLE_LINE_PX = 9, 19
_SOURCE_CHARACTER_PX, _SOURCE_LINE_PX = 6, 15
_PNG_DPI = 144
_BAR_WIDTH = 0.62  # of the room of a category

# matplotlib reads its parameters, which are global, while it draws: draw one figure at a time, in our style.
_LOCK = threading.Lock()


class UnknownTraceError(EcoiaError, NotImplementedError):
    """A figure holds a trace or an attribute that has no static drawing."""


def draw(figure: go.Figure, width: int, title: str = "", source: str = "") -> str:
    """Draw a figure as one ``<svg>`` element.

    Args:
        figure: A Plotly figure; its ``layout.height`` is the drawing's height, in pixels.
        width: Width of the drawing in pixels.
        title: The finding, drawn above where the drawing leaves the page.
        source: Where the drawing comes from, drawn below.

    Returns:
        The element, without XML prologue, date or producer: equal figures give equal bytes.

    Raises:
        UnknownTraceError: the figure holds something that has no static drawing.

    Example:
        >>> draw(charts(report, Language("fr"))["trend"].figure, 720)[:4]  # doctest: +SKIP
        '<svg'
    """
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    out = io.StringIO()
    with _drawing():
        drawing = _drawn(figure, width, title, source)
        FigureCanvasSVG(drawing)
        drawing.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = out.getvalue()
    return text[text.index("<svg") :].strip().replace(f"'{_FONT}'", f"{OUR_FONT}, '{_FONT}', Verdana, sans-serif")


def draw_png(figure: go.Figure, width: int, title: str = "", source: str = "") -> bytes:
    """Draw a figure as a PNG, twice as many dots as pixels each way, so that it stays sharp on paper and in slides.

    Args:
        figure: As for ``draw``.
        width: As for ``draw``.
        title: As for ``draw``.
        source: As for ``draw``.

    Returns:
        The picture, without date or producer: equal figures give equal bytes with one version of matplotlib.

    Raises:
        UnknownTraceError: the figure holds something that has no static drawing.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    out = io.BytesIO()
    with _drawing():
        drawing = _drawn(figure, width, title, source)
        FigureCanvasAgg(drawing)
        drawing.savefig(out, format="png", dpi=_PNG_DPI, metadata={"Software": None})
    return out.getvalue()


def _drawn(figure: go.Figure, width: int, title: str, source: str) -> Any:
    """Draw a figure with matplotlib, its title above and its source below; one dot of 72 an inch is one pixel of the page."""
    from matplotlib.figure import Figure

    columns = max(1, width // _LEGEND_ENTRY_PX)
    legend = _LEGEND_ROW_PX * -(-sum(trace.showlegend is not False for trace in figure.data) // columns)
    above = textwrap.wrap(title, width // _TITLE_CHARACTER_PX)
    below = textwrap.wrap(source, width // _SOURCE_CHARACTER_PX)
    top, bottom, body = _TITLE_LINE_PX * len(above), _SOURCE_LINE_PX * len(below), figure.layout.height
    height = top + legend + body + bottom
    drawing: Any = Figure(figsize=(width / 72, height / 72), dpi=72, layout="constrained")
    # Title, legend and source have rooms of their own: laid out with the axes, they would move by the last bit from run to run.
    drawing.get_layout_engine().set(w_pad=2 / 72, h_pad=3 / 72, rect=(0, bottom / height, 1, body / height))
    axes = drawing.add_subplot()
    drawing.text(0.004, 1 - 3 / height, "\n".join(above), va="top", fontsize=13.5, fontweight="bold")
    drawing.text(0.004, 4 / height, "\n".join(below), va="bottom", fontsize=9.5)
    _legend(drawing, _traces(axes, figure), columns, 1 - top / height)
    _axes(axes, figure)
    for artist in drawing.findobj(lambda artist: hasattr(artist, "set_parse_math")):
        artist.set_parse_math(False)  # a service's name may hold a dollar sign
    return drawing


def _legend(drawing: Any, entries: Sequence[tuple[Any, str]], columns: int, top: float) -> None:
    if not entries:
        return
    # The labels are set afterwards: matplotlib leaves out one that begins with an underscore.
    legend = drawing.legend(
        [handle for handle, _ in entries],
        [str(index) for index in range(len(entries))],
        loc="upper left",
        bbox_to_anchor=(0, top),
        ncols=columns,
        borderaxespad=0.2,
    )
    for text, (_, label) in zip(legend.get_texts(), entries, strict=True):
        text.set_text(label)


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
        drawn = [(_points(axes, trace), trace) for trace in figure.data]
        return [(handle, trace.name) for handle, trace in drawn if trace.showlegend is not False]
    categories = _categories(figure)
    stacked = [0.0] * len(categories)
    below: list[float] = []  # of the scatter before, which a band begins at
    entries = []
    for trace in figure.data:
        if trace.type == "bar":
            if figure.layout.barmode != "stack":
                raise UnknownTraceError(f"barmode {figure.layout.barmode!r} has no static drawing: use 'stack'")
            handle = _bar(axes, trace, categories, stacked)
        elif trace.type == "scatter":
            handle = _scatter(axes, trace, categories, below, horizontal=_horizontal(figure))
            below = list(trace.y)
        else:
            raise UnknownTraceError(f"trace kind {trace.type!r} has no static drawing: use 'bar' or 'scatter'")
        if trace.showlegend is not False:
            entries.append((handle, trace.name))
    return entries


def _plane(figure: go.Figure) -> bool:
    """Return whether both axes show values: our figures set a range on both axes only then."""
    return figure.layout.xaxis.range is not None and figure.layout.yaxis.range is not None


def _points(axes: Any, trace: Any) -> Any:
    """Draw points, a line or texts between two axes of values."""
    if trace.type == "scatter" and trace.mode in LINE_MODES and trace.line.shape in (None, "linear"):
        return draw_line(axes, trace, list(trace.x), list(trace.y), [])
    if trace.type == "scatter" and trace.mode == "text":
        return _texts(axes, trace, list(trace.x), list(trace.y))
    if trace.type != "scatter" or trace.mode != "markers":
        raise UnknownTraceError(
            f"trace kind {trace.type!r} between two axes of values has no static drawing: use markers, lines or text"
        )
    style = _MARKERS.get(trace.marker.symbol)
    if style is None:
        raise UnknownTraceError(f"marker {trace.marker.symbol!r} has no static drawing: use one of {', '.join(_MARKERS)}")
    if trace.error_x.array is not None:
        color = trace.marker.color
        axes.errorbar(trace.x, trace.y, xerr=_errors(trace.error_x), fmt="none", ecolor=color, elinewidth=1, capsize=3)
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
    hatch, color = _hatch(trace.marker.pattern), trace.marker.color
    hollow = trace.marker.pattern.fillmode == "replace"
    style: dict[str, Any] = {
        "facecolor": "white" if hollow else color,
        "edgecolor": color if hollow else "white",
        "linewidth": 0 if trace.width == 1 else 1.2,  # bars that touch are one zone
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
    draw_bars(places, sizes, trace.width or _BAR_WIDTH, **edge, **style)
    return Patch(**style)


def _hatch(pattern: Any) -> str:
    shape, size = pattern.shape or "", pattern.size
    if shape not in _HATCHES:
        raise UnknownTraceError(f"pattern {shape!r} has no static drawing: use one of {', '.join(_HATCHES)}")
    if size not in (None, DENSE):
        raise UnknownTraceError(f"a pattern of size {size} has no static drawing: use {DENSE}, or leave it out")
    return _HATCHES[shape] * (_DENSER if size == DENSE else 1)


def _scatter(axes: Any, trace: Any, categories: Sequence[str], below: Sequence[float], *, horizontal: bool) -> Any:
    places = [categories.index(name) for name in (trace.y if horizontal else trace.x)]
    xs, ys = (list(trace.x), places) if horizontal else (places, list(trace.y))
    if trace.mode == "text":
        return _texts(axes, trace, xs, ys)
    if trace.mode in LINE_MODES:
        if trace.line.shape not in SHAPES:
            raise UnknownTraceError(f"line shape {trace.line.shape!r} has no static drawing: use 'linear' or 'hvh'")
        return draw_line(axes, trace, xs, ys, below)
    if trace.mode == "markers" and trace.marker.symbol == _BREAK:
        return _breaks(axes, xs, ys)
    if trace.mode == "markers":
        style = _INTERVAL_MARKERS.get(trace.marker.symbol)
        if style is None:
            known = ", ".join((*_INTERVAL_MARKERS, _BREAK))
            raise UnknownTraceError(f"marker {trace.marker.symbol!r} has no static drawing: use one of {known}")
        return axes.errorbar(
            xs,
            ys,
            xerr=_errors(trace.error_x),
            yerr=_errors(trace.error_y),
            color=trace.marker.color,
            elinewidth=1.4,
            capsize=4,
            **style,
        )
    raise UnknownTraceError(f"scatter mode {trace.mode!r} has no static drawing: use 'markers', 'lines' or 'text'")


def _texts(axes: Any, trace: Any, xs: Sequence[float], ys: Sequence[float]) -> None:
    place = _TEXT_PLACES.get(trace.textposition)
    if place is None:
        raise UnknownTraceError(
            f"text position {trace.textposition!r} has no static drawing: use one of {', '.join(_TEXT_PLACES)}"
        )
    # A text's ``meta`` is the role of what it stands on: it covers the lines of the grid there.
    halo = {"facecolor": ROLES[trace.meta][0], "edgecolor": "none", "pad": 0.6} if trace.meta else None
    for x, y, text in zip(xs, ys, trace.text, strict=True):
        axes.annotate(text, (x, y), textcoords="offset points", parse_math=False, bbox=halo, **place)


def _errors(error: Any) -> list[list[float]] | None:
    return None if error.array is None else [list(error.arrayminus), list(error.array)]


def _breaks(axes: Any, xs: Sequence[float], ys: Sequence[float]) -> Any:
    """Cut horizontal bars where their axis is cut: a slanted white gap with an edge on either side."""
    from matplotlib.path import Path

    gap = Path([(-0.35, -1), (0.05, -1), (0.35, 1), (-0.05, 1), (-0.35, -1)])
    axes.plot(xs, ys, linestyle="none", marker=gap, markersize=26, color="white", markeredgecolor=INK, markeredgewidth=1)


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
    of_categories.set_label_text(category_layout.title.text or "")
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
    axis.set_label_text((layout.title.text or "").replace("<br>", "\n"))
