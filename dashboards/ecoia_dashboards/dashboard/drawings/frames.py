"""Place values and categories: across in per cent of the plot's width, down in pixels, so that a drawing fits any width."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ecoia_dashboards.dashboard.drawings.elements import LINE_PX, text_width
from ecoia_dashboards.svg import UnknownTraceError

_BAR_PART = 0.62
"""How much of the room of a category its bar takes."""
_BAR_PX, _ROW_GAP_PX = 14, 9
NARROWEST_PX = 288
"""Width of a drawing on the smallest telephone: 320 px less the padding of a card."""

PLACES: dict[str, tuple[str, int, int]] = {
    "middle right": ("", 6, 4),
    "top center": ("middle", 0, -7),
    "top left": ("end", -4, -6),
    "top right": ("", 7, -5),
    "bottom right": ("", 7, 13),
    "bottom center": ("middle", 0, 16),
}
"""Plotly's positions of a text beside its point: anchor, and the way from the point in pixels."""


@dataclass(frozen=True)
class Row:
    """A category of a figure of horizontal bars: its label stands above its bar."""

    top: float
    lines: tuple[str, ...]

    @property
    def bar(self) -> float:
        """Middle of its bar."""
        return self.top + LINE_PX * len(self.lines) + 3 + _BAR_PX / 2

    @property
    def bottom(self) -> float:
        """Where the row ends."""
        return self.bar + _BAR_PX / 2 + _ROW_GAP_PX


@dataclass(frozen=True)
class Frame:
    """The plot of a figure.

    Attributes:
        horizontal: Whether bars run to the right.
        height: Height of the plot in pixels.
        x: Layout of the axis across.
        y: Layout of the axis up.
        columns: Categories across, in order; empty where that axis has values.
        rows: Categories down, by name; empty where that axis has values.
        right: Room in pixels for texts that go beyond the plot.
    """

    horizontal: bool
    height: float
    x: Mapping[str, Any]
    y: Mapping[str, Any]
    columns: tuple[Any, ...] = ()
    rows: Mapping[Any, Row] = field(default_factory=dict)
    right: int = 0

    def across(self, value: Any) -> float:
        """Return where a value or category stands, in per cent of the width."""
        if self.columns:
            return 100 * (self.columns.index(value) + 0.5) / len(self.columns)
        low, high = map(float, self.x["range"])
        return 100 * (float(value) - low) / (high - low)

    def down(self, value: Any) -> float:
        """Return where a value or category stands, in pixels from the top."""
        if self.rows:
            return self.rows[value].bar
        low, high = map(float, self.y["range"])
        return self.height * (1 - (float(value) - low) / (high - low))

    @property
    def room(self) -> float:
        """Width of a category across, in per cent."""
        return 100 / len(self.columns)

    def thickness(self, part: float | None) -> float:
        """Return the thickness of a bar: pixels where bars run to the right, else per cent; ``part`` is the figure's own."""
        return _BAR_PX if self.horizontal else self.room * (part or _BAR_PART)

    @property
    def left(self) -> int:
        """Room in pixels for the labels of the axis up."""
        if self.rows:
            return 0
        return _room(max((text_width(label) for label in self.y.get("ticktext", ())), default=0) + 8)

    @property
    def margins(self) -> str:
        """Classes of the room on both sides."""
        return f"left-{self.left} right-{self.right}"


def frame_of(traces: Sequence[Mapping[str, Any]], layout: Mapping[str, Any]) -> Frame:
    """Find the axes of a figure; an axis without range has categories, named by its ticks."""
    x, y = layout.get("xaxis", {}), layout.get("yaxis", {})
    texts = [trace for trace in traces if trace.get("mode") == "text"]
    for name, axis in (("xaxis", x), ("yaxis", y)):
        if "range" not in axis and not axis.get("tickvals"):
            raise UnknownTraceError(f"the {name} has neither a range nor ticks: set {name}.range or {name}.tickvals and ticktext")
    if "range" not in y:
        return _of_rows(texts, x, y)
    if "range" not in x:
        lines = max(label.count("<br>") for label in x["ticktext"]) + 1
        frame = Frame(horizontal=False, height=_plot_height(layout, lines), x=x, y=y, columns=tuple(x["tickvals"]))
    else:
        frame = Frame(horizontal=False, height=_plot_height(layout, 1), x=x, y=y)
    return dataclasses.replace(frame, right=_right(texts, frame))


def _of_rows(texts: Sequence[Mapping[str, Any]], x: Mapping[str, Any], y: Mapping[str, Any]) -> Frame:
    beside = max((text_width(words, 13) for trace in texts for words in trace["text"]), default=-8)
    rows, top = {}, 0.0
    for name, label in zip(y["tickvals"], y["ticktext"], strict=True):
        rows[name] = Row(top, tuple(_lines(label, NARROWEST_PX - beside - 8)))
        top = rows[name].bottom
    return Frame(horizontal=True, height=top, x=x, y=y, rows=rows)


def _right(texts: Sequence[Mapping[str, Any]], frame: Frame) -> int:
    """Return the room that texts need beyond the plot where it is narrowest."""
    width, needed = NARROWEST_PX - frame.left - 8, 8.0
    for trace in texts:
        anchor, aside, _ = PLACES.get(trace.get("textposition", ""), ("end", 0, 0))
        part = {"": 1.0, "middle": 0.5, "end": 0.0}[anchor]
        for x, words in zip(trace["x"], trace["text"], strict=True):
            needed = max(needed, frame.across(x) * width / 100 + aside + part * text_width(words) - width)
    return _room(needed)


def _room(needed: float) -> int:
    """Round up to a step that the style sheet has a class for."""
    return min(96, 8 * math.ceil(needed / 8))


def _plot_height(layout: Mapping[str, Any], lines: int) -> float:
    return float(layout["height"] - LINE_PX * (lines + 2))


def _lines(label: str, most_px: int) -> list[str]:
    """Break the words of a label, which were broken for a narrow column, into the lines of a wide one."""
    lines = [""]
    for word in label.replace("<br>", " ").split(" "):
        joined = f"{lines[-1]} {word}".lstrip()
        if text_width(joined, 13) <= most_px or not lines[-1]:
            lines[-1] = joined
        else:
            lines.append(word)
    return lines
