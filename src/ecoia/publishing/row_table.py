"""Ledger rows as a table, and their totals. ``table`` gives a pandas frame; the totals work on any eager frame, by narwhals.

Sums are of 64-bit integers (microjoules, millionths, nanoseconds), so they are exact in any order. A sum of missing values only
is missing, not zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from ecoia.errors import MissingExtraError, UsageError
from ecoia.periods import Quarter
from ecoia.publishing.flat_rows import flat_row
from ecoia.records import TOLD_OR_NOT, Row
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
    *TOLD_OR_NOT,
    "cpu_ns",
    "lost",
)
"""Columns that add up. Every grouping has them, and also ``energy_microjoules``, the energy of all components.

The sum of a count that tokens may lack (``records.TOLD_OR_NOT``) is null where any row with tokens lacks it."""

_TEXTS = frozenset(TABLE_COLUMNS) - frozenset(SUMMED) - {"half_hour_utc_ns", "start_utc_ns", "end_utc_ns", "simulated"}
_UTC = ZoneInfo("UTC")
_INT64_MAX = (1 << 63) - 1


def table(rows: Sequence[Row], timezone: ZoneInfo = _UTC) -> pd.DataFrame:
    """Return ledger rows as a table: one line a row, with the columns of ``semconv.TABLE_COLUMNS``.

    Args:
        rows: Ledger rows.
        timezone: Time zone of the ``quarter`` column.

    Raises:
        UsageError: a column's sum exceeds 64 bits (2.5 GWh, or 292 years of one CPU).

    Example::

        by_service(table(rows, ZoneInfo("Europe/Paris")))
    """
    quarters: dict[int, str] = {}
    columns: dict[str, list[Any]] = {name: [] for name in TABLE_COLUMNS}
    for row in rows:
        half_hour = row["half_hour_utc_ns"]
        if half_hour not in quarters:
            quarters[half_hour] = str(Quarter.of_instant(half_hour, timezone))
        cells = flat_row(row) | {"quarter": quarters[half_hour]}
        for name in TABLE_COLUMNS:
            columns[name].append(cells[name])
    _check_sums(columns)
    series = {}
    for name, values in columns.items():
        kind = "string" if name in _TEXTS else "bool" if name == "simulated" else "Int64"
        series[name] = pd.Series(values, dtype=kind)
    return pd.DataFrame(series)


def _check_sums(columns: Mapping[str, Sequence[int | None]]) -> None:
    """Check that every column that adds up can be summed in 64 bits.

    Raises:
        UsageError: one cannot.
    """
    sums = {name: sum(filter(None, columns[name])) for name in SUMMED}
    energy = sum(sums[f"{component}_microjoules"] for component in COMPONENTS)
    for name, total in (("energy_microjoules", energy), *sums.items()):
        if total > _INT64_MAX:
            raise UsageError(f"{name} adds up to {total}, more than 64 bits hold: aggregate fewer rows at once")


def total_by(frame: IntoDataFrameT, *keys: str) -> IntoDataFrameT:
    """Return the sums of ``SUMMED`` and ``energy_microjoules`` by some columns, sorted by them."""
    data = nw.from_native(frame, eager_only=True)
    # An export of before tokens told their requests lacks the columns: not told, as in rows of before.
    never = nw.when(nw.col("tokens_in") < 0).then(nw.col("tokens_in"))  # null, of the column's own type
    data = data.with_columns(never.alias(name) for name in TOLD_OR_NOT if name not in data.columns)
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
    at_least = {name: nw.col("tokens_in_known") if name in TOLD_OR_NOT else 1 for name in added}
    known_of = {name: nw.col(f"{name}_known") for name in added}
    sums = sums.with_columns(
        nw.when(known_of[name] > 0, known_of[name] >= at_least[name]).then(nw.col(name)).alias(name) for name in added
    )
    return _sorted(sums.select(*keys, *added), keys)


def by_kind(frame: IntoDataFrameT) -> IntoDataFrameT:
    """Return totals by record kind: work, idle, unattributed, ecoia's overhead."""
    return total_by(_of_energy(frame), "kind")


def by_quarter(frame: IntoDataFrameT) -> IntoDataFrameT:
    """Return totals by quarter."""
    return total_by(_of_energy(frame), "quarter")


def by_service(frame: IntoDataFrameT) -> IntoDataFrameT:
    """Return totals by service and kind, so that a service's idle capacity stands apart from its work."""
    return total_by(_of_energy(frame), "service", "kind")


def by_service_phase(frame: IntoDataFrameT) -> IntoDataFrameT:
    """Return totals of work (spans) by service and phase."""
    return total_by(_spans(frame), "service", "phase")


def by_run(frame: IntoDataFrameT) -> IntoDataFrameT:
    """Return totals of work (spans) by service, phase and run."""
    return total_by(_spans(frame), "service", "phase", "run_id")


def by_method(frame: IntoDataFrameT, *keys: str) -> IntoDataFrameT:
    """Return energy by component and method.

    Args:
        frame: From ``table``.
        keys: Columns to group by as well, before the component.

    Returns:
        ``keys``, ``component``, ``status``, ``method``, ``microjoules`` (0 where every value is missing), sorted.
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
    """Return energy by status: measured, estimated, declared, missing (0)."""
    methods = nw.from_native(by_method(frame), eager_only=True)
    return _sorted(methods.group_by("status").agg(nw.col("microjoules").sum()), ["status"])


def records(frame: IntoDataFrameT) -> list[dict[str, Any]]:
    """Return the lines of a frame as plain Python values; missing ones are ``None``."""
    lines: list[dict[str, Any]] = nw.from_native(frame, eager_only=True).to_arrow().to_pylist()
    return lines


def _of_energy(frame: IntoDataFrameT) -> IntoDataFrameT:
    return nw.from_native(frame, eager_only=True).filter(nw.col("kind") != KIND_OUTCOME).to_native()


def _spans(frame: IntoDataFrameT) -> IntoDataFrameT:
    return nw.from_native(frame, eager_only=True).filter(nw.col("kind") == KIND_SPAN).to_native()


def _sorted(data: nw.DataFrame[IntoDataFrameT], keys: Sequence[str]) -> IntoDataFrameT:
    """Return the native frame, sorted, without pandas' index: it would keep the order in which the lines came."""
    return nw.maybe_reset_index(data.sort(*keys)).to_native()
