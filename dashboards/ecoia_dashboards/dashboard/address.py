"""The address of a page holds all of its state: what is looked at, compared with what, in which unit, language and theme."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from ecoia.errors import UsageError
from ecoia.exploring import Selection
from ecoia.periods import Quarter
from ecoia.readable.scales import LADDERS
from ecoia_dashboards.language import LANGUAGES

PREVIOUS, YEAR_BEFORE, NOTHING = "prev", "year", "none"
"""What a period is compared with, named by its place in time: choosing an earlier quarter moves the reference along."""
UNITS = ("auto", *(unit for unit in LADDERS if unit.endswith("Wh")))
THEMES = ("auto", "light", "dark")
STATUSES = ("measured", "estimated", "declared")
_MOST_DAYS = 366 * 5
_SPAN = "(.+)[.][.](.+)"


class BadAddressError(UsageError):
    """A part of an address cannot be used. Nothing is guessed in its place.

    Args:
        name: The parameter.
        value: Its value.
        allowed: Values that exist, the likeliest first; empty where any of a form does.
        form: How a value is written; only periods have a form.
    """

    examples = "2026Q3, 2026-07-01..2026-07-31"

    def __init__(self, name: str, value: str, allowed: Iterable[str] = (), form: str = "") -> None:
        self.name, self.value, self.allowed, self.form = name, value, tuple(allowed), form
        remedy = f"choose one of {', '.join(self.allowed)}" if self.allowed else f"write {form}"
        super().__init__(f"{name} = {value!r}: {remedy}")


@dataclass(frozen=True)
class Period:
    """Civil days in the organisation's time zone, the last excluded.

    Example:
        >>> str(Period.parse("2026Q3")), str(Period.parse("2026-07-01..2026-07-31"))
        ('2026Q3', '2026-07-01..2026-07-31')
    """

    first_day: date
    until_day: date

    @classmethod
    def of_quarter(cls, quarter: Quarter) -> Period:
        """Return the days of a quarter."""
        return cls(quarter.first_day(), quarter.shift(1).first_day())

    @classmethod
    def parse(cls, text: str, name: str = "period") -> Period:
        """Read a quarter, or two days with both ends included.

        Raises:
            BadAddressError: ``text`` is neither; the message has the two forms.
        """
        form = "a quarter (2026Q3) or two days (2026-07-01..2026-07-31)"
        try:
            span = re.fullmatch(_SPAN, text)
            if span is None:
                return cls.of_quarter(Quarter.parse(text))
            first, last = date.fromisoformat(span[1]), date.fromisoformat(span[2])
        except ValueError as error:
            raise BadAddressError(name, text, form=form) from error
        if last < first or (last - first).days > _MOST_DAYS or not 1970 <= first.year <= 2261:
            raise BadAddressError(name, text, form=f"{form}, the first day not after the last, five years at most")
        return cls(first, last + timedelta(days=1))

    @property
    def quarter(self) -> Quarter | None:
        """The quarter whose days these are; None where they are other days."""
        quarter = Quarter.of_date(self.first_day)
        return quarter if Period.of_quarter(quarter) == self else None

    def before(self, steps: int = 1) -> Period:
        """Return the period as long as this one, ``steps`` of its lengths earlier; a quarter stays a quarter."""
        if self.quarter is not None:
            return Period.of_quarter(self.quarter.shift(-steps))
        length = (self.until_day - self.first_day) * steps
        return Period(self.first_day - length, self.until_day - length)

    def year_before(self) -> Period:
        """Return the same days of the year before."""
        if self.quarter is not None:
            return self.before(4)
        return Period(_year_before(self.first_day), _year_before(self.until_day))

    def __str__(self) -> str:
        return str(self.quarter) if self.quarter else f"{self.first_day}..{self.until_day - timedelta(days=1)}"


def _year_before(day: date) -> date:
    return day.replace(year=day.year - 1, day=28 if (day.month, day.day) == (2, 29) else day.day)


@dataclass(frozen=True)
class Address:
    """The state of a page. Each field is a parameter of the same name; a field that has its default is left out of the address.

    Attributes:
        period: What is looked at. None: the latest quarter with data.
        compare: ``prev``, ``year``, ``none``, or a period.
        service: Ids of services; none: all of them.
        phase: Phases; none: all of them.
        site: Ids of sites; none: all of them.
        region: Id of a region, whose share of each service is shown.
        instance: Instances; none: all of them.
        method: Statuses of methods, of ``STATUSES``; none: all of them.
        status: Statuses of services in the register; none: all of them.
        run: Ids of runs, whose work alone is followed; none: all work.
        outcome: How runs ended; none: however they did.
        unit: Unit of energies, of ``UNITS``.
        sort: Column that a table is sorted by; a minus before it turns the order.
        q: Text that is searched for.
        lang: Language.
        theme: Colours.
        tolerance: How much worse than the best is good enough, in the unit of a figure of quality; empty: a point.
        view: What the page shows of itself, e.g. ``diff`` for differences only; each page names its own.
        runs: Ids of runs that are compared.
        after: Key after which a list goes on.
        seen: Digest of the data that whoever sent the link saw (``as`` in the address).

    Example:
        >>> Address.parse({"period": "2026q3", "service": "chat,vadore", "lang": "en"}).query()
        'period=2026Q3&service=chat%2Cvadore&lang=en'
    """

    period: Period | None = None
    compare: str = PREVIOUS
    service: tuple[str, ...] = ()
    phase: tuple[str, ...] = ()
    site: tuple[str, ...] = ()
    region: str = ""
    instance: tuple[str, ...] = ()
    method: tuple[str, ...] = ()
    status: tuple[str, ...] = ()
    run: tuple[str, ...] = ()
    outcome: tuple[str, ...] = ()
    unit: str = "auto"
    sort: str = ""
    q: str = ""
    tolerance: str = ""
    view: str = ""
    runs: tuple[str, ...] = ()
    after: str = ""
    lang: str = "fr"
    theme: str = "auto"
    seen: str = ""

    @classmethod
    def parse(cls, parameters: Mapping[str, str]) -> Address:
        """Read the parameters of an address; those that are not ours are left out.

        Raises:
            BadAddressError: a value is not of those that exist.
        """
        given = {name: value.strip() for name, value in parameters.items() if value.strip()}
        lists: dict[str, Any] = {name: _several(given.get(name, "")) for name in _SEVERAL}
        texts: dict[str, Any] = {name: _text(given.get(name, "")) for name in _TEXTS}
        found = cls(
            period=Period.parse(given["period"]) if "period" in given else None,
            compare=_compare(given.get("compare", PREVIOUS)),
            **lists,
            **texts,
            unit=_one_of("unit", given.get("unit", "auto"), UNITS),
            lang=_one_of("lang", given.get("lang", "fr"), LANGUAGES),
            theme=_one_of("theme", given.get("theme", "auto"), THEMES),
            seen=_text(given.get("as", "")),
        )
        for each in found.method:
            _one_of("method", each, STATUSES)
        return found

    def query(self) -> str:
        """Write the parameters in their order, without those that have their default: equal states have one address."""
        written = []
        for each in fields(self):
            value = getattr(self, each.name)
            if value != each.default:
                text = ",".join(value) if isinstance(value, tuple) else str(value)
                written.append((_NAMES.get(each.name, each.name), text))
        return urlencode(written)

    def to(self, **changes: object) -> Address:
        """Return the address with some fields changed. What only belongs to the page or the link that was left is dropped."""
        return replace(self, **{"seen": "", "after": "", **changes})  # type: ignore[arg-type]

    def obeyed(self, filters: Iterable[str]) -> Address:
        """Return the address with these filters only: a page shows no filter that it does not obey."""
        others = self.filters.keys() - set(filters)
        return replace(self, **{each.name: each.default for each in fields(self) if each.name in others})  # type: ignore[arg-type]

    def reference(self, period: Period) -> Period | None:
        """Return the period that another one is compared with; None: with nothing."""
        if self.compare == NOTHING:
            return None
        if self.compare == PREVIOUS:
            return period.before()
        return period.year_before() if self.compare == YEAR_BEFORE else Period.parse(self.compare, "compare")

    def selection(self, period: Period) -> Selection:
        """Return what is looked at in a period."""
        return Selection(
            period.first_day,
            period.until_day,
            services=self.service,
            phases=self.phase,
            sites=self.site,
            region=self.region or None,
            instances=self.instance,
            statuses=self.method,
            runs=self.run,
        )

    @property
    def filters(self) -> dict[str, tuple[str, ...]]:
        """The filters in use by name, each with its values."""
        found = {name: getattr(self, name) for name in _FILTERS}
        found["region"] = (self.region,) if self.region else ()
        found["q"] = (self.q,) if self.q else ()
        return {name: values for name, values in found.items() if values}


_FILTERS = ("service", "phase", "site", "instance", "method", "status", "run", "outcome")
_SEVERAL = (*_FILTERS, "runs")
_TEXTS = ("region", "sort", "q", "tolerance", "view", "after")
_NAMES = {"seen": "as"}
_LONGEST = 300


def _several(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_text(part) for part in text.split(",") if part.strip()))


def _text(text: str) -> str:
    return text.strip()[:_LONGEST].strip()


def _one_of(name: str, value: str, allowed: Iterable[str]) -> str:
    if value not in allowed:
        raise BadAddressError(name, value, allowed)
    return value


def _compare(text: str) -> str:
    return text if text in (PREVIOUS, YEAR_BEFORE, NOTHING) else str(Period.parse(text, "compare"))
