"""The ledger's day file, ``records.jsonl.gz``: its bytes, and how it grows without losing or doubling anything.

Pure functions: they know no store. A day file is the rows of one instance and UTC day, one JSON object a line.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Callable, Iterable, Sequence

from ecoia.errors import DeliveryError
from ecoia.periods import half_hour_start, utc_day
from ecoia.records import Record, Row, fold, merge_rows, split_by_half_hour


def encode_day(rows: Iterable[Row]) -> bytes:
    """The day file of some rows. Equal rows give equal bytes: no time and no name is in the gzip header."""
    return gzip.compress(_lines(rows), mtime=0)


def digest(rows: Iterable[Row]) -> str:
    """SHA-256 of the day file's text."""
    return hashlib.sha256(_lines(rows)).hexdigest()


def _lines(rows: Iterable[Row]) -> bytes:
    text = (json.dumps(row, ensure_ascii=False, allow_nan=False, separators=(",", ":")) for row in rows)
    return "".join(line + "\n" for line in text).encode()


def decode_day(data: bytes) -> list[Row]:
    """The rows of a day file.

    Raises:
        DeliveryError: it is cut short or is no day file.
    """
    try:
        return [json.loads(line) for line in gzip.decompress(data).splitlines()]
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise DeliveryError(f"not a readable day file: {error}") from error


def merge_day(existing: Sequence[Row], rows: Sequence[Row], records: Callable[[], Iterable[Record]]) -> list[Row]:
    """The day file that replaces ``existing``: whatever it held, and everything that the journal holds, each record once.

    Normally the journal is whole and its rows are the answer. Rows in which the ledger knows records that the journal
    no longer has (its old days were archived) are kept as they are, and the journal adds the records not in them.

    Args:
        existing: Rows of the present day file.
        rows: The journal's records of that instance and day, folded.
        records: Gives the journal's records that touch the day; asked only when the journal is not whole.
    """
    if not existing:
        return list(rows)
    local = {record_id for row in rows for record_id in row["record_ids"]}
    missing = [row for row in existing if not local.issuperset(row["record_ids"])]
    if not missing:
        return list(rows)
    here = list(records())
    local.update(record.record_id for record in here)  # those that a correction replaced are in no row
    kept = [row for row in existing if not local.issuperset(row["record_ids"])]
    if not kept:
        return list(rows)
    counted: dict[int, set[str]] = {}
    for row in kept:
        counted.setdefault(row["half_hour_utc_ns"], set()).update(row["record_ids"])
    replaced = {record.replaces for record in here if record.replaces}
    days = {utc_day(row["half_hour_utc_ns"]) for row in existing}
    added: dict[int, list[Record]] = {}
    for record in {record.record_id: record for record in here}.values():
        for part in split_by_half_hour(record):
            half_hour = half_hour_start(part.start_utc_ns)
            if utc_day(half_hour) in days and record.record_id not in replaced | counted.get(half_hour, set()):
                added.setdefault(half_hour, []).append(part)
    # Part by part: a record cut at half-hours has one id in each, and folding them together would drop all but one.
    return merge_rows([*kept, *(row for half_hour in sorted(added) for row in fold(added[half_hour]))])


def union(days: Iterable[Sequence[Row]]) -> list[Row]:
    """Rows of several day files, each record of an instance once: a row whose records a fuller row already counts is left out.

    Two files can hold the same records when a delivery was cut short. Files of one delivery never overlap in part; where they
    do all the same, the fuller row stands. Of one record under two instances both rows are given: that is nobody's retry, so
    ``doublecounting`` refuses one and says so.
    """
    rows = [row for day in days for row in day]
    counts = [(row["instance"], row["half_hour_utc_ns"], record_id) for row in rows for record_id in row["record_ids"]]
    if len(set(counts)) == len(counts):
        return merge_rows(rows)
    rows.sort(key=lambda row: (-len(row["record_ids"]), json.dumps(row, sort_keys=True)))
    counted: dict[tuple[str, int], set[str]] = {}
    kept = []
    for row in rows:
        seen = counted.setdefault((row["instance"], row["half_hour_utc_ns"]), set())
        if seen.isdisjoint(row["record_ids"]):
            seen.update(row["record_ids"])
            kept.append(row)
    return merge_rows(kept)
