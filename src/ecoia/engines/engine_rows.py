"""Rows in files, summed up by an engine into the same sums as rows in memory (``impact.ledger_sums``).

Most rows are *plain*: the engine adds them up. Python adds those that have no plain sum (ends of runs, tokens, figures of
quality, losses) and those that may be counted twice, by the rules of ``impact``. That nothing is lost or doubled on the way is
checked each time: rows and energy after each join are those of before.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

import narwhals as nw
import pyarrow as pa

from ecoia.engines import plan
from ecoia.engines.engine import Engine
from ecoia.engines.moments import Moments, Places, Slots, moments_of, places_of, slots_of
from ecoia.engines.plan import ENERGIES, SEPARATOR, Frame, whole, whole_product
from ecoia.engines.suspects import Suspect, suspects
from ecoia.errors import EcoiaError
from ecoia.impact.conditions import ConditionsLookup
from ecoia.impact.doublecounting import refuse_doubles
from ecoia.impact.ledger_sums import Bearer, HalfHourEnergy, LedgerSums, MomentEnergy, Run, Strand, bearer_of, by_quarter
from ecoia.impact.recorded import RecordedSums
from ecoia.periods import Quarter
from ecoia.records import RecordError, Row
from ecoia.records.columns import check_table, conform, rows_of
from ecoia.semconv import COMPONENTS, DEVELOPMENT_PHASES, KIND_SPAN

_END_OF_TIME_NS = (1 << 63) - 1
_ALL_NS = 1 << 62


class LostInSumsError(EcoiaError):
    """An engine's sums do not hold every row once. No figure is made of them."""


class EngineRows(Collection[Row]):
    """Rows that an engine has. Iterating brings all of them into this process.

    Args:
        engine: The engine.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __len__(self) -> int:
        return int(self._whole(_ALL_NS)["rows"])

    def __iter__(self) -> Iterator[Row]:
        for table in self._engine.lines(lambda frame: frame):
            yield from rows_of(check_table(conform(table)))

    def __contains__(self, row: object) -> bool:
        return any(row == each for each in self)

    def last_utc_ns(self) -> int:
        """Return when the last record ended; the end of time without rows."""
        return int(self._whole(_ALL_NS).get("end_utc_ns", _END_OF_TIME_NS))

    def sums(self, before_ns: int, timezone: ZoneInfo, boundaries_ns: Sequence[int]) -> RecordedSums:
        """Sum rows up by quarter; see ``impact.recorded.sums_of``."""
        return _Summing(self._engine, self._whole(before_ns), before_ns, timezone, boundaries_ns).sums()

    def _whole(self, before_ns: int) -> dict[str, Any]:
        """Count the rows, and check what their columns show.

        Raises:
            RecordError: a row is none; the message names the field and its value.
        """
        (found,) = self._engine.run(plan.totals(before_ns)) or [{"rows": 0, "hosts": 0, "doubtful": 0}]
        if found["doubtful"]:
            for table in self._engine.lines(plan.doubtful, before_ns):
                check_table(conform(table))
            raise RecordError(f"{found['doubtful']} rows are none, but none of them is refused by itself")
        return found


class _Summing:
    """Sums up the rows before an instant."""

    def __init__(
        self, engine: Engine, total: Mapping[str, Any], before_ns: int, timezone: ZoneInfo, boundaries_ns: Sequence[int]
    ) -> None:
        self._engine, self._total, self._before_ns, self._timezone = engine, total, before_ns, timezone
        half_hours = [each["half_hour_utc_ns"] for each in engine.run(plan.half_hours(before_ns))]
        self._slots = slots_of(engine, half_hours, timezone, boundaries_ns)

    def sums(self) -> RecordedSums:
        """Return the sums, and what was refused."""
        brought = [
            row for table in self._engine.lines(self._special, self._before_ns) for row in rows_of(check_table(conform(table)))
        ]
        kept, refusals = refuse_doubles(brought)
        sums = by_quarter(kept, self._timezone)
        lines = self._engine.run(plan.strands(self.plain, self._slots.frame), end_ns=self._before_ns)
        self._conserve(lines, brought)
        runs = self._engine.run(plan.runs(self.plain, self._slots.frame), end_ns=self._before_ns)
        self._add_strands(sums, lines, self._of_development(runs))
        self._add_runs(sums, runs)
        self._add_covered(sums, kept)
        for found in sums.values():
            found.works = {
                *found.covered_ns,
                *found.intervals_utc_ns,
                *((service, phase) for service, phase, _ in found.outcomes),
            }
        return RecordedSums({quarter: sums[quarter] for quarter in sorted(sums)}, refusals)

    @cached_property
    def _suspects(self) -> Frame | None:
        instances = plan.instances(self._before_ns)
        names = [each["instance"] for each in self._engine.run(instances)] if self._total["hosts"] else []
        found = sorted(suspects(self._engine, self._before_ns, names, with_hosts=bool(self._total["hosts"])))
        return self._suspects_frame(found) if found else None

    def _suspects_frame(self, found: Sequence[Suspect]) -> Frame:
        return self._engine.table(
            {
                "instance": pa.array([instance for instance, _ in found], pa.string()),
                "half_hour_utc_ns": pa.array([half_hour for _, half_hour in found], pa.int64()),
                "suspect": pa.array([True] * len(found)),
            }
        )

    def _marked(self, frame: Frame) -> Frame:
        """Add ``apart``: whether Python adds the row."""
        if self._suspects is None:
            return frame.with_columns(plan.is_special().alias("apart"))
        joined = frame.join(self._suspects, on=["instance", "half_hour_utc_ns"], how="left")
        return joined.with_columns((plan.is_special() | ~nw.col("suspect").is_null()).alias("apart"))

    def plain(self, frame: Frame) -> Frame:
        """Leave out the rows that Python adds."""
        return self._marked(frame).filter(~nw.col("apart"))

    def _special(self, frame: Frame) -> Frame:
        return self._marked(frame).filter(nw.col("apart"))

    def _conserve(self, lines: Iterable[Mapping[str, Any]], brought: Collection[Row]) -> None:
        """Check that each row is among the engine's sums or among those brought, once."""
        counted, energy = len(brought), sum(row["energy_microjoules"][c] or 0 for row in brought for c in COMPONENTS)
        for line in lines:
            counted += line["rows"]
            energy += sum(whole(line, name) for name in ENERGIES)
        whole_energy = sum(whole(self._total, name) for name in ENERGIES) if self._total["rows"] else 0
        conserve("rows by strand", (counted, energy), (self._total["rows"], whole_energy))

    def _of_development(self, runs: Iterable[Mapping[str, Any]]) -> dict[Quarter, tuple[int, int]]:
        """Count the rows and energy of the runs that make a model, by quarter."""
        found: dict[Quarter, tuple[int, int]] = {}
        for line in runs:
            if line["work_phase"] in DEVELOPMENT_PHASES:
                quarter = self._slots.quarters[line["quarter"]]
                rows, energy = found.get(quarter, (0, 0))
                found[quarter] = rows + line["rows"], energy + sum(whole(line, name) for name in ENERGIES)
        return found

    def _add_strands(
        self,
        sums: dict[Quarter, LedgerSums],
        lines: Iterable[Mapping[str, Any]],
        of_runs: Mapping[Quarter, tuple[int, int]],
    ) -> None:
        strands: dict[tuple[Any, ...], Strand] = {}
        ofs: dict[Quarter, list[Strand]] = {}
        plain_rows: dict[Quarter, int] = {}
        for line in lines:
            quarter = self._slots.quarter_of[line["slot"]]
            known = [bool(line[f"{name}_known"]) for name in ENERGIES]
            key = (quarter, *(line[name] for name in plan.STRAND), *known)
            strand = strands.get(key)
            if strand is None:
                strand = strands[key] = _strand(line, known)
                ofs.setdefault(quarter, []).append(strand)
            _add_line(strand, line)
            found = sums.setdefault(quarter, LedgerSums())
            found.rows += line["rows"]
            plain_rows[quarter] = plain_rows.get(quarter, 0) + line["rows"]
            found.last_utc_ns = max(found.last_utc_ns or 0, line["end_utc_ns"])
        for quarter, each in ofs.items():
            start_ns, end_ns = quarter.bounds_ns(self._timezone)
            bounds = start_ns, min(end_ns, self._before_ns)
            sums[quarter].strands += each
            sums[quarter].condensed = CondensedQuarter(
                self._engine, self.plain, self._slots, bounds, each, plain_rows[quarter], of_runs.get(quarter, (0, 0))
            )

    def _add_runs(self, sums: Mapping[Quarter, LedgerSums], runs: Iterable[Mapping[str, Any]]) -> None:
        for line in runs:
            found = sums[self._slots.quarters[line["quarter"]]]
            run = line["work_service"], line["work_phase"], line["run_id"]
            energy = sum(whole(line, name) for name in ENERGIES)
            found.run_microjoules[run] = found.run_microjoules.get(run, 0) + energy
            found.run_last_utc_ns[run] = max(found.run_last_utc_ns.get(run, 0), line["end_utc_ns"])

    def _add_covered(self, sums: Mapping[Quarter, LedgerSums], kept: Iterable[Row]) -> None:
        """Add how long there was work. Where one row covers all of a half-hour's work, its length is added where it lies."""
        beside = self._stretches_frame({(*_bearer(row), row["half_hour_utc_ns"]) for row in kept if row["kind"] == KIND_SPAN})
        broken = 0
        for line in self._engine.run(plan.covered(self.plain, self._slots.frame, beside), end_ns=self._before_ns):
            covered_ns = sums[self._slots.quarters[line["quarter"]]].covered_ns
            work = line["work_service"], line["work_phase"]
            covered_ns[work] = covered_ns.get(work, 0) + line["covered_ns"]
            broken += line["broken"]
        if broken:
            self._add_broken(sums, beside)

    def _add_broken(self, sums: Mapping[Quarter, LedgerSums], beside: Frame | None) -> None:
        """Add from when to when there was work, row by row, in the half-hours that no single row covers."""
        lines = self._engine.run(plan.broken_stretches(self.plain, beside), end_ns=self._before_ns)
        listed = self._stretches_frame((each["work_service"], each["work_phase"], each["half_hour_utc_ns"]) for each in lines)
        if listed is None:
            raise LostInSumsError("half-hours that no single row covers were counted, and then not found")
        for line in self._engine.run(plan.rows_of_stretches(self.plain, listed), end_ns=self._before_ns):
            found = sums[self._slots.quarter_of[line["half_hour_utc_ns"]]]
            work = line["work_service"], line["work_phase"]
            found.intervals_utc_ns.setdefault(work, []).append((line["start_utc_ns"], line["end_utc_ns"]))

    def _stretches_frame(self, stretches: Iterable[tuple[Any, ...]]) -> Frame | None:
        """Return work and half-hours as a small table, with ``beside``; None without any."""
        columns = [*zip(*stretches, strict=True)]
        if not columns:
            return None
        types = {"work_service": pa.string(), "work_phase": pa.string(), "half_hour_utc_ns": pa.int64()}
        arrays = {name: pa.array(each, type_) for each, (name, type_) in zip(columns, types.items(), strict=True)}
        return self._engine.table(arrays | {"beside": pa.array([True] * len(columns[0]))})


def conserve(what: str, found: tuple[int, int], expected: tuple[int, int]) -> None:
    """Check that sums hold every row and all energy once.

    Raises:
        LostInSumsError: they do not.
    """
    if found != expected:
        raise LostInSumsError(f"{what}: {found[0]} rows with {found[1]} microjoules of {expected[0]} with {expected[1]}")


def _bearer(line: Mapping[str, Any]) -> Bearer:
    return bearer_of({name: line[name] for name in ("kind", "service", "phase")})


def _methods(line: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((line[f"{component}_status"], line[f"{component}_method"]) for component in COMPONENTS)


def _strand(line: Mapping[str, Any], known: Iterable[bool]) -> Strand:
    return Strand(
        kind=line["kind"],
        bearer=_bearer(line),
        instance=line["instance"],
        zone=line["zone"],
        simulated=line["simulated"],
        devices=() if line["devices"] is None else tuple(line["devices"].split(SEPARATOR)),
        methods=_methods(line),
        microjoules=tuple([] if each else None for each in known),
        condensed=True,
    )


def _add_line(strand: Strand, line: Mapping[str, Any]) -> None:
    strand.half_hours_utc_ns.append(line["slot"])
    for listed, name in zip(strand.microjoules, ENERGIES, strict=True):
        if listed is not None:
            listed.append(whole(line, name))
    strand.spans += whole(line, "spans")
    strand.cpu_ns += whole(line, "cpu_ns")
    for name in ("units_micro", "accepted_micro"):
        if line[f"{name}_known"]:
            setattr(strand, name, (getattr(strand, name) or 0) + whole(line, name))


class CondensedQuarter:
    """The plain rows of a quarter (``impact.ledger_sums.Condensed``).

    Args:
        engine: The engine.
        plain: Leaves out the rows that Python adds.
        slots: Slots of time.
        bounds_ns: First half-hour of the quarter, and first after it.
        strands: Its strands.
        rows: How many rows they hold.
        of_runs: Rows and energy of the runs among them that make a model.
    """

    def __init__(
        self,
        engine: Engine,
        plain: Callable[[Frame], Frame],
        slots: Slots,
        bounds_ns: tuple[int, int],
        strands: Sequence[Strand],
        rows: int,
        of_runs: tuple[int, int],
    ) -> None:
        self._engine, self._plain, self._slots, self._bounds = engine, plain, slots, bounds_ns
        self._strands, self._rows, self._of_runs = strands, rows, of_runs
        self._found: dict[Any, list[tuple[int, int]]] = {}

    def by_moment(self, lookup: ConditionsLookup) -> Iterator[MomentEnergy]:
        """Give energy by moment."""
        instances, moments = self._moments(lookup)
        lines = self._engine.run(plan.cells(self._plain, instances, moments.frame), *self._bounds)
        energy = sum(sum(energies) for strand in self._strands for energies in strand.microjoules if energies is not None)
        conserve(
            "energy by moment",
            (sum(line["rows"] for line in lines), sum(whole(line, name) for line in lines for name in ENERGIES)),
            (self._rows, energy),
        )
        for line in lines:
            yield _moment_energy(line, _bearer(line), moments)

    def by_run(self, lookup: ConditionsLookup) -> Iterator[tuple[Run, MomentEnergy]]:
        """Give the energy of each run that makes a model by moment."""
        if not self._of_runs[0]:
            return
        instances, moments = self._moments(lookup)
        lines = self._engine.run(plan.run_cells(self._plain, instances, moments.frame), *self._bounds)
        found = sum(line["rows"] for line in lines), sum(whole(line, name) for line in lines for name in ENERGIES)
        conserve("energy of runs by moment", found, self._of_runs)
        for line in lines:
            work = line["work_service"], line["work_phase"]
            yield (*work, line["run_id"]), _moment_energy(line, work, moments)

    def _moments(self, lookup: ConditionsLookup) -> tuple[Frame, Moments]:
        places = places_of({(strand.instance, strand.zone or "") for strand in self._strands}, lookup)
        instances = places.frame(self._engine)
        return instances, moments_of(self._engine, places, self._half_hours(places, instances), lookup)

    def _half_hours(self, places: Places, instances: Frame) -> list[tuple[int, int]]:
        """Return the half-hours with a row, by place: the same under all factors, so found once."""
        if places.key not in self._found:
            lines = self._engine.run(plan.placed_half_hours(self._plain, instances), *self._bounds)
            self._found[places.key] = [(line["place"], line["half_hour_utc_ns"]) for line in lines]
        return self._found[places.key]

    def recorded_days(self) -> Iterator[tuple[Bearer, str, int]]:
        """Give each bearer, instance and day with energy that counts as recorded; the day by a half-hour in it."""
        for line in self._engine.run(plan.recorded_days(self._plain, self._slots.frame), *self._bounds):
            yield _bearer(line), line["instance"], line["day"]

    def by_half_hour(self, service: str, phases: Collection[str]) -> Iterator[HalfHourEnergy]:
        """Give the known energy of a service's work in some phases."""
        for line in self._engine.run(plan.work_by_half_hour(self._plain, service, phases), *self._bounds):
            energy = sum(whole(line, name) for name in ENERGIES)
            yield HalfHourEnergy(line["zone"], line["instance"], line["half_hour_utc_ns"], energy)


def _moment_energy(line: Mapping[str, Any], bearer: Bearer, moments: Moments) -> MomentEnergy:
    zone, conditions = moments.met[line["moment"]]
    known = [bool(line[f"{name}_known"]) for name in ENERGIES]
    return MomentEnergy(
        bearer,
        zone,
        _methods(line),
        conditions,
        tuple(whole(line, name) if each else None for name, each in zip(ENERGIES, known, strict=True)),
        tuple(whole_product(line, name) if each else None for name, each in zip(ENERGIES, known, strict=True)),
    )
