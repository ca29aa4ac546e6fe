"""The manifest of a dataset: which files count, what is in each, where the rows came from, and what is missing from them.

It is written last and replaced as a whole, so whoever follows it sees one export and never half of another. Files that it does
not list count nowhere.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from ecoia.dataset.place import Place
from ecoia.errors import DatasetError
from ecoia.impact.ledger_gaps import GAP_REASONS, LedgerGap
from ecoia.records.columns import table_of
from ecoia.records.json_lines import JsonError, read_json
from ecoia.semconv import SCHEMA_VERSION, VERSION

MANIFEST_FILE = "manifest.json"
FORMAT = 1
"""Version of the manifest and of the layout. A reader refuses a newer one."""

MANIFEST_BYTES = 128 << 20
"""Greatest manifest: 200,000 files take 80 MB, and 10,000 instances make some 150 files a month."""

FILE_NAME = re.compile(r"quarter=\d{4}Q[1-4]/month=\d{4}-\d\d/\d+of\d+-[0-9a-f]{16}\.parquet")
"""Names that a dataset's own files have. No other file is ever read or removed."""

_DIGEST = re.compile(r"[0-9a-f]{64}")


def columns_of(schema: pa.Schema) -> dict[str, str]:
    """Return name and type of each column of a file."""
    return {each.name: str(each.type) for each in schema}


@cache
def _columns_here() -> dict[str, str]:
    empty = io.BytesIO()
    parquet.write_table(table_of([]), empty)  # Parquet has its own names for what a list holds
    return columns_of(parquet.read_schema(empty))


@dataclass(frozen=True)
class DatasetFile:
    """One file of a dataset.

    Attributes:
        path: Name within the dataset.
        rows: How many rows it has.
        bytes: Its size.
        sha256: SHA-256 of its bytes.
        content: SHA-256 of its rows as sorted lines of JSON. Equal rows give it, whichever version of pyarrow writes the file.
    """

    path: str
    rows: int
    bytes: int
    sha256: str
    content: str

    @property
    def quarter(self) -> str:
        """The quarter that its rows are of, such as ``2026Q4``."""
        return self.path.partition("/")[0].removeprefix("quarter=")


@dataclass(frozen=True)
class Source:
    """Where the rows of a dataset came from.

    Attributes:
        id: Kind and local id of the source. It holds no address, as the dataset may be read by more people than the source.
        digest: A text that changes when the source does: of a ledger, over the digests of its days. Empty: not known.
    """

    id: str
    digest: str = ""


@dataclass(frozen=True)
class Manifest:
    """What a dataset holds.

    Attributes:
        timezone: Time zone in which quarters and months begin.
        source: Where the rows came from.
        files: Its files, sorted by path.
        gaps: Days of the ledger that are not, or not wholly, in the files.
        replaced: Files that counted before, and since when (UTC, ISO) they do not. They are removed a day later.
        columns: Name and type of each column, the same in every file.
        schema: Version of the rows' schema.
        ecoia_version: Version of ecoia that wrote it.
    """

    timezone: str
    source: Source
    files: tuple[DatasetFile, ...]
    gaps: tuple[LedgerGap, ...] = ()
    replaced: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=lambda: dict(_columns_here()))
    schema: int = SCHEMA_VERSION
    ecoia_version: str = VERSION

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return sum(each.rows for each in self.files)

    @property
    def digest(self) -> str:
        """SHA-256 of everything that counts: equal rows, gaps and columns give equal digests."""
        counted = [[[each.path, each.content] for each in self.files], [asdict(gap) for gap in self.gaps], dict(self.columns)]
        return hashlib.sha256(json.dumps([counted, self.timezone], sort_keys=True).encode()).hexdigest()

    def to_json(self) -> bytes:
        """Write it. Equal manifests give equal bytes."""
        data = {
            "ecoia_dataset": FORMAT,
            "ecoia_version": self.ecoia_version,
            "schema": self.schema,
            "digest": self.digest,
            "rows": self.rows,
            "timezone": self.timezone,
            "source": asdict(self.source),
            "columns": dict(self.columns),
            "files": [asdict(each) for each in self.files],
            "gaps": [asdict(gap) for gap in self.gaps],
            "replaced": dict(sorted(self.replaced.items())),
        }
        return (json.dumps(data, indent=1) + "\n").encode()

    @classmethod
    def read(cls, place: Place) -> Manifest | None:
        """Read the manifest of a dataset; None where there is none.

        Raises:
            DatasetError: it is none of ours, a newer ecoia wrote it, it was changed by hand, or it cannot be read.
        """
        try:
            content = place.read(MANIFEST_FILE, MANIFEST_BYTES)
        except FileNotFoundError:
            return None
        where = f"'{place.public}/{MANIFEST_FILE}'"
        try:
            data = read_json(content)
        except JsonError as error:
            raise DatasetError(f"{where} is not readable ({error}): export to another place") from error
        version = data.get("ecoia_dataset") if isinstance(data, dict) else None
        if type(version) is not int:
            raise DatasetError(f"{where} is not of a dataset that 'ecoia export --to' wrote: name another place")
        if version > FORMAT or (type(data.get("schema")) is int and data["schema"] > SCHEMA_VERSION):
            raise DatasetError(f"{where} was written by ecoia {data.get('ecoia_version')}, which is newer: upgrade ecoia here")
        try:
            found = cls._of(data)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DatasetError(f"{where} is damaged ({error!r}): remove it, then export again") from error
        if data.get("digest") != found.digest or data.get("rows") != found.rows:
            raise DatasetError(f"{where} was changed after it was written: remove it, then export again")
        return found

    @classmethod
    def _of(cls, data: Mapping[str, Any]) -> Manifest:
        """Take a manifest from JSON.

        Raises:
            ValueError: a value is wrong; other errors where the shape is.
        """
        files = tuple(DatasetFile(**each) for each in data["files"])
        for each in files:
            if FILE_NAME.fullmatch(each.path) is None:
                raise ValueError(f"files: {each.path!r} is no file of a dataset")
            if type(each.rows) is not int or type(each.bytes) is not int or min(each.rows, each.bytes) < 0:
                raise ValueError(f"files: {each.path!r} has no number of rows or bytes")
            if not all(_DIGEST.fullmatch(digest) for digest in (each.sha256, each.content)):
                raise ValueError(f"files: {each.path!r} has no digest")
        if len({each.path for each in files}) < len(files):
            raise ValueError("files: one is listed twice")
        gaps = tuple(LedgerGap(**{**gap, "why": tuple(gap["why"])}) for gap in data["gaps"])
        if unknown := {gap.reason for gap in gaps} - set(GAP_REASONS):
            raise ValueError(f"gaps: reason {sorted(unknown)} is not known")
        columns = {str(name): str(type_) for name, type_ in data["columns"].items()}
        replaced = {str(name): str(since) for name, since in data["replaced"].items()}
        source = Source(**data["source"])
        said = str(data["timezone"]), source, files, gaps, replaced, columns, int(data["schema"]), str(data["ecoia_version"])
        return cls(*said)
