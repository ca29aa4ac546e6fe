"""The one place that knows codecarbon: its models of CPU and RAM and its GPU readers, behind our ``Meter`` protocol.

What is used: ``core.gpu.AllGPUDevices`` (AMD's devices; NVIDIA's are read by ``nvml``), ``external.hardware.CPU`` (load
model), ``external.ram.RAM`` (RAM model) and the CPU power table. What is not, and why (docs/decisions.md): the tracker; the
RAPL readers; ``TDP``, which loads pandas.
codecarbon itself is loaded by whoever asks for a model or a GPU, never by this module.
Tests run it against the pinned release's real classes.

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
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ecoia.meters import DEVICES, GROUP, HOST, Absence, Meter, hardware, nvml
from ecoia.methods import AMDSMI, LOAD_MODEL, LOAD_MODEL_GENERIC, NVML_MIG_SHARE, NVML_POWER, RAM_MODEL, RAPL, RAPL_DRAM, Method

_STEP_NS = 1_000_000_000
"""The load model is not linear in the load, so what it gives depends on the step; this one, however it is read."""

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
        # codecarbon remembers what nvidia-smi and rocm-smi answered; they were never asked, so the host may ask them.
        for cache in _program_caches():
            if cache not in remembered:
                cache.cache_clear()


def _program_caches() -> list[Any]:
    nvidia, amd = sys.modules.get("codecarbon.core.gpu_nvidia"), sys.modules.get("codecarbon.core.gpu_amd")
    caches = (getattr(nvidia, "is_nvidia_system", None), getattr(amd, "is_rocm_system", None))
    return [cache for cache in caches if cache is not None]


def _microjoules(energy: Any) -> int:
    # codecarbon counts in kWh with a rounded constant of its own: dividing by the same constant gives the counter back.
    from codecarbon.core.units import Energy

    counted: float = energy.kWh / Energy.JOULES_TO_KWH * 1_000_000
    return round(counted)


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
    """codecarbon's load model of the CPU: 10 % of the thermal design power at rest, a cubic of the load above.

    Integrated in steps of one second of its own, however it is read. A reading within a step gives what the step has come to
    so far, its end settles it. What was given too much is taken off what follows, never off what was given.

    Args:
        model: The CPU's name.
        tdp_watts: Its thermal design power, of all sockets; of our part where ``domain`` is ``GROUP``.
        known: Whether the power table names it.
        domain: What the load and the power are of.
    """

    component = "cpu"

    def __init__(self, model: str, tdp_watts: float, known: bool, domain: str = HOST) -> None:
        from codecarbon.external.hardware import CPU

        self.method = LOAD_MODEL if known else LOAD_MODEL_GENERIC
        self.domain = domain
        self._load = _GivenLoad()
        self._cpu = CPU(output_dir="", mode="cpu_load", model=model, tdp=tdp_watts)
        # Our own reading of /proc/stat, so that the model sees exactly the interval that is charged.
        self._cpu._cpu_load_meter = self._load
        self._cpu.start()
        self._step_ns = 0
        self._busy_ns = 0.0
        self._settled_uj = 0.0
        self._given_uj = 0

    def read(self, seconds: float, load: float) -> int | None:
        """See ``Meter.read``. A late reading is cut into steps at its mean load."""
        left_ns = round(seconds * 1e9)
        while left_ns > 0:
            # Whole steps of one load are alike: a process that was stopped for a day costs no loop of a day.
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
    """Stands where codecarbon keeps its own load meter."""

    def __init__(self) -> None:
        self.share = 0.0

    def percent(self) -> float:
        return self.share * 100

    def reset(self) -> None:
        """Nothing to reset: the load is given at each reading."""


class RamMeter(Meter):
    """codecarbon's RAM model: watts by number of modules, from the memory of the domain."""

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


@_unnoticed()
def load_meter(root: Path = hardware.ROOT, group: hardware.ControlGroup | None = None) -> LoadMeter:
    """The load model of the host's CPU; in a control group with a quota, of the part of it that the group may use."""
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
    """The model of the host's memory; in a control group with a limit, of as much memory as the limit."""
    limit_bytes = (group or hardware.control_group(root)).memory_bytes
    return RamMeter(hardware.host_memory_bytes()) if limit_bytes is None else RamMeter(limit_bytes, GROUP)


def gpu(root: Path, pids: Callable[[], Collection[int]], early_counters: Mapping[str, int] | None = None) -> Meter | Absence:
    """The meter of the GPUs that this process can use: NVIDIA's where there is a driver of theirs, else AMD's.

    Args:
        root: Where ``/proc`` and ``/sys`` are.
        pids: The ids of the measured processes, now: a GPU that others use as well is shared out by process.
        early_counters: See ``ecoia.meters.detect``.
    """
    return nvml.detect_gpu(root, pids, early_counters) or _amd_gpu(root) or no_gpu(root)


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
    """Why the GPU is measured so, and how to get better."""
    if method == NVML_POWER:
        return "a GPU has no energy counter: its momentary power is read ten times a second", None
    if method == NVML_MIG_SHARE:
        return (
            "a part of a GPU (MIG) has no counter: its share of the compute slices is taken of the whole GPU's energy",
            "measure the whole GPU on its host",
        )
    return "the driver's energy interface answers", None


def explain_ram(method: Method, root: Path = hardware.ROOT) -> tuple[str, str | None]:
    """Why RAM is measured so, and how to get better."""
    if method == RAPL_DRAM:
        return "the kernel shows DRAM counters", None
    of = "the memory" if hardware.control_group(root).memory_bytes is None else "the control group's memory limit"
    return f"no DRAM counters: power is modelled from the size of {of}", None
