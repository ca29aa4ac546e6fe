"""The MLflow run that is active where a span starts. MLflow is read if the program imported it, and never imported here."""

from __future__ import annotations

import sys
from collections.abc import Callable

from ecoia import causes


class Run:
    """The MLflow run that was active where a span started, and where its program tracks."""

    __slots__ = ("run_id", "tracking_uri")

    def __init__(self, run_id: str | None, tracking_uri: str | None) -> None:
        self.run_id = run_id
        self.tracking_uri = tracking_uri


def active_run(lose: Callable[[str], None]) -> Run:
    """Return the active MLflow run and the tracking URI that the program set.

    Reads the ``mlflow`` module if the program imported it; never imports MLflow itself.

    Args:
        lose: Counts an MLflow that could not be read.
    """
    mlflow = sys.modules.get("mlflow")
    if mlflow is None:
        return _NO_RUN
    try:
        uri = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None
        run = mlflow.active_run()
        return Run(None if run is None else run.info.run_id, uri or (None if run is None else mlflow.get_tracking_uri()))
    except Exception:  # noqa: BLE001 - half-imported, or a version that answers otherwise
        lose(causes.MLFLOW_RUN_UNREAD)
        return _NO_RUN


_NO_RUN = Run(None, None)
