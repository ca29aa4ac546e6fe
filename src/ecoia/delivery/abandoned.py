"""Outcomes for runs whose process died without writing one."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from contextlib import suppress

from ecoia import semconv
from ecoia.delivery import sidecars
from ecoia.delivery.open_runs import OpenRuns, RunKey, process_of
from ecoia.errors import JournalError
from ecoia.keeping.adoption import adopt
from ecoia.keeping.journal import Journal, Scan, journal_sizes
from ecoia.methods import NOT_MEASURED
from ecoia.periods import utc_day
from ecoia.records import Record
from ecoia.records.streams import Figures, Stream

_NAMESPACE = uuid.UUID("6f0f6a52-3c1e-5d0b-9a77-6b6f0a0d7c11")


def any_alive(journal: Journal, names: Iterable[str]) -> bool:
    """Return whether the process that writes one of these journal files still lives."""
    return any(journal.is_alive(name) for name in names)


def close_abandoned(journal: Journal) -> int:
    """Write the outcome ``abandoned`` for runs whose process died without an outcome, after its open window was adopted.

    A killed process leaves spans and no outcome. The next reader of the journal adds the outcome, under an id derived from the
    run, so several readers add the same record and a second call adds nothing.

    Returns:
        The number of outcomes written.

    Raises:
        JournalError: the journal cannot be written.

    Example::

        close_abandoned(Journal(settings.home))  # 1
    """
    with suppress(JournalError):  # at the journal's cap, say: what is in it must still be delivered
        adopt(journal)
    known_ids, open_runs = _open_runs(journal, None)
    dead = {process for process in {key.process for key in open_runs} if not _process_alive(journal, process)}
    if not dead:
        return 0
    # A process may have ended well between our reading and our look at its lock, so read the files of the dead again. It may
    # also have been between two days' files at that moment, so check again that it is dead.
    _, open_runs = _open_runs(journal, [name for process in dead for name in _files_of(journal, process)])
    outcomes = []
    for key, last_span in sorted(open_runs.items()):
        record_id = str(uuid.uuid5(_NAMESPACE, "/".join((journal.home_id, *key))))
        if record_id not in known_ids and not _process_alive(journal, key.process):
            outcomes.append(_abandoned_outcome(record_id, key, last_span))
    if outcomes:
        writer = journal.writer()
        try:
            writer.append(outcomes)
        finally:
            writer.close()
    return len(outcomes)


def _abandoned_outcome(record_id: str, key: RunKey, last_span: Record) -> Record:
    """Build the outcome of a run. It stands at the end of the run's last span and has no energy."""
    return Record(
        record_id=record_id,
        kind=semconv.KIND_OUTCOME,
        service=key.service,
        phase=key.phase,
        instance=last_span.instance,
        pid=last_span.pid,
        start_utc_ns=last_span.end_utc_ns,
        end_utc_ns=last_span.end_utc_ns,
        energy_microjoules=dict.fromkeys(semconv.COMPONENTS),
        method=dict.fromkeys(semconv.COMPONENTS, NOT_MEASURED),
        run_id=key.run_id,
        scope=last_span.scope,
        zone=last_span.zone,
        outcome=semconv.ABANDONED,
        simulated=last_span.simulated,
        target=last_span.target,
    )


def _open_runs(journal: Journal, names: list[str] | None) -> tuple[set[str], dict[RunKey, Record]]:
    """Read which runs have spans and no outcome from their own process.

    Args:
        journal: The journal.
        names: The files to read; ``None`` for all.

    Returns:
        The ids of the outcomes found, and the last span of each open run.
    """
    outcome_ids: set[str] = set()
    closed: set[RunKey] = set()
    last: dict[RunKey, tuple[Stream, Figures]] = {}
    unread: dict[str, str] = {}
    unread_days: dict[str, str] = {}
    sizes = journal_sizes(journal, unread=unread_days)
    for name in sizes if names is None else names:
        runs = _runs_of(journal, name, unread)
        outcome_ids |= runs.outcome_ids
        closed |= runs.closed
        for key, span in runs.last.items():
            if key not in last or span[1].end_utc_ns >= last[key][1].end_utc_ns:
                last[key] = span
    unknown = {process_of(name) for name in unread}  # such a file may hold the outcome, and so may such a day
    until = max(unread_days, default="")
    return outcome_ids, {
        key: stream.record(figures)
        for key, (stream, figures) in last.items()
        if key not in closed and key.process not in unknown and utc_day(figures.end_utc_ns) > until
    }


def _runs_of(journal: Journal, name: str, unread: dict[str, str]) -> OpenRuns:
    """Return what one file says about runs."""
    found = sidecars.load_runs(journal, name)
    if found is not None:
        return found
    runs = OpenRuns(name)
    keys: dict[Stream, RunKey | None] = {}
    for entry in journal.stream(Scan(), names=[name], skip=_belongs_to_no_run, unread=unread):
        stream = entry.stream
        key = keys[stream] if stream in keys else runs.key_of(stream)
        if stream.recurs:
            keys[stream] = key
        if key is not None:
            runs.note(key, entry)
    return runs


def _belongs_to_no_run(line: bytes) -> bool:
    """Return whether a line, as ecoia writes it, is work outside of runs: most lines of a service are."""
    return b'"run_id":null' in line or b'"phase":"inference"' in line


def _files_of(journal: Journal, process: str) -> list[str]:
    return [name for name in journal.files() if process_of(name) == process]


def _process_alive(journal: Journal, process: str) -> bool:
    return any_alive(journal, _files_of(journal, process))
