"""RAPL: the kernel's energy counters of CPU packages and memory, read from its powercap tree. Standard library only.

A counter wraps and doesn't count its wraps. This module infers their number from the time that passed and the most power that
the zone can draw. If that leaves several numbers, it uses the mean power seen before, and counts the reading as inferred.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence

from ecoia import losses
from ecoia.keeping.held_file import HeldFile
from ecoia.light import TYPE_CHECKING
from ecoia.meters import hardware
from ecoia.meters.meter import Meter
from ecoia.methods import RAPL, RAPL_DRAM, Method

if TYPE_CHECKING:
    from pathlib import Path

MOST_WATTS = 2_000.0
"""Most power of a zone that shows no limit of its own; no socket, and no socket's memory, draws more."""

_OVER_THE_MOST = 3.0
"""Factor on ``constraint_*_max_power_uw``, a thermal figure: a boosting processor draws up to two or three times as much."""

_STEP_SECONDS = 0.01
"""Margin for the steps of the counters, about a millisecond each: two readings close together may be a step apart."""

_DOUBTFUL_PART = 10
"""A counter that fell has surely wrapped if the most energy possible is less than its range divided by this number."""

_KNOWN_SECONDS = 0.1
_MEMORY_SECONDS = 10.0
"""The mean power is known after ``_KNOWN_SECONDS`` (a hundred steps), and is the mean of about ``_MEMORY_SECONDS``."""

_MIRROR_UJ = 1_000_000
_MIRROR_PART = 1e-6
"""Two readings of one counter, one after the other, differ by no more than the larger of these."""


class RaplMeter(Meter):
    """The sum of RAPL zones, in integer microjoules.

    The kernel counts modulo 2³² hardware units and shows the largest count as the range, so a wrap corrected by
    ``max_energy_range_uj`` is one unit short: 61 µJ of 262 kJ.

    Args:
        component: ``cpu`` or ``ram``.
        method: ``RAPL`` or ``RAPL_DRAM``.
        files: The ``energy_uj`` file of each zone.
        early_counters: Counts read before (path -> microjoules), from which the first reading starts.

    Raises:
        OSError: A zone can't be read now.
        ValueError: A zone's counter is not a number.
    """

    def __init__(
        self, component: str, method: Method, files: Sequence[str], early_counters: Mapping[str, int] | None = None
    ) -> None:
        early = early_counters or {}
        self.component = component
        self.method = method
        self._zones = [_Zone(file, early.get(file)) for file in files]
        self._carried_uj = 0
        self._lost: Counter[str] = Counter()

    def read(self, seconds: float, load: float) -> int | None:
        """See ``Meter.read``. None unless every zone was read: a sum without a socket is not the host's energy.

        The energy of the other zones is kept for the next complete sum.
        """
        complete = True
        for zone in self._zones:
            energy_uj = zone.read(seconds)
            if zone.doubt is not None:
                self._lost[zone.doubt[self.component]] += 1
            if energy_uj is None:
                complete = False
            else:
                self._carried_uj += energy_uj
        if not complete:
            return None
        energy_uj, self._carried_uj = self._carried_uj, 0
        return energy_uj

    def lost(self) -> Counter[str]:
        """See ``Meter.lost``. Causes: ``<component>-counter-reset``, ``<component>-wraps-inferred``."""
        lost, self._lost = self._lost, Counter()
        return lost


class _Zone:
    """One counter: its last count, the time of that reading, and the mean power."""

    def __init__(self, file: str, early_uj: int | None) -> None:
        self._open: HeldFile | None = None
        self.doubt: Mapping[str, str] | None = None
        """The cause of doubt about the last reading, by component: ``counter-reset``, ``wraps-inferred``; None: no doubt."""

        self._file = file
        zone = os.path.dirname(file)
        self._range_uj = _number(f"{zone}/max_energy_range_uj") or 0
        self._most_watts = _most_watts(zone)
        self._read_ns = time.perf_counter_ns()
        count_uj = self._count()
        self._count_uj = count_uj if early_uj is None else early_uj
        self._seconds = 0.0
        self._seen_uj = 0.0
        self._seen_seconds = 0.0

    def read(self, seconds: float) -> int | None:
        """Return microjoules since the last successful reading; None if the counter can't be read or interpreted."""
        self.doubt = None
        self._seconds += seconds
        before_ns = time.perf_counter_ns()
        try:
            count_uj = self._count()
        except (OSError, ValueError):
            return None
        # The counter is read after the clock. If this thread was stopped between the two, the count includes that time.
        late = (time.perf_counter_ns() - before_ns) / 1e9
        elapsed = max(self._seconds, (before_ns - self._read_ns) / 1e9)
        energy_uj = self._energy(count_uj, elapsed, self._most_watts * (elapsed + late + _STEP_SECONDS) * 1e6)
        self._count_uj, self._read_ns, self._seconds = count_uj, before_ns, 0.0
        if energy_uj is not None and self.doubt is None:
            self._remember(energy_uj, elapsed)
        return energy_uj

    def _energy(self, count_uj: int, seconds: float, most_uj: float) -> int | None:
        least_uj = count_uj - self._count_uj
        fell = least_uj < 0
        if fell:
            least_uj += self._range_uj
        possible = 0 <= least_uj <= most_uj  # with one wrap if the count fell, else with none
        more_wraps = int((most_uj - least_uj) // self._range_uj) if possible and self._range_uj else 0
        reset = fell and count_uj <= most_uj and (not possible or most_uj * _DOUBTFUL_PART > self._range_uj)
        if possible and not more_wraps and not reset:
            return least_uj
        if not possible:
            # The counter restarted at zero, so its count is a lower bound. If that is too large as well, nothing is known.
            self.doubt = losses.COUNTER_RESET
            return count_uj if reset else None
        self.doubt = losses.WRAPS_INFERRED
        if self._seen_seconds < _KNOWN_SECONDS:
            return None
        expected_uj = self._seen_uj / self._seen_seconds * seconds
        wraps = min(max(round((expected_uj - least_uj) / (self._range_uj or 1)), 0), more_wraps)
        energy_uj = least_uj + wraps * self._range_uj
        if reset and abs(count_uj - expected_uj) < abs(energy_uj - expected_uj):
            self.doubt = losses.COUNTER_RESET
            return count_uj
        return energy_uj

    def _remember(self, energy_uj: int, seconds: float) -> None:
        fade = _MEMORY_SECONDS / max(self._seen_seconds + seconds, _MEMORY_SECONDS)
        self._seen_uj = (self._seen_uj + energy_uj) * fade
        self._seen_seconds = (self._seen_seconds + seconds) * fade

    def _count(self) -> int:
        """Read the counter through a file that stays open: cheaper, and it survives a permission withdrawn later."""
        facts = None if self._open is None else self._open.facts()
        # Once a zone is gone, the kernel answers ENODEV. An ordinary file in its place (of a container, of a test) stays
        # readable, so open it again if it was unlinked or replaced.
        if self._open is None or facts is None or facts.st_nlink == 0:
            self._open = HeldFile(self._file, os.O_RDONLY)
        try:
            return int(os.pread(self._open.number, 32, 0))
        except (OSError, ValueError):
            self._open = None
            raise


def _number(file: str) -> int | None:
    try:
        with open(file, encoding="utf-8") as opened:
            return int(opened.read())
    except (OSError, ValueError):
        return None


def _most_watts(zone: str) -> float:
    names = [name for name in hardware.names_in(zone) if name.startswith("constraint_") and name.endswith("_max_power_uw")]
    limits_uw = [_number(f"{zone}/{name}") or 0 for name in names]
    return _OVER_THE_MOST * max(limits_uw) / 1e6 if any(limits_uw) else MOST_WATTS


def meter(component: str, root: str | Path = hardware.ROOT, early_counters: Mapping[str, int] | None = None) -> RaplMeter | None:
    """Return the meter of ``cpu`` or ``ram``; None unless all its zones can be read.

    Without the packages' counters, DRAM counters are not used either: that would mix measured and modelled figures for no gain.

    Args:
        component: ``cpu`` or ``ram``.
        root: Folder that holds ``/sys``.
        early_counters: See ``ecoia.meters.detect``.
    """
    packages, dram = select_zones(root)
    method, zones = (RAPL, packages) if component == "cpu" else (RAPL_DRAM, dram)
    return RaplMeter(component, method, zones, early_counters) if zones else None


def select_zones(root: str | Path = hardware.ROOT) -> tuple[list[str], list[str]]:
    """Return the counters to add up, each once: (package zones, DRAM zones).

    ``psys`` includes the packages, so it is left out. ``core`` and ``uncore`` are inside the package. A package that both the
    MSR and the MMIO interface show is taken once (MSR), and so are dies that mirror one counter. ``dram`` zones are found by
    path, nested or not, so each socket's counts. If a package exists but can't be read, both lists are empty: half of a host
    is not its energy. Likewise there are no DRAM zones unless every package has one, and all can be read.

    Args:
        root: Folder that holds ``/sys``.
    """
    # Read each file instead of checking its permission: a hypervisor or a security module may refuse a readable file.
    counted = hardware.read_counters(root)
    packages: dict[str, str] = {}
    dram: dict[tuple[str, str], str] = {}
    for file in hardware.energy_counter_files(root):
        name = _zone_name(file)
        mmio = "mmio" in file
        if name.startswith("package"):
            if name not in packages or not mmio:
                packages[name] = file
        elif name == "dram":
            above = _zone_name(os.path.dirname(file))
            key = (above, "") if above else ("", file)
            if key not in dram or not mmio:
                dram[key] = file
    if not packages or not all(file in counted for file in packages.values()):
        return [], []
    kept, memory = _without_mirrors(packages, counted), list(dram.values())
    complete = len(memory) >= len(kept) and all(file in counted for file in memory)
    return kept, memory if complete else []


def _zone_name(file: str) -> str:
    try:
        with open(f"{os.path.dirname(file)}/name", encoding="utf-8") as opened:
            return opened.read().strip().lower()
    except OSError:
        return ""


def _without_mirrors(packages: Mapping[str, str], counted: Mapping[str, int]) -> list[str]:
    """Return the packages; of dies that all show their package's counter, only one (codecarbon's issue 1274: 137 W for 68).

    Zones of different sockets are never merged: booted together and equally idle, their counters can be within a joule too.
    """
    kept: dict[str, tuple[str, int]] = {}
    for name, file in packages.items():
        package, _, _ = name.partition("-die-")
        count = counted[file]
        if not any(package == other and _one_counter(count, known) for other, known in kept.values()):
            kept[name] = (package, count)
    return [packages[name] for name in kept]


def _one_counter(first_uj: int, second_uj: int) -> bool:
    """Return whether two counts, read at nearly the same instant, are of one counter. A count of 0 proves nothing."""
    if first_uj <= 0 or second_uj <= 0:
        return False
    return abs(first_uj - second_uj) <= max(_MIRROR_UJ, _MIRROR_PART * max(first_uj, second_uj))
