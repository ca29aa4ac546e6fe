"""The MLflow runs that people open: the user's own, and those that ecoia makes to show figures on."""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ecoia import semconv
from ecoia.delivery.logged_models import LoggedModels
from ecoia.delivery.mlflow_store import MlflowStore, Point, storable
from ecoia.delivery.notes import service_note
from ecoia.delivery.retired_names import retire_names
from ecoia.delivery.run_views import View
from ecoia.delivery.tags_and_metrics import artifacts_tag, made_by_ecoia_tags, note_change, note_tags, view_experiment_tags
from ecoia.errors import DeliveryError

TABLE_ARTIFACT = "ecoia/breakdown.json"
PAGE_ARTIFACT = "ecoia/impact.html"

_PARENT = "mlflow.parentRunId"
_LOGGED_ARTIFACTS = "mlflow.loggedArtifacts"
_RUNS_AT_ONCE = 100
_GOES_AWAY = {semconv.TAG_OUTCOME, semconv.TAG_FACTOR, semconv.TAG_ENERGY_RANGE, semconv.TAG_CO2E_RANGE}
"""Tags that a view may lose: the run goes on again, or a second host works for it, so that its total has no interval."""
REFUSED = ("PERMISSION_DENIED", "UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED")
"""MLflow's error codes where an account may not do what it asks for."""
_REFUSED_STATUSES = (401, 403)


class RunRefusedError(DeliveryError):
    """A store answers, and does not let this account write to a run."""


class MlflowRuns:
    """The runs of an MLflow store that people open.

    Args:
        store: The store.
    """

    def __init__(self, store: MlflowStore) -> None:
        self._store = store
        self._models = LoggedModels(store)
        self._described: set[str] = set()

    def find(self, run_id: str) -> Any:
        """Return a run, also a deleted one; None if this store does not have it.

        Raises:
            RunRefusedError: this account may not read it.
            DeliveryError: the store cannot be reached.
        """
        with self._store.reaching(), _refusals(run_id):
            return self._store.get_run(run_id)

    def parent_of(self, run_id: str) -> str | None:
        """Return the run above a run, empty for none; None if this store does not have the run.

        Raises:
            DeliveryError: the store cannot be reached.
        """
        run = self.find(run_id)
        return None if run is None else str(run.data.tags.get(_PARENT, ""))

    def find_all(self, run_ids: Collection[str], experiment_id: str) -> dict[str, Any]:
        """Return runs by id, as far as the store has them. Those of one experiment cost one request a hundred.

        Args:
            run_ids: Ids of the runs.
            experiment_id: The experiment that most of them are in.

        Raises:
            DeliveryError: the store cannot be reached.
        """
        wanted, found = sorted(run_ids), {}
        with self._store.reaching():
            if len(wanted) > 1:
                for first in range(0, len(wanted), _RUNS_AT_ONCE):
                    listed = ", ".join(f"'{run_id}'" for run_id in wanted[first : first + _RUNS_AT_ONCE] if _is_safe(run_id))
                    for run in self._store.each(experiment_id, f"attributes.run_id IN ({listed})", deleted=True):
                        found[str(run.info.run_id)] = run
            for run_id in wanted:
                run = found.get(run_id) or self._store.get_run(run_id)
                if run is not None:
                    found[run_id] = run
        return found

    def below(self, run: Any) -> list[Any]:
        """Return the runs right below a run, in its experiment.

        Raises:
            DeliveryError: the store cannot be reached.
        """
        with self._store.reaching():
            return self._store.search(run.info.experiment_id, f"tags.`{_PARENT}` = '{run.info.run_id}'")

    def text_of(self, run: Any, artifact: str, most_bytes: int) -> str | None:
        """Return the text of an artifact of a run; None where it cannot be read, for whatever reason."""
        try:
            return self._store.read_artifact(run.info.run_id, run.info.artifact_uri, artifact, most_bytes).decode()
        except Exception:  # noqa: BLE001 - an error of MLflow or of a storage client: a share is missing, no figure is wrong
            return None

    def of_group(self, group: str) -> list[str]:
        """Return the ids of the users' runs that a member of a group began, on whatever host.

        Args:
            group: Id of the group (``linked_runs.group_of``).

        Raises:
            DeliveryError: the store cannot be reached.
        """
        with self._store.reaching():
            return [str(run.info.run_id) for run in self._store.search_everywhere(f"tags.`{semconv.TAG_GROUP}` LIKE '%{group}%'")]

    def retire_own(self, run_id: str, services: Collection[str]) -> None:
        """Delete ecoia's own runs for a session or group whose rows are shown with a user's run now. The ledger keeps its rows.

        Args:
            run_id: Id of the session or group's member.
            services: Services of its rows.

        Raises:
            DeliveryError: the store cannot be reached.
        """
        with self._store.reaching():
            for service in services:
                with contextlib.suppress(DeliveryError):  # its experiment was deleted, and the run with it
                    experiment = self._store.find_experiment(semconv.VIEW_EXPERIMENT_PREFIX + service)
                    for run in self._store.search(experiment, f"tags.`{semconv.TAG_RUN}` = '{run_id}'") if experiment else ():
                        self._store.client.delete_run(run.info.run_id)

    def own_run(self, service: str, name: str, start_utc_ns: int, identity: Mapping[str, str]) -> str:
        """Return the id of ecoia's own run with these tags in the service's experiment, and create it if it is missing.

        Args:
            service: Id of the service; its experiment is ``ecoia/<service>``.
            name: Name of a run that is created.
            start_utc_ns: When it starts.
            identity: Tags that tell the run from others.

        Raises:
            DeliveryError: the store cannot be reached.
        """
        with self._store.reaching():
            experiment = self._experiment_of(service)
            tags = {**made_by_ecoia_tags(), **identity}
            conditions = [f"tags.`{key}` = '{value}'" for key, value in tags.items() if _is_safe(value)]
            for run in self._store.search(experiment, *conditions):
                if all(run.data.tags.get(key) == value for key, value in tags.items()):
                    return str(run.info.run_id)
            start_ms = start_utc_ns // 1_000_000
            run = self._store.client.create_run(experiment, start_time=start_ms, tags=tags, run_name=name)
            return str(run.info.run_id)

    def _experiment_of(self, service: str) -> str:
        tags, note = view_experiment_tags(service), service_note(service)
        experiment = self._store.make_experiment(semconv.VIEW_EXPERIMENT_PREFIX + service, {**tags, **note_tags(note)})
        if experiment not in self._described:
            self._described.add(experiment)
            self._store.describe_experiment(experiment, tags, note)
        return experiment

    def write_view(self, run_id: str, view: View, run: Any = None) -> bool:
        """Make a run's metrics, tags and artifacts match a view. Only what differs is written.

        Args:
            run_id: The run.
            view: The view.
            run: The run as it was read just now; None: it is read here.

        Returns:
            ``False``: the run was deleted or is not there, so nothing was written. The ledger has its figures all the same.

        Raises:
            RunRefusedError: this account may not write to the run.
            DeliveryError: the store cannot be reached.
        """
        with self._store.reaching():
            run = self._store.get_run(run_id) if run is None else run
            if not is_active(run):
                return False
            try:
                with _refusals(run_id):
                    self._write(run, view)
            except RunRefusedError:
                raise
            except Exception:
                if is_active(self._store.get_run(run_id)):
                    raise
                return False  # it was deleted meanwhile
            return True

    def _write(self, run: Any, view: View) -> None:
        run_id = run.info.run_id
        retire_names(self._store, run, semconv.RETIRED_OF_VIEWS, retired_too=_units_of_user(run))
        tags = dict(view.tags) | ({} if view.note is None else note_change(run.data.tags, view.note))
        points = self._points(run, view)
        artifacts = artifacts_tag(view.page or "", view.table or "") if view.page is not None else {}
        if view.page is not None and view.table is not None and not artifacts.items() <= run.data.tags.items():
            self._store.client.log_text(run_id, view.page, PAGE_ARTIFACT)
            tags |= self._write_table(run, view.table) | artifacts
        changed = {name: value for name, value in tags.items() if run.data.tags.get(name) != storable(value)}
        self._store.log(run_id, points, changed)
        self._store.retire(run_id, self._outdated(run, view), ())
        for name in _GOES_AWAY - tags.keys() & run.data.tags.keys():
            self._store.client.delete_tag(run_id, name)
        self._models.show_energy(run, view.metrics, view.unknown)
        self._models.link(run, view.models)
        self._set_status(run, view)

    def _points(self, run: Any, view: View) -> list[Point]:
        """Return the totals, and the totals by hour, that differ from what the run shows.

        Totals stand at step 0, where MLflow draws them as bars, one a run. Of two values at a step it shows the later, so a
        correction is later than what it corrects, whatever the clock says.
        """
        points = []
        for name, value in view.metrics.items():
            known = run.data.metrics.get(name)
            if known is None:
                points.append(Point(name, value, 0))
            elif not math.isclose(known, value, rel_tol=1e-12):
                last = self._last(run, name)
                points.append(Point(name, value, last.step, last.timestamp + 1))
        for name, hours in view.hourly.items():
            latest: dict[int, Any] = {}
            for point in self._history(run, name) if name in run.data.metrics else ():
                latest[point.step] = max(latest.get(point.step, point), point, key=lambda each: each.timestamp)
            for hour, value in hours.items():
                if hour not in latest or not math.isclose(latest[hour].value, value, rel_tol=1e-12):
                    points.append(Point(name, value, hour, latest[hour].timestamp + 1 if hour in latest else 0))
        return points

    def _outdated(self, run: Any, view: View) -> list[Point]:
        """Return the values that the run shows of what is not known any more: a sum that lacks a part is no total."""
        shown = [name for name in sorted(view.unknown) if math.isfinite(run.data.metrics.get(name, math.nan))]
        last = {name: self._last(run, name) for name in shown}
        return [Point(name, math.nan, point.step, point.timestamp + 1) for name, point in last.items()]

    def _last(self, run: Any, metric: str) -> Any:
        """Return the value of a metric that MLflow shows."""
        return max(self._history(run, metric), key=lambda point: (point.step, point.timestamp))

    def _history(self, run: Any, metric: str) -> list[Any]:
        return list(self._store.client.get_metric_history(run.info.run_id, metric))

    def _write_table(self, run: Any, table: str) -> dict[str, str]:
        """Write a table as MLflow's own ``log_table`` keeps it. That one appends, so a second call would double the rows.

        Returns:
            The tag by which MLflow knows it.
        """
        self._store.client.log_text(run.info.run_id, table, TABLE_ARTIFACT)
        known = json.loads(run.data.tags.get(_LOGGED_ARTIFACTS, "[]"))
        entry = {"path": TABLE_ARTIFACT, "type": "table"}
        return {} if entry in known else {_LOGGED_ARTIFACTS: json.dumps([*known, entry])}

    def _set_status(self, run: Any, view: View) -> None:
        """Mark a run of ecoia's own as it stands: it ended where its rows end."""
        if view.status is None:
            return
        if view.status == "RUNNING":  # also a service that was stopped and runs again
            if run.info.status != "RUNNING":
                self._store.client.update_run(run.info.run_id, status=view.status)
            return
        end_ms = None if view.end_utc_ns is None else -(-view.end_utc_ns // 1_000_000)
        if run.info.status != view.status or (end_ms is not None and run.info.end_time != end_ms):
            self._store.client.set_terminated(run.info.run_id, status=view.status, end_time=end_ms)


@contextlib.contextmanager
def _refusals(run_id: str) -> Iterator[None]:
    """Tell a refusal to write to one run from a store that cannot be used.

    Raises:
        RunRefusedError: this account may not write to the run.
    """
    try:
        yield
    except Exception as error:  # MLflow's, or of requests where a server refuses an artifact
        status = getattr(getattr(error, "response", None), "status_code", None)
        if getattr(error, "error_code", None) not in REFUSED and status not in _REFUSED_STATUSES:
            raise
        raise RunRefusedError(
            f"run {run_id}: this account may not write to it, so its figures are in the ledger only. Give the account of "
            "MLFLOW_TRACKING_USERNAME the permission to edit its experiment"
        ) from error


def is_active(run: Any) -> bool:
    """Return whether a run is there and not deleted."""
    return run is not None and run.info.lifecycle_stage == "active"


def _units_of_user(run: Any) -> tuple[str, ...]:
    """Return the metric of units where it is a name of before: on every run but ecoia's own day of a service."""
    return () if semconv.TAG_DAY in run.data.tags else (semconv.UNITS.name,)


def _is_safe(value: str) -> bool:
    """Return whether a value can stand in MLflow's filter language, which has no escapes."""
    return re.fullmatch(r"[\w.\- ]*", value) is not None
