"""A day that the ledger refuses stays refused for everybody who looks, until it is delivered."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from ecoia.delivery.deliver import deliver
from ecoia.delivery.refused_days import RefusedDays
from ecoia.keeping.destinations import register_target
from ecoia.keeping.journal import Journal
from support.command_line import ecoia
from support.deliveries import api, configured, help_out, ledger
from support.mlflow_stores import MLFLOW_WARNINGS
from support.records import DAY, training, write

pytestmark = [pytest.mark.mlflow, *(pytest.mark.filterwarnings(line) for line in MLFLOW_WARNINGS)]


def test_a_refused_day_is_refused_everywhere_until_it_is_delivered(
    journal: Journal, tracking_uri: str, target: str, tmp_path: Path
) -> None:
    first = Journal(tmp_path / "first")
    register_target(first.home, tracking_uri)
    write(first, [training(target=target, run_id=None)])
    assert deliver(first, configured()).pending == 0
    write(
        journal,
        [training(target=target, run_id="ecoia-1", service="of-the-second"), training(target=target, at=86_400, run_id=None)],
    )
    for _ in range(2):  # the second sending of a helper once counted the day as delivered
        assert help_out(journal)
        shown = [json.loads(line) for line in ecoia("journal", "--json").stdout.splitlines()]
        assert [(line["delivered"], line.get("refused")) for line in shown if line["kind"] == "span"] == [
            (False, True),
            (True, None),
        ]
        table = ecoia("journal")
        assert [" refused " in line for line in table.stdout.splitlines() if " span " in line] == [True, False]
        assert f"on {DAY} belongs to journal home {first.home_id}" in table.stderr
        doctor = ecoia("doctor")
        assert doctor.exit_code == 1
        assert f"BROKEN  delivery      refused: instance 'host-1' on {DAY} belongs" in doctor.stdout
    by_hand = ecoia("deliver")
    assert by_hand.exit_code == 1
    assert f"on {DAY} belongs to journal home {first.home_id}" in by_hand.stderr
    # The other home gives the day up.
    client = api(tracking_uri)
    for run in client.search_runs([client.get_experiment_by_name("ecoia/ledger").experiment_id]):
        if run.data.tags["ecoia.home"] == first.home_id:
            client.delete_run(run.info.run_id)
    assert help_out(journal)
    assert RefusedDays(journal.home).listed == ()
    assert {json.loads(line)["delivered"] for line in ecoia("journal", "--json").stdout.splitlines()} == {True}
    assert sum(row["spans"] for row in ledger(tracking_uri)) == 2
    assert "refused:" not in ecoia("doctor").stdout


def test_a_refused_day_that_was_archived_is_forgotten(journal: Journal, tracking_uri: str, target: str, tmp_path: Path) -> None:
    first = Journal(tmp_path / "first")
    write(first, [training(target=register_target(first.home, tracking_uri), run_id=None)])
    deliver(first, configured())
    write(journal, [training(target=target, run_id=None)])
    assert deliver(journal, configured()).conflicts
    shutil.rmtree(journal.folder / DAY)
    assert deliver(journal, configured()).conflicts == ()
    assert RefusedDays(journal.home).listed == ()
