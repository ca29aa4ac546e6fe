"""Spark: the same integers from a cluster of a master and two workers, started once."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from ecoia.engines.engine_rows import EngineRows
from ecoia.engines.row_source import RowSource
from ecoia.records import RecordError
from ecoia.records.columns import ROW_SCHEMA, table_of
from support.engine_sums import agreed, awkward_rows

pytest.importorskip("pyspark", reason="Spark is in requirements-spark.lock: make .venv-spark/.stamp")


@pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning")
@pytest.mark.long
def test_a_cluster_of_two_workers_gives_the_same_sums(tmp_path: Path) -> None:
    from ecoia.engines.spark_engine import SparkEngine
    from support.spark_cluster import spark_cluster

    rows = awkward_rows()
    table = table_of(rows)
    for number in range(2):
        parquet.write_table(table_of(rows[number::2]), tmp_path / f"{number}.parquet")
    with spark_cluster(tmp_path) as session:
        recorded = EngineRows(SparkEngine(RowSource([tmp_path / "0.parquet", tmp_path / "1.parquet"]), session))
        assert agreed(recorded) == agreed(rows)
        assert len(session.sparkContext._jsc.sc().statusTracker().getExecutorInfos()) == 3  # the driver, and one on each worker
        too_much = pa.array([2**62 + 1] * len(rows), pa.int64())
        at = table.column_names.index("cpu_microjoules")
        parquet.write_table(table.set_column(at, ROW_SCHEMA.field(at), too_much), tmp_path / "2.parquet")
        with pytest.raises(RecordError, match="row 0: energy_microjoules = "):
            len(EngineRows(SparkEngine(RowSource([tmp_path / "2.parquet"]), session)))
