"""The journal, folded into ledger rows, and its entries that are not delivered yet."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import NamedTuple

from ecoia import semconv
from ecoia.delivery import sidecars
from ecoia.delivery.cursors import read_cursors
from ecoia.delivery.folded_file import Days, FoldedFile, InstanceDay, Portion
from ecoia.delivery.result import READING, Tell, tell_nobody
from ecoia.delivery.seen_records import SeenRecords
from ecoia.keeping.destinations import write_atomically
from ecoia.keeping.helper_start import ALL_TARGETS, CURSORS
from ecoia.keeping.journal import Entry, Journal, Scan, journal_sizes
from ecoia.keeping.place import place_of
from ecoia.periods import utc_day
from ecoia.records import Record, Row, each_once, merge_rows, preferred
from ecoia.records.id_sets import RecordIds, ids_of

__all__ = ["Backlog", "DayKey", "InstanceDay"]

_BATCH_ENTRIES = 5000


class DayKey(NamedTuple):
    """The part of an instance's day that goes to one target and was recorded in one place (``ecoia.keeping.place``)."""

    target: str
    instance: str
    day: str
    place: str = ""

    @property
    def instance_day(self) -> InstanceDay:
        """The ledger day, whatever the target."""
        return InstanceDay(self.instance, self.day)


class Pending(NamedTuple):
    """Entries of a file that are not delivered yet, and that are delivered together.

    Attributes:
        file: The file.
        target: The id of their target.
        days: The days that they fall on.
    """

    file: str
    target: str
    days: Days

    def keys(self) -> Iterator[DayKey]:
        """Give the days of their target that they fall on."""
        return (DayKey(self.target, *day, place_of(self.file)) for day in self.days)


class _Outdated(Exception):  # noqa: N818 - it tells that sums are, and is no error
    """What was folded before changes by what was read now. Sums cannot be undone, so everything is folded again."""


class Backlog:
    """A journal folded into ledger rows, read further as it grows. Memory holds rows, not records.

    Args:
        journal: The journal.
        tell: Receives the progress.

    Attributes:
        journal: The journal.
        cursors: How far each file was delivered to each target, as ``read_cursors`` gives it.
        line_counts: How many lines gave no record, by reason.
        rows: The ledger rows of each day and target.
        links: By target, each link: (id of a group or session, MLflow run that it is shown with).
        new_links: Those of them that are not delivered yet.
        changed: Days that have to be sent: they gained records or corrections, or ``mark_all_changed`` was called.
        read_sizes: Size in bytes of each file when it was read.
        unread: By name of the file or day, why it cannot be read. The others were read.
    """

    def __init__(self, journal: Journal, tell: Tell = tell_nobody) -> None:
        self.journal = journal
        self._tell = tell
        self._notice: Callable[[Entry], None] | None = None
        self._noticed: Callable[[str], int] | None = None
        self.cursors = read_cursors(journal)
        self._replaced: set[str] = set()
        self._chosen: dict[str, Record] = {}  # of each id whose lines differ, the content that counts
        self._contested: set[str] = set()  # ids whose lines differ, not chosen from yet
        self._line_by_line: set[str] = set()  # files of which some record stands in another one, too
        self._forget()

    def _forget(self) -> None:
        self.line_counts = Scan()
        self.rows: dict[DayKey, list[Row]] = {}
        self.links: dict[str, set[tuple[str, str]]] = {}
        self.new_links: dict[str, set[tuple[str, str]]] = {}
        self.changed: set[DayKey] = set()
        self._pending: dict[Pending, tuple[int, int]] = {}  # offset of the start of the first entry, number of entries
        self._end_offsets: dict[str, dict[str, int]] = {}  # file -> target -> end of its last entry
        self._read_offsets: dict[str, int] = {}
        self.read_sizes: dict[str, int] = {}
        self._unread_files: dict[str, str] = {}
        self._unread_days: dict[str, str] = {}
        self._added: dict[DayKey, list[Row]] = {}  # not merged into ``rows`` yet
        self._seen = SeenRecords()

    @property
    def pending(self) -> int:
        """How many entries are not delivered yet."""
        return sum(count for _, count in self._pending.values())

    @property
    def pending_days(self) -> set[DayKey]:
        """The days that an entry falls on that is not delivered yet."""
        return {day for each in self._pending for day in each.keys()}  # noqa: SIM118 - ``Pending`` is no mapping

    @property
    def unread(self) -> dict[str, str]:
        """By name of the file or day, why it cannot be read."""
        return self._unread_days | self._unread_files

    def sizes(self) -> dict[str, int]:
        """Return the size in bytes of each journal file by name, and note the days whose folders cannot be read."""
        self._unread_days = {}
        return journal_sizes(self.journal, unread=self._unread_days)

    def grown(self, sizes: Mapping[str, int]) -> list[str]:
        """Return the files whose size differs from when they were read."""
        return [name for name, size in sizes.items() if size != self.read_sizes.get(name, 0)]

    def catch_up(self, notice: Callable[[Entry], None], noticed: Callable[[str], int]) -> None:
        """Read what the journal gained. Read all of it again if another delivery moved the cursors, or a file is gone.

        Args:
            notice: Called with each entry that is read.
            noticed: Returns the offset in bytes up to which ``notice`` has no use for the work of users' runs in a file.
        """
        self._notice, self._noticed = notice, noticed
        sizes, cursors = self.sizes(), read_cursors(self.journal)
        if cursors != self.cursors or self.read_sizes.keys() - sizes.keys():
            self.cursors = cursors
            self._forget()
            sizes = self.sizes()
        self.line_counts.torn = 0  # counted again where it still is
        self.read(sizes)
        sidecars.sweep(self.journal, sizes)

    def read(self, sizes: Mapping[str, int]) -> bool:
        """Read what these files gained since the last reading.

        Args:
            sizes: Size in bytes of each file to look at, from ``sizes``.

        Returns:
            Whether any of them had grown.
        """
        names = self.grown(sizes)
        if not names:
            return False
        try:
            for name in names:
                self._read_file(name, sizes[name])
        except _Outdated:
            self._choose_contents()
            self._forget()
            return self.read(self.sizes())
        for key, rows in self._added.items():
            self.rows[key] = merge_rows([*self.rows.get(key, ()), *rows])
        self._added.clear()
        return True

    def _read_file(self, name: str, size_bytes: int) -> None:
        """Read one file, from where its last reading ended.

        Raises:
            _Outdated: what was folded before has to be folded again.
        """
        self._tell(READING, "")
        whole = name not in self._read_offsets and size_bytes >= sidecars.LEAST_BYTES
        folded = self._folded_before(name) if whole else None
        if folded is None:
            identity = sidecars.identity_of(self.journal, name) if whole else None
            folded = self._fold(name)
            if identity is not None and folded.whole and name not in self._unread_files:
                sidecars.save(self.journal, folded, identity)
        self._take(folded)
        self.read_sizes[name] = size_bytes

    def _folded_before(self, name: str) -> FoldedFile | None:
        """Return what a file gave when it was read before, if it gives the same now.

        Raises:
            _Outdated: it shares a record with a file that was not read line by line.
        """
        folded = None if name in self._line_by_line else sidecars.load(self.journal, name)
        if folded is None or (self._noticed is not None and folded.work_end > self._noticed(name)):
            return None
        cursor = self.cursors.get(name, {})
        if any(part.first_end <= cursor.get(part.target, 0) < part.last_end for part in folded.portions):
            return None  # delivered in part
        ids = folded.ids()
        if any(each in ids for each in (*self._replaced, *self._chosen)):
            return None
        shared, others = self._seen.shares(ids)
        if shared:
            self._line_by_line |= {name, *others}
            if others:
                raise _Outdated
            return None
        self._seen.note_file(ids, name)
        if not self._replaced.issuperset(folded.replaces):
            corrected = folded.replaces - self._replaced
            self._replaced |= corrected
            if any(self._seen.get(each) is not None for each in corrected):
                raise _Outdated
        return folded

    def _fold(self, name: str) -> FoldedFile:
        """Fold what a file gained.

        Raises:
            _Outdated: what was folded before has to be folded again.
        """
        start = self._read_offsets.get(name, 0)
        folded = FoldedFile(name, self.cursors.get(name, {}))
        entries = self.journal.stream(folded.counts, {name: start}, names=[name], unread=self._unread_files)
        outdated, number = False, 0
        for number, entry in enumerate(entries, 1):
            if not number % _BATCH_ENTRIES:
                self._tell(READING, "")
            if self._notice is not None:
                self._notice(entry)
            days = folded.note(entry, start)
            start = entry.end_offset
            stream, record_id = entry.stream, entry.figures[0]
            if stream.replaces is not None or record_id in self._replaced or record_id in self._chosen:
                outdated |= self._correct(folded, entry, days)
            elif (known := self._seen.note(record_id, entry.checksum)) is None:
                folded.count(entry)
            elif known != entry.checksum:
                outdated = True
                if isinstance(known, str):
                    self._line_by_line.add(known)
                else:
                    self._contested.add(record_id)
            else:
                folded.whole = False  # perhaps the other line is in another file
        if outdated:
            raise _Outdated
        folded.finish()
        return folded

    def _correct(self, folded: FoldedFile, entry: Entry, days: Days) -> bool:
        """Take in an entry that corrects a record, is corrected, or stands in several contents.

        Returns:
            Whether what was folded before changes by it.
        """
        record, corrects, outdated = entry.record, entry.stream.replaces, False
        record_id = record.record_id
        if corrects is not None and corrects != record_id and corrects not in self._replaced:
            self._replaced.add(corrects)
            outdated = self._seen.get(corrects) is not None
        if record_id in self._replaced or record_id in self._chosen:
            folded.whole = False
            place = place_of(folded.name)
            self.changed.update(DayKey(entry.stream.target, *day, place) for day in days)
        chosen = self._chosen.get(record_id)
        if chosen is not None:
            best = self._chosen[record_id] = preferred(chosen, record)
            outdated |= best is not chosen
        if record_id in self._replaced or (chosen is not None and chosen != record):
            return outdated
        known = self._seen.note(record_id, entry.checksum)
        if known is None:
            folded.count(entry)
        elif chosen is None and known != entry.checksum:
            self._contested.add(record_id)
            outdated = True
        return outdated

    def _choose_contents(self) -> None:
        """Note which content counts of each record that was found in several contents."""
        if self._contested:
            entries = self.journal.stream(Scan(), names=self.sizes(), unread=self._unread_files)
            self._chosen |= each_once(entry.record for entry in entries if entry.figures.record_id in self._contested)
            self._contested.clear()

    def _take(self, folded: FoldedFile) -> None:
        """Take over what a file gave."""
        name, place, cursor = folded.name, place_of(folded.name), self.cursors.get(folded.name, {})
        if folded.portions:
            self._read_offsets[name] = folded.end
        ends = self._end_offsets.setdefault(name, {}) if folded.portions else {}
        for part in folded.portions:
            ends[part.target] = max(ends.get(part.target, 0), part.last_end)
            if part.last_end > cursor.get(part.target, 0):
                self._note_pending(Pending(name, part.target, part.days), part)
        for target, run_id, beside, end in folded.links:
            pending = end > cursor.get(target, 0)
            for known in (self.links, self.new_links) if pending else (self.links,):
                known.setdefault(target, set()).add((run_id, beside))
        for target, rows in folded.rows.items():
            for row in rows:
                key = DayKey(target, row["instance"], utc_day(row["half_hour_utc_ns"]), place)
                self._added.setdefault(key, []).append(row)
        self.line_counts.add(folded.counts)

    def _note_pending(self, pending: Pending, part: Portion) -> None:
        start, count = self._pending.get(pending, (part.start, 0))
        self._pending[pending] = (start, count + part.count)
        self.changed.update(pending.keys())

    def mark_all_changed(self) -> None:
        """Have every day compared with the ledger, whether it was delivered before or not."""
        self.changed.update(self.rows)

    @property
    def replaced(self) -> frozenset[str]:
        """The ids of all records that a correction replaced."""
        return frozenset(self._replaced)

    def records_of(self, targets: set[str], instance: str, place: str) -> list[Record]:
        """Read the journal again for the records of an instance that go to some targets and were recorded in a place."""
        names = [name for name in self.journal.files() if place_of(name) == place]
        entries = self.journal.stream(Scan(), names=names, unread=self._unread_files)
        return [e.record for e in entries if e.stream.target in targets and e.stream.constants.instance == instance]

    def ids_elsewhere(self, targets: set[str], instance: str, days: Collection[str], place: str) -> RecordIds:
        """Return the ids of an instance's records of some days that go to some targets and were recorded in other places."""
        return RecordIds.union_of(
            ids_of(row)
            for key, rows in self.rows.items()
            if key.target in targets and key.instance == instance and key.day in days and key.place != place
            for row in rows
        )

    def settle(self, targets: set[str], unsent: set[DayKey]) -> int:
        """Mark the pending entries of some targets as delivered, and write the cursors.

        Args:
            targets: The target ids that were sent.
            unsent: Days that were refused, or that the time was too short for; their entries stay pending.

        Returns:
            How many entries are delivered now that were pending before.
        """
        left = {
            pending: first
            for pending, first in self._pending.items()
            if pending.target not in targets or not unsent.isdisjoint(pending.keys())
        }
        delivered = self.pending - sum(count for _, count in left.values())
        self._pending = left
        self._move_cursors()
        write_atomically(
            self.journal.home / "delivery" / CURSORS,
            json.dumps({"schema": semconv.SCHEMA_VERSION, "files": self.cursors}, separators=(",", ":")) + "\n",
        )
        return delivered

    def _move_cursors(self) -> None:
        """Set each cursor to the start of its first pending entry, or to the end of what was read."""
        first_pending: dict[tuple[str, str], int] = {}
        for pending, (start, _) in self._pending.items():
            key = (pending.file, pending.target)
            first_pending[key] = min(start, first_pending.get(key, start))
        for name, ends in self._end_offsets.items():
            cursor = {target: first_pending.get((name, target), end) for target, end in ends.items()}
            blocked = [first_pending[name, target] for target in ends if (name, target) in first_pending]
            cursor[ALL_TARGETS] = min(blocked, default=max(ends.values()))
            self.cursors[name] = cursor
