"""NVIDIA GPUs, read through NVML by the ``pynvml`` bindings alone: no program is started, nothing is logged.

A device is read by its energy counter where it has one, else by its momentary power, integrated between our own time
stamps. Of a device that others use too, ours is the part that the driver's utilisation samples give to our processes.
Of an instance of a divided GPU (MIG), it is the instance's part of the compute slices.

Everything is kept in picojoules, of which a milliwatt makes one a nanosecond, and handed on in whole microjoules: what
is left over waits for the next reading, so that nothing is lost by rounding.

NVML counts who initialised it, so leaving it initialised costs the host nothing and ending our own use ends no other's.
A forked child detects anew and initialises once more; what it inherited is never used.
"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ecoia import causes
from ecoia.meters import DEVICES, Absence, Meter
from ecoia.methods import NVML, NVML_MIG_SHARE, NVML_POWER

POWER_READING_SECONDS = 0.1
"""Drivers refresh the momentary power about as often; what varies faster is missed."""

USERS_SECONDS = 0.5
"""How long an answer to the question who uses a device is good for."""

SAMPLES_SECONDS = 2.0
"""A driver samples the utilisation once a second at least: none for so long means that nobody was busy."""

RENEWAL_SECONDS = 1.0
"""Pause before NVML is initialised again for the second time; it doubles from one try to the next."""

_MOST_RENEWAL_SECONDS = 60.0
_INITIAL_PID_NAMESPACE = "pid:[4026531836]"  # a constant of the kernel: there, every process of the host has its own id
_PICOJOULES_PER_MICROJOULE = 1_000_000
_PICOJOULES_PER_MILLIJOULE = 1_000_000_000


@dataclass(frozen=True)
class Instance:
    """A part of a divided GPU (MIG), as its driver numbers it."""

    uuid: str
    gpu_instance: int
    compute_instance: int


@dataclass(frozen=True)
class Gpu:
    """A GPU that the driver shows to this process. One that is ``divided`` can only be used through an instance."""

    uuid: str
    divided: bool = False
    instances: tuple[Instance, ...] = ()
    error: Exception | None = field(default=None, compare=False)
    """Why nothing more is known of it (fallen off the bus, ...). It keeps its number."""


class UnclearError(Exception):
    """Which instance of a divided GPU the process uses cannot be told."""


def visible_devices(gpus: Sequence[Gpu], visible: str | None) -> list[tuple[Gpu, Instance | None]]:
    """The devices that ``CUDA_VISIBLE_DEVICES`` lets the process use.

    Args:
        gpus: The GPUs of the host, in the driver's order.
        visible: The variable: numbers, ``GPU-<uuid>`` (a unique beginning is enough), ``MIG-<uuid>`` or, as older
            drivers write it, ``MIG-GPU-<uuid>/<GPU instance>/<compute instance>``; None: all. As in CUDA, an entry that
            names nothing ends the list, and a process can use one instance of a divided GPU, the first.

    Raises:
        UnclearError: a divided GPU is chosen as a whole and has several instances.
    """
    chosen: list[tuple[Gpu, Instance | None]] = []
    if visible is None:
        chosen = [(gpu, None) for gpu in gpus]
    else:
        for entry in visible.split(","):
            matches = _matches(gpus, entry.strip())
            if len(matches) != 1:
                break
            if matches[0] not in chosen:
                chosen.append(matches[0])
    whole = [(gpu, instance) for gpu, instance in chosen if instance is None and not gpu.divided]
    instances = [part for gpu, instance in chosen for part in ([(gpu, instance)] if instance else _only_instance(gpu))]
    return whole + instances[:1]


def _matches(gpus: Sequence[Gpu], entry: str) -> list[tuple[Gpu, Instance | None]]:
    if entry.startswith("MIG-"):
        return [
            (gpu, instance)
            for gpu in gpus
            for instance in gpu.instances
            if entry in (instance.uuid, f"MIG-{gpu.uuid}/{instance.gpu_instance}/{instance.compute_instance}")
        ]
    return [
        (gpu, None)
        for index, gpu in enumerate(gpus)
        if entry == str(index) or (entry.startswith("GPU-") and gpu.uuid.startswith(entry))
    ]


def _only_instance(gpu: Gpu) -> list[tuple[Gpu, Instance | None]]:
    if len(gpu.instances) > 1:
        raise UnclearError(f"{gpu.uuid} is divided into {len(gpu.instances)} instances (MIG)")
    return [(gpu, instance) for instance in gpu.instances]


def detect_gpu(
    root: Path, pids: Callable[[], Collection[int]], early_counters: Mapping[str, int] | None = None
) -> Meter | Absence | None:
    """A meter of the NVIDIA GPUs that this process can use; None where there is no driver or it shows no GPU.

    Args:
        root: Where ``/proc`` is: it tells whether every process of the host is seen under its own id.
        pids: The ids of the measured processes, now.
        early_counters: Counters read before detection (GPU's id -> microjoules), so that the time it takes is measured too.

    Raises:
        pynvml.NVMLError: NVML is there and fails, or a GPU that the process can use does not answer.
    """
    if not _library_loads():
        return None
    import pynvml

    try:
        pynvml.nvmlInit()
    except (pynvml.NVMLError_LibraryNotFound, pynvml.NVMLError_DriverNotLoaded):
        return None
    found: Meter | Absence | None = None
    try:
        found = _choose(pynvml, root, pids, early_counters or {})
    finally:
        if not isinstance(found, NvmlMeter):
            with suppress(pynvml.NVMLError):
                pynvml.nvmlShutdown()
    return found


def _choose(
    nvml: Any, root: Path, pids: Callable[[], Collection[int]], early_counters: Mapping[str, int]
) -> Meter | Absence | None:
    count = nvml.nvmlDeviceGetCount()
    if count == 0:
        return None
    gpus = _shown_gpus(nvml, count)
    if not gpus:
        return Absence("hidden", f"the driver lets this process open none of the {count} GPU(s): they are another job's", None)
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    named = "is not set" if visible is None else f"is {visible!r}"
    try:
        chosen = visible_devices(gpus, visible)
    except UnclearError as error:
        return Absence(
            "mig",
            f"{error} and CUDA_VISIBLE_DEVICES {named}: which one this process uses cannot be told",
            "set CUDA_VISIBLE_DEVICES to the instance's MIG-<uuid> (nvidia-smi -L lists them)",
        )
    if not chosen:
        if any(gpu.divided for gpu in gpus) or "MIG-" in (visible or ""):
            return Absence("mig", f"CUDA_VISIBLE_DEVICES {named}: the driver shows no such part of a GPU (MIG)", _WHOLE_GPU)
        return Absence("hidden", f"CUDA_VISIBLE_DEVICES {named}: it hides the {len(gpus)} GPU(s) from this process", None)
    sees_all = _sees_all_processes(root)
    parts = []
    for gpu, instance in chosen:
        if gpu.error is not None:
            raise gpu.error
        users = _Users(nvml, pids, sees_all)
        try:
            parts.append(_Part(nvml, gpu.uuid, instance.uuid if instance else None, users, early_counters.get(gpu.uuid)))
        except nvml.NVMLError as error:
            if instance is None:
                raise
            return Absence("mig", f"the driver tells no energy for {instance.uuid}, a part of {gpu.uuid}: {error}", _WHOLE_GPU)
    return NvmlMeter(nvml, parts)


_WHOLE_GPU = "measure the whole GPU on its host"


def _library_loads() -> bool:
    """Whether there is a driver library: the bindings cost 4 MiB, which a host without it need not pay to know."""
    if sys.platform == "win32":
        return True  # it is found in several places there, which pynvml knows
    import ctypes

    try:
        ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return False
    return True


def _sees_all_processes(root: Path) -> bool:
    try:
        return str((root / "proc/self/ns/pid").readlink()) == _INITIAL_PID_NAMESPACE
    except OSError:
        return False


def _shown_gpus(nvml: Any, count: int) -> list[Gpu]:
    gpus = []
    for index in range(count):
        try:
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
        except nvml.NVMLError_NoPermission:
            continue  # another job's: neither CUDA nor this process can use it, and CUDA numbers the others without it
        except nvml.NVMLError as error:
            gpus.append(Gpu("", error=error))
            continue
        instances = _instances(nvml, handle)
        gpus.append(Gpu(nvml.nvmlDeviceGetUUID(handle), instances is not None, instances or ()))
    return gpus


def _instances(nvml: Any, handle: Any) -> tuple[Instance, ...] | None:
    """The instances of a divided GPU that this process may use; None of one that is whole."""
    try:
        if nvml.nvmlDeviceGetMigMode(handle)[0] != nvml.NVML_DEVICE_MIG_ENABLE:
            return None
        most = nvml.nvmlDeviceGetMaxMigDeviceCount(handle)
    except nvml.NVMLError:
        return None  # older than MIG
    found = []
    for number in range(most):
        with suppress(nvml.NVMLError):  # no instance of this number, or not ours
            part = nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, number)
            ids = (nvml.nvmlDeviceGetGpuInstanceId(part), nvml.nvmlDeviceGetComputeInstanceId(part))
            found.append(Instance(nvml.nvmlDeviceGetUUID(part), *ids))
    return tuple(found)


class NvmlMeter(Meter):
    """Sum of the GPUs, or parts of GPUs, that the process can use.

    A reading without one of them is None. What the others used is kept for the next complete reading, and so is what
    the missing one's counter tells then; of a device without counter, the time without answer is lost.

    Args:
        nvml: The ``pynvml`` module, initialised.
        parts: What is read.
    """

    component = "gpu"
    domain = DEVICES

    def __init__(self, nvml: Any, parts: Sequence[_Part]) -> None:
        self._nvml = nvml
        self._parts = parts
        self.devices = tuple(part.name for part in parts)
        if any(part.slices for part in parts):
            self.method = NVML_MIG_SHARE
        elif all(part.counted for part in parts):
            self.method = NVML
        else:
            self.method = NVML_POWER
        if not all(part.counted for part in parts):
            self.reading_seconds = POWER_READING_SECONDS
        self._picojoules = 0
        self._shared: set[str] = set()
        self._initialised = True
        self._renewal_seconds = RENEWAL_SECONDS
        self._next_renewal = 0.0

    def read(self, seconds: float, load: float) -> int | None:
        """See ``Meter.read``."""
        unread = 0
        for part in self._parts:
            try:
                self._picojoules += part.read()
            except (self._nvml.NVMLError, _UnreadError):
                unread += 1
                continue
            if part.shared:
                self._shared.add(part.name)
        if unread:
            self.shared_devices = ()
            self._renew()
            return None
        self._renewal_seconds, self._next_renewal = RENEWAL_SECONDS, 0.0
        self.shared_devices = tuple(sorted(self._shared))
        self._shared.clear()
        energy, self._picojoules = divmod(self._picojoules, _PICOJOULES_PER_MICROJOULE)
        return energy

    def users(self) -> Counter[int]:
        """See ``Meter.users``: by utilisation, and of a device at rest by who holds it."""
        users: Counter[int] = Counter()
        for part in self._parts:
            users.update(part.users)
            part.users.clear()
        return users

    def lost(self) -> Counter[str]:
        """``gpu-counter-reset``: a counter began again, so that reading is power over time, or nothing."""
        lost: Counter[str] = Counter()
        for part in self._parts:
            lost[causes.COUNTER_RESET["gpu"]] += part.resets
            part.resets = 0
        return +lost

    def _renew(self) -> None:
        """Let go of a driver that may be another one by now, and of its handles; at most once in a while, since it costs."""
        now = time.monotonic()
        if now < self._next_renewal:
            return
        self._next_renewal = now + self._renewal_seconds
        self._renewal_seconds = min(2 * self._renewal_seconds, _MOST_RENEWAL_SECONDS)
        if self._initialised:
            with suppress(self._nvml.NVMLError):
                self._nvml.nvmlShutdown()
        try:
            self._nvml.nvmlInit()
            self._initialised = True
        except self._nvml.NVMLError:
            self._initialised = False
        for part in self._parts:
            part.forget()


class _UnreadError(Exception):
    """It answers, but there is nothing to subtract from."""


class _Part:
    """One GPU, or one instance of a divided GPU: what our processes used of it since it was last asked."""

    def __init__(self, nvml: Any, uuid: str, instance: str | None, users: _Users, early_microjoules: int | None) -> None:
        self.name = instance or uuid
        self.resets = 0
        self.users: Counter[int] = Counter()
        """Picojoules of each of our processes since the meter was asked."""

        self._nvml = nvml
        self._uuid = uuid
        self._instance = instance
        self._users = users
        self._gpu: Any = None
        self._own: Any = None
        self._find()
        self.slices: tuple[int, int] | None = None
        """Compute slices of the instance, and of the whole GPU; None of a GPU that is used whole."""
        if instance is not None:
            ours = nvml.nvmlDeviceGetAttributes_v2(self._own).computeInstanceSliceCount
            most = nvml.nvmlDeviceGetMaxMigDeviceCount(self._gpu)
            if not 0 < ours <= most:
                raise nvml.NVMLError(nvml.NVML_ERROR_NOT_SUPPORTED)
            self.slices = (ours, most)
        self._asked_ns = time.perf_counter_ns()
        self._power: tuple[int, int] | None = None
        try:
            self._millijoules = nvml.nvmlDeviceGetTotalEnergyConsumption(self._gpu)
            if early_microjoules is not None:
                self._millijoules = min(self._millijoules, early_microjoules // 1000)
            self.counted = True
        except nvml.NVMLError_NotSupported:
            self._power = (self._asked_ns, nvml.nvmlDeviceGetPowerUsage(self._gpu))
            self.counted = False
        users.start(self._own)

    @property
    def shared(self) -> bool:
        """Whether the last reading holds what others used, since the driver does not tell the parts."""
        return self._users.untold

    def forget(self) -> None:
        """The handles may lead nowhere: ask for them again before they are used."""
        self._gpu = None

    def _find(self) -> None:
        gpu = self._nvml.nvmlDeviceGetHandleByUUID(self._uuid)
        self._own = gpu if self._instance is None else self._nvml.nvmlDeviceGetHandleByUUID(self._instance)
        self._gpu = gpu

    def read(self) -> int:
        """Picojoules that are ours.

        Raises:
            pynvml.NVMLError: the device does not answer.
            _UnreadError: see there.
        """
        now_ns = time.perf_counter_ns()
        elapsed_ns, self._asked_ns = now_ns - self._asked_ns, now_ns
        if self._gpu is None:
            self._find()
        used = self._counter_delta(elapsed_ns) if self.counted else self._power_delta(now_ns)
        if self.slices is not None:
            used = used * self.slices[0] // self.slices[1]
        ours, everyone = self._users.weights(self._own, now_ns)
        energy = used * ours // everyone
        for pid, share in self._users.shares.items():
            self.users[pid] += energy * share // self._users.shares.total()
        return energy

    def _counter_delta(self, elapsed_ns: int) -> int:
        before, self._millijoules = self._millijoules, self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._gpu)
        if self._millijoules >= before:
            return int(self._millijoules - before) * _PICOJOULES_PER_MILLIJOULE
        self.resets += 1
        # Only for the time since we last asked: what was used while it did not answer went with the old count.
        return int(self._nvml.nvmlDeviceGetPowerUsage(self._gpu)) * elapsed_ns

    def _power_delta(self, now_ns: int) -> int:
        before, self._power = self._power, None
        milliwatts = int(self._nvml.nvmlDeviceGetPowerUsage(self._gpu))
        self._power = (now_ns, milliwatts)
        if before is None:
            raise _UnreadError
        return (before[1] + milliwatts) * (now_ns - before[0]) // 2


class _Users:
    """Who uses a device, and which part of it is ours.

    By the driver's utilisation samples since the last answer; of a device at rest, by the number of processes that hold
    it. Nobody on the list is nobody known to share: then the device is ours as a whole, and marked, since any other process
    that measures says the same.
    """

    def __init__(self, nvml: Any, pids: Callable[[], Collection[int]], sees_all: bool) -> None:
        self.untold = False
        """Others use the device too, or may, and the driver does not tell the parts."""

        self.shares: Counter[int] = Counter()
        """How busy each of our processes kept it, else which of them hold it; empty where neither is told."""

        self._nvml = nvml
        self._pids = pids
        self._sees_all = sees_all
        self._ours: frozenset[int] = frozenset()
        self._answer = (1, 1)
        self._next_ns = 0
        self._last_sample_us = 0
        self._busy: Counter[int] = Counter()
        self._busy_ns = 0

    def start(self, handle: Any) -> None:
        """Ask once in vain: what was sampled before is none of ours.

        The bindings look a function up under a lock the first time. A fork waits for detection, so better now than later.
        """
        self._holders(handle)
        self._samples(handle)

    def weights(self, handle: Any, now_ns: int) -> tuple[int, int]:
        """(ours, everyone's): the part of the device's energy that is ours."""
        if now_ns >= self._next_ns:
            self._next_ns = now_ns + round(USERS_SECONDS * 1e9)
            self._answer = self._ask(handle, now_ns)
        return self._answer

    def _ask(self, handle: Any, now_ns: int) -> tuple[int, int]:
        holders = self._holders(handle)
        samples = self._samples(handle)
        known = (holders or set()) | (samples or Counter()).keys()
        current = frozenset(self._pids()) if known else frozenset()
        ours = self._ours | current  # one that ended since we last asked was ours, too
        self._ours = current
        # Nobody at all: it rests, and whoever may use it and measures claims it like us; or the list is kept from us.
        self.untold = not known
        if samples:
            self._busy, self._busy_ns = samples, now_ns
        elif samples is None or now_ns - self._busy_ns > SAMPLES_SECONDS * 1e9:
            self._busy = Counter()
        weights = self._busy or Counter(dict.fromkeys(holders or (), 1))
        self.shares = Counter({pid: weight for pid, weight in weights.items() if pid in ours})
        if holders is not None and known <= ours:
            return 1, 1
        if holders is None or samples is None or not (self._sees_all or known & ours):
            # No list, no samples, or a list on which we cannot find ourselves: its ids are another namespace's.
            self.untold = True
            return 1, 1
        if not weights:
            return 1, 1
        return sum(weight for pid, weight in weights.items() if pid in ours), weights.total()

    def _holders(self, handle: Any) -> set[int] | None:
        """Processes that have the device open; None where the driver does not tell."""
        lists = []
        for ask in (self._nvml.nvmlDeviceGetComputeRunningProcesses, self._nvml.nvmlDeviceGetGraphicsRunningProcesses):
            with suppress(self._nvml.NVMLError, self._nvml.NVMLLibraryMismatchError):
                lists.append({process.pid for process in ask(handle)})
        return set().union(*lists) if lists else None

    def _samples(self, handle: Any) -> Counter[int] | None:
        """Utilisation by process since the last call, in percent, added up; None where the driver does not tell."""
        try:
            samples = self._nvml.nvmlDeviceGetProcessUtilization(handle, self._last_sample_us)
        except self._nvml.NVMLError as error:
            # With nobody busy a driver finds none; pynvml raises "success" where it succeeds at once.
            return Counter() if error.value in (self._nvml.NVML_SUCCESS, self._nvml.NVML_ERROR_NOT_FOUND) else None
        busy: Counter[int] = Counter()
        last_us = self._last_sample_us
        for sample in samples:
            # Some drivers fill the list up with noise.
            if sample.pid and sample.timeStamp > last_us and 0 < sample.smUtil <= 100:
                busy[sample.pid] += sample.smUtil
                self._last_sample_us = max(self._last_sample_us, sample.timeStamp)
        return busy
