"""Run by test_delivery: a delivery is killed at its n-th call to MLflow, for every n, and repeated.

MLflow is imported once; every delivery runs in a fork of its own. Prints one JSON object: how many deliveries were
killed, and how many of those the next delivery did not bring to the right total.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import mlflow
import mlflow.store.tracking.sqlalchemy_store

from ecoia import delivery, settings
from ecoia.journal import Journal
from ecoia.records import fold
from ecoia.stores.mlflow_store import MlflowStore
from ecoia.targets import register_target

CALLS = (
    "create_experiment", "create_run", "get_experiment_by_name", "get_run", "list_artifacts", "log_artifact", "log_batch",
    "log_text", "search_runs", "set_tag", "set_terminated",
)  # fmt: skip


def kill_at(number: int) -> None:
    """Die without a word when MLflow is called for the so manieth time."""
    left = number

    def counted(call: Callable[..., object]) -> Callable[..., object]:
        def wrapper(*args: object, **kwargs: object) -> object:
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **kwargs)

        return wrapper

    for name in CALLS:
        setattr(mlflow.MlflowClient, name, counted(getattr(mlflow.MlflowClient, name)))


def in_fork(work: Callable[[], bool]) -> int:
    """Exit status of some work in a process of its own: 0 good, 1 bad, 9 killed."""
    pid = os.fork()
    if pid == 0:
        try:
            good = work()
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is a failure to tell
            print(repr(error), file=sys.stderr)
            good = False
        sys.stderr.flush()
        os._exit(0 if good else 1)
    status = os.waitpid(pid, 0)[1]
    return os.waitstatus_to_exitcode(status)


def main(template_home: str, template_database: str, folder: str) -> None:
    """Kill, repeat, compare; until a delivery ends before it is killed."""
    killed, wrong, number = 0, [], 0
    while True:
        number += 1
        place = Path(folder, str(number))
        shutil.copytree(template_home, place / "home")
        shutil.copy(template_database, place / "mlflow.db")
        uri = f"sqlite:///{place}/mlflow.db"
        journal = Journal(place / "home")
        register_target(journal.home, uri)

        def first(number: int = number, journal: Journal = journal, uri: str = uri) -> bool:
            kill_at(number)
            return delivery.deliver(journal, settings.load(), tracking_uri=uri).pending == 0

        def again(journal: Journal = journal, uri: str = uri) -> bool:
            result = delivery.deliver(journal, settings.load(), tracking_uri=uri)
            rows = MlflowStore(uri).read_rows(0, 1 << 62)
            return result.pending == 0 and rows == fold(journal.scan().records) and bool(rows)

        status = in_fork(first)
        if status == 0:
            break
        killed += status == -signal.SIGKILL
        if status != -signal.SIGKILL or in_fork(again) != 0:
            wrong.append(number)
        shutil.rmtree(place)
    print(json.dumps({"killed": killed, "wrong": wrong}))


if __name__ == "__main__":
    main(*sys.argv[1:])
