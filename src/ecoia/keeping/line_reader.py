"""Read lines of a journal quickly: what the lines of a stream have in common is read once, then recognised by its bytes.

The first line of a stream is read as any line (``journal_lines.read_line``), with every check. A further line that has the same
bytes around its figures, and whole numbers of the same form in their places, differs from it in these figures alone, so only they
are read and checked. Every other line is read as any line again: nothing is taken that ``read_line`` would refuse.
"""

from __future__ import annotations

import re
import zlib
from typing import NamedTuple

from ecoia import limits
from ecoia.keeping.journal_lines import Refuse, read_line
from ecoia.records import MOST_WINDOW_NS
from ecoia.records.streams import Figures, Stream
from ecoia.semconv import COMPONENTS
from ecoia.units import micro

_MOST_STREAMS = 4096
_END_OF_TIME_NS = 1 << 63

_COUNT = rb"(0|[1-9][0-9]{0,17})"
_COUNT_OR_NONE = rb"(null|0|[1-9][0-9]{0,17})"
_INSTANT = rb"(0|[1-9][0-9]{0,18})"
_UNITS = rb"(null|(?:0|[1-9][0-9]{0,9})(?:\.[0-9]{1,17})?)"
_SHARE = rb"(null|(?:0|[1-9][0-9]{0,9})(?:\.[0-9]{1,25})?(?:e-[0-9]{1,3})?)"

_TEXT = rb'(?:null|"[^"\\]*")'
_LABELS = b",".join(
    b'"%s":%s' % (name, rb"[0-9]+" if name == b"pid" else _TEXT)
    for name in (b"kind", b"service", b"phase", b"instance", b"pid", b"run_id", b"endpoint", b"model_version")
)
_METHODS = b",".join(b'"%s":\\{"status":%s,"name":%s\\}' % (name.encode(), _TEXT, _TEXT) for name in COMPONENTS)
_line = re.compile(
    rb'\{"schema":([0-9]+),"record_id":"([ !#-\[\]-~]*)",(' + _LABELS + rb")"
    rb',"start_utc_ns":' + _INSTANT + rb',"end_utc_ns":' + _INSTANT + rb',"energy_microjoules":\{'
    rb'"cpu":' + _COUNT_OR_NONE + rb',"gpu":' + _COUNT_OR_NONE + rb',"ram":' + _COUNT_OR_NONE + rb"\},"
    rb'("method":\{' + _METHODS + rb"\})"
    rb',"spans":' + _COUNT + rb',"units":' + _UNITS + rb',"accepted":' + _UNITS + rb',"tokens":\[\],"quality":\{\},'
    rb'"cpu_ns":' + _COUNT + rb","
    rb'("lost":\{[^{}]*\},"devices":\[[^\[\]]*\],"shared_devices":\[[^\[\]]*\],"scope":"[a-z]*"),'
    rb'"share_claimed":' + _SHARE + rb',("reserved_share":.*)\}',
    re.DOTALL,
).fullmatch
"""A line's JSON as ecoia writes it: figures, and between them what a stream has in common. No text before the last figure holds
an escape, so that none of it can be taken for a figure; what follows the last figure is free."""


class ReadLine(NamedTuple):
    """A record, as the line of a journal gives it; ``checksum`` is that of the line's text."""

    stream: Stream
    figures: Figures
    checksum: int


class LineReader:
    """Reads lines, and remembers the streams that it met.

    Example:
        >>> LineReader().read(b"\\n", print) is None
        True
    """

    def __init__(self) -> None:
        self._streams: dict[tuple[bytes, ...], Stream] = {}

    def read(self, line: bytes, refuse: Refuse) -> ReadLine | None:
        """Return the record of a whole line; as ``journal_lines.read_line``.

        Args:
            line: The line with its newline.
            refuse: Called once for each fault.
        """
        if len(line) > limits.LINE_BYTES:
            return _read_whole(line, refuse, 0)
        text = line[9:-1]
        checksum = zlib.crc32(text)
        found = _line(text) if line[:9] == b"%08x " % checksum else None
        if found is None:
            return _read_whole(line, refuse, checksum)
        (schema, record_id, labels, start, end, cpu, gpu, ram, method, spans, units, accepted, cpu_ns, claims, share, rest) = (
            found.groups()
        )
        around = (schema, labels, method, claims, rest)
        stream = self._streams.get(around)
        if stream is None:
            return self._learn(around, _read_whole(line, refuse, checksum))
        start_ns, end_ns = int(start), int(end)
        if not start_ns <= end_ns < _END_OF_TIME_NS or end_ns - start_ns > MOST_WINDOW_NS:
            return _read_whole(line, refuse, checksum)
        figures = (
            record_id.decode("ascii"),
            start_ns,
            end_ns,
            None if cpu == b"null" else int(cpu),
            None if gpu == b"null" else int(gpu),
            None if ram == b"null" else int(ram),
            int(spans),
            None if units == b"null" else micro(_number(units)),
            None if accepted == b"null" else micro(_number(accepted)),
            int(cpu_ns),
            None if share == b"null" else _number(share),
        )
        return _make(ReadLine, (stream, _make(Figures, figures), checksum))

    def _learn(self, around: tuple[bytes, ...], found: ReadLine | None) -> ReadLine | None:
        """Remember a stream by the bytes around the figures of its first line."""
        if found is None:
            return None
        if len(self._streams) >= _MOST_STREAMS:
            self._streams.clear()
        stream = self._streams[around] = Stream(found.stream.constants, recurs=True)
        return found._replace(stream=stream)


_make = tuple.__new__  # what a named tuple does, at half its cost


def _number(text: bytes) -> int | float:
    return int(text) if text.isdigit() else float(text)


def _read_whole(line: bytes, refuse: Refuse, checksum: int) -> ReadLine | None:
    record = read_line(line, refuse)
    return None if record is None else ReadLine(Stream(record), Figures.of(record), checksum)
