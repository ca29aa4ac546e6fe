"""Records for tests of keeping and delivering: what a measuring process would have written."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

from ecoia.keeping.journal import Journal
from ecoia.methods import NOT_MEASURED, Method
from ecoia.records import Record

NOON_NS = 1_790_251_200_000_000_000  # 2026-09-24T12:00:00Z
SECOND_NS = 1_000_000_000
DAY = "2026-09-24"
NOTHING: dict[str, int | None] = {"cpu": None, "gpu": None, "ram": None}


def a_record(**changes: Any) -> Record:
    """A span of training on a CPU that is estimated, without a GPU; ``at`` is its start in seconds after noon."""
    at = changes.pop("at", 0)
    seconds = changes.pop("seconds", 10)
    cpu = changes.pop("cpu", 1_000_000)
    values: dict[str, Any] = {
        "record_id": str(uuid.uuid4()),
        "kind": "span",
        "service": "vadore",
        "phase": "training",
        "instance": "host-1",
        "pid": 42,
        "run_id": "ecoia-session-1",
        "start_utc_ns": NOON_NS + at * SECOND_NS,
        "end_utc_ns": NOON_NS + (at + seconds) * SECOND_NS,
        "energy_microjoules": {"cpu": cpu, "gpu": None, "ram": 7},
        "method": {
            "cpu": Method("estimated", "load-model:generic-tdp"),
            "gpu": NOT_MEASURED,
            "ram": Method("estimated", "ram-model"),
        },
        "spans": 1,
        "cpu_ns": seconds * SECOND_NS,
    }
    return Record(**{**values, **changes})


def an_outcome(outcome: str = "ok", **changes: Any) -> Record:
    """How a run ended."""
    values = {"kind": "outcome", "outcome": outcome, "seconds": 0, "energy_microjoules": NOTHING, "spans": 0, "cpu_ns": 0}
    return a_record(method=dict.fromkeys(NOTHING, NOT_MEASURED), **{**values, **changes})


def write(journal: Journal, records: Iterable[Record]) -> None:
    """Append as a process that then ends."""
    writer = journal.writer()
    writer.append(records)
    writer.close()
