"""``ecoia run``: measure a command from outside, children included, without touching it.

The command inherits everything (terminal, standard streams, process group, environment); its exit code or signal
becomes ours. CPU time comes from the kernel's own accounts of the process tree (``ecoia.processes.families``), less what
processes of it measure themselves.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Sequence

from ecoia import meters as metering
from ecoia.errors import UsageError
from ecoia.instrument.engine import engine
from ecoia.instrument.start import StartReadings
from ecoia.measuring.recording import READING_SECONDS, Delta, Key, Look, Recorder, Subject, busy_time_at
from ecoia.meters.hardware import ControlGroup
from ecoia.processes.families import Claim, Descendants, Family
from ecoia.semconv import PHASES
from ecoia.settings import Settings, is_slug

_WAITS_FOR_SIGNALS = hasattr(signal, "sigtimedwait")  # Linux; macOS and Windows poll, and leave signals to the terminal
_FORWARDED = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")


def run(command: Sequence[str], *, service: str, phase: str, settings: Settings) -> int:
    """Run a command and measure it.

    Args:
        command: Program and arguments.
        service: Id of the service it runs for.
        phase: One of ``semconv.PHASES``.
        settings: What is configured.

    Returns:
        The command's exit code. When a signal ended it, this process ends by the same signal.

    Raises:
        UsageError: no command, an illegal service or phase, or a program that cannot be started.
    """
    if not command:
        raise UsageError("no command given: ecoia run --service S --phase P -- python train.py")
    if not is_slug(service):
        raise UsageError(f"service = {service!r}: use lower-case letters, digits, '.', '_' and '-' (63 at most)")
    if phase not in PHASES:
        raise UsageError(f"phase = {phase!r}: choose one of {', '.join(PHASES)}")
    if engine.disabled:
        return _finish(_Child(command).wait_to_end(lambda: READING_SECONDS))
    baseline = StartReadings()
    descendants = Descendants()
    claim = Claim(baseline.process_cpu_ns + descendants.total_ns)
    try:
        child = _Child(command)
    except UsageError:
        claim.end()
        raise
    measurement: Measurement | None = None

    def step() -> float:
        nonlocal measurement
        try:
            if measurement is None:
                run_id = os.environ.get("MLFLOW_RUN_ID") or f"ecoia-{uuid.uuid4().hex[:16]}"
                key = Key(service, phase, run_id, None, None, None)
                measurement = Measurement(descendants, key, pid=child.pid, baseline=baseline, claim=claim, settings=settings)
            return measurement.step()
        except Exception as error:  # noqa: BLE001 - whatever goes wrong with us, the command goes on
            engine.complain(f"measuring stopped: {type(error).__name__}: {error}")
            return READING_SECONDS

    status = child.wait_to_end(step)
    if measurement is not None:
        try:
            measurement.close(ended=True, failed=status != 0)
        except Exception as error:  # noqa: BLE001 - the command has ended; its status is what counts
            engine.complain(f"the last figures are lost: {type(error).__name__}: {error}")
    return _finish(status)


def _finish(status: int) -> int:
    """The exit code; or, for a command that a signal ended, the same end for us."""
    if status >= 0:
        return status
    if os.name == "posix":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # its core dump, if any, is the one that matters
        sys.stdout.flush()
        signal.signal(-status, signal.SIG_DFL) if -status not in (signal.SIGKILL, signal.SIGSTOP) else None
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {-status})
        os.kill(os.getpid(), -status)
    return 128 - status


class _Child:
    """The command's process. Signals sent to us go on to it; those of the terminal it has already."""

    def __init__(self, command: Sequence[str]) -> None:
        self._signals = {getattr(signal, name) for name in _FORWARDED if hasattr(signal, name)}
        self._mask: set[signal.Signals | int] = set()
        if _WAITS_FOR_SIGNALS:
            # Where SIGCHLD is ignored (inherited so), the kernel throws the command's end and its accounts away.
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            # Blocked here, waited for below; the command starts with the mask that we were given.
            self._mask = set(signal.pthread_sigmask(signal.SIG_BLOCK, {*self._signals, signal.SIGCHLD}))
        try:
            if _WAITS_FOR_SIGNALS:
                self.pid = os.posix_spawnp(
                    command[0],
                    list(command),
                    os.environ,
                    setsigmask=self._mask,
                    setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],  # ignored by Python, not by who called us
                )
            else:
                self._popen = subprocess.Popen(list(command))  # noqa: S603 - running it is the point
                self.pid = self._popen.pid
        except OSError as error:
            if _WAITS_FOR_SIGNALS:
                signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
            raise UsageError(f"'{command[0]}' cannot be started: {error.strerror}") from error

    def wait_to_end(self, step: Callable[[], float]) -> int:
        """Wait, calling ``step`` whenever the seconds that it answers are over.

        Returns:
            The exit code, or minus the signal's number.
        """
        if not _WAITS_FOR_SIGNALS:
            while True:
                try:
                    return self._popen.wait(step())
                except subprocess.TimeoutExpired:
                    continue
                except KeyboardInterrupt:
                    continue  # the console sent it to the command as well
        try:
            while True:
                wait_seconds = step()
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                if pid:
                    return os.waitstatus_to_exitcode(status)
                info = signal.sigtimedwait({*self._signals, signal.SIGCHLD}, wait_seconds)
                if info is not None and info.si_signo in self._signals and info.si_code <= 0:
                    os.kill(self.pid, info.si_signo)  # sent by a process; a terminal's (si_code > 0) reached both
        finally:
            # What came while the command ended was for it (the terminal's Ctrl-C reached both).
            while signal.sigtimedwait(self._signals, 0) is not None:
                pass
            signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)


class Outside:
    """Processes that are measured from outside, for one service: all that they do is one span."""

    def __init__(self, processes: Family, key: Key, baseline: StartReadings) -> None:
        self._processes = processes
        self._key = key
        self._wall_ns = baseline.wall_ns
        self._own_cpu_ns = baseline.process_cpu_ns
        self.ended = False
        self.failed = False

    def look(self, wall_ns: int) -> Look:
        """See ``Subject.look``."""
        own_ns = time.process_time_ns()
        delta = Delta(
            cpu_ns=self._processes.advance(),
            in_flight_ns=wall_ns - self._wall_ns,
            spans=int(self.ended),
            ended=int(self.ended),
            last_failed=self.failed,
        )
        look = Look(
            process_cpu_ns=delta.cpu_ns,
            own_cpu_ns=own_ns - self._own_cpu_ns,
            outside_cpu_ns=0,
            coverage=1.0,
            deltas={self._key: delta},
            devices_claimed=self._processes.claimed,
        )
        self._wall_ns, self._own_cpu_ns = wall_ns, own_ns
        return look

    def lost(self) -> Counter[str]:
        """See ``Subject.lost``."""
        return lost_here()


def lost_here() -> Counter[str]:
    """What this process could not record since the last call, by cause."""
    lost: Counter[str] = Counter()
    while engine.lost:
        lost[engine.lost.popleft()] += 1
    return lost


class Measurement:
    """The recorder of processes that are measured from outside.

    Args:
        processes: Which.
        key: For what.
        pid: What the records give as the process.
        baseline: The clocks at which measuring began.
        claim: Ours.
        settings: What is configured.
        group: Their control group; else ours.
    """

    def __init__(
        self,
        processes: Family,
        key: Key,
        *,
        pid: int,
        baseline: StartReadings,
        claim: Claim,
        settings: Settings,
        group: ControlGroup | None = None,
    ) -> None:
        self._subject = Outside(processes, key, baseline)
        self._recorder = recorder_of(
            self._subject, processes.pids, pid=pid, baseline=baseline, claim=claim, settings=settings, group=group
        )

    def step(self) -> float:
        """See ``Recorder.step``."""
        return self._recorder.step()

    def close(self, *, ended: bool, failed: bool = False) -> None:
        """The last reading and window; ``ended`` when what was measured has ended, and ``failed`` how."""
        self._subject.ended = ended
        self._subject.failed = failed
        self._recorder.close()


def recorder_of(
    subject: Subject,
    pids: Callable[[], Collection[int]],
    *,
    pid: int,
    baseline: StartReadings,
    claim: Claim,
    settings: Settings,
    group: ControlGroup | None = None,
) -> Recorder:
    """The recorder of a subject that is measured from outside, with the best meters of this machine.

    Args:
        subject: What is measured.
        pids: Its processes, now.
        pid: What the records give as the process.
        baseline: The clocks at which measuring began.
        claim: Ours.
        settings: What is configured.
        group: The subject's control group; else ours.
    """
    return Recorder(
        settings,
        subject,
        metering.detect(settings, baseline.counters, pids=pids, group=group),
        pid=pid,
        start=(baseline.utc_ns, baseline.wall_ns, busy_time_at(baseline)),
        complain=engine.complain,
        claim=claim,
        group=group,
    )
