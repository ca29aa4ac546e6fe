"""Locks and durable writes, on file systems that refuse some of them too.

Lustre mounted without ``flock`` and NFS without a lock server refuse locks, others refuse ``fsync``. Neither may cost a record,
so every exclusion between processes is a ``LockableFile``, and everything that must survive a power cut goes through ``sync``.
"""

from __future__ import annotations

import errno
import os
import time
from itertools import islice

from ecoia.keeping.held_file import HeldFile
from ecoia.light import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

FLOCK = "flock"
RECORD_LOCK = "a record lock in place of flock"
STAND_IN = "a lock in this host's folder for temporary files, which other hosts do not see"
NO_LOCK = "no lock"

_OPENINGS = 8
"""Times that a stand-in is opened anew because it was swept meanwhile."""

_HELD = (errno.EAGAIN, errno.EACCES)
_FULL = (errno.ENOSPC, errno.EDQUOT)


class LockableFile(HeldFile):
    """A held file that can be locked until it is closed or the process ends.

    Args:
        path: The file.
        flags: As for ``os.open``. A shared lock needs a file open for reading, another lock one open for writing.
        mode: Permissions of the file if it is created.

    Attributes:
        locked_by: ``FLOCK``, ``RECORD_LOCK``, ``STAND_IN`` or ``NO_LOCK``; None while the file is not locked.

    Raises:
        OSError: the file cannot be opened.

    Example:
        >>> from tempfile import mkdtemp
        >>> path = f"{mkdtemp()}/lock"
        >>> first, second = (LockableFile(path, os.O_WRONLY | os.O_CREAT) for _ in range(2))
        >>> first.lock(), second.lock()
        (True, False)
    """

    __slots__ = ("_path", "_stand_in", "locked_by")

    def __init__(self, path: str | Path, flags: int, mode: int = 0o600) -> None:
        self._path = path
        self._stand_in: HeldFile | None = None
        self.locked_by: str | None = None
        super().__init__(path, flags, mode)

    def lock(self, *, shared: bool = False, wait: bool = False) -> bool:
        """Lock the file.

        Where the file system has no ``flock``, a record lock that belongs to the open file takes its place. Where it has no
        locks at all, a file of this host is locked instead, so that at least the processes of this host exclude each other.
        Where nothing can be locked (Windows), every file is free.

        Args:
            shared: Several processes may hold the lock, all of them shared.
            wait: Wait until the lock is free.

        Returns:
            Whether it is locked now.
        """
        self.locked_by = _lock(self.number, shared=shared, wait=wait)
        if self.locked_by == NO_LOCK and fcntl is not None:
            found = self._lock_stand_in(shared=shared, wait=wait)
            self.locked_by = found if found in (None, NO_LOCK) else STAND_IN
        return self.locked_by is not None

    def _lock_stand_in(self, *, shared: bool, wait: bool) -> str | None:
        found: str | None = NO_LOCK
        for _ in range(_OPENINGS):
            stand_in = self._stand_in = _open_stand_in(self._path)
            if stand_in is None:
                return NO_LOCK
            found = _lock(stand_in.number, shared=shared, wait=wait)
            if found is None or stand_in.in_place():  # else it was swept while we waited
                break
        return found

    def close(self) -> None:
        """Close the file and release its lock."""
        super().close()
        if self._stand_in is not None:
            self._stand_in.close()


def is_locked(path: str | Path, *, shared: bool = False) -> bool:
    """Return whether a process holds a lock on a file. A file that cannot be opened is not locked.

    Args:
        path: The file.
        shared: Whether its holders lock it shared. If not, several processes may look at once.

    Example:
        >>> is_locked("no-such-file")
        False
    """
    try:
        try:
            file = LockableFile(path, os.O_RDWR)  # NFS locks exclusively only what is open for writing
        except OSError:
            file = LockableFile(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        return not file.lock(shared=not shared)
    finally:
        file.close()


def examine(folder: str | Path) -> tuple[str | None, OSError | None]:
    """Try a lock and a durable write in a folder.

    Returns:
        How a file was locked (see ``LockableFile.locked_by``), and why bytes were not written to the disk itself, or None.

    Raises:
        OSError: no file can be written there.

    Example:
        >>> import tempfile
        >>> examine(tempfile.gettempdir())
        ('flock', None)
    """
    path = f"{folder}/.try-{os.urandom(8).hex()}"
    file = LockableFile(path, os.O_WRONLY | os.O_CREAT)
    try:
        os.write(file.number, b"\n")
        file.lock()
        return file.locked_by, sync(file.number)
    finally:
        file.close()
        os.unlink(path)


def sync(number: int) -> OSError | None:
    """Write a file to the disk itself. A file system that refuses cannot promise to survive a power cut, and costs nothing else.

    Args:
        number: The file's descriptor.

    Returns:
        The refusal, or None where the bytes are on the disk.

    Raises:
        OSError: the disk is full, so bytes are lost.
    """
    try:
        os.fsync(number)
    except OSError as error:
        if error.errno in _FULL:
            raise
        return error
    return None


def _lock(number: int, *, shared: bool, wait: bool) -> str | None:
    """Lock an open file. Returns how, or None where another process holds it."""
    if fcntl is None:
        return NO_LOCK
    for lock, way in ((_flock, FLOCK), (_lock_record, RECORD_LOCK)):
        try:
            lock(number, shared, wait)
        except OSError as error:
            if error.errno in _HELD:
                return None
        else:
            return way
    return NO_LOCK


def _flock(number: int, shared: bool, wait: bool) -> None:
    fcntl.flock(number, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))


def _lock_record(number: int, shared: bool, wait: bool) -> None:
    """Lock all bytes of the file for this open file, not for the process: closing another descriptor of the file keeps it."""
    command = getattr(fcntl, "F_OFD_SETLKW" if wait else "F_OFD_SETLK", None)
    if command is None:
        raise OSError(errno.ENOSYS, "no record locks of open files")
    import struct  # where a file system refuses flock

    kind = fcntl.F_RDLCK if shared else fcntl.F_WRLCK
    fcntl.fcntl(number, command, struct.pack("hhqqi4x", kind, os.SEEK_SET, 0, 0, 0))


def _open_stand_in(path: str | Path) -> HeldFile | None:
    """Open the file that is locked in place of one on a file system without locks; None where it cannot be had."""
    import hashlib
    import tempfile

    folder = os.path.join(tempfile.gettempdir(), f"ecoia-locks-{os.getuid()}")
    name = hashlib.sha256(os.fsencode(os.path.realpath(path))).hexdigest()[:32]
    try:
        try:  # noqa: SIM105 - contextlib is not loaded for this
            os.mkdir(folder, 0o700)
        except FileExistsError:
            pass
        facts = os.lstat(folder)
        if facts.st_uid != os.getuid() or facts.st_mode & 0o77 or os.path.islink(folder):
            return None  # another user's
        file = HeldFile(f"{folder}/{name}", os.O_RDWR | os.O_CREAT)
        os.utime(f"{folder}/{name}")
        _sweep_stand_ins(folder)
    except OSError:
        return None
    return file


_STAND_IN_SECONDS = 86_400.0
"""Time after which a stand-in that nobody holds, and nobody has opened since, is removed."""

_MOST_SWEPT = 500
"""Files that one process looks at, so that a full folder does not hold it up."""

_swept: set[str] = set()


def _sweep_stand_ins(folder: str) -> None:
    """Remove, once in each process, the stand-ins of files that nobody uses any more."""
    if folder in _swept:
        return
    _swept.add(folder)
    before = time.time() - _STAND_IN_SECONDS
    with os.scandir(folder) as entries:
        some = islice(entries, _MOST_SWEPT)
        old = [entry.path for entry in some if entry.stat(follow_symlinks=False).st_mtime < before]
    for path in old:
        try:
            file = HeldFile(path, os.O_RDWR)
            try:
                if _lock(file.number, shared=False, wait=False) in (FLOCK, RECORD_LOCK) and file.in_place():
                    os.unlink(path)  # whoever opened it meanwhile sees that it has no name, and opens it again
            finally:
                file.close()
        except OSError:
            continue
