"""Spark as an engine: the same integers from a cluster of a master and two workers, started once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet
from pyspark.sql import SparkSession

from ecoia.engines.engine_rows import EngineRows
from ecoia.engines.row_source import RowSource
from ecoia.engines.spark_engine import SparkEngine
from ecoia.records import RecordError
from ecoia.records.columns import ROW_SCHEMA, table_of
from support.engine_sums import agreed, awkward_rows
from support.spark_cluster import LIGHT_JAVA, needs_java, spark_cluster

SMALL = {
    "spark.ui.enabled": "false",
    "spark.sql.shuffle.partitions": "2",
    "spark.driver.memory": "512m",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.extraJavaOptions": LIGHT_JAVA,
    "spark.executor.memory": "512m",
    "spark.executor.extraJavaOptions": LIGHT_JAVA,
}


@pytest.fixture
def session(tmp_path: Path) -> Iterator[SparkSession]:
    needs_java()
    with spark_cluster(tmp_path) as master:
        builder = SparkSession.builder.master(master).appName("ecoia")
        for name, value in SMALL.items():
            builder = builder.config(name, value)
        started = builder.config("spark.sql.warehouse.dir", str(tmp_path / "warehouse")).getOrCreate()
        yield started
        started.stop()


def test_a_cluster_of_two_workers_gives_the_same_sums(session: SparkSession, tmp_path: Path) -> None:
    rows = awkward_rows()
    for number in range(2):
        parquet.write_table(table_of(rows[number::2]), tmp_path / f"{number}.parquet")
    found = agreed(EngineRows(SparkEngine(RowSource([tmp_path / "0.parquet", tmp_path / "1.parquet"]), session)))
    assert found == agreed(rows)
    table, too_much = table_of(rows), pa.array([2**62 + 1] * len(rows), pa.int64())
    at = table.column_names.index("cpu_microjoules")
    parquet.write_table(table.set_column(at, ROW_SCHEMA.field(at), too_much), tmp_path / "2.parquet")
    with pytest.raises(RecordError, match="row 0: energy_microjoules = "):
        len(EngineRows(SparkEngine(RowSource([tmp_path / "2.parquet"]), session)))
