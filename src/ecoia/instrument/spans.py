"""The data of the hot path: labels, counters, the state of a thread, and the spans that link them.

A thread writes only its own ``ThreadState`` and its own ``Counters``, so it needs no lock. The sampler's thread reads them
now and then and takes differences. ``switching`` holds the steps that change this data, ``engine`` what all threads share.

There are two kinds of span. A *call* (``CallSpan``) runs on one thread from its start to its end, so the thread alone
determines the innermost one. An *open* span (a block, a coroutine, a generator) can be suspended while other code runs: it is
in flight until it ends, and the context (``contextvars``) determines the innermost one.
"""

from __future__ import annotations

from collections import deque
from threading import get_native_id
from time import thread_time_ns

from ecoia import losses
from ecoia.light import TYPE_CHECKING, Any
from ecoia.semconv import LLM, PHASE_UNSPECIFIED

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import ClassVar, Protocol, Self

    from ecoia.instrument.mlflow_run import Run

    class Summary(Protocol):
        """The figures of a span that is over."""

        @property
        def energy_wh(self) -> float | None: ...

        @property
        def co2e_g(self) -> float | None: ...

        def _repr_html_(self) -> str: ...


MAX_COUNT = 10**15
"""Upper bound of a count. A larger one is a mistake (a time stamp in nanoseconds) and would drown every sum."""


class Label:
    """Service, phase, endpoint and model version of a span. Interned: two equal labels are one object.

    Make one with ``checked_label``.

    Attributes:
        service: Id of the service; None for the one of the setting ``service``.
        phase: One of ``semconv.PHASES``.
        endpoint: Route or operation; None where it is unknown.
        model_version: Version of the model; None where it is unknown.
        run_id: The MLflow run that the program named; None for the run that is active.
        given: The label that the program gave without a service, where this one has the service of the run; None otherwise.

    Example:
        >>> from ecoia.integrating import checked_label
        >>> checked_label("analyse-cv", "inference", "/cv/{id}", None).endpoint
        '/cv/{id}'
    """

    __slots__ = ("endpoint", "given", "model_version", "phase", "run_id", "service")

    def __init__(
        self,
        service: str | None,
        phase: str,
        endpoint: str | None,
        model_version: str | None,
        run_id: str | None = None,
        given: Label | None = None,
    ) -> None:
        self.service = service
        self.phase = phase
        self.endpoint = endpoint
        self.model_version = model_version
        self.run_id = run_id
        self.given = given

    @property
    def _arguments(self) -> dict[str, str | None]:
        """The arguments of ``track`` that give this label."""
        return {name: getattr(self, name) for name in ("service", "phase", "endpoint", "model_version", "run_id")}

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _: Any) -> Self:
        return self


class Counters:
    """Work of one thread under one label and run. The values only grow, so a reader takes differences.

    Each open span subtracts its start from ``flight_ns`` and adds its end, so ``flight_ns + open_count * now`` is the total
    time in flight at any instant. A call is in flight while it is on top of its thread.
    """

    __slots__ = (
        "accepted_given", "accepted_micro", "cpu_ns", "ended", "flight_ns", "label", "last_failed", "open_count", "run",
        "spans", "spare", "units_given", "units_micro",
    )  # fmt: skip

    def __init__(self, label: Label, run: Run | None) -> None:
        self.label = label
        self.run = run
        self.cpu_ns = 0
        self.flight_ns = 0
        self.open_count = 0
        self.spans = 0
        self.ended = 0  # outermost spans of a run that ended, and whether the last one failed
        self.last_failed = False
        self.units_micro = 0
        self.units_given = 0
        self.accepted_micro = 0
        self.accepted_given = 0
        self.spare: CallSpan | None = None  # a call's finished span, for the next call: making one costs as much as using it


class ThreadState:
    """One thread: the span on top, the CPU time at the last switch, and the counters by label.

    The thread is *covered* while a span is on top of it, or while one of the ``live`` open spans that began on it is in flight.

    Args:
        generation: The engine's: a fork starts a new one.
        lost: The engine's queue of causes of loss.
        events: The engine's queue of tokens and quality figures.
    """

    __slots__ = (
        "counters", "cover_mark_ns", "cover_ns", "cpu_mark_ns", "dead_cpu_ns", "events", "generation", "live", "lost",
        "start_cpu_ns", "tid", "top",
    )  # fmt: skip

    def __init__(self, generation: int, lost: deque[str], events: deque[tuple[Counters, str, Any]]) -> None:
        self.generation = generation
        self.lost = lost
        self.events = events
        self.tid = get_native_id()
        self.start_cpu_ns = thread_time_ns()
        self.top: Span | None = None
        self.cpu_mark_ns = 0
        self.live = 0
        self.cover_mark_ns = 0
        self.cover_ns = 0
        self.dead_cpu_ns = -1
        self.counters: dict[Any, Counters] = {}


class Span:
    """One execution of instrumented code. The code adds to it what only the code knows; no method raises.

    Attributes:
        parent: The span around it; None for an outermost one.
        ended: Whether it is over. Read only.

    Example:
        >>> import ecoia
        >>> with ecoia.track(service="analyse-cv") as span:
        ...     span.units(12)
        >>> span.service, span.phase
        ('analyse-cv', 'inference')
    """

    __slots__ = ("_counters", "_end_ns", "_here", "_start_ns", "_state", "_top", "_under", "ended", "parent")

    is_call = False
    is_late = False  # whether its label is not known yet (request_spans)
    account: CpuAccount | None = None
    summing_up: ClassVar[Callable[[Span], Summary | None] | None] = None
    """Sums up a finished span. ``ecoia`` registers it, because ``instrument`` must not import what computes CO2e."""

    parent: Span | None
    ended: bool
    _state: ThreadState
    _counters: Counters
    _start_ns: int
    _end_ns: int  # of a block or open span that is over
    _under: Span | None
    _top: Span  # of a coroutine or generator between two steps: its innermost open span on the thread,
    _here: Span | None  # and in the context

    @property
    def label(self) -> Label:
        """Service, phase, endpoint and model version, as far as they are known.

        Example:
            >>> import ecoia
            >>> with ecoia.track(service="analyse-cv", endpoint="/cv") as span:
            ...     span.label.endpoint
            '/cv'
        """
        return self._counters.label

    @property
    def service(self) -> str | None:
        """Id of the service; None for the one of the setting ``service``.

        Example:
            >>> import ecoia
            >>> with ecoia.track(service="analyse-cv") as span:
            ...     span.service
            'analyse-cv'
        """
        return self._counters.label.service

    @property
    def phase(self) -> str:
        """Phase of the lifecycle, one of ``semconv.PHASES``.

        Example:
            >>> import ecoia
            >>> with ecoia.track(service="analyse-cv", phase="training") as span:
            ...     span.phase
            'training'
        """
        return self._counters.label.phase

    def units(self, delivered: float, accepted: float | None = None) -> None:
        """Add functional units delivered, and how many of them were accepted.

        Never raises: NaN, a negative number or anything else that is no count is recorded as lost (``invalid-units``).

        Args:
            delivered: Functional units, 0 or more, kept to the millionth. Further calls add up.
            accepted: How many of them their recipients accepted.

        Example:
            >>> import ecoia
            >>> with ecoia.track(service="analyse-cv") as span:
            ...     span.units(10, accepted=9)
        """
        counters = self._counters
        if type(delivered) is int and 0 <= delivered < MAX_COUNT:
            counters.units_micro += delivered * 1_000_000
            counters.units_given += 1
        else:
            count = checked_count(delivered)
            if count is None:
                self._state.lost.append(losses.INVALID_UNITS)
            else:
                counters.units_micro += count
                counters.units_given += 1
        if accepted is not None:
            count = checked_count(accepted)
            if count is None:
                self._state.lost.append(losses.INVALID_UNITS)
            else:
                counters.accepted_micro += count
                counters.accepted_given += 1

    def tokens(
        self,
        provider: str,
        model: str,
        tokens_in: int,
        tokens_out: int,
        *,
        cached_in: int | None = None,
        cache_written: int | None = None,
        reasoning: int | None = None,
    ) -> None:
        """Record one call to a model: the tokens exchanged with it. Only the counts are kept, no text.

        Never raises: counts that are no whole numbers of 0 or more, or whose parts exceed their whole, are recorded as lost
        (``invalid-tokens``). None is not told, which is not zero.

        Args:
            provider: Provider of the model, as the emission factors name it.
            model: Name of the model. Both names are cut at 120 characters.
            tokens_in: Tokens sent, those that the provider's cache spared or took in included.
            tokens_out: Tokens received, those of reasoning included.
            cached_in: How many of the tokens sent were read from the provider's cache.
            cache_written: How many of the tokens sent were written to the provider's cache.
            reasoning: How many of the tokens received were of reasoning.

        Example:
            >>> import ecoia
            >>> with ecoia.track(service="analyse-cv") as span:
            ...     span.tokens("mistralai", "mistral-small", tokens_in=812, tokens_out=96, cached_in=512)
        """
        try:
            whole = (int(tokens_in), int(tokens_out))
            parts = [None if each is None else int(each) for each in (cached_in, cache_written, reasoning)]
            names = (short_text(provider), short_text(model))
        except Exception:  # noqa: BLE001 - no value that the host passes may break it
            self._state.lost.append(losses.INVALID_TOKENS)
            return
        cached, written, thought = (each or 0 for each in parts)
        least = min(*whole, cached, written, thought)
        if least < 0 or max(whole) >= MAX_COUNT or cached + written > whole[0] or thought > whole[1]:
            self._state.lost.append(losses.INVALID_TOKENS)
            return
        self._state.events.append((self._counters, "tokens", (*names, *whole, *parts)))

    def weight(self, amount: float, kind: str = LLM) -> None:
        """Give the span's weight in the energy of the device that it shares with others; it stands in place of its tokens.

        Where requests wait for each other on a device, as in a server that batches them, neither processor time nor time in
        flight says what each cost. Weights of one ``kind`` are compared with each other, so give all in one unit; those of
        ``llm`` are in output tokens, and stand beside the tokens that other spans tell. A weight is no unit: ``units``
        counts what was delivered.

        Never raises: NaN, a negative number or anything else that is no number is recorded as lost (``invalid-weight``).

        Args:
            amount: The weight, 0 or more, kept to the millionth. Further calls add up.
            kind: What is compared, cut at 120 characters.

        Example:
            >>> import ecoia
            >>> with ecoia.track(service="images") as span:
            ...     span.weight(30 * 1.05, kind="megapixel-steps")
        """
        try:
            weight, name = checked_count(amount), short_text(kind)
        except Exception:  # noqa: BLE001 - no value that the host passes may break it
            weight, name = None, ""
        if weight is None or not name:
            self._state.lost.append(losses.INVALID_WEIGHT)
            return
        self._state.events.append((self._counters, "weight", (name, weight)))

    def quality(self, name: str, value: float) -> None:
        """Record a quality figure (accuracy, F1) of the run. The last value of each name is kept.

        Never raises: a value that is no finite number is recorded as lost (``invalid-quality``).

        Args:
            name: Name of the figure, cut at 120 characters.
            value: The figure, in the unit that the name implies.

        Example:
            >>> import ecoia
            >>> with ecoia.track(service="analyse-cv", phase="evaluation") as span:
            ...     span.quality("f1", 0.87)
        """
        try:
            number = float(value)
            name = short_text(name)
        except Exception:  # noqa: BLE001 - no value that the host passes may break it
            self._state.lost.append(losses.INVALID_QUALITY)
            return
        if not -1e300 < number < 1e300:  # also false for NaN
            self._state.lost.append(losses.INVALID_QUALITY)
            return
        self._state.events.append((self._counters, "quality", (name, number)))

    @property
    def energy_wh(self) -> float | None:
        """Energy in Wh that was recorded for the span's service, phase, endpoint and model version while it was open.

        None while the span is open, and where the energy is not known: not measured, forgotten (a service keeps the last
        minutes), or of a decorated call, which keeps nothing of its own. It writes the open window first, which takes some
        milliseconds. Never raises.

        Of several spans of one label that end in the same seconds, each has the part that its time is of their time together.

        Example:
            >>> import ecoia
            >>> with ecoia.track(service="vadore", phase="evaluation") as span:
            ...     score = sum(n * n for n in range(100_000))
            >>> energy_wh = span.energy_wh
        """
        summary = self._summary()
        return None if summary is None else summary.energy_wh

    @property
    def co2e_g(self) -> float | None:
        """CO2e of ``energy_wh`` in grams. None where that is not known, and without a zone: ecoia does not guess a country.

        Example:
            >>> import ecoia
            >>> with ecoia.track(service="vadore", phase="evaluation") as span:
            ...     score = sum(n * n for n in range(100_000))
            >>> co2e_g = span.co2e_g
        """
        summary = self._summary()
        return None if summary is None else summary.co2e_g

    def _repr_html_(self) -> str | None:
        """Return the card that a notebook shows; None where there are no figures."""
        summary = self._summary()
        return None if summary is None else summary._repr_html_()

    def _summary(self) -> Summary | None:
        try:
            return None if Span.summing_up is None or not self.ended else Span.summing_up(self)
        except Exception:  # noqa: BLE001 - figures for people must not break their program
            return None

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _: Any) -> Self:
        return self  # an application may copy the request that holds it

    def __reduce__(self) -> tuple[Any, ...]:
        """Become a span that keeps nothing: in another process, this one is not open."""
        return no_span, ()

    def _settle(self, last: bool = False) -> None:
        """Decide the label now. Does nothing here: all spans but a ``RequestSpan`` begin with their label."""


class CallSpan(Span):
    """A span that starts and ends on one thread without being suspended: a call of a function."""

    __slots__ = ()

    is_call = True


class BlockSpan(CallSpan):
    """A block in code that cannot be suspended. Holds the object that opened it, which several threads may share."""

    __slots__ = ("_opener",)

    _opener: Any


class Piece(CallSpan):
    """Work of a pool's thread for a span that began elsewhere, its parent. It has the same label and is not counted as a span."""

    __slots__ = ()


class RunSpan(Span):
    """Covers a thread while an MLflow run is active there and the program has no span of its own. ``autolog`` begins it.

    In a request that can be suspended it is suspended with it, as an open span. Everywhere else it is a call.
    """

    __slots__ = ("is_call",)

    is_call: bool


class NoSpan(Span):
    """Stands in where no span is open or ecoia is off: accepts everything, keeps nothing."""

    __slots__ = ()

    def units(self, delivered: float, accepted: float | None = None) -> None:
        """Ignore the units."""

    def tokens(self, provider: str, model: str, tokens_in: int, tokens_out: int, **parts: int | None) -> None:
        """Ignore the tokens."""

    def weight(self, amount: float, kind: str = LLM) -> None:
        """Ignore the weight."""

    def quality(self, name: str, value: float) -> None:
        """Ignore the figure."""


def no_span() -> NoSpan:
    """Return the span that stands in where none is open."""
    return _NO_SPAN


class CpuAccount:
    """CPU time of one span so far, including what it calls and hands on, readable before its window is closed.

    Attributes:
        used_ns: CPU time in nanoseconds. Add to it; never set it back.

    Example:
        >>> from ecoia.integrating import CpuAccount
        >>> account = CpuAccount()
        >>> account.used_ns += 1_500_000
    """

    __slots__ = ("used_ns",)

    def __init__(self) -> None:
        self.used_ns = 0


def checked_count(number: Any) -> int | None:
    """Return a count in integer millionths, or None if ``number`` is no count below ``MAX_COUNT``."""
    try:
        if type(number) is int:
            return number * 1_000_000 if 0 <= number < MAX_COUNT else None
        if isinstance(number, (bool, str, bytes, bytearray)):
            return None
        value = float(number)
        return round(value * 1_000_000) if 0 <= value < MAX_COUNT else None
    except Exception:  # noqa: BLE001 - no value that the host passes may break it
        return None


def short_text(value: Any) -> str:
    """Return a name that the host gave in the form that the journal can hold: 120 characters at most, valid UTF-8."""
    return str(value)[:120].encode("utf-8", "replace").decode("utf-8")


_NO_SPAN = NoSpan()
_NO_SPAN._counters = Counters(Label(None, PHASE_UNSPECIFIED, None, None), None)
_NO_SPAN.parent = None
_NO_SPAN.ended = True
