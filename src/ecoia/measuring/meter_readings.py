"""Read the meters: counters once a reading, momentary power also in between."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from ecoia import losses
from ecoia.light import NamedTuple
from ecoia.meters import Meter


class MeterReading(NamedTuple):
    """Energy of one meter since its last reading; None if it could not be read.

    ``covered_ns`` is the time that the energy was used in. A counter that fails to be read goes on counting, so the next
    reading covers the time of the failed ones too.
    """

    microjoules: int | None
    covered_ns: int


class MeterReadings:
    """Reads all meters of a subject.

    Args:
        meters: At most one for each component.
        wall_ns: The monotonic clock when measuring began.
        complain: Logs once, in the host's log, that a meter is broken.

    Example:
        >>> from ecoia.testing import StepMeter
        >>> readings = MeterReadings([StepMeter("cpu", [None, 70])], 0, print)
        >>> [readings.read(now_ns, {"host": 0.5}, Counter())[0][1] for now_ns in (10, 20)]
        [MeterReading(microjoules=None, covered_ns=10), MeterReading(microjoules=70, covered_ns=20)]
    """

    def __init__(self, meters: Sequence[Meter], wall_ns: int, complain: Callable[[str], None]) -> None:
        self._meters = meters
        self._wall_ns = wall_ns
        self._complain = complain
        self._momentary = [meter for meter in meters if meter.reading_seconds < 1]
        self._samples: dict[str, list[int | None]] = {}
        self._sampled_ns: dict[str, int] = {}
        self._unread_ns: dict[str, int] = {}

    def sample(self) -> None:
        """Read the meters that see only momentary power, and would miss what happens between two readings."""
        for meter in self._momentary:
            now_ns = time.perf_counter_ns()
            elapsed_ns = now_ns - self._sampled_ns.get(meter.component, self._wall_ns)
            self._sampled_ns[meter.component] = now_ns
            self._samples.setdefault(meter.component, []).append(self._read(meter, elapsed_ns, 0.0))

    def read(self, wall_ns: int, loads: Mapping[str, float], lost: Counter[str]) -> list[tuple[Meter, MeterReading]]:
        """Read every meter.

        Args:
            wall_ns: The monotonic clock, now.
            loads: Busy part of the CPUs, 0 to 1, by domain of the meters.
            lost: Counts the readings that failed, by component.

        Returns:
            Each meter with its reading since the last call, samples included.
        """
        elapsed_ns = max(wall_ns - self._wall_ns, 1)
        readings = [(meter, self._read_one(meter, wall_ns, elapsed_ns, loads[meter.domain], lost)) for meter in self._meters]
        self._wall_ns = wall_ns
        return readings

    def _read_one(self, meter: Meter, wall_ns: int, elapsed_ns: int, load: float, lost: Counter[str]) -> MeterReading:
        component = meter.component
        since_ns = self._sampled_ns.pop(component, self._wall_ns)
        samples = self._samples.pop(component, [])
        samples.append(self._read(meter, max(wall_ns - since_ns, 0), load))
        known = [sample for sample in samples if sample is not None]
        if len(known) < len(samples):
            lost[losses.UNREAD[component]] += len(samples) - len(known)
        covered_ns = elapsed_ns + self._unread_ns.pop(component, 0)
        if known:
            return MeterReading(sum(known), covered_ns)
        if meter not in self._momentary:
            self._unread_ns[component] = covered_ns
        return MeterReading(None, covered_ns)

    def _read(self, meter: Meter, elapsed_ns: int, load: float) -> int | None:
        try:
            return meter.read(elapsed_ns / 1e9, load)
        except Exception as error:  # noqa: BLE001 - a broken meter must not take the others with it
            self._complain(f"{meter.component} meter {meter.method.name}: {type(error).__name__}: {error}")
            return None
