"""How long the journal has room: its size, its cap, and when the one reaches the other at the pace of the last days."""

from __future__ import annotations

import time
from dataclasses import dataclass

from ecoia.keeping.journal_size import day_bytes
from ecoia.light import TYPE_CHECKING
from ecoia.periods import DAY_NS, utc_day

if TYPE_CHECKING:
    from pathlib import Path

ANNOUNCE_DAYS = 7.0
"""Days before a journal is full at which it is announced."""

_PACE_DAYS = 7


@dataclass(frozen=True)
class Room:
    """Room for further records.

    Attributes:
        used_bytes: Bytes that the journal takes on the disk.
        cap_bytes: Size at which it refuses new records.
        left_days: Days until then at the pace of the last days; None where no whole day shows a pace.
    """

    used_bytes: int
    cap_bytes: int
    left_days: float | None


def room(folder: Path, cap_bytes: int, *, now_utc_ns: int | None = None) -> Room:
    """Return how much room a journal has, and for how long.

    The pace is that of the seven days before yesterday, which are packed if days are: yesterday may be still to be packed. Where
    there is nothing before, yesterday's pace counts.

    Args:
        folder: The folder ``journal``.
        cap_bytes: Size at which the journal refuses new records.
        now_utc_ns: Now; ``None``: by the clock.

    Example:
        >>> from pathlib import Path
        >>> room(Path("no-such-folder"), 1000)
        Room(used_bytes=0, cap_bytes=1000, left_days=None)
    """
    now_utc_ns = time.time_ns() if now_utc_ns is None else now_utc_ns
    used = day_bytes(folder)
    total = sum(used.values())
    past = [utc_day(now_utc_ns - days * DAY_NS) for days in range(1, _PACE_DAYS + 2)]
    yesterday, before = past[0], past[1:]
    first = max((index for index, day in enumerate(before) if day in used), default=-1)
    written = [used.get(day, 0) for day in before[: first + 1]] or [used.get(yesterday, 0)]
    pace = sum(written) / len(written)
    return Room(total, cap_bytes, max(cap_bytes - total, 0) / pace if pace else None)
