"""Define a chart, and the styles, labels and axes that every figure shares."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from ecoia.report import Quantity
from ecoia.semconv import DECLARED, ESTIMATED, MEASURED
from ecoia_dashboards import wording
from ecoia_dashboards.language import Language

# Colours that stay apart for colour-blind readers and in grey, each at 4.5:1 or more on white; a pattern goes with each.
PHASE_STYLES = {
    "training": ("#1f4e79", ""),
    "inference": ("#b8500c", "/"),
    "fine-tuning": ("#6f3b96", "\\"),
    "evaluation": ("#00706a", "x"),
    "data-preparation": ("#5d6614", "|"),
    "unspecified": ("#3d3d3d", "+"),
    "idle": ("#6b7280", "-"),
}
STATUS_STYLES = {MEASURED: ("#1f4e79", ""), ESTIMATED: ("#b8500c", "/"), DECLARED: ("#5d6614", "|")}
CHANGE_STYLES = {"whole": ("#1f4e79", ""), "more": ("#b8500c", "/"), "less": ("#00706a", "\\")}
TREND_COLOR = "#1f4e79"
INTERVAL_COLOR = "#14181d"
CONSTANT_COLOR = "#00706a"

MOST_BARS = 12
"""How many services have a bar of their own."""
OTHERS = ""
"""Category of the bar of the other services."""

LONGEST_TEXT = 30
"""Characters of a legend's entry or an axis' title."""
_NAME_WIDTH = 20  # characters of a line


@dataclass(frozen=True)
class Chart:
    """A figure with its texts and data.

    Attributes:
        id: Name of the figure, and of its anchor on the page.
        title: The finding, as a sentence.
        alt: The shape of the data, for readers who do not see the figure.
        figure: The figure itself.
        columns: Headings of the data, the first of them of the rows' names.
        rows: The data as text.
    """

    id: str
    title: str
    alt: str
    figure: go.Figure
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


# --- words ---


def amount_or_reason(quantity: Quantity, language: Language) -> str:
    """Write a value with its unit, or the reason why there is none."""
    if quantity.value is not None:
        return language.amount(quantity)
    return language.of(wording.REASONS, quantity.reason or "no-data")


def greatest(order: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the bars to draw, the last one for all other services together; and the services without a bar of their own."""
    if len(order) <= MOST_BARS + 1:
        return list(order), []
    return [*order[:MOST_BARS], OTHERS], list(order[MOST_BARS:])


def count_of_others(others: Sequence[str], language: Language) -> str:
    """Name the bar of the services without a bar of their own."""
    return language.n("%(count)s autre service", "%(count)s autres services", len(others))


def sentence_on_others(others: Sequence[str], language: Language) -> str:
    """Say in a text that some services have no bar of their own; empty where each has one."""
    if not others:
        return ""
    return " " + language.t("%(others)s : dans le tableau, sans barre à leur nom.", others=count_of_others(others, language))


def ordered(found: Iterable[str], known: Mapping[str, object]) -> list[str]:
    """Order codes as a mapping has them; unknown codes stand last."""
    rank = {name: place for place, name in enumerate(known)}
    return sorted(found, key=lambda name: (rank.get(name, len(rank)), name))


def shortened(text: str) -> str:
    """Shorten a text to the width of a legend's entry."""
    return textwrap.shorten(text, LONGEST_TEXT, placeholder="…")


def wrapped(name: str) -> str:
    """Break a name into at most three lines."""
    lines = textwrap.wrap(name, _NAME_WIDTH, max_lines=3, placeholder="…") or [name]
    return "<br>".join(lines)


# --- marks and axes ---


def marker(styles: Mapping[str, tuple[str, str]], key: str) -> dict[str, object]:
    """Choose the colour and pattern of a bar; grey for an unknown code."""
    color, shape = styles.get(key, ("#3d3d3d", "+"))
    return {"color": color, "pattern": {"shape": shape}}


def simulated_marker(color: str, *, simulated: bool) -> dict[str, object]:
    """Choose the marks of a quarter's bar: hatched where the quarter is simulated."""
    pattern = {"shape": "/" if simulated else "", "fillmode": "replace" if simulated else "overlay"}
    return {"color": color, "pattern": pattern}


def value_axis(figure: go.Figure, axis: str, largest: float, unit: str, language: Language, *, room: float) -> None:
    """Set an axis of values from 0, with round ticks written in the language, so that every drawing of it reads the same.

    Args:
        figure: The figure to set.
        axis: ``x`` or ``y``.
        largest: The largest value, in ``unit``, above 0.
        unit: Title of the axis.
        language: Language of the ticks.
        room: Length of the axis over the largest value.
    """
    step = 10.0 ** math.floor(math.log10(largest))
    for factor in (0.2, 0.25, 0.5, 1, 2):
        if largest / (step * factor) <= 5:
            step *= factor
            break
    ticks = [step * index for index in range(int(largest * room / step) + 1)]
    digits = max(0, -math.floor(math.log10(step) + 1e-9) + (1 if f"{step:e}".startswith("2.5") else 0))
    figure.update_layout(
        {
            f"{axis}axis": {
                "range": [0, largest * room],
                "tickvals": ticks,
                "ticktext": [language.fixed(tick, digits) for tick in ticks],
                "title": {"text": unit},
            }
        }
    )


def close_axis(figure: go.Figure, values: Sequence[float], title: str, language: Language) -> None:
    """Set an upright axis that fits some values closely, with round ticks; it need not begin at 0."""
    low, high = min(values), max(values)
    span = (high - low) or abs(high) or 1.0
    step = 10.0 ** math.floor(math.log10(span))
    step = next(step * factor for factor in (0.2, 0.5, 1, 2, 5) if span / (step * factor) <= 5)
    first, last = math.floor(low / step), math.ceil(high / step)
    ticks = [step * place for place in range(first, last + 1)]
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    figure.update_yaxes(
        range=[step * (first - 0.3), step * (last + 0.3)],
        tickvals=ticks,
        ticktext=[language.fixed(tick, digits) for tick in ticks],
        title={"text": shortened(title)},
    )


def category_axis(figure: go.Figure, axis: str, order: Sequence[str], labels: Sequence[str]) -> None:
    """Set an axis of categories, the first on top, and the height that their labels need."""
    figure.update_layout(
        {f"{axis}axis": {"tickvals": list(order), "ticktext": list(labels), "autorange": "reversed"}},
        height=48 + sum(18 + 15 * (1 + label.count("<br>")) for label in labels),
    )
