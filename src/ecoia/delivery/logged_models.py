"""Logged models of MLflow 3: the links to models that served, and the energy of the run that made a model. MLflow 2 has none.

Models are sorted by what they cost: each shows the figures of the run that made it, under the same names. All of this is
beside the figures: where a store refuses it, no figure is lost.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ecoia import semconv
from ecoia.delivery.mlflow_store import NOT_THERE, MlflowStore, Point
from ecoia.delivery.tags_and_metrics import outdated_tag

_SHOWN = (semconv.ENERGY.name, semconv.CO2E.name)


class LoggedModels:
    """The logged models of an MLflow store.

    Args:
        store: The store.
    """

    def __init__(self, store: MlflowStore) -> None:
        self._store = store
        self._ids: dict[str, str | None] = {}

    @property
    def _are_known(self) -> bool:
        return hasattr(self._store.client, "get_logged_model")

    def show_energy(self, run: Any, metrics: Mapping[str, float], unknown: Collection[str] = ()) -> None:
        """Write the energy and CO2e of a run on each model that it made, where they differ, and mark what is unknown by now."""
        from mlflow.exceptions import MlflowException

        outputs = getattr(run, "outputs", None)
        if not self._are_known or outputs is None:
            return
        points = []
        for output in outputs.model_outputs:
            with contextlib.suppress(MlflowException):
                model = self._store.client.get_logged_model(output.model_id)
                last = {metric.key: metric for metric in sorted(model.metrics or [], key=lambda metric: metric.timestamp)}
                for name in _SHOWN:
                    known = last.get(name)
                    if name in metrics and (known is None or known.value != metrics[name]):
                        not_before_ms = known.timestamp + 1 if known else 0
                        points.append(Point(name, metrics[name], 0, not_before_ms, output.model_id))
                self._mark_outdated(model, [name for name in _SHOWN if name in unknown and name in last])
        if points:
            with contextlib.suppress(MlflowException):
                self._store.log(run.info.run_id, points, {})

    def _mark_outdated(self, model: Any, names: Sequence[str]) -> None:
        """Name the metrics of a model that nobody knows any more: MLflow would keep NaN as 0 on a model, so they stay."""
        tag = outdated_tag(names)
        if not tag.items() <= model.tags.items():
            self._store.client.set_logged_model_tags(model.model_id, tag)
        elif not tag and semconv.TAG_OUTDATED in model.tags:
            self._store.client.delete_logged_model_tag(model.model_id, semconv.TAG_OUTDATED)

    def link(self, run: Any, uris: Sequence[str]) -> None:
        """Link a run and the models that served, with MLflow's own link, as far as this store has the models."""
        from mlflow.exceptions import MlflowException

        if not uris or not self._are_known:
            return
        from mlflow.entities import LoggedModelInput

        with contextlib.suppress(MlflowException):
            known = {model.model_id for model in run.inputs.model_inputs}
            new = {model_id for uri in uris if (model_id := self._model_id(uri)) is not None} - known
            if new:
                inputs = [LoggedModelInput(model_id) for model_id in sorted(new)]
                self._store.client.log_inputs(run.info.run_id, models=inputs)

    def _model_id(self, uri: str) -> str | None:
        """Return the logged model of ``models:/<id>`` or ``models:/<name>/<version>``; ``None`` if this store has none."""
        from mlflow.exceptions import MlflowException

        if uri not in self._ids:
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
            self._ids[uri] = found
        return self._ids[uri]


def _id_in(source: str | None) -> str | None:
    scheme, _, model_id = (source or "").rpartition("/")
    return model_id if scheme == "models:" else None
