"""``ecoia run``: measure a command from outside, children included, without touching it.

The command inherits everything (terminal, standard streams, process group, environment); its exit code or signal
becomes ours. CPU time comes from the kernel's own accounts of the process tree. A process of the tree that measures
itself with ecoia claims its own CPU time (``CLAIMS_VARIABLE``), so that nothing is counted twice.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from ecoia import meters as metering
from ecoia.engine import CLAIMS_VARIABLE, Baseline, claim, engine
from ecoia.errors import UsageError
from ecoia.sampler import READING_SECONDS, Delta, Key, Look, Recorder, baseline_busy_time
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
        return _finish(_Child(command, None).wait_to_end(lambda: None))
    try:
        folder = tempfile.TemporaryDirectory(prefix="ecoia-claims-", ignore_cleanup_errors=True)
    except OSError as error:  # without claims what the command measures itself would be counted twice
        engine.complain(f"not measured, since there is no folder for temporary files ({error}): set TMPDIR")
        return _finish(_Child(command, None).wait_to_end(lambda: None))
    with folder as claims:
        baseline = Baseline()
        claim(".tree", baseline.process_cpu_ns)
        child = _Child(command, claims)
        measurement: _Measurement | None = None

        def read() -> None:
            nonlocal measurement
            try:
                if measurement is None:
                    measurement = _Measurement(baseline, child, Path(claims), service, phase, settings)
                measurement.read()
            except Exception as error:  # noqa: BLE001 - whatever goes wrong with us, the command goes on
                engine.complain(f"measuring stopped: {type(error).__name__}: {error}")

        status = child.wait_to_end(read)
        if measurement is not None:
            try:
                measurement.close(failed=status != 0)
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

    def __init__(self, command: Sequence[str], claims: str | None) -> None:
        environment = dict(os.environ)
        if claims is not None:
            environment[CLAIMS_VARIABLE] = claims
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
                    environment,
                    setsigmask=self._mask,
                    setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],  # ignored by Python, not by who called us
                )
            else:
                self._popen = subprocess.Popen(list(command), env=environment)  # noqa: S603 - running it is the point
                self.pid = self._popen.pid
        except OSError as error:
            if _WAITS_FOR_SIGNALS:
                signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
            raise UsageError(f"'{command[0]}' cannot be started: {error.strerror}") from error
        self.cpu_ns: int | None = None
        """CPU time of the command and of every descendant that was waited for, once it has ended."""

    def wait_to_end(self, each_reading: Callable[[], None]) -> int:
        """Wait, calling ``each_reading`` about once a second; returns the exit code, or minus the signal's number."""
        if not _WAITS_FOR_SIGNALS:
            while True:
                each_reading()
                try:
                    return self._popen.wait(READING_SECONDS)
                except subprocess.TimeoutExpired:
                    continue
                except KeyboardInterrupt:
                    continue  # the console sent it to the command as well
        try:
            while True:
                each_reading()
                pid, status, usage = os.wait4(self.pid, os.WNOHANG)
                if pid:
                    self.cpu_ns = round((usage.ru_utime + usage.ru_stime) * 1e9)
                    return os.waitstatus_to_exitcode(status)
                info = signal.sigtimedwait({*self._signals, signal.SIGCHLD}, READING_SECONDS)
                if info is not None and info.si_signo in self._signals and info.si_code <= 0:
                    os.kill(self.pid, info.si_signo)  # sent by a process; a terminal's (si_code > 0) reached both
        finally:
            # What came while the command ended was for it (the terminal's Ctrl-C reached both).
            while signal.sigtimedwait(self._signals, 0) is not None:
                pass
            signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)


class _Measurement:
    """The recorder of one command."""

    def __init__(self, baseline: Baseline, child: _Child, claims: Path, service: str, phase: str, settings: Settings) -> None:
        session_id = f"ecoia-{uuid.uuid4().hex[:16]}"
        run_id = os.environ.get("MLFLOW_RUN_ID") or session_id
        self._tree = ProcessTree(child, claims, Key(service, phase, run_id, None, None, None), baseline)
        self._settings = settings
        self._recorder = Recorder(
            settings,
            self._tree,
            metering.detect(settings, baseline.counters),
            pid=child.pid,
            start=(baseline.utc_ns, baseline.wall_ns, baseline_busy_time(baseline)),
            complain=engine.complain,
        )

    def read(self) -> None:
        self._recorder.read()
        if self._recorder.window_seconds() >= self._settings.flush_seconds or self._recorder.crosses_half_hour():
            self._recorder.close_window()

    def close(self, *, failed: bool) -> None:
        self._tree.ended = True
        self._tree.failed = failed
        self._recorder.close()


class ProcessTree:
    """A command and all its descendants, as the kernel accounts for them (10 ms grain while they live, exact at the end).

    A descendant stays ours when its parent ends before it. What a process hands to a service manager is not seen.
    """

    def __init__(self, child: _Child, claims: Path, key: Key, baseline: Baseline) -> None:
        self._child = child
        self._claims = claims
        self._key = key
        self._wall_ns = baseline.wall_ns
        self._own_cpu_ns = baseline.process_cpu_ns
        self._cpu_ns = 0
        self._start_cpu_ns = baseline.process_cpu_ns
        self._orphans: dict[int, psutil.Process] = {}
        self._orphans_gone_ns = 0
        self._orphan_cpu_ns: dict[int, int] = {}
        self._family: dict[int, psutil.Process] = {}
        self._claimed_ns: dict[int, int] = {}
        self.ended = False
        self.failed = False

    def look(self, wall_ns: int) -> Look:
        """See ``Subject.look``."""
        own_ns = time.process_time_ns()
        cpu_ns = max(self._tree_cpu_ns(), self._cpu_ns)
        delta = Delta(
            cpu_ns=cpu_ns - self._cpu_ns,
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
            devices_claimed=bool(self._claimed_ns),
        )
        self._wall_ns, self._own_cpu_ns, self._cpu_ns = wall_ns, own_ns, cpu_ns
        return look

    def lost(self) -> Counter[str]:
        """See ``Subject.lost``."""
        lost: Counter[str] = Counter()
        if self.ended:
            # A process that claimed its CPU time and was killed, or became another program: its last window is nowhere.
            unended = [pid for pid in self._claimed_ns if not (self._claims / f"{pid}.end").exists()]
            if unended:
                lost["claimed-and-not-written"] = len(unended)
        while engine.lost:
            lost[engine.lost.popleft()] += 1
        return lost

    def _tree_cpu_ns(self) -> int:
        """CPU time since the start, of the living and of the waited-for, less what processes claim for themselves."""
        runs = {int(file.stem): _number(file) for file in self._claims.glob("*.tree")}
        living = self._living(runs)
        total = self._orphans_gone_ns
        for pid, (own_ns, reaped_ns) in living.items():
            total += own_ns + reaped_ns
            self._read_claim(pid, own_ns)
        if self._child.cpu_ns is not None:
            total += self._child.cpu_ns
        for file in self._claims.glob("*.end"):
            pid, claimed_ns = int(file.stem), _number(file)
            if claimed_ns is not None and not (pid in living and pid in runs):
                self._claimed_ns[pid] = claimed_ns
        # For an ``ecoia run`` above us, all of this and our own time are in records already, whoever writes them.
        claim(".end", total + time.process_time_ns() - self._start_cpu_ns)
        return total - sum(self._claimed_ns.values())

    def _read_claim(self, pid: int, own_ns: int) -> None:
        since_ns = _number(self._claims / str(pid))
        if since_ns is not None:
            self._claimed_ns[pid] = max(own_ns - since_ns, self._claimed_ns.get(pid, 0))

    def _living(self, runs: dict[int, int | None]) -> dict[int, tuple[int, int]]:
        """(own CPU time, that of children waited for) by process; of an ``ecoia run`` below us, what it does not measure."""
        roots = dict(self._orphans)
        if self._child.cpu_ns is None:
            with suppress(psutil.NoSuchProcess):
                roots[self._child.pid] = self._family.get(self._child.pid) or psutil.Process(self._child.pid)
        seen: dict[int, psutil.Process] = {}
        for root in roots.values():
            try:
                for process in (root, *root.children(recursive=True)):
                    seen[process.pid] = process
            except psutil.Error:
                continue
        for pid in runs.keys() & seen.keys():
            with suppress(psutil.Error):
                for process in seen[pid].children(recursive=True):
                    seen.pop(process.pid, None)
        # Whoever was ours and is alive but no longer below a root has lost its parent: it becomes a root itself.
        for pid, process in self._family.items():
            if pid not in seen and pid != self._child.pid and process.is_running():
                self._orphans[pid] = seen[pid] = process
        self._family = seen
        times: dict[int, tuple[int, int]] = {}
        for pid, process in seen.items():
            try:
                cpu = process.cpu_times()
            except psutil.Error:
                continue
            own_ns = round((cpu.user + cpu.system) * 1e9)
            reaped_ns = round((getattr(cpu, "children_user", 0.0) + getattr(cpu, "children_system", 0.0)) * 1e9)
            times[pid] = (own_ns, reaped_ns) if pid not in runs else (min(own_ns, runs[pid] or 0), 0)
        # Nobody of ours waits for an orphan: when it ends, what was last seen of it is all there is.
        for pid in [pid for pid in self._orphans if pid not in times]:
            self._orphans_gone_ns += self._orphan_cpu_ns.pop(pid, 0)
            del self._orphans[pid]
        self._orphan_cpu_ns = {pid: sum(times[pid]) for pid in self._orphans if pid in times}
        return times


def _number(file: Path) -> int | None:
    """What a process of the tree wrote; None where it did not, or is writing."""
    try:
        return int(file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
