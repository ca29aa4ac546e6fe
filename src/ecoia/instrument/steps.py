"""Code that can be suspended, run step by step: the time between two steps belongs to the code that runs meanwhile.

Each step of a coroutine or generator puts its span, and the open spans inside it, on top of the thread and into the context, and
takes them off again at its end.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Callable, Generator
from contextvars import Token
from time import thread_time_ns
from types import coroutine

from ecoia.instrument.engine import engine
from ecoia.instrument.spans import Label, Span, ThreadState
from ecoia.instrument.switching import begin, in_context, move, put_on_top, unlink
from ecoia.light import Any

CO_GENERATOR, CO_COROUTINE, CO_ITERABLE_COROUTINE, CO_ASYNC_GENERATOR = 0x20, 0x80, 0x100, 0x200
CO_SUSPENDS = CO_GENERATOR | CO_COROUTINE | CO_ITERABLE_COROUTINE | CO_ASYNC_GENERATOR
"""Flags of code that can be suspended and resumed, while other code runs (``inspect.CO_*``)."""


def begin_steps(label: Label) -> Span:
    """Begin the span of code that is run step by step."""
    span = begin(label)
    span._top = span._here = span
    return span


def steps(span: Span, inner: Any) -> Generator[Any, Any, Any]:
    """Run a generator or coroutine as ``yield from`` would, each step on top of the thread that runs it."""
    try:
        item = step(span, inner.send, None)
    except StopIteration as stop:
        return stop.value
    return (yield from _steps_after(span, inner, item))


def _steps_after(span: Span, inner: Any, item: Any) -> Generator[Any, Any, Any]:
    """Run the steps after the first one, which yielded ``item``."""
    while True:
        try:
            argument = yield item
            method = inner.send
        except GeneratorExit:
            step(span, _close, inner)
            raise
        except BaseException as error:  # noqa: BLE001 - passed on to the code that was suspended
            method, argument = inner.throw, error
        # step, written out: calling its parts costs as much as what they do.
        state = span._state
        try:
            is_alone = state.top is None and span._top is span and engine.local.state is state
        except AttributeError:  # the first work of ecoia's on this thread
            is_alone = False
        if is_alone:
            token = in_context.set(span._here)
            span._under = None
            state.cpu_mark_ns = thread_time_ns()
            state.top = span
        else:
            state, token = _enter_step(span)
        try:
            item = method(argument)
        except StopIteration as stop:
            return stop.value
        finally:
            argument = None  # else the traceback's frame holds the exception: a cycle that lives until a collection
            if state.top is span and span._under is None and not span.is_late:  # leave_step, written out
                used_ns = thread_time_ns() - state.cpu_mark_ns
                span._here, span._top = in_context.get(), span
                in_context.reset(token)
                if used_ns > 0:
                    span._counters.cpu_ns += used_ns
                state.top = None
            else:
                leave_step(span, state, token)


drive = coroutine(steps)
"""``steps`` for use with ``await``."""

drive_on = coroutine(_steps_after)
"""Await the steps after the first one, for callers that write the first one out."""


def _close(inner: Any) -> None:
    inner.close()


def step(span: Span, method: Callable[[Any], Any], argument: Any) -> Any:
    """Call ``method(argument)`` as one step of an open span: its CPU time is the span's. Returns and raises what it does.

    The step may run on another thread than the one before; the span moves there.

    Args:
        span: An open span that is run step by step, e.g. one from ``begin_request``, and is not over.
        method: Function to call.
        argument: Its one argument.

    Example:
        >>> from ecoia.integrating import begin_request, checked_label, finish_request, step
        >>> label = checked_label("analyse-cv", "inference", None, None)
        >>> span = begin_request(label, lambda request, last: None, {})
        >>> step(span, len, "four")
        4
        >>> finish_request(span, failed=False)
    """
    state, token = _enter_step(span)
    try:
        return method(argument)
    finally:
        argument = None  # as in _steps_after
        leave_step(span, state, token)


def _enter_step(span: Span) -> tuple[ThreadState, Token[Span | None]]:
    """Put a span, and the open spans still in it, on the thread and in the context for the time of a step."""
    state = span._state
    if getattr(engine.local, "state", None) is not state:
        state = _state_here(span)
    token = in_context.set(span._here)
    span._under = under = state.top
    top = span._top
    if under is None and top is span:  # put_on_top, written out for the common case; an open span covers its thread already
        state.cpu_mark_ns = thread_time_ns()
        state.top = span
    else:
        while top.ended and top._under is not None and top is not span:
            top = top._under
        put_on_top(top, state)
    return state, token


def leave_step(span: Span, state: ThreadState, token: Token[Span | None]) -> None:
    """Take a span off its thread together with the open spans in it. They resume when it does."""
    if span.is_late:
        span._settle()
    span._here = in_context.get()
    in_context.reset(token)
    top = state.top
    if top is span and span._under is None:
        cpu_ns = thread_time_ns()
        if cpu_ns > state.cpu_mark_ns:
            span._counters.cpu_ns += cpu_ns - state.cpu_mark_ns
        state.top = None
        span._top = span
        return
    below = top
    foreign = False  # whether a call, or another span's step, is above: only a greenlet can leave one there
    while below is not None and below is not span:
        foreign = foreign or below.is_call or hasattr(below, "_top")
        below = below._under
    if below is None or foreign:
        if top is not None:
            put_on_top(top, state)
        if foreign:
            unlink(span, state)
            span._top = span
        return
    span._top = top if top is not None else span
    put_on_top(span._under, state)


def _state_here(span: Span) -> ThreadState:
    """Return the state of the thread that runs this step, and move the span there: generators and tasks change threads."""
    if span._state.generation != engine.generation:
        return span._state  # begun before a fork: it belongs to the parent process
    state: ThreadState | None = getattr(engine.local, "state", None)
    if state is None:
        state = engine.enter_thread()
    if span._state is not state:
        block = span._top
        while block is not span and block._under is not None:
            if not block.ended:
                move(block, state)
            block = block._under
        move(span, state)
    return state


def first_step(inner: AsyncGenerator[Any, Any]) -> Any:
    """Start an async generator without the event loop's hooks. With them, the loop would close it beside its wrapper."""
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, None)
    try:
        return inner.asend(None)
    finally:
        sys.set_asyncgen_hooks(*hooks)
