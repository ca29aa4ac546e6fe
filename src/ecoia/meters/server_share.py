"""A virtual machine's share of the server that it runs on, where no counter is readable: power at the wall per hardware thread.

The power of a thread is between ``idle_w`` and ``max_w`` of ``server_share.csv``, in a straight line over the load. So the shares
of all guests of a server add up to the server, and the length of a reading changes nothing. Those watts are of the whole server:
power supplies, fans, one disk, and ``gib`` of memory per thread. Memory beyond that is added.
"""

from __future__ import annotations

import os

from ecoia.light import TYPE_CHECKING, NamedTuple
from ecoia.meters import hardware
from ecoia.meters.hardware import ControlGroup
from ecoia.meters.meter import GROUP, HOST, Meter
from ecoia.meters.processor import identify
from ecoia.methods import SERVER_SHARE, SERVER_SHARE_RAM

if TYPE_CHECKING:
    from pathlib import Path

TABLE = os.path.join(os.path.dirname(__file__), "server_share.csv")
"""Watts per hardware thread by row. Its first lines name its source."""

METHODS = frozenset({*SERVER_SHARE.values(), *SERVER_SHARE_RAM.values()})
"""The methods of the meters here."""

WATTS_PER_GIB = 0.39
"""Power of memory, from the data sheets of two makers of modules."""


class ThreadPower(NamedTuple):
    """One row of the table: power of a hardware thread at the wall, and the memory that it includes."""

    idle_watts: float
    max_watts: float
    gibibytes: float


def thread_power(row: str) -> ThreadPower:
    """Return a row of the table.

    Args:
        row: Its name.

    Raises:
        KeyError: There is no such row.

    Example:
        >>> thread_power("zen3")
        ThreadPower(idle_watts=0.44, max_watts=1.95, gibibytes=1.0)
    """
    with open(TABLE, encoding="utf-8") as table:
        for line in table:
            name, _, numbers = line.partition(",")
            if name == row:
                return ThreadPower(*map(float, numbers.split(",")[:3]))
    raise KeyError(row)


class ServerShareMeter(Meter):
    """The share of some hardware threads in their server's power, at the wall.

    Args:
        row: Row of the table.
        threads: Hardware threads: vCPUs, or those that the control group may use, times threads per vCPU.
        domain: ``HOST`` (the whole virtual machine) or ``GROUP``.

    Example:
        >>> ServerShareMeter("zen3", threads=2).read(seconds=1.0, load=1.0)
        3900000
    """

    component = "cpu"

    def __init__(self, row: str, threads: float, domain: str = HOST) -> None:
        self.method = SERVER_SHARE[row]
        self.domain = domain
        power = thread_power(row)
        self._idle_watts = threads * power.idle_watts
        self._load_watts = threads * (power.max_watts - power.idle_watts)

    def read(self, seconds: float, load: float) -> int | None:
        """See ``Meter.read``."""
        return round((self._idle_watts + self._load_watts * load) * seconds * 1_000_000)


class ServerShareRamMeter(Meter):
    """The memory beyond what the share of the server's threads includes; activity plays no part.

    Args:
        row: Row of the table.
        threads: Hardware threads that the memory goes with.
        memory_bytes: The memory.
        domain: ``HOST`` or ``GROUP``.

    Example:
        >>> ServerShareRamMeter("zen3", threads=2, memory_bytes=8 * 2**30).read(seconds=1.0, load=0.0)  # 6 GiB
        2340000
    """

    component = "ram"

    def __init__(self, row: str, threads: float, memory_bytes: int, domain: str = HOST) -> None:
        self.method = SERVER_SHARE_RAM[row]
        self.domain = domain
        self._watts = WATTS_PER_GIB * max(memory_bytes / 2**30 - threads * thread_power(row).gibibytes, 0.0)

    def read(self, seconds: float, load: float) -> int | None:
        """See ``Meter.read``."""
        return round(self._watts * seconds * 1_000_000)


def cpu_meter(threads_per_cpu: int, root: str | Path = hardware.ROOT, group: ControlGroup | None = None) -> ServerShareMeter:
    """Return the share of this virtual machine; in a control group with a quota, of the part that the group may use.

    Args:
        threads_per_cpu: Hardware threads of a vCPU (setting ``vcpu_threads``).
        root: Folder that holds ``/proc`` and ``/sys``.
        group: The control group; None: the group of this process.
    """
    quota = (group or hardware.control_group(root)).cpus
    row = identify(root).row
    if quota is None:
        return ServerShareMeter(row, hardware.cpu_count() * threads_per_cpu)
    return ServerShareMeter(row, quota * threads_per_cpu, GROUP)


def ram_meter(threads_per_cpu: int, root: str | Path = hardware.ROOT, group: ControlGroup | None = None) -> ServerShareRamMeter:
    """Return the memory of this virtual machine beyond its share; in a group with a memory limit, of that much memory.

    A group with a limit of memory and no quota of CPUs includes as much of the machine's share as it has of its memory.

    Args:
        threads_per_cpu: Hardware threads of a vCPU (setting ``vcpu_threads``).
        root: Folder that holds ``/proc`` and ``/sys``.
        group: The control group; None: the group of this process.
    """
    group = group or hardware.control_group(root)
    row, memory_bytes = identify(root).row, hardware.host_memory_bytes()
    threads = hardware.cpu_count() * threads_per_cpu
    if group.memory_bytes is None:
        return ServerShareRamMeter(row, threads, memory_bytes)
    of_group = threads * group.memory_bytes / memory_bytes if group.cpus is None else group.cpus * threads_per_cpu
    return ServerShareRamMeter(row, of_group, group.memory_bytes, GROUP)


def explain(component: str, threads_per_cpu: int, root: str | Path = hardware.ROOT) -> tuple[str, str | None]:
    """Return why a component is modelled as a share of a server, and how to get a better figure.

    Args:
        component: ``cpu`` or ``ram``.
        threads_per_cpu: Hardware threads of a vCPU (setting ``vcpu_threads``).
        root: Folder that holds ``/proc`` and ``/sys``.
    """
    identity, group = identify(root), hardware.control_group(root)
    power = thread_power(identity.row)
    if component == "ram":
        of = "the memory" if group.memory_bytes is None else "the control group's memory limit"
        included = f"the {power.gibibytes * threads_per_cpu:g} GiB that each vCPU's share of the server includes"
        return f"{WATTS_PER_GIB} W per GiB of {of}, beyond {included}", None
    why = (
        f"a guest that can read no energy counter. Each vCPU counts as {threads_per_cpu} of its server's hardware threads, with "
        f"{power.idle_watts:g} W at rest and {power.max_watts:g} W at full load each, at the wall "
        f"(row '{identity.row}': {'; '.join(identity.evidence)})"
    )
    if group.share is not None:
        why += f"; the control group's quota is {group.share:.1%} of the machine, which is what is modelled"
    stolen = stolen_since_boot(root)
    if stolen > hardware.MOST_STOLEN:
        why += f"; since boot, the hypervisor gave {stolen:.0%} of the CPU time to other guests: the share at rest is too high"
    remedy = "ask the operator of the server for its counters (powercap); where a vCPU is a whole core, set vcpu_threads = 2"
    return why, remedy


def stolen_since_boot(root: str | Path = hardware.ROOT) -> float:
    """Return the part of the CPU time since boot, 0 to 1, that the hypervisor gave to others; 0 if it can't be read.

    Args:
        root: Folder that holds ``/proc``.
    """
    try:
        times = hardware.host_busy_time(root)
    except OSError:
        return 0.0
    return times.stolen_ns / times.total_ns if times.total_ns else 0.0
