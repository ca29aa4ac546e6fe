"""Draw small marks for table cells and key figures: they fit any width, and their colours are the style sheet's.

``said`` is what a reader hears who does not see the mark; left empty, the mark is hidden from them, as the text beside it says
the same. Shares are parts of the mark's width, from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby

from markupsafe import Markup

from ecoia_dashboards.dashboard.drawings.elements import clean, element, escaped, markup, number, percent, text, text_width
from ecoia_dashboards.dashboard.drawings.patterns import fill

_BAR_PX, _BULLET_PX, _LINE_PX, _CELL_PX = 14, 24, 24, 22
_HEAT_STEPS = 5
_NARROWEST_PX = 190
"""Width of the cells of a heat map on the smallest telephone."""
RECORDED, MISSING, NOT_EXPECTED = "measured", "missing", "not-expected"
"""Kinds of a day in ``days_strip``."""


def sparkline(values: Sequence[float | None], *, said: str = "", top: float | None = None) -> Markup:
    """Draw a line of values from zero, its last point marked; a value that is missing interrupts it and leaves a tick.

    Args:
        values: The values.
        said: See the module.
        top: Value at the upper edge, so that several lines share an axis; None: the greatest of ``values``.

    Example:
        >>> sparkline([12.0, None, 14.0])[:30]
        Markup('<svg class="drawing mark spark')
    """
    top = top or max((value for value in values if value is not None), default=0.0) or 1.0
    step = 100 / max(1, len(values) - 1)
    places = [
        (step * place, None if value is None else _LINE_PX - 4 - (_LINE_PX - 8) * value / top)
        for place, value in enumerate(values)
    ]
    line = "".join(
        "M" + "L".join(f"{number(across)} {number(down)}" for across, down in part if down is not None)
        for known, part in groupby(places, key=lambda place: place[1] is not None)
        if known
    )
    path = element("path", class_="line series", d=line, vector_effect="non-scaling-stroke") if line else ""
    drawn = element(
        "svg", path, width="100%", height=_LINE_PX, viewBox=f"0 0 100 {_LINE_PX}", preserveAspectRatio="none", overflow="visible"
    )
    for across, down in places:
        if down is None:
            drawn += element("line", class_="gap", x1=percent(across), x2=percent(across), y1=_LINE_PX - 6, y2=_LINE_PX - 2)
    alone = [
        p
        for i, p in enumerate(places)
        if p[1] is not None and all(n[1] is None for n in places[max(0, i - 1) : i + 2] if n is not p)
    ]
    for across, down in {*alone, *places[-1:]}:
        if down is not None:
            drawn += element("circle", class_="dot series", cx=percent(across), cy=down, r=3)
    return _mark("spark", _LINE_PX, drawn, said)


def swatch(role: str) -> Markup:
    """Draw what a legend shows for a role, before its word."""
    return markup(
        element(
            "svg",
            _role_rect(role, 0, 1, 0, 11),
            class_="drawing swatch",
            width=16,
            height=11,
            aria_hidden="true",
            focusable="false",
        )
    )


def bar(share: float, low: float | None = None, high: float | None = None, *, role: str = "series", said: str = "") -> Markup:
    """Draw a bar with its interval behind."""
    drawn = "" if low is None or high is None else _rect("band interval-band", low, high, 0, _BAR_PX)
    return _mark("share", _BAR_PX, drawn + _role_rect(role, 0, share, 3, _BAR_PX - 6), said)


def stacked_bar(parts: Mapping[str, float], *, said: str = "") -> Markup:
    """Draw the parts of a bar side by side, in their order: the role of each (``figures.roles``) with its share.

    Example:
        >>> 'url(#pattern-estimated)' in stacked_bar({"measured": 0.5, "estimated": 0.1})
        True
    """
    drawn, start = "", 0.0
    for role, share in parts.items():
        if share > 0:
            drawn += _role_rect(role, start, start + share, 1, _BAR_PX - 2)
            start += share
    return _mark("share", _BAR_PX, drawn, said)


def change_bar(share: float, low: float | None = None, high: float | None = None, *, said: str = "") -> Markup:
    """Draw a change about zero, which is in the middle; ``share`` is from -1 to 1, and so are the ends of its interval."""
    role = "more" if share > 0 else "less"
    start, end = ((each + 1) / 2 for each in sorted((0.0, share)))
    drawn = "" if low is None or high is None else _rect("band interval-band", (low + 1) / 2, (high + 1) / 2, 0, _BAR_PX)
    drawn += _rect(f"bar {role}", start, end, 3, _BAR_PX - 6)
    drawn += element("line", class_="zero", x1="50%", x2="50%", y2=_BAR_PX)
    return _mark("share", _BAR_PX, drawn, said)


def bullet(
    value: float | None, low: float | None, high: float | None, target: float, *, at_least: bool, verdict: str, said: str = ""
) -> Markup:
    """Draw a value against its target: the bar, its interval behind, the target as a line, the side that is allowed shaded.

    Args:
        value: The value; None leaves the bar out.
        low: Lower bound of its interval.
        high: Upper bound of its interval.
        target: The target, in the value's unit.
        at_least: Whether the value has to reach the target; else it may not go beyond it.
        verdict: ``met``, ``unmet`` or ``unsure``.
        said: See the module.
    """
    most = 1.06 * max(each for each in (value, high, target, 0.0) if each is not None) or 1.0
    shares = {
        name: each / most
        for name, each in (("value", value), ("low", low), ("high", high), ("target", target))
        if each is not None
    }
    held = (shares["target"], 1.0) if at_least else (0.0, shares["target"])
    drawn = _rect("track", 0, 1, 3, _BULLET_PX - 6) + _rect("zone allowed", *held, 3, _BULLET_PX - 6)
    if "low" in shares and "high" in shares:
        drawn += _rect("band interval-band", shares["low"], shares["high"], 5, _BULLET_PX - 10)
    if "value" in shares:
        drawn += _rect("bar series", 0, shares["value"], 8, _BULLET_PX - 16)
    place = percent(100 * shares["target"])
    drawn += element("line", class_=f"aim {verdict}", x1=place, x2=place, y2=_BULLET_PX)
    return _mark("bullet", _BULLET_PX, drawn, said)


def days_strip(days: Sequence[str], *, said: str = "") -> Markup:
    """Draw a mark for each day: ``RECORDED``, ``MISSING`` or ``NOT_EXPECTED``.

    Example:
        >>> days_strip([RECORDED, MISSING, NOT_EXPECTED]).count("<rect")
        3
    """
    drawn, first = "", 0
    for kind, held in groupby(days):
        last = first + len(list(held))
        drawn += _role_rect(kind, first / len(days), last / len(days), 1, _BAR_PX - 2)
        first = last
    ends = "".join(f"M{place} 0v1" for place in range(1, len(days)))
    lines = element("path", class_="separator", d=ends, vector_effect="non-scaling-stroke") if ends else ""
    drawn += element("svg", lines, width="100%", height=_BAR_PX, viewBox=f"0 0 {max(1, len(days))} 1", preserveAspectRatio="none")
    return _mark("days", _BAR_PX, drawn, said)


def heat_map(
    rows: Sequence[str],
    columns: Sequence[str],
    cells: Sequence[Sequence[float | None]],
    *,
    write: Callable[[float], str],
    missing: str,
    said: str,
    from_least: bool = False,
) -> Markup:
    """Draw values by row and column, in five steps up to the greatest, with a legend; a table beside it has the values.

    Args:
        rows: Labels of the rows.
        columns: Labels of the columns; where there are many, some are left out.
        cells: The values, a sequence for each row; None is missing.
        write: Writes a value with its unit, for the legend and for each cell's own text.
        missing: The word for a value that is missing.
        said: What the map shows, for readers who do not see it.
        from_least: Whether the steps start from the least value, of what has no meaningful zero; else from zero.
    """
    every_value = [value for row in cells for value in row if value is not None]
    greatest = max(every_value, default=0.0)
    least = min(every_value, default=0.0) if from_least else 0.0
    left = min(96, 8 * -(-(max(map(text_width, rows)) + 8) // 8))
    beside = "".join(text(row, "-6", 20 + _CELL_PX * place + 15, "tick", text_anchor="end") for place, row in enumerate(rows))
    width, every = 100 / len(columns), _labelled(columns)
    plot = "".join(
        text(column, percent(width * (place + 0.5)), 13, "tick", text_anchor="middle")
        for place, column in enumerate(columns)
        if place % every == 0
    )
    for down, (row, line) in enumerate(zip(rows, cells, strict=True)):
        for across, (column, value) in enumerate(zip(columns, line, strict=True)):
            class_ = "hatched missing" if value is None else f"cell heat-{_heat_step(value - least, greatest - least)}"
            pattern = fill("missing") if value is None else None
            words = f"{row}, {column} : {missing if value is None else write(value)}"
            place = {"x": percent(width * across), "y": 20 + _CELL_PX * down, "width": percent(width), "height": _CELL_PX}
            plot += element("rect", element("title", escaped(words)), class_=class_, fill=pattern, **place)
    height = 20 + _CELL_PX * len(rows)
    lacking = any(value is None for row in cells for value in row)
    entries, below = _heat_legend(least, greatest, write, missing if lacking else "", height + 10)
    return _mark(f"heat left-{left} right-8", height + 10 + below, beside + plot + entries, said)


def _labelled(columns: Sequence[str]) -> int:
    """Return how many columns share a label, so that labels stand apart on the smallest telephone."""
    least = -(-len(columns) * (max(map(text_width, columns)) + 8) // _NARROWEST_PX)
    return next((step for step in range(least, 2 * least + 1) if len(columns) % step == 0), least)


def _heat_step(value: float, greatest: float) -> int:
    return min(_HEAT_STEPS, 1 + int(_HEAT_STEPS * value / greatest)) if greatest > 0 else 1


def _heat_legend(least: float, greatest: float, write: Callable[[float], str], missing: str, top: int) -> tuple[str, int]:
    """Draw the swatches of the steps side by side with the values between them, and that of what is missing below."""
    part = 18
    drawn = "".join(
        element("rect", class_=f"cell heat-{step + 1}", x=percent(part * step), y=top, width=percent(part), height=10)
        for step in range(_HEAT_STEPS)
    )
    ends = ((0, write(least) if least else "0", ""), (part * _HEAT_STEPS, write(greatest), "end"))
    drawn += "".join(text(words, percent(place), top + 25, "tick", text_anchor=anchor) for place, words, anchor in ends)
    if not missing:
        return drawn, 32
    drawn += element("rect", class_="hatched missing", fill=fill("missing"), x=0, y=top + 34, width=16, height=11)
    return drawn + text(missing, "22", top + 44, "entry"), 52


def _role_rect(role: str, start: float, end: float, top: int, height: int) -> str:
    pattern = fill(role)
    return _rect(f"{'hatched' if pattern else 'bar'} {role}", start, end, top, height, pattern)


def _rect(class_: str, start: float, end: float, top: int, height: int, pattern: str | None = None) -> str:
    ends = [min(max(each, 0.0), 1.0) for each in (start, end)]
    place = {"x": percent(100 * ends[0]), "y": top, "width": percent(100 * (ends[1] - ends[0])), "height": height}
    return element("rect", class_=class_, fill=pattern, **place)


def _mark(kind: str, height: int, drawn: str, said: str) -> Markup:
    speech = {"role": "img", "aria_label": clean(said)} if said else {"aria_hidden": "true", "focusable": "false"}
    return markup(element("svg", drawn, class_=f"drawing mark {kind}", width="100%", height=height, **speech))
