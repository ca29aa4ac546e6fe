"""Tabulate places and machines: sites and their figures, equipment and its making, and the organisation's inventory."""

from __future__ import annotations

from typing import NamedTuple

from ecoia.report import EquipmentUsed, FigureUsed, InventoryLine, QuarterlyReport, SiteResult
from ecoia_dashboards import wording
from ecoia_dashboards.tables.base import (
    BOUNDARIES,
    CODES,
    DAY,
    INTEGER,
    NUMBER,
    Column,
    Table,
    co2e,
    day,
    quantity,
    service,
    table,
    validity,
)
from ecoia_dashboards.wording import N_


def inventory(report: QuarterlyReport) -> Table:
    """Tabulate the parts of the CO2e by scope and item of an organisation's inventory."""
    columns: tuple[Column[InventoryLine], ...] = (
        Column("item", N_("Poste du BEGES"), lambda it: it.item, words=wording.INVENTORY_ITEMS),
        Column("part", N_("Partie"), lambda it: it.part, words=wording.INDICATORS),
        Column("operated", N_("Exploitation"), lambda it: it.operated, words=wording.OPERATED),
        Column("ghg_scope", N_("Scope du GHG Protocol"), lambda it: it.ghg_scope, INTEGER),
        Column("ghg_category", N_("Catégorie du scope 3"), lambda it: it.ghg_category, INTEGER),
        *quantity("co2e", N_("CO₂e"), lambda it: it.co2e, "kgCO2e"),
        Column("assumptions", N_("Hypothèses"), lambda it: it.assumptions, CODES, words=wording.ASSUMPTIONS),
    )
    return table("inventory", N_("Bilan par poste (BEGES)"), report.inventory, *columns)


def sites(report: QuarterlyReport) -> Table:
    """Tabulate the energy of each site."""
    columns: tuple[Column[SiteResult], ...] = (
        Column("site", N_("Identifiant"), lambda it: it.id),
        Column("name", N_("Site"), lambda it: it.name),
        Column("zone", N_("Zone"), lambda it: it.zone),
        *quantity("energy_it", N_("Énergie informatique"), lambda it: it.energy_it, "kWh"),
        *quantity("energy", N_("Énergie"), lambda it: it.energy, "kWh"),
        Column("boundary", N_("Bâtiment"), lambda it: it.boundary, words=BOUNDARIES),
    )
    return table("sites", N_("Sites"), report.sites, *columns)


def site_figures(report: QuarterlyReport) -> Table:
    """Tabulate the PUE, WUE and water factors that were applied."""
    columns: tuple[Column[FigureUsed], ...] = (
        Column("site", N_("Identifiant"), lambda it: it.site),
        Column("kind", N_("Chiffre"), lambda it: it.kind, words=wording.FIGURES),
        Column("value", N_("Valeur"), lambda it: it.value, NUMBER, unit_column="unit"),
        Column("unit", N_("Unité"), lambda it: "kWh/kWh" if it.kind == "pue" else "L/kWh"),
        Column("quality", N_("Qualité"), lambda it: it.quality, words=wording.QUALITIES),
        *validity(FigureUsed),
        Column("source", N_("Source"), lambda it: it.source),
        Column("dated", N_("Date de la source"), lambda it: day(it.dated), DAY),
    )
    return table("site_figures", N_("PUE, WUE, facteurs d’eau"), report.site_figures, *columns)


def equipment(report: QuarterlyReport) -> Table:
    """Tabulate each piece of equipment, and the part of its making that falls on the quarter."""
    columns: tuple[Column[EquipmentUsed], ...] = (
        Column("equipment", N_("Identifiant"), lambda it: it.id),
        Column("name", N_("Équipement"), lambda it: it.name),
        Column("co2e_kg", N_("Fabrication"), lambda it: it.co2e_kg, NUMBER, "kgCO2e"),
        Column("life_years", N_("Durée de vie"), lambda it: it.life_years, NUMBER, "a"),
        Column("reserved_share", N_("Part réservée"), lambda it: it.reserved_share, NUMBER, "1"),
        Column("instances", N_("Machines"), lambda it: it.instances, CODES),
        Column("devices", N_("Appareils"), lambda it: it.devices, CODES),
        *validity(EquipmentUsed),
        *co2e("quarter", N_("Ce trimestre"), lambda it: it.quarter_micrograms),
        Column("source", N_("Source"), lambda it: it.source),
        Column("dated", N_("Date de la source"), lambda it: day(it.dated), DAY),
    )
    return table("equipment", N_("Équipements"), report.equipment, *columns)


class _BearerLine(NamedTuple):
    equipment: str
    service: str
    micrograms: int


def equipment_bearers(report: QuarterlyReport) -> Table:
    """Tabulate which service bears how much of the making of each piece of equipment."""
    names = {it.id: it.name for it in report.equipment if it.name}
    columns: tuple[Column[_BearerLine], ...] = (
        Column("equipment", N_("Équipement"), lambda it: it.equipment, names=names),
        service(report, lambda it: it.service or None),
        *co2e("quarter", N_("Ce trimestre"), lambda it: it.micrograms),
    )
    lines = (_BearerLine(it.id, *borne) for it in report.equipment for borne in it.by_service_micrograms.items())
    return table("equipment_bearers", N_("Fabrication par service"), lines, *columns)
