"""Which engine sums rows up: the one asked for, else by the number of rows."""

from __future__ import annotations

from importlib.util import find_spec

from ecoia.engines.engine import Engine
from ecoia.engines.row_source import RowSource

ENGINES = ("pandas", "duckdb", "spark")
PYTHON_ROWS, PANDAS_ROWS = 200_000, 3_000_000
"""Most rows that are read and summed up by Python itself, and by pandas where DuckDB is installed."""


def choose(rows: int) -> str | None:
    """Return the name of an engine for so many rows. None: they are so few that no engine pays.

    Example:
        >>> choose(1_000), choose(1_000_000)
        (None, 'pandas')
    """
    if rows <= PYTHON_ROWS:
        return None
    return "pandas" if rows <= PANDAS_ROWS or find_spec("duckdb") is None else "duckdb"


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
