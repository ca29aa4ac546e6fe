"""The process's one engine: the threads, queues and background thread that all spans share, and how a fork resets it.

Imports next to nothing: a measured program pays for it at ``import ecoia``.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections import deque
from collections.abc import Callable
from threading import Lock, get_native_id, local
from time import thread_time_ns

from ecoia import losses
from ecoia.instrument.spans import Counters, ThreadState
from ecoia.light import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from pathlib import Path

    from ecoia.instrument.background import Background, Sampling
    from ecoia.instrument.mlflow_run import EndedRun, Run

_MAX_COMPLAINTS = 10

_NOT_STARTED = (RuntimeError, ImportError, OSError, MemoryError)
"""Measuring cannot start: in a subinterpreter, while the interpreter ends, without a descriptor or memory left."""


class _Goodbye:
    """Dies with its thread and keeps the thread's last CPU time: nobody can read the thread's clock afterwards."""

    __slots__ = ("state",)

    def __init__(self, state: ThreadState) -> None:
        self.state = state

    def __del__(self, get_native_id: Any = get_native_id, thread_time_ns: Any = thread_time_ns) -> None:
        # The functions are bound as defaults: at interpreter shutdown, this module may be empty already.
        if get_native_id() == self.state.tid:
            self.state.dead_cpu_ns = thread_time_ns()
        else:  # collected by another thread, at interpreter shutdown
            self.state.dead_cpu_ns = self.state.cpu_mark_ns


class Engine:
    """The state that all threads of this process share. There is one instance, ``engine``."""

    FORK_GRACE_SECONDS = 0.5
    """Longest time that a fork waits for another thread that is importing the code for measuring."""

    followers: ClassVar[list[Callable[[], None]]] = []
    """Functions that patch libraries which hand work on, once these are imported (``ecoia.instrument.handoff``)."""

    leavers: ClassVar[list[Callable[[], None]]] = []
    """Functions that end what is still open when the process ends, before the last window is written. None of them raises."""

    sampling_factory: ClassVar[Callable[[Engine, Background], Sampling]]
    """Makes the body of the background thread. ``ecoia`` registers it, because ``instrument`` must not import ``measuring``."""

    when_root_ended: ClassVar[Callable[[EndedRun], None] | None] = None
    """Shows the figures of an MLflow run that ended. ``ecoia`` registers it, because ``instrument`` computes no CO2e."""

    def __init__(self) -> None:
        self.generation = 0
        self.events: deque[tuple[Counters, str, Any]] = deque()  # tokens and quality figures, until the sampler takes them
        self.lost: deque[str] = deque(maxlen=100_000)  # causes of loss, until the sampler counts them
        self.disabled = os.environ.get("ECOIA_DISABLED", "").lower() in ("1", "true", "yes", "on")
        self.reset()

    def reset(self) -> None:
        """Start afresh. In a forked child, all that the parent measured so far stays the parent's."""
        self.generation += 1
        self._starting = Lock()
        self.local = local()
        self.threads: list[ThreadState] = []
        self.events.clear()  # not replaced: each ThreadState refers to them
        self.lost.clear()
        self.background: Background | None = None
        self._complained: set[str] = set()

    def enter_thread(self) -> ThreadState:
        """Register this thread at its first span, and start the background thread at the process's first one."""
        handled = sys.exception()  # that this thread has no state yet
        try:
            return self._register_thread()
        except BaseException as error:  # raised by a signal handler of the program's, whose traceback is to be of it alone
            _cut_context(error, handled)
            raise

    def _register_thread(self) -> ThreadState:
        state = ThreadState(self.generation, self.lost, self.events)
        self.local.state = state
        self.local.goodbye = _Goodbye(state)
        try:
            if self.background is None:
                with self._starting:  # several threads may have their first span at once
                    if self.background is None:
                        _watch_forks()
                        self.follow()
                        self._start_background()
            else:
                self.follow()
        finally:  # also where a signal handler of the program's raises
            state.start_cpu_ns = thread_time_ns()  # the CPU time up to here is ecoia's, not the thread's
            self.threads.append(state)
        return state

    def follow(self) -> None:
        """Follow work that is handed to other threads and tasks, for the libraries that are imported by now."""
        for follower in self.followers:
            try:
                follower()
            except Exception:  # noqa: BLE001 - a version of a library with other internals
                lose(losses.POOL_NOT_FOLLOWED)

    def wait_for_start(self) -> None:
        """Delay a fork while another thread imports the code for measuring: the child could never import it again.

        The child would inherit the modules' import locks, held by a thread that it does not have.
        """
        if self._starting.acquire(timeout=self.FORK_GRACE_SECONDS):
            self._starting.release()

    def started_background(self) -> Background | None:
        """Return the background, after trying again to start it where that failed before; None where there is none."""
        if self.background is None and self.threads and self._starting.acquire(blocking=False):
            try:
                if self.background is None:
                    self._start_background()
            finally:
                self._starting.release()
        return self.background

    def stop(self) -> None:
        """End what is open and write the last window, at the end of the process."""
        try:
            for leave in self.leavers:
                leave()
            background = self.started_background()
            if background is not None:
                background.stop()
        finally:
            _keep_interrupt()

    def _make_sampling(self, background: Background) -> Sampling:
        return type(self).sampling_factory(self, background)

    def _start_background(self) -> None:
        try:
            from ecoia.instrument.background import Background  # at the first span, to keep ``import ecoia`` cheap

            # Assigned before its thread is started, so that there is one thread only if the program is interrupted meanwhile.
            self.background = Background(self._make_sampling, complain=self.complain, lose=self.lost.append)
            self.background.start()
        except BaseException as error:
            self.lost.append(losses.NO_SAMPLER)
            atexit.unregister(self.stop)
            atexit.register(self.stop)
            if not isinstance(error, _NOT_STARTED) or isinstance(error, TimeoutError):
                raise  # of the program's own signal handler
            self.background = None
            self.complain(f"nothing is recorded until a later flush or the exit: {error}")
            return
        atexit.unregister(self.stop)
        atexit.register(self.stop)
        util = sys.modules.get("multiprocessing.util")
        if util is not None:  # its children end with os._exit, which runs no atexit handlers
            util.Finalize(None, self.stop, exitpriority=-100)

    def complain(self, message: str) -> None:
        """Log a problem once, through the host's logging, and go on. At most ten different messages are logged."""
        if message not in self._complained and len(self._complained) < _MAX_COMPLAINTS:
            self._complained.add(message)
            try:  # noqa: SIM105 - contextlib is not loaded for this
                _log(message)
            except Exception:  # noqa: BLE001, S110 - stderr is closed, or a pipe that nobody reads; a filter of the host's raises
                pass


def _cut_context(error: BaseException, handled: BaseException | None) -> None:
    """Take an exception that was being handled, and what was before it, out of the context of an error."""
    while error.__context__ is not None:
        if error.__context__ is handled:
            error.__context__ = None
            return
        error = error.__context__


def _keep_interrupt() -> None:
    """Have a program that an interrupt ended get the exit code of one, as without ecoia.

    CPython notes an interrupt that nobody caught, and forgets it at each ``eval`` of a text in whatever thread: modules that the
    sampler loads call it (``namedtuple``), and so may the helper's start. A text that ends by an interrupt is noted again. The
    traceback of an interrupt that ended the program begins at its first frame; that of one in a console or notebook does not.
    """
    trace = getattr(sys, "last_traceback", None)
    if getattr(sys, "last_type", None) is not KeyboardInterrupt or trace is None or hasattr(sys, "ps1"):
        return
    first = trace.tb_frame
    if first.f_back is None and first.f_code.co_name in ("<module>", "_run_module_as_main"):
        try:  # noqa: SIM105 - contextlib is not loaded for this
            exec("raise KeyboardInterrupt")  # noqa: S102 - nothing else makes CPython note it
        except KeyboardInterrupt:
            pass


def _log(message: str) -> None:
    if "logging" not in sys.modules:  # it would print the bare message, too
        if sys.stderr is not None:
            print(f"ecoia: {message}", file=sys.stderr)
        return
    import logging

    _watch_forks()
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
    """Park the sampler during forks. Called at the first span, and before a line is logged.

    ``logging`` takes its lock before a fork, and hooks that were registered last run first. The sampler, which may be logging,
    must be parked before that lock is taken. So the hooks are registered once more where ``logging`` was imported since.
    """
    global _forks_watched
    now = 2 if "logging" in sys.modules else 1
    if _forks_watched < now and hasattr(os, "register_at_fork"):
        _forks_watched = now
        os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_here, after_in_child=_after_fork_in_child)


_forks_watched = 0
"""1: the hooks are registered; 2: after those of ``logging``."""


def lose(cause: str) -> None:
    """Count something that could not be recorded. The count is written with the next records and shown in reports.

    Never raises, from any thread.

    Args:
        cause: One of the causes in ``ecoia.losses``, which also decide how reports word it.

    Example:
        >>> from ecoia.integrating import lose, losses
        >>> lose(losses.ROUTE_UNREAD)
    """
    engine.lost.append(cause)


def complain(message: str) -> None:
    """Log a problem as a warning of the logger ``ecoia``, once. Never raises.

    At most ten different messages are logged in a process, so do not put changing values into them.

    Args:
        message: What is wrong and the remedy.

    Example:
        >>> from ecoia.integrating import complain
        >>> complain("two middlewares measure analyse-cv: remove one")
    """
    engine.complain(message)


def is_disabled() -> bool:
    """Return whether the environment variable ``ECOIA_DISABLED`` turned ecoia off when this process imported it.

    The answer never changes afterwards: ask once, where the host is set up, and not at each request.

    Example:
        >>> from ecoia.integrating import is_disabled
        >>> is_disabled()
        False
    """
    return engine.disabled


def joules_per_cpu_second() -> float | None:
    """Return the energy of all components per second of CPU time of this process in its last window, without idle energy.

    Returns:
        Joules per second of CPU time. None before the end of the first window, and where no energy, or less than 10 ms of CPU
        time, is known.

    Example:
        >>> from ecoia.integrating import joules_per_cpu_second
        >>> rate = joules_per_cpu_second()
        >>> estimate_joules = None if rate is None else 0.25 * rate  # of a request that used 250 ms of CPU time
    """
    background = engine.background
    sampling = None if background is None else background.sampling
    return None if sampling is None else sampling.joules_per_cpu_second


def note_run_end(run: Run, root: bool, start_utc_ns: int, end_utc_ns: int) -> None:
    """Have the records of an MLflow run that ended written and delivered soon. Costs the thread that ended it two assignments.

    The window of a root run is closed within a second, so several that end in turn close one. That of a child is left to its
    time, as a window for each of a thousand trials would be many records.

    Args:
        run: The run.
        root: Whether it has no run above it.
        start_utc_ns: When it began.
        end_utc_ns: When it ended.

    Example:
        >>> from ecoia.instrument.mlflow_run import Run
        >>> note_run_end(Run("0af7651916cd43dd8448eb211c80319c", None), True, 0, 1)
    """
    background = engine.background
    if background is not None:
        background.run_ended = True
        if root:
            background.root_ended = True


def own_journal_file() -> tuple[Path, str] | None:
    """Return the folder of the journal and the name of the file that this process is writing; None before its first window.

    A forked child has a file of its own, so ask again before each use.

    Example:
        >>> from ecoia.integrating import live_totals, own_journal_file
        >>> source = own_journal_file()
        >>> totals = None if source is None else live_totals(source[0], file=source[1])
    """
    background = engine.background
    sampling = None if background is None else background.sampling
    file = None if sampling is None else sampling.journal_file
    if file is None:
        return None
    from pathlib import Path  # loaded by whoever uses it

    return Path(file[0]), file[1]
