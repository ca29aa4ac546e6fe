"""Measure trainings of XGBoost, by ``xgboost.train``, ``xgboost.cv`` and its estimators for scikit-learn::

    xgboost.train(params, data, callbacks=[EcoiaCallback(service="vadore")])
    XGBClassifier(callbacks=[EcoiaCallback(service="vadore")]).fit(X, y)

A model that MLflow's autologging follows, in a program with ``ecoia.autolog``, needs no callback to be measured.
"""

from __future__ import annotations

from typing import Any

import xgboost
from xgboost.callback import TrainingCallback

from ecoia_integrations.training import Training, ends_trainings, local_of_host

for _name in ("train", "cv"):  # XGBoost has no event for a training that raises
    _ended = ends_trainings(getattr(xgboost, _name))
    for _module in (xgboost, xgboost.training, xgboost.sklearn):
        if hasattr(_module, _name):
            setattr(_module, _name, _ended)


class EcoiaCallback(TrainingCallback):  # type: ignore[misc]
    """Make each training a span. Its units are the rows of its data, once for each round of boosting.

    Args:
        service: Id of the service; None for the one of the span around the training, or else the setting ``service``.
        phase: Phase of the trainings.

    Raises:
        UsageError: An argument is illegal. The message names it, its value and the remedy.

    Example:
        >>> callback = EcoiaCallback(service="vadore")
    """

    def __init__(self, service: str | None = None, phase: str = "training") -> None:
        super().__init__()
        self._training = Training(service, phase)
        self._rows: int | None = None
        self._began = False

    def before_training(self, model: Any) -> Any:
        """Begin the span."""
        self._training.begin()
        self._rows, self._began = _rows(model), False
        return model

    def before_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        """Note a round that begins."""
        self._began = True
        return False

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        """Count the round. If a callback before this one stops the training, only ``after_training`` is called."""
        self._count()
        return False

    def after_training(self, model: Any) -> Any:
        """End the span."""
        self._count()
        self._training.end()
        return model

    def _count(self) -> None:
        if self._began:
            self._training.count(lambda: self._rows)
        self._began = False


def _rows(model: Any) -> int | None:
    """Return the rows that a round goes through; None in a version of XGBoost that is written otherwise."""
    try:
        folds = getattr(model, "cvfolds", None)
        data = [local_of_host("dtrain")] if folds is None else [fold.dtrain for fold in folds]
        return sum(int(part.num_row()) for part in data)
    except Exception:  # noqa: BLE001 - see above
        return None
