"""Refuse what has no drawing: an attribute that was passed over would make a drawing that says less than its figure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ecoia_dashboards.figures.roles import ROLES
from ecoia_dashboards.svg import UnknownTraceError

_ERROR = frozenset({"array", "arrayminus"})
_MARKER = frozenset({"marker.color", "marker.symbol", "marker.pattern.shape", "marker.pattern.size", "marker.pattern.fillmode"})
_ANY = frozenset({"type", "x", "y", "name", "meta", "showlegend"})
_TRACES = {
    "bar": _ANY | _MARKER | {"orientation", "base", "width"},
    "scatter": _ANY
    | _MARKER
    | {"mode", "text", "textposition", "fill", "line.color", "line.dash", "line.shape", "line.width"}
    | {f"error_{axis}.{name}" for axis in "xy" for name in _ERROR},
}
_AXIS = frozenset({"range", "tickvals", "ticktext", "title.text", "autorange"})
_LAYOUT = frozenset({"template", "barmode", "height"}) | {f"{axis}axis.{name}" for axis in "xy" for name in _AXIS}


def check(traces: list[dict[str, Any]], layout: Mapping[str, Any]) -> None:
    """Check that a figure holds only what we draw.

    Raises:
        UnknownTraceError: naming the trace kind, the attribute, or the role that is not known.
    """
    for trace in traces:
        kind = trace["type"]
        if kind not in _TRACES:
            raise UnknownTraceError(f"trace kind {kind!r} has no drawing: use one of {', '.join(_TRACES)}")
        _known(_paths(trace), _TRACES[kind], f"{kind} trace {trace.get('name') or ''}".strip())
        _check_role(trace)
    _known(_paths({name: value for name, value in layout.items() if name != "template"}), _LAYOUT, "layout")


def _check_role(trace: Mapping[str, Any]) -> None:
    role = trace.get("meta", "page" if trace.get("mode") == "text" else None)  # a text stands on the page, unless it says on what
    if role not in ROLES:
        raise UnknownTraceError(
            f"{trace['type']} trace {trace.get('name') or ''!r} stands for {role!r}, which has no style: "
            f"set its meta to one of {', '.join(ROLES)}"
        )
    for part in ("marker", "line"):
        color = trace.get(part, {}).get("color", ROLES[role][0])
        if color != ROLES[role][0]:
            raise UnknownTraceError(f"{part}.color {color!r} is not the colour of {role!r}: use {ROLES[role][0]!r}")


def _known(found: Iterator[str], known: frozenset[str], where: str) -> None:
    for path in found:
        if path not in known:
            raise UnknownTraceError(f"attribute {path!r} of the {where} has no drawing: use only {', '.join(sorted(known))}")


def _paths(values: Mapping[str, Any], above: str = "") -> Iterator[str]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _paths(value, f"{above}{name}.")
        else:
            yield above + name
