"""Read lines of a journal quickly: what the lines of a stream have in common is read once, then recognised by its bytes.

A line of figures (``stream_lines``) says by its number which stream it is of. Lines of records that say everything themselves
are recognised: the first line of a stream is read as any line (``journal_lines.read_line``), with every check. A further line
that has the same bytes around its figures, and whole numbers of the same form in their places, differs from it in these figures
alone, so only they are read and checked. Every other line is read as any line: nothing is taken that ``read_line`` would refuse.
"""

from __future__ import annotations

import contextlib
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from ecoia import limits
from ecoia.keeping.journal_files import DamagedFileError, Lines
from ecoia.keeping.journal_lines import Refuse, line_text, read_line, read_record
from ecoia.keeping.stream_lines import FIGURES_START, RARE, STREAM_START, TOLD_START
from ecoia.records import MOST_WINDOW_NS, Record, RecordError
from ecoia.records.field_rules import shown
from ecoia.records.record_ids import sequence_of
from ecoia.records.refusals import NOT_JSON, STREAM_UNREAD
from ecoia.records.streams import Figures, Stream
from ecoia.semconv import COMPONENTS, SCHEMA_VERSION
from ecoia.units import micro

_MOST_STREAMS = 4096
_MOST_FILES = 64
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

_figures = re.compile(
    re.escape(FIGURES_START)
    + b",".join([_COUNT] * 4 + [_COUNT_OR_NONE] * 3 + [_COUNT] * 2)
    + rb"(?:,"
    + _SHARE
    + rb"(?:,"
    + _UNITS
    + rb"(?:,"
    + _UNITS
    + rb")?)?)?\]\}"
).fullmatch
"""A line of figures that holds numbers only."""

_stream = re.compile(re.escape(STREAM_START) + _COUNT + b",").match


class ReadLine(NamedTuple):
    """A record, as the line of a journal gives it; ``checksum`` is that of the line's text."""

    stream: Stream
    figures: Figures
    checksum: int


class _Numbered(NamedTuple):
    """What a stream line says: the stream, and its fields as a line of a record's own has them."""

    stream: Stream
    fields: dict[str, Any]
    ids: str
    since: int
    text: bytes


class Memory:
    """The streams that a reader of a journal met, from one file and one reading to the next."""

    def __init__(self) -> None:
        self._streams: dict[tuple[bytes, ...] | Stream, Stream] = {}
        self._files: dict[Path, tuple[int, dict[int, _Numbered]]] = {}

    def known(self, around: tuple[bytes, ...]) -> Stream | None:
        """Return the stream whose lines have these bytes around their figures."""
        return self._streams.get(around)

    def learn(self, record: Record, around: tuple[bytes, ...] | None = None) -> Stream:
        """Return the stream of a record: equal streams are one object, as it is looked up for each record."""
        if len(self._streams) >= _MOST_STREAMS:
            self._streams.clear()
        stream = Stream(record, recurs=True)
        stream = self._streams.setdefault(stream, stream)
        if around is not None:
            self._streams[around] = stream
        return stream

    def take_file(self, path: Path) -> tuple[int, dict[int, _Numbered]]:
        """Return how far a file was read, and what its stream lines said."""
        return self._files.pop(path, (0, {}))

    def keep_file(self, path: Path, offset: int, numbered: dict[int, _Numbered]) -> None:
        """Note how far a file was read, and what its stream lines said."""
        if len(self._files) >= _MOST_FILES:
            self._files.pop(next(iter(self._files)))
        self._files[path] = (offset, numbered)


class LineReader:
    """Reads the lines of one file.

    Args:
        memory: What is known from other files, and from the last reading of this one. None: nothing.

    Example:
        >>> LineReader().read(b"\\n", print) is None
        True
    """

    def __init__(self, memory: Memory | None = None) -> None:
        self._memory = memory or Memory()
        self._numbered: dict[int, _Numbered] = {}

    def begin(self, path: Path, offset: int) -> None:
        """Begin at an offset of a file's text. Its stream lines before that are read, unless they are known.

        Raises:
            OSError: the file cannot be read.
        """
        known_to, self._numbered = self._memory.take_file(path)
        if known_to >= offset:
            return
        with contextlib.closing(Lines(path)) as lines:
            while lines.offset < offset:
                try:
                    for line in lines:
                        if line.startswith(STREAM_START, 9):
                            self.read(line, _pass_over)
                        if lines.offset >= offset:
                            break
                    else:
                        return
                except DamagedFileError:
                    continue

    def end(self, path: Path, offset: int) -> None:
        """Note how far the file was read."""
        self._memory.keep_file(path, offset, self._numbered)

    def read(self, line: bytes, refuse: Refuse) -> ReadLine | None:
        """Return the record of a whole line; as ``journal_lines.read_line``.

        Args:
            line: The line with its newline.
            refuse: Called once for each fault.
        """
        if len(line) > limits.LINE_BYTES:
            read_line(line, refuse)
            return None
        text = line[9:-1]
        checksum = zlib.crc32(text)
        if line[:9] != b"%08x " % checksum:
            whole = line_text(line, refuse)
            if whole is None:
                return None
            text = whole.encode()
            checksum = zlib.crc32(text)
        if text.startswith(FIGURES_START):
            return self._read_figures(text, refuse, checksum)
        if text.startswith(STREAM_START):
            self._read_stream(text, refuse)
            return None
        if text.startswith(TOLD_START):
            return self._read_rare(text, refuse, checksum)
        return self._read_own(text, refuse, checksum)

    def _read_own(self, text: bytes, refuse: Refuse, checksum: int) -> ReadLine | None:
        """Read the line of a record that says everything itself."""
        found = _line(text)
        if found is None:
            return _read_whole(text, refuse, checksum)
        (schema, record_id, labels, start, end, cpu, gpu, ram, method, spans, units, accepted, cpu_ns, claims, share, rest) = (
            found.groups()
        )
        around = (schema, labels, method, claims, rest)
        stream = self._memory.known(around)
        if stream is None:
            whole = _read_whole(text, refuse, checksum)
            return whole and whole._replace(stream=self._memory.learn(whole.stream.constants, around))
        start_ns, end_ns = int(start), int(end)
        if not start_ns <= end_ns < _END_OF_TIME_NS or end_ns - start_ns > MOST_WINDOW_NS:
            return _read_whole(text, refuse, checksum)
        figures = (
            record_id.decode("ascii"),
            start_ns,
            end_ns,
            None if cpu == b"null" else int(cpu),
            None if gpu == b"null" else int(gpu),
            None if ram == b"null" else int(ram),
            int(spans),
            None if units == b"null" else _micro(units),
            None if accepted == b"null" else _micro(accepted),
            int(cpu_ns),
            None if share == b"null" else _number(share),
        )
        return _make(ReadLine, (stream, _make(Figures, figures), checksum))

    def _read_stream(self, text: bytes, refuse: Refuse) -> None:
        """Remember what a stream line says."""
        known = _stream(text)
        if known is not None and (numbered := self._numbered.get(int(known[1]))) is not None and numbered.text == text:
            return  # it is said again
        said: dict[str, Any] = {}
        record = _read_checked(text, refuse, lambda data: said.update(data) or _first_of_stream(data))
        if record is not None:
            number, ids, since = (said.pop(name) for name in ("stream", "ids", "since"))
            fields = {**said, "schema": SCHEMA_VERSION}
            self._numbered[number] = _Numbered(self._memory.learn(record), fields, ids, since, text)

    def _read_figures(self, text: bytes, refuse: Refuse, checksum: int) -> ReadLine | None:
        """Read a line of figures."""
        found = _figures(text)
        numbered = self._numbered.get(int(found[1])) if found else None
        if found is None or numbered is None:
            return self._read_rare(text, refuse, checksum)
        _, seq, after, lasts, cpu, gpu, ram, spans, cpu_ns, share, units, accepted = found.groups(b"null")
        start_ns, lasts_ns = numbered.since + int(after), int(lasts)
        if start_ns + lasts_ns >= _END_OF_TIME_NS or lasts_ns > MOST_WINDOW_NS:
            return self._read_rare(text, refuse, checksum)
        figures = (
            f"{numbered.ids}:{int(seq)}",
            start_ns,
            start_ns + lasts_ns,
            None if cpu == b"null" else int(cpu),
            None if gpu == b"null" else int(gpu),
            None if ram == b"null" else int(ram),
            int(spans),
            None if units == b"null" else _micro(units),
            None if accepted == b"null" else _micro(accepted),
            int(cpu_ns),
            None if share == b"null" else _number(share),
        )
        return _make(ReadLine, (numbered.stream, _make(Figures, figures), checksum))

    def _read_rare(self, text: bytes, refuse: Refuse, checksum: int) -> ReadLine | None:
        """Read a line of figures that holds more than numbers of the usual form, with every check."""
        record = _read_checked(text, refuse, self._completed)
        return None if record is None else ReadLine(Stream(record), Figures.of(record), checksum)

    def _completed(self, data: Any) -> dict[str, Any]:
        """Return the fields of a record, of its line of figures."""
        figures: list[Any] = data["f"]
        if len(figures) not in range(9, 13) or any(type(each) is not int for each in figures[:4]):
            raise RecordError(f"f = {shown(figures)} are no figures")
        number, seq, after, lasts, *energy = figures[:7]
        numbered = self._numbered.get(number)
        if numbered is None:
            raise RecordError(f"stream {number} was not read before it", STREAM_UNREAD)
        record_id, start_ns = f"{numbered.ids}:{seq}", numbered.since + after
        if sequence_of(record_id) is None:
            raise RecordError(f"f = {shown(figures)} have a wrong number {shown(seq)} in their stream")
        return {
            **numbered.fields,
            **{name: data[name] for name in RARE if name in data},
            "record_id": record_id,
            "start_utc_ns": start_ns,
            "end_utc_ns": start_ns + lasts,
            "energy_microjoules": dict(zip(COMPONENTS, energy, strict=True)),
            **dict(zip(("spans", "cpu_ns", "share_claimed", "units", "accepted"), figures[7:], strict=False)),
        }


def _first_of_stream(data: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a record without figures, of its stream line."""
    number, ids, since = (data.get(name) for name in ("stream", "ids", "since"))
    if type(number) is not int or not isinstance(ids, str) or sequence_of(f"{ids}:0") is None:
        raise RecordError(f"stream = {shown(number)} with ids = {shown(ids)} is no stream")
    figures = {
        "record_id": f"{ids}:0",
        "start_utc_ns": since,
        "end_utc_ns": since,
        "energy_microjoules": dict.fromkeys(COMPONENTS),
    }
    return {**data, **figures, "schema": SCHEMA_VERSION}


def _pass_over(reason: str, problem: str) -> None:
    pass


_make = tuple.__new__  # what a named tuple does, at half its cost


def _micro(text: bytes) -> int:
    return micro(_number(text))


def _number(text: bytes) -> int | float:
    return int(text) if text.isdigit() else float(text)


def _read_whole(text: bytes, refuse: Refuse, checksum: int) -> ReadLine | None:
    record = _read_checked(text, refuse)
    return None if record is None else ReadLine(Stream(record), Figures.of(record), checksum)


def _read_checked(text: bytes, refuse: Refuse, complete: Callable[[Any], Any] | None = None) -> Record | None:
    """Read a record with every check, as ``journal_lines.read_record``."""
    try:
        return read_record(text.decode(), refuse, complete)
    except UnicodeDecodeError as error:
        refuse(NOT_JSON, str(error))
        return None
