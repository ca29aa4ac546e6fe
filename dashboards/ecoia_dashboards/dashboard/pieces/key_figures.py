"""Key figures in words, where no template of a page draws them: on the card of a notebook and in the mail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from ecoia.report import Quantity
from ecoia_dashboards.dashboard.pieces.overview_words import key_lines, parts_said
from ecoia_dashboards.dashboard.pieces.words import Words
from ecoia_dashboards.dashboard.view import View
from ecoia_dashboards.wording import REASONS

if TYPE_CHECKING:
    from ecoia_dashboards.dashboard.pages.overview import Overview

NOTHING = Markup()
"""No drawing."""


@dataclass(frozen=True)
class KeyFigure:
    """A key figure in words.

    Attributes:
        name: What it is of.
        number: Its number; where it has none, the reason.
        unit: Its unit.
        interval: Its interval, in words.
        change: Its change, and against what.
        note: What stands below it.
        course: A small line of the last quarters.
    """

    name: str
    number: str
    unit: str = ""
    interval: str = ""
    change: str = ""
    note: str = ""
    course: Markup = NOTHING

    @property
    def amount(self) -> str:
        """The number with its unit."""
        return f"{self.number}\N{NO-BREAK SPACE}{self.unit}" if self.unit else self.number


def key_figure(
    view: View, name: str, quantity: Quantity, change: Quantity | None = None, note: str = "", course: Markup = NOTHING
) -> KeyFigure:
    """Say a key figure as the dashboard's page does.

    Args:
        view: The page.
        name: What it is of.
        quantity: The figure.
        change: Its change against what the page compares with; None: compared with nothing.
        note: What stands below it.
        course: A small line of the last quarters.
    """
    language = view.language
    if quantity.value is None:
        return KeyFigure(name, language.of(REASONS, quantity.reason or "no-data"), note=note)
    number, unit = view.large(quantity)
    interval = language.interval(quantity)
    said = language.t("intervalle à 95 %% : %(interval)s", interval=interval) if interval else ""
    return KeyFigure(name, number, unit, said, _change(view, change), note, course)


def _change(view: View, change: Quantity | None) -> str:
    if change is None:
        return ""
    said = view.change(change)
    if change.value is None:
        return said
    if view.reference:
        said = view.language.t("%(change)s sur %(reference)s", change=said, reference=view.reference)
    interval = view.language.change_interval(change)
    return f"{said} ({interval})" if interval else said


def overview_keys(content: Overview, view: View) -> tuple[KeyFigure, ...]:
    """Say the key figures of the overview, those of its page: energy, CO2e, services measured, share read on meters."""
    words, language = Words(view.reading.report, view.language), view.language
    lines = key_lines(content, language)
    co2e = language.t("CO₂e, au moins") if content.headline.is_lower_bound else language.t("CO₂e")
    origins = " · ".join(text for _, text in lines.legend)
    found = [
        key_figure(view, language.t("Énergie"), content.energy, content.energy_change, course=lines.energy),
        key_figure(view, co2e, content.headline.co2e, content.co2e_change, parts_said(content, words), lines.co2e),
        key_figure(view, language.t("Lue sur des compteurs"), lines.measured, note=origins),
    ]
    if content.whole is not None:
        coverage = content.whole.coverage
        of = language.t("sur %(count)s", count=language.whole(coverage.named + coverage.unnamed))
        measured = KeyFigure(language.t("Services mesurés"), language.whole(coverage.measured), of, note=words.ways_of_counting)
        found.insert(2, measured)
    return tuple(found)
