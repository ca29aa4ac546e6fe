"""Run real commands under ``ecoia run``: exit, signals and terminal pass through, and CPU time is counted once."""

from __future__ import annotations

import os
import pty
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from ecoia.errors import UsageError
from ecoia.processes.families import Descendants
from ecoia.semconv import KIND_OUTCOME, KIND_OVERHEAD, KIND_SPAN
from ecoia.settings import load as load_settings
from ecoia.watching import run_command
from support.programs import BURN, recorded

pytestmark = pytest.mark.long

RUNNER = (
    sys.executable,
    "-c",
    "import sys; from ecoia import settings; from ecoia.watching.run_command import run\n"
    "sys.exit(run(sys.argv[1:], service='vadore', phase='training', settings=settings.load()))",
)
"""Does what the command line does, without the time that it takes to load."""


def run(*command: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*RUNNER, *command],
        env={**os.environ, **environment},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def python(program: str) -> tuple[str, str, str]:
    return sys.executable, "-c", program


@pytest.fixture
def mask() -> Iterator[None]:
    """Check that the signal mask of this process is unchanged, and restore it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    yield
    assert signal.pthread_sigmask(signal.SIG_SETMASK, before) == before


# --- the end -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [0, 1, 7, 255])
def test_the_exit_code_is_the_commands(home: Path, status: int) -> None:
    done = run("sh", "-c", f"echo out; echo err >&2; exit {status}")
    assert (done.returncode, done.stdout, done.stderr) == (status, "out\n", "err\n")
    (outcome,) = [record for record in recorded(home) if record.kind == KIND_OUTCOME]
    (span,) = [record for record in recorded(home) if record.kind == KIND_SPAN]
    assert outcome.outcome == ("ok" if status == 0 else "failed")
    assert (span.service, span.phase, span.run_id, span.spans) == ("vadore", "training", outcome.run_id, 1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV, signal.SIGPIPE, signal.SIGINT])
def test_the_signal_that_ends_the_command_ends_us_too(home: Path, number: signal.Signals) -> None:
    done = run(*python(f"import os, signal; signal.signal({number}, 0) if {number} != 9 else 0; os.kill(os.getpid(), {number})"))
    assert done.returncode == -number
    assert done.stderr == ""
    (outcome,) = [record for record in recorded(home) if record.kind == KIND_OUTCOME]
    assert outcome.outcome == "failed"


def test_a_pipe_that_closes_ends_a_writer_as_usual() -> None:
    """Python ignores SIGPIPE. A command that inherited that would report an error instead of ending silently."""
    done = run("sh", "-c", "yes | head -n 1")
    assert (done.stdout, done.stderr, done.returncode) == ("y\n", "", 0)
    assert run("sh", "-c", "kill -PIPE $$").returncode == -signal.SIGPIPE


def test_the_exit_code_passes_if_we_inherit_an_ignored_sigchld() -> None:
    """Some supervisors start us with SIGCHLD ignored; the kernel would then discard the exit code."""
    ignoring = "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    done = subprocess.run([*python(ignoring), *RUNNER, "sh", "-c", "exit 7"], timeout=600, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (7, b"")


# --- signals, terminal, streams ----------------------------------------------------------------------------------------

COUNTING = """
import os, signal, sys
number = int(sys.argv[1])
signal.pthread_sigmask(signal.SIG_BLOCK, [number])
print("ready", flush=True)
count = 0
while signal.sigtimedwait([number], 20 if count == 0 else 0.5):
    count += 1
print(f"{count} times", flush=True)
os._exit(3)
"""
"""Counts a signal: waits for the first one, then half a second for another."""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_a_signal_sent_to_us_reaches_the_command_once(number: signal.Signals) -> None:
    with subprocess.Popen([*RUNNER, *python(COUNTING), str(int(number))], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.stdout.read() == "1 times\n"
    assert process.returncode == 3


def test_the_command_has_our_terminal_and_its_ctrl_c() -> None:
    """The command has the terminal, the terminal's Ctrl-C reaches it once, and its exit code is ours."""
    facts = "import os, sys; print([os.isatty(fd) for fd in (0, 1, 2)], os.getpgid(0) == os.tcgetpgrp(0), flush=True)\n"
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(RUNNER[0], [*RUNNER, *python(facts + COUNTING), str(int(signal.SIGINT))])  # noqa: S606 - no shell wanted
    said = b""
    try:
        while b"ready" not in said:
            said += os.read(terminal, 1024)
        os.write(terminal, b"\x03")
        while b"times" not in said:
            said += os.read(terminal, 1024)
    finally:
        _, status = os.waitpid(pid, 0)
        os.close(terminal)
    assert b"[True, True, True] True" in said
    assert b"1 times" in said
    assert os.waitstatus_to_exitcode(status) == 3


@pytest.mark.usefixtures("mask")
def test_an_interrupt_while_the_command_ends_does_not_cut_us_short() -> None:
    """Ctrl-C reaches the command and us; if the command has ended by then, its records and exit code still count."""
    child = run_command._Child(["sh", "-c", "exit 4"])

    def interrupted_step() -> float:
        while psutil.Process(child.pid).status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.001)
        # Sent to this thread: libraries of other tests left threads in this process that do not block interrupts.
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)
        return 1.0

    try:
        assert child.wait_to_end(interrupted_step) == 4
    except KeyboardInterrupt:  # it would end all tests instead of failing this one
        pytest.fail("the interrupt came through")


def test_standard_input_is_the_commands() -> None:
    assert run("cat", stdin="through\n").stdout == "through\n"


# --- bad input ---------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("mask")
@pytest.mark.parametrize(
    ("command", "service", "phase", "message"),
    [
        ([], "a", "training", "no command given: write it after '--'"),
        (["no-such-program-here"], "a", "training", "'no-such-program-here' cannot be started \\(No such file"),
        (["./folder"], "a", "training", "'./folder' cannot be started \\(Permission denied"),
        (["true"], "Not An Id", "training", "service = 'Not An Id'"),
        (["true"], "a", "trainning", "phase = 'trainning': choose one of inception, data-preparation"),
    ],
)
def test_a_command_that_cannot_run_is_refused_in_one_line(command: list[str], service: str, phase: str, message: str) -> None:
    Path("folder").mkdir()
    with pytest.raises(UsageError, match=message):
        run_command.run(command, service=service, phase=phase, settings=load_settings())


def test_disabled_runs_the_command_and_nothing_else(home: Path) -> None:
    done = run("sh", "-c", "echo answer; exit 5", ECOIA_DISABLED="1")
    assert (done.stdout, done.stderr, done.returncode) == ("answer\n", "", 5)
    assert not home.exists()


def test_a_home_that_cannot_be_used_changes_nothing_for_the_command() -> None:
    done = run("sh", "-c", "echo answer; exit 5", ECOIA_HOME="/proc/ecoia")
    assert (done.stdout, done.returncode) == ("answer\n", 5)
    assert "cannot be used" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_command_belongs_to_the_mlflow_run(home: Path) -> None:
    run("true", MLFLOW_RUN_ID="abc123")
    assert {record.run_id for record in recorded(home) if record.kind == KIND_SPAN} == {"abc123"}


def test_the_command_measures_its_runs_for_the_same_service(home: Path) -> None:
    variables = "$ECOIA_AUTOLOG $ECOIA_SERVICE $ECOIA_PHASE $ECOIA_SESSION"
    done = run("sh", "-c", f"echo {variables}")
    *said, session = done.stdout.split()
    assert said == ["1", "vadore", "training"]
    assert {record.run_id for record in recorded(home) if record.kind == KIND_SPAN} == {session}
    assert run("sh", "-c", f"echo {variables}", ECOIA_AUTOLOG="0").stdout.split()[0] == "0"


# --- CPU time ----------------------------------------------------------------------------------------------------------


def cpu_ms(home: Path, service: str | None = None, kind: str | None = None) -> float:
    records = [r for r in recorded(home) if (service is None or r.service == service) and (kind is None or r.kind == kind)]
    return sum(record.cpu_ns for record in records) / 1e6


@pytest.mark.timing
def test_the_cpu_time_of_children_counts_for_the_command(home: Path) -> None:
    """The records hold what the kernel counts for a shell and its two workers, to the millisecond."""
    worker = f"{BURN}burn(300)"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = run("sh", "-c", '"$1" -c "$2" & "$1" -c "$2" & wait', "sh", sys.executable, worker)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0
    all_ms = 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert cpu_ms(home, kind=KIND_SPAN) >= 600
    assert cpu_ms(home, kind=KIND_SPAN) + cpu_ms(home, kind=KIND_OVERHEAD) <= all_ms + 1


SELF_MEASURING = f"""
{BURN}
import ecoia
burn(150)                                   # before its first span: recorded by the outer one
with ecoia.track(service="inner"):
    burn(400)
burn(100)                                   # its own unattributed
"""

MEASURED_DRIVER = """
import resource, subprocess, sys
status = subprocess.run([sys.executable, "-c", *sys.argv[1:]]).returncode
spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
print(sum(usage.ru_utime + usage.ru_stime for usage in spent) * 1000)
sys.exit(status)
"""
"""Runs a Python program text and prints how many milliseconds of CPU time both used."""


@pytest.mark.timing
def test_a_command_that_measures_itself_is_counted_once(home: Path) -> None:
    done = run(*python(MEASURED_DRIVER), SELF_MEASURING)
    assert (done.stderr, done.returncode) == ("", 0)
    spent_ms = float(done.stdout)
    pids = {record.pid for record in recorded(home)}
    assert len(pids) == 2
    inner_ms = sum(r.cpu_ns for r in recorded(home) if r.pid in {s.pid for s in recorded(home) if s.service == "inner"}) / 1e6
    outer_ms = cpu_ms(home, "vadore")
    assert 400 <= cpu_ms(home, "inner") < 490  # without the 100 ms after its span
    assert inner_ms >= 500
    assert outer_ms >= 150
    # The driver exits after it has read the clock.
    assert 0.95 * spent_ms <= inner_ms + outer_ms <= spent_ms + 90


@pytest.mark.timing
def test_a_run_within_a_run_is_counted_once(home: Path) -> None:
    inner_runner = RUNNER[2].replace("'vadore'", "'inner-run'")
    done = run(*python(MEASURED_DRIVER), inner_runner, sys.executable, "-c", SELF_MEASURING)
    assert (done.stderr, done.returncode) == ("", 0)
    spent_ms = float(done.stdout)
    assert 400 <= cpu_ms(home, "inner") < 490  # without the 100 ms after its span
    assert cpu_ms(home, "inner-run") >= 150
    outer = next(record.pid for record in recorded(home) if record.service == "vadore")
    within_ms = sum(record.cpu_ns for record in recorded(home) if record.pid != outer) / 1e6
    assert 0.95 * spent_ms <= within_ms + cpu_ms(home, "vadore") <= spent_ms + 90


FAMILY = f"""
import os, subprocess, sys
{BURN}
role = sys.argv[1]
if role == "child":                          # starts a middle process, which starts a grandchild
    burn(40)
    middle = subprocess.Popen([sys.executable, *sys.orig_argv[1:-1], "middle"])
    middle.wait()
    os.write(1, b"o")                        # now the grandchild is an orphan
    os.read(0, 1)
elif role == "middle":
    burn(40)
    grandchild = subprocess.Popen([sys.executable, *sys.orig_argv[1:-1], "grandchild"], stdin=subprocess.DEVNULL)
    os.read(0, 1)                            # until told to leave
    os._exit(0)
else:
    burn(100)
    os.write(1, b"1")
    with open(os.environ["GATE"]): pass      # until the test opens the other end
    burn(200)
    os.write(1, b"2")
    with open(os.environ["GATE"]): pass
"""


class Family:
    """Three generations of processes, and the descendants of this process as the test sees them."""

    def __init__(self, folder: Path) -> None:
        self._gate = folder / "gate"
        os.mkfifo(self._gate)
        os.environ["GATE"] = str(self._gate)
        to_child, self._to_child = os.pipe()
        self._from_child, from_child = os.pipe()
        saved = [os.dup(0), os.dup(1)]
        os.dup2(to_child, 0)
        os.dup2(from_child, 1)
        try:
            self.below = Descendants()
            self.child = run_command._Child([sys.executable, "-c", FAMILY, "child"])
        finally:
            os.dup2(saved[0], 0)
            os.dup2(saved[1], 1)
            for descriptor in (*saved, to_child, from_child):
                os.close(descriptor)

    def hear(self) -> bytes:
        return os.read(self._from_child, 1)

    def tell(self) -> None:
        os.write(self._to_child, b"x")

    def pass_gate(self) -> None:
        with self._gate.open("w"):
            pass

    def look_ms(self) -> float:
        return self.below.advance() / 1e6

    def close(self) -> None:
        assert self.child.wait_to_end(lambda: 1.0) == 0
        self.child.pid = 0
        for descriptor in (self._to_child, self._from_child):
            os.close(descriptor)


@pytest.fixture
def family(mask: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Family]:
    monkeypatch.setenv("GATE", "")
    family = Family(tmp_path)
    yield family
    if family.child.pid:  # the test failed before the end
        for pid in family.below.pids() - {os.getpid()}:
            os.kill(pid, signal.SIGKILL)
        family.child.wait_to_end(lambda: 0.01)


def wait_for_end(process: psutil.Process) -> None:
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.001)


@pytest.mark.timing
def test_an_orphaned_grandchild_stays_in_the_family(family: Family) -> None:
    assert family.hear() == b"1"
    all_ms = family.look_ms()  # three interpreters, and 100 ms
    assert all_ms >= 180
    child = psutil.Process(family.child.pid)
    (middle,) = child.children()
    (orphan,) = middle.children()
    family.tell()
    assert family.hear() == b"o"
    all_ms += family.look_ms()
    assert orphan.pid in family.below.pids()
    family.pass_gate()
    assert family.hear() == b"2"
    burnt_ms = family.look_ms()  # as an orphan
    assert 180 <= burnt_ms < 380
    family.pass_gate()
    wait_for_end(orphan)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    family.tell()
    family.close()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    all_ms += burnt_ms + family.look_ms()
    waited_ms = 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert all_ms >= waited_ms + 280  # the children that the child waited for, and the orphan
    assert family.below.pids() == {os.getpid()}
