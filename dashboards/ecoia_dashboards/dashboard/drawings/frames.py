"""Place values and categories: across in per cent of the plot's width, down in pixels, so that a drawing fits any width."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ecoia_dashboards.dashboard.drawings.elements import LINE_PX, text_width

_BAR_PART = 0.62
"""How much of the room of a category its bar takes."""
_BAR_PX, _ROW_GAP_PX = 14, 9
_LABEL_CHARACTERS = 27
"""Characters of a line above a bar; with the value at its right they fit 288 px, the width of a card on the smallest telephone."""


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
    """

    horizontal: bool
    height: float
    x: Mapping[str, Any]
    y: Mapping[str, Any]
    columns: tuple[Any, ...] = ()
    rows: Mapping[Any, Row] = field(default_factory=dict)

    def across(self, value: Any) -> float:
        """Return where a value or category stands, in per cent of the width."""
        if self.columns:
            return 100 * (self.columns.index(value) + 0.5) / len(self.columns)
        low, high = self.x["range"]
        return 100 * (value - low) / (high - low)

    def down(self, value: Any) -> float:
        """Return where a value or category stands, in pixels from the top."""
        if self.rows:
            return self.rows[value].bar
        low, high = self.y["range"]
        return self.height * (1 - (value - low) / (high - low))

    @property
    def room(self) -> float:
        """Width of a category across, in per cent."""
        return 100 / len(self.columns)

    def thickness(self, part: float | None) -> float:
        """Return the thickness of a bar: pixels where bars run to the right, else per cent; ``part`` is the figure's own."""
        return _BAR_PX if self.horizontal else self.room * (part or _BAR_PART)

    @property
    def left(self) -> int:
        """Room in pixels for the labels of the axis up, in steps of eight that the style sheet has a class for."""
        if self.rows:
            return 0
        widest = max((text_width(label) for label in self.y.get("ticktext", ())), default=0)
        return min(96, 8 * math.ceil((widest + 8) / 8))


def frame_of(traces: Sequence[Mapping[str, Any]], layout: Mapping[str, Any]) -> Frame:
    """Find the axes of a figure; an axis without range has categories, named by its ticks."""
    x, y = layout.get("xaxis", {}), layout.get("yaxis", {})
    if "range" in x and "range" in y:
        return Frame(horizontal=False, height=_plot_height(layout, 1), x=x, y=y)
    if any(trace.get("orientation") == "h" for trace in traces):
        rows, top = {}, 0.0
        for name, label in zip(y["tickvals"], y["ticktext"], strict=True):
            rows[name] = Row(top, tuple(_lines(label)))
            top = rows[name].bottom
        return Frame(horizontal=True, height=top, x=x, y=y, rows=rows)
    lines = max(label.count("<br>") for label in x["ticktext"]) + 1
    return Frame(horizontal=False, height=_plot_height(layout, lines), x=x, y=y, columns=tuple(x["tickvals"]))


def _plot_height(layout: Mapping[str, Any], lines: int) -> float:
    return float(layout["height"] - LINE_PX * (lines + 2))


def _lines(label: str) -> list[str]:
    """Break the words of a label, which were broken for a narrow column, into the lines of a wide one."""
    lines = [""]
    for word in label.replace("<br>", " ").split(" "):
        joined = f"{lines[-1]} {word}".lstrip()
        if len(joined) <= _LABEL_CHARACTERS or not lines[-1]:
            lines[-1] = joined
        else:
            lines.append(word)
    return lines
