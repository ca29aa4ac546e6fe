"""What every template may ask of its page: addresses, the stamp, the filters in words."""

from __future__ import annotations

from functools import cached_property
from urllib.parse import parse_qsl

from markupsafe import Markup

from ecoia.readable.scales import LADDERS, list_scale, scale_of
from ecoia.report import Quantity
from ecoia_dashboards.dashboard import drawings
from ecoia_dashboards.dashboard.address import NOTHING, PREVIOUS, UNITS, YEAR_BEFORE, Period
from ecoia_dashboards.dashboard.choices import choices
from ecoia_dashboards.dashboard.frame import Frame
from ecoia_dashboards.dashboard.page import Figure, Page, Reading, Shown
from ecoia_dashboards.dashboard.tables import Heading
from ecoia_dashboards.language import SHARE_UNIT, Language, QuantityColumn
from ecoia_dashboards.tables.base import BOUNDARIES
from ecoia_dashboards.wording import N_, REASONS

FILTER_NAMES = {
    "service": N_("service"),
    "phase": N_("phase"),
    "site": N_("site"),
    "region": N_("région"),
    "instance": N_("instance"),
    "method": N_("origine"),
    "status": N_("statut"),
    "run": N_("run"),
    "outcome": N_("issue"),
    "q": N_("recherche"),
}


def period_text(period: Period, language: Language) -> str:
    """Write a period: a quarter, or two days."""
    if period.quarter is not None:
        return language.quarter(str(period.quarter))
    first, last = str(period).split("..")
    return language.t("du %(first)s au %(last)s", first=language.day(first), last=language.day(last))


def period_in(period: Period, language: Language) -> str:
    """Write a period as a sentence has it behind an amount: ``au T3 2026``."""
    said = period_text(period, language)
    return said if period.quarter is None else language.t("au %(quarter)s", quarter=said)


class View(Frame):
    """A page as its template uses it.

    Args:
        page: The page.
        names: The names in its path.
        reading: The data at its address.
        language: Language of the page.
        shown: The page in words.
        prefix: What stands before every path.
    """

    def __init__(
        self, page: Page, names: dict[str, str], reading: Reading, language: Language, shown: Shown, prefix: str = ""
    ) -> None:
        path = page.path.format(**names)
        super().__init__(language, reading.address, reading.state, reading.allowed, path, prefix)
        self.page, self.names, self.reading, self.shown = page, names, reading, shown

    # --- addresses ---

    @property
    def whence(self) -> str:
        """The address where the page's figures are followed to their formula."""
        return self.link("/formula", **self.shown.evidence)

    def without(self, name: str) -> str:
        """Return the address of this page without one of its filters."""
        return self.here(**{name: () if isinstance(getattr(self.address, name), tuple) else ""})

    def file(self, kind: str, id_: str, ending: str) -> str:
        """Return the address of a figure (``figures``) or table (``tables``) of this page as a file."""
        return self.link(f"{self.path.rstrip('/')}/{kind}/{id_}.{ending}")

    @property
    def stream(self) -> str:
        """Address of the CSV of any length that the page offers."""
        return self.link(f"{self.path}.csv")

    @property
    def api(self) -> str:
        """Address of this page's data."""
        return self.link(self.page.api_path.format(**self.names))

    @property
    def kept(self) -> list[tuple[str, str]]:
        """Parameters that the filter bar keeps without showing them: those that this page's filters do not offer."""
        offered = {"period", "compare", "unit", "as", "after", *self.page.filters}
        return [(name, value) for name, value in parse_qsl(self.address.query()) if name not in offered]

    @property
    def shared(self) -> list[tuple[str, str]]:
        """Parameters that a form to another page keeps: period, comparison, unit, language and theme."""
        return parse_qsl(self.plain.query())

    @property
    def pinned(self) -> str:
        """The address to send to others: it names the period, what it is compared with, and the data that were seen."""
        reference = self.reading.reference
        compare = NOTHING if reference is None else str(reference)
        return self.here(period=self.reading.period, compare=compare, seen=self.state.digest[:12])

    @property
    def moved(self) -> bool:
        """Whether the data have changed since the link was made."""
        return bool(self.address.seen) and not self.state.digest.startswith(self.address.seen)

    # --- words ---

    @property
    def period(self) -> str:
        """The period in words."""
        return period_text(self.reading.period, self.language)

    @property
    def reference(self) -> str:
        """What it is compared with, in words; empty: nothing."""
        return "" if self.reading.reference is None else period_text(self.reading.reference, self.language)

    @property
    def filters(self) -> list[tuple[str, str, str]]:
        """The filters in use: name, values in words, and the address without it."""
        found = []
        for name, values in self.address.filters.items():
            said = self.language.listed(dict(self.choices[name])[value] for value in values)
            found.append((self.language.t(FILTER_NAMES[name]), said, self.without(name)))
        return found

    @property
    def said(self) -> list[str]:
        """What every file taken from this page says of itself: whose figures, of when, of what, and where from."""
        stamp = self.stamp
        filters = [f"{name}{self.language.t(' : ')}{values}" for name, values, _ in self.filters]
        return [each for each in (self.state.organisation, self.period, *filters, stamp, self.pinned) if each]

    @property
    def stamp(self) -> str:
        """Say whether the figures are a draft or published, until when the data go, and by which method."""
        report, language = self.reading.report, self.language
        parts = [
            language.t("Projet")
            if report.seal is None
            else language.t("Publié le %(day)s", day=language.day(report.seal.published_on))
        ]
        if self.state.data_until_utc:
            parts.append(
                language.t("données jusqu’au %(moment)s", moment=language.moment(self.state.data_until_utc, self.state.timezone))
            )
        parts.append(language.t("méthode %(version)s", version=report.method_version))
        return " · ".join(parts)

    # --- what the filter bar offers ---

    @property
    def periods(self) -> list[tuple[str, str]]:
        """Quarters with data, latest first: value and words; the period in use stands among them."""
        own = str(self.reading.period)
        quarters = list(reversed(self.state.quarters))
        values = quarters if own in quarters else [own, *quarters]
        return [(value, period_text(Period.parse(value), self.language)) for value in values]

    @property
    def comparisons(self) -> list[tuple[str, str]]:
        """What the period can be compared with: value and words."""
        language = self.language
        found = [
            (PREVIOUS, language.t("la période d’avant")),
            (YEAR_BEFORE, language.t("un an avant")),
            (NOTHING, language.t("rien")),
        ]
        own = self.address.compare
        others = [each for each in reversed(self.state.quarters) if each != str(self.reading.period)]
        if own not in (PREVIOUS, YEAR_BEFORE, NOTHING) and own not in others:
            others.insert(0, own)
        return [*found, *((value, period_text(Period.parse(value), language)) for value in others)]

    @property
    def first_table(self) -> str:
        """Id of the page's first table that has a line; empty where there is none."""
        return next((id_ for id_, table in self.shown.tables.items() if table.lines), "")

    @property
    def units(self) -> list[tuple[str, str]]:
        """Units that energies can be written in: value and words."""
        return [(unit, self.language.t("selon la taille") if unit == "auto" else unit) for unit in UNITS]

    @cached_property
    def choices(self) -> dict[str, list[tuple[str, str]]]:
        """What each filter offers: values with their words. Those in use stand among them, whether data have them or not."""
        found = {**choices(self.reading, self.language), **self.shown.choices}
        for name, values in self.address.filters.items():
            known = found.get(name, [])
            found[name] = [*((value, value) for value in values if value not in dict(known)), *known]
        return found

    def chosen(self, name: str) -> str:
        """Say in short what a filter lets through: everything, its one value, or how many."""
        used = self.address.filters.get(name, ())
        if len(used) < 2:
            return dict(self.choices[name])[used[0]] if used else self.language.t("tout")
        return self.language.n("%(count)s choisi", "%(count)s choisis", len(used))

    # --- pieces of a page ---

    @cached_property
    def patterns(self) -> Markup:
        """The patterns that drawings on the page are filled with."""
        return drawings.patterns()

    def drawing(self, figure: Figure) -> Markup:
        """Draw a figure."""
        return drawings.draw(figure.chart.figure, name=figure.chart.title, description=figure.chart.alt)

    def large(self, quantity: Quantity) -> tuple[str, str]:
        """Write a value for a key figure: number and unit apart, since the unit is smaller.

        Raises:
            ValueError: the quantity has no value.
        """
        if quantity.value is None:
            raise ValueError("a quantity without a value has a reason, not a number")
        if quantity.unit == SHARE_UNIT:
            return self.language.amount(quantity), ""
        if quantity.unit not in LADDERS:
            return self.language.number(quantity.value), self.language.unit(quantity.unit)
        scale = list_scale([quantity.value], quantity.unit, self.address.unit)
        unit, size = scale_of([quantity.value], quantity.unit) if scale.unit != self.address.unit else scale[:2]
        return self.language.number(quantity.value / size), self.language.unit(unit)

    def change(self, quantity: Quantity) -> str:
        """Write a change; one that is not established is marked by ≈."""
        if quantity.value is None:
            return self.language.of(REASONS, quantity.reason or "no-data")
        return f"≈ {self.language.change(quantity)}" if quantity.direction == "unclear" else self.language.change(quantity)

    def changed(self, quantity: Quantity, column: QuantityColumn) -> str:
        """Write a change in a table, in the unit of its column where that stands in the heading."""
        if quantity.value is None or not column.unit or quantity.direction == "unclear":
            return self.change(quantity)
        return self.language.signed(quantity.value, column.number(Quantity(abs(quantity.value), quantity.unit)))

    def sort(self, heading: Heading) -> str:
        """Return the address of this page sorted by a column; a second time turns the order."""
        return self.here(sort=f"-{heading.sort}" if self.address.sort == heading.sort else heading.sort)

    def sorted(self, heading: Heading) -> str:
        """Return how a column is sorted, as ``aria-sort`` has it; empty where the table is not sorted by it."""
        if not heading.sort or self.address.sort.lstrip("-") != heading.sort:
            return ""
        return "descending" if self.address.sort.startswith("-") else "ascending"

    @property
    def made_of(self) -> str:
        """Say in one line what the figures are: boundary, factors, method."""
        report, language = self.reading.report, self.language
        factors = report.factor_set.title if report.factor_set else language.t("aucun")
        boundary = language.t(BOUNDARIES[report.totals.boundary])
        return language.t("Énergie %(boundary)s. Facteurs : %(factors)s.", boundary=boundary, factors=factors)
