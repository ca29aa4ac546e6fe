"""The PDF of a large organisation as it is printed: no word leaves a page or covers another, and the first page is one page."""

from __future__ import annotations

import dataclasses
import re

import pytest

from ecoia.impact.ledger_gaps import LedgerGap
from ecoia.report import QuarterlyReport
from ecoia_dashboards.pages import Edition
from ecoia_dashboards.pdf import render_pdf, write_edition
from support.printed import PrintedPage, printed
from support.reports import SEAL

MOST_PAGES = 10  # of the committee edition


@pytest.fixture(scope="module")
def sealed(large: QuarterlyReport) -> QuarterlyReport:
    """A draft has its word across every page."""
    return dataclasses.replace(large, seal=dataclasses.replace(SEAL, name="2026Q3"))


@pytest.fixture(scope="module")
def editions(sealed: QuarterlyReport) -> dict[str, list[PrintedPage]]:
    return {ending: printed(pdf) for ending, pdf in render_pdf(sealed).items()}


def wordy(report: QuarterlyReport) -> QuarterlyReport:
    """The report with all that can make its first page long: names, texts, warnings and twice the targets."""
    replace, name = dataclasses.replace, "{} pour l’accompagnement personnalisé des demandeurs d’emploi et des conseillers"
    gaps = (LedgerGap(f"2026-08-0{day}", "gpu-01", "missing", "run", 10**12) for day in range(1, 6))
    return replace(
        report,
        organisation="Établissement public national de l’emploi, de la formation et de l’orientation professionnelle",
        register=tuple(replace(entry, name=name.format(entry.name)) for entry in report.register),
        targets=(*report.targets, *(replace(target, id=f"{target.id}-2") for target in report.targets)),
        said=tuple(replace(said, text=said.text * 12) for said in report.said),
        actions=tuple(replace(action, text=action.text * 4, note="note " * 60) for action in report.actions),
        simulated=True,
        notices=("simulated-history", "stand-ins", "no-pue"),
        ledger_gaps=tuple(gaps),
        incomplete_because="une raison assez longue " * 10,
    )


def assert_second_page_begins_with_the_second_part(pages: list[PrintedPage]) -> None:
    parts = [re.findall(r"^(\d+)\. (?:Synthèse|Engagement)", page.text, re.M) for page in pages[:2]]
    assert parts == [["1"], ["2"]]
    assert pages[1].text.strip().startswith("2. Engagement")


@pytest.mark.parametrize("ending", [".pdf", "-preuves.pdf"])
def test_no_word_leaves_the_page_or_covers_another(editions: dict[str, list[PrintedPage]], ending: str) -> None:
    pages = editions[ending]
    assert sum(len(page.words) for page in pages) > 3000
    assert {number: page.outside() for number, page in enumerate(pages, 1) if page.outside()} == {}
    assert {number: page.overlapping() for number, page in enumerate(pages, 1) if page.overlapping()} == {}


def test_the_committee_edition_is_ten_pages_at_most_and_the_first_is_the_summary(editions: dict[str, list[PrintedPage]]) -> None:
    pages = editions[".pdf"]
    assert len(pages) <= MOST_PAGES
    assert_second_page_begins_with_the_second_part(pages)
    first = re.sub(r"\s+", " ", pages[0].text)
    for said in ("CO₂e total", "Les 3 services qui comptent", "Probabilité de manquer", "Demandé au comité interne"):
        assert said in first, said


def test_long_names_many_targets_and_every_warning_leave_the_first_page_one_page(sealed: QuarterlyReport) -> None:
    pages = printed(write_edition(wordy(sealed), "fr", Edition.COMMITTEE))
    assert_second_page_begins_with_the_second_part(pages)
    assert pages[0].outside() == pages[0].overlapping() == []
    assert "5 jours" in re.sub(r"\s", " ", pages[0].text)
    assert "Raison donnée" in pages[0].text


def test_the_evidence_turns_and_the_committee_edition_stands(editions: dict[str, list[PrintedPage]]) -> None:
    assert all(page.width < page.height for page in editions[".pdf"])
    assert all(page.width > page.height for page in editions["-preuves.pdf"])
