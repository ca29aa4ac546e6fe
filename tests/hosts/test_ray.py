"""The example for Ray, with real workers: what they do is in the journal once, for the service and the run of the driver."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ecoia.delivery.deliver import deliver
from ecoia.keeping.journal import Journal
from ecoia.semconv import KIND_SPAN
from support.deliveries import api, configured, ledger
from support.mlflow_stores import migrated, tracking_uri
from support.programs import recorded

__all__ = ["migrated", "tracking_uri"]  # fixtures

EXAMPLE = Path(__file__).resolve().parents[2] / "examples/ray/tasks.py"


@pytest.mark.timeout(400)
def test_the_work_of_tasks_and_of_an_actor_is_shown_on_the_run_of_the_driver(home: Path, tracking_uri: str) -> None:
    waiting = {"RAY_raylet_start_wait_time_s": "300", "RAY_USAGE_STATS_ENABLED": "0"}
    done = subprocess.run(
        [sys.executable, EXAMPLE],
        env={**os.environ, **waiting, "MLFLOW_TRACKING_URI": tracking_uri},
        capture_output=True,
        text=True,
        timeout=390,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-8000:]
    (run,) = api(tracking_uri).search_runs(["0"])
    deliver(Journal(home), configured(tracking_uri=tracking_uri))
    records = recorded(home)
    spans = [record for record in records if record.kind == KIND_SPAN]
    assert {(record.service, record.phase, record.run_id) for record in spans} == {
        ("vadore", "data-preparation", run.info.run_id)
    }
    assert len({record.pid for record in spans}) >= 2, "two workers for the tasks, and the actor's"
    assert sum(record.cpu_ns for record in spans) > 0.3e9
    energy = sum(each for record in spans for each in record.energy_microjoules.values() if each)
    shown = api(tracking_uri).get_run(run.info.run_id).data.metrics["ecoia/energy_wh"]
    assert round(shown * 3.6e9) == energy
    everything = sum(each for record in records for each in record.energy_microjoules.values() if each)
    assert everything == sum(sum(filter(None, row["energy_microjoules"].values())) for row in ledger(tracking_uri))
