"""The card of the organisation: the overview's sentence and key figures, the targets, and every service."""

from __future__ import annotations

from ecoia_dashboards.card.content import Content, Line, Step, over
from ecoia_dashboards.card.teaching import Asked, up_to_date
from ecoia_dashboards.dashboard.page import Reading
from ecoia_dashboards.dashboard.pages import overview as page
from ecoia_dashboards.dashboard.pieces.key_figures import overview_keys
from ecoia_dashboards.dashboard.pieces.service_lines import ServiceLine
from ecoia_dashboards.dashboard.pieces.service_table import STATES, greatest_first
from ecoia_dashboards.dashboard.pieces.target_cards import target_cards, targets_title
from ecoia_dashboards.dashboard.pieces.words import Words
from ecoia_dashboards.dashboard.view import View
from ecoia_dashboards.language import Language, QuantityColumn


def organisation_content(reading: Reading, asked: Asked, language: Language) -> Content:
    """Say what the quarter costs, and list the services."""
    content = page.PAGE.read(reading)
    shown = page.PAGE.show(content, reading, language)
    view = View(page.PAGE, {}, reading, language, shown, asked.dashboard_url)
    words = Words(reading.report, language)
    lines = greatest_first(content.services.lines)
    column = language.column([line.energy for line in lines])
    return Content(
        shown.sentence,
        over(view),
        shown.lead,
        notices=(*view.notices, *asked.notices(language)),
        keys=overview_keys(content, view),
        targets_title=targets_title(words) + ".",
        targets=tuple(card for card in target_cards(words) if not card.proposed),
        services_title=shown.tables["services"].title,
        services=tuple(_line(line, column, language) for line in lines),
        steps=_steps(lines, asked, language),
        stamp=up_to_date(view, asked),
        link=view.pinned if asked.dashboard_url else "",
    )


def _line(line: ServiceLine, column: QuantityColumn, language: Language) -> Line:
    known = line.microjoules is not None and line.energy.value is not None
    return Line(
        line.id,
        line.name,
        column.amount(line.energy) if known else "",
        (column.interval(line.energy) or "") if known else "",
        language.t(STATES[line.state]),
    )


def _steps(lines: list[ServiceLine], asked: Asked, language: Language) -> tuple[Step, ...]:
    """Say how a service is shown, and what is missing where nothing is registered."""
    found = []
    if lines:
        found.append(Step(language.t("La carte d’un service :"), asked.call(service=lines[0].id)))
    if all(line.state == "unregistered" for line in lines):
        found.append(Step(language.t("Aucun service n’est au registre. Pour en écrire un :"), "ecoia init"))
    return tuple(found)
