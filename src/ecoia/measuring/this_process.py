"""This process as a subject: the sampler thread reads its spans' counters, thread by thread, beside the running threads."""

from __future__ import annotations

import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from threading import get_native_id

from ecoia import losses
from ecoia.instrument.groups import linked_ids, outside_run
from ecoia.instrument.spans import Counters
from ecoia.instrument.switching import thread_clock_ns
from ecoia.light import TYPE_CHECKING, Any, Protocol
from ecoia.measuring.subject import Delta, Link, Look, RecordKey, add_known
from ecoia.semconv import OWN_RUN, SERVICE_UNSPECIFIED

if TYPE_CHECKING:
    from ecoia.instrument.spans import ThreadState
    from ecoia.instrument.start import StartReadings
    from ecoia.processes.families import Descendants
    from ecoia.settings import Settings


_MOST_LINKS = 100
"""With more than one run, an id is shown on none of them: the rest would say nothing new."""


class SpanSource(Protocol):
    """Where spans write: the part of ``ecoia.instrument.engine.Engine`` that is read here."""

    threads: list[ThreadState]
    events: deque[tuple[Counters, str, Any]]
    lost: deque[str]


class ThisProcess:
    """The process that ecoia runs in: its spans, and its descendants that do not measure themselves.

    Args:
        spans: Where the process's spans write.
        start: The clocks and counters at the first span.
        session_id: Stands for the run of spans that are outside any MLflow run.
        settings: ``service``.
        descendants: The process's descendants; None to leave them out.
    """

    def __init__(
        self,
        spans: SpanSource,
        start: StartReadings,
        session_id: str,
        settings: Settings,
        descendants: Descendants | None = None,
    ) -> None:
        self._spans = spans
        self._session_id = session_id
        self._settings = settings
        self._descendants = descendants
        self._process_cpu_ns = start.process_cpu_ns
        self._own_cpu_ns = 0
        self._own_thread: int | None = None
        self._wall_ns = start.wall_ns
        self._readers: dict[int, ThreadReader] = {}
        self._outside_id = session_id
        self._told: set[Link] = set()

    def begin_thread(self) -> None:
        """Call this in a new sampler thread: the thread's CPU clock, which counts ecoia's own time, starts at zero."""
        self._own_cpu_ns = 0
        self._own_thread = get_native_id()

    def look(self, wall_ns: int) -> Look:
        """See ``Subject.look``."""
        deltas: dict[RecordKey, Delta] = {}
        self._outside_id = outside_run() or self._session_id
        outside_ns = 0
        uncovered = 1.0
        threads_ns = 0
        elapsed_ns = max(wall_ns - self._wall_ns, 1)
        for state in list(self._spans.threads):
            reader = self._readers.setdefault(id(state), ThreadReader(state))
            ended = state.dead_cpu_ns >= 0  # asked before reading: a thread that ends meanwhile is read once more
            outside_ns += reader.advance(wall_ns, self._key_of, deltas)
            threads_ns += reader.covered_delta_ns
            uncovered *= 1 - min(reader.covered_delta_ns / elapsed_ns, 1.0)
            if ended:
                self._spans.threads.remove(state)
                del self._readers[id(state)]
        # Read after the threads: a thread that works on meanwhile must not seem to have used more than the process.
        process_ns = time.process_time_ns()
        own_ns = self._own_clock()
        self._drain_events(deltas)
        below_ns = self._descendants.advance() if self._descendants is not None else 0
        own_since_ns = own_ns - self._own_cpu_ns
        look = Look(
            process_cpu_ns=max(process_ns - self._process_cpu_ns - own_since_ns, 0) + below_ns,
            own_cpu_ns=own_since_ns,
            outside_cpu_ns=outside_ns,
            coverage=1 - uncovered,
            deltas=deltas,
            links=self._new_links(deltas),
            threads_ns=threads_ns,
        )
        self._process_cpu_ns, self._own_cpu_ns, self._wall_ns = process_ns, own_ns, wall_ns
        return look

    def _own_clock(self) -> int:
        """Return the CPU time of the sampler's thread, which another thread may ask for when that one is busy, or has ended."""
        if self._own_thread == get_native_id():
            return time.thread_time_ns()
        clock_ns = None if self._own_thread is None else thread_clock_ns(self._own_thread)
        return self._own_cpu_ns if clock_ns is None else clock_ns

    def lost(self) -> Counter[str]:
        """See ``Subject.lost``."""
        lost = drain_lost(self._spans.lost)
        if self._descendants is not None and self._descendants.refused:
            lost[losses.CLAIM_REFUSED], self._descendants.refused = self._descendants.refused, 0
        return lost

    def _key_of(self, counters: Counters) -> RecordKey:
        label, run = counters.label, counters.run
        return RecordKey(
            service=label.service or self._settings.service or SERVICE_UNSPECIFIED,
            phase=label.phase,
            # Outside any MLflow run, the process's group or its session stands for the run.
            run_id=None if run is None else (run.run_id or self._outside_id),
            endpoint=label.endpoint,
            model_version=label.model_version,
            tracking_uri=None if run is None else run.tracking_uri,
        )

    def _new_links(self, deltas: Mapping[RecordKey, Delta]) -> list[Link]:
        """Return the links of this process's group and session to the root runs that it began, each once.

        Where nobody heard a run begin, the runs that its spans name are taken: delivery finds the root above each.
        """
        ids = linked_ids()
        if not ids:
            return []
        following = sys.modules.get("ecoia.instrument.following")
        heard = [] if following is None else list(following.root_runs.values())
        runs = {(run.run_id, run.tracking_uri) for run in heard} or {(key.run_id, key.tracking_uri) for key in deltas}
        links = [Link(of, beside, uri) for of in ids for beside, uri in runs if beside and not beside.startswith(OWN_RUN)]
        new = [link for link in links if link not in self._told][: max(_MOST_LINKS - len(self._told), 0)]
        self._told.update(new)
        return new

    def _drain_events(self, deltas: dict[RecordKey, Delta]) -> None:
        events = self._spans.events
        while events:
            counters, kind, value = events.popleft()
            delta = deltas.setdefault(self._key_of(counters), Delta())
            if kind == "quality":
                delta.quality[value[0]] = value[1]
            elif kind == "weight":
                delta.add_weight(*value)
            else:
                delta.add_call(*value)


def drain_lost(causes: deque[str]) -> Counter[str]:
    """Count causes of loss, and remove them from the queue that the program's threads append to."""
    lost: Counter[str] = Counter()
    while causes:
        lost[causes.popleft()] += 1
    return lost


_NOTHING_READ = (0,) * 8


class ThreadReader:
    """Reads the counters of one thread, beside the thread that writes them.

    Each counter only grows. A step that the thread has half made (a switch between two reads) is complete at the next reading.

    Args:
        state: The thread's bookkeeping.

    Attributes:
        covered_delta_ns: Time, between the last two readings, during which a span of the thread was in flight.
    """

    def __init__(self, state: ThreadState) -> None:
        self.state = state
        self.covered_delta_ns = 0
        self._thread_cpu_ns = state.start_cpu_ns
        self._outside_ns = 0
        self._covered_ns = 0
        self._wall_ns = 0
        self._read: dict[int, tuple[int, ...]] = {}
        self._provisional: tuple[Any, Counters] | None = None  # span without its final label, and where it was reported

    def advance(self, wall_ns: int, key_of: Callable[[Counters], RecordKey], deltas: dict[RecordKey, Delta]) -> int:
        """Add the thread's activity since the last call to ``deltas``.

        Args:
            wall_ns: The monotonic clock, now.
            key_of: Maps counters to the key of their record.
            deltas: Activity of the process's spans since the last reading, by key; changed in place.

        Returns:
            CPU time in ns that the thread used outside spans since the last call.
        """
        state = self.state
        top, running, running_cpu_ns, thread_ns = self._consistent_top()
        self._follow_label(top, running)
        spans_delta_ns = 0
        for counters in list(state.counters.values()):
            cpu_ns = running_cpu_ns if counters is running else counters.cpu_ns
            spans_delta_ns += self._read_counters(counters, cpu_ns, wall_ns, key_of, deltas)
        if top is not None and top.is_call:  # in flight since it began or since the last reading; CPU time may come later
            in_flight_ns = wall_ns - max(top._start_ns, self._wall_ns)
            deltas.setdefault(key_of(top._counters), Delta()).in_flight_ns += max(in_flight_ns, 0)
        self._wall_ns = wall_ns
        self._advance_coverage(wall_ns)
        return self._outside_delta_ns(thread_ns, spans_delta_ns)

    def _read_counters(
        self,
        counters: Counters,
        cpu_ns: int,
        wall_ns: int,
        key_of: Callable[[Counters], RecordKey],
        deltas: dict[RecordKey, Delta],
    ) -> int:
        """Add the activity in one set of counters; returns its CPU time since the last reading."""
        now = (
            cpu_ns,
            counters.flight_ns + counters.open_count * wall_ns,
            counters.spans,
            counters.units_micro,
            counters.units_given,
            counters.accepted_micro,
            counters.accepted_given,
            counters.ended,
        )
        before = self._read.get(id(counters), _NOTHING_READ)
        if now == before:
            return 0
        # Never backwards: if a half-made step shows too much, the excess is subtracted at the next reading.
        now = (max(now[0], before[0]), max(now[1], before[1]), *now[2:])
        self._read[id(counters)] = now
        cpu, in_flight, spans, units, units_given, accepted, accepted_given, ended = (
            a - b for a, b in zip(now, before, strict=True)
        )
        delta = deltas.setdefault(key_of(counters), Delta())
        delta.cpu_ns += cpu
        delta.in_flight_ns += in_flight
        delta.spans += spans
        if units_given:
            delta.units_micro = add_known(delta.units_micro, units)
        if accepted_given:
            delta.accepted_micro = add_known(delta.accepted_micro, accepted)
        if ended:
            delta.ended += ended
            delta.last_failed = counters.last_failed
        return cpu

    def _advance_coverage(self, wall_ns: int) -> None:
        state = self.state
        covered_ns = state.cover_ns + (max(wall_ns - state.cover_mark_ns, 0) if state.live or state.top is not None else 0)
        self.covered_delta_ns = max(covered_ns - self._covered_ns, 0)
        self._covered_ns = max(covered_ns, self._covered_ns)

    def _outside_delta_ns(self, thread_ns: int, spans_delta_ns: int) -> int:
        thread_delta_ns = max(thread_ns - self._thread_cpu_ns, 0)
        self._thread_cpu_ns = max(thread_ns, self._thread_cpu_ns)
        # If the thread worked on while its counters were read, its spans show more than its clock did: carry the difference.
        self._outside_ns += thread_delta_ns - spans_delta_ns
        outside_ns = max(self._outside_ns, 0)
        self._outside_ns -= outside_ns
        return outside_ns

    def _follow_label(self, top: Any, running: Counters | None) -> None:
        """Move CPU time already reported under a provisional label to the final one, so it isn't reported twice."""
        span, reported = self._provisional or (None, None)
        self._provisional = None
        if span is not None and reported is not None and span._state is self.state:
            charged: Any = running if span is top else span._counters
            cpu_ns = self._read.get(id(reported), _NOTHING_READ)[0] - reported.cpu_ns
            if charged is not reported and cpu_ns > 0:
                self._move_read(reported, -cpu_ns)
                self._move_read(charged, cpu_ns)
        if running is not None and (top.is_late or top._counters is not running):
            self._provisional = top, running

    def _move_read(self, counters: Counters, cpu_ns: int) -> None:
        read_cpu_ns, *others = self._read.get(id(counters), _NOTHING_READ)
        self._read[id(counters)] = (read_cpu_ns + cpu_ns, *others)

    def _consistent_top(self) -> tuple[Any, Any, int, int]:
        """Return (span on top, its counters, their CPU time, thread's clock), read again if the thread switched meanwhile."""
        state = self.state
        for _ in range(4):
            top, mark_ns = state.top, state.cpu_mark_ns
            counters = self._counters_of(top)
            cpu_ns = counters.cpu_ns if counters is not None else 0
            thread_ns = self._thread_clock()
            if state.top is top and state.cpu_mark_ns == mark_ns:
                return top, counters, cpu_ns + max(thread_ns - mark_ns, 0), thread_ns
        return None, None, 0, max(thread_ns, self._thread_cpu_ns)

    def _counters_of(self, top: Any) -> Any:
        """Return the counters that the span on top is charged to; for a span without its label yet, its future counters."""
        if top is None:
            return None
        label = top.found() if top.is_late else None
        if label is None or label.phase != "inference":  # spans of another phase are counted for each run
            return top._counters
        return self.state.counters.setdefault(label, Counters(label, None))

    def _thread_clock(self) -> int:
        state = self.state
        if state.dead_cpu_ns >= 0:
            return state.dead_cpu_ns
        clock_ns = thread_clock_ns(state.tid)
        return max(self._thread_cpu_ns, state.cpu_mark_ns) if clock_ns is None else clock_ns
