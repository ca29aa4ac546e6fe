"""The page of a large organisation in a real browser: nothing overhangs at any width, and evidence waits until it is opened.

``ECOIA_PICTURES=FOLDER`` keeps the picture that the README shows.
"""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pikepdf
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from ecoia.report import QuarterlyReport
from ecoia_dashboards.pages import render_report
from support.browser import ARGUMENTS
from support.matrix import represented

pytestmark = pytest.mark.browser

AXE = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"], "resultTypes": ["violations"]}
PICTURES = os.environ.get("ECOIA_PICTURES")
MOST_BYTES = 120_000
WIDTHS = (375, 768, 1440, 1920)
HEIGHT = "document.documentElement.scrollHeight"
FOLDED_PART = 1 / 3
"""Most of its height with all evidence open that the page may take when folded. Both change alike with a machine's fonts."""

OPEN = "document.querySelectorAll('details').forEach(each => each.open = true)"
OVERHANGING = """[...document.querySelectorAll('body *')]
    .filter(e => !e.closest('.scroll') && !e.matches('.skip') && e.getBoundingClientRect().right > innerWidth + 1)
    .map(e => e.outerHTML.slice(0, 80))"""
SIDEWAYS = "[...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.ariaLabel)"


@pytest.fixture(scope="module")
def address(large: QuarterlyReport, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("large") / "rapport.html"
    path.write_text(render_report(large), encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="module")
def page(address: str) -> Iterator[Page]:
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    assert chromium is not None, "Chromium is not there: install it (apt-get install chromium) or say where it is in CHROMIUM"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield browser.new_page()
        browser.close()


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_overhangs_folded_or_opened(page: Page, address: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(address)
    for step in ("true", OPEN):
        page.evaluate(step)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(OVERHANGING) == []


@pytest.mark.parametrize("width", [1440, 1920])
def test_no_table_scrolls_sideways_on_a_screen(page: Page, address: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(address)
    page.evaluate(OPEN)
    assert page.locator(".scroll").count() > 25
    assert page.evaluate(SIDEWAYS) == []


def test_the_page_is_short_until_evidence_is_opened_and_its_contents_stay_in_view(page: Page, address: str) -> None:
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto(address)
    folded = page.evaluate(HEIGHT)
    assert page.locator("details[open]").count() == 0
    page.evaluate("scrollTo(0, 6000)")
    top = page.evaluate("document.querySelector('nav').getBoundingClientRect().top")
    assert 0 <= top < 900
    page.set_viewport_size({"width": 768, "height": 900})
    assert page.evaluate("getComputedStyle(document.querySelector('nav')).position") == "static"
    page.set_viewport_size({"width": 1440, "height": 900})
    page.evaluate(OPEN)
    assert folded < FOLDED_PART * page.evaluate(HEIGHT)


# Full pages at 320 pixels represent the other width (test_report_browser.py).
@pytest.mark.parametrize("width", represented([375, 1440], by=[1440]))
def test_axe_finds_nothing_with_all_evidence_open(page: Page, address: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(address)
    page.evaluate(OPEN)
    results = Axe().run(page, options=AXE)
    assert results.violations_count == 0, results.generate_report()


def test_the_page_prints_as_the_committee_edition_and_evidence_that_was_opened_is_printed_too(page: Page, address: str) -> None:
    page.goto(address)
    short = len(pikepdf.open(io.BytesIO(page.pdf(prefer_css_page_size=True))).pages)
    assert short <= 10
    page.evaluate("document.querySelector('#annexes').closest('section').querySelectorAll('details').forEach(e => e.open = true)")
    assert len(pikepdf.open(io.BytesIO(page.pdf(prefer_css_page_size=True))).pages) > short


def test_the_first_screen_leads_with_the_finding_as_the_readme_shows_it(page: Page, address: str, repository: Path) -> None:
    page.set_viewport_size({"width": 1100, "height": 1000})
    page.emulate_media(color_scheme="light")
    page.goto(address)
    finding = page.locator(".finding").bounding_box()
    assert finding is not None
    assert finding["y"] + finding["height"] < 500
    if PICTURES:
        shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        picture = shot.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        picture.save(Path(PICTURES) / "report.png", optimize=True)
    assert (repository / "docs" / "images" / "report.png").stat().st_size <= MOST_BYTES
