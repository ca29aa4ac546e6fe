"""The life of declared activity: a line is corrected or withdrawn by another record, which says by which role and why.

A line is known by its service, phase, period, source and instance. A line that is known and says otherwise is a correction, and
never counts beside what it corrects.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
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
        known: Lines that stand as they are.
        changed: Lines that say otherwise than the record that stands, which comes first.
    """

    new: list[Record]
    known: list[Record]
    changed: list[tuple[Record, Record]]


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
    """Compare the lines of a file with the records that stand."""
    by_key: dict[Key, list[Record]] = {}
    for record in stands:
        by_key.setdefault(key_of(record), []).append(record)
    found = Changes([], [], [])
    for record in read:
        before = by_key.get(key_of(record), [])
        if not before:
            found.new.append(record)
        elif any(_says(record) == _says(each) for each in before):
            found.known.append(record)
        else:
            found.changed.append((before[0], record))
    return found


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
        context={**record.context, _SOURCE: source},
    )


def overlaps(new: Iterable[Record], stands: Iterable[Record]) -> Iterator[tuple[Record, Record]]:
    """Give pairs of lines of one service and phase, on one instance, whose periods overlap: both count.

    Args:
        new: Lines that were entered now.
        stands: What stood before.
    """
    by_work: dict[tuple[str | None, str | None, str], list[Record]] = {}
    for record in stands:
        if any(energy is not None for energy in record.energy_microjoules.values()):
            by_work.setdefault(_work_of(record), []).append(record)
    for record in new:
        others = by_work.setdefault(_work_of(record), [])
        for other in others:
            if record.start_utc_ns < other.end_utc_ns and other.start_utc_ns < record.end_utc_ns:
                yield other, record
        others.append(record)


def _work_of(record: Record) -> tuple[str | None, str | None, str]:
    return record.service, record.phase, record.instance


def kwh_of(record: Record) -> float | None:
    """Return the energy that a line declares, in kWh; None where it declares none."""
    known = [energy for energy in record.energy_microjoules.values() if energy is not None]
    return sum(known) / 3.6e12 if known else None


def as_mapping(records: Iterable[Record]) -> Mapping[Key, Record]:
    """Return records by what they are known by."""
    return {key_of(record): record for record in records}
