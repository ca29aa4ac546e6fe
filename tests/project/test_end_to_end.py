"""The main job from end to end, with real parts only: a measured program, its runs in MLflow, and the quarter's report."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from ecoia.keeping.journal import Journal
from support.browser import ARGUMENTS
from support.mlflow_stores import MLFLOW_WARNINGS, free_port, migrated, mlflow_server
from support.warm_commands import warm_folder

__all__ = ["migrated"]

pytestmark = [pytest.mark.mlflow, *(pytest.mark.filterwarnings(warning) for warning in MLFLOW_WARNINGS)]

PROGRAM = """
import concurrent.futures, hashlib, sys
import mlflow
import ecoia

def work(rounds):
    value = b""
    for _ in range(rounds):
        value = hashlib.sha256(value).digest()
    return value

@ecoia.track(service="vadore", phase="training", units=10)
def train():
    return work(400_000)

@ecoia.track(service="analyse-cv", phase="inference", units=lambda result: 2)
def infer(_):
    return work(500)

mlflow.set_experiment("vadore")
with mlflow.start_run() as run:
    train()
    with ecoia.track(service="vadore", phase="evaluation") as span:
        span.quality("accuracy", 0.875)
        work(50_000)
with concurrent.futures.ThreadPoolExecutor(4) as pool:
    list(pool.map(infer, range(300)))
print(run.info.run_id)
"""


@dataclass(frozen=True)
class Done:
    """The journal, the MLflow store and the run of one measured program."""

    folder: Path
    home: Path
    uri: str
    run_id: str
    environment: dict[str, str]

    def ecoia(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [warm_folder() / "ecoia", *words],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )

    def report(self, source: str) -> bytes:
        out = self.folder / source
        result = self.ecoia("report", "--from", source, "--format", "json", "--out", str(out))
        assert result.returncode == 0, result.stderr
        (path,) = out.glob("rapport-*.json")
        return path.read_bytes()

    def journal_microjoules(self) -> int:
        entries = Journal(self.home).scan().entries
        return sum(e or 0 for entry in entries for e in entry.record.energy_microjoules.values())


@pytest.fixture(scope="module")
def from_ledger(done: Done) -> bytes:
    """Return the report's data, read from the ledger."""
    return done.report("ledger")


@pytest.fixture(scope="module")
def done(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Done:
    """Run, measure and deliver a program that trains in an MLflow run and serves from four threads."""
    folder = tmp_path_factory.mktemp("end-to-end")
    shutil.copy(migrated, folder / "mlflow.db")
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    home = folder / "home"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ECOIA_", "MLFLOW_"))}
    environment = {
        **kept,
        "ECOIA_HOME": str(home),
        "ECOIA_DELIVERY": "manual",
        "ECOIA_ZONE": "FRA",
        "ECOIA_CATALOGUE": str(Path(__file__).resolve().parents[2] / "examples" / "organisation"),
        "MLFLOW_TRACKING_URI": uri,
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    program = folder / "program.py"
    program.write_text(PROGRAM, encoding="utf-8")
    result = subprocess.run(
        [sys.executable, str(program)], env=environment, cwd=folder, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    whole = Done(folder, home, uri, result.stdout.split()[-1], environment)
    delivered = whole.ecoia("deliver")
    assert delivered.returncode == 0, delivered.stderr
    return whole


def test_the_report_holds_every_microjoule_of_the_journal_whichever_way_it_is_read(done: Done, from_ledger: bytes) -> None:
    assert from_ledger == done.report("journal")
    totals = json.loads(from_ledger)["totals"]
    assert totals["energy_components_microjoules"] == done.journal_microjoules() > 0


def test_what_was_done_is_what_is_reported(from_ledger: bytes) -> None:
    results = {(r["service"], r["phase"]): r for r in json.loads(from_ledger)["results"]}
    assert results["vadore", "training"]["spans"] == 1
    assert results["vadore", "training"]["units"] == 10
    assert results["vadore", "evaluation"]["quality"] == {"accuracy": 0.875}
    assert results["analyse-cv", "inference"]["spans"] == 300
    assert results["analyse-cv", "inference"]["units"] == 600
    assert results["vadore", "training"]["runs"]["ok"] == 1
    energy = {key: r["measure"]["energy_components_microjoules"] for key, r in results.items()}
    assert energy["vadore", "training"] > energy["analyse-cv", "inference"] > 0


def test_delivering_again_and_deleting_the_users_run_change_no_figure(done: Done, from_ledger: bytes) -> None:
    assert done.ecoia("deliver").returncode == 0
    from mlflow import MlflowClient

    client = MlflowClient(done.uri)
    client.delete_run(done.run_id)
    try:
        assert done.ecoia("deliver").returncode == 0
        assert done.report("ledger") == from_ledger
    finally:
        client.restore_run(done.run_id)


@pytest.fixture
def ui(done: Done) -> Iterator[str]:
    """Start MLflow's own web interface on that store and return its address."""
    with mlflow_server(done.uri, free_port(), done.folder / "ui" / "artifacts") as address:
        yield address


@pytest.mark.browser
def test_the_run_page_of_mlflow_shows_the_figures_of_the_report(done: Done, from_ledger: bytes, ui: str) -> None:
    results = json.loads(from_ledger)["results"]
    run = [r["measure"] for r in results if r["service"] == "vadore"]
    expected = {
        "ecoia/energy_wh": 1000 * sum(m["energy_components"]["value"] for m in run),
        "ecoia/co2e_g": 1000 * sum(m["co2e"]["value"] for m in run),
    }
    from mlflow import MlflowClient

    experiment = MlflowClient(done.uri).get_run(done.run_id).info.experiment_id
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    assert chromium, "Chromium is not there: install it (apt-get install chromium) or say where it is in CHROMIUM"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1400, "height": 1400})
        page.goto(f"{ui}/#/experiments/{experiment}/runs/{done.run_id}")
        for name, value in expected.items():
            row = page.get_by_role("row").filter(has=page.get_by_role("link", name=name, exact=True)).first
            row.wait_for(timeout=60_000)
            shown: list[Any] = [float(cell) for cell in row.inner_text().split() if cell[:1].isdigit()]
            assert shown == [pytest.approx(value, rel=1e-9)]
        page.get_by_text("ecoia.service").first.wait_for(timeout=10_000)
        browser.close()
