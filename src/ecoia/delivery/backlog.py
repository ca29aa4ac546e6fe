"""The journal, folded into ledger rows, and its entries that are not delivered yet."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from ecoia import semconv
from ecoia.delivery.cursors import is_delivered, read_cursors
from ecoia.delivery.result import READING, Tell, tell_nobody
from ecoia.keeping.destinations import write_atomically
from ecoia.keeping.helper_start import ALL_TARGETS, CURSORS
from ecoia.keeping.journal import Entry, Journal, Scan, journal_sizes
from ecoia.keeping.place import place_of
from ecoia.periods import DAY_NS, utc_day
from ecoia.records import Record, Row, each_once, fold, merge_rows, preferred
from ecoia.records.id_sets import RecordIds, ids_of

_BATCH_ENTRIES = 5000


class InstanceDay(NamedTuple):
    """One instance on one UTC day: what one ledger run holds."""

    instance: str
    day: str


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


class PendingEntry(NamedTuple):
    """A journal entry that is not delivered yet, and the ledger days that its record falls on."""

    file: str
    start_offset: int  # end of the entry before it, in bytes
    target: str
    days: frozenset[InstanceDay]

    def keys(self) -> Iterator[DayKey]:
        """Give the days of its target that it falls on."""
        return (DayKey(self.target, *day, place_of(self.file)) for day in self.days)


@lru_cache(maxsize=4096)
def _instance_days(instance: str, first: int, last: int) -> frozenset[InstanceDay]:
    """Return the days of an instance from one to another, counted since 1970. Most entries share few sets."""
    return frozenset(InstanceDay(instance, utc_day(day * DAY_NS)) for day in range(first, last + 1))


def _days_of(record: Record) -> frozenset[InstanceDay]:
    """Return the ledger days that a record falls on. Outcomes are not cut: they fall on the day of their end; links on none."""
    if record.kind == semconv.KIND_LINK:
        return frozenset()
    last = max(record.end_utc_ns - 1, record.start_utc_ns) // DAY_NS
    first = last if record.kind == semconv.KIND_OUTCOME else record.start_utc_ns // DAY_NS
    return _instance_days(record.instance, first, last)


def _unnoticed(entry: Entry) -> None:
    pass


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
        pending: Entries that are not delivered yet, in reading order.
        read_sizes: Size in bytes of each file when it was read.
        unread: By name of the file or day, why it cannot be read. The others were read.
    """

    def __init__(self, journal: Journal, tell: Tell = tell_nobody) -> None:
        self.journal = journal
        self._tell = tell
        self._notice: Callable[[Entry], None] = _unnoticed
        self.cursors = read_cursors(journal)
        self._replaced: set[str] = set()
        self._chosen: dict[str, Record] = {}  # of each id whose lines differ, the content that counts
        self._forget()

    def _forget(self) -> None:
        self.line_counts = Scan()
        self.rows: dict[DayKey, list[Row]] = {}
        self.links: dict[str, set[tuple[str, str]]] = {}
        self.new_links: dict[str, set[tuple[str, str]]] = {}
        self.changed: set[DayKey] = set()
        self.pending: list[PendingEntry] = []
        self._end_offsets: dict[str, dict[str, int]] = {}  # file -> target -> end of its last entry
        self._read_offsets: dict[str, int] = {}
        self.read_sizes: dict[str, int] = {}
        self._unread_files: dict[str, str] = {}
        self._unread_days: dict[str, str] = {}
        self._seen: dict[str, int] = {}  # id of each folded record -> checksum of its line

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

    def catch_up(self, notice: Callable[[Entry], None]) -> None:
        """Read what the journal gained. Read all of it again if another delivery moved the cursors, or a file is gone.

        Args:
            notice: Called with each entry that is read.
        """
        self._notice = notice
        sizes, cursors = self.sizes(), read_cursors(self.journal)
        if cursors != self.cursors or self.read_sizes.keys() - sizes.keys():
            self.cursors = cursors
            self._forget()
            sizes = self.sizes()
        self.line_counts.torn = 0  # counted again where it still is
        self.read(sizes)

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
        entries = self.journal.stream(self.line_counts, self._read_offsets, names=names, unread=self._unread_files)
        while batch := list(islice(entries, _BATCH_ENTRIES)):
            self._tell(READING, "")
            for entry in batch:
                self._notice(entry)
            replaced = {entry.record.replaces for entry in batch if entry.record.replaces} - self._replaced
            self._replaced |= replaced
            if self._choose_contents(batch) or replaced & self._seen.keys():
                # Another content, or a correction, replaces a folded record. Sums cannot be undone, so fold everything again.
                self._forget()
                return self.read(self.sizes())
            self._add_to_rows(self._note_entries(batch))
        self.read_sizes.update({name: sizes[name] for name in names})
        return True

    def _note_entries(self, batch: Iterable[Entry]) -> dict[tuple[str, str], list[Record]]:
        """Note offsets, pending entries and changed days. Returns the records to fold, by target and place."""
        fresh: dict[tuple[str, str], list[Record]] = {}
        for entry in batch:
            record, target, place = entry.record, entry.record.target or "", place_of(entry.file)
            days = _days_of(record)
            start_offset = self._read_offsets.get(entry.file, 0)
            self._read_offsets[entry.file] = entry.end_offset
            self._end_offsets.setdefault(entry.file, {})[target] = entry.end_offset
            pending = not is_delivered(entry, self.cursors)
            if pending:
                self.pending.append(PendingEntry(entry.file, start_offset, target, days))
            if pending or record.record_id in self._replaced or record.record_id in self._chosen:
                self.changed.update(DayKey(target, *day, place) for day in days)
            chosen = self._chosen.get(record.record_id)
            if record.run_id and record.beside:
                for known in (self.links, self.new_links) if pending else (self.links,):
                    known.setdefault(target, set()).add((record.run_id, record.beside))
            in_force = record.record_id not in self._replaced and (chosen is None or chosen == record)
            if in_force and record.record_id not in self._seen:
                fresh.setdefault((target, place), []).append(record)
                self._seen[record.record_id] = entry.checksum
        return fresh

    def _choose_contents(self, batch: Iterable[Entry]) -> bool:
        """Note which content counts of each record that stands in several contents. Returns whether a choice changed."""
        changed = False
        contested = set()
        first: dict[str, int] = {}
        for entry in batch:
            record_id = entry.record.record_id
            if record_id in self._chosen:
                best = preferred(self._chosen[record_id], entry.record)
                changed |= best is not self._chosen[record_id]
                self._chosen[record_id] = best
            elif self._seen.get(record_id, first.setdefault(record_id, entry.checksum)) != entry.checksum:
                contested.add(record_id)
        if contested:
            entries = self.journal.stream(Scan(), names=self.sizes(), unread=self._unread_files)
            self._chosen |= each_once(entry.record for entry in entries if entry.record.record_id in contested)
        return changed or bool(contested)

    def _add_to_rows(self, fresh: Mapping[tuple[str, str], list[Record]]) -> None:
        for (target, place), records in fresh.items():
            added: dict[DayKey, list[Row]] = {}
            for row in fold(records):
                added.setdefault(DayKey(target, row["instance"], utc_day(row["half_hour_utc_ns"]), place), []).append(row)
            for key, rows in added.items():
                self.rows[key] = merge_rows([*self.rows[key], *rows]) if key in self.rows else rows

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
        return [e.record for e in entries if (e.record.target or "") in targets and e.record.instance == instance]

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
            unsent: Days that the ledger refused, or that the time was too short for; their entries stay pending.

        Returns:
            How many entries are delivered now that were pending before.
        """
        left = [entry for entry in self.pending if entry.target not in targets or not unsent.isdisjoint(entry.keys())]
        delivered = len(self.pending) - len(left)
        self.pending = left
        self._move_cursors()
        write_atomically(
            self.journal.home / "delivery" / CURSORS,
            json.dumps({"schema": semconv.SCHEMA_VERSION, "files": self.cursors}, separators=(",", ":")) + "\n",
        )
        return delivered

    def _move_cursors(self) -> None:
        """Set each cursor to the start of its first pending entry, or to the end of what was read."""
        first_pending: dict[tuple[str, str], int] = {}
        for entry in self.pending:
            first_pending.setdefault((entry.file, entry.target), entry.start_offset)
        for name, ends in self._end_offsets.items():
            cursor = {target: first_pending.get((name, target), end) for target, end in ends.items()}
            blocked = [first_pending[name, target] for target in ends if (name, target) in first_pending]
            cursor[ALL_TARGETS] = min(blocked, default=max(ends.values()))
            self.cursors[name] = cursor
