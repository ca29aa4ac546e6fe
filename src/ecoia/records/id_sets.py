"""Sets of record ids, as ranges: what a row was summed from, what a journal or a day file holds.

No range is ever written out as single ids to compare two sets, so that this costs by the range, not by the record.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable, Iterator
from itertools import islice, pairwise
from typing import Any, Generic, TypeVar

from ecoia.records.record_ids import SEQ_LIMIT, Range, joined, sequence_of, sequenced_id

_Holder = TypeVar("_Holder")


class RecordIds:
    """An immutable set of record ids. Equal sets are equal, and give the same fields of a row.

    Args:
        loose: Loose ids.
        ranges: Ranges of sequenced ids, in the form that ``joined`` gives.

    Attributes:
        loose: Loose ids.
        ranges: Ranges of sequenced ids: sorted, each as long as can be, no id in two of them.

    Example:
        >>> writer = "0123456789abcdef0123456789abcdef"
        >>> ids = RecordIds.of([f"{writer}:0:7", f"{writer}:0:8", "a"])
        >>> ids.count, f"{writer}:0:8" in ids
        (3, True)
        >>> ids.row_fields()
        (['a'], [['0123456789abcdef0123456789abcdef', 0, 7, 8]])
    """

    __slots__ = ("loose", "ranges")

    def __init__(self, loose: Iterable[str] = (), ranges: Iterable[Range] = ()) -> None:
        self.loose = frozenset(loose)
        self.ranges = tuple(ranges)

    @classmethod
    def of(cls, texts: Iterable[str]) -> RecordIds:
        """Return the set of some ids."""
        loose, ranges = [], []
        for text in texts:
            found = sequence_of(text)
            if found is None:
                loose.append(text)
            else:
                ranges.append((*found, found[2]))
        return cls(loose, joined(ranges))

    @classmethod
    def union_of(cls, sets: Iterable[RecordIds]) -> RecordIds:
        """Return the ids that are in any of some sets."""
        loose: set[str] = set()
        ranges: list[Range] = []
        for each in sets:
            loose |= each.loose
            ranges += each.ranges
        return cls(loose, joined(ranges))

    def union(self, *others: RecordIds) -> RecordIds:
        """Return the ids that are in this set or in another one."""
        return RecordIds.union_of((self, *others))

    def includes(self, other: RecordIds) -> bool:
        """Return whether every id of another set is in this one."""
        return self.loose >= other.loose and all(map(self._holds, other.ranges))

    def isdisjoint(self, other: RecordIds) -> bool:
        """Return whether no id of another set is in this one."""
        if not self.loose.isdisjoint(other.loose):
            return False
        few, many = sorted((self, other), key=lambda each: len(each.ranges))
        return not any(map(many._meets, few.ranges))

    def __contains__(self, record_id: str) -> bool:
        found = sequence_of(record_id)
        return record_id in self.loose if found is None else self._holds((*found, found[2]))

    def _last_from(self, writer: str, stream: int, seq: int) -> Range | None:
        """Return the last range of a stream that begins at a seq or before it."""
        at = bisect_right(self.ranges, (writer, stream, seq, SEQ_LIMIT))
        found = self.ranges[at - 1] if at else None
        return found if found is not None and found[:2] == (writer, stream) else None

    def _holds(self, each: Range) -> bool:
        found = self._last_from(*each[:3])
        return found is not None and found[3] >= each[3]

    def _meets(self, each: Range) -> bool:
        found = self._last_from(each[0], each[1], each[3])
        return found is not None and found[3] >= each[2]

    @property
    def count(self) -> int:
        """How many ids there are."""
        return len(self.loose) + sum(last - first + 1 for _, _, first, last in self.ranges)

    @property
    def order(self) -> tuple[list[str], tuple[Range, ...]]:
        """What sets are sorted by: a list of loose ids as such a list is, and before it what has none."""
        return sorted(self.loose), self.ranges

    def __iter__(self) -> Iterator[str]:
        """Give each id: the loose ones sorted, then those of each range. Do not ask this of a set that may be large."""
        yield from sorted(self.loose)
        for writer, stream, first, last in self.ranges:
            for seq in range(first, last + 1):
                yield sequenced_id(writer, stream, seq)

    def first(self, most: int) -> tuple[str, ...]:
        """Return the first ids, in the order of ``__iter__``."""
        return tuple(islice(self, most))

    def texts(self) -> list[str]:
        """Return the ids for people: each loose one, and each range as ``<writer>:<stream>:<first>-<last>``.

        Example:
            >>> RecordIds(["a"], [("0" * 32, 0, 7, 8), ("0" * 32, 1, 5, 5)]).texts()
            ['a', '00000000000000000000000000000000:0:7-8', '00000000000000000000000000000000:1:5']
        """
        ranges = (sequenced_id(w, s, first) + (f"-{last}" if last > first else "") for w, s, first, last in self.ranges)
        return [*sorted(self.loose), *ranges]

    def row_fields(self) -> tuple[list[str], list[list[Any]]]:
        """Return what a row with these ids has as ``record_ids`` and ``sources``; without any of these, it has no ``sources``."""
        return sorted(self.loose), [list(each) for each in self.ranges]

    def __bool__(self) -> bool:
        return bool(self.loose or self.ranges)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RecordIds) and (self.loose, self.ranges) == (other.loose, other.ranges)

    def __hash__(self) -> int:
        return hash((self.loose, self.ranges))

    def __repr__(self) -> str:
        return f"RecordIds({sorted(self.loose)}, {list(self.ranges)})"


NO_IDS = RecordIds()


def ids_of(row: dict[str, Any]) -> RecordIds:
    """Return the ids of the records that a row was summed from.

    Example:
        >>> ids_of({"record_ids": ["b", "a"]}).first(1)
        ('a',)
    """
    return RecordIds(row["record_ids"], map(tuple, row.get("sources", ())))


def are_disjoint(sets: Iterable[RecordIds]) -> bool:
    """Return whether no id is in two of some sets.

    Example:
        >>> are_disjoint([RecordIds(["a"]), RecordIds(["b"]), RecordIds(["a"])])
        False
    """
    loose: set[str] = set()
    number = 0
    ranges: list[Range] = []
    for each in sets:
        number += len(each.loose)
        loose |= each.loose
        ranges += each.ranges
    if len(loose) < number:
        return False
    ranges.sort()
    return all(one[3] < other[2] or one[:2] != other[:2] for one, other in pairwise(ranges))


def set_ids(row: dict[str, Any], ids: RecordIds) -> None:
    """Put the ids of the records that a row was summed from into it, at the end as ever.

    Example:
        >>> row = {"record_ids": ["a"]}
        >>> set_ids(row, RecordIds.of(["b", "a"]))
        >>> row
        {'record_ids': ['a', 'b']}
    """
    row.pop("sources", None)
    row["record_ids"], sources = ids.row_fields()
    if sources:
        row["sources"] = sources


class Holders(Generic[_Holder]):
    """Which holder has which ids. No id has two holders: the caller asks ``holder_of`` before it adds more.

    Example:
        >>> holders = Holders()
        >>> holders.add(RecordIds.of(["a", "b"]), "one")
        >>> holders.holder_of(RecordIds.of(["b", "c"]))
        'one'
    """

    def __init__(self) -> None:
        self._loose: dict[str, _Holder] = {}
        self._streams: dict[tuple[str, int], list[tuple[int, int, _Holder]]] = {}  # sorted, disjoint (first, last, holder)

    def holder_of(self, ids: RecordIds) -> _Holder | None:
        """Return the holder of the first of some ids that has one; None if none has."""
        if not self._loose.keys().isdisjoint(ids.loose):
            return self._loose[min(each for each in ids.loose if each in self._loose)]
        for writer, stream, first, last in ids.ranges:
            held = self._streams.get((writer, stream))
            if held is None:
                continue
            at = bisect_right(held, (first, SEQ_LIMIT))  # shorter, and so never equal
            for begins, ends, holder in held[max(at - 1, 0) : at + 1]:
                if begins <= last and ends >= first:
                    return holder
        return None

    def add(self, ids: RecordIds, holder: _Holder) -> None:
        """Note the holder of some ids that have none."""
        self._loose.update(dict.fromkeys(ids.loose, holder))
        for writer, stream, first, last in ids.ranges:
            insort(self._streams.setdefault((writer, stream), []), (first, last, holder))
