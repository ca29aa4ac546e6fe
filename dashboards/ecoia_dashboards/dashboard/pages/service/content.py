"""The data of a service's page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from ecoia.exploring import Change, HostedUse, RunLine, Selected, Selection, VersionUse
from ecoia.periods import Quarter
from ecoia.report import (
    ChangeLine,
    FactorUsed,
    FigureUsed,
    Frontier,
    Headline,
    Quantity,
    ServiceEntry,
    ServiceFootprint,
    Unsupported,
)
from ecoia_dashboards.cleaning import clean
from ecoia_dashboards.dashboard.address import Period
from ecoia_dashboards.dashboard.page import ForbiddenError, NotFoundError, Reading
from ecoia_dashboards.dashboard.pieces.comparable import why_not_compared
from ecoia_dashboards.dashboard.pieces.days import Strip, strips

FILTERS = ("phase", "site", "instance", "method")
"""Filters that the page obeys."""
_QUARTERS = 6


@dataclass(frozen=True)
class Moment:
    """A quarter or day of the course. ``under`` is the service that it was recorded under, where another one was before it."""

    period: str
    microjoules: int
    energy: Quantity
    per_unit: Quantity
    co2e_per_unit: Quantity
    under: str = ""


@dataclass(frozen=True)
class Rank:
    """The place of the service among those with a known energy; ``ties`` others have the same."""

    place: int
    of: int
    ties: int
    share: float


@dataclass(frozen=True)
class Service:
    """The data of the page. Figures obey the filters; what comes from the quarter's report is empty where they are in use.

    Attributes:
        entry: What the register says.
        whole: Figures of the service in the period.
        rank: Its rank; None where it has no energy, or where the reader may not see the others.
        intensities: CO2e per unit in the quarter, as the report has it; None for other periods, and under filters.
        course: The last quarters; the days, where the period is not a quarter.
        phases: Figures of each phase, and of the reserved idle.
        instances: The same by instance.
        methods: The same by status and name of the method.
        sites: The same by site.
        zones: The same by zone.
        change: Against the reference.
        caution: Why the change must not be read as one, a code of reasons; None where it may.
        explained: The change of the CO2e between the two quarters, by cause.
        compared_parts: Parts of the CO2e that ``explained`` is of.
        compared_simulated: Whether either quarter is simulated, in part or whole.
        strips: Days by instance.
        versions: Versions of the model that worked, the latest first; empty where none was recorded.
        runs: Runs in the period.
        frontiers: Comparisons of runs by quality and energy.
        not_compared: Why runs are not compared.
        hosted: Calls to models of others.
        factors: Emission factors of its zones.
        figures: PUE and the like of its sites.
    """

    entry: ServiceEntry
    whole: Selected
    rank: Rank | None
    intensities: ServiceFootprint | None
    course: tuple[Moment, ...]
    phases: dict[str, Selected]
    instances: dict[str, Selected]
    methods: dict[str, Selected]
    sites: dict[str, Selected]
    zones: dict[str, Selected]
    change: Change | None
    caution: str | None
    explained: ChangeLine | None
    compared_parts: tuple[str, ...]
    compared_simulated: bool
    strips: tuple[Strip, ...]
    versions: tuple[VersionUse, ...]
    runs: tuple[RunLine, ...]
    frontiers: tuple[Frontier, ...]
    not_compared: Unsupported | None
    hosted: tuple[HostedUse, ...]
    factors: tuple[FactorUsed, ...]
    figures: tuple[FigureUsed, ...]


def read(reading: Reading, service: str) -> Service:
    """Read the data of a service.

    Raises:
        ForbiddenError: the reader may not see it.
        NotFoundError: there is no such service.
    """
    if not reading.may_see(service):
        raise ForbiddenError
    entry, report, explorer = _entry(reading, service), reading.report, reading.explorer
    selection = only(reading.selection, service)
    plain = whole_quarter(reading)
    split = {by: explorer.parts(selection, by) for by in ("phase", "instance", "method", "site", "zone")}
    before = None if reading.before is None else only(reading.before, service)
    change = None if before is None else explorer.change(selection, before)
    explained, parts, simulated = _explained(reading, service) if plain else (None, (), False)
    return Service(
        entry=entry,
        whole=explorer.selected(selection),
        rank=_rank(reading, service),
        intensities=next((each for each in report.services if each.service == service), None) if plain else None,
        course=tuple(_course(reading, service)),
        phases=split["phase"],
        instances=split["instance"],
        methods=split["method"],
        sites=split["site"],
        zones=split["zone"],
        change=change,
        caution=_caution(reading, service, change),
        explained=explained,
        compared_parts=parts,
        compared_simulated=simulated,
        strips=strips(reading, selection, [service]),
        versions=_versions(explorer.versions(selection)),
        runs=clean(tuple(explorer.runs(selection))),
        frontiers=tuple(each for each in report.frontiers if each.service == service) if plain else (),
        not_compared=next((each for each in report.unsupported if _tells_of_runs(each, service)), None) if plain else None,
        hosted=clean(tuple(explorer.hosted(selection))),
        factors=tuple(each for each in report.factors_of_quarter if each.zone in split["zone"]),
        figures=tuple(each for each in report.site_figures if each.site in split["site"] and _holds(each, reading.period)),
    )


def only(selection: Selection, service: str) -> Selection:
    """Select one service."""
    return replace(selection, services=(service,), region=None)


def whole_quarter(reading: Reading) -> bool:
    """Return whether a quarter is looked at without a filter of this page, so that its report speaks of it."""
    return reading.period.quarter is not None and not is_filtered(reading)


def is_filtered(reading: Reading) -> bool:
    """Return whether a filter of this page is in use. The services that a reader may see are none."""
    return any(getattr(reading.address, name) for name in FILTERS)


def _entry(reading: Reading, service: str) -> ServiceEntry:
    """Find a service in the register of the quarter, else in that of a later or an earlier one, without its figures."""
    for quarter in dict.fromkeys((reading.quarter, *reversed(reading.state.quarters))):
        for entry in reading.report_of(quarter).register:
            if entry.id == service:
                return entry if quarter == reading.quarter else _without_figures(entry)
    raise NotFoundError("service", service, tuple(each.id for each in reading.report.register if reading.may_see(each.id)))


def _without_figures(entry: ServiceEntry) -> ServiceEntry:
    energy, co2e = (Quantity(None, unit, reason="no-data") for unit in ("kWh", "kgCO2e"))
    return replace(entry, energy=energy, co2e=co2e, headline=Headline(), days_by_phase=())


def _versions(found: Sequence[VersionUse]) -> tuple[VersionUse, ...]:
    return clean(tuple(found)) if any(each.version for each in found) else ()


def _rank(reading: Reading, service: str) -> Rank | None:
    if reading.allowed is not None:
        return None
    parts = reading.explorer.parts(replace(reading.selection, services=()), "service")
    energies = {name: part.energy.value for name, part in parts.items() if name and part.energy.value}
    own = energies.get(service)
    if own is None:
        return None
    whole = sum(part.energy.value or 0.0 for part in parts.values())
    above, ties = (sum(test(value) for value in energies.values()) for test in (own.__lt__, own.__eq__))
    return Rank(above + 1, len(energies), ties - 1, own / whole)


def _course(reading: Reading, service: str) -> Iterator[Moment]:
    """Return the quarters up to that of the period, or the days of a period that is not a quarter."""
    if reading.period.quarter is None:
        selection = only(reading.selection, service)
        days = reading.explorer.parts(selection, "day")
        for step in range((selection.until_day - selection.first_day).days):
            day = (selection.first_day + timedelta(days=step)).isoformat()
            yield _moment(day, days.get(day))
        return
    last = reading.period.quarter
    for step in range(1 - _QUARTERS, 1):
        yield _quarter(reading, service, last.shift(step))


def _quarter(reading: Reading, service: str, quarter: Quarter) -> Moment:
    """Return a quarter of the course; where another service was there before, the name that it was recorded under."""
    selection = only(reading.address.selection(Period.of_quarter(quarter)), service)
    found = reading.explorer.selected(selection) if str(quarter) in reading.state.quarters else None
    moment = _moment(str(quarter), found)
    if found is None:
        return moment
    if not found.microjoules:
        under = [each for each in _predecessors(reading, service) if reading.explorer.selected(only(selection, each)).microjoules]
        return replace(moment, under=under[0] if under else "")
    if not is_filtered(reading):
        report = reading.report_of(str(quarter))
        footprint = next((each for each in report.services if each.service == service), None)
        if footprint is not None:
            return replace(moment, co2e_per_unit=footprint.sci)
    return moment


def _moment(period: str, found: Selected | None) -> Moment:
    lacking = {unit: Quantity(None, unit, reason="no-data") for unit in ("kWh", "Wh", "gCO2e")}
    if found is None or not found.microjoules:
        energy = lacking["kWh"] if found is None or found.energy.value == 0 else found.energy
        return Moment(period, 0, energy, lacking["Wh"], lacking["gCO2e"])
    co2e = Quantity(None, "gCO2e", reason="not-computed")
    return Moment(period, found.microjoules, found.energy, found.energy_per_unit, co2e)


def _predecessors(reading: Reading, service: str) -> tuple[str, ...]:
    """Return the services that a service replaces, by the register."""
    known = {each.id: each.succeeds for each in reading.catalogue.services}
    return tuple(each for each in known.get(service, ()) if reading.may_see(each))


def _explained(reading: Reading, service: str) -> tuple[ChangeLine | None, tuple[str, ...], bool]:
    """Return the service's line of the explained change, the parts of the CO2e in it, and whether any of it is simulated."""
    now, reference = reading.period.quarter, reading.reference
    before = None if reference is None else reference.quarter
    if now is None or before is None or str(before) not in reading.state.quarters:
        return None, (), False
    change = reading.explorer.explained(now, before)
    if change is None or change.total is None:
        return None, (), False
    line = next((each for each in change.services if each.explained.service == service), None)
    return line, change.parts, change.simulated


def _caution(reading: Reading, service: str, change: Change | None) -> str | None:
    """Return why the change must not be read as one: the days, or the way of counting, are not those of the reference."""
    if change is None:
        return None
    quarters = [period.quarter for period in (reading.period, reading.reference) if period is not None]
    covered = [_covered(reading, service, str(quarter)) for quarter in quarters if quarter is not None]
    return why_not_compared([service], change, covered)


def _covered(reading: Reading, service: str, quarter: str) -> float | None:
    if quarter not in reading.state.quarters:
        return None
    entries = reading.report_of(quarter).register
    return next((entry.covered for entry in entries if entry.id == service and entry.energy_components_microjoules), None)


def _tells_of_runs(unsupported: Unsupported, service: str) -> bool:
    """Return whether this says why the runs of a service are not compared."""
    return unsupported.kind == "dominated-runs" and (not unsupported.services or service in unsupported.services)


def _holds(figure: FigureUsed, period: Period) -> bool:
    """Return whether a site's figure holds on some day of the period."""
    return (figure.from_day is None or figure.from_day < period.until_day.isoformat()) and (
        figure.until_day is None or figure.until_day > period.first_day.isoformat()
    )
