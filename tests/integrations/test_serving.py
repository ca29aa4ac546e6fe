"""The example service under real servers and load: its answers, its sums, and that nothing is lost and no memory grows."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sklearn.datasets import load_digits

from ecoia import semconv
from ecoia.delivery.mlflow_ledger import MlflowLedger
from ecoia.delivery.mlflow_store import MlflowStore
from ecoia.keeping.helper_start import try_lock
from ecoia.keeping.known_already import HELPER_LOCK
from ecoia.periods import half_hour_start
from ecoia.records import split_by_half_hour
from ecoia.records.id_sets import ids_of
from ecoia.testing import PowercapLoad, PowercapTree
from support.mlflow_stores import MLFLOW_WARNINGS, free_port, migrated, mlflow_server, tracking_uri
from support.programs import recorded, wait_until
from support.records import losses_of_ours
from support.servers import UVICORN, Server

__all__ = ["migrated", "tracking_uri"]  # fixtures

pytestmark = [
    pytest.mark.long,
    pytest.mark.checkout,
    pytest.mark.skipif(sys.platform != "linux", reason="counters and memory are read as Linux shows them"),
]

SERVICE = "analyse-cv"
SECONDS = float(os.environ.get("SOAK_SECONDS", "12"))
RATE = float(os.environ.get("SOAK_RATE", "200"))
MOST_GROWTH_MIB = 4.0
MODES = ("refusing", "slow", "stopped")

APPLICATION = """
import functools, os, sys
from pathlib import Path
import ecoia
import ecoia.meters
from ecoia.measuring.allocation import Allocator

if Path("machine").exists():
    ecoia.meters.detect = functools.partial(ecoia.meters.detect, root=Path("machine").absolute())

allocate = Allocator.allocate
def told(self, *args, **named):
    claimed = allocate(self, *args, **named)
    energy = [part for parts in (claimed.active, claimed.idle) for part in parts.values() if part is not None]
    with open(f"claims-{os.getpid()}", "a") as file:
        print(sum(energy), file=file)
    return claimed
Allocator.allocate = told

sys.path.insert(0, os.environ["EXAMPLE"])
from service import app as application

@application.get("/readyz")
def readyz() -> bool:
    return ecoia.flush(60)
"""
"""The example's application, which also notes the claims of its process, and writes its records when asked for readiness."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.joblib"
    done = subprocess.run(
        [sys.executable, repository / "examples/inference/train.py", path],
        env={**os.environ, "ECOIA_DISABLED": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture
def example(model: Path, repository: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of the example, with the model that the service loads."""
    folder = repository / "examples/inference"
    monkeypatch.setenv("MODEL", str(model))
    monkeypatch.setenv("EXAMPLE", str(folder))
    monkeypatch.setenv("ECOIA_FLUSH_SECONDS", "0.5")
    return folder


def load(repository: Path, server: Server, seconds: float, rate: float = RATE, images: int = 4) -> int:
    """Send requests of ``images`` images each at a steady rate, assert that none failed, and return their number."""
    body = json.dumps([[0.5] * 64] * images)
    done = subprocess.run(
        [
            *(sys.executable, repository / "benchmarks/paced_load.py", "--port", str(server.port)),
            *("--rate", str(rate), "--seconds", str(seconds), "--body", body),
        ],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    told = json.loads(done.stdout)
    assert told["failed"] == 0, server.log()
    return int(told["answered"])


def workers(server: Server) -> list[int]:
    """Return the processes that serve."""
    return [int(file.name.removeprefix("claims-")) for file in sorted(server.folder.glob("claims-*"))]


def claimed(server: Server) -> int:
    """Return the microjoules that all processes of the server claimed together."""
    return sum(int(line) for file in server.folder.glob("claims-*") for line in file.read_text().splitlines())


def energy_by_kind(home: Path) -> Counter[str]:
    energy: Counter[str] = Counter()
    for record in recorded(home):
        energy[record.kind] += sum(filter(None, record.energy_microjoules.values()))
    return energy


def served(home: Path) -> tuple[int, int]:
    """(Requests, millionths of units) in the journal."""
    requests = [record for record in recorded(home) if record.endpoint == "/read"]
    return sum(record.spans for record in requests), sum(record.units_micro or 0 for record in requests)


# --- what the example does ---------------------------------------------------------------------------------------------


def test_the_example_reads_digits_and_tells_what_they_took(
    example: Path, home: Path, serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECOIA_FLUSH_SECONDS", "0.2")
    server = serve("", "-m", "uvicorn", "--app-dir", str(example), "service:app", "--fd", "{fd}", "--workers", "2")

    def post(images: Any) -> tuple[int, Any]:
        with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=600)) as connection:
            headers = {"Connection": "close", "Content-Type": "application/json"}
            connection.request("POST", "/read", json.dumps(images), headers)
            answer = connection.getresponse()
            return answer.status, json.load(answer)

    digits = load_digits()
    status, read = post((digits.data[:200] / 16).tolist())
    assert status == 200
    assert sum(map(int.__eq__, read, digits.target.tolist())) >= 180
    assert post([[0.5] * 63])[0] == 422
    assert post([[17.0] * 64])[0] == 422
    assert post([])[0] == 422
    for _ in range(8):
        assert post([[0.5] * 64]) == (200, [read_alone := post([[0.5] * 64])[1][0]])
    assert 0 <= read_alone <= 9
    version = json.loads(server.ask("/health")[1])

    def total(name: str, endpoint: str) -> float:
        page = server.ask("/metrics")[1].decode()
        found = re.search(rf'^{name}_total{{endpoint="{endpoint}",model_version="{version}",.*}} (.*)$', page, re.MULTILINE)
        return float(found[1]) if found else 0.0

    wait_until(lambda: any(home.glob("journal/*/*.jsonl")))  # a scrape before anything is recorded is noted in the log
    wait_until(lambda: total("ecoia_units", "/read") == 216)
    assert total("ecoia_spans", "/read") == 20
    wait_until(lambda: all(total("ecoia_spans", endpoint) == 2 for endpoint in semconv.START_UP))  # one in each worker
    server.stop()
    assert served(home) == (20, 216_000_000)
    assert {record.service for record in recorded(home) if record.kind == "span"} == {SERVICE}
    assert {record.model_version for record in recorded(home) if record.kind == "span"} == {version}
    assert not any(record.endpoint in ("/health", "/metrics") for record in recorded(home))


# --- the sums hold -------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("example")
def test_under_load_requests_idle_unattributed_and_overhead_are_all_that_the_counters_counted(
    repository: Path, home: Path, tmp_path: Path, serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a dedicated host the process claims all energy, and the test knows how much that is from the counters."""
    monkeypatch.setenv("ECOIA_SCOPE", "host")
    tree = PowercapTree(tmp_path / "machine")
    package = tree.add("package-0")
    dram = package.add("dram")
    server = serve(APPLICATION, "-m", "uvicorn", "app:application", "--fd", "{fd}")
    load(repository, server, 1, rate=2)
    assert server.ask("/readyz") == (200, b"true")  # the counters were read: from here on all that they count is claimed
    with PowercapLoad({package: 90.0, dram: 10.0}) as drawn:
        asked = load(repository, server, 3)
        assert server.ask("/readyz") == (200, b"true")
        asked += load(repository, server, 1)
    used_uj = drawn.used_uj(package, dram)
    server.stop()
    energy = energy_by_kind(home)
    assert energy.total() == used_uj == claimed(server)
    assert min(energy[kind] for kind in ("span", "idle", "unattributed", "overhead")) > 0
    assert served(home) == (asked + 2, 4_000_000 * (asked + 2))


@pytest.mark.usefixtures("example")
def test_under_load_the_parts_of_two_workers_are_exactly_what_they_claim(
    repository: Path, home: Path, tmp_path: Path, serve: Callable[..., Server]
) -> None:
    tree = PowercapTree(tmp_path / "machine")
    package = tree.add("package-0")
    server = serve(APPLICATION, *UVICORN)
    with PowercapLoad({package: 90.0}) as drawn:
        asked = load(repository, server, 3)
    used_uj = drawn.used_uj(package)
    server.stop()
    assert len(workers(server)) == 2
    energy = energy_by_kind(home)
    ram = sum(record.energy_microjoules["ram"] or 0 for record in recorded(home))  # it has no counter here
    assert energy.total() == claimed(server)
    assert 0 < energy.total() - ram <= used_uj
    assert served(home) == (asked, 4_000_000 * asked)


# --- for long, while MLflow is away ----------------------------------------------------------------------------------------


@contextmanager
def away(port: int, mode: str) -> Iterator[None]:
    """A tracking server that is not there, that fails after 5 s, or that accepts connections and never answers."""
    threads: list[threading.Thread] = []
    if mode == "refusing":
        yield
        return
    ended = threading.Event()

    def answer(connection: socket.socket) -> None:
        with connection:
            connection.recv(65536)
            ended.wait(5 if mode == "slow" else None)
            if mode == "slow":
                connection.sendall(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    def take_calls() -> None:
        while not ended.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            threads.append(threading.Thread(target=answer, args=(connection,)))
            threads[-1].start()

    with socket.create_server(("127.0.0.1", port), backlog=64) as listener:
        listener.settimeout(0.1)
        server = threading.Thread(target=take_calls)
        server.start()
        try:
            yield
        finally:
            ended.set()
            for thread in (server, *threads):
                thread.join()


def resident_mib(pid: int) -> float:
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(next(line.split()[1] for line in rollup.splitlines() if line.startswith("Rss:"))) / 1024


@pytest.mark.mlflow
@pytest.mark.timeout(SECONDS * 2 + 900)
@pytest.mark.usefixtures("example")
@pytest.mark.filterwarnings(MLFLOW_WARNINGS[0])
def test_a_service_under_load_while_mlflow_is_away_loses_nothing_and_does_not_grow(
    repository: Path,
    home: Path,
    tmp_path: Path,
    tracking_uri: str,
    serve: Callable[..., Server],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """MLflow refuses for a third of the time, answers after 5 s for a third, and is stopped for a third. Then it is back."""
    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    monkeypatch.setenv("ECOIA_DELIVERY", "helper")
    monkeypatch.setenv("ECOIA_INSTANCE", "api-1")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    server = serve(APPLICATION, *UVICORN)
    asked, sizes = 0, []
    began = time.monotonic()
    for mode in MODES:
        with away(port, mode):
            for _ in range(4):
                asked += load(repository, server, SECONDS / 12)
                sizes.append({pid: resident_mib(pid) for pid in workers(server)})
                memory = " and ".join(f"{size:.2f}" for size in sizes[-1].values())
                print(f"{time.monotonic() - began:6.1f} s  {mode:8}  {asked:9,} requests  {memory} MiB resident", flush=True)
    wait_until(lambda: "cannot be used" in (home / "delivery" / "helper.log").read_text(encoding="utf-8"), 120)
    with mlflow_server(tracking_uri, port, tmp_path / "artifacts"):
        server.stop()
        wait_until(lambda: served(home)[0] == asked, 60)
        records = recorded(home)

        def arrived() -> bool:
            with try_lock(home, HELPER_LOCK) as free:
                return free

        wait_until(arrived, 600)
        rows = MlflowLedger(MlflowStore(uri)).read_rows(0, 1 << 62)
    print(f"{time.monotonic() - began:6.1f} s  all is in MLflow", flush=True)
    # A window that a half-hour cuts has its id in the rows of both half-hours.
    parts = [(part.record_id, half_hour_start(part.start_utc_ns)) for record in records for part in split_by_half_hour(record)]
    assert Counter((i, row["half_hour_utc_ns"]) for row in rows for i in ids_of(row)) == Counter(parts)
    assert sum(row["spans"] for row in rows if row["endpoint"] == "/read") == asked
    assert served(home) == (asked, 4_000_000 * asked)
    assert not losses_of_ours(records)
    assert energy_by_kind(home).total() == claimed(server)
    for pid, warm_mib in sizes[3].items():  # after the first third
        assert sizes[-1][pid] - warm_mib < MOST_GROWTH_MIB, sizes
