"""Draw the traces of a figure: bars, lines, bands, points with their intervals, and texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ecoia_dashboards.dashboard.drawings.elements import element, number, percent, text
from ecoia_dashboards.dashboard.drawings.frames import PLACES, Frame
from ecoia_dashboards.dashboard.drawings.patterns import fill
from ecoia_dashboards.svg import UnknownTraceError

Trace = Mapping[str, Any]
SYMBOLS = {
    "diamond": "M0-5.5L5.5 0 0 5.5-5.5 0z",
    "circle": "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",
    "circle-open": "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0z",
    "line-ns": "",
    "line-ne": "M-6 9L0-9h6L0 9z",
}
"""Paths of Plotly's symbols; ``line-ns`` is the interval alone, and ``line-ne`` breaks a bar whose axis is cut."""


def drawn_traces(traces: Sequence[Trace], layout: Mapping[str, Any], frame: Frame) -> str:
    """Draw all traces, in their order."""
    bars = [trace for trace in traces if trace["type"] == "bar"]
    mode = layout.get("barmode")
    if bars and mode not in ("stack", "group"):
        raise UnknownTraceError(f"barmode {mode!r} has no drawing: use 'stack' or 'group'")
    places = {id(trace): (place, len(bars)) for place, trace in enumerate(bars)} if mode == "group" else {}
    stacked: dict[Any, float] = {}
    drawn: list[str] = []
    below: Trace | None = None
    for trace in traces:
        if trace["type"] == "bar":
            drawn += _bars(trace, frame, stacked, *places.get(id(trace), (0, 1)))
        else:
            drawn.append(_scatter(trace, frame, below))
            below = trace
    return "".join(drawn)


def _bars(trace: Trace, frame: Frame, stacked: dict[Any, float], place: int, count: int) -> Iterator[str]:
    names, lengths = (trace["y"], trace["x"]) if frame.horizontal else (trace["x"], trace["y"])
    bases = trace.get("base") or [None] * len(names)
    zero = max(0.0, (frame.x if frame.horizontal else frame.y)["range"][0])
    thickness = frame.thickness(trace.get("width")) / count
    for name, length, base in zip(names, lengths, bases, strict=True):
        start = base if base is not None else 0.0 if count > 1 else stacked.get(name, 0.0)
        if base is None and count == 1 and length:
            stacked[name] = start + length
        if length:
            ends = sorted((max(start, zero) if start >= 0 else start, start + length))
            yield _bar(trace, frame, name, ends, thickness, (place - (count - 1) / 2) * thickness)


def _bar(trace: Trace, frame: Frame, name: Any, ends: Sequence[float], thickness: float, aside: float) -> str:
    role = trace["meta"]
    pattern = fill(role)
    zone = trace.get("width") == 1  # bars that touch are one zone
    class_ = f"{'zone' if zone else 'hatched' if pattern else 'bar'} {role}"
    if frame.horizontal:
        left, right = frame.across(ends[0]), frame.across(ends[1])
        place = {"x": percent(left), "y": frame.down(name) + aside - thickness / 2}
        return element("rect", class_=class_, fill=pattern, **place, width=percent(right - left), height=float(thickness))
    top, bottom = frame.down(ends[1]), frame.down(ends[0])
    place = {"x": percent(frame.across(name) + aside - thickness / 2), "y": top}
    return element("rect", class_=class_, fill=pattern, **place, width=percent(thickness), height=bottom - top)


def _scatter(trace: Trace, frame: Frame, below: Trace | None) -> str:
    mode = trace.get("mode")
    if mode == "text":
        return _texts(trace, frame)
    if mode not in ("lines", "markers", "lines+markers"):
        raise UnknownTraceError(f"scatter mode {mode!r} has no drawing: use 'lines', 'markers', 'lines+markers' or 'text'")
    lines = _lines(trace, frame, below) if "lines" in mode else ""
    return lines + (_points(trace, frame) if "markers" in mode else "")


# --- lines ---


def _lines(trace: Trace, frame: Frame, below: Trace | None) -> str:
    """Draw a line, or the band between it and the line before, in a plot of its own that stretches to the width."""
    if trace.get("fill"):
        path, class_ = _band(trace, frame, below), "band"
    elif trace.get("line", {}).get("width") == 0:
        return ""  # the lower edge of a band
    else:
        path, class_ = _path(_edges(trace, frame)), "line"
    if (dash := trace.get("line", {}).get("dash")) not in (None, "solid", "dash"):
        raise UnknownTraceError(f"line dash {dash!r} has no drawing: use 'solid' or 'dash'")
    class_ += f" {trace['meta']}" + (" dashed" if dash == "dash" else "")
    drawn = element("path", class_=class_, d=path, vector_effect="non-scaling-stroke")
    box = f"0 0 100 {number(frame.height)}"
    return element("svg", drawn, width="100%", height=float(frame.height), viewBox=box, preserveAspectRatio="none")


def _band(trace: Trace, frame: Frame, below: Trace | None) -> str:
    if trace["fill"] != "tonexty" or below is None or len(below["x"]) != len(trace["x"]):
        raise UnknownTraceError(f"fill {trace['fill']!r} has no drawing: use 'tonexty', after a line of as many points")
    parts = zip(_edges(trace, frame), _edges(below, frame), strict=True)
    return "".join(_path([upper + lower[::-1]]) + "z" for upper, lower in parts)


def _edges(trace: Trace, frame: Frame) -> list[list[tuple[float, float]]]:
    """Return the parts of a line, which is interrupted where a value is missing."""
    shape = trace.get("line", {}).get("shape", "linear")
    if shape not in ("linear", "hvh"):
        raise UnknownTraceError(f"line shape {shape!r} has no drawing: use 'linear' or 'hvh'")
    parts: list[list[tuple[float, float]]] = [[]]
    for x, y in zip(trace["x"], trace["y"], strict=True):
        if y is None:
            parts.append([])
            continue
        across, down = frame.across(x), frame.down(y)
        half = frame.room / 2 if shape == "hvh" else 0.0
        parts[-1] += [(across - half, down), (across + half, down)] if half else [(across, down)]
    return [part for part in parts if part]


def _path(parts: Sequence[Sequence[tuple[float, float]]]) -> str:
    return "".join("M" + "L".join(f"{number(x)} {number(y)}" for x, y in part) for part in parts)


# --- points ---


def _points(trace: Trace, frame: Frame) -> str:
    symbol = trace.get("marker", {}).get("symbol", "circle")
    if symbol not in SYMBOLS:
        raise UnknownTraceError(f"marker {symbol!r} has no drawing: use one of {', '.join(SYMBOLS)}")
    drawn = []
    for place, (x, y) in enumerate(zip(trace["x"], trace["y"], strict=True)):
        if y is None:
            continue
        across, down = frame.across(x), frame.down(y)
        if sides := _sides(trace, "error_x", place):
            drawn.append(_interval_across(frame, trace["meta"], x - sides[0], x + sides[1], down))
        upright = ""
        if sides := _sides(trace, "error_y", place):
            upright = _upright(trace["meta"], frame.down(y + sides[1]) - down, frame.down(y - sides[0]) - down)
        if upright or SYMBOLS[symbol]:
            mark = element("path", class_=f"point {symbol} {trace['meta']}", d=SYMBOLS[symbol]) if SYMBOLS[symbol] else ""
            drawn.append(element("svg", upright + mark, x=percent(across), y=down, overflow="visible"))
    return "".join(drawn)


def _sides(trace: Trace, name: str, place: int) -> tuple[float, float] | None:
    error = trace.get(name)
    if not error:
        return None
    sides = error["arrayminus"][place], error["array"][place]
    return sides if any(sides) else None


def _upright(role: str, top: float, bottom: float) -> str:
    top_, bottom_ = number(top), number(bottom)
    path = f"M-4 {top_}h8M-4 {bottom_}h8M0 {top_}V{bottom_}"
    return element("path", class_="halo", d=path) + element("path", class_=f"reach {role}", d=path)


def _interval_across(frame: Frame, role: str, low: float, high: float, down: float) -> str:
    left, right = percent(frame.across(low)), percent(frame.across(high))
    ends = ((left, right, 0), (left, left, 4), (right, right, 4))
    return "".join(
        element("line", class_=class_, x1=a, x2=b, y1=down - half, y2=down + half)
        for class_ in ("halo", f"reach {role}")
        for a, b, half in ends
    )


# --- texts ---


def _texts(trace: Trace, frame: Frame) -> str:
    position = trace.get("textposition")
    if position not in PLACES:
        raise UnknownTraceError(f"text position {position!r} has no drawing: use one of {', '.join(PLACES)}")
    anchor, right, down = PLACES[position]
    drawn = []
    for x, y, words in zip(trace["x"], trace["y"], trace["text"], strict=True):
        if frame.horizontal:  # above its bar, at the right edge: beside the bar it would leave a narrow plot
            row = frame.rows[y]
            drawn.append(text(words, "100%", row.top + 13, "value on page", text_anchor="end"))
        else:
            place = {"text_anchor": anchor, "dx": right or None}
            drawn.append(
                text(words, percent(frame.across(x)), frame.down(y) + down, f"value on {trace.get('meta', 'page')}", **place)
            )
    return "".join(drawn)
