"""Figures while a run runs, and soon after its end, from the measured process to the store, by the real helper."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from ecoia import semconv
from ecoia.keeping.helper_start import try_lock
from ecoia.keeping.journal import Journal
from ecoia.keeping.known_already import HELPER_LOCK
from ecoia.records import Record
from support.deliveries import api, deliveries_of, eventually, serving
from support.mlflow_stores import MLFLOW_WARNINGS
from support.programs import BURN

pytestmark = [pytest.mark.mlflow, *(pytest.mark.filterwarnings(line) for line in MLFLOW_WARNINGS)]

TRAIN = (
    BURN
    + """
import sys
import ecoia, mlflow

@ecoia.track(service="vadore", phase="training")
def train():
    with mlflow.start_run() as run:
        burn(300)
    return run.info.run_id

@ecoia.track(service="vadore", phase="training")
def train_for_ever():
    with mlflow.start_run() as run:
        burn(300)
        print(run.info.run_id, flush=True)
        while True:
            burn(10)

print(train(), flush=True)
sys.stdin.readline()
train_for_ever()
"""
)


def spans_of(journal: Journal, run_id: str) -> list[Record]:
    return [record for record in journal.scan().records if record.run_id == run_id and record.kind == semconv.KIND_SPAN]


def shown(uri: str, run_id: str) -> Any:
    """Return a run once it shows energy; None before."""
    run = api(uri).get_run(run_id)
    return run if semconv.ENERGY.name in run.data.metrics else None


def test_the_end_of_a_run_is_shown_soon_whether_its_process_lives_or_is_killed(
    journal: Journal, tracking_uri: str, target: str, host: Callable[..., subprocess.Popen[str]]
) -> None:
    service = host(serving(target))  # of the same home, and it lives longer
    long_windows = {"ECOIA_FLUSH_SECONDS": "600", "ECOIA_DELIVERY": "helper", "MLFLOW_TRACKING_URI": tracking_uri}
    process = subprocess.Popen(
        [sys.executable, "-c", TRAIN],
        env={**os.environ, **long_windows, "ECOIA_HOME": str(journal.home)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        first = process.stdout.readline().strip()
        eventually(lambda: shown(tracking_uri, first), by=process)
        assert process.poll() is None
        assert spans_of(journal, first)
        eventually(lambda: api(tracking_uri).get_metric_history(first, semconv.POWER.name), by=process)
        eventually(lambda: deliveries_of(journal), by=process)
        (staying,) = deliveries_of(journal)

        process.stdin.write("go on\n")
        process.stdin.flush()
        second = process.stdout.readline().strip()
        (kept,) = (journal.home / "open").glob(f"{process.pid}-*")
        eventually(lambda: second.encode() in kept.read_bytes(), by=process)
        process.kill()
        process.wait()
        eventually(lambda: shown(tracking_uri, second))
        eventually(lambda: shown(tracking_uri, second).data.tags.get(semconv.TAG_OUTCOME) == semconv.ABANDONED)
        assert spans_of(journal, second)
        assert service.poll() is None
        assert staying.is_running()  # the same process delivered all of it
    finally:
        process.kill()
        process.communicate()
    service.kill()
    service.wait()
    eventually(lambda: not _helper_lives(journal))
    assert not deliveries_of(journal)


def _helper_lives(journal: Journal) -> bool:
    with try_lock(journal.home, HELPER_LOCK) as free:
        return not free
