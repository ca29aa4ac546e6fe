"""This process: what its spans did, read beside them by one thread of ecoia's own."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from typing import TYPE_CHECKING, Any

from ecoia import meters as metering
from ecoia import settings as configuration
from ecoia.instrument.spans import Counters
from ecoia.measuring.recording import Delta, Key, Look, Recorder, add_known, busy_time_at
from ecoia.semconv import SERVICE_UNSPECIFIED

if TYPE_CHECKING:
    from pathlib import Path

    from ecoia.instrument.background import Background
    from ecoia.instrument.engine import Engine
    from ecoia.instrument.spans import ThreadState
    from ecoia.instrument.start import StartReadings
    from ecoia.processes.families import Descendants
    from ecoia.settings import Settings


class ThisProcess:
    """The process that ecoia runs in: its spans, thread by thread, and the processes below it that measure nothing."""

    def __init__(
        self,
        engine: Engine,
        baseline: StartReadings,
        session_id: str,
        settings: Settings,
        descendants: Descendants | None = None,
    ) -> None:
        self._descendants = descendants
        self._engine = engine
        self._session_id = session_id
        self._settings = settings
        self._process_cpu_ns = baseline.process_cpu_ns
        self._own_cpu_ns = 0
        self._wall_ns = baseline.wall_ns
        self._seen: dict[int, _Seen] = {}

    def begin_thread(self) -> None:
        """Called in the thread that will look: its CPU time, which is ecoia's own, begins at zero."""
        self._own_cpu_ns = 0

    def look(self, wall_ns: int) -> Look:
        """See ``Subject.look``."""
        deltas: dict[Key, Delta] = {}
        outside_ns = 0
        uncovered = 1.0
        elapsed_ns = max(wall_ns - self._wall_ns, 1)
        for state in list(self._engine.threads):
            seen = self._seen.setdefault(id(state), _Seen(state))
            ended = state.dead_cpu_ns >= 0  # asked first: a thread that ends while it is read is read once more
            outside_ns += seen.advance(wall_ns, self._key, deltas)
            uncovered *= 1 - min(seen.covered_delta_ns / elapsed_ns, 1.0)
            if ended:
                self._engine.threads.remove(state)
                del self._seen[id(state)]
        # After the threads: a thread that worked on meanwhile must not seem to have done more than the process.
        process_ns = time.process_time_ns()
        own_ns = time.thread_time_ns()
        self._drain_events(deltas)
        below_ns = self._descendants.advance() if self._descendants is not None else 0
        look = Look(
            process_cpu_ns=max(process_ns - self._process_cpu_ns - (own_ns - self._own_cpu_ns), 0) + below_ns,
            own_cpu_ns=own_ns - self._own_cpu_ns,
            outside_cpu_ns=outside_ns,
            coverage=1 - uncovered,
            deltas=deltas,
        )
        self._process_cpu_ns, self._own_cpu_ns, self._wall_ns = process_ns, own_ns, wall_ns
        return look

    def lost(self) -> Counter[str]:
        """See ``Subject.lost``."""
        lost: Counter[str] = Counter()
        while self._engine.lost:
            lost[self._engine.lost.popleft()] += 1
        return lost

    def _key(self, counters: Counters) -> Key:
        label, run = counters.label, counters.run
        return Key(
            service=label.service or self._settings.service or SERVICE_UNSPECIFIED,
            phase=label.phase,
            # Outside any MLflow run, the process's session stands for the run.
            run_id=None if run is None else (run.run_id or self._session_id),
            endpoint=label.endpoint,
            model_version=label.model_version,
            tracking_uri=None if run is None else run.tracking_uri,
        )

    def _drain_events(self, deltas: dict[Key, Delta]) -> None:
        events = self._engine.events
        while events:
            counters, kind, value = events.popleft()
            delta = deltas.setdefault(self._key(counters), Delta())
            if kind == "quality":
                delta.quality[value[0]] = value[1]
            else:
                provider, model, tokens_in, tokens_out = value
                delta.tokens[(provider, model, "in")] += tokens_in
                delta.tokens[(provider, model, "out")] += tokens_out


_NOTHING_SEEN = (0,) * 8


class _Seen:
    """How far the sampler has read one thread's counters. Reads run beside the thread's own writing.

    Each value only grows, and a half-made step (a switch between two reads) shows up whole at the next reading.
    """

    def __init__(self, state: ThreadState) -> None:
        self.state = state
        self.covered_delta_ns = 0
        self._thread_cpu_ns = state.start_cpu_ns
        self._outside_ns = 0
        self._covered_ns = 0
        self._wall_ns = 0
        self._numbers: dict[int, tuple[int, ...]] = {}
        self._shown: tuple[Any, Counters] | None = None  # a span that did not know its label yet, and where it was shown

    def advance(self, wall_ns: int, key_of: Any, deltas: dict[Key, Delta]) -> int:
        """Add what is new to ``deltas``; returns the CPU time that the thread used outside spans since the last call."""
        state = self.state
        top, running, running_cpu_ns, thread_ns = self._consistent_top()
        self._follow_label(top, running)
        call = top if top is not None and top.is_call else None
        spans_delta_ns = 0
        for counters in list(state.counters.values()):
            cpu_ns = running_cpu_ns if counters is running else counters.cpu_ns
            in_flight_ns = counters.flight_ns + counters.open_count * wall_ns
            now = (
                cpu_ns,
                in_flight_ns,
                counters.spans,
                counters.units_micro,
                counters.units_given,
                counters.accepted_micro,
                counters.accepted_given,
                counters.ended,
            )
            before = self._numbers.get(id(counters), _NOTHING_SEEN)
            if now == before:
                continue
            # Never backwards: what a half-made step shows too much of is taken off the next reading.
            now = (max(now[0], before[0]), max(now[1], before[1]), *now[2:])
            self._numbers[id(counters)] = now
            cpu, in_flight, spans, units, units_given, accepted, accepted_given, ended = (
                a - b for a, b in zip(now, before, strict=True)
            )
            spans_delta_ns += cpu
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
        if call is not None:  # in flight since it began, or since the last reading; it may have no CPU time yet
            in_flight = wall_ns - max(call._start_ns, self._wall_ns)
            deltas.setdefault(key_of(call._counters), Delta()).in_flight_ns += max(in_flight, 0)
        self._wall_ns = wall_ns
        covered_ns = state.cover_ns + (max(wall_ns - state.cover_mark_ns, 0) if state.live or state.top is not None else 0)
        self.covered_delta_ns = max(covered_ns - self._covered_ns, 0)
        self._covered_ns = max(covered_ns, self._covered_ns)
        thread_delta_ns = max(thread_ns - self._thread_cpu_ns, 0)
        self._thread_cpu_ns = max(thread_ns, self._thread_cpu_ns)
        # A thread that worked on while its counters were read has more in spans than its clock said: owed to the next.
        self._outside_ns += thread_delta_ns - spans_delta_ns
        outside_ns = max(self._outside_ns, 0)
        self._outside_ns -= outside_ns
        return outside_ns

    def _follow_label(self, top: Any, running: Counters | None) -> None:
        """What was shown of a span under one label, and is charged to the one that it got meanwhile, was shown there."""
        span, shown = self._shown or (None, None)
        self._shown = None
        if span is not None and shown is not None and span._state is self.state:
            charged: Any = running if span is top else span._counters
            cpu_ns = self._numbers.get(id(shown), _NOTHING_SEEN)[0] - shown.cpu_ns
            if charged is not shown and cpu_ns > 0:
                self._add_seen(shown, -cpu_ns)
                self._add_seen(charged, cpu_ns)
        if running is not None and (top.is_late or top._counters is not running):
            self._shown = top, running

    def _add_seen(self, counters: Counters, cpu_ns: int) -> None:
        seen_cpu_ns, *others = self._numbers.get(id(counters), _NOTHING_SEEN)
        self._numbers[id(counters)] = (seen_cpu_ns + cpu_ns, *others)

    def _consistent_top(self) -> tuple[Any, Any, int, int]:
        """(span on top, its counters, their CPU time, the thread's clock); read again if the thread switched meanwhile."""
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
        """What the span on top is charged to; for one that does not know yet, what it will be charged to."""
        if top is None:
            return None
        label = top.found() if top.is_late else None
        if label is None or label.phase != "inference":  # another phase's counters are a run's
            return top._counters
        return self.state.counters.setdefault(label, Counters(label, None))

    def _thread_clock(self) -> int:
        state = self.state
        if state.dead_cpu_ns >= 0:
            return state.dead_cpu_ns
        try:
            # Linux's CPU clock of a thread by its id; unlike pthread_getcpuclockid it is safe for a thread that died.
            return time.clock_gettime_ns((~state.tid << 3) | 6)
        except (OSError, AttributeError, OverflowError):
            return max(self._thread_cpu_ns, state.cpu_mark_ns)


class Sampler:
    """What the sampler thread does: detect, then read and write until told to stop. Outlives the thread over a fork."""

    def __init__(self, engine: Engine, background: Background) -> None:
        settings = configuration.load()
        background.exit_seconds = settings.exit_seconds
        baseline = background.start_readings
        self._engine = engine
        self._background = background
        self._subject = ThisProcess(engine, baseline, f"ecoia-{uuid.uuid4().hex[:16]}", settings, background.descendants)
        self._recorder = Recorder(
            settings,
            self._subject,
            metering.detect(settings, baseline.counters, pids=background.descendants.pids),
            pid=background.pid,
            start=(baseline.utc_ns, baseline.wall_ns, busy_time_at(baseline)),
            complain=engine.complain,
            claim=background.claim,
        )
        baseline.close_nvml()

    def run(self) -> None:
        """Body of the thread: until the process ends, or a fork begins."""
        background, recorder = self._background, self._recorder
        self._subject.begin_thread()
        while not (background.stopping or background.parked):
            self._engine.follow()
            wanted = background.close_requested
            closing = wanted > background.close_done
            wait_seconds = recorder.step(close=closing)
            if closing:
                background.written = recorder.written
                background.close_done = wanted
                background.closed.set()
            background.bell.wait(wait_seconds)
        if background.stopping:
            wanted = background.close_requested
            background.written = recorder.close()
            background.close_done = wanted
            recorder.await_delivery()

    @property
    def journal_file(self) -> tuple[Path, str] | None:
        """See ``Recorder.journal_file``."""
        return self._recorder.journal_file

    @property
    def joules_per_cpu_second(self) -> float | None:
        """See ``Recorder.joules_per_cpu_second``."""
        return self._recorder.joules_per_cpu_second

    def let_go(self) -> None:
        """In a forked child: close what is the parent's."""
        self._recorder.let_go()
