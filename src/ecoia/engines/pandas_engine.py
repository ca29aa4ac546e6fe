"""pandas, a batch at a time: what every installation has. Memory holds one batch and the sums of those before."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import reduce
from typing import Any

import narwhals as nw
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import dataset

from ecoia.engines.plan import DERIVED_FROM, SEPARATOR, Frame, Plan
from ecoia.engines.row_source import RowSource
from ecoia.records.columns import ROW_SCHEMA

_BATCH_ROWS = 1_000_000
_PARTS = 8  # sums of batches that are held before they are summed up
_TYPES = {
    pa.int64(): pd.Int64Dtype(),
    pa.int32(): pd.Int64Dtype(),
    pa.bool_(): pd.BooleanDtype(),
    pa.string(): pd.StringDtype("pyarrow"),
}


class PandasEngine:
    """Runs plans on pandas.

    Args:
        source: The rows.
        batch_rows: Rows that are in memory at once.
    """

    name = "pandas"

    def __init__(self, source: RowSource, batch_rows: int = _BATCH_ROWS) -> None:
        self._source, self._batch_rows = source, batch_rows

    def run(self, plan: Plan, start_ns: int = 0, end_ns: int = 1 << 62) -> list[dict[str, Any]]:
        """See ``Engine.run``."""
        parts: list[pa.Table] = []
        for batch in self._batches((*plan.columns, *DERIVED_FROM), start_ns, end_ns):
            parts.append(plan.summed(plan.prepare(_frame(_derived(batch)))).collect("pyarrow").to_arrow())
            if len(parts) > _PARTS:
                parts = [_joined(plan, parts)]
        if not parts:
            return []
        found: list[dict[str, Any]] = plan.finished(_frame(_joined(plan, parts))).collect("pyarrow").to_arrow().to_pylist()
        return found

    def table(self, columns: Mapping[str, pa.Array]) -> Frame:
        """See ``Engine.table``."""
        return _frame(pa.table(dict(columns)))

    def lines(self, keep: Callable[[Frame], Frame], end_ns: int = 1 << 62) -> Iterator[pa.Table]:
        """See ``Engine.lines``."""
        for batch in self._batches(ROW_SCHEMA.names, 0, end_ns):
            numbered = _derived(batch).append_column("number", pa.array(range(batch.num_rows), pa.int64()))
            yield batch.take(keep(_frame(numbered)).select("number").collect("pyarrow").to_arrow().column("number"))

    def _batches(self, columns: Iterable[str], start_ns: int, end_ns: int) -> Iterator[pa.Table]:
        """Give the rows of some half-hours, so many at once."""
        names = sorted({*columns, "half_hour_utc_ns"})
        source = dataset.InMemoryDataset(self._source.table) if self._source.table is not None else self._source.files
        half_hour = dataset.field("half_hour_utc_ns")
        inside = (half_hour >= start_ns) & (half_hour < end_ns)
        held: list[pa.RecordBatch] = []
        for batch in source.scanner(
            names, inside, batch_size=self._batch_rows, fragment_readahead=1, batch_readahead=1
        ).to_batches():
            held.append(batch)
            if sum(each.num_rows for each in held) >= self._batch_rows:
                yield pa.Table.from_batches(held)
                held = []
        if held:
            yield pa.Table.from_batches(held)


def _derived(batch: pa.Table) -> pa.Table:
    """Put ``special``, and ``devices`` as one text, in place of the nested columns."""
    nested = [field.name for field in batch.schema if pa.types.is_nested(field.type)]
    plain = batch.drop_columns(nested)
    lengths = [_lengths(batch.column(name)) for name in ("tokens", "quality", "lost_causes", "shared_devices")]
    plain = plain.append_column("special", reduce(pc.or_, [pc.greater(each, 0) for each in lengths]))
    for name in {"record_ids", "sources"}.intersection(nested):  # which are told apart by their elements
        plain = plain.append_column(name, batch.column(name))
    if "devices" not in nested:
        return plain
    ids = batch.column("devices")
    return plain.append_column("devices", pc.if_else(pc.equal(_lengths(ids), 0), None, pc.binary_join(ids, SEPARATOR)))


def _lengths(lists: pa.ChunkedArray) -> pa.ChunkedArray:
    if not pa.types.is_map(lists.type):
        return pc.list_value_length(lists)
    return pa.chunked_array([pc.subtract(each.offsets[1:], each.offsets[:-1]) for each in lists.chunks], pa.int32())


def _joined(plan: Plan, parts: list[pa.Table]) -> pa.Table:
    whole = pa.concat_tables(parts, promote_options="permissive")
    return whole if len(parts) == 1 else plan.summed(_frame(whole)).collect("pyarrow").to_arrow()


def _frame(table: pa.Table) -> Frame:
    texts = [pa.field(each.name, pa.string() if _is_text(each.type) else each.type) for each in table.schema]
    frame = table.cast(pa.schema(texts)).to_pandas(types_mapper=_pandas_type)
    lazy: Frame = nw.from_native(frame).lazy()
    return lazy


def _is_text(type_: pa.DataType) -> bool:
    return bool(pa.types.is_dictionary(type_) or pa.types.is_large_string(type_))


def _pandas_type(type_: pa.DataType) -> Any:
    return _TYPES.get(type_) or pd.ArrowDtype(type_)
