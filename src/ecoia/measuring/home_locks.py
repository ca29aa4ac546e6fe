"""Locks of a journal home: the rights that only one of its processes may have, such as recording idle energy."""

from __future__ import annotations

import os

from ecoia.keeping.file_system import LockableFile
from ecoia.light import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

IDLE = "idle.lock"
"""Held by the process that records the idle energy of its home."""

WHOLE_HOST = "host-scope.lock"
"""Held by the process that records the whole host (``scope = "host"``)."""


class HomeLocks:
    """File locks of one process in a journal home. The kernel releases them when the process ends.

    Args:
        home: The journal home.

    Example:
        >>> from tempfile import mkdtemp
        >>> locks = HomeLocks(mkdtemp())
        >>> locks.has(IDLE)  # no other process holds it
        True
    """

    def __init__(self, home: str | Path) -> None:
        self._home = home
        self._held: dict[str, LockableFile] = {}

    def has(self, name: str) -> bool:
        """Take a lock if it is free, and return whether this process holds it.

        Args:
            name: ``IDLE`` or ``WHOLE_HOST``. A lock that another process holds is tried again at each call.
        """
        held = self._held.get(name)
        if held is not None:
            if held.in_place():
                return True
            held.close()
        try:
            os.makedirs(self._home, exist_ok=True)
            file = LockableFile(os.path.join(self._home, name), os.O_WRONLY | os.O_CREAT)
        except OSError:
            return False  # the home is not writable, which the journal reports
        if not file.lock():
            file.close()
            return False
        self._held[name] = file
        return True

    def release(self) -> None:
        """Release all locks; in a forked child, close the parent's files."""
        while self._held:
            self._held.popitem()[1].close()
