"""What is shown in MLflow: on the user's runs, on runs of ecoia's own, and by service and day."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ecoia import meters, semconv
from ecoia.delivery.deliver import deliver
from ecoia.factors import default_factors
from ecoia.keeping.journal import Journal
from ecoia.measuring.recorder import Recorder
from ecoia.measuring.subject import Delta, Look, RecordKey
from ecoia.meters import hardware, idle_power
from ecoia.meters.hardware import BusyTime
from ecoia.periods import HALF_HOUR_NS, Quarter, utc_day
from ecoia.publishing import row_table
from ecoia.records import Record, fold
from ecoia.report import build_report
from ecoia.testing import MemorySubject, StepMeter
from support.deliveries import api, configured, eventually, ledger, serving, view_runs
from support.mlflow_stores import MLFLOW_WARNINGS
from support.organisation import write_catalogue
from support.records import DAY, NOON_NS, ending, training, write
from support.records import instant as utc

pytestmark = [pytest.mark.mlflow, *(pytest.mark.filterwarnings(line) for line in MLFLOW_WARNINGS)]


def the_run(uri: str, service: str = "vadore") -> Any:
    (run,) = view_runs(uri, service)
    return run


def test_training_is_shown_on_the_users_root_run_and_on_the_runs_below_it(
    journal: Journal, tracking_uri: str, target: str
) -> None:
    client = api(tracking_uri)
    root = client.create_run("0", run_name="search").info.run_id
    fold_, trial = (client.create_run("0", run_name=name).info.run_id for name in ("fold", "trial"))
    client.set_tag(fold_, "mlflow.parentRunId", root)
    client.set_tag(trial, "mlflow.parentRunId", fold_)
    client.set_terminated(trial, "FAILED")
    write(
        journal,
        [
            training(target=target, run_id=root, cpu=3_600_000_000, units_micro=4_000_000),
            training(target=target, run_id=trial, at=20, cpu=3_600_000_000, simulated=True),
            ending(target=target, run_id=root, at=30),
        ],
    )
    deliver(journal, configured(zone="FRA"))
    run = client.get_run(root)
    assert run.data.metrics == {
        "ecoia/energy_wh": pytest.approx(2, rel=1e-6),
        "ecoia/co2e_g": pytest.approx(2 * 0.04144, rel=1e-4),
        "ecoia/units_per_wh": pytest.approx(2, rel=1e-6),
    }
    expected = {
        "ecoia.service": "vadore",
        "ecoia.phase": "training",
        "ecoia.instance": "host-1",
        "ecoia.method": "estimated",
        "ecoia.simulated": "true",
        "ecoia.outcome": "ok",
    }
    assert expected.items() <= run.data.tags.items()
    assert "ecoia.share_of" not in run.data.tags
    assert "FRA" in run.data.tags["ecoia.factor"]
    assert "no PUE" in run.data.tags["ecoia.factor"]
    low, high = map(float, run.data.tags["ecoia.co2e_g_range"].split("-"))
    assert low < run.data.metrics["ecoia/co2e_g"] < high
    for below in (fold_, trial):  # the one between has no energy of its own
        child = client.get_run(below)
        assert child.data.metrics["ecoia/energy_wh"] == pytest.approx(1, rel=1e-6)
        assert child.data.metrics["ecoia/co2e_g"] == pytest.approx(0.04144, rel=1e-4)
        assert child.data.tags["ecoia.share_of"] == root
        assert not {"mlflow.note.content", "ecoia.note"} & child.data.tags.keys()
        assert client.list_artifacts(below, "ecoia") == []
    assert client.get_run(trial).data.tags["ecoia.outcome"] == "failed"
    assert {item.path for item in client.list_artifacts(root, "ecoia")} == {"ecoia/breakdown.json", "ecoia/impact.html"}
    page = Path(client.download_artifacts(root, "ecoia/impact.html")).read_text(encoding="utf-8")
    assert "Content-Security-Policy" in page
    assert "<script" not in page
    assert len(page) < 10_000
    note = run.data.tags["mlflow.note.content"]
    assert note.startswith("ecoia: 2.00 Wh (CPU 2.00, RAM 0.00), 83 mg CO2e [")
    assert "1.00 Wh (50 %) went into runs below it that failed" in note
    # Again, and once more after a correction downwards.
    deliver(journal, configured(zone="FRA"))
    assert client.get_run(root).data == run.data or client.get_run(root).data.tags == run.data.tags
    assert len(client.get_metric_history(root, "ecoia/energy_wh")) == 1
    # Files are read in the order of their random names: delivery itself wrote one, for the child that left no outcome.
    (first,) = [record for record in journal.scan().records if record.run_id == root and record.kind == semconv.KIND_SPAN]
    write(journal, [training(target=target, run_id=root, cpu=0, replaces=first.record_id)])
    deliver(journal, configured(zone="FRA"))
    assert client.get_run(root).data.metrics["ecoia/energy_wh"] == pytest.approx(1, rel=1e-6)
    assert {point.step for point in client.get_metric_history(root, "ecoia/energy_wh")} == {0}
    assert client.get_run(root).data.tags["mlflow.note.content"].startswith("ecoia: 1.00 Wh"), "a note of ours follows"


def test_without_a_zone_there_is_no_co2e(journal: Journal, tracking_uri: str, target: str) -> None:
    run_id = api(tracking_uri).create_run("0").info.run_id
    write(journal, [training(target=target, run_id=run_id)])
    deliver(journal, configured())
    run = api(tracking_uri).get_run(run_id)
    assert "ecoia/co2e_g" not in run.data.metrics
    assert "ecoia.factor" not in run.data.tags
    assert run.data.tags["ecoia.outcome"] == "abandoned"  # nobody said how it ended
    # Naming one later computes it for what is there already.
    deliver(journal, configured(zone="FRA"))
    assert api(tracking_uri).get_run(run_id).data.metrics["ecoia/co2e_g"] > 0


def test_a_deleted_run_costs_no_record(journal: Journal, tracking_uri: str, target: str) -> None:
    run_id = api(tracking_uri).create_run("0").info.run_id
    api(tracking_uri).delete_run(run_id)
    write(journal, [training(target=target, run_id=run_id), ending(target=target, run_id=run_id)])
    result = deliver(journal, configured())
    assert (result.delivered, result.pending) == (2, 0)
    assert run_id in result.problems[0]
    assert ledger(tracking_uri) == fold(journal.scan().records)


@pytest.mark.parametrize(("outcome", "status"), [("ok", "FINISHED"), ("failed", "FAILED"), ("abandoned", "KILLED")])
def test_a_session_without_a_users_run_has_one_of_its_own(
    journal: Journal, tracking_uri: str, target: str, outcome: str, status: str
) -> None:
    write(journal, [training(target=target), ending(outcome, target=target, at=10)])
    write(journal, [training(target=target, run_id="gone" * 8), ending(target=target, run_id="gone" * 8)])
    for _ in range(2):
        deliver(journal, configured())
    runs = {run.data.tags["ecoia.run"]: run for run in view_runs(tracking_uri, "vadore")}
    assert set(runs) == {"ecoia-session-1", "gone" * 8}
    assert len(view_runs(tracking_uri, "vadore")) == 2
    run = runs["ecoia-session-1"]
    assert run.info.status == status
    assert run.data.tags["ecoia.phase"] == "training"
    assert run.data.tags["ecoia.outcome"] == outcome
    assert run.data.metrics["ecoia/energy_wh"] > 0


def test_inference_is_shown_by_service_instance_and_day(journal: Journal, tracking_uri: str, target: str) -> None:
    same: dict[str, Any] = {"target": target, "phase": "inference", "run_id": None, "units_micro": 1_000_000}
    write(journal, [training(**same, at=at, cpu=3_600_000) for at in (0, 600, 3600, 7200, 86_400)])
    for _ in range(2):
        deliver(journal, configured())
    runs = {run.data.tags["ecoia.day"]: run for run in view_runs(tracking_uri, "vadore")}
    assert len(view_runs(tracking_uri, "vadore")) == 2
    run = runs[DAY]
    assert run.data.metrics["ecoia/units"] == 4
    assert run.info.status == "FINISHED"
    history = api(tracking_uri).get_metric_history(run.info.run_id, "ecoia/hourly/units")
    assert [(point.step, point.value) for point in history] == [(12, 2.0), (13, 1.0), (14, 1.0)]


def test_workers_that_are_killed_and_started_again_are_one_run_of_their_day(
    journal: Journal,
    tracking_uri: str,
    target: str,
    host: Callable[..., subprocess.Popen[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: NOON_NS + 6 * 2 * HALF_HOUR_NS)  # the day goes on
    sent = [serving(target, pid=pid, at=at, cpu=3_600_000) for pid, at in ((1, 0), (2, 5))]
    workers = [host(sent[0]), host(sent[1])]
    deliver(journal, configured())
    assert the_run(tracking_uri).info.status == "RUNNING"
    for worker in workers:
        worker.kill()
        worker.wait()
    deliver(journal, configured())
    first = the_run(tracking_uri)
    assert first.info.status == "FINISHED"
    sent += [serving(target, pid=pid, at=at, cpu=3_600_000) for pid, at in ((3, 600), (4, 4000))]
    workers = [host(sent[2]), host(sent[3])]
    deliver(journal, configured())
    again = the_run(tracking_uri)
    assert (again.info.run_id, again.info.status) == (first.info.run_id, "RUNNING")
    assert again.info.end_time == first.info.end_time, "it has not ended again"
    for worker in workers:
        worker.kill()
        worker.wait()
    for _ in range(2):
        deliver(journal, configured())
    last = the_run(tracking_uri)
    assert (last.info.run_id, last.info.status) == (first.info.run_id, "FINISHED")
    assert last.data.metrics["ecoia/requests"] == 4
    assert last.data.metrics["ecoia/units"] == 8
    assert last.data.metrics["ecoia/energy_wh"] == pytest.approx(4e-3, rel=1e-4)
    assert ledger(tracking_uri) == fold(sent)
    history = api(tracking_uri).get_metric_history(last.info.run_id, "ecoia/energy_wh")
    assert [point.value for point in history] == sorted(point.value for point in history), "a day's total only grows"
    hours = api(tracking_uri).get_metric_history(last.info.run_id, "ecoia/hourly/requests")
    # An hour that was told already is told again as it is now, at the same step.
    in_order = sorted(hours, key=lambda point: (point.step, point.timestamp))
    assert [(point.step, point.value) for point in in_order] == [(12, 2.0), (12, 3.0), (13, 1.0)]


def test_a_service_that_waits_shows_its_reserved_idle_energy_apart(journal: Journal, tracking_uri: str, target: str) -> None:
    at_rest = {"kind": "idle", "phase": None, "endpoint": None, "units_micro": None, "spans": 0}
    write(
        journal,
        [
            serving(target, cpu=3_600_000),
            serving(target, at=30, cpu=7_200_000, endpoint=semconv.MODEL_LOADING, units_micro=None),
            serving(target, at=60, cpu=36_000_000, **at_rest),
            serving(target, at=3600, cpu=36_000_000, **at_rest),
            serving(target, at=3600, cpu=1, **{**at_rest, "service": None}),  # nobody's
            serving(target, at=60, cpu=5, **{**at_rest, "service": "only-waits"}),
        ],
    )
    for _ in range(2):
        deliver(journal, configured(zone="FRA"))
    run = the_run(tracking_uri)
    metrics = run.data.metrics
    assert metrics["ecoia/energy_wh"] == pytest.approx(3e-3, rel=1e-4)
    assert metrics["ecoia/start-up/energy_wh"] == pytest.approx(2e-3, rel=1e-5)
    assert metrics["ecoia/idle/energy_wh"] == pytest.approx(20e-3, rel=1e-5)
    assert metrics["ecoia/idle/co2e_g"] == pytest.approx(metrics["ecoia/idle/energy_wh"] * 0.04144, rel=1e-3)
    assert metrics["ecoia/co2e_g"] == pytest.approx(metrics["ecoia/energy_wh"] * 0.04144, rel=1e-3)
    assert (metrics["ecoia/requests"], metrics["ecoia/units"]) == (1, 2)  # loading a model answers nobody
    history = api(tracking_uri).get_metric_history(run.info.run_id, "ecoia/hourly/idle_energy_wh")
    assert [point.step for point in history] == [12, 13]
    table = json.loads(Path(api(tracking_uri).download_artifacts(run.info.run_id, "ecoia/breakdown.json")).read_text())
    named = [line[:2] for line in table["data"] if line[0] != "component"]
    assert named == [["whole", ""], ["endpoint", "/predict"], ["endpoint", semconv.MODEL_LOADING], ["idle", ""]]
    waiting = the_run(tracking_uri, "only-waits")
    assert waiting.data.metrics["ecoia/requests"] == 0
    assert "ecoia/energy_wh" not in waiting.data.metrics


WAITING = """
import sys
import ecoia
with ecoia.track(service="vadore") as span:
    span.units(1)
sys.stdin.read()
"""


def test_what_a_real_service_reserves_while_it_waits_is_its_own_and_apart(
    journal: Journal, tracking_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = meters.detect(configured())
    powers = {meter.component: idle_power._power(meter, [(1.0, 5_000_000)]) for meter in found}
    machine = (hardware.cpu_model(), idle_power._machine(hardware.ROOT))
    idle_power.store(journal.home, idle_power.IdleBaseline(powers, {}, 60.0, 0.01, "2026-11-25T10:00:00+00:00", *machine))
    for name, value in (("SERVICE", "vadore"), ("RESERVED_SHARE", "0.25"), ("FLUSH_SECONDS", "0.3"), ("INSTANCE", "api-1")):
        monkeypatch.setenv(f"ECOIA_{name}", value)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri)

    def idle_records() -> list[Record]:
        return [record for record in journal.scan().records if record.kind == semconv.KIND_IDLE]

    with subprocess.Popen([sys.executable, "-c", WAITING], stdin=subprocess.PIPE) as process:
        eventually(lambda: len(idle_records()) >= 3, by=process)
        process.communicate()
    assert {record.service for record in idle_records()} == {"vadore"}
    assert all(record.idle_separated and record.reserved_share > 0 for record in idle_records())
    deliver(journal, configured())
    runs = view_runs(tracking_uri, "vadore")
    shown = sum(run.data.metrics["ecoia/idle/energy_wh"] for run in runs)
    assert shown == pytest.approx(sum(sum(filter(None, r.energy_microjoules.values())) for r in idle_records()) / 3.6e9)
    assert shown > 0
    assert sum(run.data.metrics["ecoia/requests"] for run in runs) == 1
    assert ledger(tracking_uri) == fold(journal.scan().records)


def test_the_model_that_served_is_linked_where_the_store_has_it(
    journal: Journal, tracking_uri: str, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = api(tracking_uri)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri)  # where MLflow looks for a version's source
    logged = client.create_logged_model(experiment_id="0", name="model")
    client.create_registered_model("offres")
    client.create_model_version("offres", source=f"models:/{logged.model_id}")
    client.create_model_version("offres", source=str(Path.cwd()))  # a version that no logged model stands behind
    versions = ["models:/offres/1", "models:/offres/2", "models:/offres/9", f"models:/{logged.model_id}", "models:/m-gone", "v1"]
    write(journal, [serving(target, model_version=version) for version in versions])
    for _ in range(2):
        assert not deliver(journal, configured()).problems
    run = client.get_run(the_run(tracking_uri).info.run_id)
    assert run.data.tags["ecoia.model_version"] == ",".join(sorted(versions))
    assert [model.model_id for model in run.inputs.model_inputs] == [logged.model_id]


@pytest.mark.parametrize(
    "boundary",
    [
        pytest.param(utc("2026-11-26T00:00"), id="midnight"),
        pytest.param(utc("2025-12-31T23:00"), id="the quarter's end in Paris"),
    ],
)
@pytest.mark.parametrize("jump_seconds", [0, 5 * 3600, -5 * 3600], ids=["no jump", "forward", "back"])
def test_a_request_over_a_boundary_counts_once_whatever_the_clock_does(
    journal: Journal, tracking_uri: str, target: str, monkeypatch: pytest.MonkeyPatch, boundary: int, jump_seconds: int
) -> None:
    """The request begins before the boundary; the clock on the wall passes or jumps it, or back over it, meanwhile."""
    second = 1_000_000_000
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri)
    key = RecordKey("vadore", "inference", endpoint="/predict")
    looks = [
        Look(second, 0, 0, 1.0, {key: Delta(cpu_ns=second, in_flight_ns=second, spans=n, units_micro=n * 1_000_000)})
        for n in (0, 0, 1)
    ]
    wall = [boundary - 2 * second if jump_seconds >= 0 else boundary + 2 * second]
    since_boot = [time.perf_counter_ns()]
    with monkeypatch.context() as clocks:
        clocks.setattr(time, "time_ns", lambda: wall[0])
        clocks.setattr(time, "perf_counter_ns", lambda: since_boot[0])
        recorder = Recorder(
            configured(instance="host-1", scope="host"),  # all that is metered is claimed
            MemorySubject(looks),
            [StepMeter("cpu", [1_000_001, 2_000_003, 3_000_005])],
            pid=42,
            start=(wall[0], since_boot[0], BusyTime(0, 0)),
            complain=print,
        )
        recorder.read()
        for seconds, jump in ((4, jump_seconds), (1, 0)):
            since_boot[0] += seconds * second
            wall[0] += (seconds + jump) * second
            recorder.step()
        recorder.close()
    records = journal.scan().records
    assert sum(r.end_utc_ns - r.start_utc_ns for r in records if r.kind == "span") == 5 * second, "no time is made or lost"
    assert deliver(journal, configured()).pending == 0
    rows = ledger(tracking_uri)
    assert rows == fold(records)
    assert sum(row["energy_microjoules"]["cpu"] or 0 for row in rows) == 6_000_009
    assert sum(row["spans"] for row in rows) == 1
    assert sum(row["units_micro"] or 0 for row in rows) == 1_000_000
    for row in rows:  # no row straddles a half-hour, hence neither a day nor a quarter
        assert row["half_hour_utc_ns"] <= row["start_utc_ns"] <= row["end_utc_ns"] <= row["half_hour_utc_ns"] + HALF_HOUR_NS
    runs = view_runs(tracking_uri, "vadore")
    days = {utc_day(row["half_hour_utc_ns"]) for row in rows if row["kind"] == "span"}
    assert sorted(run.data.tags["ecoia.day"] for run in runs) == sorted(days)
    assert sum(run.data.metrics["ecoia/requests"] for run in runs) == 1
    total = sum(run.data.metrics.get("ecoia/energy_wh", 0) for run in runs)
    assert total == pytest.approx(sum(row["energy_microjoules"]["cpu"] or 0 for row in rows if row["kind"] == "span") / 3.6e9)
    zone = ZoneInfo("Europe/Paris")
    by_quarter = row_table.by_quarter(row_table.table(rows, zone))
    assert by_quarter["energy_microjoules"].sum() == 6_000_009


def test_views_show_the_factors_that_the_organisation_chose(
    journal: Journal, tracking_uri: str, target: str, tmp_path: Path
) -> None:
    folder = tmp_path / "organisation"
    (folder / "factors").mkdir(parents=True)
    said = "# source: S\n# licence: CC0-1.0\n# scope: lifecycle\n# basis: production\n# retrieved_on: 2026-11-25\n"
    table = "zone,start,end,gco2e_per_kwh\nFRA,2026-01-01,2027-01-01,100\n"
    (folder / "factors" / "ours.csv").write_text(said + table, encoding="utf-8")
    (folder / "factors.yaml").write_text("use: ours\n", encoding="utf-8")
    root = api(tracking_uri).create_run("0").info.run_id
    write(journal, [training(target=target, run_id=root, cpu=3_600_000_000), ending(target=target, run_id=root, at=30)])
    deliver(journal, configured(zone="FRA", catalogue=str(folder)))
    run = api(tracking_uri).get_run(root)
    assert run.data.metrics["ecoia/co2e_g"] == pytest.approx(0.1, rel=1e-4)
    assert run.data.tags["ecoia.factor"].startswith("FRA 2026: 100 g/kWh lifecycle")


def test_views_show_the_co2e_of_the_report_with_sites_and_calibrations(
    journal: Journal, tracking_uri: str, target: str, tmp_path: Path
) -> None:
    noted = "source: s, date: 2026-01-15"
    register = write_catalogue(
        tmp_path / "organisation",
        sites=f"sites: [{{id: a, instances: [host-1], zone: DEU, pue: [{{value: 1.5, quality: measured, {noted}}}]}}]",
        calibration=f"calibrations: [{{component: cpu, wall_factor: 1.4, {noted}}}]",
    )
    root = api(tracking_uri).create_run("0").info.run_id
    write(journal, [training(target=target, run_id=root, cpu=3_600_000_000), ending(target=target, run_id=root, at=30)])
    set_up = configured(zone="FRA", catalogue=str(tmp_path / "organisation"))
    result = deliver(journal, set_up)
    assert result.problems == ()
    built = build_report(ledger(tracking_uri), Quarter(2026, 3), settings=set_up, catalogue=register, factors=default_factors())
    run = api(tracking_uri).get_run(root)
    assert run.data.metrics["ecoia/co2e_g"] == pytest.approx(1000 * (built.totals.co2e.value or 0))
    assert run.data.tags["ecoia.factor"].startswith("DEU ")
    assert run.data.tags["ecoia.factor"].endswith("; PUE 1.5; calibrated at the wall")


def test_a_broken_catalogue_is_told_once_and_costs_no_view(
    journal: Journal, tracking_uri: str, target: str, tmp_path: Path
) -> None:
    folder = tmp_path / "organisation"
    folder.mkdir()
    (folder / "sites.yaml").write_text("sites: [{id: a}]", encoding="utf-8")
    runs = [api(tracking_uri).create_run("0").info.run_id for _ in range(2)]
    write(journal, [training(target=target, run_id=run) for run in runs])
    result = deliver(journal, configured(zone="FRA", pue=1.2, catalogue=str(folder)))
    (told,) = result.problems
    assert "sites[0].instances" in told
    assert result.pending == 0
    for run in runs:
        assert api(tracking_uri).get_run(run).data.tags["ecoia.factor"].endswith("; PUE 1.2")
