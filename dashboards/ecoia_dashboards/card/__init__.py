"""Draw the card of a service, or of the organisation: ``ecoia.show`` finds this by its entry point.

The card says what the dashboard's page says: both are made of the page's own reading and words.
"""

from __future__ import annotations

from markupsafe import Markup

from ecoia.exploring import Explorer
from ecoia.exploring.card import Card
from ecoia.periods import Quarter
from ecoia_dashboards.card.content import Content
from ecoia_dashboards.card.lines import text_of
from ecoia_dashboards.card.of_organisation import organisation_content
from ecoia_dashboards.card.of_service import service_content
from ecoia_dashboards.card.teaching import Asked, nothing_read, nothing_there, unknown_quarter, unknown_service
from ecoia_dashboards.dashboard.address import Address, Period
from ecoia_dashboards.dashboard.drawings import themed_style
from ecoia_dashboards.dashboard.page import NotFoundError, Reading
from ecoia_dashboards.dashboard.templating import environment
from ecoia_dashboards.language import Language


def draw(
    explorer: Explorer | None,
    service: str | None,
    quarter: Quarter | None,
    *,
    source: str,
    lang: str,
    dashboard_url: str | None,
    trouble: str,
) -> Card:
    """Draw a card; see ``ecoia.exploring.card.Draw``.

    Example:
        >>> draw(explorer, "vadore", None, source="ledger", lang="fr", dashboard_url=None, trouble="")  # doctest: +SKIP
    """
    language = Language(lang)
    asked = Asked(service, quarter, source, lang, dashboard_url or "", trouble)
    found = _content(explorer, asked, language)
    html = environment(lang).get_template("card/card.html").render(card=found, style=Markup(themed_style()))  # noqa: S704
    return Card(text_of(found, language), html)


def _content(explorer: Explorer | None, asked: Asked, language: Language) -> Content:
    """Say what is asked for, or why it cannot be said."""
    if explorer is None:
        return nothing_read(asked, language)
    if not explorer.state.quarters:
        return nothing_there(explorer.state, asked, language)
    period = None if asked.quarter is None else Period.of_quarter(asked.quarter)
    reading = Reading(explorer, Address(period=period, lang=language.code))
    if str(reading.period) not in reading.state.quarters:
        return unknown_quarter(reading, asked, language)
    if asked.service is None:
        return organisation_content(reading, asked, language)
    try:
        return service_content(reading, asked, language)
    except NotFoundError as error:
        return unknown_service(error, reading, asked, language)
