"""Read a dataset: what its manifest lists and nothing else, each file by its digest, each row by the rules of a row."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from ecoia.dataset.manifest import MANIFEST_FILE, DatasetFile, Manifest, columns_of
from ecoia.dataset.place import Place
from ecoia.errors import DatasetError
from ecoia.records import RecordError, Row
from ecoia.records.columns import conform, refused_lines, rows_of

FILE_BYTES = 1 << 30
"""Greatest file: one instance that writes 20 million rows a month."""

_UNPACKED_BYTES = 16 << 30


class Dataset:
    """A dataset as its manifest is at this moment; an export meanwhile changes nothing of it.

    Args:
        uri: Its folder or address.

    Attributes:
        manifest: Its manifest.

    Raises:
        DatasetError: there is none, or its manifest cannot be used.
        UsageError: the address cannot be used.

    Example::

        rows = Dataset("s3://bucket/ecoia").rows()
    """

    def __init__(self, uri: str) -> None:
        self._place = Place(uri)
        found = Manifest.read(self._place)
        if found is None:
            raise DatasetError(
                f"there is no dataset at '{self._place.public}' (no {MANIFEST_FILE}): 'ecoia export --to' writes one, and its "
                "manifest last"
            )
        self.manifest = found

    @property
    def public(self) -> str:
        """Its address, without what nobody should see."""
        return self._place.public

    @property
    def is_here(self) -> bool:
        """Whether its files lie in a folder, and not in an object store."""
        return self._place.is_here

    def rows(self, quarters: Collection[str] | None = None) -> list[Row]:
        """Return its rows, each checked.

        Args:
            quarters: Quarters to read, such as ``2026Q4``, in the dataset's own time zone. None: all.

        Raises:
            DatasetError: a file is not the one that the manifest lists, or a row is none; the message names file and row.
        """
        return [row for table in self.tables(quarters) for row in rows_of(table)]

    def tables(self, quarters: Collection[str] | None = None) -> Iterator[pa.Table]:
        """Give each file as a checked table of ``columns.ROW_SCHEMA``; arguments and errors are those of ``rows``."""
        for file in self.manifest.files:
            if quarters is None or file.quarter in quarters:
                yield self._checked(file, self._content(file))

    def paths(self, folder: Path) -> list[Path]:
        """Return its files on this machine, each with the digest of the manifest, for engines that read files.

        Rows in them are not checked: ``engines`` does, while it sums them up.

        Args:
            folder: Where files from an object store are copied to; those of a folder stay where they are.

        Raises:
            DatasetError: a file is not the one that the manifest lists.
        """
        found = []
        for file in self.manifest.files:
            path = self._place.local_path(file.path)
            if path is None:
                path = folder / file.path.replace("/", "-")
                path.write_bytes(self._content(file))
            else:
                try:
                    with path.open("rb") as opened:
                        self._check_digest(file, hashlib.file_digest(opened, "sha256").hexdigest())
                except FileNotFoundError as error:
                    raise self._gone(file) from error
            found.append(path)
        return found

    def _content(self, file: DatasetFile) -> bytes:
        try:
            content = self._place.read(file.path, FILE_BYTES)
        except FileNotFoundError as error:
            raise self._gone(file) from error
        self._check_digest(file, hashlib.sha256(content).hexdigest())
        return content

    def _gone(self, file: DatasetFile) -> DatasetError:
        return DatasetError(f"{self._named(file)} is gone: 'ecoia export --to' writes it again")

    def _check_digest(self, file: DatasetFile, found: str) -> None:
        if found != file.sha256:
            raise DatasetError(
                f"{self._named(file)} is not the one that was exported (its SHA-256 differs): remove it, then 'ecoia export "
                "--to' writes it again"
            )

    def _checked(self, file: DatasetFile, content: bytes) -> pa.Table:
        try:
            opened = parquet.ParquetFile(pa.BufferReader(content))
            about = opened.metadata
            unpacked = sum(about.row_group(number).total_byte_size for number in range(about.num_row_groups))
            if about.num_rows != file.rows or unpacked > _UNPACKED_BYTES:
                raise DatasetError(f"{self._named(file)} has {about.num_rows:,} rows, and the manifest says {file.rows:,}")
            self._check_columns(file, opened.schema_arrow)
            table = conform(opened.read())
        except (pa.ArrowException, OSError) as error:
            raise DatasetError(f"{self._named(file)} is no readable Parquet file ({error})") from error
        except RecordError as error:
            raise DatasetError(f"{self._named(file)}: {error}") from error
        for _, refusal in refused_lines(table):
            raise DatasetError(f"{self._named(file)}, {refusal}") from refusal
        return table

    def _check_columns(self, file: DatasetFile, schema: pa.Schema) -> None:
        said, found = self.manifest.columns, columns_of(schema)
        for name in [*said, *found]:
            if found.get(name) != said.get(name):
                raise DatasetError(
                    f"{self._named(file)} has column '{name}' as {found.get(name, 'nothing')}, and the manifest says "
                    f"{said.get(name, 'nothing')}: files of two schemas are mixed; 'ecoia export --to' another place"
                )

    def _named(self, file: DatasetFile) -> str:
        return f"'{self._place.public}/{file.path}'"
