"""The figures of a user's run and of the runs below it.

The root run shows the energy of the whole tree. A run below it shows its own and that of its descendants under the same names,
with the tag ``ecoia.share_of``, so that nobody adds the two. How a run ended is its status in the store: MLflow may end it after
the last record was written.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from ecoia import semconv
from ecoia.delivery.breakdown import ChildRun, Facts
from ecoia.delivery.mlflow_runs import MlflowRuns, is_active
from ecoia.delivery.run_views import View, build_view
from ecoia.delivery.tags_and_metrics import active_rows, energy_microjoules, share_tag, worst_outcome
from ecoia.impact.parameters import AssessmentParameters
from ecoia.records import Row

OUTCOME_OF_STATUS = {"FINISHED": "ok", "FAILED": "failed", "KILLED": semconv.ABANDONED}
"""How a run ended, by its status in MLflow. Any other status: it goes on, or its process died without a word."""


class Shown(NamedTuple):
    """The result of writing a tree of runs: messages for people, experiments with a finished root, whether all is shown."""

    problems: list[str]
    experiments: set[str]
    complete: bool


class UserRuns:
    """The runs below one root run, with their rows.

    Args:
        chains: For each run with rows, the run and the runs above it, the root run last.
        rows: By run, its own rows: spans and outcomes.
        known: Parameters that CO2e is computed with.
    """

    def __init__(
        self, chains: Mapping[str, Sequence[str]], rows: Mapping[str, Sequence[Row]], known: AssessmentParameters
    ) -> None:
        self._known = known
        self._own = rows
        self._chains = {run_id: chains[run_id] for run_id in rows}
        self._root = next(iter(self._chains.values()))[-1]
        self._below: dict[str, list[Row]] = {}  # by run, the spans of itself and its descendants
        for run_id in sorted(rows):
            for above in self._chains[run_id]:
                self._below.setdefault(above, []).extend(active_rows(rows[run_id]))

    def write(self, runs: MlflowRuns, changed: Collection[str], *, over: bool) -> Shown:
        """Write the figures of the root run and of every run that changed, or has such a run below it.

        Args:
            runs: The store's runs.
            changed: Runs whose rows changed, or whose end has come.
            over: No measured process lives, so nothing more comes.

        Raises:
            RunRefusedError: this account may not write to a run.
            DeliveryError: the store cannot be reached.
        """
        if not self._below[self._root]:
            return Shown([], set(), over)
        root = runs.find(self._root)
        if not is_active(root):
            return Shown([f"run {self._root} was deleted: its figures are in the ledger only"], set(), over)
        complete = over or root.info.status in OUTCOME_OF_STATUS
        touched = {above for run_id in changed for above in self._chains[run_id]} - {self._root}
        wanted = self._below.keys() - {self._root} if complete else touched
        found = runs.find_all({run_id for run_id in wanted if self._below[run_id]}, root.info.experiment_id)
        for run_id in sorted(touched & found.keys()):
            runs.write_view(run_id, self._child_view(found[run_id], over=over), found[run_id])
        facts = self._facts(root, found) if complete else None
        view = build_view(self._below[self._root], self._outcome(root, over=over), known=self._known, facts=facts)
        if not runs.write_view(self._root, view, root):
            return Shown([f"run {self._root} was deleted: its figures are in the ledger only"], set(), over)
        return Shown([], {root.info.experiment_id} if complete else set(), complete)

    def _child_view(self, run: Any, *, over: bool) -> View:
        view = build_view(self._below[run.info.run_id], self._outcome(run, over=over), known=self._known)
        return View(view.metrics, {**view.tags, **share_tag(self._root)})

    def _outcome(self, run: Any, *, over: bool) -> str | None:
        """Return how a run ended; None while it goes on.

        A run that MLflow holds for open although no process is left ended as its own records say. Of a search's hundred children
        some may well have failed, so theirs count only where the run has none.
        """
        ended = OUTCOME_OF_STATUS.get(run.info.status)
        if ended is not None or not over:
            return ended
        run_id = run.info.run_id
        outcomes = [row["outcome"] for row in self._own.get(run_id, ()) if row["outcome"]]
        if not outcomes:
            below = (rows for other, rows in self._own.items() if run_id in self._chains[other])
            outcomes = [row["outcome"] for rows in below for row in rows if row["outcome"]]
        return worst_outcome(outcomes)

    def _facts(self, root: Any, found: Mapping[str, Any]) -> Facts:
        end, start = root.info.end_time, root.info.start_time
        children = [
            ChildRun(
                run_id,
                run.info.run_name or run_id,
                self._outcome(run, over=True),
                _datasets(run),
                self._below[run_id],
            )
            for run_id, run in sorted(found.items())
        ]
        return Facts(
            name=root.info.run_name or "",
            seconds=(end - start) / 1000 if end and root.info.status in OUTCOME_OF_STATUS else None,
            datasets=_datasets(root),
            children=children,
            failed_microjoules=self._failed_microjoules({child.run_id for child in children if child.outcome == "failed"}),
        )

    def _failed_microjoules(self, failed: Collection[str]) -> int:
        """Return the energy of the rows with a failed run in their chain, below the root."""
        return sum(
            energy_microjoules(row) or 0
            for run_id, chain in self._chains.items()
            if any(above in failed for above in chain)
            for row in active_rows(self._own[run_id])
        )


def _datasets(run: Any) -> list[str]:
    """Return the names of the datasets that a run logged."""
    inputs = getattr(run, "inputs", None)
    return sorted({each.dataset.name for each in inputs.dataset_inputs}) if inputs else []
