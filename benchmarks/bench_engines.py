"""Cost of summing up rows in files: by pandas, DuckDB and Spark, beside Python's own sums of the same rows."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import parquet_rows
from harness import Effort, Finished, Line, figure, interleave, run

_SUMS = """
import resource, sys, time
sys.path.insert(0, here)
from parquet_rows import PARIS
from ecoia.engines.choosing import engine
from ecoia.engines.engine_rows import EngineRows
from ecoia.engines.row_source import RowSource
from ecoia.factors import default_factors
from ecoia.impact.cell_sums import CellSums
from ecoia.impact.parameters import AssessmentParameters
from ecoia.impact.recorded import sums_of

def source():
    files = RowSource(paths)
    if name == "python":
        from pyarrow import parquet
        from ecoia.records.columns import check_table, conform, rows_of
        return [row for path in paths for row in rows_of(check_table(conform(parquet.read_table(path))))]
    return EngineRows(engine(name, files))

start, start_cpu = time.monotonic(), time.process_time()
known = AssessmentParameters(default_factors(), "FRA", None, PARIS)
recorded = sums_of(source(), 1 << 62, PARIS, ())
cells = [CellSums.of(sums, known) for sums in recorded.by_quarter.values()]
result["seconds"] = [time.monotonic() - start]
result["cpu"] = [time.process_time() - start_cpu]
result["megabytes"] = [resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]
result["energy"] = str(sum(cell.microjoules for each in cells for cell in each.sums.values()))
result["emitted"] = str(sum(cell.emitted for each in cells for cell in each.sums.values()))
"""

_TARGETS = {1_000_000: 2.0, 10_000_000: 6.0, 100_000_000: 45.0}
_SPARK_TARGET = 30.0  # of ten million rows, its start included
_MOST = {"python": 1_000_000, "pandas": 10_000_000, "spark": 10_000_000}


def engines(effort: Effort) -> Iterator[Line]:
    """Measure sums and cells of a million rows and of ten million; of a hundred million with ``--full``."""
    counts = [effort.spans] if effort.spans < 1_000_000 else [1_000_000, 10_000_000]
    if effort.spans > 1_000_000:
        counts.append(100_000_000)
    names = ["duckdb", "pandas", "python", *(["spark"] if find_spec("pyspark") else [])]
    for count in counts:
        with tempfile.TemporaryDirectory(prefix="ecoia-bench-rows-") as folder:
            paths = [str(path) for path in parquet_rows.write(Path(folder), count)]
            programs = {
                name: partial(run, _SUMS, timeout_seconds=1200.0, here=str(Path(__file__).parent), name=name, paths=paths)
                for name in names
                if count <= _MOST.get(name, count)
            }
            found = interleave(effort, 1, programs)
        assert len({(each.result["energy"], each.result["emitted"]) for runs in found.values() for each in runs}) == 1, (
            "not equal"
        )
        for name, runs in found.items():
            yield _line(name, count, runs)


def _line(name: str, count: int, runs: list[Finished]) -> Line:
    megabytes = max(each.result["megabytes"][0] for each in runs)
    target = {"duckdb": _TARGETS.get(count), "spark": _SPARK_TARGET if count == 10_000_000 else None}.get(name)
    facts = {"megabytes": megabytes, "cpu_seconds": [each.result["cpu"][0] for each in runs]}
    what = f"sums and cells of {count:,} rows in Parquet, by {name}"
    return Line(what, "s", figure(runs, "seconds"), target, note=f"at most {megabytes:,.0f} MB", facts=facts)
