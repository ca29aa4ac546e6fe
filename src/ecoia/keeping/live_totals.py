"""Live totals: what a home's records add up to, read on from where the last look ended. For what is scraped.

The totals stand in one SQLite file of the home, ``live-<schema>.sqlite``, beside how far each journal file was read: both
move on in one transaction. So every process that looks (the workers of a server, one that was just restarted, a program
beside them) gives the same totals, a look costs what was recorded since the last one, and a total never goes back: neither
when a process ends nor when old days of the journal are archived.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ecoia.errors import JournalError
from ecoia.keeping.journal import Journal, Scan
from ecoia.keeping.journal_lines import read_line
from ecoia.periods import DAY_NS, utc_day
from ecoia.records import Record
from ecoia.semconv import (
    COMPONENTS,
    KIND_OUTCOME,
    KIND_SPAN,
    LIVE_ACCEPTED,
    LIVE_CPU,
    LIVE_ENERGY,
    LIVE_LEFT_OUT,
    LIVE_LOST,
    LIVE_OTHER,
    LIVE_RECORDS,
    LIVE_SPANS,
    LIVE_UNITS,
    SCHEMA_VERSION,
    LiveCounter,
)

LOOK_BYTES = 4 << 20
"""What one look reads of the journal at most: however much waits, the process that looks is held up for a moment only."""

MOST_SERVICES = 100
"""So many pairs of service and phase have labels of their own; what comes later shares one, as for all limits below."""

MOST_ENDPOINTS = 100
"""So many pairs of endpoint and model version of one service and phase."""

MOST_GROUPS = 1000
"""So many pairs of endpoint and model version of all services together."""

MOST_WORDS = 100
"""So many causes of losses, and so many methods."""

_MOST_CHARACTERS = 128
_FULL_LOOK_SECONDS = 600.0
"""So often files of all days are looked at. In between those of today and yesterday: others grow when a full disk has room
again, or by ``ecoia declare``."""

_WAIT_SECONDS = 5.0

Labels = tuple[str, ...]
Series = tuple[str, Labels]
"""A counter's name, and the values of its labels."""

_TABLES = (
    "CREATE TABLE IF NOT EXISTS files (day TEXT, name TEXT, offset INTEGER, PRIMARY KEY (day, name)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS seen (day TEXT, record_id TEXT, PRIMARY KEY (day, record_id)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS series (counter TEXT, labels TEXT, value TEXT, PRIMARY KEY (counter, labels)) WITHOUT ROWID",
)


@dataclass(frozen=True)
class Totals:
    """What the records of a home add up to.

    ``values`` are integers, ``LiveCounter.parts`` of which make one unit. There are none until the journal was read to its
    end once: a total that is catching up would look like work. ``unread_bytes`` wait for the next look.
    """

    home_id: str
    values: Mapping[Series, int]
    complete: bool
    unread_bytes: int


class LiveTotals:
    """The live totals of a home.

    Args:
        home: The journal's home. Nothing is made in it before a process has recorded there.
        file: Count only the records in files of this name, those of one process; nobody else sees these totals.
    """

    def __init__(self, home: str | Path, *, file: str | None = None) -> None:
        self.home = Path(home)
        self._file = file
        self._turn = threading.Lock()
        self._own: tuple[int, sqlite3.Connection] | None = None
        self._next_full_look = 0.0
        self._unread_bytes = 0

    def look(self, max_bytes: int = LOOK_BYTES) -> Totals:
        """Read on, and give the totals; where another process is reading on just now, those that it began from.

        Args:
            max_bytes: How much of the journal to read at most, but for the end of a line.

        Raises:
            JournalError: there is no journal, or it cannot be read.
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
        # An ecoia that knows newer records counts for itself: it reads lines that this one leaves out.
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
        """The home's, opened for this look; one of our own where the home cannot be written, or we count for ourselves."""
        if self._file is None and os.access(self.home, os.W_OK) and (os.access(self._path, os.W_OK) or not self._path.exists()):
            with contextlib.closing(sqlite3.connect(self._path, isolation_level=None)) as shared:
                shared.execute("PRAGMA synchronous = NORMAL")
                yield shared
            return
        if self._own is None or self._own[0] != os.getpid():  # after a fork, the other is the parent's
            # A nameless file: memory holds little of it, and nothing is left of it.
            self._own = (os.getpid(), sqlite3.connect("", isolation_level=None, check_same_thread=False))
            self._next_full_look = 0.0
        yield self._own[1]

    def _read_on(self, database: sqlite3.Connection, max_bytes: int) -> None:
        """Read what is new, within a transaction."""
        for table in _TABLES:
            database.execute(table)
        days = self._days()
        full = time.monotonic() >= self._next_full_look
        since = "" if full else utc_day(time.time_ns() - DAY_NS)
        rows = database.execute("SELECT day, name, offset FROM files WHERE day >= ?", (since,))
        offsets = {(day, name): offset for day, name, offset in rows}
        sums = _Sums(_load(database))
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
            unread_bytes += size - end if left_bytes <= 0 else 0  # else what is left is half a line
        database.executemany("INSERT OR REPLACE INTO series VALUES (?, ?, ?)", sums.changes())
        self._unread_bytes = unread_bytes
        if unread_bytes:
            self._next_full_look = 0.0
        elif full:
            self._next_full_look = time.monotonic() + _FULL_LOOK_SECONDS
            database.execute("PRAGMA user_version = 1")  # read to its end once
            database.execute("DELETE FROM seen WHERE day < ?", (min(days, default=""),))

    def _days(self) -> list[str]:
        with contextlib.suppress(FileNotFoundError):
            return sorted(entry.name for entry in os.scandir(self.home / "journal") if entry.is_dir())
        return []

    def _files(self, days: Iterable[str]) -> Iterator[tuple[str, str, int]]:
        """(day, name, bytes) of each journal file."""
        for day in days:
            with contextlib.suppress(FileNotFoundError):  # archived meanwhile
                for entry in sorted(os.scandir(self.home / "journal" / day), key=lambda entry: entry.name):
                    if entry.name.endswith(".jsonl") and self._file in (None, entry.name):
                        yield day, entry.name, entry.stat().st_size


def _begin(database: sqlite3.Connection) -> bool:
    """Begin to write; False where another process does, which is not waited for."""
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
    """SQLite's primary code of an error; 0 where Python's module itself complains."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _load(database: sqlite3.Connection) -> dict[Series, int]:
    rows = database.execute("SELECT counter, labels, value FROM series")
    return {(counter, tuple(json.loads(labels))): int(value) for counter, labels, value in rows}


def _read_file(database: sqlite3.Connection, path: Path, offset: int, max_bytes: int, sums: _Sums) -> int:
    """Add the records of whole lines from an offset on; returns the offset that was reached."""
    lines, limit = Scan(), offset + max_bytes
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:  # archived meanwhile
        file.seek(offset)
        for line in file:
            if not line.endswith(b"\n"):
                break  # being written, or cut for ever: then whoever writes next closes it
            offset += len(line)
            record = read_line(line, lines.refuse)
            if record is not None:
                known = (utc_day(record.start_utc_ns), _label(record.record_id))
                new = database.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", known).rowcount
                sums.take(record, written_before=not new)
            if offset >= limit:
                break
    sums.leave_out("corrupt", lines.corrupt)
    sums.leave_out("newer", lines.newer)
    return offset


def _label(value: object) -> str:
    """A value as a label: printable, of bounded length; nothing is the empty text, which for Prometheus is no label."""
    if value is None:
        return ""
    return "".join(sign if sign.isprintable() else "?" for sign in str(value)[:_MOST_CHARACTERS])


class _Sums:
    """Totals that grow record by record, within bounds for what labels tell apart."""

    def __init__(self, values: dict[Series, int]) -> None:
        self._values = values
        self._changed: set[Series] = set()
        self._groups: set[Labels] = set()
        self._per_service: Counter[Labels] = Counter()
        self._words: Counter[str] = Counter()
        for series in values:
            self._note(series)

    def _note(self, series: Series) -> None:
        """Remember what is told apart."""
        counter, labels = series
        self._words[counter] += 1
        if counter == LIVE_CPU.name and labels[:4] not in self._groups:
            self._groups.add(labels[:4])
            self._per_service[labels[:2]] += 1

    def changes(self) -> list[tuple[str, str, str]]:
        """The rows that are to be written."""
        return [(name, json.dumps(labels), str(self._values[name, labels])) for name, labels in self._changed]

    def leave_out(self, reason: str, lines: int = 1) -> None:
        """Count lines that are in no other counter."""
        if lines:
            self._add(LIVE_LEFT_OUT, (reason,), lines)

    def take(self, record: Record, *, written_before: bool = False) -> None:
        """Add a record, or say why not."""
        reason = (
            "duplicate" if written_before
            else "correction" if record.replaces  # a counter cannot take back what it counted: reports do
            else "simulated" if record.simulated
            else None
        )  # fmt: skip
        if reason is not None:
            self.leave_out(reason)
        elif record.kind != KIND_OUTCOME:
            self._take(record)

    def _take(self, record: Record) -> None:
        group = self._group(record)
        for component in COMPONENTS:
            method, energy = record.method[component], record.energy_microjoules[component]
            self._add_word(LIVE_RECORDS, (component, method.status), method.name, 1)
            if energy is not None:
                self._add(LIVE_ENERGY, (*group, record.kind, component, method.status), energy)
        self._add(LIVE_CPU, (*group, record.kind), record.cpu_ns)
        if record.kind == KIND_SPAN:
            self._add(LIVE_SPANS, group, record.spans)
        if record.units_micro is not None:
            self._add(LIVE_UNITS, group, record.units_micro)
        if record.accepted_micro is not None:
            self._add(LIVE_ACCEPTED, group, record.accepted_micro)
        for cause, count in record.lost.items():
            self._add_word(LIVE_LOST, (), cause, count)

    def _group(self, record: Record) -> Labels:
        """(service, phase, endpoint, model version), with as much of it as there is room for."""
        service = (_label(record.service), _label(record.phase))
        wanted = (*service, _label(record.endpoint), _label(record.model_version))
        room = service in self._per_service or len(self._per_service) < MOST_SERVICES
        if wanted in self._groups or (room and self._per_service[service] < MOST_ENDPOINTS and len(self._groups) < MOST_GROUPS):
            return wanted
        return (*service, LIVE_OTHER, LIVE_OTHER) if room else (LIVE_OTHER,) * 4

    def _add_word(self, counter: LiveCounter, labels: Labels, word: object, amount: int) -> None:
        known = (*labels, _label(word))
        room = (counter.name, known) in self._values or self._words[counter.name] < MOST_WORDS
        self._add(counter, known if room else (*labels, LIVE_OTHER), amount)

    def _add(self, counter: LiveCounter, labels: Labels, amount: int) -> None:
        series = (counter.name, labels)
        if series not in self._values:
            self._values[series] = 0
            self._note(series)
        self._values[series] += amount
        self._changed.add(series)
