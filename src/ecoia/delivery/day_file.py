"""The ledger's day file, ``records.jsonl.gz``: its bytes, and how it grows without losing or doubling a record.

A day file holds the rows of one instance and UTC day, one JSON object a line. The functions here do not depend on any store.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from ecoia import limits
from ecoia.errors import DeliveryError
from ecoia.periods import half_hour_start, utc_day
from ecoia.records import Record, Row, check_row, each_once, fold, merge_rows, split_by_half_hour
from ecoia.records.id_sets import NO_IDS, Holders, RecordIds, are_disjoint, ids_of
from ecoia.records.json_lines import JsonError, read_json, unpacked_text

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


@dataclass(frozen=True)
class DayFile:
    """What a day file holds.

    Attributes:
        digest: SHA-256 of its text, in hexadecimal.
        rows: Its rows.
        refused: Number of the line, counted from 1, and what is wrong with it, for each line that gives no row.
    """

    digest: str
    rows: list[Row]
    refused: tuple[tuple[int, str], ...] = ()


def encode_day(rows: Iterable[Row]) -> bytes:
    """Write rows as a day file. Equal rows give equal bytes: the gzip header holds neither time nor name."""
    return gzip.compress(_lines(rows), mtime=0)


def digest(rows: Iterable[Row]) -> str:
    """Return the SHA-256 of the day file's text, in hexadecimal."""
    return text_digest(_lines(rows))


def text_digest(text: bytes) -> str:
    """Return the SHA-256 of a day file's text, in hexadecimal."""
    return hashlib.sha256(text).hexdigest()


def _lines(rows: Iterable[Row]) -> bytes:
    return "".join(_encode(row) + "\n" for row in rows).encode()


def day_text(data: bytes) -> bytes:
    """Return the text of a day file.

    Raises:
        DeliveryError: the data is cut short, is no gzip file, or gives more text than ``limits.DAY``.
    """
    try:
        return unpacked_text(data, limits.DAY)
    except JsonError as error:
        raise DeliveryError(f"not a readable day file: {error}") from error


def decode_day(data: bytes, passed: Collection[str] = ()) -> DayFile:
    """Read a day file. A line that gives no row is left out and named; the others count.

    Args:
        data: The file.
        passed: Digests of texts of which every line gave a row before, by the rules of today: they are read, not checked again.

    Raises:
        DeliveryError: as ``day_text``, or it has more lines.

    Example::

        decode_day(encode_day(rows)).rows == rows  # True
    """
    text = day_text(data)
    if text.count(b"\n") > limits.DAY.lines:
        raise DeliveryError(f"not a readable day file: it has more than {limits.DAY.lines:,} lines")
    name = text_digest(text)
    lines = list(filter(None, text.split(b"\n")))
    if name in passed:
        return DayFile(name, json.loads(b"[" + b",".join(lines) + b"]"))
    rows, refused = [], []
    for number, line in enumerate(text.split(b"\n"), 1):
        if line:
            try:
                rows.append(_read_row(line))
            except ValueError as error:
                refused.append((number, str(error)))
    return DayFile(name, rows, tuple(refused))


def _read_row(line: bytes) -> Row:
    if len(line) > limits.LINE_BYTES:
        raise ValueError(f"is longer than {limits.LINE_BYTES:,} bytes")
    try:
        return check_row(read_json(line))
    except JsonError as error:
        raise ValueError(f"is not JSON that a row has ({error})") from None


def merge_day(
    existing: Sequence[Row],
    rows: Sequence[Row],
    records: Callable[[], Iterable[Record]],
    replaced: Collection[str] = (),
    elsewhere: RecordIds = NO_IDS,
) -> list[Row]:
    """Merge a day file with what the journal holds, so that each record counts once and none is lost.

    Normally the journal is whole, and its rows are the answer. If old days of the journal were archived, the ledger has rows with
    records that the journal lacks: these rows stay as they are, and the journal adds the records that are not in them.

    Args:
        existing: Rows of the present day file.
        rows: The journal's records of that instance and day, folded.
        records: Gives the journal's records that touch the day; called only if the journal is not whole.
        replaced: Ids of records that others than these correct.
        elsewhere: Ids of records that another day file gets from the journal.

    Returns:
        The rows of the day file that replaces ``existing``.

    Example::

        merge_day([], fold(records), lambda: records) == fold(records)  # True
    """
    if not existing:
        return list(rows)
    local = RecordIds.union_of(map(ids_of, rows))
    if all(local.includes(ids_of(row)) for row in existing):
        return list(rows)
    here = each_once(records())
    # Also those that a correction replaced, which are in no row.
    local = local.union(RecordIds.of(here), RecordIds.of(replaced), elsewhere)
    kept = [row for row in existing if not local.includes(ids_of(row))]
    if not kept:
        return list(rows)
    counted: dict[int, list[RecordIds]] = {}
    for row in kept:
        counted.setdefault(row["half_hour_utc_ns"], []).append(ids_of(row))
    counted_at = {half_hour: RecordIds.union_of(sets) for half_hour, sets in counted.items()}
    corrected = {record.replaces for record in here.values() if record.replaces}.union(replaced)
    days = {utc_day(row["half_hour_utc_ns"]) for row in existing}
    added: dict[int, list[Record]] = {}
    for record_id, record in here.items():
        for part in split_by_half_hour(record):
            half_hour = half_hour_start(part.start_utc_ns)
            known = record_id in corrected or record_id in counted_at.get(half_hour, NO_IDS)
            if utc_day(half_hour) in days and not known:
                added.setdefault(half_hour, []).append(part)
    # Fold half-hour by half-hour: the parts of a record share its id, and folding them together would drop all but one.
    return merge_rows([*kept, *(row for half_hour in sorted(added) for row in fold(added[half_hour]))])


def union(days: Iterable[Sequence[Row]]) -> list[Row]:
    """Join the rows of several day files so that each record of an instance counts once.

    Two files can hold the same records if a delivery was cut short. A row is left out if a fuller row already counts any of its
    records. A record under two instances stays in both rows, as no retry makes that: ``ecoia.impact.doublecounting`` refuses one
    of them and reports it.
    """
    places: dict[tuple[str, int], list[Row]] = {}
    for day in days:
        for row in day:
            places.setdefault((row["instance"], row["half_hour_utc_ns"]), []).append(row)
    return merge_rows(row for rows in places.values() for row in _each_record_once(rows))


def _each_record_once(rows: list[Row]) -> list[Row]:
    """Return the rows of an instance and half-hour without those of which a fuller one counts any record."""
    if are_disjoint(map(ids_of, rows)):
        return rows
    counted: Holders[Row] = Holders()
    kept = []
    for row in sorted(rows, key=lambda row: (-ids_of(row).count, json.dumps(row, sort_keys=True))):
        ids = ids_of(row)
        if counted.holder_of(ids) is None:
            counted.add(ids, row)
            kept.append(row)
    return kept
