"""Adoption: open windows of processes that ended suddenly are taken into the journal. ``open_windows`` says what they hold."""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

from ecoia.errors import JournalError
from ecoia.keeping.file_system import FLOCK, RECORD_LOCK, LockableFile
from ecoia.keeping.journal import Scan, stream_file
from ecoia.keeping.journal_lines import decode_line, read_line
from ecoia.keeping.journal_size import PACKED
from ecoia.keeping.open_windows import FOLDER, HEAD_BYTES, MOST_BYTES, windows
from ecoia.light.json import decoder
from ecoia.records.refusals import NEWER_SCHEMA

if TYPE_CHECKING:
    from pathlib import Path

    from ecoia.keeping.journal import Journal
    from ecoia.records import Record

_decode = decoder()

_HEAD_PATTERN = rb"ecoia-open 1 (\d{10}) (\d{10}) ([0-9a-f]{8})\n"
_NEWER_PATTERN = rb"ecoia-open (?:[2-9]|[1-9]\d+) "

_SILENT_SECONDS = 600.0
"""Where a file system has no locks, a window that was not written for so long belongs to a process that ended."""


class _Kept(NamedTuple):
    """What a file keeps: the lines of its records, and how far its process's journal file went."""

    lines: list[bytes]  # of its records
    file: str
    size_bytes: int


def adopt(journal: Journal, most: int | None = None, *, own: str = "") -> int:
    """Append to the journal what processes that ended without closing their window had kept of it. Each window once.

    A window that cannot be read (a power cut) is removed: nothing of it is known. One that a newer ecoia wrote stays.

    Args:
        journal: The journal.
        most: Greatest number of windows to adopt, for a caller that has no time; None: all.
        own: Name of the journal files of this process, whose window is not looked at.

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
    for path in windows(journal.home):
        if most is not None and adopted >= most:
            break
        if os.path.basename(path) == own:
            continue
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


def waiting(home: str | Path) -> int:
    """Return how many windows of ended processes wait for adoption.

    Example:
        >>> waiting("no-such-home")
        0
    """
    count = 0
    for path in windows(home):
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
        descriptor = os.open(os.path.join(os.path.dirname(journal_folder), FOLDER, name), _FLAGS | os.O_RDONLY)
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


@contextmanager
def _taken(path: str) -> Iterator[int | None]:
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


def _adopt(journal: Journal, path: str, descriptor: int) -> int:
    """Append what is not in the journal yet, and remove the file. Returns the number of records appended."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    if re.match(_NEWER_PATTERN, os.read(descriptor, HEAD_BYTES)):
        return 0
    name, kept = os.path.basename(path), _read(descriptor)
    missing: list[Record] = []
    if kept is not None and kept.lines:
        refused: list[str] = []
        records = [read_line(line, lambda reason, _: refused.append(reason)) for line in kept.lines]
        if NEWER_SCHEMA in refused:
            return 0
        written = _written_ids(journal, name, kept)
        missing = [record for record in records if record is not None and record.record_id not in written]
    if missing:
        writer = journal.writer(name)
        try:
            writer.append(missing)
        finally:
            writer.close()
    with suppress(FileNotFoundError):
        os.unlink(path)
    return len(missing)


def _read(descriptor: int) -> _Kept | None:
    """Read a window; None if it holds nothing that can be read."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    head = re.fullmatch(_HEAD_PATTERN, os.read(descriptor, HEAD_BYTES))
    if head is None or int(head[2]) > MOST_BYTES:
        return None
    os.lseek(descriptor, int(head[1]), os.SEEK_SET)
    content = b""
    while len(content) < int(head[2]) and (part := os.read(descriptor, int(head[2]) - len(content))):
        content += part
    if b"%08x" % crc32(content) != head[3]:
        return None
    try:
        first, *lines = content.splitlines(keepends=True)
        position = _decode(decode_line(first))
        return _Kept(lines, str(position["file"]), int(position["size_bytes"]))
    except (ValueError, KeyError, TypeError, RecursionError):  # no ecoia wrote it
        return None


def _written_ids(journal: Journal, name: str, kept: _Kept) -> set[str]:
    """Return the ids of the records that a process has written since it kept its window.

    Cuts the last line of its files where the kill left it half written: the window holds what it was to say.
    """
    ids: set[str] = set()
    for day in {path.parent for suffix in ("", PACKED) for path in journal.folder.glob(f"*/{name}{suffix}")}:
        path, file = day / name, f"{day.name}/{name}"
        with suppress(FileNotFoundError):  # packed
            _cut_torn_line(path)
        offset = kept.size_bytes if file == kept.file else 0
        if file >= kept.file:
            ids.update(entry.figures.record_id for entry in stream_file(path, file, offset, Scan()))
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
