"""Say how two periods differ."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

from ecoia.report import Quantity
from ecoia_dashboards import wording
from ecoia_dashboards.dashboard.address import Period
from ecoia_dashboards.dashboard.marks import change_bar
from ecoia_dashboards.dashboard.page import Figure, Reading, Shown
from ecoia_dashboards.dashboard.pages.compare.periods import NO_SERVICE, Moved, Periods, ServiceMoved
from ecoia_dashboards.dashboard.tables import FIGURE, MARK, Cell, Heading, Link, Mark, Table
from ecoia_dashboards.dashboard.view import period_text
from ecoia_dashboards.figures.change import causes, column_of
from ecoia_dashboards.figures.chart import Changed
from ecoia_dashboards.language import Language, QuantityColumn
from ecoia_dashboards.wording import N_

_MOST_NAMED = 5
DIFFERENCES = "diff"
"""The ``view`` that lists established changes only."""
_Pick = Callable[[ServiceMoved], Moved]


def show(content: Periods, reading: Reading, language: Language) -> Shown:
    """Say it in words."""
    if content.before is None:
        sentence = language.t("Choisissez la période à laquelle comparer %(period)s.", period=_period(content.after, language))
        return Shown(sentence, values={"content": content})
    texts = _Texts(content, reading, language)
    tables = {
        "co2e": texts.table("co2e", lambda it: it.co2e, content.co2e),
        "energy": texts.table("energy", lambda it: it.energy, content.energy),
    }
    values = {"content": content, "unexplained": texts.unexplained, "distorted": texts.distorted, "diff": texts.diff_only}
    return Shown(texts.sentence, texts.lead, texts.figures, tables, values, evidence={"view": "", "sort": ""})


def _period(text: str, language: Language) -> str:
    return period_text(Period.parse(text), language)


class _Texts:
    def __init__(self, content: Periods, reading: Reading, language: Language) -> None:
        self.content, self.reading, self.language = content, reading, language
        self.before, self.after = _period(content.before or "", language), _period(content.after, language)
        self.names = {**reading.names, NO_SERVICE: language.t("Aucun service (dont ecoia lui-même)")}
        self.diff_only = reading.address.view == DIFFERENCES

    # --- sentences ---

    @property
    def sentence(self) -> str:
        """How the energy changed."""
        if not self.content.services:
            return self.language.t(
                "Rien n’est relevé avec ces filtres, ni avant (%(before)s) ni après (%(after)s).",
                before=self.before,
                after=self.after,
            )
        return self._course(
            self.content.energy,
            N_("L’énergie passe de %(from)s (%(before)s) à %(to)s (%(after)s) : %(change)s."),
            N_("Énergie : %(from)s (%(before)s), puis %(to)s (%(after)s). Écart : %(change)s."),
        )

    @property
    def lead(self) -> str:
        """How the CO2e changed, and by which causes most."""
        if not self.content.services:
            return ""
        said = self._course(
            self.content.co2e,
            N_("Le CO₂e passe de %(from)s à %(to)s : %(change)s."),
            N_("CO₂e : %(from)s, puis %(to)s. Écart : %(change)s."),
        )
        return " ".join(filter(None, (said, self._largest_causes(), self._lengths)))

    @property
    def _lengths(self) -> str:
        """That one period has more days, and so more of everything; empty where both have as many."""
        if self.content.before is None:
            return ""
        periods = (Period.parse(self.content.after), Period.parse(self.content.before))
        now, before = ((each.until_day - each.first_day).days for each in periods)
        if now == before:
            return ""
        return self.language.t("%(now)s jours contre %(before)s", now=now, before=before) + "."

    def _course(self, moved: Moved, known: str, unknown: str) -> str:
        values = {"before": self.before, "after": self.after, "from": self._amount(moved.before), "to": self._amount(moved.after)}
        if moved.change.value is None or moved.before.value is None or moved.after.value is None:
            reason = self.language.of(wording.REASONS, moved.change.reason or "no-data")
            return self.language.t(unknown, **values, change=reason)
        interval = self.language.change_interval(moved.change)
        change = self.language.direction(moved.change) + (f" ({interval})" if interval else "")
        return self.language.t(known, **values, change=change)

    def _amount(self, quantity: Quantity) -> str:
        if quantity.value is None:
            return f"« {self.language.of(wording.REASONS, quantity.reason or 'no-data')} »"
        return (self._co2e if quantity.unit == "kgCO2e" else self.language).amount(quantity)

    @cached_property
    def _co2e(self) -> Language | QuantityColumn:
        """What writes totals of CO2e and their causes: in the unit of the figure that explains them, where there is one."""
        return self.language if self.content.explained is None else column_of(self.content.explained, self.language)

    def _largest_causes(self) -> str:
        terms = dict(self.content.explained.terms) if self.content.explained else {}
        said = []
        for sign, words in ((1, self.language.t("première cause de hausse")), (-1, self.language.t("première cause de baisse"))):
            name = max(terms, key=lambda each: sign * terms[each], default="")
            if name and sign * terms[name] > 0:
                size = self._co2e.change(Quantity(terms[name] / 1e9, "kgCO2e"))
                cause = self.language.of(wording.TERMS, name)
                said.append(self.language.t("%(rank)s : %(cause)s, %(size)s", rank=words, cause=cause, size=size))
        text = self.language.t(" ; ").join(said)
        return f"{text[:1].upper()}{text[1:]}." if text else ""

    @property
    def unexplained(self) -> str:
        """Why causes are not computed; empty where they are."""
        if self.content.unexplained is None:
            return ""
        reason = self.language.of(wording.REASONS, self.content.unexplained)
        return self.language.t("Les causes de l’écart ne sont pas calculées : %(reason)s.", reason=reason)

    @property
    def distorted(self) -> str:
        """Name the services that distort the totals, because their records cannot be compared; empty where none does."""
        found = [self.names.get(each.service, each.service) for each in self.content.services if each.caution]
        if not found:
            return ""
        if len(found) > _MOST_NAMED:
            return self.language.t(
                "À lire avec prudence : %(count)s services ne sont pas comparables entre les deux périodes, et restent dans les "
                "totaux ; leurs lignes le disent.",
                count=self.language.whole(len(found)),
            )
        return self.language.n(
            "À lire avec prudence : %(count)s service n’est pas comparable entre les deux périodes, et reste dans les totaux : "
            "%(names)s.",
            "À lire avec prudence : %(count)s services ne sont pas comparables entre les deux périodes, et restent dans les "
            "totaux : %(names)s.",
            len(found),
            names=self.language.listed(found),
        )

    # --- figures and tables ---

    @property
    def figures(self) -> dict[str, Figure]:
        """The change by causes."""
        content = self.content
        if content.explained is None or content.before is None:
            return {}
        ends = (content.before, content.after)
        chart = causes(ends, content.explained, content.co2e.change, self.language, simulated=content.simulated)
        return {} if chart is None else {"change": Figure(chart, self._perimeter)}

    @property
    def _perimeter(self) -> str:
        if not self.content.parts:
            return self.language.t("Tout le CO₂e connu de chaque période")
        parts = self.language.listed(self.language.of(wording.PARTS, part) for part in self.content.parts)
        return self.language.t("CO₂e connu des deux trimestres : %(parts)s. Les causes s’additionnent exactement", parts=parts)

    def table(self, id_: str, pick: _Pick, whole: Moved) -> Table:
        """Tabulate a figure of each service in both periods."""
        language, services = self.language, [each for each in self.content.services if each.service != NO_SERVICE]
        shown = [each for each in services if pick(each).established] if self.diff_only else list(services)
        left = [each for each in services if each not in shown]
        longest = max((abs(pick(each).difference.value or 0.0) for each in self.content.services), default=0.0)
        foot = [self._sum(language.t("Services sans écart établi"), [pick(each) for each in left])] if left else []
        foot += [self._line(each, pick, longest) for each in self.content.services if each.service == NO_SERVICE]
        foot.append(self._moved(language.t("Ensemble"), whole, longest))
        headings = (
            Heading(language.t("Service"), sort="name"),
            Heading(self.before, FIGURE, sort="before", less_important=True, family=id_),
            Heading(self.after, FIGURE, sort="after", family=id_),
            Heading(language.t("Écart"), FIGURE, sort="difference", less_important=True, family=id_),
            Heading(language.t("Sens de l’écart"), MARK, less_important=True),
            Heading(language.t("Écart relatif"), FIGURE, sort="change"),
        )
        shown.sort(key=lambda it: (-abs(pick(it).difference.value or 0.0), it.service))
        lines = tuple(self._line(each, pick, longest) for each in shown)
        subtitle = self._perimeter if id_ == "co2e" else language.t("Énergie de chaque service, bâtiment compris où il est connu")
        return Table(id_, self._title(id_, services, pick), headings, lines, subtitle, tuple(foot), self._note)

    def _title(self, id_: str, services: Sequence[ServiceMoved], pick: _Pick) -> str:
        compared = sum(pick(each).change.value is not None for each in services)
        established = sum(pick(each).established for each in services)
        of = {"co2e": self.language.t("CO₂e"), "energy": self.language.t("Énergie")}[id_]
        if compared and not established:
            return self.language.t("%(of)s : aucun service n’a changé au-delà de l’incertitude", of=of)
        if not compared:
            return self.language.t("%(of)s : aucun service n’est comparable d’une période à l’autre", of=of)
        return self.language.n(
            "%(of)s : %(count)s service sur %(all)s a changé au-delà de l’incertitude",
            "%(of)s : %(count)s services sur %(all)s ont changé au-delà de l’incertitude",
            established,
            of=of,
            all=self.language.whole(compared),
        )

    @property
    def _note(self) -> str:
        return self.language.t(
            "En gras : écart établi, dont l’intervalle entier est d’un même côté de zéro. ≈ : écart non établi. Un service qui "
            "n’est pas comparable reste dans les totaux."
        )

    def _line(self, it: ServiceMoved, pick: _Pick, longest: float) -> tuple[Cell, ...]:
        name = self.names.get(it.service, it.service)
        first: Cell = name
        if it.service != NO_SERVICE:
            first = Link(name, f"/services/{it.service}", self._coverage(it))
        return self._moved(first, pick(it), longest)

    def _coverage(self, it: ServiceMoved) -> str:
        known = [each for each in it.covered if each is not None]
        if it.caution is None or not known:
            return ""
        return self.language.t("au moins une période n’a que %(share)s de ses jours", share=self.language.share(min(known)))

    def _moved(self, first: Cell, moved: Moved, longest: float) -> tuple[Cell, ...]:
        difference = moved.difference
        mark: Cell = None
        if difference.value is not None and moved.change.value is not None and longest and abs(difference.value) <= longest:
            low, high = _ends(moved, longest)
            mark = Mark(change_bar(difference.value / longest, low, high), self._way(moved))
        return first, moved.before, moved.after, Changed(difference), mark, Changed(moved.change)

    def _way(self, moved: Moved) -> str:
        if moved.change.value is None:
            return self.language.t("non comparable")
        return self.language.direction(moved.change)

    def _sum(self, name: str, moved: Sequence[Moved]) -> tuple[Cell, ...]:
        """Add up figures that the table leaves out."""
        before, after = (
            Quantity(sum(each.value or 0.0 for each in ends), ends[0].unit)
            for ends in ([each.before for each in moved], [each.after for each in moved])
        )
        difference = (after.value or 0.0) - (before.value or 0.0)
        return name, before, after, Changed(Quantity(difference, after.unit)), None, None


def _ends(moved: Moved, longest: float) -> tuple[float | None, float | None]:
    """Return the interval of a difference as parts of the longest one."""
    change, before = moved.change, moved.before.value
    if change.low is None or change.high is None or before is None:
        return None, None
    return max(-1.0, before * change.low / longest), min(1.0, before * change.high / longest)
