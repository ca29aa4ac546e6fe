"""Tabulate changes: the trend, what changed against other quarters and why, and quarters published and computed again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ecoia.impact.change import ExplainedChange
from ecoia.impact.recalculation import Recalculation, Restatement
from ecoia.report import ChangeLine, Quantity, QuarterChange, QuarterlyReport, TrendPoint
from ecoia_dashboards import wording
from ecoia_dashboards.tables.base import CODES, FLAG, INTEGER, NUMBER, Column, Table, co2e, energy, quantity, service, table
from ecoia_dashboards.wording import N_

_AGAINST = {"previous-quarter": N_("trimestre précédent"), "year-before": N_("même trimestre un an avant")}


def trend(report: QuarterlyReport) -> Table:
    """Tabulate the last quarters."""
    columns: tuple[Column[TrendPoint], ...] = (
        Column("quarter", N_("Trimestre"), lambda it: it.quarter),
        *quantity("energy", N_("Énergie"), lambda it: it.energy, "kWh"),
        *quantity("co2e_operational", N_("CO₂e d’usage"), lambda it: it.co2e, "kgCO2e"),
        *quantity(
            "co2e_at_constant_factor", N_("CO₂e d’usage à facteur constant"), lambda it: it.co2e_at_constant_factor, "kgCO2e"
        ),
        Column("simulated", N_("Simulé"), lambda it: it.simulated, FLAG),
    )
    return table("trend", N_("Tendance"), report.trend, *columns)


class _ChangeOfLine(NamedTuple):
    """A line of a change: of a service, or of everything; None where the change is not computed."""

    change: QuarterChange
    line: ChangeLine | None

    @property
    def explained(self) -> ExplainedChange | None:
        """Its terms."""
        return self.line.explained if self.line else None

    @property
    def is_total(self) -> bool | None:
        """Whether it is of everything; None where the change is not computed."""
        return None if self.line is None else self.line is self.change.total


def _lines(change: QuarterChange) -> Iterator[_ChangeOfLine]:
    if change.total is None:
        yield _ChangeOfLine(change, None)
        return
    for line in (*change.services, change.total):
        yield _ChangeOfLine(change, line)


def changes(report: QuarterlyReport) -> Table:
    """Tabulate the change of each service and of everything against each compared quarter."""
    columns: tuple[Column[_ChangeOfLine], ...] = (
        Column("against", N_("Par rapport à"), lambda it: it.change.against, words=_AGAINST),
        Column("reference_quarter", N_("Trimestre comparé"), lambda it: it.change.reference),
        Column("simulated", N_("Simulé"), lambda it: it.change.simulated, FLAG),
        Column("parts", N_("Parties comptées"), lambda it: it.change.parts, CODES, words=wording.PARTS),
        Column("total", N_("Ensemble"), lambda it: it.is_total, FLAG),
        *_of_explained(
            service(report, lambda it: it.service),
            *co2e("reference", N_("CO₂e de la référence"), lambda it: it.reference_micrograms),
            *co2e("quarter", N_("CO₂e du trimestre"), lambda it: it.quarter_micrograms),
            *co2e("change", N_("Écart"), lambda it: it.micrograms),
        ),
        *quantity("relative", N_("Écart relatif"), _relative, "1"),
        *quantity("relative_energy", N_("Écart relatif de l’énergie"), _relative_energy, "1"),
        *quantity("relative_energy_it", N_("Écart relatif de l’énergie, sans le bâtiment"), _relative_energy_it, "1"),
        *quantity(
            "relative_energy_per_unit",
            N_("Écart relatif de l’énergie par unité"),
            lambda it: it.line and it.line.energy_per_unit,
            "1",
        ),
        *_of_explained(
            Column("absorbed_gain", N_("Gain unitaire absorbé par le volume"), lambda it: it.absorbed_gain, FLAG),
        ),
    )
    lines = (line for change in report.changes for line in _lines(change))
    return table("changes", N_("Évolution"), lines, *columns)


def _of_explained(*columns: Column[ExplainedChange]) -> tuple[Column[_ChangeOfLine], ...]:
    """Turn columns of an explained change into columns of its line; cells are empty where the change is not computed."""
    return tuple(column.of(lambda it: it.explained) for column in columns)


def _relative(it: _ChangeOfLine) -> Quantity:
    """Return the relative change, or the reason why the whole change is not computed."""
    return Quantity(None, "1", reason=it.change.reason) if it.line is None else it.line.relative


def _relative_energy(it: _ChangeOfLine) -> Quantity:
    """Return the relative change of the energy, which may be known where that of the CO2e is not."""
    return it.change.energy if it.line is None else it.line.energy


def _relative_energy_it(it: _ChangeOfLine) -> Quantity | None:
    """Return the relative change of all energy before the building; None on the line of a service."""
    return it.change.energy_it if it.line is None or it.line is it.change.total else None


class _Term(NamedTuple):
    of: _ChangeOfLine
    service: str | None
    term: str
    micrograms: int


def change_terms(report: QuarterlyReport) -> Table:
    """Tabulate the terms that each change is made of."""
    columns: tuple[Column[_Term], ...] = (
        Column("against", N_("Par rapport à"), lambda it: it.of.change.against, words=_AGAINST),
        Column("reference_quarter", N_("Trimestre comparé"), lambda it: it.of.change.reference),
        Column("total", N_("Ensemble"), lambda it: it.of.is_total, FLAG),
        service(report, lambda it: it.service),
        Column("term", N_("Motif"), lambda it: it.term, words=wording.TERMS),
        *co2e("change", N_("Écart"), lambda it: it.micrograms),
    )
    lines = (
        _Term(line, line.explained.service, term, micrograms)
        for change in report.changes
        for line in _lines(change)
        if line.explained is not None
        for term, micrograms in line.explained.terms.items()
    )
    return table("change_terms", N_("Motifs de l’évolution"), lines, *columns)


class _RestatedLine(NamedTuple):
    of: Recalculation
    line: Restatement

    @property
    def total(self) -> Recalculation | None:
        """The recalculation, on the line of everything; None on a service's line."""
        return self.of if self.line is self.of.total else None


def restatements(report: QuarterlyReport) -> Table:
    """Tabulate published quarters that were computed again, by service and in all."""
    columns: tuple[Column[_RestatedLine], ...] = (
        Column("quarter", N_("Trimestre"), lambda it: it.of.quarter),
        Column("total", N_("Ensemble"), lambda it: it.total is not None, FLAG),
        service(report, lambda it: it.line.service),
        *co2e("published", N_("Publié"), lambda it: it.line.published_micrograms),
        *co2e("recalculated", N_("Recalculé"), lambda it: it.line.recalculated_micrograms),
        *(_cause(cause, title) for cause, title in wording.CAUSES.items()),
        *_of_total(Column("relative", N_("Écart relatif"), lambda it: it.relative, NUMBER, "1")),
        Column("threshold", N_("Seuil"), lambda it: it.of.threshold, NUMBER, "1"),
        Column("needed", N_("Au-delà du seuil"), lambda it: it.of.needed, FLAG),
        *_of_total(
            *energy("published_energy", N_("Énergie publiée"), lambda it: it.energy_published_microjoules),
            *energy("recalculated_energy", N_("Énergie recalculée"), lambda it: it.energy_recalculated_microjoules),
        ),
        Column("parts", N_("Parties"), lambda it: it.of.parts, CODES, words=wording.PARTS),
    )
    lines = (_RestatedLine(each, line) for each in report.restatements for line in (each.total, *each.services))
    return table("restatements", N_("Retraitements"), lines, *columns)


def _of_total(*columns: Column[Recalculation]) -> tuple[Column[_RestatedLine], ...]:
    """Turn columns of a recalculation into columns of its lines; only the line of everything has values in them."""
    return tuple(column.of(lambda it: it.total) for column in columns)


def _cause(cause: str, title: str) -> Column[_RestatedLine]:
    return Column(f"{cause}_micrograms", title, lambda it: it.line.causes.get(cause, 0), INTEGER, "µgCO2e")


class _PublishedPart(NamedTuple):
    quarter: str
    part: str
    micrograms: int


def published(report: QuarterlyReport) -> Table:
    """Tabulate the CO2e last published of earlier quarters, by part."""
    columns: tuple[Column[_PublishedPart], ...] = (
        Column("quarter", N_("Trimestre"), lambda it: it.quarter),
        Column("part", N_("Partie"), lambda it: it.part, words={**wording.INDICATORS, **wording.PARTS}),
        *co2e("published", N_("Publié"), lambda it: it.micrograms),
    )
    lines = (_PublishedPart(quarter, *part) for quarter, parts in report.published_micrograms.items() for part in parts.items())
    return table("published", N_("Trimestres publiés"), lines, *columns)
