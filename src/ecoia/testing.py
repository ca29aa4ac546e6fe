"""Stand-ins for what cannot be had in a test: meters that give what they are told, a subject that did what it is told.

Public, for the tests of whoever builds on ecoia.

>>> meter = FixedMeter("cpu", watts=10)
>>> meter.read(seconds=0.5, load=1.0)
5000000
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable

from ecoia.meters import DEVICES, HOST, Meter
from ecoia.records import Method
from ecoia.sampler import Look
from ecoia.semconv import MEASURED


class FixedMeter(Meter):
    """A meter of a host (or device) that always draws the same power.

    Args:
        component: One of ``semconv.COMPONENTS``.
        watts: Its power.
        status: One of ``semconv.STATUSES``.
        devices: Ids of the devices that it stands for; with any, the whole reading is the process's.
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
    """A meter that gives one reading after the other, then none.

    Args:
        component: One of ``semconv.COMPONENTS``.
        readings: Microjoules of each reading; None stands for one that fails.
        status: One of ``semconv.STATUSES``.
        devices: As for ``FixedMeter``.
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


class MemorySubject:
    """A subject that did, between two readings, what it is told: one look after the other, then nothing.

    Args:
        looks: What each reading finds.
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
