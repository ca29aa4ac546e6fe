"""``ecoia.track``: the one primitive, and the bookkeeping that it does on the measured thread.

The hot path takes no lock, does no I/O and imports nothing: two pairs of clock reads (wall, thread CPU) and some
additions to counters that only this thread writes. The sampler thread reads the counters now and then and takes
differences; everything else is its business.

CPU time is exclusive: on each thread the time since the last switch goes to the span on top, and a nested span
covers its parent. Coroutines and generators are driven step by step, so that the time during which they are
suspended goes to whoever runs. Nothing here may raise into measured code: what goes wrong is counted.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator
from contextvars import ContextVar
from functools import partial, update_wrapper
from time import perf_counter_ns, thread_time_ns
from types import CodeType, TracebackType, coroutine
from typing import Any, TypeVar, overload

from ecoia.engine import Counters, Label, ThreadState, active_run, engine, label_of, lose
from ecoia.errors import UsageError
from ecoia.semconv import PHASE_UNSPECIFIED, PHASES, SERVICE_UNSPECIFIED

F = TypeVar("F", bound=Callable[..., Any])
Units = float | int | Callable[[Any], float | int] | None

_LONG_SPAN_NS = 1_000_000_000
"""A span of this length wakes the sampler at its end, so that its figures are soon on disk."""

_MAX_COUNT = 10**15
"""Counts beyond it are slips (a time stamp in nanoseconds), and would drown every sum."""

_ID_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789._-")
_CO_GENERATOR, _CO_COROUTINE, _CO_ITERABLE_COROUTINE, _CO_ASYNC_GENERATOR = 0x20, 0x80, 0x100, 0x200


_current: ContextVar[Span | None] = ContextVar("ecoia_current_span", default=None)


class Span:
    """One execution of instrumented code. What the code says of itself is added through its methods; none raises."""

    __slots__ = ("_counters", "_ended", "_here", "_start_ns", "_state", "_top", "_under", "label", "parent")

    label: Label
    parent: Span | None
    _state: ThreadState
    _counters: Counters
    _start_ns: int
    _ended: bool
    _under: Span | None
    _top: Span  # of a coroutine or generator between two steps: its innermost open block on the thread,
    _here: Span | None  # and in the context

    @property
    def service(self) -> str | None:
        """The service's id."""
        return self.label.service

    @property
    def phase(self) -> str:
        """The phase, one of ``semconv.PHASES``."""
        return self.label.phase

    def units(self, delivered: float, accepted: float | None = None) -> None:
        """Add functional units delivered (and, of them, accepted). NaN and negative numbers are counted as lost.

        Args:
            delivered: Functional units, 0 or more; adds up when called again. Kept to the millionth.
            accepted: Of these, how many were accepted by whoever they were for.
        """
        counters = self._counters
        count = _checked_count(delivered)
        if count is None:
            lose("invalid-units")
        else:
            counters.units_micro += count
            counters.units_given += 1
        if accepted is not None:
            count = _checked_count(accepted)
            if count is None:
                lose("invalid-units")
            else:
                counters.accepted_micro += count
                counters.accepted_given += 1

    def tokens(self, provider: str, model: str, tokens_in: int, tokens_out: int) -> None:
        """Record tokens exchanged with a model. Counts only; no text is kept."""
        try:
            counts = (int(tokens_in), int(tokens_out))
            names = (_text(provider), _text(model))
        except Exception:  # noqa: BLE001 - whatever the host passes must not break it
            lose("invalid-tokens")
            return
        if min(counts) < 0 or max(counts) >= _MAX_COUNT:
            lose("invalid-tokens")
            return
        engine.events.append((self._counters, "tokens", (*names, *counts)))

    def quality(self, name: str, value: float) -> None:
        """Record a quality figure (accuracy, F1, ...) of the run; the last value of a name stands."""
        try:
            number = float(value)
            name = _text(name)
        except Exception:  # noqa: BLE001 - whatever the host passes must not break it
            lose("invalid-quality")
            return
        if not -1e300 < number < 1e300:  # also false for NaN
            lose("invalid-quality")
            return
        engine.events.append((self._counters, "quality", (name, number)))


class _NoSpan(Span):
    """Stands in when ecoia is off: takes everything, keeps nothing."""

    __slots__ = ()

    def units(self, delivered: float, accepted: float | None = None) -> None:
        """Nothing."""

    def tokens(self, provider: str, model: str, tokens_in: int, tokens_out: int) -> None:
        """Nothing."""

    def quality(self, name: str, value: float) -> None:
        """Nothing."""


_NO_SPAN = _NoSpan()
_NO_SPAN.label = Label(None, PHASE_UNSPECIFIED, None, None)
_NO_SPAN.parent = None


def _checked_count(number: Any) -> int | None:
    try:
        if type(number) is int:
            return number * 1_000_000 if 0 <= number < _MAX_COUNT else None
        if isinstance(number, (bool, str, bytes, bytearray)):
            return None
        value = float(number)
        return round(value * 1_000_000) if 0 <= value < _MAX_COUNT else None
    except Exception:  # noqa: BLE001 - whatever the host passes must not break it
        return None


def _text(value: Any) -> str:
    """What the host calls something, as the journal can hold it: short, and UTF-8."""
    return str(value)[:120].encode("utf-8", "replace").decode("utf-8")


def current() -> Span:
    """The innermost span of this thread or task; outside any, a span that keeps nothing."""
    return _current.get() or _NO_SPAN


# --- the hot path ------------------------------------------------------------------------------------------------


def _start(label: Label) -> Span:
    span = _begin(label)
    _resume(span, span._state)
    return span


def _begin(label: Label) -> Span:
    """Count a new span as in flight, on top of no thread yet."""
    try:
        state: ThreadState = engine.local.state
    except AttributeError:
        state = engine.enter_thread()
    span = Span()
    span.label = label
    span._state = state
    span._ended = False
    parent = _current.get()
    # A task outlives the span in which it was made, a forked process what its parent began: neither is inside it.
    while parent is not None and (parent._ended or parent._state.generation != state.generation):
        parent = parent.parent
    span.parent = parent
    if label.phase == "inference":  # goes to the day's view run of its service, so no run to look up
        counters = state.counters.get(label)
        if counters is None:
            counters = state.counters[label] = Counters(label, None)
    else:
        counters = _counters_of_run(state, label)
    span._counters = counters
    _open(span, perf_counter_ns())
    return span


def _resume(span: Span, state: ThreadState) -> None:
    """Put a span on top of its thread: CPU time is its own from now on."""
    now = thread_time_ns()
    top = state.top
    if top is not None:
        top._counters.cpu_ns += now - state.mark_ns
    span._under = top
    state.top = span
    state.mark_ns = now


def _suspend(span: Span, state: ThreadState) -> None:
    """Take a span off its thread."""
    now = thread_time_ns()
    top = state.top
    if top is not None:
        top._counters.cpu_ns += now - state.mark_ns
        state.mark_ns = now
        if top is span:
            state.top = span._under
            return
        # Ended out of order (blocks that interleave on one event loop): unlink it where it stands.
        while top is not None:
            if top._under is span:
                top._under = span._under
                return
            top = top._under


def _abandon(span: Span) -> None:
    """Take a span off a thread that is not this one; the CPU time since its last switch is nobody's."""
    lose("moved-between-threads")
    state = span._state
    if state.top is span:
        state.top = span._under
        return
    top = state.top
    while top is not None:
        if top._under is span:
            top._under = span._under
            return
        top = top._under


def _move(span: Span, state: ThreadState) -> None:
    """Let a span go on in another thread than it was in: from now on it counts in that thread's counters."""
    now = perf_counter_ns()
    _close(span, now)
    counters = span._counters
    run = counters.run
    key = counters.label if run is None else (counters.label, run.run_id, run.tracking_uri)
    moved = state.counters.get(key)
    if moved is None:
        moved = state.counters[key] = Counters(counters.label, run)
    span._state, span._counters = state, moved
    _open(span, now)


def _open(span: Span, now_ns: int) -> None:
    """Count a span as in flight."""
    state, counters = span._state, span._counters
    span._start_ns = now_ns
    counters.open_start_ns += now_ns
    counters.open_count += 1
    if state.live == 0:
        state.cover_mark_ns = now_ns
    state.live += 1


def _close(span: Span, now_ns: int) -> None:
    """Count a span as no longer in flight."""
    state, counters = span._state, span._counters
    counters.open_count -= 1
    counters.open_start_ns -= span._start_ns
    counters.wall_ns += now_ns - span._start_ns
    state.live -= 1
    if state.live == 0:
        state.cover_ns += now_ns - state.cover_mark_ns


_tasks_followed = False


def _follow_tasks() -> None:
    """From the first block in a running event loop on, charge each step of a task to the block that the task is in.

    A decorated coroutine is driven step by step by us. A block around an ``await`` is not: between its two ends other
    tasks run. asyncio runs every step through ``Handle._run``, with the context of its task, which says whose it is.
    Loops that do not (uvloop) leave the block charged for what runs between its ends and is nobody else's.
    """
    global _tasks_followed
    events = sys.modules.get("asyncio.events")
    if events is None or events._get_running_loop() is None:
        return
    _tasks_followed = True
    run = events.Handle._run

    def _run(handle: Any) -> None:
        state: ThreadState | None = getattr(engine.local, "state", None)
        if state is None:
            run(handle)
            return
        before = state.top
        span = handle._context.get(_current)
        while span is not None and (span._ended or span._state is not state):
            span = span.parent
        _put_on_top(span, state)
        try:
            run(handle)
        finally:
            while before is not None and before._ended:
                before = before._under
            _put_on_top(before, state)

    events.Handle._run = _run


def _put_on_top(span: Span | None, state: ThreadState) -> None:
    """Charge what ran until now to the span on top, and what runs from now on to this one."""
    now = thread_time_ns()
    top = state.top
    if top is not None:
        top._counters.cpu_ns += now - state.mark_ns
    state.top = span
    state.mark_ns = now


def _finish(span: Span, failed: bool) -> None:
    counters = span._counters
    end_ns = perf_counter_ns()
    _close(span, end_ns)
    span._ended = True
    counters.spans += 1
    if span.parent is None:
        counters.last_failed = failed
        counters.ended += 1
        if end_ns - span._start_ns > _LONG_SPAN_NS and engine.background is not None:
            engine.background.wake(close_window=True)


def _counters_of_run(state: ThreadState, label: Label) -> Counters:
    run = active_run()
    key = (label, run.run_id, run.tracking_uri)
    counters = state.counters.get(key)
    if counters is None:
        counters = state.counters[key] = Counters(label, run)
    return counters


# --- the primitive -----------------------------------------------------------------------------------------------


class track:  # noqa: N801 - reads as a verb where it is used
    """Measure a function, a coroutine, a generator or a block, for one service and phase.

    As a decorator, ``with`` or ``async with``; nested, concurrent and shared between threads at will::

        @ecoia.track(service="vadore", phase="training")
        def train(): ...

        with ecoia.track(service="vadore", phase="inference") as span:
            span.units(len(batch))

    Args:
        service: Id of the service in the catalogue (``[a-z0-9._-]``). Unknown ids are recorded as unregistered.
            None: the setting ``service``.
        phase: One of ``data-preparation, training, fine-tuning, evaluation, inference``.
        units: Functional units delivered by a decorated call: a number, or a callable on its result.
        endpoint: Route or operation, from a bounded set.
        model_version: Version of the model that served.

    Raises:
        UsageError: an illegal value, where it is written as a literal. A value that is only known at run time (from
            the environment, a file) never raises: it is counted, and what it measures is kept under a corrected id.
    """

    __slots__ = ("_entered", "_label", "_problem", "_units")

    def __init__(
        self,
        service: str | None = None,
        phase: str = "inference",
        *,
        units: Units = None,
        endpoint: str | None = None,
        model_version: str | None = None,
    ) -> None:
        self._units = units
        self._entered: dict[Span, None] = {}  # spans of the blocks that this object opened and that are not left yet
        self._problem = _problem_with(service, phase, units, endpoint, model_version)
        if self._problem is None:
            self._label = label_of(service, phase, endpoint, model_version)
            return
        if _is_literal(self._problem[1], sys._getframe(1)):
            raise UsageError(self._problem[0])
        lose(self._problem[2])
        if self._problem[2] == "invalid-units":
            self._units = None
        from ecoia.settings import slug

        self._label = label_of(
            SERVICE_UNSPECIFIED if service is None else slug(str(service)),
            phase if isinstance(phase, str) and phase in PHASES else PHASE_UNSPECIFIED,
            None if endpoint is None else _text(endpoint),
            None if model_version is None else _text(model_version),
        )

    # with, async with

    def __enter__(self) -> Span:
        if engine.disabled:
            return _NO_SPAN
        if not _tasks_followed:
            _follow_tasks()
        span = _start(self._label)
        _current.set(span)
        self._entered[span] = None
        return span

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        span = self._leave()
        if span is None:
            return  # disabled
        same_process = span._state.generation == engine.generation
        state = getattr(engine.local, "state", None)
        if not same_process or span._state is state:
            _suspend(span, span._state)
        else:  # entered on one thread, left on another
            _abandon(span)
            _move(span, state or engine.enter_thread())
        if same_process:
            _finish(span, kind is not None)
            if self._units is not None and not callable(self._units):
                span.units(self._units)

    def _leave(self) -> Span | None:
        """The span of the block that is left: of those that this object opened, the innermost here.

        A suspended generator with a block in it may go on in another context, or be closed there by the collector:
        then it is the last one opened.
        """
        here = span = _current.get()
        while span is not None and span not in self._entered:
            span = span.parent
        try:
            if span is None:
                span = self._entered.popitem()[0]
            else:
                del self._entered[span]
        except KeyError:
            return None
        if span is here:  # else blocks that interleave: what is innermost stays so
            outer = span.parent
            while outer is not None and outer._ended:
                outer = outer.parent
            _current.set(outer)
        return span

    async def __aenter__(self) -> Span:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)

    # decorator

    @overload
    def __call__(self, function: staticmethod[Any, Any]) -> staticmethod[Any, Any]: ...
    @overload
    def __call__(self, function: classmethod[Any, Any, Any]) -> classmethod[Any, Any, Any]: ...
    @overload
    def __call__(self, function: F) -> F: ...

    def __call__(self, function: Any) -> Any:
        """Decorate. The result has the same signature, kind (function, coroutine, generator) and behaviour."""
        if isinstance(function, (staticmethod, classmethod)):
            return type(function)(self(function.__func__))
        if isinstance(function, type) or not callable(function):
            raise UsageError(f"ecoia.track decorates functions and methods, not {function!r}: decorate its methods")
        if engine.disabled:
            return function
        flags = _code_flags(function)
        if flags & _CO_COROUTINE:
            wrapper = self._coroutine_wrapper(function)
        elif flags & _CO_ASYNC_GENERATOR:
            wrapper = self._async_generator_wrapper(function)
        elif flags & _CO_GENERATOR:
            wrapper = self._generator_wrapper(function)
            if flags & _CO_ITERABLE_COROUTINE:
                wrapper = coroutine(wrapper)
        else:
            wrapper = self._function_wrapper(function)
        return update_wrapper(wrapper, function)

    def _function_wrapper(self, function: Callable[..., Any]) -> Callable[..., Any]:
        label, units = self._label, self._units

        def measured(*args: Any, **kwargs: Any) -> Any:
            span = _start(label)
            token = _current.set(span)
            try:
                result = function(*args, **kwargs)
            except BaseException:
                _suspend(span, span._state)
                _current.reset(token)
                if span._state.generation == engine.generation:
                    _finish(span, True)
                raise
            _suspend(span, span._state)
            _current.reset(token)
            if span._state.generation == engine.generation:
                _finish(span, False)
                if units is not None:
                    _give_units(span, units, result)
            return result

        return measured

    def _coroutine_wrapper(self, function: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Any]:
        label, units = self._label, self._units

        async def measured(*args: Any, **kwargs: Any) -> Any:
            span = _begin_steps(label)
            failed = True
            try:
                result = await _drive(span, function(*args, **kwargs))
                failed = False
            finally:
                if span._state.generation == engine.generation:
                    _finish(span, failed)
            if units is not None:
                _give_units(span, units, result)
            return result

        return measured

    def _generator_wrapper(self, function: Callable[..., Generator[Any, Any, Any]]) -> Callable[..., Any]:
        label, units = self._label, self._units

        def measured(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            span = _begin_steps(label)
            failed = True
            result = None
            try:
                result = yield from _steps(span, function(*args, **kwargs))
                failed = False
            except GeneratorExit:
                failed = False  # the consumer has enough: not a failure
                raise
            finally:
                if span._state.generation == engine.generation:
                    _finish(span, failed)
                    if units is not None and not failed:
                        _give_units(span, units, result)
            return result

        return measured

    def _async_generator_wrapper(self, function: Callable[..., AsyncGenerator[Any, Any]]) -> Callable[..., Any]:
        label, units = self._label, self._units

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
                    if span._state.generation == engine.generation:
                        _finish(span, failed)
                        if units is not None and not failed:
                            _give_units(span, units, None)

        return measured


def _begin_steps(label: Label) -> Span:
    span = _begin(label)
    span._top = span._here = span
    return span


def _steps(span: Span, inner: Any) -> Generator[Any, Any, Any]:
    """Run a generator or coroutine step by step, each step on top of the thread that runs it, as ``yield from`` would."""
    method, argument = inner.send, None
    while True:
        try:
            item = _step(span, method, argument)
        except StopIteration as stop:
            return stop.value
        finally:
            argument = None  # no frame of an exception's traceback may hold it: it would live until the collector comes
        try:
            argument = yield item
            method = inner.send
        except GeneratorExit:
            _step(span, _closing, inner)
            raise
        except BaseException as error:  # noqa: BLE001 - handed on to the code that was suspended
            method, argument = inner.throw, error


_drive = coroutine(_steps)


def _closing(inner: Any) -> None:
    inner.close()


def _step(span: Span, method: Callable[[Any], Any], argument: Any) -> Any:
    """One step of suspended code: its span, and the blocks still open in it, are on the thread for as long as it runs."""
    state = _state_here(span)
    _resume(span, state)
    top = span._top
    if top is not span:
        while top._ended and top._under is not None and top is not span:
            top = top._under
        state.top = top
    token = _current.set(span._here)
    try:
        return method(argument)
    finally:
        argument = None  # as above
        span._here = _current.get()
        _current.reset(token)
        _lift(span, state)


def _lift(span: Span, state: ThreadState) -> None:
    """Take a span off its thread together with the blocks that are open in it: they go on when it does."""
    now = thread_time_ns()
    top = state.top
    if top is None:
        return
    top._counters.cpu_ns += now - state.mark_ns
    state.mark_ns = now
    below: Span | None = top
    while below is not None and below is not span:
        below = below._under
    if below is not None:
        state.top = span._under
        span._top = top


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
                _move(block, state)
            block = block._under
        _move(span, state)
    return state


def _first_step(inner: AsyncGenerator[Any, Any]) -> Any:
    """Start an async generator unknown to the event loop, which would else close it beside the one that wraps it."""
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, None)
    try:
        return inner.asend(None)
    finally:
        sys.set_asyncgen_hooks(*hooks)


def _give_units(span: Span, units: Units, result: Any) -> None:
    if callable(units):
        try:
            number = units(result)
        except Exception:  # noqa: BLE001 - the user's counting function must not break the call
            lose("invalid-units")
            return
        span.units(number)
    elif units is not None:
        span.units(units)


def _code_flags(function: Any) -> int:
    inner = function
    while True:
        if isinstance(inner, partial):
            inner = inner.func
            continue
        code = getattr(inner, "__code__", None) or getattr(type(inner).__call__, "__code__", None)
        return code.co_flags if isinstance(code, CodeType) else 0


def _problem_with(service: Any, phase: Any, units: Any, endpoint: Any, model_version: Any) -> tuple[str, Any, str] | None:
    """(message, offending value, cause to count) of the first illegal argument."""
    if service is not None and not (
        isinstance(service, str) and 0 < len(service) <= 63 and _ID_CHARACTERS.issuperset(service) and service[0].isalnum()
    ):
        return (
            f"service = {service!r}: use lower-case letters, digits, '.', '_' and '-' (63 at most), e.g. 'analyse-cv'",
            service,
            "invalid-service",
        )
    if not isinstance(phase, str) or phase not in PHASES:
        return f"phase = {phase!r}: choose one of {', '.join(PHASES)}", phase, "invalid-phase"
    if units is not None and not callable(units) and _checked_count(units) is None:
        return f"units = {units!r}: give a number of 0 or more, or a callable on the result", units, "invalid-units"
    for name, value in (("endpoint", endpoint), ("model_version", model_version)):
        if value is not None and not (isinstance(value, str) and 0 < len(value) <= 120 and value.isprintable()):
            return f"{name} = {value!r}: use a printable text of 120 characters at most", value, f"invalid-{name}"
    return None


def _is_literal(value: Any, frame: Any) -> bool:
    """Whether a value stands in the calling code itself (a typing slip) rather than being computed (data)."""
    import dis  # on the way to an error only

    try:
        code = frame.f_code
        first, last, left, right = list(code.co_positions())[frame.f_lasti // 2]
        for step in dis.get_instructions(code):
            if step.opname == "LOAD_CONST" and type(step.argval) is type(value) and step.argval == value:
                place = step.positions
                if None in (first, last, left, right) or place is None or None in place:
                    return True  # compiled without positions
                if (first, left) <= (place.lineno, place.col_offset) and (place.end_lineno, place.end_col_offset) <= (
                    last,
                    right,
                ):
                    return True
    except Exception:  # noqa: BLE001 - values with an __eq__ of their own
        return False
    return False


def flush(timeout_seconds: float = 5.0) -> bool:
    """Write what was measured so far to the journal now.

    Returns:
        Whether it was written within ``timeout_seconds``. Nothing to write counts as written.
    """
    background = engine.background
    return True if background is None else background.flush(timeout_seconds)
