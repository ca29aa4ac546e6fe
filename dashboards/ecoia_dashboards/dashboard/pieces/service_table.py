"""Tabulate every service: how much, known how, changed by how much, and what is missing with the line that would measure it."""

from __future__ import annotations

from collections.abc import Iterable

from ecoia.report import Quantity
from ecoia_dashboards import wording
from ecoia_dashboards.dashboard import marks
from ecoia_dashboards.dashboard.choices import choices
from ecoia_dashboards.dashboard.page import Reading
from ecoia_dashboards.dashboard.pieces.remedies import Remedy
from ecoia_dashboards.dashboard.pieces.service_lines import ServiceLine, ServiceList
from ecoia_dashboards.dashboard.tables import FIGURE, MARK, Cell, Code, Heading, Link, Mark, Table
from ecoia_dashboards.dashboard.view import FILTER_NAMES, period_text
from ecoia_dashboards.figures.chart import Changed
from ecoia_dashboards.language import Language
from ecoia_dashboards.wording.marking import N_

_ORIGINS = ("measured", "estimated", "declared")
STATES = {
    "measured": N_("mesuré"),
    "partly": N_("trop peu de jours relevés"),
    "declared": N_("déclaré seulement"),
    "silent": N_("rien n’est relevé"),
    "retired": N_("retiré, rien à mesurer"),
    "unregistered": N_("mesuré, mais pas au registre"),
}
"""What is known of a service (``ServiceLine.state``)."""
PLACES = {
    "middleware": N_("dans l’application qui le sert"),
    "decorator": N_("sur la fonction qui répond"),
    "command": N_("devant la commande"),
    "machine": N_("sur la machine dont les jours manquent"),
    "register": N_("dans services.yaml"),
}
"""Where the line that would measure a service goes (``Remedy.kind``)."""


def greatest_first(lines: Iterable[ServiceLine]) -> list[ServiceLine]:
    """Order services by their energy, the greatest first; those without any stand last, by name."""
    return sorted(lines, key=lambda line: (line.energy.value is None, -(line.energy.value or 0.0), line.name.casefold()))


def service_table(found: ServiceList, reading: Reading, language: Language) -> Table:
    """Tabulate the services.

    Args:
        found: The services, and what belongs to none.
        reading: The data at the address.
        language: Language of the table.
    """
    most = max((line.energy.value or 0.0 for line in found.lines), default=0.0)
    lines = tuple(_cells(line, most, language) for line in greatest_first(found.lines))
    known = sum(line.microjoules is not None for line in found.lines)
    return Table(
        "services",
        _title(known, len(found.lines), language),
        _headings(reading, language),
        lines,
        subtitle_of(reading, language),
        tuple((name, energy, "", "", "", co2e, "", "") for name, energy, co2e in rest_and_total(found, language)),
        language.t("≈ : l’intervalle de l’écart contient zéro, l’écart n’est pas établi.") if reading.before is not None else "",
    )


def subtitle_of(reading: Reading, language: Language) -> str:
    """Say the period and the filters of a table."""
    said, known = [period_text(reading.period, language)], choices(reading, language)
    for name, values in reading.address.filters.items():
        listed = language.listed(dict(known.get(name, ())).get(value, value) for value in values)
        said.append(f"{language.t(FILTER_NAMES[name])}{language.t(' : ')}{listed}")
    return " · ".join(said)


def _title(known: int, whole: int, language: Language) -> str:
    if not whole:
        return language.t("Aucun service ne correspond")
    if not known:
        return language.n("%(count)s service, sans énergie connue", "%(count)s services, sans énergie connue", whole)
    text = language.n("%(count)s service a une énergie connue", "%(count)s services ont une énergie connue", known)
    if whole == known:
        return text
    return text + language.n(", %(count)s n’en a pas", ", %(count)s n’en ont pas", whole - known)


def _headings(reading: Reading, language: Language) -> tuple[Heading, ...]:
    against = (
        language.t("Écart d’énergie")
        if reading.reference is None
        else language.t("Énergie, écart avec %(reference)s", reference=period_text(reading.reference, language))
    )
    return (
        Heading(language.t("Service"), sort="name"),
        Heading(language.t("Énergie"), FIGURE, sort="energy"),
        Heading(language.t("Comment connue"), MARK, less_important=True),
        Heading(against, FIGURE, sort="change"),
        Heading(language.t("Derniers trimestres"), MARK, less_important=True),
        Heading(language.t("CO₂e"), FIGURE, sort="co2e", less_important=True),
        Heading(language.t("Jours relevés"), FIGURE, sort="days", less_important=True),
        Heading(language.t("Mesure"), sort="state", less_important=True),
    )


def _cells(line: ServiceLine, most: float, language: Language) -> tuple[Cell, ...]:
    return (
        Link(line.name, f"/services/{line.id}"),
        line.energy if line.microjoules is not None else None,
        _origins(line, most, language),
        Changed(line.change) if line.change is not None else None,
        course_mark(line, language),
        line.co2e if line.microjoules is not None else None,
        days_said(line, language),
        state_cell(line, language),
    )


def _origins(line: ServiceLine, most: float, language: Language) -> Cell:
    whole = sum(line.by_status_microjoules.values())
    if not whole or not most or line.energy.value is None:
        return ""
    shares = {origin: line.by_status_microjoules.get(origin, 0) / whole for origin in _ORIGINS}
    text = ", ".join(
        f"{language.of(wording.STATUSES, origin)} {language.share(share)}" for origin, share in shares.items() if share
    )
    return Mark(
        marks.stacked_bar({origin: share * line.energy.value / most for origin, share in shares.items()}, said=text), text
    )


def course_mark(line: ServiceLine, language: Language) -> Cell:
    """Draw the last quarters of a service; nothing where it was recorded in none of them."""
    known = [quantity for quantity in line.course if quantity.value is not None]
    if not known:
        return ""
    column = language.column(known)
    text = ", ".join(column.number(each) if each.value is not None else language.t("aucune donnée") for each in line.course)
    text = f"{text} {column.unit}".strip()
    return Mark(marks.sparkline([each.value for each in line.course], said=text), text)


def days_said(line: ServiceLine, language: Language) -> Cell:
    """Write the share of the days that are recorded; the number of days where none are expected."""
    if line.covered is not None:
        return Quantity(line.covered, "1")
    if line.days:
        return language.n("%(count)s jour", "%(count)s jours", line.days)
    return None


def state_cell(line: ServiceLine, language: Language) -> Cell:
    """Say what is known of a service, and the line that would measure it where it is not."""
    said = language.t(STATES[line.state])
    if line.state == "measured" and line.counted_by:
        said = language.t("%(state)s : %(by)s", state=said, by=language.of(wording.COUNTED_BY, line.counted_by))
    if line.status in ("poc", "qualification") and line.state != "measured":
        said = language.t("%(status)s, %(state)s", status=language.of(wording.SERVICE_STATUSES, line.status), state=said)
    return said if line.remedy is None else Code(said, line.remedy.line, place_of(line.remedy, language))


def place_of(remedy: Remedy, language: Language) -> str:
    """Say where the line that would measure a service goes."""
    return language.of(PLACES, remedy.kind)


def rest_and_total(found: ServiceList, language: Language) -> list[tuple[str, Quantity, Quantity]]:
    """Return what belongs to no service, and the sum: each a name, its energy and its CO2e; nothing where nothing is listed."""
    if not found.lines:
        return []
    rest = [(language.of(wording.KINDS, each.kind), each.energy, each.co2e) for each in found.rest]
    return [*rest, (language.t("Total"), found.energy, found.co2e)]
