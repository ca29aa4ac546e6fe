"""Meters read the energy that the host used. The core knows no hardware, only the protocol ``Meter``.

A meter gives the energy of the *whole host* (or device) since its last reading. ``ecoia.measuring.allocation`` decides which part
of it the measured process may claim. The caller times the readings; a meter never assumes that they are periodic.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence

from ecoia.light import TYPE_CHECKING, NamedTuple
from ecoia.meters.meter import DEVICES, GROUP, HOST, Absence, Detected, Meter
from ecoia.methods import HOST_MODEL, RAPL, Method
from ecoia.semconv import COMPONENTS, ESTIMATED, HOST_MODEL_FILE, MISSING

if TYPE_CHECKING:
    from pathlib import Path

    from ecoia.meters.hardware import ControlGroup
    from ecoia.settings import Settings


__all__ = ["DEVICES", "GROUP", "HOST", "Absence", "Detected", "Diagnosis", "Meter", "detect", "diagnose", "methods"]


class Diagnosis(NamedTuple):
    """One line of ``ecoia doctor``: a component, its method, the reason for it and how to get a better one."""

    component: str
    status: str
    name: str
    why: str
    remedy: str | None


def detect(
    settings: Settings,
    early_counters: dict[str, int] | None = None,
    root: str | Path = "/",
    pids: Callable[[], Collection[int]] | None = None,
    group: ControlGroup | None = None,
) -> Detected:
    """Find the best meter of each component on this machine. A component that can't be measured is absent, never an error.

    A measured process calls this in its background thread.

    Args:
        settings: The settings, for ``wattmeter``, ``guest_energy``, ``vcpu_threads`` and ``home``.
        early_counters: Counters read before detection (path of a file, or id of a GPU, -> microjoules). The first reading
            starts there, so it includes the time that detection takes.
        root: Folder that holds ``/proc`` and ``/sys``.
        pids: Returns the ids of our processes at each reading, since others can use the same devices; None: this process.
        group: The control group that models stand for; None: the group of this process.

    Example:
        >>> from ecoia import settings
        >>> found = detect(settings.load())  # doctest: +SKIP
        >>> [meter.method.name for meter in found]  # doctest: +SKIP
        ['rapl', 'nvml', 'rapl-dram']
    """
    if settings.wattmeter:
        from ecoia.meters import wattmeter

        return wattmeter.detect(settings.wattmeter)
    from ecoia.meters import gpu

    ours = pids or _this_process

    cpu = _handed(settings) or _first(
        lambda: _counted("cpu", root, early_counters),
        lambda: _calibrated(settings, root, group),
        lambda: _modelled_cpu(settings, root, group),
    )
    return Detected(
        {
            "cpu": cpu,
            "gpu": _first(lambda: gpu.meter(root, ours, early_counters)),
            "ram": _ram(cpu, settings, root, early_counters, group),
        }
    )


def _counted(component: str, root: str | Path, early_counters: dict[str, int] | None) -> Meter | None:
    """Return the kernel's counters of a component; None without any, as on most virtual machines."""
    from ecoia.meters import hardware

    if not hardware.energy_counter_files(root):
        return None
    from ecoia.meters import rapl

    return rapl.meter(component, root, early_counters)


def _handed(settings: Settings) -> Meter | Absence | None:
    """Return what the host hands to this virtual machine, or why it can't be read; None unless the settings name its folder."""
    if not settings.guest_energy:
        return None
    from ecoia.meters import guest_share

    return guest_share.detect(settings.guest_energy)


def _calibrated(settings: Settings, root: str | Path, group: ControlGroup | None) -> Meter | None:
    """Return the model of this machine's host that the site calibrated; None without one that holds here."""
    if not os.path.lexists(f"{settings.home}/{HOST_MODEL_FILE}"):
        return None
    from ecoia.meters import host_model

    return host_model.meter(settings.home, settings.vcpu_threads, root, group)


def _modelled_cpu(settings: Settings, root: str | Path, group: ControlGroup | None) -> Meter:
    """Return the model of the CPU: of a guest, its share of the server. A guest is never charged whole sockets."""
    from ecoia.meters import processor

    if processor.is_guest(root):
        from ecoia.meters import server_share

        return server_share.cpu_meter(settings.vcpu_threads, root, group)
    from ecoia.meters import load_model

    return load_model.load_meter(root, group)


def _ram(
    cpu: Meter | Absence, settings: Settings, root: str | Path, early_counters: dict[str, int] | None, group: ControlGroup | None
) -> Meter | Absence:
    """Return the meter of the memory, unless the figure of the CPU includes it."""
    if settings.guest_energy:
        from ecoia.meters import guest_share

        return cpu if isinstance(cpu, Absence) else guest_share.INSIDE
    if not isinstance(cpu, Absence) and cpu.method == HOST_MODEL:
        from ecoia.meters import host_model

        return host_model.INSIDE
    return _first(lambda: _counted("ram", root, early_counters), lambda: _modelled_ram(cpu, settings, root, group))


def _modelled_ram(cpu: Meter | Absence, settings: Settings, root: str | Path, group: ControlGroup | None) -> Meter:
    """Return the model of the memory: of a guest, what its share of the server does not include, unless counters read its CPU."""
    from ecoia.meters import processor

    if processor.is_guest(root) and (isinstance(cpu, Absence) or cpu.method != RAPL):
        from ecoia.meters import server_share

        return server_share.ram_meter(settings.vcpu_threads, root, group)
    from ecoia.meters import ram_model

    return ram_model.ram_meter(root, group)


def _this_process() -> Collection[int]:
    return (os.getpid(),)


def _first(*ways: Callable[[], Meter | Absence | None]) -> Meter | Absence:
    """Return the first meter found, else why the last way gave none. One broken component must not stop the others."""
    absence = Absence("none", "no way of measuring it is known", None)
    for way in ways:
        try:
            found = way()
        except Exception as error:  # noqa: BLE001 - a driver, a library or a table may fail in any manner
            absence = Absence(f"failed:{type(error).__name__}", f"detection failed: {error}", "repair its driver or library")
            continue
        if isinstance(found, Absence):
            absence = found
        elif found is not None:
            return found
    return absence


def diagnose(settings: Settings, root: str | Path = "/") -> list[Diagnosis]:
    """Return for each component the method in use, the reason for it, and how to get a better one.

    Args:
        settings: The settings, for ``wattmeter`` and ``vcpu_threads``.
        root: Folder that holds ``/proc`` and ``/sys``.
    """
    from ecoia.meters import gpu, host_model, load_model, ram_model, server_share

    explain = {"cpu": load_model.explain, "gpu": gpu.explain, "ram": ram_model.explain}
    found = detect(settings, root=root)
    diagnoses = []
    for component, method in methods(found).items():
        absence = found.absent.get(component)
        if absence is not None:
            why, remedy = absence.why, absence.remedy
        elif method in server_share.METHODS:
            why, remedy = server_share.explain(component, settings.vcpu_threads, root)
        elif method == HOST_MODEL:
            why, remedy = str(host_model.explain(settings.home, settings.vcpu_threads, root)), None
        elif component == "cpu" and settings.guest_energy:
            why, remedy = f"the host of this machine hands it its energy in '{settings.guest_energy}'", None
        elif settings.wattmeter:
            from ecoia.meters import wattmeter

            why, remedy = wattmeter.explain(settings.wattmeter)
        else:
            why, remedy = explain[component](method, root)
        if component == "cpu" and method.status == ESTIMATED and method != HOST_MODEL and not settings.guest_energy:
            unused = host_model.explain(settings.home, settings.vcpu_threads, root)
            why = why if unused is None else f"{why}; {unused}"
        diagnoses.append(Diagnosis(component, method.status, method.name, why, remedy))
    return diagnoses


def methods(meters: Sequence[Meter]) -> dict[str, Method]:
    """Return the method of each component, including those without a meter.

    Example:
        >>> methods([])["gpu"]
        Method(status='missing', name='none')
    """
    found = {meter.component: meter.method for meter in meters}
    absent = meters.absent if isinstance(meters, Detected) else {}
    return {
        component: found.get(component) or Method(MISSING, absent[component].name if component in absent else "none")
        for component in COMPONENTS
    }
