"""What people see on runs is the same in the oldest MLflow, on a server of its own, as in the newest, on SQLite.

One program (``support/mlflow_views.py``) makes runs, delivers records of them and reads them back, once for each.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.environment import clean_environment
from support.mlflow_stores import free_port, migrated, migrated_by_old, mlflow_server, old_mlflow

__all__ = ["migrated", "migrated_by_old"]  # fixtures

pytestmark = pytest.mark.mlflow

TESTS = Path(__file__).resolve().parents[1]


def told_by(python: Path, uri: str, folder: Path) -> dict[str, Any]:
    done = subprocess.run(
        [python, TESTS / "support" / "mlflow_views.py", uri, folder / "home", folder / "answer.json"],
        cwd=folder, capture_output=True, text=True, timeout=600, check=False,
        env=clean_environment() | {"PYTHONPATH": str(TESTS), "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads((folder / "answer.json").read_text(encoding="utf-8"))
    return told


@pytest.fixture(scope="module", params=["3-sqlite", "2-server"])
def told(
    request: pytest.FixtureRequest, migrated: Path, migrated_by_old: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    version, _, kind = request.param.partition("-")
    python = Path(sys.executable) if version == "3" else old_mlflow()
    folder = tmp_path_factory.mktemp(request.param)
    shutil.copy(migrated if version == "3" else migrated_by_old, folder / "mlflow.db")
    database = f"sqlite:///{folder / 'mlflow.db'}"
    if kind == "sqlite":
        return told_by(python, database, folder)
    with mlflow_server(database, free_port(), folder / "artifacts", python=python) as uri:
        return told_by(python, uri, folder)


def run(told: dict[str, Any], name: str, after: int = 1) -> dict[str, Any]:
    """Return what a run shows after so many further deliveries."""
    found: dict[str, Any] = told["shown"][after]["vadore-cv"]["runs"][told["ids"][name]]
    return found


def test_everything_is_delivered_once(told: dict[str, Any]) -> None:
    assert told["problems"] == []
    assert told["ledger"] == told["journal"]
    assert told["shown"][0] == told["shown"][1], "a second delivery changes nothing"


def test_a_run_shows_the_work_of_all_that_belongs_to_it(told: dict[str, Any]) -> None:
    root, child = run(told, "root"), run(told, "child")
    figures = {"ecoia/energy_wh": 3, "ecoia/co2e_g": 3 * 0.04144, "ecoia/units_per_wh": 4 / 3, "ecoia/outside_wh": 1}
    assert {name: root["metrics"][name] for name in figures} == pytest.approx(figures, rel=1e-3)
    assert child["metrics"]["ecoia/energy_wh"] == pytest.approx(1)
    assert root["points"]["system/ecoia_power_w"] > 2
    assert (root["tags"]["ecoia.group"], child["tags"]["ecoia.share_of"]) == ("ecoia-group-1f", told["ids"]["root"])
    note = root["tags"]["mlflow.note.content"]
    assert note.startswith("ecoia: 3.00 Wh")
    assert "runs below it that failed" in note
    assert root["artifacts"] == ["ecoia/breakdown.json", "ecoia/impact.html"]
    assert json.loads(root["tags"]["mlflow.loggedArtifacts"]) == [{"path": "ecoia/breakdown.json", "type": "table"}]


def test_experiments_and_runs_of_ecoias_own_say_what_they_are(told: dict[str, Any]) -> None:
    shown = told["shown"][1]
    assert shown["vadore-cv"]["tags"]["mlflow.note.content"].startswith("ecoia: 3.00 Wh, 0.12 g CO2e in 1 run since ")
    session, day = sorted(shown["ecoia/vadore"]["runs"].values(), key=lambda each: "ecoia.day" in each["tags"])
    assert (session["tags"]["ecoia.run"], session["status"]) == ("ecoia-session-2", "FINISHED")
    assert (day["tags"]["ecoia.model_version"], day["metrics"]["ecoia/hourly/requests"]) == ("models:/cv/1", 1)
    (ledger,) = shown["ecoia/ledger"]["runs"].values()
    assert ledger["metrics"]["ecoia/ledger/energy_kwh"] == pytest.approx(0.006)


def test_what_is_not_known_any_more_has_no_number(told: dict[str, Any]) -> None:
    for name in ("root", "child"):
        shown = run(told, name, after=2)
        assert shown["metrics"]["ecoia/co2e_g"] is None, "NaN"
        assert shown["points"]["ecoia/co2e_g"] == 2
        assert "ecoia.factor" not in shown["tags"]


def test_the_runs_are_listed_and_parted_by_component(told: dict[str, Any]) -> None:
    listed = {run_id: (round(energy, 3), co2e) for run_id, energy, co2e in told["listed"]}
    assert listed == {told["ids"]["root"]: (3, None), told["ids"]["child"]: (1, None)}
    assert told["components"] == ["cpu/estimated/(load-model:generic-tdp)", "ram/estimated/(ram-model)"]
