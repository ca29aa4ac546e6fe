"""What ``ecoia.track`` puts around functions, coroutines and generators: same kind, same answers, measured.

Coroutines and generators are driven step by step, so that the time during which they are suspended goes to whoever runs.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator
from contextvars import Token
from functools import partial
from time import perf_counter_ns, thread_time_ns
from types import CodeType, coroutine
from typing import Any

from ecoia import causes
from ecoia.instrument.engine import Label, ThreadState, engine, lose
from ecoia.instrument.spans import (
    LONG_SPAN_NS,
    CallSpan,
    LateSpan,
    Span,
    begin,
    counters_for,
    end_call,
    finish,
    finish_anyhow,
    in_context,
    move,
    put_on_top,
    settle,
    start_call,
    unlink,
    wake_sampler,
)

Units = float | int | Callable[[Any], float | int] | None

_CO_GENERATOR, _CO_COROUTINE, _CO_ITERABLE_COROUTINE, _CO_ASYNC_GENERATOR = 0x20, 0x80, 0x100, 0x200
CO_SUSPENDS = _CO_GENERATOR | _CO_COROUTINE | _CO_ITERABLE_COROUTINE | _CO_ASYNC_GENERATOR
"""Flags of code that can be suspended and go on later, while others run."""


def wrap(function: Callable[..., Any], label: Label, units: Units) -> Callable[..., Any]:
    """``function``, measured. The same kind of thing: function, coroutine, generator, asynchronous generator."""
    flags = _code_flags(function)
    if flags & _CO_COROUTINE:
        return _wrap_coroutine(function, label, units)
    if flags & _CO_ASYNC_GENERATOR:
        return _wrap_async_generator(function, label, units)
    if flags & _CO_GENERATOR:
        wrapped = _wrap_generator(function, label, units)
        return coroutine(wrapped) if flags & _CO_ITERABLE_COROUTINE else wrapped
    return _wrap_function(function, label, units)


def _code_flags(function: Any) -> int:
    inner = function
    while True:
        if isinstance(inner, partial):
            inner = inner.func
            continue
        code = getattr(inner, "__code__", None) or getattr(type(inner).__call__, "__code__", None)
        return code.co_flags if isinstance(code, CodeType) else 0


# --- functions -----------------------------------------------------------------------------------------------------


def _wrap_function(function: Callable[..., Any], label: Label, units: Units) -> Callable[..., Any]:
    of_run = label.phase != "inference"

    def measured(*args: Any, **kwargs: Any) -> Any:
        # spans.start_call and spans.end_call, written out: a call of ours would cost as much as what it does.
        try:
            state: ThreadState = engine.local.state
        except AttributeError:
            state = engine.enter_thread()
        counters = state.counters.get(label)
        if counters is None:  # always so for a phase that belongs to runs: those are kept by run
            counters = counters_for(state, label)
        top = state.top
        if top is not None:
            span = CallSpan()
            start_call(span, state, counters)
        else:
            spare = counters.spare  # an earlier call's, of the same label on the same thread
            if spare is None:
                span = CallSpan()
                span._state = state
                span._counters = counters
                span.parent = span._under = None
            else:
                span = spare
                counters.spare = None
            span._ended = False
            span._start_ns = start_ns = perf_counter_ns()
            if not state.live:
                state.cover_mark_ns = start_ns
            state.cpu_mark_ns = thread_time_ns()
            state.top = span
        try:
            result = function(*args, **kwargs)
            if top is not None or of_run or state.top is not span:
                end_call(span, state, False)
            else:
                used_ns = thread_time_ns() - state.cpu_mark_ns
                end_ns = perf_counter_ns()
                state.top = None
                if used_ns > 0:  # else a signal handler had spans meanwhile
                    counters.cpu_ns += used_ns
                if not state.live:
                    state.cover_ns += end_ns - state.cover_mark_ns
                span._ended = True
                counters.spans += 1
                counters.spare = span
                if end_ns - start_ns > LONG_SPAN_NS:
                    wake_sampler()
        except BaseException:  # the function's; or a signal handler's, from the middle of the lines above
            if not span._ended:
                try:
                    end_call(span, state, True)
                except RecursionError:  # the stack has no room for it: what this call used is nobody's
                    state.top = top
                    engine.lost += (causes.STACK_FULL,)
            raise
        if units is not None:
            _give_units(span, units, result)
        return result

    return measured


def _give_units(span: Span, units: Units, result: Any) -> None:
    if callable(units):
        try:
            number = units(result)
        except Exception:  # noqa: BLE001 - the user's counting function must not break the call
            lose(causes.INVALID_UNITS)
            return
        span.units(number)
    elif units is not None:
        span.units(units)


# --- coroutines and generators ---------------------------------------------------------------------------------------


def _wrap_coroutine(function: Callable[..., Coroutine[Any, Any, Any]], label: Label, units: Units) -> Callable[..., Any]:
    async def measured(*args: Any, **kwargs: Any) -> Any:
        inner = function(*args, **kwargs)
        span = begin(label)
        try:
            # The first step here, since many calls have no other: a generator to drive them would cost as much again.
            state = span._state
            token = in_context.set(span)
            span._under = under = state.top
            if under is None:  # put_on_top, written out; being in flight, it is covered
                state.cpu_mark_ns = thread_time_ns()
                state.top = span
            else:
                put_on_top(span, state)
            try:
                item = inner.send(None)
            except StopIteration as stop:
                if state.top is span and under is None:  # _leave_step, written out
                    used_ns = thread_time_ns() - state.cpu_mark_ns
                    if used_ns > 0:
                        span._counters.cpu_ns += used_ns
                    state.top = None
                    in_context.reset(token)
                else:
                    _leave_step(span, state, token)
                result = stop.value
            except BaseException:
                _leave_step(span, state, token)
                raise
            else:
                _leave_step(span, state, token)
                result = await _drive_on(span, inner, item)
            finish(span, False)
        except BaseException:
            finish_anyhow(span, True)
            raise
        if units is not None:
            _give_units(span, units, result)
        return result

    return measured


def _wrap_generator(function: Callable[..., Generator[Any, Any, Any]], label: Label, units: Units) -> Callable[..., Any]:
    def measured(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        span = _begin_steps(label)
        failed = True
        result = None
        try:
            result = yield from _steps(span, function(*args, **kwargs))
            failed = False
            finish(span, False)
        except GeneratorExit:
            failed = False  # the consumer has enough: not a failure
            raise
        finally:
            if not span._ended:
                finish_anyhow(span, failed)
            if units is not None and not failed:
                _give_units(span, units, result)
        return result

    return measured


def _wrap_async_generator(function: Callable[..., AsyncGenerator[Any, Any]], label: Label, units: Units) -> Callable[..., Any]:
    async def measured(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        inner = function(*args, **kwargs)
        span = _begin_steps(label)
        failed = True
        try:
            step = _first_step(inner)
            while True:
                try:
                    item = await _drive(span, step)
                except StopAsyncIteration:
                    break
                try:
                    argument = yield item
                except GeneratorExit:
                    raise
                except BaseException as error:  # noqa: BLE001 - handed on to the code that was suspended
                    step = inner.athrow(error)
                else:
                    step = inner.asend(argument)
            failed = False
        except GeneratorExit:
            failed = False
            raise
        finally:
            try:
                await _drive(span, inner.aclose())
            finally:
                finish_anyhow(span, failed)
                if units is not None and not failed:
                    _give_units(span, units, None)

    return measured


def _begin_steps(label: Label) -> Span:
    span = begin(label)
    span._top = span._here = span
    return span


def _steps(span: Span, inner: Any) -> Generator[Any, Any, Any]:
    """Run a generator or coroutine step by step, each step on top of the thread that runs it, as ``yield from`` would."""
    try:
        item = step(span, inner.send, None)
    except StopIteration as stop:
        return stop.value
    return (yield from _steps_after(span, inner, item))


def _steps_after(span: Span, inner: Any, item: Any) -> Generator[Any, Any, Any]:
    """Its steps after the first, which gave ``item``."""
    while True:
        try:
            argument = yield item
            method = inner.send
        except GeneratorExit:
            step(span, _closing, inner)
            raise
        except BaseException as error:  # noqa: BLE001 - handed on to the code that was suspended
            method, argument = inner.throw, error
        try:
            item = step(span, method, argument)
        except StopIteration as stop:
            return stop.value
        finally:
            argument = None  # no frame of an exception's traceback may hold it: it would live until the collector comes


_drive = coroutine(_steps)


async def drive_late(span: LateSpan, inner: Coroutine[Any, Any, Any]) -> None:
    """Run a coroutine as a late span, to its end. Who began the span ends it where an exception comes out."""
    # The first step here, as above, and written out: a request has often no other, and meets cold caches.
    state = span._state
    token = in_context.set(span)
    span._under = under = state.top
    if under is None:
        state.cpu_mark_ns = thread_time_ns()
        state.top = span
    else:
        put_on_top(span, state)
    try:
        item = inner.send(None)
    except StopIteration:
        if span.is_late:
            settle(span)
        if state.top is span and under is None:
            used_ns = thread_time_ns() - state.cpu_mark_ns
            if used_ns > 0:
                span._counters.cpu_ns += used_ns
            state.top = None
            in_context.reset(token)
        else:
            _leave_step(span, state, token)
    except BaseException:
        _leave_step(span, state, token)
        raise
    else:
        _leave_step(span, state, token)
        await _drive_on(span, inner, item)
    if span.is_late:
        settle(span, True)
    finish(span, False)
    del span._top, span._here


_drive_on = coroutine(_steps_after)


def _closing(inner: Any) -> None:
    inner.close()


def step(span: Span, method: Callable[[Any], Any], argument: Any) -> Any:
    """``method(argument)``, as one step of an open span."""
    state, token = _enter_step(span)
    try:
        return method(argument)
    finally:
        argument = None  # as above
        _leave_step(span, state, token)


def _enter_step(span: Span) -> tuple[ThreadState, Token[Span | None]]:
    """Its span, and the open spans still in it, are on the thread and in the context for as long as a step runs."""
    state = span._state
    if getattr(engine.local, "state", None) is not state:
        state = _state_here(span)
    token = in_context.set(span._here)
    span._under = under = state.top
    top = span._top
    if under is None and top is span:  # put_on_top, written out for the common case; being in flight, it is covered
        state.cpu_mark_ns = thread_time_ns()
        state.top = span
    else:
        while top._ended and top._under is not None and top is not span:
            top = top._under
        put_on_top(top, state)
    return state, token


def _leave_step(span: Span, state: ThreadState, token: Token[Span | None]) -> None:
    """Take a span off its thread together with the open spans in it: they go on when it does."""
    if span.is_late:
        settle(span)  # type: ignore[arg-type]  # no other kind is late
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
    foreign = False  # only another stack of this thread (a greenlet) can have left a call, or another's step, above
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
    """The state of the thread that runs this step: generators and tasks may move between threads."""
    if span._state.generation != engine.generation:
        return span._state  # begun before a fork: the parent process's affair
    state: ThreadState | None = getattr(engine.local, "state", None)
    if state is None:
        state = engine.enter_thread()
    if span._state is not state:
        block = span._top
        while block is not span and block._under is not None:
            if not block._ended:
                move(block, state)
            block = block._under
        move(span, state)
    return state


def _first_step(inner: AsyncGenerator[Any, Any]) -> Any:
    """Start an async generator unknown to the event loop, which would else close it beside the one that wraps it."""
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, None)
    try:
        return inner.asend(None)
    finally:
        sys.set_asyncgen_hooks(*hooks)
