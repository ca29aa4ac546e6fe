"""Kill programs and fill disks: written records stay, and lost ones are counted."""

from __future__ import annotations

import json
import os
import random
import signal
import statistics
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from ecoia import settings
from ecoia.delivery.deliver import deliver
from ecoia.delivery.mlflow_ledger import MlflowLedger
from ecoia.delivery.mlflow_store import MlflowStore
from ecoia.keeping.adoption import adopt, waiting
from ecoia.keeping.journal import Journal
from ecoia.records import Record, fold
from support.mlflow_stores import MLFLOW_WARNINGS, migrated, tracking_uri
from support.namespaces import in_namespaces, needs_namespaces
from support.programs import recorded, run_python, spans_of
from support.records import losses_of_ours

__all__ = ["migrated", "tracking_uri"]  # fixtures

pytestmark = pytest.mark.long

KILLS = int(os.environ.get("SOAK_KILLS", "25"))
"""Programs to kill; ``make soak`` asks for a thousand."""

SEED = int(os.environ.get("SOAK_SEED", "20261125"))
FLUSH_SECONDS = 1.6
"""A window is kept twice (at once and after a second) before it closes, so kills meet every step of both."""

LOST_SECONDS = 2.0
"""Most that a killed process loses. A busy machine may schedule the sampler late."""


# --- kill -9 -----------------------------------------------------------------------------------------------------------


def killed_programs(folder: Path) -> list[dict[str, Any]]:
    """Kill ``KILLS`` programs at random moments, and return what each had reported."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__).parents[1] / "support" / "kill_at_random.py"), str(folder), str(KILLS), str(SEED)],
        env={**os.environ, "ECOIA_FLUSH_SECONDS": str(FLUSH_SECONDS)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.stderr, done.returncode) == ("", 0)
    return [json.loads(line) for line in done.stdout.splitlines()]


def units_by_pid(records: list[Record]) -> Counter[int]:
    units: Counter[int] = Counter()
    for record in records:
        units[record.pid] += (record.units_micro or 0) // 1_000_000
    return units


@pytest.mark.mlflow
@pytest.mark.timing
@pytest.mark.timeout(3600)
@pytest.mark.filterwarnings(*MLFLOW_WARNINGS)
def test_programs_killed_at_any_moment_lose_at_most_two_seconds_and_the_rest_is_delivered_once(
    home: Path, tmp_path: Path, tracking_uri: str
) -> None:
    kills = killed_programs(tmp_path)
    assert len({kill["pid"] for kill in kills}) == KILLS
    adopt(Journal(home))
    assert waiting(home) == 0

    scan = Journal(home).scan()
    assert (scan.corrupt, scan.newer) == (0, 0)
    assert scan.torn <= KILLS
    assert len({record.record_id for record in scan.records}) == len(scan.records), "nothing twice"
    written = units_by_pid(scan.records)
    ends: dict[int, int] = {}
    for record in scan.records:
        ends[record.pid] = max(ends.get(record.pid, 0), record.end_utc_ns)
    lost_seconds = []
    for kill in kills:
        # Each thread may have ended a span that it had no time to report.
        assert kill["confirmed"] <= written[kill["pid"]] <= kill["done"] + 3
        lived_ns = kill["killed_utc_ns"] - kill["begin_utc_ns"]
        if not kill["flushes"] and kill["begin_utc_ns"] and lived_ns > 0:
            lost_seconds.append((kill["killed_utc_ns"] - ends.get(kill["pid"], kill["begin_utc_ns"])) / 1e9)
    late = sum(seconds > LOST_SECONDS for seconds in lost_seconds)
    assert late <= len(lost_seconds) / 10, "a busy machine may be late, but seldom"
    assert statistics.median(lost_seconds) <= LOST_SECONDS / 2

    assert (
        run_python(
            "import ecoia\nwith ecoia.track(service='next') as span: span.units(1)\necoia.flush(60)", ECOIA_EXIT_SECONDS="10"
        ).returncode
        == 0
    )
    assert spans_of_scan(home)["next"] == 1

    deliveries = killed_deliveries(tracking_uri, KILLS // 50)
    result = deliver(Journal(home), settings.load(), tracking_uri=tracking_uri)
    told = (f"{scan.torn} journal line(s) not read: torn",) if scan.torn else ()
    assert (result.pending, result.conflicts, result.problems) == (0, (), told)
    rows = MlflowLedger(MlflowStore(tracking_uri)).read_rows(0, 1 << 62)
    assert rows == fold(Journal(home).scan().records)
    assert deliver(Journal(home), settings.load(), tracking_uri=tracking_uri).delivered == 0
    done, confirmed = sum(kill["done"] for kill in kills), sum(kill["confirmed"] for kill in kills)
    print(
        f"\n{KILLS} kills, {sum(kill['afresh'] for kill in kills)} of new interpreters; {deliveries} deliveries killed"
        f"\nlines: {len(scan.records)} good, {scan.corrupt} corrupt, {scan.torn} torn"
        f"\nunits: {done} done, {sum(written.values())} recorded, {confirmed} confirmed by flush()"
        f"\nwithout flush(): {statistics.median(lost_seconds):.2f} s lost (median), {max(lost_seconds):.2f} s (most), "
        f"{late} of {len(lost_seconds)} more than {LOST_SECONDS:g} s"
    )


def spans_of_scan(home: Path) -> Counter[str | None]:
    """Like ``spans_of``, for a home that may hold torn lines."""
    spans: Counter[str | None] = Counter()
    for record in Journal(home).scan().records:
        spans[record.service] += record.spans
    return spans


def killed_deliveries(uri: str, number: int) -> int:
    """Start this many deliveries and kill each at a random moment. Returns how many were still running."""
    chance = random.Random(SEED)
    killed = 0
    for _ in range(number):
        process = subprocess.Popen(
            [sys.executable, "-m", "ecoia", "deliver"],
            env={**os.environ, "MLFLOW_TRACKING_URI": uri},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            process.wait(chance.uniform(1, 4))
        except subprocess.TimeoutExpired:
            process.kill()
            killed += 1
        process.wait()
    return killed


# --- other ends --------------------------------------------------------------------------------------------------------

SUDDEN = {
    "SIGTERM": ("os.kill(os.getpid(), signal.SIGTERM); time.sleep(30)", -signal.SIGTERM),
    "SIGHUP": ("os.kill(os.getpid(), signal.SIGHUP); time.sleep(30)", -signal.SIGHUP),
    "SIGINT by default": (
        "signal.signal(signal.SIGINT, signal.SIG_DFL); os.kill(os.getpid(), signal.SIGINT); time.sleep(30)",
        -signal.SIGINT,
    ),
    "os._exit": ("os._exit(5)", 5),
    "another program": ("os.execv(sys.executable, [sys.executable, '-c', 'raise SystemExit(6)'])", 6),
    "a fault": (
        "signal.signal(signal.SIGSEGV, signal.SIG_DFL); os.kill(os.getpid(), signal.SIGSEGV); time.sleep(30)",
        -signal.SIGSEGV,
    ),
}


@pytest.mark.parametrize("how", SUDDEN)
def test_flushed_records_survive_a_sudden_end(home: Path, how: str) -> None:
    end, status = SUDDEN[how]
    done = run_python(
        f"import os, signal, sys, time, ecoia\nwith ecoia.track(service='a'): pass\nassert ecoia.flush(60)\n{end}\n"
    )
    assert (done.stdout, done.stderr, done.returncode) == ("", "", status)
    assert spans_of(home)["a"] == 1


KEPT = """
import os, pathlib, signal, sys, time, ecoia
with ecoia.track(service="a") as span: span.units(3)
end = time.monotonic() + 60
folder = os.path.join(os.environ["ECOIA_HOME"], "open")
def kept():
    return any(b'"service":"a"' in file.read_bytes() for file in pathlib.Path(folder).glob(f"{os.getpid()}-*"))
while not kept():
    assert time.monotonic() < end
    time.sleep(0.01)
"""


@pytest.mark.parametrize("how", SUDDEN)
def test_the_open_window_survives_a_sudden_end(home: Path, how: str) -> None:
    end, status = SUDDEN[how]
    done = run_python(KEPT + end, ECOIA_FLUSH_SECONDS="3600")
    assert (done.stdout, done.stderr, done.returncode) == ("", "", status)
    assert recorded(home) == []
    assert adopt(Journal(home)) >= 2
    records = recorded(home)
    assert [(each.spans, each.units_micro) for each in records if each.service == "a"] == [(1, 3_000_000)]
    assert losses_of_ours(records)["ended-suddenly"] == 1


def test_the_next_process_takes_over_and_an_end_in_good_order_leaves_nothing_to_take(home: Path) -> None:
    assert run_python(KEPT + "os._exit(0)", ECOIA_FLUSH_SECONDS="3600").returncode == 0
    name = next((home / "open").iterdir()).name
    taken = f"while os.path.exists(os.path.join(folder, {name!r})): time.sleep(0.01)"
    assert run_python(KEPT + taken, ECOIA_FLUSH_SECONDS="3600").returncode == 0
    assert spans_of(home)["a"] == 2
    assert list((home / "open").iterdir()) == []
    assert losses_of_ours(recorded(home))["ended-suddenly"] == 1


DAEMON = """
import os, ecoia
with ecoia.track(service="a"): pass
assert ecoia.flush(60)
os.closerange(3, 4096)
theirs = [open(f"theirs-{number}", "w+b") for number in range(20)]  # they get the numbers of our files
with ecoia.track(service="a"): pass
assert ecoia.flush(60)
assert not any(os.fstat(file.fileno()).st_size for file in theirs), "a record in a file of the host's"
for file in theirs: file.close()  # raises if we closed it
with ecoia.track(service="a"): pass
"""


@pytest.mark.parametrize("scope", ["process", "host"])
def test_a_host_that_closes_every_descriptor_gets_no_record_into_its_files(home: Path, scope: str) -> None:
    done = run_python(DAEMON, ECOIA_SCOPE=scope)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
    assert spans_of(home)["a"] == 3


NO_DESCRIPTORS = """
import os, resource, time, ecoia
with ecoia.track(service="a"): pass
assert ecoia.flush(60)
before = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
os.closerange(3, 4096)  # else what is open already serves
with ecoia.track(service="a"): pass
ecoia.flush(60)
resource.setrlimit(resource.RLIMIT_NOFILE, before)
with ecoia.track(service="a"): pass
assert ecoia.flush(60)
"""


def test_measuring_continues_after_a_host_ran_out_of_descriptors(home: Path) -> None:
    done = run_python(NO_DESCRIPTORS)
    assert (done.stdout, done.returncode) == ("", 0)
    assert "measuring stopped" not in done.stderr
    assert spans_of(home)["a"] == 3
    assert sum(record.lost.get("host-load-unread", 0) for record in recorded(home)) >= 1


FORGOTTEN = """
import sys, threading, ecoia
block = ecoia.track(service="a")
block.__enter__().units(1)  # never exited
generator = ecoia.track(service="a")(lambda: (yield))()
thread = threading.Thread(target=threading.Event().wait, daemon=True)
thread.start()
if sys.argv[1] == "flushed":
    assert ecoia.flush(60)
"""


@pytest.mark.parametrize("when", ["flushed", pytest.param("at exit", marks=pytest.mark.timing)])
def test_a_block_that_never_ends_keeps_its_units(home: Path, when: str) -> None:
    done = run_python(FORGOTTEN, when)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
    records = [record for record in recorded(home) if record.service == "a"]
    assert sum(record.units_micro or 0 for record in records) == 1_000_000
    assert sum(record.spans for record in records) == 0, "it never ended"


# --- the disk ----------------------------------------------------------------------------------------------------------

FULL = """
import os, sys, ecoia
home, ballast = os.environ["ECOIA_HOME"], os.environ["ECOIA_HOME"] + ".ballast"
def some(n, kinds=1):
    for i in range(n):
        kind = i % kinds  # a service has at most this many endpoints
        with ecoia.track(service=f"a-{kind // 500}", endpoint=f"/{kind % 500}") as span: span.units(1)
some(3)
assert ecoia.flush(60) is True
with open(ballast, "wb", buffering=0) as file:
    try:
        while True: file.write(bytes(4096))
    except OSError as error:
        print(error.strerror)
some(10, kinds=10)
assert ecoia.flush(60) is False
some(int(sys.argv[1]), kinds=int(sys.argv[1]))
assert ecoia.flush(60) is False
print("the host goes on")
if sys.argv[2] == "space again":
    os.remove(ballast)
    some(7)
    assert ecoia.flush(60) is True
sys.exit(3)
"""


def on_a_small_disk(tmp_path: Path, program: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program with its home on a disk of 40 MiB; afterwards, its files are in ``tmp_path/disk.kept``.

    The records that memory keeps take 10 MiB, and may stand there three times: the file of the open window keeps what it had
    until the new content is whole, and the journal has them before that file lets go of them.
    """
    disk = tmp_path / "disk"
    disk.mkdir()
    return in_namespaces(
        "--mount",
        "sh", "-c",
        'mount -t tmpfs -o size=40m none "$0" || exit 99; "$@"; code=$?; cp -r "$0/home" "$0.kept"; exit $code',
        str(disk), sys.executable, "-W", "error", "-c", program, *arguments,
        ECOIA_HOME=str(disk / "home"), **environment,
    )  # fmt: skip


@needs_namespaces
@pytest.mark.parametrize(("many", "fits"), [(20, True), (10_050, False)], ids=["a little", "more than memory keeps"])
def test_a_full_disk_is_reported_and_records_in_memory_are_written_once_there_is_space(
    tmp_path: Path, many: int, fits: bool
) -> None:
    done = on_a_small_disk(tmp_path, FULL, str(many), "space again")
    assert (done.stdout, done.returncode) == ("No space left on device\nthe host goes on\n", 3), done.stderr
    assert 1 <= len(done.stderr.splitlines()) <= 2, "reported once for a partial write, once for a failed one"
    assert all("free space" in line for line in done.stderr.splitlines())
    scan = Journal(tmp_path / "disk.kept").scan()
    assert (scan.torn, scan.newer) == (0, 0)
    assert scan.corrupt <= 1  # the line that the disk cut
    records = list({record.record_id: record for record in scan.records}.values())
    missing = 3 + 10 + many + 7 - sum(record.spans for record in records)
    counted = losses_of_ours(records).get("unwritten-records", 0)
    if fits:
        assert (missing, counted) == (0, 0)
    else:
        assert 50 < missing <= counted < 2 * missing, "each lost record is counted, those without spans too"


@needs_namespaces
def test_a_disk_that_stays_full_changes_nothing_for_the_host(tmp_path: Path) -> None:
    done = on_a_small_disk(tmp_path, FULL, "20", "never")
    assert (done.stdout, done.returncode) == ("No space left on device\nthe host goes on\n", 3)
    assert all("free space" in line for line in done.stderr.splitlines())
    assert spans_of_scan(tmp_path / "disk.kept")["a-0"] >= 3


READ_ONLY = """
import os, subprocess, sys, ecoia
with ecoia.track(service="a"): print("answer")
print(ecoia.flush())
if sys.argv[1] == "writable again":
    subprocess.run(["mount", "-o", "remount,rw", os.environ["ECOIA_HOME"]], check=True)
    with ecoia.track(service="a"): pass
    print(ecoia.flush())
sys.exit(3)
"""


@needs_namespaces
@pytest.mark.parametrize("later", ["writable again", "never"])
def test_a_read_only_home_is_reported_and_changes_nothing_for_the_host(home: Path, later: str) -> None:
    run_python("import ecoia\nwith ecoia.track(service='before'): pass")
    done = in_namespaces(
        "--mount",
        "sh", "-c", 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"',
        str(home), sys.executable, "-W", "error", "-c", READ_ONLY, later,
    )  # fmt: skip
    assert (done.stdout.split(), done.returncode) == (["answer", "False", *(["True"] if later != "never" else [])], 3), (
        done.stderr
    )
    (line,) = done.stderr.splitlines()
    assert "cannot be written (Read-only file system)" in line
    assert "ECOIA_HOME" in line
    assert spans_of(home)["a"] == (2 if later == "writable again" else 0)


# --- many processes, one home ------------------------------------------------------------------------------------------

HAMMER = """
import threading, ecoia
def work(number):
    for n in range(300):
        with ecoia.track(service=f"hammer-{number}", endpoint=f"/{n % 5}") as span: span.units(1)
        if n % 30 == 0: assert ecoia.flush(60)
threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


def test_eight_busy_processes_on_one_home_lose_no_record(home: Path) -> None:
    running = [
        subprocess.Popen([sys.executable, "-c", HAMMER], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(8)
    ]
    for process in running:
        assert process.communicate(timeout=600) == ("", None)
        assert process.returncode == 0
    records = recorded(home)
    units: Counter[tuple[int, str | None, str | None]] = Counter()
    for record in records:
        units[record.pid, record.service, record.endpoint] += record.units_micro or 0
    delivered = {key: count for key, count in units.items() if key[1] is not None}
    pids = {process.pid for process in running}
    assert delivered == {(pid, f"hammer-{number}", f"/{n}"): 60_000_000 for pid in pids for number in range(4) for n in range(5)}
    assert len({record.record_id for record in records}) == len(records)
    assert not losses_of_ours(records)
