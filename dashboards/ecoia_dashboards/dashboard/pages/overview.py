"""The overview: how much this quarter, whose, and against which commitment."""

from __future__ import annotations

from dataclasses import dataclass

from ecoia.exploring import Selected
from ecoia.report import Quantity
from ecoia_dashboards.dashboard.page import Figure, Page, Reading, Shown
from ecoia_dashboards.dashboard.tables import FIGURE, Cell, Heading, Link, Table
from ecoia_dashboards.figures import trend
from ecoia_dashboards.language import Language
from ecoia_dashboards.wording import N_


@dataclass(frozen=True)
class Overview:
    """The data of the page."""

    energy: Quantity
    co2e: Quantity
    energy_change: Quantity | None
    services: dict[str, Selected]


def read(reading: Reading) -> Overview:
    """Read the page's data."""
    whole = reading.explorer.selected(reading.selection)
    change = None if reading.before is None else reading.explorer.change(reading.selection, reading.before).energy
    return Overview(whole.energy, whole.headline.co2e, change, reading.explorer.parts(reading.selection, "service"))


def show(content: Overview, reading: Reading, language: Language) -> Shown:
    """Say it in words."""
    sentence = language.t("%(amount)s", amount=language.amount(content.energy))
    lines: list[tuple[Cell, ...]] = [
        (Link(reading.names.get(service, service), f"/services/{service}"), figures.energy)
        for service, figures in content.services.items()
    ]
    headings = (Heading(language.t("Service"), sort="name"), Heading(language.t("Énergie"), FIGURE, sort="energy"))
    table = Table("services", language.n("%(count)s service", "%(count)s services", len(lines)), headings, tuple(lines))
    chart = trend(reading.report, language)
    figures = {} if chart is None else {"trend": Figure(chart)}
    return Shown(sentence, figures=figures, tables={"services": table}, values={"content": content})


PAGE = Page(
    "overview",
    "/",
    N_("Vue d’ensemble"),
    read,
    show,
    filters=("service", "phase", "site", "region", "instance", "method"),
    of_whole=True,
)
