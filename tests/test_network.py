"""Nothing is asked of the network but the tracking URI; and a pod's last figures leave with it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mlflow_stores import MLFLOW_WARNINGS, migrated, tracking_uri

__all__ = ["migrated", "tracking_uri"]

pytestmark = [pytest.mark.mlflow, *(pytest.mark.filterwarnings(warning) for warning in MLFLOW_WARNINGS)]

PROGRAM = """
import ecoia
with ecoia.track(service="vadore", phase="inference") as span:
    sum(range(3_000_000))
    span.units(1)
"""

TRAP = """
import os, sys
def trap(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto") and not isinstance(arguments[-1], str):
        with open(os.environ["TRAP_FILE"], "a") as file:
            file.write(f"{sys.argv} {event} {arguments!r}\\n")
sys.addaudithook(trap)
"""


def environment(tracking_uri: str, **more: str) -> dict[str, str]:
    """As a user's shell: nobody has switched anything off."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    for name in ("DO_NOT_TRACK", "CI", "PYTEST_CURRENT_TEST"):
        kept.pop(name, None)
    return {**kept, "MLFLOW_TRACKING_URI": tracking_uri, **more}


def test_no_command_and_no_measured_program_asks_the_network(tracking_uri: str, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    trap.mkdir()
    (trap / "sitecustomize.py").write_text(TRAP, encoding="utf-8")
    seen = tmp_path / "seen.txt"
    env = environment(tracking_uri, PYTHONPATH=str(trap), TRAP_FILE=str(seen))
    for command in (["-c", PROGRAM], ["-m", "ecoia", "deliver"], ["-m", "ecoia", "report", "--from", "ledger"]):
        subprocess.run([sys.executable, *command], env=env, check=True, capture_output=True)
    assert not seen.exists(), seen.read_text()


def test_where_the_disk_goes_with_the_process_the_last_figures_are_delivered_before_it_ends(
    tracking_uri: str, home: Path
) -> None:
    from ecoia.stores.mlflow_store import MlflowStore

    env = environment(tracking_uri, ECOIA_DELIVERY="helper", ECOIA_EXIT_SECONDS="100")
    subprocess.run([sys.executable, "-c", PROGRAM], env=env, check=True)
    shutil.rmtree(home)
    rows = MlflowStore(tracking_uri).read_rows(0, 1 << 62)
    assert sum(row["units_micro"] or 0 for row in rows) == 1_000_000
