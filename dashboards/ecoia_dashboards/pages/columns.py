"""Write the figures of a table in one unit a column: the table is drawn first, its figures are then written where they stand."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from markupsafe import Markup, escape

from ecoia.impact.embodied import MICROGRAMS_PER_KG
from ecoia.report import Quantity, TokensUsed
from ecoia.units import kwh
from ecoia_dashboards import wording
from ecoia_dashboards.language import QuantityColumn
from ecoia_dashboards.pages.drawing import rounded
from ecoia_dashboards.pages.phrases import Phrases

# Marks that no text of a report can hold: ``clean`` replaces controls.
_PLACE = re.compile("\x01([0-9]+)\x02")
_PIECES = re.compile(f"<tr\\b|<t[hd]\\b|{_PLACE.pattern}")


class _Figure(NamedTuple):
    """A figure that waits for its column: how it is written, and the columns that it shares a unit with, if not its own."""

    quantity: Quantity
    write: Callable[[QuantityColumn, Quantity], str | None]
    group: str
    apart: bool


class Columns(Phrases):
    """Figures of tables. A figure that stands in no table is written at once, in the unit that suits it."""

    _waiting: list[_Figure] | None = None

    def whole_table(self, draw: Callable[[], str]) -> Markup:
        """Draw a table, and write its figures once all of each column are known.

        Args:
            draw: Draws the table, whose cells hold figures by ``figure`` and the others.

        Returns:
            The table, each of its columns in the unit that suits the greatest figure of the column.
        """
        waiting: list[_Figure] = []
        self._waiting = waiting
        try:
            drawn = str(draw())
        finally:
            self._waiting = None
        columns: dict[str, list[int]] = {}
        place = 0
        for piece in _PIECES.finditer(drawn):
            if piece[1] is None:
                place = 0 if piece[0] == "<tr" else place + 1
            else:
                columns.setdefault(waiting[int(piece[1])].group or str(place), []).append(int(piece[1]))
        texts: dict[int, str] = {}
        for numbers in columns.values():
            held = [waiting[number] for number in numbers]
            column = self.language.column((each.quantity for each in held), apart=all(each.apart for each in held))
            texts |= {number: each.write(column, each.quantity) or "" for number, each in zip(numbers, held, strict=True)}
        return Markup(_PLACE.sub(lambda mark: str(escape(texts[int(mark[1])])), drawn))  # noqa: S704 - the texts are escaped

    def figure(self, quantity: Quantity, figures: int = 3, *, group: str = "", apart: bool = False) -> str:
        """Write the value of a figure with its unit.

        Args:
            quantity: The figure; it has a value.
            figures: Its significant figures.
            group: Name that columns of one table share to be written in one unit; empty: the column has its own.
            apart: Whether each line of the column is read by itself (``Language.column``).
        """
        return self._placed(_Figure(rounded(quantity, figures), lambda column, it: column.amount(it, figures), group, apart))

    def bounds(self, quantity: Quantity, figures: int = 3, *, group: str = "", apart: bool = False) -> str:
        """Write the interval of a figure, as ``figure`` does its value; empty where it has none."""
        if quantity.value is None or quantity.low is None or quantity.high is None:
            return ""
        return self._placed(_Figure(rounded(quantity, figures), lambda column, it: column.interval(it, figures), group, apart))

    def shift(self, quantity: Quantity, *, group: str = "") -> str:
        """Write a change with its sign and unit."""
        return self._placed(_Figure(quantity, QuantityColumn.change, group, apart=False))

    def tokens(self, use: TokensUsed) -> str:
        """Write the range of an estimate by tokens to two figures; without an estimate, say how the tokens are counted."""
        if use.central_kg is None:
            return self.language.of(wording.STANDINGS, use.standing)
        least = "≥ " if use.is_lower_bound else ""
        if use.low_kg == use.high_kg:  # a point is no certainty
            return least + self.figure(Quantity(use.central_kg, "kgCO2e"), 2)
        quantity = Quantity(use.central_kg, "kgCO2e", use.low_kg, use.high_kg)
        return f"{least}{self.figure(quantity, 2)} ({self.bounds(quantity, 2)})"

    def provider(self, use: TokensUsed) -> str:
        """Write energy and water at the provider, which are in no total, to two figures."""
        if use.low_kwh is None or use.high_kwh is None or use.low_litres is None or use.high_litres is None:
            return "—"
        energy, water = ((use.low_kwh + use.high_kwh) / 2, (use.low_litres + use.high_litres) / 2)
        return f"{self.language.amount(Quantity(energy, 'kWh'))}, {self.language.amount(Quantity(water, 'L'))}"

    def energy(self, microjoules: int) -> str:
        """Write an energy in microjoules."""
        return self.figure(Quantity(kwh(microjoules), "kWh"))

    def made(self, micrograms: int, *, group: str = "") -> str:
        """Write a CO2e in micrograms."""
        return self.figure(Quantity(micrograms / MICROGRAMS_PER_KG, "kgCO2e"), group=group)

    def changed(self, micrograms: int, *, group: str = "") -> str:
        """Write a change in micrograms, with its sign."""
        return self.shift(Quantity(micrograms / MICROGRAMS_PER_KG, "kgCO2e"), group=group)

    def _placed(self, figure: _Figure) -> str:
        if self._waiting is None:
            return figure.write(self.language.column([figure.quantity]), figure.quantity) or ""
        self._waiting.append(figure)
        return f"\x01{len(self._waiting) - 1}\x02"
