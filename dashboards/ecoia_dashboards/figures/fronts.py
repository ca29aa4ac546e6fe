"""Draw fronts: the quality of training runs against their energy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import plotly.graph_objects as go

from ecoia.readable.scales import scale_of
from ecoia.report import Frontier, QuarterlyReport, RunUsed
from ecoia_dashboards import wording
from ecoia_dashboards.figures.chart import Chart, close_axis, errors, highest, value_axis
from ecoia_dashboards.figures.roles import point_style
from ecoia_dashboards.language import Language
from ecoia_dashboards.naming import service_names

MOST_FRONTS = 3
"""How many comparisons of runs are drawn."""


def fronts(report: QuarterlyReport, language: Language) -> list[Chart]:
    """Draw the costliest comparisons of runs; runs that no other run equals for less energy stand apart."""
    return fronts_of(report.frontiers, service_names(report), language, MOST_FRONTS)


def fronts_of(frontiers: Iterable[Frontier], names: Mapping[str, str], language: Language, most: int) -> list[Chart]:
    """Draw the costliest of some comparisons of runs.

    Args:
        frontiers: The comparisons; those of a single run are left out.
        names: Name of each service by id.
        language: Language of the texts.
        most: How many are drawn.
    """
    comparable = [each for each in frontiers if len(each.runs) > 1]
    comparable.sort(key=lambda each: -sum(run.energy.value or 0.0 for run in each.runs))
    built = [front(f"front-{place}", each, names, language) for place, each in enumerate(comparable[:most])]
    return [chart for chart in built if chart is not None]


def front(id_: str, frontier: Frontier, names: Mapping[str, str], language: Language) -> Chart | None:
    """Draw one comparison of runs; None where none of them has energy."""
    runs = [run for run in frontier.runs if run.energy.value is not None]
    if not any(run.energy.value for run in runs):
        return None
    best = [run for run in runs if run.run_id in frontier.front]
    rest = [run for run in runs if run.run_id not in frontier.front]
    headings = (language.t("Entraînement"), language.t("Énergie"), frontier.metric, language.t("Inégalé à cette énergie"))
    cells = tuple(
        (
            run.run_id,
            run.energy,
            language.number(run.quality[frontier.metric]),
            language.t("oui") if run.run_id in frontier.front else language.t("non"),
        )
        for run in runs
    )
    title, alt = _title(frontier, runs, rest, names, language), _alt(frontier, best or runs, language)
    return Chart(id_, title, alt, _figure(frontier, best, rest, language), headings, cells, language)


def _figure(frontier: Frontier, best: Sequence[RunUsed], rest: Sequence[RunUsed], language: Language) -> go.Figure:
    energies = {run.run_id: run.energy.value or 0.0 for run in (*best, *rest)}
    scale = scale_of(energies.values(), "kWh")
    figure = go.Figure(layout={"height": 260})
    kinds = (
        (best, language.t("inégalé à cette énergie"), "unmatched", "diamond"),
        (rest, language.t("égalé pour moins d’énergie"), "matched", "circle-open"),
    )
    for found, name, role, symbol in kinds:
        if found:
            figure.add_scatter(
                mode="markers",
                x=[energies[run.run_id] / scale.size for run in found],
                y=[run.quality[frontier.metric] for run in found],
                name=name,
                error_x=errors([run.energy for run in found], scale.size),
                **point_style(role, symbol),
            )
    value_axis(
        figure, "x", highest(run.energy for run in (*best, *rest)) / scale.size, language.unit(scale.unit), language, room=1.08
    )
    close_axis(figure, [run.quality[frontier.metric] for run in (*best, *rest)], frontier.metric, language)
    return figure


def _title(
    frontier: Frontier, runs: Sequence[RunUsed], rest: Sequence[RunUsed], names: Mapping[str, str], language: Language
) -> str:
    said = {"service": names.get(frontier.service, frontier.service), "phase": language.of(wording.PHASES, frontier.phase)}
    if not rest:
        return language.t("%(service)s, %(phase)s : aucun entraînement n’est égalé par un autre pour moins d’énergie", **said)
    return language.t(
        "%(service)s, %(phase)s : entraînements égalés par un autre pour moins d’énergie, %(count)s sur %(all)s",
        count=language.whole(len(rest)),
        all=language.whole(len(runs)),
        **said,
    )


def _alt(frontier: Frontier, shown: Sequence[RunUsed], language: Language) -> str:
    first, last = shown[0], shown[-1]
    best_high = frontier.better == "higher"
    return language.t(
        "Nuage de points, un par entraînement : énergie en abscisse, %(metric)s en ordonnée (%(better)s). Parmi "
        "ceux qu’aucun n’égale, %(metric)s va de %(low)s pour %(least)s à %(high)s pour %(most)s.",
        metric=frontier.metric,
        better=language.t("le plus haut est le meilleur") if best_high else language.t("le plus bas est le meilleur"),
        low=language.number(first.quality[frontier.metric]),
        least=language.amount(first.energy),
        high=language.number(last.quality[frontier.metric]),
        most=language.amount(last.energy),
    )
