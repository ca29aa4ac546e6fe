"""Tabulate savings and training runs: where less would do, and how runs compare by quality and energy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ecoia.report import Frontier, QuarterlyReport, RunUsed, Saving, Unsupported
from ecoia_dashboards import wording
from ecoia_dashboards.naming import service_names
from ecoia_dashboards.tables.base import CODES, FLAG, INTEGER, NUMBER, Column, Table, energy, phase, quantity, service, table
from ecoia_dashboards.wording import N_

_BETTER = {"higher": N_("le plus haut est le meilleur"), "lower": N_("le plus bas est le meilleur")}


def savings(report: QuarterlyReport) -> Table:
    """Tabulate what the quarter's data shows could be spared."""
    names = {str(commitment.number): commitment.name for commitment in report.commitments}
    columns: tuple[Column[Saving], ...] = (
        Column("kind", N_("Piste"), lambda it: it.kind, words=wording.SAVINGS),
        service(report, lambda it: it.service),
        phase(lambda it: it.phase),
        *energy("components", N_("Énergie des composants évitable"), lambda it: it.microjoules),
        *quantity("energy", N_("Énergie évitable"), lambda it: it.energy, "kWh"),
        *quantity("co2e_operational", N_("CO₂e d’usage évitable"), lambda it: it.co2e, "kgCO2e"),
        Column("role", N_("Qui peut agir"), lambda it: it.role),
        Column("may_harm", N_("Peut nuire à"), lambda it: tuple(map(str, it.may_harm)), CODES, names=names),
        Column("metric", N_("Mesure de qualité"), lambda it: it.metric),
        Column("hours_later", N_("Heures plus tard"), lambda it: it.hours_later, INTEGER, "h"),
        Column("runs", N_("Entraînements"), lambda it: it.runs, CODES),
        Column("front", N_("Inégalés à leur énergie"), lambda it: it.front, CODES),
    )
    return table("savings", N_("Sobriété"), report.savings, *columns)


def unsupported(report: QuarterlyReport) -> Table:
    """Tabulate the kinds of saving that are not listed, and why."""
    columns: tuple[Column[Unsupported], ...] = (
        Column("kind", N_("Piste"), lambda it: it.kind, words=wording.SAVINGS),
        Column("reason", N_("Motif"), lambda it: it.reason, words=wording.UNSUPPORTED),
        Column("services", N_("Services"), lambda it: it.services, CODES, names=service_names(report)),
    )
    return table("unsupported", N_("Pistes non listées"), report.unsupported, *columns)


def _key(run: RunUsed) -> tuple[str, str, str]:
    return run.service, run.phase, run.run_id


def _every_run(report: QuarterlyReport) -> list[RunUsed]:
    """List the costliest runs and those that are compared, each once."""
    found = (*report.costliest_runs, *(run for frontier in report.frontiers for run in frontier.runs))
    return list({_key(run): run for run in found}.values())


def runs(report: QuarterlyReport) -> Table:
    """Tabulate training runs: the costliest, and those that are compared."""
    costliest = {_key(run) for run in report.costliest_runs}
    columns: tuple[Column[RunUsed], ...] = (
        Column("run", N_("Entraînement"), lambda it: it.run_id),
        service(report, lambda it: it.service),
        phase(lambda it: it.phase),
        Column("outcome", N_("Issue"), lambda it: it.outcome, words=wording.OUTCOMES),
        *quantity("energy", N_("Énergie"), lambda it: it.energy, "kWh"),
        Column("costliest", N_("Parmi les plus coûteux"), lambda it: _key(it) in costliest, FLAG),
    )
    return table("runs", N_("Entraînements"), _every_run(report), *columns)


class _QualityLine(NamedTuple):
    run: RunUsed
    name: str
    value: float


def run_quality(report: QuarterlyReport) -> Table:
    """Tabulate the figures of quality of each training run."""
    columns: tuple[Column[_QualityLine], ...] = (
        Column("run", N_("Entraînement"), lambda it: it.run.run_id),
        service(report, lambda it: it.run.service),
        phase(lambda it: it.run.phase),
        Column("name", N_("Mesure de qualité"), lambda it: it.name),
        Column("value", N_("Valeur"), lambda it: it.value, NUMBER),
    )
    lines = (_QualityLine(run, name, value) for run in _every_run(report) for name, value in run.quality.items())
    return table("run_quality", N_("Qualité des entraînements"), lines, *columns)


class _Compared(NamedTuple):
    frontier: Frontier
    run: RunUsed


def _compared(report: QuarterlyReport) -> Iterator[_Compared]:
    for frontier in report.frontiers:
        for run in frontier.runs:
            yield _Compared(frontier, run)


def frontiers(report: QuarterlyReport) -> Table:
    """Tabulate the runs that are compared by quality and energy."""
    columns: tuple[Column[_Compared], ...] = (
        service(report, lambda it: it.frontier.service),
        phase(lambda it: it.frontier.phase),
        Column("metric", N_("Mesure de qualité"), lambda it: it.frontier.metric),
        Column("better", N_("Sens"), lambda it: it.frontier.better, words=_BETTER),
        Column("run", N_("Entraînement"), lambda it: it.run.run_id),
        *quantity("energy", N_("Énergie"), lambda it: it.run.energy, "kWh"),
        Column("value", N_("Valeur"), lambda it: it.run.quality[it.frontier.metric], NUMBER),
        Column("on_front", N_("Inégalé à cette énergie"), lambda it: it.run.run_id in it.frontier.front, FLAG),
        Column("left_out", N_("Entraînements laissés de côté"), lambda it: it.frontier.left_out, INTEGER),
    )
    return table("frontiers", N_("Entraînements comparés"), _compared(report), *columns)
