"""The overview: how much in the period, whose, and against which commitment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ecoia.exploring import Selection
from ecoia.report import ActionState, Coverage, DeclaredChange, Headline, Quantity, QuarterChange, Said, Seal, TargetVerdict
from ecoia_dashboards.dashboard.choices import FILTERS
from ecoia_dashboards.dashboard.page import Page, Reading, Shown
from ecoia_dashboards.dashboard.pieces import decided
from ecoia_dashboards.dashboard.pieces.attention import Attention, attention
from ecoia_dashboards.dashboard.pieces.narrowing import listed_entries, narrowed
from ecoia_dashboards.dashboard.pieces.overview_words import (
    figures,
    key_lines,
    lead,
    parts_said,
    points,
    scope_said,
    sentence,
    sure,
)
from ecoia_dashboards.dashboard.pieces.service_lines import CoursePoint, ServiceList, course, service_list
from ecoia_dashboards.dashboard.pieces.service_table import service_table
from ecoia_dashboards.dashboard.pieces.target_cards import budget_card, target_cards, targets_title
from ecoia_dashboards.dashboard.pieces.words import Words
from ecoia_dashboards.language import Language
from ecoia_dashboards.wording import N_


@dataclass(frozen=True)
class Whole:
    """What is of a whole quarter, whatever the filters: promises, holes, decisions, declarations.

    Attributes:
        coverage: Coverage of the services.
        targets: The targets and their verdicts.
        attention: What to look at.
        actions: Actions at the end of the quarter.
        said: Recommendations and decisions.
        seal: The publication; None: the figures are a draft.
        declared_since: The publication that declarations are compared with; None: there is none.
        declared_changes: What is declared otherwise since.
        precision_class: Class of precision, 1 to 4.
    """

    coverage: Coverage
    targets: tuple[TargetVerdict, ...]
    attention: Attention
    actions: tuple[ActionState, ...]
    said: tuple[Said, ...]
    seal: Seal | None
    declared_since: str | None
    declared_changes: tuple[DeclaredChange, ...]
    precision_class: int | None


@dataclass(frozen=True)
class Overview:
    """The data of the page.

    Attributes:
        period: What is looked at.
        reference: What it is compared with.
        microjoules: Exact energy of components, before any factor.
        energy: Energy.
        headline: CO2e of everything that is known.
        by_status_microjoules: The exact energy by how it is known.
        energy_change: Relative change of the energy; None: compared with nothing.
        co2e_change: Relative change of the CO2e.
        course: The last quarters.
        services: Every service, and what belongs to none.
        whole: What is of the whole quarter; None where the address looks at a part of it, or at other days.
    """

    period: str
    reference: str | None
    microjoules: int
    energy: Quantity
    headline: Headline
    by_status_microjoules: Mapping[str, int]
    energy_change: Quantity | None
    co2e_change: Quantity | None
    course: tuple[CoursePoint, ...]
    services: ServiceList
    whole: Whole | None


def read(reading: Reading) -> Overview:
    """Read the page's data."""
    entries = listed_entries(reading)
    selection = narrowed(reading, reading.selection, entries)
    found = None if selection is None else reading.explorer.selected(selection)
    of_quarter = not reading.address.filters and reading.period.quarter is not None
    explained = _explained(reading) if of_quarter else None
    energy_change, co2e_change = _changes(reading, selection, explained)
    return Overview(
        period=str(reading.period),
        reference=None if reading.reference is None else str(reading.reference),
        microjoules=found.microjoules if found else 0,
        energy=found.energy if found else Quantity(None, "kWh", reason="no-data"),
        headline=found.headline if found else Headline(),
        by_status_microjoules=found.by_status_microjoules if found else {},
        energy_change=energy_change,
        co2e_change=co2e_change,
        course=course(reading, entries),
        services=service_list(reading, entries),
        whole=_whole(reading, explained) if of_quarter else None,
    )


def _explained(reading: Reading) -> QuarterChange | None:
    """Explain the change between whole quarters; None where other days, or nothing, are compared with."""
    now, before = reading.selection.quarter, reading.before.quarter if reading.before is not None else None
    return reading.explorer.explained(now, before) if now is not None and before is not None else None


def _changes(
    reading: Reading, selection: Selection | None, explained: QuarterChange | None
) -> tuple[Quantity | None, Quantity | None]:
    """Return the changes of the energy and of the CO2e; None where nothing is compared."""
    if explained is not None:
        co2e = explained.total.relative if explained.total else Quantity(None, "1", reason=explained.reason)
        energy = explained.energy
        if energy.value is None and explained.reason is not None:
            energy = Quantity(None, energy.unit, reason=explained.reason)
        return energy, co2e
    if selection is None or reading.before is None:
        return None, None
    change = reading.explorer.change(selection, reading.before.only(services=selection.services))
    return change.energy, change.co2e


def _whole(reading: Reading, change: QuarterChange | None) -> Whole:
    report = reading.report
    return Whole(
        coverage=report.coverage,
        targets=report.targets,
        attention=attention(reading, change),
        actions=report.actions,
        said=tuple(each for each in report.said if each.kind in ("recommendation", "decision")),
        seal=report.seal,
        declared_since=report.declared_since,
        declared_changes=report.declared_changes,
        precision_class=report.totals.precision_class,
    )


def show(content: Overview, reading: Reading, language: Language) -> Shown:
    """Say it in words."""
    words = Words(reading.report, language)
    drawn = next((target for target in words.targets if target.course), None)
    values: dict[str, Any] = {
        "content": content,
        "whole": content.whole,
        "words": words,
        "keys": key_lines(content, language),
        "parts": parts_said(content, words),
        "whole_quarter": reading.quarter,
    }
    if content.whole is not None:
        values |= _of_whole(content.whole, words, reading)
        values |= {
            "points": points(content, words, reading),
            "sure": sure(content, words),
            "budget": budget_card(words, drawn) if drawn else None,
        }
    return Shown(
        sentence(content, words, reading),
        lead(content, words, reading),
        figures=figures(content, words, drawn),
        tables={"services": service_table(content.services, reading, language)},
        values=values,
    )


def _of_whole(whole: Whole, words: Words, reading: Reading) -> dict[str, Any]:
    """Say what is of the whole quarter."""
    report, language = reading.report, words.language
    return {
        "services_in_scope": language.whole(whole.coverage.named + whole.coverage.unnamed),
        "scope_said": scope_said(whole.coverage, reading, language),
        "more": language.n(
            "%(count)s autre point, dans les pages des services.",
            "%(count)s autres points, dans les pages des services.",
            whole.attention.left_out,
        ),
        "targets": target_cards(words),
        "targets_title": targets_title(words),
        "late": [action for action in decided.late_first(report) if action.late],
        "decided": [*decided.unanswered(report), *(said for said in report.said if said.kind == "decision")],
        "unanswered": decided.unanswered(report),
        "decided_title": decided.decided_title(words),
        "published_title": decided.published_title(words),
        "published": decided.published(words),
        "declared": decided.declared(words),
        "declared_lines": decided.declared_lines(words),
    }


PAGE = Page("overview", "/", N_("Vue d’ensemble"), read, show, filters=FILTERS, of_whole=True)
