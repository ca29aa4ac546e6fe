"""Fold records as they come: sums of figures, kept by stream and half-hour, no object a record.

``fold`` says what rows are; ``RowSums`` gives the same ones of records that come one at a time.
"""

from __future__ import annotations

from ecoia.light import Any
from ecoia.light.instants import HALF_HOUR_NS
from ecoia.records.id_sets import RecordIds, set_ids
from ecoia.records.record import Record, Row, add_row, merge_rows, row_key, row_of, split_by_half_hour
from ecoia.records.streams import Figures, Stream
from ecoia.semconv import KIND_LINK

_Key = tuple[Stream, int, bool, bool, bool, bool, bool]


class _Sum:
    """The sum of the records of one stream in one half-hour; what is missing in them stays missing."""

    __slots__ = ("accepted_micro", "cpu", "cpu_ns", "end", "gpu", "ids", "ram", "spans", "start", "units_micro")

    def __init__(self, figures: Figures) -> None:
        (first, self.start, self.end, self.cpu, self.gpu, self.ram) = figures[:6]
        (self.spans, self.units_micro, self.accepted_micro, self.cpu_ns, _) = figures[6:]
        self.ids = [first]

    def figures(self) -> Figures:
        return Figures(
            self.ids[0],
            self.start,
            self.end,
            self.cpu,
            self.gpu,
            self.ram,
            self.spans,
            self.units_micro,
            self.accepted_micro,
            self.cpu_ns,
        )


class RowSums:
    """Rows in the making.

    Example:
        >>> RowSums().rows()
        []
    """

    def __init__(self) -> None:
        self._sums: dict[_Key, _Sum] = {}
        self._rows: dict[tuple[Any, ...], Row] = {}  # of records that hold more than figures

    def add(self, stream: Stream, figures: Figures) -> None:
        """Add a record. The caller has left out those that were added before or are not in force.

        Args:
            stream: Its stream.
            figures: Its figures.
        """
        _, start, end, cpu, gpu, ram, spans, units, accepted, cpu_ns, _ = figures
        half_hour = start - start % HALF_HOUR_NS
        if not stream.adds_up or end > half_hour + HALF_HOUR_NS:
            self._add_parts(stream, figures)
            return
        key = (stream, half_hour, cpu is None, gpu is None, ram is None, units is None, accepted is None)
        total = self._sums.get(key)
        if total is None:
            self._sums[key] = _Sum(figures)
            return
        total.ids.append(figures[0])
        if start < total.start:
            total.start = start
        if end > total.end:
            total.end = end
        if cpu is not None:
            total.cpu += cpu  # type: ignore[operator] # the key says that it is none either
        if gpu is not None:
            total.gpu += gpu  # type: ignore[operator]
        if ram is not None:
            total.ram += ram  # type: ignore[operator]
        if units is not None:
            total.units_micro += units  # type: ignore[operator]
        if accepted is not None:
            total.accepted_micro += accepted  # type: ignore[operator]
        total.spans += spans
        total.cpu_ns += cpu_ns

    def _add_parts(self, stream: Stream, figures: Figures) -> None:
        record = stream.record(figures)
        if record.kind == KIND_LINK:
            return
        for part in split_by_half_hour(record):
            if stream.adds_up:
                self.add(stream, Figures.of(part))
            else:
                self._add_row(part)

    def _add_row(self, part: Record) -> None:
        row = row_of(part)
        key = row_key(row)
        if key in self._rows:
            add_row(self._rows[key], row)
        else:
            self._rows[key] = row

    def rows(self) -> list[Row]:
        """Return the rows, as ``fold`` gives them of all records that were added. Nothing can be added afterwards."""
        rows = list(self._rows.values())
        for (stream, *_), total in self._sums.items():
            row = row_of(stream.record(total.figures()))
            set_ids(row, RecordIds.of(total.ids))
            rows.append(row)
        return merge_rows(rows, in_place=True)
