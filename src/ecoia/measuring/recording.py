"""Turns readings into records in the journal, window by window.

One ``Recorder`` serves every subject: this process (``ecoia.measuring.sampler``), or others seen from
outside (``ecoia.watching``).
A *reading* is one look at the subject and at all meters; a *window* is what lies between two writings to the journal.
Readings are time-stamped and never assumed periodic.
"""

from __future__ import annotations

import math
import os
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ecoia import causes
from ecoia import meters as metering
from ecoia.errors import JournalError
from ecoia.instrument.mlflow_run import active_run
from ecoia.keeping.destinations import register_target
from ecoia.keeping.helper import await_delivery, spawn_helper
from ecoia.keeping.journal import ANNOUNCE_SHARE, Journal
from ecoia.keeping.journal_writer import Writer
from ecoia.measuring.attribution import Activity, attribute
from ecoia.measuring.claiming import Claimant, Claimed
from ecoia.meters import Meter, hardware
from ecoia.meters.hardware import BusyTime
from ecoia.methods import Method
from ecoia.periods import HALF_HOUR_NS, half_hour_start
from ecoia.records import Record, Tokens
from ecoia.semconv import (
    COMPONENTS,
    KIND_IDLE,
    KIND_OUTCOME,
    KIND_OVERHEAD,
    KIND_SPAN,
    KIND_UNATTRIBUTED,
    MISSING,
)
from ecoia.units import split_integer

if TYPE_CHECKING:
    from ecoia.instrument.start import Baseline
    from ecoia.processes.families import Claim
    from ecoia.settings import Settings

READING_SECONDS = 1.0
"""Ample for counters, whose wraps take minutes; meters that see momentary power only are sampled more often."""

_READING_NS = round(READING_SECONDS * 1e9)

_HELPER_CHECK_SECONDS = 60.0
_MAX_UNWRITTEN = 10_000
_RECENT_NS = 1_000_000_000
"""For about so long, what a span computed says whose the threads are that work on after it (BLAS spins for a while)."""

_SETTLING_NS = 2_000_000_000
"""So long after the last span, what threads outside spans use has nothing to do with it."""

_LEAST_CPU_NS = 10_000_000
"""With less CPU time in a window, its energy over it says nothing."""

_CLOCK_STEP_NS = 1_000_000_000
"""A window whose length differs by more between the clock on the wall and the monotonic one has seen a step."""


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
    owner_of: Callable[[int], Key | None] | None = None
    """Of a process, where the energy of devices goes by what their driver tells of processes; None: by CPU time."""

    reserved: Mapping[Key, float] | None = None
    """The share of the host that is reserved for each, where it is told by service; None: as configured, for all together."""


class Subject(Protocol):
    """What is measured: this process, or others seen from outside."""

    def look(self, wall_ns: int) -> Look:
        """What it did since the last call."""
        ...

    def lost(self) -> Counter[str]:
        """What could not be recorded since the last call, by cause."""
        ...


def add_known(left: int | None, right: int | None) -> int | None:
    """The sum of what is not missing; None where all is."""
    if left is None or right is None:
        return left if right is None else right
    return left + right


class _Window:
    """What readings add up to until it is written: exact integers, by kind and key."""

    def __init__(self, start_utc_ns: int, start_wall_ns: int, flush_ns: int) -> None:
        self.start_utc_ns = start_utc_ns
        self.start_wall_ns = start_wall_ns
        self.due_ns = start_wall_ns + flush_ns
        self.half_hour_ends_ns = half_hour_start(start_utc_ns) + HALF_HOUR_NS
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
            total[component] = add_known(total[component], energy[component])

    def joules_per_cpu_second(self) -> float | None:
        """All but idle energy over CPU time; None where either is unknown."""
        energy = [e for (kind, _), of in self.energy.items() if kind != KIND_IDLE for e in of.values() if e is not None]
        cpu_ns = sum(self.cpu_ns.values()) + sum(delta.cpu_ns for delta in self.deltas.values())
        return sum(energy) * 1000 / cpu_ns if energy and cpu_ns >= _LEAST_CPU_NS else None

    def add_delta(self, key: Key, delta: Delta) -> None:
        total = self.deltas.setdefault(key, Delta())
        total.cpu_ns += delta.cpu_ns
        total.in_flight_ns += delta.in_flight_ns
        total.spans += delta.spans
        total.units_micro = add_known(total.units_micro, delta.units_micro)
        total.accepted_micro = add_known(total.accepted_micro, delta.accepted_micro)
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
        group: The subject's control group; else ours.
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
        group: hardware.ControlGroup | None = None,
    ) -> None:
        self._settings = settings
        self._claim = claim
        self._subject = subject
        self._meters = meters
        self._methods = metering.methods(meters)
        self._pid = pid
        self._complain = complain
        self._context = hardware.context(group=group)
        utc_ns, self._wall_ns, host = start
        self._claimant = Claimant(settings, meters, (self._wall_ns, host), complain, group=group)
        self._flush_ns = round(settings.flush_seconds * 1e9)
        self._window = _Window(utc_ns, self._wall_ns, self._flush_ns)
        self._reported: dict[Key, bool] = {}
        self._journal: Journal | None = None
        self._writer: Writer | None = None
        self._targets: dict[str, str | None] = {}
        self._unwritten: list[Record] = []
        self._next_helper_check = 0.0
        self._next_reading_ns = 0
        self._sampling_ns = round(min([READING_SECONDS, *(meter.reading_seconds for meter in meters)]) * 1e9)
        self._background_cpus = 0.0
        self._covered_ns = self._wall_ns
        self._recent_cpu_ns: dict[Key, float] = {}
        self.written = True
        """Whether the last window that was closed is in the journal."""
        self.joules_per_cpu_second: float | None = None
        """Energy over CPU time in the last window that was closed, idle left out; None where either is unknown."""

        for problem in settings.problems:
            self._window.lost[f"{causes.INVALID_SETTING}:{problem.name}"] += 1
            complain(str(problem))

    @property
    def journal_file(self) -> tuple[Path, str] | None:
        """The journal's home, and the name of this recorder's files in it; None until it has written."""
        return None if self._journal is None or self._writer is None else (self._journal.home, self._writer.name)

    # readings

    def read(self) -> None:
        """One reading: share out the energy since the last one."""
        wall_ns = time.perf_counter_ns()
        look = self._subject.look(wall_ns)
        elapsed_ns, self._wall_ns = wall_ns - self._wall_ns, wall_ns
        claimant, window = self._claimant, self._window
        if look.reserved is not None:
            claimant.reserve(min(sum(look.reserved.values()), 1.0))  # limits may promise more than there is
        claim = claimant.claim(wall_ns, look.process_cpu_ns + look.own_cpu_ns, devices=not look.devices_claimed)
        window.metered += claim.metered_microjoules
        window.claimed += claim.claimed_microjoules
        window.shared_devices |= claimant.shared_devices
        window.lost.update(claimant.lost)
        window.lost.update(self._subject.lost())
        claimant.lost.clear()
        claimant.shared_devices.clear()
        users, claimant.users = claimant.users, Counter()
        if claimant.whole:
            self._set_waiting_apart(claim, look.coverage)
        if any(claim.idle.values()):
            self._add_idle(claim.idle, look.reserved or {})
        self._share_out(claim.active, look, elapsed_ns, users)

    def _set_waiting_apart(self, claim: Claimed, coverage: float) -> None:
        """On a dedicated host without a baseline, what is used while no span is in flight is idle: it waits for the service."""
        busy_parts = round(min(max(coverage, 0.0), 1.0) * 1_000_000)
        for component, energy in claim.active.items():
            if energy is not None and claim.idle[component] is None:
                claim.active[component], claim.idle[component] = split_integer(energy, [busy_parts, 1_000_000 - busy_parts])

    def _add_idle(self, idle: Mapping[str, int | None], reserved: Mapping[Key, float]) -> None:
        """Idle energy goes to whom its part of the host is reserved for; of a host claimed whole, the rest to nobody of them."""
        parts = [round(share * 1_000_000) for share in reserved.values()]
        rest = max(1_000_000 - sum(parts), 0) if self._claimant.whole or not any(parts) else 0
        shares = {
            component: [None] * (len(parts) + 1) if energy is None else split_integer(energy, [*parts, rest])
            for component, energy in idle.items()
        }
        for index, key in enumerate((*reserved, None)):
            energy = {component: split[index] for component, split in shares.items()}
            if any(energy.values()):
                self._window.add_energy(KIND_IDLE, key, energy)

    def _share_out(self, claim: Mapping[str, int | None], look: Look, elapsed_ns: int, users: Mapping[int, int]) -> None:
        keys = list(look.deltas)
        spans_cpu_ns = sum(delta.cpu_ns for delta in look.deltas.values())
        worker_cpu_ns = max(look.process_cpu_ns - spans_cpu_ns - look.outside_cpu_ns, 0)
        coverage = min(max(look.coverage, 0.0), 1.0)
        recent = {key: cpu_ns * math.exp(-elapsed_ns / _RECENT_NS) for key, cpu_ns in self._recent_cpu_ns.items()}
        if worker_cpu_ns:
            keys += [key for key in recent if key not in look.deltas]
        deltas = [look.deltas.get(key, _NOTHING) for key in keys]
        device_weights: list[int] | None = None
        if look.owner_of is not None:
            owners: Counter[Key | None] = Counter()
            for pid, weight in users.items():
                owners[look.owner_of(pid)] += weight
            device_weights = [owners.pop(key, 0) for key in keys]
            device_weights.append(owners.total())
        if coverage > 0:
            self._covered_ns = self._wall_ns
        elif self._wall_ns - elapsed_ns - self._covered_ns >= _SETTLING_NS:
            self._background_cpus = worker_cpu_ns / elapsed_ns  # without any span, so not for any
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
                room_cpu_ns=worker_cpu_ns if coverage == 1 else round(coverage * elapsed_ns * self._claimant.cpus),
                background_cpu_ns=round((1 - coverage) * elapsed_ns * self._background_cpus),
                device_weights=device_weights,
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

    def step(self, *, close: bool = False) -> float:
        """Do what is due: a sample of momentary power, a reading, the end of a window.

        Args:
            close: End the window now.

        Returns:
            Seconds until something is due again.
        """
        now_ns, window = time.perf_counter_ns(), self._window
        close = close or now_ns >= window.due_ns or self.crosses_half_hour()
        if close or now_ns >= self._next_reading_ns:
            self.read()
            if close:
                self.written = self.close_window()
                window = self._window
            if now_ns >= self._next_reading_ns:  # timed from the last one; where that is long ago, from now
                self._next_reading_ns = max(self._next_reading_ns, now_ns - _READING_NS) + _READING_NS
        else:
            self._claimant.sample()
        to_half_hour_ns = window.half_hour_ends_ns - time.time_ns()
        to_next_ns = min(self._next_reading_ns, window.due_ns) - time.perf_counter_ns()
        return max(min(to_next_ns, self._sampling_ns, to_half_hour_ns) / 1e9, 0.001)

    def window_seconds(self) -> float:
        """Age of the open window, whatever happens to the clock on the wall."""
        return (time.perf_counter_ns() - self._window.start_wall_ns) / 1e9

    def crosses_half_hour(self) -> bool:
        """Whether a half-hour has begun since the window opened."""
        return time.time_ns() >= self._window.half_hour_ends_ns

    def close_window(self) -> bool:
        """Write the open window to the journal and open the next one. A failed write is counted and shown.

        Returns:
            Whether everything so far is in the journal.
        """
        now_ns = time.time_ns()
        self._place(self._window, now_ns)
        self.joules_per_cpu_second = self._window.joules_per_cpu_second()
        records = [*self._unwritten, *self._records(self._window, max(now_ns, self._window.start_utc_ns))]
        self._window = _Window(now_ns, time.perf_counter_ns(), self._flush_ns)
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
                self._window.lost[causes.UNWRITTEN_RECORDS] += 1
            self._complain(str(error))
            return False
        self._unwritten = []
        day, _, _ = self._writer.position[0].partition("/")
        if self._claim is not None and not self._claim.add(sum(r.cpu_ns for r in records), day, self._writer.position[1]):
            self._window.lost[causes.CLAIM_UNWRITTEN] += 1
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
            window.lost[causes.CLOCK_STEP] += 1

    def close(self) -> bool:
        """Last reading, last window. Returns what ``close_window`` does."""
        self.read()
        written = self.close_window()
        if self._claim is not None:
            self._claim.end()
        self.let_go()
        return written

    def let_go(self) -> None:
        """Close its files; in a forked child the parent's, whose locks would else outlive it."""
        if self._writer is not None:
            self._writer.close()
        self._claimant.let_go()

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
                phase=key.phase if key and kind != KIND_IDLE else None,  # nothing ran
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
                reserved_share=round(self._claimant.reserved_share, 6),
                idle_separated=self._claimant.idle_separated,
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
            # CPU time in no record would be taken again, by whoever measures above: also where its energy is missing.
            if kind == KIND_IDLE or (kind != KIND_SPAN and (any(energy.values()) or window.cpu_ns[kind] or lost)):
                records.append(record(kind, key_or_none, energy, cpu_ns=window.cpu_ns[kind], lost=lost))
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
        default = active_run(self._lose).tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or None
        return [replace(record, target=self._target_id(record.target or default)) for record in records]

    def _lose(self, cause: str) -> None:
        self._window.lost[cause] += 1

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


def busy_time_at(baseline: Baseline) -> BusyTime:
    """The host's busy time at the baseline; where it was not read (no ``/proc``), now."""
    return hardware.parse_stat(baseline.stat_line) if baseline.stat_line else hardware.host_busy_time()


def _tokens(counts: Counter[tuple[str, str, str]]) -> tuple[Tokens, ...]:
    models = sorted({(provider, model) for provider, model, _ in counts})
    return tuple(Tokens(p, m, counts[(p, m, "in")], counts[(p, m, "out")]) for p, m in models)
