"""The energy that the host hands to this virtual machine, in a file that ``ecoia watch --guests`` writes, mounted read-only here.

The host measured it with its own counters and shared it out by CPU time, so it is an estimate, but of this machine's own energy.
"""

from __future__ import annotations

import os
from collections import Counter

from ecoia import losses
from ecoia.light import NamedTuple
from ecoia.light.json import read_json_file
from ecoia.meters.meter import Absence, Meter
from ecoia.methods import GUEST_SHARE, GUEST_SHARE_AT_WALL, Method

FILE = "ecoia.json"

STALE_SECONDS = 10.0
"""If the host has written nothing for so long, the energy since is not known."""

_MOST_WATTS = 10_000.0
"""More than a server gives to one guest. A jump beyond it is of another counter, and no energy."""

INSIDE = Absence("undivided", "what the host hands to this machine includes its memory", None)
"""Why the memory has no meter of its own."""


class _State(NamedTuple):
    energy_uj: int
    written_ns: int
    wall: bool
    host: str


class GuestShareMeter(Meter):
    """This virtual machine's part of its host's processors and memory.

    Args:
        folder: Where the host's file is mounted.

    Raises:
        OSError: There is no such file.
        ValueError: It is not the host's.
    """

    component = "cpu"

    def __init__(self, folder: str) -> None:
        self._file = os.path.join(folder, FILE)
        self._last = _read(self._file)
        self.method: Method = GUEST_SHARE_AT_WALL if self._last.wall else GUEST_SHARE
        self._old_seconds = 0.0
        self._lost: Counter[str] = Counter()

    def read(self, seconds: float, load: float) -> int | None:
        """See ``Meter.read``. None while the host writes nothing; its next file gives the energy since."""
        self._old_seconds += seconds
        try:
            now = _read(self._file)
        except (OSError, ValueError):
            return None
        if now.wall != self._last.wall:  # the host measures another way now; a meter's method is constant
            return None
        if now.written_ns == self._last.written_ns:
            return None if self._old_seconds > STALE_SECONDS else 0
        before, self._last = self._last, now
        elapsed, self._old_seconds = self._old_seconds, 0.0
        energy_uj = now.energy_uj - before.energy_uj
        if energy_uj < 0 or now.host != before.host:  # migrated to another host, or its files were lost: count from zero
            self._lost[losses.COUNTER_RESET["cpu"]] += 1
            energy_uj = now.energy_uj
        return energy_uj if energy_uj <= _MOST_WATTS * (elapsed + STALE_SECONDS) * 1e6 else None

    def lost(self) -> Counter[str]:
        """See ``Meter.lost``. ``cpu-counter-reset``: the host's count began again, so the energy since is a lower bound."""
        lost, self._lost = self._lost, Counter()
        return lost


def _read(file: str) -> _State:
    """Read the host's file.

    Raises:
        OSError: It can't be read.
        ValueError: It is not the host's.
    """
    data = read_json_file(file)
    try:
        state = _State(data["energy_uj"], data["written_ns"], data["wall"], data["host"])
    except (KeyError, TypeError):
        raise ValueError("it is not a file of 'ecoia watch --guests'") from None
    if [type(each) for each in state] != [int, int, bool, str] or state.energy_uj < 0:
        raise ValueError("it is not a file of 'ecoia watch --guests'")
    return state


def detect(folder: str) -> Meter | Absence:
    """Return the meter of the processors and the memory, see ``ecoia.meters.detect``.

    A file that can't be used makes them missing; no other method silently replaces it.

    Args:
        folder: Where the host's file is mounted (setting ``guest_energy``).
    """
    try:
        return GuestShareMeter(folder)
    except (OSError, ValueError) as error:
        why = f"'{os.path.join(folder, FILE)}' cannot be used ({error})"
        remedy = "mount what 'ecoia watch --guests' writes for this machine on its host, or unset the setting 'guest_energy'"
        return Absence("guest-energy-unreadable", why, remedy)
