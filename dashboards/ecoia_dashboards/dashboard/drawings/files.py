"""Write a drawing as a file of its own: its colours are written out, as few programs that draw SVG know variables."""

from __future__ import annotations

import re
import textwrap
from functools import cache
from pathlib import Path

from ecoia_dashboards.dashboard.drawings.elements import LINE_PX, clean, element, text
from ecoia_dashboards.dashboard.drawings.patterns import patterns

SHEET = Path(__file__).parents[1] / "static" / "dashboard.css"
_WIDTH, _MARGIN, _TITLE_CHARACTERS, _SOURCE_CHARACTERS = 720, 16, 76, 100
_TOKEN = re.compile(r"(--[\w-]+): (?:light-dark\((#\w+), #\w+\)|([^;]+));")
_RULE = re.compile(r"([^{}]+)\{([^}]*)\}")
_VARIABLE = re.compile(r"var\((--[\w-]+)\)")
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_CLASS = re.compile(r' class="([^"]+)"')
_LAST_CLASS = re.compile(r"(.*\.[\w-]+)")
_OPENING = re.compile(r'<svg class="([^"]+)"[^>]* width="100%" height="([\d.]+)"[^>]*>')
_MARGINS = re.compile(r"(?:left|right)-(\d+)")
_BEGIN, _END = "/* --- drawings", "/* --- end of drawings"


def standalone(drawing: str, title: str, source: str) -> str:
    """Write a drawing as a file of its own, in the light theme, with its title above and its source below.

    Args:
        drawing: What ``draw`` returned.
        title: The finding.
        source: Where the drawing comes from.

    Returns:
        The text of an SVG file, without XML prologue.

    Example:
        >>> standalone(drawing, "T4 2026 : 12 % de moins", "Source : rapport T4 2026")[:26]  # doctest: +SKIP
        '<svg xmlns="http://www.w3.'
    """
    drawing = str(drawing)  # markup would escape what is joined to it
    opening = _OPENING.match(drawing)
    if opening is None:
        raise ValueError("not a drawing of ecoia")
    inner = float(opening[2])
    left, right = map(int, _MARGINS.findall(opening[1]) or ("0", "0"))  # on a page, the style sheet's padding
    above = textwrap.wrap(clean(title), _TITLE_CHARACTERS)
    below = textwrap.wrap(clean(source), _SOURCE_CHARACTERS)
    top = 16 + 20.0 * len(above)
    height = top + inner + 12 + LINE_PX * len(below) + 8
    lines = [text(line, str(_MARGIN), 22 + 20.0 * place, "title") for place, line in enumerate(above)]
    lines += [text(line, str(_MARGIN), top + inner + 12 + 13 + LINE_PX * place, "note") for place, line in enumerate(below)]
    place = {"x": _MARGIN + left, "y": top, "width": _WIDTH - 2 * _MARGIN - left - right, "height": inner}
    held = element("svg", drawing[opening.end() : -len("</svg>")], overflow="visible", **place)
    ground = element("rect", class_="ground", width="100%", height="100%")
    content = f"<style>{_style(drawing)}</style>" + str(patterns()) + ground + "".join(lines) + held
    sizes = {"width": _WIDTH, "height": height, "viewBox": f"0 0 {_WIDTH} {height:g}"}
    return element("svg", content, xmlns="http://www.w3.org/2000/svg", class_="file drawing", **sizes)


def _style(drawing: str) -> str:
    """Write the rules of what a drawing holds, in the light theme."""
    values, rules = _sheet()
    used = {name for classes in _CLASS.findall(drawing + str(patterns())) for name in classes.split()}
    marks = {
        selector.strip().removeprefix("."): body.split(":")[1].strip(" ;")
        for selectors, body in rules
        if body.strip().startswith("--mark")
        for selector in selectors.split(",")
    }
    written = []
    for selectors, body in rules:
        if "var(--mark)" not in body:
            written.append((selectors, body))
            continue
        for role in sorted(used & marks.keys()):
            named = ",".join(_LAST_CLASS.sub(rf"\1.{role}", each, count=1) for each in selectors.split(","))
            written.append((named, body.replace("var(--mark)", marks[role])))
    light = (
        f"{selectors.strip()}{{{_VARIABLE.sub(lambda found: values[found[1]], body).strip()}}}" for selectors, body in written
    )
    return "".join(rule for rule in light if "--mark" not in rule)


@cache
def themed_style() -> str:
    """Return the colours and the rules of drawings as they stand in the style sheet, for a page that is not the dashboard's."""
    sheet = _COMMENT.sub("", SHEET.read_text(encoding="utf-8"))
    colours = sheet[sheet.index("{") + 1 : sheet.index("}")].replace("color-scheme: light dark;", "")
    kept = (line.strip() for line in (colours + _drawing_rules()).splitlines())
    return "\n".join(line for line in kept if line)


def light_colours() -> dict[str, str]:
    """Return the light value of each variable of the style sheet, e.g. ``--ink``, for a medium that knows no variables."""
    return dict(_sheet()[0])


@cache
def _sheet() -> tuple[dict[str, str], tuple[tuple[str, str], ...]]:
    """Return the light values of the style sheet's variables, and its rules of drawings."""
    sheet = SHEET.read_text(encoding="utf-8")
    values = {name: light or plain for name, light, plain in _TOKEN.findall(sheet[: sheet.index("}")])}
    return values, tuple((found[0], found[1]) for found in _RULE.findall(_drawing_rules()))


def _drawing_rules() -> str:
    sheet = SHEET.read_text(encoding="utf-8")
    return _COMMENT.sub("", sheet[sheet.index(_BEGIN) : sheet.index(_END)])
