"""Write elements of SVG: numbers short, texts escaped, classes in place of colours."""

from __future__ import annotations

import re
from functools import lru_cache

from markupsafe import Markup, escape

LINE_PX = 17
"""Height of a line of text of 13 px."""
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]|[\ud800-\udfff]")  # XML holds none of them
_SPECIAL = re.compile(f"[&<>\"']|{_CONTROLS.pattern}")
# Widths of DejaVu Sans, the widest of the system fonts, in hundredths of the font's size.
_NARROW, _WIDE = frozenset("iljtfrI.,:;'’!|()[] \u00a0\u202f"), frozenset("mwMWGOQCDHNUABKRVXY@%—…")
_WIDTHS = (40, 62, 86)
_SMALL_PX = 12


def number(value: float) -> str:
    """Write a coordinate with at most two decimals.

    Example:
        >>> number(12.0), number(0.125), number(-0.001)
        ('12', '0.12', '0')
    """
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def percent(value: float) -> str:
    """Write a part of the width."""
    return f"{number(value)}%"


def element(name: str, content: str = "", /, **attributes: object) -> str:
    """Write an element; ``content`` is markup, attributes are escaped, and those that are None or empty are left out.

    ``class_`` writes ``class``, an underscore inside a name writes a hyphen, and a capital stays a capital.

    Example:
        >>> element("rect", class_="bar", x="5%", stroke_width=None)
        '<rect class="bar" x="5%"/>'
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_said(value)}"'
        for key, value in attributes.items()
        if value is not None and value != ""
    )
    return f"<{name}{written}>{content}</{name}>" if content else f"<{name}{written}/>"


def _said(value: object) -> str:
    return number(value) if isinstance(value, float) else escaped(str(value))


def clean(text: str) -> str:
    """Replace the characters that XML cannot hold."""
    return _CONTROLS.sub("\ufffd", text)


def text(words: str, x: str, y: float, class_: str = "", **attributes: object) -> str:
    """Write one line of text; its characters are escaped."""
    return element("text", escaped(words), class_=class_, x=x, y=y, **attributes)


def escaped(words: str) -> str:
    """Write a text as the content of an element."""
    return str(escape(clean(words))) if _SPECIAL.search(words) else words


@lru_cache(maxsize=4096)
def text_width(words: str, size_px: int = _SMALL_PX) -> int:
    """Estimate the width of a line of text, in pixels, from above: a page's font is not known when it is drawn."""
    hundredths = sum(_WIDTHS[0] if c in _NARROW else _WIDTHS[2] if c in _WIDE else _WIDTHS[1] for c in words)
    return -(-hundredths * size_px // 100)


def markup(text: str) -> Markup:
    """Mark what this package wrote as safe: every text in it is escaped."""
    return Markup(text)  # noqa: S704 - see above
