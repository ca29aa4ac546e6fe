"""The subject that a recorder measures, and the ``Look`` that it returns at each reading.

Two kinds of subject exist: this process (``ecoia.measuring.this_process``), and processes that are measured from outside
(``ecoia.watching``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from ecoia.light import NamedTuple, Protocol

TokenCounts = Counter[tuple[str, str, tuple[str, ...], str]]
TOKEN_PARTS = ("cached_in", "cache_written", "reasoning")
"""What a call may tell beside input and output, in the order of ``records.Tokens``."""


class RecordKey(NamedTuple):
    """The fields that keep records apart: a window has one record of spans for each key.

    Attributes:
        service: Id of the service.
        phase: One of ``semconv.PHASES``.
        run_id: Id of the MLflow run, or of the session that stands for one; None outside any run.
        endpoint: Endpoint of the service.
        model_version: Version of the model.
        tracking_uri: The MLflow tracking URI that the program set.
        guest: Virtual machine to which the energy is handed, so that its own records have it; None: it stays here.
    """

    service: str | None
    phase: str
    run_id: str | None = None
    endpoint: str | None = None
    model_version: str | None = None
    tracking_uri: str | None = None
    guest: str | None = None


class Delta:
    """Activity of the spans of one key since the last reading.

    ``weights`` are in millionths, by kind.

    ``units_micro`` and ``accepted_micro`` are in millionths, and None if the program gave none. ``tokens`` counts by
    provider, model, the parts that calls told, and the name of a field of ``records.Tokens``.
    """

    __slots__ = (
        "accepted_micro", "cpu_ns", "ended", "in_flight_ns", "last_failed", "quality", "spans", "tokens", "units_micro",
        "weights",
    )  # fmt: skip

    def __init__(
        self,
        *,
        cpu_ns: int = 0,
        in_flight_ns: int = 0,
        spans: int = 0,
        units_micro: int | None = None,
        accepted_micro: int | None = None,
        ended: int = 0,
        last_failed: bool = False,
        tokens: TokenCounts | None = None,
        quality: dict[str, float] | None = None,
        weights: dict[str, int] | None = None,
    ) -> None:
        self.cpu_ns = cpu_ns
        self.in_flight_ns = in_flight_ns
        self.spans = spans
        self.units_micro = units_micro
        self.accepted_micro = accepted_micro
        self.ended = ended
        self.last_failed = last_failed
        self.tokens: TokenCounts = Counter() if tokens is None else tokens
        self.quality: dict[str, float] = {} if quality is None else quality
        self.weights: dict[str, int] = {} if weights is None else weights

    def with_cpu_ns(self, cpu_ns: int) -> Delta:
        """Return the same activity with another CPU time."""
        return Delta(**{name: getattr(self, name) for name in self.__slots__} | {"cpu_ns": cpu_ns})

    def add_call(self, provider: str, model: str, tokens_in: int, tokens_out: int, *parts: int | None) -> None:
        """Add one call to a model; calls that tell other parts of their tokens are counted apart."""
        told = {name: part for name, part in zip(TOKEN_PARTS, parts, strict=True) if part is not None}
        apart = (provider, model, (*told,))
        for name, count in (("requests", 1), ("tokens_in", tokens_in), ("tokens_out", tokens_out), *told.items()):
            self.tokens[(*apart, name)] += count

    def add_weight(self, kind: str, weight: int) -> None:
        """Add weight in the energy of devices, in millionths."""
        self.weights[kind] = self.weights.get(kind, 0) + weight

    def add(self, more: Delta) -> None:
        """Add later activity of the same key.

        Example:
            >>> total = Delta(cpu_ns=5)
            >>> total.add(Delta(cpu_ns=2, units_micro=1_000_000))
            >>> (total.cpu_ns, total.units_micro)
            (7, 1000000)
        """
        self.cpu_ns += more.cpu_ns
        self.in_flight_ns += more.in_flight_ns
        self.spans += more.spans
        self.units_micro = add_known(self.units_micro, more.units_micro)
        self.accepted_micro = add_known(self.accepted_micro, more.accepted_micro)
        if more.ended:
            self.ended += more.ended
            self.last_failed = more.last_failed
        if more.tokens:  # most often empty, and updating a Counter is slow
            self.tokens.update(more.tokens)
        for kind, weight in more.weights.items():
            self.add_weight(kind, weight)
        self.quality.update(more.quality)


NO_DELTA = Delta()
"""For a key without activity. Never changed."""


class Link(NamedTuple):
    """Where the rows of a group or session are shown.

    Attributes:
        run_id: Id of the group or session.
        beside: The MLflow run whose root shows them.
        tracking_uri: Where that run is.
    """

    run_id: str
    beside: str
    tracking_uri: str | None


class Look(NamedTuple):
    """Activity of a subject since the last look.

    Attributes:
        process_cpu_ns: CPU time of the subject without ecoia's own.
        own_cpu_ns: CPU time of ecoia's own threads.
        outside_cpu_ns: CPU time, within ``process_cpu_ns``, that is known to belong to no span.
        coverage: Share of the time, 0 to 1, during which at least one span was in flight.
        deltas: Activity of spans, by key.
        devices_recorded_inside: A process inside the subject measures itself, so it records the energy of their devices.
        owner_of: Maps a process id to its key, if the energy of devices is split by process as the driver reports it; None
            to split it by CPU time.
        reserved: Share of the host that is reserved for each key; None to use one share for all, as configured.
        links: Links that this look found, each once.
        threads_ns: Time during which a thread had a span in flight, added up over threads; 0 where spans are no threads' work.
        waits: The key whose idle energy it is when no span is in flight; None: such energy is nobody's.
    """

    process_cpu_ns: int
    own_cpu_ns: int
    outside_cpu_ns: int
    coverage: float
    deltas: dict[RecordKey, Delta]
    devices_recorded_inside: bool = False
    owner_of: Callable[[int], RecordKey | None] | None = None
    reserved: Mapping[RecordKey, float] | None = None
    links: Sequence[Link] = ()
    threads_ns: int = 0
    waits: RecordKey | None = None


class Guests(Protocol):
    """Where the energy of virtual machines is handed to them."""

    def add(self, guest: str, energy: Mapping[str, int | None]) -> int:
        """Add a guest's energy since the last reading; return the microjoules of it that are handed over."""
        ...

    def write(self) -> None:
        """Hand over what was added at this reading."""
        ...


class Subject(Protocol):
    """A measured subject: this process, or others seen from outside."""

    def look(self, wall_ns: int) -> Look:
        """Return its activity since the last call.

        Args:
            wall_ns: The monotonic clock, now.
        """
        ...

    def lost(self) -> Counter[str]:
        """Return the losses since the last call, by cause (``ecoia.losses``)."""
        ...


def add_known(left: int | None, right: int | None) -> int | None:
    """Add two numbers, of which either may be missing; None if both are.

    Example:
        >>> add_known(None, 3), add_known(None, None)
        (3, None)
    """
    if left is None or right is None:
        return left if right is None else right
    return left + right
