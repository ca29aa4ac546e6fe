"""The journal's writer: appends the records of one process, durably, to a file of its own."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable

from ecoia.errors import JournalError
from ecoia.keeping.file_system import LockableFile, sync
from ecoia.keeping.home_identity import home_id
from ecoia.keeping.journal_lines import encode_line
from ecoia.keeping.journal_size import used_bytes
from ecoia.keeping.place import this_place
from ecoia.keeping.stream_lines import StreamLines
from ecoia.light import TYPE_CHECKING
from ecoia.light.instants import utc_day
from ecoia.records import Record

if TYPE_CHECKING:
    from pathlib import Path

ANNOUNCE_SHARE = 0.8
"""Share of the size cap from which a full journal is announced."""

_OPENINGS = 8
"""Times that a file is opened anew because it was removed meanwhile. A file system may count no links at all."""

_BATCHES_PER_SIZE_CHECK = 32
"""Batches between two looks at what other processes added to the journal."""


class Writer:
    """Append this process's records. Not thread-safe: one thread (the sampler's) writes.

    A failed append raises ``JournalError`` and leaves untouched what was written before; the caller counts the loss.

    Args:
        home: The journal's home, which ``open_home`` made.
        max_bytes: Size of the journal at which appending refuses.
        name: Name of the file, of a process that ended; None for a new one.

    Each file has the lines of one ``StreamLines``, so only the process whose file it is writes streams into it.

    Attributes:
        home: The journal's home.
        folder: Its folder ``journal``.
        name: Name of the file, the same on every day.
        position: (Journal file, its size in bytes) after the last append.
        unsynced: Why the file system did not write the last batch to the disk itself; None where it did.

    Example:
        >>> import tempfile
        >>> writer = Writer(tempfile.mkdtemp(), max_bytes=1 << 30)
        >>> writer.append([])  # durable when it returns
        >>> writer.close()
    """

    def __init__(self, home: str | Path, max_bytes: int, name: str | None = None) -> None:
        self.home = os.fspath(home)
        self.folder = f"{self.home}/journal"
        self.max_bytes = max_bytes
        self.name = name or f"{os.getpid()}-{os.urandom(3).hex()}-{this_place(home)}.jsonl"
        self._streams = StreamLines() if name is None else None
        self._file: LockableFile | None = None
        self._day = ""
        self._batches = 0
        self._used_bytes = 0
        self._torn = False
        self.position = ("", 0)
        self.unsynced: OSError | None = None

    @property
    def used_share(self) -> float:
        """The share of ``max_bytes`` in use at the last check."""
        return self._used_bytes / self.max_bytes

    def append(self, records: Iterable[Record]) -> None:
        """Write a batch durably: one write and one fsync for each UTC day in it.

        Args:
            records: The batch. Each record goes to the file of the UTC day on which it starts.

        Raises:
            JournalError: the disk is full or read-only, or the journal is at its cap. Of a batch of several days, some may
                be written; writing the batch again loses and doubles nothing, as records are known by id.
        """
        days: dict[str, list[Record]] = {}
        for record in records:
            days.setdefault(utc_day(record.start_utc_ns), []).append(record)
        for day, batch in days.items():
            try:
                self._write(day, batch)
            except BaseException:
                self._repeat_streams()  # they are perhaps not in the file
                raise

    def _encoded(self, batch: Iterable[Record]) -> bytes:
        if self._streams is None:
            return b"".join([encode_line(record.to_json()) for record in batch])
        return b"".join([self._streams.lines(record) for record in batch])

    def _repeat_streams(self) -> None:
        if self._streams is not None:
            self._streams.repeat()

    def _write(self, day: str, batch: list[Record]) -> None:
        if self._file is None:
            self._repeat_streams()
        data = self._encoded(batch)
        try:
            if self._batches % _BATCHES_PER_SIZE_CHECK == 0 or self._used_bytes + len(data) > self.max_bytes:
                self._used_bytes = used_bytes(self.folder)
            self._batches += 1
            full = self._used_bytes + len(data) > self.max_bytes
            written = 0 if full else self._append(day, data, batch)
        except OSError as error:
            raise JournalError(
                f"journal '{self.home}' cannot be written ({error.strerror}): make it writable, free space, or set ECOIA_HOME"
            ) from error
        if full:
            raise JournalError(
                f"journal '{self.home}' is at its cap of {self.max_bytes} bytes: deliver, archive "
                "delivered days of journal/, or raise journal_max_mb"
            )
        if self._torn:
            raise JournalError(
                f"journal '{self.home}': the disk took {written} of {len(data)} bytes: free space, or set ECOIA_HOME"
            )

    def _append(self, day: str, data: bytes, batch: list[Record]) -> int:
        file = self._file
        if file is None:
            file = self._open(day)
        elif day != self._day or not file.in_place():
            file = self._open(day)
            self._repeat_streams()
            data = self._encoded(batch)
        if self._torn:
            data = b"\n" + data  # end the line that a full disk cut
        written = os.write(file.number, data)
        self._torn = written != len(data)
        self._used_bytes += written
        if not self._torn:
            self._sync(file.number)
        self.position = (f"{day}/{self.name}", os.fstat(file.number).st_size)
        return written

    def _sync(self, number: int) -> None:
        """Write a batch to the disk itself. A failing disk is an error, so that the batch is written again; a refusal is not."""
        refused, self.unsynced = self.unsynced, sync(number)
        if self.unsynced is not None and self.unsynced.errno == errno.EIO and refused is None:
            raise self.unsynced

    def _open(self, day: str) -> LockableFile:
        self.close()
        folder = f"{self.folder}/{day}"
        os.makedirs(folder, exist_ok=True)
        home_id(self.home)  # without it nobody would read the files of a home that was removed
        for _ in range(_OPENINGS):
            file = LockableFile(f"{folder}/{self.name}", os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
            file.lock(shared=True, wait=True)
            if os.fstat(file.number).st_nlink:
                break  # else it was packed, and so removed, while we waited for its lock
        self._torn = False
        if os.lseek(file.number, 0, os.SEEK_END) > 0:  # this day's file exists: a full disk may have cut its last line
            os.lseek(file.number, -1, os.SEEK_END)
            self._torn = os.read(file.number, 1) != b"\n"
        self._file, self._day = file, day
        return file

    def close(self) -> None:
        """Close the file and release its lock."""
        if self._file is not None:
            self._file.close()
            self._file = None
            self._day = ""
