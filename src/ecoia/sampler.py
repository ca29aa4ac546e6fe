"""The sampler: reads meters and clocks about once a second, shares the energy out, and writes records.

One loop serves every subject: this process (``sample_this_process``), or a process tree seen from outside
(``ecoia.running``). A *reading* is one look at all meters and clocks; a *window* is what lies between two writings
to the journal. Readings are time-stamped and never assumed periodic.
"""

from __future__ import annotations

import math
import os
import time
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ecoia import meters as metering
from ecoia import settings as configuration
from ecoia.attribution import Activity, attribute
from ecoia.engine import active_run
from ecoia.errors import JournalError
from ecoia.helper import await_delivery, spawn_helper
from ecoia.journal import ANNOUNCE_SHARE, Journal, Writer
from ecoia.meters import DEVICES, Meter, hardware
from ecoia.meters.hardware import BusyTime
from ecoia.periods import HALF_HOUR_NS, half_hour_start
from ecoia.records import Method, Record, Tokens
from ecoia.semconv import (
    COMPONENTS,
    KIND_IDLE,
    KIND_OUTCOME,
    KIND_OVERHEAD,
    KIND_SPAN,
    KIND_UNATTRIBUTED,
    MISSING,
    SERVICE_UNSPECIFIED,
)
from ecoia.targets import register_target
from ecoia.units import split_integer

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from ecoia.engine import Background, Baseline, Counters, Engine, ThreadState
    from ecoia.processes import Claim, Descendants
    from ecoia.settings import Settings

READING_SECONDS = 1.0
"""Fixed step of the load model, which is not linear in the load; ample for counters (a wrap takes minutes)."""

_HELPER_CHECK_SECONDS = 60.0
_MAX_UNWRITTEN = 10_000
_RECENT_NS = 1_000_000_000
"""For about so long, what a span computed says whose the threads are that work on after it (BLAS spins for a while)."""

_CLOCK_STEP_NS = 1_000_000_000
"""A window whose length differs by more between the clock on the wall and the monotonic one has seen a step."""

_HOST_TICK_NS = 10_000_000
"""Grain of the host's busy time. A share cannot be told more finely than this."""


@dataclass(frozen=True)
class Key:
    """What is not summed within a process: one record a window for each."""

    service: str | None
    phase: str
    run_id: str | None
    endpoint: str | None
    model_version: str | None
    tracking_uri: str | None


@dataclass
class Delta:
    """What one kind of span did since the last reading."""

    cpu_ns: int = 0
    in_flight_ns: int = 0
    spans: int = 0
    units_micro: int | None = None
    accepted_micro: int | None = None
    ended: int = 0
    last_failed: bool = False
    tokens: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    quality: dict[str, float] = field(default_factory=dict)


_NOTHING = Delta()


@dataclass
class Look:
    """One look at a subject: what it did since the last look."""

    process_cpu_ns: int
    own_cpu_ns: int
    outside_cpu_ns: int
    coverage: float
    deltas: dict[Key, Delta]
    devices_claimed: bool = False  # by a process that is measured inside this subject, and claims the same devices


class Subject(Protocol):
    """What is measured: this process, or others seen from outside."""

    def look(self, wall_ns: int) -> Look:
        """What it did since the last call."""
        ...

    def lost(self) -> Counter[str]:
        """What could not be recorded since the last call, by cause."""
        ...


def _sum(left: int | None, right: int | None) -> int | None:
    if left is None or right is None:
        return left if right is None else right
    return left + right


class _Window:
    """What readings add up to until it is written: exact integers, by kind and key."""

    def __init__(self, start_utc_ns: int, start_wall_ns: int) -> None:
        self.start_utc_ns = start_utc_ns
        self.start_wall_ns = start_wall_ns
        self.deltas: dict[Key, Delta] = {}
        self.energy: dict[tuple[str, Key | None], dict[str, int | None]] = {}
        self.cpu_ns: Counter[str] = Counter()
        self.claimed = 0
        self.metered = 0
        self.lost: Counter[str] = Counter()
        self.shared_devices: set[str] = set()

    def add_energy(self, kind: str, key: Key | None, energy: Mapping[str, int | None]) -> None:
        total = self.energy.setdefault((kind, key), dict.fromkeys(COMPONENTS))
        for component in COMPONENTS:
            total[component] = _sum(total[component], energy[component])

    def add_delta(self, key: Key, delta: Delta) -> None:
        total = self.deltas.setdefault(key, Delta())
        total.cpu_ns += delta.cpu_ns
        total.in_flight_ns += delta.in_flight_ns
        total.spans += delta.spans
        total.units_micro = _sum(total.units_micro, delta.units_micro)
        total.accepted_micro = _sum(total.accepted_micro, delta.accepted_micro)
        if delta.ended:
            total.ended += delta.ended
            total.last_failed = delta.last_failed
        total.tokens.update(delta.tokens)
        total.quality.update(delta.quality)


class Recorder:
    """Turns readings into records in the journal. Used by one thread.

    Args:
        settings: What is configured. Illegal values are counted as lost, never raised.
        subject: What is measured.
        meters: One a component at most; a component without one is missing.
        pid: The measured process.
        start: The clocks at which measuring began: (UTC ns, monotonic ns, host busy time).
        complain: Says once, in the host's log, what is wrong.
        claim: Is told how much CPU time is in the journal, so that whoever measures from above or outside leaves it out.
    """

    def __init__(
        self,
        settings: Settings,
        subject: Subject,
        meters: Sequence[Meter],
        *,
        pid: int,
        start: tuple[int, int, BusyTime],
        complain: Any,
        claim: Claim | None = None,
    ) -> None:
        self._settings = settings
        self._claim = claim
        self._subject = subject
        self._meters = meters
        self._methods = metering.methods(meters)
        self._pid = pid
        self._complain = complain
        self._context = hardware.context()
        utc_ns, self._wall_ns, self._host = start
        self._window = _Window(utc_ns, self._wall_ns)
        self._carry = dict.fromkeys(COMPONENTS, 0.0)
        self._reported: dict[Key, bool] = {}
        self._journal: Journal | None = None
        self._writer: Writer | None = None
        self._targets: dict[str, str | None] = {}
        self._unwritten: list[Record] = []
        self._next_helper_check = 0.0
        self._cpus = hardware.cpu_count()
        self._background_cpus = 0.0
        self._recent_cpu_ns: dict[Key, float] = {}
        self._host_lock = _take_host(settings) if settings.scope == "host" else None
        self._whole = self._host_lock is not None
        self._host_is_taken = settings.scope == "host" and not self._whole
        if self._host_is_taken:
            self._window.lost["host-scope-taken"] += 1
            complain("scope = host: another process of this home claims the whole host already, so this one claims nothing")
        for problem in settings.problems:
            self._window.lost[f"invalid-setting:{problem.name}"] += 1
            complain(str(problem))

    # readings

    def read(self) -> None:
        """One reading: share out the energy since the last one."""
        wall_ns = time.perf_counter_ns()
        host = hardware.host_busy_time()
        look = self._subject.look(wall_ns)
        elapsed_ns = wall_ns - self._wall_ns
        busy_ns = host.busy_ns - self._host.busy_ns
        total_ns = host.total_ns - self._host.total_ns
        # The kernel counts the host in ticks and us in nanoseconds: never less than we know was used.
        claimed_cpu_ns = look.process_cpu_ns + look.own_cpu_ns
        busy_ns = max(busy_ns, claimed_cpu_ns)
        total_ns = max(total_ns, busy_ns, elapsed_ns if total_ns <= 0 else 0)
        load = min(busy_ns / total_ns, 1.0) if total_ns > 0 else 0.0
        whole = self._whole
        share = 1.0 if whole else min(claimed_cpu_ns / max(busy_ns, _HOST_TICK_NS), 1.0)
        self._wall_ns, self._host = wall_ns, host

        claim: dict[str, int | None] = dict.fromkeys(COMPONENTS)
        for meter in self._meters:
            try:
                metered = meter.read(elapsed_ns / 1e9, load)
            except Exception as error:  # noqa: BLE001 - one meter that breaks must not take the others with it
                self._complain(f"{meter.component} meter {meter.method.name}: {type(error).__name__}: {error}")
                metered = None
            if metered is None:
                self._window.lost[f"{meter.component}-unread"] += 1
                continue
            if self._host_is_taken:
                continue  # all of it is in the claim of another process
            claimable = share if meter.domain != DEVICES else float(whole or not look.devices_claimed)
            exact = self._carry[meter.component] + metered * claimable
            claim[meter.component] = int(exact)
            self._carry[meter.component] = exact - int(exact)
            if meter.domain != DEVICES:
                self._window.metered += metered
                self._window.claimed += int(exact)

        for meter in self._meters:
            self._window.lost.update(meter.lost())
            self._window.shared_devices.update(meter.shared_devices)
        if whole:
            claim = self._set_idle_apart(claim, look.coverage)
        self._share_out(claim, look, elapsed_ns)
        self._window.lost.update(self._subject.lost())

    def _set_idle_apart(self, claim: Mapping[str, int | None], coverage: float) -> dict[str, int | None]:
        """On a dedicated host, what is used while no span is in flight is idle energy of the service it waits for."""
        busy_parts = round(min(max(coverage, 0.0), 1.0) * 1_000_000)
        active: dict[str, int | None] = {}
        idle: dict[str, int | None] = {}
        for component in COMPONENTS:
            energy = claim[component]
            if energy is None:
                active[component] = idle[component] = None
            else:
                active[component], idle[component] = split_integer(energy, [busy_parts, 1_000_000 - busy_parts])
        self._window.add_energy(KIND_IDLE, None, idle)
        return active

    def _share_out(self, claim: Mapping[str, int | None], look: Look, elapsed_ns: int) -> None:
        keys = list(look.deltas)
        spans_cpu_ns = sum(delta.cpu_ns for delta in look.deltas.values())
        worker_cpu_ns = max(look.process_cpu_ns - spans_cpu_ns - look.outside_cpu_ns, 0)
        coverage = min(max(look.coverage, 0.0), 1.0)
        recent = {key: cpu_ns * math.exp(-elapsed_ns / _RECENT_NS) for key, cpu_ns in self._recent_cpu_ns.items()}
        if worker_cpu_ns:
            keys += [key for key in recent if key not in look.deltas]
        deltas = [look.deltas.get(key, _NOTHING) for key in keys]
        if coverage == 0 and elapsed_ns > 0:  # no span at all: what workers use now is not for any
            self._background_cpus = worker_cpu_ns / elapsed_ns
        attribution = attribute(
            claim,
            Activity(
                spans=[
                    (delta.cpu_ns, delta.in_flight_ns, round(recent.get(key, 0.0)))
                    for key, delta in zip(keys, deltas, strict=True)
                ],
                worker_cpu_ns=worker_cpu_ns,
                outside_cpu_ns=look.outside_cpu_ns,
                own_cpu_ns=look.own_cpu_ns,
                coverage=coverage,
                # Covered to the end of both readings, workers' clocks may still be a little ahead of the wall's.
                room_cpu_ns=worker_cpu_ns if coverage == 1 else round(coverage * elapsed_ns * self._cpus),
                background_cpu_ns=round((1 - coverage) * elapsed_ns * self._background_cpus),
            ),
        )
        for key, energy, cpu_ns in zip(keys, attribution.spans, attribution.cpu_ns, strict=True):
            self._window.add_energy(KIND_SPAN, key, energy)
            self._window.add_delta(key, replace(look.deltas.get(key, _NOTHING), cpu_ns=cpu_ns))
        self._window.add_energy(KIND_UNATTRIBUTED, None, attribution.unattributed)
        self._window.add_energy(KIND_OVERHEAD, None, attribution.overhead)
        self._window.cpu_ns[KIND_UNATTRIBUTED] += attribution.unattributed_cpu_ns
        self._window.cpu_ns[KIND_OVERHEAD] += look.own_cpu_ns
        for key, delta in look.deltas.items():
            recent[key] = recent.get(key, 0.0) + delta.cpu_ns
        self._recent_cpu_ns = {key: cpu_ns for key, cpu_ns in recent.items() if cpu_ns >= 1000}

    # windows

    def window_seconds(self) -> float:
        """Age of the open window, whatever happens to the clock on the wall."""
        return (time.perf_counter_ns() - self._window.start_wall_ns) / 1e9

    def crosses_half_hour(self) -> bool:
        """Whether a half-hour has begun since the window opened."""
        return time.time_ns() >= half_hour_start(self._window.start_utc_ns) + HALF_HOUR_NS

    def close_window(self) -> bool:
        """Write the open window to the journal and open the next one. A failed write is counted and shown.

        Returns:
            Whether everything so far is in the journal.
        """
        now_ns = time.time_ns()
        self._place(self._window, now_ns)
        records = [*self._unwritten, *self._records(self._window, max(now_ns, self._window.start_utc_ns))]
        self._window = _Window(now_ns, time.perf_counter_ns())
        if not records:
            return True
        try:
            if self._writer is None:
                settings = self._settings
                self._journal = Journal(settings.home, max_bytes=round(settings.journal_max_mb * 1e6))
                self._writer = self._journal.writer()
                if self._claim is not None:
                    self._claim.writes_to(str(self._journal.folder), self._writer.name)
            self._writer.append(self._with_targets(records))
        except JournalError as error:
            # Tried again with the next window; what does not fit in memory is told by the next record that can be written.
            self._unwritten = records[-_MAX_UNWRITTEN:]
            for dropped in records[:-_MAX_UNWRITTEN]:
                self._window.lost.update(dropped.lost)
                self._window.lost["unwritten-records"] += 1
            self._complain(str(error))
            return False
        self._unwritten = []
        day, _, _ = self._writer.position[0].partition("/")
        if self._claim is not None and not self._claim.add(sum(r.cpu_ns for r in records), day, self._writer.position[1]):
            self._window.lost["claim-unwritten"] += 1
        if self._writer.used_share >= ANNOUNCE_SHARE:
            self._complain(
                f"the journal uses {self._writer.used_share:.0%} of its cap (journal_max_mb): deliver, then archive old days"
            )
        self._start_helper()
        return True

    def _place(self, window: _Window, end_utc_ns: int) -> None:
        """Where the clock on the wall was set, or the machine slept, a window is as long as it was, and ends now."""
        elapsed_ns = round(self.window_seconds() * 1e9)
        stepped_ns = end_utc_ns - window.start_utc_ns - elapsed_ns
        if abs(stepped_ns) > max(_CLOCK_STEP_NS, elapsed_ns // 1000):  # clocks are steered by up to 0.05 %
            window.start_utc_ns = max(end_utc_ns - elapsed_ns, 0)
            window.lost["clock-step"] += 1

    def close(self) -> bool:
        """Last reading, last window. Returns what ``close_window`` does."""
        self.read()
        written = self.close_window()
        if self._claim is not None:
            self._claim.end()
        if self._writer is not None:
            self._writer.close()
        if self._host_lock is not None:
            os.close(self._host_lock)
            self._host_lock = None
        return written

    def await_delivery(self) -> None:
        """Give the helper ``exit_seconds`` to send what was just written. Short ones are not worth a look."""
        settings = self._settings
        if self._writer is None or not any(self._targets.values()):
            return
        if settings.delivery == "helper" and settings.exit_seconds >= 1:
            file, size_bytes = self._writer.position
            await_delivery(Path(settings.home), file, size_bytes, settings.exit_seconds)

    def _records(self, window: _Window, end_utc_ns: int) -> list[Record]:
        share = window.claimed / window.metered if window.metered else None
        devices = tuple(device for meter in self._meters for device in meter.devices)

        def record(kind: str, key: Key | None, energy: Mapping[str, int | None], **more: Any) -> Record:
            return Record(
                record_id=str(uuid.uuid4()),
                kind=kind,
                service=key.service if key else (self._settings.service if kind == KIND_IDLE else None),
                phase=key.phase if key else None,
                instance=self._settings.instance,
                pid=self._pid,
                start_utc_ns=window.start_utc_ns,
                end_utc_ns=end_utc_ns,
                energy_microjoules=energy,
                # A window in which a component could never be read has no energy for it: missing, not zero.
                method={
                    component: Method(MISSING, f"{self._methods[component].name}:unread")
                    if energy[component] is None and self._methods[component].status != MISSING
                    else self._methods[component]
                    for component in COMPONENTS
                },
                run_id=key.run_id if key else None,
                endpoint=key.endpoint if key else None,
                model_version=key.model_version if key else None,
                devices=devices if energy["gpu"] else (),
                shared_devices=tuple(sorted(window.shared_devices)) if energy["gpu"] else (),
                scope=self._settings.scope,
                share_claimed=None if share is None else round(share, 6),
                reserved_share=self._settings.reserved_share,
                zone=self._settings.zone,
                target=key.tracking_uri if key else None,
                context=self._context,
                **more,
            )

        records = []
        for key, delta in window.deltas.items():
            energy = window.energy[(KIND_SPAN, key)]
            if not (delta.spans or delta.cpu_ns or delta.in_flight_ns or delta.units_micro or any(energy.values())):
                continue
            records.append(
                record(
                    KIND_SPAN,
                    key,
                    energy,
                    spans=delta.spans,
                    units_micro=delta.units_micro,
                    accepted_micro=delta.accepted_micro,
                    cpu_ns=delta.cpu_ns,
                    tokens=_tokens(delta.tokens),
                    quality=delta.quality,
                )
            )
        for (kind, key_or_none), energy in window.energy.items():
            lost = dict(window.lost) if kind == KIND_OVERHEAD else {}
            if kind != KIND_SPAN and key_or_none is None and (any(energy.values()) or lost):
                records.append(record(kind, None, energy, cpu_ns=window.cpu_ns[kind], lost=lost))
        for key, delta in window.deltas.items():
            if delta.ended and key.run_id is not None and self._reported.get(key) is not delta.last_failed:
                self._reported[key] = delta.last_failed
                nothing: dict[str, int | None] = dict.fromkeys(COMPONENTS)
                outcome = "failed" if delta.last_failed else "ok"
                records.append(record(KIND_OUTCOME, key, nothing, outcome=outcome))
        return records

    # where it goes

    def _with_targets(self, records: Sequence[Record]) -> list[Record]:
        """Replace tracking URIs, which may hold paths and hosts, by ids that mean something on this host only."""
        default = active_run().tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or None
        return [replace(record, target=self._target_id(record.target or default)) for record in records]

    def _target_id(self, uri: str | None) -> str | None:
        if uri is None or self._journal is None:
            return None
        if uri not in self._targets:
            self._targets[uri] = register_target(self._journal.home, uri)
        return self._targets[uri]

    def _start_helper(self) -> None:
        if not any(self._targets.values()) or time.monotonic() < self._next_helper_check:
            return
        self._next_helper_check = time.monotonic() + _HELPER_CHECK_SECONDS
        try:
            spawn_helper(self._settings)
        except OSError as error:
            self._complain(f"the delivery helper cannot be started ({error}); 'ecoia deliver' sends what is in the journal")


def _take_host(settings: Settings) -> int | None:
    """The right to claim a dedicated host whole, held until this descriptor is closed; None when another process has it."""
    folder = Path(settings.home)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = os.open(folder / "host-scope.lock", os.O_WRONLY | os.O_CREAT, 0o600)
    except OSError:
        return None  # no journal can be written there either, and that is told
    if fcntl is not None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            return None
    return file


def _tokens(counts: Counter[tuple[str, str, str]]) -> tuple[Tokens, ...]:
    models = sorted({(provider, model) for provider, model, _ in counts})
    return tuple(Tokens(p, m, counts[(p, m, "in")], counts[(p, m, "out")]) for p, m in models)


# --- this process ------------------------------------------------------------------------------------------------


class ThisProcess:
    """The process that ecoia runs in: its spans, thread by thread, and the processes below it that measure nothing."""

    def __init__(
        self,
        engine: Engine,
        baseline: Baseline,
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

    def look(self, wall_ns: int) -> Look:
        """See ``Subject.look``."""
        deltas: dict[Key, Delta] = {}
        outside_ns = 0
        uncovered = 1.0
        elapsed_ns = max(wall_ns - self._wall_ns, 1)
        for state in list(self._engine.threads):
            seen = self._seen.setdefault(id(state), _Seen(state))
            ended = state.dead_cpu_ns >= 0  # asked first: a thread that ends while it is read is read once more
            thread_delta_ns, spans_delta_ns = seen.advance(wall_ns, self._key, deltas)
            outside_ns += max(thread_delta_ns - spans_delta_ns, 0)
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


class _Seen:
    """How far the sampler has read one thread's counters. Reads run beside the thread's own writing.

    Each value only grows, and a half-made step (a switch between two reads) shows up whole at the next reading.
    """

    def __init__(self, state: ThreadState) -> None:
        self.state = state
        self.covered_delta_ns = 0
        self._thread_cpu_ns = state.start_cpu_ns
        self._covered_ns = 0
        self._wall_ns = 0
        self._numbers: dict[int, tuple[int, ...]] = {}

    def advance(self, wall_ns: int, key_of: Any, deltas: dict[Key, Delta]) -> tuple[int, int]:
        """Add what is new to ``deltas``; returns (CPU time of the thread, of it in spans) since the last call."""
        state = self.state
        top, mark_ns, thread_ns = self._consistent_top()
        running = top._counters if top is not None else None
        call = top if top is not None and top.is_call else None
        spans_delta_ns = 0
        for counters in list(state.counters.values()):
            cpu_ns = counters.cpu_ns + (max(thread_ns - mark_ns, 0) if counters is running else 0)
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
            before = self._numbers.get(id(counters), (0,) * len(now))
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
                delta.units_micro = _sum(delta.units_micro, units)
            if accepted_given:
                delta.accepted_micro = _sum(delta.accepted_micro, accepted)
            if ended:
                delta.ended += ended
                delta.last_failed = counters.last_failed
        if call is not None:  # in flight since it began, or since the last reading; it may have no CPU time yet
            in_flight = wall_ns - max(call._start_ns, self._wall_ns)
            deltas.setdefault(key_of(call._counters), Delta()).in_flight_ns += max(in_flight, 0)
        self._wall_ns = wall_ns
        covered_ns = state.cover_ns + (max(wall_ns - state.cover_mark_ns, 0) if state.live or top is not None else 0)
        self.covered_delta_ns = max(covered_ns - self._covered_ns, 0)
        self._covered_ns = max(covered_ns, self._covered_ns)
        thread_delta_ns = max(thread_ns - self._thread_cpu_ns, 0)
        self._thread_cpu_ns = max(thread_ns, self._thread_cpu_ns)
        return thread_delta_ns, spans_delta_ns

    def _consistent_top(self) -> tuple[Any, int, int]:
        """(span on top, its mark, the thread's CPU clock), read again if the thread switched meanwhile."""
        state = self.state
        for _ in range(4):
            top, mark_ns = state.top, state.cpu_mark_ns
            thread_ns = self._thread_clock()
            if state.top is top and state.cpu_mark_ns == mark_ns:
                return top, mark_ns, thread_ns
        return None, 0, max(thread_ns, self._thread_cpu_ns)

    def _thread_clock(self) -> int:
        state = self.state
        if state.dead_cpu_ns >= 0:
            return state.dead_cpu_ns
        try:
            # Linux's CPU clock of a thread by its id; unlike pthread_getcpuclockid it is safe for a thread that died.
            return time.clock_gettime_ns((~state.tid << 3) | 6)
        except (OSError, AttributeError, OverflowError):
            return max(self._thread_cpu_ns, state.cpu_mark_ns)


def sample_this_process(engine: Engine, background: Background) -> None:
    """Body of the sampler thread: detect, then read and write until told to stop."""
    settings = configuration.load()
    background.exit_seconds = settings.exit_seconds
    baseline = background.baseline
    found = metering.detect(settings, baseline.counters, pids=background.descendants.pids)
    session_id = f"ecoia-{uuid.uuid4().hex[:16]}"
    recorder = Recorder(
        settings,
        ThisProcess(engine, baseline, session_id, settings, background.descendants),
        found,
        pid=background.pid,
        start=(baseline.utc_ns, baseline.wall_ns, baseline_busy_time(baseline)),
        complain=engine.complain,
        claim=background.claim,
    )
    background.ready.set()
    next_reading = time.monotonic()
    while not background.stopping:
        engine.follow()
        wanted = background.close_requested
        recorder.read()
        due = recorder.window_seconds() >= settings.flush_seconds or recorder.crosses_half_hour()
        if due or wanted > background.close_done:
            background.written = recorder.close_window()
            background.close_done = wanted
            background.closed.set()
        next_reading = max(next_reading + READING_SECONDS, time.monotonic())
        if background.event.wait(_seconds_to_next(next_reading)):
            background.event.clear()
            next_reading = time.monotonic()
    wanted = background.close_requested
    background.written = recorder.close()
    background.close_done = wanted
    recorder.await_delivery()


def _seconds_to_next(next_reading: float) -> float:
    """Until the next reading, or the half-hour's end if that is sooner."""
    to_boundary = (HALF_HOUR_NS - time.time_ns() % HALF_HOUR_NS) / 1e9
    return max(min(next_reading - time.monotonic(), to_boundary), 0.001)


def baseline_busy_time(baseline: Baseline) -> BusyTime:
    """The host's busy time at the baseline; where it was not read (no ``/proc``), now."""
    return hardware.parse_stat(baseline.stat_line) if baseline.stat_line else hardware.host_busy_time()
