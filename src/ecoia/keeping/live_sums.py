"""Sums of records for live metrics: integers by counter and labels, with a bounded number of labels.

Every value of a label makes a series that a scraper keeps for ever, and values come from programs (endpoints, methods), so
each label has a limit. Values that come after the limit share the label ``LIVE_OTHER``; what they add is never dropped.
"""

from __future__ import annotations

import json
from collections import Counter

from ecoia.records import Record
from ecoia.semconv import (
    COMPONENTS,
    KIND_LINK,
    KIND_OUTCOME,
    KIND_SPAN,
    LIVE_ACCEPTED,
    LIVE_CPU,
    LIVE_ENERGY,
    LIVE_LEFT_OUT,
    LIVE_LOST,
    LIVE_OTHER,
    LIVE_RECORDS,
    LIVE_SPANS,
    LIVE_UNITS,
    LiveCounter,
)

MOST_SERVICES = 100
"""Limit of pairs of service and phase."""

MOST_ENDPOINTS = 100
"""Limit of pairs of endpoint and model version within one service and phase."""

MOST_GROUPS = 1000
"""Limit of pairs of endpoint and model version in all services together."""

MOST_WORDS = 100
"""Limit of causes of loss, and of methods."""

_MOST_CHARACTERS = 128

Labels = tuple[str, ...]
Series = tuple[str, Labels]
"""A counter's name, and the values of its labels."""


def as_label(value: object) -> str:
    """Turn a value into a label: printable characters, 128 at most. None is the empty text, which Prometheus takes as no label.

    Example:
        >>> as_label("a\\nb"), as_label(None)
        ('a?b', '')
    """
    if value is None:
        return ""
    return "".join(sign if sign.isprintable() else "?" for sign in str(value)[:_MOST_CHARACTERS])


class LiveSums:
    """Sums that grow record by record.

    Args:
        values: The sums to go on from: integers; ``LiveCounter.parts`` of them make one unit. They are changed in place.

    Example:
        >>> sums = LiveSums({})
        >>> sums.leave_out("corrupt", 2)
        >>> sums.changes()
        [('ecoia_journal_lines_left_out', '["corrupt"]', '2')]
    """

    def __init__(self, values: dict[Series, int]) -> None:
        self._values = values
        self._changed: set[Series] = set()
        self._groups: set[Labels] = set()
        self._per_service: Counter[Labels] = Counter()
        self._words: Counter[str] = Counter()
        for series in values:
            self._count_labels(series)

    def _count_labels(self, series: Series) -> None:
        """Count the labels of a new series against their limits."""
        counter, labels = series
        self._words[counter] += 1
        if counter == LIVE_CPU.name and labels[:4] not in self._groups:
            self._groups.add(labels[:4])
            self._per_service[labels[:2]] += 1

    def changes(self) -> list[tuple[str, str, str]]:
        """Return the series that changed, as text for the database: counter, labels in JSON, value."""
        return [(name, json.dumps(labels), str(self._values[name, labels])) for name, labels in self._changed]

    def leave_out(self, reason: str, lines: int = 1) -> None:
        """Count lines that no other counter has, by reason."""
        if lines:
            self._add(LIVE_LEFT_OUT, (reason,), lines)

    def take(self, record: Record, *, written_before: bool = False) -> None:
        """Add a record, or count the reason for leaving it out.

        Args:
            record: The record. Outcomes and links use no energy, and are in no counter.
            written_before: Whether a record of this id was added already.
        """
        reason = (
            "duplicate" if written_before
            else "correction" if record.replaces  # counters only grow, so only reports apply corrections
            else "simulated" if record.simulated
            else None
        )  # fmt: skip
        if reason is not None:
            self.leave_out(reason)
        elif record.kind not in (KIND_OUTCOME, KIND_LINK):
            self._take(record)

    def _take(self, record: Record) -> None:
        group = self._group(record)
        for component in COMPONENTS:
            method, energy = record.method[component], record.energy_microjoules[component]
            self._add_word(LIVE_RECORDS, (component, method.status), method.name, 1)
            if energy is not None:
                self._add(LIVE_ENERGY, (*group, record.kind, component, method.status), energy)
        self._add(LIVE_CPU, (*group, record.kind), record.cpu_ns)
        if record.kind == KIND_SPAN:
            self._add(LIVE_SPANS, group, record.spans)
        if record.units_micro is not None:
            self._add(LIVE_UNITS, group, record.units_micro)
        if record.accepted_micro is not None:
            self._add(LIVE_ACCEPTED, group, record.accepted_micro)
        for cause, count in record.lost.items():
            self._add_word(LIVE_LOST, (), cause, count)

    def _group(self, record: Record) -> Labels:
        """Return (service, phase, endpoint, model version), each ``LIVE_OTHER`` where its limit is reached."""
        service = (as_label(record.service), as_label(record.phase))
        wanted = (*service, as_label(record.endpoint), as_label(record.model_version))
        room = service in self._per_service or len(self._per_service) < MOST_SERVICES
        if wanted in self._groups or (room and self._per_service[service] < MOST_ENDPOINTS and len(self._groups) < MOST_GROUPS):
            return wanted
        return (*service, LIVE_OTHER, LIVE_OTHER) if room else (LIVE_OTHER,) * 4

    def _add_word(self, counter: LiveCounter, labels: Labels, word: object, amount: int) -> None:
        known = (*labels, as_label(word))
        room = (counter.name, known) in self._values or self._words[counter.name] < MOST_WORDS
        self._add(counter, known if room else (*labels, LIVE_OTHER), amount)

    def _add(self, counter: LiveCounter, labels: Labels, amount: int) -> None:
        series = (counter.name, labels)
        if series not in self._values:
            self._values[series] = 0
            self._count_labels(series)
        self._values[series] += amount
        self._changed.add(series)
