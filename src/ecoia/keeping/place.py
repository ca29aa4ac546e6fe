"""The *place* of a process: one machine, container or disk, from one start to the next.

A container image can hold a journal home, and with it the identity of that home. Two containers of that image then deliver for
one home, and neither sees what the other recorded. The place tells them apart: each journal file names the place of its process,
and each place has ledger runs of its own, so that no delivery replaces what another place delivered.
"""

from __future__ import annotations

import os
import zlib

from ecoia.light import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_BOOT_ID = "/proc/sys/kernel/random/boot_id"


def this_place(home: str | Path) -> str:
    """Return the place of this process, in eight hexadecimal digits.

    Made of the start of the machine, the host's name, and the disk and the folder that the home is in. None of it is in an image.

    Args:
        home: The journal home.

    Raises:
        OSError: the home is not there.

    Example:
        >>> len(this_place("."))
        8
    """
    try:
        with open(_BOOT_ID, encoding="utf-8") as file:
            boot = file.read()
    except (OSError, ValueError):
        boot = ""  # not Linux
    folder = os.stat(home)
    name = os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "")
    return f"{zlib.crc32(repr((boot, name, folder.st_dev, folder.st_ino)).encode()):08x}"


def place_of(file: str) -> str:
    """Return the place in the name of a journal file; empty for a file of an ecoia that did not write it there.

    Example:
        >>> place_of("2026-11-23/4242-9f3c21-0badcafe.jsonl"), place_of("2026-11-23/4242-9f3c21.jsonl")
        ('0badcafe', '')
    """
    parts = file.rpartition("/")[2].removesuffix(".jsonl").split("-")
    return parts[2] if len(parts) == 3 else ""
