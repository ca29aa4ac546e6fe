"""Follow the work that a span hands to thread pools and to tasks of an event loop, so that the span is charged for it.

The thread of a pool, or the next step of a task, does not know for which span it works. So this module patches the places that
hand work on: ``ThreadPoolExecutor.submit`` (hence ``run_in_executor`` and ``asyncio.to_thread``), anyio's worker threads and task
groups (hence those of FastAPI and Starlette), and the steps of asyncio's tasks. Each patched function still does exactly what it
did; outside spans it adds nothing. The CPU time of work that is handed on in another way is part of the process's residual, which
the sampler splits.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial, wraps
from time import thread_time_ns
from types import CoroutineType, coroutine

from ecoia.instrument.engine import Engine, engine
from ecoia.instrument.spans import CpuAccount, Piece, Span, ThreadState
from ecoia.instrument.switching import counters_like, in_context, innermost, leave, put_on_top, start_call
from ecoia.light import Any

_followed: set[str] = set()
"""Kinds of hand-off that are patched: ``pools``, ``anyio``, ``tasks``."""


def carry(span: Span, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Call a function on a pool's thread for a span that began elsewhere, and charge its CPU time to that span."""
    if span._state.generation != engine.generation:  # handed on before a fork
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
        piece.ended = True


def _whole(span: Span | None) -> Span | None:
    """Return the span behind a chain of pieces, so that work that hands itself on again and again keeps no old piece alive.

    If the label of that span is known by now, decide it here: the work that is handed on gets that label.
    """
    while type(span) is Piece:
        span = span.parent
    if span is not None and span.is_late:
        span._settle()
    return span


def _account_of(span: Span | None) -> CpuAccount | None:
    while span is not None:
        if span.account is not None:
            return span.account
        span = span.parent
    return None


def follow_pools() -> None:
    """Patch the libraries that hand work to threads, if the program has imported them.

    The engine calls it at the first span of each thread, and the sampler about once a second.
    """
    executor: Any = getattr(sys.modules.get("concurrent.futures.thread"), "ThreadPoolExecutor", None)
    if executor is not None and "pools" not in _followed:
        _followed.add("pools")
        executor.submit = _carried_submit(executor.submit)
    if "anyio" not in _followed and _uses_anyio():
        _followed.add("anyio")
        _follow_anyio()


def _uses_anyio() -> bool:
    # anyio imports its asyncio backend at its first use. Inside a loop, import it a little earlier; elsewhere it may never be
    # needed.
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
        return _carry_task(made) if isinstance(made, CoroutineType) else made  # anyio rejects anything else

    carried.__qualname__ = getattr(function, "__qualname__", "")  # the task's name
    return carried


async def _carry_task(inner: Any) -> Any:
    return await _carry_steps(inner)


@coroutine
def _carry_steps(inner: Any) -> Any:
    """Run a task's coroutine as ``yield from`` would, and charge each step to the block or request that the task is in."""
    method, argument = inner.send, None
    while True:
        state: ThreadState | None = getattr(engine.local, "state", None)
        try:
            item = method(argument) if state is None else _on_behalf(in_context.get(), state, method, argument)
        except StopIteration as stop:
            return stop.value
        finally:
            argument = None  # else the traceback's frame holds the exception: a cycle that lives until a collection
        try:
            argument = yield item
            method = inner.send
        except GeneratorExit:
            inner.close()
            raise
        except BaseException as error:  # noqa: BLE001 - passed on to the code that was suspended
            method, argument = inner.throw, error


def _on_behalf(span: Span | None, state: ThreadState, method: Callable[[Any], Any], argument: Any) -> Any:
    """Call ``method(argument)``, a step of a task whose innermost span in the context is ``span``, and charge it to that span."""
    before = state.top
    while span is not None and (span.ended or span._state is not state):
        span = span.parent
    if span is None:  # the task is in no block: charge the call that runs the loop, if there is one
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
        while before is not None and before.ended:
            before = before._under
        if state.top is not before:
            put_on_top(before, state)


def follow_tasks() -> None:
    """Charge each step of an asyncio task to the block that the task is in, from now on. Does nothing outside a running loop.

    Call it before the first block or request in a loop. A decorated coroutine is run step by step by its wrapper. A block around
    an ``await`` is not, and other tasks run between its start and its end. asyncio runs every step through ``Handle._run`` in
    the context of its task, and that context holds the block. In loops that do not (uvloop), the block is charged for everything
    that runs between its start and its end and belongs to no other span.

    Example:
        >>> import asyncio
        >>> from ecoia.integrating import follow_tasks
        >>> async def start_serving():
        ...     follow_tasks()
        >>> asyncio.run(start_serving())
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
        if state is None or (span is None and state.top is None):  # most steps of a loop belong to no span
            run(handle)
        else:
            _on_behalf(span, state, run, handle)

    handles._run = _run


Engine.followers.append(follow_pools)
