"""Which MLflow runs show something new, and writing it there.

A run of the user shows the figures of itself and the runs below it (``user_runs``). A session without a run of the user, and a
service's inference on one instance and UTC day, have runs of ecoia's own. Declared activity has none.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from ecoia import semconv
from ecoia.delivery.breakdown import Facts
from ecoia.delivery.co2e_parameters import read_knowledge
from ecoia.delivery.experiment_notes import note_experiment
from ecoia.delivery.linked_runs import Chain, LinkedRuns, group_of
from ecoia.delivery.mlflow_runs import MlflowRuns, RunRefusedError
from ecoia.delivery.mlflow_store import MlflowStore
from ecoia.delivery.result import STEP, Tell, tell_nobody
from ecoia.delivery.run_tree import RunTree
from ecoia.delivery.run_views import build_day_view, build_view
from ecoia.delivery.tags_and_metrics import active_rows, day_run_tags, own_run_tags, worst_outcome
from ecoia.delivery.user_runs import OUTCOME_OF_STATUS, UserRuns
from ecoia.errors import DeliveryError, EcoiaError
from ecoia.impact.parameters import AssessmentParameters
from ecoia.keeping.destinations import public_uri, write_atomically
from ecoia.periods import utc_datetime, utc_day, utc_ns
from ecoia.records import Row
from ecoia.settings import Settings

_VIEWS = "views.json"
_RUN_STATUS = {outcome: status for status, outcome in OUTCOME_OF_STATUS.items()}


class ViewKey(NamedTuple):
    """The subject of one view: a run, or a service's inference on one instance and UTC day, with its reserved idle energy."""

    run_id: str
    service: str = ""
    instance: str = ""
    day: str = ""


def view_key(row: Row) -> ViewKey | None:
    """Return the view that a row belongs to; ``None`` if it is in none."""
    if not row["service"] or row["declared_source"]:
        return None  # declared activity was not watched, and a declared quarter would make a run for each of its days
    of_inference = row["kind"] == semconv.KIND_SPAN and row["phase"] == "inference"
    if of_inference or row["kind"] == semconv.KIND_IDLE:
        return ViewKey("", row["service"], row["instance"], utc_day(row["half_hour_utc_ns"]))
    of_run = row["kind"] in (semconv.KIND_SPAN, semconv.KIND_OUTCOME) and row["phase"] and row["phase"] != "inference"
    return ViewKey(row["run_id"]) if of_run and row["run_id"] else None


def rows_by_view(rows: Iterable[Row]) -> dict[ViewKey, list[Row]]:
    """Group rows by the view that they belong to. Rows that are in no view are left out."""
    by_key: dict[ViewKey, list[Row]] = {}
    for row in rows:
        key = view_key(row)
        if key is not None:
            by_key.setdefault(key, []).append(row)
    return by_key


class Written(NamedTuple):
    """The result of writing views: messages for people, whether a store did not answer, how many were not begun in time."""

    problems: list[str]
    failed: bool
    left: int


class _Outcome:
    """What one ``write`` has done so far: views written, experiments to describe, messages, views not begun in time."""

    def __init__(self) -> None:
        self.written: set[ViewKey] = set()
        self.experiments: set[str] = set()
        self.problems: list[str] = []
        self.failed = False
        self.left = 0


class ViewUpdates:
    """The views of a journal home, in every store. What could not be written, or is not complete yet, is kept for the next time.

    Args:
        home: The journal home. In it, ``delivery/views.json`` keeps what is left to write, and ``delivery/parents.json`` which
            run is above which.
        settings: ``zone``, ``pue``, ``timezone`` and ``catalogue`` are used for CO2e.
        tell: Receives the progress.
    """

    def __init__(self, home: Path, settings: Settings, tell: Tell = tell_nobody) -> None:
        self._settings = settings
        self._tell = tell
        self._tree = RunTree(home)
        self._known: AssessmentParameters | None = None
        self._catalogue_problems: list[str] = []
        self._left = ViewsLeft(home / "delivery" / _VIEWS)

    def note_changed(self, store: str, rows: Iterable[Row]) -> None:
        """Note that some rows reached the ledger of a store, so that their views are written next.

        Args:
            store: Public URI of the store.
            rows: The rows.
        """
        self._left.changed.setdefault(store, set()).update(rows_by_view(rows))

    def note_linked(self, store: str, links: Iterable[tuple[str, str]]) -> None:
        """Note that links to some runs were found, so that these are written next.

        Args:
            store: Public URI of the store.
            links: Pairs of a group's or session's id and a run.
        """
        self._left.changed.setdefault(store, set()).update(ViewKey(run_id) for link in links for run_id in link)

    def any_left(self, store: str) -> bool:
        """Return whether a view is still to be written, or to be completed when the measured processes end.

        Args:
            store: Public URI of the store.
        """
        return bool(self._left.changed.get(store) or self._left.unfinished.get(store))

    def write(
        self,
        store: MlflowStore,
        rows: Iterable[Row],
        linked: LinkedRuns | None = None,
        *,
        final: bool,
        begin_until: float = math.inf,
        by_hand: bool = False,
    ) -> Written:
        """Write the views of a store that changed, or whose end has come.

        A run that cannot be written stops no other run and loses no record: it is reported, and the next call tries again.

        Args:
            store: The store.
            rows: Every row of that store's ledger days that were not refused.
            linked: Which run shows the rows of groups and sessions.
            final: No measured process lives, so every view is completed.
            begin_until: Time of the monotonic clock in seconds, after which no view is begun.
            by_hand: Describe experiments also where they were looked at today, as the last delivery does.

        Raises:
            DeliveryError: the store cannot be reached.
        """
        by_key = rows_by_view(rows)
        today = utc_day(time.time_ns())
        over = {key for key, own in by_key.items() if final or (key.day and key.day < today) or _was_left(own)}
        name = public_uri(store.uri)
        changed, unfinished = self._left.changed.setdefault(name, set()), self._left.unfinished.setdefault(name, set())
        changed.intersection_update(by_key)  # the others are on refused days
        unfinished.intersection_update(by_key)
        due = changed | (unfinished & over)
        runs = MlflowRuns(store)
        if due:
            self._tell(STEP, "at the root runs")
        linked = linked or LinkedRuns()
        chains = self._chains(name, runs, by_key, linked, due) if due else {}
        self._tree.save()
        outcome = _Outcome()
        for key in sorted(due):
            if key in outcome.written:
                continue
            if time.monotonic() > begin_until:
                outcome.left += 1
                continue
            self._tell(STEP, f"at the run of {key.run_id or key.service}")
            self._write_one(runs, key, _shown_together(key, by_key, chains), outcome, linked, chains, due, over)
        written = outcome.written
        changed |= due - written
        changed -= written
        unfinished |= written
        unfinished -= written & over
        self._left.save()
        for experiment in sorted(outcome.experiments):
            if time.monotonic() <= begin_until:
                note_experiment(store, experiment, today, again=by_hand or final)
        problems = outcome.problems + self._catalogue_problems
        self._catalogue_problems = []
        return Written(problems, outcome.failed, outcome.left)

    def _write_one(
        self,
        runs: MlflowRuns,
        key: ViewKey,
        group: Mapping[ViewKey, list[Row]],
        outcome: _Outcome,
        linked: LinkedRuns,
        chains: Mapping[str, Chain],
        due: set[ViewKey],
        over: set[ViewKey],
    ) -> None:
        """Write one view with what is shown together with it. What is complete now is added to ``over``."""
        try:
            if chains.get(key.run_id):
                tree = UserRuns(chains, {each.run_id: rows for each, rows in group.items()}, self._knowledge(), linked)
                shown = tree.write(runs, {each.run_id for each in group.keys() & due}, over=group.keys() <= over)
                outcome.problems += shown.problems
                outcome.experiments |= shown.experiments
                if shown.complete:
                    over.update(group)
            elif key.run_id:
                self._write_own_runs(runs, key.run_id, group[key], complete=key in over)
            else:
                self._write_day_run(runs, key, group[key], complete=key in over)
        except RunRefusedError as error:
            outcome.problems.append(str(error))
            outcome.written.update(group)  # trying again changes nothing; 'ecoia deliver' does
        except EcoiaError as error:
            outcome.failed |= isinstance(error, DeliveryError)
            outcome.problems.append(f"the view of {key.run_id or key.service} was not written: {error}")
        else:
            outcome.written.update(group)

    def _chains(
        self, store: str, runs: MlflowRuns, by_key: Iterable[ViewKey], linked: LinkedRuns, due: Iterable[ViewKey]
    ) -> dict[str, Chain]:
        """Return, for each run with rows, the run and the runs above it: nothing for what is shown on runs of ecoia's own."""
        for group in {group_of(key.run_id) for key in due} - {""}:
            if not linked.runs_of(group):  # another host's member may have begun the run
                linked.add(group, runs.of_group(group))
        found: dict[str, Chain] = {
            run_id: self._tree.chain(store, runs, run_id) for run_id in {key.run_id for key in by_key if key.run_id} | linked.runs
        }
        return found | linked.chains(found, found)

    def _write_own_runs(self, runs: MlflowRuns, run_id: str, rows: list[Row], *, complete: bool) -> None:
        """Write a session that has no run of the user: one run of ecoia's own for each service and phase."""
        groups: dict[tuple[str, str], list[Row]] = {}
        for row in rows:
            groups.setdefault((row["service"], row["phase"]), []).append(row)
        for (service, phase), group in sorted(groups.items()):
            spans = active_rows(group)
            if not spans:
                continue
            outcomes = [row["outcome"] for row in group if row["outcome"]]
            worst = worst_outcome(outcomes)
            status = _RUN_STATUS[worst] if worst else "FINISHED" if complete else None
            facts = Facts() if complete or worst else None
            view = build_view(spans, worst, known=self._knowledge(), facts=facts, status=status)
            start_utc_ns = min(row["start_utc_ns"] for row in group)
            name = f"{phase} on {group[0]['instance']}, {utc_datetime(start_utc_ns):%Y-%m-%d %H:%M} UTC"
            own = runs.own_run(service, name, start_utc_ns, own_run_tags(run_id, service, phase))
            runs.write_view(own, view)

    def _write_day_run(self, runs: MlflowRuns, key: ViewKey, rows: list[Row], *, complete: bool) -> None:
        """Write a service's inference on one instance and UTC day."""
        first = utc_datetime(min(row["start_utc_ns"] for row in rows))
        day_start_utc_ns = utc_ns(first.replace(hour=0, minute=0, second=0, microsecond=0))
        view = build_day_view(
            rows,
            known=self._knowledge(),
            day_start_utc_ns=day_start_utc_ns,
            until_utc_ns=None if complete else time.time_ns(),
        )
        name = f"inference on {key.instance}, {key.day}"
        own = runs.own_run(key.service, name, day_start_utc_ns, day_run_tags(key.service, key.instance, key.day))
        runs.write_view(own, view)

    def _knowledge(self) -> AssessmentParameters:
        """Return the parameters of CO2e, read once. If the catalogue is wrong, use the settings alone: no view is lost."""
        if self._known is None:
            try:
                self._known = read_knowledge(self._settings, self._settings.catalogue)
            except (EcoiaError, OSError) as error:
                self._known = read_knowledge(self._settings, None)  # a zone without a factor is refused here again
                self._catalogue_problems.append(f"runs show CO2e by the settings and the default emission factors alone: {error}")
        return self._known


def _was_left(rows: Iterable[Row]) -> bool:
    """Return whether a run's last process died in it, although others of the home live: nobody has measured it since."""
    spans, left = 0, 0
    for row in rows:
        if row["outcome"] == semconv.ABANDONED:
            left = max(left, row["end_utc_ns"])
        elif row["kind"] == semconv.KIND_SPAN:
            spans = max(spans, row["end_utc_ns"])
    return 0 < spans <= left


def _shown_together(key: ViewKey, by_key: Mapping[ViewKey, list[Row]], chains: Mapping[str, Chain]) -> dict[ViewKey, list[Row]]:
    """Return the rows to show together with a key: the rows of every run below the same root run."""
    chain = chains.get(key.run_id)
    if not chain:
        return {key: by_key[key]}
    return {other: rows for other, rows in by_key.items() if other.run_id and chains[other.run_id][-1:] == chain[-1:]}


class ViewsLeft:
    """Views that are left to write in each store, kept in a file: each delivery is a process of its own.

    Attributes:
        changed: By the store's public URI, views that gained rows and are not written yet.
        unfinished: By the store's public URI, views that are written, but whose end is still to come.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.changed: dict[str, set[ViewKey]] = {}
        self.unfinished: dict[str, set[ViewKey]] = {}
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            for store, keys in kept["changed"].items():
                self.changed[store] = {ViewKey(*map(str, key)) for key in keys}
            for store, keys in kept["unfinished"].items():
                self.unfinished[store] = {ViewKey(*map(str, key)) for key in keys}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            pass  # 'ecoia deliver' looks at every view
        self._saved = self._text()

    def _text(self) -> str:
        kept = {
            part: {store: sorted(keys) for store, keys in views.items() if keys}
            for part, views in (("changed", self.changed), ("unfinished", self.unfinished))
        }
        return json.dumps(kept, separators=(",", ":")) + "\n"

    def save(self) -> None:
        """Write the file, if it would differ.

        Raises:
            OSError: the home cannot be written.
        """
        text = self._text()
        if text != self._saved:
            write_atomically(self._path, text)
            self._saved = text
