"""Say what quality costs: which run is good enough, and what the last points took."""

from __future__ import annotations

from collections.abc import Sequence

from ecoia_dashboards import wording
from ecoia_dashboards.dashboard.page import Reading
from ecoia_dashboards.dashboard.pages.runs.one_run import short
from ecoia_dashboards.dashboard.pages.runs.quality_bought import QualityBought, RatedRun
from ecoia_dashboards.dashboard.tables import FIGURE, TEXT, Cell, Heading, Link, Table
from ecoia_dashboards.language import Language

MOST_SHOWN = 20
"""How many comparisons the table shows; a filter chooses others."""


def sentence(found: Sequence[QualityBought], reading: Reading, language: Language) -> str:
    """Say the greatest of what could be had for less; empty where nothing is compared."""
    cheaper = [each for each in found if each.spared is not None and (each.spared.low or 0.0) > 0]
    if not found:
        return ""
    if not cheaper:
        return language.t("Aucun run presque aussi bon que le meilleur n’a pris nettement moins d’énergie.")
    first = max(cheaper, key=lambda each: (each.best.energy.value or 0.0) - (each.enough.energy.value or 0.0))
    return language.t(
        "%(service)s, %(phase)s : le run %(run)s, à %(gap)s de %(metric)s du meilleur, a pris %(share)s d’énergie de moins.",
        service=reading.names.get(first.service, first.service),
        phase=language.of(wording.PHASES, first.phase),
        run=short(first.enough.run_id),
        gap=language.plain(abs(first.best.quality - first.enough.quality)),
        metric=first.metric,
        share=language.share((first.spared.value if first.spared else None) or 0.0),
    )


def table(found: Sequence[QualityBought], reading: Reading, language: Language) -> Table:
    """Tabulate the comparisons, the one with the most energy first."""
    headings = (
        Heading(language.t("Service, phase")),
        Heading(language.t("Meilleur run"), TEXT),
        Heading(language.t("Énergie du meilleur"), FIGURE, less_important=True, family="energy"),
        Heading(language.t("Le moins coûteux qui suffit"), TEXT),
        Heading(language.t("Énergie de celui qui suffit"), FIGURE, less_important=True, family="energy"),
        Heading(language.t("Énergie en moins"), FIGURE),
        Heading(language.t("Prix du dernier point"), FIGURE, less_important=True),
        Heading(language.t("Échecs et abandons"), FIGURE, less_important=True),
    )
    lines = tuple(_line(each, reading, language) for each in found[:MOST_SHOWN])
    subtitle = language.t("Suffit : à un point près du meilleur, par la mesure de qualité que le registre oriente")
    if reading.address.tolerance and found:
        subtitle = language.t(
            "Suffit : à %(tolerance)s près du meilleur, par la mesure de qualité que le registre oriente",
            tolerance=language.plain(found[0].tolerance),
        )
    if len(found) > MOST_SHOWN:
        left = language.n(
            "%(count)s autre comparaison : filtrez par service",
            "%(count)s autres comparaisons : filtrez par service",
            len(found) - MOST_SHOWN,
        )
        subtitle = language.t("%(subtitle)s ; %(hidden)s", subtitle=subtitle, hidden=left)
    note = language.t(
        "Un point est 0,01 d’une mesure comprise entre 0 et 1, sinon 1. Prix du dernier point : énergie entre les deux "
        "meilleurs runs du front, par point gagné."
    )
    return Table("bought", language.t("Ce que coûte la qualité"), headings, lines, subtitle, note=note)


def _line(it: QualityBought, reading: Reading, language: Language) -> tuple[Cell, ...]:
    last = it.steps[-1] if it.steps else None
    return (
        language.t(
            "%(service)s, %(phase)s",
            service=reading.names.get(it.service, it.service),
            phase=language.of(wording.PHASES, it.phase),
        ),
        _run(it.best, it.metric, language),
        it.best.energy,
        _run(it.enough, it.metric, language) if it.enough != it.best else language.t("aucun autre"),
        it.enough.energy if it.enough != it.best else None,
        it.spared,
        last.per_point if last else None,
        it.lost_energy if it.lost else None,
    )


def _run(run: RatedRun, metric: str, language: Language) -> Link:
    return Link(short(run.run_id), f"/runs/{run.run_id}", f"{metric} {language.plain(run.quality)}", exact=run.run_id)
