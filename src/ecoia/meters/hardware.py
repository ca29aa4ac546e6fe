"""Facts about the host, read leanly: CPU model, counts, memory, time spent busy. No codecarbon here.

Every path starts at ``root`` so that tests lay out a real file tree as the kernel does.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/")

_DISPLAY_CLASSES = ("0x0300", "0x0302", "0x0380", "0x1200")  # VGA, 3D and other display, processing accelerator
NVIDIA, AMD = "0x10de", "0x1002"  # as vendors on the PCI bus


@dataclass(frozen=True)
class BusyTime:
    """CPU time of the whole host since boot, in nanoseconds over all CPUs."""

    busy_ns: int
    total_ns: int


def host_busy_time(root: Path = ROOT) -> BusyTime:
    """Read ``/proc/stat`` (10 ms grain); elsewhere ask psutil."""
    if sys.platform == "linux":
        with (root / "proc/stat").open("rb") as file:
            return parse_stat(file.readline())
    import psutil

    times = psutil.cpu_times()
    idle_s = times.idle
    total_s = sum(times)
    return BusyTime(round((total_s - idle_s) * 1e9), round(total_s * 1e9))


def parse_stat(line: bytes) -> BusyTime:
    """Read the first line of ``/proc/stat``. Guest time is inside user time, so not added again."""
    user, nice, system, idle, iowait, irq, softirq, steal = ([int(field) for field in line.split()[1:]] + [0] * 8)[:8]
    tick_ns = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
    busy = user + nice + system + irq + softirq
    return BusyTime(busy * tick_ns, (busy + idle + iowait + steal) * tick_ns)


def cpu_model(root: Path = ROOT) -> str:
    """The CPU's model name, or ``unknown``."""
    if sys.platform == "linux":
        try:
            for line in (root / "proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
                name, _, value = line.partition(":")
                if name.strip() in ("model name", "Model", "cpu model") and value.strip():
                    return value.strip()
        except OSError:
            return "unknown"
    return platform.processor() or "unknown"


def cpu_count() -> int:
    """Logical CPUs of the host."""
    return os.cpu_count() or 1


def socket_count(root: Path = ROOT) -> int:
    """CPU packages of the host; 1 where the kernel does not tell."""
    packages = set()
    for file in (root / "sys/devices/system/cpu").glob("cpu[0-9]*/topology/physical_package_id"):
        try:
            packages.add(int(file.read_text(encoding="ascii")))
        except (OSError, ValueError):
            continue
    return max(len(packages), 1)


def memory_bytes(root: Path = ROOT) -> int:
    """Memory that is ours to use: the least of the host's and of the limits of our cgroup and those above it."""
    import psutil

    least = int(psutil.virtual_memory().total)
    for limit in _memory_limit_files(root):
        try:
            text = limit.read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text.isdigit():  # cgroup v2 writes "max" for no limit, v1 a number beyond any memory
            least = min(least, int(text))
    return least


def _memory_limit_files(root: Path) -> list[Path]:
    mounted = root / "sys/fs/cgroup"
    # A container sees its own group at the mount; elsewhere (a service, a Slurm job) it is some way below.
    files = [mounted / "memory.max", mounted / "memory/memory.limit_in_bytes"]
    try:
        groups = (root / "proc/self/cgroup").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return files
    for group in groups:
        number, _, rest = group.partition(":")
        controllers, _, path = rest.partition(":")
        below = Path(path.strip("/"))
        for folder in (below, *below.parents):
            if number == "0":
                files.append(mounted / folder / "memory.max")
            elif "memory" in controllers.split(","):
                files.append(mounted / "memory" / folder / "memory.limit_in_bytes")
    return files


def gpu_on_bus(root: Path = ROOT, vendors: Collection[str] = (NVIDIA, AMD)) -> bool | None:
    """Whether the PCI bus shows a GPU of these vendors; None where the bus cannot be seen."""
    bus = root / "sys/bus/pci/devices"
    try:
        devices = list(bus.iterdir())
    except OSError:
        return None
    for device in devices:
        try:
            device_class = (device / "class").read_text(encoding="ascii")[:6]
            vendor = (device / "vendor").read_text(encoding="ascii").strip()
        except OSError:
            continue
        if device_class in _DISPLAY_CLASSES and vendor in vendors:
            return True
    return False


def missing_gpu_name(root: Path = ROOT) -> str:
    """Why there is no GPU figure: ``no-device`` where the bus shows none, ``no-driver`` where it shows one, else ``none``."""
    return {True: "no-driver", False: "no-device", None: "none"}[gpu_on_bus(root)]


def powercap_folder(root: Path = ROOT) -> Path:
    """Where the kernel shows its energy counters."""
    return root / "sys/class/powercap"


def energy_counter_files(root: Path = ROOT) -> list[Path]:
    """Every ``energy_uj`` of the powercap tree, readable or not, nested zones included, in order."""
    folder = powercap_folder(root)
    # sysfs lists each zone flat as well as nested in its parent; the real path counts it once.
    zones = {
        os.path.realpath(file) for pattern in ("*/energy_uj", "*/*/energy_uj", "*/*/*/energy_uj") for file in folder.glob(pattern)
    }
    return [Path(zone) for zone in sorted(zones)]


def read_counters(root: Path = ROOT) -> dict[str, int]:
    """The readable energy counters now: path -> microjoules. Cheap: no counters, no cost."""
    counters = {}
    for file in energy_counter_files(root):
        try:
            counters[str(file)] = int(file.read_text(encoding="ascii"))
        except (OSError, ValueError):
            continue
    return counters


def context() -> dict[str, object]:
    """Hardware and software facts for a record: no path, no argument, no user."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        codecarbon = version("codecarbon")
    except PackageNotFoundError:
        codecarbon = "absent"
    from ecoia import __version__

    return {
        "cpu_model": cpu_model(),
        "cpu_count": cpu_count(),
        "memory_bytes": memory_bytes(),
        "os": platform.system(),
        "python": platform.python_version(),
        "ecoia": __version__,
        "codecarbon": codecarbon,
    }
