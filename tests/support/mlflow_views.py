"""A program that makes runs, delivers records of them and tells what MLflow then shows. Tests start it, in any MLflow.

Usage: ``mlflow_views.py URI HOME ANSWER``. The answer is a JSON object: ``ids`` of the runs and experiments, ``problems`` of the
deliveries, and ``shown``, what the store shows after each of three deliveries: two alike, and one without a zone.
"""

from __future__ import annotations

import json
import math
import sys
import time
from pathlib import Path
from typing import Any

import mlflow
from mlflow import MlflowClient
from mlflow.data.http_dataset_source import HTTPDatasetSource
from mlflow.data.meta_dataset import MetaDataset

from ecoia import settings
from ecoia.delivery.deliver import deliver
from ecoia.delivery.mlflow_ledger import MlflowLedger
from ecoia.delivery.mlflow_store import MlflowStore
from ecoia.delivery.shown_runs import ShownRuns
from ecoia.keeping.destinations import register_target
from ecoia.keeping.journal import Journal
from ecoia.records.id_sets import ids_of
from support.records import NOON_NS, SECOND_NS, ending, link, training, write

WH = 3_600_000_000  # microjoules
RANK = "ecoia-group-1f-1"
SESSION = "ecoia-0123456789abcdef"


SHIFT_NS = time.time_ns() - NOON_NS - 200 * SECOND_NS
"""From the time of the builder's records to now: power over time is shown of recent work only."""


def make_runs(uri: str) -> dict[str, str]:
    """Make a run with a dataset, and a failed run below it. Return ids by name."""
    mlflow.set_tracking_uri(uri)
    experiment = mlflow.set_experiment("vadore-cv").experiment_id
    client = MlflowClient()
    root = client.create_run(experiment, start_time=(NOON_NS + SHIFT_NS) // 1_000_000, run_name="baseline").info.run_id
    child = client.create_run(experiment, tags={"mlflow.parentRunId": root}).info.run_id
    with mlflow.start_run(run_id=root):
        mlflow.log_input(MetaDataset(HTTPDatasetSource("https://data.example.org/cv.csv"), name="cv"))
        mlflow.log_metric("accuracy", 0.9)
    client.set_terminated(child, "FAILED")
    return {"experiment": experiment, "root": root, "child": child}


def records(ids: dict[str, str], target: str) -> list[Any]:
    root, child = ids["root"], ids["child"]
    work: list[Any] = [training(target=target, run_id=root, at=10 * n, cpu=WH // 4, units_micro=1_000_000) for n in range(4)]
    return [
        *work,
        training(target=target, run_id=child, at=50, cpu=WH),
        training(target=target, run_id=RANK, at=60, cpu=WH),
        training(target=target, run_id=SESSION, at=70, cpu=WH),
        training(target=target, run_id="ecoia-session-2", at=80, cpu=WH),
        training(target=target, at=90, phase="inference", run_id=None, cpu=WH, endpoint="/predict", model_version="models:/cv/1"),
        *(ending(target=target, run_id=run_id, at=90) for run_id in (root, child, RANK, SESSION, "ecoia-session-2")),
        link("ecoia-group-1f-0", root, target=target),
        link(SESSION, root, target=target),
    ]


def shown(uri: str) -> dict[str, Any]:
    """Return each experiment's tags, and each run's metrics with their histories, tags, status, artifacts and text of them."""
    client = MlflowClient(tracking_uri=uri)
    found: dict[str, Any] = {}
    for experiment in client.search_experiments():
        runs = {}
        for run in client.search_runs([experiment.experiment_id]):
            run_id = run.info.run_id
            history = {name: client.get_metric_history(run_id, name) for name in run.data.metrics}
            runs[run_id] = {
                "metrics": {name: None if math.isnan(value) else value for name, value in run.data.metrics.items()},
                "points": {name: len(points) for name, points in history.items()},
                "tags": {name: value for name, value in run.data.tags.items() if not name.startswith("mlflow.source")},
                "status": run.info.status,
                "artifacts": sorted(each.path for each in client.list_artifacts(run_id, "ecoia")),
            }
        found[experiment.name] = {"tags": dict(experiment.tags), "runs": runs}
    return found


def main(uri: str, home: str, answer: str) -> None:
    ids = make_runs(uri)
    journal = Journal(home)
    made = records(ids, register_target(journal.home, uri))
    kept = [each.copy_with(start_utc_ns=each.start_utc_ns + SHIFT_NS, end_utc_ns=each.end_utc_ns + SHIFT_NS) for each in made]
    write(journal, kept)
    after, problems = [], []
    for zone in ("FRA", "FRA", None):
        result = deliver(journal, settings.load({"home": home, "zone": zone}).raise_problems())
        problems += [*result.problems, *result.conflicts, *(["pending"] if result.pending else [])]
        after.append(shown(uri))
    store = MlflowStore(uri)
    runs = ShownRuns(store).find_all(None, by_energy=True, children=True, most=9)
    told = {
        "ids": ids,
        "problems": problems,
        "shown": after,
        "listed": [(run.run_id, run.energy_wh, run.co2e_g) for run in runs],
        "components": sorted("/".join(key) for key in ShownRuns(store).components(runs[0])),
        "ledger": sorted({record_id for row in MlflowLedger(store).read_rows(0, 1 << 62) for record_id in ids_of(row)}),
        "journal": sorted(record.record_id for record in kept if record.kind != "link"),
    }
    Path(answer).write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
