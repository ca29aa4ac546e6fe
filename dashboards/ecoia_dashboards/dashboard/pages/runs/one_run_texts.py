"""Say what one run took."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from ecoia.report import Quantity
from ecoia.units import kwh
from ecoia_dashboards import wording
from ecoia_dashboards.dashboard.address import Period
from ecoia_dashboards.dashboard.figures.run_energies import power
from ecoia_dashboards.dashboard.page import Figure, Reading, Shown
from ecoia_dashboards.dashboard.pages.runs.comparison_texts import method_text
from ecoia_dashboards.dashboard.pages.runs.listing_texts import outcome_text, quality_text
from ecoia_dashboards.dashboard.pages.runs.one_run import OneRun, short
from ecoia_dashboards.dashboard.tables import FIGURE, Cell, Heading, Link, Table
from ecoia_dashboards.language import Language
from ecoia_dashboards.sums import added


def show(content: OneRun, reading: Reading, language: Language) -> Shown:
    """Say it in words."""
    energy = added([each.energy for each in content.lines], "kWh")
    co2e = added([each.co2e for each in content.lines], "kgCO2e")
    chart = power([(each.start_utc_ns, each.microjoules) for each in content.half_hours], language)
    subtitle = language.t("Énergie des composants de chaque demi-heure, divisée par sa durée")
    figures = {} if chart is None else {"power": Figure(chart, subtitle)}
    tables = {"methods": _methods(content, language)}
    if len(content.lines) > 1:
        tables["work"] = _work(content, reading, language)
    values = {"content": content, "energy": energy, "co2e": co2e, "facts": _facts(content, reading, language)}
    sentence = _sentence(content, energy, reading, language)
    return Shown(sentence, figures=figures, tables=tables, values=values, evidence=_evidence(content, reading))


def _evidence(content: OneRun, reading: Reading) -> dict[str, Any]:
    """Choose the run's own work, on its days."""
    zone = ZoneInfo(reading.state.timezone)
    first, last = (datetime.fromisoformat(each).astimezone(zone).date() for each in (content.start_utc, content.end_utc))
    services, phases = (tuple(sorted(names)) for names in zip(*content.work, strict=True))
    return {
        "period": Period(first, last + timedelta(days=1)),
        "service": tuple(dict.fromkeys(services)),
        "phase": tuple(dict.fromkeys(phases)),
        "run": (content.run_id,),
    }


def _sentence(content: OneRun, energy: Quantity, reading: Reading, language: Language) -> str:
    said = {
        "run": short(content.run_id),
        "service": language.listed(dict.fromkeys(reading.names.get(each.service, each.service) for each in content.lines)),
        "duration": language.seconds(content.seconds),
        "end": outcome_text(content.outcome, language),
    }
    if energy.value is None:
        reason = language.of(wording.REASONS, energy.reason or "no-data")
        return language.t("Run %(run)s (%(service)s) : énergie inconnue, %(reason)s ; %(end)s.", **said, reason=reason)
    return language.t("Run %(run)s (%(service)s) : %(energy)s en %(duration)s ; %(end)s.", **said, energy=language.amount(energy))


def _facts(content: OneRun, reading: Reading, language: Language) -> list[tuple[str, str]]:
    zone = reading.state.timezone
    found = [
        (language.t("Identifiant"), content.run_id),
        (language.t("Phases"), language.listed(language.of(wording.PHASES, each.phase) for each in content.lines)),
        (language.t("Machines"), language.listed(content.instances)),
        (language.t("Début"), language.moment(content.start_utc, zone)),
        (language.t("Fin du dernier relevé"), language.moment(content.end_utc, zone)),
        (language.t("Issue"), outcome_text(content.outcome, language)),
        (language.t("Qualité"), quality_text(content.quality, language) or language.t("aucune mesure enregistrée")),
        (language.t("Lignes des relevés"), language.whole(content.rows)),
    ]
    if content.units is not None:
        found.append((language.t("Unités"), language.plain(content.units)))
    return found


def _methods(content: OneRun, language: Language) -> Table:
    lines: tuple[tuple[Cell, ...], ...] = tuple(
        (method_text((each.component, each.status, each.method), language), Quantity(kwh(each.microjoules), "kWh"))
        for each in content.methods
    )
    foot = ((language.t("Ensemble"), Quantity(kwh(content.microjoules), "kWh")),)
    headings = (Heading(language.t("Composant, méthode")), Heading(language.t("Énergie"), FIGURE))
    subtitle = language.t("Énergie exacte des composants, avant tout facteur")
    return Table("methods", language.t("De quoi cette énergie est faite"), headings, lines, subtitle, foot)


def _work(content: OneRun, reading: Reading, language: Language) -> Table:
    """Tabulate the services and phases that the run worked for."""
    lines: tuple[tuple[Cell, ...], ...] = tuple(
        (
            Link(reading.names.get(each.service, each.service), f"/services/{each.service}"),
            language.of(wording.PHASES, each.phase),
            each.energy,
            each.co2e,
        )
        for each in content.lines
    )
    headings = (
        Heading(language.t("Service")),
        Heading(language.t("Phase")),
        Heading(language.t("Énergie"), FIGURE),
        Heading(language.t("CO₂e d’usage"), FIGURE),
    )
    return Table("work", language.t("Ce run a travaillé pour plusieurs phases ou services"), headings, lines)
