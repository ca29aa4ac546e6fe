"""Ledger rows as activity: read once, then assessed as often as needed, under whatever factors.

A *strand* is what one bearer did on one instance, measured in one way: its energy by half-hour, as emission factors vary, and the
sums of what does not. A million rows are a few hundred strands.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from ecoia.periods import Quarter
from ecoia.records import Row
from ecoia.semconv import COMPONENTS, KIND_IDLE, KIND_OUTCOME, KIND_SPAN, PHASE_UNSPECIFIED, SERVICE_UNSPECIFIED

Bearer = tuple[str | None, str]
"""A service and phase; a service and ``idle``; None and the record's kind, for what no service bears."""
Work = tuple[str, str]
"""A service and phase that ran."""

_END_OF_TIME_NS = (1 << 63) - 1


@dataclass(slots=True)
class Strand:
    """One bearer, one instance, one way of measuring. Energy by component, None where it is missing in all of it."""

    kind: str
    bearer: Bearer
    instance: str
    zone: str | None  # as recorded
    simulated: bool
    devices: tuple[str, ...]
    methods: tuple[tuple[str, str], ...]  # status and name, by component
    microjoules: tuple[list[int] | None, ...]  # by component, each as long as ``half_hours_utc_ns``
    half_hours_utc_ns: list[int] = field(default_factory=list)
    spans: int = 0
    cpu_ns: int = 0
    units_micro: int | None = None
    accepted_micro: int | None = None

    @property
    def known_microjoules(self) -> tuple[int | None, ...]:
        """The sums by component."""
        return tuple(None if energy is None else sum(energy) for energy in self.microjoules)


@dataclass
class Activity:
    """What some rows say, by who bears it.

    ``outcomes`` has how each run ended, by service, phase and run; ``run_microjoules`` what the work of each run used, and
    ``run_last_utc_ns`` until when, ``run_quality`` its latest figures. Of ``works``, ``intervals_utc_ns`` has when there was
    some, ``quality`` its latest figures. ``token_rows`` are the rows with tokens.
    """

    strands: list[Strand] = field(default_factory=list)
    works: set[Work] = field(default_factory=set)
    outcomes: dict[tuple[str, str, str], str] = field(default_factory=dict)
    run_microjoules: dict[tuple[str, str, str], int] = field(default_factory=dict)
    run_last_utc_ns: dict[tuple[str, str, str], int] = field(default_factory=dict)
    run_quality: dict[tuple[str, str, str], dict[str, float]] = field(default_factory=dict)
    intervals_utc_ns: dict[Work, list[tuple[int, int]]] = field(default_factory=dict)
    quality: dict[Work, dict[str, float]] = field(default_factory=dict)
    token_rows: list[Row] = field(default_factory=list)
    lost: dict[str, int] = field(default_factory=dict)
    rows: int = 0
    last_utc_ns: int | None = None

    @classmethod
    def of(cls, rows: Iterable[Row]) -> Activity:
        """The activity of some rows, in any order."""
        reader = _Reader()
        for row in rows:
            reader.add(row)
        return reader.activity()

    @property
    def simulated(self) -> bool:
        """Whether a part of it is simulated."""
        return any(strand.simulated for strand in self.strands)


def by_quarter(rows: Iterable[Row], timezone: ZoneInfo) -> dict[Quarter, Activity]:
    """The activity of each quarter of civil time, from the earliest on."""
    readers: dict[Quarter, _Reader] = {}
    at: dict[int, _Reader] = {}
    for row in rows:
        half_hour = row["half_hour_utc_ns"]
        reader = at.get(half_hour)
        if reader is None:
            quarter = Quarter.of_instant(half_hour, timezone)
            reader = at[half_hour] = readers.setdefault(quarter, _Reader())
        reader.add(row)
    return {quarter: readers[quarter].activity() for quarter in sorted(readers)}


def last_utc_ns(rows: Iterable[Row]) -> int:
    """When the last record ended; the end of time where there is none."""
    return max((row["end_utc_ns"] for row in rows), default=_END_OF_TIME_NS)


def bearer_of(row: Row) -> Bearer:
    """Who bears what a row says. Work that names no service or phase is one of its own."""
    kind, service = row["kind"], row["service"]
    if kind == KIND_SPAN:
        return _work_of(row)
    return (service, KIND_IDLE) if kind == KIND_IDLE and service is not None else (None, kind)


def _work_of(row: Row) -> Work:
    return row["service"] or SERVICE_UNSPECIFIED, row["phase"] or PHASE_UNSPECIFIED


_Filling = tuple[Strand, list[int], list[int], list[int], list[int], list[tuple[int, int]] | None]
"""A strand; its half-hours, and energy of CPU, GPU and RAM, to be added to; when there was work, where it is work."""


class _Reader:
    def __init__(self) -> None:
        self._activity = Activity()
        self._last_utc_ns = -1
        self._strands: dict[tuple[Any, ...], _Filling] = {}
        self._latest: dict[tuple[str, str, str], tuple[int, list[str]]] = {}
        self._with_quality: list[Row] = []

    def add(self, row: Row) -> None:
        """Add one row. Written out, as it runs once a row and there are millions."""
        kind, end = row["kind"], row["end_utc_ns"]
        found = self._activity
        found.rows += 1
        if row["lost"]:
            for cause, count in row["lost"].items():
                found.lost[cause] = found.lost.get(cause, 0) + count
        if end > self._last_utc_ns:
            self._last_utc_ns = end
        if kind == KIND_OUTCOME:
            self._outcome(row)
            return
        method, energy = row["method"], row["energy_microjoules"]
        cpu, gpu, ram = method["cpu"], method["gpu"], method["ram"]
        of_cpu, of_gpu, of_ram = energy["cpu"], energy["gpu"], energy["ram"]
        key = (
            kind, row["service"], row["phase"], row["instance"], row["zone"], row["simulated"], *row["devices"],
            cpu["status"], cpu["name"], gpu["status"], gpu["name"], ram["status"], ram["name"],
            of_cpu is None, of_gpu is None, of_ram is None,
        )  # fmt: skip
        known = self._strands.get(key)
        if known is None:
            known = self._strands[key] = self._strand(row)
        strand, half_hours, cpus, gpus, rams, intervals = known
        half_hours.append(row["half_hour_utc_ns"])
        if of_cpu is not None:
            cpus.append(of_cpu)
        if of_gpu is not None:
            gpus.append(of_gpu)
        if of_ram is not None:
            rams.append(of_ram)
        strand.spans += row["spans"]
        strand.cpu_ns += row["cpu_ns"]
        if (units := row["units_micro"]) is not None:
            strand.units_micro = (strand.units_micro or 0) + units
        if (accepted := row["accepted_micro"]) is not None:
            strand.accepted_micro = (strand.accepted_micro or 0) + accepted
        if row["tokens"]:
            found.token_rows.append(row)
        if intervals is not None:
            intervals.append((row["start_utc_ns"], end))
            if row["run_id"] is not None:
                self._run(row, (of_cpu or 0) + (of_gpu or 0) + (of_ram or 0))
            if row["quality"]:
                self._with_quality.append(row)

    def _strand(self, row: Row) -> _Filling:
        energy, method = row["energy_microjoules"], row["method"]
        cpus, gpus, rams = lists = ([], [], [])  # type: tuple[list[int], list[int], list[int]]
        strand = Strand(
            kind=row["kind"],
            bearer=bearer_of(row),
            instance=row["instance"],
            zone=row["zone"],
            simulated=row["simulated"],
            devices=tuple(row["devices"]),
            methods=tuple((method[c]["status"], method[c]["name"]) for c in COMPONENTS),
            microjoules=tuple(None if energy[c] is None else known for c, known in zip(COMPONENTS, lists, strict=True)),
        )
        intervals = self._activity.intervals_utc_ns.setdefault(_work_of(row), []) if strand.kind == KIND_SPAN else None
        return strand, strand.half_hours_utc_ns, cpus, gpus, rams, intervals

    def _run(self, row: Row, microjoules: int) -> None:
        found, run = self._activity, (*_work_of(row), row["run_id"])
        found.run_microjoules[run] = found.run_microjoules.get(run, 0) + microjoules
        found.run_last_utc_ns[run] = max(found.run_last_utc_ns.get(run, 0), row["end_utc_ns"])

    def _outcome(self, row: Row) -> None:
        run = (*_work_of(row), row["run_id"] or row["record_ids"][0])
        when = _when(row)
        if run not in self._latest or when > self._latest[run]:
            self._latest[run] = when
            self._activity.outcomes[run] = row["outcome"]

    def activity(self) -> Activity:
        found = self._activity
        found.strands = [strand for strand, *_ in self._strands.values()]
        found.last_utc_ns = self._last_utc_ns if found.rows else None
        found.works = {*found.intervals_utc_ns, *((service, phase) for service, phase, _ in found.outcomes)}
        found.lost = dict(sorted(found.lost.items()))
        for row in sorted(self._with_quality, key=_when):
            work = _work_of(row)
            found.quality[work] = found.quality.get(work, {}) | row["quality"]
            if row["run_id"] is not None:
                run = (*work, row["run_id"])
                found.run_quality[run] = found.run_quality.get(run, {}) | row["quality"]
        return found


def _when(row: Row) -> tuple[int, list[str]]:
    """Order in time; the ids decide between equal ends, so that no order of the rows does."""
    return row["end_utc_ns"], row["record_ids"]
