"""Say how runs stand beside one another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ecoia.report import Quantity
from ecoia.units import kwh
from ecoia_dashboards import wording
from ecoia_dashboards.dashboard.figures.run_energies import run_energies
from ecoia_dashboards.dashboard.page import Figure, Reading, Shown
from ecoia_dashboards.dashboard.pages.runs.comparison import Comparison, RunSide
from ecoia_dashboards.dashboard.pages.runs.listing_texts import outcome_text
from ecoia_dashboards.dashboard.pages.runs.one_run import OneRun, short
from ecoia_dashboards.dashboard.tables import FIGURE, Cell, Heading, Link, Table, quantity_of
from ecoia_dashboards.figures.chart import Changed
from ecoia_dashboards.language import Language

DIFFERENCES = "diff"
"""The ``view`` that leaves out what all runs have alike."""


def show(content: Comparison, reading: Reading, language: Language) -> Shown:
    """Say it in words."""
    values = {"content": content, "banners": _banners(content, language), "diff": reading.address.view == DIFFERENCES}
    values["links"] = [(short(each.run.run_id), each.run.mlflow) for each in content.sides if each.run.mlflow]
    if len(content.sides) < 2:
        return Shown(language.t("Choisissez au moins deux runs à comparer."), values=values)
    sentence = _sentence(content, language)
    chart = run_energies({short(each.run.run_id): each.energy for each in content.sides}, language)
    subtitle = language.t("Énergie de chaque run, bâtiment compris où il est connu ; le trait est l’intervalle à 95 %%")
    figures = {} if chart is None else {"energies": Figure(chart, subtitle)}
    tables = {"runs": _runs(content, reading, language), "methods": _methods(content, language)}
    work = frozenset[tuple[str, str]]().union(*(each.run.work for each in content.sides))
    evidence = {"view": "", "runs": (), "service": tuple(sorted({service for service, _ in work}))}
    return Shown(sentence, _lead(content, language), figures, tables, values, evidence=evidence)


def _sentence(content: Comparison, language: Language) -> str:
    first, *others = content.sides
    if len(others) == 1:
        return _pair(first, others[0], language)
    counts = {way: sum(each.change is not None and each.change.direction == way for each in others) for way in ("rise", "fall")}
    return language.t(
        "%(count)s runs comparés au run %(first)s : plus coûteux au-delà du bruit, %(more)s ; moins coûteux, %(less)s.",
        count=language.whole(len(others)),
        first=short(first.run.run_id),
        more=language.whole(counts["rise"]),
        less=language.whole(counts["fall"]),
    )


def _pair(first: RunSide, other: RunSide, language: Language) -> str:
    names = {"first": short(first.run.run_id), "other": short(other.run.run_id)}
    change = other.change
    if change is None or change.value is None:
        return language.t(
            "Les runs %(first)s et %(other)s ne peuvent pas être comparés : l’un n’a pas d’énergie relevée.", **names
        )
    if change.direction == "unclear":
        return language.t(
            "Entre les runs %(first)s et %(other)s, l’écart d’énergie (≈ %(size)s) ne dépasse pas le bruit.",
            size=language.change(change),
            **names,
        )
    size = language.share(abs(change.value))
    if change.direction == "rise":
        return language.t(
            "Le run %(other)s a pris %(size)s d’énergie de plus que le run %(first)s, au-delà du bruit.", size=size, **names
        )
    return language.t(
        "Le run %(other)s a pris %(size)s d’énergie de moins que le run %(first)s, au-delà du bruit.", size=size, **names
    )


def _lead(content: Comparison, language: Language) -> str:
    if all(each.alike for each in content.sides[1:]):
        return language.t(
            "Mesurés de la même façon sur les mêmes machines : les erreurs que les runs partagent s’annulent dans l’écart."
        )
    return language.t(
        "Pas tous mesurés de la même façon sur les mêmes machines : leurs erreurs ne s’annulent pas, et l’intervalle est "
        "plus large."
    )


def _banners(content: Comparison, language: Language) -> list[str]:
    """Say what makes the runs unlike things."""
    if len(content.sides) < 2:
        return []
    found = []
    if not content.same_work:
        found.append(
            language.t(
                "Ces runs ne sont pas du même service et de la même phase : l’écart d’énergie compare des choses différentes."
            )
        )
    if not content.metrics:
        found.append(language.t("Aucune mesure de qualité n’est commune à ces runs : moins d’énergie ne veut pas dire mieux."))
    return found


@dataclass(frozen=True)
class _Column:
    heading: Heading
    cells: tuple[Cell, ...]
    kept: bool = False  # also where all cells are alike

    @property
    def differs(self) -> bool:
        exact = [quantity.value if (quantity := quantity_of(cell)) is not None else cell for cell in self.cells]
        return any(each != exact[0] for each in exact)


def _runs(content: Comparison, reading: Reading, language: Language) -> Table:
    """Tabulate what the runs have alike and unlike, a line a run."""
    columns = _columns(content, reading, language)
    diff = reading.address.view == DIFFERENCES
    shown = [each for each in columns if each.kept or not diff or each.differs]
    left = len(columns) - len(shown)
    subtitle = language.t("Écart d’énergie au premier run, des composants, avant le bâtiment")
    if left:
        hidden = language.n("%(count)s colonne identique cachée", "%(count)s colonnes identiques cachées", left)
        subtitle = language.t("%(subtitle)s ; %(hidden)s", subtitle=subtitle, hidden=hidden)
    title = language.t("Ce qui distingue les runs") if diff else language.t("Les runs côte à côte")
    note = language.t(
        "Les réglages d’un run (hyperparamètres) sont dans MLflow, pas dans les relevés : le lien y mène. ≈ : dans le bruit."
    )
    lines = tuple(zip(*(each.cells for each in shown), strict=True))
    return Table("runs", title, tuple(each.heading for each in shown), lines, subtitle, note=note)


def _columns(content: Comparison, reading: Reading, language: Language) -> list[_Column]:
    runs = [each.run for each in content.sides]

    def text(heading: str, cells: Sequence[Cell]) -> _Column:
        return _Column(Heading(heading, less_important=True), tuple(cells))

    def figure(heading: str, cells: Sequence[Cell], *, kept: bool = False) -> _Column:
        return _Column(Heading(heading, FIGURE), tuple(cells), kept)

    zone = reading.state.timezone
    columns = [
        _Column(Heading(language.t("Run")), tuple(_link(each) for each in runs), kept=True),
        figure(language.t("Énergie"), [each.energy for each in content.sides], kept=True),
        figure(
            language.t("Écart au premier"), [Changed(each.change) if each.change else None for each in content.sides], kept=True
        ),
        _Column(Heading(language.t("CO₂e d’usage"), FIGURE, less_important=True), tuple(each.co2e for each in content.sides)),
        *(
            figure(name, [None if name not in run.quality else language.plain(run.quality[name]) for run in runs])
            for name in sorted({name for run in runs for name in run.quality})
        ),
        *_per_quality(content, language),
        figure(language.t("Durée"), [language.seconds(run.seconds) for run in runs]),
        text(language.t("Issue"), [outcome_text(run.outcome, language) for run in runs]),
        text(language.t("Service, phase"), [_work(run, reading, language) for run in runs]),
        text(language.t("Machines"), [language.listed(run.instances) for run in runs]),
        text(language.t("Début"), [language.moment(run.start_utc, zone) for run in runs]),
    ]
    if any(run.units is not None for run in runs):
        columns.append(figure(language.t("Unités"), [None if run.units is None else language.plain(run.units) for run in runs]))
    return columns


def _per_quality(content: Comparison, language: Language) -> list[_Column]:
    """Divide the energy by each figure of quality that all have and that is better the higher it is."""
    found = []
    for name in content.metrics:
        values = [each.run.quality[name] for each in content.sides]
        if content.better.get(name) == "higher" and all(value > 0 for value in values):
            cells = tuple(_divided(each.energy, value) for each, value in zip(content.sides, values, strict=True))
            found.append(_Column(Heading(language.t("Énergie par point de %(metric)s", metric=name), FIGURE), cells))
    return found


def _divided(energy: Quantity, by: float) -> Quantity:
    value, low, high = (None if each is None else each / (100 * by) for each in (energy.value, energy.low, energy.high))
    return Quantity(value, energy.unit, low, high, energy.reason)


def _link(run: OneRun) -> Link:
    return Link(short(run.run_id), f"/runs/{run.run_id}", exact=run.run_id)


def _work(run: OneRun, reading: Reading, language: Language) -> str:
    return language.t(" ; ").join(
        language.t(
            "%(service)s, %(phase)s", service=reading.names.get(service, service), phase=language.of(wording.PHASES, phase)
        )
        for service, phase in sorted(run.work)
    )


def _methods(content: Comparison, language: Language) -> Table:
    """Tabulate the exact energy of each component and method, a column a run."""
    by_run = [
        {(each.component, each.status, each.method): each.microjoules for each in side.run.methods} for side in content.sides
    ]
    keys = sorted({key for found in by_run for key in found})
    lines = tuple(
        (
            method_text(key, language),
            *(Quantity(kwh(found[key]), "kWh") if key in found else None for found in by_run),
        )
        for key in keys
    )
    whole: tuple[Cell, ...] = (language.t("Ensemble"), *(Quantity(kwh(each.run.microjoules), "kWh") for each in content.sides))
    headings = (
        Heading(language.t("Composant, méthode")),
        *(Heading(short(each.run.run_id), FIGURE) for each in content.sides),
    )
    alike = len({frozenset(found) for found in by_run}) == 1
    title = language.t("Mesurés de la même façon") if alike else language.t("Mesurés de façons différentes")
    subtitle = language.t("Énergie exacte des composants, avant tout facteur")
    return Table("methods", title, headings, lines, subtitle, (whole,))


def method_text(key: tuple[str, str, str], language: Language) -> str:
    """Name a component with the method and status of its energy."""
    component, status, method = key
    return language.t(
        "%(component)s : %(method)s (%(status)s)",
        component=language.of(wording.COMPONENTS, component),
        method=language.of(wording.METHODS, method),
        status=language.of(wording.STATUSES, status),
    )
