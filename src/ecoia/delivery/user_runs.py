"""The figures of a user's run and of the runs below it.

The root run shows the energy of the whole tree. A run below it shows its own and that of its descendants under the same names,
with the tag ``ecoia.share_of``, so that nobody adds the two. How a run ended is its status in the store: MLflow may end it after
the last record was written.

Rows of a group's ranks belong to the root run like those of a run below it. The session of ``ecoia run`` around it stands beside
its figures, in ``ecoia/outside_wh``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Any, NamedTuple

from ecoia import semconv
from ecoia.delivery.breakdown import ChildRun, Facts
from ecoia.delivery.host_totals import write_total
from ecoia.delivery.linked_runs import LinkedRuns, group_of, is_session
from ecoia.delivery.mlflow_runs import MlflowRuns, is_active
from ecoia.delivery.run_views import View, build_view
from ecoia.delivery.search_children import write_search_children
from ecoia.delivery.tags_and_metrics import (
    active_rows,
    energy_microjoules,
    group_tag,
    outside_metric,
    share_tag,
    worst_outcome,
)
from ecoia.impact.doublecounting import refuse_doubles
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
        rows: By run, group's member or session, its own rows: spans and outcomes.
        known: Parameters that CO2e is computed with.
        linked: Who began which run.
    """

    def __init__(
        self,
        chains: Mapping[str, Sequence[str]],
        rows: Mapping[str, Sequence[Row]],
        known: AssessmentParameters,
        linked: LinkedRuns,
    ) -> None:
        self._known = known
        self._linked = linked
        self._root = chains[next(iter(rows))][-1]
        self._sessions = {run_id: active_rows(rows[run_id]) for run_id in sorted(rows) if is_session(run_id)}
        self._members = sorted(run_id for run_id in rows if group_of(run_id))
        self._own: Mapping[str, Sequence[Row]] = {run_id: rows[run_id] for run_id in rows if run_id not in self._sessions}
        if self._members:  # ranks that share a device without parts of their own each claim the whole
            self._own = _each_device_once(self._own)
        rows = self._own
        self._chains = {run_id: chains[run_id] for run_id in rows}
        self._below: dict[str, list[Row]] = {}  # by run, the spans of itself and its descendants
        for run_id in sorted(rows):
            for above in self._chains[run_id]:
                self._below.setdefault(above, []).extend(active_rows(rows[run_id]))

    def write(self, runs: MlflowRuns, changed: AbstractSet[str], *, over: bool) -> Shown:
        """Write the figures of the root run and of every run that changed, or has such a run below it.

        Args:
            runs: The store's runs.
            changed: Runs whose rows changed, or whose end has come.
            over: No measured process lives, so nothing more comes.

        Raises:
            RunRefusedError: this account may not write to a run.
            DeliveryError: the store cannot be reached.
        """
        if not self._below.get(self._root) and not self._sessions:
            return Shown([], set(), over)
        root = runs.find(self._root)
        if not is_active(root):
            return Shown([f"run {self._root} was deleted: its figures are in the ledger only"], set(), over)
        complete = over or root.info.status in OUTCOME_OF_STATUS
        if self._below.get(self._root):
            found = self._write_tree(runs, root, changed, over=over, complete=complete)
        else:  # nothing of the run itself is here, or not yet; another host may show figures on it
            outside = View(outside_metric(self._outside(), root.data.metrics), {})
            found = {} if runs.write_view(self._root, outside, root) else None
        if found is None:
            return Shown([f"run {self._root} was deleted: its figures are in the ledger only"], set(), over)
        for run_id in changed & (self._sessions.keys() | set(self._members)):
            runs.retire_own(run_id, {row["service"] for row in self._sessions.get(run_id) or self._own[run_id]})
        if complete:
            for run_id in sorted(self._below):
                run = root if run_id == self._root else found.get(run_id)
                if run is not None and self._below[run_id]:
                    write_search_children(runs, run, self._root, self._below[run_id], self._known)
        # The session around it ends later than its runs.
        return Shown([], {root.info.experiment_id} if complete else set(), complete and (over or not self._sessions))

    def _write_tree(
        self, runs: MlflowRuns, root: Any, changed: AbstractSet[str], *, over: bool, complete: bool
    ) -> dict[str, Any] | None:
        """Write the root run and the changed runs below it. Returns the runs below it; None: the root run was deleted."""
        shown_apart = {self._root, *self._members, *self._sessions}
        touched = {above for run_id in changed for above in self._chains.get(run_id, ())} - shown_apart
        wanted = self._below.keys() - shown_apart if complete else touched
        found = runs.find_all({run_id for run_id in wanted if self._below[run_id]}, root.info.experiment_id)
        for run_id in sorted(touched & found.keys()):
            runs.write_view(run_id, self._child_view(found[run_id], over=over), found[run_id])
        facts = self._facts(root, found) if complete else None
        view = build_view(self._below[self._root], self._outcome(root, over=over), known=self._known, facts=facts)
        view = replace(
            view,
            metrics={**view.metrics, **outside_metric(self._outside(), root.data.metrics)},
            tags={**view.tags, **group_tag(self._linked.groups_of(self._chains.keys() | {self._root}), root.data.tags)},
        )
        return found if write_total(runs, root, view, self._below[self._root], self._known) else None

    def _outside(self) -> list[Row]:
        return [row for rows in self._sessions.values() for row in rows]

    def _child_view(self, run: Any, *, over: bool) -> View:
        view = build_view(self._below[run.info.run_id], self._outcome(run, over=over), known=self._known)
        return replace(view, tags={**view.tags, **share_tag(self._root)})

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
            ranks=self._ranks(),
            outside=self._outside(),
            failed_microjoules=self._failed_microjoules({child.run_id for child in children if child.outcome == "failed"}),
        )

    def _ranks(self) -> dict[int, list[Row]]:
        """Return the spans of each rank; nothing where the ranks are not known."""
        ranks: dict[int, list[Row]] = {}
        for run_id, rows in self._own.items():
            rank = self._linked.rank(self._chains[run_id])
            if rank is not None:
                ranks.setdefault(rank, []).extend(active_rows(rows))
        return {rank: rows for rank, rows in sorted(ranks.items()) if rows} if len(ranks) > 1 else {}

    def _failed_microjoules(self, failed: AbstractSet[str]) -> int:
        """Return the energy of the rows with a failed run in their chain, below the root."""
        return sum(
            energy_microjoules(row) or 0
            for run_id, chain in self._chains.items()
            if any(above in failed for above in chain)
            for row in active_rows(self._own[run_id])
        )


def _each_device_once(rows: Mapping[str, Sequence[Row]]) -> dict[str, list[Row]]:
    """Return rows by run, as a report counts them: of several claims on the whole of one device, the greatest."""
    found: dict[str, list[Row]] = {run_id: [] for run_id in rows}
    for row in refuse_doubles([row for own in rows.values() for row in own])[0]:
        found[row["run_id"]].append(row)
    return found


def _datasets(run: Any) -> list[str]:
    """Return the names of the datasets that a run logged."""
    inputs = getattr(run, "inputs", None)
    return sorted({each.dataset.name for each in inputs.dataset_inputs}) if inputs else []
