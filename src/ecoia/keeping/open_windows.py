"""Open windows: what a measuring process would lose if it died now, kept where its death cannot take it.

A window of records reaches the journal when it closes. Until then its records stand in a file of the folder ``open/`` of the
home, under the name that the process's journal files have. The process writes them again after each reading, without fsync:
they survive the process, and a power cut may cost them. When a process has ended without closing its window (SIGKILL,
SIGTERM by default, ``os._exit``, out of memory), the next reader of the journal *adopts* it (``ecoia.keeping.adoption``): it
appends the records to the dead process's own journal file.

The records of an open window have the ids that they will have when the window closes. So a window is never counted twice,
whatever is killed between an append and the removal of the file, and however many processes adopt at once.

A file begins with one line of fixed length that says where its content stands. The content is written first, beside the
content before it, and then the line, in one write within one page: a kill leaves the old content or the new one. The content
is lines as in the journal; the first of them is no record, but says how far the process's journal file went.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from zlib import crc32

from ecoia.keeping.file_system import LockableFile
from ecoia.keeping.journal_lines import encode_line
from ecoia.light import TYPE_CHECKING
from ecoia.light.json import encoder

if TYPE_CHECKING:
    from pathlib import Path

    from ecoia.records import Record

_encode = encoder()

FOLDER = "open"
"""Name of the folder in the home."""

_HEAD = b"ecoia-open 1 %010d %010d %08x\n"
HEAD_BYTES = len(_HEAD % (0, 0, 0))
_CONTENT_BYTES = 4096
"""Offset of the first content: the page of the first line holds nothing else."""

MOST_BYTES = 64 << 20
"""Greatest content that is written or read."""


class OpenWindow:
    """The file of this process. Used by one thread.

    Args:
        home: The journal's home.
        name: Name of the process's journal files.

    Example:
        >>> import tempfile
        >>> window = OpenWindow(tempfile.mkdtemp(), "4242-9f3c21.jsonl")
        >>> window.keep([], position=("", 0))
        >>> window.remove()
    """

    def __init__(self, home: str | Path, name: str) -> None:
        self._path = f"{home}/{FOLDER}/{name}"
        self._file: LockableFile | None = None
        self._content = (_CONTENT_BYTES, 0)  # offset and size of the present content
        self.empty = True

    def keep(self, records: Iterable[Record], position: tuple[str, int]) -> None:
        """Replace what is kept. A failure leaves what was kept before.

        Args:
            records: The records of the open window, as it would be written if it closed now.
            position: (The process's journal file, its size in bytes) after its last append.

        Raises:
            OSError: the file cannot be written.
        """
        lines = [encode_line(_encode({"file": position[0], "size_bytes": position[1]}))]
        lines += [encode_line(record.to_json()) for record in records]
        self._write(b"".join(lines))
        self.empty = len(lines) == 1

    def _write(self, content: bytes) -> None:
        if len(content) > MOST_BYTES:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        file = self._file
        if file is None or not file.in_place():  # the host closed it, or someone took it for a dead one's
            file = self._open()
        offset, size = self._content
        start = _CONTENT_BYTES if _CONTENT_BYTES + len(content) <= offset else offset + size
        _write_at(file, start, content)
        _write_at(file, 0, _HEAD % (start, len(content), crc32(content)))
        self._content = (start, len(content))

    def _open(self) -> LockableFile:
        self.close()
        os.makedirs(os.path.dirname(self._path), exist_ok=True)
        file = LockableFile(self._path, os.O_RDWR | os.O_CREAT, 0o666)
        if not file.lock(shared=True):  # it is being adopted: begin again at the next reading
            file.close()
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        self._file = file
        self._content = (_CONTENT_BYTES, 0)
        return file

    def remove(self) -> None:
        """Remove the file: everything is in the journal. Never raises."""
        if self._file is not None:
            try:  # noqa: SIM105 - contextlib is not loaded for this
                os.unlink(self._path)
            except OSError:
                pass
        self.close()

    def close(self) -> None:
        """Close the file, and leave what it keeps to others."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _write_at(file: LockableFile, offset: int, data: bytes) -> None:
    """Write in one call, right after a look at the descriptor: the program may give its number to a file of its own."""
    if not file.in_place():
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    if hasattr(os, "pwrite"):
        written = os.pwrite(file.number, data, offset)
    else:
        os.lseek(file.number, offset, os.SEEK_SET)
        written = os.write(file.number, data)
    if written != len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def are_there_others(home: str | Path, name: str) -> bool:
    """Return whether the folder holds windows of other processes, alive or not.

    Args:
        home: The journal's home.
        name: Name of this process's own window.

    Example:
        >>> are_there_others("no-such-home", "4242-9f3c21.jsonl")
        False
    """
    return any(os.path.basename(path) != name for path in windows(home))


def windows(home: str | Path) -> list[str]:
    """Return the path of each window, of living processes too."""
    folder = os.path.join(home, FOLDER)
    try:
        return [f"{folder}/{name}" for name in os.listdir(folder) if name.endswith(".jsonl")]
    except OSError:  # no folder, no descriptor left, or not ours to read
        return []
