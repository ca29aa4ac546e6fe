"""Compare the kernel's accounts with the journal: each nanosecond of a family of processes is in exactly one record."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecoia.keeping.adoption import adopt, kept_cpu_ns
from ecoia.keeping.journal import Journal
from ecoia.processes import families, notices, proc
from ecoia.processes.families import Descendants, Family
from ecoia.processes.notices import OwnNotice, notice_of, own_folder, sweep
from ecoia.processes.proc import ProcessIdentity, ProcessSnapshot, read_process, read_trees
from ecoia.semconv import KIND_SPAN
from support.namespaces import in_namespaces, needs_namespaces
from support.programs import BURN, recorded, run_python, wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's exact accounts are Linux's")


# --- conservation over whole families ----------------------------------------------------------------------------------

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
"""A program that reports, after its last record, how much CPU time it and its family used since ``begin()``."""


def cpu_ms(home: Path) -> float:
    return sum(record.cpu_ns for record in recorded(home)) / 1e6


def check_conserved(home: Path, tmp_path: Path, program: str, *arguments: str) -> None:
    """Run a program; the records of its family hold the CPU time that the kernel counted for the family."""
    file, account = tmp_path / "program.py", tmp_path / "account.json"
    file.write_text(ACCOUNT + program, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", file, account, *arguments],
        env={**os.environ, "ECOIA_FLUSH_SECONDS": "0.5"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert (done.stderr, done.returncode) == ("", 0)
    adopt(Journal(home))  # what killed members had kept of their open windows
    used_ms = 1000 * json.loads(account.read_text(encoding="ascii"))
    # Of the sampler thread and of the process's end, after the last look: 5 to 12 ms on a machine with seven times as many
    # programs as CPUs, up to 90 on a virtual machine whose cold pages are reclaimed.
    last_ms = 100
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
def test_cpu_time_of_pool_workers_without_spans_is_recorded_by_their_parent(home: Path, tmp_path: Path, method: str) -> None:
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
def test_the_parent_records_cpu_time_that_killed_workers_had_not_written(
    home: Path, tmp_path: Path, method: str, end: str
) -> None:
    check_conserved(home, tmp_path, KILLED, method, end)


PLAIN = f"{BURN}burn(200)"
MEASURED = f"""{BURN}
import subprocess, sys
burn(150)
import ecoia
with ecoia.track(service="inner"):
    burn(150)
    subprocess.run([sys.executable, "-S", "-c", sys.argv[1]])
burn(150)
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
def test_programs_within_programs_are_counted_once_whichever_measures(home: Path, tmp_path: Path) -> None:
    check_conserved(home, tmp_path, NESTED)
    inner_ms = sum(record.cpu_ns for record in recorded(home) if record.kind == KIND_SPAN and record.service == "inner") / 1e6
    # Twice its own 150 ms and most of the 200 ms of the program that it starts; not the 300 ms outside its span.
    assert 500 <= inner_ms < 1200


RUN = """
import sys, time, json
from ecoia import settings
from ecoia.watching import run_command
before = time.process_time()
with open(sys.argv[1], "w") as file: json.dump(before, file)
run_command.run(sys.argv[2:], service="vadore", phase="training", settings=settings.load())
"""


@pytest.mark.timing
@pytest.mark.parametrize(("program", "arguments"), [(NESTED, ()), (KILLED, ("fork", "terminated"))])
def test_all_that_a_command_uses_is_recorded_once(home: Path, tmp_path: Path, program: str, arguments: tuple[str, ...]) -> None:
    """``ecoia run`` records what the programs in it do not: their start, and their end after the last record."""
    file, before = tmp_path / "program.py", tmp_path / "before.json"
    file.write_text(ACCOUNT + program, encoding="utf-8")
    start = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = run_python(RUN, str(before), sys.executable, str(file), os.devnull, *arguments, ECOIA_FLUSH_SECONDS="0.5")
    end = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (done.stderr, done.returncode) == ("", 0)
    used_s = end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime - json.loads(before.read_text(encoding="ascii"))
    last_ms = 140  # of ecoia run: its last window and the end of its interpreter; 50 to 60 ms on a crowded machine
    assert 990 * used_s - last_ms <= cpu_ms(home) <= 1005 * used_s


# --- notices -----------------------------------------------------------------------------------------------------------

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
    """A child process that answers each line."""

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


def identity(child: Child) -> ProcessIdentity:
    process = read_process(child.pid)
    assert process is not None
    return child.pid, process.start


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


def kept_ns(notice: notices.Notice) -> int:
    """CPU time in the open window that the process of a notice had kept when it ended."""
    return sum(kept_cpu_ns(notice.folder, notice.name).values())


def test_cpu_time_of_a_measuring_child_is_not_ours_until_it_is_killed(home: Path, child: Callable[..., Child]) -> None:
    below = Descendants()
    inner = child(MEASURING)
    notice = notice_of(*identity(inner))
    assert notice is not None
    assert below.advance() == notice.since_ns >= 60_000_000, "until its first span"
    inner.ask("100")
    assert below.advance() == 0
    assert below.pids() == {os.getpid()}
    inner.process.kill()
    inner.process.wait()
    assert below.advance() + kept_ns(notice) >= 180_000_000, "what it had not written"
    assert below.advance() == 0
    assert not below.has_measuring_member


def test_devices_are_left_to_a_process_below_as_long_as_it_measures(home: Path, child: Callable[..., Child]) -> None:
    """Energy of the GPU is ours again when the script's next program uses it."""
    below = Descendants()
    assert not below.has_measuring_member
    inner = child(MEASURING)
    below.advance()
    assert below.has_measuring_member
    inner.process.kill()
    inner.process.wait()
    below.advance()
    assert below.has_measuring_member, "until it ended"
    below.advance()
    assert not below.has_measuring_member
    run_python("import ecoia\nwith ecoia.track(): pass")
    below.advance()
    assert below.has_measuring_member, "between two looks"
    plain = child(READY)
    below.advance()
    assert not below.has_measuring_member
    assert plain.pid in below.pids()


def test_a_process_that_becomes_another_program_no_longer_measures(home: Path, child: Callable[..., Child]) -> None:
    below = Descendants()
    inner = child(MEASURING)
    begun_ns = below.total_ns
    notice = notice_of(*identity(inner))
    assert notice is not None
    below.advance()
    inner.ask("exec")
    below.advance()
    process = read_process(inner.pid)
    assert process is not None
    unwritten_ns = kept_ns(notice)
    adopt(Journal(home))
    written_ns = sum(record.cpu_ns for record in recorded(home))
    assert 180_000_000 - unwritten_ns <= below.total_ns - begun_ns <= process.own_ns - written_ns
    assert below.pids() == {os.getpid(), inner.pid}


def test_cpu_time_that_a_process_recorded_before_it_became_another_measuring_program_is_not_ours(
    home: Path, child: Callable[..., Child]
) -> None:
    """A server that restarts itself in place (``os.execv``) has recorded what it used before."""
    below = Descendants()
    again = f"{BURN}\nimport ecoia\nwith ecoia.track(service='again'): burn(50)\necoia.flush()\n{READY}"
    inner = child(
        f"{BURN}\nimport ecoia, os, sys\nwith ecoia.track(service='a'): burn(400)\necoia.flush()\nprint('ready', flush=True)\n"
        f"input()\nos.execv(sys.executable, [sys.executable, '-c', {again!r}])"
    )
    before_ns = below.advance()
    inner.ask("exec")
    assert below.advance() < 300_000_000, "what it had recorded is counted twice"
    inner.process.kill()
    inner.process.wait()
    below.advance()
    adopt(Journal(home))
    recorded_ns = sum(record.cpu_ns for record in recorded(home))
    used_ns = families.own_reaped_ns()
    assert before_ns < 300_000_000
    assert below.total_ns + recorded_ns <= used_ns + 40_000_000  # the kernel's ticks


def test_a_process_whose_measuring_failed_is_measured_from_above(home: Path, child: Callable[..., Child]) -> None:
    below = Descendants()
    broken = "import ecoia.measuring.sampler\ndef fail(*_): raise OSError\necoia.measuring.sampler.Sampler = fail\n"
    inner = child(f"{BURN}{broken}with ecoia.track(): pass\necoia.flush()\nburn(100)\n{READY}", stderr=subprocess.DEVNULL)
    assert below.advance() >= 100_000_000
    assert inner.pid in below.pids()


def test_records_missing_from_the_notice_of_a_killed_process_are_found_in_the_journal(
    home: Path, child: Callable[..., Child]
) -> None:
    """The process is killed after it wrote a record, and before its notice says so."""
    inner = child(MEASURING)
    process = read_process(inner.pid)
    assert process is not None
    name = notices.file_name(inner.pid, process.start)
    folder = own_folder()
    assert folder is not None
    file = Path(folder, name)
    fields = file.read_text(encoding="ascii").split()
    written_ns = int(fields[0])
    assert written_ns == sum(record.cpu_ns for record in recorded(home) if record.pid == inner.pid)
    file.write_text(" ".join(["0", *fields[1:5], "-", "0", *fields[7:]]), encoding="ascii")  # as before its first window
    below = Descendants()
    rest_ns = process.own_ns - int(fields[2]) - written_ns
    inner.process.kill()
    inner.process.wait()
    rest_ns -= kept_ns(notices.Notice("", " ".join(fields)))
    # Its sampler and its exit add a little. Had the record been missed, its CPU time would be added too.
    assert rest_ns <= below.advance() < rest_ns + written_ns


def test_cpu_time_that_a_killed_process_kept_is_not_ours(home: Path, child: Callable[..., Child]) -> None:
    """Neither before anybody waited for it, nor after, nor when its window is adopted."""
    inner = child(MEASURING, env={**os.environ, "ECOIA_FLUSH_SECONDS": "3600"})
    inner.ask("300")
    process = read_process(inner.pid)
    notice = notice_of(*identity(inner))
    assert process is not None
    assert notice is not None
    wait_until(lambda: kept_ns(notice) > 250_000_000, 60)
    below = Descendants()
    os.kill(inner.pid, signal.SIGKILL)
    wait_until(lambda: not getattr(read_process(inner.pid), "running", False), 60)
    rest_ns = below.advance()
    assert rest_ns < 250_000_000
    inner.process.wait()
    adopt(Journal(home))
    assert rest_ns + below.advance() < 250_000_000
    assert below.advance() == 0


def test_a_folder_of_notices_that_others_can_write_to_is_not_used(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "notices"
    monkeypatch.setattr(notices, "_folder_of", lambda uid, root="": str(folder))
    assert OwnNotice(0).add(1, "-", 0)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    folder.chmod(0o777)
    assert not OwnNotice(0).add(1, "-", 0)
    assert own_folder() is None
    folder.chmod(0o700)
    if os.geteuid() == 0:
        os.chown(folder, 65534, 65534)
        assert not OwnNotice(0).add(1, "-", 0)
    folder.rename(tmp_path / "other")
    folder.symlink_to(tmp_path / "other")
    assert not OwnNotice(0).add(1, "-", 0)


def test_a_notice_that_cannot_be_written_is_counted_and_the_program_goes_on(home: Path) -> None:
    unwritable = "notices._folder_of = lambda *_: '/proc/ecoia'"
    program = f"import ecoia\nfrom ecoia.processes import notices\n{unwritable}\nwith ecoia.track(): pass\nprint('on')"
    done = run_python(program)
    assert (done.stdout, done.stderr) == ("on\n", "")
    # It is counted in the window after the one that others could not leave out.
    done = run_python(f"{program}\nassert ecoia.flush(60)\nwith ecoia.track(): pass")
    assert sum(record.lost.get("claim-unwritten", 0) for record in recorded(home)) >= 1


def test_old_notices_of_ended_processes_are_swept_and_those_of_the_living_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "_folder_of", lambda uid, root="": str(tmp_path / "notices"))
    OwnNotice(0)
    folder = tmp_path / "notices"
    (mine,) = (file.name for file in folder.iterdir())
    pid, start = mine.split("-")
    old, reused, fresh = "4194305-7", f"{pid}-{int(start) - 1}", "4194305-8"
    for name in (old, reused, fresh):
        (folder / name).touch()
    for _ in range(2):  # the first sweep marks what it finds ended, as the processes above may not have read it yet
        for name in (mine, old, reused):
            os.utime(folder / name, (0, 0))
        assert {file.name for file in folder.iterdir()} == {mine, old, reused, fresh}
        sweep()
    assert {file.name for file in folder.iterdir()} == {mine, fresh}


def test_a_sweep_of_a_full_folder_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "_folder_of", lambda uid, root="": str(tmp_path / "notices"))
    monkeypatch.setattr(notices, "_MOST_SWEPT", 10)
    OwnNotice(0)
    folder = tmp_path / "notices"
    for pid in range(25):
        (folder / f"{4194305 + pid}-7").touch()
        os.utime(folder / f"{4194305 + pid}-7", (0, 0))
    sweep()
    assert sum(not file.stat().st_mode & 0o200 for file in folder.iterdir()) == 10


def test_a_notice_written_by_another_user_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "_folder_of", lambda uid, root="": str(tmp_path / "notices"))
    OwnNotice(0)
    (file,) = (tmp_path / "notices").iterdir()
    pid, start = map(int, file.name.split("-"))
    assert notice_of(pid, start) is not None
    assert notice_of(pid, start + 1) is None
    file.write_text("nonsense", encoding="ascii")
    assert notice_of(pid, start) is None
    OwnNotice(0)
    if os.geteuid() == 0:
        os.chown(file, 65534, 65534)
        assert notice_of(pid, start) is None


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="namespaces need root here")
def test_the_notice_of_a_process_in_a_container_is_found(home: Path, child: Callable[..., Child]) -> None:
    """The process has a mount namespace and a process-id namespace, like a container."""
    program = (
        "import os, subprocess, sys; os.unshare(os.CLONE_NEWNS | os.CLONE_NEWPID)"
        if hasattr(os, "unshare")
        else "import ctypes, os, subprocess, sys; assert ctypes.CDLL(None).unshare(0x20020000) == 0"
    )
    mount = 'mount --make-rprivate / && mount -t tmpfs none /dev/shm && mount -t proc none /proc && exec "$@"'
    program += f"\nsys.exit(subprocess.call(['sh', '-c', {mount!r}, 'sh', sys.executable, '-c', {MEASURING!r}]))"
    below = Descendants()
    inner = child(program)
    assert below.advance() >= 60_000_000
    inner.ask("200")
    assert below.advance() < 100_000_000, "only the process in between, which waits"


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
def test_in_a_namespace_of_process_ids_no_other_processs_time_is_ours(home: Path, mount: tuple[str, ...]) -> None:
    """Our process has id 1 there; in the host's /proc, id 1 has every process below it."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = in_namespaces("--pid", "--fork", *mount, sys.executable, "-W", "error", "-c", FOREIGN)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
    used_ms = 1000 * (after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime)
    assert 470 <= sum(record.cpu_ns for record in recorded(home)) / 1e6 <= used_ms + 20  # the ticks in which the kernel counts


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root may become another user")
def test_the_notice_of_a_process_that_became_another_user_is_found(child: Callable[..., Child]) -> None:
    """Workers of a server that starts as root do so."""
    uid = 4_000_000
    program = (
        f"import os; from ecoia.processes.notices import OwnNotice; os.setgid({uid}); os.setuid({uid}); OwnNotice(7); {READY}"
    )
    inner = child(program)
    notice = notice_of(*identity(inner))
    shutil.rmtree(notices._folder_of(uid))
    assert notice is not None
    assert notice.since_ns == 7


# --- forged notices ----------------------------------------------------------------------------------------------------

HUGE = 10**18
"""Nanoseconds: thirty years."""

WORKING = f"""
import sys
{BURN}
print("ready", flush=True)
for line in sys.stdin:
    burn(int(line))
    print("ready", flush=True)
"""


def forge(
    of: tuple[int, int], *, written: object = 0, ended: int = 0, since: object = 0, above: str = "-", to: str = "- -"
) -> Path:
    """Put a notice into this user's folder, as any of the user's processes can."""
    folder = own_folder(make=True)
    assert folder is not None
    file = Path(folder, notices.file_name(*of))
    file.write_text(f"{written} {ended} {since} 0 {above} - 0 {to}", encoding="ascii")
    return file


@pytest.mark.parametrize(
    "claim",
    [
        {"since": HUGE},
        {"since": -HUGE},
        {"written": HUGE, "ended": 1},
        {"written": -HUGE, "ended": 1},
        {"since": 10**40},
        {"written": "9" * 5000},
        {"above": "1-1," * 10_000 + "x"},
    ],
    ids=[
        "leaves much",
        "leaves less than nothing",
        "wrote much",
        "wrote less than nothing",
        "no number",
        "too long",
        "no process",
    ],
)
def test_a_forged_claim_of_a_living_process_takes_nothing_from_others_and_adds_nothing(
    child: Callable[..., Child], claim: dict[str, Any]
) -> None:
    forger, other = child(WORKING), child(WORKING)
    below = Descendants()
    file = forge(identity(forger), **claim)
    below.advance()
    try:
        for _ in range(2):
            other.ask("200")
            assert 100_000_000 <= below.advance() < 500_000_000, "but for what the forger used itself"
        forger.process.kill()
        forger.process.wait()
        below.advance()
        other.ask("200")
        assert 100_000_000 <= below.advance() < 500_000_000, "but for what the forger used itself"
    finally:
        file.unlink(missing_ok=True)


def test_claims_of_processes_that_never_were_take_nothing_from_others(child: Callable[..., Child]) -> None:
    other = child(WORKING)
    below = Descendants()
    above = notices.file_name(*below._identity)
    files = []
    try:
        for number in range(3):
            files.append(forge((4_194_305 + number, 7), written=HUGE, above=above))
            other.ask("100")
            assert 50_000_000 <= below.advance() < 400_000_000, "of which a tick or two may be taken as theirs"
    finally:
        for file in files:
            file.unlink(missing_ok=True)
    assert below.refused == 3


@pytest.mark.timeout(60)
def test_a_notice_that_names_no_journal_holds_nobody_up(home: Path, tmp_path: Path, child: Callable[..., Child]) -> None:
    day = tmp_path / "journal" / "2026-11-25"
    day.mkdir(parents=True)
    (tmp_path / "open").mkdir()
    os.mkfifo(day / "fifo.jsonl")
    os.mkfifo(tmp_path / "open" / "fifo.jsonl")
    (day / "zero.jsonl").symlink_to("/dev/zero")
    (tmp_path / "open" / "zero.jsonl").symlink_to("/dev/zero")
    with (day / "long.jsonl").open("wb") as file:
        file.truncate(1 << 40)
    below = Descendants()
    for name in ("fifo.jsonl", "zero.jsonl", "long.jsonl"):
        forger = child(WORKING)
        notice = forge(identity(forger), to=f"{os.fsencode(tmp_path / 'journal').hex()} {name}")
        below.advance()
        forger.process.kill()
        forger.process.wait()
        below.advance()
        notice.unlink()
    folder, fields = os.fsencode(tmp_path / "journal").hex(), "0 0 0 0 - - 0"
    for unsafe in (f"{folder} ../../x", f"{b'journal'.hex()} x", f"{b'a' * 3!r} x"):
        with pytest.raises(ValueError, match=r"journal|hex"):
            notices.Notice("", f"{fields} {unsafe}")


def test_a_folder_that_another_user_took_is_replaced_by_one_that_nobody_else_can_take(tmp_path: Path) -> None:
    shared, own = tmp_path / "dev/shm/ecoia-7", tmp_path / "run/user/7"
    shared.parent.mkdir(parents=True)
    folder = notices._folder_of(7, str(tmp_path))
    assert folder == str(shared), "free"
    shared.mkdir()  # by the user who runs the tests, who is not number 7
    assert notices._folder_of(7, str(tmp_path)) == str(shared), "no other place"
    own.mkdir(parents=True)
    assert notices._folder_of(7, str(tmp_path)) == f"{own}/ecoia"
    assert notices._folder_of(os.geteuid(), str(tmp_path)).startswith(str(shared.parent))


def test_doctor_is_told_of_a_folder_and_of_files_that_are_no_notices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "notices"
    monkeypatch.setattr(notices, "_folder_of", lambda uid, root="": str(folder))
    OwnNotice(0)
    (folder / "watched+1").touch()  # of ecoia watch
    assert (notices.folder_problem(), notices.damaged()) == (None, [])
    (folder / "1-2").write_text("nonsense", encoding="ascii")
    assert notices.damaged() == [f"{folder}/1-2"]
    folder.chmod(0o777)
    assert notices.folder_problem() == f"'{folder}' belongs to another user or is open to others"


# --- side effects on the program ---------------------------------------------------------------------------------------


def test_without_children_nothing_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*_: object) -> NoReturn:
        raise AssertionError("read")

    below = Descendants()
    below.advance()
    for name in ("read_process", "children_of", "read_trees"):
        monkeypatch.setattr(families, name, read)
    monkeypatch.setattr(notices, "own_folder", read)
    assert below.advance() == 0
    assert below.pids() == {os.getpid()}


WAITING = f"""
import asyncio, os, resource, signal, subprocess, sys, threading, time
{BURN}
import ecoia
from ecoia.processes.families import Descendants
below = Descendants()
stop = threading.Event()
def look():
    while not stop.wait(0.0005): below.advance()
thread = threading.Thread(target=look); thread.start()
heard = []
signal.signal(signal.SIGCHLD, lambda *_: heard.append(1))
def start(status): return os.posix_spawn("/bin/sh", ["sh", "-c", f"exit {{status}}"], os.environ)
for status in range(40):                     # every exit is the program's to wait for, and signals it
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


@pytest.mark.timing
def test_the_program_can_wait_for_its_children_undisturbed() -> None:
    """Exit codes, SIGCHLD and asyncio's watcher work. If exits are ignored, CPU time last seen of a child still counts."""
    done = run_python(WAITING)
    assert (done.stderr, done.returncode) == ("", 0)
    assert 160 <= int(done.stdout) < 1000


def test_children_are_found_if_the_kernel_does_not_list_them(
    child: Callable[..., Child], monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = child("import subprocess, sys; subprocess.run([sys.executable, '-S', '-c', " + repr(READY) + "])")
    expected = set(read_trees([os.getpid()]))
    monkeypatch.setattr(proc.os.path, "exists", lambda path: False)
    assert inner.pid in expected
    assert len(expected) >= 3
    assert set(read_trees([os.getpid()])) == expected


def test_psutil_is_used_on_other_systems(child: Callable[..., Child], monkeypatch: pytest.MonkeyPatch) -> None:
    """Shows for macOS and Windows what can be shown on Linux."""
    monkeypatch.setattr(proc, "IS_LINUX", False)
    below = Descendants()
    inner = child(f"{BURN}burn(100); {READY}")
    assert below.advance() >= 90_000_000
    assert below.pids() == {os.getpid(), inner.pid}
    inner.process.kill()
    inner.process.wait()
    below.advance()
    assert below.pids() == {os.getpid()}


FIRST = 5_000_000  # beyond every real process id


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 100), st.integers(0, 100)), min_size=1, max_size=12), st.randoms())
def test_the_cpu_time_of_a_family_never_decreases(steps: list[tuple[int, int, int]], random: Any) -> None:
    """Members start, work and end in any order; the account of waited-for children is late, or never updated."""
    time_of: dict[int, list[int]] = {}

    class Scripted(Family):
        def _top_account_ns(self) -> int:
            return 0

        def _read_members(self) -> dict[int, ProcessSnapshot]:
            return {
                pid: ProcessSnapshot(1, FIRST if pid > FIRST else 0, own, reaped, 0, running=True)
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
