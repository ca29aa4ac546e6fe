"""Fakes for tests: meters, hardware, and a subject that reports given looks.

Public, for tests of programs built on ecoia. The real meters read ``PowercapTree`` and the library of
``build_fake_nvml``; ``FixedMeter``, ``StepMeter`` and ``ReplayMeter`` replace a meter.

Example:
    >>> meter = FixedMeter("cpu", watts=10)
    >>> meter.read(seconds=0.5, load=1.0)
    5000000
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from pathlib import Path

from ecoia.errors import UsageError
from ecoia.keeping.journal import Journal
from ecoia.measuring.subject import Look
from ecoia.meters import DEVICES, HOST, Meter
from ecoia.methods import Method
from ecoia.records import Record, in_force
from ecoia.semconv import COMPONENTS, KIND_LINK, KIND_OUTCOME, MEASURED, MISSING
from ecoia.testing.hardware import (
    DRAM_RANGE_UJ,
    PACKAGE_RANGE_UJ,
    FakeGpu,
    FakeInstance,
    FakeNvml,
    FakeProcess,
    FakeSample,
    PowercapLoad,
    PowercapTree,
    PowercapZone,
    add_pci_device,
    build_fake_nvml,
)

__all__ = [
    "DRAM_RANGE_UJ",
    "PACKAGE_RANGE_UJ",
    "FakeGpu",
    "FakeInstance",
    "FakeNvml",
    "FakeProcess",
    "FakeSample",
    "FixedMeter",
    "MemorySubject",
    "PowercapLoad",
    "PowercapTree",
    "PowercapZone",
    "ReplayMeter",
    "StepMeter",
    "add_pci_device",
    "build_fake_nvml",
]


class FixedMeter(Meter):
    """A meter of a host (or device) that always draws the same power.

    Args:
        component: One of ``semconv.COMPONENTS``.
        watts: The power.
        status: One of ``semconv.STATUSES``.
        devices: Ids of its devices. If there are any, the process claims the whole reading.

    Example:
        >>> FixedMeter("gpu", watts=300, devices=["GPU-1"]).read(seconds=1.0, load=0.0)
        300000000
    """

    def __init__(self, component: str, watts: float, *, status: str = MEASURED, devices: Iterable[str] = ()) -> None:
        self.component = component
        self.method = Method(status, "fixed")
        self.devices = tuple(devices)
        self.domain = DEVICES if self.devices else HOST
        self._watts = watts

    def read(self, seconds: float, load: float) -> int | None:
        """See ``Meter.read``."""
        return round(self._watts * seconds * 1e6)


class StepMeter(Meter):
    """A meter that returns given readings one after the other, then None.

    Args:
        component: One of ``semconv.COMPONENTS``.
        readings: Microjoules of each reading; None is a failed reading.
        status: One of ``semconv.STATUSES``.
        devices: See ``FixedMeter``.

    Example:
        >>> meter = StepMeter("cpu", [1_000_000, None])
        >>> [meter.read(seconds=1.0, load=0.0) for _ in range(3)]
        [1000000, None, None]
    """

    def __init__(
        self, component: str, readings: Iterable[int | None], *, status: str = MEASURED, devices: Iterable[str] = ()
    ) -> None:
        self.component = component
        self.method = Method(status, "steps")
        self.devices = tuple(devices)
        self.domain = DEVICES if self.devices else HOST
        self._readings = deque(readings)

    def read(self, seconds: float, load: float) -> int | None:
        """See ``Meter.read``."""
        return self._readings.popleft() if self._readings else None


class ReplayMeter(StepMeter):
    """A meter that replays the recorded energy of a component: one reading per interval of the records, in order.

    The readings are the recorded integers, summed within an interval, so their total is the journal's total. A record is
    already what a process claimed, so a process that replays it claims the whole reading.

    Args:
        records: Records, or the home of a journal.
        component: One of ``semconv.COMPONENTS``.

    Raises:
        UsageError: The component is unknown, or its energy has several methods; the message names them.

    Example:
        >>> ReplayMeter([], "cpu").read(seconds=1.0, load=0.0) is None
        True
    """

    intervals: tuple[tuple[int, int], ...]
    """(Start, end) of each reading, in UTC nanoseconds."""

    def __init__(self, records: Iterable[Record] | str | Path, component: str) -> None:
        if component not in COMPONENTS:
            raise UsageError(f"component '{component}' is not known: choose one of {', '.join(COMPONENTS)}")
        listed = Journal(records).scan().records if isinstance(records, str | Path) else records
        energy: dict[tuple[int, int], int | None] = {}
        methods: set[Method] = set()
        devices: set[str] = set()
        for record in in_force(listed):
            if record.kind in (KIND_OUTCOME, KIND_LINK):
                continue
            interval = (record.start_utc_ns, record.end_utc_ns)
            known, more = energy.get(interval), record.energy_microjoules[component]
            energy[interval] = more if known is None else known + (more or 0)
            if more is not None:
                methods.add(record.method[component])
                devices.update(record.devices if component == "gpu" else ())
        if len(methods) > 1:
            found = ", ".join(sorted(f"{method.status} {method.name}" for method in methods))
            raise UsageError(f"component '{component}' has several methods ({found}): replay the records of one of them")
        self.intervals = tuple(sorted(energy))
        super().__init__(component, [energy[interval] for interval in self.intervals], devices=sorted(devices))
        self.method = methods.pop() if methods else Method(MISSING, "none")
        self.domain = DEVICES


class MemorySubject:
    """A measured subject that reports given looks one after the other, then looks without activity.

    Args:
        looks: The look of each reading.

    Example:
        >>> MemorySubject().look(wall_ns=0).process_cpu_ns
        0
    """

    def __init__(self, looks: Iterable[Look] = ()) -> None:
        self.looks = deque(looks)
        self.losses: Counter[str] = Counter()

    def look(self, wall_ns: int) -> Look:
        """See ``Subject.look``."""
        return self.looks.popleft() if self.looks else Look(0, 0, 0, 0.0, {})

    def lost(self) -> Counter[str]:
        """See ``Subject.lost``."""
        losses, self.losses = self.losses, Counter()
        return losses
