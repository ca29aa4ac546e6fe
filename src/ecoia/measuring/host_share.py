"""The measured process's share of the CPU time that its host, or its control group, used."""

from __future__ import annotations

from collections import Counter

from ecoia import losses
from ecoia.light import TYPE_CHECKING, NamedTuple
from ecoia.meters import hardware
from ecoia.meters.hardware import BusyTime, ControlGroup

if TYPE_CHECKING:
    from ecoia.instrument.start import StartReadings

_HOST_TICK_NS = 10_000_000
"""Grain of the host's busy time; no share is finer than this."""

_VIEW_NS = 500_000_000
"""A share is computed over at least this time, however often it is asked for: a few ticks show nothing."""


class CpuShare(NamedTuple):
    """CPU time over one reading, as fractions from 0 to 1.

    ``load`` is the busy part of the CPUs, ``share`` the part of their busy time that the process used.
    """

    load: float
    share: float


class CpuShares(NamedTuple):
    """``CpuShare`` of the host and of the process's control group.

    ``stolen_part`` is the part of the host's possible CPU time, 0 to 1, that a hypervisor gave to other guests meanwhile.
    """

    host: CpuShare
    group: CpuShare
    stolen_part: float


class HostShare:
    """Reads the CPU time of the host and of a control group, reading by reading.

    Args:
        wall_ns: The monotonic clock when measuring began.
        busy: The host's busy time then.
        group: The control group of the measured process.
        reads_group: Whether a meter covers the group alone, so that its CPU time is needed.
    """

    def __init__(self, wall_ns: int, busy: BusyTime, group: ControlGroup, *, reads_group: bool) -> None:
        self._readings = [(wall_ns, busy)]
        # (busy, possible and stolen time, over how long). Until the first reading, assume a fully busy host, so we under-claim.
        self._last_view_ns = (hardware.cpu_count(), hardware.cpu_count(), 0, 1)
        self._group = group
        self._reads_group = reads_group
        self._group_cpu_ns = group.cpu_usage_ns()
        self.cpus = group.cpus or hardware.cpu_count()
        """CPUs that the process may use at most."""

    def read(self, wall_ns: int, elapsed_ns: int, cpu_ns: int, lost: Counter[str]) -> CpuShares:
        """Compute the shares since the last reading.

        Args:
            wall_ns: The monotonic clock, now.
            elapsed_ns: Time since the last reading.
            cpu_ns: CPU time that the process used since then, ecoia's own included.
            lost: Counts a host whose CPU time cannot be read.
        """
        busy_ns, possible_ns, stolen_ns = self._host_time(wall_ns, elapsed_ns, lost)
        # The kernel counts the host in ticks and us in nanoseconds: the host used at least what we used. Some kernels count
        # stolen time as ours, though never as the host's.
        busy_ns = max(busy_ns, cpu_ns * busy_ns // (busy_ns + stolen_ns) if stolen_ns else cpu_ns)
        stolen_part = min(stolen_ns / max(possible_ns, 1), 1.0)
        host = CpuShare(min(busy_ns / max(possible_ns, busy_ns, 1), 1.0), min(cpu_ns / (busy_ns or 1), 1.0))
        now_ns, before_ns = self._group.cpu_usage_ns() if self._reads_group else None, self._group_cpu_ns
        self._group_cpu_ns = now_ns
        if now_ns is None or before_ns is None:
            return CpuShares(host, host, stolen_part)
        group_ns = max(now_ns - before_ns, cpu_ns)
        ran_ns = min(group_ns, busy_ns) if stolen_ns else group_ns
        group = CpuShare(min(ran_ns / (self.cpus * elapsed_ns), 1.0), cpu_ns / group_ns if group_ns else 0.0)
        return CpuShares(host, group, stolen_part)

    def _host_time(self, wall_ns: int, elapsed_ns: int, lost: Counter[str]) -> tuple[int, int, int]:
        """Return the CPU time in ns that the host used, could have used, and was not given, since the last reading."""
        readings = self._readings
        while len(readings) > 1 and wall_ns - readings[1][0] >= _VIEW_NS:
            del readings[0]
        began_ns, before = readings[0]
        try:
            now = hardware.host_busy_time()
        except OSError:  # the host has no file descriptor left: assume that it goes on as before
            lost[losses.HOST_LOAD_UNREAD] += 1
        else:
            view_ns = max(wall_ns - began_ns, 1)
            possible_ns = now.total_ns - before.total_ns or hardware.cpu_count() * view_ns
            stolen_ns = max(now.stolen_ns - before.stolen_ns, 0)
            self._last_view_ns = max(now.busy_ns - before.busy_ns, _HOST_TICK_NS), possible_ns, stolen_ns, view_ns
            if wall_ns - readings[-1][0] >= _VIEW_NS:
                readings.append((wall_ns, now))
        *times_ns, view_ns = self._last_view_ns
        busy_ns, possible_ns, stolen_ns = (time_ns * elapsed_ns // view_ns for time_ns in times_ns)
        return busy_ns, possible_ns, stolen_ns


def busy_time_at_start(start: StartReadings) -> BusyTime:
    """Return the host's busy time at the first span, or now if it was not read then (no ``/proc``).

    Args:
        start: The clocks and counters at the first span.
    """
    return hardware.parse_stat(start.stat_line) if start.stat_line else busy_time_now()


def busy_time_now() -> BusyTime:
    """Return the host's busy time, or zero where it cannot be read (no ``/proc``)."""
    try:
        return hardware.host_busy_time()
    except OSError:
        return BusyTime(0, 0)
