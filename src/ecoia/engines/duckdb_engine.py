"""DuckDB: sums up files larger than memory, within a limit, with a folder to spill to."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import narwhals as nw
import pyarrow as pa

from ecoia.engines.plan import SEPARATOR, Frame, Plan
from ecoia.engines.row_source import RowSource
from ecoia.errors import MissingExtraError
from ecoia.records.columns import ROW_SCHEMA

try:
    import duckdb
except ImportError as error:
    raise MissingExtraError("The engine duckdb", "duckdb", extra="duckdb") from error

MEMORY_LIMIT = "2GB"
_DERIVED = f"""
    CASE WHEN len(devices) = 0 THEN NULL ELSE array_to_string(devices, '{SEPARATOR}') END AS devices,
    len(tokens) > 0 OR cardinality(quality) > 0 OR cardinality(lost_causes) > 0 OR len(shared_devices) > 0 AS special
"""


class DuckdbEngine:
    """Runs plans on DuckDB.

    Args:
        source: The rows.
        memory_limit: As DuckDB writes it. Beyond it, DuckDB writes to a folder of its own.
    """

    name = "duckdb"

    def __init__(self, source: RowSource, memory_limit: str = MEMORY_LIMIT) -> None:
        spill = tempfile.mkdtemp(prefix="ecoia-duckdb-")
        weakref.finalize(self, shutil.rmtree, spill, ignore_errors=True)
        options: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": memory_limit,
            "temp_directory": spill,
            "preserve_insertion_order": False,
        }
        self._connection = duckdb.connect(config=options)
        self._source, self._tables = source, 0
        if source.table is not None:
            self._connection.register("given", source.table)

    def run(self, plan: Plan, start_ns: int = 0, end_ns: int = 1 << 62) -> list[dict[str, Any]]:
        """See ``Engine.run``."""
        rows = self._rows(start_ns, end_ns)
        found: list[dict[str, Any]] = plan.finished(plan.summed(plan.prepare(rows))).collect("pyarrow").to_arrow().to_pylist()
        return found

    def table(self, columns: Mapping[str, pa.Array]) -> Frame:
        """See ``Engine.table``."""
        self._tables += 1
        name = f"small_{self._tables}"
        self._connection.register(name, pa.table(dict(columns)))
        return nw.from_native(self._connection.table(name))

    def lines(self, keep: Callable[[Frame], Frame], end_ns: int = 1 << 62) -> Iterator[pa.Table]:
        """See ``Engine.lines``."""
        kept = keep(self._rows(0, end_ns)).drop("devices").rename({"device_ids": "devices"})
        reader = kept.select(*ROW_SCHEMA.names).to_native().to_arrow_reader(100_000)
        yield from (pa.Table.from_batches([batch]) for batch in reader)

    def _rows(self, start_ns: int, end_ns: int) -> Frame:
        paths = [str(path) for path in self._source.paths]
        # The names of a dataset's folders are no columns: they would take the place of what plans call so.
        # By name: files written before tokens told their requests may come first, and would decide what is read of the others.
        files = f"read_parquet({paths!r}, hive_partitioning = false, union_by_name = true)"
        source = "given" if self._source.table is not None else files
        sql = (
            f"SELECT * EXCLUDE (devices), devices AS device_ids, {_DERIVED} FROM {source} "  # noqa: S608 - our names
            f"WHERE half_hour_utc_ns >= {start_ns:d} AND half_hour_utc_ns < {end_ns:d}"
        )
        return nw.from_native(self._connection.sql(sql))
