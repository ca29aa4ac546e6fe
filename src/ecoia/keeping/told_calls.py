"""Calls to language models that something else recorded (MLflow's traces, OpenTelemetry's spans), taken into the journal.

Only counts and names are kept. A call becomes part of a record without energy of ours: what the caller's machine used is not
known, and what the model's provider used is estimated from the tokens, as for ``span.tokens``.

Each call is taken once. What an import has taken is kept beside the journal, with the records that it is about to write: a
program that is killed in between leaves them to the next import, which writes those that the journal does not have.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecoia import limits
from ecoia.errors import UsageError
from ecoia.keeping.file_system import LockableFile
from ecoia.keeping.journal import Journal, Scan
from ecoia.methods import NOT_MEASURED
from ecoia.periods import half_hour_start
from ecoia.records import Record, Tokens
from ecoia.records.json_lines import JsonError, read_json
from ecoia.semconv import COMPONENTS, KIND_SPAN

_NAMESPACE = uuid.UUID("3c1c1f0b-64a5-5f0e-9f5c-2f1d7f6a0b19")
_MOST_NAMES = 100
_MOST_CHARACTERS = 120
OTHER_NAMES = "other"
"""Endpoint of calls whose span names are too many to be kept apart."""

TOLD_BY = "told_by"
"""Key of a record's context: what told of its calls."""

UNKNOWN_PROVIDER = "unknown"
"""Provider of a model that nothing names and that none or several providers have."""


@dataclass(frozen=True)
class ToldCall:
    """One call to a model. Counts and names, no text.

    Attributes:
        call_id: What tells the call from every other one of its source.
        begin_ns: When it began, in UTC nanoseconds.
        end_ns: When it ended.
        name: Name of its span.
        provider: Who answers; ``UNKNOWN_PROVIDER`` where that is not known.
        model: Name of the model.
        tokens_in: Tokens sent, those that a cache spared included.
        tokens_out: Tokens received, those of reasoning included.
        cached_in: How many of the tokens sent a cache spared; None: not told.
        cache_written: How many of the tokens sent were written to a cache; None: not told.
        reasoning: How many of the tokens received were of reasoning; None: not told.
    """

    call_id: str
    begin_ns: int
    end_ns: int
    name: str
    provider: str
    model: str
    tokens_in: int
    tokens_out: int
    cached_in: int | None = None
    cache_written: int | None = None
    reasoning: int | None = None

    @property
    def problem(self) -> str | None:
        """What is wrong with its counts or names; None where nothing is."""
        parts = [self.cached_in, self.cache_written, self.reasoning]
        if any(count is not None and count < 0 for count in (self.tokens_in, self.tokens_out, *parts)):
            return "a count of tokens is negative"
        if (self.cached_in or 0) + (self.cache_written or 0) > self.tokens_in or (self.reasoning or 0) > self.tokens_out:
            return "the parts of its tokens are more than the whole"
        if not self.model or not self.model.isprintable():
            return "the name of its model is empty or holds control characters"
        return None


def readable_name(text: object) -> str:
    """Return a name of somebody else's in the form that the journal keeps: printable, 120 characters at most.

    Example:
        >>> readable_name("chat" + chr(10))
        'chat?'
    """
    cut = str(text)[:_MOST_CHARACTERS].encode("utf-8", "replace").decode("utf-8")
    return "".join(character if character.isprintable() else "?" for character in cut)


def records_of(
    calls: Iterable[ToldCall], *, service: str, phase: str, instance: str, zone: str | None, told_by: str
) -> list[Record]:
    """Return one record for each half-hour and span name, with the tokens of each model.

    The same calls give the same records.

    Args:
        calls: The calls.
        service: Service that made them.
        phase: Its phase.
        instance: What the records name as the instance.
        zone: Zone of the caller's electricity.
        told_by: What told of them, e.g. ``mlflow-traces``.

    Example:
        >>> call = ToldCall("t/s", 0, 10**9, "chat", "openai", "gpt-5", tokens_in=12, tokens_out=5)
        >>> (record,) = records_of([call], service="a", phase="inference", instance="m", zone=None, told_by="mlflow-traces")
        >>> record.spans, record.tokens[0].requests, record.energy_microjoules["cpu"]
        (1, 1, None)
    """
    groups: dict[tuple[int, str], list[ToldCall]] = {}
    names: set[str] = set()
    for call in calls:
        if call.name not in names and len(names) < _MOST_NAMES:
            names.add(call.name)
        name = call.name if call.name in names else OTHER_NAMES
        groups.setdefault((half_hour_start(call.end_ns), name), []).append(call)
    records = []
    for (half_hour, name), group in sorted(groups.items()):
        ids = sorted(call.call_id for call in group)
        start = max(half_hour, min(call.begin_ns for call in group))
        records.append(
            Record(
                record_id=str(uuid.uuid5(_NAMESPACE, json.dumps([told_by, service, phase, name, ids]))),
                kind=KIND_SPAN,
                service=service,
                phase=phase,
                instance=instance,
                pid=0,
                endpoint=name,
                start_utc_ns=start,
                end_utc_ns=max(start, *(call.end_ns for call in group)),
                energy_microjoules=dict.fromkeys(COMPONENTS),
                method=dict.fromkeys(COMPONENTS, NOT_MEASURED),
                spans=len(group),
                tokens=_tokens(group),
                zone=zone,
                context={TOLD_BY: told_by},
            )
        )
    return records


def _tokens(calls: Sequence[ToldCall]) -> tuple[Tokens, ...]:
    """Add up calls by provider and model; those that tell other parts of their tokens stay apart: what is not told is not 0."""
    sums: dict[tuple[str, str, tuple[bool, ...]], list[int]] = {}
    for call in calls:
        parts = (call.cached_in, call.cache_written, call.reasoning)
        counts = sums.setdefault((call.provider, call.model, tuple(part is not None for part in parts)), [0] * 6)
        for index, count in enumerate((call.tokens_in, call.tokens_out, 1, *parts)):
            counts[index] += count or 0
    return tuple(
        Tokens(
            provider,
            model,
            *counts[:3],
            *(count if told else None for told, count in zip(told_parts, counts[3:], strict=True)),
        )
        for (provider, model, told_parts), counts in sorted(sums.items())
    )


def told_in_program(journal: Journal, service: str, counts: Scan) -> frozenset[tuple[int, str]]:
    """Return the half-hours and models that ``span.tokens`` told of for a service, as this journal has them.

    A call that is told twice would count twice, and the program's own count is the better one.
    """
    return frozenset(
        (half_hour_start(entry.record.end_utc_ns), tokens.model)
        for entry in journal.stream(counts)
        if entry.record.service == service and entry.record.tokens and TOLD_BY not in entry.record.context
        for tokens in entry.record.tokens
    )


class Intake:
    """What was taken from one source, kept in the journal's home.

    Attributes:
        until_ms: When the latest that was taken ended, in UTC milliseconds; None before the first import.

    Args:
        file: The file that keeps it.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self.until_ms: int | None = None
        self._seen: dict[str, int] = {}
        self._pending: list[dict[str, Any]] = []
        if file.exists():
            self._read()

    def _read(self) -> None:
        try:
            data = read_json(limits.read_bytes(self._file, limits.TOLD_CALLS_BYTES))
            self.until_ms, self._seen, self._pending = data["until_ms"], dict(data["seen"]), list(data["pending"])
        except (OSError, JsonError, KeyError, TypeError, ValueError) as error:
            raise UsageError(
                f"'{self._file}' says what was imported already, and cannot be read ({error}): put it back from a copy. Without "
                "it calls would count twice; if there is none, remove it and give --since with the first day not yet imported"
            ) from error

    def has(self, what: str) -> bool:
        """Return whether something with this id was taken already."""
        return _mark(what) in self._seen

    def finish(self, journal: Journal, counts: Scan) -> int:
        """Write what an import that was killed had taken and not written. Returns how many records."""
        if not self._pending:
            return 0
        known = {entry.record.record_id for entry in journal.stream(counts)}
        records = [Record.from_dict(data) for data in self._pending if data["record_id"] not in known]
        self._append(journal, records)
        return len(records)

    def take(
        self, journal: Journal, records: Sequence[Record], *, ids: Mapping[str, int], until_ms: int, forget_before_ms: int
    ) -> None:
        """Write records, and keep what they were made of.

        Args:
            journal: Where the records go.
            records: The records.
            ids: What they were made of: ids, each with the millisecond in which it ended.
            until_ms: The new ``until_ms``.
            forget_before_ms: Ids that ended before are not asked for again.
        """
        self.until_ms = until_ms
        self._seen |= {_mark(each): end_ms for each, end_ms in ids.items()}
        self._seen = {mark: end_ms for mark, end_ms in self._seen.items() if end_ms >= forget_before_ms}
        self._pending = [record.to_dict() for record in records]
        self._write()
        self._append(journal, records)

    def _append(self, journal: Journal, records: Collection[Record]) -> None:
        writer = journal.writer()
        try:
            writer.append(list(records))
        finally:
            writer.close()
        self._pending = []
        self._write()

    def _write(self) -> None:
        draft = self._file.with_name(f".{self._file.name}.new")
        text = json.dumps({"until_ms": self.until_ms, "seen": self._seen, "pending": self._pending}, separators=(",", ":"))
        with draft.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._file)


@contextmanager
def intake(home: Path, source: str) -> Iterator[Intake]:
    """Give what was taken from a source; no other import of the home runs meanwhile.

    Args:
        home: The journal's home, which exists.
        source: What tells the source from others, e.g. the store and the experiment. Only its digest is kept.

    Raises:
        UsageError: another import is running, or what is kept cannot be read.
    """
    folder = home / "told-calls"
    folder.mkdir(mode=0o700, exist_ok=True)
    lock = LockableFile(folder / "lock", os.O_RDWR | os.O_CREAT)
    try:
        if not lock.lock():
            raise UsageError(f"another import into '{home}' is running: wait for its end")
        yield Intake(folder / f"{hashlib.sha256(source.encode()).hexdigest()[:16]}.json")
    finally:
        lock.close()


def _mark(what: str) -> str:
    return hashlib.blake2b(what.encode("utf-8", "replace"), digest_size=8).hexdigest()


class Told:
    """What an import found, for the words at its end.

    Attributes:
        taken: Calls that were taken, by provider and model.
        left: Calls and traces that were not, by reason.
    """

    def __init__(self) -> None:
        self.taken: Counter[tuple[str, str]] = Counter()
        self.left: Counter[str] = Counter()
