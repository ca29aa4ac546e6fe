"""The protocol that every meter implements, and what stands in for a component without one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from ecoia.light import NamedTuple, Protocol
from ecoia.methods import Method

HOST, GROUP, DEVICES = "host", "group", "devices"
"""Domain of a meter: the whole host, our control group, or the devices that the process holds."""


class Meter(Protocol):
    """The energy of one component. An implementation inherits from it and overrides the defaults that don't fit.

    Example:
        >>> from ecoia.methods import SIMULATED
        >>> class Constant(Meter):
        ...     component = "cpu"
        ...     method = SIMULATED
        ...
        ...     def read(self, seconds: float, load: float) -> int | None:
        ...         return round(10 * seconds * 1e6)
        >>> Constant().read(seconds=0.5, load=1.0)
        5000000
    """

    component: str
    """One of ``semconv.COMPONENTS``."""

    method: Method
    """How the figures are obtained, declared in ``ecoia.methods`` with its class of error. Constant over the meter's life."""

    domain: str = HOST
    """Scope of a reading. Of the ``HOST`` or the control ``GROUP``, the process claims its share of the CPU time; of its own
    ``DEVICES``, the whole reading."""

    reading_seconds: float = 1.0
    """Seconds between two readings. A momentary power needs more readings than a counter."""

    devices: tuple[str, ...] = ()
    """Ids of the devices read, if processes can share them (GPU); otherwise empty."""

    shared_devices: tuple[str, ...] = ()
    """Those of ``devices`` that other processes also used since the last reading and that the driver could not split. Their
    whole energy is in the reading, so a sum of claims must count them once."""

    def read(self, seconds: float, load: float) -> int | None:
        """Return the energy since the last reading.

        Args:
            seconds: Time since the last reading, on a monotonic clock.
            load: Busy share of the domain's CPUs over that time, 0 to 1. Models need it, counters don't.

        Returns:
            Integer microjoules. None if it could not be read: that energy is then missing, not zero.
        """
        ...

    def users(self) -> Counter[int]:
        """Return the weight of each of our processes, by its id, in the energy since the last call; empty if unknown."""
        return Counter()

    def lost(self) -> Counter[str]:
        """Return how often a reading since the last call was lost or only inferred, by cause (``cpu-counter-reset``, ...)."""
        return Counter()


class Absence(NamedTuple):
    """The reason why a component has no meter.

    Attributes:
        name: Name of the missing method in records, e.g. ``no-device``.
        why: The reason, for ``ecoia doctor``.
        remedy: How to get a meter; None if there is no way.
    """

    name: str
    why: str
    remedy: str | None


class Detected(list[Meter]):
    """The meters of this machine, at most one per component; ``absent`` says why the other components have none."""

    def __init__(self, found: Mapping[str, Meter | Absence]) -> None:
        super().__init__(each for each in found.values() if not isinstance(each, Absence))
        self.absent = {component: each for component, each in found.items() if isinstance(each, Absence)}
