"""Say how services stand beside one another."""

from __future__ import annotations

from ecoia.report import Quantity
from ecoia.units import kwh
from ecoia_dashboards import wording
from ecoia_dashboards.dashboard.figures.side_by_side import phases_side_by_side
from ecoia_dashboards.dashboard.marks import stacked_bar
from ecoia_dashboards.dashboard.page import Figure, Reading, Shown
from ecoia_dashboards.dashboard.pages.compare.services import Services, ServiceSide
from ecoia_dashboards.dashboard.tables import FIGURE, MARK, Cell, Heading, Link, Mark, Table
from ecoia_dashboards.language import SHARE_UNIT, Language


def show(content: Services, reading: Reading, language: Language) -> Shown:
    """Say it in words."""
    names = reading.names
    choices = sorted(((each, names.get(each, each)) for each in content.choices), key=lambda each: each[1].casefold())
    values = {"content": content, "choices": choices, "banner": _banner(content, names, language)}
    if len(content.services) < 2:
        return Shown(language.t("Choisissez deux services à mettre côte à côte."), values=values)
    tables = {"services": _figures(content, names, language), "phases": _phases(content, names, language)}
    chart = phases_side_by_side({names.get(each.service, each.service): each.phases for each in content.services}, language)
    subtitle = language.t("Énergie, bâtiment compris où il est connu ; la veille réservée à part")
    figures = {} if chart is None else {"phases": Figure(chart, subtitle)}
    return Shown(_sentence(content, names, language), figures=figures, tables=tables, values=values, evidence={"view": ""})


def _sentence(content: Services, names: dict[str, str], language: Language) -> str:
    """Name the service that took most energy, or that they cannot be told apart."""
    known = [(each.whole.energy.value, each) for each in content.services if each.whole.energy.value is not None]
    if len(known) < 2:
        return language.t("L’énergie de ces services n’est pas connue : rien à comparer.")
    ordered = sorted(known, key=lambda each: -(each[0] or 0.0))
    first, second = ordered[0][1], ordered[1][1]
    said = {
        "first": names.get(first.service, first.service),
        "second": names.get(second.service, second.service),
        "one": language.amount(first.whole.energy),
        "other": language.amount(second.whole.energy),
    }
    if ordered[0][0] == ordered[1][0]:
        return language.t("%(first)s et %(second)s consomment autant : %(one)s.", **said)
    overlap = (first.whole.energy.low or 0.0) <= (second.whole.energy.high or 0.0)
    if overlap:
        return language.t(
            "%(first)s : %(one)s ; %(second)s : %(other)s. Leurs intervalles se recouvrent : l’ordre n’est pas établi.", **said
        )
    return language.t("%(first)s consomme plus que %(second)s : %(one)s contre %(other)s.", **said)


def _banner(content: Services, names: dict[str, str], language: Language) -> str:
    """Say that unlike things are compared; empty where they are alike."""
    if content.same_unit or len(content.services) < 2:
        return ""
    units = (
        language.t(
            "%(service)s : %(unit)s",
            service=names.get(each.service, each.service),
            unit=each.functional_unit or language.t("aucune unité déclarée"),
        )
        for each in content.services
    )
    return language.t(
        "Ces services ne rendent pas la même chose (%(units)s) : leur énergie par usage n’est pas mise côte à côte, et le plus "
        "sobre n’est pas forcément le meilleur.",
        units=language.t(" ; ").join(units),
    )


def _figures(content: Services, names: dict[str, str], language: Language) -> Table:
    headings = [
        Heading(language.t("Service")),
        Heading(language.t("Énergie"), FIGURE),
        Heading(language.t("CO₂e"), FIGURE),
        Heading(language.t("Origine de l’énergie"), MARK),
        Heading(language.t("Jours couverts"), FIGURE, less_important=True),
        Heading(language.t("dont veille réservée"), FIGURE, less_important=True),
    ]
    if content.same_unit:
        headings += [Heading(language.t("Usages"), FIGURE), Heading(language.t("Énergie par usage"), FIGURE)]
    lines = tuple(_line(each, names, language, with_units=content.same_unit) for each in content.services)
    subtitle = language.t("Énergie avec le bâtiment où il est connu, tout le CO₂e connu")
    if content.same_unit:
        unit = content.services[0].functional_unit or ""
        subtitle += language.t(" ; un usage : %(unit)s", unit=unit)
    return Table("services", language.t("Les services côte à côte"), tuple(headings), lines, subtitle)


def _line(it: ServiceSide, names: dict[str, str], language: Language, *, with_units: bool) -> tuple[Cell, ...]:
    covered = Quantity(it.covered, SHARE_UNIT, reason=None if it.covered is not None else "no-days-declared")
    cells: tuple[Cell, ...] = (
        Link(names.get(it.service, it.service), f"/services/{it.service}"),
        it.whole.energy,
        it.whole.headline.co2e,
        _origin(it, language),
        covered,
        Quantity(kwh(it.whole.idle_microjoules), "kWh"),
    )
    if not with_units:
        return cells
    units = Quantity(it.whole.units, "", reason=None if it.whole.units is not None else "no-units")
    return (*cells, units, it.whole.energy_per_unit)


def _origin(it: ServiceSide, language: Language) -> Cell:
    """Draw the parts of the energy that are measured, estimated, declared."""
    whole = sum(it.whole.by_status_microjoules.values())
    if not whole:
        return language.t("aucune énergie")
    shares = {status: it.whole.by_status_microjoules.get(status, 0) / whole for status in wording.STATUSES}
    said = language.listed(
        f"{language.of(wording.STATUSES, status)} {language.share(share)}" for status, share in shares.items() if share
    )
    return Mark(stacked_bar(shares, said=said), said)


def _phases(content: Services, names: dict[str, str], language: Language) -> Table:
    """Tabulate the energy of each phase, a column a service."""
    phases = sorted({phase for each in content.services for phase in each.phases})
    headings = (
        Heading(language.t("Phase")),
        *(Heading(names.get(each.service, each.service), FIGURE) for each in content.services),
    )
    lines = tuple(
        (
            language.of(wording.PHASES, phase),
            *(each.phases[phase].energy if phase in each.phases else None for each in content.services),
        )
        for phase in phases
    )
    whole: tuple[Cell, ...] = (language.t("Ensemble"), *(each.whole.energy for each in content.services))
    return Table("phases", language.t("Énergie par phase"), headings, lines, foot=(whole,))
