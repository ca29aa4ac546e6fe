"""Day files that were read before, kept on this machine: a report then fetches and checks only those that are new.

One SQLite file, keyed by the digest of a day file's text, so whichever store a text came from, it is the same text. It can be
deleted at any time. It is never trusted with content: the reader compares the digest of what comes out, and fetches anew where it
differs. It also keeps the digests of which every row passed the checks, for as long as the rules of these checks are the same. A
cache that cannot be used costs time, never a figure.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import sqlite3
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from ecoia.records import field_rules, id_sets, json_lines, record, record_ids

MOST_BYTES = 512 << 20
"""Bytes of day files kept: some 35,000 days of a worker. The day files that were not read for longest go first."""

MOST_PASSED = 250_000
"""Digests kept of day files that passed; the oldest go first."""

_AT_ONCE = 500
_DROP_OLDEST = """
DELETE FROM day_files WHERE digest IN (
  SELECT digest FROM (
    SELECT digest, sum(length(data)) OVER (ORDER BY used_s DESC, digest) AS bytes FROM day_files
  ) WHERE bytes > ?
)
"""
_DROP_PASSED = """
DELETE FROM passed WHERE rules != ? OR digest IN (SELECT digest FROM passed ORDER BY noted_s DESC, digest LIMIT -1 OFFSET ?)
"""
_PASSED = "CREATE TABLE IF NOT EXISTS passed (digest TEXT PRIMARY KEY, rules TEXT NOT NULL, noted_s INTEGER NOT NULL)"
_TABLE = "CREATE TABLE IF NOT EXISTS day_files (digest TEXT PRIMARY KEY, data BLOB NOT NULL, used_s INTEGER NOT NULL)"


class LedgerCache:
    """Day files by the digest of their text.

    Args:
        path: The file; its folder is made when the first day file is kept.
        most_bytes: Bytes of day files to keep.

    Example::

        LedgerCache(Path(settings.home) / "cache" / "ledger.sqlite")
    """

    def __init__(self, path: Path, most_bytes: int = MOST_BYTES) -> None:
        self._path = path
        self._most_bytes = most_bytes

    def find(self, digests: Collection[str]) -> dict[str, bytes]:
        """Return the day files that are kept under some digests."""
        found: dict[str, bytes] = {}
        wanted = list(digests)

        def look_up(connection: sqlite3.Connection) -> None:
            for start in range(0, len(wanted), _AT_ONCE):
                some = wanted[start : start + _AT_ONCE]
                query = f"SELECT digest, data FROM day_files WHERE digest IN ({','.join('?' * len(some))})"  # noqa: S608 - marks
                found.update((key, data) for key, data in connection.execute(query, some) if isinstance(data, bytes))

        if wanted and self._path.exists():
            self._use(look_up)
        return found

    def passed(self) -> set[str]:
        """Return the digests of the day files of which every row passed the checks as they are today."""
        found: set[str] = set()

        def look_up(connection: sqlite3.Connection) -> None:
            found.update(digest for (digest,) in connection.execute("SELECT digest FROM passed WHERE rules = ?", [_rules()]))

        if _rules() and self._path.exists():
            self._use(look_up)
        return found

    def note_passed(self, digests: Collection[str]) -> None:
        """Note day files of which every row passed the checks as they are today."""

        def write(connection: sqlite3.Connection) -> None:
            now_s = int(time.time())
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(_PASSED)
            lines = ((digest, _rules(), now_s) for digest in digests)
            connection.executemany("INSERT OR REPLACE INTO passed VALUES (?, ?, ?)", lines)
            connection.execute(_DROP_PASSED, (_rules(), MOST_PASSED))
            connection.execute("COMMIT")

        if digests and _rules():
            self._write(write)

    def keep(self, used: Collection[str], fetched: Mapping[str, bytes]) -> None:
        """Keep day files that were fetched, note which were used, and drop the least recently used beyond the limit."""

        def write(connection: sqlite3.Connection) -> None:
            now_s = int(time.time())
            connection.execute("PRAGMA synchronous = OFF")  # a crash may damage it: then it is removed and filled anew
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(_TABLE)
            connection.executemany("UPDATE day_files SET used_s = ? WHERE digest = ?", ((now_s, digest) for digest in used))
            lines = ((digest, data, now_s) for digest, data in fetched.items())
            connection.executemany("INSERT OR REPLACE INTO day_files VALUES (?, ?, ?)", lines)
            connection.execute(_DROP_OLDEST, (self._most_bytes,))
            connection.execute("COMMIT")

        if used or fetched:
            self._write(write)

    def _write(self, work: Callable[[sqlite3.Connection], None]) -> None:
        """Make the file if it is not there, and work on it."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(self._path, os.O_CREAT | os.O_RDWR | getattr(os, "O_NOFOLLOW", 0), 0o600))
        except OSError:  # nowhere to write
            return
        self._use(work)

    def _use(self, work: Callable[[sqlite3.Connection], None]) -> None:
        """Open the file and work on it. An error ends the work, not the caller; a damaged file is removed."""
        try:
            with contextlib.closing(sqlite3.connect(self._path, timeout=5, isolation_level=None)) as connection:
                work(connection)
        except sqlite3.OperationalError:  # locked, read-only, full, or nothing was kept yet
            return
        except sqlite3.DatabaseError:
            with contextlib.suppress(OSError):
                self._path.unlink()


@functools.cache
def _rules() -> str:
    """Return a text that differs once the checks of a row do: the digest of their source. Empty where there is no source."""
    try:
        sources = [Path(module.__file__ or "").read_bytes() for module in (field_rules, id_sets, json_lines, record, record_ids)]
    except OSError:
        return ""
    return hashlib.sha256(b"\0".join(sources)).hexdigest()
