"""Hardware to test against on a machine that has none: a powercap tree as the kernel lays it out, and an NVML library.

Both are read by the real code through the real interfaces: files and symbolic links below a root folder, and a shared
library that ``pynvml`` loads by its usual name. Nothing is patched, so what passes here fails only where the real
device behaves unlike this description of it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PACKAGE_RANGE_UJ = 262_143_328_850
"""``max_energy_range_uj`` of a package on common Intel and AMD machines: a busy one wraps in tens of minutes."""

DRAM_RANGE_UJ = 65_712_999_613


class PowercapZone:
    """One zone of a ``PowercapTree``: its counter in microjoules, which wraps as the kernel's does."""

    def __init__(self, tree: PowercapTree, path: Path, name: str, range_uj: int) -> None:
        self.path = path
        self.range_uj = range_uj
        self._tree = tree
        self._children = 0
        self._counter_uj = 0
        path.mkdir()
        (path / "name").write_text(f"{name}\n", encoding="ascii")
        (path / "max_energy_range_uj").write_text(f"{range_uj}\n", encoding="ascii")
        (path / "enabled").write_text("1\n", encoding="ascii")
        (path / "uevent").write_text("", encoding="ascii")
        (path / "power").mkdir()
        tree.link(path)
        self.set(0)

    @property
    def energy_file(self) -> Path:
        """Where the counter is read."""
        return self.path / "energy_uj"

    def set(self, counter_uj: int) -> None:
        """Show this count. Readers beside see the old or the new one, never half of it."""
        self._counter_uj = counter_uj
        fresh = self.path / ".energy_uj"
        fresh.write_text(f"{counter_uj}\n", encoding="ascii")
        fresh.replace(self.energy_file)

    def advance(self, energy_uj: int) -> None:
        """Use this much energy; past the range the count begins again."""
        self.set((self._counter_uj + energy_uj) % self.range_uj)

    def lose(self) -> None:
        """The counter can no longer be read (permission withdrawn, module unloaded)."""
        self.energy_file.unlink(missing_ok=True)

    def find(self) -> None:
        """The counter can be read again."""
        self.set(self._counter_uj)

    def add(self, name: str, range_uj: int = PACKAGE_RANGE_UJ) -> PowercapZone:
        """Nest a zone in this one: ``core``, ``uncore``, ``dram``."""
        zone = PowercapZone(self._tree, self.path / f"{self.path.name}:{self._children}", name, range_uj)
        self._children += 1
        return zone


class PowercapTree:
    """``/sys`` of a machine with energy counters, below a root of one's own.

    As the kernel does, the real folders stand below ``sys/devices/virtual/powercap``, nested, and every control type
    and zone has one flat link below ``sys/class/powercap``; each folder links back by ``subsystem`` and ``device``.

    Args:
        root: The folder to pass as ``root`` to ``ecoia.meters``; made if needed.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.class_folder = root / "sys/class/powercap"
        self.devices_folder = root / "sys/devices/virtual/powercap"
        self.class_folder.mkdir(parents=True)
        self.devices_folder.mkdir(parents=True)
        self._zones: dict[str, int] = {}

    def add(self, name: str, *, control_type: str = "intel-rapl", range_uj: int = PACKAGE_RANGE_UJ) -> PowercapZone:
        """Add a zone at the top: ``package-0``, ``package-0-die-1``, ``psys``.

        Args:
            name: What the zone's ``name`` file says.
            control_type: ``intel-rapl`` (by MSR; AMD as well) or ``intel-rapl-mmio``.
            range_uj: Where its counter wraps.
        """
        folder = self.devices_folder / control_type
        if control_type not in self._zones:
            folder.mkdir()
            (folder / "enabled").write_text("1\n", encoding="ascii")
            (folder / "uevent").write_text("", encoding="ascii")
            self.link(folder)
            self._zones[control_type] = 0
        number = self._zones[control_type]
        self._zones[control_type] += 1
        return PowercapZone(self, folder / f"{control_type}:{number}", name, range_uj)

    def link(self, folder: Path) -> None:
        """Show a folder in the class, and let it point back."""
        (self.class_folder / folder.name).symlink_to(os.path.relpath(folder, self.class_folder))
        (folder / "subsystem").symlink_to(os.path.relpath(self.class_folder, folder))
        if folder.parent != self.devices_folder:
            (folder / "device").symlink_to(os.path.relpath(folder.parent, folder))


def add_pci_device(root: Path, address: str, *, device_class: str, vendor: str) -> None:
    """Put a device on the PCI bus below ``root``, e.g. class ``0x030200`` of vendor ``0x10de``: an NVIDIA accelerator."""
    device = root / "sys/devices/pci0000:00" / address
    device.mkdir(parents=True)
    (device / "class").write_text(f"{device_class}\n", encoding="ascii")
    (device / "vendor").write_text(f"{vendor}\n", encoding="ascii")
    bus = root / "sys/bus/pci/devices"
    bus.mkdir(parents=True, exist_ok=True)
    (bus / address).symlink_to(os.path.relpath(device, bus))


@dataclass(frozen=True)
class FakeGpu:
    """One GPU as the fake driver shows it."""

    uuid: str
    name: str = "Fake H100"
    energy_millijoules: int | None = 0
    """The counter; None: this model has none (older than Volta)."""

    power_milliwatts: int | None = 0
    """The momentary power; None: it cannot be read."""

    drift_milliwatts: int = 0
    """The counter grows by this power from the moment it was written: a live GPU, without a writer beside it."""

    lost: bool = False
    """Fallen off the bus: the driver gives no handle."""


class FakeNvml:
    """A compiled ``libnvidia-ml.so.1`` and the file that drives it.

    Attributes:
        folder: Put it first in ``LD_LIBRARY_PATH`` of a new process.
        gpus_file: One line a GPU; every call reads it again.
    """

    def __init__(self, folder: Path, gpus_file: Path) -> None:
        self.folder = folder
        self.gpus_file = gpus_file

    def show(self, gpus: Sequence[FakeGpu]) -> None:
        """Let the driver show these GPUs from now on."""
        lines = [
            "\t".join(
                (
                    gpu.uuid,
                    gpu.name,
                    str(-1 if gpu.energy_millijoules is None else gpu.energy_millijoules),
                    str(-1 if gpu.power_milliwatts is None else gpu.power_milliwatts),
                    str(gpu.drift_milliwatts),
                    str(int(gpu.lost)),
                )
            )
            for gpu in gpus
        ]
        fresh = self.gpus_file.with_suffix(".new")
        fresh.write_text("".join(f"{line}\n" for line in lines), encoding="ascii")
        fresh.replace(self.gpus_file)


def build_fake_nvml(folder: Path) -> FakeNvml:
    """Compile the fake library into ``folder``. It shows no GPU until told to.

    Raises:
        FileNotFoundError: No C compiler is installed.
    """
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise FileNotFoundError("the fake NVML library needs a C compiler: install gcc (Debian: apt-get install gcc libc6-dev)")
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / "fake_nvml.c"
    gpus_file = folder / "gpus"
    source.write_text(_SOURCE, encoding="ascii")
    subprocess.run(  # noqa: S603 - our own source, a compiler of the system
        [
            compiler,
            "-shared",
            "-fPIC",
            "-O1",
            f'-DGPUS_FILE="{gpus_file}"',
            "-o",
            str(folder / "libnvidia-ml.so.1"),
            str(source),
        ],
        check=True,
    )
    fake = FakeNvml(folder, gpus_file)
    fake.show([])
    return fake


# Signatures and return codes as NVIDIA's NVML reference describes them; a handle is the GPU's number plus one.
_SOURCE = r"""
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { OK = 0, UNINITIALIZED = 1, INVALID = 2, UNSUPPORTED = 3, NO_PERMISSION = 4, TOO_SMALL = 7, LOST = 15, UNKNOWN = 999 };
enum { MOST = 16 };

typedef void *Device;
typedef struct { unsigned long long total, free, used; } Memory;
typedef struct { unsigned int version; unsigned long long total, reserved, free, used; } Memory2;
typedef struct { unsigned int gpu, memory; } Utilization;
typedef struct { char uuid[96], name[96]; long long energy_mj, power_mw, drift_mw; int lost; } Gpu;

static int users;

static int read_gpus(Gpu *gpus) {
    FILE *file = fopen(GPUS_FILE, "r");
    struct stat facts;
    struct timespec now;
    int count = 0;
    if (!file) return -1;
    fstat(fileno(file), &facts);
    clock_gettime(CLOCK_REALTIME, &now);
    double age_s = (double)(now.tv_sec - facts.st_mtim.tv_sec) + 1e-9 * (double)(now.tv_nsec - facts.st_mtim.tv_nsec);
    while (count < MOST && fscanf(file, " %95[^\t]\t%95[^\t]\t%lld\t%lld\t%lld\t%d", gpus[count].uuid, gpus[count].name,
                                  &gpus[count].energy_mj, &gpus[count].power_mw, &gpus[count].drift_mw, &gpus[count].lost) == 6) {
        if (gpus[count].energy_mj >= 0) gpus[count].energy_mj += (long long)(age_s * (double)gpus[count].drift_mw);
        count++;
    }
    fclose(file);
    return count;
}

static int find(Device device, Gpu *found) {
    Gpu gpus[MOST];
    int count;
    size_t number = (size_t)device;
    if (!users) return UNINITIALIZED;
    count = read_gpus(gpus);
    if (count < 0) return UNKNOWN;
    if (number < 1 || number > (size_t)count) return INVALID;
    *found = gpus[number - 1];
    return found->lost ? LOST : OK;
}

static int put(char *where, unsigned int room, const char *text) {
    if (strlen(text) + 1 > room) return TOO_SMALL;
    strcpy(where, text);
    return OK;
}

int nvmlInitWithFlags(unsigned int flags) { (void)flags; users++; return OK; }
int nvmlInit_v2(void) { users++; return OK; }
int nvmlShutdown(void) { if (!users) return UNINITIALIZED; users--; return OK; }

const char *nvmlErrorString(int code) {
    switch (code) {
    case OK: return "Success";
    case UNINITIALIZED: return "Uninitialized";
    case INVALID: return "Invalid Argument";
    case UNSUPPORTED: return "Not Supported";
    case NO_PERMISSION: return "Insufficient Permissions";
    case TOO_SMALL: return "Insufficient Size";
    case LOST: return "GPU is lost";
    default: return "Unknown Error";
    }
}

int nvmlSystemGetDriverVersion(char *version, unsigned int room) { return put(version, room, "999.99"); }
int nvmlSystemGetNVMLVersion(char *version, unsigned int room) { return put(version, room, "13.999.99"); }

int nvmlDeviceGetCount_v2(unsigned int *count) {
    Gpu gpus[MOST];
    int found = users ? read_gpus(gpus) : -1;
    if (!users) return UNINITIALIZED;
    if (found < 0) return UNKNOWN;
    *count = (unsigned int)found;
    return OK;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned int index, Device *device) {
    Gpu gpu;
    int code = find((Device)((size_t)index + 1), &gpu);
    if (code == OK) *device = (Device)((size_t)index + 1);
    return code;
}

int nvmlDeviceGetIndex(Device device, unsigned int *index) {
    Gpu gpu;
    int code = find(device, &gpu);
    if (code == OK) *index = (unsigned int)((size_t)device - 1);
    return code;
}

int nvmlDeviceGetName(Device device, char *name, unsigned int room) {
    Gpu gpu;
    int code = find(device, &gpu);
    return code == OK ? put(name, room, gpu.name) : code;
}

int nvmlDeviceGetUUID(Device device, char *uuid, unsigned int room) {
    Gpu gpu;
    int code = find(device, &gpu);
    return code == OK ? put(uuid, room, gpu.uuid) : code;
}

int nvmlDeviceGetTotalEnergyConsumption(Device device, unsigned long long *millijoules) {
    Gpu gpu;
    int code = find(device, &gpu);
    if (code != OK) return code;
    if (gpu.energy_mj < 0) return UNSUPPORTED;
    *millijoules = (unsigned long long)gpu.energy_mj;
    return OK;
}

int nvmlDeviceGetPowerUsage(Device device, unsigned int *milliwatts) {
    Gpu gpu;
    int code = find(device, &gpu);
    if (code != OK) return code;
    if (gpu.power_mw < 0) return NO_PERMISSION;
    *milliwatts = (unsigned int)gpu.power_mw;
    return OK;
}

int nvmlDeviceGetEnforcedPowerLimit(Device device, unsigned int *milliwatts) {
    Gpu gpu;
    int code = find(device, &gpu);
    if (code == OK) *milliwatts = 700000;
    return code;
}

int nvmlDeviceGetPowerManagementLimit(Device device, unsigned int *milliwatts) {
    return nvmlDeviceGetEnforcedPowerLimit(device, milliwatts);
}

int nvmlDeviceGetMemoryInfo(Device device, Memory *memory) {
    Gpu gpu;
    int code = find(device, &gpu);
    if (code == OK) { memory->total = 80ull << 30; memory->used = 1ull << 30; memory->free = 79ull << 30; }
    return code;
}

int nvmlDeviceGetMemoryInfo_v2(Device device, Memory2 *memory) {
    Gpu gpu;
    int code = find(device, &gpu);
    if (code == OK) { memory->total = 80ull << 30; memory->reserved = 0; memory->used = 1ull << 30; memory->free = 79ull << 30; }
    return code;
}

int nvmlDeviceGetTemperature(Device device, int sensor, unsigned int *celsius) {
    Gpu gpu;
    int code = find(device, &gpu);
    (void)sensor;
    if (code == OK) *celsius = 45;
    return code;
}

int nvmlDeviceGetUtilizationRates(Device device, Utilization *share) {
    Gpu gpu;
    int code = find(device, &gpu);
    if (code == OK) { share->gpu = 50; share->memory = 10; }
    return code;
}

int nvmlDeviceGetComputeMode(Device device, int *mode) {
    Gpu gpu;
    int code = find(device, &gpu);
    if (code == OK) *mode = 0;
    return code;
}

/* No process: the first call, which asks for the size, succeeds. */
int nvmlDeviceGetComputeRunningProcesses_v3(Device device, unsigned int *count, void *list) {
    Gpu gpu;
    int code = find(device, &gpu);
    (void)list;
    if (code == OK) *count = 0;
    return code;
}

int nvmlDeviceGetGraphicsRunningProcesses_v3(Device device, unsigned int *count, void *list) {
    return nvmlDeviceGetComputeRunningProcesses_v3(device, count, list);
}
"""
