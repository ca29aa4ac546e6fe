"""The SQL that adds up the rows behind a figure again, on the files of ``ecoia export``."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from ecoia.exploring import Selection
from ecoia.periods import utc_ns
from ecoia.semconv import COMPONENTS, PHASE_UNSPECIFIED, SERVICE_UNSPECIFIED
from ecoia_dashboards.dashboard.page import Reading

_SERVICE = (
    f"CASE kind WHEN 'span' THEN coalesce(service, '{SERVICE_UNSPECIFIED}') WHEN 'idle' THEN coalesce(service, '') ELSE '' END"
)
_PHASE = f"CASE kind WHEN 'span' THEN coalesce(phase, '{PHASE_UNSPECIFIED}') ELSE kind END"


def recomputation(reading: Reading) -> str:
    """Write the SQL for DuckDB. Claims that a report refuses as counted already are in the files, and so in this sum.

    Example:
        >>> print(recomputation(reading))  # doctest: +SKIP
        SELECT sum(coalesce(cpu_microjoules, 0) + coalesce(gpu_microjoules, 0) + coalesce(ram_microjoules, 0)) AS microjoules
        FROM read_parquet('ledger-parquet/*/*.parquet', hive_partitioning = true)
        WHERE quarter = '2026Q3'
    """
    selection = reading.selection
    energy = " + ".join(_energy(component, selection.statuses) for component in COMPONENTS)
    return (
        f"SELECT sum({energy}) AS microjoules\n"
        "FROM read_parquet('ledger-parquet/*/*.parquet', hive_partitioning = true)\n"
        f"WHERE {' AND '.join(_conditions(selection, reading))}"
    )


def _energy(component: str, statuses: tuple[str, ...]) -> str:
    column = f"{component}_microjoules"
    if statuses:
        column = f"CASE WHEN {_is_in(f'{component}_status', statuses)} THEN {column} END"
    return f"coalesce({column}, 0)"


def _conditions(selection: Selection, reading: Reading) -> Iterable[str]:
    if selection.whole_quarters is not None:
        yield _is_in("quarter", map(str, selection.whole_quarters))
    else:
        zone = ZoneInfo(reading.state.timezone)
        yield f"half_hour_utc_ns >= {_start_ns(selection.first_day, zone)}"
        yield f"half_hour_utc_ns < {_start_ns(selection.until_day, zone)}"
    if selection.region is not None:  # no row is of a region: its services' rows are summed, whole
        yield _is_in(_SERVICE, reading.explorer.parts(selection, "service"))
    elif selection.services:
        yield _is_in(_SERVICE, selection.services)
    if selection.phases:
        yield _is_in(_PHASE, selection.phases)
    if selection.instances:
        yield _is_in("instance", selection.instances)
    if selection.runs:
        yield _is_in("run_id", selection.runs)
    if selection.sites:  # the files know instances, and the catalogue knows where they are
        yield _is_in("instance", reading.explorer.parts(selection.only(region=None), "instance"))
    if reading.address.q:
        yield f"({_is_in('run_id', [reading.address.q])} OR {_is_in('instance', [reading.address.q])})"


def _start_ns(day: date, zone: ZoneInfo) -> int:
    return utc_ns(datetime.combine(day, time.min, zone))


def _is_in(expression: str, values: Iterable[str]) -> str:
    quoted = ["'" + value.replace("'", "''") + "'" for value in values] or ["NULL"]
    return f"{expression} = {quoted[0]}" if len(quoted) == 1 else f"{expression} IN ({', '.join(quoted)})"
