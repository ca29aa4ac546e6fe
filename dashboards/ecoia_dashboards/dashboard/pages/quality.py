"""Data quality: what is not known of a quarter, what it is worth as far as that is known, and the command that mends it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from ecoia.impact.doublecounting import ListedRefusal
from ecoia.impact.ledger_gaps import LedgerGap
from ecoia.report import QuarterlyReport
from ecoia_dashboards.dashboard.page import Figure, Page, Reading, Shown
from ecoia_dashboards.dashboard.pages.quality_findings import Finding, findings, words_of
from ecoia_dashboards.dashboard.pages.quality_tables import quality_tables
from ecoia_dashboards.dashboard.view import period_text
from ecoia_dashboards.figures import statuses
from ecoia_dashboards.language import Language
from ecoia_dashboards.wording import N_


@dataclass(frozen=True)
class InstanceDays:
    """Days of an instance in the period.

    Attributes:
        recorded: Days with a record.
        lacking: Days that the ledger lacks, in whole or in part.
        expected: Whether the register expects a record on every day.
        services: What was recorded there.
    """

    recorded: tuple[date, ...]
    lacking: tuple[date, ...]
    expected: bool
    services: tuple[str, ...]


@dataclass(frozen=True)
class Quality:
    """The data of the page. ``days`` are those of the period up to the last record."""

    quarter: str
    findings: tuple[Finding, ...]
    lost: Mapping[str, int]
    doubles: tuple[ListedRefusal, ...]
    gaps: tuple[LedgerGap, ...]
    days: tuple[date, ...]
    instances: Mapping[str, InstanceDays]
    origins: Mapping[str, Mapping[str, int]]
    simulated: bool


def read(reading: Reading) -> Quality:
    """Read what is not known."""
    report = reading.report
    origins = {name: part.by_status_microjoules for name, part in reading.explorer.parts(reading.selection, "service").items()}
    start, end = reading.period.first_day, reading.period.until_day
    days = [start + timedelta(days=place) for place in range((end - start).days)]
    recorded = reading.explorer.recorded_days(reading.selection)
    last = max((each.day for each in recorded), default=start)
    days = [day for day in days if day <= last]
    return Quality(
        report.quarter,
        findings(reading),
        report.lost,
        report.doubles,
        report.ledger_gaps,
        tuple(days),
        _instances(reading, report, days),
        origins,
        report.simulated,
    )


def _instances(reading: Reading, report: QuarterlyReport, days: list[date]) -> dict[str, InstanceDays]:
    recorded: dict[str, set[date]] = {}
    services: dict[str, set[str]] = {}
    for each in reading.explorer.recorded_days(reading.selection):
        recorded.setdefault(each.instance, set()).add(each.day)
        services.setdefault(each.instance, set()).update({each.service} - {""})
    lacking: dict[str, set[date]] = {}
    for gap in report.ledger_gaps:
        try:
            day = date.fromisoformat(gap.day)
        except ValueError:
            continue  # the list of gaps names it
        if day in days:
            lacking.setdefault(gap.instance, set()).add(day)
    whole = (reading.period.until_day - reading.period.first_day).days
    always = {
        place.instance
        for entry in report.register
        for place in entry.days_by_phase
        if place.instance and place.expected is not None and place.expected >= min(len(days), whole) and place.recorded
    }
    return {
        name: InstanceDays(
            tuple(sorted(recorded.get(name, ()))),
            tuple(sorted(lacking.get(name, ()))),
            name in always,
            tuple(sorted(services.get(name, ()))),
        )
        for name in sorted({*recorded, *lacking})
    }


def show(content: Quality, reading: Reading, language: Language) -> Shown:
    """Say what is not known."""
    quarter = language.quarter(content.quarter)
    chart = statuses(reading.report, language)
    figures = {} if chart is None else {"statuses": Figure(chart, language.t("Part de l’énergie · %(quarter)s", quarter=quarter))}
    tables = quality_tables(content, reading, language)
    return Shown(
        _sentence(content, language, quarter),
        _lead(content, language),
        figures=figures,
        tables={each.id: each for each in tables if each.lines},
        values={
            "content": content,
            "findings": [words_of(each, language, reading.names) for each in content.findings],
            "period": period_text(reading.period, language),
            "quarter": quarter,
        },
    )


def _sentence(content: Quality, language: Language, quarter: str) -> str:
    if not content.findings:
        return language.t("%(quarter)s : aucun manque n’est connu.", quarter=quarter)
    return language.n(
        "%(quarter)s : %(count)s manque connu, avec de quoi y remédier.",
        "%(quarter)s : %(count)s manques connus, avec de quoi y remédier.",
        len(content.findings),
        quarter=quarter,
    )


def _lead(content: Quality, language: Language) -> str:
    worth = sum(each.microjoules or 0 for each in content.findings if each.left_out)
    if worth:
        return language.t(
            "%(energy)s au moins ne sont dans aucun total ; ce que vaut le reste n’est pas connu.", energy=language.energy(worth)
        )
    return language.t("Ce qui n’a laissé aucune trace n’est pas ici : un service jamais mesuré est au registre.")


PAGE = Page("quality", "/quality", N_("Qualité des données"), read, show, of_whole=True)
