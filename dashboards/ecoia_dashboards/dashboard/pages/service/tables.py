"""The tables of a service's page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from babel.dates import format_date

from ecoia.exploring import RunLine, VersionUse
from ecoia.report import FigureUsed, Quantity
from ecoia_dashboards import wording
from ecoia_dashboards.dashboard import marks
from ecoia_dashboards.dashboard.links import to_page
from ecoia_dashboards.dashboard.page import Reading
from ecoia_dashboards.dashboard.pages.runs.one_run import mlflow_page, short
from ecoia_dashboards.dashboard.pages.service.content import Service
from ecoia_dashboards.dashboard.pieces.days import Strip, days_words
from ecoia_dashboards.dashboard.pieces.parts import methods_table, phases_table
from ecoia_dashboards.dashboard.tables import FIGURE, MARK, Cell, Heading, Link, Mark, Table
from ecoia_dashboards.language import NBSP, Language

MOST_RUNS = 20
"""How many runs are listed."""
_LOST = ("failed", "abandoned")
_MOST_METRICS = 2


def tables(content: Service, reading: Reading, language: Language, scope: str) -> dict[str, Table]:
    """Return the tables of a service that has energy.

    Args:
        content: The page's data.
        reading: The data at its address.
        language: Language of the texts.
        scope: Period and filters in words, for the subtitles.
    """
    found = (
        phases_table(content.phases, content.whole, language, scope),
        _instances(content, reading, language, scope),
        methods_table(content.methods, content.whole, language, scope),
        _versions(content, language, scope),
        _runs(content, reading, language, scope),
        _factors(content, language),
        _sites(content, reading, language),
        _hosted(content, language, scope),
    )
    return {table.id: table for table in found if table is not None}


# --- instances ---


def _instances(content: Service, reading: Reading, language: Language, scope: str) -> Table | None:
    strips = {strip.instance: strip for strip in content.strips}
    names = sorted({*content.instances, *strips} - {""}) or ([""] if "" in strips else [])
    if not names:
        return None
    lines = tuple(_instance(name, strips.get(name), content, reading, language) for name in names)
    headings = (
        Heading(language.t("Instance")),
        Heading(language.t("Jours"), MARK),
        Heading(language.t("Relevés"), FIGURE),
        Heading(language.t("Énergie"), FIGURE),
    )
    foot: tuple[tuple[Cell, ...], ...] = ()
    if content.instances:
        foot = ((language.t("Ensemble"), "", days_words(content.strips, language), content.whole.energy),)
    note = language.t("Un jour sans relevé peut manquer dès que le registre attend plus de jours qu’il n’y en a de relevés.")
    return Table(
        "instances",
        _days_title(content, names, language),
        headings,
        lines,
        language.t("Une marque par jour : relevé, hachuré s’il manque, vide s’il n’est pas attendu · %(scope)s", scope=scope),
        foot=foot,
        note=note if any(strip.missing for strip in content.strips) else "",
    )


def _instance(name: str, strip: Strip | None, content: Service, reading: Reading, language: Language) -> tuple[Cell, ...]:
    part = content.instances.get(name)
    energy: Cell = part.energy if part else None
    label: Cell = Link(name, to_page(reading.address, "instances", name)) if name else language.t("aucune instance")
    if strip is None:
        return label, language.t("déclaré, pas jour par jour"), "—", energy
    words = days_words((strip,), language)
    return label, Mark(marks.days_strip(strip.kinds), words), words, energy


def _days_title(content: Service, names: Sequence[str], language: Language) -> str:
    missing = sum(strip.missing for strip in content.strips)
    if names == [""]:
        return language.n("%(count)s jour attendu, aucun relevé", "%(count)s jours attendus, aucun relevé", missing)
    count = language.n("%(count)s instance", "%(count)s instances", len(names))
    if not content.strips:
        return language.t("%(instances)s, sans relevé jour par jour : l’énergie est déclarée", instances=count)
    if not missing:
        return language.t("%(instances)s, aucun jour ne manque", instances=count)
    return language.n("%(instances)s, %(count)s jour manque", "%(instances)s, %(count)s jours manquent", missing, instances=count)


# --- versions of the model ---


def _versions(content: Service, language: Language, scope: str) -> Table | None:
    if not content.versions:
        return None
    most = max(each.microjoules for each in content.versions) or 1
    headings = (
        Heading(language.t("Version")),
        Heading(language.t("Phase"), less_important=True),
        Heading(language.t("Relevée"), less_important=True),
        Heading(language.t("Unités"), FIGURE, less_important=True),
        Heading(language.t("En barre"), MARK, less_important=True),
        Heading(language.t("Énergie"), FIGURE),
        Heading(language.t("CO₂e d’usage"), FIGURE),
    )
    return Table(
        "versions",
        _versions_title(content.versions, language),
        headings,
        tuple(_version(each, most, language) for each in content.versions),
        language.t("Énergie de chaque version du modèle, par phase · %(scope)s", scope=scope),
        foot=((language.t("Ensemble"), "", "", "", "", content.whole.energy, content.whole.co2e_operational),),
    )


def _version(it: VersionUse, most: int, language: Language) -> tuple[Cell, ...]:
    days = [language.day(day.isoformat()) for day in (it.first_day, it.last_day)]
    recorded = days[0] if days[0] == days[1] else language.t("du %(first)s au %(last)s", first=days[0], last=days[1])
    return (
        it.version or language.t("sans version"),
        language.of(wording.KINDS | wording.PHASES, it.phase),
        recorded,
        None if it.units is None else language.plain(it.units),
        Mark(marks.bar(it.microjoules / most, role="series"), ""),
        it.energy,
        it.co2e,
    )


def _versions_title(versions: Sequence[VersionUse], language: Language) -> str:
    count = len({each.version for each in versions if each.version})
    return language.n("%(count)s version du modèle a travaillé", "%(count)s versions du modèle ont travaillé", count)


# --- runs ---


def _runs(content: Service, reading: Reading, language: Language, scope: str) -> Table | None:
    if not content.runs:
        return None
    runs = _sorted(content.runs, reading.address.sort)
    metrics = sorted({metric for run in runs for metric in run.quality})[:_MOST_METRICS]
    on_server = any(mlflow_page(run.run_id, reading) for run in runs)
    most = max(run.microjoules for run in runs) or 1
    shown, rest = runs[:MOST_RUNS], runs[MOST_RUNS:]
    lines = tuple(
        (
            _run_name(run, reading, language),
            *_run(run, most, reading, language),
            *(language.number(run.quality[metric]) if metric in run.quality else None for metric in metrics),
            *((_in_mlflow(run, reading),) if on_server else ()),
        )
        for run in shown
    )
    headings = _run_headings(metrics, language, on_server=on_server)
    empty = ("",) * (len(headings) - 6)
    foot: list[tuple[Cell, ...]] = []
    if rest:
        others = language.n("%(count)s autre run", "%(count)s autres runs", len(rest))
        foot.append(
            (Link(others, to_page(reading.address, "runs", service=(content.entry.id,))), "", "", "", "", _energy(rest), *empty)
        )
    foot.append((language.t("Ensemble des runs"), "", "", "", "", _energy(runs), *empty))
    return Table(
        "runs",
        _runs_title(runs, language),
        headings,
        lines,
        language.t("Énergie de chaque run et figures de qualité · %(scope)s", scope=scope),
        foot=tuple(foot),
    )


def _run_headings(metrics: Sequence[str], language: Language, *, on_server: bool) -> tuple[Heading, ...]:
    return (
        Heading(language.t("Run")),
        Heading(language.t("Début"), sort="start"),
        Heading(language.t("Phase"), sort="phase", less_important=True),
        Heading(language.t("Issue"), sort="outcome"),
        Heading(language.t("En barre"), MARK, less_important=True),
        Heading(language.t("Énergie"), FIGURE, sort="energy"),
        *(Heading(metric, FIGURE, sort=f"quality.{metric}") for metric in metrics),
        *((Heading("MLflow"),) if on_server else ()),
    )


def _sorted(runs: Sequence[RunLine], order: str) -> list[RunLine]:
    """Sort runs as the address says; the latest first where it says nothing that runs have."""
    name, down = order.lstrip("-"), order.startswith("-")
    latest = sorted(runs, key=lambda run: (run.start_utc, run.run_id), reverse=True)
    if name.startswith("quality."):
        metric = name.removeprefix("quality.")
        known = [run for run in latest if metric in run.quality]
        return sorted(known, key=lambda run: run.quality[metric], reverse=down) + [r for r in latest if metric not in r.quality]
    keys = {
        "start": lambda run: run.start_utc,
        "phase": lambda run: run.phase,
        "outcome": lambda run: run.outcome or "",
        "energy": lambda run: run.microjoules,
    }
    return sorted(latest, key=keys[name], reverse=down) if name in keys else latest


def _run_name(run: RunLine, reading: Reading, language: Language) -> Link:
    """Return the link to a run: its whole id, to copy, where no page of MLflow is known."""
    name = short(run.run_id) if mlflow_page(run.run_id, reading) else run.run_id
    simulated = f"({language.t('simulé')})" if run.simulated else ""
    return Link(name, to_page(reading.address, "runs", run.run_id), simulated, exact=run.run_id)


def _in_mlflow(run: RunLine, reading: Reading) -> Link | None:
    page = mlflow_page(run.run_id, reading)
    return Link("MLflow", page) if page else None


def _run(run: RunLine, most: int, reading: Reading, language: Language) -> tuple[Cell, ...]:
    """Return the cells between the name of a run and its quality."""
    outcome = language.of(wording.OUTCOMES, run.outcome) if run.outcome else language.t("issue inconnue")
    if run.outcome in _LOST:
        outcome = language.t("✗ %(outcome)s : énergie perdue", outcome=outcome)
    start = datetime.fromisoformat(run.start_utc).astimezone(ZoneInfo(reading.state.timezone)).date()
    drawing = marks.bar(run.microjoules / most, role="matched" if run.outcome in _LOST else "series")
    day = str(format_date(start, "d MMM yyyy", locale=language.locale)).replace(" ", NBSP)
    return day, language.of(wording.PHASES, run.phase), outcome, Mark(drawing, ""), run.energy


def _energy(runs: Sequence[RunLine]) -> Quantity:
    """Add up the energy of runs; unknown where that of one is."""
    unknown = next((run.energy for run in runs if run.energy.value is None), None)
    return unknown or Quantity(sum(run.energy.value or 0.0 for run in runs), "kWh")


def _runs_title(runs: Sequence[RunLine], language: Language) -> str:
    lost = [run for run in runs if run.outcome in _LOST]
    whole = sum(run.microjoules for run in runs)
    unknown = all(run.outcome is None for run in runs)
    count = language.n("%(count)s run", "%(count)s runs", len(runs))
    if unknown:
        return language.t("%(runs)s, issue inconnue", runs=count)
    if not lost:
        return language.t("%(runs)s, aucun n’est perdu", runs=count)
    share = language.share(sum(run.microjoules for run in lost) / whole) if whole else "0"
    return language.n(
        "%(runs)s : %(count)s perdu, %(share)s de leur énergie",
        "%(runs)s : %(count)s perdus, %(share)s de leur énergie",
        len(lost),
        runs=count,
        share=share,
    )


# --- what it rests on ---


def _factors(content: Service, language: Language) -> Table | None:
    if not content.factors:
        return None
    headings = (
        Heading(language.t("Zone")),
        Heading(language.t("Facteur"), FIGURE),
        Heading(language.t("Année"), FIGURE),
        Heading(language.t("Portée")),
        Heading(language.t("Source")),
    )
    lines = tuple(
        (
            f"{language.zone(each.zone)} ({each.zone})",
            Quantity(each.value_g_per_kwh, "gCO2e/kWh", *_range(each.least_g_per_kwh, each.greatest_g_per_kwh)),
            str(each.year),
            language.of(wording.SCOPES, each.scope),
            f"{each.source} ({each.factor_set}, {each.licence})",
        )
        for each in content.factors
    )
    count = language.n("%(count)s zone électrique", "%(count)s zones électriques", len(lines))
    return Table(
        "factors",
        language.t("Facteurs d’émission : %(zones)s", zones=count),
        headings,
        lines,
        language.t("Moyenne sur l’énergie de l’organisation dans le trimestre, du plus faible au plus fort"),
    )


def _range(least: float, greatest: float) -> tuple[float | None, float | None]:
    return (None, None) if least == greatest else (least, greatest)


def _sites(content: Service, reading: Reading, language: Language) -> Table | None:
    if not content.sites:
        return None
    names = {site.id: site.name or site.id for site in reading.catalogue.sites}
    pue = [each for each in content.figures if each.kind == "pue"]
    lines = tuple(
        (names.get(site, site) if site else language.t("hors de tout site"), *_pue_cells(site, pue, language), part.energy)
        for site, part in content.sites.items()
    )
    headings = (
        Heading(language.t("Site")),
        Heading(language.t("PUE"), FIGURE),
        Heading(language.t("Source du PUE")),
        Heading(language.t("Énergie"), FIGURE),
    )
    count = language.n("%(count)s site", "%(count)s sites", len([site for site in content.sites if site]))
    return Table(
        "sites",
        language.t("Lieux : %(sites)s", sites=count),
        headings,
        lines,
        language.t("Le PUE est l’énergie du bâtiment rapportée à celle des machines"),
        foot=((language.t("Ensemble"), "", "", content.whole.energy),),
    )


def _pue_cells(site: str, figures: Sequence[FigureUsed], language: Language) -> tuple[Cell, Cell]:
    own = [each for each in figures if each.site == site]
    values = language.listed(language.plain(each.value) for each in own) if own else language.t("inconnu")
    sources = language.t(" ; ").join(
        f"{language.of(wording.QUALITIES, each.quality)}, {each.source}, {language.day(each.dated)}" for each in own
    )
    return values, sources or "—"


def _hosted(content: Service, language: Language, scope: str) -> Table | None:
    if not content.hosted:
        return None
    lines = tuple(
        (
            f"{each.provider}, {each.model}",
            language.of(wording.STANDINGS, each.standing),
            each.tokens_in,
            each.tokens_out,
            each.co2e,
        )
        for each in content.hosted
    )
    headings = (
        Heading(language.t("Modèle")),
        Heading(language.t("Ce qui en est connu")),
        Heading(language.t("Jetons lus"), FIGURE),
        Heading(language.t("Jetons écrits"), FIGURE),
        Heading("CO₂e", FIGURE),
    )
    count = language.n("%(count)s modèle externe appelé", "%(count)s modèles externes appelés", len(lines))
    return Table(
        "hosted", count, headings, lines, language.t("Estimation par jetons, hors énergie relevée · %(scope)s", scope=scope)
    )
