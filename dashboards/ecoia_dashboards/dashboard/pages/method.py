"""Factors and method: how figures are made, what they rest on, and what they would be if a hypothesis were another."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ecoia.report import (
    CalibrationUsed,
    ContractUsed,
    DeviationInUse,
    EquipmentUsed,
    FactorSetInUse,
    FactorUsed,
    FigureUsed,
    Quantity,
    QuarterlyReport,
    Sensitivity,
)
from ecoia_dashboards.dashboard.figures.sensitivity import difference, known, name_of, sensitivity
from ecoia_dashboards.dashboard.page import Figure, Page, Reading, Shown
from ecoia_dashboards.dashboard.pages.method_tables import method_tables
from ecoia_dashboards.language import Language
from ecoia_dashboards.pages.summary import Summary
from ecoia_dashboards.wording import N_


@dataclass(frozen=True)
class Method:
    """The data of the page: what the figures of a quarter rest on. Sums of the whole are left out for readers of a part."""

    quarter: str
    method_version: str
    boundary: str
    co2e_operational: Quantity | None
    sensitivities: tuple[Sensitivity, ...]
    factor_set: FactorSetInUse | None
    factors: tuple[FactorUsed, ...]
    pue_outside_sites: float | None
    site_figures: tuple[FigureUsed, ...]
    contracts: tuple[ContractUsed, ...]
    calibrations: tuple[CalibrationUsed, ...]
    equipment: tuple[EquipmentUsed, ...]
    deviations: tuple[DeviationInUse, ...]
    deviations_because: str | None


def read(reading: Reading) -> Method:
    """Read what the figures rest on."""
    report, whole = reading.report, reading.allowed is None
    return Method(
        report.quarter,
        report.method_version,
        report.totals.boundary,
        report.footprint.co2e_operational if whole else None,
        report.sensitivities if whole else (),
        report.factor_set,
        report.factors_of_quarter,
        report.pue,
        report.site_figures,
        report.contracts,
        report.calibrations,
        tuple(replace(each, by_service_micrograms={}) for each in report.equipment),
        report.deviations,
        report.deviations_because,
    )


def show(content: Method, reading: Reading, language: Language) -> Shown:
    """Say how figures are made."""
    report = replace(reading.report, sensitivities=content.sensitivities)
    quarter = language.quarter(content.quarter)
    chart = sensitivity(report, language) if content.co2e_operational else None
    subtitle = language.t("CO₂e d’usage · %(quarter)s · une seule hypothèse change à la fois", quarter=quarter)
    words = Summary(report, language)
    return Shown(
        language.t("Chaque chiffre est une énergie relevée, portée au bâtiment puis multipliée par le réseau électrique."),
        _lead(content, report, language),
        figures={} if chart is None else {"sensitivity": Figure(chart, subtitle)},
        tables={each.id: each for each in method_tables(words) if each.lines},
        values={"content": content, "report": report, "words": words, "quarter": quarter, "may_see": reading.may_see},
    )


def _lead(content: Method, report: QuarterlyReport, language: Language) -> str:
    found = known(report) if content.co2e_operational else []
    if not found or not difference(found[0], report).value:
        return language.t("L’énergie relevée ne change jamais ; tout le reste peut être recalculé avec d’autres valeurs.")
    column = language.column([report.footprint.co2e_operational, found[0].value])
    return language.t(
        "L’énergie relevée ne change jamais ; tout le reste peut être recalculé avec d’autres valeurs. L’hypothèse qui pèse le "
        "plus : %(name)s, le CO₂e d’usage passe de %(now)s à %(otherwise)s.",
        name=name_of(found[0], language),
        now=column.amount(report.footprint.co2e_operational),
        otherwise=column.amount(found[0].value),
    )


PAGE = Page("method", "/method", N_("Méthode"), read, show)
