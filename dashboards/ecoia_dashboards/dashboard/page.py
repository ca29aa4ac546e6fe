"""A page of the dashboard: an address is read as plain data (the API's answer), which is then said in words and drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property, lru_cache
from typing import Any

from ecoia.catalogue import Catalogue
from ecoia.exploring import Explorer, Selection
from ecoia.periods import Quarter
from ecoia.report import QuarterlyReport
from ecoia_dashboards.cleaning import clean
from ecoia_dashboards.dashboard.address import Address, BadAddressError, Period
from ecoia_dashboards.dashboard.tables import Table
from ecoia_dashboards.figures import Chart
from ecoia_dashboards.language import Language
from ecoia_dashboards.naming import service_names

_REPORTS_KEPT = 16


class NotFoundError(LookupError):
    """Nothing has the name that an address holds.

    Args:
        what: What was looked for, e.g. ``service``.
        name: Its name.
        known: Names that exist.
    """

    def __init__(self, what: str, name: str, known: tuple[str, ...] = ()) -> None:
        super().__init__(f"{what} '{name}' does not exist")
        self.what, self.name, self.known = what, name, known


class ForbiddenError(PermissionError):
    """A reader asks for what is not theirs to see."""


class Reading:
    """The data at an address, for one reader: what every page is read from.

    Args:
        explorer: The figures that are kept.
        address: State of the page.
        allowed: Ids of the services that the reader may see; None: everything.

    Raises:
        NotFoundError: there is no data in the period, or no such service, site, instance or region.
        ForbiddenError: the address asks for a service that the reader may not see.
    """

    def __init__(self, explorer: Explorer, address: Address, allowed: frozenset[str] | None = None) -> None:
        self.explorer, self.allowed = explorer, allowed
        self.state = explorer.state
        if allowed is not None:
            if not allowed or not set(address.service) <= allowed:
                raise ForbiddenError
            address = address.to(service=address.service or tuple(sorted(allowed)))
        self.address = address

    @cached_property
    def period(self) -> Period:
        """The days that are looked at: the address's, else the latest quarter with data."""
        if self.address.period is not None:
            return self.address.period
        if not self.state.quarters:
            raise NotFoundError("period", "", ())
        return Period.of_quarter(Quarter.parse(self.state.quarters[-1]))

    @cached_property
    def reference(self) -> Period | None:
        """The days that they are compared with."""
        return self.address.reference(self.period)

    @cached_property
    def quarter(self) -> str:
        """The quarter whose report speaks of the period: its own, or the last one with data that the period reaches into."""
        first, last = Quarter.of_date(self.period.first_day), Quarter.of_date(self.period.until_day - timedelta(days=1))
        inside = [each for each in self.state.quarters if first <= Quarter.parse(each) <= last]
        if not inside:
            raise NotFoundError("period", str(self.period), tuple(reversed(self.state.quarters)))
        return inside[-1]

    @cached_property
    def report(self) -> QuarterlyReport:
        """The report of ``quarter``, its texts cleaned for pages."""
        return _cleaned(self.explorer, self.quarter, self.state.digest)

    def report_of(self, quarter: str) -> QuarterlyReport:
        """Return the report of another quarter."""
        if quarter not in self.state.quarters:
            raise NotFoundError("period", quarter, tuple(reversed(self.state.quarters)))
        return _cleaned(self.explorer, quarter, self.state.digest)

    @cached_property
    def catalogue(self) -> Catalogue:
        """What the organisation declares."""
        return self.explorer.catalogue()

    @property
    def selection(self) -> Selection:
        """What is looked at."""
        return self.selection_of(self.period)

    @property
    def before(self) -> Selection | None:
        """What it is compared with; None: nothing."""
        return None if self.reference is None else self.selection_of(self.reference)

    def selection_of(self, period: Period) -> Selection:
        """Return what the filters let through in a period.

        Raises:
            BadAddressError: a region is asked for in days that are no whole quarters.
        """
        found = self.address.selection(period)
        if found.region is not None and found.whole_quarters is None:
            raise BadAddressError(
                "region", found.region, form="it beside whole quarters only, since a region has its part of these"
            )
        return found

    @cached_property
    def names(self) -> dict[str, str]:
        """Name of each service by id."""
        return service_names(self.report)

    def may_see(self, service: str | None) -> bool:
        """Return whether the reader may see a service; None, work of no service, is for readers of everything."""
        return self.allowed is None or service in self.allowed


@lru_cache(_REPORTS_KEPT)
def _cleaned(explorer: Explorer, quarter: str, _digest: str) -> QuarterlyReport:
    """Return a report with its texts cleaned, as long as the data have the same digest."""
    return clean(explorer.report(quarter))


@dataclass(frozen=True)
class Figure:
    """A chart on a page, with what its subtitle says: measure, unit, period, what is filtered."""

    chart: Chart
    subtitle: str = ""
    note: str = ""


@dataclass(frozen=True)
class Shown:
    """A page in words.

    Attributes:
        sentence: The answer to the page's question, computed from the data.
        lead: What stands below it.
        figures: Charts by id.
        tables: Tables by id.
        values: Other names that the template uses.
        evidence: Filters that the page's path implies, e.g. the service that it is of: its formula and rows are under them.
        choices: What filters offer on this page, each value with its words, where it is not what they offer elsewhere.
    """

    sentence: str
    lead: str = ""
    figures: Mapping[str, Figure] = field(default_factory=dict)
    tables: Mapping[str, Table] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    evidence: Mapping[str, Any] = field(default_factory=dict)
    choices: Mapping[str, list[tuple[str, str]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Page:
    """A page.

    Attributes:
        id: Its name, in the API's address and of its template ``dashboard/<id>.html``.
        path: Its address, with the names of what it is of in braces.
        title: French title in the navigation, and of the window.
        read: Reads the page as plain data: takes a ``Reading`` and the names in ``path``, returns a dataclass.
        show: Says the data in words: takes what ``read`` returned, the ``Reading`` and the ``Language``.
        filters: Filters that the page obeys, of ``Address.filters``; each drives every figure on it.
        of_whole: Whether it shows the whole organisation, so that readers of some services do not get it.
        in_navigation: Whether the navigation lists it.
        stream: Writes a CSV of any length, piece by piece, of the ``Reading``, the ``Language`` and what the file says of itself;
            its address is that of the page with ``.csv``. None: the page has tables only.
    """

    id: str
    path: str
    title: str
    read: Callable[..., Any]
    show: Callable[[Any, Reading, Language], Shown]
    filters: tuple[str, ...] = ()
    of_whole: bool = False
    in_navigation: bool = True
    stream: Callable[[Reading, Language, Sequence[str]], Iterator[str]] | None = None

    @property
    def api_path(self) -> str:
        """Address of the same data in the API."""
        return f"/api/v1{self.path if self.path != '/' else '/' + self.id}"
