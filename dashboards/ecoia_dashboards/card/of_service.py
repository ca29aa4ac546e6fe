"""The card of a service: the page of the service, its targets, and what the organisation promised as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ecoia.report import ServiceEntry
from ecoia_dashboards import wording
from ecoia_dashboards.card.content import Content, Step, over
from ecoia_dashboards.card.teaching import Asked, up_to_date
from ecoia_dashboards.dashboard.page import Reading
from ecoia_dashboards.dashboard.pages import service as page
from ecoia_dashboards.dashboard.pages.service.content import Service
from ecoia_dashboards.dashboard.pieces.key_figures import NOTHING, key_figure
from ecoia_dashboards.dashboard.pieces.parts import capital
from ecoia_dashboards.dashboard.pieces.target_cards import TargetCard, target_cards, targets_title
from ecoia_dashboards.dashboard.pieces.words import Words
from ecoia_dashboards.dashboard.view import View
from ecoia_dashboards.language import Language

_MOST_METHODS = 3


def service_content(reading: Reading, asked: Asked, language: Language) -> Content:
    """Say what a service costs.

    Raises:
        NotFoundError: there is no such service.
    """
    service = asked.service or ""
    content = page.PAGE.read(reading, service)
    shown = page.PAGE.show(content, reading, language)
    view = View(page.PAGE, {"service": service}, reading, language, shown, asked.dashboard_url)
    values = shown.values
    figure = shown.figures.get("course")
    title, targets = _targets(service, Words(reading.report, language))
    return Content(
        shown.sentence,
        over(view),
        shown.lead,
        notices=(*view.notices, *values["notices"], *asked.notices(language)),
        keys=tuple(key_figure(view, key.name, key.quantity, key.change, key.note) for key in values["keys"]),
        facts=tuple(_facts(content, values["origin"], language)),
        figure=view.drawing(figure) if figure is not None else NOTHING,
        figure_title=figure.chart.title if figure is not None else "",
        course=figure.chart.alt if figure is not None else "",
        targets_title=title,
        targets=targets,
        steps=_steps(values),
        stamp=up_to_date(view, asked),
        link=view.pinned if asked.dashboard_url else "",
    )


def _facts(content: Service, origin: Mapping[str, float], language: Language) -> Iterator[tuple[str, str]]:
    if content.whole.microjoules:
        yield language.t("Comment connue"), _methods(content, origin, language)
        lacking = [
            language.of(wording.COMPONENTS, name)
            for name, found in content.whole.by_component_microjoules.items()
            if found is None
        ]
        if lacking:
            yield (
                language.t("Manque"),
                language.t("Rien n’est relevé de : %(components)s. Ce n’est pas zéro.", components=language.listed(lacking)),
            )
    yield language.t("Jours relevés"), _days(content.entry, language)


def _methods(content: Service, origin: Mapping[str, float], language: Language) -> str:
    """Say how the energy is known: the share of each origin, and by what."""
    said = []
    for status, share in origin.items():
        parts = sorted(
            (-part.microjoules, name.partition(" ")[2])
            for name, part in content.methods.items()
            if name.startswith(f"{status} ") and part.microjoules
        )
        names = [language.of(wording.METHODS, name) for _, name in parts]
        shown = [*names[:_MOST_METHODS], *(["…"] if len(names) > _MOST_METHODS else [])]
        said.append(f"{language.of(wording.STATUSES, status)} {language.share(share)} ({', '.join(shown)})")
    return capital(language.t(" ; ").join(said))


def _days(entry: ServiceEntry, language: Language) -> str:
    recorded = language.n("%(count)s jour-machine relevé", "%(count)s jours-machine relevés", entry.instance_days)
    if entry.covered is None or entry.instance_days_declared is None:
        return language.t("%(recorded)s ; combien sont attendus n’est pas déclaré", recorded=recorded)
    return language.t(
        "%(share)s : %(recorded)s sur %(expected)s attendus",
        share=language.share(entry.covered),
        recorded=recorded,
        expected=language.plain(round(entry.instance_days_declared, 1)),
    )


def _targets(service: str, words: Words) -> tuple[str, tuple[TargetCard, ...]]:
    """Return the targets on the service, and what is said of those of the organisation."""
    own = {target.id for target in words.targets if target.service == service}
    cards = tuple(card for card in target_cards(words) if card.id in own)
    language = words.language
    said = language.n("%(count)s cible porte sur ce service.", "%(count)s cibles portent sur ce service.", len(cards))
    if not cards:
        said = language.t("Aucune cible ne porte sur ce service seul.")
    return f"{said} {targets_title(words)}.", cards


def _steps(values: Mapping[str, Any]) -> tuple[Step, ...]:
    """Say what would measure a service of which nothing is known."""
    if values["known"]:
        return ()
    remedy = values["remedy"]
    return (Step(values["why"]), *((Step(values["place"], remedy.line),) if remedy else ()))
