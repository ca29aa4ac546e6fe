"""``ecoia compact`` and the ledger: fewer runs, the same report."""

from __future__ import annotations

from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from ecoia.keeping.destinations import register_target
from support.command_line import ecoia, fill
from support.mlflow_stores import MLFLOW_WARNINGS, migrated, tracking_uri
from support.records import kwh, record

__all__ = ["migrated", "tracking_uri"]  # fixtures

pytestmark = [pytest.mark.mlflow, *(pytest.mark.filterwarnings(line) for line in MLFLOW_WARNINGS)]


def report(folder: Path) -> bytes:
    assert ecoia("report", "--quarter", "2026Q3", "--out", folder, "--format", "csv").exit_code == 0
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*.csv")))


def test_the_days_of_a_closed_month_become_one_run_and_the_report_stays(
    home: Path, organisation: Path, tracking_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECOIA_ZONE", "FRA")
    target = register_target(home, tracking_uri)
    fill(home, *(record(f"2026-08-{day}T10:00", cpu=kwh(day), ram=None, target=target) for day in (11, 12, 13)))
    assert ecoia("deliver").exit_code == 0
    before = report(tmp_path / "before")
    done = ecoia("compact")
    assert done.exit_code == 0, done.output
    assert "3 ledger runs put together into 1 month" in done.stdout
    client = MlflowClient(tracking_uri)
    ledger = client.get_experiment_by_name("ecoia/ledger")
    assert [run.info.run_name for run in client.search_runs([ledger.experiment_id])] == ["ledger of host-1, 2026-08"]
    assert report(tmp_path / "after") == before
    assert "0 ledger runs put together into 0 months" in ecoia("compact").stdout
