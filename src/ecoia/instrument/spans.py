"""Spans, and the bookkeeping that they do on the measured thread: the hot path.

It takes no lock, does no I/O and imports nothing: two pairs of clock reads (wall, thread CPU) and some additions to
counters that only this thread writes. The sampler thread reads the counters now and then and takes differences;
everything else is its business.

Time is exclusive: on each thread, the CPU time since the last switch goes to the span on top, and a nested span covers
its parent. There are two kinds. A *call* (``CallSpan``) runs on one thread from its start to its end, so the thread
alone says which is innermost. An *open* span (a block, a coroutine, a generator) can be suspended while others run: it
counts as in flight until it ends, and the context (``contextvars``) says to whom it belongs.

``track``'s wrappers write out some of these steps in place, since a call costs as much as the step.

A signal handler may use spans too, or raise, in the middle of any step, and another thread may come in between. The
interpreter lets them in at calls, loops' ends and nowhere else: so each step reads its clocks first, and calls nothing
from its first change to its last.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from time import perf_counter_ns, thread_time_ns
from typing import Any

from ecoia import causes
from ecoia.instrument.engine import Counters, Label, ThreadState, engine, lose
from ecoia.instrument.mlflow_run import Run, active_run

LONG_SPAN_NS = 1_000_000_000
"""A span of this length wakes the sampler at its end, so that its figures are soon on disk."""

MAX_COUNT = 10**15
"""Counts beyond it are slips (a time stamp in nanoseconds), and would drown every sum."""

in_context: ContextVar[Span | None] = ContextVar("ecoia_current_span", default=None)
"""The innermost open span of this context (task, thread). Calls are not in it: the thread has them on top."""


class Span:
    """One execution of instrumented code. What the code says of itself is added through its methods; none raises."""

    __slots__ = ("_counters", "_ended", "_here", "_start_ns", "_state", "_top", "_under", "parent")

    is_call = False
    is_late = False
    account: Account | None = None

    parent: Span | None
    _state: ThreadState
    _counters: Counters
    _start_ns: int
    _ended: bool
    _under: Span | None
    _top: Span  # of a coroutine or generator between two steps: its innermost open span on the thread,
    _here: Span | None  # and in the context

    @property
    def label(self) -> Label:
        """What is written on it."""
        return self._counters.label

    @property
    def service(self) -> str | None:
        """The service's id."""
        return self._counters.label.service

    @property
    def phase(self) -> str:
        """The phase, one of ``semconv.PHASES``."""
        return self._counters.label.phase

    def units(self, delivered: float, accepted: float | None = None) -> None:
        """Add functional units delivered (and, of them, accepted). NaN and negative numbers are counted as lost.

        Args:
            delivered: Functional units, 0 or more; adds up when called again. Kept to the millionth.
            accepted: Of these, how many were accepted by whoever they were for.
        """
        counters = self._counters
        if type(delivered) is int and 0 <= delivered < MAX_COUNT:
            counters.units_micro += delivered * 1_000_000
            counters.units_given += 1
        else:
            count = checked_count(delivered)
            if count is None:
                lose(causes.INVALID_UNITS)
            else:
                counters.units_micro += count
                counters.units_given += 1
        if accepted is not None:
            count = checked_count(accepted)
            if count is None:
                lose(causes.INVALID_UNITS)
            else:
                counters.accepted_micro += count
                counters.accepted_given += 1

    def tokens(self, provider: str, model: str, tokens_in: int, tokens_out: int) -> None:
        """Record tokens exchanged with a model. Counts only; no text is kept."""
        try:
            counts = (int(tokens_in), int(tokens_out))
            names = (short_text(provider), short_text(model))
        except Exception:  # noqa: BLE001 - whatever the host passes must not break it
            lose(causes.INVALID_TOKENS)
            return
        if min(counts) < 0 or max(counts) >= MAX_COUNT:
            lose(causes.INVALID_TOKENS)
            return
        engine.events.append((self._counters, "tokens", (*names, *counts)))

    def quality(self, name: str, value: float) -> None:
        """Record a quality figure (accuracy, F1, ...) of the run; the last value of a name stands."""
        try:
            number = float(value)
            name = short_text(name)
        except Exception:  # noqa: BLE001 - whatever the host passes must not break it
            lose(causes.INVALID_QUALITY)
            return
        if not -1e300 < number < 1e300:  # also false for NaN
            lose(causes.INVALID_QUALITY)
            return
        engine.events.append((self._counters, "quality", (name, number)))


class CallSpan(Span):
    """A span that starts and ends on one thread without being suspended: a call of a function."""

    __slots__ = ()

    is_call = True


class BlockSpan(CallSpan):
    """A block in code that cannot be suspended. It says which object opened it, which several threads may share."""

    __slots__ = ("_opener",)

    _opener: Any


class Piece(CallSpan):
    """What a pool's thread does for a span that began elsewhere, its parent: the same label, and no span more."""

    __slots__ = ()


class Account:
    """CPU time that one span used by itself and through what it calls or hands on, for who asks before its window is closed."""

    __slots__ = ("used_ns",)

    def __init__(self) -> None:
        self.used_ns = 0


class LateSpan(Span):
    """An open span that learns on the way what is written on it: a request, from its routing.

    It is asked before anything is charged to it, so that what it did until then goes to the label that it then has. What
    it did in an earlier step, or until the sampler read it, stays under the label that it began with. Only then is it in flight
    for anyone.
    """

    __slots__ = ("about", "account", "find", "is_late")

    account: Account | None
    is_late: bool
    about: Any
    find: Callable[[Any, bool], Label | None]
    """The label of what it is about, None while that is unknown; True asks for the last time. The sampler's thread asks, too."""

    def __deepcopy__(self, _: Any) -> LateSpan:
        """Itself: applications may copy the request in which it is."""
        return self

    def found(self, last: bool = False) -> Label | None:
        """What it is, as far as it is known."""
        about = self.about
        if about is None:  # it is known meanwhile, and the span lets go of the request
            return None
        try:
            return self.find(about, last)
        except Exception:  # noqa: BLE001 - a version of a framework that is made otherwise
            lose(causes.ROUTE_UNREAD)
            return None

    def units(self, delivered: float, accepted: float | None = None) -> None:
        """See ``Span.units``."""
        if self.is_late:
            settle(self)
        Span.units(self, delivered, accepted)  # super() would look for it at each request

    def tokens(self, provider: str, model: str, tokens_in: int, tokens_out: int) -> None:
        """See ``Span.tokens``."""
        if self.is_late:
            settle(self)
        super().tokens(provider, model, tokens_in, tokens_out)

    def quality(self, name: str, value: float) -> None:
        """See ``Span.quality``."""
        if self.is_late:
            settle(self)
        super().quality(name, value)


class NoSpan(Span):
    """Stands in when ecoia is off: takes everything, keeps nothing."""

    __slots__ = ()

    def units(self, delivered: float, accepted: float | None = None) -> None:
        """Nothing."""

    def tokens(self, provider: str, model: str, tokens_in: int, tokens_out: int) -> None:
        """Nothing."""

    def quality(self, name: str, value: float) -> None:
        """Nothing."""


def checked_count(number: Any) -> int | None:
    """A count in integer millionths; None for what is no count."""
    try:
        if type(number) is int:
            return number * 1_000_000 if 0 <= number < MAX_COUNT else None
        if isinstance(number, (bool, str, bytes, bytearray)):
            return None
        value = float(number)
        return round(value * 1_000_000) if 0 <= value < MAX_COUNT else None
    except Exception:  # noqa: BLE001 - whatever the host passes must not break it
        return None


def short_text(value: Any) -> str:
    """What the host calls something, as the journal can hold it: short, and UTF-8."""
    return str(value)[:120].encode("utf-8", "replace").decode("utf-8")


# --- whose it is -------------------------------------------------------------------------------------------------


def innermost() -> Span | None:
    """The innermost span of this thread or task; None outside any."""
    state: ThreadState | None = getattr(engine.local, "state", None)
    if state is not None and state.top is not None and state.top.is_call:
        return state.top
    span = in_context.get()
    # In a forked child, what the parent began is the parent's.
    return None if span is None or span._state.generation != engine.generation else span


def enclosing(state: ThreadState) -> Span | None:
    """The span in which a new one begins on this thread: the innermost that has not ended and is this process's.

    A task outlives the span in which it was made, a forked process what its parent began: neither is inside it.
    """
    span = state.top
    if span is None or not span.is_call:
        span = in_context.get()
    while span is not None and (span._ended or span._state.generation != state.generation):
        span = span.parent
    return span


def counters_for(state: ThreadState, label: Label) -> Counters:
    """This thread's counters of a label, and of the MLflow run that is active here.

    Inference goes to the day's view of its service, whatever run is active: no run to look up.
    """
    run = None if label.phase == "inference" else active_run(lose)
    return _counters(state, label, run)


def counters_like(state: ThreadState, counters: Counters) -> Counters:
    """This thread's counters of the same label and run as another thread's."""
    return _counters(state, counters.label, counters.run)


def _counters(state: ThreadState, label: Label, run: Run | None) -> Counters:
    key = label if run is None else (label, run.run_id, run.tracking_uri)
    counters = state.counters.get(key)
    if counters is None:
        counters = state.counters.setdefault(key, Counters(label, run))  # the sampler may have been first
    return counters


# --- switching a thread's top --------------------------------------------------------------------------------------


def put_on_top(span: Span | None, state: ThreadState) -> None:
    """Charge what ran until now to the span on top, and what runs from now on to this one."""
    top = state.top
    if top is not None and top.is_late:
        settle(top)  # type: ignore[arg-type]  # no other kind is late
    if not state.live and (top is None) is not (span is None):  # begins or ends to be covered
        now_ns = perf_counter_ns()
        cpu_ns = thread_time_ns()
        if top is None:
            state.cover_mark_ns = now_ns
        else:
            state.cover_ns += now_ns - state.cover_mark_ns
    else:
        cpu_ns = thread_time_ns()
    if cpu_ns < state.cpu_mark_ns:  # after the clock was read, a signal handler had spans, which are charged
        cpu_ns = state.cpu_mark_ns
    if top is not None:
        top._counters.cpu_ns += cpu_ns - state.cpu_mark_ns
    state.cpu_mark_ns = cpu_ns
    state.top = span


def start_call(span: Span, state: ThreadState, counters: Counters) -> None:
    """Begin a span that will not be suspended. ``wrapping`` and ``tracking`` write this out where nothing is on top."""
    span._state = state
    span._counters = counters
    span._ended = False
    span.parent = span._under = state.top
    span._start_ns = perf_counter_ns()
    put_on_top(span, state)


def end_call(span: Span, state: ThreadState, failed: bool) -> None:
    """End it. No deeper in calls than ``start_call``, so that where the stack runs out it does so before the start."""
    if state.top is span:
        put_on_top(span._under, state)
    else:
        leave(span, state)
    end_ns = perf_counter_ns()
    counters = span._counters
    span._ended = True
    counters.spans += 1
    if counters.run is not None or end_ns - span._start_ns > LONG_SPAN_NS:
        tell_end(span, end_ns, failed)


def leave(span: Span, state: ThreadState) -> None:
    """Take a span off its thread, wherever on it it stands: blocks that interleave end in any order."""
    top = state.top
    if top is span:
        under = span._under
        while under is not None and under._ended:  # a task outlives the block under which it began its own
            under = under._under
        put_on_top(under, state)
        return
    if top is not None:
        put_on_top(top, state)
    unlink(span, state)


def unlink(span: Span, state: ThreadState) -> None:
    """Take a span out from under others, without touching any clock."""
    above = state.top
    while above is not None:
        if above._under is span:
            above._under = span._under
            return
        above = above._under


# --- open spans ----------------------------------------------------------------------------------------------------


def begin(label: Label) -> Span:
    """An open span: in flight from now on, on top of no thread yet."""
    try:
        state: ThreadState = engine.local.state
    except AttributeError:
        state = engine.enter_thread()
    counters = state.counters.get(label)
    if counters is None:  # always so for a phase that belongs to runs: those are kept by run
        counters = counters_for(state, label)
    span = Span()
    span._state = state
    span._counters = counters
    span._ended = False
    span.parent = None if state.top is None and in_context.get() is None else enclosing(state)
    span._start_ns = now_ns = perf_counter_ns()
    counters.flight_ns -= now_ns  # open_flight, written out
    counters.open_count += 1
    if not state.live and state.top is None:
        state.cover_mark_ns = now_ns
    state.live += 1
    return span


def begin_late(label: Label, find: Callable[[Any, bool], Label | None], about: Any, account: Account | None = None) -> LateSpan:
    """An open span under a label until ``find`` knows that of ``about``, on top of no thread yet."""
    try:
        state: ThreadState = engine.local.state
    except AttributeError:
        state = engine.enter_thread()
    span = LateSpan()
    span._state = state
    span._counters = state.counters.get(label) or counters_for(state, label)
    span._ended = False
    span._top = span._here = span
    span.find = find
    span.about = about
    span.account = account
    span.parent = None if state.top is None and in_context.get() is None else enclosing(state)
    span._start_ns = now_ns = perf_counter_ns()
    span.is_late = True
    if not state.live and state.top is None:
        state.cover_mark_ns = now_ns
    state.live += 1
    return span


def settle(span: LateSpan, last: bool = False) -> None:
    """Let a late span have its label if that is known by now, or else, the last time, keep the one it began with."""
    try:  # found, written out
        label = span.find(span.about, last)
    except Exception:  # noqa: BLE001 - a version of a framework that is made otherwise
        lose(causes.ROUTE_UNREAD)
        label = None
    if label is None:
        if not last:
            return
        counters = span._counters
    else:
        counters = span._state.counters.get(label) or counters_for(span._state, label)
    if not span.is_late:  # a signal handler, or a pool's thread, settled it meanwhile: it is in flight once
        return
    span.is_late = False
    span.about = None  # which lets go of the request, and of what of it leads back here
    counters.flight_ns -= span._start_ns
    counters.open_count += 1
    span._counters = counters


def finish_late(span: LateSpan, failed: bool) -> None:
    """End a late span, whatever happens. It has no step any more, and is not kept until the collector comes."""
    if span.is_late:
        settle(span, True)
    finish_anyhow(span, failed)
    del span._top, span._here


def open_flight(span: Span, now_ns: int) -> None:
    """Count an open span as in flight on its thread."""
    state, counters = span._state, span._counters
    counters.flight_ns -= now_ns
    counters.open_count += 1
    if not state.live and state.top is None:
        state.cover_mark_ns = now_ns
    state.live += 1


def close_flight(span: Span, now_ns: int) -> None:
    """Count it as no longer in flight there."""
    state, counters = span._state, span._counters
    counters.open_count -= 1
    counters.flight_ns += now_ns
    state.live -= 1
    if not state.live and state.top is None:
        state.cover_ns += now_ns - state.cover_mark_ns


def move(span: Span, state: ThreadState) -> None:
    """Let a span go on in another thread than it was in: from now on it counts in that thread's counters."""
    if span.is_late:
        settle(span, True)  # type: ignore[arg-type]  # no other kind is late
    now_ns = perf_counter_ns()
    if not span.is_call:
        close_flight(span, now_ns)
    span._state, span._counters = state, counters_like(state, span._counters)
    if not span.is_call:
        open_flight(span, now_ns)


def abandon(span: Span) -> None:
    """Take a span off a thread that is not this one; the CPU time since its last switch is nobody's."""
    lose(causes.MOVED_BETWEEN_THREADS)
    state = span._state
    if state.top is span:
        state.top = span._under
    else:
        unlink(span, state)


def finish(span: Span, failed: bool) -> None:
    """End an open span."""
    state, counters = span._state, span._counters
    end_ns = perf_counter_ns()
    counters.open_count -= 1  # close_flight, written out
    counters.flight_ns += end_ns
    state.live -= 1
    if not state.live and state.top is None:
        state.cover_ns += end_ns - state.cover_mark_ns
    span._ended = True
    counters.spans += 1
    if counters.run is not None or end_ns - span._start_ns > LONG_SPAN_NS:
        tell_end(span, end_ns, failed)


def finish_anyhow(span: Span, failed: bool) -> None:
    """End an open span out of which an exception comes: maybe a signal handler's, from the middle of a step of ours."""
    state = span._state
    on_thread = state.top
    while on_thread is not None and on_thread is not span:
        on_thread = on_thread._under
    if on_thread is not None:
        leave(span, state)
    if in_context.get() is span:
        in_context.set(open_around(span))
    if not span._ended:
        finish(span, failed)


def open_around(span: Span) -> Span | None:
    """The innermost open span around this one that has not ended."""
    outer = span.parent
    while outer is not None and (outer._ended or outer.is_call):
        outer = outer.parent
    return outer


def tell_end(span: Span, end_ns: int, failed: bool) -> None:
    """The end of a span that belongs to a run, or was long."""
    counters = span._counters
    if counters.run is not None and _is_outermost(span, counters.run):
        counters.last_failed = failed
        counters.ended += 1
    if end_ns - span._start_ns > LONG_SPAN_NS:
        wake_sampler()


def _is_outermost(span: Span, run: Run) -> bool:
    """Whether no other span of its run is around it. One of another run, or of none (a request that trains), may be."""
    outer = span.parent
    while outer is not None:
        of = outer._counters.run
        if (
            of is not None
            and (of.run_id, of.tracking_uri) == (run.run_id, run.tracking_uri)
            and not (outer._ended or type(outer) is Piece)
        ):
            return False
        outer = outer.parent
    return True


def wake_sampler() -> None:
    """Let the figures of a long span be on disk soon."""
    background = engine.background
    if background is not None:
        background.wake(close_window=True)
