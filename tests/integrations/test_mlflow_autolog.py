"""Programs that nobody changed, measured by ``ECOIA_AUTOLOG=1`` alone, and what ecoia does to those that it does not measure."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ecoia.semconv import KIND_SPAN
from ecoia_integrations import mlflow_plugin
from support.environment import clean_environment
from support.mlflow_stores import migrated
from support.programs import recorded

__all__ = ["migrated"]  # a fixture

UNTOUCHED = """
import mlflow, sys, time

mlflow.set_tracking_uri(sys.argv[1])
mlflow.set_experiment("ecoia/vadore")
with mlflow.start_run(run_name="first") as run:
    print("training", run.info.run_name)
    end = time.thread_time() + 0.1
    while time.thread_time() < end: pass
    mlflow.log_metric("accuracy", 0.9)
print(mlflow.active_run(), file=sys.stdout)
print(run.info.run_id, "ecoia" in sys.modules, file=sys.stderr)
"""
PROJECT = """
name: wine
entry_points:
  main:
    command: "python train.py"
"""
TRAIN = """
import threading, time
import ecoia

def load():
    import mlflow

thread = threading.Thread(target=load)
thread.start()
thread.join()
from mlflow import start_run
with start_run() as run:
    print("trained in", run.info.run_id)
    end = time.thread_time() + 0.1
    while time.thread_time() < end: pass
"""
"""ecoia first, and MLflow imported in a thread."""

WITHOUT_TELEMETRY = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "ECOIA_DELIVERY": "manual"}


def run_untouched(folder: Path, **environment: str) -> tuple[str, list[str]]:
    """Run the program in a folder, and return its standard output and the last words of its standard error."""
    done = subprocess.run(
        [sys.executable, "-c", UNTOUCHED, f"sqlite:///{folder}/mlflow.db"],
        cwd=folder, capture_output=True, text=True, timeout=600, check=False,
        env=clean_environment() | WITHOUT_TELEMETRY | environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr.splitlines()[-1].split()


@pytest.mark.mlflow
def test_a_variable_is_enough_and_changes_nothing_that_is_printed(tmp_path: Path) -> None:
    (tmp_path / "ecoia.toml").write_text('pue = "broken\n', encoding="utf-8")
    home = tmp_path / "home"
    output, (_, is_loaded) = run_untouched(tmp_path, ECOIA_HOME=str(home))
    assert (is_loaded, home.exists()) == ("False", False)  # nothing asks for it: ecoia is not even loaded
    (tmp_path / "ecoia.toml").write_text('autolog = true\npue = "broken\n', encoding="utf-8")
    measured, (run_id, _) = run_untouched(tmp_path, ECOIA_HOME=str(home), ECOIA_AUTOLOG="1")
    assert measured == output
    spans = [record for record in recorded(home) if record.kind == KIND_SPAN]
    assert {(record.run_id, record.service, record.phase) for record in spans} == {(run_id, "vadore", "training")}
    assert sum(record.cpu_ns for record in spans) >= 100e6
    read_only, _ = run_untouched(tmp_path, ECOIA_HOME="/proc/ecoia", ECOIA_AUTOLOG="1")
    assert read_only == output


@pytest.mark.mlflow
def test_scripts_of_the_kind_of_mlflows_tutorials_print_the_same_and_are_measured(migrated: Path, tmp_path: Path) -> None:
    """Byte for byte. Without a word, MLflow is as it was; with the variable alone each run is in the journal."""
    program = Path(__file__).resolve().parents[1] / "support" / "mlflow_examples.py"

    def run(name: str, **environment: str) -> tuple[bytes, dict[str, Any]]:
        folder = tmp_path / name
        folder.mkdir()
        shutil.copy(migrated, folder / "mlflow.db")
        uri = {"MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}", "ECOIA_HOME": str(folder / "home")}
        done = subprocess.run(
            [sys.executable, program], cwd=folder, capture_output=True, timeout=600, check=False,
            env=clean_environment() | WITHOUT_TELEMETRY | uri | environment,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout, json.loads(done.stderr.splitlines()[-1])

    bare, told = run("bare")
    assert told == {"runs": 9, "loaded": False, "wrapped": []}
    assert b"R2:" in bare
    measured, told = run("measured", ECOIA_AUTOLOG="1", ECOIA_SERVICE="vadore")
    assert measured == bare
    wrapped = {"ActiveRun.__init__", *(f"MlflowClient.{name}" for name in ("create_run", "set_terminated", "update_run"))}
    assert (told["runs"], set(told["wrapped"])) == (9, wrapped)
    spans = [record for record in recorded(tmp_path / "measured" / "home") if record.kind == KIND_SPAN]
    assert len({record.run_id for record in spans}) == 9
    assert not (tmp_path / "bare" / "home").exists()


@pytest.mark.mlflow
def test_a_project_of_mlflow_run_has_its_energy_on_its_one_run(migrated: Path, tmp_path: Path) -> None:
    """The command makes the run, and the program that it starts resumes it."""
    (tmp_path / "MLproject").write_text(PROJECT, encoding="utf-8")
    (tmp_path / "train.py").write_text(TRAIN, encoding="utf-8")
    shutil.copy(migrated, tmp_path / "mlflow.db")
    environment = clean_environment()
    done = subprocess.run(
        [sys.executable, "-m", "mlflow", "run", ".", "--env-manager", "local"],
        cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False,
        env=environment | WITHOUT_TELEMETRY | {
            "PATH": f"{Path(sys.executable).parent}:{environment['PATH']}", "ECOIA_HOME": str(tmp_path / "home"),
            "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path / 'mlflow.db'}", "ECOIA_AUTOLOG": "1", "ECOIA_SERVICE": "vadore",
        },
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    run_id = done.stdout.split("trained in ")[1].split()[0]
    spans = [record for record in recorded(tmp_path / "home") if record.kind == KIND_SPAN]
    assert {(record.run_id, record.service) for record in spans} == {(run_id, "vadore")}
    assert sum(record.cpu_ns for record in spans) >= 100e6


@pytest.mark.timing
def test_waiting_for_mlflow_costs_its_import_less_than_a_few_milliseconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow makes some 500 look-ups while it is imported."""
    for name in [name for name in sys.modules if name == "mlflow" or name.startswith("mlflow.")]:
        monkeypatch.delitem(sys.modules, name)
    finder = mlflow_plugin._AfterImport()
    begin_ns = time.thread_time_ns()
    mlflow_plugin._is_wanted()
    for _ in range(500):
        assert finder.find_spec("some.module") is None
    assert time.thread_time_ns() - begin_ns < 5e6
