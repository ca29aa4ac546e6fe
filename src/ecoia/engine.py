"""The process's bookkeeping: what spans write, thread by thread, and what the sampler reads.

Every counter has one writer, the thread that it belongs to, and only grows, so that the sampler can take
differences without a lock. Imports next to nothing: a measured program pays for it at ``import ecoia``.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections import deque
from collections.abc import Callable
from threading import Event, Lock, RLock, Thread, get_native_id, local
from time import perf_counter_ns, thread_time_ns
from typing import TYPE_CHECKING, Any, ClassVar

from ecoia.baseline import Baseline

if TYPE_CHECKING:
    from ecoia.sampler import Sampling
    from ecoia.spans import CallSpan, Span


_MAX_COMPLAINTS = 10


class Label:
    """What is written on a span: service, phase, endpoint, model version. Interned, so that equal labels are one."""

    __slots__ = ("endpoint", "model_version", "phase", "service")

    def __init__(self, service: str | None, phase: str, endpoint: str | None, model_version: str | None) -> None:
        self.service = service
        self.phase = phase
        self.endpoint = endpoint
        self.model_version = model_version


known_labels: dict[tuple[str | None, str, str | None, str | None], Label] = {}
"""Labels of arguments that were found legal."""

_corrected_labels: dict[tuple[str | None, str, str | None, str | None], Label] = {}


def label_of(
    service: str | None, phase: str, endpoint: str | None, model_version: str | None, *, corrected: bool = False
) -> Label:
    """The one label of these arguments. ``corrected``: put in place of illegal ones, which stay illegal."""
    key = (service, phase, endpoint, model_version)
    return (_corrected_labels if corrected else known_labels).setdefault(key, Label(*key))


class Counters:
    """What one thread did under one label and run. Only ever grows, so a reader takes differences.

    Each open span takes its start off ``flight_ns`` and adds its end, so that ``flight_ns + open_count * now`` is their
    time in flight at any instant. A call is in flight while it is on top of its thread.
    """

    __slots__ = (
        "accepted_given", "accepted_micro", "cpu_ns", "ended", "flight_ns", "label", "last_failed", "open_count", "run",
        "spans", "spare", "units_given", "units_micro",
    )  # fmt: skip

    def __init__(self, label: Label, run: Run | None) -> None:
        self.label = label
        self.run = run
        self.cpu_ns = 0
        self.flight_ns = 0
        self.open_count = 0
        self.spans = 0
        self.ended = 0  # outermost spans of a run that ended, and how the last one did
        self.last_failed = False
        self.units_micro = 0
        self.units_given = 0
        self.accepted_micro = 0
        self.accepted_given = 0
        self.spare: CallSpan | None = (
            None  # a call's span that is over: the next one's, since making one costs as much as using it
        )


class Run:
    """The MLflow run that was active where a span started, and where its program tracks."""

    __slots__ = ("run_id", "tracking_uri")

    def __init__(self, run_id: str | None, tracking_uri: str | None) -> None:
        self.run_id = run_id
        self.tracking_uri = tracking_uri


class ThreadState:
    """One thread's bookkeeping: the span on top, since when (its CPU time), and its counters.

    The thread is *covered* while a span is on top of it or one that began on it is in flight (``live`` of them).
    """

    __slots__ = (
        "counters", "cover_mark_ns", "cover_ns", "cpu_mark_ns", "dead_cpu_ns", "generation", "live", "start_cpu_ns", "tid",
        "top",
    )  # fmt: skip

    def __init__(self, generation: int) -> None:
        self.generation = generation
        self.tid = get_native_id()
        self.start_cpu_ns = thread_time_ns()
        self.top: Span | None = None
        self.cpu_mark_ns = 0
        self.live = 0
        self.cover_mark_ns = 0
        self.cover_ns = 0
        self.dead_cpu_ns = -1
        self.counters: dict[Any, Counters] = {}


class _Goodbye:
    """Dies with its thread, and leaves the thread's last CPU time: the thread's clock cannot be read afterwards."""

    __slots__ = ("state",)

    def __init__(self, state: ThreadState) -> None:
        self.state = state

    def __del__(self, get_native_id: Any = get_native_id, thread_time_ns: Any = thread_time_ns) -> None:
        # Bound above: when the interpreter goes down, this module may be empty already.
        if get_native_id() == self.state.tid:
            self.state.dead_cpu_ns = thread_time_ns()
        else:  # collected elsewhere (interpreter shutdown)
            self.state.dead_cpu_ns = self.state.cpu_mark_ns


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


class Background:
    """The handle on the sampler thread. The thread imports everything that measuring needs, so the host does not wait."""

    DETECTION_GRACE_SECONDS = 2.0
    """A program that ends before its meters are found waits for them, rather than lose all that it measured."""

    PARKING_GRACE_SECONDS = 0.5
    """A fork waits so long at most for the sampler, which may be writing to a slow disk."""

    def __init__(self, engine: Engine) -> None:
        self.pid = os.getpid()
        self.baseline = Baseline()
        from ecoia.processes import Claim, Descendants  # after the baseline, so that loading it is ours

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
        self.claim = Claim(self.baseline.process_cpu_ns + self.descendants.total_ns)
        self._engine = engine
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
                from ecoia.processes import sweep
                from ecoia.sampler import Sampling

                sweep()
                self.sampling = Sampling(self._engine, self)
                self.ready.set()
            while True:
                self.sampling.run()
                with self._turn:  # the fork may be over
                    if self.stopping or self.parked:
                        self._running = False
                        return
        except Exception as error:  # noqa: BLE001 - the last guard between our faults and the host
            self._engine.complain(f"measuring stopped: {type(error).__name__}: {error}")
            self.stopping = True
            self.claim.end()
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
                    self._engine.lost.append("no-sampler")

    def stop(self) -> None:
        """Write what is left and end; called when the process exits. Waits a bounded time."""
        if os.getpid() != self.pid or self.stopping:
            return
        self.stopping = True
        self.bell.ring()
        self.ready.wait(self.DETECTION_GRACE_SECONDS)
        self._thread.join(max(self.exit_seconds, 0.1) + 0.9)


class Engine:
    """The process's one measuring engine: what all threads share."""

    followers: ClassVar[list[Callable[[], None]]] = []
    """What looks for ways in which work is handed on that are not followed yet (``ecoia.carrying``)."""

    def __init__(self) -> None:
        self.generation = 0
        self.disabled = os.environ.get("ECOIA_DISABLED", "").lower() in ("1", "true", "yes", "on")
        self.reset()

    def reset(self) -> None:
        """Start anew: in a forked child, what the parent measures is the parent's."""
        self.generation += 1
        self._starting = Lock()
        self.local = local()
        self.threads: list[ThreadState] = []
        self.events: deque[tuple[Counters, str, Any]] = deque()
        self.lost: deque[str] = deque(maxlen=100_000)
        self.background: Background | None = None
        self._complained: set[str] = set()

    def enter_thread(self) -> ThreadState:
        """The slow path of a thread's first span."""
        state = ThreadState(self.generation)
        self.local.state = state
        self.local.goodbye = _Goodbye(state)
        if self.background is None:
            with self._starting:  # several threads may be first at once
                if self.background is None:
                    _watch_forks()
                    self.follow()
                    self._start_background()
        else:
            self.follow()
        state.start_cpu_ns = thread_time_ns()  # what was done until here is ours, not the thread's
        self.threads.append(state)
        return state

    def follow(self) -> None:
        """Follow work that is handed on, as far as what hands it on is imported by now."""
        for follower in self.followers:
            try:
                follower()
            except Exception:  # noqa: BLE001 - a version of a library that is made otherwise
                lose("pool-not-followed")

    def wait_for_start(self) -> None:
        """Let no fork come while another thread imports what measuring needs: its child could never import that."""
        if self._starting.acquire(timeout=Background.PARKING_GRACE_SECONDS):
            self._starting.release()

    def _start_background(self) -> None:
        try:
            self.background = Background(self)
        except RuntimeError:  # no thread can start any more: the interpreter is going down
            self.lost.append("no-sampler")
            return
        atexit.register(self.background.stop)
        util = sys.modules.get("multiprocessing.util")
        if util is not None:  # its children leave by os._exit, which runs no atexit
            util.Finalize(None, self.background.stop, exitpriority=-100)

    def complain(self, message: str) -> None:
        """Say once, through the host's logging, what is wrong; the host goes on. A few things, not a stream of them."""
        if message not in self._complained and len(self._complained) < _MAX_COMPLAINTS:
            self._complained.add(message)
            import logging

            logging.getLogger("ecoia").warning("ecoia: %s", message)


engine = Engine()


def _before_fork() -> None:
    engine.wait_for_start()
    if engine.background is not None:
        engine.background.park()


def _after_fork_here() -> None:
    if engine.background is not None:
        engine.background.unpark()


def _after_fork_in_child() -> None:
    background = engine.background
    if background is not None and background.sampling is not None:
        background.sampling.let_go()
    engine.reset()


def _watch_forks() -> None:
    global _forks_watched
    if not _forks_watched and hasattr(os, "register_at_fork"):
        _forks_watched = True
        # Logging holds its lock over a fork, from before those registered earlier: the sampler must not need it then.
        import logging  # noqa: F401

        os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_here, after_in_child=_after_fork_in_child)


_forks_watched = False


def lose(cause: str) -> None:
    """Count something that could not be recorded; it is shown with the next records."""
    engine.lost.append(cause)


def active_run() -> Run:
    """The active MLflow run and the tracking URI that the program set, read from the module if it is imported.

    Never imports MLflow: a program that does not use it does not get it.
    """
    mlflow = sys.modules.get("mlflow")
    if mlflow is None:
        return _NO_RUN
    try:
        uri = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None
        run = mlflow.active_run()
        return Run(None if run is None else run.info.run_id, uri or (None if run is None else mlflow.get_tracking_uri()))
    except Exception:  # noqa: BLE001 - half-imported, or a version that answers otherwise
        lose("mlflow-run-unread")
        return _NO_RUN


_NO_RUN = Run(None, None)
