"""Draw the axes of a figure: thin lines behind the marks, labels in the ink of secondary text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from ecoia_dashboards.dashboard.drawings.elements import LINE_PX, element, percent, text, text_width
from ecoia_dashboards.dashboard.drawings.frames import Frame

_TITLE_CHARACTERS = 40
"""Characters of a line of an axis' title, as wide as the narrowest drawing."""

_NARROWEST_PX = 260
"""Width of a plot on the narrowest screen."""


def grid(frame: Frame) -> str:
    """Draw the lines of the axes of values."""
    lines = []
    if not frame.rows:
        for value in frame.y.get("tickvals", ()):
            down = frame.down(value)
            lines.append(element("line", class_="zero" if value == 0 else "grid", x2="100%", y1=down, y2=down))
    if not frame.columns:
        for value in frame.x.get("tickvals", ()):
            place = percent(frame.across(value))
            lines.append(element("line", class_="zero" if value == 0 else "grid", x1=place, x2=place, y2=float(frame.height)))
    return "".join(lines)


def labels_below(frame: Frame) -> tuple[str, float]:
    """Draw what stands below the plot, in the plot's width; return it with its height."""
    drawn, down = list(_ticks(frame)), LINE_PX + 1.0
    if frame.columns:
        down = LINE_PX * max(label.count("<br>") + 1 for label in frame.x["ticktext"]) + 1.0
    for line in _title(frame.x):
        drawn.append(text(line, "0", frame.height + down + 13, "note"))
        down += LINE_PX
    return "".join(drawn), down + 2


def _ticks(frame: Frame) -> Iterator[str]:
    ticks = list(zip(frame.x.get("tickvals", ()), frame.x.get("ticktext", ()), strict=True))
    for value, label in ticks if frame.columns else ticks[:: _every(frame, ticks)]:
        across = frame.across(value)
        for place, line in enumerate(label.split("<br>")):
            if line:
                anchor = "middle" if frame.columns else _anchor(across, text_width(line))
                yield text(line, percent(across), frame.height + 13 + LINE_PX * place, "tick", text_anchor=anchor)


def _every(frame: Frame, ticks: Sequence[tuple[Any, str]]) -> int:
    """Return 2 where only every second label has room on the narrowest screen; the first may begin at its tick."""
    if len(ticks) < 2:
        return 1
    apart = frame.across(ticks[1][0]) - frame.across(ticks[0][0])
    return 1 if apart / 100 * _NARROWEST_PX >= 1.5 * max(text_width(label) for _, label in ticks) else 2


def _anchor(across: float, width: float) -> str:
    """Return where a label has its tick, so that it stays within the plot on the narrowest screen."""
    half = 100 * width / 2 / _NARROWEST_PX
    return "" if across < max(half, 3) else "end" if across > 100 - max(half, 3) else "middle"


def labels_beside(frame: Frame) -> str:
    """Draw the labels of the axis up, right-aligned before the plot; those of rows above their bars."""
    if frame.rows:
        return "".join(
            text(line, "0", row.top + 13 + LINE_PX * place, "category")
            for row in frame.rows.values()
            for place, line in enumerate(row.lines)
        )
    ticks = zip(frame.y.get("tickvals", ()), frame.y.get("ticktext", ()), strict=True)
    return "".join(text(label, "-6", frame.down(value) + 4, "tick", text_anchor="end") for value, label in ticks)


def heading(frame: Frame) -> list[str]:
    """Return the lines of the title of the axis up, which stand above the plot; a figure of rows has none."""
    return [] if frame.rows else list(_title(frame.y))


def _title(axis: object) -> Iterator[str]:
    words = str(dict(axis).get("title", {}).get("text") or "") if isinstance(axis, dict) else ""
    for line in words.split("<br>"):
        yield from textwrap.wrap(line, _TITLE_CHARACTERS)
