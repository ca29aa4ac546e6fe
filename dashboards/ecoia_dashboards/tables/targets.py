"""Tabulate targets: what was promised, where it stands, and what was added to its baseline."""

from __future__ import annotations

from typing import NamedTuple

from ecoia.report import BaselineAddition, BudgetState, QuarterlyReport, TargetVerdict
from ecoia_dashboards import wording
from ecoia_dashboards.tables.base import DAY, INTEGER, NUMBER, UNITS, Column, Table, day, quantity, service, table
from ecoia_dashboards.wording import N_


def targets(report: QuarterlyReport) -> Table:
    """Tabulate each target with its verdict and, of a trajectory, the budget of the year."""
    columns: tuple[Column[TargetVerdict], ...] = (
        Column("target", N_("Cible"), lambda it: it.id),
        Column("indicator", N_("Indicateur"), lambda it: it.indicator, words=wording.INDICATORS),
        service(report, lambda it: it.service),
        Column("trajectory", N_("Trajectoire"), lambda it: it.trajectory),
        Column("op", N_("Sens"), lambda it: it.op),
        Column("value", N_("Demandé"), lambda it: it.value, NUMBER, unit_column="unit"),
        Column("unit", N_("Unité"), lambda it: it.unit, words=UNITS),
        Column("reduction", N_("Réduction demandée"), lambda it: it.reduction, NUMBER, "1"),
        Column("baseline_quarters", N_("Trimestres de référence"), lambda it: ", ".join(it.baseline_quarters) or None),
        Column("deadline", N_("Échéance"), lambda it: it.deadline),
        Column("horizon", N_("Horizon"), lambda it: it.horizon, INTEGER),
        Column("status", N_("État"), lambda it: it.status, words=wording.TARGET_STATUSES),
        Column("verdict", N_("Verdict"), lambda it: it.verdict, words=wording.VERDICTS),
        Column("verdict_reason", N_("Motif"), lambda it: it.reason, words={**wording.REASONS, **wording.VERDICT_REASONS}),
        Column("miss_probability", N_("Probabilité de manquer la cible"), lambda it: it.miss_probability, NUMBER, "1"),
        *quantity("observed", N_("Constaté"), lambda it: it.observed, "", "observed_unit"),
        Column("observed_unit", N_("Unité du constat"), lambda it: it.observed.unit, words=UNITS),
        Column("decision_body", N_("Décidé par"), lambda it: it.decision_body),
        Column("decision_date", N_("Décidé le"), lambda it: day(it.decision_date), DAY),
        *_of_budget(
            Column("budget_year", N_("Année du budget"), lambda it: it.year, INTEGER),
            *quantity("budget", N_("Budget"), lambda it: it.budget, "", "unit"),
            *quantity("spent", N_("Employé à ce jour"), lambda it: it.spent, "", "unit"),
            *quantity("consumed_share", N_("Part du budget"), lambda it: it.consumed, "1"),
            Column("distance", N_("Écart à la trajectoire"), lambda it: it.distance.value, NUMBER, unit_column="unit"),
            Column("overrun_probability", N_("Probabilité de dépassement"), lambda it: it.overrun_probability.value, NUMBER, "1"),
            Column(
                "spent_probability",
                N_("Probabilité que le budget soit déjà dépassé"),
                lambda it: it.spent_probability,
                NUMBER,
                "1",
            ),
            *quantity("expected", N_("Attendu à la fin de l’année"), lambda it: it.expected, "", "unit"),
        ),
    )
    return table("targets", N_("Cibles et verdicts"), report.targets, *columns)


def _of_budget(*columns: Column[BudgetState]) -> tuple[Column[TargetVerdict], ...]:
    """Turn columns of a budget into columns of its target; cells are empty where the target has no budget."""
    return tuple(column.of(lambda target: target.budget) for column in columns)


class _Addition(NamedTuple):
    target: TargetVerdict
    added: BaselineAddition


def baseline_additions(report: QuarterlyReport) -> Table:
    """Tabulate what was added to baselines by estimate."""
    columns: tuple[Column[_Addition], ...] = (
        Column("target", N_("Cible"), lambda it: it.target.id),
        service(report, lambda it: it.added.service),
        Column("quarter", N_("Trimestre de référence"), lambda it: it.added.quarter),
        Column("taken_from", N_("D’après"), lambda it: it.added.taken_from),
        Column("share_of_days", N_("Part des jours"), lambda it: it.added.share, NUMBER, "1"),
        *quantity("added", N_("Ajouté par estimation"), lambda it: it.added.quantity, "", "unit"),
        Column("unit", N_("Unité"), lambda it: it.target.unit, words=UNITS),
    )
    lines = (_Addition(target, added) for target in report.targets for added in target.additions)
    return table("baseline_additions", N_("Ajouts aux références"), lines, *columns)
