"""A stand-in for MLflow's runs: the classes and functions that ecoia wraps or asks, without a store."""

from __future__ import annotations

import sys
import threading
import time
import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ecoia.instrument import following, mlflow_hooks, mlflow_run, run_services, switching
from ecoia.instrument.engine import Engine


class StandInMlflow:
    """Runs by id, and what each experiment is called. Has the names of the module ``mlflow`` that a program uses.

    Args:
        monkeypatch: Puts the modules in place for one test.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.experiments: dict[str, tuple[str, dict[str, str]]] = {"0": ("Default", {})}
        self.asked: list[str] = []
        self.fails = False
        self._made = 0
        self._local = threading.local()
        stand_in = self

        class ActiveRun:
            def __init__(self, run: Any) -> None:
                self.info, self.data = run.info, run.data

        class MlflowClient:
            def __init__(self, tracking_uri: str | None = None) -> None:
                self.tracking_uri = tracking_uri or "sqlite:///a.db"

            def create_run(
                self, experiment_id: str, start_time: int | None = None, tags: dict[str, str] | None = None, run_name: str = ""
            ) -> Any:
                """Make a run."""
                if stand_in.fails:
                    raise OSError("the store went away")
                stand_in._made += 1
                info = types.SimpleNamespace(run_id=f"run-{stand_in._made}", experiment_id=experiment_id)
                return types.SimpleNamespace(info=info, data=types.SimpleNamespace(tags=dict(tags or {})))

            def set_terminated(self, run_id: str, status: str | None = None, end_time: int | None = None) -> None:
                if stand_in.fails:
                    raise OSError("the store went away")

            def update_run(self, run_id: str, status: str | None = None, name: str | None = None) -> None:
                pass

            def get_experiment(self, experiment_id: str) -> Any:
                stand_in.asked.append(experiment_id)
                if experiment_id not in stand_in.experiments:
                    raise PermissionError(experiment_id)
                name, tags = stand_in.experiments[experiment_id]
                return types.SimpleNamespace(name=name, tags=tags)

        self.ActiveRun, self.MlflowClient = ActiveRun, MlflowClient
        fluent, client = types.ModuleType("mlflow.tracking.fluent"), types.ModuleType("mlflow.tracking.client")
        vars(fluent).update(ActiveRun=ActiveRun, end_run=self.end_run)
        vars(client).update(MlflowClient=MlflowClient)
        module = types.ModuleType("mlflow")
        vars(module).update(
            MlflowClient=MlflowClient,
            active_run=self.active_run,
            is_tracking_uri_set=lambda: True,
            get_tracking_uri=lambda: "sqlite:///a.db",
        )
        for each in (module, fluent, client):
            monkeypatch.setitem(sys.modules, each.__name__, each)

    @property
    def _stack(self) -> list[Any]:
        if not hasattr(self._local, "stack"):
            self._local.stack = []
        stack: list[Any] = self._local.stack
        return stack

    def active_run(self) -> Any:
        return self._stack[-1] if self._stack else None

    def start_run(self, *, experiment_id: str = "0", tags: dict[str, str] | None = None) -> str:
        """Begin a run as ``mlflow.start_run`` does, below the active one, and return its id."""
        stack = self._stack
        parent = {"mlflow.parentRunId": stack[-1].info.run_id} if stack else {}
        made = self.MlflowClient().create_run(experiment_id, tags={**(tags or {}), **parent})
        stack.append(self.ActiveRun(made))
        return str(made.info.run_id)

    def end_run(self, status: str = "FINISHED") -> None:
        """End the active run as ``mlflow.end_run`` does: it is off the stack before the store knows."""
        stack = self._stack
        if stack:
            self.MlflowClient().set_terminated(stack.pop().info.run_id, status)

    @contextmanager
    def run(self, **arguments: Any) -> Iterator[str]:
        """A run as a block."""
        run_id, status = self.start_run(**arguments), "FAILED"
        try:
            yield run_id
            status = "FINISHED"
        finally:
            self.end_run(status)


def forget_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have ecoia know no run and wrap nothing, as in a fresh process, for one test."""
    monkeypatch.setattr(following, "_begun", [])
    monkeypatch.setattr(following, "_generation", following.engine.generation)
    monkeypatch.setattr(following, "autolog", following.Autolog())
    for name in ("run_began", "run_ended"):
        monkeypatch.setattr(following, name, [])
    monkeypatch.setattr(following, "root_runs", {})
    monkeypatch.setattr(Engine, "leavers", [])
    monkeypatch.setattr(mlflow_hooks, "_wrapped", [])
    monkeypatch.setattr(mlflow_hooks, "_is_off", False)
    monkeypatch.setattr(run_services, "_experiments", {})
    monkeypatch.setattr(run_services, "_settings", [])
    switching.when_uncovered.clear()
    mlflow_run.client_runs.clear()


def past_ms(seconds: float) -> int:
    """Return the time so many seconds ago, as MLflow writes it."""
    return round((time.time() - seconds) * 1000)
