"""Which engine sums rows up: the one asked for, else by the number of rows."""

from __future__ import annotations

from importlib.util import find_spec

from ecoia.engines.engine import Engine
from ecoia.engines.row_source import RowSource

ENGINES = ("pandas", "duckdb", "spark")
PANDAS_ROWS = 3_000_000
"""Most rows that pandas is taken for where DuckDB is installed (docs/scale.md has the figures)."""


def choose(rows: int) -> tuple[str, str]:
    """Return the name of an engine for so many rows, and why it is the one, as a phrase for people.

    Example:
        >>> choose(1000)
        ('pandas', '1,000 rows')
    """
    if rows <= PANDAS_ROWS:
        return "pandas", f"{rows:,} rows"
    if find_spec("duckdb") is None:
        return "pandas", f"{rows:,} rows; DuckDB would be faster: pip install 'ecoia[duckdb]'"
    return "duckdb", f"{rows:,} rows"


def engine(name: str, source: RowSource) -> Engine:
    """Return an engine for some rows.

    Args:
        name: One of ``ENGINES``.
        source: The rows.

    Raises:
        MissingExtraError: its package is not installed.
    """
    if name == "duckdb":
        from ecoia.engines.duckdb_engine import DuckdbEngine

        return DuckdbEngine(source)
    if name == "spark":
        from ecoia.engines.spark_engine import SparkEngine

        return SparkEngine(source)
    from ecoia.engines.pandas_engine import PandasEngine

    return PandasEngine(source)
