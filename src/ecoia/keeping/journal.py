"""The journal: records on local disk, first and always. The truth on a host.

Layout of a home (all text, readable by a person; format in docs/journal.md)::

    home.json                      {"home_id": ...}: what tells two homes apart
    targets.json                   local ids of tracking URIs; stays on the host
    journal/2026-11-23/4242-9f3c21.jsonl   one file a process and UTC day; one record a line
    delivery/                      cursors and the lock of the one helper

A line is eight hexadecimal digits (CRC-32 of the rest), a space, and the record in JSON. Files are only ever
appended to; a batch is one write and one fsync. A process holds a shared lock on its file while it lives.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import uuid
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ecoia.errors import JournalError
from ecoia.keeping.held_file import HeldFile
from ecoia.periods import utc_day
from ecoia.records import NewerSchemaError, Record

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

ANNOUNCE_SHARE = 0.8
_FULL_CHECK_BATCHES = 32
_LINE_START = re.compile(rb"[0-9a-f]{8} (?=\{)")


def encode_line(text: str) -> bytes:
    """A record's line: checksum, space, JSON, newline."""
    data = text.encode("utf-8")
    return b"%08x %s\n" % (zlib.crc32(data), data)


def decode_line(line: bytes) -> str:
    """The JSON of a line.

    Raises:
        ValueError: the checksum does not match.
    """
    checksum, _, data = line.rstrip(b"\n").partition(b" ")
    if checksum != b"%08x" % zlib.crc32(data):
        raise ValueError("checksum mismatch")
    return data.decode("utf-8")


@dataclass(frozen=True)
class Entry:
    """A record with the place where it stands: the file's path below ``journal/``, and the offset after its line."""

    record: Record
    file: str
    end_offset: int


@dataclass
class Scan:
    """What reading found. ``corrupt``, ``newer`` and ``torn`` count lines that gave no record; nothing is hidden."""

    entries: list[Entry] = field(default_factory=list)
    corrupt: int = 0
    newer: int = 0
    torn: int = 0

    @property
    def records(self) -> list[Record]:
        """The records, in file order."""
        return [entry.record for entry in self.entries]


class Journal:
    """A journal home.

    Args:
        home: Folder; created when missing.
        max_bytes: Size at which appending refuses.

    Raises:
        JournalError: the folder cannot be created or written; the message says why and the remedy.
    """

    def __init__(self, home: str | Path, max_bytes: int = 1 << 30) -> None:
        self.home = Path(home)
        self.folder = self.home / "journal"
        self.max_bytes = max_bytes
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.home_id = self._identity()
        except JournalError:
            raise
        except OSError as error:
            raise JournalError(
                f"journal home '{self.home}' cannot be used ({error.strerror}): make it writable or set ECOIA_HOME"
            ) from error

    def _identity(self) -> str:
        path = self.home / "home.json"
        try:
            return str(json.loads(path.read_text(encoding="utf-8"))["home_id"])
        except FileNotFoundError:
            pass
        except (ValueError, KeyError, TypeError) as error:
            raise JournalError(f"'{path}' does not give home_id ({error}): restore it, or move this home away") from error
        # Several processes may be first at once: the link decides, all then read the same file.
        draft = self.home / f".home-{os.urandom(8).hex()}"
        with draft.open("w", encoding="utf-8") as file:
            file.write(json.dumps({"home_id": uuid.uuid4().hex}) + "\n")
            file.flush()
            os.fsync(file.fileno())  # a power cut must not leave an identity without its text
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        except OSError:  # no hard links here
            if not path.exists():
                draft.replace(path)
        draft.unlink(missing_ok=True)
        return str(json.loads(path.read_text(encoding="utf-8"))["home_id"])

    def size_bytes(self) -> int:
        """Bytes used by the journal's files."""
        total = 0
        for path in self.folder.glob("*/*.jsonl"):
            with contextlib.suppress(FileNotFoundError):  # archived meanwhile
                total += path.stat().st_size
        return total

    def writer(self) -> Writer:
        """A writer of this process's own file."""
        return Writer(self)

    def files(self) -> list[str]:
        """The files, as paths below ``journal/``, oldest day first."""
        return sorted(path.relative_to(self.folder).as_posix() for path in self.folder.glob("*/*.jsonl"))

    def scan(self, start_offsets: dict[str, int] | None = None) -> Scan:
        """Read every record from the given offsets (0 where none is given). Never raises on bad lines: it counts them."""
        scan = Scan()
        scan.entries.extend(self.stream(scan, start_offsets))
        return scan

    def stream(
        self, counts: Scan, start_offsets: dict[str, int] | None = None, names: Iterable[str] | None = None
    ) -> Iterator[Entry]:
        """What ``scan`` reads, one entry at a time, for journals larger than memory; bad lines go to ``counts``.

        ``names`` limits it to some files.
        """
        for name in self.files() if names is None else names:
            with contextlib.suppress(FileNotFoundError):  # archived meanwhile
                yield from stream_file(self.folder / name, name, (start_offsets or {}).get(name, 0), counts)

    def is_alive(self, name: str) -> bool:
        """Whether the process that writes a file still runs: it holds the file's lock (on Windows: its pid is in use)."""
        if fcntl is None:
            import psutil

            return psutil.pid_exists(int(name.rpartition("/")[2].partition("-")[0]))
        try:
            with (self.folder / name).open("rb") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    return True
                return False
        except OSError:
            return False


def stream_file(path: Path, name: str, offset: int, scan: Scan) -> Iterator[Entry]:
    """Records of one file from an offset on; ``name`` is what the entries give as their file."""
    with path.open("rb") as file:
        file.seek(offset)
        for line in file:
            offset += len(line)
            if not line.endswith(b"\n"):
                scan.torn += 1
                return
            record = read_line(line, scan)
            if record is not None:
                yield Entry(record, name, offset)


def read_line(line: bytes, scan: Scan) -> Record | None:
    """The record of a whole line; None, counted in ``scan``, where it gives none."""
    if not line.strip():
        return None  # written after a torn line, see Writer
    text: str | None
    try:
        text = decode_line(line)
    except ValueError:
        scan.corrupt += 1
        text = _neighbour(line)
    if text is None:
        return None
    try:
        return Record.from_dict(json.loads(text))
    except NewerSchemaError:
        scan.newer += 1
    except (ValueError, AttributeError):
        scan.corrupt += 1
    return None


def _neighbour(line: bytes) -> str | None:
    """The whole record at the end of a corrupt line: where the newline itself was hit, two lines read as one."""
    for start in _LINE_START.finditer(line, 1):
        try:
            return decode_line(line[start.start() :])
        except ValueError:
            continue
    return None


class Writer:
    """Appends this process's records. Not thread-safe: one thread (the sampler's) writes.

    A failed append raises ``JournalError`` and leaves what was written before untouched; the caller counts the loss.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.name = f"{os.getpid()}-{os.urandom(3).hex()}.jsonl"
        self._file: HeldFile | None = None
        self._day = ""
        self._batches = 0
        self._used_bytes = 0
        self._torn = False
        self.position = ("", 0)
        """(Journal file, its size) after the last append."""

    @property
    def used_share(self) -> float:
        """Share of ``max_bytes`` in use at the last check."""
        return self._used_bytes / self._journal.max_bytes

    def append(self, records: Iterable[Record]) -> None:
        """Write a batch durably: one write and one fsync for each UTC day in it.

        Raises:
            JournalError: disk full, read-only, or the size cap reached.
        """
        days: dict[str, list[bytes]] = {}
        for record in records:
            days.setdefault(utc_day(record.start_utc_ns), []).append(encode_line(record.to_json()))
        for day, lines in days.items():
            self._write(day, b"".join(lines))

    def _write(self, day: str, data: bytes) -> None:
        journal = self._journal
        try:
            if self._batches % _FULL_CHECK_BATCHES == 0 or self._used_bytes + len(data) > journal.max_bytes:
                self._used_bytes = journal.size_bytes()
            self._batches += 1
            full = self._used_bytes + len(data) > journal.max_bytes
            written = 0 if full else self._append(day, data)
        except OSError as error:
            raise JournalError(
                f"journal '{journal.home}' cannot be written ({error.strerror}): make it writable, free space, or set ECOIA_HOME"
            ) from error
        if full:
            raise JournalError(
                f"journal '{journal.home}' is at its cap of {journal.max_bytes} bytes: deliver, archive "
                "delivered days of journal/, or raise journal_max_mb"
            )
        if self._torn:
            raise JournalError(
                f"journal '{journal.home}': the disk took {written} of {len(data)} bytes: free space, or set ECOIA_HOME"
            )

    def _append(self, day: str, data: bytes) -> int:
        file = self._file
        if file is None or day != self._day or file.facts() is None:
            file = self._open(day)
        if self._torn:
            data = b"\n" + data  # close the line that a full disk cut
        written = os.write(file.number, data)
        self._torn = written != len(data)
        self._used_bytes += written
        if not self._torn:
            os.fsync(file.number)
        self.position = (f"{day}/{self.name}", os.fstat(file.number).st_size)
        return written

    def _open(self, day: str) -> HeldFile:
        self.close()
        folder = self._journal.folder / day
        folder.mkdir(parents=True, exist_ok=True)
        file = HeldFile(folder / self.name, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
        self._torn = False
        if os.lseek(file.number, 0, os.SEEK_END) > 0:  # back on a day that a full disk may have cut
            os.lseek(file.number, -1, os.SEEK_END)
            self._torn = os.read(file.number, 1) != b"\n"
        if fcntl is not None:
            fcntl.flock(file.number, fcntl.LOCK_SH)
        self._file, self._day = file, day
        return file

    def close(self) -> None:
        """Close the file and let go of its lock."""
        if self._file is not None:
            self._file.close()
            self._file = None
            self._day = ""
