"""The ledger as Parquet, to recompute figures with other tools such as pandas, DuckDB or Spark.

There is one file a quarter, ``quarter=2026Q4/rows.parquet``, with the columns of ``semconv.TABLE_COLUMNS`` and ``NESTED``.
Amounts are whole microjoules, millionths and nanoseconds, so sums are exact. Rows are neither assessed nor left out: claims that
a report refuses as counted already are in the files as they were recorded.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from zoneinfo import ZoneInfo

from ecoia.errors import MissingExtraError
from ecoia.periods import Quarter
from ecoia.publishing.row_table import table
from ecoia.records import Row

try:
    import pyarrow as pa
    from pyarrow import parquet
except ImportError as error:  # pragma: no cover - a base install
    raise MissingExtraError("The export", str(error.name)) from error

_TOKENS = pa.struct(
    [("provider", pa.string()), ("model", pa.string()), ("tokens_in", pa.int64()), ("tokens_out", pa.int64())],
)
_RANGE = pa.struct([("writer", pa.string()), ("stream", pa.int32()), ("first", pa.int64()), ("last", pa.int64())])
NESTED = {
    "scope": pa.string(),
    "declared_source": pa.string(),
    "pid": pa.int64(),
    "devices": pa.list_(pa.string()),
    "shared_devices": pa.list_(pa.string()),
    "tokens": pa.list_(_TOKENS),
    "lost_causes": pa.map_(pa.string(), pa.int64()),
    "quality": pa.map_(pa.string(), pa.float64()),
    "record_ids": pa.list_(pa.string()),
    "sources": pa.list_(_RANGE),
}
"""Columns beyond the table's: ``lost_causes`` is ``lost`` by cause; ``record_ids`` and ``sources`` (``records.record_ids``) lead
back to the journal's lines."""


def partitions(rows: Sequence[Row], timezone: ZoneInfo) -> dict[str, bytes]:
    """Write ledger rows as Parquet files, one a quarter. Equal rows give equal bytes.

    Args:
        rows: Ledger rows.
        timezone: The organisation's time zone, which the quarters begin and end in.

    Returns:
        The files' bytes by path.

    Raises:
        UsageError: a column's sum over a quarter exceeds 64 bits.

    Example::

        list(partitions(rows, ZoneInfo("Europe/Paris")))  # ['quarter=2026Q3/rows.parquet', 'quarter=2026Q4/rows.parquet']
    """
    by_quarter: dict[str, list[Row]] = {}
    for row in rows:
        by_quarter.setdefault(str(Quarter.of_instant(row["half_hour_utc_ns"], timezone)), []).append(row)
    return {f"quarter={quarter}/rows.parquet": _file(by_quarter[quarter], timezone) for quarter in sorted(by_quarter)}


def _file(rows: list[Row], timezone: ZoneInfo) -> bytes:
    frame = table(rows, timezone).drop(columns="quarter")  # it is in the folder's name
    flat = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    texts = [pa.field(each.name, pa.string() if pa.types.is_large_string(each.type) else each.type) for each in flat.schema]
    columns = flat.cast(pa.schema(texts))  # not every reader knows pandas' long texts
    for name, type_ in NESTED.items():
        columns = columns.append_column(name, pa.array((_cell(row, name) for row in rows), type_))
    out = io.BytesIO()
    parquet.write_table(columns, out)
    return out.getvalue()


def _cell(row: Row, name: str) -> object:
    if name == "sources":
        return [dict(zip(("writer", "stream", "first", "last"), each, strict=True)) for each in row.get(name, ())]
    value = row.get("lost" if name == "lost_causes" else name)
    return sorted(value.items()) if isinstance(value, dict) else value
