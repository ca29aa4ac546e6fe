"""One delivery: safe to repeat, to interrupt and to reorder; two homes that claim one instance."""

from __future__ import annotations

import errno
import itertools
import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ecoia.delivery import sender
from ecoia.delivery.abandoned import close_abandoned
from ecoia.delivery.cursors import delivered_offsets, is_delivered, read_cursors
from ecoia.delivery.deliver import deliver
from ecoia.delivery.mlflow_ledger import MlflowLedger
from ecoia.delivery.mlflow_store import MlflowStore
from ecoia.keeping.destinations import register_target
from ecoia.keeping.journal import Journal
from ecoia.keeping.journal_lines import encode_line
from ecoia.keeping.live_totals import LiveTotals
from ecoia.periods import DAY_NS, utc_day
from ecoia.records import fold, merge_rows
from ecoia.records.id_sets import ids_of
from support.bursts import drain, instances
from support.deliveries import api, configured, help_out, ledger, serving, view_runs
from support.mlflow_stores import MLFLOW_WARNINGS, free_port, mlflow_server
from support.records import DAY, NOON_NS, ending, training, write

pytestmark = [pytest.mark.mlflow, *(pytest.mark.filterwarnings(line) for line in MLFLOW_WARNINGS)]

numbers = itertools.count()


def test_what_the_journal_holds_arrives_once(journal: Journal, tracking_uri: str, target: str) -> None:
    records = [training(target=target, at=second, run_id=None) for second in range(0, 5400, 60)]
    write(journal, records)
    result = deliver(journal, configured())
    assert (result.delivered, result.pending) == (90, 0)
    assert (result.conflicts, result.problems, result.targets) == ((), (), (tracking_uri,))
    assert ledger(tracking_uri) == fold(journal.scan().records)
    again = deliver(journal, configured())
    assert (again.delivered, again.pending) == (0, 0)
    assert ledger(tracking_uri) == fold(journal.scan().records)


def test_the_journal_says_what_was_delivered(journal: Journal, tracking_uri: str, target: str) -> None:
    write(journal, [training(target=target, run_id=None), training(run_id=None), training(target=target, run_id=None)])
    assert delivered_offsets(journal) == {}
    assert help_out(journal)  # leaves what has no store
    entries = journal.scan().entries
    cursors = read_cursors(journal)
    assert [is_delivered(entry, cursors) for entry in entries] == [True, False, True]
    assert delivered_offsets(journal) == {entries[0].file: entries[0].end_offset}
    assert deliver(journal, configured(), tracking_uri=tracking_uri).delivered == 1
    assert delivered_offsets(journal) == {entries[0].file: entries[2].end_offset}


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
        assert deliver(home, configured()).pending == 0  # once half-way
    assert [row for row in ledger(tracking_uri) if row["instance"] == instance] == fold(records)


def test_a_correction_reaches_the_ledger_after_what_it_corrects(journal: Journal, tracking_uri: str, target: str) -> None:
    wrong = training(target=target, cpu=9_000_000, run_id=None)
    write(journal, [wrong, training(target=target, at=30, run_id=None)])
    deliver(journal, configured())
    write(journal, [training(target=target, cpu=1_000, replaces=wrong.record_id, at=1900, run_id=None)])
    deliver(journal, configured())
    assert ledger(tracking_uri) == fold(journal.scan().records)


def test_two_homes_that_claim_one_instance_are_told(journal: Journal, tracking_uri: str, target: str, tmp_path: Path) -> None:
    write(journal, [training(target=target)])
    deliver(journal, configured())
    before = ledger(tracking_uri)
    other = Journal(tmp_path / "other")
    register_target(other.home, tracking_uri)
    write(other, [training(target=target, run_id=None), training(target=target, at=86_400, run_id=None)])
    result = deliver(other, configured())
    assert len(result.conflicts) == 1
    assert journal.home_id in result.conflicts[0]
    assert other.home_id in result.conflicts[0]
    assert (result.delivered, result.pending) == (1, 1)  # the other day belongs to nobody else
    assert [row for row in ledger(tracking_uri) if row["half_hour_utc_ns"] < NOON_NS + 80_000 * 10**9] == before


CLAIM = (
    "import sys, time; from ecoia import settings; from ecoia.delivery.deliver import deliver; "
    "from ecoia.keeping.journal import Journal; import mlflow.tracking; "
    "print('ready', flush=True); sys.stdin.readline(); result = deliver(Journal(sys.argv[1]), settings.load()); "
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
    arrived = {record_id for row in ledger(tracking_uri) for record_id in ids_of(row)}
    for home, line in zip(homes, told, strict=True):
        kept = [entry.record.record_id for entry in home.scan().entries]
        cursors = read_cursors(home)
        waiting = {e.record.record_id for e in home.scan().entries if not is_delivered(e, cursors)}
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
        found, store.search = store.search, lambda *_: []  # type: ignore[method-assign]
        MlflowLedger(store, by_sql=False).upsert_days("host-1", home.home_id, {DAY: fold(records[home])}, list)
        store.search = found  # type: ignore[method-assign]
    both = ledger(tracking_uri)
    assert sum(row["spans"] for row in both) == 2
    for home in (journal, other):
        write(home, [*records[home], serving(target, at=1800)])
    results = {home: deliver(home, configured()) for home in (journal, other)}
    assert sorted(len(result.conflicts) for result in results.values()) == [0, 1]
    assert sum(row["spans"] for row in ledger(tracking_uri)) == 3, "what both had sent, and what the first sent since"
    days = api(tracking_uri).search_runs([api(tracking_uri).get_experiment_by_name("ecoia/ledger").experiment_id])
    owners = {run.data.tags["ecoia.home"]: run.data.tags["ecoia.kind"] for run in days}
    assert owners == {home.home_id: "ledger" for home in (journal, other)}, "nobody writes to, or takes away, the other's day"


def test_what_the_ledger_refuses_is_in_no_view(journal: Journal, tracking_uri: str, target: str, tmp_path: Path) -> None:
    write(journal, [training(target=target, phase="inference", run_id=None)])
    deliver(journal, configured())
    other = Journal(tmp_path / "other")
    register_target(other.home, tracking_uri)
    write(other, [training(target=target, phase="inference", run_id=None, service="of-the-other-home")])
    assert len(deliver(other, configured()).conflicts) == 1
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
    result = deliver(journal, configured())
    assert (result.delivered, result.pending) == (2, 0)
    assert sorted(problem.split(":")[0] for problem in result.problems) == ["1 journal line(s) not read"] * 3
    assert ledger(tracking_uri) == fold(journal.scan().records)


def test_a_file_that_cannot_be_read_is_named_and_the_others_are_delivered(
    journal: Journal, tracking_uri: str, target: str
) -> None:
    write(journal, [training(target=target, run_id=None)])
    (name,) = journal.files()
    unreadable = journal.folder / name.replace(".jsonl", "0.jsonl")
    unreadable.mkdir()  # the administrator can read every file
    result = deliver(journal, configured())
    assert (result.delivered, result.pending, result.unread_files) == (1, 0, 1)
    assert [str(unreadable) in problem for problem in result.problems] == [True]
    assert len(ledger(tracking_uri)) == 1
    write(journal, [training(target=target, run_id=None, at=60)])
    assert deliver(journal, configured()).delivered == 1, "the cursors moved"
    unreadable.rmdir()
    assert deliver(journal, configured()).unread_files == 0


@pytest.mark.parametrize("damage", ["a file in its place", "another account's", "a broken link"])
def test_a_day_that_cannot_be_read_is_named_and_the_others_are_delivered(
    journal: Journal, tracking_uri: str, target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    write(journal, [training(target=target, run_id=None, at=86_400 * day) for day in range(3)])
    folder, kept = journal.folder / utc_day(NOON_NS + DAY_NS), tmp_path / "kept"
    with monkeypatch.context() as patched:
        if damage == "another account's":  # the tests may run as an account that reads everything
            listed = os.scandir

            def refuse(path: Any) -> Any:
                if isinstance(path, str) and Path(path) == folder:
                    raise PermissionError(errno.EACCES, "Permission denied")
                return listed(path)

            patched.setattr(os, "scandir", refuse)
        else:
            folder.rename(kept)
            folder.write_text("") if "file" in damage else folder.symlink_to(tmp_path / "nowhere" / "there")
        for delivered in (2, 0):
            result = deliver(journal, configured())
            assert (result.delivered, result.pending, result.unread_files) == (delivered, 0, 1)
            assert [f"'{folder}'" in problem for problem in result.problems] == [True]
        assert len(ledger(tracking_uri)) == 2
        assert help_out(journal), "the helper ends"
        assert LiveTotals(journal.home).look().values
    if kept.exists():
        folder.unlink()
        kept.rename(folder)
    result = deliver(journal, configured())
    assert (result.delivered, result.unread_files) == (1, 0)
    assert len(ledger(tracking_uri)) == 3


def test_a_run_whose_outcome_may_be_in_a_day_that_cannot_be_read_is_not_called_abandoned(journal: Journal) -> None:
    write(journal, [training(), training(at=3 * 86_400, run_id="ecoia-later")])
    day = journal.folder / utc_day(NOON_NS + 2 * DAY_NS)
    day.write_text("")
    assert close_abandoned(journal) == 1, "the later run has ended after that day"
    day.unlink()
    assert close_abandoned(journal) == 1


def test_a_run_whose_outcome_may_be_in_a_file_that_cannot_be_read_is_not_called_abandoned(journal: Journal) -> None:
    write(journal, [training()])
    (name,) = journal.files()
    day = journal.folder / "2031-01-01"
    day.mkdir()
    (day / name.rpartition("/")[2]).mkdir()
    assert close_abandoned(journal) == 0
    (day / name.rpartition("/")[2]).rmdir()
    assert close_abandoned(journal) == 1


def test_a_store_that_takes_most_of_its_time_to_get_ready_is_sent_something(
    journal: Journal, tracking_uri: str, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(journal, [training(target=target, run_id=None)])
    late_seconds, ready = [0.0], MlflowStore.prepare

    def late(store: MlflowStore) -> None:
        ready(store)
        late_seconds[0] = 900.0

    monkeypatch.setattr(MlflowStore, "prepare", late)
    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + late_seconds[0], sleep=time.sleep)
    monkeypatch.setattr(sender, "time", clock)
    result = deliver(journal, configured(delivery_seconds=1000))
    assert (result.delivered, result.pending, result.cut_short) == (1, 0, False)


def test_records_without_a_store_go_where_the_hand_sends_them(journal: Journal, tracking_uri: str) -> None:
    write(journal, [training(run_id=None)])
    assert help_out(journal)
    assert ledger(tracking_uri) == []
    assert list(Path.cwd().iterdir()) == []
    assert deliver(journal, configured(), tracking_uri=tracking_uri).delivered == 1
    assert ledger(tracking_uri) == fold(journal.scan().records)


def test_a_database_in_memory_is_refused(journal: Journal) -> None:
    write(journal, [training(target=register_target(journal.home, "sqlite:///:memory:"))])
    result = deliver(journal, configured())
    assert result.pending == len(journal.scan().entries)
    assert "MLFLOW_TRACKING_URI" in result.problems[0]


def test_deleting_the_ledger_days_costs_nothing(journal: Journal, tracking_uri: str, target: str) -> None:
    write(journal, [training(target=target)])
    deliver(journal, configured())
    before = ledger(tracking_uri)
    client = api(tracking_uri)
    for run in client.search_runs([client.get_experiment_by_name("ecoia/ledger").experiment_id]):
        client.delete_run(run.info.run_id)
    assert ledger(tracking_uri) == []
    deliver(journal, configured())
    assert ledger(tracking_uri) == before


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
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["wrong"] == [], done.stderr
    assert told["killed"] > 15


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
            result = deliver(home, configured(zone="FRA"))
            assert not result.problems
        assert (result.delivered, result.pending, len(result.conflicts)) == (0, 1, 1)
        assert ledger(uri) == fold(journal.scan().records)
        assert api(uri).get_run(run_id).data.metrics["ecoia/co2e_g"] > 0
        days = {run.data.tags["ecoia.day"]: run for run in view_runs(uri, "vadore")}
        assert len(view_runs(uri, "vadore")) == len(days) == 2
        assert days[DAY].data.metrics["ecoia/requests"] == 3
        assert days[DAY].data.metrics["ecoia/idle/energy_wh"] > 0
        assert [m.model_id for m in api(uri).get_run(days[DAY].info.run_id).inputs.model_inputs] == [logged.model_id]
        those = instances(8)  # come back at once after a day's outage
        assert drain(uri, those, within_seconds=0.5, at_once=8).failed == []
        expected = merge_rows(row for each in those for rows in each.days.values() for row in rows)
        assert [row for row in ledger(uri) if row["instance"].startswith("burst-")] == expected, "none lost, none twice"
