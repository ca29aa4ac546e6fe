"""Write the report's tables as Parquet, one file a table: typed columns, with the unit and title of each in its metadata.

Metadata of a column: ``unit`` (``1``: a share), or ``unit_column`` where each line has its own; ``title_fr`` and ``title_en``.
Metadata of a file: ``ecoia.table``, ``ecoia.quarter``, ``ecoia.method_version`` and ``ecoia.schema``.
"""

from __future__ import annotations

import io
from typing import Any

from ecoia.report import QuarterlyReport
from ecoia_dashboards.language import LANGUAGES, Language
from ecoia_dashboards.tables import DAY, FLAG, INTEGER, MOMENT, NUMBER, Cell, Column, Table, tables
from ecoia_dashboards.versions import versions


def drawn_with() -> dict[str, str]:
    """Return the versions of what decides the files' bytes (``ecoia.cli.formats``)."""
    return versions("babel", "pyarrow")


def render_parquet(report: QuarterlyReport, lang: str = "fr") -> dict[str, bytes]:
    """Write every table.

    Args:
        report: The quarter's data.
        lang: Ignored: the metadata holds the titles in every language.

    Returns:
        Files by ``<table>.parquet``. Equal reports give equal bytes.

    Example:
        >>> pd.read_parquet(io.BytesIO(render_parquet(report)["trend.parquet"]))  # doctest: +SKIP
    """
    about = {
        "ecoia.quarter": report.quarter,
        "ecoia.method_version": report.method_version,
        "ecoia.schema": str(report.schema),
    }
    return {f"{table.id}.parquet": _written(table, about) for table in tables(report)}


def _written(table: Table, about: dict[str, str]) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    types = {
        NUMBER: pa.float64(),
        INTEGER: pa.int64(),
        FLAG: pa.bool_(),
        DAY: pa.date32(),
        MOMENT: pa.timestamp("ms", tz="UTC"),
    }
    schema = pa.schema(
        [pa.field(column.id, types.get(column.kind, pa.string()), metadata=_metadata(column)) for column in table.columns],
        metadata={"ecoia.table": table.id, **about},
    )
    columns = zip(*table.rows, strict=True) if table.rows else ((),) * len(table.columns)
    arrays = [pa.array(map(_plain, cells), field.type) for cells, field in zip(columns, schema, strict=True)]
    out = io.BytesIO()
    parquet.write_table(pa.table(arrays, schema=schema), out)
    return out.getvalue()


def _metadata(column: Column[Any]) -> dict[str, str]:
    metadata = {f"title_{code}": column.heading(Language(code)) for code in LANGUAGES}
    if column.unit:
        metadata["unit"] = column.unit
    if column.unit_column:
        metadata["unit_column"] = column.unit_column
    return metadata


def _plain(cell: Cell) -> Cell:
    return ",".join(cell) if isinstance(cell, tuple) else cell
