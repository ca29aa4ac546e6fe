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
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from ecoia.errors import JournalError
from ecoia.keeping.file_system import is_locked
from ecoia.keeping.home_identity import open_home
from ecoia.keeping.journal_files import DamagedFileError, Lines, text_sizes
from ecoia.keeping.journal_size import PACKED, used_bytes
from ecoia.keeping.journal_writer import Writer
from ecoia.light import TYPE_CHECKING, NamedTuple
from ecoia.records.refusals import CHECKSUM_MISMATCH, NEWER_SCHEMA

if TYPE_CHECKING:
    from ecoia.keeping.line_reader import Memory
    from ecoia.records import Record
    from ecoia.records.streams import Figures, Stream

REFUSALS_PER_REASON = 5
"""Refused lines whose place a scan keeps, for each reason. Further ones are counted only."""


class Entry(NamedTuple):
    """A record with its place.

    Attributes:
        stream: What it has in common with others.
        figures: What it does not.
        checksum: Of its line's text: lines of one record with equal checksums have equal contents.
        file: The file's path below ``journal/``.
        end_offset: Offset in bytes after its line, in the file's text.
    """

    stream: Stream
    figures: Figures
    checksum: int
    file: str
    end_offset: int

    @property
    def record(self) -> Record:
        """The record, made of its two parts. Ask these where one is enough: making it costs as much as reading it."""
        return self.stream.record(self.figures)


class Refusal(NamedTuple):
    """A whole line that gave no record.

    Attributes:
        reason: Why, one of ``refusals.REFUSALS``.
        problem: What is wrong with this line.
        file: The file's path below ``journal/``, with ``.gz`` where it is packed; empty where the reader gave none.
        line: Number of the line in the file, from 1; 0 where it is not known.
    """

    reason: str
    problem: str
    file: str = ""
    line: int = 0


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

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.refused: Counter[str] = Counter()
        self.refusals: list[Refusal] = []
        self.torn = 0

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

    def add(self, other: Scan) -> None:
        """Count the refused and torn lines of another reading, too."""
        for refusal in other.refusals:
            if sum(each.reason == refusal.reason for each in self.refusals) < REFUSALS_PER_REASON:
                self.refusals.append(refusal)
        self.refused.update(other.refused)
        self.torn += other.torn


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
        self.home_id = open_home(self.home)
        self._memory: Memory | None = None

    def size_bytes(self) -> int:
        """Return the bytes that the journal's files take on the disk."""
        return used_bytes(self.folder)

    def writer(self, name: str | None = None) -> Writer:
        """Return a writer with a file of its own, or with the file of this name, of a process that ended."""
        return Writer(self.home, self.max_bytes, name)

    def files(self) -> list[str]:
        """Return the files, as paths below ``journal/``, oldest day first. A packed one has the name that it had before.

        Those of a day whose folder cannot be read are not among them.
        """
        return list(text_sizes(self.folder))

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
        self,
        counts: Scan,
        start_offsets: dict[str, int] | None = None,
        names: Iterable[str] | None = None,
        skip: Callable[[bytes], bool] | None = None,
        unread: dict[str, str] | None = None,
    ) -> Iterator[Entry]:
        """Yield one entry at a time of what ``scan`` reads, for journals larger than memory.

        Args:
            counts: Receives the lines that give no record.
            start_offsets: As in ``scan``.
            names: Files to read. None: all of them.
            skip: Tells a line that the caller has no use for, which costs a tenth of reading it.
            unread: Receives, by name of the file or day, why it cannot be read, and the others are read. None: raise.

        Raises:
            JournalError: a file or day cannot be read, and ``unread`` is None; the message names it.
        """
        if names is None:
            days: dict[str, str] = {}
            names = text_sizes(self.folder, unread=days)
            for day, why in days.items():
                if unread is None:
                    raise JournalError(why)
                unread[day] = why
        from ecoia.keeping.line_reader import Memory  # processes that write only do without it

        self._memory = self._memory or Memory()
        for name in names:
            try:
                yield from stream_file(self.folder / name, name, (start_offsets or {}).get(name, 0), counts, skip, self._memory)
            except FileNotFoundError:
                continue  # archived meanwhile
            except OSError as error:  # another account's, or a failing disk
                why = (
                    f"journal file '{self.folder / name}' cannot be read ({error.strerror}): make it readable for this account, "
                    "or move it away"
                )
                if unread is None:
                    raise JournalError(why) from error
                unread[name] = why

    def is_alive(self, name: str) -> bool:
        """Return whether the process that writes a file still runs: it holds the file's lock (on Windows: its pid is in use)."""
        if os.name == "nt":
            import psutil

            return psutil.pid_exists(int(name.rpartition("/")[2].partition("-")[0]))
        return is_locked(self.folder / name, shared=True)


def journal_sizes(journal: Journal, *, last_days: int | None = None, unread: dict[str, str] | None = None) -> dict[str, int]:
    """Return the bytes of text of each journal file, by name.

    Args:
        journal: The journal.
        last_days: Look only at the folders of the last so many days; ``None``: at all of them.
        unread: Receives, by day, why its folder cannot be read.
    """
    return text_sizes(journal.folder, last_days=last_days, unread=unread)


def stream_file(
    path: Path,
    name: str,
    offset: int,
    scan: Scan,
    skip: Callable[[bytes], bool] | None = None,
    memory: Memory | None = None,
) -> Iterator[Entry]:
    """Yield the records of one file from an offset on.

    Args:
        path: The file; it may be packed.
        name: File name to state in entries and refusals.
        offset: Offset in bytes of the start of a line.
        scan: Receives the lines that give no record.
        skip: As for ``Journal.stream``.
        memory: The streams that are known already.

    Raises:
        OSError: the file cannot be read.
    """
    from ecoia.keeping.line_reader import LineReader
    from ecoia.keeping.stream_lines import STREAM_START

    lines, reader = Lines(path, offset), LineReader(memory)

    def refuse(reason: str, problem: str) -> None:
        scan.refuse(reason, problem, f"{name}{PACKED}" if lines.packed else name, lines.number())

    with contextlib.closing(lines):
        reader.begin(path, offset)
        while True:
            try:
                for line in lines:
                    if line[-1:] != b"\n":
                        scan.torn += 1
                        continue
                    if skip is not None and not line.startswith(STREAM_START, 9) and skip(line):
                        continue
                    found = reader.read(line, refuse)
                    if found is not None:
                        yield Entry(*found, name, lines.offset)
            except DamagedFileError as error:
                refuse(CHECKSUM_MISMATCH, str(error))
            else:
                reader.end(path, lines.offset)
                return
