"""Narrow what is looked at to the services that the search and the register's status let through."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from ecoia.exploring import Selection
from ecoia.report import ServiceEntry
from ecoia_dashboards.dashboard.address import BadAddressError
from ecoia_dashboards.dashboard.page import NotFoundError, Reading
from ecoia_dashboards.wording import SERVICE_STATUSES


def listed_entries(reading: Reading) -> list[ServiceEntry]:
    """Return the services of the register, and those recorded without being in it, that the address lets through.

    Raises:
        BadAddressError: the address names a status that does not exist.
        NotFoundError: it names a service or a site that does not exist.
    """
    address = reading.address
    check_names(reading)
    for status in address.status:
        if status not in SERVICE_STATUSES:
            raise BadAddressError("status", status, SERVICE_STATUSES)
    sought = folded(address.q).split()
    return [
        entry
        for entry in reading.report.register
        if reading.may_see(entry.id)
        and (not address.service or entry.id in address.service)
        and (not address.status or entry.status in address.status)
        and all(word in folded(_said_of(entry)) for word in sought)
    ]


def check_names(reading: Reading) -> None:
    """Check that the services, the sites and the region that the address names exist.

    Raises:
        NotFoundError: one of them does not; it lists those that do.
    """
    _check(reading.address.service, "service", (id_ for id_ in reading.names if reading.may_see(id_)))
    _check(reading.address.site, "site", (site.id for site in reading.catalogue.sites))
    regions = sorted({each.region for each in reading.report.regions if each.region})
    _check([reading.address.region] if reading.address.region else [], "region", regions)


def _check(ids: Iterable[str], what: str, known: Iterable[str]) -> None:
    there = tuple(known)
    for id_ in ids:
        if id_ not in there:
            raise NotFoundError(what, id_, there)


def narrowed(reading: Reading, selection: Selection, entries: Iterable[ServiceEntry]) -> Selection | None:
    """Return a selection of some services only, where the address asks for a search or a status.

    Args:
        reading: The data at an address.
        selection: Some days, with the address's other filters.
        entries: The services that the address lets through.

    Returns:
        The selection; None where no service is let through, so that there is nothing to look at.
    """
    if not (reading.address.q or reading.address.status):
        return selection
    ids = tuple(entry.id for entry in entries)
    return selection.only(services=ids) if ids else None


def folded(text: str) -> str:
    """Write a text without its case and accents, so that a search finds it however it is typed.

    Example:
        >>> folded("Été")
        'ete'
    """
    return "".join(mark for mark in unicodedata.normalize("NFD", text.casefold()) if not unicodedata.combining(mark))


def _said_of(entry: ServiceEntry) -> str:
    return " ".join(text for text in (entry.id, entry.name, entry.owner_role, entry.purpose, entry.audience) if text)
