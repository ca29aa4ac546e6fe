"""``ecoia run``: measure a command and its children from outside, without touching it.

The command inherits everything (terminal, standard streams, process group, environment), and its exit code or signal becomes
ours. CPU time comes from the kernel's accounts of the process tree (``ecoia.processes.families``), less the time that
processes in it record themselves.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from ecoia.errors import UsageError
from ecoia.instrument.engine import engine
from ecoia.instrument.start import StartReadings
from ecoia.measuring.recorder import READING_SECONDS
from ecoia.measuring.subject import RecordKey
from ecoia.processes.families import Descendants
from ecoia.processes.notices import OwnNotice
from ecoia.records import Row
from ecoia.semconv import RUN_PHASES, SESSION_VARIABLE
from ecoia.settings import Settings
from ecoia.watching.outside import OutsideMeasurement, check_service

_WAITS_FOR_SIGNALS = hasattr(signal, "sigtimedwait")  # Linux; macOS and Windows poll, and leave signals to the terminal
_FORWARDED = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")


def run(
    command: Sequence[str],
    *,
    service: str,
    phase: str,
    settings: Settings,
    tell: Callable[[Measured], None] | None = None,
) -> int:
    """Run a command and measure it.

    Args:
        command: Program and arguments.
        service: Id of the service that it runs for.
        phase: One of ``semconv.PHASES``.
        settings: Settings.
        tell: Called with what was measured, once the command has ended. A fault of it is logged.

    Returns:
        The command's exit code. If a signal ended the command, this process ends by the same signal.

    Raises:
        UsageError: There is no command, the service or phase is illegal, or the program cannot be started.

    Example::

        status = run(["python", "train.py"], service="vadore", phase="training", settings=settings.load())
    """
    if not command:
        raise UsageError("no command given: write it after '--', as in: ecoia run --service S --phase P -- python train.py")
    check_service(service, phase)
    if engine.disabled:
        return _pass_on(_Child(command).wait_to_end(lambda: READING_SECONDS))
    session = os.environ.get("MLFLOW_RUN_ID") or f"ecoia-{uuid.uuid4().hex[:16]}"
    start = StartReadings()
    descendants = Descendants()
    notice = OwnNotice(start.process_cpu_ns + descendants.total_ns)
    try:
        child = _Child(command, {**os.environ, **_for_its_runs(service, phase, session)})
    except UsageError:
        notice.end()
        raise

    def measure() -> OutsideMeasurement:
        key = RecordKey(service, phase, session)
        return OutsideMeasurement(descendants, key, pid=child.pid, start=start, notice=notice, settings=settings)

    measuring = _Guarded(measure)
    status = child.wait_to_end(measuring.step)
    measuring.close(failed=status != 0)
    if tell is not None:
        measuring.tell(tell, (time.perf_counter_ns() - start.wall_ns) / 1e9)
    return _pass_on(status)


class Measured(NamedTuple):
    """The work of a command, as far as it did not record it itself.

    Attributes:
        rows: Its rows.
        seconds: How long it took.
        measured_itself: Whether a process of it recorded its own work, which is not in the rows.
    """

    rows: Sequence[Row]
    seconds: float
    measured_itself: bool


def _for_its_runs(service: str, phase: str, session: str) -> dict[str, str]:
    """Return the variables that have Python programs below measure their MLflow runs by themselves, for the same service."""
    if phase not in RUN_PHASES:
        return {}
    return {
        "ECOIA_AUTOLOG": os.environ.get("ECOIA_AUTOLOG") or "1",
        "ECOIA_SERVICE": service,
        "ECOIA_PHASE": phase,
        SESSION_VARIABLE: session,
    }


class _Guarded:
    """A measurement whose faults never reach the command: they are logged, and the command goes on.

    It is made at the first step, after the command has started, because detecting meters takes time.
    """

    def __init__(self, measure: Callable[[], OutsideMeasurement]) -> None:
        self._measure = measure
        self._measurement: OutsideMeasurement | None = None

    def step(self) -> float:
        try:
            if self._measurement is None:
                self._measurement = self._measure()
            return self._measurement.step()
        except Exception as error:  # noqa: BLE001 - whatever goes wrong with us, the command goes on
            engine.complain(f"measuring stopped: {type(error).__name__}: {error}")
            return READING_SECONDS

    def close(self, *, failed: bool) -> None:
        if self._measurement is None:
            return
        try:
            self._measurement.close(ended=True, failed=failed)
        except Exception as error:  # noqa: BLE001 - the command has ended, and its status is what counts
            engine.complain(f"the last window is lost: {type(error).__name__}: {error}")

    def tell(self, tell: Callable[[Measured], None], seconds: float) -> None:
        if self._measurement is None:
            return
        try:
            tell(Measured(self._measurement.rows, seconds, self._measurement.has_measuring_member))
        except Exception as error:  # noqa: BLE001 - idem
            engine.complain(f"the figures are not shown: {type(error).__name__}: {error}")


def _pass_on(status: int) -> int:
    """Return the exit code; if a signal ended the command, end this process by the same signal."""
    if status >= 0:
        return status
    if os.name == "posix":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the command's core dump, if any, is the one that matters
        sys.stdout.flush()
        signal.signal(-status, signal.SIG_DFL) if -status not in (signal.SIGKILL, signal.SIGSTOP) else None
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {-status})
        os.kill(os.getpid(), -status)
    return 128 - status


class _Child:
    """The command's process. Signals that processes send to us are forwarded; the terminal's reach the command anyway."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str] = os.environ) -> None:
        self._signals = {getattr(signal, name) for name in _FORWARDED if hasattr(signal, name)}
        self._mask: set[signal.Signals | int] = set()
        if _WAITS_FOR_SIGNALS:
            # If we inherit an ignored SIGCHLD, the kernel discards the command's exit code and accounts.
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            # Blocked here and waited for below; the command starts with the mask that we were given.
            self._mask = set(signal.pthread_sigmask(signal.SIG_BLOCK, {*self._signals, signal.SIGCHLD}))
        try:
            if _WAITS_FOR_SIGNALS:
                self.pid = os.posix_spawnp(
                    command[0],
                    list(command),
                    environment,
                    setsigmask=self._mask,
                    setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],  # Python ignores them; the command must not
                )
            else:
                self._popen = subprocess.Popen(list(command), env=environment)  # noqa: S603 - running it is the point
                self.pid = self._popen.pid
        except OSError as error:
            if _WAITS_FOR_SIGNALS:
                signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
            raise UsageError(
                f"command: '{command[0]}' cannot be started ({error.strerror}): check the path and its permissions"
            ) from error

    def wait_to_end(self, step: Callable[[], float]) -> int:
        """Wait for the command. Meanwhile call ``step``, and again each time after as many seconds as it returned.

        Returns:
            The exit code, or the negative number of the signal that ended the command.
        """
        return self._wait_with_signals(step) if _WAITS_FOR_SIGNALS else self._wait_polling(step)

    def _wait_polling(self, step: Callable[[], float]) -> int:
        while True:
            try:
                return self._popen.wait(step())
            except subprocess.TimeoutExpired:
                continue
            except KeyboardInterrupt:
                continue  # the console sent it to the command as well

    def _wait_with_signals(self, step: Callable[[], float]) -> int:
        try:
            while True:
                wait_seconds = step()
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                if pid:
                    return os.waitstatus_to_exitcode(status)
                info = signal.sigtimedwait({*self._signals, signal.SIGCHLD}, wait_seconds)
                if info is not None and info.si_signo in self._signals and info.si_code <= 0:
                    os.kill(self.pid, info.si_signo)  # sent by a process; the terminal's (si_code > 0) reached both
        finally:
            # Signals that came while the command ended were meant for it (the terminal's Ctrl-C reached both).
            while signal.sigtimedwait(self._signals, 0) is not None:
                pass
            signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
