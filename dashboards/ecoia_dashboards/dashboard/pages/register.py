"""The register: whether a service is in it, whether it is measured, how, and what would measure it."""

from __future__ import annotations

from dataclasses import dataclass

from ecoia.report import Quantity
from ecoia_dashboards import wording
from ecoia_dashboards.dashboard import marks
from ecoia_dashboards.dashboard.choices import FILTERS
from ecoia_dashboards.dashboard.page import Page, Reading, Shown
from ecoia_dashboards.dashboard.pieces.narrowing import folded, listed_entries
from ecoia_dashboards.dashboard.pieces.service_lines import ServiceLine, ServiceList, last_quarters, service_list
from ecoia_dashboards.dashboard.pieces.service_table import greatest_first, rest_and_total, state_cell, subtitle_of
from ecoia_dashboards.dashboard.pieces.words import Words
from ecoia_dashboards.dashboard.tables import FIGURE, Cell, Heading, Link, Table
from ecoia_dashboards.language import Language
from ecoia_dashboards.wording import N_

OWN_AXIS = "own-axis"
"""Value of ``view`` in an address: each small line has an axis of its own."""


@dataclass(frozen=True)
class Scope:
    """The services that the coverage counts, of those that are listed.

    Attributes:
        measured: Those that are measured.
        named: Those in scope that have a name.
        unnamed: Those that have none yet; 0 where only a part of the register is listed.
        target: The share that the adopted target on coverage asks for; None: there is none.
    """

    measured: int
    named: int
    unnamed: int
    target: float | None


@dataclass(frozen=True)
class Register:
    """The data of the page."""

    quarter: str
    scope: Scope
    services: ServiceList
    quarters: tuple[str, ...]
    whole: bool


@dataclass(frozen=True)
class Panel:
    """A small drawing of a service: its last quarters."""

    name: str
    id: str
    drawing: object
    text: str


def read(reading: Reading) -> Register:
    """Read the page's data."""
    entries, report = listed_entries(reading), reading.report
    whole = not reading.address.filters and reading.allowed is None
    services = service_list(reading, entries)
    listed = {line.id for line in services.lines}
    in_scope = [entry for entry in entries if entry.in_scope and entry.id in listed]
    target = next(
        (
            each
            for each in report.targets
            if each.indicator == "coverage_services" and each.status == "adopted" and not each.service
        ),
        None,
    )
    scope = Scope(
        sum(entry.measured for entry in in_scope),
        len(in_scope),
        report.coverage.unnamed if whole else 0,
        target.value if target is not None and whole else None,
    )
    return Register(report.quarter, scope, services, tuple(last_quarters(reading)), whole)


def show(content: Register, reading: Reading, language: Language) -> Shown:
    """Say it in words."""
    words = Words(reading.report, language)
    own_axis = reading.address.view == OWN_AXIS
    return Shown(
        sentence(content, language),
        lead(content, words),
        tables={"register": register_table(content, reading, language)},
        values={
            "content": content,
            "panels": panels(content.services.lines, language, own_axis=own_axis),
            "panels_title": panels_title(content, language),
            "axis": axis_said(content, language, own_axis=own_axis),
            "own_axis": own_axis,
        },
    )


def sentence(content: Register, language: Language) -> str:
    """Say how many services are measured, of how many."""
    if not content.services.lines:
        return language.t("Aucun service du registre ne correspond.")
    scope = content.scope
    every = scope.named + scope.unnamed
    text = language.n(
        "%(count)s service sur %(all)s est mesuré",
        "%(count)s services sur %(all)s sont mesurés",
        scope.measured,
        all=language.whole(every),
    )
    if scope.target is not None:
        text += language.t(" ; la cible est de %(share)s", share=language.share(scope.target))
    return f"{text}."


def lead(content: Register, words: Words) -> str:
    """Say how the others are known, and how many have no name yet."""
    if not content.whole:
        return ""
    said = [words.ways_of_counting]
    if content.scope.unnamed:
        said.append(
            words.language.n(
                "%(count)s service est compté sans être nommé au registre.",
                "%(count)s services sont comptés sans être nommés au registre.",
                content.scope.unnamed,
            )
        )
    return " ".join(said)


def panels(lines: tuple[ServiceLine, ...], language: Language, *, own_axis: bool) -> list[Panel]:
    """Draw the last quarters of each service that was recorded in one of them, the greatest first."""
    drawn = [line for line in greatest_first(lines) if any(each.value is not None for each in line.course)]
    top = max((each.value or 0.0 for line in drawn for each in line.course), default=0.0)
    found = []
    for line in drawn:
        values = [each.value for each in line.course]
        drawing = marks.sparkline(values, said=_course_said(line, language), top=None if own_axis else top)
        last = line.course[-1]
        text = language.amount(last) if last.value is not None else language.of(wording.REASONS, last.reason or "no-data")
        interval = language.interval(last)
        found.append(Panel(line.name, line.id, drawing, f"{text} ({interval})" if interval else text))
    return found


def _course_said(line: ServiceLine, language: Language) -> str:
    column = language.column(line.course)
    said = [language.t("aucune donnée") if each.value is None else column.amount(each) for each in line.course]
    return f"{line.name}{language.t(' : ')}{', '.join(said)}"


def panels_title(content: Register, language: Language) -> str:
    """Say over which quarters the services are drawn."""
    if not content.quarters:
        return language.t("Énergie par trimestre")
    first, last = (language.quarter(content.quarters[place]) for place in (0, -1))
    return language.t("Énergie de chaque service, %(first)s à %(last)s", first=first, last=last)


def axis_said(content: Register, language: Language, *, own_axis: bool) -> str:
    """Say whether the drawings can be compared with each other."""
    if own_axis:
        return language.t("Chaque dessin a son propre axe, depuis zéro : les formes se comparent, pas les hauteurs")
    top = max((each.value or 0.0 for line in content.services.lines for each in line.course), default=0.0)
    return language.t(
        "Même axe pour tous, de zéro à %(top)s : les hauteurs se comparent", top=language.amount(Quantity(top, "kWh"))
    )


def register_table(content: Register, reading: Reading, language: Language) -> Table:
    """Tabulate every service of the register, and those that are recorded without being in it."""
    lines = content.services.lines
    missing = sum(line.remedy is not None for line in lines)
    title = (
        language.n(
            "%(count)s service à mesurer, avec la ligne qui le ferait",
            "%(count)s services à mesurer, avec la ligne qui le ferait",
            missing,
        )
        if missing
        else language.t("Tout ce qui est listé est mesuré")
    )
    title = title if lines else language.t("Aucun service ne correspond")
    headings = (
        Heading(language.t("Service"), sort="name"),
        Heading(language.t("Statut"), less_important=True),
        Heading(language.t("Rôle responsable"), less_important=True),
        Heading(language.t("Jours relevés"), FIGURE, sort="days", less_important=True),
        Heading(language.t("Énergie"), FIGURE, sort="energy", less_important=True),
        Heading(language.t("Mesure"), sort="state"),
    )
    cells = tuple(_cells(line, language) for line in sorted(lines, key=lambda line: (line.remedy is None, folded(line.name))))
    note = language.t("Les jours relevés sont ceux du %(quarter)s.", quarter=language.quarter(content.quarter))
    foot = tuple((name, "", "", "", energy, "") for name, energy, _ in rest_and_total(content.services, language))
    return Table("register", title, headings, cells, subtitle_of(reading, language), foot, note)


def _cells(line: ServiceLine, language: Language) -> tuple[Cell, ...]:
    return (
        Link(line.name, f"/services/{line.id}"),
        language.of(wording.SERVICE_STATUSES, line.status),
        line.owner_role,
        _days(line, language),
        line.energy if line.microjoules is not None else None,
        state_cell(line, language),
    )


def _days(line: ServiceLine, language: Language) -> Cell:
    if line.days_expected is not None:
        return language.t(
            "%(days)s sur %(expected)s", days=language.whole(line.days), expected=language.plain(round(line.days_expected, 1))
        )
    if line.days:
        return language.n("%(count)s jour", "%(count)s jours", line.days)
    return None


PAGE = Page("register", "/services", N_("Services"), read, show, filters=FILTERS)
