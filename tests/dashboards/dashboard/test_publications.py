"""Publications: what each said, whether it still is what was published, and what is computed of it today."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ecoia.exploring import Explorer, KeptPublications
from ecoia.exploring.publications import keep_publications, read_publications
from ecoia.periods import Quarter
from ecoia.publishing.publication import publications
from ecoia.records import fold
from ecoia_dashboards.dashboard.address import Address
from ecoia_dashboards.dashboard.app import create_app
from ecoia_dashboards.dashboard.page import Reading
from ecoia_dashboards.dashboard.pages import publications as page
from ecoia_dashboards.language import Language
from support.dashboard import ask
from support.filled import fill_sample
from support.publications import published
from support.records import kwh, record

HOUR_NS = 3600 * 10**9
NOW_NS = 1_800_000_000 * 10**9
FIRST, SECOND = Quarter(2026, 1), Quarter(2026, 2)


def text_of(answer: str) -> str:
    """Return the words of a page, its spaces plain."""
    return re.sub(r"\s+", " ", html.unescape(re.sub("<[^>]+>", " ", answer)))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return the folder of two publications."""
    for quarter in (FIRST, SECOND):
        published(tmp_path / "publications", quarter, tmp_path / "catalogue")
    return tmp_path / "publications"


def keep(folder: Path, root: Path, now_ns: int = NOW_NS) -> KeptPublications:
    """Check the publications of a folder."""
    return keep_publications(folder, str(root), publications(root), now_ns)


def test_publications_are_kept_with_their_check(tmp_path: Path, root: Path) -> None:
    kept = keep(tmp_path, root)
    assert [each.name for each in kept.publications] == ["2026Q1", "2026Q2"]
    assert [each.microjoules for each in kept.publications] == [kwh(4), kwh(4)]
    assert [each.difference for each in kept.publications] == [None, None]
    assert kept.publications[1].previous_head == kept.publications[0].head
    assert (kept.broken, kept.folder, kept.checked_utc) == (None, "publications", "2027-01-15T08:00:00Z")
    assert read_publications(tmp_path) == kept


def test_a_byte_that_changed_is_found_and_named_without_where_it_lies(tmp_path: Path, root: Path) -> None:
    document = next((root / "2026Q1" / "documents").iterdir())
    document.write_bytes(document.read_bytes() + b" ")
    kept = keep(tmp_path, root)
    assert kept.publications[0].difference == f"2026Q1/documents/{document.name} is not what was published"
    assert kept.publications[1].difference is None
    assert str(tmp_path) not in kept.said


def test_figures_that_cannot_be_read_leave_the_rest_readable(tmp_path: Path, root: Path) -> None:
    (root / "2026Q2" / "report.json").write_text("{")
    kept = keep(tmp_path, root)
    assert kept.publications[1].microjoules is None
    assert kept.publications[1].difference
    assert kept.publications[0].difference is None


def test_a_check_counts_for_an_hour_unless_a_publication_is_added(tmp_path: Path, root: Path) -> None:
    first = keep(tmp_path, root)
    document = next((root / "2026Q1" / "documents").iterdir())
    document.write_bytes(b"other")
    assert keep(tmp_path, root, NOW_NS + HOUR_NS - 1) == first
    assert keep(tmp_path, root, NOW_NS + HOUR_NS).publications[0].difference
    document.write_bytes(b"another")
    published(root, Quarter(2026, 3), tmp_path / "catalogue")
    added = keep(tmp_path, root, NOW_NS + HOUR_NS + HOUR_NS // 60)
    assert added.checked_utc == "2027-01-15T09:01:00Z"
    assert [each.name for each in added.publications] == ["2026Q1", "2026Q2", "2026Q3"]


def test_a_clock_set_back_checks_again(tmp_path: Path, root: Path) -> None:
    keep(tmp_path, root)
    assert keep(tmp_path, root, NOW_NS - HOUR_NS).checked_utc == "2027-01-15T07:00:00Z"


def filled(tmp_path: Path, root: Path | None, energy: float = 4.0) -> Any:
    """Return the dashboard of an organisation that used some energy in each of two quarters."""
    rows = fold(
        record(f"2026-{month}-05T10:00", record_id=month, cpu=kwh(energy), ram=None, service="a", zone="FRA")
        for month in ("02", "05")
    )
    values = {} if root is None else {"publications": str(root)}
    fill_sample(tmp_path, rows, **values)
    return create_app(Explorer(tmp_path / "filled"))


def test_the_page_says_what_is_published_and_how_to_check_it(tmp_path: Path, root: Path) -> None:
    app = filled(tmp_path, root)
    text = text_of(ask(app, "/publications").text)
    head = publications(root)[-1].head
    assert "2 publications, telles qu’elles ont été publiées." in text
    assert f"ecoia verify publications --head {head}" in text
    assert head in ask(app, "/publications/tables/publications.csv").text
    assert str(tmp_path) not in text


def test_a_publication_that_differs_is_in_the_sentence(tmp_path: Path, root: Path) -> None:
    document = next((root / "2026Q1" / "documents").iterdir())
    document.write_bytes(b"other")
    text = text_of(ask(filled(tmp_path, root), "/publications").text)
    assert "1 publication n’est plus ce qui a été publié : T1 2026." in text
    assert "is not what was published" in text


@pytest.mark.parametrize(("energy", "said"), [(4.0, "aucun"), (6.0, "+ 2,00")])
def test_what_was_published_stands_beside_what_is_computed_today(tmp_path: Path, root: Path, energy: float, said: str) -> None:
    reading = Reading(Explorer(tmp_path / "filled"), Address()) if filled(tmp_path, root, energy) else None
    assert reading is not None
    content = page.read(reading)
    assert [each.microjoules_now - each.microjoules_published for each in content.compared] == [kwh(energy) - kwh(4)] * 2
    table = page.show(content, reading, Language("fr")).tables["compared"]
    written = ask(create_app(reading.explorer), "/publications").text
    assert said in text_of(written)
    assert ("autres chiffres" in table.title) == (
        energy != 4.0 or any(each.co2e_published != each.co2e_now for each in content.compared)
    )


def test_without_a_publication_the_page_says_how(tmp_path: Path) -> None:
    text = text_of(ask(filled(tmp_path, None), "/publications").text)
    assert "Aucun trimestre n’est publié" in text
    assert "ecoia publish --quarter 2026Q2" in text


def test_a_publication_changes_the_digest_of_what_pages_show(tmp_path: Path, root: Path) -> None:
    digests = set()
    for publications_folder in (None, root):
        filled(tmp_path, publications_folder)
        digests.add(Explorer(tmp_path / "filled").state.digest)
    assert len(digests) == 2


def test_a_command_holds_no_name_that_a_shell_would_read_otherwise(tmp_path: Path, root: Path) -> None:
    kept = replace(keep(tmp_path, root), folder="$(reboot) x")
    assert [line.split()[2] for line in page.commands(kept)] == ["publications", "publications"]
