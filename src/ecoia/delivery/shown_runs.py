"""Read the figures that ecoia shows on MLflow's runs."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ecoia import limits, semconv
from ecoia.delivery.breakdown import COMPONENT, WHOLE
from ecoia.delivery.mlflow_runs import TABLE_ARTIFACT
from ecoia.delivery.mlflow_store import MlflowStore
from ecoia.errors import UsageError

_ENERGY = semconv.ENERGY.name
_MOST_AT_ONCE = 1000
_MOST_MODELS_AT_ONCE = 50  # as many as every MLflow allows
_NOT_THEIRS = ("ecoia/", "system/")


class ShownRun(NamedTuple):
    """A run as MLflow shows it.

    Attributes:
        run_id: MLflow's id.
        name: Its name.
        status: MLflow's status.
        start_ms: When it began, in ms since 1970.
        seconds: How long it took; None while it goes on.
        energy_wh: Its energy; None where it shows none.
        co2e_g: Its CO2e; None where it shows none.
        tags: Its tags.
        metrics: Its metrics, those of ecoia and of the system left out.
        artifact_uri: Where its artifacts are.
    """

    run_id: str
    name: str
    status: str
    start_ms: int
    seconds: float | None
    energy_wh: float | None
    co2e_g: float | None
    tags: Mapping[str, str]
    metrics: Mapping[str, float]
    artifact_uri: str


class ShownModel(NamedTuple):
    """A logged model as MLflow shows it.

    Attributes:
        model_id: MLflow's id.
        name: Its name.
        run_id: The run that made it; None where MLflow does not know it.
        metrics: Its latest metrics, those of ecoia left out.
    """

    model_id: str
    name: str
    run_id: str | None
    metrics: Mapping[str, float]


class ShownRuns:
    """The runs of an MLflow store that show figures.

    Args:
        store: The store.
    """

    def __init__(self, store: MlflowStore) -> None:
        self._store = store

    def find_all(self, experiment: str | None, *, by_energy: bool, children: bool, most: int) -> Sequence[ShownRun]:
        """Return runs with figures, the dearest or the latest first. ecoia's own runs are left out.

        Args:
            experiment: Name of an experiment; None: all.
            by_energy: The dearest first; otherwise the latest.
            children: Also runs below others, whose energy is a part of theirs.
            most: How many.

        Raises:
            UsageError: there is no such experiment.
            DeliveryError: the store cannot be reached.
        """
        order = f"metrics.`{_ENERGY}` DESC" if by_energy else "attributes.start_time DESC"
        found: list[ShownRun] = []
        with self._store.reaching():
            ids = self._experiments(experiment)
            token = None
            while len(found) < most:
                page = self._store.client.search_runs(
                    ids, filter_string=f"metrics.`{_ENERGY}` >= 0", order_by=[order], max_results=_MOST_AT_ONCE, page_token=token
                )
                for run in page:
                    tags = run.data.tags
                    if semconv.TAG_KIND not in tags and (children or semconv.TAG_SHARE_OF not in tags):
                        found.append(_shown(run))
                token = page.token
                if not token:
                    break
        return found[:most]

    def find_models(self, experiment: str, most: int) -> Sequence[ShownModel]:
        """Return the logged models of an experiment, the latest first; MLflow 2 has none.

        Args:
            experiment: Name of the experiment.
            most: How many.

        Raises:
            UsageError: there is no such experiment.
            DeliveryError: the store cannot be reached.
        """
        found: list[ShownModel] = []
        with self._store.reaching():
            ids = self._experiments(experiment)
            if not hasattr(self._store.client, "search_logged_models"):
                return found
            token = None
            while len(found) < most:
                page = self._store.client.search_logged_models(ids, max_results=_MOST_MODELS_AT_ONCE, page_token=token)
                found += map(_shown_model, page)
                token = page.token
                if not token:
                    break
        return found[:most]

    def _experiments(self, name: str | None) -> list[str]:
        if name is not None:
            experiment = self._store.client.get_experiment_by_name(name)
            if experiment is None:
                raise UsageError(f"no experiment '{name}' at this MLflow: 'mlflow experiments search' lists them")
            return [experiment.experiment_id]
        ids: list[str] = []
        token = None
        while True:
            page = self._store.client.search_experiments(max_results=_MOST_AT_ONCE, page_token=token)
            ids += [each.experiment_id for each in page]
            token = page.token
            if not token:
                return ids

    def find(self, run_id: str) -> ShownRun:
        """Return a run by its id.

        Raises:
            UsageError: this store does not have it.
            DeliveryError: the store cannot be reached.
        """
        with self._store.reaching():
            run = self._store.get_run(run_id)
        if run is None:
            raise UsageError(f"no run '{run_id}' at this MLflow: 'ecoia runs' lists the ids")
        return _shown(run)

    def components(self, run: ShownRun) -> Mapping[tuple[str, str, str], float]:
        """Return the energy of a run in Wh by component, method status and name.

        A run below another has no table of its own, so it is one entry, with the status in its tags.
        """
        lines = self._table(run)
        found = {
            (str(line["name"]).lower(), *_method(line["method"])): float(line["energy_wh"])
            for line in lines
            if line["part"] == COMPONENT and line["energy_wh"] is not None
        }
        if not found and run.energy_wh is not None:
            found = {("all", run.tags.get(semconv.TAG_METHOD, semconv.ESTIMATED), ""): run.energy_wh}
        return found

    def units(self, run: ShownRun) -> float | None:
        """Return the functional units of a run; None where it has none."""
        return next((line["units"] for line in self._table(run) if line["part"] == WHOLE), None)

    def _table(self, run: ShownRun) -> Sequence[Mapping[str, Any]]:
        try:
            text = self._store.read_artifact(run.run_id, run.artifact_uri, TABLE_ARTIFACT, limits.RUN_TABLE_BYTES)
            table = json.loads(text)
            return [dict(zip(table["columns"], line, strict=True)) for line in table["data"]]
        except Exception:  # noqa: BLE001 - none is there yet, or an error of a storage client: the total is known all the same
            return []


def _shown_model(model: Any) -> ShownModel:
    latest = sorted(model.metrics or [], key=lambda metric: (metric.timestamp, metric.step))
    metrics = {metric.key: metric.value for metric in latest if not metric.key.startswith(_NOT_THEIRS)}
    return ShownModel(model.model_id, model.name or "", model.source_run_id, metrics)


def _method(text: Any) -> tuple[str, str]:
    status, _, name = str(text).partition(" ")
    return status, name


def _known(metrics: Mapping[str, float], name: str) -> float | None:
    """Return a metric; None where it is not there, or has NaN as its last value, because it is not known any more."""
    value = metrics.get(name, math.nan)
    return value if math.isfinite(value) else None


def _shown(run: Any) -> ShownRun:
    metrics = run.data.metrics
    return ShownRun(
        run.info.run_id,
        run.info.run_name or "",
        run.info.status,
        run.info.start_time,
        (run.info.end_time - run.info.start_time) / 1000 if run.info.end_time else None,
        _known(metrics, _ENERGY),
        _known(metrics, semconv.CO2E.name),
        run.data.tags,
        {name: value for name, value in metrics.items() if not name.startswith(_NOT_THEIRS)},
        run.info.artifact_uri,
    )
