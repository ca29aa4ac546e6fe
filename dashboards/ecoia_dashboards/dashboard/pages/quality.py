"""Data quality: what is not known of a quarter, what it is worth as far as that is known, and the command that mends it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from ecoia.exploring import RecordedDay, Selection
from ecoia.impact.doublecounting import ListedRefusal
from ecoia.impact.ledger_gaps import LedgerGap
from ecoia_dashboards.dashboard.page import Page, Reading, Shown
from ecoia_dashboards.dashboard.pages.quality_findings import Finding, findings, words_of
from ecoia_dashboards.dashboard.pages.quality_tables import quality_tables
from ecoia_dashboards.dashboard.view import period_text
from ecoia_dashboards.language import Language
from ecoia_dashboards.wording import N_


@dataclass(frozen=True)
class Place:
    """Days of a service on an instance, in the period.

    Attributes:
        instance: The instance.
        service: The service; empty: what no service bears there.
        recorded: Days with a record.
        expected: How many the register expects. None: it does not say.
        every_day: Whether it expects a record on every day, so that each day without one is missing.
    """

    instance: str
    service: str
    recorded: tuple[date, ...]
    expected: float | None
    every_day: bool


@dataclass(frozen=True)
class Quality:
    """The data of the page; ``days`` are those of the period up to the last record, ``places`` of the same days.

    ``silent`` are the services that run, by the register, and of which nothing is recorded.
    """

    quarter: str
    findings: tuple[Finding, ...]
    silent: tuple[str, ...]
    lost: Mapping[str, int]
    doubles: tuple[ListedRefusal, ...]
    gaps: tuple[LedgerGap, ...]
    days: tuple[date, ...]
    places: tuple[Place, ...]
    origins: Mapping[str, Mapping[str, int]]
    simulated: bool


def read(reading: Reading) -> Quality:
    """Read what is not known."""
    report, period = reading.report, reading.period
    selection = Selection(period.first_day, period.until_day)
    recorded = reading.explorer.recorded_days(selection)
    last = max((each.day for each in recorded), default=period.first_day)
    days = tuple(
        day
        for place in range((period.until_day - period.first_day).days)
        if (day := period.first_day + timedelta(days=place)) <= last
    )
    origins = {name: part.by_status_microjoules for name, part in reading.explorer.parts(selection, "service").items()}
    return Quality(
        report.quarter,
        findings(reading),
        tuple(each.name for each in report.register if each.in_scope and each.id not in origins),
        report.lost,
        report.doubles,
        report.ledger_gaps,
        days,
        tuple(_places(recorded, reading, days)),
        origins,
        report.simulated,
    )


def _places(recorded: Sequence[RecordedDay], reading: Reading, days: Sequence[date]) -> Iterator[Place]:
    found: dict[tuple[str, str], set[date]] = {}
    for each in recorded:
        found.setdefault((each.instance, each.service), set()).add(each.day)
    expected = _expected(reading, found)
    for instance, service in sorted({*found, *expected}):
        known = expected.get((instance, service))
        seen = tuple(sorted(found.get((instance, service), ())))
        yield Place(instance, service, seen, known, known is not None and known >= len(days))


def _expected(reading: Reading, recorded: Iterable[tuple[str, str]]) -> dict[tuple[str, str], float]:
    """Return on how many days the register expects a service on an instance; it counts them by quarter.

    Days that it adds up over instances are of the only instance that recorded the service, where there is one.
    """
    found: dict[tuple[str, str], float] = {}
    if reading.period.quarter is None:
        return found
    places: dict[str, list[str]] = {}
    for instance, service in recorded:
        places.setdefault(service, []).append(instance)
    for entry in reading.report.register:
        only = places[entry.id][0] if len(places.get(entry.id, ())) == 1 else ""
        for days in entry.days_by_phase:
            if (instance := days.instance or only) and days.expected is not None:
                found[instance, entry.id] = max(found.get((instance, entry.id), 0.0), days.expected)
    return found


def show(content: Quality, reading: Reading, language: Language) -> Shown:
    """Say what is not known."""
    quarter = language.quarter(content.quarter)
    tables = quality_tables(content, reading, language)
    return Shown(
        _sentence(content, language, quarter),
        _lead(content, language),
        tables={each.id: each for each in tables if each.lines},
        values={
            "content": content,
            "findings": [words_of(each, language, reading.names) for each in content.findings],
            "period": period_text(reading.period, language),
            "quarter": quarter,
        },
    )


def _sentence(content: Quality, language: Language, quarter: str) -> str:
    said = language.n(
        "%(quarter)s : %(count)s manque connu dans les relevés",
        "%(quarter)s : %(count)s manques connus dans les relevés",
        len(content.findings),
        quarter=quarter,
    )
    if not content.findings:
        said = language.t("%(quarter)s : aucun manque n’est connu dans les relevés", quarter=quarter)
    if not content.silent:
        return f"{said}."
    silent = language.n(
        "%(count)s service dont rien n’est relevé", "%(count)s services dont rien n’est relevé", len(content.silent)
    )
    return language.t("%(said)s, et %(silent)s.", said=said, silent=silent)


def _lead(content: Quality, language: Language) -> str:
    worth = sum(each.microjoules or 0 for each in content.findings if each.left_out)
    if worth:
        return language.t(
            "%(energy)s au moins ne sont dans aucun total ; ce que vaut le reste n’est pas connu.", energy=language.energy(worth)
        )
    return language.t("Ce qui n’a laissé aucune trace n’est pas ici : un service jamais mesuré est au registre.")


PAGE = Page("quality", "/quality", N_("Qualité des données"), read, show, of_whole=True)
