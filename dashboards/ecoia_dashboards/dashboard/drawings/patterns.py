"""Draw the patterns that tell what a bar stands for without its colour.

A drawing names a pattern (``pattern-estimated``) and the page holds all of them once, in a hidden element (``patterns``); the
style sheet colours them, so that they follow the theme.
"""

from __future__ import annotations

from functools import cache

from markupsafe import Markup

from ecoia_dashboards.dashboard.drawings.elements import element, markup

_DOWN, _UP, _ACROSS, _UPRIGHT = "M0 0l6 6M-1 5l2 2M5-1l2 2", "M0 6l6-6M-1 1l2-2M5 7l2-2", "M0 3h6", "M3 0v6"
_DOWN_DENSE, _UP_DENSE = _DOWN + "M-1 2l5 5M2-1l5 5", _UP + "M-1 4l5-5M2 7l5-5"
_ACROSS_DENSE, _UPRIGHT_DENSE = "M0 1.5h6M0 4.5h6", "M1.5 0v6M4.5 0v6"
_SHAPES = {
    "estimated": (_UP, "/"),
    "declared": ("M1.5 1.5h1.4v1.4h-1.4zM4.5 4.5h1.4v1.4h-1.4z", "."),
    "missing": (_DOWN, "\\"),
    "not-expected": ("", ""),
    "fine-tuning": (_DOWN, "\\"),
    "evaluation": (_UP + _DOWN, "x"),
    "data-preparation": (_UPRIGHT, "|"),
    "inception": (_UPRIGHT_DENSE, "|"),
    "deployment": (_UP_DENSE, "/"),
    "monitoring": (_ACROSS_DENSE, "-"),
    "retirement": (_DOWN_DENSE, "\\"),
    "unspecified": (_ACROSS + _UPRIGHT, "+"),
    "idle": (_ACROSS, "-"),
    "series-simulated": (_UP, "/"),
    "constant-simulated": (_UP, "/"),
}
"""Path of each pattern in a tile of six pixels, and Plotly's shape that is nearest."""


def fill(role: str) -> str | None:
    """Return what fills a bar; None where the style sheet's colour does."""
    return f"url(#pattern-{role})" if role in _SHAPES else None


def plotly_shape(role: str) -> str:
    """Return the pattern of a role as Plotly names it; empty where there is none."""
    return _SHAPES[role][1] if role in _SHAPES else ""


@cache
def patterns() -> Markup:
    """Draw the patterns, for the page or the file that holds drawings.

    Example:
        >>> 'id="pattern-estimated"' in patterns()
        True
    """
    drawn = "".join(_pattern(role, shape) for role, (shape, _) in _SHAPES.items())
    return markup(
        element("svg", f"<defs>{drawn}</defs>", class_="patterns", width=0, height=0, aria_hidden="true", focusable="false")
    )


def _pattern(role: str, shape: str) -> str:
    content = element("rect", class_="ground", width=6, height=6) + (element("path", d=shape) if shape else "")
    return element(
        "pattern", content, id=f"pattern-{role}", class_=f"pattern {role}", width=6, height=6, patternUnits="userSpaceOnUse"
    )
