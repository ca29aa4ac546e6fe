"""The id of a record: a text. A *sequenced* id is ``<writer>:<stream>:<seq>``, so that the ids of a row are a few ranges.

The *writer* is 128 random bits, in hexadecimal, that a process takes for itself. It numbers its *streams*: records of one kind
and key, which are added up in the same rows. The *seq* counts within a stream. Any other text is a *loose* id: the UUIDs of
records of schema 1, declared activity, and runs whose process died.

An id has one text: a number with a sign or a leading zero makes it a loose id. ``ecoia.records.id_sets`` has sets of ids.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

from ecoia.light import Any

Range = tuple[str, int, int, int]
"""Writer, stream, first and last seq, both of them included."""

STREAM_LIMIT = 1 << 31
"""Bound of a stream's number, not included: tables hold it as int32."""

SEQ_LIMIT = 1 << 62
"""Bound of a seq, not included: tables hold it as int64."""

_HEXADECIMAL = "0123456789abcdef"
_WRITER_DIGITS = 32


def sequenced_id(writer: str, stream: int, seq: int) -> str:
    """Return the text of a sequenced id.

    Example:
        >>> sequenced_id("0123456789abcdef0123456789abcdef", 3, 17)
        '0123456789abcdef0123456789abcdef:3:17'
    """
    return f"{writer}:{stream}:{seq}"


def sequence_of(record_id: str) -> tuple[str, int, int] | None:
    """Return writer, stream and seq of a sequenced id; None for a loose one.

    Example:
        >>> sequence_of("0123456789abcdef0123456789abcdef:3:17")
        ('0123456789abcdef0123456789abcdef', 3, 17)
        >>> sequence_of("0123456789abcdef0123456789abcdef:3:017") is None
        True
    """
    begin, _, seq = record_id.rpartition(":")
    found = _stream_of(begin) if begin else None  # most loose ids have no colon
    return None if found is None or not _is_number(seq, SEQ_LIMIT) else (*found, int(seq))


@lru_cache(maxsize=1024)
def _stream_of(begin: str) -> tuple[str, int] | None:
    """Return writer and stream, of what stands before the last colon of an id. Few are asked for, of many records each."""
    writer, _, stream = begin.partition(":")
    return (writer, int(stream)) if _is_writer(writer) and _is_number(stream, STREAM_LIMIT) else None


def _is_writer(text: str) -> bool:
    return len(text) == _WRITER_DIGITS and not text.strip(_HEXADECIMAL)


def _is_number(text: str, limit: int) -> bool:
    return 0 < len(text) <= 19 and text.isascii() and text.isdecimal() and (text[0] != "0" or text == "0") and int(text) < limit


def joined(ranges: Iterable[Range]) -> list[Range]:
    """Return the ranges that hold the same ids as some others: sorted, each as long as can be, no id in two of them.

    Example:
        >>> joined([("w", 0, 5, 6), ("w", 0, 1, 4), ("w", 0, 8, 8)])
        [('w', 0, 1, 6), ('w', 0, 8, 8)]
    """
    result: list[Range] = []
    for each in sorted(ranges):
        writer, stream, first, last = each
        if result:
            known_writer, known_stream, known_first, known_last = result[-1]
            if known_stream == stream and known_writer == writer and first <= known_last + 1:
                if last > known_last:
                    result[-1] = (writer, stream, known_first, last)
                continue
        result.append(each)
    return result


# ------------------------------------------------------------------------------------------------- as rows hold them


def loose_part(record_id: str) -> list[str]:
    """Return what the id of a row's only record gives to the row's ``record_ids``."""
    return [record_id] if sequence_of(record_id) is None else []


def ranged_part(record_id: str) -> list[list[Any]]:
    """Return what the id of a row's only record gives to the row's ``sources``.

    Example:
        >>> ranged_part("0123456789abcdef0123456789abcdef:3:17")
        [['0123456789abcdef0123456789abcdef', 3, 17, 17]]
    """
    found = sequence_of(record_id)
    return [] if found is None else [[*found, found[2]]]


def add_sources(total: Sequence[Sequence[Any]], more: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """Join the ``sources`` of two rows."""
    return [list(each) for each in joined(tuple(each) for each in (*total, *more))]


def read_sources(value: Any) -> list[list[Any]]:
    """Read the ``sources`` of a row: one range or more, in the one form that ``joined`` gives."""
    if not isinstance(value, list) or not value:
        raise ValueError("is not a list of one range or more")
    before: list[Any] = ["", 0, 0, 0]
    for each in value:
        if not _is_range(each):
            raise ValueError("holds what is no range [writer, stream, first, last]")
        if not (before[:2] < each[:2] if before[:2] != each[:2] else before[3] + 1 < each[2]):
            raise ValueError("has ranges that are not sorted, meet, or overlap")
        before = each
    return value


def _is_range(value: Any) -> bool:
    if not isinstance(value, list) or len(value) != 4:
        return False
    writer, stream, first, last = value
    if not (isinstance(writer, str) and type(stream) is int and type(first) is int and type(last) is int):
        return False
    return _is_writer(writer) and 0 <= stream < STREAM_LIMIT and 0 <= first <= last < SEQ_LIMIT
