"""The journal's lines: one record each, with a checksum, and the reason where a line gives none.

A line is eight hexadecimal digits (CRC-32 of the rest), a space, and the record in JSON.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Callable, Iterator

from ecoia import limits
from ecoia.light import Any, BinaryIO, Protocol
from ecoia.records import Record, RecordError
from ecoia.records.refusals import CHECKSUM_MISMATCH, LINE_TOO_LONG, NOT_JSON

_LINE_START = rb"[0-9a-f]{8} (?=\{)"
_STARTS_TRIED = 16  # each costs a checksum of the rest of the line


class Refuse(Protocol):
    """Takes note of a line that gives no record: the reason (one of ``refusals.REFUSALS``), and what is wrong with this line."""

    def __call__(self, reason: str, problem: str) -> None: ...


def encode_line(text: str) -> bytes:
    """Return a record's line: checksum, space, JSON, newline.

    Example:
        >>> encode_line("{}")
        b'a3a6bf43 {}\\n'
    """
    data = text.encode("utf-8")
    return b"%08x %s\n" % (zlib.crc32(data), data)


def decode_line(line: bytes) -> str:
    """Return the JSON of a line.

    Raises:
        UnicodeDecodeError: the checksum is right and the text is not UTF-8.
        ValueError: the checksum does not match; the message gives both.

    Example:
        >>> decode_line(encode_line("{}"))
        '{}'
    """
    given, _, data = line.rstrip(b"\n").partition(b" ")
    checksum = b"%08x" % zlib.crc32(data)
    if given != checksum:
        raise ValueError(f"checksum {given[:8].decode('latin-1')!r}, the text has {checksum.decode()!r}")
    return data.decode("utf-8")


def lines_of(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Yield each line of a journal file from its position on, with the line's size in bytes.

    A line that is longer than any record is cut, so that it does not fill the memory; ``read_line`` refuses what is left of it.

    Example:
        >>> import io
        >>> list(lines_of(io.BytesIO(b"one\\ntwo")))
        [(b'one\\n', 4), (b'two', 3)]
    """
    most_bytes = limits.LINE_BYTES + 1
    while line := file.readline(most_bytes):
        size_bytes, end = len(line), line[-1:]
        while end != b"\n" and size_bytes >= most_bytes and (more := file.readline(most_bytes)):
            size_bytes, end = size_bytes + len(more), more[-1:]
        yield (line + b"\n" if end == b"\n" != line[-1:] else line), size_bytes


def read_line(line: bytes, refuse: Refuse) -> Record | None:
    """Return the record of a whole line.

    Args:
        line: The line with its newline. An empty one is no fault: it closes a line that a full disk cut.
        refuse: Called once for each fault. If a damaged line holds a second record, that one is read, or its fault reported too.

    Returns:
        The record, or None where the line gives none.
    """
    text = line_text(line, refuse)
    return None if text is None else read_record(text, refuse)


def line_text(line: bytes, refuse: Refuse) -> str | None:
    """Return the JSON of a whole line; None where it has none. As ``read_line``."""
    if not line.strip():
        return None
    if len(line) > limits.LINE_BYTES:
        refuse(LINE_TOO_LONG, f"more than {limits.LINE_BYTES:,} bytes")
        return None
    try:
        return decode_line(line)
    except ValueError as error:
        refuse(NOT_JSON if isinstance(error, UnicodeDecodeError) else CHECKSUM_MISMATCH, str(error))
        return _record_at_end(line)


def read_record(text: str, refuse: Refuse, complete: Callable[[Any], Any] | None = None) -> Record | None:
    """Return the record that a line's JSON holds.

    Args:
        text: The JSON.
        refuse: As for ``read_line``.
        complete: Makes the JSON of a record of what the text gives, or raises ``RecordError``. None: it is that.
    """
    from ecoia.records.json_lines import JsonError, read_json  # processes that write only do without it

    try:
        data = read_json(text)
        return Record.from_dict(data if complete is None else complete(data))
    except RecordError as error:
        refuse(error.reason, str(error))
    except JsonError as error:
        refuse(NOT_JSON, str(error))
    return None


def _record_at_end(line: bytes) -> str | None:
    """Return the whole record at the end of a damaged line: where the newline itself was hit, two lines read as one."""
    import re  # a damaged line is rare

    for start in deque(re.compile(_LINE_START).finditer(line, 1), maxlen=_STARTS_TRIED):
        try:
            return decode_line(line[start.start() :])
        except ValueError:
            continue
    return None
