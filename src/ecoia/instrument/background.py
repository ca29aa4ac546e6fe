"""The handle on ecoia's one background thread, which imports and runs all the code that measuring needs."""

from __future__ import annotations

import os
from threading import Event, Lock, RLock, Thread, current_thread
from time import perf_counter_ns

from ecoia import losses
from ecoia.instrument.start import StartReadings
from ecoia.light import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol
else:
    Protocol = object  # making a ``typing.Protocol`` costs a measured program too much


_NO_THREAD_LEFT = "can't start new thread"
"""The interpreter's words where the system refuses a thread (limit of processes, memory)."""


class Bell:
    """Wakes the one thread that waits for it. Uses a lock: waiting for ``threading.Event`` costs several times as much."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._lock.acquire()

    def ring(self) -> None:
        """Make the present ``wait``, or else the next one, return at once."""
        try:  # noqa: SIM105 - contextlib is not loaded for this
            self._lock.release()
        except RuntimeError:
            pass  # it is ringing already

    def wait(self, seconds: float) -> bool:
        """Return whether it rang within this many seconds."""
        return self._lock.acquire(timeout=seconds)


class Sampling(Protocol):
    """The body of the background thread. The thread makes it, and it reads the counters and writes records until stopped."""

    def find_meters(self) -> None:
        """Find the meters of this machine, which can take seconds. Called once, before ``run``."""

    def run(self) -> None:
        """Measure until ``stopping`` or ``parked`` is set on the background."""

    def record_in_this_thread(self, cause: str | None, *, last: bool) -> bool:
        """Write what is known now, in the thread that calls, because the sampler's own cannot. Return whether it is on disk.

        Args:
            cause: Why energy is missing, one of ``ecoia.losses``; None where the meters are known and work.
            last: Whether nothing more will be recorded.
        """

    def let_go(self) -> None:
        """Close files that belong to the parent process; called in a forked child."""

    @property
    def journal_file(self) -> tuple[str, str] | None:
        """The journal's folder and the name of the file being written; None before the first window."""

    @property
    def joules_per_cpu_second(self) -> float | None:
        """Energy of all components per second of CPU time in the last window, without idle energy; None while unknown."""


class Background:
    """Start, wake, park and stop the background thread. The thread imports the code for measuring, so the host does not wait.

    Args:
        make_sampling: Makes the body of the thread, in the thread.
        complain: Logs a problem once.
        lose: Counts a cause of loss.

    If no thread can be started (the host has used up its threads), what is known without one is recorded at ``flush`` and
    ``stop``, and each of these tries to start the thread again.
    """

    EXIT_GRACE_SECONDS = 3.0
    """Longest time that a program waits at its end until its meters are found, so that it does not lose its energy."""

    BEGINNING_GRACE_SECONDS = 2.0
    """Longest time that it then waits until its records can be written at all, without energy."""

    DETECTION_GRACE_SECONDS = 2.0
    """Longest time that a fork waits until the meters are found."""

    PARKING_GRACE_SECONDS = 0.5
    """Longest time that a fork waits for the sampler to stop, which may be writing to a slow disk."""

    def __init__(
        self, make_sampling: Callable[[Background], Sampling], *, complain: Callable[[str], None], lose: Callable[[str], None]
    ) -> None:
        self.pid = os.getpid()
        self.start_readings = StartReadings()
        from ecoia.processes.families import Descendants  # import it after the readings, so that its cost counts as ecoia's
        from ecoia.processes.notices import OwnNotice

        self.bell = Bell()
        self.begun = Event()  # records can be written, though the meters are not found yet
        self.ready = Event()
        self.closed = Event()
        self.stopping = False
        self._turn = RLock()  # held where a fork begins or ends, and where the thread decides whether to end
        self._forks = 0  # forks under way, of several threads
        self._running = False
        self._failed = False  # measuring stopped by a fault of ours
        self._left_behind = False  # the program ended before the meters were found
        self._thread: Thread | None = None
        self._refusal = ""  # why no thread was started
        self._alone = RLock()  # one thread at a time records without the sampler's
        self._is_alone = False
        self.close_requested = 0
        self.close_done = 0
        self.written = True  # whether the last window closed is in the journal
        self.run_ended = False  # an MLflow run of the user: the helper is told once the window is written
        self.root_ended = False  # a root run: the window is closed within a second
        self.exit_seconds = 0.1
        self.sampling: Sampling | None = None
        # Write the notice here and not in the thread, which may get to run late: until then, measuring processes above this
        # one would count its CPU time as well.
        self.descendants = Descendants()
        self.notice = OwnNotice(self.start_readings.process_cpu_ns + self.descendants.total_ns)
        self._make_sampling = make_sampling
        self._complain = complain
        self._lose = lose

    def start(self) -> None:
        """Start the thread, once this object can be reached by whoever stops it.

        Raises:
            RuntimeError: This interpreter allows no thread.
        """
        if not self._start():
            if _NO_THREAD_LEFT not in self._refusal:  # a subinterpreter, or the shutdown of one: no place for records either
                raise RuntimeError(self._refusal)
            self._lose(losses.NO_SAMPLER)

    @property
    def parked(self) -> bool:
        """Whether a fork is under way."""
        return self._forks > 0

    def _start(self) -> bool:
        """Start the thread, and return whether the host had one left."""
        thread = Thread(target=self._run, name="ecoia-sampler", daemon=True)
        with self._turn:  # the thread waits for it, until it is known whether it is the one
            try:
                thread.start()
            except RuntimeError as error:
                self._refusal = str(error)
                return False
            finally:  # a signal handler of the program's may raise while we wait for the thread to begin
                if thread.ident is not None:
                    self._thread = thread
                    self._running = True
        return True

    def _run(self) -> None:
        with self._turn:
            if self._thread is not current_thread():
                return  # its start was interrupted before it began; another one will be started
        try:
            if self.sampling is None:
                self.start_readings.read_gpus()
            sampling = self.sampling or self._begin()
            if not self.ready.is_set():
                sampling.find_meters()
                with self._turn:
                    if self._left_behind:
                        return
                    self.ready.set()
            while True:
                sampling.run()
                with self._turn:  # the fork may be over by now
                    if self.stopping or self.parked:
                        self._running = False
                        return
        except Exception as error:  # noqa: BLE001 - the last guard between ecoia's faults and the host
            self._fail(error)
        finally:
            self.begun.set()
            self.ready.set()
            self.closed.set()

    def _begin(self) -> Sampling:
        from ecoia.processes.notices import sweep

        sweep()
        self.sampling = self._make_sampling(self)
        self.begun.set()
        return self.sampling

    def _fail(self, error: Exception) -> None:
        """Tell that measuring stopped. What the process does from now on is recorded without energy, at a flush or the exit."""
        self._complain(f"measuring stopped: {type(error).__name__}: {error}")
        self._failed = True
        if self.sampling is None:
            self.notice.end()
        else:
            self._lose(losses.MEASURING_STOPPED)

    def _record_alone(self, cause: str | None, *, last: bool) -> bool:
        """Write what is known in the thread that calls. Never raises."""
        with self._alone:
            if self._is_alone:  # a signal handler interrupted this thread, which is recording
                return False
            self._is_alone = True
            try:
                return (self.sampling or self._begin()).record_in_this_thread(cause, last=last)
            except Exception as error:  # noqa: BLE001 - idem
                self._complain(f"nothing more is recorded: {type(error).__name__}: {error}")
                return False
            finally:
                self._is_alone = False

    def _runs(self) -> bool:
        """Return whether the thread runs, after trying to start it where the host had none left before."""
        with self._turn:
            if self._thread is None and not self.stopping and not self.parked:
                return self._start()
            return self._thread is not None and self._thread.is_alive()

    def _why_without_energy(self) -> str | None:
        if self._failed:
            return losses.MEASURING_STOPPED
        return None if self.ready.is_set() else losses.NO_SAMPLER

    def wake(self, *, close_window: bool) -> None:
        """Let the sampler read now, and close its window if ``close_window``."""
        if close_window:
            self.close_requested += 1
        self.bell.ring()

    def flush(self, timeout_seconds: float) -> bool:
        """Close the window, wait until it is in the journal, and return whether it got there within the timeout."""
        if not self._runs():
            return not self.stopping and self._record_alone(self._why_without_energy(), last=False)
        deadline_ns = perf_counter_ns() + round(timeout_seconds * 1e9)
        self.closed.clear()
        self.wake(close_window=True)
        wanted = self.close_requested
        while self.close_done < wanted:
            left = (deadline_ns - perf_counter_ns()) / 1e9
            if left <= 0:
                return False
            if self._thread is None or not self._thread.is_alive():
                return not self.stopping and self._record_alone(self._why_without_energy(), last=False)
            self.closed.wait(min(left, 0.1))  # in short waits, to notice when the thread ends
            self.closed.clear()
        return self.written

    def park(self) -> None:
        """Stop the thread for the time of a fork. The child would inherit every lock that it holds, locked for ever.

        While the thread imports it cannot be stopped, only waited for: the child would inherit the locked import lock of a
        module. Besides, Python 3.12 and later warn of a fork while threads run.
        """
        if os.getpid() == self.pid:
            if not self.stopping and self._thread is not None:
                self.ready.wait(self.DETECTION_GRACE_SECONDS)
            with self._turn:
                self._forks += 1
                thread = self._thread
            self.bell.ring()
            if thread is not None:
                thread.join(0 if self.stopping else self.PARKING_GRACE_SECONDS)

    def unpark(self) -> None:
        """Restart the thread in the parent process after a fork."""
        if os.getpid() == self.pid:
            with self._turn:
                self._forks = max(self._forks - 1, 0)  # the first span may come after a fork has begun
                if self.parked or self._running or self.stopping:
                    return
                if not self._start():  # the host has used up its threads: flush and stop try again
                    self._thread = None
                    self._lose(losses.NO_SAMPLER)

    def stop(self) -> None:
        """Write the last window and end the thread, at the exit of the process. Waits a bounded time."""
        if os.getpid() != self.pid or self.stopping:
            return
        runs = self._runs()
        self.stopping = True
        if not runs:
            self._record_alone(self._why_without_energy(), last=True)
            return
        self.bell.ring()
        if self.ready.wait(self.EXIT_GRACE_SECONDS) or not self._leave_behind():
            thread = self._thread
            if thread is not None:
                thread.join(max(self.exit_seconds, 0.1) + 0.9)
            if self._failed:
                self._record_alone(losses.MEASURING_STOPPED, last=True)
        elif self.begun.wait(self.BEGINNING_GRACE_SECONDS):
            self._record_alone(losses.METERS_NOT_FOUND, last=True)
        else:
            self._complain("the program ended before anything of it could be recorded, because the machine is too busy")

    def _leave_behind(self) -> bool:
        """Decide that the program ends without its meters; returns False if they were found at this moment."""
        with self._turn:
            self._left_behind = not self.ready.is_set()
            return self._left_behind
