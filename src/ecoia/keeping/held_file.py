"""A file that stays open in the measured process.

That process may close every descriptor (as a daemon does when it starts) and open files of its own under the same numbers.
We must never write into a file of the program's, or close one. A look at the number before each use is not enough: on a busy
machine the program can take the number between the look and the write. So a held file also has a number that the program does
not come to: the kernel gives the lowest free number, and ours is far above those that a program opens. A program that has
hundreds of descriptors open can reach it; the look before each use remains for that.

A program that was started without standard streams writes to their numbers: no file of ours may have one.
"""

from __future__ import annotations

import errno
import os

from ecoia.light import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_FLAGS = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)

_LEAST_NUMBERS = (960, 192, 3)
"""The least number of a held file. The kernel's tables grow with the greatest number in use: 960 costs 8 KiB. Lower ones are
for a process with a lower limit of descriptors: 1,024 is common on Linux, and 256 on macOS."""

_OPENINGS = 3
"""Times that a file is opened: its first number may be taken, and the file removed, before a look can be had at it."""


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
        self.number, self._identity = _open(path, flags | _FLAGS, mode)

    def __del__(self) -> None:
        if hasattr(self, "_identity"):  # else opening failed
            self.close()

    def facts(self) -> os.stat_result | None:
        """Return what ``os.fstat`` gives for the descriptor, or None where it no longer stands for this file."""
        try:
            facts = os.fstat(self.number)
        except OSError:
            return None
        return facts if _identity(facts) == self._identity else None

    def in_place(self) -> bool:
        """Return whether the descriptor stands for this file, and the file has a name: nobody has removed it."""
        facts = self.facts()
        return facts is not None and facts.st_nlink > 0

    def close(self) -> None:
        """Close the file, unless the descriptor was closed or stands for another file by now."""
        if self.facts() is not None:
            os.close(self.number)
        self.number = -1


_MOST_READ_AGAIN = 8
"""Files that ``read_again`` holds; each takes a number of the program's."""

_held: dict[str, HeldFile] = {}


def read_again(path: str, most_bytes: int) -> bytes:
    """Read the beginning of a file that is read again and again, such as ``/proc/stat``.

    The file stays open: that is cheaper, and no low number is ours for a moment, in which the program may take it.

    Args:
        path: The file. It is opened again where it was replaced.
        most_bytes: Greatest number of bytes to read.

    Raises:
        OSError: the file cannot be opened or read.

    Example:
        >>> read_again(os.devnull, 512)
        b''
    """
    file = _held.get(path)
    if file is not None and file.in_place():
        try:
            return os.pread(file.number, most_bytes, 0)
        except OSError:
            pass  # of a file system that was served anew
    file = HeldFile(path, os.O_RDONLY)
    text = os.pread(file.number, most_bytes, 0)
    if path in _held or len(_held) < _MOST_READ_AGAIN:
        _held[path] = file
    return text


_Identity = tuple[int, int]


def _identity(facts: os.stat_result) -> _Identity:
    return facts.st_dev, facts.st_ino


def _open(path: str | Path, flags: int, mode: int) -> tuple[int, _Identity]:
    """Open a file under a number that the program does not come to. Returns the number and what it stands for.

    For a moment the file has a low number, which the program may close and give to a file of its own. That shows: the number
    then does not stand for the file of that path. Such a number is the program's, and is left alone.
    """
    for opening in range(1, _OPENINGS + 1):
        first = os.open(path, flags, mode)
        try:
            number = _out_of_reach(first)
            found = _identity(os.fstat(number))
        except OSError as error:
            if error.errno == errno.EBADF and opening < _OPENINGS:
                continue
            raise
        # The last one is taken as it is: there may be file systems that number a file anew at each look.
        if opening == _OPENINGS or _stands_for(found, path):
            if number != first:
                _close_if(first, found)
            return number, found
        if number != first:
            os.close(number)
    raise AssertionError("the last opening returns or raises")


def _stands_for(found: _Identity, path: str | Path) -> bool:
    try:
        return found == _identity(os.stat(path))
    except FileNotFoundError:  # removed meanwhile
        return False


def _close_if(number: int, identity: _Identity) -> None:
    try:
        if _identity(os.fstat(number)) == identity:
            os.close(number)
    except OSError:
        pass  # closed meanwhile


def _out_of_reach(number: int) -> int:
    """Return a second number for an open file, or the same one where there is no other."""
    for least in _LEAST_NUMBERS if fcntl is not None else ():
        try:
            return fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, least)
        except OSError as error:  # above the limit of this process, no number is left, or a sandbox refuses
            if error.errno == errno.EBADF:
                raise
    if number <= 2 and fcntl is not None:
        os.close(number)
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    return number
