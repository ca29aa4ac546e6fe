"""The page, the committee edition and the evidence: each piece is in one of the two printed documents, and none is lost."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from ecoia.report import QuarterlyReport
from ecoia.sections import DECISION, EVIDENCE, SECTIONS, Piece, Section
from ecoia_dashboards.pages import Edition, render_edition

FILES = re.compile(r"\w+\.(?:yaml|csv|toml|json|xlsx)\b")
COMMANDS = re.compile(r"\becoia (?:init|verify|report|evaluate|factors|declare)\b|ECOIA_\w+|--\w+")
IDS = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}|\b[0-9a-f]{32}\b")
MICROJOULES = re.compile(r"µJ|Microjoules|\d{1,3}(?:\s\d{3}){5,}")


class Words(HTMLParser):
    """The words of a page, those of folded evidence apart."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.shown: list[str] = []
        self.folded: list[str] = []
        self.depth, self.styled, self.opened = 0, False, 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.styled = tag == "style"
        if tag == "details":
            self.depth += 1
            self.opened += "open" in dict(attrs)

    def handle_endtag(self, tag: str) -> None:
        self.styled = False
        self.depth -= tag == "details"

    def handle_data(self, text: str) -> None:
        if not self.styled:
            (self.folded if self.depth else self.shown).append(text)


def plain(parts: list[str]) -> str:
    return re.sub(r"\s+", " ", " ".join(parts))


@pytest.fixture(scope="module")
def html(large: QuarterlyReport) -> dict[Edition, str]:
    return {edition: render_edition(large, "fr", edition) for edition in Edition}


@pytest.mark.parametrize("edition", [Edition.PAGE, Edition.COMMITTEE])
def test_what_a_committee_reads_names_no_file_command_id_or_microjoule(html: dict[Edition, str], edition: Edition) -> None:
    text = plain(Words(html[edition]).shown)
    assert len(text) > 5000
    found = {name: pattern.findall(text) for name, pattern in (("files", FILES), ("commands", COMMANDS), ("ids", IDS))}
    assert found == {"files": [], "commands": [], "ids": []}
    assert MICROJOULES.findall(text) == []
    assert not re.search(r"\b[Rr]uns?\b", text), "French has a word for it"


def test_the_evidence_has_what_the_committee_edition_leaves_out(html: dict[Edition, str]) -> None:
    text = plain(Words(html[Edition.EVIDENCE]).shown)
    for pattern in (FILES, IDS, MICROJOULES):
        assert pattern.search(text), pattern.pattern


def test_the_page_folds_all_of_the_evidence(html: dict[Edition, str]) -> None:
    page = Words(html[Edition.PAGE])
    assert page.opened == 0
    evidence = plain(Words(html[Edition.EVIDENCE]).shown)
    folded = plain(page.folded)
    titles = [piece.title for section in SECTIONS for piece in section.pieces_of(EVIDENCE)]
    there = [title for title in titles if title in evidence and title != "Données des figures"]
    assert len(there) > 20
    assert [title for title in there if title not in folded] == []


def test_each_piece_is_marked_once_and_its_template_is_there() -> None:
    pieces = [piece for section in SECTIONS for piece in section.pieces]
    assert {piece.kind for piece in pieces} == {DECISION, EVIDENCE}
    assert len({piece.name for piece in pieces}) == len(pieces)
    assert all(section.pieces_of(DECISION) for section in SECTIONS)
    folder = Path(__file__).parents[2] / "dashboards" / "ecoia_dashboards" / "templates"
    if folder.is_dir():
        drawn = {str(path.relative_to(folder)) for path in (folder / "sections").rglob("*.html")}
        assert drawn == {piece.template_path for piece in pieces}


def test_a_section_without_pieces_has_one_of_its_own_name() -> None:
    assert Section("eau", "Eau").pieces == (Piece("eau"),)
    assert Section("eau", "Eau").pieces[0].template_path == "sections/eau.html"


def test_both_printed_editions_together_say_what_the_page_says(html: dict[Edition, str]) -> None:
    """Every figure of the page is in one of the two printed documents."""
    values = {edition: set(re.findall(r'<data value="([^"]+)"', content)) for edition, content in html.items()}
    assert len(values[Edition.PAGE]) > 300
    assert values[Edition.PAGE] == values[Edition.COMMITTEE] | values[Edition.EVIDENCE]
