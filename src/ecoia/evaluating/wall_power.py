"""A series of a machine's power at the wall, as energy between two instants, with what it does not know."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ecoia.errors import UsageError
from ecoia.meters.wattmeter import Sample

_LEAST_HOLD_SECONDS = 60.0

Floats = NDArray[np.float64]


class WallPower:
    """The integral of a series over time, and how much of the time it does not know.

    The power of a sample holds until the next one. A sample of zero is no reading, and after three median intervals (60 s at
    least) without a sample nothing is known.

    Args:
        samples: The series, in order of time.

    Raises:
        UsageError: It has fewer than two samples.

    Attributes:
        begin_ns: Instant of the first sample, from which all seconds here count.
        times: Second of each sample.
        watts: Its power.
    """

    def __init__(self, samples: Sequence[Sample]) -> None:
        if len(samples) < 2:
            raise UsageError("the series holds fewer than two samples: let its logger run, and compare the time that it covers")
        self.begin_ns = samples[0][0]
        self.times: Floats = np.array([(instant - self.begin_ns) / 1e9 for instant, _ in samples])
        self.watts: Floats = np.array([microwatts / 1e6 for _, microwatts in samples])
        lengths = np.diff(self.times)
        hold = max(3 * float(np.median(lengths)), _LEAST_HOLD_SECONDS)
        unknown = (lengths > hold) | (self.watts[:-1] == 0)
        self._energy: Floats = np.concatenate([[0.0], np.cumsum(self.watts[:-1] * lengths)])
        self._known: Floats = np.concatenate([[0.0], np.cumsum(self.watts[:-1] * lengths * ~unknown)])
        self._unknown: Floats = np.concatenate([[0.0], np.cumsum(lengths * unknown)])

    def energy(self, start: float, end: float) -> tuple[float, float]:
        """Return the joules that the series knows between two seconds, and how many of these seconds it does not know."""
        within = max(start, self.times[0]), min(end, self.times[-1])
        if within[1] <= within[0]:
            return 0.0, end - start
        watts, unknown = (float(np.diff(np.interp(within, self.times, each))[0]) for each in (self._known, self._unknown))
        return watts, unknown + (end - start) - (within[1] - within[0])

    def means(self, starts: Floats, ends: Floats) -> Floats:
        """Return the mean watts of each interval; NaN where the series does not know all of it."""
        energy = np.interp(ends, self.times, self._energy) - np.interp(starts, self.times, self._energy)
        unknown = np.interp(ends, self.times, self._unknown) - np.interp(starts, self.times, self._unknown)
        known = (unknown <= 1e-6) & (starts >= self.times[0]) & (ends <= self.times[-1])
        return np.asarray(np.where(known, energy / (ends - starts), np.nan), dtype=np.float64)
