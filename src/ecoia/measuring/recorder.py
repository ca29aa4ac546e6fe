"""The recorder: reads a subject and its meters, and writes a record of each window to the journal.

A *reading* is one look at the subject and at all meters. A *window* is the time between two writes to the journal. Readings
are time-stamped and never assumed periodic.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from ecoia import losses
from ecoia.light import TYPE_CHECKING
from ecoia.measuring.allocation import Allocation, Allocator
from ecoia.measuring.idle_split import separate_waiting, split_by_reserved_share
from ecoia.measuring.recent_energy import RecentEnergy
from ecoia.measuring.span_sharing import SpanSharing
from ecoia.measuring.subject import NO_DELTA, Guests, Look, RecordKey, Subject
from ecoia.measuring.window import Window
from ecoia.measuring.window_records import RecordBuilder, Reservation
from ecoia.measuring.write_and_retry import RecordWriter
from ecoia.meters import Meter, hardware
from ecoia.meters.hardware import BusyTime, ControlGroup
from ecoia.semconv import KIND_IDLE, KIND_OVERHEAD, KIND_SPAN, KIND_UNATTRIBUTED

if TYPE_CHECKING:
    from ecoia.measuring.token_sharing import DeviceShares, TokenSharing
    from ecoia.processes.notices import OwnNotice
    from ecoia.settings import Settings

READING_SECONDS = 1.0
"""Often enough for counters, which wrap after minutes. Meters of momentary power are sampled more often."""

_READING_NS = round(READING_SECONDS * 1e9)

_KEEPING_PART = 100
"""Keeping the open window takes at most one part in so many of a CPU."""


class Recorder:
    """Turns readings into records in the journal. Used by one thread.

    Args:
        settings: Settings. Illegal values are counted as lost, never raised.
        subject: The measured subject.
        meters: At most one for each component; a component without a meter is missing.
        pid: The measured process, as records name it.
        start: When measuring began: (UTC in ns, monotonic clock in ns, the host's busy time).
        complain: Logs once, in the host's log, what is wrong.
        notice: States how much CPU time is in records, for processes that measure this one too.
        group: Control group of the subject; None for our own.
        writer: The journal of the process, with its own notice; None for a new one.
        guests: Where the energy of keys with a ``guest`` is handed over; None: it is recorded.

    Attributes:
        window: The open window.
        written: Whether the last window that was closed is in the journal.
        joules_per_cpu_second: Energy over CPU time in the last window that was closed, without idle energy; None if unknown.

    Example::

        recorder = Recorder(settings, subject, meters, pid=os.getpid(), start=start, complain=print)
        while running:
            time.sleep(recorder.step())
        recorder.close()
    """

    def __init__(
        self,
        settings: Settings,
        subject: Subject,
        meters: Sequence[Meter],
        *,
        pid: int,
        start: tuple[int, int, BusyTime],
        complain: Callable[[str], None],
        notice: OwnNotice | None = None,
        group: ControlGroup | None = None,
        writer: RecordWriter | None = None,
        recent: RecentEnergy | None = None,
        guests: Guests | None = None,
    ) -> None:
        utc_ns, self._wall_ns, busy = start
        self._subject = subject
        self._guests = guests
        self._allocator = Allocator(settings, meters, (self._wall_ns, busy), complain, group=group)
        self._sharing = SpanSharing(self._wall_ns, self._allocator.cpus)
        self._settings = settings
        self._weights: TokenSharing | None = None  # until a span tells any
        self._builder = RecordBuilder(
            settings, meters, pid=pid, context=hardware.context(group=group, instance_type=settings.instance_type)
        )
        self._writer = writer or RecordWriter(settings, complain, notice)
        self._flush_ns = round(settings.flush_seconds * 1e9)
        self._sampling_ns = round(min([READING_SECONDS, *(meter.reading_seconds for meter in meters)]) * 1e9)
        self._next_reading_ns = 0
        self._next_keeping_ns = 0
        self._has_adopted = False
        self._active_until_ns: dict[RecordKey, int] = {}
        self._running: set[RecordKey] = set()  # keys with spans that were open at the last reading
        self.window = Window(utc_ns, self._wall_ns, self._flush_ns)
        self.written = True
        self.joules_per_cpu_second: float | None = None
        self.recent = recent or RecentEnergy()
        for problem in settings.problems:
            self.window.lost[f"{losses.INVALID_SETTING}:{problem.name}"] += 1
            complain(str(problem))

    @property
    def journal_file(self) -> tuple[str, str] | None:
        """The journal's home and the name of this recorder's files in it; None until the first write."""
        return self._writer.journal_file

    # readings

    def step(self, *, close: bool = False) -> float:
        """Do what is due: a sample of momentary power, a reading, the end of a window.

        Args:
            close: End the window now.

        Returns:
            Seconds until something is due again.
        """
        now_ns, window = time.perf_counter_ns(), self.window
        close = close or now_ns >= window.due_ns or window.crosses_half_hour()
        if close or now_ns >= self._next_reading_ns:
            self.read()
            if close:
                self.written = self.close_window()
                window = self.window
            else:
                self.keep_window()
                self._adopt_once()
            if now_ns >= self._next_reading_ns:  # one interval after the last reading was due, or from now if that is past
                self._next_reading_ns += _READING_NS
                if self._next_reading_ns <= now_ns:
                    self._next_reading_ns = now_ns + _READING_NS
        else:
            self._allocator.sample()
        to_half_hour_ns = window.half_hour_ends_ns - time.time_ns()
        to_next_ns = min(self._next_reading_ns, window.due_ns) - time.perf_counter_ns()
        return max(min(to_next_ns, self._sampling_ns, to_half_hour_ns) / 1e9, 0.001)

    def read(self) -> None:
        """Take one reading: allocate the energy since the last one, and split it."""
        wall_ns = time.perf_counter_ns()
        look = self._subject.look(wall_ns)
        elapsed_ns, self._wall_ns = wall_ns - self._wall_ns, wall_ns
        if look.reserved is not None:
            self._allocator.reserve(min(sum(look.reserved.values()), 1.0))  # quotas may promise more than there is
        allocation = self._allocator.allocate(
            wall_ns, look.process_cpu_ns + look.own_cpu_ns, own_devices=not look.devices_recorded_inside
        )
        self._add_totals(allocation)
        self.window.links += look.links
        self.window.stolen_ns += round(allocation.stolen_part * elapsed_ns)
        if self._allocator.whole or look.waits is not None:
            separate_waiting(allocation, look.coverage)
        if any(allocation.idle.values()):
            reserved = look.reserved or ({} if look.waits is None else {look.waits: 1.0})
            split = split_by_reserved_share(allocation.idle, reserved, whole_host=self._allocator.whole)
            for key, energy in split:
                self._add_energy(KIND_IDLE, key, energy)
        self._add_shares(allocation, look, elapsed_ns)
        if self._guests is not None:
            self._guests.write()

    def _add_totals(self, allocation: Allocation) -> None:
        window = self.window
        window.metered += allocation.metered_microjoules
        window.allocated += allocation.allocated_microjoules
        window.shared_devices |= allocation.shared_devices
        for lost in (allocation.lost, self._subject.lost()):
            if lost:  # most often empty, and updating a Counter is slow
                window.lost.update(lost)

    def _add_shares(self, allocation: Allocation, look: Look, elapsed_ns: int) -> None:
        window = self.window
        shared = self._sharing.split(allocation.active, look, allocation.users, wall_ns=self._wall_ns, elapsed_ns=elapsed_ns)
        attribution = shared.attribution
        for key, energy, cpu_ns in zip(shared.keys, attribution.spans, attribution.cpu_ns, strict=True):
            self._add_energy(KIND_SPAN, key, energy)
            window.add_delta(key, look.deltas.get(key, NO_DELTA).with_cpu_ns(cpu_ns))
        window.covered_ns += round(look.coverage * elapsed_ns)
        window.threads_ns += look.threads_ns
        self._note_active(look, elapsed_ns)
        window.add_energy(KIND_UNATTRIBUTED, None, attribution.unattributed)
        window.add_energy(KIND_OVERHEAD, None, attribution.overhead)
        window.cpu_ns[KIND_UNATTRIBUTED] += attribution.unattributed_cpu_ns
        window.cpu_ns[KIND_OVERHEAD] += look.own_cpu_ns

    def _add_energy(self, kind: str, key: RecordKey | None, energy: Mapping[str, int | None]) -> None:
        """Record energy, or hand it to the virtual machine that it is of: never both."""
        if key is not None and key.guest is not None and self._guests is not None:
            self.window.allocated -= self._guests.add(key.guest, energy)
            energy = {**energy, "cpu": None, "ram": None}
        self.window.add_energy(kind, key, energy)

    def _note_active(self, look: Look, elapsed_ns: int) -> None:
        """Note when spans were open in the interval that this reading ends, so that a short run does not look like a window.

        Known is how long they were open in it, in all, and whether any ended. What began in it is taken to end with it, and what
        went on and ended to begin with it: the duration is right, its place within a reading need not be.
        """
        began_ns, now_ns = self._wall_ns - elapsed_ns, self._wall_ns
        self.window.read_until_ns = now_ns
        self.window.active_until_ns = self._active_until_ns
        running = set()
        for key, open_ns in _open_times(look, elapsed_ns).items():
            ended = bool(look.deltas[key].spans)
            if not ended:
                running.add(key)
            start_ns = began_ns if key in self._running else now_ns - open_ns
            end_ns = began_ns + open_ns if key in self._running and ended else now_ns
            self.window.add_active(key, start_ns, end_ns)
            self._active_until_ns[key] = end_ns
        self._running = running

    # windows

    def keep_window(self) -> None:
        """Keep the open window where the death of this process cannot take it; whoever comes next takes it into the journal.

        The greater the window, the less often it is kept, so that keeping costs no more than a hundredth of a CPU.
        """
        began_ns = time.perf_counter_ns()
        if began_ns < self._next_keeping_ns:
            return
        cpu_ns = time.thread_time_ns()
        bounds = self.window.bounds(time.time_ns())
        shares = self._shares_by_weight(self.window, began_ns, may_carry=False)
        self._writer.keep(self._builder.build_open(self.window, bounds, self._reservation(), shares))
        self._next_keeping_ns = began_ns + (time.thread_time_ns() - cpu_ns) * _KEEPING_PART - _READING_NS // 2

    def _adopt_once(self) -> None:
        """Take into the journal what processes of this home that ended suddenly have kept."""
        if not self._has_adopted:
            self._has_adopted = True
            self._writer.adopt()

    def _reservation(self) -> Reservation:
        return Reservation(self._allocator.reserved_share, self._allocator.idle_separated)

    def close_window(self, *, last: bool = False) -> bool:
        """Write the open window to the journal and open the next one. A failed write is counted and logged.

        Args:
            last: Whether nothing will be read after it, so that no energy can wait for a weight.

        Returns:
            Whether all windows so far are in the journal.
        """
        now_utc_ns, window = time.time_ns(), self.window
        end_utc_ns = window.end(now_utc_ns)
        if losses.CLOCK_STEP in window.lost:
            self._builder.ids.renew()
        self.joules_per_cpu_second = window.joules_per_cpu_second()
        now_ns = time.perf_counter_ns()
        shares = self._shares_by_weight(window, now_ns, may_carry=not last and end_utc_ns < window.half_hour_ends_ns)
        records = self._builder.build(window, end_utc_ns, self._reservation(), shares)
        self.window = Window(now_utc_ns, now_ns, self._flush_ns)
        self.recent.add(records, window.deltas)
        written = self._writer.write(records)
        self.window.lost.update(self._writer.lost)
        self._writer.lost.clear()
        if shares is not None and shares.carried:
            self.window.carry(shares.carried, window)
            self._next_keeping_ns = 0
            self.keep_window()  # a death before the next reading must not take what waits
        return written

    def _shares_by_weight(self, window: Window, now_ns: int, *, may_carry: bool) -> DeviceShares | None:
        if self._weights is None:
            if not any(delta.tokens or delta.weights for delta in window.deltas.values()):
                return None
            from ecoia.measuring.token_sharing import TokenSharing  # few programs serve a model

            self._weights = TokenSharing.of(self._settings)
        return self._weights.settle(window, now_ns=now_ns, may_carry=may_carry)

    def close(self) -> bool:
        """Take the last reading and write the last window. Returns what ``close_window`` returns."""
        self.read()
        written = self.close_window(last=True)
        self._writer.end()
        self.let_go()
        return written

    def await_delivery(self) -> None:
        """Wait at most ``exit_seconds`` until the helper has sent the last records."""
        self._writer.await_delivery()

    def let_go(self) -> None:
        """Close all files and release all locks; in a forked child, close the parent's files."""
        self._writer.let_go()
        self._allocator.let_go()


def _open_times(look: Look, elapsed_ns: int) -> dict[RecordKey, int]:
    """Return how long spans of each key were open since the last reading. Processor time that comes after the end opens none.

    A thread's call that is over says no longer how long it was in flight: such calls share the covered time that no open call
    takes, by their processor time.
    """
    found = {key: min(delta.in_flight_ns, elapsed_ns) for key, delta in look.deltas.items() if delta.in_flight_ns > 0}
    over = {key: delta.cpu_ns for key, delta in look.deltas.items() if delta.spans and delta.in_flight_ns <= 0}
    left_ns, cpu_ns = round(look.coverage * elapsed_ns) - sum(found.values()), sum(over.values())
    for key, own_ns in over.items():
        share_ns = left_ns * own_ns // cpu_ns if cpu_ns else left_ns // len(over)
        found[key] = share_ns if left_ns > 0 else min(own_ns, elapsed_ns)  # other threads cover the time as well
    return found
