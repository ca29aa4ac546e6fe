"""Find what lies behind the figures of a selection: days, hours, runs, rows, terms of the formula.

Where a region is selected, days, runs and rows are those of its services, whole: none of them belongs to a region.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from ecoia.errors import UsageError
from ecoia.exploring.gathering import Gathered, figures
from ecoia.exploring.lines import (
    FormulaTerm,
    HourCell,
    RecordedDay,
    RowLine,
    RowsPage,
    RunLine,
    VersionUse,
)
from ecoia.exploring.selection import Selected, Selection
from ecoia.exploring.tables import from_limbs, sum_of
from ecoia.impact.assessment import energy_cell
from ecoia.impact.embodied import MICROGRAMS_PER_KG
from ecoia.impact.energy_cells import CellKey, EnergyCell, ExactSums, bearer_of_key
from ecoia.impact.shared_hosts import Reading, SharedHosts
from ecoia.periods import utc_datetime
from ecoia.records import Row
from ecoia.semconv import COMPONENTS, KIND_OUTCOME, KIND_SPAN
from ecoia.units import from_micro

if TYPE_CHECKING:
    from ecoia.exploring.data import Data
    from ecoia.exploring.reading import QuarterFile, Where

MOST_ROWS = 1000
"""Rows of a page at most."""


def recorded_days(data: Data, selection: Selection) -> list[RecordedDay]:
    """List the days with a row of each service, phase and instance, sorted."""
    found: dict[tuple[str, str, str, int], int | None] = {}
    for file, narrowed in data.files_of(selection):
        where = file.where(narrowed)
        condition, parameters = where.of_rows()
        sql = f"SELECT DISTINCT service, phase, instance, day FROM counts WHERE {condition}"  # noqa: S608 - marks
        found |= dict.fromkeys(file.query(sql, parameters))
        for number, instance, day, *sums in file.energy("days", where, ("instance", "day")):
            key = file.keys[number]
            place = (key.service, key.phase, instance, day)
            found[place] = (found.get(place) or 0) + from_limbs(*sums[:2])
    return [RecordedDay(*place[:3], date.fromordinal(place[3]), found[place]) for place in sorted(found)]


def hours(data: Data, selection: Selection) -> list[HourCell]:
    """List the hours with energy, or with a known emission factor, in order.

    Raises:
        UsageError: runs are selected, which are kept by day.
    """
    if selection.runs:
        raise UsageError("the hours of runs are not kept: select their days, service and machine in place of the runs")
    energy: dict[tuple[int, int], int] = {}
    emitted: dict[tuple[int, int], float | None] = {}
    by_zone: dict[str, int] = {}
    grid: dict[str, dict[tuple[int, int], float]] = {}
    for file, narrowed in data.files_of(selection):
        where, shares = file.where(narrowed), data.shares(selection, file)
        for number, day, hour, *limbs in file.energy("hours", where, ("day", "hour")):
            key = file.keys[number]
            share = 1.0 if shares is None else shares.get(key.service) or 0.0
            cell = _cell(key, round(from_limbs(*limbs[:2]) * share), round(from_limbs(*limbs[2:]) * share), data)
            when = (day, hour)
            energy[when] = energy.get(when, 0) + cell.microjoules
            by_zone[key.zone] = by_zone.get(key.zone, 0) + cell.microjoules
            so_far = emitted.setdefault(when, 0.0)
            known = so_far is not None and key.factor_use >= 0
            emitted[when] = so_far + cell.kilograms(cell.sums.emitted) if known and so_far is not None else None
        first, until = where.days
        for zone, day, hour, micrograms, number in file.query("SELECT * FROM grid WHERE day >= ? AND day < ?", (first, until)):
            grid.setdefault(zone, {})[day, hour] = micrograms / number / 1e6
    factors = _mixed(grid, by_zone)
    return [_hour(when, energy.get(when, 0), emitted.get(when, 0.0), factors.get(when)) for when in sorted({*energy, *factors})]


def _hour(when: tuple[int, int], microjoules: int, kg: float | None, factor: float | None) -> HourCell:
    micrograms = None if kg is None else round(kg * MICROGRAMS_PER_KG)
    return HourCell(date.fromordinal(when[0]), when[1], microjoules, micrograms, factor)


def _mixed(grid: Mapping[str, Mapping[tuple[int, int], float]], by_zone: Mapping[str, int]) -> dict[tuple[int, int], float]:
    """Mix the factors of zones by their parts of the energy, for the hours of which all are known."""
    whole = sum(by_zone.values())
    parts = {zone: energy / whole for zone, energy in by_zone.items() if energy}
    if not parts or not parts.keys() <= grid.keys():
        return {}
    known = set.intersection(*(set(grid[zone]) for zone in parts))
    return {when: math.fsum(part * grid[zone][when] for zone, part in parts.items()) for when in known}


def _cell(key: CellKey, microjoules: int, emitted: int, data: Data) -> EnergyCell:
    sums = ExactSums()
    sums.microjoules, sums.emitted = microjoules, emitted
    return energy_cell(key, sums, data.parameters)


def formula(data: Data, selection: Selection) -> list[FormulaTerm]:
    """List the terms that the selection's energy and CO2e of use are the sums of, largest energy first."""
    gathered = data.gathered(selection)
    uses = list(gathered.uses)
    groups: dict[tuple[CellKey, bool], ExactSums] = {}
    shared: dict[tuple[CellKey, bool], int] = {}
    hosts = gathered.sharing.hosts if gathered.sharing else SharedHosts()
    with_others = hosts.with_others({bearer_of_key(key) for key in gathered.sums})
    for key, sums in gathered.sums.items():
        bearer = bearer_of_key(key)
        group = _without_bearer(key), key.component == "gpu" and bearer in gathered.language_models
        found = groups.setdefault(group, ExactSums())
        found.microjoules += sums.microjoules
        found.emitted += sums.emitted
        shared[group] = shared.get(group, 0) + (sums.microjoules if (Reading.of(key), bearer) in with_others else 0)
    terms = []
    for (key, language_model), sums in groups.items():
        cell = energy_cell(key, sums, data.parameters, language_model=language_model)
        use = uses[key.factor_use] if key.factor_use >= 0 else None
        known = use is not None and cell.microjoules > 0
        terms.append(
            FormulaTerm(
                component=key.component,
                status=key.status,
                method=key.name,
                microjoules=cell.microjoules,
                wall_factor=None if cell.calibration is None else cell.wall_factor,
                pue=cell.site.pue,
                site=cell.site.site,
                energy_kwh=cell.energy_kwh,
                zone=key.zone,
                factor_g_per_kwh=cell.sums.emitted / cell.microjoules / 1e6 if known else None,
                factor_year=use.year if use else None,
                factor_set=use.factor_set if use else None,
                factor_source=use.source if use else None,
                kg=cell.kilograms(cell.sums.emitted) if use else None,
                wall_bias=cell.wall_bias,
                shared_microjoules=shared[key, language_model],
            )
        )
    return sorted(terms, key=lambda each: (-each.microjoules, each.component, each.status, each.method, each.zone, each.site))


def _without_bearer(key: CellKey) -> CellKey:
    return CellKey("", "", key.component, key.status, key.name, key.zone, key.factor_use, key.calibration, key.site_figures, ())


def _matching(where: Where) -> dict[str, str]:
    """Return the SQL of the energy of each component that the statuses of a selection let through."""
    if not where.statuses:
        return {component: component for component in COMPONENTS}
    return {each: f"CASE WHEN {each}_status & {where.statuses} THEN {each} END" for each in COMPONENTS}


def _sum_of_row(where: Where) -> str:
    return " + ".join(f"coalesce({each}, 0)" for each in _matching(where).values())


@dataclass
class _Found:
    """A run, over the quarters that it has work in."""

    instances: set[str]
    start_ns: int
    end_ns: int
    microjoules: int
    simulated: bool


def runs(data: Data, selection: Selection) -> list[RunLine]:
    """List the runs that worked, the largest energy first."""
    found: dict[tuple[str, str, str], _Found] = {}
    took = took_by_run(data, selection)
    for file, narrowed in data.files_of(selection):
        for service, phase, run, instances, start, end, simulated, low, high in _runs_in(file, narrowed):
            known = found.setdefault((service, phase, run), _Found(set(), start, end, 0, False))
            known.instances |= set(json.loads(instances))
            known.start_ns, known.end_ns = min(known.start_ns, start), max(known.end_ns, end)
            known.microjoules += from_limbs(low, high)
            known.simulated |= bool(simulated)
    ends = ends_of_runs(data)
    parameters = data.parameters
    lines = [
        _run(run, known, figures(took.get(run) or Gathered(), parameters), *ends.get(run, (None, {})))
        for run, known in found.items()
    ]
    return sorted(lines, key=lambda each: (-each.microjoules, each.service, each.phase, each.run_id))


def took_by_run(data: Data, selection: Selection) -> dict[tuple[str, str, str], Gathered]:
    """Gather the energy of each run by its service, phase and id."""
    took: dict[tuple[str, str, str], Gathered] = {}
    for file, narrowed in data.files_of(selection):
        for number, run, *limbs in file.energy("work_days", file.where(narrowed), ("run",)):
            key = file.keys[number]
            if not run:
                continue  # work of a version that belongs to no run
            work = took.setdefault((key.service, key.phase, run), Gathered())
            work.add_energy(key, file.factor_uses, from_limbs(*limbs[:2]), from_limbs(*limbs[2:]))
    data.put_beside_the_rest(took, selection)
    return took


def _runs_in(file: QuarterFile, selection: Selection) -> list[Any]:
    where = file.where(selection)
    condition, parameters = where.of_rows()
    sql = (
        f"SELECT service, phase, run, json_group_array(DISTINCT instance), min(start), max(end), max(simulated), "  # noqa: S608
        f"{sum_of(f'({_sum_of_row(where)})')} FROM rows WHERE run IS NOT NULL AND kind = ? AND {condition} GROUP BY 1, 2, 3"
    )
    return file.query(sql, [KIND_SPAN, *parameters])


def ends_of_runs(data: Data) -> dict[tuple[str, str, str], tuple[str | None, dict[str, float]]]:
    """Return how runs ended and their figures of quality, as the last quarter knows them that has work or an end of them."""
    found: dict[tuple[str, str, str], tuple[str | None, dict[str, float]]] = {}
    for file in data.files.values():
        for service, phase, run, outcome, quality in file.query("SELECT * FROM run_ends"):
            before = found.get((service, phase, run), (None, {}))
            found[service, phase, run] = outcome or before[0], before[1] | json.loads(quality)
    return found


def _run(run: tuple[str, str, str], known: _Found, work: Selected, outcome: str | None, quality: Mapping[str, float]) -> RunLine:
    service, phase, run_id = run
    return RunLine(
        run_id=run_id,
        service=service,
        phase=phase,
        instances=tuple(sorted(known.instances)),
        start_utc=_utc(known.start_ns),
        end_utc=_utc(known.end_ns),
        microjoules=known.microjoules,
        energy=work.energy,
        co2e=work.co2e_operational,
        outcome=outcome,
        quality=quality,
        simulated=known.simulated,
    )


@dataclass
class _Used:
    """A version, over the quarters that it has work in."""

    first_day: int
    last_day: int
    microjoules: int = 0
    units_micro: int | None = None


def versions(data: Data, selection: Selection) -> list[VersionUse]:
    """List the versions of models by service and phase, the latest first; work without a version stands last."""
    found: dict[tuple[str, str, str], _Used] = {}
    for file, narrowed in data.files_of(selection):
        where = file.where(narrowed)
        condition, parameters = where.of_rows()
        sql = (
            f"SELECT coalesce(version, ''), service, phase, min(day), max(day), {sum_of(f'({_sum_of_row(where)})')}, "  # noqa: S608
            f"sum(units) FROM rows WHERE kind != ? AND {condition} GROUP BY 1, 2, 3"
        )
        for *place, first, last, low, high, units in file.query(sql, [KIND_OUTCOME, *parameters]):
            used = found.setdefault((place[0], place[1], place[2]), _Used(first, last))
            used.last_day = max(used.last_day, last)
            used.microjoules += from_limbs(low, high)
            used.units_micro = used.units_micro if units is None else (used.units_micro or 0) + units
    took = _took_by_version(data, selection) if found else {}
    lines = [_version(*place, used, figures(took.get(place) or Gathered(), data.parameters)) for place, used in found.items()]
    return sorted(lines, key=lambda it: (not it.version, -it.last_day.toordinal(), it.version, it.service, it.phase))


def _took_by_version(data: Data, selection: Selection) -> dict[tuple[str, str, str], Gathered]:
    """Gather the energy of each version by its name, service and phase. What no version has is that of the version ""."""
    took: dict[tuple[str, str, str], Gathered] = {}
    for file, narrowed in data.files_of(selection):
        where = file.where(narrowed)
        rest: dict[int, list[int]] = {}
        for number, *limbs in file.energy("wholes" if where.whole else "days", where, ()):
            rest[number] = [from_limbs(*limbs[:2]), from_limbs(*limbs[2:])]
        sums = [(number, version, limbs) for number, version, *limbs in file.energy("work_days", where, ("version",)) if version]
        for number, version, limbs in sums:
            energy, emitted = from_limbs(*limbs[:2]), from_limbs(*limbs[2:])
            rest[number][0] -= energy
            rest[number][1] -= emitted
            _gathered(took, file, number, version).add_energy(file.keys[number], file.factor_uses, energy, emitted)
        for number, (energy, emitted) in rest.items():
            if energy:
                _gathered(took, file, number, "").add_energy(file.keys[number], file.factor_uses, energy, emitted)
    data.put_beside_the_rest(took, selection)
    return took


def _gathered(took: dict[tuple[str, str, str], Gathered], file: QuarterFile, number: int, version: str) -> Gathered:
    key = file.keys[number]
    found = took.setdefault((version, key.service, key.phase), Gathered())
    found.language_models |= file.language_models
    return found


def _version(version: str, service: str, phase: str, used: _Used, work: Selected) -> VersionUse:
    return VersionUse(
        version=version,
        service=service,
        phase=phase,
        first_day=date.fromordinal(used.first_day),
        last_day=date.fromordinal(used.last_day),
        microjoules=used.microjoules,
        energy=work.energy,
        co2e=work.co2e_operational,
        units=None if used.units_micro is None else float(from_micro(used.units_micro)),
    )


def rows(data: Data, selection: Selection, after: str | None, limit: int, of: str) -> RowsPage:
    """Return a page of the rows behind a selection, or of those of one run or instance among them.

    Raises:
        UsageError: ``after`` is no id of a row, or ``limit`` is no number of rows that a page may have.
    """
    if not 1 <= limit <= MOST_ROWS:
        raise UsageError(f"limit {limit} is not between 1 and {MOST_ROWS}")
    quarter, number = _place(after)
    found: list[RowLine] = []
    for file, narrowed in data.files_of(selection):
        if str(file.quarter) >= quarter and len(found) <= limit:
            begin = number if str(file.quarter) == quarter else 0
            found += _rows_in(file, narrowed, of, begin, limit + 1 - len(found))
    more = len(found) > limit
    shown = tuple(found[:limit])
    return RowsPage(shown, shown[-1].id if more else None, *data.row_totals(selection, of))


def rows_of_run(data: Data, run_id: str) -> list[Row]:
    """List the rows of a run, whatever their service and phase, in order of time."""
    found: list[Row] = []
    for file in data.files.values():
        lines = file.query("SELECT content FROM rows WHERE run = ? ORDER BY id", [run_id])
        found += (json.loads(zlib.decompress(content)) for (content,) in lines)
    return found


def row_totals(data: Data, selection: Selection, of: str) -> tuple[int, int]:
    """Return how many rows are behind a selection, and the energy of the selection, which is the sum of theirs.

    Args:
        data: What was filled.
        selection: The selection.
        of: A run or an instance, to count its rows alone; empty: all.
    """
    count = microjoules = 0
    for file, narrowed in data.files_of(selection):
        where = file.where(narrowed)
        condition, parameters = _of_rows(where, of)
        sql = f"SELECT count(*), {sum_of(f'({_sum_of_row(where)})')} FROM rows WHERE {condition}"  # noqa: S608 - marks
        ((number, low, high),) = file.query(sql, parameters)
        count, microjoules = count + number, microjoules + from_limbs(low, high)
    return count, microjoules if selection.region is None or of else data.selected(selection).microjoules


def _of_rows(where: Where, of: str) -> tuple[str, list[Any]]:
    """Return the condition on rows, narrowed to a run or an instance where one is given."""
    condition, parameters = where.of_rows()
    return (f"{condition} AND (run = ? OR instance = ?)", [*parameters, of, of]) if of else (condition, parameters)


def _rows_in(file: QuarterFile, selection: Selection, of: str, after: int, limit: int) -> Iterator[RowLine]:
    where = file.where(selection)
    condition, parameters = _of_rows(where, of)
    sql = (
        f"SELECT id, {', '.join(_matching(where).values())}, content FROM rows "  # noqa: S608 - marks
        f"WHERE id > ? AND {condition} ORDER BY id LIMIT ?"
    )
    for number, *energies, content in file.query(sql, [after, *parameters, limit]):
        yield RowLine(f"{file.quarter}.{number}", _known_sum(energies), json.loads(zlib.decompress(content)))


def _known_sum(energies: Iterable[int | None]) -> int | None:
    known = [each for each in energies if each is not None]
    return sum(known) if known else None


def _place(after: str | None) -> tuple[str, int]:
    if after is None:
        return "", 0
    quarter, _, number = after.partition(".")
    if not number.isascii() or not number.isdecimal() or len(number) > 18:
        raise UsageError(f"'{after}' is not the id of a row: take one that a page of rows gave, such as 2026Q3.200")
    return quarter, int(number)


def _utc(instant_ns: int) -> str:
    return utc_datetime(instant_ns).strftime("%Y-%m-%dT%H:%M:%SZ")
