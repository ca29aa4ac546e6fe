"""Sums of ledger rows by bearer: rows are read once, then assessed as often as needed, under whatever factors.

A *bearer* is what a row's impact is charged to: a service and phase, a service's idle capacity, or nobody. A *strand* is what
one bearer did on one instance, measured in one way: its energy by half-hour, as emission factors vary, and the sums of what
does not. A million rows make a few hundred strands.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from zoneinfo import ZoneInfo

from ecoia.light.instants import covered_ns
from ecoia.periods import Quarter
from ecoia.records import Row
from ecoia.records.id_sets import ids_of
from ecoia.semconv import (
    COMPONENTS,
    DEVELOPMENT_PHASES,
    KIND_IDLE,
    KIND_OUTCOME,
    KIND_SPAN,
    PHASE_UNSPECIFIED,
    SERVICE_UNSPECIFIED,
)
from ecoia.units import NANOSECONDS_PER_SECOND

if TYPE_CHECKING:
    from ecoia.impact.conditions import Conditions, ConditionsLookup

Bearer = tuple[str | None, str]
"""A service and phase; a service and ``idle``; None and the record's kind, where no service bears it."""
Work = tuple[str, str]
"""A service and phase that ran."""
Run = tuple[str, str, str]
"""A service, phase and run id."""

_END_OF_TIME_NS = (1 << 63) - 1


class HalfHourEnergy(NamedTuple):
    """Known energy of all components of some work, on one instance in one half-hour. ``zone`` is as recorded."""

    zone: str | None
    instance: str
    half_hour_utc_ns: int
    microjoules: int


class MomentEnergy(NamedTuple):
    """Energy of one bearer, measured in one way, summed over half-hours that have the same conditions.

    Attributes:
        bearer: The bearer.
        zone: Zone of the electricity; empty where it is not known.
        methods: Status and name of the method, by component.
        conditions: Conditions of the half-hours.
        microjoules: Energy by component; None where none is known.
        emitted: Energy x emission factor in microjoule-micrograms per kWh, by component; None where none is known.
    """

    bearer: Bearer
    zone: str
    methods: tuple[tuple[str, str], ...]
    conditions: Conditions
    microjoules: tuple[int | None, ...]
    emitted: tuple[int | None, ...]


class Condensed(Protocol):
    """Rows of a quarter that were summed up where they lie, and never were in this process."""

    def by_moment(self, lookup: ConditionsLookup) -> Iterable[MomentEnergy]:
        """Give their energy by moment. Every half-hour with a row is looked up in ``lookup``."""

    def by_run(self, lookup: ConditionsLookup) -> Iterable[tuple[Run, MomentEnergy]]:
        """Give the energy of each run that makes a model by moment, as ``by_moment`` does."""

    def recorded_days(self) -> Iterable[tuple[Bearer, str, int]]:
        """Give each bearer, instance and civil day with work or reserved capacity, the day by a half-hour in it.

        Only where energy is known that is neither declared nor simulated.
        """

    def by_half_hour(self, service: str, phases: Collection[str]) -> Iterable[HalfHourEnergy]:
        """Give the known energy of a service's work in some phases."""


@dataclass(slots=True)
class Strand:
    """One bearer on one instance, measured in one way.

    Attributes:
        kind: Kind of its records.
        bearer: The bearer that it is charged to.
        instance: Instance.
        zone: Zone as recorded; None where none was.
        simulated: Whether it was simulated.
        devices: Ids of the devices used, as recorded.
        methods: Status and name of the method, by component.
        microjoules: By component, energy of each half-hour in ``half_hours_utc_ns``; None where the component is missing.
        half_hours_utc_ns: Half-hour of each row, in the order read.
        spans: Number of spans.
        cpu_ns: CPU time.
        units_micro: Functional units in millionths; None where none were counted.
        accepted_micro: Accepted units in millionths; None where none were counted.
        condensed: Whether its rows are in ``LedgerSums.condensed``: energy is then summed by quarter, or less (equipment
            comes or goes), and stands at the first half-hour of each; cells and days take it from there.
    """

    kind: str
    bearer: Bearer
    instance: str
    zone: str | None
    simulated: bool
    devices: tuple[str, ...]
    methods: tuple[tuple[str, str], ...]
    microjoules: tuple[list[int] | None, ...]
    half_hours_utc_ns: list[int] = field(default_factory=list)
    spans: int = 0
    cpu_ns: int = 0
    units_micro: int | None = None
    accepted_micro: int | None = None
    condensed: bool = False

    @property
    def known_microjoules(self) -> tuple[int | None, ...]:
        """Energy by component, summed over half-hours; None where the component is missing."""
        return tuple(None if energy is None else sum(energy) for energy in self.microjoules)


@dataclass
class LedgerSums:
    """The sums of some ledger rows.

    Attributes:
        strands: Energy and counts, by bearer, instance and method.
        works: Every service and phase that ran.
        outcomes: How each run ended.
        run_microjoules: Energy that the work of each run used.
        run_strands: The same energy of each run that makes a model, as strands: by instance, method and half-hour. Their energy
            is in ``strands``, too. Of rows that were summed up where they lie, ``condensed`` gives it.
        run_last_utc_ns: When the work of each run ended.
        run_quality: Latest quality figures of each run.
        intervals_utc_ns: Starts and ends of the records of each work.
        covered_ns: Time that each work ran outside these intervals, in rows that were summed up where they lie.
        quality: Latest quality figures of each work.
        token_rows: Rows with tokens.
        lost: Count of losses by cause.
        rows: How many rows were read.
        last_utc_ns: When the last record ended; None without rows.
        condensed: Rows that were summed up where they lie. None: all were read.

    Example:
        >>> LedgerSums.of([]).rows
        0
    """

    strands: list[Strand] = field(default_factory=list)
    works: set[Work] = field(default_factory=set)
    outcomes: dict[Run, str] = field(default_factory=dict)
    run_microjoules: dict[Run, int] = field(default_factory=dict)
    run_strands: dict[Run, list[Strand]] = field(default_factory=dict)
    run_last_utc_ns: dict[Run, int] = field(default_factory=dict)
    run_quality: dict[Run, dict[str, float]] = field(default_factory=dict)
    intervals_utc_ns: dict[Work, list[tuple[int, int]]] = field(default_factory=dict)
    covered_ns: dict[Work, int] = field(default_factory=dict)
    quality: dict[Work, dict[str, float]] = field(default_factory=dict)
    token_rows: list[Row] = field(default_factory=list)
    lost: dict[str, int] = field(default_factory=dict)
    rows: int = 0
    last_utc_ns: int | None = None
    condensed: Condensed | None = None

    @classmethod
    def of(cls, rows: Iterable[Row]) -> LedgerSums:
        """Sum rows up. Their order does not matter."""
        adder = _RowAdder()
        for row in rows:
            adder.add(row)
        return adder.finish()

    @property
    def simulated(self) -> bool:
        """Whether any of it is simulated."""
        return any(strand.simulated for strand in self.strands)

    def seconds_of(self, work: Work) -> float:
        """Return how long some work ran, in seconds; time of several records at once counts once.

        Example:
            >>> work = ("chat", "inference")
            >>> LedgerSums(intervals_utc_ns={work: [(0, 2 * 10**9), (10**9, 3 * 10**9)]}).seconds_of(work)
            3.0
        """
        return (covered_ns(self.intervals_utc_ns.get(work, ())) + self.covered_ns.get(work, 0)) / NANOSECONDS_PER_SECOND

    def work_by_half_hour(self, service: str, phases: Collection[str]) -> Iterator[HalfHourEnergy]:
        """Give the known energy of a service's work in some phases, by half-hour."""
        for strand in self.strands:
            if strand.condensed or strand.bearer[0] != service or strand.bearer[1] not in phases:
                continue
            known = zip(*(energy for energy in strand.microjoules if energy is not None), strict=True)
            for half_hour, energy in zip(strand.half_hours_utc_ns, known, strict=False):
                yield HalfHourEnergy(strand.zone, strand.instance, half_hour, sum(energy))
        if self.condensed is not None:
            yield from self.condensed.by_half_hour(service, phases)


def by_quarter(rows: Iterable[Row], timezone: ZoneInfo) -> dict[Quarter, LedgerSums]:
    """Sum rows up by quarter of civil time.

    Returns:
        The sums of each quarter that has a row, earliest first.

    Example:
        >>> by_quarter([], ZoneInfo("Europe/Paris"))
        {}
    """
    adders: dict[Quarter, _RowAdder] = {}
    adder_at: dict[int, _RowAdder] = {}
    for row in rows:
        half_hour = row["half_hour_utc_ns"]
        adder = adder_at.get(half_hour)
        if adder is None:
            quarter = Quarter.of_instant(half_hour, timezone)
            adder = adder_at[half_hour] = adders.setdefault(quarter, _RowAdder())
        adder.add(row)
    return {quarter: adders[quarter].finish() for quarter in sorted(adders)}


def last_utc_ns(rows: Iterable[Row]) -> int:
    """Return when the last record ended; the end of time without rows.

    Example:
        >>> last_utc_ns([{"end_utc_ns": 5}, {"end_utc_ns": 3}])
        5
    """
    return max((row["end_utc_ns"] for row in rows), default=_END_OF_TIME_NS)


def bearer_of(row: Row) -> Bearer:
    """Return who bears a row. Work without a service or phase is borne by ``SERVICE_UNSPECIFIED`` or ``PHASE_UNSPECIFIED``.

    Example:
        >>> bearer_of({"kind": "span", "service": "chat", "phase": "inference"})
        ('chat', 'inference')
        >>> bearer_of({"kind": "overhead", "service": None, "phase": None})
        (None, 'overhead')
    """
    kind, service = row["kind"], row["service"]
    if kind == KIND_SPAN:
        return _work_of(row)
    return (service, KIND_IDLE) if kind == KIND_IDLE and service is not None else (None, kind)


def _work_of(row: Row) -> Work:
    return row["service"] or SERVICE_UNSPECIFIED, row["phase"] or PHASE_UNSPECIFIED


_Lists = tuple[Strand, list[int], list[int], list[int], list[int], list[tuple[int, int]] | None]
"""A strand and the lists that a row appends to: half-hours; energy of CPU, GPU, RAM; intervals of work (None: no work)."""


class _RowAdder:
    """Adds rows up. ``add`` runs once a row, and there are millions: it names fields instead of looping over them."""

    def __init__(self) -> None:
        self._sums = LedgerSums()
        self._last_utc_ns = -1
        self._lists: dict[tuple[Any, ...], _Lists] = {}
        self._of_runs: dict[tuple[Any, ...], Strand] = {}
        self._latest_outcome: dict[Run, tuple[int, list[str]]] = {}
        self._with_quality: list[Row] = []

    def add(self, row: Row) -> None:
        """Add one row."""
        sums, end = self._sums, row["end_utc_ns"]
        sums.rows += 1
        if row["lost"]:
            self._add_losses(row)
        if end > self._last_utc_ns:
            self._last_utc_ns = end
        if row["kind"] == KIND_OUTCOME:
            self._add_outcome(row)
            return
        method, energy = row["method"], row["energy_microjoules"]
        of_cpu, of_gpu, of_ram = method["cpu"], method["gpu"], method["ram"]
        cpu, gpu, ram = energy["cpu"], energy["gpu"], energy["ram"]
        key = (
            row["kind"], row["service"], row["phase"], row["instance"], row["zone"], row["simulated"], *row["devices"],
            of_cpu["status"], of_cpu["name"], of_gpu["status"], of_gpu["name"], of_ram["status"], of_ram["name"],
            cpu is None, gpu is None, ram is None,
        )  # fmt: skip
        strand, half_hours, cpus, gpus, rams, intervals = self._lists.get(key) or self._new_strand(key, row)
        half_hours.append(row["half_hour_utc_ns"])
        if cpu is not None:
            cpus.append(cpu)
        if gpu is not None:
            gpus.append(gpu)
        if ram is not None:
            rams.append(ram)
        strand.spans += row["spans"]
        strand.cpu_ns += row["cpu_ns"]
        if (units := row["units_micro"]) is not None:
            strand.units_micro = (strand.units_micro or 0) + units
        if (accepted := row["accepted_micro"]) is not None:
            strand.accepted_micro = (strand.accepted_micro or 0) + accepted
        if row["tokens"]:
            sums.token_rows.append(row)
        if intervals is not None:
            intervals.append((row["start_utc_ns"], end))
            if row["run_id"] is not None or row["quality"]:
                self._add_run(row, key, (cpu, gpu, ram))

    def _new_strand(self, key: tuple[Any, ...], row: Row) -> _Lists:
        cpus, gpus, rams = lists = ([], [], [])  # type: tuple[list[int], list[int], list[int]]
        strand = _empty_strand(row, lists)
        intervals = self._sums.intervals_utc_ns.setdefault(_work_of(row), []) if strand.kind == KIND_SPAN else None
        found = self._lists[key] = strand, strand.half_hours_utc_ns, cpus, gpus, rams, intervals
        return found

    def _add_losses(self, row: Row) -> None:
        lost = self._sums.lost
        for cause, count in row["lost"].items():
            lost[cause] = lost.get(cause, 0) + count

    def _add_run(self, row: Row, key: tuple[Any, ...], energy: tuple[int | None, ...]) -> None:
        """Add work that belongs to a run or has quality figures. ``key``: that of its strand."""
        if row["run_id"] is not None:
            sums, run = self._sums, (*_work_of(row), row["run_id"])
            sums.run_microjoules[run] = sums.run_microjoules.get(run, 0) + sum(each or 0 for each in energy)
            if run[1] in DEVELOPMENT_PHASES:
                strand = self._of_runs.get((run, key))
                if strand is None:
                    strand = self._of_runs[run, key] = _empty_strand(row, ([], [], []))
                    sums.run_strands.setdefault(run, []).append(strand)
                strand.half_hours_utc_ns.append(row["half_hour_utc_ns"])
                for listed, each in zip(strand.microjoules, energy, strict=True):
                    if listed is not None and each is not None:
                        listed.append(each)
            sums.run_last_utc_ns[run] = max(sums.run_last_utc_ns.get(run, 0), row["end_utc_ns"])
        if row["quality"]:
            self._with_quality.append(row)

    def _add_outcome(self, row: Row) -> None:
        """Keep the latest outcome of a run."""
        run = (*_work_of(row), row["run_id"] or ids_of(row).first(1)[0])
        when = _in_time(row)
        if run not in self._latest_outcome or when > self._latest_outcome[run]:
            self._latest_outcome[run] = when
            self._sums.outcomes[run] = row["outcome"]

    def finish(self) -> LedgerSums:
        """Return the sums of the rows added."""
        sums = self._sums
        sums.strands = [strand for strand, *_ in self._lists.values()]
        sums.last_utc_ns = self._last_utc_ns if sums.rows else None
        sums.works = {*sums.intervals_utc_ns, *((service, phase) for service, phase, _ in sums.outcomes)}
        sums.lost = dict(sorted(sums.lost.items()))
        for row in sorted(self._with_quality, key=_in_time):
            work = _work_of(row)
            sums.quality[work] = sums.quality.get(work, {}) | row["quality"]
            if row["run_id"] is not None:
                run = (*work, row["run_id"])
                sums.run_quality[run] = sums.run_quality.get(run, {}) | row["quality"]
        return sums


def _empty_strand(row: Row, lists: tuple[list[int], list[int], list[int]]) -> Strand:
    """Return the strand that a row is of, without the row. ``lists``: where the energy of each component will be."""
    energy, method = row["energy_microjoules"], row["method"]
    return Strand(
        kind=row["kind"],
        bearer=bearer_of(row),
        instance=row["instance"],
        zone=row["zone"],
        simulated=row["simulated"],
        devices=tuple(row["devices"]),
        methods=tuple((method[c]["status"], method[c]["name"]) for c in COMPONENTS),
        microjoules=tuple(None if energy[c] is None else listed for c, listed in zip(COMPONENTS, lists, strict=True)),
    )


def _in_time(row: Row) -> tuple[Any, ...]:
    """Order rows by their end, then by their ids, so that the order in which they are read never matters."""
    return row["end_utc_ns"], *ids_of(row).order
