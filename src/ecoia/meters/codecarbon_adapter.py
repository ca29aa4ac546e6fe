"""The one place that knows codecarbon: its counter readers and its models, behind our ``Meter`` protocol.

What is used: ``core.rapl.RAPLFile`` (reading and wrap), ``core.rapl.find_mirrored_counters``, ``core.gpu.AllGPUDevices``
(AMD's devices; NVIDIA's are read by ``nvml``), ``external.hardware.CPU`` (load model), ``external.ram.RAM`` (RAM model) and
the CPU power table. What is not, and why (docs/decisions.md): the tracker; ``IntelRAPL``'s choice of zones, which skips
nested ``dram`` zones and merges those of several sockets by name; ``TDP``, which loads pandas.
Tests run this module against the pinned release's real classes on fake trees.

Measuring must not be noticed by its host, and codecarbon notices itself in two ways, both held off by ``_unnoticed``:
it logs (a handler of its own on import, warnings at each failed reading), and it starts programs (``nvidia-smi`` and
``rocm-smi`` on import, ``scontrol`` in a Slurm job, where a missing one is an error and a present one asks a server).
"""

from __future__ import annotations

import csv
import logging
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ecoia.meters import DEVICES, Absence, Detected, Meter, hardware, nvml
from ecoia.records import Method
from ecoia.semconv import ESTIMATED, MEASURED

RAPL = Method(MEASURED, "rapl")
RAPL_DRAM = Method(MEASURED, "rapl-dram")
AMDSMI = Method(MEASURED, "amdsmi")
LOAD_GENERIC = Method(ESTIMATED, "load-model:generic-tdp")
LOAD_MODEL = Method(ESTIMATED, "load-model:tdp")
RAM_MODEL = Method(ESTIMATED, "ram-model")


_MOST_WATTS = 10_000
"""No RAPL zone uses more. A counter that begins again (driver reloaded, machine resumed) looks like a wrap, and the
energy of a whole range is then asked for one second."""

_ours = threading.local()
"""Whether this thread is in codecarbon on ecoia's behalf: only then is anything held off, so the host's own use is its own."""


def _is_ours() -> bool:
    return getattr(_ours, "active", False)


class _NotOurs(logging.Filter):
    """Keeps what codecarbon says to ecoia out of the host's log; what it says to the host passes."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not _is_ours()


_not_ours = _NotOurs()


@contextmanager
def _quietly() -> Iterator[None]:
    """Around every call into codecarbon. Filters once added stay: a second ``addFilter`` changes nothing."""
    logging.getLogger("codecarbon").addFilter(_not_ours)
    before = _is_ours()
    _ours.active = True
    try:
        yield
    finally:
        _ours.active = before


@contextmanager
def _unnoticed() -> Iterator[None]:
    """Around codecarbon's import and set-up: no line in the host's log, no program started, logging as it was before.

    codecarbon calls ``subprocess.check_output`` while it is being imported, so nothing of its own can be set first,
    and ``PATH`` belongs to every thread and child of the host. So the function is wrapped for as long as this lasts;
    the wrapper answers our thread as a program that failed, and passes every other call on. Code that takes hold of
    the wrapper meanwhile keeps a function that does what the original does. No lock: a process that forks here
    would hand its child a lock that nobody releases.
    """
    logger = logging.getLogger("codecarbon")
    handlers, level, propagate = list(logger.handlers), logger.level, logger.propagate
    first = "codecarbon" not in sys.modules
    original = subprocess.check_output

    @wraps(original)
    def check_output(*args: Any, **kwargs: Any) -> Any:
        if _is_ours():
            raise subprocess.CalledProcessError(127, args[0])
        return original(*args, **kwargs)

    subprocess.check_output = check_output
    try:
        with _quietly():
            yield
    finally:
        if subprocess.check_output is check_output:
            subprocess.check_output = original
        if first:
            logger.handlers[:] = handlers
            logger.setLevel(level)
            logger.propagate = propagate
            _forget_programs()


def _forget_programs() -> None:
    # codecarbon remembers what nvidia-smi and rocm-smi answered; they were never asked, so the host may ask them.
    nvidia, amd = sys.modules.get("codecarbon.core.gpu_nvidia"), sys.modules.get("codecarbon.core.gpu_amd")
    if nvidia is not None:
        nvidia.clear_nvidia_system_cache()
    if amd is not None:
        amd.clear_rocm_system_cache()


def _microjoules(energy: Any) -> int:
    # codecarbon counts in kWh with a rounded constant of its own: dividing by the same constant gives the counter back.
    from codecarbon.core.units import Energy

    counted: float = energy.kWh / Energy.JOULES_TO_KWH * 1_000_000
    return round(counted)


class RaplMeter(Meter):
    """Sum of RAPL zones, each read and corrected for wrap by codecarbon's ``RAPLFile``."""

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
        with _quietly():
            for zone in self._zones:
                zone.delta(Time(seconds=seconds))
                energy = _microjoules(zone.energy_delta)
                # A second more, since a counter moves in steps and a reading may follow another at once.
                if zone.sample_skipped or energy > _MOST_WATTS * (seconds + 1) * 1_000_000:
                    complete = False
                else:
                    total += energy
        return total if complete else None


class AmdMeter(Meter):
    """Sum of the AMD GPUs visible to the process, read by codecarbon through AMD SMI."""

    component = "gpu"
    domain = DEVICES
    method = AMDSMI

    def __init__(self, gpus: Any, chosen: Sequence[Any]) -> None:
        # GPUs of others are never asked again: they cost a call, and one of them failing would hide ours.
        gpus.devices = list(chosen)
        gpus.device_count = len(chosen)
        self._gpus = gpus
        self.devices = tuple(str(device.get_static_details()["uuid"]) for device in chosen)
        gpus.start()

    def read(self, seconds: float, load: float) -> int | None:
        """See ``Meter.read``. None when a GPU could not be read; its counter, if it has one, tells the rest later."""
        from codecarbon.core.units import Time

        with _quietly():
            readings = self._gpus.get_delta(Time(seconds=seconds))
        # codecarbon reports 0 for a GPU that answers neither by counter nor by power.
        unread = any(device._use_power_fallback and device._warned_power_failure for device in self._gpus.devices)
        if unread or len(readings) != len(self._gpus.devices):
            return None
        return sum(_microjoules(reading["delta_energy_consumption"]) for reading in readings)


class LoadMeter(Meter):
    """codecarbon's load model of the CPU: 10 % of the thermal design power at rest, a cubic of the load above."""

    component = "cpu"

    def __init__(self, model: str, tdp_watts: float, known: bool) -> None:
        from codecarbon.external.hardware import CPU

        self.method = LOAD_MODEL if known else LOAD_GENERIC
        self._load = _GivenLoad()
        self._cpu = CPU(output_dir="", mode="cpu_load", model=model, tdp=tdp_watts)
        # Our own reading of /proc/stat, so that the model sees exactly the interval that is charged.
        self._cpu._cpu_load_meter = self._load
        self._cpu.start()

    def read(self, seconds: float, load: float) -> int | None:
        """See ``Meter.read``."""
        self._load.share = load
        with _quietly():
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


class RamMeter(Meter):
    """codecarbon's RAM model: watts by number of modules, from the memory that is ours to use."""

    component = "ram"
    method = RAM_MODEL

    def __init__(self, memory_bytes: int) -> None:
        from codecarbon.external.ram import RAM

        self._watts = float(RAM()._calculate_ram_power(memory_bytes / 2**30))

    def read(self, seconds: float, load: float) -> int | None:
        """See ``Meter.read``."""
        return round(self._watts * seconds * 1_000_000)


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
    # Read rather than asked about: a file may look readable and fail (a hypervisor's, a security module's).
    counted = hardware.read_counters(root)
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
    if not chosen or not all(str(file) in counted for file in chosen):
        return [], []
    # Half of the memory is not the memory either.
    return _without_mirrors(chosen, counted), dram if all(str(file) in counted for file in dram) else []


def _without_mirrors(files: list[Path], counted: dict[str, int]) -> list[Path]:
    from codecarbon.core.rapl import SEQUENTIAL_READ_TOLERANCE_KWH, find_mirrored_counters
    from codecarbon.core.units import Energy

    counters = [(str(file), float(Energy.from_ujoules(counted[str(file)]))) for file in files]
    mirrored = find_mirrored_counters(counters, SEQUENTIAL_READ_TOLERANCE_KWH)
    return [file for file in files if str(file) not in mirrored]


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
                watts = _watts(row["TDP"])
                if watts is not None:
                    best.append((len(entry), watts))
    if not best:
        return None
    most = max(count for count, _ in best)
    longest = {value for count, value in best if count == most}
    return longest.pop() if len(longest) == 1 else None


def _watts(text: str) -> float | None:
    # The table says "27.29.5" and "0.0" of some old models: that is not known, hence not zero.
    try:
        watts = float(text)
    except ValueError:
        return None
    return watts if watts > 0 else None


def detect(early_counters: dict[str, int], root: Path = hardware.ROOT) -> Detected:
    """See ``ecoia.meters.detect``."""
    with _unnoticed():
        cpu = _first(lambda: _rapl("cpu", root, early_counters), lambda: _load_model(root))
        # DRAM counters without the packages' would mix a measured part with a modelled one for no gain.
        ram = _first(lambda: _rapl("ram", root, early_counters), lambda: RamMeter(hardware.memory_bytes(root)))
    gpu_found = _first(lambda: gpu(root, _family))
    return Detected({"cpu": cpu, "gpu": gpu_found, "ram": ram})


def _family() -> list[int]:
    import psutil

    return [os.getpid(), *(child.pid for child in psutil.Process().children(recursive=True))]


def _first(*ways: Callable[[], Meter | Absence | None]) -> Meter | Absence:
    """The first way that gives a meter, else what became of the last: a broken component must not cost the others."""
    absence = Absence("none", "no way of measuring it is known", None)
    for way in ways:
        try:
            found = way()
        except Exception as error:  # noqa: BLE001 - a driver, a library or a table may fail in any manner
            absence = Absence(f"failed:{type(error).__name__}", f"asking for it failed: {error}", "repair its driver or library")
            continue
        if isinstance(found, Absence):
            absence = found
        elif found is not None:
            return found
    return absence


def _rapl(component: str, root: Path, early_counters: dict[str, int]) -> Meter | None:
    packages, dram = select_zones(root)
    if component == "cpu":
        return RaplMeter("cpu", RAPL, packages, early_counters) if packages else None
    return RaplMeter("ram", RAPL_DRAM, dram, early_counters) if dram else None


def _load_model(root: Path) -> Meter:
    from codecarbon.core.cpu import DEFAULT_POWER_PER_CORE

    model = hardware.cpu_model(root)
    watts = tdp_watts(model)
    if watts is None:
        return LoadMeter(model, DEFAULT_POWER_PER_CORE * hardware.cpu_count(), known=False)
    return LoadMeter(model, watts * hardware.socket_count(root), known=True)


def gpu(root: Path, pids: Callable[[], Collection[int]]) -> Meter | Absence:
    """The meter of the GPUs that this process can use: NVIDIA's where there is a driver of theirs, else AMD's.

    Args:
        root: Where ``/proc`` and ``/sys`` are.
        pids: The ids of the measured processes, now: a GPU that others use as well is shared out by process.
    """
    return nvml.detect_gpu(root, pids) or _amd_gpu(root) or no_gpu(root)


def _amd_gpu(root: Path) -> Meter | Absence | None:
    # codecarbon costs 16 MiB and 0.2 s, and it reads AMD GPUs through this package only.
    if hardware.gpu_on_bus(root, (hardware.AMD,)) is False or find_spec("amdsmi") is None:
        return None
    with _unnoticed():
        from codecarbon.core.gpu import AllGPUDevices, AMDGPUDevice, is_gpu_details_available

        gpus = AllGPUDevices() if is_gpu_details_available() else None
        devices = [] if gpus is None else [device for device in gpus.devices if isinstance(device, AMDGPUDevice)]
        if not devices:
            return None
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")  # HIP honours it, too
        numbered = [nvml.Gpu(str(number)) for number in range(len(devices))]
        usable = [int(gpu.uuid) for gpu, _ in nvml.visible_devices(numbered, visible)]
        if not usable:
            return Absence("hidden", f"CUDA_VISIBLE_DEVICES is {visible!r}: it hides the {len(devices)} GPU(s)", None)
        return AmdMeter(gpus, [devices[index] for index in usable])


def no_gpu(root: Path = hardware.ROOT) -> Absence:
    """Why no GPU driver answers, as far as the PCI bus tells."""
    name = hardware.missing_gpu_name(root)
    why, remedy = {
        "no-device": ("no NVIDIA or AMD GPU on the PCI bus", None),
        "no-driver": (
            "a GPU is on the PCI bus but its driver does not answer",
            "install the vendor's driver (nvidia-smi must work; of AMD, the Python package amdsmi too)",
        ),
    }.get(name, ("no driver answers and the PCI bus cannot be seen", None))
    return Absence(name, why, remedy)


def explain_cpu(method: Method, root: Path = hardware.ROOT) -> tuple[str, str | None]:
    """Why the CPU is measured so, and how to get better."""
    if method == RAPL:
        return "the kernel's RAPL counters are readable", None
    files = hardware.energy_counter_files(root)
    readable = hardware.read_counters(root)
    hidden = [file for file in files if str(file) not in readable]
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
    if method == nvml.NVML_POWER:
        return "a GPU has no energy counter: its momentary power is read ten times a second", None
    if method == nvml.NVML_MIG_SHARE:
        return (
            "a part of a GPU (MIG) has no counter: its share of the compute slices is taken of the whole GPU's energy",
            "measure the whole GPU on its host",
        )
    return "the driver's energy interface answers", None


def explain_ram(method: Method, root: Path = hardware.ROOT) -> tuple[str, str | None]:
    """Why RAM is measured so, and how to get better."""
    if method == RAPL_DRAM:
        return "the kernel shows DRAM counters", None
    return "no DRAM counters: power is modelled from the size of the memory", None
