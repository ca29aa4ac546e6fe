"""What every HTML answer of the dashboard has, pages of errors included: addresses, navigation, languages, notices."""

from __future__ import annotations

from dataclasses import fields
from typing import Any
from urllib.parse import quote

from ecoia.exploring import State
from ecoia_dashboards.dashboard import static_files
from ecoia_dashboards.dashboard.address import Address
from ecoia_dashboards.language import Language
from ecoia_dashboards.wording import N_

LANGUAGE_NAMES = {"fr": "Français", "en": "English"}
HINTS = {
    "empty-ledger-beside-journal": N_(
        "Le registre ne contient aucune mesure, mais le journal de cette machine en a. Pour les envoyer : ecoia deliver. "
        "Pour les voir ici : ecoia dashboard --from journal."
    ),
}
"""What may be amiss with the source, by its code, and the command that mends it."""
STEPS = {"reading": N_("lecture des relevés")}
"""Steps of filling that are no quarter."""


class Frame:
    """The frame of an HTML answer, as its template uses it.

    Args:
        language: Language of the answer.
        address: State of the page.
        state: What the figures are from.
        allowed: Ids of the services that the reader may see; None: everything.
        path: Path of the page.
        prefix: What stands before every path.
    """

    def __init__(
        self,
        language: Language,
        address: Address,
        state: State,
        allowed: frozenset[str] | None = None,
        path: str = "/",
        prefix: str = "",
    ) -> None:
        self.language, self.address, self.state = language, address, state
        self.allowed, self.path, self.prefix = allowed, path, prefix

    # --- addresses ---

    def link(self, path: str, address: Address | None = None, **changes: Any) -> str:
        """Return the address of a page of ours: the state of this page, with some fields changed."""
        query = (address or self.address).to(**changes).query()
        return f"{self.prefix}{quote(path)}{'?' + query if query else ''}"

    def here(self, **changes: Any) -> str:
        """Return the address of this page with some fields of its state changed."""
        return self.link(self.path, **changes)

    def href(self, href: str) -> str:
        """Return the address that a cell leads to: a path of ours keeps period, language and theme; other addresses stay."""
        if not href.startswith("/"):
            return href
        return f"{self.prefix}{href}" if "?" in href else self.link(href, self.plain)

    def static(self, name: str) -> str:
        """Return the address of a style sheet or script; it changes with the file, so browsers keep it for ever."""
        return f"{self.prefix}/static/{name}?v={static_files.digest(name)}"

    @property
    def navigation(self) -> list[tuple[str, str, bool]]:
        """Title and address of each page that the navigation lists, and whether it is this one."""
        from ecoia_dashboards.dashboard.pages import PAGES

        return [
            (self.language.t(page.title), self.link(page.path, self.plain), page.path == self.path)
            for page in PAGES
            if page.in_navigation and not (page.of_whole and self.allowed is not None)
        ]

    @property
    def home(self) -> str:
        """Address of the first page that the reader may see."""
        return next((href for _, href, _ in self.navigation), f"{self.prefix}/")

    @property
    def unfiltered(self) -> dict[str, Any]:
        """Changes of the address that drop what belongs to this page: filters, order, search. Period and language stay."""
        own = ("period", "compare", "unit", "lang", "theme")
        return {each.name: each.default for each in fields(Address) if each.name not in own}

    @property
    def plain(self) -> Address:
        """The state that every page shares: period, comparison, unit, language, theme."""
        return self.address.to(**self.unfiltered)

    @property
    def languages(self) -> list[tuple[str, str, str]]:
        """The other languages: code, name and address of this page in it."""
        return [(code, name, self.here(lang=code)) for code, name in LANGUAGE_NAMES.items() if code != self.language.code]

    # --- notices ---

    @property
    def step(self) -> tuple[int, int, str]:
        """The step of filling at hand: its number, how many there are, and its name."""
        done, of, what = self.state.progress or (0, 1, "")
        return done + 1, of, self.language.quarter(self.language.of(STEPS, what))

    @property
    def notices(self) -> list[str]:
        """What a reader must know before reading: the store is away, days cannot be read, the source may be the wrong one."""
        language, state = self.language, self.state
        found = [self._away] if state.away else []
        if state.gaps:
            found.append(
                language.n(
                    "%(count)s jour du registre n’est pas, ou pas en entier, dans ces chiffres.",
                    "%(count)s jours du registre ne sont pas, ou pas en entier, dans ces chiffres.",
                    state.gaps,
                )
            )
        return [*found, *(language.of(HINTS, hint) for hint in state.hints)]

    @property
    def _away(self) -> str:
        """Say that the store cannot be read now, and of when the figures are."""
        since = self.language.moment(self.state.away_since_utc or "", self.state.timezone)
        filled = self.language.moment(self.state.filled_utc or "", self.state.timezone)
        return self.language.t(
            "Les données ne peuvent pas être relues depuis le %(since)s (%(why)s). Cette page montre celles du %(filled)s.",
            since=since,
            why=self.state.away or "",
            filled=filled,
        )
