"""The MLflow runs that people open: the user's own, and those that ecoia makes to show figures on."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ecoia import semconv
from ecoia.delivery.mlflow_store import NOT_THERE, MlflowStore, Point, at_step
from ecoia.delivery.run_views import View
from ecoia.delivery.tags_and_metrics import made_by_ecoia_tags, share_tag, step_tag

TABLE_ARTIFACT = "ecoia/breakdown.json"
PAGE_ARTIFACT = "ecoia/impact.html"

_PARENT = "mlflow.parentRunId"
_LOGGED_ARTIFACTS = "mlflow.loggedArtifacts"


class MlflowRuns:
    """The runs of an MLflow store that people open.

    Args:
        store: The store.
    """

    def __init__(self, store: MlflowStore) -> None:
        self._store = store
        self._roots: dict[str, str | None] = {}
        self._models: dict[str, str | None] = {}

    def root_run(self, run_id: str) -> str | None:
        """Return the top run above a run, which may be the run itself; ``None`` if this store does not have the run.

        Raises:
            DeliveryError: the store cannot be reached.
        """
        with self._store.reaching():
            if run_id not in self._roots:
                self._roots[run_id] = self._find_root(run_id)
            return self._roots[run_id]

    def _find_root(self, run_id: str) -> str | None:
        found, current, seen = None, run_id, set()
        while current and current not in seen:
            seen.add(current)
            run = self._store.get_run(current)
            if run is None:
                break
            found, current = current, run.data.tags.get(_PARENT, "")
        return found

    def own_run(self, service: str, name: str, start_utc_ns: int, identity: Mapping[str, str]) -> str:
        """Return the id of ecoia's own run with these tags in the service's experiment, and create it if it is missing.

        Args:
            service: Id of the service; its experiment is ``ecoia/<service>``.
            name: Name of a new run.
            start_utc_ns: Start of a new run.
            identity: Tags that tell the run from others.

        Raises:
            DeliveryError: the store cannot be reached.
        """
        with self._store.reaching():
            experiment = self._store.make_experiment(semconv.VIEW_EXPERIMENT_PREFIX + service)
            tags = {**made_by_ecoia_tags(), **identity}
            conditions = [f"tags.`{key}` = '{value}'" for key, value in tags.items() if _is_safe(value)]
            for run in self._store.search(experiment, *conditions):
                if all(run.data.tags.get(key) == value for key, value in tags.items()):
                    return str(run.info.run_id)
            start_ms = start_utc_ns // 1_000_000
            run = self._store.client.create_run(experiment, start_time=start_ms, tags=tags, run_name=name)
            return str(run.info.run_id)

    def write_view(self, run_id: str, view: View) -> bool:
        """Make a run's metrics, tags and artifacts match a view. Metrics and tags are written only where they differ.

        Returns:
            ``False``: the run was deleted or is not there, so nothing was written. The ledger has its figures all the same.

        Raises:
            DeliveryError: the store cannot be reached.
        """
        with self._store.reaching():
            run = self._store.get_run(run_id)
            if not _is_active(run):
                return False
            self._write_totals(run, view)
            self._write_hours(run_id, view.hourly)
            if view.page is not None:
                self._store.client.log_text(run_id, view.page, PAGE_ARTIFACT)
            if view.table is not None:
                self._write_table(run, view.table)
            self._link_models(run, view.models)
            self._set_status(run, view.status)
            return True

    def mark_share(self, run_id: str, root: str) -> None:
        """Tag a child run whose energy is in its root run's figures, so that nobody adds the two.

        Raises:
            DeliveryError: the store cannot be reached.
        """
        with self._store.reaching():
            run = self._store.get_run(run_id)
            if _is_active(run) and run.data.tags.get(semconv.TAG_SHARE_OF) != root:
                self._store.log(run_id, [], share_tag(root))

    def _write_totals(self, run: Any, view: View) -> None:
        tags = {name: value for name, value in view.tags.items() if run.data.tags.get(name) != value}
        metrics = {name: value for name, value in view.metrics.items() if run.data.metrics.get(name) != value}
        step = 0
        if metrics:
            # MLflow shows the value of the highest step, so a correction downwards needs a higher step than the last one.
            step = max(view.step, int(run.data.tags.get(semconv.TAG_STEP, "-1")) + 1)
            tags |= step_tag(step)
        self._store.log(run.info.run_id, at_step(metrics, step), tags)

    def _write_hours(self, run_id: str, hourly: Mapping[str, Mapping[int, float]]) -> None:
        """Write hourly totals where they differ from the latest value at that hour's step."""
        points = []
        for metric, hours in hourly.items():
            latest: dict[int, tuple[int, float]] = {}
            for point in self._store.client.get_metric_history(run_id, metric):
                latest[point.step] = max(latest.get(point.step, (-1, 0.0)), (point.timestamp, point.value))
            points += [
                Point(metric, value, hour) for hour, value in hours.items() if hour not in latest or latest[hour][1] != value
            ]
        self._store.log(run_id, points, {})

    def _write_table(self, run: Any, table: str) -> None:
        """Write a table as MLflow's own ``log_table`` keeps it. That one appends, so a second call would double the rows."""
        run_id = run.info.run_id
        self._store.client.log_text(run_id, table, TABLE_ARTIFACT)
        known = json.loads(run.data.tags.get(_LOGGED_ARTIFACTS, "[]"))
        entry = {"path": TABLE_ARTIFACT, "type": "table"}
        if entry not in known:
            self._store.client.set_tag(run_id, _LOGGED_ARTIFACTS, json.dumps([*known, entry]))

    def _set_status(self, run: Any, status: str | None) -> None:
        if status is None or run.info.status == status:
            return
        if status == "RUNNING":  # a service that was stopped and runs again
            self._store.client.update_run(run.info.run_id, status=status)
        else:
            self._store.client.set_terminated(run.info.run_id, status=status)

    def _link_models(self, run: Any, models: Sequence[str]) -> None:
        """Link a run and the models that served, with MLflow's own link, as far as this store has the models.

        The link is optional: if a store refuses it, no figure is lost. MLflow 2 has no logged models.
        """
        from mlflow.exceptions import MlflowException

        if not hasattr(self._store.client, "get_logged_model"):
            return
        from mlflow.entities import LoggedModelInput

        with contextlib.suppress(MlflowException):
            known = {model.model_id for model in run.inputs.model_inputs}
            new = {model_id for uri in models if (model_id := self._model_id(uri)) is not None} - known
            if new:
                inputs = [LoggedModelInput(model_id) for model_id in sorted(new)]
                self._store.client.log_inputs(run.info.run_id, models=inputs)

    def _model_id(self, uri: str) -> str | None:
        """Return the logged model of ``models:/<id>`` or ``models:/<name>/<version>``; ``None`` if this store has none."""
        from mlflow.exceptions import MlflowException

        if uri not in self._models:
            name, _, version = uri.removeprefix("models:/").rpartition("/")
            found = None
            try:
                if uri.startswith("models:/"):
                    # A registered version names its source, which is models:/<id> if it is a logged model.
                    model_id = _id_in(self._store.client.get_model_version(name, version).source) if name else version
                    found = self._store.client.get_logged_model(model_id).model_id if model_id else None
            except MlflowException as error:
                if error.error_code not in NOT_THERE:
                    raise
            self._models[uri] = found
        return self._models[uri]


def _is_active(run: Any) -> bool:
    return run is not None and run.info.lifecycle_stage == "active"


def _id_in(source: str | None) -> str | None:
    scheme, _, model_id = (source or "").rpartition("/")
    return model_id if scheme == "models:" else None


def _is_safe(value: str) -> bool:
    """Return whether a value can stand in MLflow's filter language, which has no escapes."""
    return re.fullmatch(r"[\w.\- ]*", value) is not None
