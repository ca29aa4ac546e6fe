"""The MLflow run that is active where a span starts. Never imports MLflow: reads the module if the program imported it."""

from __future__ import annotations

import sys
from collections.abc import Callable

from ecoia import losses
from ecoia.instrument.groups import outside_run

_PARENT = "mlflow.parentRunId"


class Run:
    """The MLflow run that was active where a span started, and the tracking URI of its program. Each is None if unset.

    Attributes:
        run_id: Id of the run, or of the group that stands for one.
        tracking_uri: The tracking URI.
        linked: The run to link the group and the session of this process to: the parent of a nested run, else the run itself.
    """

    __slots__ = ("linked", "run_id", "tracking_uri")

    def __init__(self, run_id: str | None, tracking_uri: str | None, linked: str | None = None) -> None:
        self.run_id = run_id
        self.tracking_uri = tracking_uri
        self.linked = linked


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
        return Run(outside_run(), None)
    try:
        uri = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None
        run = mlflow.active_run()
        if run is None:
            return Run(outside_run(), uri)
        run_id = run.info.run_id
        return Run(run_id, uri or mlflow.get_tracking_uri(), run.data.tags.get(_PARENT) or run_id)
    except Exception:  # noqa: BLE001 - MLflow is half imported, or a version with another interface
        lose(losses.MLFLOW_RUN_UNREAD)
        return Run(outside_run(), None)
