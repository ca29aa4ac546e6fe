"""Fake hardware for tests: a powercap tree as the kernel lays it out, and an NVML library.

The real code reads both through the real interfaces: files and symbolic links below a root folder, and a shared library that
``pynvml`` loads by its usual name. Nothing is patched, so code that passes here fails on a real device only if the device
behaves differently from this description.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

PACKAGE_RANGE_UJ = 262_143_328_850
"""``max_energy_range_uj`` of a package on common Intel and AMD machines; a busy one wraps in tens of minutes."""

DRAM_RANGE_UJ = 65_712_999_613
"""``max_energy_range_uj`` of memory on common Intel machines."""


class PowercapZone:
    """One zone of a ``PowercapTree``, made by its ``add``: a counter in microjoules that wraps like the kernel's.

    Example:
        >>> from tempfile import mkdtemp
        >>> zone = PowercapTree(Path(mkdtemp())).add("package-0", range_uj=1_000)
        >>> zone.advance(1_200)
        >>> zone.counter_uj
        200
    """

    def __init__(self, tree: PowercapTree, path: Path, name: str, range_uj: int) -> None:
        self.path = path
        self.range_uj = range_uj
        self._tree = tree
        self._children = 0
        self._counter_uj = 0
        self._shown = True
        self._mode = 0o444
        self._shape = (0, 0)
        self._lock = threading.Lock()
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
        """The file of the counter."""
        return self.path / "energy_uj"

    @property
    def counter_uj(self) -> int:
        """The count in microjoules, readable or not."""
        return self._counter_uj

    def set(self, counter_uj: int) -> None:
        """Set the counter. A concurrent reader sees the old or the new count, never half of it."""
        with self._lock:
            self._counter_uj = counter_uj
            self._show()

    def advance(self, energy_uj: int) -> None:
        """Use this much energy. Past the range, the count starts again at zero."""
        self.set((self._counter_uj + energy_uj) % self.range_uj)

    def lose(self) -> None:
        """Remove the file, as when a module is unloaded. The counter still counts."""
        with self._lock:
            self._shown = False
            self.energy_file.unlink(missing_ok=True)

    def find(self) -> None:
        """Restore the file after ``lose``."""
        with self._lock:
            self._shown = True
            self._show()

    def forbid(self) -> None:
        """Let only root read the counter. The kernel lets a process with the file open continue; this fake shuts out all."""
        with self._lock:
            self._mode = 0o000
            self._show()

    def allow(self) -> None:
        """Let everybody read the counter."""
        with self._lock:
            self._mode = 0o444
            self._show()

    def constrain(self, max_watts: float, *, name: str = "long_term") -> None:
        """Show a power limit as the kernel does: ``constraint_<n>_name``, ``_max_power_uw``, ...

        Args:
            max_watts: The limit.
            name: Name of the constraint.
        """
        number = len(list(self.path.glob("constraint_*_name")))
        for what, text in (
            ("name", name),
            ("max_power_uw", str(round(max_watts * 1e6))),
            ("power_limit_uw", str(round(max_watts * 1e6))),
            ("time_window_us", "999424"),
        ):
            (self.path / f"constraint_{number}_{what}").write_text(f"{text}\n", encoding="ascii")

    def _show(self) -> None:
        if not self._shown:
            return
        text = f"{self._counter_uj}\n".encode("ascii")
        if (len(text), self._mode) == self._shape:
            # Keep the file, as the kernel does. A write of the same length is seen whole or not at all.
            with suppress(OSError), self.energy_file.open("r+b", buffering=0) as file:  # only root may write what all may read
                file.write(text)
                return
        fresh = self.path / ".energy_uj"
        fresh.write_bytes(text)
        fresh.chmod(self._mode)
        fresh.replace(self.energy_file)
        self._shape = (len(text), self._mode)

    def add(self, name: str, range_uj: int = PACKAGE_RANGE_UJ) -> PowercapZone:
        """Nest a zone in this one: ``core``, ``uncore``, ``dram``.

        Args:
            name: Content of the zone's ``name`` file.
            range_uj: Count at which its counter wraps.
        """
        zone = PowercapZone(self._tree, self.path / f"{self.path.name}:{self._children}", name, range_uj)
        self._children += 1
        return zone


class PowercapTree:
    """The folder ``/sys`` of a machine with energy counters, below a root of your own.

    The layout is the kernel's: nested folders below ``sys/devices/virtual/powercap``, and one flat link for every control type
    and zone below ``sys/class/powercap``; each folder links back by ``subsystem`` and ``device``.

    Args:
        root: The folder to pass as ``root`` to ``ecoia.meters``; created if needed.

    Example:
        >>> from tempfile import mkdtemp
        >>> package = PowercapTree(Path(mkdtemp())).add("package-0")
        >>> package.advance(3_000_000)
        >>> int(package.energy_file.read_text())
        3000000
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
            name: Content of the zone's ``name`` file.
            control_type: ``intel-rapl`` (by MSR; also on AMD) or ``intel-rapl-mmio``.
            range_uj: Count at which its counter wraps.
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
        """Link a folder into the class folder, and back."""
        (self.class_folder / folder.name).symlink_to(os.path.relpath(folder, self.class_folder))
        (folder / "subsystem").symlink_to(os.path.relpath(self.class_folder, folder))
        if folder.parent != self.devices_folder:
            (folder / "device").symlink_to(os.path.relpath(folder.parent, folder))


class PowercapLoad:
    """A live load: a thread that advances counters about every millisecond, and knows by how much.

    Each step uses the same energy, so a thread that is late uses less, never too much at once. Over ``seconds``, its own time,
    the power is exact, however busy the machine is.

    Args:
        watts: The power of each zone. Zones that share a counter (mirrored dies) are one tuple.
        step_seconds: Least time between two steps.
        speed: Speed of its own time; if it isn't 1, read within ``still`` and by ``seconds``.

    Example:
        >>> with PowercapLoad({package: 150.0}) as load:  # doctest: +SKIP
        ...     ...
        >>> load.used_uj(package)  # doctest: +SKIP
    """

    def __init__(
        self,
        watts: Mapping[PowercapZone | tuple[PowercapZone, ...], float],
        *,
        step_seconds: float = 0.001,
        speed: float = 1.0,
    ) -> None:
        self._watts = {zones if isinstance(zones, tuple) else (zones,): power for zones, power in watts.items()}
        self._used_uj = {zones[0]: 0 for zones in self._watts}
        self._step_seconds = step_seconds
        self._speed = speed
        self._steps = 0
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="powercap-load", daemon=True)

    def __enter__(self) -> PowercapLoad:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def seconds(self) -> float:
        """Its own time since it started."""
        with self._lock:
            return self._steps * self._step_seconds * self._speed

    def used_uj(self, *zones: PowercapZone) -> int:
        """Return the energy that these zones used so far, at one instant. Of mirrored zones, name the first."""
        with self._lock:
            return sum(self._used_uj[zone] for zone in zones)

    def still(self) -> AbstractContextManager[object]:
        """Return a lock that stops the load while it is held, so that several values can be read at one instant."""
        return self._lock

    def draw(self, zone: PowercapZone, watts: float) -> None:
        """Change the power of a zone."""
        with self._lock:
            zones = next(zones for zones in self._watts if zones[0] is zone)
            self._watts[zones] = watts

    def reset(self, zone: PowercapZone) -> int:
        """Restart the zone's counter at zero, as when a driver is reloaded; return the energy that the zone used so far."""
        with self._lock:
            zone.set(0)
            return self._used_uj[zone]

    def _run(self) -> None:
        while not self._ended.wait(self._step_seconds):
            with self._lock:
                self._steps += 1
                for zones, watts in self._watts.items():
                    step_uj = int(watts * self._step_seconds * self._speed * 1e6)
                    self._used_uj[zones[0]] += step_uj
                    for zone in zones:
                        zone.advance(step_uj)


def add_pci_device(root: Path, address: str, *, device_class: str, vendor: str) -> None:
    """Put a device on the PCI bus below ``root``.

    Args:
        root: The folder to pass as ``root`` to ``ecoia.meters``.
        address: Address on the bus, e.g. ``0000:01:00.0``.
        device_class: Class of the device, e.g. ``0x030200``, an accelerator.
        vendor: Vendor of the device, e.g. ``0x10de``, NVIDIA.

    Example:
        >>> from tempfile import mkdtemp
        >>> from ecoia.meters.hardware import gpu_vendors
        >>> root = Path(mkdtemp())
        >>> add_pci_device(root, "0000:01:00.0", device_class="0x030200", vendor="0x10de")
        >>> sorted(gpu_vendors(root))
        ['0x10de']
    """
    device = root / "sys/devices/pci0000:00" / address
    device.mkdir(parents=True)
    (device / "class").write_text(f"{device_class}\n", encoding="ascii")
    (device / "vendor").write_text(f"{vendor}\n", encoding="ascii")
    bus = root / "sys/bus/pci/devices"
    bus.mkdir(parents=True, exist_ok=True)
    (bus / address).symlink_to(os.path.relpath(device, bus))


@dataclass(frozen=True)
class FakeProcess:
    """A process that has a GPU, or an instance of one, open.

    Example:
        >>> FakeGpu("GPU-a", processes=(FakeProcess(pid=4242),)).processes
        (FakeProcess(pid=4242, graphics=False),)
    """

    pid: int
    graphics: bool = False
    """Whether it has a graphics context; else it has a compute context."""


@dataclass(frozen=True)
class FakeSample:
    """One utilisation sample of the driver: how busy a process kept a GPU.

    Example:
        >>> FakeGpu("GPU-a", samples=(FakeSample(pid=4242, timestamp_us=1_000_000, percent=80),)).samples[0].percent
        80
    """

    pid: int
    timestamp_us: int
    percent: int


@dataclass(frozen=True)
class FakeInstance:
    """An instance of a divided GPU (MIG).

    Example:
        >>> FakeGpu("GPU-a", most_instances=7, instances=(FakeInstance("MIG-a", compute_slices=3),)).instances[0].uuid
        'MIG-a'
    """

    uuid: str
    gpu_instance: int = 1
    compute_instance: int = 0
    compute_slices: int = 1
    """0: the driver doesn't report it."""

    processes: tuple[FakeProcess, ...] = ()


@dataclass(frozen=True)
class FakeGpu:
    """One GPU as the fake driver shows it. None stands for a value that the device does not support.

    Example:
        >>> FakeGpu("GPU-a", energy_millijoules=None, power_milliwatts=70_000).power_milliwatts
        70000
    """

    uuid: str
    energy_millijoules: int | None = 0
    """The counter; None for models older than Volta."""

    power_milliwatts: int | None = 0
    """The momentary power."""

    drift_milliwatts: int = 0
    """The counter grows by this power from the moment of ``show``: a live GPU without a writer thread."""

    update_milliseconds: int = 100
    """The counter moves in steps of this time, like a real one."""

    error: int = 0
    """Return code of every call about it: 15 if the GPU fell off the bus, 4 if this process may not use it."""

    processes: tuple[FakeProcess, ...] | None = ()
    samples: tuple[FakeSample, ...] | None = ()
    most_instances: int = 0
    """Number of instances that it can be divided into; 0: MIG is off."""

    instances: tuple[FakeInstance, ...] = ()


class FakeNvml:
    """A compiled ``libnvidia-ml.so.1`` and the file that controls it.

    Args:
        folder: Folder of the library. Put it first in ``LD_LIBRARY_PATH`` of a new process.

    Example:
        >>> fake = build_fake_nvml(folder)  # doctest: +SKIP
        >>> fake.show(FakeGpu("GPU-a", energy_millijoules=1_000))  # doctest: +SKIP
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state_file = folder / "state"

    def show(self, *gpus: FakeGpu, error: int = 0, generation: int = 0) -> None:
        """Show these GPUs from now on.

        Args:
            gpus: The GPUs in the driver's order.
            error: Return code of every call: 9 if the driver is not loaded.
            generation: Generation of the driver. A new one makes handles and initialisations void, as a reload does.
        """
        lines = [f"driver {error} {generation}"]
        instances = 0
        for number, gpu in enumerate(gpus):
            lines.append(
                f"gpu {gpu.uuid} {_or_none(gpu.energy_millijoules)} {_or_none(gpu.power_milliwatts)} {gpu.drift_milliwatts}"
                f" {gpu.update_milliseconds} {gpu.error} {gpu.most_instances} {int(gpu.processes is not None)}"
                f" {int(gpu.samples is not None)}"
            )
            lines += [f"process {number} -1 {each.pid} {int(each.graphics)}" for each in gpu.processes or ()]
            lines += [f"sample {number} {each.pid} {each.timestamp_us} {each.percent}" for each in gpu.samples or ()]
            for part in gpu.instances:
                ids = f"{part.gpu_instance} {part.compute_instance}"
                lines.append(f"instance {number} {part.uuid} {ids} {part.compute_slices}")
                lines += [f"process {number} {instances} {each.pid} {int(each.graphics)}" for each in part.processes]
                instances += 1
        fresh = self.state_file.with_suffix(".new")
        fresh.write_text("".join(f"{line}\n" for line in lines), encoding="ascii")
        fresh.replace(self.state_file)


def _or_none(number: int | None) -> int:
    return -1 if number is None else number


def build_fake_nvml(folder: Path) -> FakeNvml:
    """Compile the fake library. It shows no GPU until ``FakeNvml.show``.

    Args:
        folder: Folder of the library, created if needed.

    Raises:
        FileNotFoundError: No C compiler is installed.

    Example:
        >>> build_fake_nvml(Path("fake")).show(FakeGpu("GPU-a"))  # doctest: +SKIP
    """
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise FileNotFoundError("the fake NVML library needs a C compiler: install gcc (Debian: apt-get install gcc libc6-dev)")
    folder.mkdir(parents=True, exist_ok=True)
    fake = FakeNvml(folder)
    library = folder / "libnvidia-ml.so.1"
    state = f'-DSTATE_FILE="{fake.state_file}"'
    subprocess.run(  # noqa: S603 - our own source, a compiler of the system
        [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Werror", state, "-o", str(library), str(_SOURCE)], check=True
    )
    fake.show()
    return fake


_SOURCE = Path(__file__).with_name("nvml.c")
