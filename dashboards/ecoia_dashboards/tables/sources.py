"""Tabulate sources: emission factors, contracts, calibrations and uncertainties that the figures rest on."""

from __future__ import annotations

from typing import NamedTuple

from ecoia.impact.grid import FactorGap
from ecoia.report import (
    CalibrationUsed,
    ContractUsed,
    CrosscheckKept,
    DeviationInUse,
    EquivalenceUsed,
    FactorUsed,
    QuarterlyReport,
    Sensitivity,
)
from ecoia_dashboards import wording
from ecoia_dashboards.tables.base import CODES, DAY, FLAG, INTEGER, NUMBER, Column, Table, day, quantity, table, validity
from ecoia_dashboards.wording import N_

_FACTOR_USES = {"current": N_("facteur courant"), "constant": N_("facteur constant")}


class _FactorLine(NamedTuple):
    use: str
    factor: FactorUsed


def factors(report: QuarterlyReport) -> Table:
    """Tabulate the emission factors of the quarters shown and of the reference year."""
    columns: tuple[Column[_FactorLine], ...] = (
        Column("use", N_("Usage"), lambda it: it.use, words=_FACTOR_USES),
        Column("quarter", N_("Trimestre"), lambda it: it.factor.quarter),
        Column("zone", N_("Zone"), lambda it: it.factor.zone),
        Column("year", N_("Année"), lambda it: it.factor.year, INTEGER),
        Column(
            "value_g_per_kwh", N_("Facteur, moyenne sur l’énergie"), lambda it: it.factor.value_g_per_kwh, NUMBER, "gCO2e/kWh"
        ),
        Column("least_g_per_kwh", N_("Plus petite valeur"), lambda it: it.factor.least_g_per_kwh, NUMBER, "gCO2e/kWh"),
        Column("greatest_g_per_kwh", N_("Plus grande valeur"), lambda it: it.factor.greatest_g_per_kwh, NUMBER, "gCO2e/kWh"),
        Column("scope", N_("Portée"), lambda it: it.factor.scope, words=wording.SCOPES),
        Column("basis", N_("Base"), lambda it: it.factor.basis, words=wording.BASES),
        Column("same_year", N_("De la même année"), lambda it: it.factor.same_year, FLAG),
        Column("filled", N_("Trou comblé"), lambda it: it.factor.filled, words=wording.FILLS),
        Column("source", N_("Source"), lambda it: it.factor.source),
        Column("licence", N_("Licence"), lambda it: it.factor.licence),
        Column("factor_set", N_("Jeu de facteurs d’émission"), lambda it: it.factor.factor_set),
        Column("release", N_("Édition"), lambda it: it.factor.release),
        Column("retrieved_on", N_("Relevé le"), lambda it: day(it.factor.retrieved_on), DAY),
    )
    lines = [
        *(_FactorLine("current", factor) for factor in report.factors),
        *(_FactorLine("constant", factor) for factor in report.reference_factors),
    ]
    return table("factors", N_("Facteurs d’émission"), lines, *columns)


def factor_gaps(report: QuarterlyReport) -> Table:
    """Tabulate the zones whose emission factors have gaps."""
    columns: tuple[Column[FactorGap], ...] = (
        Column("zone", N_("Zone"), lambda it: it.zone),
        Column("filled", N_("Trou comblé"), lambda it: it.filled or None, words=wording.FILLS),
        Column("energy_share", N_("Part de l’énergie"), lambda it: it.share, NUMBER, "1"),
    )
    return table("factor_gaps", N_("Trous des facteurs"), report.factor_gaps, *columns)


def contracts(report: QuarterlyReport) -> Table:
    """Tabulate the contracts that cover a part of the electricity."""
    columns: tuple[Column[ContractUsed], ...] = (
        Column("supplier", N_("Fournisseur"), lambda it: it.supplier),
        Column("value_g_per_kwh", N_("Facteur"), lambda it: it.gco2e_per_kwh, NUMBER, "gCO2e/kWh"),
        Column("scope", N_("Portée"), lambda it: it.scope, words=wording.SCOPES),
        Column("covered_share", N_("Part couverte"), lambda it: it.share, NUMBER, "1"),
        Column("zone", N_("Zone"), lambda it: it.zone),
        Column("instances", N_("Machines"), lambda it: it.instances, CODES),
        *validity(ContractUsed),
        Column("evidence", N_("Preuve"), lambda it: it.evidence),
    )
    return table("contracts", N_("Contrats d’électricité"), report.contracts, *columns)


def calibrations(report: QuarterlyReport) -> Table:
    """Tabulate the wall factors measured on site that were applied."""
    columns: tuple[Column[CalibrationUsed], ...] = (
        Column("component", N_("Composant"), lambda it: it.component, words=wording.COMPONENTS),
        Column("wall_factor", N_("Énergie à la prise / énergie du composant"), lambda it: it.wall_factor, NUMBER, "kWh/kWh"),
        Column("gsd", N_("Dispersion"), lambda it: it.gsd, NUMBER),
        Column("instances", N_("Machines"), lambda it: it.instances, CODES),
        *validity(CalibrationUsed),
        Column("measured_on", N_("Mesuré le"), lambda it: day(it.measured_on), DAY),
        Column("source", N_("Source"), lambda it: it.source),
    )
    return table("calibrations", N_("Étalonnage du site"), report.calibrations, *columns)


def crosschecks(report: QuarterlyReport) -> Table:
    """Tabulate how the records of hosts stand against their power at the wall."""
    columns: tuple[Column[CrosscheckKept], ...] = (
        Column("instance", N_("Machine"), lambda it: it.instance),
        Column("ratio", N_("Énergie à la prise / énergie enregistrée"), lambda it: it.ratio, NUMBER, "kWh/kWh"),
        Column("gsd", N_("Dispersion"), lambda it: it.gsd, NUMBER),
        Column("hours", N_("Heures comparées"), lambda it: it.hours, NUMBER, "h"),
        Column("missing_hours", N_("Heures manquantes"), lambda it: it.missing_hours, NUMBER, "h"),
        Column("low_hours", N_("Heures au-dessous de 0,9"), lambda it: it.low_hours, NUMBER, "h"),
        Column("high_hours", N_("Heures au-dessus de 2,5"), lambda it: it.high_hours, NUMBER, "h"),
        Column("compared_on", N_("Comparé le"), lambda it: day(it.compared_on), DAY),
        Column("series", N_("Série de mesures"), lambda it: it.series),
        Column("sha256", N_("Empreinte SHA-256"), lambda it: it.sha256),
    )
    return table("crosschecks", N_("Contrôle à la prise"), report.crosschecks, *columns)


def deviations(report: QuarterlyReport) -> Table:
    """Tabulate the geometric standard deviation of each source of error."""
    columns: tuple[Column[DeviationInUse], ...] = (
        Column("error", N_("Source d’erreur"), lambda it: it.name, words=wording.DEVIATIONS),
        Column("gsd", N_("Dispersion"), lambda it: it.gsd, NUMBER),
        Column("default_gsd", N_("Par défaut"), lambda it: it.default, NUMBER),
        Column("because", N_("Motif"), lambda it: report.deviations_because if it.gsd != it.default else None),
    )
    return table("deviations", N_("Incertitudes types"), report.deviations, *columns)


def sensitivities(report: QuarterlyReport) -> Table:
    """Tabulate what the whole would be if one thing were otherwise."""
    columns: tuple[Column[Sensitivity], ...] = (
        Column("kind", N_("Ce qui change"), lambda it: it.kind, words=wording.SENSITIVITIES),
        Column("name", N_("Nom"), lambda it: it.name),
        Column("indicator", N_("Indicateur"), lambda it: it.of, words=wording.INDICATORS),
        *quantity("value", N_("Valeur"), lambda it: it.value, "kgCO2e"),
    )
    return table("sensitivities", N_("Sensibilité"), report.sensitivities, *columns)


def equivalences(report: QuarterlyReport) -> Table:
    """Tabulate what the CO2e is set beside."""
    columns: tuple[Column[EquivalenceUsed], ...] = (
        Column("equivalence", N_("Équivalence"), lambda it: it.id, words=wording.EQUIVALENCES),
        Column("of", N_("Indicateur"), lambda it: it.of, words=wording.INDICATORS),
        *quantity("quantity", N_("Quantité"), lambda it: it.quantity, "", "unit"),
        Column("unit", N_("Unité"), lambda it: it.quantity.unit),
        Column("kg_per_unit", N_("CO₂e par unité"), lambda it: it.kg_per_unit, NUMBER, "kgCO2e"),
        Column("source", N_("Source"), lambda it: it.source),
        Column("dated", N_("Daté du"), lambda it: day(it.dated), DAY),
    )
    return table("equivalences", N_("Équivalences"), report.equivalences, *columns)
