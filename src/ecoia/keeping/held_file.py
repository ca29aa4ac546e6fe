"""A file that stays open in the measured process.

That process may close every descriptor (as a daemon does when it starts) and open files of its own under the same numbers.
So check what a number stands for before each use, and before closing: we must never write into a file of the program's, or
close one. And a program that was started without standard streams writes to their numbers: no file of ours may have one.
"""

from __future__ import annotations

import os

from ecoia.typing_light import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_FLAGS = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class HeldFile:
    """A file that stays open unless the measured program closes its descriptor.

    Args:
        path: The file.
        flags: As for ``os.open``.
        mode: Permissions of the file if it is created.

    Raises:
        OSError: the file cannot be opened.

    Example:
        >>> held = HeldFile(os.devnull, os.O_RDONLY)
        >>> held.facts() is None
        False
        >>> os.close(held.number)  # as a daemon does
        >>> held.facts() is None
        True
    """

    __slots__ = ("_identity", "number")

    def __init__(self, path: str | Path, flags: int, mode: int = 0o600) -> None:
        self.number = _above_standard(os.open(path, flags | _FLAGS, mode))
        facts = os.fstat(self.number)
        self._identity = (facts.st_dev, facts.st_ino)

    def __del__(self) -> None:
        if hasattr(self, "_identity"):  # else opening failed
            self.close()

    def facts(self) -> os.stat_result | None:
        """Return what ``os.fstat`` gives for the descriptor, or None where it no longer stands for this file."""
        try:
            facts = os.fstat(self.number)
        except OSError:
            return None
        return facts if (facts.st_dev, facts.st_ino) == self._identity else None

    def in_place(self) -> bool:
        """Return whether the descriptor stands for this file, and the file has a name: nobody has removed it."""
        facts = self.facts()
        return facts is not None and facts.st_nlink > 0

    def close(self) -> None:
        """Close the file, unless the descriptor was closed or stands for another file by now."""
        if self.facts() is not None:
            os.close(self.number)
        self.number = -1


def _above_standard(number: int) -> int:
    """Return another number for a file that has one of the standard streams, closed in this program: output would go there."""
    if number > 2 or fcntl is None:
        return number
    try:
        return fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, 3)
    finally:
        os.close(number)
