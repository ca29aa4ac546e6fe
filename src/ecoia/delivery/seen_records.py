"""Which records of a journal were folded: four bytes for one with a sequenced id, so that a year's fit into memory."""

from __future__ import annotations

from array import array
from bisect import bisect_right

from ecoia.records.id_sets import Holders, RecordIds
from ecoia.records.record_ids import sequence_of


class _Checksums:
    """Checksums of lines by a number that counts on, with gaps."""

    __slots__ = ("_firsts", "_runs")

    def __init__(self) -> None:
        self._firsts: list[int] = []
        self._runs: list[array[int]] = []

    def get(self, number: int) -> int | None:
        at = bisect_right(self._firsts, number) - 1
        if at < 0 or number - self._firsts[at] >= len(self._runs[at]):
            return None
        return self._runs[at][number - self._firsts[at]]

    def add(self, number: int, checksum: int) -> None:
        at = bisect_right(self._firsts, number) - 1
        if at >= 0 and number == self._firsts[at] + len(self._runs[at]):
            self._runs[at].append(checksum)
        else:
            self._firsts.insert(at + 1, number)
            self._runs.insert(at + 1, array("I", [checksum]))

    def any_in(self, first: int, last: int) -> bool:
        at = bisect_right(self._firsts, last) - 1
        return at >= 0 and self._firsts[at] + len(self._runs[at]) > first


class SeenRecords:
    """The records that were folded, by id: with the checksum of its line, or with the file of the sidecar that it is in.

    Example:
        >>> seen = SeenRecords()
        >>> seen.note("0123456789abcdef0123456789abcdef:0:7", 99) is None
        True
        >>> seen.note("0123456789abcdef0123456789abcdef:0:7", 5)
        99
    """

    def __init__(self) -> None:
        self._loose: dict[str, int] = {}
        self._streams: dict[str, _Checksums] = {}  # by writer and stream, as an id begins
        self._files: Holders[str] = Holders()
        self._in_files: set[str] = set()  # beginnings of the ids that sidecars have; empty for loose ones

    def get(self, record_id: str) -> int | str | None:
        """Return the checksum of a record's line, or the file of its sidecar; None for one that was not folded."""
        return self._find(record_id, *_parsed(record_id))

    def _find(self, record_id: str, begin: str, number: int) -> int | str | None:
        if begin in self._in_files:
            holder = self._files.holder_of(RecordIds.of((record_id,)))
            if holder is not None:
                return holder
        if not begin:
            return self._loose.get(record_id)
        numbers = self._streams.get(begin)
        return None if numbers is None else numbers.get(number)

    def note(self, record_id: str, checksum: int) -> int | str | None:
        """Return what ``get`` does, and note the record if that is nothing."""
        begin, number = _parsed(record_id)
        known = self._find(record_id, begin, number)
        if known is None:
            if begin:
                self._streams.setdefault(begin, _Checksums()).add(number, checksum)
            else:
                self._loose[record_id] = checksum
        return known

    def note_file(self, ids: RecordIds, name: str) -> None:
        """Note the records that a sidecar has, none of which was folded before."""
        self._files.add(ids, name)
        self._in_files.update(f"{writer}:{stream}" for writer, stream, _, _ in ids.ranges)
        if ids.loose:
            self._in_files.add("")

    def shares(self, ids: RecordIds) -> tuple[bool, set[str]]:
        """Return whether any of some records was folded before, and the files of the sidecars that have one."""
        by_line = not self._loose.keys().isdisjoint(ids.loose) or any(
            (numbers := self._streams.get(f"{writer}:{stream}")) is not None and numbers.any_in(first, last)
            for writer, stream, first, last in ids.ranges
        )
        if self._files.holder_of(ids) is None:
            return by_line, set()
        parts = [*(RecordIds((each,)) for each in ids.loose), *(RecordIds((), (each,)) for each in ids.ranges)]
        return True, {holder for each in parts if (holder := self._files.holder_of(each)) is not None}


def _parsed(record_id: str) -> tuple[str, int]:
    """Return writer and stream of a sequenced id, as its text begins, and its seq; an empty text for a loose one."""
    found = sequence_of(record_id)
    return ("", 0) if found is None else (record_id.rpartition(":")[0], found[2])
