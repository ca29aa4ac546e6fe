"""AMD GPUs, read through AMD SMI and its Python package ``amdsmi`` (``ecoia[amd]``), which must fit the machine's ROCm.

A device is read by its energy counter if it has one, else by its momentary power times the time. The second die of a package of
two shows neither counter nor power: both dies are in the first one's reading.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec

from ecoia import losses
from ecoia.light import Any
from ecoia.meters.meter import DEVICES, Absence, Meter
from ecoia.meters.nvml import Gpu, visible_devices
from ecoia.methods import AMDSMI

_NOT_INITIALISED = 32
"""Status of AMD SMI after another user in the process shut it down."""

REMEDY = "pip install 'ecoia[amd]', in the release of amdsmi that fits the machine's ROCm"


class _UnreadError(Exception):
    """The device does not answer."""


class AmdMeter(Meter):
    """Sum of the AMD GPUs visible to the process.

    A reading without one of them is None. The energy of the others is kept for the next complete reading; a counter then adds
    the energy of the gap.

    Args:
        smi: The ``amdsmi`` module, initialised.
        handles: The devices to read, as AMD SMI names them.
    """

    component = "gpu"
    domain = DEVICES
    method = AMDSMI

    def __init__(self, smi: Any, handles: Sequence[Any]) -> None:
        self._devices = [_Device(smi, handle) for handle in handles]
        self.devices = tuple(device.name for device in self._devices)
        self._microjoules = 0.0

    def read(self, seconds: float, load: float) -> int | None:
        """See ``Meter.read``."""
        unread = False
        for device in self._devices:
            try:
                self._microjoules += device.read(seconds)
            except _UnreadError:
                unread = True
        if unread:
            return None
        energy = int(self._microjoules)
        self._microjoules -= energy
        return energy

    def lost(self) -> Counter[str]:
        """See ``Meter.lost``. ``gpu-counter-reset``: a counter restarted, so that reading is power times time."""
        lost = Counter({losses.COUNTER_RESET["gpu"]: sum(device.resets for device in self._devices)})
        for device in self._devices:
            device.resets = 0
        return +lost


class _Device:
    """One GPU: its energy since the last reading."""

    def __init__(self, smi: Any, handle: Any) -> None:
        self.resets = 0
        self._smi = smi
        self._handle = handle
        self.name = str(self._ask(smi.amdsmi_get_gpu_device_uuid))
        self._count: int | None = None
        with suppress(_UnreadError):
            self._count = self._counter()[0]

    def read(self, seconds: float) -> float:
        """Return microjoules. Raises ``_UnreadError``."""
        if self._count is None:
            energy = self._watts() * seconds * 1e6
            with suppress(_UnreadError):
                self._count = self._counter()[0]  # a counter that appears later counts from here
            return energy
        count, unit = self._counter()
        if count < self._count:
            self.resets += 1
            self._count = count
            return self._watts() * seconds * 1e6
        energy = (count - self._count) * unit
        self._count = count
        return energy

    def _counter(self) -> tuple[int, float]:
        """Return (count, microjoules of one count). A count of 0 is a counter that the device does not have."""
        shown = self._ask(self._smi.amdsmi_get_energy_count)
        name = "energy_accumulator" if "energy_accumulator" in shown else "power"  # its name in older releases
        count = _number(shown.get(name)) or _number(self._ask(self._smi.amdsmi_get_gpu_metrics_info).get(name))
        unit = _number(shown.get("counter_resolution"))
        if not count or not unit:
            raise _UnreadError
        return int(count), unit

    def _watts(self) -> float:
        watts = [_number(self._ask(self._smi.amdsmi_get_power_info).get(name)) for name in _POWERS]
        if not any(watts):
            watts += [_number(self._ask(self._smi.amdsmi_get_gpu_metrics_info).get(name)) for name in _POWERS]
        known = [each for each in watts if each is not None]
        if not known:
            raise _UnreadError
        return next(filter(None, known), 0.0)

    def _ask(self, function: Any) -> Any:
        try:
            try:
                return function(self._handle)
            except self._smi.AmdSmiException as error:
                if getattr(error, "err_code", getattr(error, "ret_code", None)) != _NOT_INITIALISED:
                    raise
                self._smi.amdsmi_init()
                return function(self._handle)
        except self._smi.AmdSmiException as error:
            raise _UnreadError from error


_POWERS = ("average_socket_power", "current_socket_power")


def _number(value: object) -> float | None:
    # A value that a device does not have is "N/A".
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def detect_gpu(*, on_bus: bool) -> Meter | Absence | None:
    """Return a meter of the AMD GPUs that this process can use; None if AMD SMI shows none.

    Args:
        on_bus: Whether the PCI bus shows one; without, a package that is missing or fails is nothing to report.
    """
    try:
        smi, handles = _open()
    except _NoSmiError as error:
        return Absence("no-driver", f"an AMD GPU is on the PCI bus, and {error}", REMEDY) if on_bus else None
    if not handles:
        return None
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")  # HIP honours it, too
    numbered = [Gpu(str(number)) for number in range(len(handles))]
    usable = [int(gpu.uuid) for gpu, _ in visible_devices(numbered, visible)]
    if not usable:
        return Absence("hidden", f"CUDA_VISIBLE_DEVICES is {visible!r}: it hides the {len(handles)} GPU(s)", None)
    return AmdMeter(smi, [handles[index] for index in usable])


class _NoSmiError(Exception):
    """AMD SMI can't be used; the message says why."""


def _open() -> tuple[Any, Sequence[Any]]:
    if find_spec("amdsmi") is None:
        raise _NoSmiError("the Python package amdsmi is missing")
    try:
        import amdsmi
    except (ImportError, AttributeError, OSError, KeyError) as error:  # it does not fit the machine's library
        raise _NoSmiError(f"the Python package amdsmi does not load ({type(error).__name__}: {error})") from error
    try:
        amdsmi.amdsmi_init()
        return amdsmi, amdsmi.amdsmi_get_processor_handles()
    except amdsmi.AmdSmiException as error:
        raise _NoSmiError(f"AMD SMI does not answer ({error})") from error
