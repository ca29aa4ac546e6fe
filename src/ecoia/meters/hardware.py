"""Facts about the host, read cheaply: CPU model, counts, memory, busy time, control groups, counters.

Every path starts at ``root``, so a test can lay out a file tree as the kernel does.
"""

from __future__ import annotations

import os
import sys

from ecoia.keeping.held_file import read_again
from ecoia.light import TYPE_CHECKING, NamedTuple
from ecoia.semconv import CODECARBON_RELEASE, VERSION

if TYPE_CHECKING:
    from pathlib import Path

ROOT = "/"

_DISPLAY_CLASSES = ("0x0300", "0x0302", "0x0380", "0x1200")  # VGA, 3D and other display, processing accelerator
NVIDIA, AMD = "0x10de", "0x1002"  # vendor ids on the PCI bus

_ZONE_LEVELS = 3
"""Levels of folders that energy counters are nested in."""

MOST_STOLEN = 0.05
"""Part of its CPU time, 0 to 1, that a hypervisor may give to other guests before ecoia counts it and says so."""


class BusyTime(NamedTuple):
    """CPU time of the whole host since boot, in nanoseconds over all CPUs.

    ``stolen_ns`` is the part of ``total_ns`` that a hypervisor gave to other guests while this one had work; it isn't busy.
    """

    busy_ns: int
    total_ns: int
    stolen_ns: int = 0


def host_busy_time(root: str | Path = ROOT) -> BusyTime:
    """Return the busy time of the host, from ``/proc/stat`` (in steps of 10 ms) on Linux, elsewhere from psutil."""
    if sys.platform == "linux":
        return parse_stat(read_again(os.path.join(root, "proc/stat"), 512))  # once a second, so it must be cheap
    import psutil

    times = psutil.cpu_times()
    idle_s = times.idle
    total_s = sum(times)
    return BusyTime(round((total_s - idle_s) * 1e9), round(total_s * 1e9))


_TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 10_000_000


def parse_stat(text: bytes) -> BusyTime:
    """Parse the first line of ``/proc/stat``. User time includes guest time, so guest time is not added."""
    fields = text.partition(b"\n")[0].split(None, 9)[1:9]
    user, nice, system, idle, iowait, irq, softirq, steal = [*map(int, fields), *(0,) * (8 - len(fields))]
    busy = user + nice + system + irq + softirq
    return BusyTime(busy * _TICK_NS, (busy + idle + iowait + steal) * _TICK_NS, steal * _TICK_NS)


def cpu_model(root: str | Path = ROOT) -> str:
    """Return the model name of the CPU, or ``unknown``."""
    if sys.platform == "linux":
        try:
            # The kernel writes a page for each CPU, and the first one names it: don't read them all.
            with open(f"{root}/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
                for line in file:
                    name, _, value = line.partition(":")
                    if name.strip() in ("model name", "Model", "cpu model") and value.strip():
                        return value.strip()
        except OSError:
            return "unknown"
    import platform

    return platform.processor() or "unknown"


def cpu_count() -> int:
    """Return the number of logical CPUs of the host."""
    return os.cpu_count() or 1


def socket_count(root: str | Path = ROOT) -> int:
    """Return the number of CPU packages of the host; 1 if the kernel doesn't show it."""
    cpus = f"{root}/sys/devices/system/cpu"
    numbered = [name for name in names_in(cpus) if name[:3] == "cpu" and name[3:].isdigit()]
    found = {_line(f"{cpus}/{name}/topology/physical_package_id") for name in numbered}
    return max(sum(package.lstrip("-").isdigit() for package in found), 1)


def names_in(folder: str) -> list[str]:
    """Return the names in a folder; none if there is no folder, or it cannot be listed."""
    try:
        return os.listdir(folder)
    except OSError:
        return []


def host_memory_bytes() -> int:
    """Return the memory of the host in bytes."""
    try:
        with open("/proc/meminfo", "rb") as file:
            for line in file:
                if line.startswith(b"MemTotal:"):
                    return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    import psutil

    try:
        return int(psutil.virtual_memory().total)
    except (OSError, KeyError):  # no /proc/meminfo, or an empty one
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


class ControlGroup(NamedTuple):
    """Limits of a control group: the strictest of its own and those of the visible groups above it.

    Attributes:
        cpus: CPU quota in CPUs, None without a quota.
        memory_bytes: Memory limit, None without a limit.
        usage_file: File in which the kernel counts the CPU time of the group that has the limit (of CPU, else of memory), or of
            the outermost visible group without a limit. None if there is no such file.
    """

    cpus: float | None
    memory_bytes: int | None
    usage_file: str | None

    @property
    def share(self) -> float | None:
        """The share of the host's CPUs that it may use, 0 to 1; None without a quota."""
        return None if self.cpus is None else self.cpus / cpu_count()

    def cpu_usage_ns(self) -> int | None:
        """Return the CPU time of that group since its creation, in nanoseconds over all CPUs; None if it can't be read."""
        if self.usage_file is None:
            return None
        try:
            text = read_again(self.usage_file, 4096).decode("ascii")
            if not self.usage_file.endswith("/cpu.stat"):
                return int(text)
            return int(next(line for line in text.splitlines() if line.startswith("usage_usec ")).split()[1]) * 1000
        except (OSError, ValueError, StopIteration):
            return None


def control_group(root: str | Path = ROOT, *, pid: int | None = None, path: str | None = None) -> ControlGroup:
    """Return the limits of the control group of this process, of another process, or at a path.

    Reads control groups of version 1, of version 2, and of both at once.

    Args:
        root: Folder that holds ``/proc`` and ``/sys``.
        pid: Another process.
        path: Path of the group, as ``/proc/<pid>/cgroup`` writes it (``/system.slice/job.service``).
    """
    paths = _group_paths(root, pid) if path is None else {}
    cpu, usage, memory = (
        _group_folders(root, controller, paths, path, beside_us=pid is not None) for controller in ("cpu", "cpuacct", "memory")
    )
    quotas = [(quota, place) for place, folder in cpu if (quota := _quota_cpus(folder)) is not None and quota < cpu_count()]
    limits = [(limit, place) for place, folder in memory if (limit := _memory_limit(folder)) is not None]
    if limits:
        limits = [(limit, place) for limit, place in limits if limit < host_memory_bytes()]
    counted = {place: file for place, folder in usage if (file := _usage_file(folder)) is not None}
    cpus, cpu_carrier = min(quotas, default=(None, None))
    least_bytes, memory_carrier = min(limits, default=(None, None))
    outermost = min(counted, key=len, default=None)
    carrier = next((place for place in (cpu_carrier, memory_carrier, outermost) if place is not None), None)
    return ControlGroup(cpus, least_bytes, None if carrier is None else counted.get(carrier))


def _group_paths(root: str | Path, pid: int | None) -> dict[str, str]:
    """Return the process's group in each hierarchy: controller -> path, with ``""`` for version 2."""
    paths: dict[str, str] = {}
    try:
        with open(f"{root}/proc/{'self' if pid is None else pid}/cgroup", encoding="utf-8", errors="replace") as file:
            text = file.read()
    except OSError:
        return paths
    for line in text.splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        paths.update(dict.fromkeys(controllers.split(","), path))
    return paths


def _group_folders(
    root: str | Path, controller: str, paths: dict[str, str], path: str | None, *, beside_us: bool = False
) -> list[tuple[str, str]]:
    """Return (path in the hierarchy, folder) of the group and of the groups above it, innermost first.

    ``beside_us``: the group is of another process, which may be in another container. A folder that we see may then be our own
    group instead of one above it.
    """
    mounted = f"{root}/sys/fs/cgroup"
    found = []
    # A container sees its own group at the mount point. Elsewhere (a service, a Slurm job) the group lies below it.
    tops = [(mounted, ""), (f"{mounted}/unified", ""), (f"{mounted}/{controller}", controller)]
    if os.path.exists(f"{mounted}/cgroup.controllers"):
        tops = tops[:1]  # version 2 alone: a folder named like a controller is an ordinary group
    for top, name in tops:
        steps = [step for step in (paths.get(name, "") if path is None else path).split("/") if step not in ("", ".")]
        # "..": the group is outside of our namespace, so only the top of its hierarchy is visible.
        hidden = ".." in steps
        if hidden:
            steps = []
        if beside_us and (hidden or not os.path.isdir("/".join([top, *steps]))):
            continue
        for length in range(len(steps), -1, -1):
            folder = "/".join([top, *steps[:length]])
            if os.path.isdir(folder):
                found.append(("/".join(steps[:length]), folder))
    return found


def _quota_cpus(folder: str) -> float | None:
    try:
        if os.path.exists(f"{folder}/cpu.max"):
            quota, period = _line(f"{folder}/cpu.max").split()
        else:
            quota, period = _line(f"{folder}/cpu.cfs_quota_us"), _line(f"{folder}/cpu.cfs_period_us")
        cpus = int(quota) / int(period)  # "max" and -1: no quota
    except (ValueError, ZeroDivisionError):
        return None
    return cpus if cpus > 0 else None


def _memory_limit(folder: str) -> int | None:
    for name in ("memory.max", "memory.limit_in_bytes"):
        try:
            return int(_line(f"{folder}/{name}"))  # "max", or a number beyond any memory: no limit
        except ValueError:
            continue
    return None


def _usage_file(folder: str) -> str | None:
    if os.path.exists(f"{folder}/cpuacct.usage"):
        return f"{folder}/cpuacct.usage"
    try:
        with open(f"{folder}/cpu.stat", encoding="utf-8") as file:
            counts = "usage_usec" in file.read()  # version 1 also has a cpu.stat, but it only counts throttling
    except OSError:
        return None
    return f"{folder}/cpu.stat" if counts else None


def gpu_vendors(root: str | Path = ROOT) -> frozenset[str] | None:
    """Return the vendors (``NVIDIA``, ``AMD``, ...) whose GPUs the PCI bus shows; None if the bus isn't visible."""
    bus = f"{root}/sys/bus/pci/devices"
    try:
        devices = os.listdir(bus)
    except OSError:
        return None
    return frozenset(
        _line(f"{bus}/{device}/vendor") for device in devices if _line(f"{bus}/{device}/class")[:6] in _DISPLAY_CLASSES
    )


def _line(file: str) -> str:
    try:
        with open(file, encoding="utf-8") as opened:
            return opened.readline().strip()
    except (OSError, ValueError):
        return ""


def powercap_folder(root: str | Path = ROOT) -> str:
    """Return the folder in which the kernel shows its energy counters."""
    return os.path.join(root, "sys/class/powercap")


def energy_counter_files(root: str | Path = ROOT) -> list[str]:
    """Return every ``energy_uj`` file of the powercap tree in order, readable or not, including nested zones."""
    files: set[str] = set()
    folders = [powercap_folder(root)]
    for _ in range(_ZONE_LEVELS):
        folders = [path for folder in folders for path in _folders_in(folder)]
        # sysfs lists each zone both flat and nested in its parent; its real path identifies it.
        files |= {os.path.realpath(f"{folder}/energy_uj") for folder in folders if os.path.exists(f"{folder}/energy_uj")}
    return sorted(files)


def _folders_in(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.path for entry in entries if entry.is_dir()]
    except OSError:  # no folder, or hidden
        return []


def read_counters(root: str | Path = ROOT) -> dict[str, int]:
    """Return the energy counters that can be read now: path -> microjoules. Without counters, it costs nothing."""
    counters = {}
    for file in energy_counter_files(root):
        try:
            counters[file] = int(_line(file))
        except ValueError:
            continue
    return counters


def _system() -> str:
    if hasattr(os, "uname"):
        return os.uname().sysname  # what platform.system() returns, without loading it
    import platform

    return platform.system()


def context(root: str | Path = ROOT, group: ControlGroup | None = None, *, instance_type: str | None = None) -> dict[str, object]:
    """Return hardware and software facts for a record: no path, no argument, no user.

    Args:
        root: Folder that holds ``/proc`` and ``/sys``.
        group: The control group that did the work; None: the group of this process. ``cpu_count`` and ``memory_bytes`` are what
            it may use.
        instance_type: Type of the virtual machine, as the settings name it; None: not named.
    """
    group = group or control_group(root)
    return {
        "cpu_model": cpu_model(root),
        "cpu_count": group.cpus or cpu_count(),
        "memory_bytes": group.memory_bytes or host_memory_bytes(),
        "host_cpu_count": cpu_count(),
        "host_memory_bytes": host_memory_bytes(),
        "os": _system(),
        "python": sys.version.split()[0],
        "ecoia": VERSION,
        "codecarbon": CODECARBON_RELEASE,
        **({"instance_type": instance_type} if instance_type else {}),
    }
