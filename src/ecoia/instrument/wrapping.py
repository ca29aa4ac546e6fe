"""The wrappers that ``ecoia.track`` puts around functions, coroutines and generators. They keep kind, results and exceptions.

A wrapper can be pickled wherever the plain function can. joblib, Dask, Ray, Spark and MLflow's models use cloudpickle, which
copies a function of ``__main__`` or of a notebook by value: its code, its closure, and those of its globals that the code names.
Nothing of ecoia may be among these: it may hold a lock, and another process may have another ecoia, or none. So a wrapper has no
globals (the names of this module are its builtins), and ``here``, which has its label, is None in a pickle. Without ``here`` a
wrapper calls ``elsewhere``. In the other process, that is the function decorated by the ecoia there, or else the plain function.
"""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterator, Callable, Generator
from functools import partial
from time import perf_counter_ns, thread_time_ns
from types import CodeType, FunctionType, coroutine

from ecoia import losses
from ecoia.instrument.engine import engine, lose
from ecoia.instrument.spans import CallSpan, Label, Span, ThreadState
from ecoia.instrument.steps import (
    CO_ASYNC_GENERATOR,
    CO_COROUTINE,
    CO_GENERATOR,
    CO_ITERABLE_COROUTINE,
    begin_steps,
    drive,
    drive_on,
    first_step,
    leave_step,
    steps,
)
from ecoia.instrument.switching import (
    LONG_SPAN_NS,
    begin,
    counters_for,
    end_call,
    finish,
    finish_anyhow,
    in_context,
    put_on_top,
    start_call,
    wake_sampler,
)
from ecoia.light import Any

Units = float | int | Callable[[Any], float | int] | None
"""Functional units of a decorated call: a number, or a callable on its result."""

_WrapKind = Callable[[Callable[..., Any], Any, Units, Any], Callable[..., Any]]


def wrap(function: Callable[..., Any], label: Label, units: Units) -> Callable[..., Any]:
    """Return a measured ``function`` of the same kind: function, coroutine, generator or asynchronous generator.

    Args:
        function: Any callable.
        label: Label of its calls.
        units: Functional units of each call that does not fail.
    """
    flags = _code_flags(function)
    if flags & CO_COROUTINE:
        wrap_kind = _wrap_coroutine
    elif flags & CO_ASYNC_GENERATOR:
        wrap_kind = _wrap_async_generator
    elif flags & CO_GENERATOR:
        wrap_kind = _wrap_generator
    else:
        wrap_kind = _wrap_function
    wrapped = wrap_kind(function, _Here(label), units, _Elsewhere(function, label, units))
    for name in ("__defaults__", "__kwdefaults__"):
        defaults = getattr(function, name, None)
        if defaults:
            setattr(wrapped, name, defaults)
    return coroutine(wrapped) if flags & CO_ITERABLE_COROUTINE else wrapped


def _code_flags(function: Any) -> int:
    inner = function
    while True:
        if isinstance(inner, partial):
            inner = inner.func
            continue
        code = getattr(inner, "__code__", None) or getattr(type(inner).__call__, "__code__", None)
        return code.co_flags if isinstance(code, CodeType) else 0


globals().update({**vars(builtins), **globals()})
_NO_GLOBALS = {"__name__": __name__, "__builtins__": globals()}


def _without_globals(wrap_kind: _WrapKind) -> _WrapKind:
    """Have the names of this module be builtins in a function and in the wrappers that it makes."""
    return FunctionType(wrap_kind.__code__, _NO_GLOBALS)


# --- functions -----------------------------------------------------------------------------------------------------


@_without_globals
def _wrap_function(function: Any, here: _Here, units: Units, elsewhere: Any) -> Callable[..., Any]:
    of_run = here.label.phase != "inference"

    def measured(*args: Any, **kwargs: Any) -> Any:
        if here is None:
            return elsewhere(*args, **kwargs)
        # switching.start_call and end_call, written out: calling them would cost as much as what they do.
        try:
            state: ThreadState = engine.local.state
        except AttributeError:
            state = engine.enter_thread()
        counters = state.counters.get(here.label)
        if counters is None:  # always so for phases other than inference: their counters are kept by run
            counters = counters_for(state, here.label)
        top = state.top
        if top is not None:
            span = CallSpan()
            start_call(span, state, counters)
        else:
            spare = counters.spare  # the span of an earlier call with this label on this thread, for reuse
            if spare is None:
                span = CallSpan()
                span._state = state
                span._counters = counters
                span.parent = span._under = None
            else:
                span = spare
                counters.spare = None
            span.ended = False
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
                if used_ns > 0:  # otherwise a signal handler ran spans meanwhile, which are charged already
                    counters.cpu_ns += used_ns
                if not state.live:
                    state.cover_ns += end_ns - state.cover_mark_ns
                span.ended = True
                counters.spans += 1
                counters.spare = span
                if end_ns - start_ns > LONG_SPAN_NS:
                    wake_sampler()
        except BaseException:  # raised by the function, or by a signal handler in the middle of the lines above
            if not span.ended:
                try:
                    end_call(span, state, True)
                except RecursionError:  # the stack has no room to end it: the CPU time of this call is charged to no span
                    state.top = top
                    engine.lost += (losses.STACK_FULL,)
            raise
        if units is not None:
            _give_units(span, units, result)
        return result

    return measured


def _give_units(span: Span, units: Units, result: Any) -> None:
    if callable(units):
        try:
            number = units(result)
        except Exception:  # noqa: BLE001 - an error in the user's counting function must not break the call
            lose(losses.INVALID_UNITS)
            return
        span.units(number)
    elif units is not None:
        span.units(units)


# --- coroutines and generators ---------------------------------------------------------------------------------------


@_without_globals
def _wrap_coroutine(function: Any, here: _Here, units: Units, elsewhere: Any) -> Callable[..., Any]:
    async def measured(*args: Any, **kwargs: Any) -> Any:
        if here is None:
            return await elsewhere(*args, **kwargs)
        inner = function(*args, **kwargs)
        span = begin(here.label)
        try:
            # The first step is written out: many calls have no other one, and a generator to drive it costs as much again.
            state = span._state
            token = in_context.set(span)
            span._under = under = state.top
            if under is None:  # put_on_top, written out; an open span covers its thread already
                state.cpu_mark_ns = thread_time_ns()
                state.top = span
            else:
                put_on_top(span, state)
            try:
                item = inner.send(None)
            except StopIteration as stop:
                if state.top is span and under is None:  # leave_step, written out
                    used_ns = thread_time_ns() - state.cpu_mark_ns
                    if used_ns > 0:
                        span._counters.cpu_ns += used_ns
                    state.top = None
                    in_context.reset(token)
                else:
                    leave_step(span, state, token)
                result = stop.value
            except BaseException:
                leave_step(span, state, token)
                raise
            else:
                if state.top is span and under is None:  # idem
                    used_ns = thread_time_ns() - state.cpu_mark_ns
                    span._here, span._top = in_context.get(), span
                    in_context.reset(token)
                    if used_ns > 0:
                        span._counters.cpu_ns += used_ns
                    state.top = None
                else:
                    leave_step(span, state, token)
                result = await drive_on(span, inner, item)
            finish(span, False)
        except BaseException:
            finish_anyhow(span, True)
            raise
        if units is not None:
            _give_units(span, units, result)
        return result

    return measured


@_without_globals
def _wrap_generator(function: Any, here: _Here, units: Units, elsewhere: Any) -> Callable[..., Any]:
    def measured(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        if here is None:
            return (yield from elsewhere(*args, **kwargs))
        span = begin_steps(here.label)
        failed = True
        result = None
        try:
            result = yield from steps(span, function(*args, **kwargs))
            failed = False
            finish(span, False)
        except GeneratorExit:
            failed = False  # the consumer wants no more items, which is no failure
            raise
        finally:
            if not span.ended:
                finish_anyhow(span, failed)
            if units is not None and not failed:
                _give_units(span, units, result)
        return result

    return measured


@_without_globals
def _wrap_async_generator(function: Any, here: _Here, units: Units, elsewhere: Any) -> Callable[..., Any]:
    async def measured(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        if here is None:
            import sys

            inner, span = elsewhere(*args, **kwargs), None
            hooks = sys.get_asyncgen_hooks()  # steps.first_step, written out
            sys.set_asyncgen_hooks(None, None)
            step = inner.asend(None)
            sys.set_asyncgen_hooks(*hooks)
        else:
            inner = function(*args, **kwargs)
            span = begin_steps(here.label)
            step = None
        failed = True
        try:
            if span is not None:
                step = first_step(inner)
            while True:
                try:
                    item = await (step if span is None else drive(span, step))
                except StopAsyncIteration:
                    break
                try:
                    argument = yield item
                except GeneratorExit:
                    raise
                except BaseException as error:  # noqa: BLE001 - passed on to the code that was suspended
                    step = inner.athrow(error)
                else:
                    step = inner.asend(argument)
            failed = False
        except GeneratorExit:
            failed = False
            raise
        finally:
            try:
                await (inner.aclose() if span is None else drive(span, inner.aclose()))
            finally:
                if span is not None:
                    finish_anyhow(span, failed)
                    if units is not None and not failed:
                        _give_units(span, units, None)

    return measured


# --- in another process ----------------------------------------------------------------------------------------------


class _Here:
    """The label of a wrapper, in this process; None where it is unpickled."""

    __slots__ = ("label",)

    def __init__(self, label: Label) -> None:
        self.label = label

    def __reduce__(self) -> tuple[Any, ...]:
        return type(None), ()


class _Elsewhere:
    """Becomes, where it is unpickled, the function decorated anew; the plain function where that cannot be done."""

    __slots__ = ("_function", "_label", "_units")

    def __init__(self, function: Callable[..., Any], label: Label, units: Units) -> None:
        self._function = function
        self._label = label
        self._units = units

    def __reduce__(self) -> tuple[Any, ...]:
        return _decorator_for_elsewhere(), (self._function, {**self._label._arguments, "units": self._units})


def _decorator_for_elsewhere() -> Callable[..., Any]:
    # cloudpickle copies a nested function by value, so this one arrives where ecoia is not installed. It uses nothing private.
    def decorate(function: Any, arguments: dict[str, Any]) -> Any:
        try:
            return __import__("ecoia").track(**arguments)(function)
        except Exception:  # noqa: BLE001 - no ecoia, or one that knows another ``track``: the program must still run
            return function

    return decorate
