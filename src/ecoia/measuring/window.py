"""A window: the sums of all readings between two writes to the journal."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping

from ecoia import losses
from ecoia.light import NamedTuple
from ecoia.light.instants import HALF_HOUR_NS, half_hour_start
from ecoia.measuring.new_ids import NewIds
from ecoia.measuring.subject import Delta, Link, RecordKey, add_known
from ecoia.meters.hardware import MOST_STOLEN
from ecoia.semconv import COMPONENTS, KIND_IDLE, KIND_SPAN

_LEAST_CPU_NS = 10_000_000
"""With less CPU time than this in a window, the quotient of its energy and its CPU time means nothing."""

_CLOCK_STEP_NS = 1_000_000_000
"""If the wall clock and the monotonic clock differ by more than this over a window, the clock was set or the machine slept."""


class Carried(NamedTuple):
    """Device energy that waits for the weights of the requests in flight, with what is known of them.

    Attributes:
        microjoules: The energy.
        in_flight_ns: How long spans of each key were in flight, added up over spans.
        covered_ns: How long any span was in flight.
        since_ns: Since when it waits, on the monotonic clock.
    """

    microjoules: int
    in_flight_ns: dict[RecordKey, int]
    covered_ns: int
    since_ns: int


class Window:
    """Exact integer sums by kind of record and key.

    Args:
        start_utc_ns: When it opens, on the wall clock.
        start_wall_ns: When it opens, on the monotonic clock.
        flush_ns: How long it stays open.

    Attributes:
        deltas: Activity of spans, by key. Their CPU time includes their share of worker threads.
        energy: Microjoules by component, by kind of record and key; None if missing.
        cpu_ns: CPU time by kind of record, spans excepted.
        allocated: Microjoules of the host's meters that were allocated to the subject.
        metered: Microjoules that the same meters read.
        stolen_ns: Part of its time, averaged over the host's CPUs, that a hypervisor gave to other guests.
        lost: Losses by cause.
        active_until_ns: Until when spans of each key were open, on the monotonic clock, this window or an earlier one.
        read_until_ns: When the last reading was taken, on the monotonic clock.
        shared_devices: Devices whose whole energy is recorded, although other processes used them too.
        links: Links that were found.
        covered_ns: How long any span was in flight.
        threads_ns: How long threads had a span in flight, added up over threads.
        carried: Device energy of earlier windows that waits for weights, by kind of weight.

    The ids of its records are the window's, so they are the same however often the records are built.

    Example:
        >>> window = Window(start_utc_ns=0, start_wall_ns=0, flush_ns=10_000_000_000)
        >>> for microjoules in (None, 3, 4):
        ...     window.add_energy("span", None, {"cpu": microjoules, "gpu": None, "ram": 0})
        >>> window.energy["span", None]
        {'cpu': 7, 'gpu': None, 'ram': 0}
    """

    def __init__(self, start_utc_ns: int, start_wall_ns: int, flush_ns: int) -> None:
        self.start_utc_ns = start_utc_ns
        self.start_wall_ns = start_wall_ns
        self.due_ns = start_wall_ns + flush_ns
        self.half_hour_ends_ns = half_hour_start(start_utc_ns) + HALF_HOUR_NS
        self.deltas: dict[RecordKey, Delta] = {}
        self.energy: dict[tuple[str, RecordKey | None], dict[str, int | None]] = {}
        self.cpu_ns: Counter[str] = Counter()
        self.allocated = 0
        self.metered = 0
        self.stolen_ns = 0
        self.lost: Counter[str] = Counter()
        self.shared_devices: set[str] = set()
        self.links: list[Link] = []
        self.covered_ns = 0
        self.threads_ns = 0
        self.carried: Mapping[str, Carried] = {}
        self._record_ids: dict[tuple[str, RecordKey | Link | None], str] = {}
        self.active_until_ns: dict[RecordKey, int] = {}
        self.read_until_ns = start_wall_ns
        self._active_ns: dict[RecordKey, tuple[int, int]] = {}

    def record_id(self, kind: str, key: RecordKey | Link | None, new: NewIds) -> str:
        """Return the id of the record of a kind and key, a new one when it is asked for first."""
        known = self._record_ids.get((kind, key))
        if known is None:
            known = self._record_ids[kind, key] = new.next(kind, key)
        return known

    def add_energy(self, kind: str, key: RecordKey | None, energy: Mapping[str, int | None]) -> None:
        """Add microjoules by component to a kind of record and key."""
        total = self.energy.setdefault((kind, key), dict.fromkeys(COMPONENTS))
        for component in COMPONENTS:
            total[component] = add_known(total[component], energy[component])

    def add_delta(self, key: RecordKey, delta: Delta) -> None:
        """Add activity of the spans of a key."""
        self.deltas.setdefault(key, Delta()).add(delta)

    def carry(self, carried: Mapping[str, Carried], before: Window) -> None:
        """Begin with device energy of the window before that waits for weights.

        Args:
            carried: The energy, by kind of weight.
            before: The window before, whose components the energy's keys have.
        """
        self.carried = carried
        for key in dict.fromkeys(key for each in carried.values() for key in each.in_flight_ns):
            known = before.energy[KIND_SPAN, key]
            self.add_energy(KIND_SPAN, key, {component: None if known[component] is None else 0 for component in COMPONENTS})
            self.add_delta(key, Delta())

    def add_active(self, key: RecordKey, start_wall_ns: int, end_wall_ns: int) -> None:
        """Note that spans of a key were open within an interval of the monotonic clock."""
        known = self._active_ns.get(key, (start_wall_ns, end_wall_ns))
        self._active_ns[key] = min(known[0], start_wall_ns), max(known[1], end_wall_ns)

    def bounds_of(self, key: RecordKey, bounds_utc_ns: tuple[int, int]) -> tuple[int, int]:
        """Return the start and end in UTC ns of a key's spans in the window; the window's own where none was ever open.

        Args:
            key: The key.
            bounds_utc_ns: Start and end of the window.
        """
        if key not in self._active_ns:
            ended_ns = self.active_until_ns.get(key)
            if ended_ns is None:
                return bounds_utc_ns
            # What comes after the end takes no time: it stands at the end, or where the half-hour begins.
            at_ns = max(bounds_utc_ns[0] + min(ended_ns - self.start_wall_ns, 0), half_hour_start(bounds_utc_ns[0]))
            return at_ns, at_ns
        first_ns, last_ns = (bounds_utc_ns[0] + at_ns - self.start_wall_ns for at_ns in self._active_ns[key])
        end_ns = bounds_utc_ns[1] if self._active_ns[key][1] >= self.read_until_ns else min(last_ns, bounds_utc_ns[1])
        return min(max(first_ns, bounds_utc_ns[0]), end_ns), max(end_ns, bounds_utc_ns[0])

    def joules_per_cpu_second(self) -> float | None:
        """Return the energy of all kinds but idle over the CPU time; None if either is unknown."""
        energy = [e for (kind, _), of in self.energy.items() if kind != KIND_IDLE for e in of.values() if e is not None]
        cpu_ns = sum(self.cpu_ns.values()) + sum(delta.cpu_ns for delta in self.deltas.values())
        return sum(energy) * 1000 / cpu_ns if energy and cpu_ns >= _LEAST_CPU_NS else None

    def seconds(self) -> float:
        """Return the age of the window in seconds, on the monotonic clock."""
        return (time.perf_counter_ns() - self.start_wall_ns) / 1e9

    def crosses_half_hour(self) -> bool:
        """Return whether a half-hour began since the window opened."""
        return time.time_ns() >= self.half_hour_ends_ns

    def end(self, now_utc_ns: int) -> int:
        """End the window and return its end in UTC ns.

        If the wall clock jumped, keep the monotonic duration and end the window now, which moves its start.
        """
        start_utc_ns, end_utc_ns = self.bounds(now_utc_ns)
        if start_utc_ns != self.start_utc_ns:
            self.start_utc_ns = start_utc_ns
            self.lost[losses.CLOCK_STEP] += 1
        if self.stolen_ns > MOST_STOLEN * (end_utc_ns - start_utc_ns):
            self.lost[losses.CPU_STEAL] += 1
        return end_utc_ns

    def bounds(self, now_utc_ns: int) -> tuple[int, int]:
        """Return the start and end in UTC ns that the window would have if it ended now."""
        elapsed_ns = round(self.seconds() * 1e9)
        jump_ns = now_utc_ns - self.start_utc_ns - elapsed_ns
        jumped = abs(jump_ns) > max(_CLOCK_STEP_NS, elapsed_ns // 1000)  # NTP steers clocks by up to 0.05 %
        start_utc_ns = max(now_utc_ns - elapsed_ns, 0) if jumped else self.start_utc_ns
        return start_utc_ns, max(now_utc_ns, start_utc_ns)
