"""The sheets on paper and on a telephone: one A4 page each, nothing beyond 375 pixels, whatever texts the register holds."""

from __future__ import annotations

import dataclasses
import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pikepdf
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from ecoia.report import QuarterlyReport
from ecoia_dashboards.fiches import render_fiches
from ecoia_dashboards.language import LANGUAGES
from support.browser import ARGUMENTS
from support.large_organisation import large_report
from support.matrix import represented

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    assert chromium, "Chromium is not there: install it (apt-get install chromium) or say where it is in CHROMIUM"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 375, "height": 800})
    yield page
    page.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> QuarterlyReport:
    return large_report(tmp_path_factory.mktemp("large"), equivalences="use: [km-voiture-thermique, km-tgv]\n")


def with_long_texts(report: QuarterlyReport) -> QuarterlyReport:
    """The report with texts as long as its sheets can hold."""
    words = "un texte assez long qui remplit sa place " * 50
    register = tuple(
        dataclasses.replace(each, purpose=words, audience=words[:120], owner_role=words[:60]) for each in report.register
    )
    (first, *_) = report.actions
    actions = tuple(dataclasses.replace(first, text=words, service=None, state="planned", id=f"a{n}") for n in range(5))
    return dataclasses.replace(report, register=register, actions=actions, ethics_contact="ethique@organisation.example")


@pytest.mark.parametrize("lang", LANGUAGES)
def test_each_is_one_page_and_nothing_overhangs_at_375_pixels(
    page: Page, report: QuarterlyReport, tmp_path: Path, lang: str
) -> None:
    longest = render_fiches(with_long_texts(report), lang)["service-assistant-conseiller.html"]
    for name, content in {**render_fiches(report, lang), "with long texts": longest}.items():
        path = tmp_path / f"{name}.html"
        path.write_text(content, encoding="utf-8")
        page.goto(path.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= 375, name
        assert len(pikepdf.open(io.BytesIO(page.pdf(prefer_css_page_size=True))).pages) == 1, name


# Full sheets at 1280 pixels represent the other width (test_report_browser.py).
@pytest.mark.parametrize("width", represented([375, 1280], by=[375]))
def test_axe_finds_nothing(page: Page, report: QuarterlyReport, tmp_path: Path, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    for name in ("service-assistant-conseiller.html", "service-parite.html", "region-bretagne.html"):
        path = tmp_path / name
        path.write_text(render_fiches(report)[name], encoding="utf-8")
        page.goto(path.as_uri())
        results = Axe().run(page)
        assert results.violations_count == 0, results.generate_report()
