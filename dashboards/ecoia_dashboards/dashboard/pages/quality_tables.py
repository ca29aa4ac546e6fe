"""Tabulate what is not known: days by machine, origins by service, losses, ledger days, claims left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from ecoia.report import Quantity
from ecoia.semconv import DECLARED, ESTIMATED, MEASURED
from ecoia.units import kwh
from ecoia_dashboards import wording
from ecoia_dashboards.dashboard import marks
from ecoia_dashboards.dashboard.page import Reading
from ecoia_dashboards.dashboard.tables import FIGURE, MARK, Cell, Heading, Link, Mark, Table
from ecoia_dashboards.dashboard.view import period_text
from ecoia_dashboards.language import SHARE_UNIT, Language

if TYPE_CHECKING:
    from ecoia_dashboards.dashboard.pages.quality import Place, Quality

_MOST_PLACES = 60
_STATUSES = (MEASURED, ESTIMATED, DECLARED)


def quality_tables(content: Quality, reading: Reading, language: Language) -> Iterator[Table]:
    """Give every table, also those without a line."""
    yield _days(content, reading, language)
    yield _origins(content, reading, language)
    yield _gaps(content, language)
    yield _doubles(content, reading, language)
    yield _lost(content, language)


def _days(content: Quality, reading: Reading, language: Language) -> Table:
    headings = (
        Heading(language.t("Machine")),
        Heading(language.t("Service")),
        Heading(language.t("Jours relevés"), FIGURE),
        Heading(language.t("Attendus"), FIGURE),
        Heading(language.t("Jour par jour"), MARK),
    )
    lacking = {gap.instance: {each.day for each in content.gaps if each.instance == gap.instance} for gap in content.gaps}
    found = [(place, _kinds(place, content, lacking.get(place.instance, set()))) for place in content.places]
    found.sort(key=lambda each: (-each[1].count(marks.MISSING), each[0].instance, each[0].service))
    lines = tuple(
        (
            place.instance,
            _service(place.service, reading, language),
            len(place.recorded),
            None if place.expected is None else language.plain(round(place.expected, 1)),
            _strip(kinds, language),
        )
        for place, kinds in found[:_MOST_PLACES]
    )
    missing = sum(marks.MISSING in kinds for _, kinds in found)
    if missing:
        title = language.n(
            "Un service a des jours manquants sur une machine",
            "%(count)s fois, un service a des jours manquants sur une machine",
            missing,
        )
    elif any(each.code in ("days", "gaps") for each in content.findings):
        title = language.t("Jours relevés, service par service")
    else:
        title = language.t("Aucun jour attendu ne manque")
    subtitle = language.t(
        "%(period)s · plein : relevé ; hachures : manquant (le registre l’attend, ou le relevé du jour est perdu) ; vide : aucun "
        "relevé, et rien ne dit qu’il en faut un",
        period=period_text(reading.period, language),
    )
    left = len(found) - len(lines)
    note = (
        language.n("%(count)s autre ligne n’est pas montrée.", "%(count)s autres lignes ne sont pas montrées.", left)
        if left
        else ""
    )
    return Table("days", title, headings, lines, subtitle, note=note if left else "")


def _kinds(place: Place, content: Quality, lacking: set[str]) -> list[str]:
    """Tell of each day whether it is recorded, missing, or not expected; a day that the ledger lacks is missing."""
    recorded = set(place.recorded)
    found = []
    for day in content.days:
        if day.isoformat() in lacking:
            found.append(marks.MISSING)
        elif day in recorded:
            found.append(marks.RECORDED)
        else:
            found.append(marks.MISSING if place.every_day else marks.NOT_EXPECTED)
    return found


def _strip(kinds: list[str], language: Language) -> Mark:
    recorded, missing = kinds.count(marks.RECORDED), kinds.count(marks.MISSING)
    said = language.t(
        "%(recorded)s jours relevés, %(missing)s manquants, sur %(all)s",
        recorded=language.whole(recorded),
        missing=language.whole(missing),
        all=language.whole(len(kinds)),
    )
    return Mark(marks.days_strip(kinds, said=said), said)


def _origins(content: Quality, reading: Reading, language: Language) -> Table:
    headings = (
        Heading(language.t("Service")),
        Heading(language.t("Énergie relevée"), FIGURE),
        Heading(language.t("Origine"), MARK),
        *(Heading(language.of(wording.STATUSES, status), FIGURE) for status in _STATUSES),
    )
    sums = {name: sum(parts.values()) for name, parts in content.origins.items()}
    lines = tuple(
        _origin(_service(name, reading, language), content.origins[name], language)
        for name in sorted(sums, key=lambda name: -sums[name])
        if sums[name]
    )
    whole: dict[str, int] = {}
    for parts in content.origins.values():
        for status, energy in parts.items():
            whole[status] = whole.get(status, 0) + energy
    foot = (_origin(language.t("Ensemble"), whole, language),) if sum(whole.values()) else ()
    measured = whole.get(MEASURED, 0) / sum(whole.values()) if foot else 0.0
    title = language.t("%(share)s de l’énergie est lue sur un compteur", share=language.share(measured))
    subtitle = language.t(
        "%(period)s · énergie des composants · mesuré : lu sur un compteur ; estimé : calculé ; déclaré : saisi",
        period=period_text(reading.period, language),
    )
    return Table("origins", title, headings, lines, subtitle, foot)


def _service(name: str, reading: Reading, language: Language) -> Cell:
    if not name:
        return language.t("hors de tout service (ecoia lui-même, non attribué)")
    if name in reading.names:
        return Link(reading.names[name], f"/services/{name}")
    return name


def _origin(name: Cell, parts: Mapping[str, int], language: Language) -> tuple[Cell, ...]:
    whole = sum(parts.values())
    shares = {status: parts.get(status, 0) / whole for status in _STATUSES}
    said = language.listed(
        f"{language.of(wording.STATUSES, status)} {language.share(share)}" for status, share in shares.items() if share
    )
    mark = Mark(marks.stacked_bar(shares), said)
    return name, Quantity(kwh(whole), "kWh"), mark, *(Quantity(share, SHARE_UNIT) for share in shares.values())


def _gaps(content: Quality, language: Language) -> Table:
    headings = (
        Heading(language.t("Jour (UTC)")),
        Heading(language.t("Machine")),
        Heading(language.t("Motif")),
        Heading(language.t("Lignes refusées"), FIGURE),
        Heading(language.t("Énergie manquante"), FIGURE),
        Heading(language.t("Envoi (run MLflow)")),
        Heading(language.t("Détail")),
    )
    lines = tuple(
        (
            language.day(each.day),
            each.instance,
            language.of(wording.GAPS, each.reason),
            each.lines or None,
            None if each.microjoules is None else Quantity(kwh(each.microjoules), "kWh"),
            each.run_id,
            " · ".join(each.why) or None,
        )
        for each in content.gaps
    )
    title = language.n("%(count)s jour de relevés incomplet", "%(count)s jours de relevés incomplets", len(lines))
    subtitle = language.t(
        "Ce qui manque n’est dans aucun chiffre ; l’énergie est celle que l’envoi avait notée, « — » : inconnue"
    )
    return Table("gaps", title, headings, lines, subtitle)


def _doubles(content: Quality, reading: Reading, language: Language) -> Table:
    headings = (
        Heading(language.t("Objet")),
        Heading(language.t("Laissé de côté")),
        Heading(language.t("Énergie laissée"), FIGURE),
        Heading(language.t("Gardé")),
        Heading(language.t("Énergie gardée"), FIGURE),
        Heading(language.t("Période")),
        Heading(language.t("Enregistrements"), FIGURE),
    )
    zone = reading.state.timezone
    lines = tuple(
        (
            language.of(wording.DOUBLES, each.kind) + (f" ({', '.join(each.what)})" if each.what else ""),
            f"{each.instance}{language.t(' : ')}{', '.join(each.services)}",
            Quantity(kwh(each.microjoules), "kWh"),
            f"{each.kept_instance}{language.t(' : ')}{', '.join(each.kept_services)}",
            Quantity(kwh(each.kept_microjoules), "kWh"),
            f"{language.moment(each.from_utc, zone)} – {language.moment(each.until_utc, zone)}",
            each.records,
        )
        for each in content.doubles
    )
    title = language.n(
        "%(count)s revendication comptée une seule fois", "%(count)s revendications comptées une seule fois", len(lines)
    )
    subtitle = language.t(
        "De deux revendications d’une même énergie au même moment, la plus grande est comptée ; l’autre est laissée hors de tout "
        "total."
    )
    return Table("doubles", title, headings, lines, subtitle)


def _lost(content: Quality, language: Language) -> Table:
    headings = (
        Heading(language.t("Cause")),
        Heading(language.t("Objet")),
        Heading(language.t("Nombre"), FIGURE),
    )
    lines = tuple(
        (language.of(wording.LOST, cause.partition(":")[0]), cause.partition(":")[2] or None, count)
        for cause, count in sorted(content.lost.items(), key=lambda each: -each[1])
    )
    title = language.n("%(count)s cause de perte", "%(count)s causes de perte", len(lines))
    return Table("lost", title, headings, lines, language.t("Comptées par les programmes mesurés eux-mêmes"))
