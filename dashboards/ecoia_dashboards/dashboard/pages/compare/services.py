"""Services side by side: figures of each, and whether their uses may be compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ecoia.exploring import Selected
from ecoia.report import ServiceEntry
from ecoia_dashboards.dashboard.page import NotFoundError, Reading


@dataclass(frozen=True)
class ServiceSide:
    """A service beside others.

    Attributes:
        service: Its id.
        functional_unit: What one use of it is; None: not declared.
        covered: Share of its declared days that are recorded; None: none declared.
        whole: Its figures.
        phases: Its figures by phase.
    """

    service: str
    functional_unit: str | None
    covered: float | None
    whole: Selected
    phases: Mapping[str, Selected]


@dataclass(frozen=True)
class Services:
    """The data of the page.

    Attributes:
        services: The services, in the order of the address.
        same_unit: Whether all have one functional unit, so that their energy per unit may be compared.
        choices: Ids of the services that can be chosen.
    """

    services: tuple[ServiceSide, ...]
    same_unit: bool
    choices: tuple[str, ...]


def read_services(reading: Reading) -> Services:
    """Read the page's data.

    Raises:
        NotFoundError: there is no service of an id in the address.
    """
    entries = {entry.id: entry for entry in reading.report.register if reading.may_see(entry.id)}
    unknown = next((each for each in reading.address.service if each not in entries), None)
    if unknown is not None:
        raise NotFoundError("service", unknown, tuple(entries))
    chosen = reading.address.service if _chooses(reading) else ()
    sides = tuple(_side(entries[each], reading) for each in chosen)
    units = {each.functional_unit for each in sides}
    return Services(sides, len(units) == 1 and None not in units, tuple(entries))


def _chooses(reading: Reading) -> bool:
    """Return whether the address names services; for a reader of some services, all of theirs stand in it otherwise."""
    return reading.allowed is None or frozenset(reading.address.service) != reading.allowed


def _side(entry: ServiceEntry, reading: Reading) -> ServiceSide:
    selection = reading.selection.only(services=(entry.id,))
    phases = reading.explorer.parts(selection, "phase")
    return ServiceSide(entry.id, entry.functional_unit, entry.covered, reading.explorer.selected(selection), phases)
