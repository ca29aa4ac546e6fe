"""Open windows: what a measuring process would lose if it died now, kept where its death cannot take it.

A window of records reaches the journal when it closes. Until then its records stand in a file of the folder ``open/`` of the
home, under the name that the process's journal files have. The process writes them again after each reading, without fsync:
they survive the process, and a power cut may cost them. When a process has ended without closing its window (SIGKILL,
SIGTERM by default, ``os._exit``, out of memory), the next reader of the journal *adopts* it (``adopt``): it appends the records
to the dead process's own journal file.

The records of an open window have the ids that they will have when the window closes. So a window is never counted twice,
whatever is killed between an append and the removal of the file, and however many processes adopt at once.

A file begins with one line of fixed length that says where its content stands. The content is written first, beside the
content before it, and then the line, in one write within one page: a kill leaves the old content or the new one. The content
is lines as in the journal; the first of them is no record, but says how far the process's journal file went.
"""

from __future__ import annotations

import errno
import json
import os
import re
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from zlib import crc32

from ecoia.errors import JournalError
from ecoia.keeping.file_system import FLOCK, RECORD_LOCK, LockableFile
from ecoia.keeping.journal_lines import decode_line, encode_line, read_line
from ecoia.records.refusals import NEWER_SCHEMA
from ecoia.typing_light import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ecoia.keeping.journal import Journal
    from ecoia.records import Record

FOLDER = "open"
"""Name of the folder in the home."""

_HEAD = b"ecoia-open 1 %010d %010d %08x\n"
_HEAD_PATTERN = rb"ecoia-open 1 (\d{10}) (\d{10}) ([0-9a-f]{8})\n"
_NEWER_PATTERN = rb"ecoia-open (?:[2-9]|[1-9]\d+) "
_HEAD_BYTES = len(_HEAD % (0, 0, 0))
_CONTENT_BYTES = 4096
"""Offset of the first content: the page of the first line holds nothing else."""

_MOST_BYTES = 64 << 20
"""Greatest content that is written or read."""

_SILENT_SECONDS = 600.0
"""Where a file system has no locks, a window that was not written for so long belongs to a process that ended."""


class OpenWindow:
    """The file of this process. Used by one thread.

    Args:
        home: The journal's home.
        name: Name of the process's journal files.

    Example:
        >>> import tempfile
        >>> window = OpenWindow(Path(tempfile.mkdtemp()), "4242-9f3c21.jsonl")
        >>> window.keep([], position=("", 0))
        >>> window.remove()
    """

    def __init__(self, home: Path, name: str) -> None:
        self._path = home / FOLDER / name
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
        lines = [encode_line(json.dumps({"file": position[0], "size_bytes": position[1]}))]
        lines += [encode_line(record.to_json()) for record in records]
        self._write(b"".join(lines))
        self.empty = len(lines) == 1

    def _write(self, content: bytes) -> None:
        if len(content) > _MOST_BYTES:
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
        self._path.parent.mkdir(parents=True, exist_ok=True)
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
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
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


# --- windows of others -----------------------------------------------------------------------------------------------------


class _Kept(NamedTuple):
    """What a file keeps: the lines of its records, and how far its process's journal file went."""

    lines: list[bytes]  # of its records
    file: str
    size_bytes: int


def adopt(journal: Journal, most: int | None = None) -> int:
    """Append to the journal what processes that ended without closing their window had kept of it. Each window once.

    A window that cannot be read (a power cut) is removed: nothing of it is known. One that a newer ecoia wrote stays.

    Args:
        journal: The journal.
        most: Greatest number of windows to adopt, for a caller that has no time; None: all.

    Returns:
        The number of records appended.

    Raises:
        JournalError: a window cannot be taken into the journal. It stays, and all others are adopted.

    Example:
        >>> import tempfile
        >>> from ecoia.keeping.journal import Journal
        >>> adopt(Journal(tempfile.mkdtemp()))
        0
    """
    appended = adopted = 0
    failure: JournalError | None = None
    for path in _paths(journal.home):
        if most is not None and adopted >= most:
            break
        try:
            with _taken(path) as descriptor:
                if descriptor is not None:
                    appended += _adopt(journal, path, descriptor)
                    adopted += 1
        except JournalError as error:
            failure = error
        except OSError as error:
            failure = JournalError(f"'{path}' cannot be taken into the journal ({error.strerror}): make it writable")
    if failure is not None:
        raise failure
    return appended


def waiting(home: Path) -> int:
    """Return how many windows of ended processes wait for adoption.

    Example:
        >>> waiting(Path("no-such-home"))
        0
    """
    count = 0
    for path in _paths(home):
        with suppress(OSError), _taken(path) as descriptor:
            count += descriptor is not None
    return count


def kept_cpu_ns(journal_folder: str, name: str) -> dict[str, int]:
    """Return the CPU time of the records that a process keeps in its open window, by record id.

    Args:
        journal_folder: The folder ``journal`` of its home.
        name: Name of its journal files.

    Example:
        >>> kept_cpu_ns("no-such-home/journal", "4242-9f3c21.jsonl")
        {}
    """
    try:
        descriptor = os.open(Path(journal_folder).parent / FOLDER / name, _FLAGS | os.O_RDONLY)
    except OSError:
        return {}
    try:
        kept = _read(descriptor)
    except OSError:
        return {}
    finally:
        os.close(descriptor)
    records = [read_line(line, _pass_over) for line in kept.lines] if kept is not None else []
    return {record.record_id: record.cpu_ns for record in records if record is not None}


_FLAGS = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def _paths(home: Path) -> list[Path]:
    try:
        return list((home / FOLDER).glob("*.jsonl"))
    except OSError:  # no descriptor left, or not ours to read
        return []


@contextmanager
def _taken(path: Path) -> Iterator[int | None]:
    """Open a window and hold its lock while the block runs. Yields None if its process lives, or another one adopts it."""
    try:
        try:
            file = LockableFile(path, _FLAGS | os.O_RDWR)  # NFS locks nothing that is open for reading only
        except PermissionError:
            file = LockableFile(path, _FLAGS | os.O_RDONLY)
    except FileNotFoundError:  # adopted meanwhile, or its process has closed it
        yield None
        return
    try:
        yield file.number if _is_left(file) else None
    finally:
        file.close()


def _is_left(file: LockableFile) -> bool:
    facts = os.fstat(file.number)
    if not stat.S_ISREG(facts.st_mode) or not file.lock():
        return False
    if file.locked_by in (FLOCK, RECORD_LOCK):
        return os.fstat(file.number).st_nlink > 0
    return abs(time.time() - facts.st_mtime) > _SILENT_SECONDS  # a living process, of another host perhaps, writes every second


def _adopt(journal: Journal, path: Path, descriptor: int) -> int:
    """Append what is not in the journal yet, and remove the file. Returns the number of records appended."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    if re.match(_NEWER_PATTERN, os.read(descriptor, _HEAD_BYTES)):
        return 0
    kept = _read(descriptor)
    missing: list[Record] = []
    if kept is not None and kept.lines:
        refused: list[str] = []
        records = [read_line(line, lambda reason, _: refused.append(reason)) for line in kept.lines]
        if NEWER_SCHEMA in refused:
            return 0
        written = _written_ids(journal, path.name, kept)
        missing = [record for record in records if record is not None and record.record_id not in written]
    if missing:
        writer = journal.writer(path.name)
        try:
            writer.append(missing)
        finally:
            writer.close()
    path.unlink(missing_ok=True)
    return len(missing)


def _read(descriptor: int) -> _Kept | None:
    """Read a window; None if it holds nothing that can be read."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    head = re.fullmatch(_HEAD_PATTERN, os.read(descriptor, _HEAD_BYTES))
    if head is None or int(head[2]) > _MOST_BYTES:
        return None
    os.lseek(descriptor, int(head[1]), os.SEEK_SET)
    content = b""
    while len(content) < int(head[2]) and (part := os.read(descriptor, int(head[2]) - len(content))):
        content += part
    if b"%08x" % crc32(content) != head[3]:
        return None
    try:
        first, *lines = content.splitlines(keepends=True)
        position = json.loads(decode_line(first))
        return _Kept(lines, str(position["file"]), int(position["size_bytes"]))
    except (ValueError, KeyError, TypeError, RecursionError):  # no ecoia wrote it
        return None


def _written_ids(journal: Journal, name: str, kept: _Kept) -> set[str]:
    """Return the ids of the records that a process has written since it kept its window.

    Cuts the last line of its files where the kill left it half written: the window holds what it was to say.
    """
    from ecoia.keeping.journal import Scan, stream_file
    from ecoia.keeping.journal_files import PACKED

    ids: set[str] = set()
    for day in {path.parent for suffix in ("", PACKED) for path in journal.folder.glob(f"*/{name}{suffix}")}:
        path, file = day / name, f"{day.name}/{name}"
        with suppress(FileNotFoundError):  # packed
            _cut_torn_line(path)
        offset = kept.size_bytes if file == kept.file else 0
        if file >= kept.file:
            ids.update(entry.record.record_id for entry in stream_file(path, file, offset, Scan()))
    return ids


def _cut_torn_line(path: Path) -> None:
    with path.open("r+b") as file:
        end = file.seek(0, os.SEEK_END)
        while end > 0:
            start = max(end - 65536, 0)
            file.seek(start)
            newline = file.read(end - start).rfind(b"\n")
            if newline >= 0 or start == 0:
                file.truncate(start + newline + 1)
                return
            end = start


def _pass_over(reason: str, problem: str) -> None:
    pass
