"""The ledger as Parquet, for whoever recomputes with tools of their own: pandas, DuckDB, Spark read it alike.

One file a quarter, ``quarter=2026Q4/rows.parquet``: the columns of ``semconv.TABLE_COLUMNS``, and ``NESTED``. Whole microjoules,
millionths and nanoseconds, so sums are exact. Nothing is assessed here and nothing left out: claims that a report refuses as
counted already are in it, as they were recorded.
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
}
"""Columns beside the table's: ``lost_causes`` is ``lost`` by cause, ``record_ids`` leads back to the journal's lines."""


def partitions(rows: Sequence[Row], timezone: ZoneInfo) -> dict[str, bytes]:
    """The files of some ledger rows, by path. Equal rows give equal bytes.

    Args:
        rows: Ledger rows.
        timezone: Civil time of the quarters.

    Raises:
        UsageError: a column's sum over a quarter is more than 64 bits hold.
    """
    by_quarter: dict[str, list[Row]] = {}
    for row in rows:
        by_quarter.setdefault(str(Quarter.of_instant(row["half_hour_utc_ns"], timezone)), []).append(row)
    return {f"quarter={quarter}/rows.parquet": _file(by_quarter[quarter], timezone) for quarter in sorted(by_quarter)}


def _file(rows: list[Row], timezone: ZoneInfo) -> bytes:
    frame = table(rows, timezone).drop(columns="quarter")  # the folder's name says it
    flat = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    texts = [pa.field(each.name, pa.string() if pa.types.is_large_string(each.type) else each.type) for each in flat.schema]
    columns = flat.cast(pa.schema(texts))  # pandas' long texts are not known to every reader
    for name, type_ in NESTED.items():
        columns = columns.append_column(name, pa.array((_cell(row, name) for row in rows), type_))
    out = io.BytesIO()
    parquet.write_table(columns, out)
    return out.getvalue()


def _cell(row: Row, name: str) -> object:
    value = row.get("lost" if name == "lost_causes" else name)
    return sorted(value.items()) if isinstance(value, dict) else value
