"""From the journal to the ledger and the views: safe to repeat, to interrupt, to reorder."""

from __future__ import annotations

import itertools
import json
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ecoia import meters, semconv, settings
from ecoia.delivery import deliver as delivery
from ecoia.delivery.mlflow_store import MlflowStore
from ecoia.factors import default_factors
from ecoia.impact.assessment import Knowledge
from ecoia.keeping import helper
from ecoia.keeping.destinations import register_target
from ecoia.keeping.journal import Journal, encode_line
from ecoia.measuring.recording import Delta, Key, Look, Recorder
from ecoia.meters import hardware, idle_power
from ecoia.meters.hardware import BusyTime
from ecoia.periods import HALF_HOUR_NS, Quarter, utc_day
from ecoia.publishing import row_table as aggregation
from ecoia.records import Record, Row, fold, merge_rows
from ecoia.report import build_report
from ecoia.settings import Settings
from ecoia.testing import MemorySubject, StepMeter
from support.mlflow_stores import MLFLOW_WARNINGS, free_port, migrated, mlflow_server, postgresql, tracking_uri
from support.organisation import write_catalogue
from support.records import DAY, NOON_NS, ending, training, write
from support.records import instant as utc

__all__ = ["migrated", "postgresql", "tracking_uri"]  # fixtures

pytestmark = [pytest.mark.mlflow, *(pytest.mark.filterwarnings(line) for line in MLFLOW_WARNINGS)]

ALL_TIME = (0, 1 << 62)
numbers = itertools.count()
FOLLOW = (
    "import sys; from ecoia import settings; from ecoia.delivery import deliver as delivery; "
    "from ecoia.keeping.journal import Journal; "
    "delivery.follow(Journal(sys.argv[1]), settings.load(), poll_seconds=0.05, give_up_seconds=1)"
)
WRITE_AND_STAY = (
    "import json, sys; from ecoia.keeping.journal import Journal; from ecoia.records import Record; "
    "writer = Journal(sys.argv[1]).writer(); writer.append([Record.from_dict(json.loads(line)) for line in open(sys.argv[2])]); "
    "print('written', flush=True); sys.stdin.read()"
)


@pytest.fixture
def journal(home: Path) -> Journal:
    return Journal(home)


@pytest.fixture
def target(journal: Journal, tracking_uri: str) -> str:
    return register_target(journal.home, tracking_uri)


def configured(**arguments: Any) -> Settings:
    return settings.load(arguments).raise_problems()


def ledger(uri: str) -> list[Row]:
    return MlflowStore(uri).read_rows(*ALL_TIME)


def api(uri: str) -> Any:
    import mlflow

    return mlflow.MlflowClient(tracking_uri=uri)


def view_runs(uri: str, service: str) -> list[Any]:
    client = api(uri)
    experiment = client.get_experiment_by_name(f"ecoia/{service}")
    return list(client.search_runs([experiment.experiment_id])) if experiment else []


def eventually(condition: Callable[[], Any], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.02)


@pytest.fixture
def host(journal: Journal, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts measured processes: each writes some records and lives until it is told to end."""
    started: list[subprocess.Popen[str]] = []

    def start(*records: Record) -> subprocess.Popen[str]:
        path = tmp_path / f"records-{len(started)}.jsonl"
        path.write_text("".join(record.to_json() + "\n" for record in records))
        process = subprocess.Popen(
            [sys.executable, "-c", WRITE_AND_STAY, str(journal.home), str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


# ---------------------------------------------------------------- the ledger


def test_what_the_journal_holds_arrives_once(journal: Journal, tracking_uri: str, target: str) -> None:
    records = [training(target=target, at=second, run_id=None) for second in range(0, 5400, 60)]
    write(journal, records)
    result = delivery.deliver(journal, configured())
    assert (result.delivered, result.pending) == (90, 0)
    assert (result.conflicts, result.problems, result.targets) == ((), (), (tracking_uri,))
    assert ledger(tracking_uri) == fold(journal.scan().records)
    again = delivery.deliver(journal, configured())
    assert (again.delivered, again.pending) == (0, 0)
    assert ledger(tracking_uri) == fold(journal.scan().records)


def test_the_journal_says_what_was_delivered(journal: Journal, tracking_uri: str, target: str) -> None:
    write(journal, [training(target=target, run_id=None), training(run_id=None), training(target=target, run_id=None)])
    assert delivery.delivered_offsets(journal) == {}
    assert delivery.follow(journal, configured(), poll_seconds=0.01)  # leaves what has no store
    entries = journal.scan().entries
    cursors = delivery.read_cursors(journal)
    assert [delivery.is_delivered(entry, cursors) for entry in entries] == [True, False, True]
    assert delivery.delivered_offsets(journal) == {entries[0].file: entries[0].end_offset}
    assert delivery.deliver(journal, configured(), tracking_uri=tracking_uri).delivered == 1
    assert delivery.delivered_offsets(journal) == {entries[0].file: entries[2].end_offset}


@hypothesis_settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 1 << 32), data=st.data())
def test_shuffled_and_doubled_lines_change_nothing(
    journal: Journal, tracking_uri: str, target: str, tmp_path: Path, seed: int, data: st.DataObject
) -> None:
    chance = random.Random(seed)
    instance = f"host-{next(numbers)}"  # a home and an instance of its own for each example
    records = [
        training(
            target=target,
            instance=instance,
            at=chance.choice([0, 40_000]) + chance.randrange(8_000),
            seconds=chance.randrange(0, 4000),
            cpu=chance.choice([None, chance.randrange(10**9)]),
            phase=chance.choice(["training", "inference"]),
            run_id=None,
        )
        for _ in range(data.draw(st.integers(1, 25)))
    ]
    records.append(training(target=target, instance=instance, replaces=records[0].record_id, run_id=None))
    home = Journal(tmp_path / instance)
    shutil.copy(journal.home / "targets.json", home.home)
    lines = [encode_line(record.to_json()) for record in records]
    lines += chance.choices(lines, k=5)
    chance.shuffle(lines)
    cut = chance.randrange(len(lines))
    for name, part in (("1-a", lines[:cut]), ("2-b", lines[cut:])):
        (home.folder / DAY).mkdir(exist_ok=True)
        (home.folder / DAY / f"{name}.jsonl").write_bytes(b"".join(part))
        assert delivery.deliver(home, configured()).pending == 0  # once half-way
    assert [row for row in ledger(tracking_uri) if row["instance"] == instance] == fold(records)


@hypothesis_settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_reading_on_as_the_journal_grows_is_reading_it_whole(tmp_path: Path, data: st.DataObject) -> None:
    """The helper folds line by line what comes; sums cannot be undone, so doubled lines and corrections are the test."""
    records = [training(at=1790 + 10 * n, cpu=10**n, run_id=None) for n in range(data.draw(st.integers(1, 6)))]
    corrected = data.draw(st.sets(st.sampled_from(records).map(lambda record: record.record_id), max_size=2))
    records += [training(at=90_000, cpu=5, run_id=None, replaces=record_id) for record_id in sorted(corrected)]
    lines = data.draw(st.permutations([*records, *data.draw(st.lists(st.sampled_from(records), max_size=4))]))
    home = Journal(tmp_path / f"growing-{next(numbers)}")
    book = delivery._Book(home)
    with closing(home.writer()) as writer:
        for record in lines:
            writer.append([record])
            if data.draw(st.booleans()):
                book.read(delivery._sizes(home))
    book.read(delivery._sizes(home))
    assert merge_rows(row for rows in book.days.values() for row in rows) == fold(records)
    days = {day for record in records for day in [utc_day(record.start_utc_ns), utc_day(record.end_utc_ns)]}
    assert {key.day for key in book.dirty} == days  # a correction empties the day of what it corrects


def test_a_correction_reaches_the_ledger_after_what_it_corrects(journal: Journal, tracking_uri: str, target: str) -> None:
    wrong = training(target=target, cpu=9_000_000, run_id=None)
    write(journal, [wrong, training(target=target, at=30, run_id=None)])
    delivery.deliver(journal, configured())
    write(journal, [training(target=target, cpu=1_000, replaces=wrong.record_id, at=1900, run_id=None)])
    delivery.deliver(journal, configured())
    assert ledger(tracking_uri) == fold(journal.scan().records)


def test_two_homes_that_claim_one_instance_are_told(journal: Journal, tracking_uri: str, target: str, tmp_path: Path) -> None:
    write(journal, [training(target=target)])
    delivery.deliver(journal, configured())
    before = ledger(tracking_uri)
    other = Journal(tmp_path / "other")
    register_target(other.home, tracking_uri)
    write(other, [training(target=target, run_id=None), training(target=target, at=86_400, run_id=None)])
    result = delivery.deliver(other, configured())
    assert len(result.conflicts) == 1
    assert journal.home_id in result.conflicts[0]
    assert other.home_id in result.conflicts[0]
    assert (result.delivered, result.pending) == (1, 1)  # the other day belongs to nobody else
    assert [row for row in ledger(tracking_uri) if row["half_hour_utc_ns"] < NOON_NS + 80_000 * 10**9] == before


CLAIM = (
    "import sys, time; from ecoia import settings; from ecoia.delivery import deliver as delivery; "
    "from ecoia.keeping.journal import Journal; import mlflow.tracking; "
    "print('ready', flush=True); sys.stdin.readline(); result = delivery.deliver(Journal(sys.argv[1]), settings.load()); "
    "print(result.delivered, result.pending, *result.conflicts, sep='|', flush=True)"
)


def test_two_homes_that_claim_one_instance_at_once_lose_nothing(
    journal: Journal, tracking_uri: str, target: str, tmp_path: Path
) -> None:
    homes = [journal, Journal(tmp_path / "other")]
    told: list[list[str]] = []
    for turn in range(2):
        programs = []
        for number, home in enumerate(homes):
            register_target(home.home, tracking_uri)
            write(home, [serving(target, at=1800 * turn + number)])
            programs.append(
                subprocess.Popen(
                    [sys.executable, "-c", CLAIM, str(home.home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
                )
            )
            assert programs[-1].stdout is not None
            assert programs[-1].stdout.readline() == "ready\n"
        for running in programs:
            assert running.stdin is not None
            running.stdin.write("go\n")
            running.stdin.flush()
        told = [running.communicate()[0].strip().split("|") for running in programs]
    # Whoever was first goes on; the other is told, by name, and keeps what it has.
    assert sorted(len(line) for line in told) == [2, 3]
    (conflict,) = [line[2] for line in told if len(line) == 3]
    assert "'host-1'" in conflict
    assert all(home.home_id in conflict for home in homes)
    arrived = {record_id for row in ledger(tracking_uri) for record_id in row["record_ids"]}
    for home, line in zip(homes, told, strict=True):
        kept = [entry.record.record_id for entry in home.scan().entries]
        cursors = delivery.read_cursors(home)
        waiting = {e.record.record_id for e in home.scan().entries if not delivery.is_delivered(e, cursors)}
        assert len(waiting) == int(line[1])
        assert set(kept) - waiting == set(kept) & arrived
    assert sum(row["spans"] for row in ledger(tracking_uri)) == len(arrived)


def test_of_two_homes_that_made_a_day_at_once_the_first_goes_on(
    journal: Journal, tracking_uri: str, target: str, tmp_path: Path
) -> None:
    other = Journal(tmp_path / "other")
    register_target(other.home, tracking_uri)
    records = {home: [serving(target, at=number)] for number, home in enumerate((journal, other))}
    store = MlflowStore(tracking_uri)
    for home in (journal, other):
        # Neither saw the other's run when it looked.
        found, store._search = store._search, lambda *_: []  # type: ignore[method-assign]
        store.upsert_days("host-1", home.home_id, {DAY: fold(records[home])}, list)
        store._search = found  # type: ignore[method-assign]
    both = ledger(tracking_uri)
    assert sum(row["spans"] for row in both) == 2
    for home in (journal, other):
        write(home, [*records[home], serving(target, at=1800)])
    results = {home: delivery.deliver(home, configured()) for home in (journal, other)}
    assert sorted(len(result.conflicts) for result in results.values()) == [0, 1]
    assert sum(row["spans"] for row in ledger(tracking_uri)) == 3, "what both had sent, and what the first sent since"
    days = api(tracking_uri).search_runs([api(tracking_uri).get_experiment_by_name("ecoia/ledger").experiment_id])
    owners = {run.data.tags["ecoia.home"]: run.data.tags["ecoia.kind"] for run in days}
    assert owners == {home.home_id: "ledger" for home in (journal, other)}, "nobody writes to, or takes away, the other's day"


def test_what_the_ledger_refuses_is_in_no_view(journal: Journal, tracking_uri: str, target: str, tmp_path: Path) -> None:
    write(journal, [training(target=target, phase="inference", run_id=None)])
    delivery.deliver(journal, configured())
    other = Journal(tmp_path / "other")
    register_target(other.home, tracking_uri)
    write(other, [training(target=target, phase="inference", run_id=None, service="of-the-other-home")])
    assert len(delivery.deliver(other, configured()).conflicts) == 1
    from mlflow import MlflowClient

    assert MlflowClient(tracking_uri).get_experiment_by_name("ecoia/of-the-other-home") is None


def test_bad_lines_are_counted_and_block_nothing(journal: Journal, tracking_uri: str, target: str) -> None:
    write(journal, [training(target=target, run_id=None)])
    newer = training(target=target).to_json().replace('"schema":1', '"schema":99', 1)
    path = journal.folder / journal.files()[0]
    with path.open("ab") as file:
        file.write(
            encode_line(newer) + b"00000000 {}\n" + encode_line(training(target=target, at=60, run_id=None).to_json()) + b"torn"
        )
    result = delivery.deliver(journal, configured())
    assert (result.delivered, result.pending) == (2, 0)
    assert sorted(problem.split(":")[0] for problem in result.problems) == ["1 journal line(s) not read"] * 3
    assert ledger(tracking_uri) == fold(journal.scan().records)


def test_records_without_a_store_go_where_the_hand_sends_them(journal: Journal, tracking_uri: str) -> None:
    write(journal, [training(run_id=None)])
    assert delivery.follow(journal, configured(), poll_seconds=0.01)
    assert ledger(tracking_uri) == []
    assert list(Path.cwd().iterdir()) == []
    assert delivery.deliver(journal, configured(), tracking_uri=tracking_uri).delivered == 1
    assert ledger(tracking_uri) == fold(journal.scan().records)


def test_a_database_in_memory_is_refused(journal: Journal) -> None:
    write(journal, [training(target=register_target(journal.home, "sqlite:///:memory:"))])
    result = delivery.deliver(journal, configured())
    assert result.pending == len(journal.scan().entries)
    assert "MLFLOW_TRACKING_URI" in result.problems[0]


def test_deleting_the_ledger_days_costs_nothing(journal: Journal, tracking_uri: str, target: str) -> None:
    write(journal, [training(target=target)])
    delivery.deliver(journal, configured())
    before = ledger(tracking_uri)
    client = api(tracking_uri)
    for run in client.search_runs([client.get_experiment_by_name("ecoia/ledger").experiment_id]):
        client.delete_run(run.info.run_id)
    assert ledger(tracking_uri) == []
    delivery.deliver(journal, configured())
    assert ledger(tracking_uri) == before


# ---------------------------------------------------------------- runs that were left open


def test_a_killed_process_leaves_an_abandoned_run(journal: Journal, host: Callable[..., subprocess.Popen[str]]) -> None:
    process = host(training(), training(at=10), training(service="smart-emploi", run_id="r2"), training(phase="inference"))
    assert delivery.close_abandoned(journal) == 0  # it lives
    process.kill()
    process.wait()
    assert delivery.close_abandoned(journal) == 2
    outcomes = [record for record in journal.scan().records if record.kind == "outcome"]
    assert sorted((r.service, r.phase, r.run_id, r.outcome) for r in outcomes) == [
        ("smart-emploi", "training", "r2", "abandoned"),
        ("vadore", "training", "ecoia-session-1", "abandoned"),
    ]
    assert max(r.end_utc_ns for r in outcomes) == training(at=10).end_utc_ns
    assert all(value is None for record in outcomes for value in record.energy_microjoules.values())
    assert delivery.close_abandoned(journal) == 0


def test_a_run_that_said_its_end_is_not_abandoned(journal: Journal) -> None:
    write(journal, [training(), ending("failed", at=10)])
    write(journal, [training(run_id=None)])
    assert delivery.close_abandoned(journal) == 0


def test_a_process_that_goes_on_in_the_next_day_is_alive(journal: Journal) -> None:
    writer = journal.writer()
    writer.append([training()])
    writer.append([training(at=86_400)])
    assert delivery.close_abandoned(journal) == 0
    writer.close()
    assert delivery.close_abandoned(journal) == 1


# ---------------------------------------------------------------- views


def test_training_is_shown_on_the_users_root_run(journal: Journal, tracking_uri: str, target: str) -> None:
    client = api(tracking_uri)
    root = client.create_run("0").info.run_id
    child = client.create_run("0", tags={"mlflow.parentRunId": root}).info.run_id
    write(
        journal,
        [
            training(target=target, run_id=root, cpu=3_600_000_000, units_micro=4_000_000),
            training(target=target, run_id=child, at=20, cpu=3_600_000_000, simulated=True),
            ending(target=target, run_id=root, at=30),
        ],
    )
    delivery.deliver(journal, configured(zone="FRA"))
    run = client.get_run(root)
    assert run.data.metrics["ecoia/energy_kwh"] == pytest.approx(0.002, rel=1e-6)
    assert run.data.metrics["ecoia/energy/cpu_kwh"] == pytest.approx(0.002)
    assert run.data.metrics["ecoia/co2e_kg"] == pytest.approx(0.002 * 0.04144, rel=1e-4)
    assert run.data.metrics["ecoia/duration_s"] == 20
    assert run.data.metrics["ecoia/units"] == 4
    assert "ecoia/energy/gpu_kwh" not in run.data.metrics
    expected = {
        "ecoia.service": "vadore",
        "ecoia.phase": "training",
        "ecoia.instance": "host-1",
        "ecoia.method": "estimated",
        "ecoia.simulated": "true",
        "ecoia.outcome": "ok",
    }
    assert expected.items() <= run.data.tags.items()
    assert "FRA" in run.data.tags["ecoia.factor"]
    assert "no PUE" in run.data.tags["ecoia.factor"]
    assert client.get_run(child).data.tags["ecoia.share_of"] == root
    assert "ecoia/energy_kwh" not in client.get_run(child).data.metrics
    assert {item.path for item in client.list_artifacts(root, "ecoia")} == {"ecoia/breakdown.json", "ecoia/impact.html"}
    page = Path(client.download_artifacts(root, "ecoia/impact.html")).read_text(encoding="utf-8")
    assert "Content-Security-Policy" in page
    assert "<script" not in page
    assert len(page) < 8000
    # Again, and once more after a correction downwards.
    delivery.deliver(journal, configured(zone="FRA"))
    assert len(client.get_metric_history(root, "ecoia/energy_kwh")) == 1
    # Files are read in the order of their random names: delivery itself wrote one, for the child that left no outcome.
    (first,) = [record for record in journal.scan().records if record.run_id == root and record.kind == semconv.KIND_SPAN]
    write(journal, [training(target=target, run_id=root, cpu=0, replaces=first.record_id)])
    delivery.deliver(journal, configured(zone="FRA"))
    assert client.get_run(root).data.metrics["ecoia/energy/cpu_kwh"] == pytest.approx(0.001)


def test_without_a_zone_there_is_no_co2e(journal: Journal, tracking_uri: str, target: str) -> None:
    run_id = api(tracking_uri).create_run("0").info.run_id
    write(journal, [training(target=target, run_id=run_id)])
    delivery.deliver(journal, configured())
    run = api(tracking_uri).get_run(run_id)
    assert "ecoia/co2e_kg" not in run.data.metrics
    assert "ecoia.factor" not in run.data.tags
    assert run.data.tags["ecoia.outcome"] == "abandoned"  # nobody said how it ended
    # Naming one later computes it for what is there already.
    delivery.deliver(journal, configured(zone="FRA"))
    assert api(tracking_uri).get_run(run_id).data.metrics["ecoia/co2e_kg"] > 0


def test_a_deleted_run_costs_no_record(journal: Journal, tracking_uri: str, target: str) -> None:
    run_id = api(tracking_uri).create_run("0").info.run_id
    api(tracking_uri).delete_run(run_id)
    write(journal, [training(target=target, run_id=run_id), ending(target=target, run_id=run_id)])
    result = delivery.deliver(journal, configured())
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
        delivery.deliver(journal, configured())
    runs = {run.data.tags["ecoia.run"]: run for run in view_runs(tracking_uri, "vadore")}
    assert set(runs) == {"ecoia-session-1", "gone" * 8}
    assert len(view_runs(tracking_uri, "vadore")) == 2
    run = runs["ecoia-session-1"]
    assert run.info.status == status
    assert run.data.tags["ecoia.phase"] == "training"
    assert run.data.tags["ecoia.outcome"] == outcome
    assert run.data.metrics["ecoia/energy_kwh"] > 0


def test_inference_is_shown_by_service_instance_and_day(journal: Journal, tracking_uri: str, target: str) -> None:
    same: dict[str, Any] = {"target": target, "phase": "inference", "run_id": None, "units_micro": 1_000_000}
    write(journal, [training(**same, at=at, cpu=3_600_000) for at in (0, 600, 3600, 7200, 86_400)])
    for _ in range(2):
        delivery.deliver(journal, configured())
    runs = {run.data.tags["ecoia.day"]: run for run in view_runs(tracking_uri, "vadore")}
    assert len(view_runs(tracking_uri, "vadore")) == 2
    run = runs[DAY]
    assert run.data.metrics["ecoia/units"] == 4
    assert run.info.status == "FINISHED"
    history = api(tracking_uri).get_metric_history(run.info.run_id, "ecoia/hourly/units")
    assert [(point.step, point.value) for point in history] == [(12, 2.0), (13, 1.0), (14, 1.0)]


def serving(target: str, **changes: Any) -> Record:
    """What one worker of a service answered: a request of two units."""
    usual: dict[str, Any] = {"phase": "inference", "run_id": None, "endpoint": "/predict", "units_micro": 2_000_000}
    return training(target=target, **{**usual, **changes})


def the_run(uri: str, service: str = "vadore") -> Any:
    (run,) = view_runs(uri, service)
    return run


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
    delivery.deliver(journal, configured())
    assert the_run(tracking_uri).info.status == "RUNNING"
    for worker in workers:
        worker.kill()
        worker.wait()
    delivery.deliver(journal, configured())
    first = the_run(tracking_uri)
    assert first.info.status == "FINISHED"
    sent += [serving(target, pid=pid, at=at, cpu=3_600_000) for pid, at in ((3, 600), (4, 4000))]
    workers = [host(sent[2]), host(sent[3])]
    delivery.deliver(journal, configured())
    again = the_run(tracking_uri)
    assert (again.info.run_id, again.info.status) == (first.info.run_id, "RUNNING")
    assert again.info.end_time == first.info.end_time, "it has not ended again"
    for worker in workers:
        worker.kill()
        worker.wait()
    for _ in range(2):
        delivery.deliver(journal, configured())
    last = the_run(tracking_uri)
    assert (last.info.run_id, last.info.status) == (first.info.run_id, "FINISHED")
    assert last.data.metrics["ecoia/requests"] == 4
    assert last.data.metrics["ecoia/units"] == 8
    assert last.data.metrics["ecoia/energy/cpu_kwh"] == pytest.approx(4e-6)
    assert ledger(tracking_uri) == fold(sent)
    history = api(tracking_uri).get_metric_history(last.info.run_id, "ecoia/energy_kwh")
    assert [point.value for point in history] == sorted(point.value for point in history), "a day's total only grows"
    hours = api(tracking_uri).get_metric_history(last.info.run_id, "ecoia/hourly/requests")
    # An hour that was told already is told again as it is now, at the same step.
    assert [(point.step, point.value) for point in hours] == [(12, 2.0), (12, 3.0), (13, 1.0)]


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
        delivery.deliver(journal, configured(zone="FRA"))
    run = the_run(tracking_uri)
    metrics = run.data.metrics
    assert metrics["ecoia/energy/cpu_kwh"] == pytest.approx(3e-6)
    assert metrics["ecoia/start-up/energy_kwh"] == pytest.approx(2e-6, rel=1e-5)
    assert metrics["ecoia/idle/energy_kwh"] == pytest.approx(20e-6, rel=1e-5)
    assert metrics["ecoia/idle/co2e_kg"] == pytest.approx(metrics["ecoia/idle/energy_kwh"] * 0.04144, rel=1e-3)
    assert metrics["ecoia/co2e_kg"] == pytest.approx(metrics["ecoia/energy_kwh"] * 0.04144, rel=1e-3)
    assert (metrics["ecoia/requests"], metrics["ecoia/units"]) == (1, 2)  # loading a model answers nobody
    history = api(tracking_uri).get_metric_history(run.info.run_id, "ecoia/hourly/idle_energy_kwh")
    assert [point.step for point in history] == [12, 13]
    table = json.loads(Path(api(tracking_uri).download_artifacts(run.info.run_id, "ecoia/breakdown.json")).read_text())
    assert [line[1:3] for line in table["data"]] == [["idle", ""], ["span", "/predict"], ["span", semconv.MODEL_LOADING]]
    waiting = the_run(tracking_uri, "only-waits")
    assert waiting.data.metrics["ecoia/requests"] == 0
    assert "ecoia/energy_kwh" not in waiting.data.metrics


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
        eventually(lambda: len(idle_records()) >= 3)
        process.communicate()
    assert {record.service for record in idle_records()} == {"vadore"}
    assert all(record.idle_separated and record.reserved_share > 0 for record in idle_records())
    delivery.deliver(journal, configured())
    runs = view_runs(tracking_uri, "vadore")
    shown = sum(run.data.metrics["ecoia/idle/energy_kwh"] for run in runs)
    assert shown == pytest.approx(sum(sum(filter(None, r.energy_microjoules.values())) for r in idle_records()) / 3.6e12)
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
        assert not delivery.deliver(journal, configured()).problems
    run = client.get_run(the_run(tracking_uri).info.run_id)
    assert run.data.tags["ecoia.model_version"] == ",".join(sorted(versions))
    assert [model.model_id for model in run.inputs.model_inputs] == [logged.model_id]


@pytest.mark.parametrize(
    "boundary",
    [
        pytest.param(utc("2026-11-26T00:00"), id="midnight"),
        pytest.param(utc("2026-12-31T23:00"), id="the quarter's end in Paris"),
    ],
)
@pytest.mark.parametrize("jump_seconds", [0, 5 * 3600, -5 * 3600], ids=["no jump", "forward", "back"])
def test_a_request_over_a_boundary_counts_once_whatever_the_clock_does(
    journal: Journal, tracking_uri: str, target: str, monkeypatch: pytest.MonkeyPatch, boundary: int, jump_seconds: int
) -> None:
    """The request begins before the boundary; the clock on the wall passes or jumps it, or back over it, meanwhile."""
    second = 1_000_000_000
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri)
    key = Key("vadore", "inference", None, "/predict", None, None)
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
    assert delivery.deliver(journal, configured()).pending == 0
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
    total = sum(run.data.metrics.get("ecoia/energy_kwh", 0) for run in runs)
    assert total == pytest.approx(sum(row["energy_microjoules"]["cpu"] or 0 for row in rows if row["kind"] == "span") / 3.6e12)
    zone = ZoneInfo("Europe/Paris")
    by_quarter = aggregation.by_quarter(aggregation.table(rows, zone))
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
    delivery.deliver(journal, configured(zone="FRA", catalogue=str(folder)))
    run = api(tracking_uri).get_run(root)
    assert run.data.metrics["ecoia/co2e_kg"] == pytest.approx(0.001 * 0.1, rel=1e-4)
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
    result = delivery.deliver(journal, set_up)
    assert result.problems == ()
    built = build_report(ledger(tracking_uri), Quarter(2026, 3), settings=set_up, catalogue=register, factors=default_factors())
    run = api(tracking_uri).get_run(root)
    assert run.data.metrics["ecoia/co2e_kg"] == pytest.approx(built.totals.co2e.value)
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
    result = delivery.deliver(journal, configured(zone="FRA", pue=1.2, catalogue=str(folder)))
    (told,) = result.problems
    assert "sites[0].instances" in told
    assert result.pending == 0
    for run in runs:
        assert api(tracking_uri).get_run(run).data.tags["ecoia.factor"].endswith("; PUE 1.2")


def test_the_page_escapes_what_it_shows() -> None:
    from ecoia.delivery.run_views import build_view

    rows = fold([training(service="<b>", phase="&")])
    view = build_view(rows, [], known=Knowledge(default_factors()), artifacts=True)
    (page,) = view.artifacts.values()
    assert "<td>&lt;b&gt;</td><td>&amp;</td>" in page
    assert json.loads(view.table or "")["data"][0][:2] == ["<b>", "&"]


# ---------------------------------------------------------------- the helper


def test_a_delivery_killed_at_any_call_is_completed_by_the_next(journal: Journal, migrated: Path, tmp_path: Path) -> None:
    write(journal, [training(), training(run_id=None, phase="inference", units_micro=1_000_000), ending()])
    done = subprocess.run(
        [
            sys.executable,
            str(Path(__file__).parents[1] / "support" / "kill_at_each_call.py"),
            str(journal.home),
            str(migrated),
            str(tmp_path),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["wrong"] == [], done.stderr
    assert told["killed"] > 15


def test_a_helper_killed_half_way_costs_nothing(journal: Journal, tracking_uri: str, target: str) -> None:
    for day in range(12):
        write(journal, [training(target=target, at=day * 86_400 + minute * 60, run_id=None) for minute in range(60)])
    process = subprocess.Popen([sys.executable, "-c", FOLLOW, str(journal.home)])
    with closing(sqlite3.connect(tracking_uri.removeprefix("sqlite:///"), timeout=30)) as database:
        eventually(lambda: database.execute("SELECT count(*) FROM runs").fetchone()[0] >= 3)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert delivery.follow(journal, configured(), poll_seconds=0.01)
    assert ledger(tracking_uri) == fold(journal.scan().records)
    assert delivery.deliver(journal, configured()).delivered == 0


def test_the_helper_outlives_its_hosts_and_ends_with_nothing_left(
    journal: Journal, tracking_uri: str, target: str, host: Callable[..., subprocess.Popen[str]]
) -> None:
    process = host(training(target=target))
    helping = subprocess.Popen([sys.executable, "-c", FOLLOW, str(journal.home)])
    eventually(lambda: ledger(tracking_uri))
    assert not delivery.follow(journal, configured())  # one helper a home
    assert helping.poll() is None  # the host lives
    process.kill()
    assert helping.wait(60) == 0
    (run,) = view_runs(tracking_uri, "vadore")
    assert run.data.tags["ecoia.outcome"] == "abandoned"
    assert run.info.status == "KILLED"
    assert ledger(tracking_uri) == fold(journal.scan().records)
    assert delivery.deliver(journal, configured()).delivered == 0


def test_no_schema_is_made_while_a_measured_process_lives(
    journal: Journal, tmp_path: Path, host: Callable[..., subprocess.Popen[str]]
) -> None:
    database = tmp_path / "late" / "mlflow.db"
    process = host(training(target=register_target(journal.home, f"sqlite:///{database}"), run_id=None))
    result = delivery.deliver(journal, configured())
    assert (result.delivered, result.pending) == (0, 1)
    assert "schema" in result.problems[0]
    assert not database.exists()
    process.kill()
    process.wait()
    assert delivery.follow(journal, configured(), poll_seconds=0.01)
    assert ledger(f"sqlite:///{database}") == fold(journal.scan().records)
    assert sorted(path.name for path in database.parent.iterdir()) == ["mlflow.db", "mlruns"]


def test_a_real_server_that_was_down_gets_everything_when_it_is_back(journal: Journal, tracking_uri: str, tmp_path: Path) -> None:
    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    write(journal, [training(target=register_target(journal.home, uri), at=at) for at in (0, 1800)])
    started = time.monotonic()
    assert delivery.follow(journal, configured(), poll_seconds=0.01, give_up_seconds=0)
    assert time.monotonic() - started < 30
    assert delivery.delivered_offsets(journal) == {}
    with mlflow_server(tracking_uri, port, tmp_path / "artifacts"):
        run_id = api(uri).create_run("0").info.run_id
        write(journal, [training(target=register_target(journal.home, uri), at=3600, run_id=run_id)])
        assert delivery.follow(journal, configured(zone="FRA"), poll_seconds=0.01)
        assert ledger(uri) == fold(journal.scan().records)
        assert delivery.deliver(journal, configured(zone="FRA")).delivered == 0
        assert api(uri).get_run(run_id).data.metrics["ecoia/co2e_kg"] > 0
        assert [item.path for item in api(uri).list_artifacts(run_id, "ecoia")] == ["ecoia/breakdown.json", "ecoia/impact.html"]


def test_a_server_on_postgresql_keeps_ledger_views_and_conflicts(journal: Journal, postgresql: str, tmp_path: Path) -> None:
    """PostgreSQL refuses what SQLite takes: NUL in a text, texts that are too long, types that only look alike."""
    with mlflow_server(postgresql, free_port(), tmp_path / "artifacts") as uri:
        target = register_target(journal.home, uri)
        run_id = api(uri).create_run("0").info.run_id
        logged = api(uri).create_logged_model(experiment_id="0", name="model")
        write(
            journal,
            [
                training(target=target, run_id=run_id),
                ending(target=target, run_id=run_id, at=30),
                *(serving(target, pid=pid, at=pid, model_version=f"models:/{logged.model_id}") for pid in range(3)),
                serving(target, kind="idle", phase=None, endpoint="a\0b", units_micro=None, spans=0),
                serving(target, at=86_400),
            ],
        )
        other = Journal(tmp_path / "other")
        register_target(other.home, uri)
        write(other, [serving(target)])
        for home in (journal, journal, other):
            result = delivery.deliver(home, configured(zone="FRA"))
            assert not result.problems
        assert (result.delivered, result.pending, len(result.conflicts)) == (0, 1, 1)
        assert ledger(uri) == fold(journal.scan().records)
        assert api(uri).get_run(run_id).data.metrics["ecoia/co2e_kg"] > 0
        days = {run.data.tags["ecoia.day"]: run for run in view_runs(uri, "vadore")}
        assert len(view_runs(uri, "vadore")) == len(days) == 2
        assert days[DAY].data.metrics["ecoia/requests"] == 3
        assert days[DAY].data.metrics["ecoia/idle/energy_kwh"] > 0
        assert [m.model_id for m in api(uri).get_run(days[DAY].info.run_id).inputs.model_inputs] == [logged.model_id]


# ---------------------------------------------------------------- starting the helper


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A stand-in for the interpreter: notes what it was started with, then stays until told. Its folder is returned."""
    script = tmp_path / "interpreter"
    script.write_text(
        f'#!/bin/sh\necho "$PPID" > {tmp_path}/parent\nenv > {tmp_path}/env\npwd > {tmp_path}/cwd\necho "$@" > {tmp_path}/argv\n'
    )
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    return tmp_path


def test_the_helper_is_nobodys_child_and_knows_the_settings(home: Path, starts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECOIA_DISABLED", "1")
    Path("ecoia.toml").write_text('zone = "FRA"\npue = 1.3\n')
    assert helper.spawn_helper(configured(delivery="helper"))
    eventually((starts / "argv").exists)
    eventually(lambda: (starts / "argv").read_text())
    assert (starts / "argv").read_text().split() == ["-P", "-m", "ecoia", "deliver", "--follow", "--home", str(home)]
    assert (starts / "cwd").read_text().strip() == str(home)
    env = dict(line.split("=", 1) for line in (starts / "env").read_text().splitlines() if "=" in line)
    assert env["ECOIA_ZONE"] == "FRA"
    assert env["ECOIA_PUE"] == "1.3"
    assert env["ECOIA_HOME"] == str(home)
    assert env["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert env["DO_NOT_TRACK"] == "true"
    assert "ECOIA_DISABLED" not in env
    import psutil

    eventually(lambda: not psutil.Process().children())


def test_no_helper_where_it_is_not_wanted_or_runs(home: Path, starts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not helper.spawn_helper(configured(delivery="manual"))
    with helper.try_lock(home, helper.HELPER_LOCK) as free:
        assert free
        assert not helper.spawn_helper(configured(delivery="helper"))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert not helper.spawn_helper(configured(delivery="helper"))
    assert not (starts / "argv").exists()


def test_a_home_that_cannot_be_used_starts_nothing(home: Path, starts: Path) -> None:
    home.parent.mkdir(exist_ok=True)
    home.touch()
    assert not helper.spawn_helper(configured(delivery="helper"))


def test_the_helpers_log_is_bounded(home: Path, starts: Path) -> None:
    (home / "delivery").mkdir(parents=True)
    (home / "delivery" / "helper.log").write_bytes(b"x" * (300 * 1024))
    assert helper.spawn_helper(configured(delivery="helper"))
    assert (home / "delivery" / "helper.log").stat().st_size == 0
