"""Which row is in which file: by quarter and civil month, and by instance where a month is large.

Months are those of the organisation's time zone, so that each lies in one quarter. One file a month is the rule: an instance's
month has some 9,000 rows and 200 kB, and a file for each would cost more to list and open than to read. Beyond ``MOST_ROWS`` the
instances of a month are dealt out by the digest of their names over 2, 4, 8... files, so that a late record of one instance
changes one file, and a month that grows keeps its files until their number doubles.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple
from zoneinfo import ZoneInfo

from ecoia.periods import Quarter, utc_datetime
from ecoia.records import Row

MOST_ROWS = 1 << 19
"""Rows of a file, where its instances can be dealt out: 10 to 25 MB of Parquet, and 1.5 GB while it is written."""


class Part(NamedTuple):
    """The rows of one file.

    Attributes:
        path: Its name within the dataset.
        content: SHA-256 of the rows as sorted lines of JSON.
        rows: The rows, sorted.
    """

    path: str
    content: str
    rows: list[Row]


def parts(rows: Iterable[Row], timezone: ZoneInfo, most_rows: int = MOST_ROWS) -> Iterator[Part]:
    """Deal rows out to files. The order of the rows changes nothing.

    Args:
        rows: Ledger rows.
        timezone: The organisation's time zone.
        most_rows: Rows of a month from which on its instances are dealt out.

    Example:
        >>> list(parts([], ZoneInfo("UTC")))
        []
    """
    folders: dict[int, str] = {}
    months: dict[str, list[Row]] = {}
    for row in rows:
        half_hour = row["half_hour_utc_ns"]
        if half_hour not in folders:
            folders[half_hour] = _folder(half_hour, timezone)
        months.setdefault(folders[half_hour], []).append(row)
    for folder in sorted(months):
        dealt = _dealt_out(months.pop(folder), most_rows)
        for number, some in enumerate(dealt, 1):
            if some:
                content, ordered = _ordered(some)
                yield Part(f"{folder}/{number}of{len(dealt)}-{content[:16]}.parquet", content, ordered)


def _folder(half_hour_utc_ns: int, timezone: ZoneInfo) -> str:
    day = utc_datetime(half_hour_utc_ns).astimezone(timezone).date()
    return f"quarter={Quarter.of_date(day)}/month={day:%Y-%m}"


def _dealt_out(rows: Sequence[Row], most_rows: int) -> list[list[Row]]:
    count = 1
    while count * most_rows < len(rows):
        count *= 2
    dealt: list[list[Row]] = [[] for _ in range(count)]
    number_of = {name: _number(name) % count for name in {row["instance"] for row in rows}}
    for row in rows:
        dealt[number_of[row["instance"]]].append(row)
    return dealt


def _number(instance: str) -> int:
    return int.from_bytes(hashlib.sha256(instance.encode()).digest()[:8], "big")


def _ordered(rows: Sequence[Row]) -> tuple[str, list[Row]]:
    """Sort rows by time, instance and content. Returns the digest of their lines, and the rows."""
    lines = [_line(row) for row in rows]
    order = sorted(range(len(rows)), key=lambda at: (rows[at]["half_hour_utc_ns"], rows[at]["instance"], lines[at]))
    digest = hashlib.sha256()
    for at in order:
        digest.update(f"{lines[at]}\n".encode())
    return digest.hexdigest(), [rows[at] for at in order]


_line = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True).encode
