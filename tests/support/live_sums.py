"""Add up a whole journal in the plainest way, to compare live totals with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from ecoia.keeping.journal import Journal
from ecoia.keeping.live_sums import Series
from ecoia.records import Record, in_force

INTEGER_PARTS = {"ecoia_energy_joules": 10**6, "ecoia_units": 10**6, "ecoia_accepted_units": 10**6, "ecoia_cpu_seconds": 10**9}
"""Counters kept in fractions of their unit, with how many make one; the others count whole things."""


def sums_of(home: Path) -> Counter[Series]:
    """Return every counter but ``ecoia_journal_lines_left_out``, as integers."""
    return add_up(Journal(home).scan().records)


def add_up(records: Iterable[Record]) -> Counter[Series]:
    """Return the same counters as ``sums_of``, of these records."""
    sums: Counter[Series] = Counter()
    for record in in_force(records):
        if record.kind == "outcome":
            continue
        work = tuple(part or "" for part in (record.service, record.phase, record.endpoint, record.model_version))
        for component, method in record.method.items():
            energy = record.energy_microjoules[component]
            if energy is not None:
                sums["ecoia_energy_joules", (*work, record.kind, component, method.status)] += energy
            sums["ecoia_records", (component, method.status, method.name)] += 1
        sums["ecoia_cpu_seconds", (*work, record.kind)] += record.cpu_ns
        if record.kind == "span":
            sums["ecoia_spans", work] += record.spans
        if record.units_micro is not None:
            sums["ecoia_units", work] += record.units_micro
        if record.accepted_micro is not None:
            sums["ecoia_accepted_units", work] += record.accepted_micro
        for cause, count in record.lost.items():
            sums["ecoia_lost", (cause,)] += count
    return sums
