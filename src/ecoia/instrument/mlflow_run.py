"""The MLflow run that is active here and now. Never imports MLflow: reads the module if the program imported it."""

from __future__ import annotations

import os
import sys
from _thread import get_native_id
from collections.abc import Callable, Mapping

from ecoia import losses

PARENT_TAG = "mlflow.parentRunId"
"""MLflow's tag of a run that has a run above it."""

_RUN_ID_VARIABLE = "MLFLOW_RUN_ID"


class Run:
    """An MLflow run, and the tracking URI of its store. Each is None if unset: outside any run there is no id."""

    __slots__ = ("run_id", "tracking_uri")

    def __init__(self, run_id: str | None, tracking_uri: str | None) -> None:
        self.run_id = run_id
        self.tracking_uri = tracking_uri


class EndedRun:
    """A root run that this process began and that has ended.

    Attributes:
        run: The run.
        experiment_id: MLflow's id of its experiment; None where it is not known.
        start_utc_ns: When it began.
        end_utc_ns: When it ended.
    """

    __slots__ = ("end_utc_ns", "experiment_id", "run", "start_utc_ns")

    def __init__(self, run: Run, experiment_id: str | None, start_utc_ns: int, end_utc_ns: int) -> None:
        self.run = run
        self.experiment_id = experiment_id
        self.start_utc_ns = start_utc_ns
        self.end_utc_ns = end_utc_ns


class ClientRun:
    """A run that ``MlflowClient.create_run`` made and that has not ended: MLflow does not call it active on any thread."""

    __slots__ = ("parent_id", "run", "thread")

    def __init__(self, run: Run, tags: Mapping[str, str]) -> None:
        self.run = run
        self.parent_id = tags.get(PARENT_TAG)
        self.thread = get_native_id()


client_runs: dict[str, ClientRun] = {}
"""Open runs that a client made, by id. ``following`` keeps it."""

_MOST_NAMED = 10
"""Runs that are named where the work could be for any of them."""

_NO_RUN = Run(None, None)
run_of_process = Run(os.environ.get(_RUN_ID_VARIABLE) or None, None)


def active_run(lose: Callable[[str], None]) -> Run:
    """Return the run that work on this thread belongs to now, and the tracking URI that the program set.

    It is the first of these: the run that MLflow calls active on this thread; the open run that a client made
    (``client_runs_of``); the run that ``MLFLOW_RUN_ID`` names. MLflow is read if the program imported it, and never imported.

    Args:
        lose: Called with ``mlflow-run-unread`` where MLflow cannot be read, and with ``several-runs-open:<run id>`` for each run
            that a client made if any of several could be meant. The work belongs to none of them then: a program may make all
            its runs before the work, so the newest one is no better guess than another.

    Example:
        >>> active_run(print).run_id is None  # the program has not imported MLflow
        True
    """
    mlflow = sys.modules.get("mlflow")
    if mlflow is None:
        return run_of_process
    try:
        uri = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None
        run = mlflow.active_run()
        if run is not None:
            return Run(run.info.run_id, uri or mlflow.get_tracking_uri())
    except Exception:  # noqa: BLE001 - MLflow is half imported, or a version with another interface
        lose(losses.MLFLOW_RUN_UNREAD)
        return _NO_RUN
    if client_runs:
        made = client_runs_of(get_native_id())
        if len(made) == 1:
            return made[0]
        for run in made[:_MOST_NAMED]:
            lose(f"{losses.SEVERAL_RUNS_OPEN}:{run.run_id}")
        return Run(None, uri)
    return Run(os.environ.get(_RUN_ID_VARIABLE) or None, uri)


def client_runs_of(thread: int) -> list[Run]:
    """Return the open runs of clients that a thread may work for: those that it made, or else those of the whole process.

    A run is left out while a child of it is open.

    Args:
        thread: Its native id.
    """
    made = list(client_runs.values())
    parents = {each.parent_id for each in made}
    innermost = [each for each in made if each.run.run_id not in parents]
    return [each.run for each in innermost if each.thread == thread] or [each.run for each in innermost]


def run_called(run_id: str, lose: Callable[[str], None]) -> Run:
    """Return a run by its id, in the store that the program uses now.

    Args:
        run_id: Its id.
        lose: Called with ``mlflow-run-unread`` where MLflow cannot be read.
    """
    mlflow = sys.modules.get("mlflow")
    if mlflow is None:
        return Run(run_id, None)
    try:
        return Run(run_id, mlflow.get_tracking_uri())
    except Exception:  # noqa: BLE001 - as in ``active_run``
        lose(losses.MLFLOW_RUN_UNREAD)
        return Run(run_id, None)


def tracking_uri(lose: Callable[[str], None]) -> str | None:
    """Return the tracking URI that the program set, or that its run on this thread uses; None without any.

    Args:
        lose: As in ``active_run``.
    """
    mlflow = sys.modules.get("mlflow")
    if mlflow is None:
        return None
    try:
        return mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() or mlflow.active_run() is not None else None
    except Exception:  # noqa: BLE001 - as in ``active_run``
        lose(losses.MLFLOW_RUN_UNREAD)
        return None
