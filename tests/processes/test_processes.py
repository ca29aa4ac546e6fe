"""Every nanosecond of CPU time of a family of processes is in one record: the kernel's accounts against the journal's."""

from __future__ import annotations

import json
import os
import resource
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecoia.processes import families as processes
from ecoia.processes.families import Claim, Descendants, notice_of, own_folder, read_process, sweep
from ecoia.semconv import KIND_SPAN
from support.namespaces import in_namespaces, needs_namespaces
from support.programs import BURN, recorded, run_python

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's exact accounts are Linux's")


# --- conservation over whole families --------------------------------------------------------------------------------------

ACCOUNT = f"""
import atexit, json, os, resource, sys, time
{BURN}
since = None
def account():
    if since is None:                        # a spawned worker
        return
    import psutil
    used = time.process_time() - since
    waited = resource.getrusage(resource.RUSAGE_CHILDREN)
    used += waited.ru_utime + waited.ru_stime
    for process in psutil.Process().children(recursive=True):
        used += time.clock_gettime((~process.pid << 3) | 2) + sum(process.cpu_times()[2:4])
    with open(sys.argv[1], "w") as file: json.dump(used, file)
atexit.register(account)                     # before ecoia's own, hence after it
import ecoia
def begin():
    global since
    since = time.process_time()
"""
"""A program that says how much CPU time it and its family used since ``begin()``, when all is written."""


def cpu_ms(home: Path) -> float:
    return sum(record.cpu_ns for record in recorded(home)) / 1e6


def check_conserved(home: Path, tmp_path: Path, program: str, *arguments: str) -> None:
    """Run it; what the kernel says that it used, with its family, is in the records of them all."""
    file, account = tmp_path / "program.py", tmp_path / "account.json"
    file.write_text(ACCOUNT + program, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", file, account, *arguments],
        env={**os.environ, "ECOIA_FLUSH_SECONDS": "0.5"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stderr, done.returncode) == ("", 0)
    used_ms = 1000 * json.loads(account.read_text(encoding="ascii"))
    last_ms = 20  # of the measuring thread, after its last look
    assert used_ms > 200
    assert 0.99 * used_ms - last_ms <= cpu_ms(home) <= 1.005 * used_ms


POOL = """
import multiprocessing
if __name__ == "__main__":
    begin()
    with ecoia.track(service="pool"):
        with multiprocessing.get_context(sys.argv[2]).Pool(2) as pool:
            pool.map(burn, [300] * 4, chunksize=1)
            pool.close()
            pool.join()
"""


@pytest.mark.timing
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_pool_workers_that_track_nothing_are_their_starters(home: Path, tmp_path: Path, method: str) -> None:
    check_conserved(home, tmp_path, POOL, method)
    assert {record.service for record in recorded(home) if record.spans} == {"pool"}
    assert len({record.pid for record in recorded(home)}) == 1


KILLED = """
import multiprocessing
def work(milliseconds):
    while True:
        with ecoia.track(service="worker"):
            burn(milliseconds)
if __name__ == "__main__":
    begin()
    context = multiprocessing.get_context(sys.argv[2])
    with ecoia.track(service="pool"):
        if sys.argv[3] == "terminated":
            with context.Pool(2) as pool:
                pool.map_async(work, [30] * 2, chunksize=1)
                time.sleep(1.3)              # some windows are written by then, and one is not
        else:
            workers = [context.Process(target=work, args=[30]) for _ in range(2)]
            for worker in workers: worker.start()
            time.sleep(1.3)
            for worker in workers: worker.kill()
            for worker in workers: worker.join()
"""


@pytest.mark.timing
@pytest.mark.parametrize(("method", "end"), [("fork", "terminated"), ("spawn", "killed"), ("forkserver", "killed")])
def test_what_killed_workers_had_not_written_is_their_starters(home: Path, tmp_path: Path, method: str, end: str) -> None:
    check_conserved(home, tmp_path, KILLED, method, end)


PLAIN = f"{BURN}burn(100)"
MEASURED = f"""{BURN}
import subprocess, sys
burn(60)
import ecoia
with ecoia.track(service="inner"):
    burn(120)
    subprocess.run([sys.executable, "-S", "-c", sys.argv[1]])
burn(60)
"""
NESTED = f"""
import subprocess
PLAIN, MEASURED = {PLAIN!r}, {MEASURED!r}
begin()
with ecoia.track(service="outer"):
    burn(50)
    subprocess.run([sys.executable, "-S", "-c", PLAIN])
    subprocess.run([sys.executable, "-c", MEASURED, PLAIN])
    subprocess.run(["sh", "-c", '"$1" -c "$2" "$3" & wait', "sh", sys.executable, MEASURED, PLAIN])
burn(20)
"""


@pytest.mark.timing
def test_programs_within_programs_are_counted_once_whoever_measures(home: Path, tmp_path: Path) -> None:
    check_conserved(home, tmp_path, NESTED)
    inner_ms = sum(record.cpu_ns for record in recorded(home) if record.kind == KIND_SPAN and record.service == "inner") / 1e6
    assert 300 <= inner_ms < 700  # twice its own 120 ms, and of the program that it starts what fell into its span


RUN = """
import sys, time, json
from ecoia import settings
from ecoia.watching.run_command import run_command as running
before = time.process_time()
with open(sys.argv[1], "w") as file: json.dump(before, file)
running.run(sys.argv[2:], service="vadore", phase="training", settings=settings.load())
"""


@pytest.mark.timing
@pytest.mark.parametrize(("program", "arguments"), [(NESTED, ()), (KILLED, ("fork", "terminated"))])
def test_all_that_a_command_uses_is_recorded_once(home: Path, tmp_path: Path, program: str, arguments: tuple[str, ...]) -> None:
    """Around the same programs, ``ecoia run`` takes what they leave: their start, and their end after the last record."""
    file, before = tmp_path / "program.py", tmp_path / "before.json"
    file.write_text(ACCOUNT + program, encoding="utf-8")
    start = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = run_python(RUN, str(before), sys.executable, str(file), os.devnull, *arguments, ECOIA_FLUSH_SECONDS="0.5")
    end = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (done.stderr, done.returncode) == ("", 0)
    used_s = end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime - json.loads(before.read_text(encoding="ascii"))
    last_ms = 80  # of ecoia run itself: its last window, and the end of its interpreter, on a machine that does other things too
    assert 990 * used_s - last_ms <= cpu_ms(home) <= 1005 * used_s


# --- claims ----------------------------------------------------------------------------------------------------------------

READY = "print('ready', flush=True); input()"
MEASURING = f"""
import os, sys
{BURN}
burn(60)
import ecoia
with ecoia.track(service="a"): pass
ecoia.flush()
burn(80)
print("ready", flush=True)
for line in sys.stdin:
    if line == "exec\\n": os.execv(sys.executable, [sys.executable, "-S", "-c", {BURN + "burn(100); " + READY!r}])
    burn(int(line))
    print("ready", flush=True)
"""


class Child:
    """A process below this one, that answers line by line."""

    def __init__(self, program: str, **options: Any) -> None:
        command = [sys.executable, "-c", program]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options)
        self.pid = self.process.pid
        self.hear()

    def hear(self) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    def ask(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        self.hear()


@pytest.fixture
def child() -> Iterator[Callable[..., Child]]:
    children: list[Child] = []

    def child(program: str, **options: Any) -> Child:
        children.append(Child(program, **options))
        return children[-1]

    yield child
    for one in children:
        one.process.kill()
        one.process.communicate()


def test_what_a_process_below_measures_is_not_ours_until_it_is_killed(home: Path, child: Callable[..., Child]) -> None:
    below = Descendants()
    inner = child(MEASURING)
    first_ms = below.advance() / 1e6
    assert 60 <= first_ms < 200  # until its first span
    inner.ask("100")
    assert below.advance() == 0
    assert below.pids() == {os.getpid()}
    inner.process.kill()
    inner.process.wait()
    assert 180 <= below.advance() / 1e6 < 300  # what it had not written
    assert below.advance() == 0
    assert not below.claimed


def test_devices_are_left_to_a_process_below_as_long_as_it_measures(home: Path, child: Callable[..., Child]) -> None:
    """What the next program of a script does with the GPU is ours again."""
    below = Descendants()
    assert not below.claimed
    inner = child(MEASURING)
    below.advance()
    assert below.claimed
    inner.process.kill()
    inner.process.wait()
    below.advance()
    assert below.claimed, "until it ended"
    below.advance()
    assert not below.claimed
    run_python("import ecoia\nwith ecoia.track(): pass")
    below.advance()
    assert below.claimed, "between two looks"
    plain = child(READY)
    below.advance()
    assert not below.claimed
    assert plain.pid in below.pids()


def test_a_process_that_becomes_another_program_measures_no_more(home: Path, child: Callable[..., Child]) -> None:
    below = Descendants()
    inner = child(MEASURING)
    below.advance()
    inner.ask("exec")
    assert 180 <= below.advance() / 1e6 < 350
    assert below.pids() == {os.getpid(), inner.pid}


def test_a_process_whose_measuring_broke_is_measured_from_above(home: Path, child: Callable[..., Child]) -> None:
    below = Descendants()
    broken = "import ecoia.measuring.sampler\ndef fail(*_): raise OSError\necoia.measuring.sampler.Sampler = fail\n"
    inner = child(f"{BURN}{broken}with ecoia.track(): pass\necoia.flush()\nburn(100)\n{READY}", stderr=subprocess.DEVNULL)
    assert below.advance() >= 100_000_000
    assert inner.pid in below.pids()


def test_a_claim_is_no_bigger_than_what_the_journal_holds(home: Path, child: Callable[..., Child]) -> None:
    """Killed between its last record and saying so: the record itself tells."""
    inner = child(MEASURING)
    facts = read_process(inner.pid)
    assert facts is not None
    name = f"{inner.pid}-{facts.start}"
    folder = own_folder()
    assert folder is not None
    file = Path(folder, name)
    said = file.read_text(encoding="ascii").split()
    written_ns = int(said[0])
    assert written_ns == sum(record.cpu_ns for record in recorded(home) if record.pid == inner.pid)
    file.write_text(" ".join(["0", *said[1:5], "-", "0", *said[7:]]), encoding="ascii")  # as before its first window
    below = Descendants()
    rest_ns = facts.own_ns - int(said[2]) - written_ns
    inner.process.kill()
    inner.process.wait()
    assert rest_ns <= below.advance() < rest_ns + 20_000_000


def test_the_folder_of_claims_is_ours_alone_or_not_used(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "claims"
    monkeypatch.setattr(processes, "_folder_of", lambda uid, root="": str(folder))
    assert Claim(0).add(1, "-", 0)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    folder.chmod(0o777)
    assert not Claim(0).add(1, "-", 0)
    assert own_folder() is None
    folder.chmod(0o700)
    if os.geteuid() == 0:
        os.chown(folder, 65534, 65534)
        assert not Claim(0).add(1, "-", 0)
    folder.rename(tmp_path / "other")
    folder.symlink_to(tmp_path / "other")
    assert not Claim(0).add(1, "-", 0)


def test_a_claim_that_cannot_be_written_is_counted_and_the_program_goes_on(home: Path) -> None:
    unwritable = "processes._folder_of = lambda *_: '/proc/ecoia'"
    program = (
        f"import ecoia\nfrom ecoia.processes import families as processes\n{unwritable}\nwith ecoia.track(): pass\nprint('on')"
    )
    done = run_python(program)
    assert (done.stdout, done.stderr) == ("on\n", "")
    # It is told with the window after the one that could not be deducted.
    done = run_python(f"{program}\nassert ecoia.flush(60)\nwith ecoia.track(): pass")
    assert sum(record.lost.get("claim-unwritten", 0) for record in recorded(home)) >= 1


def test_claims_of_the_long_ended_are_swept_and_those_of_the_living_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_folder_of", lambda uid, root="": str(tmp_path / "claims"))
    Claim(0)
    folder = tmp_path / "claims"
    (mine,) = (file.name for file in folder.iterdir())
    pid, start = mine.split("-")
    old, reused, fresh = "4194305-7", f"{pid}-{int(start) - 1}", "4194305-8"
    for name in (old, reused, fresh):
        (folder / name).touch()
    for name in (mine, old, reused):
        os.utime(folder / name, (0, 0))
    sweep()
    assert {file.name for file in folder.iterdir()} == {mine, fresh}


def test_a_claim_of_somebody_else_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_folder_of", lambda uid, root="": str(tmp_path / "claims"))
    Claim(0)
    (file,) = (tmp_path / "claims").iterdir()
    pid, start = map(int, file.name.split("-"))
    assert notice_of(pid, start) is not None
    assert notice_of(pid, start + 1) is None
    file.write_text("nonsense", encoding="ascii")
    assert notice_of(pid, start) is None
    Claim(0)
    if os.geteuid() == 0:
        os.chown(file, 65534, 65534)
        assert notice_of(pid, start) is None


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="namespaces need root here")
def test_the_claim_of_a_process_in_a_container_is_found(home: Path, child: Callable[..., Child]) -> None:
    """A mount namespace and a process-id namespace of its own, as a container has them."""
    program = (
        "import os, subprocess, sys; os.unshare(os.CLONE_NEWNS | os.CLONE_NEWPID)"
        if hasattr(os, "unshare")
        else "import ctypes, os, subprocess, sys; assert ctypes.CDLL(None).unshare(0x20020000) == 0"
    )
    mount = 'mount --make-rprivate / && mount -t tmpfs none /dev/shm && mount -t proc none /proc && exec "$@"'
    program += f"\nsys.exit(subprocess.call(['sh', '-c', {mount!r}, 'sh', sys.executable, '-c', {MEASURING!r}]))"
    below = Descendants()
    inner = child(program)
    first_ms = below.advance() / 1e6
    assert 60 <= first_ms < 400
    inner.ask("200")
    assert below.advance() / 1e6 < 20  # the one in between, which waits


FOREIGN = f"""
import subprocess, sys, time
{BURN}
import ecoia
with ecoia.track(service="a"):
    burn(100)
    subprocess.run([sys.executable, "-S", "-c", {BURN + "burn(200)"!r}])
    below = subprocess.Popen([sys.executable, "-S", "-c", {BURN + "burn(200); print(flush=True); input()"!r}],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    below.stdout.readline()
    assert ecoia.flush(60)
    below.kill(); below.communicate()
"""


@needs_namespaces
@pytest.mark.parametrize("mount", [(), ("--mount-proc",)], ids=["the host's /proc", "a /proc of its own"])
def test_in_a_namespace_of_process_ids_nobody_elses_time_is_ours(home: Path, mount: tuple[str, ...]) -> None:
    """The first process there is number 1; in the host's /proc, number 1 has every process below it."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = in_namespaces("--pid", "--fork", *mount, sys.executable, "-W", "error", "-c", FOREIGN)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
    used_ms = 1000 * (after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime)
    assert 470 <= sum(record.cpu_ns for record in recorded(home)) / 1e6 <= used_ms + 20


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root may become another user")
def test_the_claim_of_a_process_that_became_another_user_is_found(child: Callable[..., Child]) -> None:
    """As workers of a server do that starts as root."""
    uid = 4_000_000
    program = f"import os; from ecoia.processes.families import Claim; os.setgid({uid}); os.setuid({uid}); Claim(7); {READY}"
    inner = child(program)
    facts = read_process(inner.pid)
    assert facts is not None
    notice = notice_of(inner.pid, facts.start)
    shutil.rmtree(processes._folder_of(uid))
    assert notice is not None
    assert notice.since_ns == 7


# --- what looking does to the program --------------------------------------------------------------------------------------


def test_without_children_nothing_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def looked_up(*_: object) -> NoReturn:
        raise AssertionError("looked up")

    below = Descendants()
    below.advance()
    for name in ("read_process", "_children", "_below", "own_folder"):
        monkeypatch.setattr(processes, name, looked_up)
    assert below.advance() == 0
    assert below.pids() == {os.getpid()}


WAITING = f"""
import asyncio, os, resource, signal, subprocess, sys, threading, time
{BURN}
import ecoia
from ecoia.processes import families as processes
below = processes.Descendants()
stop = threading.Event()
def look():
    while not stop.wait(0.0005): below.advance()
thread = threading.Thread(target=look); thread.start()
heard = []
signal.signal(signal.SIGCHLD, lambda *_: heard.append(1))
def start(status): return os.posix_spawn("/bin/sh", ["sh", "-c", f"exit {{status}}"], os.environ)
for status in range(40):                     # every end is the program's to wait for, and heard of
    assert os.waitstatus_to_exitcode(os.waitpid(start(status), 0)[1]) == status
    assert subprocess.run(["sh", "-c", f"exit {{status}}"]).returncode == status
assert len(heard) >= 40
async def many(): return [await (await asyncio.create_subprocess_exec("sh", "-c", f"exit {{n}}")).wait() for n in range(20)]
assert asyncio.run(many()) == list(range(20))
try: os.waitpid(-1, os.WNOHANG)
except ChildProcessError: pass
else: raise AssertionError("one is left")
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
before = below.total_ns
for _ in range(2):
    process = os.posix_spawn(sys.executable, [sys.executable, "-S", "-c", {BURN + "burn(80); time.sleep(0.3)"!r}], os.environ)
    try: os.waitpid(process, 0)              # blocks until all have ended, and finds none
    except ChildProcessError: pass
stop.set(); thread.join(); below.advance()
print(round((below.total_ns - before) / 1e6))
"""


def test_the_programs_own_waiting_is_not_disturbed() -> None:
    """Exit codes, SIGCHLD, asyncio's watcher; and where ends are ignored, what was last seen of a child still counts."""
    done = run_python(WAITING)
    assert (done.stderr, done.returncode) == ("", 0)
    assert 160 <= int(done.stdout) < 400


def test_where_the_kernel_lists_no_children_they_are_found(child: Callable[..., Child], monkeypatch: pytest.MonkeyPatch) -> None:
    inner = child("import subprocess, sys; subprocess.run([sys.executable, '-S', '-c', " + repr(READY) + "])")
    expected = set(processes._below([os.getpid()]))
    monkeypatch.setattr(processes.os.path, "exists", lambda path: False)
    assert inner.pid in expected
    assert len(expected) >= 3
    assert set(processes._below([os.getpid()])) == expected


def test_elsewhere_psutil_tells(child: Callable[..., Child], monkeypatch: pytest.MonkeyPatch) -> None:
    """macOS and Windows, as far as Linux can show it."""
    monkeypatch.setattr(processes, "_LINUX", False)
    below = Descendants()
    inner = child(f"{BURN}burn(100); {READY}")
    assert below.advance() >= 90_000_000
    assert below.pids() == {os.getpid(), inner.pid}
    inner.process.kill()
    inner.process.wait()
    below.advance()
    assert below.pids() == {os.getpid()}


FIRST = 5_000_000  # an id that no process has


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 100), st.integers(0, 100)), min_size=1, max_size=12), st.randoms())
def test_a_family_never_counts_less_than_before(steps: list[tuple[int, int, int]], random: Any) -> None:
    """Members that come, work and end in any order, under one whose account of what it waited for comes late, or never."""
    time_of: dict[int, list[int]] = {}

    class Scripted(processes.Family):
        def _gross_ns(self) -> int:
            return 0

        def _look(self) -> dict[int, processes.Facts]:
            return {
                pid: processes.Facts(1, FIRST if pid > FIRST else 0, own, reaped, 0, running=True)
                for pid, (own, reaped) in time_of.items()
            }

    family = Scripted()
    before = family.total_ns
    for number, own, reaped in steps:
        pid = FIRST + number
        if pid in time_of and random.random() < 0.3:
            del time_of[pid]
        else:
            was = time_of.setdefault(pid, [0, 0])
            was[0] += own
            was[1] += reaped
        assert family.advance() >= 0
        assert family.total_ns >= before
        before = family.total_ns
