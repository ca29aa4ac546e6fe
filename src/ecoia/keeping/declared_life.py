"""The life of declared activity: a line is corrected or withdrawn by another record, which says by which role and why.

A line is known by its service, phase, period, source and instance. A line that is known and says otherwise is a correction, and
never counts beside what it corrects.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ecoia.methods import WITHDRAWN
from ecoia.records import Record
from ecoia.semconv import COMPONENTS

_NAMESPACE = uuid.UUID("7f6d7c52-53f4-5d0a-8f0e-4a0a5b7d2c11")
_SOURCE = "declared_source"

Key = tuple[str | None, str | None, str, int, int, str]
"""What a declared line is known by."""


class Reason(NamedTuple):
    """Who changes a declared line, by role, and why."""

    role: str
    why: str


class Changes(NamedTuple):
    """What a file says beside what was declared before.

    Attributes:
        new: Lines that nothing is known of.
        known: Lines that stand as they are: the record that stands, and the line.
        changed: Lines that say otherwise than what stands under their key.
        left: Records that stand under a key of the file, and that no line of it says.
    """

    new: list[Record]
    known: list[tuple[Record, Record]]
    changed: list[Record]
    left: list[Record]


def key_of(record: Record) -> Key:
    """Return what a declared line is known by."""
    source = record.context.get(_SOURCE)
    shown = source if isinstance(source, str) else record.declared_source or ""
    return record.service, record.phase, record.instance, record.start_utc_ns, record.end_utc_ns, shown


def standing(records: Iterable[Record]) -> list[Record]:
    """Return the declared records that no other one replaces; withdrawn ones are there without energy.

    Example:
        >>> standing([])
        []
    """
    declared = {record.record_id: record for record in records if record.declared_source is not None}
    replaced = {record.replaces for record in declared.values()}
    return [record for record_id, record in declared.items() if record_id not in replaced]


def changes(read: Iterable[Record], stands: Iterable[Record]) -> Changes:
    """Compare the lines of a file with the records that stand.

    Several lines may have one key: two invoices of one source and period. An older ecoia also left a line beside its correction.
    """
    before: dict[Key, list[Record]] = {}
    for record in stands:
        before.setdefault(key_of(record), []).append(record)
    found, of_file = Changes([], [], [], []), set[Key]()
    for record in read:
        key = key_of(record)
        of_file.add(key)
        left = before.get(key)
        same = next((each for each in left or () if _says(each) == _says(record)), None)
        if same is not None and left is not None:
            left.remove(same)
            found.known.append((same, record))
        else:
            (found.new if left is None else found.changed).append(record)
    found.left.extend(record for key, records in before.items() if key in of_file for record in records)
    return found


def corrections(found: Changes, reason: Reason) -> list[Record]:
    """Return the records by which a file says all that stands under its keys.

    Each changed line takes the place of a record that the file does not say; what is left of these is withdrawn.
    """
    left: dict[Key, list[Record]] = {}
    for record in found.left:
        left.setdefault(key_of(record), []).append(record)
    written = []
    for record in found.changed:
        others = left.get(key_of(record))
        written.append(corrected(others.pop(0), record, reason) if others else record)
    return written + [withdrawn(each, reason) for others in left.values() for each in others if not is_withdrawn(each)]


def is_withdrawn(record: Record) -> bool:
    """Return whether nothing of a record counts any more."""
    return WITHDRAWN in record.method.values()


def is_changed(record: Record) -> bool:
    """Return whether a record stands in place of a line that was corrected or withdrawn."""
    return _SOURCE in record.context


def _says(record: Record) -> tuple[object, ...]:
    return dict(record.energy_microjoules), {c: record.method[c].name for c in COMPONENTS}, record.units_micro, record.zone


def corrected(before: Record, record: Record, reason: Reason) -> Record:
    """Return the record that takes the place of one that stands."""
    return _after(before, record, reason, "corrected")


def withdrawn(before: Record, reason: Reason) -> Record:
    """Return the record by which nothing of one that stands counts any more."""
    nothing = before.copy_with(
        energy_microjoules=dict.fromkeys(COMPONENTS), method=dict.fromkeys(COMPONENTS, WITHDRAWN), units_micro=None
    )
    return _after(before, nothing, reason, "withdrawn")


def _after(before: Record, record: Record, reason: Reason, what: str) -> Record:
    source = key_of(record)[-1]
    said = f"{source} ({what}: {reason.why}; {reason.role})"
    return record.copy_with(
        record_id=str(uuid.uuid5(_NAMESPACE, f"{before.record_id} {record.record_id} {said}")),
        replaces=before.record_id,
        declared_source=said,
        context={**before.context, **record.context, _SOURCE: source},  # also what an import knows it by
    )


def overlaps(new: Iterable[Record], stands: Iterable[Record]) -> Iterator[tuple[Record, Record]]:
    """Give pairs of lines of one service and phase, on one instance, whose periods overlap: both count.

    Args:
        new: Lines that were entered now.
        stands: What stood before.
    """
    by_work: dict[tuple[str | None, str | None, str], list[Record]] = {}
    for record in stands:
        if not is_withdrawn(record):
            by_work.setdefault(_work_of(record), []).append(record)
    for record in new:
        others = by_work.setdefault(_work_of(record), [])
        for other in others:
            if record.start_utc_ns < other.end_utc_ns and other.start_utc_ns < record.end_utc_ns:
                yield other, record
        others.append(record)


def _work_of(record: Record) -> tuple[str | None, str | None, str]:
    return record.service, record.phase, record.instance
