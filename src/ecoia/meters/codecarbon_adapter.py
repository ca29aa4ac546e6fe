"""The one place that knows codecarbon: its counter readers and its models, behind our ``Meter`` protocol.

What is used: ``core.rapl.RAPLFile`` (reading and wrap), ``core.rapl.find_mirrored_counters``,
``core.gpu.AllGPUDevices``, ``external.hardware.CPU`` (load model), ``external.ram.RAM`` (RAM model) and the CPU
power table. What is not, and why (docs/decisions.md): the tracker; ``IntelRAPL``'s choice of zones, which skips
nested ``dram`` zones and merges those of several sockets by name; ``TDP``, which loads pandas.
Tests run this module against the pinned release's real classes on fake trees.
"""

from __future__ import annotations

import csv
import logging
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ecoia.meters import Meter, hardware
from ecoia.records import Method
from ecoia.semconv import ESTIMATED, MEASURED

RAPL = Method(MEASURED, "rapl")
RAPL_DRAM = Method(MEASURED, "rapl-dram")
NVML = Method(MEASURED, "nvml")
GPU_OTHER = Method(MEASURED, "amdsmi")
LOAD_GENERIC = Method(ESTIMATED, "load-model:generic-tdp")
LOAD_MODEL = Method(ESTIMATED, "load-model:tdp")
RAM_MODEL = Method(ESTIMATED, "ram-model")


@contextmanager
def _untouched_logging() -> Iterator[None]:
    """codecarbon's import gives its logger a handler and a level of its own: put the host's back, and keep it quiet."""
    logger = logging.getLogger("codecarbon")
    handlers, level, propagate = list(logger.handlers), logger.level, logger.propagate
    null = logging.NullHandler()
    try:
        yield
    finally:
        logger.handlers[:] = handlers or [null]
        logger.setLevel(level)
        logger.propagate = propagate


def _microjoules(energy: Any) -> int:
    # codecarbon counts in kWh with a rounded constant of its own: dividing by the same constant gives the counter back.
    from codecarbon.core.units import Energy

    counted: float = energy.kWh / Energy.JOULES_TO_KWH * 1_000_000
    return round(counted)


class RaplMeter:
    """Sum of RAPL zones, each read and corrected for wrap by codecarbon's ``RAPLFile``."""

    devices: tuple[str, ...] = ()
    shared_by_cpu = True

    def __init__(self, component: str, method: Method, files: Sequence[Path], early_counters: dict[str, int]) -> None:
        from codecarbon.core.rapl import RAPLFile
        from codecarbon.core.units import Energy

        self.component = component
        self.method = method
        self._zones = []
        for file in files:
            zone = RAPLFile(name=file.parent.name, path=str(file), max_path=str(file.parent / "max_energy_range_uj"))
            zone.start()
            if str(file) in early_counters:
                zone.last_energy = Energy.from_ujoules(early_counters[str(file)])
            self._zones.append(zone)

    def read(self, seconds: float, load: float) -> int | None:
        """See ``Meter.read``. None when any zone could not be read: a sum without a socket is not the host's energy."""
        from codecarbon.core.units import Time

        total = 0
        complete = True
        for zone in self._zones:
            zone.delta(Time(seconds=seconds))
            if zone.sample_skipped:
                complete = False
            else:
                total += _microjoules(zone.energy_delta)
        return total if complete else None


class GpuMeter:
    """Sum of the GPUs visible to the process, read by codecarbon through NVML or AMD SMI."""

    component = "gpu"
    shared_by_cpu = False

    def __init__(self, gpus: Any, indices: Sequence[int]) -> None:
        self._gpus = gpus
        self._indices = frozenset(indices)
        chosen = [device for device in gpus.devices if device.gpu_index in self._indices]
        self.devices = tuple(_text(device.get_static_details()["uuid"]) for device in chosen)
        nvidia = all(type(device).__name__ == "NvidiaGPUDevice" for device in chosen)
        self.method = NVML if nvidia else GPU_OTHER
        gpus.start()

    def read(self, seconds: float, load: float) -> int | None:
        """See ``Meter.read``."""
        from codecarbon.core.units import Time

        readings = self._gpus.get_delta(Time(seconds=seconds))
        chosen = [reading for reading in readings if reading["gpu_index"] in self._indices]
        if len(chosen) != len(self._indices):
            return None
        return sum(_microjoules(reading["delta_energy_consumption"]) for reading in chosen)


class LoadMeter:
    """codecarbon's load model of the CPU: 10 % of the thermal design power at rest, a cubic of the load above."""

    component = "cpu"
    devices: tuple[str, ...] = ()
    shared_by_cpu = True

    def __init__(self, model: str, tdp_watts: float, known: bool) -> None:
        from codecarbon.external.hardware import CPU

        self.method = LOAD_MODEL if known else LOAD_GENERIC
        self._load = _GivenLoad()
        self._cpu = CPU(output_dir=tempfile.gettempdir(), mode="cpu_load", model=model, tdp=tdp_watts)
        # Our own reading of /proc/stat, so that the model sees exactly the interval that is charged.
        self._cpu._cpu_load_meter = self._load
        self._cpu.start()

    def read(self, seconds: float, load: float) -> int | None:
        """See ``Meter.read``."""
        self._load.share = load
        watts: float = self._cpu._get_power_from_cpu_load().W
        return round(watts * seconds * 1_000_000)


class _GivenLoad:
    """Stands where codecarbon keeps its own load meter."""

    def __init__(self) -> None:
        self.share = 0.0

    def percent(self) -> float:
        return self.share * 100

    def reset(self) -> None:
        """Nothing to reset: the load is given at each reading."""


class RamMeter:
    """codecarbon's RAM model: watts by number of modules, from the memory that is ours to use."""

    component = "ram"
    method = RAM_MODEL
    devices: tuple[str, ...] = ()
    shared_by_cpu = True

    def __init__(self, memory_bytes: int) -> None:
        from codecarbon.external.ram import RAM

        self._watts = float(RAM()._calculate_ram_power(memory_bytes / 2**30))

    def read(self, seconds: float, load: float) -> int | None:
        """See ``Meter.read``."""
        return round(self._watts * seconds * 1_000_000)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _zone_name(file: Path) -> str:
    try:
        return (file.parent / "name").read_text(encoding="ascii").strip().lower()
    except OSError:
        return ""


def select_zones(root: Path = hardware.ROOT) -> tuple[list[Path], list[Path]]:
    """The counters to add up: (package zones, dram zones), each counted once.

    ``psys`` holds the packages and is left out; ``core`` and ``uncore`` are inside the package; a package shown
    by both the MSR and the MMIO interface is taken once (MSR); dies that mirror one counter are taken once;
    ``dram`` zones are found by path, nested or not, so that each socket's counts.
    A package that exists but cannot be read makes the list empty: half of a host is not its energy.
    """
    packages: dict[str, Path] = {}
    dram = []
    for file in hardware.energy_counter_files(root):
        name = _zone_name(file)
        if name.startswith("package"):
            mmio = "mmio" in str(file)
            if name not in packages or not mmio:
                packages[name] = file
        elif name == "dram":
            dram.append(file)
    chosen = list(packages.values())
    if not chosen or not all(os.access(file, os.R_OK) for file in chosen):
        return [], []
    return _without_mirrors(chosen), [file for file in dram if os.access(file, os.R_OK)]


def _without_mirrors(files: list[Path]) -> list[Path]:
    from codecarbon.core.rapl import SEQUENTIAL_READ_TOLERANCE_KWH, find_mirrored_counters
    from codecarbon.core.units import Energy

    counters = []
    for file in files:
        try:
            counters.append((str(file), float(Energy.from_ujoules(int(file.read_text(encoding="ascii"))))))
        except (OSError, ValueError):
            return []
    mirrored = find_mirrored_counters(counters, SEQUENTIAL_READ_TOLERANCE_KWH)
    return [file for file in files if str(file) not in mirrored]


def visible_gpus(devices: Sequence[tuple[int, str]], visible: str | None) -> list[int]:
    """Indices of the GPUs that ``CUDA_VISIBLE_DEVICES`` lets the process use.

    Args:
        devices: (index, uuid) of each GPU of the host.
        visible: The variable: indices, ``GPU-<uuid>`` (a unique beginning is enough), ``MIG-...``; None: all.
            As in CUDA, an entry that names nothing ends the list.
    """
    if visible is None:
        return [index for index, _ in devices]
    chosen = []
    for raw in visible.split(","):
        entry = raw.strip()
        matches = [
            index
            for index, uuid in devices
            if entry == str(index)
            or (entry.startswith("GPU-") and uuid.startswith(entry))
            or (entry.startswith("MIG-GPU-") and uuid in entry)
        ]
        if len(matches) != 1:
            break
        if matches[0] not in chosen:
            chosen.append(matches[0])
    return chosen


_NOISE = re.compile(r"\(r\)|\(tm\)|\bcpu\b|\bprocessor\b|@.*$|\d+-core\b|\bwith radeon.*$", re.IGNORECASE)


def _words(model: str) -> frozenset[str]:
    return frozenset(re.findall(r"[a-z0-9-]+", _NOISE.sub(" ", model.lower())))


def tdp_watts(model: str) -> float | None:
    """Thermal design power of a CPU model from codecarbon's table; None when no single entry names it.

    An entry names the model when all its words are in it; of several, the one with the most words.
    """
    spec = find_spec("codecarbon")
    if spec is None or spec.origin is None:
        return None
    table = Path(spec.origin).parent / "data" / "hardware" / "cpu_power.csv"
    words = _words(model)
    best: list[tuple[int, float]] = []
    with table.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            entry = _words(row["Name"])
            # One word ("EPYC", "255e") is a family or a coincidence, not a model.
            if len(entry) >= 2 and entry <= words and any(char.isdigit() for word in entry for char in word):
                best.append((len(entry), float(row["TDP"])))
    if not best:
        return None
    most = max(count for count, _ in best)
    watts = {value for count, value in best if count == most}
    return watts.pop() if len(watts) == 1 else None


def detect(early_counters: dict[str, int], root: Path = hardware.ROOT) -> list[Meter]:
    """See ``ecoia.meters.detect``."""
    with _untouched_logging():
        from codecarbon.core import gpu
        from codecarbon.core.cpu import DEFAULT_POWER_PER_CORE

        meters: list[Meter] = []
        packages, dram = select_zones(root)
        if packages:
            meters.append(RaplMeter("cpu", RAPL, packages, early_counters))
        else:
            model = hardware.cpu_model(root)
            watts = tdp_watts(model)
            generic = DEFAULT_POWER_PER_CORE * hardware.cpu_count()
            meters.append(LoadMeter(model, generic if watts is None else watts, known=watts is not None))
        if packages and dram:
            meters.append(RaplMeter("ram", RAPL_DRAM, dram, early_counters))
        else:
            meters.append(RamMeter(hardware.memory_bytes(root)))
        if gpu.is_gpu_details_available():
            gpus = gpu.AllGPUDevices()
            known = [(device.gpu_index, _text(device.get_static_details()["uuid"])) for device in gpus.devices]
            indices = visible_gpus(known, os.environ.get("CUDA_VISIBLE_DEVICES"))
            if indices:
                meters.append(GpuMeter(gpus, indices))
        return meters


def explain_cpu(method: Method, root: Path = hardware.ROOT) -> tuple[str, str | None]:
    """Why the CPU is measured so, and how to get better."""
    if method == RAPL:
        return "the kernel's RAPL counters are readable", None
    files = hardware.energy_counter_files(root)
    hidden = [file for file in files if not os.access(file, os.R_OK)]
    if hidden:
        return (
            f"RAPL counters exist but {len(hidden)} of {len(files)} cannot be read by this user",
            f"sudo chmod a+r {hardware.powercap_folder(root)}/*/energy_uj  (until reboot; a tmpfiles.d rule makes it last)",
        )
    model = hardware.cpu_model(root)
    why = f"no RAPL counters under {hardware.powercap_folder(root)} (a virtual machine or container hides them)"
    if method == LOAD_MODEL:
        return f"{why}; power is modelled from the load and the thermal design power of '{model}'", "measure on the physical host"
    return (
        f"{why}; CPU model '{model}' is in no power table, so a generic power per core is used",
        "ask the host's operator to pass powercap through, or measure on the physical host",
    )


def explain_gpu(method: Method, root: Path = hardware.ROOT) -> tuple[str, str | None]:
    """Why the GPU is measured so, and how to get better."""
    if method in (NVML, GPU_OTHER):
        return "the driver's energy interface answers", None
    if method.name == "no-device":
        return "no GPU on the PCI bus", None
    if method.name == "no-driver":
        return "a GPU is on the PCI bus but its driver does not answer", "install the vendor's driver (nvidia-smi must work)"
    return "no driver answers and the PCI bus cannot be seen", None


def explain_ram(method: Method, root: Path = hardware.ROOT) -> tuple[str, str | None]:
    """Why RAM is measured so, and how to get better."""
    if method == RAPL_DRAM:
        return "the kernel shows DRAM counters", None
    return "no DRAM counters: power is modelled from the size of the memory", None
