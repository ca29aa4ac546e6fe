"""Hear from MLflow when a run begins or ends: four public methods are wrapped, which together see every way to make a run.

``ActiveRun.__init__`` is the begin of each run of the fluent interface, also of a resumed one, and is called in the thread where
the run becomes active. ``MlflowClient.create_run`` is the begin of a client's run; ``set_terminated`` and ``update_run`` are the
ends of both kinds. Each wrapper calls MLflow's method first, returns and raises what that does, and adds nothing of its own: a
fault of ours is counted (``run-not-followed``).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import wraps
from typing import Any

from ecoia import losses
from ecoia.instrument import following
from ecoia.instrument.engine import engine, lose
from ecoia.instrument.mlflow_run import PARENT_TAG, Run, run_called
from ecoia.semconv import TAG_KIND

_AUTOLOGGING_TAG = "mlflow.autologging"
_PAST_MS = 100
"""A run that is made with an earlier start tells of work that is over."""

_FAILED = ("FAILED", "KILLED")
_ENDED = ("FINISHED", *_FAILED)

_wrapped: list[tuple[Any, str, Any, Any]] = []
"""Class, name, MLflow's method and ours."""

_is_off = False


def wrap() -> bool:
    """Wrap MLflow's methods, if the program has imported MLflow by now. A second call changes nothing.

    Returns:
        Whether they were wrapped by this call.
    """
    fluent, client = sys.modules.get("mlflow.tracking.fluent"), sys.modules.get("mlflow.tracking.client")
    active = getattr(fluent, "ActiveRun", None)
    clients = getattr(client, "MlflowClient", None)
    if len(_wrapped) == 4 or _is_off or engine.disabled or active is None or clients is None or not hasattr(fluent, "end_run"):
        return False
    for kind, name, wrapper in (
        (active, "__init__", _wrap_active_run),
        (clients, "create_run", _wrap_create_run),
        (clients, "set_terminated", _wrap_end),
        (clients, "update_run", _wrap_end),
    ):
        if not any(known is kind and known_name == name for known, known_name, _, _ in _wrapped):
            original = vars(kind)[name]
            ours = wrapper(original)
            _wrapped.append((kind, name, original, ours))
            setattr(kind, name, ours)
    return True


def switch(*, on: bool) -> None:
    """Follow runs from now on, or no longer. Off puts MLflow's methods back, except where somebody wrapped ours in the meantime.

    There ours stays and only passes the call on.
    """
    global _is_off
    _is_off = not on
    if on:
        wrap()
        return
    for entry in _wrapped[:]:
        kind, name, original, ours = entry
        if vars(kind).get(name) is ours:
            setattr(kind, name, original)
            _wrapped.remove(entry)


def _hear(function: Callable[..., None], *arguments: Any) -> None:
    if _is_off or engine.disabled:
        return
    try:
        function(*arguments)
    except Exception:  # noqa: BLE001 - the program's run must go on
        lose(losses.RUN_NOT_FOLLOWED)


def _wrap_active_run(original: Callable[..., None]) -> Callable[..., None]:
    @wraps(original)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - it stands in for one
        original(self, *args, **kwargs)
        _hear(_active, self)

    return __init__


def _wrap_create_run(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def create_run(self: Any, *args: Any, **kwargs: Any) -> Any:
        run = original(self, *args, **kwargs)
        _hear(_created, self, run, kwargs.get("start_time", args[1] if len(args) > 1 else None))
        return run

    return create_run


def _wrap_end(original: Callable[..., None]) -> Callable[..., None]:
    ends_always = original.__name__ == "set_terminated"

    @wraps(original)
    def ended(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            return original(self, *args, **kwargs)
        finally:
            status = kwargs.get("status", args[1] if len(args) > 1 else None)
            if ends_always or status in _ENDED:
                _hear(_ended, kwargs.get("run_id", args[0] if args else None), status)

    return ended


def _active(run: Any) -> None:
    """Begin a run of the fluent interface, which is about to be active on this thread."""
    known = run_called(run.info.run_id, lose)
    following.begin(following.Begun(known, run.data.tags, run.info.experiment_id, is_client_run=False))


def _created(client: Any, run: Any, start_ms: int | None) -> None:
    """Begin a run that a client made. ecoia's own runs are none, nor are runs that tell of work that is over.

    Autologging makes the children of a search at its end, in a thread of its own.
    """
    tags = run.data.tags
    is_told_afterwards = start_ms is not None and time.time_ns() // 1_000_000 - start_ms > _PAST_MS
    if TAG_KIND in tags or is_told_afterwards or (_AUTOLOGGING_TAG in tags and PARENT_TAG in tags):
        return
    known = Run(run.info.run_id, client.tracking_uri)
    following.begin(following.Begun(known, tags, run.info.experiment_id, is_client_run=True))


def _ended(run_id: Any, status: Any) -> None:
    following.end(str(run_id), failed=status in _FAILED)
