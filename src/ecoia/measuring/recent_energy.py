"""The energy of this process's spans that is recorded by now, for figures that people ask for inside the program.

The journal has all of it, but reading it back would cost too much there. Recent records are kept one by one, so that a span can
be told from those beside it; older ones are added up by half-hour.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from threading import Lock

from ecoia.instrument.spans import Label
from ecoia.light import Any
from ecoia.measuring.subject import NO_DELTA, Delta, RecordKey
from ecoia.records import Record, Row, fold, merge_rows
from ecoia.semconv import COMPONENTS, KIND_SPAN

_MOST_RECENT = 512
"""Records kept one by one; beyond it, the older half is added up."""

_MOST_OLDER = 512
"""Rows of older records; beyond it, the oldest are forgotten."""


class RecentEnergy:
    """What the sampler recorded for spans, as rows. The sampler's thread adds, any thread asks."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._recent: list[tuple[Record, Delta]] = []
        self._older: list[Row] = []
        self._requests_known_from_ns = 0  # inference is kept among the recent records only: a server has too many
        self._known_from_ns = 0

    def add(self, records: Iterable[Record], deltas: Mapping[RecordKey, Delta]) -> None:
        """Add the records of one window.

        Args:
            records: All of them; those of other kinds are left out.
            deltas: The window's activity by key.
        """
        by_names: dict[tuple[str | None, ...], Delta] = {key[:5]: delta for key, delta in deltas.items()}
        with self._lock:
            for record in records:
                if record.kind == KIND_SPAN:
                    names = (record.service, record.phase, record.run_id, record.endpoint, record.model_version)
                    self._recent.append((record, by_names.get(names, NO_DELTA)))
            if len(self._recent) > _MOST_RECENT:
                self._add_up()

    def _add_up(self) -> None:
        old, self._recent = self._recent[: _MOST_RECENT // 2], self._recent[_MOST_RECENT // 2 :]
        self._requests_known_from_ns = max(record.end_utc_ns for record, _ in old)
        rows = merge_rows([*self._older, *fold(record for record, _ in old if record.phase != "inference")])
        if len(rows) > _MOST_OLDER:
            rows.sort(key=_end_of)
            forgotten, rows = rows[:-_MOST_OLDER], rows[-_MOST_OLDER:]
            self._known_from_ns = max(map(_end_of, forgotten))
        self._older = rows

    def of_runs(self, run_ids: Collection[str | None], start_utc_ns: int) -> list[Row] | None:
        """Return the rows of some runs; None where some of them may be forgotten.

        Args:
            run_ids: The runs.
            start_utc_ns: When the first of them began.
        """
        with self._lock:
            if start_utc_ns < self._known_from_ns:
                return None
            older = [row for row in self._older if row["run_id"] in run_ids]
            return merge_rows([*older, *fold(record for record, _ in self._recent if record.run_id in run_ids)])

    def of_label(self, label: Label, services: Collection[str], start_utc_ns: int, end_utc_ns: int) -> list[Row] | None:
        """Return the rows of a span: those of its label while it was open, whatever the run. None where they are forgotten.

        Where other spans of the same label ended in the same window, the span has the part of the window's energy that its
        time is of their time together. Older rows are cut by time.

        Args:
            label: Its label.
            services: Ids of its service, which the label may leave to the settings and to the run that is active.
            start_utc_ns: When it began.
            end_utc_ns: When it ended.
        """
        with self._lock:
            known_from_ns = self._requests_known_from_ns if label.phase == "inference" else self._known_from_ns
            if start_utc_ns < known_from_ns:
                return None
            wanted = {(service, label.phase, label.endpoint, label.model_version) for service in services}
            found: list[Row] = []
            recent = [
                (record, delta)
                for record, delta in self._recent
                if _label_of(record) in wanted and record.start_utc_ns < end_utc_ns and record.end_utc_ns > start_utc_ns
            ]
            is_alone = sum(delta.spans for _, delta in recent) <= 1
            for record, delta in recent:
                part = 1.0
                if not is_alone:
                    inside_ns = min(record.end_utc_ns, end_utc_ns) - max(record.start_utc_ns, start_utc_ns)
                    part = inside_ns / max(delta.in_flight_ns, inside_ns, 1)
                found += [_scaled(row, part) for row in fold([record])]
            for row in self._older:
                inside_ns = min(row["end_utc_ns"], end_utc_ns) - max(row["start_utc_ns"], start_utc_ns)
                if inside_ns > 0 and (row["service"], row["phase"], row["endpoint"], row["model_version"]) in wanted:
                    found.append(_scaled(row, inside_ns / max(row["end_utc_ns"] - row["start_utc_ns"], 1)))
            return found


def _label_of(record: Record) -> tuple[Any, ...]:
    return (record.service, record.phase, record.endpoint, record.model_version)


def _end_of(row: Row) -> int:
    return int(row["end_utc_ns"])


def _scaled(row: Row, part: float) -> Row:
    """Return a row with a part of its energy."""
    if part >= 1:
        return row
    energy = row["energy_microjoules"]
    return {
        **row,
        "energy_microjoules": {name: None if energy[name] is None else round(energy[name] * part) for name in COMPONENTS},
    }
