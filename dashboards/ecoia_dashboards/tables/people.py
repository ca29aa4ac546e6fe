"""Tabulate people's part: words of committees, actions, self-assessments, and figures apportioned to regions."""

from __future__ import annotations

from ecoia.report import ActionState, Answered, QuarterlyReport, RegionShare, Said
from ecoia_dashboards import wording
from ecoia_dashboards.tables.base import DAY, FLAG, NUMBER, Column, Table, day, quantity, service, table
from ecoia_dashboards.wording import N_


def said(report: QuarterlyReport) -> Table:
    """Tabulate recommendations, decisions, ties to other commitments, and comments."""
    bodies = {body.id: body.name for body in report.governance}
    columns: tuple[Column[Said], ...] = (
        Column("kind", N_("Nature"), lambda it: it.kind, words=wording.SAID),
        Column("id", N_("Identifiant"), lambda it: it.id),
        Column("body", N_("Instance"), lambda it: it.body, names=bodies),
        service(report, lambda it: it.service),
        Column("about", N_("À propos de"), lambda it: it.about, words=wording.SECTIONS),
        Column("date", N_("Date"), lambda it: day(it.date), DAY),
        Column("text", N_("Texte"), lambda it: it.text),
    )
    return table("said", N_("Comités et commentaires"), report.said, *columns)


def actions(report: QuarterlyReport) -> Table:
    """Tabulate actions and where they stood at the end of the quarter."""
    columns: tuple[Column[ActionState], ...] = (
        Column("id", N_("Identifiant"), lambda it: it.id),
        Column("text", N_("Action"), lambda it: it.text),
        service(report, lambda it: it.service),
        Column("role", N_("Rôle"), lambda it: it.role),
        Column("due", N_("Échéance"), lambda it: it.due),
        Column("state", N_("État"), lambda it: it.state, words=wording.ACTION_STATES),
        Column("late", N_("En retard"), lambda it: it.late, FLAG),
        Column("about", N_("Répond à"), lambda it: it.about),
        Column("note", N_("Note"), lambda it: it.note),
    )
    return table("actions", N_("Actions"), report.actions, *columns)


def regions(report: QuarterlyReport) -> Table:
    """Tabulate the figures of services apportioned to regions by their units."""
    units = {entry.id: entry.functional_unit for entry in reversed(report.register)}
    columns: tuple[Column[RegionShare], ...] = (
        Column("region", N_("Région"), lambda it: it.region),
        Column("residual", N_("Sans région"), lambda it: it.is_residual, FLAG),
        service(report, lambda it: it.service),
        Column("units", N_("Unités"), lambda it: it.units, NUMBER, unit_column="functional_unit"),
        Column("functional_unit", N_("Unité fonctionnelle"), lambda it: units.get(it.service)),
        Column("share", N_("Part des unités"), lambda it: it.share, NUMBER, "1"),
        *quantity("energy", N_("Énergie répartie"), lambda it: it.energy, "kWh"),
        *quantity("co2e", N_("CO₂e réparti"), lambda it: it.co2e, "kgCO2e"),
        Column("co2e_lower_bound", N_("CO₂e incomplet"), lambda it: it.headline.is_lower_bound, FLAG),
        Column("source", N_("Source"), lambda it: it.source),
    )
    return table("regions", N_("Régions, selon les unités"), report.regions, *columns)


def evaluations(report: QuarterlyReport) -> Table:
    """Tabulate the answers of the services' self-assessments."""
    columns: tuple[Column[Answered], ...] = (
        service(report, lambda it: it.service),
        Column("question", N_("Question"), lambda it: it.question, words=wording.EVALUATION_QUESTIONS),
        Column("answer", N_("Réponse"), lambda it: it.answer, words=wording.EVALUATION_ANSWERS),
        Column("quarter", N_("Trimestre"), lambda it: it.quarter),
        Column("comment", N_("Commentaire"), lambda it: it.comment),
        Column("role", N_("Rôle"), lambda it: it.role),
    )
    return table("evaluations", N_("Auto-évaluations"), report.evaluations, *columns)
