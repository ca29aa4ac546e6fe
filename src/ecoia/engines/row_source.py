"""Where rows lie: Parquet files, or a table in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa
from pyarrow import dataset, parquet

from ecoia.records import RecordError
from ecoia.records.columns import ROW_SCHEMA, conform


@dataclass(frozen=True)
class RowSource:
    """Rows with the columns of ``records.columns.ROW_SCHEMA``.

    Attributes:
        paths: Parquet files.
        table: A table in memory, in place of files.
    """

    paths: Sequence[Path] = ()
    table: pa.Table | None = None

    def __post_init__(self) -> None:
        """Check that each file has the columns of rows, and types that hold their values."""
        for path in self.paths:
            schema = parquet.read_schema(path)
            try:
                conform(schema.empty_table())
            except RecordError as error:
                raise type(error)(f"'{path}': {error}") from error

    @cached_property
    def files(self) -> dataset.Dataset:
        """The files as one dataset."""
        return dataset.dataset([str(path) for path in self.paths], schema=ROW_SCHEMA, format="parquet")

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return int(self.files.count_rows() if self.table is None else self.table.num_rows)
