"""The ids of the records that this process measures: sequenced ones (``ecoia.records.record_ids``).

Two processes never share a writer: a forked child takes one of its own, and so does a process whose clock was set, as that is
how a virtual machine looks that was copied while it ran.
"""

from __future__ import annotations

import os

from ecoia.measuring.subject import Link, RecordKey
from ecoia.records.record_ids import sequenced_id
from ecoia.semconv import KIND_LINK, KIND_OUTCOME

MOST_STREAMS = 10_000
"""Streams of one writer. A process with more runs and endpoints goes on with a new writer, and so forgets the old ones."""


class NewIds:
    """Gives each record an id. Used by one thread.

    Records of one kind and key are a stream. As they are added up in one row a half-hour, its ids are one range, unless a record
    was lost or went to another row (as where a meter could not be read for once). Outcomes and links are added up with nothing.

    Example:
        >>> ids = NewIds()
        >>> one, other = ids.next("idle", None), ids.next("idle", None)
        >>> one.rpartition(":")[0] == other.rpartition(":")[0], other[-2:]
        (True, ':1')
    """

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Take another writer."""
        self._writer, self._process = os.urandom(16).hex(), os.getpid()
        self._streams: dict[tuple[str, RecordKey | Link | None], list[int]] = {}  # -> [its number, its next seq]

    def next(self, kind: str, key: RecordKey | Link | None) -> str:
        """Return the id of a new record of a kind and key."""
        if self._process != os.getpid() or len(self._streams) >= MOST_STREAMS:
            self.renew()
        of = (kind, None if kind in (KIND_OUTCOME, KIND_LINK) else key)
        stream = self._streams.setdefault(of, [len(self._streams), 0])
        stream[1] += 1
        return sequenced_id(self._writer, stream[0], stream[1] - 1)
