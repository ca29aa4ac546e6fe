"""Run by test_deliver: kill a delivery at its n-th writing call to MLflow, for every n, then deliver again.

MLflow is imported once; every delivery runs in a fork of its own. Prints one JSON object: the number of deliveries killed,
and the numbers of those after which the next delivery did not reach the right total.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import mlflow

from ecoia import settings
from ecoia.delivery.deliver import deliver
from ecoia.delivery.mlflow_ledger import MlflowLedger
from ecoia.delivery.mlflow_store import MlflowStore
from ecoia.keeping.journal import Journal
from ecoia.records import fold

WRITES = (
    *((mlflow.MlflowClient, name) for name in ("create_experiment", "create_run", "log_batch", "log_text", "set_tag")),
    (mlflow.MlflowClient, "set_terminated"),
    (MlflowStore, "write_artifact"),
)
"""The store changes only at these calls, so one kill at each covers every moment."""


def kill_at(number: int) -> None:
    """Have this process killed at its ``number``-th call that would write to MLflow, counted from 1."""
    left = number

    def counted(call: Callable[..., object]) -> Callable[..., object]:
        def wrapper(*args: object, **kwargs: object) -> object:
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **kwargs)

        return wrapper

    for where, name in WRITES:
        setattr(where, name, counted(getattr(where, name)))


def in_fork(work: Callable[[], bool]) -> int:
    """Do some work in a fork. Returns its exit status: 0 if the work returned true, 1 if not, -9 if it was killed."""
    pid = os.fork()
    if pid == 0:
        try:
            good = work()
        except BaseException as error:  # noqa: BLE001 - any failure is reported
            print(repr(error), file=sys.stderr)
            good = False
        sys.stderr.flush()
        os._exit(0 if good else 1)
    status = os.waitpid(pid, 0)[1]
    return os.waitstatus_to_exitcode(status)


def main(template_home: str, template_database: str, folder: str) -> None:
    """Kill, deliver again and compare, until a delivery ends before it is killed."""

    def place(name: str) -> tuple[Journal, str]:
        folder_of_its_own = Path(folder, name)
        shutil.copytree(template_home, folder_of_its_own / "home")
        shutil.copy(template_database, folder_of_its_own / "mlflow.db")
        return Journal(folder_of_its_own / "home"), f"sqlite:///{folder_of_its_own}/mlflow.db"

    def complete(journal: Journal, uri: str) -> bool:
        result = deliver(journal, settings.load(), tracking_uri=uri)
        rows = MlflowLedger(MlflowStore(uri)).read_rows(0, 1 << 62)
        return result.pending == 0 and rows == fold(journal.scan().records) and bool(rows)

    def killed_delivery(journal: Journal, uri: str, number: int) -> bool:
        kill_at(number)
        return deliver(journal, settings.load(), tracking_uri=uri).pending == 0

    killed, wrong = 0, []
    if not complete(*place("whole")):  # it also makes MLflow load its late imports once, for all forks
        wrong.append(0)
    for number in itertools.count(1):
        journal, uri = place(str(number))
        status = in_fork(partial(killed_delivery, journal, uri, number))
        if status == 0:
            break
        killed += status == -signal.SIGKILL
        if status != -signal.SIGKILL or in_fork(partial(complete, journal, uri)) != 0:
            wrong.append(number)
    print(json.dumps({"killed": killed, "wrong": wrong}))


if __name__ == "__main__":
    main(*sys.argv[1:])
