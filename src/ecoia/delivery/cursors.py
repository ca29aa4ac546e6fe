"""How far each journal file was delivered: ``delivery/cursors.json``.

Cursors save work and show what was delivered. Correctness does not depend on them: without the file, the next delivery looks at
every record again and no total changes.
"""

from __future__ import annotations

from collections.abc import Mapping

from ecoia.keeping.helper_start import ALL_TARGETS, read_cursors_of
from ecoia.keeping.journal import Entry, Journal


def read_cursors(journal: Journal) -> dict[str, dict[str, int]]:
    """Read how far each file was delivered to each target.

    Returns:
        File name -> target id (empty for records without a tracking URI) -> offset in bytes up to which that target's records
        were delivered. Empty when nothing was delivered or the file cannot be read.

    Example::

        cursors = read_cursors(journal)
        pending = sum(not is_delivered(entry, cursors) for entry in journal.stream(Scan()))
    """
    return read_cursors_of(journal.home)


def is_delivered(entry: Entry, cursors: Mapping[str, Mapping[str, int]]) -> bool:
    """Return whether an entry was delivered, by ``read_cursors``. Exact even if its neighbours go to other targets."""
    return entry.end_offset <= cursors.get(entry.file, {}).get(entry.stream.target, 0)


def delivered_offsets(journal: Journal) -> dict[str, int]:
    """Return, by file name, the offset in bytes up to which every record was delivered, whatever its target."""
    return {name: cursor.get(ALL_TARGETS, 0) for name, cursor in read_cursors(journal).items()}
