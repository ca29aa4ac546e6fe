"""Tabulate facts about the report itself: its period and sources, notices, counted losses, and double counting."""

from __future__ import annotations

from typing import NamedTuple

from ecoia.impact.doublecounting import ListedRefusal
from ecoia.impact.ledger_gaps import LedgerGap
from ecoia.report import QuarterlyReport
from ecoia_dashboards import wording
from ecoia_dashboards.tables.base import CODES, INTEGER, MOMENT, Column, Table, energy, moment, table
from ecoia_dashboards.wording import N_


class _Fact(NamedTuple):
    field: str
    title: str
    value: object


def about(report: QuarterlyReport) -> Table:
    """Tabulate what the report is of, one fact a line, as text."""
    facts = [*_of_period(report), *_of_sources(report), *_of_coverage(report), *_of_publication(report)]
    columns: tuple[Column[_Fact], ...] = (
        Column("field", N_("Champ"), lambda it: it.field, words={fact.field: fact.title for fact in facts}),
        Column("value", N_("Valeur"), lambda it: None if it.value in (None, "") else str(it.value)),
    )
    return table("about", N_("À propos"), facts, *columns)


def _of_period(report: QuarterlyReport) -> list[_Fact]:
    return [
        _Fact("organisation", N_("Organisation"), report.organisation),
        _Fact("charter_title", N_("Charte"), report.charter_title),
        _Fact("ethics_contact", N_("Contact de la ligne éthique"), report.ethics_contact),
        _Fact("quarter", N_("Trimestre"), report.quarter),
        _Fact("timezone", N_("Fuseau horaire"), report.timezone),
        _Fact("start_utc", N_("Début du trimestre (UTC)"), report.start_utc),
        _Fact("end_utc", N_("Fin du trimestre, exclue (UTC)"), report.end_utc),
        _Fact("last_record_utc", N_("Dernier enregistrement (UTC)"), report.last_record_utc),
        _Fact("register_as_of", N_("Date du registre"), report.register_as_of),
    ]


def _of_sources(report: QuarterlyReport) -> list[_Fact]:
    chosen = report.factor_set
    return [
        _Fact("zones", N_("Zones électriques"), ", ".join(report.zones)),
        _Fact("pue", N_("PUE hors des sites déclarés"), report.pue),
        _Fact("factor_set", N_("Jeu de facteurs d’émission"), chosen and f"{chosen.id} {chosen.version}"),
        _Fact("reference_year", N_("Année du facteur constant"), report.reference_year),
    ]


def _of_coverage(report: QuarterlyReport) -> list[_Fact]:
    coverage, totals = report.coverage, report.totals
    undescribed = ", ".join(report.instances_without_equipment)
    return [
        _Fact("services_measured", N_("Services couverts"), coverage.measured),
        _Fact("services_metered", N_("dont comptés par des compteurs"), coverage.metered),
        _Fact("services_estimated", N_("dont estimés par calcul"), coverage.estimated),
        _Fact("services_declared", N_("Services seulement déclarés"), coverage.declared),
        _Fact("services_named", N_("Services nommés"), coverage.named),
        _Fact("services_unnamed", N_("Services sans nom"), coverage.unnamed),
        _Fact("instances_without_equipment", N_("Machines sans équipement décrit"), undescribed),
        _Fact("energy_components_microjoules", N_("Énergie des composants (µJ)"), totals.energy_components_microjoules),
        _Fact("energy_at_wall_microjoules", N_("dont connue à la prise (µJ)"), totals.energy_at_wall_microjoules),
    ]


def _of_publication(report: QuarterlyReport) -> list[_Fact]:
    return [
        _Fact("seal_name", N_("Publié sous le nom"), report.seal and report.seal.name),
        _Fact("figures_digest", N_("Empreinte SHA-256 des chiffres (report.json)"), report.seal and report.seal.figures_digest),
        _Fact("previous_head", N_("Tête de la publication précédente"), report.seal and report.seal.previous_head),
        _Fact("method_version", N_("Version de la méthode"), report.method_version),
        _Fact("schema", N_("Version du schéma des données"), report.schema),
    ]


def notices(report: QuarterlyReport) -> Table:
    """Tabulate the facts that a reader must know before any figure."""
    columns: tuple[Column[str], ...] = (
        Column("notice", N_("À savoir pour ce trimestre"), lambda code: code, words=wording.NOTICES),
    )
    codes = [*report.notices, *(["simulated"] if report.simulated else [])]
    return table("notices", N_("À savoir"), codes, *columns)


def ledger_gaps(report: QuarterlyReport) -> Table:
    """Tabulate days of the ledger that are not, or not wholly, in the figures."""
    columns: tuple[Column[LedgerGap], ...] = (
        Column("day", N_("Jour (UTC)"), lambda it: it.day),
        Column("instance", N_("Machine"), lambda it: it.instance),
        Column("reason", N_("Motif"), lambda it: it.reason, words=wording.GAPS),
        *energy("missing", N_("Énergie manquante"), lambda it: it.microjoules),
        Column("lines", N_("Lignes refusées"), lambda it: it.lines, INTEGER),
        Column("run_id", N_("Envoi"), lambda it: it.run_id),
        Column("why", N_("Détail"), lambda it: it.why, CODES),
    )
    return table("ledger_gaps", N_("Jours de relevés qui manquent"), report.ledger_gaps, *columns)


class _Loss(NamedTuple):
    cause: str
    number: int


def lost(report: QuarterlyReport) -> Table:
    """Tabulate the losses counted while measuring; a cause may name its object after a colon."""
    columns: tuple[Column[_Loss], ...] = (
        Column("cause", N_("Cause"), lambda it: it.cause.partition(":")[0], words=wording.LOST),
        Column("what", N_("Objet"), lambda it: it.cause.partition(":")[2] or None),
        Column("count", N_("Nombre"), lambda it: it.number, INTEGER),
    )
    lines = (_Loss(cause, number) for cause, number in report.lost.items())
    return table("lost", N_("Pertes comptées"), lines, *columns)


def doubles(report: QuarterlyReport) -> Table:
    """Tabulate energy that was claimed twice: the claim left out of every total, and the claim kept."""
    columns: tuple[Column[ListedRefusal], ...] = (
        Column("kind", N_("Objet"), lambda it: it.kind, words=wording.DOUBLES),
        Column("what", N_("Appareils"), lambda it: it.what, CODES),
        Column("instance", N_("Machine laissée de côté"), lambda it: it.instance),
        Column("services", N_("Services laissés de côté"), lambda it: it.services, CODES),
        *energy("left_out", N_("Énergie laissée"), lambda it: it.microjoules),
        Column("kept_instance", N_("Machine gardée"), lambda it: it.kept_instance),
        Column("kept_services", N_("Services gardés"), lambda it: it.kept_services, CODES),
        *energy("kept", N_("Énergie gardée"), lambda it: it.kept_microjoules),
        Column("from_utc", N_("Début (UTC)"), lambda it: moment(it.from_utc), MOMENT),
        Column("until_utc", N_("Fin (UTC)"), lambda it: moment(it.until_utc), MOMENT),
        Column("half_hours", N_("Demi-heures"), lambda it: it.half_hours, INTEGER),
        Column("records", N_("Enregistrements"), lambda it: it.records, INTEGER),
        Column("record_ids", N_("Premiers enregistrements"), lambda it: it.record_ids, CODES),
    )
    return table("doubles", N_("Compté deux fois"), report.doubles, *columns)
