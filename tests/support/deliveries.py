"""Helpers of the tests of delivery: settings, the ledger as it stands, MLflow's runs, processes that measure."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ecoia import settings
from ecoia.delivery.deliver import deliver
from ecoia.delivery.helper_loop import follow
from ecoia.delivery.mlflow_ledger import MlflowLedger
from ecoia.delivery.mlflow_store import MlflowStore
from ecoia.delivery.result import DeliveryResult
from ecoia.keeping.journal import Journal
from ecoia.records import Record, Row
from ecoia.settings import Settings
from support.records import training

ALL_TIME = (0, 1 << 62)

_WRITE_AND_STAY = (
    "import json, sys; from ecoia.keeping.journal import Journal; from ecoia.records import Record; "
    "writer = Journal(sys.argv[1]).writer(); writer.append([Record.from_dict(json.loads(line)) for line in open(sys.argv[2])]); "
    "print('written', flush=True); sys.stdin.read()"
)


def configured(**arguments: Any) -> Settings:
    """Return the settings with these values."""
    return settings.load(arguments).raise_problems()


def ledger(uri: str) -> list[Row]:
    """Return every row of the ledger in a store."""
    return MlflowLedger(MlflowStore(uri)).read_rows(*ALL_TIME)


def api(uri: str) -> Any:
    """MLflow's own client of a store."""
    import mlflow

    return mlflow.MlflowClient(tracking_uri=uri)


def view_runs(uri: str, service: str) -> list[Any]:
    """Return the runs that ecoia made for a service."""
    client = api(uri)
    experiment = client.get_experiment_by_name(f"ecoia/{service}")
    return list(client.search_runs([experiment.experiment_id])) if experiment else []


def eventually(condition: Callable[[], Any], by: subprocess.Popen[Any] | None = None) -> None:
    """Wait until a condition holds; fail if the process ``by`` ends first. Otherwise only pytest's time-out ends the wait."""
    while not condition():
        assert by is None or by.poll() is None or condition(), "the process ended, and it did not happen"
        time.sleep(0.02)


def help_out(journal: Journal, **arguments: Any) -> bool:
    """Serve as the helper of a journal, with short times, and with deliveries in this process."""
    known = configured(**arguments)
    here = Here(lambda killed: deliver(journal, known, by_hand=False, killed=killed))
    return follow(journal, known, poll_seconds=0.01, give_up_seconds=0, deliveries=here)


class Here:
    """Delivers for a helper in the test's own process.

    Attributes:
        cpu: Processor time that the deliveries took so far, in seconds.
        ended: How often the helper ended the process of deliveries.
    """

    def __init__(self, send: Callable[[bool], DeliveryResult]) -> None:
        self._send = send
        self.cpu = 0.0
        self.ended = 0

    def deliver(self, *, killed: bool = False) -> DeliveryResult:
        return self._send(killed)

    def cpu_seconds(self) -> float:
        return self.cpu

    def end(self) -> None:
        self.ended += 1


def worker(journal: Journal, path: Path, records: Iterable[Record]) -> subprocess.Popen[str]:
    """Start a process that writes some records and then lives until its standard input is closed or it is killed.

    Args:
        journal: Where it writes.
        path: A file that does not exist yet, to hand the records over.
        records: The records.
    """
    path.write_text("".join(record.to_json() + "\n" for record in records), encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-c", _WRITE_AND_STAY, str(journal.home), str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "written\n"
    return process


def serving(target: str, **changes: Any) -> Record:
    """Build the record of one worker of a service that answered a request of two units."""
    usual: dict[str, Any] = {"phase": "inference", "run_id": None, "endpoint": "/predict", "units_micro": 2_000_000}
    return training(target=target, **{**usual, **changes})
