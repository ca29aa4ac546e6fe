"""Meters: what tells how much energy the host used. The core knows no hardware, only this protocol.

A meter gives the energy of the *whole host* (or device) since its last reading; which part of it the measured
process may claim is attribution's business. Readings are time-stamped by the caller and never assumed periodic.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ecoia.records import Method
from ecoia.semconv import COMPONENTS, MISSING

if TYPE_CHECKING:
    from ecoia.settings import Settings


class Meter(Protocol):
    """The energy of one component of the host."""

    component: str
    """One of ``semconv.COMPONENTS``."""

    method: Method
    """How the figures are obtained; constant over the meter's life."""

    devices: tuple[str, ...]
    """Ids of the devices read, where devices can be shared between processes (GPU); else empty."""

    shared_by_cpu: bool
    """Whether a process claims its CPU-time share of the reading (CPU, RAM) or the whole (its devices)."""

    def read(self, seconds: float, load: float) -> int | None:
        """Energy since the last reading.

        Args:
            seconds: Time since the last reading, on a monotonic clock.
            load: Busy share of the host's CPUs over that time, 0 to 1 (models need it, counters do not).

        Returns:
            Integer microjoules, or None when it could not be read: that energy is then missing, not zero.
        """
        ...


@dataclass(frozen=True)
class Absence:
    """Why a component has no meter. ``name`` is what records say, as the name of a missing method."""

    name: str
    why: str
    remedy: str | None


class Detected(list[Meter]):
    """The meters of this machine, at most one a component, and why the other components have none."""

    def __init__(self, found: Mapping[str, Meter | Absence]) -> None:
        super().__init__(each for each in found.values() if not isinstance(each, Absence))
        self.absent = {component: each for component, each in found.items() if isinstance(each, Absence)}


@dataclass(frozen=True)
class Diagnosis:
    """What ``ecoia doctor`` says of one component."""

    component: str
    status: str
    name: str
    why: str
    remedy: str | None


def detect(settings: Settings, early_counters: dict[str, int] | None = None, root: Path = Path("/")) -> Detected:
    """The best meter of each component on this machine. A component that cannot be measured is absent, never an error.

    Imports codecarbon (0.2 s), so it runs in the background thread of a measured process.

    Args:
        settings: For site-specific choices.
        early_counters: Counter files read before detection (path -> microjoules), so that the time that
            detection takes is measured too.
        root: Where ``/proc`` and ``/sys`` are.
    """
    from ecoia.meters import codecarbon_adapter

    return codecarbon_adapter.detect(early_counters or {}, root)


def diagnose(settings: Settings, root: Path = Path("/")) -> list[Diagnosis]:
    """For each component: the method in use, why, and how to get a better one."""
    from ecoia.meters import codecarbon_adapter

    explain = {
        "cpu": codecarbon_adapter.explain_cpu,
        "gpu": codecarbon_adapter.explain_gpu,
        "ram": codecarbon_adapter.explain_ram,
    }
    found = detect(settings, root=root)
    diagnoses = []
    for component, method in methods(found).items():
        absence = found.absent.get(component)
        why, remedy = explain[component](method, root) if absence is None else (absence.why, absence.remedy)
        diagnoses.append(Diagnosis(component, method.status, method.name, why, remedy))
    return diagnoses


def methods(meters: Sequence[Meter]) -> dict[str, Method]:
    """The method of each component, missing ones included."""
    found = {meter.component: meter.method for meter in meters}
    absent = meters.absent if isinstance(meters, Detected) else {}
    return {
        component: found.get(component) or Method(MISSING, absent[component].name if component in absent else "none")
        for component in COMPONENTS
    }
