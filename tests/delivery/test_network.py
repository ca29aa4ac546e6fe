"""Nothing is asked of the network but the tracking URI; and a pod's last figures leave with it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ecoia.delivery.mlflow_ledger import MlflowLedger
from ecoia.delivery.mlflow_store import MlflowStore
from ecoia.keeping.journal import Journal
from support.mlflow_stores import MLFLOW_WARNINGS, free_port, mlflow_server
from support.namespaces import in_namespaces, needs_namespaces

pytestmark = [pytest.mark.mlflow, *(pytest.mark.filterwarnings(warning) for warning in MLFLOW_WARNINGS)]

PROGRAM = """
import ecoia
with ecoia.track(service="vadore", phase="inference") as span:
    sum(range(3_000_000))
    span.units(1)
"""

TRAP = """
import os, sys
asking = {"socket." + name for name in ("connect", "getaddrinfo", "gethostbyname", "sendto", "sendmsg")}
def trap(event, arguments):
    if event in asking and not isinstance(arguments[-1], str):
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


def trapped(folder: Path) -> dict[str, str]:
    """The variables that make every Python process note in ``seen.txt`` whom it asks on the network."""
    (folder / "sitecustomize.py").write_text(TRAP, encoding="utf-8")
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {"PYTHONPATH": path, "TRAP_FILE": str(folder / "seen.txt")}


def test_no_command_and_no_measured_program_asks_the_network(tracking_uri: str, tmp_path: Path) -> None:
    env = environment(tracking_uri, **trapped(tmp_path))
    seen = tmp_path / "seen.txt"
    for command in (["-c", PROGRAM], ["-m", "ecoia", "deliver"], ["-m", "ecoia", "report", "--from", "ledger"]):
        subprocess.run([sys.executable, *command], env=env, check=True, capture_output=True)
    assert not seen.exists(), seen.read_text()


def test_where_the_disk_goes_with_the_process_the_last_figures_are_delivered_before_it_ends(
    tracking_uri: str, home: Path
) -> None:
    env = environment(tracking_uri, ECOIA_DELIVERY="helper", ECOIA_EXIT_SECONDS="100")
    subprocess.run([sys.executable, "-c", PROGRAM], env=env, check=True)
    shutil.rmtree(home)
    rows = MlflowLedger(MlflowStore(tracking_uri)).read_rows(0, 1 << 62)
    assert sum(row["units_micro"] or 0 for row in rows) == 1_000_000


def test_delivery_talks_to_the_tracking_uri_and_to_nothing_else(tracking_uri: str, tmp_path: Path) -> None:
    """By hand and by the helper, to a real server, for records of a program that nobody told to be quiet."""
    port = free_port()
    with mlflow_server(tracking_uri, port, tmp_path / "artifacts") as uri:
        env = environment(uri, **trapped(tmp_path), ECOIA_ZONE="FRA")
        for how in (["deliver"], ["deliver", "--follow"]):
            subprocess.run([sys.executable, "-c", PROGRAM], env=env, check=True, capture_output=True)
            subprocess.run([sys.executable, "-m", "ecoia", *how], env=env, check=True, capture_output=True)
        rows = MlflowLedger(MlflowStore(uri)).read_rows(0, 1 << 62)
    assert sum(row["units_micro"] or 0 for row in rows) == 2_000_000
    asked = (tmp_path / "seen.txt").read_text(encoding="utf-8").splitlines()
    assert asked, "nothing was trapped"
    programs = {line.partition("]")[0] for line in asked}
    assert len(programs) == 1, f"only the process of deliveries asked, and the measured programs for nothing: {programs}"
    elsewhere = [line for line in asked if f"('127.0.0.1', {port}" not in line]
    assert elsewhere == []


# --- networks that go nowhere ----------------------------------------------------------------------------------------------

WITHIN = """
import json, socket, subprocess, sys, time
for command in sys.argv[1].splitlines():
    subprocess.run(command.split(), check=True)
with socket.socket() as probe:
    probe.settimeout(0.3)
    try:
        probe.connect(("203.0.113.7", 5000))
    except OSError as error:
        network = type(error).__name__
done = subprocess.run([sys.executable, "-W", "error", "-c", sys.argv[2]], capture_output=True, text=True)
*answer, last = done.stdout.split()
print(json.dumps({"network": network, "seconds": time.monotonic() - float(last), "answer": answer,
                  "stderr": done.stderr, "status": done.returncode}))
"""
"""Lays a network out, runs a program in it, and tells how long it took to end after its last line."""

ENDS = PROGRAM + "import sys, time\nprint('answer', time.monotonic(), flush=True)\nsys.exit(3)\n"

NETWORKS = {
    "no route": ("", "OSError"),
    "packets are dropped": (
        "ip link set lo up\nip address add 198.51.100.1/24 dev lo\nip route add default dev lo",
        "TimeoutError",
    ),
}
"""Commands that lay a network out, and how connecting fails there. A loopback that is the way to everywhere takes every
packet, and the kernel drops what comes back to it for somebody else."""

BLACK_HOLE = "http://203.0.113.7:5000"  # an address that is nobody's, kept for documentation


@needs_namespaces
@pytest.mark.timing
@pytest.mark.parametrize("tracked", [False, True], ids=["no tracking URI", "a tracking URI"])
@pytest.mark.parametrize("network", NETWORKS)
def test_a_program_ends_as_soon_and_as_well_without_a_network(home: Path, network: str, tracked: bool) -> None:
    """The helper is wanted, and finds nobody to deliver to; it is left behind, and here ends with its namespace."""
    layout, failure = NETWORKS[network]
    if layout and shutil.which("ip") is None:
        pytest.skip("needs ip (iproute2) to lay a network out")
    env = environment(BLACK_HOLE if tracked else "", ECOIA_DELIVERY="helper")
    done = in_namespaces(
        *("--net", "--pid", "--fork", "--kill-child", "--mount-proc", sys.executable, "-c", WITHIN, layout, ENDS),
        only=env,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    print(f"\n{network}, tracked: {tracked}: {told['seconds']:.3f} s to end")
    assert (told["network"], told["answer"], told["stderr"], told["status"]) == (failure, ["answer"], "", 3)
    assert told["seconds"] < 5
    spans = [record for record in Journal(home).scan().records if record.spans]
    assert [(record.service, record.units_micro) for record in spans] == [("vadore", 1_000_000)]
    assert (home / "delivery" / "helper.log").exists() == tracked, "a helper was started where there is a URI"
