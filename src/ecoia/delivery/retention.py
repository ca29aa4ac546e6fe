"""Remove what the journal has kept for long enough: files of old days that are delivered whole, and nothing else.

The ledger holds their rows, and keeps them as it does those of days that were archived by hand. A file stays while anything in it
could still be asked for: a record that is not delivered to its target, a line that could not be read, a correction.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from ecoia.delivery.cursors import is_delivered, read_cursors
from ecoia.errors import JournalError
from ecoia.keeping.journal import Journal, Scan, journal_sizes
from ecoia.keeping.journal_size import PACKED
from ecoia.periods import DAY_NS, utc_day


def outlived(journal: Journal, retention_days: float, *, now_utc_ns: int | None = None) -> Iterator[str]:
    """Yield the files that may be removed, oldest day first.

    Args:
        journal: The journal.
        retention_days: Days that a file is kept after its own.
        now_utc_ns: Now; ``None``: by the clock.
    """
    now_utc_ns = time.time_ns() if now_utc_ns is None else now_utc_ns
    oldest_kept = utc_day(max(now_utc_ns - round(retention_days * DAY_NS), 0))
    names = [name for name in journal_sizes(journal) if name < oldest_kept]
    cursors = read_cursors(journal) if names else {}
    for name in names:
        counts, unread = Scan(), dict[str, str]()
        entries = journal.stream(counts, names=[name], unread=unread)
        all_delivered = all(is_delivered(entry, cursors) and entry.stream.replaces is None for entry in entries)
        if all_delivered and not (counts.refused or counts.torn or unread) and not journal.is_alive(name):
            yield name


def remove_outlived(journal: Journal, retention_days: float, *, now_utc_ns: int | None = None) -> int:
    """Remove those files, and the folders of days that are empty then. Call it under the lock of the delivery.

    A disk that refuses keeps what it has.

    Returns:
        How many files were removed.
    """
    removed = 0
    for name in outlived(journal, retention_days, now_utc_ns=now_utc_ns):
        path = journal.folder / name
        with contextlib.suppress(OSError, JournalError):
            for each in (path, Path(f"{path}{PACKED}")):
                each.unlink(missing_ok=True)
            removed += 1
            path.parent.rmdir()
    return removed
