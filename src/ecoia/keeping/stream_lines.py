"""Lines of a journal that say once what the records of a stream have in common: an eighth of the bytes.

A *stream line* ``{"schema": 4, "stream": n, "ids": "<writer>:<stream>", "since": ..., ...}`` holds the fields of ``Record`` that
stay; a *line of figures* after it, in the same file, ``{"schema": 4, "f": [n, seq, ...]}``, holds those that change, and is a
record. A number ``n`` stands for one stream in a file. The stream line is repeated now and then, so that one that cannot be read
does not cost a day. A record that has a loose id or is an event (an outcome, a link, a correction) has a line of its own.
"""

from __future__ import annotations

from operator import attrgetter

from ecoia.keeping.journal_lines import encode_line
from ecoia.light import Any
from ecoia.light.json import encoder
from ecoia.records import Record
from ecoia.records.record_ids import sequence_of
from ecoia.semconv import COMPONENTS, KIND_LINK, KIND_OUTCOME, SCHEMA_VERSION, STREAM_SCHEMA_VERSION
from ecoia.units import from_micro

REPEATED_AFTER = 256
"""Records of a stream after which its line is repeated: as many are lost at most with a line that cannot be read."""

STREAM_START = b'{"schema":%d,"stream":' % STREAM_SCHEMA_VERSION
FIGURES_START = b'{"schema":%d,"f":[' % STREAM_SCHEMA_VERSION
TOLD_START = b'{"schema":%d,"f":[' % SCHEMA_VERSION
"""How a line of figures begins whose tokens tell more than input and output: older versions skip it as newer."""

FIGURES = (
    "record_id",
    "start_utc_ns",
    "end_utc_ns",
    "energy_microjoules",
    "spans",
    "units",
    "accepted",
    "cpu_ns",
    "share_claimed",
)
"""Names, in a line of its own, of the fields that a line of figures holds in its list."""

RARE = ("tokens", "quality", "lost")
"""Those that it holds by name, where they are not empty."""

_MOST_STREAMS = 10_000
_encode = encoder(item_separator=",", key_separator=":")
_constants = attrgetter(
    "kind", "service", "phase", "instance", "pid", "run_id", "endpoint", "model_version", "method", "devices", "shared_devices",
    "scope", "reserved_share", "idle_separated", "zone", "simulated", "declared_source", "target", "context",
)  # fmt: skip


class _Known:
    """A stream whose line is in the file."""

    __slots__ = ("constants", "left", "line", "number", "since")

    def __init__(self, record: Record, ids: str, number: int) -> None:
        self.constants = _constants(record)
        self.number = number
        self.since = record.start_utc_ns
        data = record.to_dict()
        staying = {name: value for name, value in data.items() if name not in FIGURES and name not in RARE and name != "schema"}
        named = {"schema": STREAM_SCHEMA_VERSION, "stream": number, "ids": ids, "since": self.since}
        self.line = encode_line(_encode({**named, **staying}))
        self.left = 0


class StreamLines:
    """Gives each record its line in one file, with the stream line before it where that is due.

    Example:
        >>> StreamLines().repeat()
    """

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}
        self._number = 0

    def repeat(self) -> None:
        """Have each stream line written again before the next record of its stream: another file begins, or a write failed."""
        for known in self._known.values():
            known.left = 0

    def lines(self, record: Record) -> bytes:
        """Return the line or lines that a record takes.

        Raises:
            ValueError: a number is NaN or infinite.
        """
        found = sequence_of(record.record_id)
        if found is None or record.kind in (KIND_OUTCOME, KIND_LINK) or record.replaces or record.outcome:
            return encode_line(record.to_json())
        known = self._stream_of(record, f"{found[0]}:{found[1]}")
        line = encode_line(_figures(known, found[2], record))
        if known.left:
            known.left -= 1
            return line
        known.left = REPEATED_AFTER - 1
        return known.line + line

    def _stream_of(self, record: Record, ids: str) -> _Known:
        known = self._known.get(ids)
        if known is None or record.start_utc_ns < known.since or _constants(record) != known.constants:
            if len(self._known) >= _MOST_STREAMS:
                self._known.clear()
            known = self._known[ids] = _Known(record, ids, self._number)
            self._number += 1
        return known


def _figures(known: _Known, seq: int, record: Record) -> str:
    start, energy = record.start_utc_ns, record.energy_microjoules
    figures: list[Any] = [known.number, seq, start - known.since, record.end_utc_ns - start]
    figures += [energy[component] for component in COMPONENTS]
    figures += [record.spans, record.cpu_ns, record.share_claimed]
    figures += [None if each is None else from_micro(each) for each in (record.units_micro, record.accepted_micro)]
    while figures[-1] is None:
        figures.pop()
    data: dict[str, Any] = {"schema": max(STREAM_SCHEMA_VERSION, record.schema), "f": figures}
    if record.tokens or record.quality or record.lost:
        whole = record.to_dict()
        data |= {name: whole[name] for name in RARE if whole[name]}
    return _encode(data)
