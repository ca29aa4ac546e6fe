"""Totals of ledger rows, written once with narwhals: pandas by default, and the same functions for any eager frame.

Sums are of integers (microjoules, millionths, nanoseconds) in 64 bits, so they are exact and no order changes them.
A sum of nothing but missing values is missing, not zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from ecoia.errors import MissingExtraError, UsageError
from ecoia.periods import Quarter
from ecoia.records import Row
from ecoia.semconv import COMPONENTS, KIND_OUTCOME, KIND_SPAN, TABLE_COLUMNS

try:
    import narwhals as nw
    import pandas as pd
except ImportError as error:  # pragma: no cover - a base install
    raise MissingExtraError("Aggregation", str(error.name)) from error

if TYPE_CHECKING:
    from narwhals.typing import IntoDataFrameT

SUMMED = (
    "cpu_microjoules",
    "gpu_microjoules",
    "ram_microjoules",
    "spans",
    "units_micro",
    "accepted_micro",
    "tokens_in",
    "tokens_out",
    "cpu_ns",
    "lost",
)
"""The columns that add up. Every grouping gives them, and ``energy_microjoules``, the sum over components."""

_TEXTS = frozenset(TABLE_COLUMNS) - frozenset(SUMMED) - {"half_hour_utc_ns", "start_utc_ns", "end_utc_ns", "simulated"}
_UTC = ZoneInfo("UTC")
_INT64_MAX = (1 << 63) - 1


def table(rows: Sequence[Row], timezone: ZoneInfo = _UTC) -> pd.DataFrame:
    """Ledger rows as a table: one line a row, the columns of ``semconv.TABLE_COLUMNS``.

    Args:
        rows: Ledger rows.
        timezone: Civil time of the ``quarter`` column.

    Raises:
        UsageError: a column's sum is more than 64 bits hold (2.5 GWh, or 292 years of one CPU).
    """
    columns: dict[str, list[Any]] = {name: [] for name in TABLE_COLUMNS}
    quarters: dict[int, str] = {}
    for row in rows:
        half_hour = row["half_hour_utc_ns"]
        if half_hour not in quarters:
            quarters[half_hour] = str(Quarter.of_instant(half_hour, timezone))
        values = {name: row[name] for name in TABLE_COLUMNS if name in row}
        values |= {
            "quarter": quarters[half_hour],
            "tokens_in": sum(tokens["tokens_in"] for tokens in row["tokens"]) if row["tokens"] else None,
            "tokens_out": sum(tokens["tokens_out"] for tokens in row["tokens"]) if row["tokens"] else None,
            "lost": sum(row["lost"].values()),
        }
        for component in COMPONENTS:
            values[f"{component}_status"] = row["method"][component]["status"]
            values[f"{component}_method"] = row["method"][component]["name"]
            values[f"{component}_microjoules"] = row["energy_microjoules"][component]
        for name in TABLE_COLUMNS:
            columns[name].append(values[name])
    energy = sum(value for component in COMPONENTS for value in columns[f"{component}_microjoules"] if value is not None)
    for name, total in (("energy_microjoules", energy), *((name, sum(filter(None, columns[name]))) for name in SUMMED)):
        if total > _INT64_MAX:
            raise UsageError(f"{name} adds up to {total}, more than 64 bits hold: aggregate fewer rows at once")
    series = {}
    for name, values_of in columns.items():
        kind = "string" if name in _TEXTS else "bool" if name == "simulated" else "Int64"
        series[name] = pd.Series(values_of, dtype=kind)
    return pd.DataFrame(series)


def total_by(frame: IntoDataFrameT, *keys: str) -> IntoDataFrameT:
    """The sums of ``SUMMED`` and ``energy_microjoules`` for every combination of some columns, sorted by them."""
    data = nw.from_native(frame, eager_only=True)
    added = (*SUMMED, "energy_microjoules")
    energy = [nw.col(f"{component}_microjoules") for component in COMPONENTS]
    known = nw.any_horizontal(*(~column.is_null() for column in energy), ignore_nulls=False)
    zero = nw.lit(0, nw.Int64)
    data = data.with_columns(
        energy_microjoules=nw.when(known).then(nw.sum_horizontal(*(nw.coalesce(column, zero) for column in energy)))
    )
    sums = data.group_by(*keys).agg(
        *(nw.col(name).sum() for name in added),
        *(nw.col(name).count().alias(f"{name}_known") for name in added),
    )
    sums = sums.with_columns(nw.when(nw.col(f"{name}_known") > 0).then(nw.col(name)).alias(name) for name in added)
    return _sorted(sums.select(*keys, *added), keys)


def by_kind(frame: IntoDataFrameT) -> IntoDataFrameT:
    """Totals by record kind: work, idle, unattributed, ecoia's own."""
    return total_by(_of_energy(frame), "kind")


def by_quarter(frame: IntoDataFrameT) -> IntoDataFrameT:
    """Totals by quarter."""
    return total_by(_of_energy(frame), "quarter")


def by_service(frame: IntoDataFrameT) -> IntoDataFrameT:
    """Totals by service and kind (its idle capacity apart from its work)."""
    return total_by(_of_energy(frame), "service", "kind")


def by_service_phase(frame: IntoDataFrameT) -> IntoDataFrameT:
    """Totals of work (spans) by service and phase."""
    return total_by(_spans(frame), "service", "phase")


def by_run(frame: IntoDataFrameT) -> IntoDataFrameT:
    """Totals of work (spans) by service, phase and run."""
    return total_by(_spans(frame), "service", "phase", "run_id")


def by_method(frame: IntoDataFrameT, *keys: str) -> IntoDataFrameT:
    """Energy by component and by how it was obtained, after other columns if any.

    Returns:
        ``keys``, ``component``, ``status``, ``method``, ``microjoules`` (0 where all is missing), sorted.
    """
    data = nw.from_native(_of_energy(frame), eager_only=True)
    names = (*keys, "component", "status", "method")
    parts = [
        data.select(
            *keys,
            nw.lit(component).cast(nw.String).alias("component"),
            nw.col(f"{component}_status").alias("status"),
            nw.col(f"{component}_method").alias("method"),
            nw.coalesce(f"{component}_microjoules", nw.lit(0, nw.Int64)).alias("microjoules"),
        )
        for component in COMPONENTS
    ]
    joined: nw.DataFrame[IntoDataFrameT] = nw.concat(parts)
    return _sorted(joined.group_by(*names).agg(nw.col("microjoules").sum()), names)


def by_status(frame: IntoDataFrameT) -> IntoDataFrameT:
    """Energy by status: measured, estimated, declared, missing (0)."""
    methods = nw.from_native(by_method(frame), eager_only=True)
    return _sorted(methods.group_by("status").agg(nw.col("microjoules").sum()), ["status"])


def records(frame: IntoDataFrameT) -> list[dict[str, Any]]:
    """The lines of a frame as plain Python values, missing ones None."""
    lines: list[dict[str, Any]] = nw.from_native(frame, eager_only=True).to_arrow().to_pylist()
    return lines


def _of_energy(frame: IntoDataFrameT) -> IntoDataFrameT:
    return nw.from_native(frame, eager_only=True).filter(nw.col("kind") != KIND_OUTCOME).to_native()


def _spans(frame: IntoDataFrameT) -> IntoDataFrameT:
    return nw.from_native(frame, eager_only=True).filter(nw.col("kind") == KIND_SPAN).to_native()


def _sorted(data: nw.DataFrame[IntoDataFrameT], keys: Sequence[str]) -> IntoDataFrameT:
    """The native frame, sorted; what pandas keeps as an index is the order in which lines were met, so it goes."""
    return nw.maybe_reset_index(data.sort(*keys)).to_native()
