"""Programs that nobody changed, measured by ``ECOIA_AUTOLOG=1`` alone, and what ecoia does to those that it does not measure."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from ecoia.semconv import KIND_SPAN
from ecoia_integrations import mlflow_plugin
from support.environment import clean_environment
from support.programs import recorded

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
