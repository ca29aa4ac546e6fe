"""The callbacks of training loops, with the real libraries: one process for all, in an environment of their own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

pytestmark = [pytest.mark.checkout, pytest.mark.long]


def test_everything_with_the_real_libraries(repository: Path) -> None:
    python = repository / ".venv-hosts/bin/python"
    if not python.exists():
        pytest.skip("make .venv-hosts/.stamp installs PyTorch and the frameworks of tests/hosts")
    done = subprocess.run(
        [python, "-m", "pytest", "tests/hosts/test_training_callbacks.py", "-q", "-W", "default", "--disable-warnings",
         "-p", "no:cacheprovider", "--no-cov"],
        cwd=repository, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    print(done.stdout[-20_000:])
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-5_000:]
