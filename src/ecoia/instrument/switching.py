"""Steps of the hot path: which span is innermost, which one is on top of a thread, and how spans begin and end.

A step takes no lock, does no I/O and imports nothing. It costs two pairs of clock reads (wall, CPU of the thread) and some
additions to counters that only this thread writes. The sampler's thread does the rest.

CPU time is exclusive. On each thread, the CPU time since the last switch goes to the span on top, and a nested span covers its
parent.

The wrappers of ``track`` write out some of these steps in place, because calling a function costs as much as the step. Each such
place names the function that it repeats.

A signal handler may use spans itself, or raise, in the middle of a step, and another thread may run there. The interpreter
switches to them only at calls and at the ends of loops. So each step reads its clocks first, and calls nothing between its first
change and its last.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextvars import ContextVar
from time import perf_counter_ns, thread_time_ns

from ecoia import losses
from ecoia.instrument.engine import engine, lose
from ecoia.instrument.mlflow_run import Run, active_run, run_called, run_of_process
from ecoia.instrument.spans import Counters, Label, Piece, Span, ThreadState

LONG_SPAN_NS = 1_000_000_000
"""A span longer than this wakes the sampler at its end, so that its figures are on disk soon."""

in_context: ContextVar[Span | None] = ContextVar("ecoia_current_span", default=None)
"""The innermost open span of this thread or task."""

name_service: Callable[[Label, Run], Label] | None = None
"""Gives a label without a service the service of a run. ``following`` sets it."""

when_uncovered: list[Callable[[ThreadState], None]] = []
"""Called on a thread where a span of a run has ended and nothing is on top any more. ``following`` covers active runs there."""


# --- the span that work belongs to -----------------------------------------------------------------------------------


def innermost() -> Span | None:
    """Return the innermost span of this thread or task, or None outside any.

    Example:
        >>> import ecoia
        >>> from ecoia.integrating import innermost
        >>> innermost() is None
        True
        >>> with ecoia.track(service="analyse-cv") as span:
        ...     innermost() is span
        True
    """
    state: ThreadState | None = getattr(engine.local, "state", None)
    if state is not None and state.top is not None and state.top.is_call:
        return state.top
    span = in_context.get()
    # In a forked child, a span that began in the parent process belongs to the parent.
    return None if span is None or span._state.generation != engine.generation else span


def enclosing(state: ThreadState) -> Span | None:
    """Return the span around one that begins on this thread now: the innermost that is not over and belongs to this process.

    Spans that are over are skipped, because a task can outlive the span in which it was made. So are spans of the parent
    process, in which a forked child starts.
    """
    span = state.top
    if span is None or not span.is_call:
        span = in_context.get()
    while span is not None and (span.ended or span._state.generation != state.generation):
        span = span.parent
    return span


def counters_for(state: ThreadState, label: Label) -> Counters:
    """Return this thread's counters for a label and the MLflow run that is active here.

    Inference belongs to the daily view of its service, even inside an active run, so no run is looked up for it.
    """
    global _runs_are_named
    if label.phase == "inference":
        return counters_of(state, label, None)
    if label.run_id is not None:
        _runs_are_named = True
        return counters_of(state, label, run_called(label.run_id, lose))
    run = active_run(lose)
    if run.run_id is None and (run is not run_of_process or _runs_are_named):
        run = _run_around(state) or run
    if label.service is None and name_service is not None:
        label = name_service(label, run)
    return counters_of(state, label, run)


_runs_are_named = False
"""Whether a span has named its run. Otherwise, without MLflow, no span has one."""


def _run_around(state: ThreadState) -> Run | None:
    """Return the run of the work that a span here is part of, where none is active: MLflow's are so on their own thread only.

    It is the run of the span that handed the work on, or of a span around it for which the program named one.
    """
    around = enclosing(state)
    while around is not None:
        counters = around._counters
        if counters.run is not None and (type(around) is Piece or counters.label.run_id is not None):
            return counters.run
        around = around.parent
    return None


def counters_like(state: ThreadState, counters: Counters) -> Counters:
    """Return this thread's counters for the same label and run as another thread's counters."""
    return counters_of(state, counters.label, counters.run)


def counters_of(state: ThreadState, label: Label, run: Run | None) -> Counters:
    """Return this thread's counters for a label and a run; None: for work that belongs to no run."""
    key = label if run is None else (label, run.run_id, run.tracking_uri)
    counters = state.counters.get(key)
    if counters is None:
        counters = state.counters.setdefault(key, Counters(label, run))  # the sampler may have added them meanwhile
    return counters


# --- the top of a thread ---------------------------------------------------------------------------------------------


def put_on_top(span: Span | None, state: ThreadState) -> None:
    """Charge the CPU time up to now to the span on top, and the CPU time from now on to this span."""
    top = state.top
    if top is not None and top.is_late:
        top._settle()
    if not state.live and (top is None) is not (span is None):  # the thread begins or ceases to be covered
        now_ns = perf_counter_ns()
        cpu_ns = thread_time_ns()
        if top is None:
            state.cover_mark_ns = now_ns
        else:
            state.cover_ns += now_ns - state.cover_mark_ns
    else:
        cpu_ns = thread_time_ns()
    if cpu_ns < state.cpu_mark_ns:  # after this read of the clock, a signal handler ran spans, which are charged already
        cpu_ns = state.cpu_mark_ns
    if top is not None:
        top._counters.cpu_ns += cpu_ns - state.cpu_mark_ns
    state.cpu_mark_ns = cpu_ns
    state.top = span


def start_call(span: Span, state: ThreadState, counters: Counters) -> None:
    """Begin a span that cannot be suspended. ``wrapping`` and ``tracking`` write this out for a thread with nothing on top."""
    span._state = state
    span._counters = counters
    span.ended = False
    span.parent = span._under = state.top
    span._start_ns = perf_counter_ns()
    put_on_top(span, state)


def end_call(span: Span, state: ThreadState, failed: bool) -> None:
    """End a call's span. Nests no deeper than ``start_call``, so a full stack already fails at the start, not only here."""
    if state.top is span:
        put_on_top(span._under, state)
    else:
        leave(span, state)
    end_ns = perf_counter_ns()
    counters = span._counters
    span._end_ns = end_ns
    span.ended = True
    counters.spans += 1
    if counters.run is not None or end_ns - span._start_ns > LONG_SPAN_NS:
        note_end(span, end_ns, failed)


def leave(span: Span, state: ThreadState) -> None:
    """Take a span off its thread, wherever it stands in the stack: interleaved blocks end in any order."""
    top = state.top
    if top is span:
        under = span._under
        while under is not None and under.ended:  # a task outlives the block in which it was started
            under = under._under
        put_on_top(under, state)
        return
    if top is not None:
        put_on_top(top, state)
    unlink(span, state)


def unlink(span: Span, state: ThreadState) -> None:
    """Take a span out from under others without reading a clock."""
    above = state.top
    while above is not None:
        if above._under is span:
            above._under = span._under
            return
        above = above._under


# --- open spans ------------------------------------------------------------------------------------------------------


def begin(label: Label) -> Span:
    """Begin an open span: in flight from now on, on top of no thread yet."""
    try:
        state: ThreadState = engine.local.state
    except AttributeError:
        state = engine.enter_thread()
    counters = state.counters.get(label)
    if counters is None:  # always so for phases other than inference: their counters are kept by run
        counters = counters_for(state, label)
    span = Span()
    span._state = state
    span._counters = counters
    span.ended = False
    span.parent = None if state.top is None and in_context.get() is None else enclosing(state)
    span._start_ns = now_ns = perf_counter_ns()
    counters.flight_ns -= now_ns  # open_flight, written out
    counters.open_count += 1
    if not state.live and state.top is None:
        state.cover_mark_ns = now_ns
    state.live += 1
    return span


def open_flight(span: Span, now_ns: int) -> None:
    """Count an open span as in flight on its thread."""
    state, counters = span._state, span._counters
    counters.flight_ns -= now_ns
    counters.open_count += 1
    if not state.live and state.top is None:
        state.cover_mark_ns = now_ns
    state.live += 1


def close_flight(span: Span, now_ns: int) -> None:
    """Count an open span as no longer in flight on its thread."""
    state, counters = span._state, span._counters
    counters.open_count -= 1
    counters.flight_ns += now_ns
    state.live -= 1
    if not state.live and state.top is None:
        state.cover_ns += now_ns - state.cover_mark_ns


def move(span: Span, state: ThreadState) -> None:
    """Move a span to another thread: from now on it counts in the counters of that thread."""
    if span.is_late:
        span._settle(True)
    now_ns = perf_counter_ns()
    if not span.is_call:
        close_flight(span, now_ns)
    span._state, span._counters = state, counters_like(state, span._counters)
    if not span.is_call:
        open_flight(span, now_ns)


def abandon(span: Span) -> None:
    """Take a span off a thread other than this one. The CPU time since that thread's last switch is charged to no span."""
    lose(losses.MOVED_BETWEEN_THREADS)
    state = span._state
    if state.top is span:
        state.top = span._under
    else:
        unlink(span, state)


def recount(span: Span, counters: Counters) -> None:
    """Count a span in other counters of its thread from now on. Charge the CPU time up to now before."""
    if span.is_call:
        span._counters = counters
        return
    now_ns = perf_counter_ns()
    close_flight(span, now_ns)
    span._counters = counters
    open_flight(span, now_ns)


def charge_from_elsewhere(state: ThreadState) -> None:
    """Charge the CPU time of another thread up to now to the span on top of it, as ``put_on_top`` does on its own thread."""
    clock_ns = state.dead_cpu_ns if state.dead_cpu_ns >= 0 else thread_clock_ns(state.tid)
    top = state.top
    if top is not None and clock_ns is not None and clock_ns > state.cpu_mark_ns:
        top._counters.cpu_ns += clock_ns - state.cpu_mark_ns
        state.cpu_mark_ns = clock_ns


def thread_clock_ns(thread: int) -> int | None:
    """Return the CPU time of a thread of this process by its id; None if it ended, or the system has no such clock."""
    try:
        # Linux's CPU clock of a thread. Unlike pthread_getcpuclockid, this is safe for a thread that died.
        return time.clock_gettime_ns((~thread << 3) | 6)
    except (OSError, AttributeError, OverflowError):
        return None


def finish(span: Span, failed: bool) -> None:
    """End an open span that is on top of no thread."""
    state, counters = span._state, span._counters
    end_ns = perf_counter_ns()
    counters.open_count -= 1  # close_flight, written out
    counters.flight_ns += end_ns
    state.live -= 1
    if not state.live and state.top is None:
        state.cover_ns += end_ns - state.cover_mark_ns
    span._end_ns = end_ns
    span.ended = True
    counters.spans += 1
    if counters.run is not None or end_ns - span._start_ns > LONG_SPAN_NS:
        note_end(span, end_ns, failed)


def finish_anyhow(span: Span, failed: bool) -> None:
    """End an open span that an exception leaves, maybe one that a signal handler raised in the middle of a step of ours."""
    state = span._state
    on_thread = state.top
    while on_thread is not None and on_thread is not span:
        on_thread = on_thread._under
    if on_thread is not None:
        leave(span, state)
    if in_context.get() is span:
        in_context.set(open_around(span))
    if not span.ended:
        finish(span, failed)


def open_around(span: Span) -> Span | None:
    """Return the innermost open span around this one that is not over."""
    outer = span.parent
    while outer is not None and (outer.ended or outer.is_call):
        outer = outer.parent
    return outer


def note_end(span: Span, end_ns: int, failed: bool) -> None:
    """Note the end of a span that belongs to a run, and wake the sampler after a long one."""
    counters = span._counters
    if counters.run is not None and _is_outermost(span, counters.run):
        counters.last_failed = failed
        counters.ended += 1
    if end_ns - span._start_ns > LONG_SPAN_NS:
        wake_sampler()
    if when_uncovered and span._state.top is None:
        for cover in when_uncovered:
            cover(span._state)


def _is_outermost(span: Span, run: Run) -> bool:
    """Return whether no other span of this run is around it. Spans of another run, or of none (a request that trains), may be."""
    outer = span.parent
    while outer is not None:
        outer_run = outer._counters.run
        if (
            outer_run is not None
            and (outer_run is run or (outer_run.run_id, outer_run.tracking_uri) == (run.run_id, run.tracking_uri))
            and not (outer.ended or type(outer) is Piece)
        ):
            return False
        outer = outer.parent
    return True


def wake_sampler() -> None:
    """Let the sampler close its window now, so that the figures of a long span are on disk soon."""
    background = engine.background
    if background is not None:
        background.wake(close_window=True)
