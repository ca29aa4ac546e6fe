"""Define a chart, and the labels and axes that every figure shares."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from ecoia.readable.scales import column_scale
from ecoia.report import Quantity
from ecoia_dashboards import wording
from ecoia_dashboards.language import Language, QuantityColumn, Scaling

MOST_BARS = 8
"""How many services have a bar of their own."""
OTHERS = ""
"""Category of the bar of the other services."""

LONGEST_TEXT = 30
"""Characters of a legend's entry or an axis' title."""
_NAME_WIDTH = 20  # characters of a line


@dataclass(frozen=True)
class Changed:
    """A cell of a chart's data that holds a change: it is written with its sign."""

    quantity: Quantity


Cell = str | Quantity | Changed


@dataclass(frozen=True)
class Chart:
    """A figure with its texts and data.

    Attributes:
        id: Name of the figure, and of its anchor on the page.
        title: The finding, as a sentence.
        alt: The shape of the data, for readers who do not see the figure.
        figure: The figure itself.
        headings: Headings of the data, the first of them of the lines' names.
        cells: The data, one line a bar or point: texts and figures.
        language: Language of the texts.
        scaled: Chooses the unit of each column of ``cells``.
    """

    id: str
    title: str
    alt: str
    figure: go.Figure
    headings: tuple[str, ...]
    cells: tuple[tuple[Cell, ...], ...]
    language: Language
    scaled: Scaling = column_scale

    @property
    def columns(self) -> tuple[str, ...]:
        """Headings of ``rows``: figures with intervals have a column more."""
        interval = self.language.t("Intervalle à 95 %%")
        found: list[str] = []
        for place, heading in enumerate(self.headings):
            found += [heading, interval] if self.has_bounds(place) else [heading]
        return tuple(found)

    @property
    def rows(self) -> tuple[tuple[str, ...], ...]:
        """The data as text, each column of figures in one unit."""
        columns = zip(*self.cells, strict=True)
        writers = [self.language.column(map(quantity_in, column), scaled=self.scaled) for column in columns]
        rows = []
        for line in self.cells:
            texts: list[str] = []
            for place, cell in enumerate(line):
                texts.append(written(cell, writers[place], self.language))
                if self.has_bounds(place):
                    quantity = quantity_in(cell)
                    texts.append((writers[place].interval(quantity) if quantity else None) or "—")
            rows.append(tuple(texts))
        return tuple(rows)

    def has_bounds(self, place: int) -> bool:
        """Return whether some figure of a column of ``cells`` has an interval."""
        return any((found := quantity_in(line[place])) is not None and found.low is not None for line in self.cells)


def quantity_in(cell: Cell) -> Quantity | None:
    """Return the figure that a cell holds; None where it is a text."""
    if isinstance(cell, Changed):
        return cell.quantity
    return cell if isinstance(cell, Quantity) else None


def written(cell: Cell, column: QuantityColumn, language: Language) -> str:
    """Write a cell: a text as it is, a figure in the unit of its column, or the reason why it has no value."""
    if isinstance(cell, str):
        return cell
    quantity = cell.quantity if isinstance(cell, Changed) else cell
    if quantity.value is None:
        return language.of(wording.REASONS, quantity.reason or "no-data")
    return column.change(quantity) if isinstance(cell, Changed) else column.amount(quantity)


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


# --- axes ---


def value_axis(
    figure: go.Figure, axis: str, largest: float, unit: str, language: Language, *, room: float, start: float = 0.0
) -> None:
    """Set an axis of values, with round ticks written in the language, so that every drawing of it reads the same.

    Args:
        figure: The figure to set.
        axis: ``x`` or ``y``.
        largest: The largest value, in ``unit``, above ``start``.
        unit: Title of the axis.
        language: Language of the ticks.
        room: Length of the axis over the largest value, ``start`` taken off both.
        start: Where the axis begins; where it is not 0, the figure says that it is cut.
    """
    span = largest - start
    step = 10.0 ** math.floor(math.log10(span))
    for factor in (0.2, 0.25, 0.5, 1, 2):
        if span / (step * factor) <= 5:
            step *= factor
            break
    end = start + span * room
    first = math.ceil(start / step - 1e-9)
    ticks = [step * index for index in range(first, math.floor(end / step + 1e-9) + 1)]
    digits = max(0, -math.floor(math.log10(step) + 1e-9) + (1 if f"{step:e}".startswith("2.5") else 0))
    figure.update_layout(
        {
            f"{axis}axis": {
                "range": [start, end],
                "tickvals": ticks,
                "ticktext": [language.fixed(tick, digits) for tick in ticks],
                "title": {"text": unit},
            }
        }
    )


def errors(quantities: Sequence[Quantity], size: float) -> dict[str, list[float]]:
    """Measure how far intervals go beyond their values on either side, in a unit of ``size``; nothing where there is none."""
    values = [each.value or 0.0 for each in quantities]
    highs = [value if each.high is None else each.high for value, each in zip(values, quantities, strict=True)]
    lows = [value if each.low is None else each.low for value, each in zip(values, quantities, strict=True)]
    return {
        "array": [max(high - value, 0.0) / size for high, value in zip(highs, values, strict=True)],
        "arrayminus": [max(value - low, 0.0) / size for low, value in zip(lows, values, strict=True)],
    }


def highest(quantities: Iterable[Quantity]) -> float:
    """Return the greatest value or upper bound; 0 where nothing is known."""
    return max((bound for each in quantities for bound in (each.value, each.high) if bound is not None), default=0.0)


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
        height=48 + sum(13 + 14 * (1 + label.count("<br>")) for label in labels),
    )
