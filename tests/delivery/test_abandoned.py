"""Outcomes for runs whose process died without one."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

from ecoia.delivery.abandoned import close_abandoned
from ecoia.delivery.deliver import deliver
from ecoia.keeping.journal import Journal
from ecoia.keeping.open_windows import OpenWindow
from ecoia.records import fold
from support.deliveries import configured, ledger
from support.mlflow_stores import MLFLOW_WARNINGS
from support.records import ending, training, write

pytestmark = [pytest.mark.mlflow, *(pytest.mark.filterwarnings(line) for line in MLFLOW_WARNINGS)]


def test_a_killed_process_leaves_an_abandoned_run(journal: Journal, host: Callable[..., subprocess.Popen[str]]) -> None:
    process = host(training(), training(at=10), training(service="smart-emploi", run_id="r2"), training(phase="inference"))
    assert close_abandoned(journal) == 0  # it lives
    process.kill()
    process.wait()
    assert close_abandoned(journal) == 2
    outcomes = [record for record in journal.scan().records if record.kind == "outcome"]
    assert sorted((r.service, r.phase, r.run_id, r.outcome) for r in outcomes) == [
        ("smart-emploi", "training", "r2", "abandoned"),
        ("vadore", "training", "ecoia-session-1", "abandoned"),
    ]
    assert max(r.end_utc_ns for r in outcomes) == training(at=10).end_utc_ns
    assert all(value is None for record in outcomes for value in record.energy_microjoules.values())
    assert close_abandoned(journal) == 0


def test_a_run_that_said_its_end_is_not_abandoned(journal: Journal) -> None:
    write(journal, [training(), ending("failed", at=10)])
    write(journal, [training(run_id=None)])
    assert close_abandoned(journal) == 0


def test_a_process_that_goes_on_in_the_next_day_is_alive(journal: Journal) -> None:
    writer = journal.writer()
    writer.append([training()])
    writer.append([training(at=86_400)])
    assert close_abandoned(journal) == 0
    writer.close()
    assert close_abandoned(journal) == 1


def test_a_full_journal_with_a_killed_run_is_delivered_and_what_it_had_no_room_for_is_said(
    journal: Journal, tracking_uri: str, target: str
) -> None:
    write(journal, [training(target=target)])
    window = OpenWindow(journal.home, "1-aaaaaa-0badcafe.jsonl")
    window.keep([training(target=target, at=60)], ("", 0))
    window.close()
    full = Journal(journal.home, max_bytes=10)
    result = deliver(full, configured())
    assert (result.delivered, result.pending) == (1, 1)
    assert "at its cap" in " ".join(result.problems)
    assert ledger(tracking_uri) == fold(journal.scan().records)
    result = deliver(journal, configured())
    assert (result.delivered, result.pending, result.problems) == (3, 0, ())  # the window, and two runs that were abandoned
