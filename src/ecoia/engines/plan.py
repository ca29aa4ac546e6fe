"""What an engine sums up, said once in narwhals: it runs unchanged on pandas, DuckDB and Spark.

Sums are exact in 64-bit integers because they are of *limbs*: an integer below 2^62 is ``high * 2^31 + low``, each below 2^31, so
that 2^32 of them add up without overflow. A product with an emission factor below 2^31 has three limbs. Python puts them
together again, in integers without bounds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import narwhals as nw

from ecoia.periods import HALF_HOUR_NS
from ecoia.records.columns import ROW_COLUMNS
from ecoia.records.field_rules import ROW_INTEGER_LIMIT
from ecoia.semconv import (
    COMPONENTS,
    DECLARED,
    DEVELOPMENT_PHASES,
    KIND_IDLE,
    KIND_OUTCOME,
    KIND_SPAN,
    PHASE_UNSPECIFIED,
    SERVICE_UNSPECIFIED,
)

LIMB = 1 << 31
"""Limit of a limb, and of an emission factor in micrograms per kWh (2,147 g per kWh)."""

SEPARATOR = "\x1f"
"""Between the ids of devices, which an engine has as one text."""

DERIVED_FROM = ("kind", "tokens", "quality", "lost_causes", "shared_devices")
"""Columns that ``is_special`` depends on."""

Frame = nw.LazyFrame[Any]

ENERGIES = tuple(f"{component}_microjoules" for component in COMPONENTS)
METHODS = tuple(f"{component}_{part}" for component in COMPONENTS for part in ("status", "method"))
STRAND = ("kind", "service", "phase", "instance", "zone", "simulated", "devices", *METHODS)
"""Columns that the rows of a strand have in common, apart from which components are missing."""
COUNTS = ("spans", "cpu_ns", "units_micro", "accepted_micro")
_CELL = ("kind", "service", "phase", *METHODS, "moment")
_ROW = "half_hour_utc_ns"
_RUN_CELL = ("run_id", "work_service", "work_phase", *METHODS, "moment")
_PLAIN = tuple(name for name, column in ROW_COLUMNS.items() if not column.is_nested)
_WORK = ("kind", "service", "phase", "instance", "start_utc_ns", "end_utc_ns")


@dataclass(frozen=True)
class Plan:
    """What to sum up.

    Attributes:
        prepare: Turns rows into what is summed; works on any part of the rows.
        keys: Columns to group by.
        sums: Columns of integers that add up, without overflow for 2^31 rows.
        least: Columns whose least value is kept.
        greatest: Columns whose greatest value is kept.
        finish: What is made of the groups at the end: a filter, or coarser groups. None: they are the answer.
        columns: The columns of rows that it reads, for an engine that must know them beforehand.
    """

    prepare: Callable[[Frame], Frame]
    keys: tuple[str, ...]
    sums: tuple[str, ...] = ()
    least: tuple[str, ...] = ()
    greatest: tuple[str, ...] = ()
    finish: Callable[[Frame], Frame] | None = None
    columns: tuple[str, ...] = ()

    def summed(self, frame: Frame) -> Frame:
        """Sum up what is prepared, or sums of its parts."""
        of = {"sum": self.sums, "min": self.least, "max": self.greatest}
        groups = frame.group_by(*self.keys).agg(*(getattr(nw.col(name), how)() for how, names in of.items() for name in names))
        return groups.with_columns(nw.col(name).cast(nw.Int64) for name in self.sums)

    def finished(self, groups: Frame) -> Frame:
        """Return what is made of the groups."""
        return groups if self.finish is None else self.finish(groups)


def limbs(name: str) -> Iterator[nw.Expr]:
    """Give the limbs of a column, 0 where it is null.

    The low limb is taken off before the division: what is left is a multiple of 2^31 below 2^62, which an engine that divides
    in floating point divides exactly, too.
    """
    value = nw.coalesce(nw.col(name), nw.lit(0, nw.Int64))
    low = value % LIMB
    yield low.alias(f"{name}_0")
    yield ((value - low) // LIMB).cast(nw.Int64).alias(f"{name}_1")


def _products(name: str) -> Iterator[nw.Expr]:
    """Give the limbs of a column of limbs times the emission factor."""
    low, high = (nw.col(f"{name}_{limb}") * nw.col("micrograms_per_kwh") for limb in (0, 1))
    low_0, high_0 = low % LIMB, high % LIMB
    yield low_0.alias(f"{name}_p0")
    yield (((low - low_0) // LIMB).cast(nw.Int64) + high_0).alias(f"{name}_p1")
    yield ((high - high_0) // LIMB).cast(nw.Int64).alias(f"{name}_p2")


def whole(line: Mapping[str, Any], name: str) -> int:
    """Return the sum of a column from the sums of its limbs."""
    return int(line[f"{name}_0"]) + LIMB * int(line[f"{name}_1"])


def whole_product(line: Mapping[str, Any], name: str) -> int:
    """Return the sum of a column times the emission factor."""
    return int(line[f"{name}_p0"]) + LIMB * int(line[f"{name}_p1"]) + LIMB * LIMB * int(line[f"{name}_p2"])


def _limb_names(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"{name}_{limb}" for name in names for limb in (0, 1))


def _known(names: Iterable[str]) -> list[nw.Expr]:
    return [(~nw.col(name).is_null()).cast(nw.Int64).alias(f"{name}_known") for name in names]


def _with_sums(frame: Frame, names: Iterable[str]) -> Frame:
    each = (*names,)
    return frame.with_columns(nw.lit(1, nw.Int64).alias("rows"), *_known(each), *(limb for name in each for limb in limbs(name)))


def totals(before_ns: int) -> Plan:
    """Count all rows before an instant and sum their energy, and count those that break a rule that a row's columns show."""

    def prepare(frame: Frame) -> Frame:
        past = frame.filter(nw.col(_ROW) < before_ns).with_columns(nw.lit(0).alias("all"))
        return _with_sums(past, ENERGIES).with_columns(
            _doubtful().cast(nw.Int64).alias("doubtful"), (nw.col("scope") == "host").cast(nw.Int64).alias("hosts")
        )

    return Plan(
        prepare, ("all",), ("rows", "doubtful", "hosts", *_limb_names(ENERGIES)), greatest=("end_utc_ns",), columns=(*_PLAIN,)
    )


def _doubtful() -> nw.Expr:
    """Say whether a row breaks a rule that its columns show; see ``columns.refused_lines``, which says which rule."""
    rules = []
    for name, column in ROW_COLUMNS.items():
        if column.is_nested:
            continue  # Python reads what is in them
        value = nw.col(name)
        if not column.nullable:
            rules.append(value.is_null())
        if column.is_count:
            rules.append((value < 0) | (value >= ROW_INTEGER_LIMIT))
        if column.choices:
            rules.append(~value.is_in(column.choices) & ~value.is_null())
    half_hour, start, end = nw.col(_ROW), nw.col("start_utc_ns"), nw.col("end_utc_ns")
    rules += [half_hour % HALF_HOUR_NS != 0, start < half_hour, start > end, end - half_hour > HALF_HOUR_NS]
    return nw.any_horizontal(*(nw.coalesce(rule, nw.lit(False)) for rule in rules), ignore_nulls=False)


def doubtful(frame: Frame) -> Frame:
    """Keep the rows that ``totals`` counts as doubtful."""
    return frame.filter(_doubtful())


def strands(plain: Callable[[Frame], Frame], slots: Frame) -> Plan:
    """Sum rows up by strand and slot of time.

    Args:
        plain: Leaves out the rows that Python adds.
        slots: The slot of each half-hour: ``half_hour_utc_ns``, ``slot``.
    """

    def prepare(frame: Frame) -> Frame:
        return _with_sums(plain(frame).join(slots, on=_ROW, how="inner"), (*ENERGIES, *COUNTS))

    known = tuple(f"{name}_known" for name in ENERGIES)
    sums = ("rows", "units_micro_known", "accepted_micro_known", *_limb_names((*ENERGIES, *COUNTS)))
    return Plan(
        prepare, (*STRAND, *known, "slot"), sums, greatest=("end_utc_ns",), columns=(*STRAND, *ENERGIES, *COUNTS, "end_utc_ns")
    )


def recorded_days(plain: Callable[[Frame], Frame], slots: Frame) -> Plan:
    """List the days on which work or reserved capacity has known energy that is neither declared nor simulated.

    Args:
        plain: Leaves out the rows that Python adds.
        slots: The ``day`` of each ``half_hour_utc_ns``.
    """

    def prepare(frame: Frame) -> Frame:
        known = [
            ~nw.col(f"{component}_microjoules").is_null() & (nw.col(f"{component}_status") != DECLARED)
            for component in COMPONENTS
        ]
        counted = (
            nw.col("kind").is_in([KIND_SPAN, KIND_IDLE]) & ~nw.col("simulated") & nw.any_horizontal(*known, ignore_nulls=False)
        )
        return plain(frame).filter(counted).join(slots, on=_ROW, how="inner").with_columns(nw.lit(1, nw.Int64).alias("rows"))

    return Plan(prepare, ("kind", "service", "phase", "instance", "day"), ("rows",), columns=(*STRAND, *ENERGIES))


def half_hours(before_ns: int) -> Plan:
    """List the half-hours with a row."""

    def prepare(frame: Frame) -> Frame:
        return frame.filter(nw.col(_ROW) < before_ns).with_columns(nw.lit(1, nw.Int64).alias("rows"))

    return Plan(prepare, (_ROW,), ("rows",))


def instances(before_ns: int) -> Plan:
    """List the instances with a row."""

    def prepare(frame: Frame) -> Frame:
        return frame.filter(nw.col(_ROW) < before_ns).with_columns(nw.lit(1, nw.Int64).alias("rows"))

    return Plan(prepare, ("instance",), ("rows",), columns=("instance",))


def placed_half_hours(plain: Callable[[Frame], Frame], instances: Frame) -> Plan:
    """List the half-hours with a row by place. ``instances`` has the place of each ``instance`` and recorded ``where``."""

    def prepare(frame: Frame) -> Frame:
        return _placed(plain(frame), instances).with_columns(nw.lit(1, nw.Int64).alias("rows"))

    return Plan(prepare, ("place", _ROW), ("rows",), columns=("instance", "zone"))


def cells(plain: Callable[[Frame], Frame], instances: Frame, moments: Frame) -> Plan:
    """Sum energy, and energy x emission factor, by bearer, method and moment.

    Args:
        plain: Leaves out the rows that Python adds.
        instances: The place of each ``instance`` and recorded ``where``.
        moments: By ``place`` and ``half_hour_utc_ns``, the ``moment`` and the ``micrograms_per_kwh``.
    """

    return Plan(lambda frame: _at_moments(plain(frame), instances, moments), _CELL, _OF_MOMENTS, columns=(*STRAND, *ENERGIES))


def run_cells(plain: Callable[[Frame], Frame], instances: Frame, moments: Frame) -> Plan:
    """Sum the same by run, of the runs that make a model. The arguments are those of ``cells``."""

    def prepare(frame: Frame) -> Frame:
        work = _of_work(plain(frame).filter(nw.col("kind") == KIND_SPAN, ~nw.col("run_id").is_null()))
        return _at_moments(work.filter(nw.col("work_phase").is_in([*DEVELOPMENT_PHASES])), instances, moments)

    return Plan(prepare, _RUN_CELL, _OF_MOMENTS, columns=(*STRAND, "run_id", *ENERGIES))


_PRODUCTS = tuple(f"{name}_p{limb}" for name in ENERGIES for limb in (0, 1, 2))
_OF_MOMENTS = ("rows", *(f"{name}_known" for name in ENERGIES), *_limb_names(ENERGIES), *_PRODUCTS)


def _at_moments(frame: Frame, instances: Frame, moments: Frame) -> Frame:
    met = _placed(frame, instances).join(moments, on=["place", _ROW], how="inner")
    return _with_sums(met, ENERGIES).with_columns(part for name in ENERGIES for part in _products(name))


def _placed(frame: Frame, instances: Frame) -> Frame:
    where = nw.coalesce(nw.col("zone"), nw.lit("")).alias("where")  # a null would join nothing
    return frame.with_columns(where).join(instances, on=["instance", "where"], how="inner")


def runs(plain: Callable[[Frame], Frame], slots: Frame) -> Plan:
    """Sum the energy of work by run, and find when it ended."""

    def prepare(frame: Frame) -> Frame:
        work = plain(frame).filter(nw.col("kind") == KIND_SPAN, ~nw.col("run_id").is_null())
        return _with_sums(_of_work(work.join(slots, on=_ROW, how="inner")), ENERGIES)

    keys = ("quarter", "work_service", "work_phase", "run_id")
    return Plan(prepare, keys, ("rows", *_limb_names(ENERGIES)), greatest=("end_utc_ns",), columns=(*_WORK, "run_id", *ENERGIES))


def _of_work(frame: Frame) -> Frame:
    """Add the service and phase of work, as ``ledger_sums.bearer_of`` names them where none is recorded."""

    def named(name: str, unspecified: str) -> nw.Expr:
        given = nw.coalesce(nw.col(name), nw.lit(""))
        return nw.when(given == "").then(nw.lit(unspecified)).otherwise(given).alias(f"work_{name}")

    return frame.with_columns(named("service", SERVICE_UNSPECIFIED), named("phase", PHASE_UNSPECIFIED))


_STRETCH = ("work_service", "work_phase", _ROW)


def covered(plain: Callable[[Frame], Frame], slots: Frame, beside: Frame | None) -> Plan:
    """Sum up, by work and quarter, the time of the half-hours that one row of each covers, and count the others as ``broken``.

    Args:
        plain: Leaves out the rows that Python adds.
        slots: The ``quarter`` of each half-hour.
        beside: Work and half-hours (``_STRETCH``) of rows that Python adds: these half-hours count as broken. None: none.
    """

    def finish(stretches: Frame) -> Frame:
        met = _with_broken(stretches, beside).join(slots, on=_ROW, how="inner")
        sums = met.group_by("work_service", "work_phase", "quarter").agg(nw.col("covered_ns").sum(), nw.col("broken").sum())
        return sums.with_columns(nw.col(name).cast(nw.Int64) for name in ("covered_ns", "broken"))

    return _stretches(plain, finish)


def broken_stretches(plain: Callable[[Frame], Frame], beside: Frame | None) -> Plan:
    """List the work and half-hours that ``covered`` counts as broken."""
    return _stretches(plain, lambda stretches: _with_broken(stretches, beside).filter(nw.col("broken") > 0).select(*_STRETCH))


def _stretches(plain: Callable[[Frame], Frame], finish: Callable[[Frame], Frame]) -> Plan:
    """Find, by work and half-hour, from when to when there is a row, and how long the longest row is."""

    def prepare(frame: Frame) -> Frame:
        work = _of_work(plain(frame).filter(nw.col("kind") == KIND_SPAN))
        return work.with_columns((nw.col("end_utc_ns") - nw.col("start_utc_ns")).alias("longest_ns"))

    return Plan(prepare, _STRETCH, (), ("start_utc_ns",), ("end_utc_ns", "longest_ns"), finish, _WORK)


def _with_broken(stretches: Frame, beside: Frame | None) -> Frame:
    """Add ``broken``, 1 where no single row covers a stretch or Python adds a row to it, and else ``covered_ns``, its length."""
    whole = nw.col("longest_ns") == nw.col("end_utc_ns") - nw.col("start_utc_ns")
    if beside is not None:
        stretches = stretches.join(beside, on=list(_STRETCH), how="left")
        whole = whole & nw.col("beside").is_null()
    return stretches.with_columns(
        nw.when(whole).then(nw.col("longest_ns")).otherwise(nw.lit(0, nw.Int64)).alias("covered_ns"),
        nw.when(whole).then(nw.lit(0, nw.Int64)).otherwise(nw.lit(1, nw.Int64)).alias("broken"),
    )


def rows_of_stretches(plain: Callable[[Frame], Frame], broken: Frame) -> Plan:
    """List the distinct rows of stretches. ``broken`` has their work and half-hour."""

    def prepare(frame: Frame) -> Frame:
        work = _of_work(plain(frame).filter(nw.col("kind") == KIND_SPAN)).join(broken, on=list(_STRETCH), how="inner")
        return work.with_columns(nw.lit(1, nw.Int64).alias("rows"))

    return Plan(prepare, (*_STRETCH, "start_utc_ns", "end_utc_ns"), ("rows",), columns=_WORK)


def work_by_half_hour(plain: Callable[[Frame], Frame], service: str, phases: Iterable[str]) -> Plan:
    """Sum the known energy of a service's work in some phases by zone as recorded, instance and half-hour."""
    wanted = [*phases]

    def prepare(frame: Frame) -> Frame:
        work = _of_work(plain(frame).filter(nw.col("kind") == KIND_SPAN))
        known = nw.any_horizontal(*(~nw.col(name).is_null() for name in ENERGIES), ignore_nulls=False)
        return _with_sums(work.filter(nw.col("work_service") == service, nw.col("work_phase").is_in(wanted), known), ENERGIES)

    return Plan(prepare, ("zone", "instance", _ROW), ("rows", *_limb_names(ENERGIES)), columns=(*_WORK, "zone", *ENERGIES))


def is_special() -> nw.Expr:
    """Say whether Python adds a row itself: ends of runs, and what has no plain sum (tokens, quality, losses, shared devices)."""
    return nw.col("special") | (nw.col("kind") == KIND_OUTCOME)
