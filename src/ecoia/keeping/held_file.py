"""Files that stay open in a process that is not ours.

The host may close every descriptor (who becomes a daemon does) and open files of its own under the same numbers. So what
a number stands for is looked at before it is used or closed: nothing of ours may go into a file of the host's.
"""

from __future__ import annotations

import os
from pathlib import Path

_FLAGS = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class HeldFile:
    """A file that is opened and stays so, unless its host closes it.

    Args:
        path: Which.
        flags: As of ``os.open``.
        mode: Permissions of a file that is made.

    Raises:
        OSError: it cannot be opened.
    """

    __slots__ = ("_identity", "number")

    def __init__(self, path: str | Path, flags: int, mode: int = 0o600) -> None:
        self.number = os.open(path, flags | _FLAGS, mode)
        facts = os.fstat(self.number)
        self._identity = (facts.st_dev, facts.st_ino)

    def __del__(self) -> None:
        if hasattr(self, "_identity"):  # it was opened
            self.close()

    def facts(self) -> os.stat_result | None:
        """What is behind its number; None where that is no longer this file."""
        try:
            facts = os.fstat(self.number)
        except OSError:
            return None
        return facts if (facts.st_dev, facts.st_ino) == self._identity else None

    def close(self) -> None:
        """Close it, unless the number is the host's by now."""
        if self.facts() is not None:
            os.close(self.number)
        self.number = -1
