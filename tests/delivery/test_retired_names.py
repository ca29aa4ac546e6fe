"""A store that ecoia 0.1.0 wrote to: every figure goes on under the name of today, nothing is lost and nothing counts twice."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from ecoia import semconv
from ecoia.delivery.day_file import digest, encode_day
from ecoia.delivery.deliver import deliver
from ecoia.keeping.journal import Journal
from ecoia.keeping.place import place_of
from ecoia.records import fold
from support.deliveries import api, configured, ledger
from support.mlflow_stores import MLFLOW_WARNINGS
from support.records import DAY, NOON_NS, ending, training, write

pytestmark = [pytest.mark.mlflow, *(pytest.mark.filterwarnings(line) for line in MLFLOW_WARNINGS)]

MIDNIGHT_MS = NOON_NS // 1_000_000 - 12 * 3_600_000


def log(uri: str, run_id: str, metrics: dict[str, float], at: int, **tags: str) -> None:
    for name, value in metrics.items():
        api(uri).log_metric(run_id, name, value, step=at)
    for name, value in tags.items():
        api(uri).set_tag(run_id, f"ecoia.{name}", value)


def ledger_run(uri: str, day: str, home: str, rows: list[Any], folder: Path, place: str = "") -> str:
    """Write a ledger run as 0.1.0 did."""
    client = api(uri)
    found = client.get_experiment_by_name("ecoia/ledger")
    experiment = found.experiment_id if found else client.create_experiment("ecoia/ledger", (folder / "artifacts").as_uri())
    run_id = str(client.create_run(experiment, start_time=MIDNIGHT_MS, run_name=f"host-1 {day}").info.run_id)
    (folder / "records.jsonl.gz").write_bytes(encode_day(rows))
    client.log_artifact(run_id, str(folder / "records.jsonl.gz"))
    totals = {"ecoia/energy_kwh": 0.001, "ecoia/energy/cpu_kwh": 0.001, "ecoia/duration_s": 10.0, "ecoia/units": 4.0}
    log(
        uri, run_id, totals, 0, kind="ledger", schema="1", instance="host-1", day=day, home=home, place=place, digest=digest(rows)
    )
    return run_id


def shown(uri: str, run_id: str) -> dict[str, float]:
    """Return the metrics of a run whose last value is a number."""
    metrics = api(uri).get_run(run_id).data.metrics
    return {name: value for name, value in metrics.items() if math.isfinite(value)}


def test_figures_go_on_under_the_names_of_today(journal: Journal, tracking_uri: str, target: str, tmp_path: Path) -> None:
    client = api(tracking_uri)
    root = client.create_run("0").info.run_id
    records = [training(target=target, run_id=root, cpu=3_600_000_000, units_micro=4_000_000)]
    records.append(ending(target=target, run_id=root, at=10))
    write(journal, records)
    day = ledger_run(tracking_uri, DAY, journal.home_id, fold(records), tmp_path, place_of(next(iter(journal.files()))))
    foreign = ledger_run(tracking_uri, "2026-09-20", "another", fold([training(at=-4 * 86_400)]), tmp_path)
    was = {"ecoia/energy_kwh": 0.009, "ecoia/energy/cpu_kwh": 0.009, "ecoia/co2e_kg": 4e-4, "ecoia/units": 18.0}
    log(tracking_uri, root, was | {"ecoia/duration_s": 9.0}, 30, step="30")
    archived = client.create_run("0").info.run_id  # its records are in no journal any more
    for step, value in ((60, 0.5), (120, 2.0), (121, 1.0)):
        log(tracking_uri, archived, {"ecoia/energy_kwh": value, "ecoia/units": value * 10}, step, step=str(step))
    log(tracking_uri, archived, {"ecoia/duration_s": 100.0}, 121)
    served = client.create_run("0", tags={"ecoia.kind": "view", "ecoia.day": "2026-09-01"}).info.run_id
    log(
        tracking_uri,
        served,
        {"ecoia/energy_kwh": 3e-3, "ecoia/units": 7.0, "ecoia/requests": 7.0, "ecoia/duration_s": 1.0},
        43_000,
    )
    for hour, value in ((9, 1e-3), (11, 1e-3), (11, 2e-3)):
        log(tracking_uri, served, {"ecoia/hourly/energy_kwh": value}, hour)
    files = {path: path.read_bytes() for path in (tmp_path / "artifacts").rglob("*.gz")}
    before = ledger(tracking_uri)
    for _ in range(2):
        assert not deliver(journal, configured(zone="FRA")).problems
        assert shown(tracking_uri, root) == {
            "ecoia/energy_wh": pytest.approx(1, rel=1e-6),
            "ecoia/co2e_g": pytest.approx(0.04144, rel=1e-4),
            "ecoia/units_per_wh": pytest.approx(4, rel=1e-6),
        }
        assert shown(tracking_uri, archived) == {"ecoia/energy_wh": 1000.0, "ecoia/units_per_wh": pytest.approx(0.01)}
        assert shown(tracking_uri, served) == {
            "ecoia/energy_wh": 3.0,
            "ecoia/units": 7,
            "ecoia/requests": 7,
            "ecoia/hourly/energy_wh": 2.0,
        }
        hours = client.get_metric_history(served, "ecoia/hourly/energy_wh")
        assert [(point.step, point.value) for point in hours] == [(9, 1.0), (11, 2.0)]
        of_day = {"ecoia/ledger/energy_kwh": 0.001, "ecoia/ledger/cpu_kwh": 0.001, "ecoia/ledger/units": 4}
        assert {name: pytest.approx(value, rel=1e-6) for name, value in of_day.items()}.items() <= shown(
            tracking_uri, day
        ).items()
        assert not any(name.startswith("ecoia/energy") for name in shown(tracking_uri, day))
        assert "ecoia/energy_kwh" in shown(tracking_uri, foreign), "another home brings its own days up to date"
        for run_id in (root, archived, served):
            assert semconv.RETIRED_TAG_STEP not in client.get_run(run_id).data.tags
        # The old values are in the history, and each name of today was written once for each change.
        assert [point.value for point in client.get_metric_history(archived, "ecoia/energy_kwh")][:3] == [0.5, 2.0, 1.0]
        assert len(client.get_metric_history(archived, "ecoia/energy_wh")) == 1
        assert len(client.get_metric_history(root, "ecoia/energy_kwh")) == 2
    assert ledger(tracking_uri) == before
    assert {path: path.read_bytes() for path in (tmp_path / "artifacts").rglob("*.gz")} == files
    import mlflow

    runs = mlflow.MlflowClient(tracking_uri).search_runs(["0", client.get_run(day).info.experiment_id])
    assert math.fsum(run.data.metrics.get("ecoia/energy_wh", 0) for run in runs) == pytest.approx(1 + 1000 + 3, rel=1e-6)


def test_the_helper_retires_the_names_of_a_run_that_it_writes_to(journal: Journal, tracking_uri: str, target: str) -> None:
    root = api(tracking_uri).create_run("0").info.run_id
    log(tracking_uri, root, {"ecoia/energy_kwh": 0.009, "ecoia/duration_s": 9.0, "ecoia/units": 1.0}, 30, step="30")
    write(journal, [training(target=target, run_id=root, cpu=3_600_000_000)])
    deliver(journal, configured(), by_hand=False)
    assert shown(tracking_uri, root) == {"ecoia/energy_wh": pytest.approx(1, rel=1e-6)}
    assert "ecoia.step" not in api(tracking_uri).get_run(root).data.tags
