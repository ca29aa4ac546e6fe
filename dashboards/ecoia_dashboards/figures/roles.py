"""Say what each mark of a figure stands for, with its colour and pattern."""

from __future__ import annotations

from ecoia.semconv import DECLARED, ESTIMATED, MEASURED

# Colours that stay apart for colour-blind readers and in grey, each at 4.5:1 or more on white; a pattern goes with each. A sign
# written twice is the same pattern with its lines twice as close: Plotly has fewer patterns than there are phases.
DENSE = 4
"""Size in pixels of a pattern whose lines are close; Plotly's own is 8."""
PHASE_STYLES = {
    "training": ("#1f4e79", ""),
    "inference": ("#b8500c", "/"),
    "fine-tuning": ("#6f3b96", "\\"),
    "evaluation": ("#00706a", "x"),
    "data-preparation": ("#5d6614", "|"),
    "inception": ("#8c2f39", "||"),
    "deployment": ("#2f5d8c", "//"),
    "monitoring": ("#8a5a00", "--"),
    "retirement": ("#4a4560", "\\\\"),
    "unspecified": ("#3d3d3d", "+"),
    "idle": ("#6b7280", "-"),
}
STATUS_STYLES = {MEASURED: ("#1f4e79", ""), ESTIMATED: ("#b8500c", "/"), DECLARED: ("#5d6614", "|")}
CHANGE_STYLES = {"whole": ("#1f4e79", ""), "more": ("#b8500c", "/"), "less": ("#00706a", "\\")}
ROLES: dict[str, tuple[str, str]] = {
    **PHASE_STYLES,
    **STATUS_STYLES,
    **CHANGE_STYLES,
    "series": ("#1f4e79", ""),
    "series-simulated": ("#1f4e79", "/"),
    "constant": ("#00706a", ""),  # at the grid factors of one year
    "constant-simulated": ("#00706a", "/"),
    "compared": ("#5a6570", ""),  # the period that another is compared with
    "band": ("#c9d8e8", ""),
    "interval": ("#14181d", ""),
    "path": ("#00706a", ""),  # what a target allows, and the zone below it, light enough for levels to be read on it
    "allowed": ("#e3f1ef", ""),
    "baseline": ("#5f6873", ""),  # the quarters that a path starts from, and the zone below: past, so they stand back
    "baseline-zone": ("#eef0f2", ""),
    "unmatched": ("#1f4e79", ""),
    "matched": ("#b8500c", ""),
    "page": ("#ffffff", ""),
}
"""What a mark stands for, with its colour and pattern on paper; a trace's ``meta`` names it, and dashboards style it by it."""


def bar_style(role: str) -> dict[str, object]:
    """Choose the colour and pattern of a bar, and say what it stands for; an unknown code is unspecified, in grey.

    Example:
        >>> bar_style("declared")["meta"]
        'declared'
    """
    role = role if role in ROLES else "unspecified"
    color, shape = ROLES[role]
    dense = {"size": DENSE} if len(shape) > 1 else {}
    return {"meta": role, "marker": {"color": color, "pattern": {"shape": shape[:1], **dense}}}


def quarter_style(role: str, *, simulated: bool) -> dict[str, object]:
    """Choose the style of a quarter's bar: hatched where the quarter is simulated."""
    role = f"{role}-simulated" if simulated else role
    color, shape = ROLES[role]
    return {
        "meta": role,
        "marker": {"color": color, "pattern": {"shape": shape, "fillmode": "replace" if simulated else "overlay"}},
    }


def point_style(role: str, symbol: str) -> dict[str, object]:
    """Choose the colour and symbol of points, and say what they stand for."""
    return {"meta": role, "marker": {"color": ROLES[role][0], "symbol": symbol}}


def line_style(role: str, **further: object) -> dict[str, object]:
    """Choose the colour of a line, and say what it stands for; ``further`` are Plotly's attributes of a line."""
    return {"meta": role, "line": {"color": ROLES[role][0], **further}}
