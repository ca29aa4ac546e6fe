"""Meters: what tells how much energy the host used. The core knows no hardware, only this protocol.

A meter gives the energy of the *whole host* (or device) since its last reading; which part of it the measured
process may claim is attribution's business. Readings are time-stamped by the caller and never assumed periodic.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ecoia.methods import Method
from ecoia.semconv import COMPONENTS, MISSING

if TYPE_CHECKING:
    from ecoia.meters.hardware import ControlGroup
    from ecoia.settings import Settings


HOST, GROUP, DEVICES = "host", "group", "devices"
"""Whose energy a meter reads: the whole host's; our control group's part of it; devices that the process holds."""


class Meter(Protocol):
    """The energy of one component. Implementations inherit, and say what differs from the defaults."""

    component: str
    """One of ``semconv.COMPONENTS``."""

    method: Method
    """How the figures are obtained; constant over the meter's life."""

    domain: str = HOST
    """What a reading covers, hence what the process may claim of it: its share of the CPU time of the ``HOST`` or of the
    control ``GROUP``, or the whole of its own ``DEVICES``."""

    reading_seconds: float = 1.0
    """How often it wants to be read: a momentary power more often than a counter."""

    devices: tuple[str, ...] = ()
    """Ids of the devices read, where devices can be shared between processes (GPU); else empty."""

    shared_devices: tuple[str, ...] = ()
    """Of ``devices``, those that others used as well since the last reading and whose energy is in ours all the same: the
    driver does not tell the parts. Whoever adds up claims may count them once only."""

    def read(self, seconds: float, load: float) -> int | None:
        """Energy since the last reading.

        Args:
            seconds: Time since the last reading, on a monotonic clock.
            load: Busy share of the domain's CPUs over that time, 0 to 1 (models need it, counters do not).

        Returns:
            Integer microjoules, or None when it could not be read: that energy is then missing, not zero.
        """
        ...

    def users(self) -> Counter[int]:
        """Which of our processes the energy since the last call was for: weights by id, as far as it is told; else empty."""
        return Counter()

    def lost(self) -> Counter[str]:
        """What could not be told since the last call, or only by inference, by cause (``cpu-counter-reset``, ...)."""
        return Counter()


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


def detect(
    settings: Settings,
    early_counters: dict[str, int] | None = None,
    root: Path = Path("/"),
    pids: Callable[[], Collection[int]] | None = None,
    group: ControlGroup | None = None,
) -> Detected:
    """The best meter of each component on this machine. A component that cannot be measured is absent, never an error.

    codecarbon (16 MiB, 0.2 s) is loaded where a model or one of its GPU readers is needed, and only there. So this runs in
    the background thread of a measured process.

    Args:
        settings: For site-specific choices.
        early_counters: Counters read before detection (path of a file, or id of a GPU, -> microjoules), so that the time that
            detection takes is measured too.
        root: Where ``/proc`` and ``/sys`` are.
        pids: Tells, at each reading, which processes are ours (devices can be shared with others'); None: this one.
        group: The control group of what is measured, of which models are; None: ours.
    """
    if settings.wattmeter:
        from ecoia.meters import wattmeter

        return wattmeter.detect(settings.wattmeter)
    from ecoia.meters import codecarbon_adapter, rapl

    ours = pids or _this_process

    return Detected(
        {
            "cpu": _first(lambda: rapl.meter("cpu", root, early_counters), lambda: codecarbon_adapter.load_meter(root, group)),
            "gpu": _first(lambda: codecarbon_adapter.gpu(root, ours, early_counters)),
            "ram": _first(lambda: rapl.meter("ram", root, early_counters), lambda: codecarbon_adapter.ram_meter(root, group)),
        }
    )


def _this_process() -> Collection[int]:
    return (os.getpid(),)


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
        if absence is not None:
            why, remedy = absence.why, absence.remedy
        elif settings.wattmeter:
            from ecoia.meters import wattmeter

            why, remedy = wattmeter.explain(settings.wattmeter)
        else:
            why, remedy = explain[component](method, root)
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
