"""``ecoia.track``: the one primitive. What it costs the measured thread is in ``spans`` and ``wrapping``.

Nothing here may raise into measured code: what goes wrong is counted.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from sys import _getframe
from time import perf_counter_ns, thread_time_ns
from types import BuiltinFunctionType, FunctionType, MethodType, TracebackType
from typing import Any, TypeVar, overload

from ecoia import causes
from ecoia.errors import UsageError
from ecoia.instrument.engine import Counters, Label, ThreadState, engine, known_labels, label_of, lose
from ecoia.instrument.handoff import follow_tasks
from ecoia.instrument.spans import (
    LONG_SPAN_NS,
    BlockSpan,
    NoSpan,
    Span,
    abandon,
    begin,
    checked_count,
    counters_for,
    end_call,
    finish,
    finish_anyhow,
    in_context,
    innermost,
    leave,
    move,
    open_around,
    put_on_top,
    short_text,
    start_call,
    wake_sampler,
)
from ecoia.instrument.wrapping import CO_SUSPENDS, Units, wrap
from ecoia.semconv import ENDPOINT_OTHERS, PHASE_UNSPECIFIED, PHASES, SERVICE_UNSPECIFIED

F = TypeVar("F", bound=Callable[..., Any])

_ID_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789._-")

MOST_LABELS = 1_000
"""Pairs of endpoint and model version of a service and phase that are told apart in one process."""

_NO_SPAN = NoSpan()
_NO_SPAN._counters = Counters(Label(None, PHASE_UNSPECIFIED, None, None), None)
_NO_SPAN.parent = None


def current() -> Span:
    """The innermost span of this thread or task; outside any, a span that keeps nothing."""
    return innermost() or _NO_SPAN


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
        endpoint: Route or operation, from a bounded set: of those that come after ``MOST_LABELS`` the name is lost.
        model_version: Version of the model that served.

    Raises:
        UsageError: an illegal value, where it is written as a literal. A value that is only known at run time (from
            the environment, a file) never raises: it is counted, and what it measures is kept under a corrected id.
    """

    __slots__ = ("_entered", "_label", "_units")

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
        self._entered: list[Span] = []  # open spans of the blocks that this object opened and that are not left yet
        if units is None:
            try:
                self._label = known_labels[service, phase, endpoint, model_version]  # checked before
            except (KeyError, TypeError):
                pass
            else:
                return
        problem = problem_with(service, phase, units, endpoint, model_version)
        if problem is None:
            self._label = _bounded_label(service, phase, endpoint, model_version)
            return
        if _is_literal(problem[1], _getframe(1)):
            raise UsageError(problem[0])
        lose(problem[2])
        if problem[2] == causes.INVALID_UNITS:
            self._units = None
        from ecoia.settings import slug

        self._label = _bounded_label(
            SERVICE_UNSPECIFIED if service is None else slug(str(service)),
            phase if isinstance(phase, str) and phase in PHASES else PHASE_UNSPECIFIED,
            None if endpoint is None else short_text(endpoint),
            None if model_version is None else short_text(model_version),
            corrected=True,
        )

    # with, async with

    def __enter__(self) -> Span:
        if engine.disabled:
            return _NO_SPAN
        code = _getframe(1).f_code
        if code.co_flags & CO_SUSPENDS or code.co_name == "enter_context":  # an ExitStack may be anybody's
            return self._enter_open()
        try:
            state: ThreadState = engine.local.state
        except AttributeError:
            state = engine.enter_thread()
        counters = state.counters.get(self._label)
        if counters is None:  # always so for a phase that belongs to runs: those are kept by run
            counters = counters_for(state, self._label)
        span = BlockSpan()
        span._opener = self
        top = state.top
        if top is not None:
            start_call(span, state, counters)
            return span
        span._state = state  # spans.start_call, written out
        span._counters = counters
        span._ended = False
        span.parent = span._under = None
        span._start_ns = start_ns = perf_counter_ns()
        if not state.live:
            state.cover_mark_ns = start_ns
        state.cpu_mark_ns = thread_time_ns()
        state.top = span
        return span

    def _enter_open(self) -> Span:
        """A block that can be suspended, since the code around it can: others run between its ends."""
        follow_tasks()
        span = begin(self._label)
        try:
            span._under = span._state.top
            put_on_top(span, span._state)
            in_context.set(span)
            self._entered.append(span)
        except BaseException:
            finish_anyhow(span, True)
            raise
        return span

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        try:
            state: ThreadState = engine.local.state
            span = state.top
        except AttributeError:
            span = None
        if type(span) is not BlockSpan or span._opener is not self:
            span = self._leave_any(kind is not None)
            if span is None:
                return
        else:
            try:
                if span._under is not None or span._counters.run is not None:
                    end_call(span, state, kind is not None)
                else:
                    cpu_ns = thread_time_ns()  # spans.end_call, written out
                    end_ns = perf_counter_ns()
                    counters = span._counters
                    state.top = None
                    if cpu_ns > state.cpu_mark_ns:
                        counters.cpu_ns += cpu_ns - state.cpu_mark_ns
                    if not state.live:
                        state.cover_ns += end_ns - state.cover_mark_ns
                    span._ended = True
                    counters.spans += 1
                    if end_ns - span._start_ns > LONG_SPAN_NS:
                        wake_sampler()
            except BaseException:  # a signal handler's, from the middle of the lines above
                if not span._ended:
                    end_call(span, state, True)
                raise
        units = self._units
        if units is not None and not callable(units):
            span.units(units)

    def _leave_any(self, failed: bool) -> Span | None:
        """End a block that is not simply the innermost on its thread; None where there is nothing to count."""
        state: ThreadState | None = getattr(engine.local, "state", None)
        span = self._find(state)
        if span is None or span._state.generation != engine.generation:
            return None  # ecoia is off; or the block began before a fork, and is the parent process's affair
        if span._state is not state:  # entered on one thread, left on another
            state = state or engine.enter_thread()
            abandon(span)
            move(span, state)
        if span.is_call:
            end_call(span, state, failed)
            return span
        try:
            leave(span, state)
            finish(span, failed)
        except BaseException:
            finish_anyhow(span, True)
            raise
        return span

    def _find(self, state: ThreadState | None) -> Span | None:
        """The span of the block that is left: of those that this object opened, the innermost here.

        A suspended generator with a block in it may go on in another context, or be closed there by the collector:
        then it is the last one opened.
        """
        entered = self._entered
        here = span = in_context.get()
        while span is not None and span not in entered:
            span = span.parent
        if span is None:
            span = self._call_on(state)
            if span is not None:
                return span
            span = None if state is None else state.top
            while span is not None and span not in entered:
                span = span._under
        if span is None and not entered:  # a block that was entered on another thread
            return next(filter(None, map(self._call_on, list(engine.threads))), None)
        try:
            if span is None:
                span = entered.pop()
            else:
                entered.remove(span)
        except (IndexError, ValueError):
            return None
        if span is here:  # else blocks that interleave: what is innermost stays so
            in_context.set(open_around(span))
        return span

    def _call_on(self, state: ThreadState | None) -> Span | None:
        """The innermost block in code that cannot be suspended that this object opened on a thread."""
        span = None if state is None else state.top
        while span is not None and not (type(span) is BlockSpan and span._opener is self):
            span = span._under
        return span

    async def __aenter__(self) -> Span:
        return _NO_SPAN if engine.disabled else self._enter_open()

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
        wrapped = update_wrapper(wrap(function, self._label, self._units), function)
        if not isinstance(function, (FunctionType, BuiltinFunctionType, MethodType)):
            _lend_methods(function, wrapped)
        return wrapped


def _lend_methods(function: Any, wrapped: Any) -> None:
    """What else a callable object can do, its wrapper can: ``cache_info`` of an ``lru_cache``, ``reduce`` of a ufunc."""
    for kind in type(function).__mro__[:-1]:
        for name, member in vars(kind).items():
            if not name.startswith("_") and callable(member) and name not in vars(wrapped):
                try:
                    setattr(wrapped, name, getattr(function, name))
                except Exception:  # noqa: BLE001, S112 - whatever its descriptors do
                    continue


def _bounded_label(
    service: str | None, phase: str, endpoint: str | None, model_version: str | None, *, corrected: bool = False
) -> Label:
    """The label of these arguments, or of what is kept together: a program that gives paths must not fill memory and disk."""
    if endpoint is not None or model_version is not None:
        labels = _labels_of.setdefault((service, phase), set())
        if (endpoint, model_version) not in labels:
            if len(labels) >= MOST_LABELS:
                lose(causes.TOO_MANY_ENDPOINTS)
                return label_of(service, phase, None if endpoint is None else ENDPOINT_OTHERS, None, corrected=corrected)
            labels.add((endpoint, model_version))
    return label_of(service, phase, endpoint, model_version, corrected=corrected)


_labels_of: dict[tuple[str | None, str], set[tuple[str | None, str | None]]] = {}


def problem_with(service: Any, phase: Any, units: Any, endpoint: Any, model_version: Any) -> tuple[str, Any, str] | None:
    """(message, offending value, cause to count) of the first illegal argument."""
    if service is not None and not (
        isinstance(service, str) and 0 < len(service) <= 63 and _ID_CHARACTERS.issuperset(service) and service[0].isalnum()
    ):
        return (
            f"service = {service!r}: use lower-case letters, digits, '.', '_' and '-' (63 at most), e.g. 'analyse-cv'",
            service,
            causes.INVALID_SERVICE,
        )
    if not isinstance(phase, str) or phase not in PHASES:
        return f"phase = {phase!r}: choose one of {', '.join(PHASES)}", phase, causes.INVALID_PHASE
    if units is not None and not callable(units) and checked_count(units) is None:
        return f"units = {units!r}: give a number of 0 or more, or a callable on the result", units, causes.INVALID_UNITS
    for name, value, cause in (
        ("endpoint", endpoint, causes.INVALID_ENDPOINT),
        ("model_version", model_version, causes.INVALID_MODEL_VERSION),
    ):
        if value is not None and not (isinstance(value, str) and 0 < len(value) <= 120 and value.isprintable()):
            return f"{name} = {value!r}: use a printable text of 120 characters at most", value, cause
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


def joules_per_cpu_second() -> float | None:
    """Energy of all components over CPU time, idle left out, of this process in its last window.

    None before the end of the first window, and where no energy or less than 10 ms of CPU time is known.
    """
    background = engine.background
    sampling = None if background is None else background.sampling
    return None if sampling is None else sampling.joules_per_cpu_second
