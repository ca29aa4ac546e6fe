"""The GPUs of this process: NVIDIA's if their driver is there, else AMD's, else the reason why there is no figure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from ecoia.light import TYPE_CHECKING
from ecoia.meters import hardware, nvidia_driver
from ecoia.meters.meter import Absence, Meter
from ecoia.methods import NVML_MIG_SHARE, NVML_POWER, Method

if TYPE_CHECKING:
    from pathlib import Path


def meter(
    root: str | Path, pids: Callable[[], Collection[int]], early_counters: Mapping[str, int] | None = None
) -> Meter | Absence:
    """Return the meter of the GPUs that this process can use.

    Args:
        root: Folder that holds ``/proc`` and ``/sys``.
        pids: Returns the ids of the measured processes; the energy of a GPU that others also use is split by process.
        early_counters: See ``ecoia.meters.detect``.

    Returns:
        A meter, or the reason why there is none.
    """
    found: Meter | Absence | None = None
    if nvidia_driver.in_sight():
        from ecoia.meters import nvml

        found = nvml.detect_gpu(root, pids, early_counters)
        if found is not None:
            return found
    on_bus = hardware.gpu_vendors(root)
    if on_bus is None or hardware.AMD in on_bus:
        from ecoia.meters import amd

        found = amd.detect_gpu(on_bus=on_bus is not None)
    return found or absence(on_bus)


def absence(on_bus: Collection[str] | None) -> Absence:
    """Return why no driver of a GPU answers.

    Args:
        on_bus: What ``hardware.gpu_vendors`` returned.
    """
    if on_bus is None:
        return Absence("none", "no driver answers and the PCI bus cannot be seen", None)
    if hardware.NVIDIA in on_bus or hardware.AMD in on_bus:
        remedy = "install the vendor's driver (nvidia-smi must work; of AMD, the Python package amdsmi too)"
        return Absence("no-driver", "a GPU is on the PCI bus but its driver does not answer", remedy)
    return Absence("no-device", "no NVIDIA or AMD GPU on the PCI bus", None)


def explain(method: Method, root: str | Path = hardware.ROOT) -> tuple[str, str | None]:
    """Return why the GPU has this method, and how to get a better one (None: there is none)."""
    if method == NVML_POWER:
        return "a GPU has no energy counter: its momentary power is read ten times a second", None
    if method == NVML_MIG_SHARE:
        return (
            "a part of a GPU (MIG) has no counter: its share of the compute slices is taken of the whole GPU's energy",
            "measure the whole GPU on its host",
        )
    return "the driver's energy interface answers", None
