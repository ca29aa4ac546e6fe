"""What one file of the journal gives, folded: rows, and what a delivery has to know of their records beside."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

from ecoia import semconv
from ecoia.delivery.open_runs import OpenRuns, RunKey
from ecoia.keeping.journal import Entry, Refusal, Scan
from ecoia.keeping.run_signs import is_work_of_user
from ecoia.periods import DAY_NS, utc_day
from ecoia.records import Row
from ecoia.records.id_sets import RecordIds, ids_of
from ecoia.records.row_sums import RowSums
from ecoia.records.streams import Stream


class InstanceDay(NamedTuple):
    """One instance on one UTC day: what one ledger run holds."""

    instance: str
    day: str


Days = frozenset[InstanceDay]


@lru_cache(maxsize=4096)
def _instance_days(instance: str, first: int, last: int) -> Days:
    """Return the days of an instance from one to another, counted since 1970. Most entries share few sets."""
    return frozenset(InstanceDay(instance, utc_day(day * DAY_NS)) for day in range(first, last + 1))


def _days_of(stream: Stream, first: int, last: int) -> Days:
    """Return the ledger days that a record falls on. Outcomes are not cut: they fall on the day of their end; links on none."""
    kind = stream.constants.kind
    if kind == semconv.KIND_LINK:
        return frozenset()
    return _instance_days(stream.constants.instance, last if kind == semconv.KIND_OUTCOME else first, last)


class Portion:
    """The entries of a file that go to one target and fall on the same days: they are delivered together.

    Attributes:
        target: The target's id.
        days: The days.
        start: Offset in bytes of the start of the first one.
        first_end: Offset of its end.
        last_end: Offset of the end of the last one.
        count: How many there are.
    """

    __slots__ = ("count", "days", "first_end", "last_end", "start", "target")

    def __init__(self, target: str, days: Days, start: int, first_end: int, last_end: int = 0, count: int = 0) -> None:
        self.target = target
        self.days = days
        self.start = start
        self.first_end = first_end
        self.last_end = last_end
        self.count = count


class _Use(NamedTuple):
    """What an entry of a stream is noted for."""

    portion: Portion
    is_work: bool
    run: RunKey | None


class FoldedFile:
    """A file of the journal, folded from an offset on.

    Args:
        name: The file's path below ``journal/``.
        cursor: How far it was delivered to each target. Entries on both sides of it stand in two portions.

    Attributes:
        name: As given.
        rows: The rows that go to each target, once ``finish`` was called.
        portions: Its entries, as they are delivered.
        links: (target, id of a group or session, MLflow run that it is shown with, end of its entry) of each link.
        runs: What the entries say about runs.
        replaces: The ids that its records correct.
        uncounted: Ids of records that are in no row.
        whole: Whether each of its records is in the rows, once, whatever other files hold.
        counts: The lines that gave no record.
        end: Offset of the end of the last entry.
        work_end: The same of the last one that is work of a user's run.
    """

    def __init__(self, name: str, cursor: dict[str, int]) -> None:
        self.name = name
        self.rows: dict[str, list[Row]] = {}
        self.portions: list[Portion] = []
        self.links: list[tuple[str, str, str, int]] = []
        self.runs = OpenRuns(name)
        self.replaces: set[str] = set()
        self.uncounted: list[str] = []
        self.whole = True
        self.counts = Scan()
        self.end = 0
        self.work_end = 0
        self._cursor = cursor
        self._uses: dict[tuple[Stream, int, int, bool], _Use] = {}
        self._by_days: dict[tuple[str, Days, bool], Portion] = {}
        self._sums: dict[str, RowSums] = {}

    def note(self, entry: Entry, start: int) -> Days:
        """Note an entry, whether it counts or not.

        Args:
            entry: The entry.
            start: Offset of the end of the entry before it.

        Returns:
            The days that it falls on.
        """
        stream, figures, end = entry.stream, entry.figures, entry.end_offset
        first_ns, end_ns = figures[1], figures[2]
        delivered = end <= self._cursor.get(stream.target, 0)
        key = (stream, first_ns // DAY_NS, max(end_ns - 1, first_ns) // DAY_NS, delivered)
        use = self._uses.get(key)
        if use is None:
            use = self._use_of(*key, start, end)
            if stream.recurs:
                self._uses[key] = use
        portion = use.portion
        portion.last_end = self.end = end
        portion.count += 1
        if use.is_work:
            self.work_end = end
        if use.run is not None:
            self.runs.note(use.run, entry)
        if stream.replaces is not None:
            self.replaces.add(stream.replaces)
        if stream.constants.beside and stream.constants.run_id:
            self.links.append((stream.target, stream.constants.run_id, stream.constants.beside, end))
        return portion.days

    def _use_of(self, stream: Stream, first: int, last: int, delivered: bool, start: int, end: int) -> _Use:
        days = _days_of(stream, first, last)
        key = (stream.target, days, delivered)
        portion = self._by_days.get(key)
        if portion is None:
            portion = self._by_days[key] = Portion(stream.target, days, start, end)
            self.portions.append(portion)
        return _Use(portion, is_work_of_user(stream.constants), self.runs.key_of(stream))

    def count(self, entry: Entry) -> None:
        """Add an entry to the rows."""
        stream = entry.stream
        if stream.constants.kind == semconv.KIND_LINK:
            self.uncounted.append(entry.figures.record_id)
            return
        sums = self._sums.get(stream.target)
        if sums is None:
            sums = self._sums[stream.target] = RowSums()
        sums.add(stream, entry.figures)

    def finish(self) -> None:
        """Make the rows of what was counted."""
        self.rows = {target: sums.rows() for target, sums in self._sums.items()}
        self._sums.clear()
        self._uses.clear()

    def ids(self) -> RecordIds:
        """Return the ids of its records."""
        in_rows = (ids_of(row) for rows in self.rows.values() for row in rows)
        return RecordIds.union_of((RecordIds.of(self.uncounted), *in_rows))

    def to_json(self) -> tuple[dict[str, Any], dict[str, list[Row]]]:
        """Return all of it in JSON types: what is known of the records, and the rows."""
        return {
            "portions": [[p.target, sorted(p.days), p.start, p.first_end, p.last_end, p.count] for p in self.portions],
            "links": self.links,
            "runs": self.runs.to_json(),
            "replaces": sorted(self.replaces),
            "uncounted": self.uncounted,
            "refused": self.counts.refused,
            "refusals": self.counts.refusals,
            "torn": self.counts.torn,
            "end": self.end,
            "work_end": self.work_end,
        }, self.rows

    @classmethod
    def from_json(cls, name: str, known: dict[str, Any], rows: dict[str, list[Row]]) -> FoldedFile:
        """Read what ``to_json`` gave."""
        folded = cls(name, {})
        folded.rows = rows
        for target, days, *offsets in known["portions"]:
            folded.portions.append(Portion(target, frozenset(InstanceDay(*day) for day in days), *offsets))
        folded.links = [tuple(each) for each in known["links"]]
        folded.runs = OpenRuns.from_json(name, known["runs"])
        folded.replaces = set(known["replaces"])
        folded.uncounted = known["uncounted"]
        folded.counts.refused.update(known["refused"])
        folded.counts.refusals = [Refusal(*each) for each in known["refusals"]]
        folded.counts.torn = known["torn"]
        folded.end, folded.work_end = known["end"], known["work_end"]
        return folded
