"""Adapter for codecarbon, the only module that knows it: its CPU and RAM models and its AMD reader as meters.

Used: ``core.gpu.AllGPUDevices`` (for AMD; ``nvml`` reads NVIDIA's devices), ``external.hardware.CPU`` (load model),
``external.ram.RAM`` (RAM model) and the CPU power table. Not used, for reasons in docs/decisions.md: the tracker, the RAPL
readers, and ``TDP``, which loads pandas. Importing this module doesn't load codecarbon; asking for a model or an AMD GPU does.
Tests run it against the real classes of the pinned release.

The host program must not notice that it is measured. codecarbon would show in two ways: it logs (its own handler on import,
a warning at each failed reading), and it starts programs (``nvidia-smi`` and ``rocm-smi`` on import; ``scontrol`` in a Slurm
job, which logs an error if missing and asks a server if present). ``_unnoticed`` prevents both.
"""

from __future__ import annotations

import csv
import logging
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ecoia.meters import hardware, nvml
from ecoia.meters.meter import DEVICES, GROUP, HOST, Absence, Meter
from ecoia.methods import AMDSMI, LOAD_MODEL, LOAD_MODEL_GENERIC, NVML_MIG_SHARE, NVML_POWER, RAM_MODEL, RAPL, RAPL_DRAM, Method

_STEP_NS = 1_000_000_000
"""Step of the load model. The model isn't linear in the load, so a fixed step makes its sum independent of the readings."""

_ours = threading.local()
"""``active`` while this thread calls codecarbon for ecoia. The host program's own calls are left alone."""


def _is_ours() -> bool:
    return getattr(_ours, "active", False)


class _NotOurs(logging.Filter):
    """Drops log lines about ecoia's calls of codecarbon; lines about the host program's own calls pass."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not _is_ours()


_not_ours = _NotOurs()


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep a call of codecarbon out of the log. The filter stays; adding it twice changes nothing."""
    logging.getLogger("codecarbon").addFilter(_not_ours)
    before = _is_ours()
    _ours.active = True
    try:
        yield
    finally:
        _ours.active = before


@contextmanager
def _unnoticed() -> Iterator[None]:
    """Import or set up codecarbon without a log line, a started program or a changed logger.

    codecarbon calls ``subprocess.check_output`` while it is imported, before any of its own settings could prevent that, and
    ``PATH`` belongs to every thread and child of the host program. So this wraps the function meanwhile: the wrapper reports a
    failed program to our thread and passes every other call on. Code that keeps the wrapper has a function that behaves like
    the original. There is no lock: a fork meanwhile would give the child a lock that nothing releases.
    """
    logger = logging.getLogger("codecarbon")
    handlers, level, propagate = list(logger.handlers), logger.level, logger.propagate
    first = "codecarbon" not in sys.modules
    remembered = {cache for cache in _program_caches() if cache.cache_info().currsize}
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
        # codecarbon caches the answers of nvidia-smi and rocm-smi. They were never asked, so let the host program ask them.
        for cache in _program_caches():
            if cache not in remembered:
                cache.cache_clear()


def _program_caches() -> list[Any]:
    nvidia, amd = sys.modules.get("codecarbon.core.gpu_nvidia"), sys.modules.get("codecarbon.core.gpu_amd")
    caches = (getattr(nvidia, "is_nvidia_system", None), getattr(amd, "is_rocm_system", None))
    return [cache for cache in caches if cache is not None]


def _microjoules(energy: Any) -> int:
    # codecarbon converts to kWh with a rounded constant; dividing by the same constant restores the counter.
    from codecarbon.core.units import Energy

    counted: float = energy.kWh / Energy.JOULES_TO_KWH * 1_000_000
    return round(counted)


class AmdMeter(Meter):
    """Sum of the AMD GPUs visible to the process, read by codecarbon through AMD SMI."""

    component = "gpu"
    domain = DEVICES
    method = AMDSMI

    def __init__(self, gpus: Any, chosen: Sequence[Any]) -> None:
        # Never read the GPUs of others again: each costs a call, and if one failed, ours would be unread.
        gpus.devices = list(chosen)
        gpus.device_count = len(chosen)
        self._gpus = gpus
        self.devices = tuple(str(device.get_static_details()["uuid"]) for device in chosen)
        gpus.start()

    def read(self, seconds: float, load: float) -> int | None:
        """See ``Meter.read``. None if a GPU could not be read; if it has a counter, a later reading includes the gap."""
        from codecarbon.core.units import Time

        with _quietly():
            readings = self._gpus.get_delta(Time(seconds=seconds))
        # codecarbon reports 0 for a GPU that answers neither by counter nor by power.
        unread = any(device._use_power_fallback and device._warned_power_failure for device in self._gpus.devices)
        if unread or len(readings) != len(self._gpus.devices):
            return None
        return sum(_microjoules(reading["delta_energy_consumption"]) for reading in readings)


class LoadMeter(Meter):
    """codecarbon's load model of the CPU: 10 % of the thermal design power (TDP) at rest, a cubic of the load above.

    The model is integrated in steps of one second, however often it is read. A reading inside a step returns the energy of the
    step so far; the end of the step corrects it. An excess is deducted from later readings, which are never negative.

    Args:
        model: Name of the CPU.
        tdp_watts: TDP of all sockets; with ``domain`` ``GROUP``, the group's part of it.
        known: Whether codecarbon's power table names the CPU.
        domain: ``HOST`` or ``GROUP``: what the load and the power stand for.
    """

    component = "cpu"

    def __init__(self, model: str, tdp_watts: float, known: bool, domain: str = HOST) -> None:
        from codecarbon.external.hardware import CPU

        self.method = LOAD_MODEL if known else LOAD_MODEL_GENERIC
        self.domain = domain
        self._load = _GivenLoad()
        self._cpu = CPU(output_dir="", mode="cpu_load", model=model, tdp=tdp_watts)
        # Use our own reading of /proc/stat, so that the model sees exactly the interval that is charged.
        self._cpu._cpu_load_meter = self._load
        self._cpu.start()
        self._step_ns = 0
        self._busy_ns = 0.0
        self._settled_uj = 0.0
        self._given_uj = 0

    def read(self, seconds: float, load: float) -> int | None:
        """See ``Meter.read``. A late reading is cut into steps of its mean load."""
        left_ns = round(seconds * 1e9)
        while left_ns > 0:
            # Whole steps of one load are equal, so a process that was stopped for a day needs no loop over the day.
            whole = left_ns // _STEP_NS if self._step_ns == 0 else 0
            if whole:
                self._settled_uj += self._watts(load) * whole * 1e6
                left_ns -= whole * _STEP_NS
                continue
            part_ns = min(left_ns, _STEP_NS - self._step_ns)
            self._step_ns += part_ns
            self._busy_ns += load * part_ns
            left_ns -= part_ns
            if self._step_ns == _STEP_NS:
                self._settled_uj += self._step_uj()
                self._step_ns, self._busy_ns = 0, 0.0
        energy_uj = max(round(self._settled_uj + self._step_uj()) - self._given_uj, 0)
        self._given_uj += energy_uj
        return energy_uj

    def _step_uj(self) -> float:
        return self._watts(self._busy_ns / self._step_ns) * self._step_ns / 1e3 if self._step_ns else 0.0

    def _watts(self, load: float) -> float:
        self._load.share = load
        with _quietly():
            return float(self._cpu._get_power_from_cpu_load().W)


class _GivenLoad:
    """Replaces codecarbon's own load meter: it returns the load of the reading."""

    def __init__(self) -> None:
        self.share = 0.0

    def percent(self) -> float:
        return self.share * 100

    def reset(self) -> None:
        """Do nothing: each reading sets the load."""


class RamMeter(Meter):
    """codecarbon's RAM model: it guesses the number of modules from the memory of the domain, and counts watts per module.

    Args:
        memory_bytes: Memory of the domain.
        domain: ``HOST`` or ``GROUP``.
    """

    component = "ram"
    method = RAM_MODEL

    def __init__(self, memory_bytes: int, domain: str = HOST) -> None:
        from codecarbon.external.ram import RAM

        self.domain = domain
        self._watts = float(RAM()._calculate_ram_power(memory_bytes / 2**30))

    def read(self, seconds: float, load: float) -> int | None:
        """See ``Meter.read``."""
        return round(self._watts * seconds * 1_000_000)


_NOISE = re.compile(r"\(r\)|\(tm\)|\bcpu\b|\bprocessor\b|@.*$|\d+-core\b|\bwith radeon.*$", re.IGNORECASE)


def _words(model: str) -> frozenset[str]:
    return frozenset(re.findall(r"[a-z0-9-]+", _NOISE.sub(" ", model.lower())))


def tdp_watts(model: str) -> float | None:
    """Return the thermal design power of a CPU from codecarbon's table; None if no single entry names it.

    An entry names the CPU if the name holds all words of the entry. Of several entries, the one with the most words counts.

    Args:
        model: Name of the CPU, as ``/proc/cpuinfo`` writes it.

    Example:
        >>> tdp_watts("Intel(R) Core(TM) i7-8700 CPU @ 3.20GHz")
        65.0
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
            # A single word ("EPYC", "255e") is a family or a coincidence, not a model.
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
    # For some old models, the table holds "27.29.5" or "0.0": their power is unknown, not zero.
    try:
        watts = float(text)
    except ValueError:
        return None
    return watts if watts > 0 else None


@_unnoticed()
def load_meter(root: Path = hardware.ROOT, group: hardware.ControlGroup | None = None) -> LoadMeter:
    """Return the load model of the host's CPU; in a control group with a quota, of the part that the group may use.

    Args:
        root: Folder that holds ``/proc`` and ``/sys``.
        group: The control group; None: the group of this process.
    """
    from codecarbon.core.cpu import DEFAULT_POWER_PER_CORE

    model = hardware.cpu_model(root)
    known_watts = tdp_watts(model)
    host_watts = (
        DEFAULT_POWER_PER_CORE * hardware.cpu_count() if known_watts is None else known_watts * hardware.socket_count(root)
    )
    share = (group or hardware.control_group(root)).share
    if share is None:
        return LoadMeter(model, host_watts, known_watts is not None)
    return LoadMeter(model, host_watts * share, known_watts is not None, GROUP)


@_unnoticed()
def ram_meter(root: Path = hardware.ROOT, group: hardware.ControlGroup | None = None) -> RamMeter:
    """Return the RAM model of the host's memory; in a control group with a memory limit, of that much memory.

    Args:
        root: Folder that holds ``/proc`` and ``/sys``.
        group: The control group; None: the group of this process.
    """
    limit_bytes = (group or hardware.control_group(root)).memory_bytes
    return RamMeter(hardware.host_memory_bytes()) if limit_bytes is None else RamMeter(limit_bytes, GROUP)


def gpu(root: Path, pids: Callable[[], Collection[int]], early_counters: Mapping[str, int] | None = None) -> Meter | Absence:
    """Return the meter of the GPUs that this process can use: NVIDIA's if their driver is there, else AMD's.

    Args:
        root: Folder that holds ``/proc`` and ``/sys``.
        pids: Returns the ids of the measured processes; the energy of a GPU that others also use is split by process.
        early_counters: See ``ecoia.meters.detect``.

    Returns:
        A meter, or the reason why there is none.
    """
    return nvml.detect_gpu(root, pids, early_counters) or _amd_gpu(root) or no_gpu(root)


def _amd_gpu(root: Path) -> Meter | Absence | None:
    # codecarbon costs 16 MiB and 0.2 s to load, and reads AMD GPUs only through this package.
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
    """Return why no GPU driver answers, as far as the PCI bus shows."""
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
    """Return why the CPU has this method, and how to get a better one (None: there is none)."""
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
    share = hardware.control_group(root).share
    if share is not None:
        why += f"; the control group's quota is {share:.1%} of the host, which is what is modelled"
    if method == LOAD_MODEL:
        return f"{why}; power is modelled from the load and the thermal design power of '{model}'", "measure on the physical host"
    return (
        f"{why}; CPU model '{model}' is in no power table, so a generic power per core is used",
        "ask the host's operator to pass powercap through, or measure on the physical host",
    )


def explain_gpu(method: Method, root: Path = hardware.ROOT) -> tuple[str, str | None]:
    """Return why the GPU has this method, and how to get a better one (None: there is none)."""
    if method == NVML_POWER:
        return "a GPU has no energy counter: its momentary power is read ten times a second", None
    if method == NVML_MIG_SHARE:
        return (
            "a part of a GPU (MIG) has no counter: its share of the compute slices is taken of the whole GPU's energy",
            "measure the whole GPU on its host",
        )
    return "the driver's energy interface answers", None


def explain_ram(method: Method, root: Path = hardware.ROOT) -> tuple[str, str | None]:
    """Return why the memory has this method, and how to get a better one (None: there is none)."""
    if method == RAPL_DRAM:
        return "the kernel shows DRAM counters", None
    of = "the memory" if hardware.control_group(root).memory_bytes is None else "the control group's memory limit"
    return f"no DRAM counters: power is modelled from the size of {of}", None
