"""``ecoia.track``, the one thing that measured code uses, with ``autolog``, ``current`` and ``flush``.

Nothing here may raise into measured code: problems are counted. ``switching`` and ``wrapping`` say what it costs the thread.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial, update_wrapper
from sys import _getframe
from time import perf_counter_ns, thread_time_ns
from types import BuiltinFunctionType, FunctionType, MethodType, TracebackType

from ecoia import losses
from ecoia.errors import UsageError
from ecoia.instrument.engine import Engine, engine, lose
from ecoia.instrument.handoff import follow_tasks
from ecoia.instrument.labels import Problem, bounded_label, known_labels, problem_with
from ecoia.instrument.spans import BlockSpan, Span, ThreadState, no_span, short_text
from ecoia.instrument.steps import CO_SUSPENDS
from ecoia.instrument.switching import (
    LONG_SPAN_NS,
    abandon,
    begin,
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
    start_call,
    wake_sampler,
)
from ecoia.instrument.wrapping import Units, wrap
from ecoia.light import Any, TypeVar, overload
from ecoia.semconv import PHASE_UNSPECIFIED, PHASES, RUN_PHASES, SERVICE_UNSPECIFIED

F = TypeVar("F", bound=Callable[..., Any])

_NO_SPAN = no_span()


def current() -> Span:
    """Return the innermost span of this thread or task; outside any, a span that keeps nothing. Never raises.

    Example:
        >>> import ecoia
        >>> @ecoia.track(service="analyse-cv")
        ... def analyse(batch):
        ...     ecoia.current().units(len(batch))
        >>> analyse(["first", "second"])
    """
    return innermost() or _NO_SPAN


class track:  # noqa: N801 - reads as a verb where it is used
    """Measure a function, a coroutine, a generator or a block, for one service and phase.

    Use it as a decorator, with ``with`` or ``async with``. One object may be nested, used concurrently and shared by threads.

    Args:
        service: Id of the service in the catalogue (``[a-z0-9._-]``). Unknown ids are recorded as unregistered.
            None: the setting ``service``.
        phase: One of ``inception, data-preparation, training, fine-tuning, evaluation, deployment, inference, monitoring,
            retirement``.
        units: Functional units delivered by a decorated call: a number, or a callable on its result.
        endpoint: Route or operation, from a bounded set: beyond 1,000 names (``labels.MOST_LABELS``) the name is lost.
        model_version: Version of the model that served.
        run_id: Id of the MLflow run that the work belongs to, e.g. one made by another process. None: the active run.

    Raises:
        UsageError: A function or class took the place of ``service``, as ``@ecoia.track`` without parentheses puts it there; or
            a literal in the calling code is illegal. Any other value that is only known at run time (from the environment, a
            file) never raises: the problem is counted, and the work is recorded under a corrected id.

    Example:
        >>> import ecoia
        >>> @ecoia.track(service="vadore", phase="training")
        ... def train(epochs):
        ...     return epochs
        >>> train(3)
        3
        >>> with ecoia.track(service="vadore") as span:
        ...     span.units(128)
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
        run_id: str | None = None,
    ) -> None:
        self._units = units
        self._entered: list[Span] = []  # open spans of blocks that this object entered and that are not left yet
        if units is None and run_id is None:
            try:
                self._label = known_labels[service, phase, endpoint, model_version]  # found legal before
            except (KeyError, TypeError):
                pass
            else:
                return
        if callable(service) or hasattr(service, "__get__"):  # a function, a class, a property: @track without parentheses
            raise UsageError(f"ecoia.track takes arguments first: write @ecoia.track() above {service!r}")
        problem = problem_with(service, phase, units, endpoint, model_version, run_id)
        if problem is None:
            self._label = bounded_label(service, phase, endpoint, model_version, run_id)
            return
        if _is_literal(problem.value, _getframe(1)):
            raise UsageError(problem.message)
        lose(problem.cause)
        if problem.cause == losses.INVALID_UNITS:
            self._units = None
        from ecoia.settings import slug

        self._label = bounded_label(
            SERVICE_UNSPECIFIED if service is None else slug(str(service)),
            phase if isinstance(phase, str) and phase in PHASES else PHASE_UNSPECIFIED,
            None if endpoint is None else short_text(endpoint),
            None if model_version is None else short_text(model_version),
            run_id if problem_with(None, phase, None, None, None, run_id) is None else None,
            corrected=True,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        arguments: dict[str, Any] = {**self._label._arguments, "units": self._units}
        return partial(track, **arguments), ()

    # with, async with

    def __enter__(self) -> Span:
        if engine.disabled:
            return _NO_SPAN
        code = _getframe(1).f_code
        if code.co_flags & CO_SUSPENDS or code.co_name == "enter_context":  # an ExitStack may stay open while other code runs
            return self._enter_open()
        try:
            state: ThreadState = engine.local.state
        except AttributeError:
            state = engine.enter_thread()
        counters = state.counters.get(self._label)
        if counters is None:  # always so for phases other than inference: their counters are kept by run
            counters = counters_for(state, self._label)
        span = BlockSpan()
        span._opener = self
        top = state.top
        if top is not None:
            start_call(span, state, counters)
            return span
        span._state = state  # switching.start_call, written out
        span._counters = counters
        span.ended = False
        span.parent = span._under = None
        span._start_ns = start_ns = perf_counter_ns()
        if not state.live:
            state.cover_mark_ns = start_ns
        state.cpu_mark_ns = thread_time_ns()
        state.top = span
        return span

    def _enter_open(self) -> Span:
        """Enter a block that can be suspended, because the code around it can: other code runs between its start and its end."""
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
                    cpu_ns = thread_time_ns()  # switching.end_call, written out
                    end_ns = perf_counter_ns()
                    counters = span._counters
                    state.top = None
                    if cpu_ns > state.cpu_mark_ns:
                        counters.cpu_ns += cpu_ns - state.cpu_mark_ns
                    if not state.live:
                        state.cover_ns += end_ns - state.cover_mark_ns
                    span._end_ns = end_ns
                    span.ended = True
                    counters.spans += 1
                    if end_ns - span._start_ns > LONG_SPAN_NS:
                        wake_sampler()
            except BaseException:  # raised by a signal handler in the middle of the lines above
                if not span.ended:
                    end_call(span, state, True)
                raise
        units = self._units
        if units is not None and not callable(units):
            span.units(units)

    def _leave_any(self, failed: bool) -> Span | None:
        """End a block that is not simply the innermost one on its thread. Return its span; None if there is nothing to count."""
        state: ThreadState | None = getattr(engine.local, "state", None)
        span = self._find(state)
        if span is None or span._state.generation != engine.generation:
            return None  # ecoia is off; or the block began before a fork, and belongs to the parent process
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
        """Return the span of the block that is ending: of the blocks that this object entered, the innermost one here.

        A suspended generator with a block in it may resume in another context, or be closed there by the garbage collector.
        In that case, return the block that was entered last.
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
        if span is None and not entered:  # the block was entered on another thread
            return next(filter(None, map(self._call_on, list(engine.threads))), None)
        try:
            if span is None:
                span = entered.pop()
            else:
                entered.remove(span)
        except (IndexError, ValueError):
            return None
        if span is here:  # otherwise blocks interleave, and the innermost one stays the innermost
            in_context.set(open_around(span))
        return span

    def _call_on(self, state: ThreadState | None) -> Span | None:
        """Return the innermost block that this object entered on a thread, in code that cannot be suspended; None without one."""
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
        """Decorate a function or method. The result has the same signature, kind (function, coroutine, generator) and behaviour.

        Raises:
            UsageError: ``function`` is a class, or not callable.

        Example:
            >>> import ecoia
            >>> ecoia.track(service="vadore", units=len)(sorted)([2, 1])
            [1, 2]
        """
        if isinstance(function, (staticmethod, classmethod)):
            return type(function)(self(function.__func__))
        if isinstance(function, type) or not callable(function):
            raise UsageError(f"ecoia.track decorates functions and methods, not {function!r}: decorate its methods")
        if engine.disabled:
            return function
        wrapped = update_wrapper(wrap(function, self._label, self._units), function)
        if not isinstance(function, (FunctionType, BuiltinFunctionType, MethodType)):
            _copy_methods(function, wrapped)
        return wrapped


def _copy_methods(function: Any, wrapped: Any) -> None:
    """Give a wrapper the methods of the callable object: ``cache_info`` of an ``lru_cache``, ``reduce`` of a ufunc."""
    for kind in type(function).__mro__[:-1]:
        for name, member in vars(kind).items():
            if not name.startswith("_") and callable(member) and name not in vars(wrapped):
                try:
                    setattr(wrapped, name, getattr(function, name))
                except Exception:  # noqa: BLE001, S112 - a descriptor may raise anything
                    continue


def _is_literal(value: Any, frame: Any) -> bool:
    """Return whether a value is a literal in the calling code (a typo) and not computed at run time (data)."""
    import dis  # only on the way to an error

    try:
        code = frame.f_code
        first, last, left, right = list(code.co_positions())[frame.f_lasti // 2]
        for step in dis.get_instructions(code):
            if step.opname == "LOAD_CONST" and type(step.argval) is type(value) and step.argval == value:
                place = step.positions
                if None in (first, last, left, right) or place is None or None in place:
                    return True  # the code was compiled without positions
                if (first, left) <= (place.lineno, place.col_offset) and (place.end_lineno, place.end_col_offset) <= (
                    last,
                    right,
                ):
                    return True
    except Exception:  # noqa: BLE001 - a value may have an __eq__ that raises
        return False
    return False


def autolog(service: str | None = None, phase: str = "training", *, disable: bool = False) -> None:
    """Measure every MLflow run of this process from now on, without a further line. A second call changes the service and phase.

    The work of a run that no span covers is measured while the run is active on its thread. Where MLflow is not imported yet,
    measuring begins with the first run after its import. ``ECOIA_AUTOLOG=1`` or ``autolog = true`` in ``ecoia.toml`` does the
    same without a call.

    Args:
        service: Id of the service of all runs. None: the first that gives one: ``ECOIA_SERVICE``; the tag ``ecoia.service`` of
            the run, or of its experiment; ``[mlflow.experiments]`` in ``ecoia.toml``; an experiment named ``ecoia/<service>``;
            the setting ``service``; else ``unassigned``.
        phase: Phase of all runs, any but ``inference``. The setting ``phase`` (``ECOIA_PHASE``) applies where it is left out.
        disable: End it, and put MLflow's methods back as they were.

    Raises:
        UsageError: A literal in the calling code is illegal. As in ``track``, a value that is known at run time never raises.

    Example:
        >>> import ecoia
        >>> ecoia.autolog(service="vadore")
        >>> ecoia.autolog(disable=True)
    """
    problem = problem_with(service, phase, None, None, None)
    if problem is None and phase not in RUN_PHASES:
        message = f"phase = {phase!r}: a run is no inference; choose one of {', '.join(RUN_PHASES)}"
        problem = Problem(message, phase, losses.INVALID_PHASE)
    if problem is not None:
        if _is_literal(problem.value, _getframe(1)):
            raise UsageError(problem.message)
        lose(problem.cause)
        engine.complain(f"ecoia.autolog: {problem.message}")
        if problem.cause == losses.INVALID_SERVICE:
            from ecoia.settings import slug

            service = slug(str(service))
        phase = phase if isinstance(phase, str) and phase in RUN_PHASES else "training"
    if engine.disabled:
        return
    try:
        from ecoia.instrument import following, mlflow_hooks

        mlflow_hooks.switch(on=not disable)
        following.switch_autolog(on=not disable, service=service, phase=None if phase == "training" else phase)
        if disable:
            following.uncover()
        else:
            following.look()
    except Exception as error:  # noqa: BLE001 - the program must run even if nothing is measured
        lose(losses.RUN_NOT_FOLLOWED)
        engine.complain(f"ecoia.autolog: {type(error).__name__}: {error}")


def follow_runs() -> None:
    """Follow MLflow's runs, if the program has imported MLflow by now. The engine calls it, and MLflow's plug-in.

    Example:
        >>> from ecoia.integrating import follow_runs
        >>> follow_runs()
    """
    if "mlflow.tracking.fluent" in sys.modules:
        from ecoia.instrument import following, mlflow_hooks

        if mlflow_hooks.wrap():
            following.cover_rank()


Engine.followers.append(follow_runs)


def flush(timeout_seconds: float = 5.0) -> bool:
    """Write the measurements up to now to the journal, and wait until they are on disk. Never raises.

    Args:
        timeout_seconds: Longest time to wait.

    Returns:
        Whether they were written in that time. True if there was nothing to write.

    Example:
        >>> import ecoia
        >>> written = ecoia.flush(timeout_seconds=1.0)
    """
    background = engine.started_background()
    return not engine.threads if background is None else background.flush(timeout_seconds)
