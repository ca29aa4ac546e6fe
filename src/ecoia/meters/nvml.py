"""NVIDIA GPUs, read through NVML and its ``pynvml`` bindings alone: this module starts no program and logs nothing.

A device is read by its energy counter if it has one, else by its momentary power, integrated between our own time stamps. If
other processes use the device too, our part is the share that the driver's utilisation samples give to our processes. The part
of an instance of a divided GPU (MIG) is its share of the compute slices.

Energy is kept in picojoules (a milliwatt makes one per nanosecond) and returned in whole microjoules. The remainder waits for
the next reading, so rounding loses nothing.

NVML counts its users, so staying initialised costs the host program nothing, and ending our use doesn't end another's. A forked
child detects and initialises again; it never uses what it inherited.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ecoia import losses
from ecoia.light import Any
from ecoia.meters.meter import DEVICES, Absence, Meter
from ecoia.methods import NVML, NVML_MIG_SHARE, NVML_POWER

POWER_READING_SECONDS = 0.1
"""Drivers refresh the momentary power about as often, so faster changes are missed."""

USERS_SECONDS = 0.5
"""How long the list of a device's users is reused."""

SAMPLES_SECONDS = 2.0
"""A driver samples the utilisation at least once a second, so no sample for this long means that no process was busy."""

RENEWAL_SECONDS = 1.0
"""Pause before the second attempt to initialise NVML again. It doubles with each attempt."""

_MOST_RENEWAL_SECONDS = 60.0
_INITIAL_PID_NAMESPACE = "pid:[4026531836]"  # a constant of the kernel: here every process of the host is visible
_PICOJOULES_PER_MICROJOULE = 1_000_000
_PICOJOULES_PER_MILLIJOULE = 1_000_000_000


@dataclass(frozen=True)
class Instance:
    """An instance of a divided GPU (MIG), with the driver's numbers."""

    uuid: str
    gpu_instance: int
    compute_instance: int


@dataclass(frozen=True)
class Gpu:
    """A GPU that the driver shows to this process. A ``divided`` GPU can only be used through an instance."""

    uuid: str
    divided: bool = False
    instances: tuple[Instance, ...] = ()
    error: Exception | None = field(default=None, compare=False)
    """Error that the driver returns for it (fallen off the bus, ...), so nothing else is known. It keeps its number."""


class UnclearError(Exception):
    """It is unknown which instance of a divided GPU the process uses."""


def visible_devices(gpus: Sequence[Gpu], visible: str | None) -> list[tuple[Gpu, Instance | None]]:
    """Return the devices that ``CUDA_VISIBLE_DEVICES`` lets the process use, each with its instance or None.

    Args:
        gpus: The GPUs of the host, in the driver's order.
        visible: The variable: numbers, ``GPU-<uuid>`` (a unique beginning is enough), ``MIG-<uuid>`` or, as older
            drivers write it, ``MIG-GPU-<uuid>/<GPU instance>/<compute instance>``; None: all. As in CUDA, an entry that
            names nothing ends the list, and a process can use only one instance of a divided GPU, the first.

    Raises:
        UnclearError: The variable names a divided GPU as a whole, and it has several instances.

    Example:
        >>> [gpu.uuid for gpu, _ in visible_devices([Gpu("GPU-a"), Gpu("GPU-b")], "1")]
        ['GPU-b']
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
    root: str | Path, pids: Callable[[], Collection[int]], early_counters: Mapping[str, int] | None = None
) -> Meter | Absence | None:
    """Return a meter of the NVIDIA GPUs that this process can use; None without a driver, or if it shows no GPU.

    Args:
        root: Folder that holds ``/proc``, which shows whether every process of the host is visible under its own id.
        pids: Returns the ids of the measured processes.
        early_counters: Counters read before detection (GPU's id -> microjoules), so that the first reading includes the time
            that detection takes.

    Returns:
        A meter, the reason why the GPUs can't be measured, or None.

    Raises:
        pynvml.NVMLError: NVML is there and fails, or a GPU that the process can use doesn't answer.
    """
    import pynvml  # 4 MiB

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
    nvml: Any, root: str | Path, pids: Callable[[], Collection[int]], early_counters: Mapping[str, int]
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
            f"{error} and CUDA_VISIBLE_DEVICES {named}: it is unknown which one this process uses",
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
            return Absence("mig", f"the driver reports no energy for {instance.uuid}, a part of {gpu.uuid}: {error}", _WHOLE_GPU)
    return NvmlMeter(nvml, parts)


_WHOLE_GPU = "measure the whole GPU on its host"


def _sees_all_processes(root: str | Path) -> bool:
    try:
        return os.readlink(f"{root}/proc/self/ns/pid") == _INITIAL_PID_NAMESPACE
    except OSError:
        return False


def _shown_gpus(nvml: Any, count: int) -> list[Gpu]:
    gpus = []
    for index in range(count):
        try:
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
        except nvml.NVMLError_NoPermission:
            continue  # another job's GPU: neither CUDA nor this process can use it, and CUDA's numbers skip it
        except nvml.NVMLError as error:
            gpus.append(Gpu("", error=error))
            continue
        instances = _instances(nvml, handle)
        gpus.append(Gpu(nvml.nvmlDeviceGetUUID(handle), instances is not None, instances or ()))
    return gpus


def _instances(nvml: Any, handle: Any) -> tuple[Instance, ...] | None:
    """Return the instances of a divided GPU that this process may use; None if the GPU is not divided."""
    try:
        if nvml.nvmlDeviceGetMigMode(handle)[0] != nvml.NVML_DEVICE_MIG_ENABLE:
            return None
        most = nvml.nvmlDeviceGetMaxMigDeviceCount(handle)
    except nvml.NVMLError:
        return None  # older than MIG
    found = []
    for number in range(most):
        with suppress(nvml.NVMLError):  # no instance has this number, or it isn't ours
            part = nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, number)
            ids = (nvml.nvmlDeviceGetGpuInstanceId(part), nvml.nvmlDeviceGetComputeInstanceId(part))
            found.append(Instance(nvml.nvmlDeviceGetUUID(part), *ids))
    return tuple(found)


class NvmlMeter(Meter):
    """The sum of the GPUs, or parts of GPUs, that the process can use.

    A reading without one of them is None. The energy of the others is kept for the next complete reading. A device with a
    counter then adds the energy of the gap; for a device without a counter, that energy is lost.

    Args:
        nvml: The ``pynvml`` module, initialised.
        parts: The devices to read.
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
        """See ``Meter.users``. Weights are the utilisation; on a device at rest, each process that has it open counts once."""
        users: Counter[int] = Counter()
        for part in self._parts:
            users.update(part.users)
            part.users.clear()
        return users

    def lost(self) -> Counter[str]:
        """See ``Meter.lost``. ``gpu-counter-reset``: a counter restarted, so that reading is power times time, or nothing."""
        lost: Counter[str] = Counter()
        for part in self._parts:
            lost[losses.COUNTER_RESET["gpu"]] += part.resets
            part.resets = 0
        return +lost

    def _renew(self) -> None:
        """Initialise NVML again, with new handles, since the driver may have been reloaded. It is slow, so do it rarely."""
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
    """The device answers, but there is no earlier power to integrate from."""


class _Part:
    """One GPU, or one instance of a divided GPU: the energy that our processes used since the last reading."""

    def __init__(self, nvml: Any, uuid: str, instance: str | None, users: _Users, early_microjoules: int | None) -> None:
        self.name = instance or uuid
        self.resets = 0
        self.users: Counter[int] = Counter()
        """Picojoules of each of our processes since the last ``NvmlMeter.users``."""

        self._nvml = nvml
        self._uuid = uuid
        self._instance = instance
        self._users = users
        self._gpu: Any = None
        self._own: Any = None
        self._find()
        self.slices: tuple[int, int] | None = None
        """Compute slices of the instance, and of the whole GPU; None if the whole GPU is read."""
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
        """Whether the last reading includes energy of other processes, because the driver can't split it."""
        return self._users.undivided

    def forget(self) -> None:
        """Get new handles before the next reading: the present ones may be void."""
        self._gpu = None

    def _find(self) -> None:
        gpu = self._nvml.nvmlDeviceGetHandleByUUID(self._uuid)
        self._own = gpu if self._instance is None else self._nvml.nvmlDeviceGetHandleByUUID(self._instance)
        self._gpu = gpu

    def read(self) -> int:
        """Return our picojoules since the last reading.

        Raises:
            pynvml.NVMLError: The device doesn't answer.
            _UnreadError: There is no earlier power to integrate from.
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
        # Count only the time since the last reading: the energy used while it didn't answer is gone with the old count.
        return int(self._nvml.nvmlDeviceGetPowerUsage(self._gpu)) * elapsed_ns

    def _power_delta(self, now_ns: int) -> int:
        before, self._power = self._power, None
        milliwatts = int(self._nvml.nvmlDeviceGetPowerUsage(self._gpu))
        self._power = (now_ns, milliwatts)
        if before is None:
            raise _UnreadError
        return (before[1] + milliwatts) * (now_ns - before[0]) // 2


class _Users:
    """The processes that use a device, and our share of it.

    Shares follow the driver's utilisation samples since the last answer; on a device at rest, the number of processes that have
    it open. If the driver lists no process, none is known to share the device: the whole device counts as ours and is
    marked, since any other measuring process would claim it too.
    """

    def __init__(self, nvml: Any, pids: Callable[[], Collection[int]], sees_all: bool) -> None:
        self.undivided = False
        """Whether others use the device too, or may, and the driver can't split its energy."""

        self.shares: Counter[int] = Counter()
        """Utilisation by each of our processes; without samples, 1 for each that has it open; empty if neither is known."""

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
        """Read the samples once and drop them: they are from before we measured.

        The bindings also take a lock when they look a function up for the first time. A fork waits for detection, so do it here.
        """
        self._holders(handle)
        self._samples(handle)

    def weights(self, handle: Any, now_ns: int) -> tuple[int, int]:
        """Return (our weight, total weight): their ratio is our share of the device's energy."""
        if now_ns >= self._next_ns:
            self._next_ns = now_ns + round(USERS_SECONDS * 1e9)
            self._answer = self._ask(handle, now_ns)
        return self._answer

    def _ask(self, handle: Any, now_ns: int) -> tuple[int, int]:
        holders = self._holders(handle)
        samples = self._samples(handle)
        known = (holders or set()) | (samples or Counter()).keys()
        current = frozenset(self._pids()) if known else frozenset()
        ours = self._ours | current  # a process that ended since the last answer was also ours
        self._ours = current
        # No process at all: the device rests, and any measuring process that may use it claims it too; or the list is hidden.
        self.undivided = not known
        if samples:
            self._busy, self._busy_ns = samples, now_ns
        elif samples is None or now_ns - self._busy_ns > SAMPLES_SECONDS * 1e9:
            self._busy = Counter()
        weights = self._busy or Counter(dict.fromkeys(holders or (), 1))
        self.shares = Counter({pid: weight for pid, weight in weights.items() if pid in ours})
        if holders is not None and known <= ours:
            return 1, 1
        if holders is None or samples is None or not (self._sees_all or known & ours):
            # No list, no samples, or a list without our ids, which are then of another namespace.
            self.undivided = True
            return 1, 1
        if not weights:
            return 1, 1
        return sum(weight for pid, weight in weights.items() if pid in ours), weights.total()

    def _holders(self, handle: Any) -> set[int] | None:
        """Return the processes that have the device open; None if the driver doesn't list them."""
        lists = []
        for ask in (self._nvml.nvmlDeviceGetComputeRunningProcesses, self._nvml.nvmlDeviceGetGraphicsRunningProcesses):
            with suppress(self._nvml.NVMLError, self._nvml.NVMLLibraryMismatchError):
                lists.append({process.pid for process in ask(handle)})
        return set().union(*lists) if lists else None

    def _samples(self, handle: Any) -> Counter[int] | None:
        """Return the sum of utilisation samples by process since the last call, in percent; None if the driver gives none."""
        try:
            samples = self._nvml.nvmlDeviceGetProcessUtilization(handle, self._last_sample_us)
        except self._nvml.NVMLError as error:
            # An idle device has no samples ("not found"). pynvml raises "success" if the first call already succeeds.
            return Counter() if error.value in (self._nvml.NVML_SUCCESS, self._nvml.NVML_ERROR_NOT_FOUND) else None
        busy: Counter[int] = Counter()
        last_us = self._last_sample_us
        for sample in samples:
            # Some drivers fill the rest of the list with noise.
            if sample.pid and sample.timeStamp > last_us and 0 < sample.smUtil <= 100:
                busy[sample.pid] += sample.smUtil
                self._last_sample_us = max(self._last_sample_us, sample.timeStamp)
        return busy
