"""The description of an experiment with measured runs: its energy, CO2e and waste in one line, looked at once a day."""

from __future__ import annotations

import math
from typing import Any

from ecoia import semconv
from ecoia.delivery.mlflow_store import MlflowStore
from ecoia.delivery.notes import experiment_note
from ecoia.delivery.tags_and_metrics import note_day_tag
from ecoia.periods import utc_day


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
        found = {
            run.info.run_id: figures
            for run in store.each(experiment_id, f"metrics.`{semconv.ENERGY.name}` >= 0")
            if (figures := _figures(run)) is not None
        }
        store.describe_experiment(experiment_id, note_day_tag(today), experiment_note(found.values()))


def _figures(run: Any) -> tuple[float, float | None, bool, str] | None:
    """Return energy, CO2e, whether it failed and its day of a root run; None of a run whose energy is part of another's."""
    energy = run.data.metrics.get(semconv.ENERGY.name, math.nan)
    if semconv.TAG_SHARE_OF in run.data.tags or not math.isfinite(energy):
        return None
    failed = run.data.tags.get(semconv.TAG_OUTCOME) == "failed"
    return energy, run.data.metrics.get(semconv.CO2E.name), failed, utc_day(run.info.start_time * 1_000_000)
