"""What is known of one run: its rows, gathered for pages that show it alone or beside others."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from ecoia.evaluating.run_comparison import RunEnergy
from ecoia.exploring import RunLine, Selection
from ecoia.periods import Quarter, utc_datetime
from ecoia.records import Row
from ecoia.semconv import KIND_SPAN
from ecoia.units import from_micro, wh
from ecoia_dashboards.cleaning import clean
from ecoia_dashboards.dashboard.page import NotFoundError, Reading
from ecoia_dashboards.sums import added

_MOST_NAMED = 20
"""How many ids a page names that does not know the one in its address."""
_MLFLOW_ID = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True)
class MethodEnergy:
    """Exact energy of a run that one method gave for one component."""

    component: str
    status: str
    method: str
    microjoules: int


@dataclass(frozen=True)
class HalfHour:
    """Exact energy of a run in a half-hour, by its UTC start."""

    start_utc_ns: int
    microjoules: int


@dataclass(frozen=True)
class OneRun:
    """A run.

    Attributes:
        run_id: Its id.
        lines: Its work, by service and phase, the largest energy first.
        methods: Its energy by component and method.
        half_hours: Its energy over time.
        units: Functional units that it counted; None where it counted none.
        rows: How many ledger rows it has.
        mlflow: Address of its page in MLflow; None where it has none that is known.
    """

    run_id: str
    lines: tuple[RunLine, ...]
    methods: tuple[MethodEnergy, ...]
    half_hours: tuple[HalfHour, ...]
    units: float | None
    rows: int
    mlflow: str | None

    @property
    def microjoules(self) -> int:
        """Exact energy of its components."""
        return sum(each.microjoules for each in self.lines)

    @property
    def work(self) -> frozenset[tuple[str, str]]:
        """Its services and phases."""
        return frozenset((each.service, each.phase) for each in self.lines)

    @property
    def instances(self) -> tuple[str, ...]:
        """Where it ran, sorted."""
        return tuple(sorted({instance for each in self.lines for instance in each.instances}))

    @property
    def quality(self) -> dict[str, float]:
        """Its figures of quality."""
        return {name: value for each in self.lines for name, value in each.quality.items()}

    @property
    def outcome(self) -> str | None:
        """How it ended."""
        return next((each.outcome for each in self.lines if each.outcome), None)

    @property
    def start_utc(self) -> str:
        """Start of its first record."""
        return min(each.start_utc for each in self.lines)

    @property
    def end_utc(self) -> str:
        """End of its last record."""
        return max(each.end_utc for each in self.lines)

    @property
    def seconds(self) -> float:
        """Time from its first record to the end of its last."""
        return seconds_between(self.start_utc, self.end_utc)

    def compared(self) -> RunEnergy:
        """Return it as comparisons of runs take it."""
        energy = {(each.component, each.status, each.method): wh(each.microjoules) for each in self.methods}
        return RunEnergy(self.run_id, self.run_id, energy, self.units, None, frozenset(self.instances), self.quality)


def seconds_between(start_utc: str, end_utc: str) -> float:
    """Return the seconds between two instants."""
    return (datetime.fromisoformat(end_utc) - datetime.fromisoformat(start_utc)).total_seconds()


def short(run_id: str) -> str:
    """Shorten the id of a run as people name it: the first digits of an id that MLflow made."""
    return run_id[:8] if _MLFLOW_ID.fullmatch(run_id) else run_id


def mlflow_page(run_id: str, reading: Reading) -> str | None:
    """Return the address of a run's page in MLflow; None where the figures are not from a server, or it is no run of MLflow."""
    uri = reading.state.source_uri
    known = reading.state.source == "ledger" and uri.startswith(("http://", "https://")) and _MLFLOW_ID.fullmatch(run_id)
    return f"{uri.rstrip('/')}/#/runs/{run_id}" if known else None


def read(reading: Reading, run: str) -> OneRun:
    """Read a run, in whichever quarters it worked.

    Args:
        reading: The data at the address.
        run: Its id.

    Raises:
        NotFoundError: the reader sees no run of this id.
    """
    found = reading.explorer.rows_of_run(run)
    rows = [row for row in found if row["kind"] == KIND_SPAN and reading.may_see(row["service"] or "")]
    lines = _lines(run, rows, reading)
    if not lines:
        raise NotFoundError("run", run, _latest(reading))
    units = [row["units_micro"] for row in rows if row["units_micro"] is not None]
    return OneRun(
        run_id=run,
        lines=lines,
        methods=_methods(rows),
        half_hours=_half_hours(rows),
        units=float(from_micro(sum(units))) if units else None,
        rows=len(rows),
        mlflow=mlflow_page(run, reading),
    )


def _lines(run_id: str, rows: Sequence[Row], reading: Reading) -> tuple[RunLine, ...]:
    if not rows:
        return ()
    zone = ZoneInfo(reading.state.timezone)
    quarters = sorted({Quarter.of_date(utc_datetime(row["half_hour_utc_ns"]).astimezone(zone).date()) for row in rows})
    services, phases = (tuple(sorted({row[name] or "" for row in rows})) for name in ("service", "phase"))
    found: dict[tuple[str, str], list[RunLine]] = {}
    for quarter in quarters:  # as the quarter's report has it
        for line in reading.explorer.runs(Selection.of_quarter(quarter, services=services, phases=phases)):
            if line.run_id == run_id:
                found.setdefault((line.service, line.phase), []).append(clean(line))
    return tuple(
        sorted((_joined(lines) for lines in found.values()), key=lambda each: (-each.microjoules, each.service, each.phase))
    )


def _joined(lines: Sequence[RunLine]) -> RunLine:
    """Join what a run did for a service and phase in several quarters, in order of time."""
    return replace(
        lines[-1],
        instances=tuple(sorted({instance for each in lines for instance in each.instances})),
        start_utc=lines[0].start_utc,
        microjoules=sum(each.microjoules for each in lines),
        energy=added([each.energy for each in lines], "kWh"),
        co2e=added([each.co2e for each in lines], "kgCO2e"),
        simulated=any(each.simulated for each in lines),
    )


def _latest(reading: Reading) -> tuple[str, ...]:
    """Name some runs that exist, the largest energy of the period first."""
    return tuple(dict.fromkeys(each.run_id for each in reading.explorer.runs(reading.selection)))[:_MOST_NAMED]


def _methods(rows: Sequence[Row]) -> tuple[MethodEnergy, ...]:
    sums: dict[tuple[str, str, str], int] = {}
    for row in rows:
        for component, microjoules in row["energy_microjoules"].items():
            if microjoules is not None:
                method = row["method"][component]
                key = (component, method["status"], method["name"])
                sums[key] = sums.get(key, 0) + microjoules
    return tuple(MethodEnergy(*key, sums[key]) for key in sorted(sums, key=lambda key: (-sums[key], key)))


def _half_hours(rows: Sequence[Row]) -> tuple[HalfHour, ...]:
    sums: dict[int, int] = {}
    for row in rows:
        energy = sum(each or 0 for each in row["energy_microjoules"].values())
        sums[row["half_hour_utc_ns"]] = sums.get(row["half_hour_utc_ns"], 0) + energy
    return tuple(HalfHour(start, sums[start]) for start in sorted(sums))
