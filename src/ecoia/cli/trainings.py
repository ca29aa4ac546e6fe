"""What a training took, for the documents of its model: the rows of its runs, of runs below them, and of its ranks."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from ecoia.cli.common import Source, say
from ecoia.cli.reading import read_inputs, store_here
from ecoia.errors import UsageError
from ecoia.settings import Settings

if TYPE_CHECKING:
    from ecoia.catalogue import Service
    from ecoia.delivery.mlflow_store import MlflowStore
    from ecoia.impact.inputs import Inputs
    from ecoia.impact.run_footprint import RunFootprint

RunIds = Annotated[
    list[str],
    typer.Option("--run", metavar="ID", help="Id of an MLflow run; repeat it if the training has several.", show_default=False),
]


class Training(NamedTuple):
    """What a training took.

    Attributes:
        footprint: Its figures.
        runs: The ids of its runs, as they were named.
        service: The register's entry of its service; None where it has none, or several.
        inputs: What the figures were computed from.
        store: The store that has its runs; None where rows were not read from MLflow.
    """

    footprint: RunFootprint
    runs: tuple[str, ...]
    service: Service | None
    inputs: Inputs
    store: MlflowStore | None


def read_training(settings: Settings, source: Source, runs: Sequence[str]) -> Training:
    """Read what a training took.

    Args:
        settings: The settings.
        source: Where its rows are read from.
        runs: Ids of its runs.

    Raises:
        UsageError: nothing was recorded of them; with the remedy.
    """
    from ecoia.delivery.linked_runs import group_of
    from ecoia.impact.run_footprint import run_footprint

    store = store_here(settings) if source is Source.LEDGER else None
    ids, groups = _shown_with(store, runs) if store is not None else (set(runs), set())
    if store is None:
        say("runs below the run and its ranks are counted only where they are read from MLflow ('--from ledger')")
    inputs = read_inputs(settings, source, store)
    footprint = run_footprint(inputs, lambda run: run in ids or group_of(run) in groups, time.time_ns())
    if footprint is None:
        raise UsageError(
            f"no training is recorded of run {', '.join(runs)}: 'ecoia runs' lists the ids, 'ecoia deliver' sends what is "
            "recorded; a candidate of a search has a share only, so name the run of the search"
        )
    if inputs.gaps:
        say("days of the ledger are missing: the figures are a minimum")
    service = inputs.catalogue.service(footprint.services[0]) if len(footprint.services) == 1 else None
    return Training(footprint, tuple(runs), service, inputs, store)


def _shown_with(store: MlflowStore, runs: Sequence[str]) -> tuple[set[str], set[str]]:
    """Return the runs and all below them, and the groups of ranks whose rows MLflow shows with one of them."""
    from ecoia.delivery.mlflow_runs import MlflowRuns
    from ecoia.semconv import TAG_GROUP

    found = MlflowRuns(store)
    ids: set[str] = set()
    groups: set[str] = set()
    with store.reaching():
        waiting: list[Any] = [run for each in runs if (run := store.get_run(each)) is not None]
    if not waiting:
        say(f"this MLflow has no run {', '.join(runs)}: what the ledger recorded under that id is counted")
    while waiting:
        run = waiting.pop()
        if run.info.run_id not in ids:
            ids.add(run.info.run_id)
            groups |= {group for group in run.data.tags.get(TAG_GROUP, "").split(",") if group}
            waiting += found.below(run)
    return ids | set(runs), groups
