"""Live totals: the sums of a home's records, for live metrics. Each *look* reads on from where the last one ended.

One SQLite file of the home, ``live-<schema>.sqlite``, holds the totals and how far each journal file was read. Both change
in one transaction. So every process that looks (the workers of a server, a restarted one, a program beside them) gives the
same totals, a look costs only what was recorded since the last one, and no total ever decreases: not when a process
ends, and not when old days of the journal are archived.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ecoia.errors import JournalError
from ecoia.keeping.journal import Journal, Scan
from ecoia.keeping.journal_files import DamagedFileError, Lines, day_folders, day_sizes
from ecoia.keeping.line_reader import LineReader
from ecoia.keeping.live_sums import LiveSums, Series, as_label
from ecoia.periods import DAY_NS, utc_day
from ecoia.records.refusals import CHECKSUM_MISMATCH
from ecoia.semconv import SCHEMA_VERSION

LOOK_BYTES = 4 << 20
"""Most bytes of the journal that one look reads, so that the process that looks is held up for a moment only."""

_FULL_LOOK_SECONDS = 600.0
"""Seconds between two looks at the files of all days. Other looks read those of today and yesterday only: older ones grow
only when a full disk has room again, or by ``ecoia declare``."""

_WAIT_SECONDS = 5.0

_TABLES = (
    "CREATE TABLE IF NOT EXISTS files (day TEXT, name TEXT, offset INTEGER, PRIMARY KEY (day, name)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS seen (day TEXT, record_id TEXT, PRIMARY KEY (day, record_id)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS series (counter TEXT, labels TEXT, value TEXT, PRIMARY KEY (counter, labels)) WITHOUT ROWID",
)


@dataclass(frozen=True)
class Totals:
    """The sums of a home's records.

    Attributes:
        home_id: Identity of the home.
        values: Integers; ``LiveCounter.parts`` of them make one unit. Empty until the journal was read to its end once:
            a total that is catching up would look like work being done now.
        complete: Whether the journal was read to its end once.
        unread_bytes: Bytes of the journal left for the next look.
    """

    home_id: str
    values: Mapping[Series, int]
    complete: bool
    unread_bytes: int


class LiveTotals:
    """The live totals of a home. Safe to use from several threads.

    Args:
        home: The journal's home. A look creates nothing in it before a process has recorded there.
        file: Name of one process's files. If given, only its records are counted, in a database that no other process sees.

    Example:
        >>> import tempfile
        >>> home = tempfile.mkdtemp()
        >>> Journal(home).writer().append([])
        >>> LiveTotals(home).look().complete
        True
    """

    def __init__(self, home: str | Path, *, file: str | None = None) -> None:
        self.home = Path(home)
        self._file = file
        self._turn = threading.Lock()
        self._own: tuple[int, sqlite3.Connection] | None = None
        self._next_full_look = 0.0
        self._unread_bytes = 0

    def look(self, max_bytes: int = LOOK_BYTES) -> Totals:
        """Read on, and return the totals.

        If another process is reading on at this moment, return the totals that it started from.

        Args:
            max_bytes: Most bytes of the journal to read; the last line is read to its end.

        Raises:
            JournalError: there is no journal, or it cannot be read; or another thread has been looking for 5 seconds.
        """
        if not self._turn.acquire(timeout=_WAIT_SECONDS):
            raise JournalError(f"journal '{self.home}' is being read by another thread for more than {_WAIT_SECONDS:.0f} s")
        try:
            home_id = self._home_id()
            try:
                return self._look(home_id, max_bytes)
            except sqlite3.DatabaseError as error:
                if _code(error) not in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                    raise
                logging.getLogger("ecoia").warning("ecoia: '%s' is damaged: made again from the journal", self._path)
                self._path.unlink(missing_ok=True)
                self._path.with_name(f"{self._path.name}-journal").unlink(missing_ok=True)
                self._next_full_look = 0.0
                return self._look(home_id, max_bytes)
        except sqlite3.Error as error:
            raise JournalError(
                f"'{self._path}' cannot be used ({error}): delete it, it is made again from the journal"
            ) from error
        except JournalError:
            raise
        except OSError as error:
            raise JournalError(
                f"journal '{self.home}' cannot be read ({error.strerror}): make it readable or set ECOIA_HOME"
            ) from error
        finally:
            self._turn.release()

    @property
    def _path(self) -> Path:
        # An ecoia with a newer schema needs a file of its own: it reads lines that this version leaves out.
        return self.home / f"live-{SCHEMA_VERSION}.sqlite"

    def _home_id(self) -> str:
        try:
            (self.home / "home.json").stat()
        except FileNotFoundError:
            raise JournalError(
                f"no journal in '{self.home}': nothing was recorded there yet, or the setting 'home' is another one"
            ) from None
        return Journal(self.home).home_id

    def _look(self, home_id: str, max_bytes: int) -> Totals:
        with self._database() as database:
            if _begin(database):
                try:
                    self._read_on(database, max_bytes)
                    database.execute("COMMIT")
                finally:
                    if database.in_transaction:
                        database.execute("ROLLBACK")
            (complete,) = database.execute("PRAGMA user_version").fetchone()
            return Totals(home_id, _load(database) if complete else {}, bool(complete), self._unread_bytes)

    @contextlib.contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        """Open the database for this look: the home's, or our own if the home is read-only or one process only is counted."""
        if self._file is None and os.access(self.home, os.W_OK) and (os.access(self._path, os.W_OK) or not self._path.exists()):
            with contextlib.closing(sqlite3.connect(self._path, isolation_level=None)) as shared:
                shared.execute("PRAGMA synchronous = NORMAL")
                yield shared
            return
        if self._own is None or self._own[0] != os.getpid():  # after a fork, the connection belongs to the parent
            # A nameless file: SQLite keeps most of it on disk, and removes it at the end.
            self._own = (os.getpid(), sqlite3.connect("", isolation_level=None, check_same_thread=False))
            self._next_full_look = 0.0
        yield self._own[1]

    def _read_on(self, database: sqlite3.Connection, max_bytes: int) -> None:
        """Read what is new, within the transaction of the caller."""
        for table in _TABLES:
            database.execute(table)
        days = self._days()
        full = time.monotonic() >= self._next_full_look
        since = "" if full else utc_day(time.time_ns() - DAY_NS)
        rows = database.execute("SELECT day, name, offset FROM files WHERE day >= ?", (since,))
        offsets = {(day, name): offset for day, name, offset in rows}
        sums = LiveSums(_load(database))
        left_bytes, unread_bytes = max_bytes, 0
        for day, name, size in self._files(day for day in days if day >= since):
            offset = offsets.get((day, name), 0)
            if size <= offset:
                continue
            if left_bytes <= 0:
                unread_bytes += size - offset
                continue
            end = _read_file(database, self.home / "journal" / day / name, offset, left_bytes, sums)
            database.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?)", (day, name, end))
            left_bytes -= end - offset
            unread_bytes += size - end if left_bytes <= 0 else 0  # else the rest is half a line
        database.executemany("INSERT OR REPLACE INTO series VALUES (?, ?, ?)", sums.changes())
        self._unread_bytes = unread_bytes
        if unread_bytes:
            self._next_full_look = 0.0
        elif full:
            self._next_full_look = time.monotonic() + _FULL_LOOK_SECONDS
            database.execute("PRAGMA user_version = 1")  # read to its end once
            database.execute("DELETE FROM seen WHERE day < ?", (min(days, default=""),))

    def _days(self) -> list[str]:
        return day_folders(self.home / "journal")

    def _files(self, days: Iterable[str]) -> Iterator[tuple[str, str, int]]:
        """Yield day, name and size in bytes of each journal file."""
        for day in days:
            with contextlib.suppress(OSError):  # such a day is counted once its folder can be read
                for name, size in day_sizes(self.home / "journal" / day).items():
                    if self._file in (None, name):
                        yield day, name, size


def _begin(database: sqlite3.Connection) -> bool:
    """Begin a transaction that writes. Return False, without waiting, where another process writes."""
    database.execute("PRAGMA busy_timeout = 0")
    try:
        database.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if _code(error) != sqlite3.SQLITE_BUSY:
            raise
        return False
    finally:
        database.execute(f"PRAGMA busy_timeout = {_WAIT_SECONDS * 1000:.0f}")
    return True


def _code(error: sqlite3.Error) -> int:
    """Return SQLite's primary error code, or 0 for an error of Python's own module."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _load(database: sqlite3.Connection) -> dict[Series, int]:
    rows = database.execute("SELECT counter, labels, value FROM series")
    return {(counter, tuple(json.loads(labels))): int(value) for counter, labels, value in rows}


def _read_file(database: sqlite3.Connection, path: Path, offset: int, max_bytes: int, sums: LiveSums) -> int:
    """Add the records of whole lines from an offset on, and return the offset that was reached."""
    refused, limit, reader = Scan(), offset + max_bytes, LineReader()
    with contextlib.suppress(FileNotFoundError), contextlib.closing(Lines(path, offset)) as lines:  # archived meanwhile
        reader.begin(path, offset)
        while offset < limit:
            try:
                for line in lines:
                    if not line.endswith(b"\n"):
                        continue  # still being written, or cut; the next writer ends a cut line
                    offset = lines.offset
                    found = reader.read(line, refused.refuse)
                    if found is not None:
                        record = found.stream.record(found.figures)
                        identity = (utc_day(record.start_utc_ns), as_label(record.record_id))
                        is_new = database.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", identity).rowcount
                        sums.take(record, written_before=not is_new)
                    if offset >= limit:
                        break
                break
            except DamagedFileError as error:
                refused.refuse(CHECKSUM_MISMATCH, str(error))
                offset = lines.offset
    sums.leave_out("corrupt", refused.corrupt)
    sums.leave_out("newer", refused.newer)
    return offset
