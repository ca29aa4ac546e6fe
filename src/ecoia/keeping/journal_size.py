"""How much of the disk a journal takes. Measured processes ask before they write, so this is apart from the journal's readers."""

from __future__ import annotations

import os

from ecoia.light import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PLAIN, PACKED = ".jsonl", ".gz"
"""What the name of a file of the journal ends in; a packed one has the second after the first."""


def used_bytes(folder: str | Path) -> int:
    """Return the bytes that a folder ``journal`` takes on the disk."""
    return sum(day_bytes(folder).values())


def day_bytes(folder: str | Path) -> dict[str, int]:
    """Return the bytes that each day of a folder ``journal`` takes on the disk, by day, sorted."""
    used: dict[str, int] = {}
    for day in sorted(_listed(folder)):
        for name in _listed(os.path.join(folder, day)):
            if name.endswith((PLAIN, PLAIN + PACKED)):
                try:
                    size_bytes = os.lstat(os.path.join(folder, day, name)).st_size
                except OSError:  # packed or archived meanwhile, or not for this account
                    continue
                used[day] = used.get(day, 0) + size_bytes
    return used


def _listed(folder: str | Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:  # none, no folder, or not for this account: whoever reads the journal says so
        return []
