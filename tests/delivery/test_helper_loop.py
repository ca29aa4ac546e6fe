"""The helper: it drains the journal, outlives the measured processes and ends."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from ecoia.delivery.cursors import delivered_offsets
from ecoia.delivery.deliver import deliver
from ecoia.delivery.helper_loop import follow
from ecoia.keeping.destinations import register_target
from ecoia.keeping.journal import Journal
from ecoia.records import fold
from support.deliveries import api, configured, eventually, help_out, ledger, view_runs
from support.mlflow_stores import MLFLOW_WARNINGS, free_port, mlflow_server
from support.records import training, write

pytestmark = [pytest.mark.mlflow, *(pytest.mark.filterwarnings(line) for line in MLFLOW_WARNINGS)]

FOLLOW = (
    "import sys; from ecoia import settings; from ecoia.delivery.helper_loop import follow; "
    "from ecoia.keeping.journal import Journal; "
    "follow(Journal(sys.argv[1]), settings.load({'home': sys.argv[1]}), poll_seconds=0.05, give_up_seconds=1)"
)


def test_the_helper_gives_way_to_other_processes(journal: Journal, niceness: list[int]) -> None:
    assert help_out(journal)
    assert niceness == [10]


def test_a_helper_killed_half_way_costs_nothing(journal: Journal, tracking_uri: str, target: str) -> None:
    for day in range(12):
        write(journal, [training(target=target, at=day * 86_400 + minute * 60, run_id=None) for minute in range(60)])
    process = subprocess.Popen([sys.executable, "-c", FOLLOW, str(journal.home)])
    with closing(sqlite3.connect(tracking_uri.removeprefix("sqlite:///"), timeout=600)) as database:
        eventually(lambda: database.execute("SELECT count(*) FROM runs").fetchone()[0] >= 3, by=process)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert help_out(journal)
    assert ledger(tracking_uri) == fold(journal.scan().records)
    assert deliver(journal, configured()).delivered == 0


def test_the_helper_outlives_its_hosts_and_ends_with_nothing_left(
    journal: Journal, tracking_uri: str, target: str, host: Callable[..., subprocess.Popen[str]]
) -> None:
    process = host(training(target=target))
    helping = subprocess.Popen([sys.executable, "-c", FOLLOW, str(journal.home)])
    eventually(lambda: ledger(tracking_uri), by=helping)
    assert not follow(journal, configured())  # one helper a home
    assert helping.poll() is None  # the host lives
    process.kill()
    assert helping.wait() == 0
    (run,) = view_runs(tracking_uri, "vadore")
    assert run.data.tags["ecoia.outcome"] == "abandoned"
    assert run.info.status == "KILLED"
    assert ledger(tracking_uri) == fold(journal.scan().records)
    assert deliver(journal, configured()).delivered == 0


def test_no_schema_is_made_while_a_measured_process_lives(
    journal: Journal, tmp_path: Path, host: Callable[..., subprocess.Popen[str]]
) -> None:
    database = tmp_path / "late" / "mlflow.db"
    process = host(training(target=register_target(journal.home, f"sqlite:///{database}"), run_id=None))
    result = deliver(journal, configured())
    assert (result.delivered, result.pending) == (0, 1)
    assert "schema" in result.problems[0]
    assert not database.exists()
    process.kill()
    process.wait()
    assert help_out(journal)
    assert ledger(f"sqlite:///{database}") == fold(journal.scan().records)
    assert sorted(path.name for path in database.parent.iterdir()) == ["mlflow.db", "mlruns"]


def test_a_real_server_that_was_down_gets_everything_when_it_is_back(journal: Journal, tracking_uri: str, tmp_path: Path) -> None:
    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    write(journal, [training(target=register_target(journal.home, uri), at=at) for at in (0, 1800)])
    assert help_out(journal)
    assert delivered_offsets(journal) == {}
    with mlflow_server(tracking_uri, port, tmp_path / "artifacts"):
        run_id = api(uri).create_run("0").info.run_id
        write(journal, [training(target=register_target(journal.home, uri), at=3600, run_id=run_id)])
        assert help_out(journal, zone="FRA")
        assert ledger(uri) == fold(journal.scan().records)
        assert deliver(journal, configured(zone="FRA")).delivered == 0
        assert api(uri).get_run(run_id).data.metrics["ecoia/co2e_g"] > 0
        assert [item.path for item in api(uri).list_artifacts(run_id, "ecoia")] == ["ecoia/breakdown.json", "ecoia/impact.html"]
