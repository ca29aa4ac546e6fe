"""A program that makes MLflow runs in every way, one after another, and tells what each burned. Tests start it, in any MLflow.

Usage: ``mlflow_ways.py URI ANSWER``. The answer is a JSON object: ``ways``, what each one did (see ``Way``), and ``process_ms``,
the CPU time of the whole process and its child from its first run on.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import shutil
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import mlflow
from mlflow import MlflowClient, start_run  # early, so that nothing that replaces ``mlflow.start_run`` reaches it
from mlflow.exceptions import MlflowException

import ecoia

WAYS: list[Callable[[Way], None]] = []
burned: list[float] = []
"""Milliseconds of every ``burn`` of the process, in all of its threads."""


def burn(milliseconds: float) -> None:
    """Use this much CPU time of this thread."""
    burned.append(milliseconds)
    end = time.thread_time() + milliseconds / 1000
    while time.thread_time() < end:
        pass


def cpu_seconds() -> float:
    """Return the CPU time of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]  # finer than os.times()
    return sum(each.ru_utime + each.ru_stime for each in used)


class Way:
    """What one way did.

    Attributes:
        runs: Milliseconds that each run burned, by id.
        outside: Milliseconds that spans burned in no run.
        spare: Milliseconds of CPU time that the process used beside all that it burned: for MLflow's requests, mostly.
        without: Runs that must have nothing.
        gone: Runs that are in no store any more.
        statuses: Status of each of ``runs`` in the store.
    """

    def __init__(self, experiment_id: str) -> None:
        self.experiment_id = experiment_id
        self.runs: dict[str, float] = {}
        self.outside = 0.0
        self.spare = 0.0
        self.without: list[str] = []
        self.gone: list[str] = []
        self.statuses: dict[str, str] = {}

    def burn(self, run: Any, milliseconds: float) -> None:
        """Burn for a run; None: for none."""
        if run is None:
            self.outside += milliseconds
        else:
            run_id = run if isinstance(run, str) else run.info.run_id
            self.runs[run_id] = self.runs.get(run_id, 0) + milliseconds
        burn(milliseconds)


def way(function: Callable[[Way], None]) -> Callable[[Way], None]:
    """Add a way to the list."""
    WAYS.append(function)
    return function


@way
def fluent(told: Way) -> None:
    with start_run() as run:
        told.burn(run, 60)


@way
def nested(told: Way) -> None:
    with mlflow.start_run() as outer:
        told.burn(outer, 40)
        with mlflow.start_run(nested=True) as inner:
            told.burn(inner, 60)
        told.burn(outer, 40)


@way
def failing(told: Way) -> None:
    def diverge(run: Any) -> None:
        told.burn(run, 50)
        raise ValueError

    with suppress(ValueError), mlflow.start_run() as run:
        diverge(run)


@way
def two_threads(told: Way) -> None:
    def train(milliseconds: float) -> None:
        with mlflow.start_run() as run:
            told.burn(run, milliseconds)

    threads = [threading.Thread(target=train, args=(milliseconds,)) for milliseconds in (50, 90)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@way
def resumed(told: Way) -> None:
    with mlflow.start_run() as run:
        told.burn(run, 40)
    with mlflow.start_run(run_id=run.info.run_id):
        told.burn(run, 50)


@way
def by_variable(told: Way) -> None:
    """As ``mlflow run`` starts a program: what is before ``start_run`` belongs to the run as well."""
    with mlflow.start_run() as run:
        pass
    os.environ["MLFLOW_RUN_ID"] = run.info.run_id
    with ecoia.track(service="prepared", phase="data-preparation"):
        told.burn(run, 30)
    with mlflow.start_run():
        told.burn(run, 50)


@way
def by_client(told: Way) -> None:
    client = MlflowClient()
    run = client.create_run(told.experiment_id)
    told.burn(run, 60)
    client.set_terminated(run.info.run_id)


@way
def by_client_updated(told: Way) -> None:
    client = MlflowClient()
    run = client.create_run(told.experiment_id)
    told.burn(run, 50)
    client.update_run(run.info.run_id, status="FAILED")


@way
def sweep_by_client(told: Way) -> None:
    """The root and one of its children are open at once: the work is for the child."""
    client = MlflowClient()
    root = client.create_run(told.experiment_id)
    told.burn(root, 30)
    for milliseconds in (40, 60):
        child = client.create_run(told.experiment_id, tags={"mlflow.parentRunId": root.info.run_id})
        told.burn(child, milliseconds)
        client.set_terminated(child.info.run_id)
    client.set_terminated(root.info.run_id)


@way
def several_open(told: Way) -> None:
    """Nobody can say which one the work is for, until one is left."""
    client = MlflowClient()
    first, second = (client.create_run(told.experiment_id) for _ in range(2))
    told.burn(None, 50)
    told.without.append(first.info.run_id)
    client.set_terminated(first.info.run_id)
    told.burn(second, 40)
    client.set_terminated(second.info.run_id)


@way
def told_afterwards(told: Way) -> None:
    client = MlflowClient()
    with mlflow.start_run() as run:
        told.burn(run, 40)
        child = client.create_run(
            told.experiment_id, tags={"mlflow.parentRunId": run.info.run_id, "mlflow.autologging": "sklearn"}
        )
        past = client.create_run(told.experiment_id, start_time=round(time.time() * 1000) - 5000)
        told.burn(run, 40)
        for each in (child, past):
            told.without.append(each.info.run_id)
            client.set_terminated(each.info.run_id)


@way
def ended_by_another_thread(told: Way) -> None:
    client = MlflowClient()
    run = client.create_run(told.experiment_id)
    told.burn(run, 60)
    thread = threading.Thread(target=client.set_terminated, args=(run.info.run_id,))
    thread.start()
    thread.join()
    burn(30)


@way
def terminated_by_another_thread(told: Way) -> None:
    """MLflow still calls it active on its own thread, but it is over."""
    with mlflow.start_run() as run:
        told.burn(run, 60)
        thread = threading.Thread(target=MlflowClient().set_terminated, args=(run.info.run_id,))
        thread.start()
        thread.join()
        burn(200)


@way
def deleted(told: Way) -> None:
    """It is its thread's active run all the same, until its end, which MLflow refuses."""
    with suppress(MlflowException), mlflow.start_run() as run:
        told.burn(run, 40)
        MlflowClient().delete_run(run.info.run_id)
        told.burn(run, 40)


@way
def in_a_store_that_goes_away(told: Way) -> None:
    """The program gets MLflow's own error, and the run is over all the same."""
    uri = mlflow.get_tracking_uri()
    folder = Path("a store").resolve()
    mlflow.set_tracking_uri(folder.as_uri())
    try:
        run = mlflow.start_run(experiment_id="0")
        told.burn(run, 50)
        told.gone.append(run.info.run_id)
        shutil.rmtree(folder / "0" / run.info.run_id)
        said = ""
        try:
            mlflow.end_run()
        except MlflowException as error:
            said = str(error)
        assert run.info.run_id in said
        burn(200)
    finally:
        mlflow.set_tracking_uri(uri)


@way
def forked(told: Way) -> None:
    """No run is active in the child, as MLflow has it, until it begins one of its own."""
    reader, writer = os.pipe()
    with mlflow.start_run() as run:
        told.burn(run, 30)
        child = os.fork()
        if child == 0:
            with mlflow.start_run(nested=True) as own:
                burn(50)
            assert mlflow.active_run() is None
            burn(300)
            os.write(writer, own.info.run_id.encode())
            os._exit(0 if ecoia.flush(60) else 1)
        assert os.waitpid(child, 0)[1] == 0
        burned.append(50 + 300)
        told.burn(run, 30)
    told.runs[os.read(reader, 100).decode()] = 50


@way
def disabled(told: Way) -> None:
    """``disable`` leaves none of ecoia's functions in MLflow."""
    ecoia.autolog(disable=True)
    for kind, name in ((mlflow.ActiveRun, "__init__"), *((MlflowClient, f"{n}_run") for n in ("create", "update"))):
        assert "ecoia" not in vars(kind)[name].__module__
        assert "mlflow_hooks" not in vars(kind)[name].__code__.co_filename
    with mlflow.start_run() as run:
        burn(100)
    told.without.append(run.info.run_id)
    ecoia.autolog(service="ways")


@way
def begun_in_a_span(told: Way) -> None:
    @ecoia.track(service="decorated", phase="training")
    def train() -> None:
        told.burn(None, 40)
        with mlflow.start_run() as run:
            told.burn(run, 60)
            with mlflow.start_run(nested=True) as inner:
                told.burn(inner, 50)
        told.burn(None, 30)

    train()


@way
def begun_in_a_coroutine(told: Way) -> None:
    @ecoia.track(service="decorated", phase="training")
    async def train() -> None:
        told.burn(None, 30)
        await asyncio.sleep(0)
        with mlflow.start_run() as run:
            told.burn(run, 50)
            await asyncio.sleep(0)
            told.burn(run, 30)
        told.burn(None, 20)

    asyncio.run(train())


@way
def awaited_in_a_request(told: Way) -> None:
    """The run's work after the ``await`` is the run's. What another task does meanwhile is not."""

    @ecoia.track(service="served")
    async def answer() -> None:
        burn(20)
        with mlflow.start_run() as run:
            told.burn(run, 40)
            await asyncio.sleep(0)
            told.burn(run, 50)

    async def beside() -> None:
        burn(200)

    async def serve() -> None:
        await asyncio.gather(answer(), beside())

    asyncio.run(serve())


@way
def begun_in_a_request(told: Way) -> None:
    @ecoia.track(service="served")
    def answer() -> None:
        burn(30)
        with mlflow.start_run() as run:
            told.burn(run, 50)

    answer()


@way
def with_a_pool(told: Way) -> None:
    with mlflow.start_run() as run, ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda milliseconds: told.burn(run, milliseconds), (30, 40, 50)))
        train = ecoia.track(service="decorated", phase="training")(told.burn)
        pool.submit(train, run, 40).result()


@way
def named(told: Way) -> None:
    run = MlflowClient().create_run(told.experiment_id, start_time=1)
    with ecoia.track(service="named", phase="evaluation", run_id=run.info.run_id):
        told.burn(run, 40)
        with mlflow.start_run() as other:
            told.burn(run, 20)
            told.without.append(other.info.run_id)


@way
def autologged(told: Way) -> None:
    import numpy as np
    from sklearn.linear_model import LinearRegression

    mlflow.sklearn.autolog(log_models=False, log_datasets=False, silent=True)
    LinearRegression().fit(np.arange(20.0).reshape(10, 2), np.arange(10.0))
    told.runs[mlflow.last_active_run().info.run_id] = 0


@way
def searched(told: Way) -> None:
    """The children are made once the search is over, in threads of MLflow's own: they must take nothing of it."""
    import numpy as np
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import GridSearchCV

    mlflow.sklearn.autolog(log_models=False, log_datasets=False, silent=True)
    GridSearchCV(Ridge(), {"alpha": [1, 2]}, cv=2).fit(np.arange(40.0).reshape(20, 2), np.arange(20.0))
    root = mlflow.last_active_run().info
    mlflow.sklearn.autolog(disable=True)
    told.runs[root.run_id] = 0
    made = MlflowClient().search_runs([root.experiment_id], f"tags.`mlflow.parentRunId` = '{root.run_id}'")
    assert len(made) == 2
    told.without.extend(run.info.run_id for run in made)


@way
def never_ended(told: Way) -> None:
    """MLflow ends it when the program is over, after ecoia has written its last window."""
    told.burn(mlflow.start_run(), 50)


def main(uri: str, answer: str) -> None:
    mlflow.set_tracking_uri(uri)
    experiment = mlflow.set_experiment("ways").experiment_id
    ecoia.autolog(service="ways")
    start = cpu_seconds()
    with mlflow.start_run():
        pass  # the store and the client are warm from here on
    told = {}
    for each in WAYS:
        here = Way(experiment)
        before = cpu_seconds()
        burned.clear()
        each(here)
        here.statuses = {run_id: MlflowClient().get_run(run_id).info.status for run_id in here.runs if run_id not in here.gone}
        here.spare = 1000 * (cpu_seconds() - before) - sum(burned)
        told[each.__name__] = {name: value for name, value in vars(here).items() if name != "experiment_id"}
    process_ms = 1000 * (cpu_seconds() - start)
    Path(answer).write_text(json.dumps({"ways": told, "process_ms": process_ms}), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
