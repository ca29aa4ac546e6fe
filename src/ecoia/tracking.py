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
from contextvars import ContextVar, Token
from functools import update_wrapper
from time import perf_counter_ns, thread_time_ns
from types import TracebackType, coroutine
from typing import Any, TypeVar, overload

from ecoia.engine import Counters, Label, ThreadState, active_run, engine, label_of, lose
from ecoia.errors import UsageError
from ecoia.semconv import PHASE_UNSPECIFIED, PHASES, SERVICE_UNSPECIFIED

F = TypeVar("F", bound=Callable[..., Any])
Units = float | int | Callable[[Any], float | int] | None

_LONG_SPAN_NS = 1_000_000_000
"""A span of this length wakes the sampler at its end, so that its figures are soon on disk."""

_ID_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789._-")
_CO_GENERATOR, _CO_COROUTINE, _CO_ASYNC_GENERATOR = 0x20, 0x80, 0x200


_current: ContextVar[Span | None] = ContextVar("ecoia_current_span", default=None)


class Span:
    """One execution of instrumented code. What the code says of itself is added through its methods; none raises."""

    __slots__ = ("_counters", "_start_ns", "_state", "_token", "_under", "label", "parent")

    label: Label
    parent: Span | None
    _state: ThreadState
    _counters: Counters
    _start_ns: int
    _token: Token[Span | None] | None
    _under: Span | None

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
            names = (str(provider)[:120], str(model)[:120])
        except Exception:  # noqa: BLE001 - whatever the host passes must not break it
            lose("invalid-tokens")
            return
        if min(counts) < 0:
            lose("invalid-tokens")
            return
        engine.events.append((self._counters, "tokens", (*names, *counts)))

    def quality(self, name: str, value: float) -> None:
        """Record a quality figure (accuracy, F1, ...) of the run; the last value of a name stands."""
        try:
            number = float(value)
        except Exception:  # noqa: BLE001 - whatever the host passes must not break it
            lose("invalid-quality")
            return
        if not -1e300 < number < 1e300:  # also false for NaN
            lose("invalid-quality")
            return
        engine.events.append((self._counters, "quality", (str(name)[:120], number)))


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


def _checked_count(number: Any) -> int | None:
    try:
        if type(number) is int:
            return number * 1_000_000 if number >= 0 else None
        if isinstance(number, bool):
            return None
        value = float(number)
        return round(value * 1_000_000) if 0 <= value < 1e15 else None
    except Exception:  # noqa: BLE001 - whatever the host passes must not break it
        return None


def current() -> Span:
    """The innermost span of this thread or task; outside any, a span that keeps nothing."""
    return _current.get() or _NO_SPAN


# --- the hot path ------------------------------------------------------------------------------------------------


def _start(label: Label) -> Span:
    try:
        state: ThreadState = engine.local.state
    except AttributeError:
        state = engine.enter_thread()
    span = Span()
    span.label = label
    span._state = state
    parent = _current.get()
    span.parent = parent
    if label.phase == "inference":  # goes to the day's view run of its service, so no run to look up
        counters = state.counters.get(label)
        if counters is None:
            counters = state.counters[label] = Counters(label, None)
    else:
        counters = _counters_of_run(state, label)
    span._counters = counters
    _resume(span, state)
    span._start_ns = start_ns = perf_counter_ns()
    counters.open_start_ns += start_ns
    counters.open_count += 1
    if state.live == 0:
        state.cover_mark_ns = start_ns
    state.live += 1
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


def _finish(span: Span, failed: bool) -> None:
    state = span._state
    counters = span._counters
    end_ns = perf_counter_ns()
    counters.open_count -= 1
    counters.open_start_ns -= span._start_ns
    length_ns = end_ns - span._start_ns
    counters.wall_ns += length_ns
    counters.spans += 1
    state.live -= 1
    if state.live == 0:
        state.cover_ns += end_ns - state.cover_mark_ns
    if span.parent is None:
        counters.last_failed = failed
        counters.ended += 1
        if length_ns > _LONG_SPAN_NS and engine.background is not None:
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
        UsageError: an illegal value, when decorating, or where it is written as a literal. A value that is only
            known at run time never raises: it is counted, and what it measured is kept under a corrected id.
    """

    __slots__ = ("_label", "_problem", "_units")

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
        self._problem = _problem_with(service, phase, units, endpoint, model_version)
        if self._problem is None:
            self._label = label_of(service, phase, endpoint, model_version)
            return
        if _is_literal(self._problem[1], sys._getframe(1)):
            raise UsageError(self._problem[0])
        from ecoia.settings import slug

        self._label = label_of(
            SERVICE_UNSPECIFIED if service is None else slug(str(service)),
            phase if phase in PHASES else PHASE_UNSPECIFIED,
            None if endpoint is None else str(endpoint)[:120],
            None if model_version is None else str(model_version)[:120],
        )

    # with, async with

    def __enter__(self) -> Span:
        if engine.disabled:
            return _NO_SPAN
        if self._problem is not None:
            lose(self._problem[2])
        span = _start(self._label)
        span._token = _current.set(span)
        return span

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        span = _current.get()
        if span is None:
            return  # disabled, or left in another context than it was entered in
        if span._state is getattr(engine.local, "state", None):
            _suspend(span, span._state)
        else:  # entered on one thread, left on another
            _abandon(span)
        if span._token is not None:
            try:
                _current.reset(span._token)
            except ValueError:  # entered in another context
                _current.set(span.parent)
        if span._state.generation == engine.generation:
            _finish(span, kind is not None)
            if self._units is not None and not callable(self._units):
                span.units(self._units)

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
        if self._problem is not None:
            raise UsageError(self._problem[0])
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
            span = _start(label)
            _suspend(span, span._state)
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
            span = _start(label)
            _suspend(span, span._state)
            failed = True
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
                        _give_units(span, units, None)
            return result

        return measured

    def _async_generator_wrapper(self, function: Callable[..., AsyncGenerator[Any, Any]]) -> Callable[..., Any]:
        label, units = self._label, self._units

        async def measured(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            span = _start(label)
            _suspend(span, span._state)
            failed = True
            inner = function(*args, **kwargs)
            try:
                step = inner.asend(None)
                while True:
                    try:
                        item = await _drive(span, step)
                    except StopAsyncIteration:
                        break
                    try:
                        step = inner.asend((yield item))
                    except GeneratorExit:
                        raise
                    except BaseException as error:  # noqa: BLE001 - handed on to the code that was suspended
                        step = inner.athrow(error)
                failed = False
            except GeneratorExit:
                failed = False
                raise
            finally:
                await inner.aclose()
                if span._state.generation == engine.generation:
                    _finish(span, failed)
                    if units is not None and not failed:
                        _give_units(span, units, None)

        return measured


def _steps(span: Span, inner: Any) -> Generator[Any, Any, Any]:
    """Run a generator or coroutine step by step, each step on top of the thread that runs it, as ``yield from`` would."""
    method, argument = inner.send, None
    while True:
        state = _state_here(span)
        _resume(span, state)
        token = _current.set(span)
        try:
            item = method(argument)
        except StopIteration as stop:
            return stop.value
        finally:
            _suspend(span, state)
            _current.reset(token)
        try:
            argument = yield item
            method = inner.send
        except GeneratorExit:
            state = _state_here(span)
            _resume(span, state)
            token = _current.set(span)
            try:
                inner.close()
            finally:
                _suspend(span, state)
                _current.reset(token)
            raise
        except BaseException as error:  # noqa: BLE001 - handed on to the code that was suspended
            method, argument = inner.throw, error


_drive = coroutine(_steps)


def _state_here(span: Span) -> ThreadState:
    """The state of the thread that runs this step: generators and tasks may move between threads."""
    try:
        state: ThreadState = engine.local.state
    except AttributeError:
        state = engine.enter_thread()
    return state


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
        code = getattr(inner, "__code__", None)
        if code is not None:
            return int(code.co_flags)
        if hasattr(inner, "func"):  # functools.partial
            inner = inner.func
        elif hasattr(inner, "__func__"):  # bound method
            inner = inner.__func__
        else:
            call = vars(type(inner)).get("__call__")
            code = getattr(call, "__code__", None)
            return 0 if code is None else int(code.co_flags)


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
    if phase not in PHASES:
        return f"phase = {phase!r}: choose one of {', '.join(PHASES)}", phase, "invalid-phase"
    if units is not None and not callable(units) and _checked_count(units) is None:
        return f"units = {units!r}: give a number of 0 or more, or a callable on the result", units, "invalid-units"
    for name, value in (("endpoint", endpoint), ("model_version", model_version)):
        if value is not None and not (isinstance(value, str) and 0 < len(value) <= 120 and value.isprintable()):
            return f"{name} = {value!r}: use a printable text of 120 characters at most", value, f"invalid-{name}"
    return None


def _is_literal(value: Any, frame: Any) -> bool:
    """Whether a value stands in the calling code itself (a typing slip) rather than being computed (data)."""
    try:
        return value in frame.f_code.co_consts
    except Exception:  # noqa: BLE001 - values with an __eq__ of their own
        return False


def flush(timeout_seconds: float = 5.0) -> bool:
    """Write what was measured so far to the journal now.

    Returns:
        Whether it was written within ``timeout_seconds``. Nothing to write counts as written.
    """
    background = engine.background
    return True if background is None else background.flush(timeout_seconds)
