"""Bring a dataset up to date: write what is new beside what counts, then the manifest, and only then is anything removed.

The name of a file holds the digest of its rows, so a file never changes and two exporters that write the same rows write the
same file. Of two at once the manifest that is written last counts, and whatever it lists is there: a file that counts no more
stays for ``KEEP_SECONDS``, for those who read an earlier manifest and for an exporter that began before.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from pyarrow import parquet

from ecoia.dataset.layout import MOST_ROWS, Part, parts
from ecoia.dataset.manifest import FILE_NAME, MANIFEST_FILE, DatasetFile, Manifest, Source
from ecoia.dataset.place import Place
from ecoia.errors import DatasetError
from ecoia.impact.ledger_gaps import LedgerGap
from ecoia.records import RecordError, Row
from ecoia.records.columns import refused_lines, table_of

KEEP_SECONDS = 24 * 3600
"""How long a file stays that counts no more: longer than any reading or export takes."""


class Exported(NamedTuple):
    """What an export did.

    Attributes:
        manifest: The manifest that counts now.
        written: Names of the files that it wrote, the manifest among them; empty where nothing was new.
    """

    manifest: Manifest
    written: tuple[str, ...]


class _State(NamedTuple):
    """What is at a place before an export."""

    manifest: Manifest | None
    sizes: dict[str, int]

    def kept(self, part: Part, columns: dict[str, str]) -> DatasetFile | None:
        """Return the file that holds the rows of a part already, whole and with the columns that this version writes."""
        if self.manifest is None or dict(self.manifest.columns) != columns:
            return None
        found = next((each for each in self.manifest.files if each.path == part.path and each.content == part.content), None)
        return found if found is not None and self.sizes.get(found.path) == found.bytes else None


def is_up_to_date(place: Place, source: Source, timezone: str) -> Manifest | None:
    """Return the manifest of a dataset that holds all that its source does; None where an export is needed.

    Args:
        place: Where it lies.
        source: The source, with its digest of now.
        timezone: Time zone of quarters and months.

    Raises:
        DatasetError: there is something else than such a dataset.
    """
    state = _look(place, source)
    found = state.manifest
    if found is None or not source.digest or found.gaps:
        return None
    same = found == Manifest(timezone, source, found.files, replaced=found.replaced)
    whole = all(state.sizes.get(each.path) == each.bytes for each in found.files)
    over = _left_over(state, found.files, datetime.now(UTC))
    return found if same and whole and not over.due and over.replaced == found.replaced else None


def export(
    place: Place,
    rows: Sequence[Row],
    gaps: Sequence[LedgerGap],
    *,
    timezone: str,
    source: Source,
    now: datetime | None = None,
    most_rows: int = MOST_ROWS,
) -> Exported:
    """Make a dataset hold these rows and gaps, and nothing else. Writes only what is new.

    Args:
        place: Where it lies, or shall lie.
        rows: Ledger rows in any order.
        gaps: Days of the ledger that are not, or not wholly, among them.
        timezone: Time zone of quarters and months.
        source: Where the rows come from.
        now: The time. None: the clock's.
        most_rows: Rows of a month from which on it has several files.

    Raises:
        DatasetError: the place holds something else, or cannot be written.
    """
    state, now = _look(place, source), now or datetime.now(UTC)
    files, written = [], []
    empty = Manifest(timezone, source, ())
    for part in parts(rows, ZoneInfo(timezone), most_rows):
        file = state.kept(part, dict(empty.columns))
        if file is None:
            content = _parquet(part)
            file = DatasetFile(part.path, len(part.rows), len(content), hashlib.sha256(content).hexdigest(), part.content)
            place.write(part.path, content)
            written.append(part.path)
        files.append(file)
    over = _left_over(state, files, now)
    manifest = Manifest(timezone, source, tuple(files), tuple(sorted(gaps)), over.replaced)
    if manifest != state.manifest:
        place.write(MANIFEST_FILE, manifest.to_json())
        written.append(MANIFEST_FILE)
    for name in over.due:
        place.remove(name)
    return Exported(manifest, tuple(written))


def _look(place: Place, source: Source) -> _State:
    """Look at what is at a place.

    Raises:
        DatasetError: it is not a dataset of this source.
    """
    state = _State(Manifest.read(place), place.sizes())
    if state.manifest is not None and state.manifest.source.id != source.id:
        raise DatasetError(
            f"'{place.public}' holds the rows of another source ({state.manifest.source.id}, not {source.id}): name another "
            "place, or check MLFLOW_TRACKING_URI and --home"
        )
    others = [name for name in state.sizes if name.endswith(".parquet") and FILE_NAME.fullmatch(name) is None]
    if others:
        raise DatasetError(f"'{place.public}' holds other Parquet files ('{min(others)}'): give the dataset a place of its own")
    return state


class _LeftOver(NamedTuple):
    """Files that do not count: since when, and those that were kept long enough."""

    replaced: dict[str, str]
    due: list[str]


def _left_over(state: _State, files: Sequence[DatasetFile], now: datetime) -> _LeftOver:
    counted = {each.path for each in files}
    known = state.manifest.replaced if state.manifest else {}
    replaced, due = {}, []
    for name in sorted(state.sizes.keys() - counted):
        if FILE_NAME.fullmatch(name):
            since = known.get(name) or now.isoformat(timespec="seconds")
            if datetime.fromisoformat(since) + timedelta(seconds=KEEP_SECONDS) <= now:
                due.append(name)
            else:
                replaced[name] = since
    return _LeftOver(replaced, due)


def _parquet(part: Part) -> bytes:
    """Write the rows of a part as a Parquet file.

    Raises:
        DatasetError: a row is none.
    """
    try:
        table = table_of(part.rows)
        for _, error in refused_lines(table):
            raise error
    except RecordError as error:
        raise DatasetError(f"'{part.path}' cannot be written: {error}") from error
    out = io.BytesIO()
    parquet.write_table(table, out, compression="zstd")
    return out.getvalue()
