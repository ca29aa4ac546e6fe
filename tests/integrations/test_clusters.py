"""Jobs on real clusters of Spark and Ray, in the environment that has them: a process for each, beside other tests."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from support.mlflow_stores import MIGRATED, migrated
from support.spark_cluster import needs_java

__all__ = ["migrated"]  # a fixture

pytestmark = [pytest.mark.checkout, pytest.mark.long]


@pytest.mark.parametrize("name", ["spark", "spark_engine", "ray"])
def test_a_job_on_a_cluster(repository: Path, migrated: Path, name: str) -> None:
    python = repository / ".venv-hosts/bin/python"
    if not python.exists():
        pytest.skip("make .venv-hosts/.stamp installs Spark and Ray")
    if name.startswith("spark"):
        needs_java()
    done = subprocess.run(
        [python, "-m", "pytest", f"tests/hosts/test_{name}.py", "-q", "-W", "default", "--disable-warnings",
         "-p", "no:cacheprovider", "--no-cov"],
        cwd=repository, capture_output=True, text=True, timeout=800, check=False, env={**os.environ, MIGRATED: str(migrated)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-5_000:]
