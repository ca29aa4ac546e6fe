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
from threading import Lock, get_native_id, local
from time import thread_time_ns
from typing import TYPE_CHECKING, Any, ClassVar

from ecoia import causes
from ecoia.instrument.background import Background

if TYPE_CHECKING:
    from ecoia.instrument.background import Sampling
    from ecoia.instrument.mlflow_run import Run
    from ecoia.instrument.spans import CallSpan, Span


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


class Engine:
    """The process's one measuring engine: what all threads share."""

    followers: ClassVar[list[Callable[[], None]]] = []
    """What looks for ways in which work is handed on that are not followed yet (``ecoia.instrument.handoff``)."""

    sampling_factory: ClassVar[Callable[[Engine, Background], Sampling]]
    """Makes what the background thread runs; ``ecoia`` registers it, as measuring stands above instrumenting."""

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
                lose(causes.POOL_NOT_FOLLOWED)

    def wait_for_start(self) -> None:
        """Let no fork come while another thread imports what measuring needs: its child could never import that."""
        if self._starting.acquire(timeout=Background.PARKING_GRACE_SECONDS):
            self._starting.release()

    def _make_sampling(self, background: Background) -> Sampling:
        return type(self).sampling_factory(self, background)

    def _start_background(self) -> None:
        try:
            self.background = Background(self._make_sampling, complain=self.complain, lose=self.lost.append)
        except RuntimeError:  # no thread can start any more: the interpreter is going down
            self.lost.append(causes.NO_SAMPLER)
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
