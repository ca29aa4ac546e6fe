"""Say which runs cost most, which are matched for less, and which came to nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from ecoia.report import Quantity
from ecoia_dashboards import wording
from ecoia_dashboards.dashboard.page import Figure, Reading, Shown
from ecoia_dashboards.dashboard.pages.runs import quality_bought_texts
from ecoia_dashboards.dashboard.pages.runs.listing import MATCHED, OUTCOMES, UNMATCHED, Listed, Runs
from ecoia_dashboards.dashboard.pages.runs.one_run import seconds_between, short
from ecoia_dashboards.dashboard.tables import FIGURE, TEXT, Cell, Heading, Link, Mark, Table
from ecoia_dashboards.dashboard.view import period_text
from ecoia_dashboards.figures.fronts import fronts_of
from ecoia_dashboards.language import SHARE_UNIT, Language
from ecoia_dashboards.wording import N_

MOST_FRONTS = 6
_EVIDENCE: dict[str, Any] = {"outcome": (), "q": "", "sort": "", "tolerance": ""}
"""Formula and rows know neither how runs end nor what was searched for."""
STANDINGS = {UNMATCHED: N_("non, inégalé"), MATCHED: N_("oui")}
UNKNOWN_OUTCOME = N_("issue inconnue")


def show(content: Runs, reading: Reading, language: Language) -> Shown:
    """Say it in words."""
    charts = fronts_of(content.frontiers, reading.names, language, MOST_FRONTS)
    quarter = language.quarter(reading.quarter)
    subtitle = language.t(
        "Un point par entraînement fini ; énergie en abscisse, qualité en ordonnée ; %(quarter)s", quarter=quarter
    )
    note = language.t(
        "Deux runs partagent des erreurs de mesure : l’écart entre eux est plus sûr que leurs intervalles ne le montrent."
    )
    figures = {chart.id: Figure(chart, subtitle, note) for chart in charts}
    values = {
        "content": content,
        "fronts": list(figures),
        "lost_share": _lost_share(content),
        "bought": quality_bought_texts.sentence(content.bought, reading, language),
        "spared": _spared(content, reading, language),
        "outside": _outside(content, language),
    }
    choices = {
        "outcome": [(each, outcome_text(None if each == "unknown" else each, language)) for each in OUTCOMES],
        "phase": [(each, language.of(wording.PHASES, each)) for each in content.phases],
        "instance": [(each, each) for each in content.instances],
    }
    tables = {"runs": _table(content, reading, language)}
    if content.bought:
        tables["bought"] = quality_bought_texts.table(content.bought, reading, language)
    return Shown(
        _sentence(content, reading, language),
        _lead(content, language),
        figures,
        tables,
        values,
        evidence=_EVIDENCE,
        choices=choices,
    )


def outcome_text(outcome: str | None, language: Language) -> str:
    """Say how a run ended."""
    return language.t(UNKNOWN_OUTCOME) if outcome is None else language.of(wording.OUTCOMES, outcome)


def quality_text(quality: Mapping[str, float], language: Language) -> str:
    """List figures of quality, as they were given."""
    return language.t(" ; ").join(f"{name} {language.plain(value)}" for name, value in sorted(quality.items()))


def _sentence(content: Runs, reading: Reading, language: Language) -> str:
    period = period_text(reading.period, language)
    if not content.count:
        return language.t("Aucun run ne correspond (%(period)s).", period=period)
    used = language.amount(content.energy)
    found = language.n(
        "%(count)s run a consommé %(energy)s (%(period)s)",
        "%(count)s runs ont consommé %(energy)s (%(period)s)",
        content.count,
        energy=used,
        period=period,
    )
    if not content.lost:
        nothing = language.t("aucun n’est en échec ou abandonné")
        if content.unknown:
            nothing = language.t("aucun échec ni abandon n’est enregistré")
        return language.t("%(found)s ; %(nothing)s.", found=found, nothing=nothing)
    lost = language.n(
        "%(count)s est en échec ou abandonné (%(share)s de l’énergie)",
        "%(count)s sont en échec ou abandonnés (%(share)s de l’énergie)",
        content.lost,
        share=language.share(_lost_share(content).value or 0.0),
    )
    return language.t("%(found)s ; %(lost)s.", found=found, lost=lost)


def _lost_share(content: Runs) -> Quantity:
    whole = content.energy.value
    if not whole:
        return Quantity(None, SHARE_UNIT, reason="no-runs")
    return Quantity((content.lost_energy.value or 0.0) / whole, SHARE_UNIT)


def _lead(content: Runs, language: Language) -> str:
    if not content.count:
        return ""
    dearest = max((each.line for each in content.shown), key=lambda each: each.microjoules)
    said = [language.t("Un run est une exécution suivie dans MLflow, le plus souvent un entraînement.")]
    if content.unknown:
        said.append(
            language.n(
                "Rien ne dit comment %(count)s d’entre eux s’est terminé.",
                "Rien ne dit comment %(count)s d’entre eux se sont terminés.",
                content.unknown,
            )
        )
    if content.count > 1 and dearest.energy.value is not None and content.energy.value:
        share = language.share(dearest.energy.value / content.energy.value)
        said.append(language.t("Le plus coûteux de cette liste en a pris %(share)s.", share=share))
    return " ".join(said)


def _spared(content: Runs, reading: Reading, language: Language) -> str:
    """Say what runs took that another equals for less; or why nothing is said of it."""
    if reading.period.quarter is None:
        return language.t("La qualité à énergie moindre n’est comparée que sur un trimestre entier.")
    matched = sum(len(each.runs) for each in content.savings)
    if not content.frontiers:
        chosen = reading.address.service
        why = [
            each
            for each in reading.report.unsupported
            if each.kind == "dominated-runs" and (not chosen or not each.services or set(chosen) & set(each.services))
        ]
        reasons = language.listed(dict.fromkeys(language.of(wording.UNSUPPORTED, each.reason) for each in why))
        return language.t(
            "Aucun run n’est comparé par sa qualité : %(reasons)s.", reasons=reasons or language.t("aucun n’est fini")
        )
    if not matched:
        return language.t("Aucun run comparé n’est égalé en qualité pour nettement moins d’énergie.")
    energy = sum(each.energy.value or 0.0 for each in content.savings)
    return language.n(
        "%(count)s run est égalé en qualité par un autre, qui a pris moins d’énergie : %(energy)s de trop.",
        "%(count)s runs sont égalés en qualité par un autre, qui a pris moins d’énergie : %(energy)s de trop.",
        matched,
        energy=language.amount(Quantity(energy, "kWh")),
    )


def _outside(content: Runs, language: Language) -> str:
    if not content.outside_microjoules:
        return ""
    return language.t(
        "Hors de tout run, l’entraînement a pris %(energy)s de plus (énergie des composants).",
        energy=language.energy(content.outside_microjoules),
    )


# --- the table ---


def _table(content: Runs, reading: Reading, language: Language) -> Table:
    headings = (
        Heading(language.t("Run"), sort="run"),
        Heading(language.t("Choisir"), "tick"),
        Heading(language.t("Énergie"), FIGURE, sort="energy"),
        Heading(language.t("Issue"), sort="outcome"),
        Heading(language.t("Service, phase"), sort="service", less_important=True),
        Heading(language.t("Qualité"), TEXT, less_important=True),
        Heading(language.t("Égalé pour moins"), TEXT, less_important=True),
        Heading(language.t("Durée"), FIGURE, sort="duration", less_important=True),
        Heading(language.t("CO₂e d’usage"), FIGURE, sort="co2e", less_important=True),
        Heading(language.t("Début"), TEXT, sort="start", less_important=True),
    )
    lines = tuple(_line(each, reading, language) for each in content.shown)
    rest: tuple[Cell, ...] = ("",) * 7
    foot: list[tuple[Cell, ...]] = []
    if len(content.shown) < content.count:
        left = content.count - len(content.shown)
        name = language.n("%(count)s run sur les autres pages", "%(count)s runs sur les autres pages", left)
        foot.append((name, "", content.others, *rest))
    if content.count:
        foot.append((language.t("Ensemble des runs"), "", content.energy, *rest))
    title = _title(content, reading, language)
    note = language.t("Énergie avec le bâtiment où il est connu. Cochez des runs, puis « Comparer ».")
    return Table("runs", title, headings, lines, _subtitle(content, language), tuple(foot), note, ordered=True)


def _title(content: Runs, reading: Reading, language: Language) -> str:
    if not reading.address.sort and not reading.address.after:
        return language.t("Les runs, du plus coûteux au moins coûteux")
    return language.t("Les runs")


def _subtitle(content: Runs, language: Language) -> str:
    shown, count = language.whole(len(content.shown)), language.whole(content.count)
    return language.t("%(shown)s montrés sur %(count)s", shown=shown, count=count)


def _line(it: Listed, reading: Reading, language: Language) -> tuple[Cell, ...]:
    run = it.line
    note = language.t("simulé") if run.simulated else ""
    tick = Markup('<input type="checkbox" name="runs" value="{}" aria-label="{}">').format(
        run.run_id, language.t("Comparer le run %(run)s", run=short(run.run_id))
    )
    phase = language.of(wording.PHASES, run.phase)
    return (
        Link(short(run.run_id), f"/runs/{run.run_id}", note, exact=run.run_id),
        Mark(tick, ""),
        run.energy,
        outcome_text(run.outcome, language),
        language.t("%(service)s, %(phase)s", service=reading.names.get(run.service, run.service), phase=phase),
        quality_text(run.quality, language) or None,
        language.t(STANDINGS[it.standing]) if it.standing else None,
        language.seconds(seconds_between(run.start_utc, run.end_utc)),
        run.co2e,
        language.moment(run.start_utc, reading.state.timezone),
    )
