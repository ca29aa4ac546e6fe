"""Compare the runs, or the logged models, of an MLflow experiment by quality and by what they took."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ecoia.catalogue.error_widths import GSD
from ecoia.delivery.user_runs import OUTCOME_OF_STATUS
from ecoia.evaluating.run_comparison import RunEnergy, energy_of
from ecoia.exploring.compared_runs import CO2E, OK, Waste
from ecoia.impact.quality_front import QualityFront, Scored
from ecoia.impact.uncertainty import Estimate
from ecoia.instrument.mlflow_run import PARENT_TAG
from ecoia.semconv import TAG_OUTCOME, TAG_SERVICE, TAG_SHARE_OF

if TYPE_CHECKING:
    from ecoia.delivery.shown_runs import ShownRuns

MOST = 1000
"""Runs or models of an experiment that are compared, the latest first: each has a file to read."""


@dataclass(frozen=True)
class Candidate:
    """A run or a model of an experiment.

    Attributes:
        key: Its id.
        made_by: The energy of the run, or of the run that made the model; its id and name are the candidate's own.
        outcome: How the run ended: ``ok``, ``failed`` or ``abandoned``. None: it goes on, or nothing says.
        parent: The run above whose energy this one's is a part of; None where there is none.
        service: The service that it was for, where MLflow shows it.
    """

    key: str
    made_by: RunEnergy
    outcome: str | None = OK
    parent: str | None = None
    service: str | None = None


@dataclass(frozen=True)
class ComparedCandidates:
    """The comparison of an experiment's runs or models by one figure of quality; as ``exploring.ComparedRuns``."""

    metric: str
    front: QualityFront[str] | None
    waste: Waste
    without_end: int
    without_figure: int
    without_cost: int


def runs_of(shown: ShownRuns, experiment: str) -> list[Candidate]:
    """Return the runs of an experiment that show energy, the latest ``MOST`` of them."""
    found = shown.find_all(experiment, by_energy=False, children=True, most=MOST)
    return [
        Candidate(
            run.run_id,
            energy_of(shown, run),
            run.tags.get(TAG_OUTCOME) or OUTCOME_OF_STATUS.get(run.status),
            run.tags.get(PARENT_TAG) if TAG_SHARE_OF in run.tags else None,
            run.tags.get(TAG_SERVICE),
        )
        for run in found
    ]


def models_of(shown: ShownRuns, experiment: str) -> list[Candidate]:
    """Return the logged models of an experiment whose run shows energy: each took what the run took that made it."""
    made = {each.key: each for each in runs_of(shown, experiment)}
    return [
        Candidate(
            model.model_id,
            replace(run.made_by, run_id=model.model_id, name=model.name, quality=model.metrics),
            service=run.service,
        )
        for model in shown.find_models(experiment, MOST)
        if (run := made.get(model.run_id or "")) is not None
    ]


def metrics_of(candidates: Iterable[Candidate]) -> list[str]:
    """Return the figures of quality that at least two candidates have that ended well, sorted."""
    counts: dict[str, int] = {}
    for each in candidates:
        for name, value in each.made_by.quality.items() if each.outcome == OK else ():
            counts[name] = counts.get(name, 0) + math.isfinite(value)
    return sorted(name for name, count in counts.items() if count > 1)


def compare_candidates(candidates: Sequence[Candidate], metric: str, better: str, by: str) -> ComparedCandidates:
    """Compare candidates.

    A run with others below it is not compared where one of these has the figure: its energy is theirs and more.

    Args:
        candidates: Runs or models.
        metric: The figure of quality.
        better: ``higher`` or ``lower``.
        by: ``energy`` or ``co2e``.
    """
    costs = {each.key: cost_of(each.made_by, by) for each in candidates}
    done = [each for each in candidates if each.outcome == OK]
    has_figure = {each.key for each in done if math.isfinite(each.made_by.quality.get(metric, math.nan))}
    parents = {each.parent for each in done if each.key in has_figure}
    rated = [each for each in done if each.key in has_figure and each.key not in parents]
    scored = [Scored(each.key, each.made_by.quality[metric], cost) for each in rated if (cost := costs[each.key]) is not None]
    lacking = sum(each.key not in has_figure and each.key not in parents for each in done)
    return ComparedCandidates(
        metric,
        QualityFront(scored, better) if scored else None,
        Waste.of(_once(candidates, costs)),
        sum(each.outcome is None for each in candidates),
        lacking,
        len(rated) - len(scored),
    )


def cost_of(run: RunEnergy, by: str) -> Estimate | None:
    """Return what a run took in kWh, or in kgCO2e of use; None where it is not known.

    Its CO2e is as certain as its energy and an emission factor of another year, whatever the year of its own, which no run tells.
    """
    energy = run.compared()
    if not energy.value:
        return None
    if by != CO2E:
        return energy
    if run.co2e_g is None:
        return None
    return energy.scaled(run.co2e_g / 1000 / energy.value).with_error("grid", GSD["grid-previous-year"])


def _once(candidates: Sequence[Candidate], costs: Mapping[str, Estimate | None]) -> Iterator[tuple[str | None, Estimate | None]]:
    """Give the outcome and cost of each run once: the energy of a run is in the one above it, where both are there.

    Of a run above others that ended otherwise, the rest is given: what it took less what they took.
    """
    keys = {each.key for each in candidates}
    below: dict[str, list[Candidate]] = {}
    for each in candidates:
        if each.parent in keys and each.parent is not None:
            below.setdefault(each.parent, []).append(each)
    for each in candidates:
        yield each.outcome, _rest(costs[each.key], [costs[other.key] for other in below.get(each.key, ())])


def _rest(whole: Estimate | None, parts: Collection[Estimate | None]) -> Estimate | None:
    taken = sum(part.value for part in parts if part is not None)
    if whole is None or not parts:
        return whole
    return whole.scaled(max(0.0, 1 - taken / whole.value))
