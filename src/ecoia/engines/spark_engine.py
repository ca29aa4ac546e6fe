"""Spark, with the configuration that it has: local, standalone, Kubernetes or YARN, as ``SPARK_HOME``, ``spark-defaults.conf``
and ``SPARK_REMOTE`` (a Connect URL) say. The files must be where its executors can read them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import narwhals as nw
import pyarrow as pa

from ecoia.engines.plan import SEPARATOR, Frame, Plan
from ecoia.engines.row_source import RowSource
from ecoia.errors import MissingExtraError
from ecoia.records.columns import ROW_SCHEMA

try:
    from pyspark.sql import DataFrame, SparkSession
except ImportError as error:
    raise MissingExtraError("The engine spark", str(error.name), extra="spark") from error

_DERIVED = (
    f"CASE WHEN size(devices) = 0 THEN NULL ELSE array_join(devices, '{SEPARATOR}') END AS device_text",
    "size(tokens) > 0 OR cardinality(quality) > 0 OR cardinality(lost_causes) > 0 OR size(shared_devices) > 0 AS special",
)


class SparkEngine:
    """Runs plans on Spark.

    Args:
        source: The rows.
        session: The session. None: the one of the usual configuration, which is left open for the next report.
    """

    name = "spark"

    def __init__(self, source: RowSource, session: SparkSession | None = None) -> None:
        self._session = session or SparkSession.builder.appName("ecoia").getOrCreate()
        if source.table is None:
            # Merged: files written before tokens told their requests hold less of them than others.
            read = self._session.read.option("mergeSchema", "true")
            self._given = read.parquet(*(str(path) for path in source.paths))
        else:
            self._given = self._session.createDataFrame(_plain_texts(source.table))

    def run(self, plan: Plan, start_ns: int = 0, end_ns: int = 1 << 62) -> list[dict[str, Any]]:
        """See ``Engine.run``."""
        rows = nw.from_native(self._rows(start_ns, end_ns).drop("devices").withColumnRenamed("device_text", "devices"))
        found: list[dict[str, Any]] = _table(plan.finished(plan.summed(plan.prepare(rows)))).to_pylist()
        return found

    def table(self, columns: Mapping[str, pa.Array]) -> Frame:
        """See ``Engine.table``."""
        frame: Frame = nw.from_native(self._session.createDataFrame(pa.table(dict(columns))))
        return frame

    def lines(self, keep: Callable[[Frame], Frame], end_ns: int = 1 << 62) -> Iterator[pa.Table]:
        """See ``Engine.lines``."""
        yield _table(keep(nw.from_native(self._rows(0, end_ns))).select(*ROW_SCHEMA.names))

    def _rows(self, start_ns: int, end_ns: int) -> DataFrame:
        inside = f"half_hour_utc_ns >= {start_ns:d} AND half_hour_utc_ns < {end_ns:d}"
        return self._given.where(inside).selectExpr("*", *_DERIVED)


def _table(frame: Frame) -> pa.Table:
    return frame.to_native().toArrow()


def _plain_texts(table: pa.Table) -> pa.Table:
    fields = [
        pa.field(each.name, each.type.value_type if pa.types.is_dictionary(each.type) else each.type) for each in table.schema
    ]
    return table.cast(pa.schema(fields))
