"""Write a quarter's file: its report, its energy by cell and time, counts, and rows."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, astuple
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

from ecoia.exploring.kept_text import packed
from ecoia.exploring.selection import Selected
from ecoia.exploring.tables import STATUS_BITS, TABLES, limbs
from ecoia.impact.cell_sums import FineKey, fine_sums
from ecoia.impact.doublecounting import refuse_doubles
from ecoia.impact.energy_cells import CellKey, ExactSums
from ecoia.impact.grid import GridFactors
from ecoia.impact.hosted import TokenCounts, token_counts
from ecoia.impact.hosted_estimates import Ask, asking
from ecoia.impact.ledger_sums import LedgerSums, bearer_of
from ecoia.periods import HALF_HOUR_NS, utc_datetime
from ecoia.records import Row
from ecoia.report import QuarterChange, QuarterlyReport
from ecoia.report.context import Context
from ecoia.semconv import COMPONENTS, KIND_OUTCOME, KIND_SPAN

_UNSAFE = "PRAGMA page_size = 8192; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
"""Fast: a file that is not whole never gets its name."""


class QuarterWriter:
    """Writes the file of one quarter.

    Args:
        context: The quarters up to it, assessed.
        rows: Its rows, before double counting is refused.
    """

    def __init__(self, context: Context, rows: Sequence[Row]) -> None:
        self._context = context
        self._rows = refuse_doubles(rows)[0]
        self._time = cache(self._time_of)
        self._site = cache(context.known.site_index)

    def write(self, path: Path, report: QuarterlyReport, changes: Iterable[QuarterChange]) -> None:
        """Write the file. It must not exist.

        Args:
            path: The file.
            report: The quarter's report.
            changes: Its changes against earlier quarters.
        """
        connection = sqlite3.connect(path, isolation_level=None)
        try:
            connection.executescript(_UNSAFE + TABLES)
            connection.execute("BEGIN")
            content = packed(QuarterlyReport, report)
            _insert(connection, "meta", [("report", content), ("equipment", bool(self._context.catalogue.equipment))])
            _insert(connection, "changes", ((each.reference, packed(QuarterChange, each)) for each in changes))
            self._write_energy(connection)
            self._write_counts(connection)
            self._write_making(connection)
            self._write_grid(connection)
            self._write_rows(connection)
            connection.execute("COMMIT")
        finally:
            connection.close()

    def _time_of(self, half_hour_utc_ns: int) -> tuple[int, int]:
        """Return the civil day, as its ordinal, and the hour of the day of a half-hour."""
        local = utc_datetime(half_hour_utc_ns).astimezone(self._context.timezone)
        return local.toordinal(), local.hour

    def _write_energy(self, connection: sqlite3.Connection) -> None:
        works = self._by_work()
        groups = (self._context.activity.strands, *(LedgerSums.of(rows).strands for rows in works.values()))
        (sums, *of_works), factors = fine_sums(groups, self._context.known, self._time)
        uses = ((index, json.dumps(astuple(use)), *bounds) for index, (use, bounds) in enumerate(factors.uses))
        _insert(connection, "factor_uses", uses)
        ids = {key: number for number, key in enumerate(sorted({fine.cell for fine in sums}))}
        _insert(connection, "keys", ((number, *_key_columns(key)) for key, number in ids.items()))
        days: dict[tuple[Any, ...], list[int]] = {}
        wholes: dict[tuple[Any, ...], list[int]] = {}
        hours = []
        for fine, found in sums.items():
            place = (ids[fine.cell], fine.instance, fine.kind, fine.simulated)
            hours.append((*place, *fine.slot, *limbs(found.microjoules), *limbs(found.emitted)))  # type: ignore[misc]
            for coarse, key in ((days, (*place, fine.slot[0])), (wholes, place)):  # type: ignore[index]
                both = coarse.setdefault(key, [0, 0])
                both[0] += found.microjoules
                both[1] += found.emitted
        _insert(connection, "hours", sorted(hours))
        for table, coarse in (("days", days), ("wholes", wholes)):
            _insert(connection, table, ((*key, *limbs(coarse[key][0]), *limbs(coarse[key][1])) for key in sorted(coarse)))

        hosts = self._context.period.assessment.hosts.microjoules
        lines = (
            (*reading, bearer[0] or "", bearer[1], instance, json.dumps(devices), *limbs(energy))
            for (reading, bearer), found in hosts.items()
            for (instance, devices), energy in found.items()
        )
        _insert(connection, "hosts", sorted(lines))
        self._write_work_energy(connection, ids, dict(zip(works, of_works, strict=True)))

    def _by_work(self) -> dict[tuple[str, str], list[Row]]:
        """Return the rows of work by run and version of the model ("": none), without the work that has neither."""
        found: dict[tuple[str, str], list[Row]] = {}
        for row in self._rows:
            named = row["run_id"] or "", row["model_version"] or ""
            if any(named) and row["kind"] == KIND_SPAN:
                found.setdefault(named, []).append(row)
        return dict(sorted(found.items()))

    def _write_work_energy(
        self,
        connection: sqlite3.Connection,
        ids: Mapping[CellKey, int],
        works: Mapping[tuple[str, str], Mapping[FineKey, ExactSums]],
    ) -> None:
        """Write the energy of each run and version with the emissions of its own half-hours, by day."""
        days: dict[tuple[Any, ...], list[int]] = {}
        for work, sums in works.items():
            for fine, found in sums.items():
                both = days.setdefault((*work, ids[fine.cell], fine.instance, fine.simulated, fine.slot[0]), [0, 0])  # type: ignore[index]
                both[0] += found.microjoules
                both[1] += found.emitted
        _insert(connection, "work_days", ((*key, *limbs(days[key][0]), *limbs(days[key][1])) for key in sorted(days)))

    def _place(self, row: Row) -> tuple[str, str, int, str, int]:
        """Return service, phase, site, instance and day of a row; the end of a run is of the run's service and phase."""
        service, phase = bearer_of({**row, "kind": KIND_SPAN} if row["kind"] == KIND_OUTCOME else row)
        return service or "", phase, self._site(row["instance"]), row["instance"], self._time(row["half_hour_utc_ns"])[0]

    def _write_counts(self, connection: sqlite3.Connection) -> None:
        counts: dict[tuple[Any, ...], list[Any]] = {}
        tokens: dict[tuple[Any, ...], TokenCounts] = {}
        for row in self._rows:
            if row["kind"] == KIND_OUTCOME:
                continue
            place = self._place(row)
            found = counts.setdefault((*place, row["kind"], row["simulated"], _statuses(row)), [0, 0, None, None])
            found[0] += row["spans"]
            found[1] += row["cpu_ns"]
            for index, name in ((2, "units_micro"), (3, "accepted_micro")):
                if row[name] is not None:
                    found[index] = (found[index] or 0) + row[name]
            for key, numbers in token_counts(row):
                whole = (*place, _statuses(row), row["simulated"], *key[2:])
                tokens[whole] = numbers.plus(tokens.get(whole, TokenCounts()))
        lines = ((*key, spans, *limbs(cpu), units, accepted) for key, (spans, cpu, units, accepted) in sorted(counts.items()))
        _insert(connection, "counts", lines)
        _insert(connection, "tokens", ((*key, *numbers) for key, numbers in sorted(tokens.items())))
        models = sorted({key[7:9] for key in tokens})
        ask = asking(self._context.known.hosted_factors)
        _insert(connection, "hypotheses", ((*model, json.dumps(_asked(ask, *model))) for model in models))

    def _write_making(self, connection: sqlite3.Connection) -> None:
        period = self._context.period
        shares = ((each.equipment, each.bearer[0] or "", each.bearer[1], each.micrograms) for each in period.embodied)
        _insert(connection, "shares", shares)
        lacking = (
            (bearer[0] or "", bearer[1], instance)
            for bearer, instances in period.without_equipment.items()
            for instance in sorted(instances)
        )
        _insert(connection, "undescribed", lacking)

    def _write_grid(self, connection: sqlite3.Connection) -> None:
        """Write the mean factor of each hour of the quarter in each zone with energy, where all of it is known."""
        grid = GridFactors(self._context.known.factors)
        sums: dict[tuple[str, int, int], tuple[int, int]] = {}
        zones = [zone for (zone,) in connection.execute("SELECT DISTINCT zone FROM keys WHERE zone != '' ORDER BY zone")]
        for zone in zones:
            for half_hour in range(self._context.start_ns, self._context.end_ns, HALF_HOUR_NS):
                index, micrograms = grid.at(zone, half_hour)
                if index >= 0:
                    key = (zone, *self._time(half_hour))
                    total, number = sums.get(key, (0, 0))
                    sums[key] = total + micrograms, number + 1
        _insert(connection, "grid", ((*key, *sums[key]) for key in sorted(sums)))

    def _write_rows(self, connection: sqlite3.Connection) -> None:
        activity = self._context.activity
        ends = self._context.outcomes
        runs = sorted({*activity.run_microjoules, *ends})
        lines = ((*run, ends.get(run), json.dumps(activity.run_quality.get(run, {}), sort_keys=True)) for run in runs)
        _insert(connection, "run_ends", lines)
        texts = ((row["half_hour_utc_ns"], json.dumps(row, ensure_ascii=False, sort_keys=True), row) for row in self._rows)
        ordered = sorted(texts, key=lambda each: each[:2])
        _insert(connection, "rows", (self._row(number, *each) for number, each in enumerate(ordered, 1)))

    def _row(self, number: int, half_hour: int, text: str, row: Row) -> tuple[Any, ...]:
        service, phase, site, instance, day = self._place(row)
        energy, method = row["energy_microjoules"], row["method"]
        components = [value for name in COMPONENTS for value in (energy[name], STATUS_BITS.get(method[name]["status"], 0))]
        content = zlib.compress(text.encode("utf-8", "surrogatepass"), 3)
        times = row["start_utc_ns"], row["end_utc_ns"]
        place = (service, phase, site, instance, row["kind"], row["simulated"])
        work = (row["run_id"], row["model_version"], row["units_micro"] if row["kind"] == KIND_SPAN else None)
        return number, half_hour, day, *place, *work, *times, _statuses(row), *components, content


def write_answers(path: Path, answers: Mapping[str, Mapping[str, Selected]]) -> None:
    """Add the figures of the whole quarter to its file, split by each dimension."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.executescript(_UNSAFE)
        _insert(connection, "answers", ((by, packed(dict[str, Selected], dict(parts))) for by, parts in answers.items()))
    finally:
        connection.close()


def is_whole(path: Path) -> bool:
    """Return whether a file was written to its end; a power cut may leave a name without its content."""
    if not path.is_file():
        return False
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    try:
        return bool(connection.execute("SELECT count(*) FROM answers").fetchone()[0])
    except sqlite3.DatabaseError:
        return False
    finally:
        connection.close()


def _key_columns(key: CellKey) -> tuple[Any, ...]:
    start = (key.service, key.phase, key.component, key.status, key.name, key.zone, key.factor_use, key.calibration)
    return *start, *key.site_figures, json.dumps(key.contracts)


def _statuses(row: Row) -> int:
    """Return the statuses of the energy of a row, as bits."""
    found = 0
    for component, energy in row["energy_microjoules"].items():
        if energy is not None:
            found |= STATUS_BITS.get(row["method"][component]["status"], 0)
    return found


def _asked(ask: Ask, provider: str, model: str) -> Mapping[str, Any] | str:
    found = ask(provider, model)
    return found if isinstance(found, str) else asdict(found)


def _insert(connection: sqlite3.Connection, table: str, lines: Iterable[Sequence[Any]]) -> None:
    rest = iter(lines)
    for first in rest:
        marks = ",".join("?" * len(first))
        connection.executemany(f"INSERT INTO {table} VALUES ({marks})", chain((first,), rest))  # noqa: S608 - our names
