"""Allocate a part of each reading to the measured process: the only energy that it records.

*Active* energy is allocated by CPU time: the process's share of what the host used, or of what its control group used if
the meter covers the group alone. *Idle* energy is separated only if a baseline states what the machine draws at rest
(``ecoia baseline``). It is allocated to the process that reserved the capacity, by the quota of its control group or by the
setting ``reserved_share``. Processes of one home reserve together, so the one that holds the idle lock records it. On a
dedicated host (``scope = "host"``) one process records everything. So all processes together record
no more than the meter gave, without asking each other.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence

from ecoia import losses
from ecoia.light import TYPE_CHECKING
from ecoia.measuring.home_locks import IDLE, WHOLE_HOST, HomeLocks
from ecoia.measuring.host_share import CpuShares, HostShare
from ecoia.measuring.meter_readings import MeterReading, MeterReadings
from ecoia.meters import DEVICES, GROUP, HOST, Meter, hardware
from ecoia.meters.hardware import BusyTime, ControlGroup
from ecoia.semconv import COMPONENTS, IDLE_FILE

if TYPE_CHECKING:
    from pathlib import Path

    from ecoia.settings import Settings


class Allocation:
    """The part of one reading that the process records. Integer microjoules by component; None if missing.

    Attributes:
        active: Energy above the machine's energy at rest, or all of it without a baseline.
        idle: Energy at rest.
        metered_microjoules: Read by all meters that cover more than the process's own devices.
        allocated_microjoules: The part of ``metered_microjoules`` that was allocated.
        users: Weights of process ids in the energy of devices, as far as their driver reports them.
        shared_devices: Devices allocated whole although other processes used them too.
        stolen_part: Part of the host's CPU time, 0 to 1, that a hypervisor gave to other guests.
        lost: Readings that failed and other gaps, by cause.
    """

    def __init__(self) -> None:
        self.active: dict[str, int | None] = dict.fromkeys(COMPONENTS)
        self.idle: dict[str, int | None] = dict.fromkeys(COMPONENTS)
        self.metered_microjoules = 0
        self.allocated_microjoules = 0
        self.users: Counter[int] = Counter()
        self.shared_devices: set[str] = set()
        self.stolen_part = 0.0
        self.lost: Counter[str] = Counter()


class Allocator:
    """Reads the meters, and allocates each reading.

    Args:
        settings: ``home``, ``scope`` and ``reserved_share``.
        meters: At most one for each component.
        start: When measuring began: (monotonic clock in ns, the host's busy time).
        complain: Logs once, in the host's log, what is wrong.
        root: Folder that holds ``/proc`` and ``/sys``.
        group: Control group of the measured process; None for our own.

    Attributes:
        cpus: CPUs that the process may use at most.
        reserved_share: Share of the host reserved for the process, 0 to 1.
        whole: Whether the process records the whole host.

    Example:
        >>> from ecoia import settings
        >>> from ecoia.testing import FixedMeter
        >>> meters = [FixedMeter("gpu", watts=2, devices=["GPU-1"])]
        >>> allocator = Allocator(settings.load(), meters, (0, BusyTime(0, 0)), print)
        >>> allocator.allocate(wall_ns=500_000_000, cpu_ns=0).active["gpu"]
        1000000
    """

    def __init__(
        self,
        settings: Settings,
        meters: Sequence[Meter],
        start: tuple[int, BusyTime],
        complain: Callable[[str], None],
        root: str | Path = hardware.ROOT,
        group: ControlGroup | None = None,
    ) -> None:
        self._meters = meters
        self._wall_ns, busy = start
        group = group or hardware.control_group(root)
        self._in_group = any(meter.domain == GROUP for meter in meters)
        self._readings = MeterReadings(meters, self._wall_ns, complain)
        self._host_share = HostShare(self._wall_ns, busy, group, reads_group=self._in_group)
        self.cpus = self._host_share.cpus
        self._carry: dict[tuple[str, str], float] = {}
        self._idle_watts: dict[str, float] = {}
        self._lost: Counter[str] = Counter()
        if os.path.lexists(f"{settings.home}/{IDLE_FILE}"):
            from ecoia.meters import idle_power  # few hosts have a baseline

            idle_watts = idle_power.load(settings.home, meters, root, group)
            self._idle_watts, self._lost = idle_watts, Counter(idle_watts.lost)
        self._locks = HomeLocks(settings.home)
        self.reserve(settings.reserved_share if group.share is None else group.share)
        self._had_idle_lock = self._reserves and self._locks.has(IDLE)
        self.whole = settings.scope == "host" and self._locks.has(WHOLE_HOST)
        self._nothing = settings.scope == "host" and not self.whole
        if self._nothing:
            self._lost[losses.HOST_SCOPE_TAKEN] += 1
            complain(
                'scope = "host": another process of this home records the whole host already, so this one records no energy: '
                'end one of them, or set scope = "process" in both'
            )

    def reserve(self, share: float) -> None:
        """From now on, reserve this share of the host (0 to 1) for the process."""
        self.reserved_share = share
        self._reserves = bool(self._idle_watts) and (self._in_group or share > 0)

    @property
    def idle_separated(self) -> bool:
        """Whether there is a baseline at rest for everything that is metered."""
        return bool(self._meters) and all(meter.component in self._idle_watts for meter in self._meters)

    def sample(self) -> None:
        """Read momentary power between two readings."""
        self._readings.sample()

    def allocate(self, wall_ns: int, cpu_ns: int, *, own_devices: bool = True) -> Allocation:
        """Read every meter, and allocate the energy since the last call.

        Args:
            wall_ns: The monotonic clock, now.
            cpu_ns: CPU time that the process used since the last call, ecoia's own included.
            own_devices: Whether the process records the energy of its devices; False if a process inside it does.
        """
        allocation = Allocation()
        if self._lost:  # since measuring began
            allocation.lost, self._lost = self._lost, allocation.lost
        elapsed_ns = max(wall_ns - self._wall_ns, 1)
        self._wall_ns = wall_ns
        records_idle = self._held_idle_lock_throughout()
        shares = self._host_share.read(wall_ns, elapsed_ns, cpu_ns, allocation.lost)
        allocation.stolen_part = shares.stolen_part
        loads = {HOST: shares.host.load, GROUP: shares.group.load, DEVICES: shares.host.load}
        for meter, reading in self._readings.read(wall_ns, loads, allocation.lost):
            if not self._nothing:
                active_part, idle_part = self._parts(meter, shares, records_idle, own_devices)
                self._add(allocation, meter, reading, active_part, idle_part)
        for meter in self._meters:
            if lost := meter.lost():  # most often empty, and updating a Counter is slow
                allocation.lost.update(lost)
            if users := meter.users():
                allocation.users.update(users)
            allocation.shared_devices.update(meter.shared_devices)
        return allocation

    def _held_idle_lock_throughout(self) -> bool:
        """Return whether we held the idle lock since the last reading; else its last holder records a part of this one."""
        had, self._had_idle_lock = self._had_idle_lock, self._reserves and self._locks.has(IDLE)
        return had and self._had_idle_lock

    def _parts(self, meter: Meter, shares: CpuShares, records_idle: bool, own_devices: bool) -> tuple[float, float]:
        """Return the parts, 0 to 1, of the active and the idle energy of a meter that are allocated."""
        if self.whole or meter.domain == DEVICES:
            part = float(self.whole or own_devices)
            return part, part
        if meter.domain == GROUP:  # the meter covers the group alone, so all of its idle energy is the group's
            return shares.group.share, float(records_idle)
        return shares.host.share, self.reserved_share if records_idle else 0.0

    def _add(self, allocation: Allocation, meter: Meter, reading: MeterReading, active_part: float, idle_part: float) -> None:
        metered, component = reading.microjoules, meter.component
        if metered is None:
            return
        idle_uj = min(round(self._idle_watts.get(component, 0.0) * reading.covered_ns / 1000), metered)
        allocation.active[component] = self._whole_microjoules(component, "active", (metered - idle_uj) * active_part)
        if component in self._idle_watts:
            allocation.idle[component] = self._whole_microjoules(component, "idle", idle_uj * idle_part)
        if meter.domain != DEVICES:
            allocation.metered_microjoules += metered
            allocation.allocated_microjoules += (allocation.active[component] or 0) + (allocation.idle[component] or 0)

    def _whole_microjoules(self, component: str, part: str, energy_uj: float) -> int:
        """Round down, and carry the fraction of a microjoule to the next reading."""
        exact = self._carry.get((component, part), 0.0) + energy_uj
        self._carry[component, part] = exact - int(exact)
        return int(exact)

    def let_go(self) -> None:
        """Release the locks of the home; in a forked child, close the parent's files."""
        self._locks.release()
