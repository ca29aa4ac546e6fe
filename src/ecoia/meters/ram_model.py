"""The model of the memory's power: a guess of the number of modules, and watts for each, as codecarbon computes it.

The figures are codecarbon's, the code is ecoia's. Tests compare both, over all sizes.
"""

from __future__ import annotations

import math
import os

from ecoia.light import TYPE_CHECKING
from ecoia.meters import hardware
from ecoia.meters.meter import GROUP, HOST, Meter
from ecoia.methods import RAM_MODEL, RAPL_DRAM, Method

if TYPE_CHECKING:
    from pathlib import Path

_FEW_MODULES = ((2, 1), (16, 2), (64, 4), (128, 8))
"""(Memory in GiB up to which, number of modules)."""

_LARGE_MODULES_GIB = (128, 64, 32, 16)
"""Sizes of a module in a larger machine: the largest of which it has at least eight counts."""

_MOST_MODULES = 32

_SHARES = ((4, 1.0), (4, 0.9), (8, 0.8), (16, 0.7))
"""(Number of modules, power of each over that of a single one): the more modules, the less each of them needs."""

_X86_WATTS, _X86_LEAST_WATTS = 5.0, 10.0
_ARM_WATTS, _ARM_LEAST_WATTS = 1.5, 3.0


class RamMeter(Meter):
    """The memory of the domain at constant power.

    Args:
        memory_bytes: Memory of the domain.
        domain: ``HOST`` or ``GROUP``.
    """

    component = "ram"
    method = RAM_MODEL

    def __init__(self, memory_bytes: int, domain: str = HOST) -> None:
        self.domain = domain
        self._watts = ram_watts(memory_bytes, arm=_is_arm())

    def read(self, seconds: float, load: float) -> int | None:
        """See ``Meter.read``."""
        return round(self._watts * seconds * 1_000_000)


def ram_watts(memory_bytes: int, *, arm: bool = False) -> float:
    """Return the power of a memory.

    Args:
        memory_bytes: Its size.
        arm: Whether the processor is an ARM, whose memory needs less.

    Example:
        >>> ram_watts(32 * 2**30)
        20.0
    """
    each, least = (_ARM_WATTS, _ARM_LEAST_WATTS) if arm else (_X86_WATTS, _X86_LEAST_WATTS)
    left = _module_count(memory_bytes / 2**30)
    watts = 0.0
    for many, share in _SHARES:
        watts += each * share * min(left, many)
        left = max(left - many, 0)
    return max(watts, least)


def _module_count(gib: float) -> int:
    for most, count in _FEW_MODULES:
        if gib <= most:
            return count
    module = next(size for size in _LARGE_MODULES_GIB if gib >= 8 * size)
    return min(math.ceil(gib / module), _MOST_MODULES)


def _is_arm() -> bool:
    machine = os.uname().machine.lower() if hasattr(os, "uname") else os.environ.get("PROCESSOR_ARCHITECTURE", "").lower()
    return "arm" in machine or "aarch" in machine


def ram_meter(root: str | Path = hardware.ROOT, group: hardware.ControlGroup | None = None) -> RamMeter:
    """Return the RAM model of the host's memory; in a control group with a memory limit, of that much memory.

    Args:
        root: Folder that holds ``/proc`` and ``/sys``.
        group: The control group; None: the group of this process.
    """
    limit_bytes = (group or hardware.control_group(root)).memory_bytes
    return RamMeter(hardware.host_memory_bytes()) if limit_bytes is None else RamMeter(limit_bytes, GROUP)


def explain(method: Method, root: str | Path = hardware.ROOT) -> tuple[str, str | None]:
    """Return why the memory has this method, and how to get a better one (None: there is none)."""
    if method == RAPL_DRAM:
        return "the kernel shows DRAM counters", None
    of = "the memory" if hardware.control_group(root).memory_bytes is None else "the control group's memory limit"
    return f"no DRAM counters: power is modelled from the size of {of}", None
