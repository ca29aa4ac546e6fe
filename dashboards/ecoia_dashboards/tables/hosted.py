"""Tabulate calls to hosted models, and the hypotheses that their estimates rest on."""

from __future__ import annotations

from operator import attrgetter

from ecoia.impact.hosted_estimates import Hypotheses
from ecoia.report import QuarterlyReport, TokensUsed
from ecoia_dashboards import wording
from ecoia_dashboards.tables.base import CODES, FLAG, INTEGER, NUMBER, Column, Table, phase, service, table
from ecoia_dashboards.wording import N_

_PER_MILLION = "kgCO2e/10⁶"

_AMOUNTS = (
    ("low_kg_per_million", N_("Jetons produits, hypothèse basse"), "low_kg", _PER_MILLION),
    ("central_kg_per_million", N_("Jetons produits, hypothèse centrale"), "central_kg", _PER_MILLION),
    ("high_kg_per_million", N_("Jetons produits, hypothèse haute"), "high_kg", _PER_MILLION),
    ("request_low_kg", N_("Par appel, hypothèse basse"), "request_low_kg", "kgCO2e"),
    ("request_central_kg", N_("Par appel, hypothèse centrale"), "request_central_kg", "kgCO2e"),
    ("request_high_kg", N_("Par appel, hypothèse haute"), "request_high_kg", "kgCO2e"),
    ("making_kg_per_million", N_("Jetons produits, dont fabrication"), "making_kg", _PER_MILLION),
    ("request_making_kg", N_("Par appel, dont fabrication"), "request_making_kg", "kgCO2e"),
    ("low_kwh_per_million", N_("Énergie des jetons produits, hypothèse basse"), "low_kwh", "kWh/10⁶"),
    ("high_kwh_per_million", N_("Énergie des jetons produits, hypothèse haute"), "high_kwh", "kWh/10⁶"),
    ("request_low_kwh", N_("Énergie d’un appel, hypothèse basse"), "request_low_kwh", "kWh"),
    ("request_high_kwh", N_("Énergie d’un appel, hypothèse haute"), "request_high_kwh", "kWh"),
    ("low_litres_per_million", N_("Eau des jetons produits, hypothèse basse"), "low_litres", "L/10⁶"),
    ("high_litres_per_million", N_("Eau des jetons produits, hypothèse haute"), "high_litres", "L/10⁶"),
    ("request_low_litres", N_("Eau d’un appel, hypothèse basse"), "request_low_litres", "L"),
    ("request_high_litres", N_("Eau d’un appel, hypothèse haute"), "request_high_litres", "L"),
    ("input_low_kg_per_million", N_("Jetons reçus, selon la source, hypothèse basse"), "input_low_kg", _PER_MILLION),
    ("input_central_kg_per_million", N_("Jetons reçus, selon la source"), "input_central_kg", _PER_MILLION),
    ("input_high_kg_per_million", N_("Jetons reçus, selon la source, hypothèse haute"), "input_high_kg", _PER_MILLION),
    ("input_low_litres_per_million", N_("Eau des jetons reçus, selon la source, hypothèse basse"), "input_low_litres", "L/10⁶"),
    ("input_high_litres_per_million", N_("Eau des jetons reçus, selon la source, hypothèse haute"), "input_high_litres", "L/10⁶"),
)
"""What an estimate rests on: id and title of the column, the field of ``Hypotheses``, its unit."""


def tokens(report: QuarterlyReport) -> Table:
    """Tabulate the tokens exchanged with each model, and whether they are estimated, metered or unmeasured."""
    columns: tuple[Column[TokensUsed], ...] = (
        service(report, lambda it: it.service),
        phase(lambda it: it.phase),
        Column("provider", N_("Fournisseur"), lambda it: it.provider),
        Column("model", N_("Modèle"), lambda it: it.model),
        Column("requests", N_("Appels dénombrés"), lambda it: it.requests, INTEGER),
        Column("tokens_in", N_("Jetons reçus"), lambda it: it.tokens_in, INTEGER),
        Column("cached_in", N_("dont lus d’un cache"), lambda it: it.cached_in, INTEGER),
        Column("cached_untold_in", N_("Jetons reçus dont le cache n’est pas dit"), lambda it: it.cached_untold_in, INTEGER),
        Column("tokens_out", N_("Jetons produits"), lambda it: it.tokens_out, INTEGER),
        Column("uncounted_out", N_("Jetons produits d’appels non dénombrés"), lambda it: it.uncounted_out, INTEGER),
        Column("reasoning", N_("dont de raisonnement"), lambda it: it.reasoning, INTEGER),
        Column(
            "reasoning_untold_out",
            N_("Jetons produits dont le raisonnement n’est pas dit"),
            lambda it: it.reasoning_untold_out,
            INTEGER,
        ),
        Column("rows", N_("Lignes des relevés"), lambda it: it.rows, INTEGER),
        Column("standing", N_("Ce qu’il en est fait"), lambda it: it.standing, words=wording.STANDINGS),
        Column("reason", N_("Motif"), lambda it: it.reason, words=wording.WHY_UNMEASURED),
        Column("low_kg", N_("CO₂e, hypothèse basse"), lambda it: it.low_kg, NUMBER, "kgCO2e"),
        Column("central_kg", N_("CO₂e, hypothèse centrale"), lambda it: it.central_kg, NUMBER, "kgCO2e"),
        Column("high_kg", N_("CO₂e, hypothèse haute"), lambda it: it.high_kg, NUMBER, "kgCO2e"),
        Column("is_lower_bound", N_("CO₂e au moins"), lambda it: it.is_lower_bound, FLAG),
        Column("making_kg", N_("dont fabrication des serveurs"), lambda it: it.making_kg, NUMBER, "kgCO2e"),
        Column("low_kwh", N_("Énergie chez le fournisseur, hypothèse basse"), lambda it: it.low_kwh, NUMBER, "kWh"),
        Column("high_kwh", N_("Énergie chez le fournisseur, hypothèse haute"), lambda it: it.high_kwh, NUMBER, "kWh"),
        Column("low_litres", N_("Eau, hypothèse basse"), lambda it: it.low_litres, NUMBER, "L"),
        Column("high_litres", N_("Eau, hypothèse haute"), lambda it: it.high_litres, NUMBER, "L"),
        Column("input_factor", N_("× si les jetons reçus comptaient, au plus"), lambda it: it.input_factor, NUMBER),
        Column("records", N_("Enregistrements"), lambda it: it.records, INTEGER),
        Column("record_ids", N_("Premiers enregistrements"), lambda it: it.record_ids, CODES),
    )
    return table("tokens", N_("Modèles externes"), report.tokens, *columns)


def model_hypotheses(report: QuarterlyReport) -> Table:
    """Tabulate the hypotheses about each hosted model; CO2e is of a million tokens produced."""
    columns: tuple[Column[Hypotheses], ...] = (
        Column("provider", N_("Fournisseur"), lambda it: it.provider),
        Column("model", N_("Modèle"), lambda it: it.model),
        Column("zone", N_("Zone"), lambda it: it.zone),
        Column("total_parameters", N_("Paramètres (milliards)"), lambda it: it.total_parameters),
        Column("active_parameters", N_("dont actifs"), lambda it: it.active_parameters),
        Column("architecture_published", N_("Architecture publiée"), lambda it: it.architecture_published, FLAG),
        *(Column(name, title, attrgetter(of), NUMBER, unit) for name, title, of, unit in _AMOUNTS),
        Column("source", N_("Source, à la place d’EcoLogits"), lambda it: it.source),
        Column("dated", N_("Date de la source"), lambda it: it.dated),
        Column("pue", N_("PUE supposé"), lambda it: it.pue),
        Column("wue", N_("WUE supposé (L/kWh)"), lambda it: it.wue),
        Column("zone_of_another", N_("Zone d’un autre fournisseur"), lambda it: it.zone_of_another, FLAG),
        Column("warnings", N_("Avertissements d’EcoLogits"), lambda it: it.warnings, CODES),
        Column("ecologits_version", N_("Version d’EcoLogits"), lambda it: it.ecologits_version),
    )
    return table("model_hypotheses", N_("Hypothèses des modèles"), report.model_hypotheses, *columns)
