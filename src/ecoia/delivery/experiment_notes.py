"""The description of an experiment with measured runs: its energy, CO2e and waste in one line, once a day and at the end."""

from __future__ import annotations

import math
from typing import Any

from ecoia import semconv
from ecoia.delivery.mlflow_store import MlflowStore
from ecoia.delivery.notes import ExperimentFigures, experiment_note
from ecoia.delivery.tags_and_metrics import note_day_tag
from ecoia.periods import utc_day

_PARENT = "mlflow.parentRunId"


def note_experiment(store: MlflowStore, experiment_id: str, today: str, *, again: bool) -> None:
    """Write the description of an experiment from what its runs show, where it is empty or still ours.

    Args:
        store: The store.
        experiment_id: The experiment.
        today: UTC day.
        again: Also where it was looked at today, by whatever host.

    Raises:
        DeliveryError: the store cannot be reached.
    """
    with store.reaching():
        tags = store.client.get_experiment(experiment_id).tags
        if semconv.TAG_KIND in tags or (tags.get(semconv.TAG_NOTE_DAY) == today and not again):
            return  # one of ecoia's own says what it is
        runs = {run.info.run_id: run for run in store.each(experiment_id, f"metrics.`{semconv.ENERGY.name}` >= 0")}
        figures = _figures([run for run in runs.values() if math.isfinite(run.data.metrics[semconv.ENERGY.name])])
        store.describe_experiment(experiment_id, note_day_tag(today), experiment_note(figures) if figures else None)


def _figures(runs: list[Any]) -> ExperimentFigures | None:
    """Add up root runs: the others' energy is part of theirs. A failed run below another failed one is not added again."""
    roots = [run for run in runs if semconv.TAG_SHARE_OF not in run.data.tags]
    if not roots:
        return None
    failed = {run.info.run_id for run in runs if run.data.tags.get(semconv.TAG_OUTCOME) == "failed"}
    parents = {run.info.run_id: run.data.tags.get(_PARENT, "") for run in runs}
    wasted = [run for run in runs if run.info.run_id in failed and not _is_below(run.info.run_id, failed, parents)]
    masses = [mass for run in roots if math.isfinite(mass := run.data.metrics.get(semconv.CO2E.name, math.nan))]
    return ExperimentFigures(
        runs=len(roots),
        energy_wh=_energy(roots),
        failed_wh=_energy(wasted),
        co2e_g=sum(masses) if masses else None,
        runs_with_co2e=len(masses),
        since=utc_day(min(run.info.start_time for run in roots) * 1_000_000),
    )


def _is_below(run_id: str, some: set[str], parents: dict[str, str]) -> bool:
    seen = set()
    while run_id not in seen:
        seen.add(run_id)
        run_id = parents.get(run_id, "")
        if run_id in some:
            return True
    return False


def _energy(runs: list[Any]) -> float:
    return math.fsum(run.data.metrics[semconv.ENERGY.name] for run in runs)
