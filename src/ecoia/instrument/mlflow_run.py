"""The MLflow run that is active where a span starts. Never imports MLflow: reads the module if the program imported it."""

from __future__ import annotations

import sys
from collections.abc import Callable

from ecoia import losses


class Run:
    """The MLflow run that was active where a span started, and the tracking URI of its program. Each is None if unset."""

    __slots__ = ("run_id", "tracking_uri")

    def __init__(self, run_id: str | None, tracking_uri: str | None) -> None:
        self.run_id = run_id
        self.tracking_uri = tracking_uri


def active_run(lose: Callable[[str], None]) -> Run:
    """Return the active MLflow run and the tracking URI that the program set.

    Reads the ``mlflow`` module if the program imported it; never imports MLflow itself.

    Args:
        lose: Called with ``mlflow-run-unread`` where MLflow cannot be read.

    Example:
        >>> active_run(print).run_id is None  # the program has not imported MLflow
        True
    """
    mlflow = sys.modules.get("mlflow")
    if mlflow is None:
        return _NO_RUN
    try:
        uri = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None
        run = mlflow.active_run()
        return Run(None if run is None else run.info.run_id, uri or (None if run is None else mlflow.get_tracking_uri()))
    except Exception:  # noqa: BLE001 - MLflow is half imported, or a version with another interface
        lose(losses.MLFLOW_RUN_UNREAD)
        return _NO_RUN


_NO_RUN = Run(None, None)
