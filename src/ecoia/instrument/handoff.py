"""Work that a span hands on stays its own: to thread pools, and to the tasks of an event loop.

A pool's thread, or the next step of a task, knows nothing of the span for which it works. So what hands work over is
followed: ``ThreadPoolExecutor.submit`` (hence ``run_in_executor`` and ``asyncio.to_thread``), anyio's worker threads and
task groups (hence FastAPI's and Starlette's), and the steps of asyncio's tasks. Each goes on to do exactly what it did; outside
spans, nothing is added. What is handed over in another way is shared out as the process's residual.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial, wraps
from time import thread_time_ns
from types import CoroutineType, coroutine
from typing import Any

from ecoia.instrument.engine import Engine, ThreadState, engine
from ecoia.instrument.spans import (
    Account,
    Piece,
    Span,
    counters_like,
    in_context,
    innermost,
    leave,
    put_on_top,
    settle,
    start_call,
)

_followed: set[str] = set()


def carry(span: Span, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Call a function on a pool's thread, on behalf of a span that began elsewhere: its CPU time is the span's."""
    if span._state.generation != engine.generation:  # handed over before a fork
        return function(*args, **kwargs)
    state: ThreadState | None = getattr(engine.local, "state", None)
    if state is None:
        state = engine.enter_thread()
    piece = Piece()
    start_call(piece, state, counters_like(state, span._counters))
    piece.parent = span
    account = _account_of(span)
    begin_ns = 0 if account is None else thread_time_ns()
    try:
        return function(*args, **kwargs)
    finally:
        if account is not None:
            account.used_ns += thread_time_ns() - begin_ns
        leave(piece, state)
        piece._ended = True


def _whole(span: Span | None) -> Span | None:
    """The span for which a piece works. Else work that hands itself on for ever would drag all its pieces along.

    What it hands on has the label that the span has by now.
    """
    while type(span) is Piece:
        span = span.parent
    if span is not None and span.is_late:
        settle(span)  # type: ignore[arg-type]  # no other kind is late
    return span


def _account_of(span: Span | None) -> Account | None:
    while span is not None:
        if span.account is not None:
            return span.account
        span = span.parent
    return None


def follow_pools() -> None:
    """Follow what hands work to threads, as far as it is imported: nobody gets a pool who has none.

    Called where a thread has its first span, and about once a second by the sampler.
    """
    executor: Any = getattr(sys.modules.get("concurrent.futures.thread"), "ThreadPoolExecutor", None)
    if executor is not None and "pools" not in _followed:
        _followed.add("pools")
        executor.submit = _carried_submit(executor.submit)
    if "anyio" not in _followed and _uses_anyio():
        _followed.add("anyio")
        _follow_anyio()


def _uses_anyio() -> bool:
    # In a loop, what anyio imports at its first use is imported a little earlier; elsewhere nobody may ever want it.
    return "anyio._backends._asyncio" in sys.modules or ("anyio" in sys.modules and _in_loop())


def _in_loop() -> bool:
    events = sys.modules.get("asyncio.events")
    return events is not None and events._get_running_loop() is not None


def _carried_submit(submit: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(submit)
    def carried(self: Any, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        span = _whole(innermost())
        if span is None:
            return submit(self, fn, *args, **kwargs)
        return submit(self, carry, span, fn, *args, **kwargs)

    return carried


def _follow_anyio() -> None:
    from anyio._backends import _asyncio

    backend: Any = _asyncio.AsyncIOBackend
    run = backend.run_sync_in_worker_thread.__func__

    @wraps(run)
    async def carried(cls: Any, func: Any, args: Any, *more: Any, **named: Any) -> Any:
        span = _whole(innermost())
        if span is not None:
            func = partial(carry, span, func)
        return await run(cls, func, args, *more, **named)

    backend.run_sync_in_worker_thread = classmethod(carried)

    groups: Any = _asyncio.TaskGroup
    start = groups.start_soon

    @wraps(start)
    def start_soon(self: Any, func: Callable[..., Any], *args: Any, **named: Any) -> Any:
        if innermost() is not None:
            func = _carried_steps(func)
        return start(self, func, *args, **named)

    groups.start_soon = start_soon


def _carried_steps(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def carried(*args: Any) -> Any:
        made = function(*args)
        return _carry_task(made) if isinstance(made, CoroutineType) else made  # what else it is, anyio judges

    carried.__qualname__ = getattr(function, "__qualname__", "")  # the task's name
    return carried


async def _carry_task(inner: Any) -> Any:
    return await _carry_steps(inner)


@coroutine
def _carry_steps(inner: Any) -> Any:
    """Drive a task's coroutine as ``yield from`` would, each step charged to the block or request that the task is in."""
    method, argument = inner.send, None
    while True:
        state: ThreadState | None = getattr(engine.local, "state", None)
        try:
            item = method(argument) if state is None else _on_behalf(in_context.get(), state, method, argument)
        except StopIteration as stop:
            return stop.value
        finally:
            argument = None  # no frame of an exception's traceback may hold it: it would live until the collector comes
        try:
            argument = yield item
            method = inner.send
        except GeneratorExit:
            inner.close()
            raise
        except BaseException as error:  # noqa: BLE001 - handed on to the code that was suspended
            method, argument = inner.throw, error


def _on_behalf(span: Span | None, state: ThreadState, method: Callable[[Any], Any], argument: Any) -> Any:
    """``method(argument)``, a step of a task in whose context ``span`` is innermost, charged to it."""
    before = state.top
    while span is not None and (span._ended or span._state is not state):
        span = span.parent
    if span is None:  # in no block: it is part of the call that runs the loop, if there is one
        span = before
        while span is not None and not span.is_call:
            span = span._under
    if span is before:
        return method(argument)
    put_on_top(span, state)
    account = _account_of(span)
    begin_ns = 0 if account is None else thread_time_ns()
    try:
        return method(argument)
    finally:
        argument = None
        if account is not None:
            account.used_ns += thread_time_ns() - begin_ns
        while before is not None and before._ended:
            before = before._under
        if state.top is not before:
            put_on_top(before, state)


def follow_tasks() -> None:
    """From the first block in a running event loop on, charge each step of a task to the block that the task is in.

    A decorated coroutine is driven step by step by us. A block around an ``await`` is not: between its two ends other
    tasks run. asyncio runs every step through ``Handle._run``, with the context of its task, which says whose it is.
    Loops that do not (uvloop) leave the block charged for what runs between its ends and is nobody else's.
    """
    if "tasks" in _followed:
        return
    if not _in_loop():
        return
    _followed.add("tasks")
    handles: Any = sys.modules["asyncio.events"].Handle
    run = handles._run

    @wraps(run)
    def _run(handle: Any) -> None:
        span = handle._context.get(in_context)
        state: ThreadState | None = getattr(engine.local, "state", None)
        if state is None or (span is None and state.top is None):  # most steps of a loop are nobody's
            run(handle)
        else:
            _on_behalf(span, state, run, handle)

    handles._run = _run


Engine.followers.append(follow_pools)
