"""What the host used since the last reading, and which part of it the measured process may claim.

Of the *active* energy it claims its share of the CPU time: of the host's, or of its control group's where a model covers
the group alone. *Idle* energy is told apart only where a baseline says what the machine draws at rest (``ecoia
baseline``): it goes to who reserved the capacity, by the quota of the control group, else by the setting. Processes of one
home reserve together, so one of them claims it, whoever has the lock. A dedicated host (``scope = "host"``) is claimed
whole. So processes together stay at the meter, without asking each other.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from ecoia import causes
from ecoia.keeping.held_file import HeldFile
from ecoia.meters import DEVICES, GROUP, Meter, hardware, idle_power
from ecoia.meters.hardware import BusyTime
from ecoia.semconv import COMPONENTS

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from ecoia.settings import Settings

_HOST_TICK_NS = 10_000_000
"""Grain of the host's busy time. A share cannot be told more finely than this."""

_VIEW_NS = 500_000_000
"""So long at least is looked back at the host, however often it is read: within a few ticks, nothing can be told of it."""


@dataclass
class Claimed:
    """What the process claims of one reading, in integer microjoules by component; None where it is missing."""

    active: dict[str, int | None] = field(default_factory=lambda: dict.fromkeys(COMPONENTS))
    idle: dict[str, int | None] = field(default_factory=lambda: dict.fromkeys(COMPONENTS))
    metered_microjoules: int = 0  # of all meters that read more than the process's own devices,
    claimed_microjoules: int = 0  # and what is claimed of it


class Claimant:
    """Reads the meters, and claims.

    Args:
        settings: ``home``, ``scope`` and ``reserved_share``.
        meters: One a component at most.
        start: The clock and the host's busy time at which measuring began: (monotonic ns, busy time).
        complain: Says once, in the host's log, what is wrong.
        root: Where ``/proc`` and ``/sys`` are.
        group: The control group of what is measured; else ours.
    """

    def __init__(
        self,
        settings: Settings,
        meters: Sequence[Meter],
        start: tuple[int, BusyTime],
        complain: Any,
        root: Path = hardware.ROOT,
        group: hardware.ControlGroup | None = None,
    ) -> None:
        self._meters = meters
        self._complain = complain
        self._wall_ns, host = start
        self._looks = [(self._wall_ns, host)]
        # Busy and whole CPU time, over how long. At first all is busy: who knows nothing claims least.
        self._seen_ns = (hardware.cpu_count(), hardware.cpu_count(), 1)
        self._group = group or hardware.control_group(root)
        self._in_group = any(meter.domain == GROUP for meter in meters)
        self._group_cpu_ns = self._group.cpu_usage_ns()
        self.cpus = self._group.cpus or hardware.cpu_count()
        self.lost: Counter[str] = Counter()
        self.shared_devices: set[str] = set()
        self.users: Counter[int] = Counter()
        """Whose the energy of devices was, see ``Meter.users``."""

        self._fast = [meter for meter in meters if meter.reading_seconds < 1]
        self._sampled: dict[str, list[int | None]] = {}
        self._sampled_ns: dict[str, int] = {}
        self._unread_ns: dict[str, int] = {}
        self._carry: dict[tuple[str, str], float] = {}
        self._idle_watts = idle_power.load(settings.home, meters, root, self._group)
        self.lost.update(self._idle_watts.lost)
        share = self._group.share
        self._home = Path(settings.home)
        self._locks: dict[str, HeldFile] = {}
        self.reserve(settings.reserved_share if share is None else share)
        self._idle_is_ours = self._reserves and self._has("idle.lock")
        self.whole = settings.scope == "host" and self._has("host-scope.lock")
        self._nothing = settings.scope == "host" and not self.whole
        if self._nothing:
            self.lost[causes.HOST_SCOPE_TAKEN] += 1
            complain("scope = host: another process of this home claims the whole host already, so this one claims nothing")

    def reserve(self, share: float) -> None:
        """From now on, this share of the host is reserved for what is measured."""
        self.reserved_share = share
        self._reserves = bool(self._idle_watts) and (self._in_group or share > 0)

    @property
    def idle_separated(self) -> bool:
        """Whether all that is metered has a baseline at rest."""
        return bool(self._meters) and all(meter.component in self._idle_watts for meter in self._meters)

    def sample(self) -> None:
        """Between two readings: the meters that see momentary power only, and would miss what passes meanwhile."""
        for meter in self._fast:
            now_ns = perf_counter_ns()
            elapsed_ns = now_ns - self._sampled_ns.get(meter.component, self._wall_ns)
            self._sampled_ns[meter.component] = now_ns
            self._sampled.setdefault(meter.component, []).append(self._read(meter, elapsed_ns, 0.0))

    def claim(self, wall_ns: int, cpu_ns: int, *, devices: bool = True) -> Claimed:
        """Read every meter and claim what is ours.

        Args:
            wall_ns: The monotonic clock, now.
            cpu_ns: CPU time that the process used since the last call, ecoia's own included.
            devices: Whether its devices are its own to claim.
        """
        elapsed_ns = max(wall_ns - self._wall_ns, 1)
        # Ours since the last reading: who had it until then has claimed a part of this one.
        was_ours, self._idle_is_ours = self._idle_is_ours, self._reserves and self._has("idle.lock")
        idle_is_ours = was_ours and self._idle_is_ours
        load, share, group_load, group_share = self._shares(wall_ns, elapsed_ns, cpu_ns)
        claim = Claimed()
        for meter in self._meters:
            component = meter.component
            since_ns = self._sampled_ns.pop(component, self._wall_ns)
            in_group = meter.domain == GROUP
            readings = self._sampled.pop(component, [])
            readings.append(self._read(meter, max(wall_ns - since_ns, 0), group_load if in_group else load))
            known = [each for each in readings if each is not None]
            if len(known) < len(readings):
                self.lost[causes.UNREAD[component]] += len(readings) - len(known)
            rest_ns = elapsed_ns + self._unread_ns.pop(component, 0)
            if not known and meter not in self._fast:  # a counter goes on, and tells of that time when it is read again
                self._unread_ns[component] = rest_ns
            if not known or self._nothing:
                continue  # missing; or all of it is in the claim of another process
            metered = sum(known)
            idle_uj = min(round(self._idle_watts.get(component, 0.0) * rest_ns / 1000), metered)
            if self.whole or meter.domain == DEVICES:
                active_part = idle_part = float(self.whole or devices)
            else:
                active_part = group_share if in_group else share
                # What a group's model covers is the group's, so all of its idle energy is.
                reserved = 1.0 if in_group else self.reserved_share
                idle_part = reserved if idle_is_ours else 0.0
            claim.active[component] = self._whole_microjoules(component, "active", (metered - idle_uj) * active_part)
            if component in self._idle_watts:
                claim.idle[component] = self._whole_microjoules(component, "idle", idle_uj * idle_part)
            if meter.domain != DEVICES:
                claim.metered_microjoules += metered
                claim.claimed_microjoules += (claim.active[component] or 0) + (claim.idle[component] or 0)
        for meter in self._meters:
            self.lost.update(meter.lost())
            self.users.update(meter.users())
            self.shared_devices.update(meter.shared_devices)
        self._wall_ns = wall_ns
        return claim

    def _shares(self, wall_ns: int, elapsed_ns: int, cpu_ns: int) -> tuple[float, float, float, float]:
        """Load and share of it: of the host, and of the control group."""
        busy_ns, total_ns = self._host_time(wall_ns, elapsed_ns)
        # The kernel counts the host in ticks and us in nanoseconds: never less than we know was used.
        busy_ns = max(busy_ns, cpu_ns)
        load = min(busy_ns / max(total_ns, busy_ns, 1), 1.0)
        share = min(cpu_ns / (busy_ns or 1), 1.0)
        now_ns, group_before_ns = self._group.cpu_usage_ns() if self._in_group else None, self._group_cpu_ns
        self._group_cpu_ns = now_ns
        if now_ns is None or group_before_ns is None:
            return load, share, load, share
        group_ns = max(now_ns - group_before_ns, cpu_ns)
        return load, share, min(group_ns / (self.cpus * elapsed_ns), 1.0), cpu_ns / group_ns if group_ns else 0.0

    def _host_time(self, wall_ns: int, elapsed_ns: int) -> tuple[int, int]:
        """CPU time that the host used, and could use, since the last reading."""
        looks = self._looks
        while len(looks) > 1 and wall_ns - looks[1][0] >= _VIEW_NS:
            del looks[0]
        began_ns, before = looks[0]
        try:
            now = hardware.host_busy_time()
        except OSError:  # no descriptor is left for us: the host goes on as it did
            self.lost[causes.HOST_LOAD_UNREAD] += 1
        else:
            view_ns = max(wall_ns - began_ns, 1)
            total_ns = now.total_ns - before.total_ns or hardware.cpu_count() * view_ns
            self._seen_ns = max(now.busy_ns - before.busy_ns, _HOST_TICK_NS), total_ns, view_ns
            if wall_ns - looks[-1][0] >= _VIEW_NS:
                looks.append((wall_ns, now))
        busy_ns, total_ns, view_ns = self._seen_ns
        return busy_ns * elapsed_ns // view_ns, total_ns * elapsed_ns // view_ns

    def _read(self, meter: Meter, elapsed_ns: int, load: float) -> int | None:
        try:
            return meter.read(elapsed_ns / 1e9, load)
        except Exception as error:  # noqa: BLE001 - one meter that breaks must not take the others with it
            self._complain(f"{meter.component} meter {meter.method.name}: {type(error).__name__}: {error}")
            return None

    def _whole_microjoules(self, component: str, part: str, energy_uj: float) -> int:
        """What is below a microjoule waits for the next reading."""
        exact = self._carry.get((component, part), 0.0) + energy_uj
        self._carry[component, part] = exact - int(exact)
        return int(exact)

    def _has(self, name: str) -> bool:
        """Whether a right that one process of the home may have is ours: tried again each time, as its holder may have ended."""
        held = self._locks.get(name)
        if held is not None and held.facts() is not None:
            return True
        try:
            self._home.mkdir(parents=True, exist_ok=True)
            file = HeldFile(self._home / name, os.O_WRONLY | os.O_CREAT)
            if fcntl is not None:
                fcntl.flock(file.number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False  # another process has it; or no journal can be written there either, and that is told
        self._locks[name] = file
        return True

    def let_go(self) -> None:
        """Give up what one process of the home may have; in a forked child, close the parent's files."""
        while self._locks:
            self._locks.popitem()[1].close()
