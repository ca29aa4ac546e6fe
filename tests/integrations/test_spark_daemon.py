"""The Python daemon of an executor that this test plays: the executor is watched from there on. Spark itself: tests/hosts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ecoia.semconv import KIND_SPAN
from ecoia_integrations.spark_daemon import watch_command
from support.programs import BURN, recorded, wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Spark's daemon forks, and exact accounts are Linux's")

DAEMON = """
import sys
def manager():
    print(sys.argv[1], flush=True)
    sys.stdin.read()
"""
"""Stands for ``pyspark.daemon``: a line to the executor, and the end when the executor closes its own."""

APART = """
import os, sys
if sys.orig_argv[1:3] == ["-m", "ecoia"]:
    from ecoia.processes import notices
    notices._folder_of = lambda uid, root="": root + os.environ["NOTICES"]
"""
"""Puts notices into a folder of the test: other tests may measure in this process, which is above all others."""

EXECUTOR = (
    """
import os, pathlib, subprocess, sys
"""
    + BURN
    + """
daemon = [sys.executable, "-m", "ecoia_integrations.spark_daemon", "pyspark.worker"]
python = subprocess.Popen(daemon, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
said = python.stdout.readline().strip()
subprocess.run(daemon, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)  # Spark starts one for each environment of workers
if sys.argv[1] == "measured":
    while not any("-" in name and "+" not in name for name in os.listdir(os.environ["NOTICES"])):
        time.sleep(0.01)
burn(300)
python.stdin.close()
assert python.stdout.read() == "", "nothing but the daemon writes to the executor, or holds its line open"
python.wait()
print(said, os.getpid())
"""
)


@pytest.fixture
def executor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    (tmp_path / "pyspark").mkdir()
    (tmp_path / "pyspark/__init__.py").touch()
    (tmp_path / "pyspark/daemon.py").write_text(DAEMON, encoding="utf-8")
    (tmp_path / "sitecustomize.py").write_text(APART, encoding="utf-8")
    (tmp_path / "notices").mkdir(mode=0o700)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("NOTICES", str(tmp_path / "notices"))
    return [sys.executable, "-c", EXECUTOR]


def test_an_executor_is_watched_from_its_daemon_on_and_outlived(
    home: Path, executor: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECOIA_SERVICE", "vadore")
    done = subprocess.run([*executor, "measured"], capture_output=True, text=True, timeout=120, check=True)
    assert done.stderr == "", "the second daemon starts no watcher, which would be refused"
    module, pid = done.stdout.split()
    assert module == "pyspark.worker"
    wait_until(lambda: home.exists() and any(record.spans for record in recorded(home)))  # the watcher saw the end
    spans = [record for record in recorded(home) if record.kind == KIND_SPAN]
    assert {(record.service, record.phase, record.pid) for record in spans} == {("vadore", "inference", int(pid))}
    assert sum(record.cpu_ns for record in spans) >= 0.15e9


def test_an_executor_works_unmeasured_and_says_why(home: Path, executor: list[str]) -> None:
    done = subprocess.run([*executor, "not"], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.startswith("pyspark.worker")
    assert done.stderr.count("no service given") == 1
    assert not home.exists()


def test_the_variables_of_executors_say_what_is_watched() -> None:
    named = {"ECOIA_SERVICE": "vadore", "ECOIA_PHASE": "evaluation", "ECOIA_GROUP": "4f0c1d2e"}
    assert watch_command(42, named) == [
        *(sys.executable, "-m", "ecoia", "watch", "--pid", "42"),
        *("--service", "vadore", "--phase", "evaluation", "--run", "4f0c1d2e"),
    ]
    assert watch_command(42, {**named, "ECOIA_DISABLED": "1"}) is None


def test_a_model_in_a_worker_of_a_watched_executor_is_not_measured_again(tmp_path: Path) -> None:
    program = "import mlflow.pyfunc; print(hasattr(mlflow.pyfunc.load_model, '_ecoia_followed'))"
    (tmp_path / "pyspark").mkdir()
    (tmp_path / "pyspark/__init__.py").touch()
    (tmp_path / "pyspark/daemon.py").write_text(f"def manager():\n    {program}\n", encoding="utf-8")
    said = {}
    for command in (["-c", program], ["-m", "ecoia_integrations.spark_daemon"]):
        environment = {**os.environ, "PYTHONPATH": str(tmp_path), "ECOIA_SERVICE": "vadore", "ECOIA_GROUP": "not an id"}
        said[command[0]] = subprocess.run(
            [sys.executable, *command], env=environment, capture_output=True, text=True, timeout=300, check=True
        ).stdout.strip()
    assert said == {"-c": "True", "-m": "False"}
