"""The handle on ecoia's one background thread, in which everything that measuring needs is imported and run."""

from __future__ import annotations

import os
from threading import Event, Lock, RLock, Thread
from time import perf_counter_ns
from typing import TYPE_CHECKING

from ecoia import causes
from ecoia.instrument.start import Baseline

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Protocol
else:
    Protocol = object  # ``typing.Protocol`` costs what a measured program should not pay


class Bell:
    """Wakes the one thread that waits for it. A lock, since ``threading.Event`` costs several times as much to wait for."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._lock.acquire()

    def ring(self) -> None:
        """Let the next, or the present, ``wait`` return at once."""
        try:  # noqa: SIM105 - contextlib is not loaded for this
            self._lock.release()
        except RuntimeError:
            pass  # it rings already

    def wait(self, seconds: float) -> bool:
        """Whether it rang within so many seconds."""
        return self._lock.acquire(timeout=seconds)


class Sampling(Protocol):
    """The body of the background thread, made in it: it reads the counters and writes records until told to stop."""

    def run(self) -> None:
        """Measure until ``stopping`` or ``parked`` is set on the background."""

    def let_go(self) -> None:
        """Close files that belong to the parent process; called in a forked child."""

    @property
    def journal_file(self) -> tuple[Path, str] | None:
        """The journal's folder and the file that is written to; None before the first window."""

    @property
    def joules_per_cpu_second(self) -> float | None:
        """Energy of all components over CPU time in the last window, idle left out; None while unknown."""


class Background:
    """The handle on the sampler thread. The thread imports everything that measuring needs, so the host does not wait."""

    DETECTION_GRACE_SECONDS = 2.0
    """A program that ends before its meters are found waits for them, rather than lose all that it measured."""

    PARKING_GRACE_SECONDS = 0.5
    """A fork waits so long at most for the sampler, which may be writing to a slow disk."""

    def __init__(
        self, make_sampling: Callable[[Background], Sampling], *, complain: Callable[[str], None], lose: Callable[[str], None]
    ) -> None:
        self.pid = os.getpid()
        self.baseline = Baseline()
        from ecoia.processes.families import Descendants  # after the baseline, so that loading it is ours
        from ecoia.processes.notices import OwnNotice

        self.bell = Bell()
        self.ready = Event()
        self.closed = Event()
        self.stopping = False
        self._turn = RLock()  # held to begin or end a fork, and by the thread to decide whether it ends
        self._forks = 0  # under way, by several threads
        self._running = False
        self.close_requested = 0
        self.close_done = 0
        self.written = True  # whether the last window closed is in the journal
        self.exit_seconds = 0.1
        self.sampling: Sampling | None = None
        # Said at once, not by the thread, which may have to wait long for its turn: meanwhile others would count it too.
        self.descendants = Descendants()
        self.notice = OwnNotice(self.baseline.process_cpu_ns + self.descendants.total_ns)
        self._make_sampling = make_sampling
        self._complain = complain
        self._lose = lose
        self._start()

    @property
    def parked(self) -> bool:
        """Whether a fork is under way."""
        return self._forks > 0

    def _start(self) -> None:
        thread = Thread(target=self._run, name="ecoia-sampler", daemon=True)
        thread.start()
        self._thread = thread
        self._running = True

    def _run(self) -> None:
        try:
            if self.sampling is None:
                self.baseline.read_gpus()
                from ecoia.processes.notices import sweep

                sweep()
                self.sampling = self._make_sampling(self)
                self.ready.set()
            while True:
                self.sampling.run()
                with self._turn:  # the fork may be over
                    if self.stopping or self.parked:
                        self._running = False
                        return
        except Exception as error:  # noqa: BLE001 - the last guard between our faults and the host
            self._complain(f"measuring stopped: {type(error).__name__}: {error}")
            self.stopping = True
            self.notice.end()
        finally:
            self.ready.set()
            self.closed.set()

    def wake(self, *, close_window: bool) -> None:
        """Let the sampler read now, and close its window if asked."""
        if close_window:
            self.close_requested += 1
        self.bell.ring()

    def flush(self, timeout_seconds: float) -> bool:
        """Close the window and wait until it is in the journal."""
        if not self._thread.is_alive():
            return False
        deadline_ns = perf_counter_ns() + round(timeout_seconds * 1e9)
        self.closed.clear()
        self.wake(close_window=True)
        wanted = self.close_requested
        while self.close_done < wanted:
            left = (deadline_ns - perf_counter_ns()) / 1e9
            if left <= 0 or not self._thread.is_alive():
                return False
            self.closed.wait(min(left, 0.1))  # not longer: it may end meanwhile
            self.closed.clear()
        return self.written

    def park(self) -> None:
        """End the thread for the time of a fork: a child made beside it would inherit whatever lock it holds.

        While it is importing, it cannot be parked, but waited for: the lock of a module goes to the child locked.
        Python 3.12 and later warn of forks beside threads.
        """
        if os.getpid() == self.pid:
            if not self.stopping:
                self.ready.wait(self.DETECTION_GRACE_SECONDS)
            with self._turn:
                self._forks += 1
                thread = self._thread
            self.bell.ring()
            thread.join(0 if self.stopping else self.PARKING_GRACE_SECONDS)

    def unpark(self) -> None:
        """Go on after a fork, in the parent."""
        if os.getpid() == self.pid:
            with self._turn:
                self._forks = max(self._forks - 1, 0)  # the first span may have come after this fork had begun
                if self.parked or self._running or self.stopping:
                    return
                try:
                    self._start()
                except RuntimeError:  # the host has used up its threads: the next fork tries again
                    self._lose(causes.NO_SAMPLER)

    def stop(self) -> None:
        """Write what is left and end; called when the process exits. Waits a bounded time."""
        if os.getpid() != self.pid or self.stopping:
            return
        self.stopping = True
        self.bell.ring()
        self.ready.wait(self.DETECTION_GRACE_SECONDS)
        self._thread.join(max(self.exit_seconds, 0.1) + 0.9)
