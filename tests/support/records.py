"""The one builder of records, and how a process writes them: every test's records start from these defaults."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from ecoia.keeping.journal import Journal
from ecoia.losses import CPU_STEAL
from ecoia.methods import NOT_MEASURED, Method
from ecoia.periods import utc_ns
from ecoia.records import Record
from ecoia.units import MICROJOULES_PER_KWH

RAPL = Method("measured", "rapl")
NVML = Method("measured", "nvml")
LOAD = Method("estimated", "load-model:tdp")
GENERIC = Method("estimated", "load-model:generic-tdp")
RAM = Method("estimated", "ram-model")
DECLARED = Method("declared", "kwh")

SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS
DAY = "2026-09-24"
NOON_NS = 1_790_251_200_000_000_000
"""12:00 UTC of ``DAY``, the start of ``training``."""
NOTHING: dict[str, int | None] = {"cpu": None, "gpu": None, "ram": None}
"""Energy of which no component is known."""

_ids = itertools.count()


def instant(text: str) -> int:
    """Return the UTC nanoseconds of ``2026-11-23T10:00``."""
    return utc_ns(datetime.fromisoformat(text).replace(tzinfo=UTC))


def kwh(number: float) -> int:
    """Return kilowatt-hours in microjoules."""
    return round(number * MICROJOULES_PER_KWH)


def record(
    start: str | int = "2026-11-23T10:00",
    minutes: float = 1,
    *,
    cpu: int | None = 0,
    gpu: int | None = None,
    ram: int | None = 0,
    methods: Mapping[str, Method] | None = None,
    **fields: Any,
) -> Record:
    """Build one record: by default a minute of inference of ``vadore``.

    Args:
        start: UTC, as text or in nanoseconds.
        minutes: Its length.
        cpu, gpu, ram: Microjoules; a component that is None gets the method of what was not measured.
        methods: Methods of some components, in place of ``RAPL``, ``NVML`` and ``RAM``.
        fields: Fields of ``Record``, in place of the defaults.
    """
    start_ns = instant(start) if isinstance(start, str) else start
    energy = {"cpu": cpu, "gpu": gpu, "ram": ram}
    default = {"cpu": RAPL, "gpu": NVML, "ram": RAM} | dict(methods or {})
    values: dict[str, Any] = {
        "record_id": f"record-{next(_ids):06d}",
        "kind": "span",
        "service": "vadore",
        "phase": "inference",
        "instance": "host-1",
        "pid": 1,
        "start_utc_ns": start_ns,
        "end_utc_ns": start_ns + int(minutes * MINUTE_NS),
        "energy_microjoules": energy,
        "method": {c: NOT_MEASURED if energy[c] is None else default[c] for c in energy},
        "spans": 1,
    }
    return Record(**values | fields)


def outcome(start: str | int, run_id: str, result: str, **fields: Any) -> Record:
    """Build the record of how a run ended."""
    values = {"kind": "outcome", "phase": "training", "run_id": run_id, "outcome": result, "spans": 0}
    return record(start, 0, cpu=None, ram=None, **values | fields)


def training(at: int = 0, seconds: int = 10, *, cpu: int | None = 1_000_000, **fields: Any) -> Record:
    """Build a span of training in a session's run, ``at`` seconds after noon, on a CPU whose power is estimated."""
    start_ns = NOON_NS + at * SECOND_NS
    values = {
        "end_utc_ns": start_ns + seconds * SECOND_NS,
        "phase": "training",
        "run_id": "ecoia-session-1",
        "cpu_ns": seconds * SECOND_NS,
    }
    return record(start_ns, cpu=cpu, ram=7, methods={"cpu": GENERIC}, **values | fields)


def ending(result: str = "ok", *, at: int = 0, run_id: str = "ecoia-session-1", **fields: Any) -> Record:
    """Build the record of how the run of ``training`` ended, ``at`` seconds after noon."""
    return outcome(NOON_NS + at * SECOND_NS, run_id, result, **fields)


def write(journal: Journal, records: Iterable[Record], name: str | None = None) -> None:
    """Append records as a process would that then ends; ``name``: to files of this name."""
    writer = journal.writer(name)
    writer.append(records)
    writer.close()


def link(run_id: str, beside: str, *, at: int = 0, **fields: Any) -> Record:
    """Build the record that has the rows of a group or session shown with an MLflow run, found ``at`` seconds after noon."""
    values = {"kind": "link", "service": None, "phase": None, "run_id": run_id, "beside": beside, "spans": 0}
    return record(NOON_NS + at * SECOND_NS, 0, cpu=None, ram=None, **values | fields)


def losses_of_ours(records: Iterable[Record]) -> Counter[str]:
    """Count losses by cause, without what the machine of the tests does: its hypervisor may run other guests at any time."""
    lost: Counter[str] = Counter()
    for each in records:
        lost.update(each.lost)
    del lost[CPU_STEAL]
    return lost


def total(records: Iterable[Record], component: str, kind: str | None = None) -> int | None:
    """Sum the energy that is not missing; None if all of it is."""
    energies = [record.energy_microjoules[component] for record in records if kind in (None, record.kind)]
    known = [energy for energy in energies if energy is not None]
    return sum(known) if known else None
