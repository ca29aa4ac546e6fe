"""Spans of requests, whose label is known only once the framework has routed them. Loaded by integrations only."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from time import perf_counter_ns, thread_time_ns

from ecoia import losses
from ecoia.instrument.engine import engine, lose
from ecoia.instrument.spans import CpuAccount, Label, Span, ThreadState
from ecoia.instrument.steps import drive_on, leave_step
from ecoia.instrument.switching import counters_for, enclosing, finish, finish_anyhow, in_context, put_on_top
from ecoia.light import Any
from ecoia.semconv import LLM

FindLabel = Callable[[Any, bool], Label | None]
"""Returns a request's label, or None while it is unknown. Called with True the last time. The sampler's thread calls it, too."""


class RequestSpan(Span):
    """An open span that learns its label on the way.

    It asks ``find`` before anything is charged to it, so that the CPU time of a step goes to the label that the request has by
    then. CPU time of an earlier step, or up to a reading of the sampler, stays under the label that it began with. It is in
    flight only once its label is decided.

    Attributes:
        ended: Whether the span is over. Read only.
        is_late: Whether its label is not decided yet. Read only.
        account: Its CPU time so far, if it was given a ``CpuAccount``.

    Example:
        >>> from ecoia.integrating import begin_request, checked_label, finish_request
        >>> unknown = checked_label("analyse-cv", "inference", None, None)
        >>> routed = checked_label("analyse-cv", "inference", "/cv/{id}", None)
        >>> span = begin_request(unknown, lambda request, last: routed if "route" in request else None, {"route": "/cv/{id}"})
        >>> span.is_late
        True
        >>> span.settle()
        >>> span.is_late, span.label.endpoint
        (False, '/cv/{id}')
        >>> finish_request(span, failed=False)
        >>> span.ended
        True
    """

    __slots__ = ("about", "account", "find", "is_late")

    account: CpuAccount | None
    is_late: bool
    about: Any
    find: FindLabel

    def found(self, last: bool = False) -> Label | None:
        """Return the label as far as it is known. Never raises; an error in ``find`` is counted as lost (``route-unread``).

        The sampler calls it to charge a request that is still running.

        Args:
            last: Passed on to ``find``.

        Example:
            >>> from ecoia.integrating import begin_request, checked_label, finish_request
            >>> span = begin_request(checked_label("analyse-cv", "inference", None, None), lambda request, last: None, {})
            >>> span.found() is None
            True
            >>> finish_request(span, failed=False)
        """
        about = self.about
        if about is None:  # the label is decided, and the span has let go of the request
            return None
        try:
            return self.find(about, last)
        except Exception:  # noqa: BLE001 - a version of a framework with other internals
            lose(losses.ROUTE_UNREAD)
            return None

    def _settle(self, last: bool = False) -> None:
        """Decide the label if it is known by now. Never raises; an error in ``find`` is counted as lost (``route-unread``).

        An integration calls it as ``settle``, where the framework knows the route and will forget it before the step ends.

        Args:
            last: Whether to keep the label that the span began with if the route is still unknown.

        Example:
            >>> from ecoia.integrating import begin_request, checked_label, finish_request
            >>> span = begin_request(checked_label("analyse-cv", "inference", None, None), lambda request, last: None, {})
            >>> span.settle()
            >>> span.is_late
            True
            >>> finish_request(span, failed=False)
        """
        try:  # found, written out
            label = self.find(self.about, last)
        except Exception:  # noqa: BLE001 - a version of a framework with other internals
            lose(losses.ROUTE_UNREAD)
            label = None
        if label is None:
            if not last:
                return
            counters = self._counters
        else:
            counters = self._state.counters.get(label) or counters_for(self._state, label)
        if not self.is_late:  # a signal handler, or a pool's thread, decided it meanwhile: the span is in flight once
            return
        self.is_late = False
        self.about = None  # lets go of the request, and of everything in it that refers to this span
        counters.flight_ns -= self._start_ns
        counters.open_count += 1
        self._counters = counters

    settle = _settle

    def units(self, delivered: float, accepted: float | None = None) -> None:
        """Add functional units. See ``Span.units``."""
        if self.is_late:
            self._settle()
        Span.units(self, delivered, accepted)  # super() costs a lookup at each request

    def tokens(self, provider: str, model: str, tokens_in: int, tokens_out: int, **parts: int | None) -> None:
        """Record tokens. See ``Span.tokens``."""
        if self.is_late:
            self._settle()
        super().tokens(provider, model, tokens_in, tokens_out, **parts)

    def weight(self, amount: float, kind: str = LLM) -> None:
        """Record a weight. See ``Span.weight``."""
        if self.is_late:
            self._settle()
        super().weight(amount, kind)

    def quality(self, name: str, value: float) -> None:
        """Record a quality figure. See ``Span.quality``."""
        if self.is_late:
            self._settle()
        super().quality(name, value)


def begin_request(label: Label, find: FindLabel, about: Any, account: CpuAccount | None = None) -> RequestSpan:
    """Begin the span of a request, on top of no thread yet. End it with ``drive_request`` or ``finish_request``.

    Args:
        label: The label to begin with, and to keep if ``find`` never returns one.
        find: Called with ``about``, and with True for the last time; returns the request's label, or None while it is unknown.
            May be called from any thread. An error in it is counted as lost (``route-unread``).
        about: The request, in the form that ``find`` takes. The span lets go of it as soon as the label is decided.
        account: Where to count the CPU time of the work that the request hands to other threads and tasks.

    Example:
        >>> from ecoia.integrating import begin_request, checked_label, finish_request, step
        >>> label = checked_label("analyse-cv", "inference", None, None)
        >>> span = begin_request(label, lambda request, last: None, {"path": "/"})
        >>> step(span, len, [1, 2])
        2
        >>> finish_request(span, failed=False)
    """
    try:
        state: ThreadState = engine.local.state
    except AttributeError:
        state = engine.enter_thread()
    span = RequestSpan()
    span._state = state
    span._counters = state.counters.get(label) or counters_for(state, label)
    span.ended = False
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


async def drive_request(span: RequestSpan, inner: Coroutine[Any, Any, Any]) -> None:
    """Run a coroutine as the work of a request, and end the span. If an exception comes out, the caller ends it.

    Args:
        span: From ``begin_request``, with no step yet.
        inner: The coroutine; its result is dropped.

    Raises:
        BaseException: As ``inner`` raises it, or a signal handler. Call ``finish_request(span, failed=True)`` unless
            ``span.ended``.

    Example:
        >>> import asyncio
        >>> from ecoia.integrating import begin_request, checked_label, drive_request
        >>> label = checked_label("analyse-cv", "inference", None, None)
        >>> async def serve():
        ...     span = begin_request(label, lambda request, last: None, {"path": "/"})
        ...     await drive_request(span, asyncio.sleep(0))
        ...     return span.ended
        >>> asyncio.run(serve())
        True
    """
    # The first step is written out, as in wrapping: a request often has no other one, and finds the caches cold.
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
            span._settle()
        if state.top is span and under is None:
            used_ns = thread_time_ns() - state.cpu_mark_ns
            if used_ns > 0:
                span._counters.cpu_ns += used_ns
            state.top = None
            in_context.reset(token)
        else:
            leave_step(span, state, token)
    except BaseException:
        leave_step(span, state, token)
        raise
    else:
        leave_step(span, state, token)
        await drive_on(span, inner, item)
    if span.is_late:
        span._settle(True)
    finish(span, False)
    del span._top, span._here  # they may refer to the span itself, a cycle that would keep it alive until a collection


def finish_request(span: RequestSpan, failed: bool) -> None:
    """End the span of a request that is not over, in whatever state it is, and decide its label for good.

    Args:
        span: From ``begin_request``.
        failed: Whether the request failed.

    Example:
        >>> from ecoia.integrating import begin_request, checked_label, finish_request
        >>> span = begin_request(checked_label("analyse-cv", "inference", None, None), lambda request, last: None, {})
        >>> finish_request(span, failed=True)
        >>> span.ended
        True
    """
    if span.is_late:
        span._settle(True)
    finish_anyhow(span, failed)
    del span._top, span._here  # as in drive_request
