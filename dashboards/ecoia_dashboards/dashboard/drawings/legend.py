"""Draw the legend: entries side by side, in as many lines as the narrowest drawing needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ecoia_dashboards.dashboard.drawings.elements import element, text, text_width
from ecoia_dashboards.dashboard.drawings.frames import NARROWEST_PX
from ecoia_dashboards.dashboard.drawings.patterns import fill
from ecoia_dashboards.dashboard.drawings.traces import SYMBOLS

_LINE_PX, _SWATCH_PX, _GAP_PX = 20, 22, 14


def legend(traces: Sequence[Mapping[str, Any]]) -> tuple[str, float]:
    """Draw an entry for each trace that has a name and is not kept out; return them with their height."""
    drawn, left, line = [], 0, 0
    for trace in traces:
        if trace.get("showlegend") is False or not trace.get("name"):
            continue
        wide = _SWATCH_PX + text_width(trace["name"])
        if left and left + wide >= NARROWEST_PX:
            left, line = 0, line + 1
        drawn.append(
            _swatch(trace, left, line * _LINE_PX) + text(trace["name"], str(left + _SWATCH_PX), line * _LINE_PX + 13, "entry")
        )
        left += wide + _GAP_PX
    return "".join(drawn), (line + 1) * _LINE_PX + 6.0 if drawn else 0.0


def _swatch(trace: Mapping[str, Any], left: int, top: int) -> str:
    role = trace["meta"]
    if trace["type"] == "bar" or trace.get("fill"):
        pattern = fill(role)
        class_ = f"{'hatched' if pattern else 'bar'} {role}"
        return element("rect", class_=class_, fill=pattern, x=left, y=top + 3, width=16, height=11)
    drawn = ""
    if "lines" in trace["mode"]:
        dashed = " dashed" if trace.get("line", {}).get("dash") == "dash" else ""
        drawn = element("path", class_=f"line {role}{dashed}", d="M0 0h16")
    if "markers" in trace["mode"]:
        symbol = trace["marker"].get("symbol", "circle")
        mark = element("path", class_=f"point {symbol} {role}", d=SYMBOLS[symbol]) if SYMBOLS[symbol] else ""
        drawn += mark and element("g", mark, transform="translate(8)")
        drawn += "" if mark else element("path", class_=f"reach {role}", d="M0 0h16M0-4v8M16-4v8")
    return element("svg", drawn, x=left, y=top + 9, overflow="visible")
