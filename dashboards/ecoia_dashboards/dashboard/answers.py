"""Make answers: the page, file or data that an address asks for. Equal questions about the same data have one answer."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from threading import Condition

from cachetools import LRUCache, cached

from ecoia.exploring import Explorer, State
from ecoia_dashboards.dashboard.address import Address
from ecoia_dashboards.dashboard.failures import NoDataError
from ecoia_dashboards.dashboard.files import ENDINGS, figure_file, to_json
from ecoia_dashboards.dashboard.page import ForbiddenError, NotFoundError, Reading, Shown
from ecoia_dashboards.dashboard.pages import PAGES
from ecoia_dashboards.dashboard.tables import sorted_lines, table_csv
from ecoia_dashboards.dashboard.templating import render
from ecoia_dashboards.dashboard.view import View
from ecoia_dashboards.language import Language

LOGGER = logging.getLogger("ecoia.dashboard")
_KEPT_BYTES = 48 * 2**20


@dataclass(frozen=True)
class Asked:
    """What a request asks for: all that an answer depends on."""

    page: str
    names: tuple[tuple[str, str], ...]
    kind: str  # html | json | figure | table | embed
    file: str
    address: Address
    allowed: frozenset[str] | None
    state: State


@dataclass(frozen=True)
class Answer:
    """An answer, as it is kept."""

    body: bytes
    media_type: str
    filename: str | None = None


class Answers:
    """Makes answers, and keeps those that were asked for last: equal questions about the same data have one answer.

    Args:
        explorer: The figures to show.
        prefix: What stands before every path.
    """

    def __init__(self, explorer: Explorer, prefix: str = "") -> None:
        self._explorer, self._prefix = explorer, prefix
        self._pages = {page.id: page for page in PAGES}
        kept: LRUCache[Asked, Answer] = LRUCache(_KEPT_BYTES, getsizeof=lambda answer: len(answer.body))
        self.of = cached(kept, key=lambda asked: asked, condition=Condition())(self._make)

    def warm(self) -> None:
        """Make the first answers of every page, so that no reader waits for them."""
        for page in PAGES:
            if "{" not in page.path:
                try:
                    self.of(Asked(page.id, (), "html", "", Address(), None, self._explorer.state))
                except NoDataError:
                    return
                except Exception:
                    LOGGER.exception("page '%s' failed", page.id)

    def _make(self, asked: Asked) -> Answer:
        page, names = self._pages[asked.page], dict(asked.names)
        reading = Reading(self._explorer, asked.address, asked.allowed)
        if (page.of_whole and asked.allowed is not None) or ("service" in names and not reading.may_see(names["service"])):
            raise ForbiddenError
        if not asked.state.quarters:
            raise NoDataError
        _ = reading.quarter  # a period without data is said at once, with those that have some
        content = page.read(reading, **names)
        if asked.kind == "json":
            return Answer(to_json(content), "application/json")
        language = Language(asked.address.lang)
        shown = page.show(content, reading, language)
        shown = replace(shown, tables={id_: sorted_lines(each, asked.address) for id_, each in shown.tables.items()})
        view = View(page, names, reading, language, shown, self._prefix)
        if asked.kind == "html":
            return Answer(render(f"{page.id}.html", language, view=view, shown=shown, **shown.values).encode(), "text/html")
        return _file(asked, shown, view)


def _file(asked: Asked, shown: Shown, view: View) -> Answer:
    """Make a file of a table or a figure, or the page that other sites show a figure by."""
    name, language = asked.file, view.language
    id_, _, ending = name.rpartition(".")
    if asked.kind == "table":
        table = shown.tables.get(id_)
        if table is None or ending != "csv":
            raise NotFoundError("table", name, tuple(f"{each}.csv" for each in shown.tables))
        return Answer(table_csv(table, language, view.said).encode(), "text/csv; charset=utf-8", name)
    if asked.kind == "embed":
        if name not in shown.figures:
            raise NotFoundError("figure", name, tuple(shown.figures))
        return Answer(render("embed.html", language, view=view, id=name, it=shown.figures[name]).encode(), "text/html")
    figure = shown.figures.get(id_)
    if figure is None:
        raise NotFoundError(
            "figure", name, tuple(f"{each}.{ending if ending in ENDINGS else ENDINGS[0]}" for each in shown.figures)
        )
    if ending not in ENDINGS:
        raise NotFoundError("figure", name, tuple(f"{id_}.{each}" for each in ENDINGS))
    body, media_type = figure_file(figure, ending, language, view.said)
    return Answer(body, media_type, name)
