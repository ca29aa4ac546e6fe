"""The journal: records on local disk, first and always. On its host it is the truth.

Layout of a home (all text, readable by a person; format in docs/journal.md)::

    home.json                      {"home_id": ...}: tells two homes apart
    targets.json                   local ids of tracking URIs; stays on the host
    journal/2026-11-23/4242-9f3c21.jsonl   one file per process and UTC day; one record a line
    delivery/                      cursors and the lock of the one helper

``journal_lines`` defines a line. Files are only ever appended to; a batch is one write and one fsync (``journal_writer``).
A process holds a shared lock on its file while it lives.
"""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from ecoia.errors import JournalError
from ecoia.keeping.journal_lines import read_line
from ecoia.keeping.journal_writer import Writer
from ecoia.records import Record
from ecoia.records.refusals import NEWER_SCHEMA

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

ANNOUNCE_SHARE = 0.8
"""Share of the size cap from which a full journal is announced."""

REFUSALS_PER_REASON = 5
"""Refused lines whose place a scan keeps, for each reason. Further ones are counted only."""

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Entry:
    """A record with its place: the file's path below ``journal/``, and the offset in bytes after its line."""

    record: Record
    file: str
    end_offset: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """A whole line that gave no record.

    Attributes:
        reason: Why, one of ``refusals.REFUSALS``.
        problem: What is wrong with this line.
        file: The file's path below ``journal/``; empty where the reader gave none.
        line: Number of the line in the file, from 1; 0 where it is not known.
    """

    reason: str
    problem: str
    file: str = ""
    line: int = 0


@dataclass
class Scan:
    """Result of reading: the records, and the lines that gave none. Nothing is hidden.

    Attributes:
        entries: The records that ``Journal.scan`` read; ``Journal.stream`` does not keep them.
        refused: Number of lines refused, by reason (``refusals.REFUSALS``).
        refusals: The first ``REFUSALS_PER_REASON`` refused lines of each reason, in the order in which they were read.
        torn: Files whose last line has no newline: it is being written, or was cut.

    Example:
        >>> scan = Scan()
        >>> scan.refuse("not-json", "Expecting value at character 0")
        >>> scan.corrupt, scan.refusals[0].reason
        (1, 'not-json')
    """

    entries: list[Entry] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    refusals: list[Refusal] = field(default_factory=list)
    torn: int = 0

    @property
    def records(self) -> list[Record]:
        """The records, in file order."""
        return [entry.record for entry in self.entries]

    @property
    def newer(self) -> int:
        """Number of lines that a newer ecoia wrote."""
        return self.refused[NEWER_SCHEMA]

    @property
    def corrupt(self) -> int:
        """Number of lines refused for any other reason."""
        return self.refused.total() - self.newer

    def refuse(self, reason: str, problem: str, file: str = "", line: int = 0) -> None:
        """Count a refused line, and keep its place while there is room for its reason."""
        self.refused[reason] += 1
        if self.refused[reason] <= REFUSALS_PER_REASON:
            self.refusals.append(Refusal(reason, problem, file, line))


class Journal:
    """A journal home.

    Args:
        home: Folder; created when missing.
        max_bytes: Size at which appending refuses.

    Raises:
        JournalError: the folder cannot be created or written; the message gives the reason and the remedy.

    Example:
        >>> import tempfile
        >>> Journal(tempfile.mkdtemp()).scan().records
        []
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
        # Several processes may create the home at once: one link succeeds, and all of them read the file that it made.
        draft = self.home / f".home-{os.urandom(8).hex()}"
        with draft.open("w", encoding="utf-8") as file:
            file.write(json.dumps({"home_id": uuid.uuid4().hex}) + "\n")
            file.flush()
            os.fsync(file.fileno())  # a power cut must not leave an empty home.json
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
        """Return the bytes that the journal's files use."""
        total = 0
        for path in self.folder.glob("*/*.jsonl"):
            with contextlib.suppress(FileNotFoundError):  # archived meanwhile
                total += path.stat().st_size
        return total

    def writer(self, name: str | None = None) -> Writer:
        """Return a writer with a file of its own, or with the file of this name, of a process that ended."""
        return Writer(self, name)

    def files(self) -> list[str]:
        """Return the files, as paths below ``journal/``, oldest day first."""
        return sorted(path.relative_to(self.folder).as_posix() for path in self.folder.glob("*/*.jsonl"))

    def scan(self, start_offsets: dict[str, int] | None = None) -> Scan:
        """Read every record from the given offsets (0 where none is given).

        Never raises on bad lines: the scan counts them.

        Args:
            start_offsets: Offset in bytes by file, each at the start of a line.
        """
        scan = Scan()
        scan.entries.extend(self.stream(scan, start_offsets))
        return scan

    def stream(
        self, counts: Scan, start_offsets: dict[str, int] | None = None, names: Iterable[str] | None = None
    ) -> Iterator[Entry]:
        """Yield one entry at a time of what ``scan`` reads, for journals larger than memory.

        Args:
            counts: Receives the lines that give no record.
            start_offsets: As in ``scan``.
            names: Files to read. None: all of them.
        """
        for name in self.files() if names is None else names:
            with contextlib.suppress(FileNotFoundError):  # archived meanwhile
                yield from stream_file(self.folder / name, name, (start_offsets or {}).get(name, 0), counts)

    def is_alive(self, name: str) -> bool:
        """Return whether the process that writes a file still runs: it holds the file's lock (on Windows: its pid is in use)."""
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
    """Yield the records of one file from an offset on.

    Args:
        path: The file.
        name: File name to state in entries and refusals.
        offset: Offset in bytes of the start of a line.
        scan: Receives the lines that give no record.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        lines = _LineNumbers(path, offset)

        def refuse(reason: str, problem: str) -> None:
            scan.refuse(reason, problem, name, lines.current())

        file.seek(offset)
        for line in file:
            offset += len(line)
            if not line.endswith(b"\n"):
                scan.torn += 1
                return
            lines.read += 1
            record = read_line(line, refuse)
            if record is not None:
                yield Entry(record, name, offset)


class _LineNumbers:
    """Numbers of a file's lines, read from an offset on. The lines before it are counted only when a number is asked for."""

    def __init__(self, path: Path, offset: int) -> None:
        self._path = path
        self._offset = offset
        self._before = 0 if offset == 0 else None
        self.read = 0

    def current(self) -> int:
        """Return the number of the line read last, from 1; 0 where the file was archived meanwhile."""
        if self._before is None:
            try:
                with self._path.open("rb") as file:
                    self._before = _count_lines(file, self._offset)
            except FileNotFoundError:
                return 0
        return self._before + self.read


def _count_lines(file: BinaryIO, size_bytes: int) -> int:
    """Return the number of newlines in the first bytes of a file."""
    count = 0
    while size_bytes > 0 and (chunk := file.read(min(size_bytes, _CHUNK_BYTES))):
        count += chunk.count(b"\n")
        size_bytes -= len(chunk)
    return count
