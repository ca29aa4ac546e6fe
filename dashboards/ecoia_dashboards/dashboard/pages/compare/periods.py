"""Two periods: how energy and CO2e changed, by which causes, and which services' changes are established."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from ecoia.exploring import Change, Selected, Selection
from ecoia.impact.change import ExplainedChange, successors, total
from ecoia.impact.embodied import MICROGRAMS_PER_KG
from ecoia.report import ChangeLine, Quantity, QuarterChange
from ecoia_dashboards.cleaning import clean
from ecoia_dashboards.dashboard.address import Period
from ecoia_dashboards.dashboard.page import Reading
from ecoia_dashboards.dashboard.pieces.comparable import why_not_compared
from ecoia_dashboards.dashboard.pieces.narrowing import check_names

NO_SERVICE = ""
"""Stands for what belongs to no service."""
_NO_PERIOD = Quantity(None, "1", reason="baseline-missing")


@dataclass(frozen=True)
class Moved:
    """A figure in both periods, and its relative change."""

    before: Quantity
    after: Quantity
    change: Quantity

    @property
    def difference(self) -> Quantity:
        """After less before; a period without a figure counts as none where the other one has one."""
        known = [each.value for each in (self.before, self.after)]
        if known == [None, None]:
            return Quantity(None, self.after.unit, reason=self.after.reason or "no-data")
        return Quantity((known[1] or 0.0) - (known[0] or 0.0), self.after.unit)

    @property
    def established(self) -> bool:
        """Whether the change goes one way, by its whole interval."""
        return self.change.low is not None and self.change.direction in ("rise", "fall")


@dataclass(frozen=True)
class ServiceMoved:
    """A service in both periods.

    Attributes:
        service: Its id, or ``NO_SERVICE``.
        microjoules_before: Exact energy of components in the earlier period.
        microjoules: The same in the later period.
        energy: Its energy.
        co2e: Its CO2e.
        covered: Share of its declared days that each period recorded; None where none is declared, or the period is no quarter.
        caution: Why its change must not be read as one, a code of reasons; None where it may.
        terms: Micrograms by cause; empty where causes are not computed.
    """

    service: str
    microjoules_before: int
    microjoules: int
    energy: Moved
    co2e: Moved
    covered: tuple[float | None, float | None]
    caution: str | None
    terms: Mapping[str, int]


@dataclass(frozen=True)
class Periods:
    """The data of the page.

    Attributes:
        before: The earlier period; None: nothing is compared.
        after: The later period.
        energy: Energy of everything that is selected.
        co2e: Its CO2e: the parts of ``parts`` where causes are computed, else all that is known.
        parts: Parts of the CO2e that are known in both quarters; empty where causes are not computed.
        explained: The change by causes, in micrograms.
        unexplained: Why causes are not computed, a code of reasons.
        simulated: Whether either quarter is simulated, in part or whole.
        services: Every service that either period recorded, and ``NO_SERVICE``.
    """

    before: str | None
    after: str
    energy: Moved
    co2e: Moved
    parts: tuple[str, ...] = ()
    explained: ExplainedChange | None = None
    unexplained: str | None = None
    simulated: bool = False
    services: tuple[ServiceMoved, ...] = ()


def read_periods(reading: Reading) -> Periods:
    """Read the page's data. The earlier period comes first, whichever of them the address names first.

    Raises:
        NotFoundError: the address names a service or a site that does not exist.
    """
    check_names(reading)
    if reading.reference is None:
        whole = reading.explorer.selected(reading.selection)
        nothing = Moved(_NO_PERIOD, whole.energy, _NO_PERIOD)
        return Periods(None, str(reading.period), nothing, Moved(_NO_PERIOD, whole.headline.co2e, _NO_PERIOD))
    ordered = sorted((reading.period, reading.reference), key=lambda each: (each.first_day, each.until_day))
    return _Reader(reading, *ordered).read()


class _Reader:
    def __init__(self, reading: Reading, before: Period, after: Period) -> None:
        self._reading, self._explorer = reading, reading.explorer
        self._periods = before, after
        self._known_as = successors(reading.catalogue.services)
        chosen = self._with_predecessors(reading.address.service)
        self._selections = [reading.selection_of(period).only(services=chosen) for period in self._periods]
        self._parts = [self._explorer.parts(each, "service") for each in self._selections]
        self._change, self._unexplained = self._explain()
        self._lines = self._lines_shown()
        self._covered = [self._coverage(period) for period in self._periods]
        self._whole = self._explorer.change(*reversed(self._selections))

    def _with_predecessors(self, services: tuple[str, ...]) -> tuple[str, ...]:
        """Add the services whose work a service carries on: they are compared under its id."""
        older = [old for old, new in self._known_as.items() if new in services and self._reading.may_see(old)]
        return tuple(dict.fromkeys((*services, *older)))

    def _explain(self) -> tuple[QuarterChange | None, str | None]:
        """Return the change by causes, or why there is none: it is known of whole quarters, by service."""
        before, after = (period.quarter for period in self._periods)
        if before is None or after is None:
            return None, "not-quarters"
        if any(replace(each, services=()).filtered for each in self._selections):
            return None, "filtered"
        found = self._explorer.explained(after, before)
        return (found, None) if found.total is not None else (None, found.reason or "not-computed")

    def _lines_shown(self) -> dict[str, ChangeLine]:
        if self._change is None:
            return {}
        chosen = self._selections[0].services
        lines = {line.explained.service or NO_SERVICE: line for line in self._change.services}
        return {service: line for service, line in lines.items() if not chosen or service in chosen}

    def _coverage(self, period: Period) -> Mapping[str, float | None]:
        quarter = str(period.quarter)
        if period.quarter is None or quarter not in self._reading.state.quarters:
            return {}
        register = self._explorer.report(quarter).register
        return {entry.id: entry.covered for entry in register if entry.energy_components_microjoules is not None}

    def read(self) -> Periods:
        """Read what both periods hold."""
        before, after = (self._explorer.selected(each) for each in self._selections)
        co2e, explained = Moved(before.headline.co2e, after.headline.co2e, self._whole.co2e), None
        if self._change is not None and self._change.total is not None:
            some = bool(self._selections[0].services)
            explained = total(line.explained for line in self._lines.values()) if some else self._change.total.explained
            co2e = _moved_co2e(explained, self._whole.co2e if some else self._change.total.relative)
        found = Periods(
            before=str(self._periods[0]),
            after=str(self._periods[1]),
            energy=Moved(before.energy, after.energy, self._whole.energy),
            co2e=co2e,
            parts=self._change.parts if self._change else (),
            explained=explained,
            unexplained=self._unexplained,
            simulated=self._whole.simulated,
            services=tuple(self._services()),
        )
        return clean(found)

    def _services(self) -> Iterable[ServiceMoved]:
        groups: dict[str, list[str]] = {}
        for service in sorted({*self._parts[0], *self._parts[1]}):
            groups.setdefault(self._known_as.get(service, service), []).append(service)
        for service in self._lines:
            groups.setdefault(service, [service])  # known by calls to hosted models alone
        for service, ids in sorted(groups.items()):
            yield self._service(service, [*ids, *([] if service in ids else [service])])

    def _service(self, service: str, ids: list[str]) -> ServiceMoved:
        before, after = (
            self._figures(parts, selection, ids) for parts, selection in zip(self._parts, self._selections, strict=True)
        )
        line = self._lines.get(service)
        covered = tuple(_most([known.get(each) for each in ids]) for known in self._covered)
        caution = why_not_compared(ids, self._whole, covered)
        unknown = Quantity(None, "1", reason=caution)
        changes = self._changes(line, ids) if caution is None else (unknown, unknown)
        co2e = Moved(_co2e(before), _co2e(after), changes[1])
        if line is not None:
            co2e = _moved_co2e(line.explained, changes[1])
        elif self._change is not None:  # all of its CO2e is in a part that one quarter does not know
            apart = Quantity(None, "kgCO2e", reason="part-not-compared")
            co2e = Moved(apart, apart, Quantity(None, "1", reason="part-not-compared"))
        return ServiceMoved(
            service,
            before.microjoules if before else 0,
            after.microjoules if after else 0,
            Moved(_energy(before), _energy(after), changes[0]),
            co2e,
            (covered[0], covered[1]),
            caution,
            line.explained.terms if line else {},
        )

    def _figures(self, parts: Mapping[str, Selected], selection: Selection, ids: list[str]) -> Selected | None:
        known = [each for each in ids if each in parts]
        if len(known) <= 1:
            return parts[known[0]] if known else None
        return self._explorer.selected(selection.only(services=tuple(known)))

    def _changes(self, line: ChangeLine | None, ids: list[str]) -> tuple[Quantity, Quantity]:
        """Return the relative changes of energy and CO2e of a service."""
        if line is not None:
            return line.energy, line.relative
        known = [each for each in ids if each in self._by_service]
        if len(known) == 1:
            found = self._by_service[known[0]]
        else:
            before, after = (each.only(services=tuple(ids)) for each in self._selections)
            found = self._explorer.change(after, before)
        return found.energy, found.co2e

    @cached_property
    def _by_service(self) -> Mapping[str, Change]:
        """The change of each service, where causes do not tell it."""
        return self._explorer.changes_by_service(self._selections[1], self._selections[0])


def _most(shares: Iterable[float | None]) -> float | None:
    return max((each for each in shares if each is not None), default=None)


def _moved_co2e(explained: ExplainedChange, relative: Quantity) -> Moved:
    before, after = (
        Quantity(micrograms / MICROGRAMS_PER_KG, "kgCO2e")
        for micrograms in (explained.reference_micrograms, explained.quarter_micrograms)
    )
    return Moved(before, after, relative)


def _energy(found: Selected | None) -> Quantity:
    return found.energy if found else Quantity(None, "kWh", reason="no-data")


def _co2e(found: Selected | None) -> Quantity:
    return found.headline.co2e if found else Quantity(None, "kgCO2e", reason="no-data")
