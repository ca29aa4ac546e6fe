"""The report in a real browser: every figure of the JSON is shown, nothing is requested, every reader can use it."""

from __future__ import annotations

import dataclasses
import io
import os
import re
import shutil
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pikepdf
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from ecoia.report import QuarterlyReport
from ecoia_dashboards.fiches import render_fiches
from ecoia_dashboards.language import LANGUAGES, Language
from ecoia_dashboards.pages import render_report
from support.browser import ARGUMENTS
from support.matrix import represented
from support.reports import full_report, sample_report, varying_report

pytestmark = pytest.mark.browser

AXE = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "RGAAv4", "best-practice"],
    "resultTypes": ["violations"],  # what passes needs no description of each element: it would be most of the work
}
WIDTHS = (320, 768, 1280)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if chromium is None or not Path(chromium).exists():
        pytest.fail(f"Chromium is not there ({chromium}): install it (apt-get install chromium) or say where it is in CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> QuarterlyReport:
    return sample_report(tmp_path_factory.mktemp("catalogue"))


@pytest.fixture(scope="module")
def full_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The page of a report with something in every part, and each sheet, in both languages."""
    folder = tmp_path_factory.mktemp("full")
    report = full_report(folder / "catalogue")
    paths = {}
    for lang in LANGUAGES:
        shown = ("service-vadore.html", "service-gestion-contacts-mails.html", "region-bretagne.html")
        sheets = render_fiches(report, lang)
        for name, html in {"report.html": render_report(report, lang), **{name: sheets[name] for name in shown}}.items():
            paths[f"{lang}-{name}"] = folder / f"{lang}-{name}"
            paths[f"{lang}-{name}"].write_text(html, encoding="utf-8")
    return paths


@pytest.fixture(scope="module")
def files(report: QuarterlyReport, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    paths = {lang: folder / f"rapport-{lang}.html" for lang in LANGUAGES}
    for lang, path in paths.items():
        path.write_text(render_report(report, lang), encoding="utf-8")
    return paths


class Seen:
    """Events while a page was open."""

    def __init__(self, page: Page) -> None:
        self.requests: list[str] = []
        self.messages: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda message: self.messages.append(message.text))
        page.on("pageerror", lambda error: self.messages.append(str(error)))


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    yield page
    page.close()


def visible_text(page: Page) -> str:
    """The text of the page, evidence opened."""
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    return re.sub(r"\s+", " ", page.inner_text("body"))


def plain(text: str) -> str:
    return re.sub(r"\s+", " ", text)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_numbers_of_the_data_are_seen_and_nothing_is_requested(
    page: Page, files: dict[str, Path], report: QuarterlyReport, lang: str
) -> None:
    seen = Seen(page)
    page.goto(files[lang].as_uri())
    text = visible_text(page)
    language = Language(lang)
    assert plain(language.amount(report.totals.energy)) in text
    assert plain(language.interval(report.totals.energy) or "") in text
    quantities = [entry.energy for entry in report.register]
    column = language.column(quantities)
    for quantity in quantities:
        if quantity.value is not None:
            assert plain(column.amount(quantity)) in text
            assert plain(column.interval(quantity) or "") in text
    assert plain(language.whole(report.totals.energy_components_microjoules)) in text
    assert [url for url in seen.requests if not url.startswith("data:")] == [files[lang].as_uri()]
    assert seen.messages == []
    drawn = page.evaluate("Promise.all([...document.images].map(i => i.decode().then(() => i.naturalWidth)))")
    small, wide = (width * 96 // 72 for width in (400, 720))  # a drawing's points, in pixels: the image was understood and drawn
    assert drawn == [small, *[wide] * 5]


@pytest.mark.parametrize(("width", "lang"), represented(product((320, 1280), LANGUAGES), by=[(320, "en"), (1280, "fr")]))
def test_axe_finds_nothing(page: Page, files: dict[str, Path], lang: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(files[lang].as_uri())
    results = Axe().run(page, options=AXE)
    assert results.violations_count == 0, results.generate_report()
    assert len(results.response["passes"]) > 30


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("width", WIDTHS)
def test_no_horizontal_overflow(page: Page, files: dict[str, Path], lang: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(files[lang].as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    wide = page.evaluate(
        """[...document.querySelectorAll('body *')]
        .filter(e => !e.closest('.scroll') && !e.matches('.skip') && e.getBoundingClientRect().right > innerWidth + 1)
        .map(e => e.outerHTML.slice(0, 80))"""
    )
    assert wide == []


def test_text_doubled_in_size_still_fits(page: Page, files: dict[str, Path]) -> None:
    # A browser's 200 % zoom of a 1280 px window lays the page out in 640.
    page.set_viewport_size({"width": 640, "height": 450})
    page.goto(files["fr"].as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 640


def test_keyboard_reaches_the_content_and_every_wide_table(page: Page, files: dict[str, Path]) -> None:
    page.goto(files["fr"].as_uri())
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "contenu"
    regions = page.locator("[role=region][tabindex='0'][aria-label]").count()
    assert regions == page.locator("table").count() > 5


def test_narrow_windows_get_a_drawing_made_for_them(page: Page, files: dict[str, Path]) -> None:
    page.set_viewport_size({"width": 320, "height": 900})
    page.goto(files["fr"].as_uri())
    widths = page.evaluate("Promise.all([...document.images].map(i => i.decode().then(() => i.naturalWidth)))")
    assert all(width < 720 for width in widths)


def test_first_printed_page_is_the_synthesis(page: Page, files: dict[str, Path], tmp_path: Path) -> None:
    page.emulate_media(media="print")
    page.goto(files["fr"].as_uri())
    # A4 less the margins of the style sheet, at 96 pixels an inch.
    page.set_viewport_size({"width": round(182 / 25.4 * 96), "height": round((297 - 12 - 16) / 25.4 * 96)})
    bottom = page.evaluate("document.getElementById('synthese').closest('section').getBoundingClientRect().bottom")
    assert bottom <= page.evaluate("innerHeight")
    assert page.evaluate("getComputedStyle(document.querySelector('nav')).display") == "none"
    second = page.evaluate("getComputedStyle(document.getElementById('engagement').closest('section')).breakBefore")
    assert second == "page"
    assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF")


def test_factors_that_vary_gaps_and_contracts_are_seen_and_leave_nobody_out(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "rapport.html"
    path.write_text(render_report(varying_report(tmp_path / "catalogue")), encoding="utf-8")
    page.goto(path.as_uri())
    text = visible_text(page)
    for said in (
        "selon les contrats d’électricité, à côté et dans aucun total",
        "25 % de l’énergie a été utilisée à des heures sans",
    ):
        assert plain(said) in text
    for width in (320, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        results = Axe().run(page, options=AXE)
        assert results.violations_count == 0, results.generate_report()


@pytest.mark.parametrize("lang", LANGUAGES)
def test_full_pages_and_sheets_fit_every_width_and_ask_for_nothing(page: Page, full_files: dict[str, Path], lang: str) -> None:
    for name, path in full_files.items():
        if name.startswith(lang):
            seen = Seen(page)
            page.goto(path.as_uri())
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 900})
                assert page.evaluate("document.documentElement.scrollWidth") <= width, name
            assert set(seen.requests) - {path.as_uri()} == {url for url in seen.requests if url.startswith("data:")}


@pytest.mark.parametrize(("width", "lang"), represented(product(WIDTHS, LANGUAGES), by=[(320, "fr"), (1280, "en")]))
def test_axe_finds_nothing_on_full_pages_and_sheets(page: Page, full_files: dict[str, Path], lang: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    for name, path in full_files.items():
        if name.startswith(lang):
            page.goto(path.as_uri())
            results = Axe().run(page, options=AXE)
            assert results.violations_count == 0, f"{name}: {results.generate_report()}"


@pytest.mark.parametrize("lang", LANGUAGES)
def test_each_sheet_is_one_printed_page_and_so_is_a_full_synthesis(page: Page, full_files: dict[str, Path], lang: str) -> None:
    # A4 less the margins of the style sheet, at 96 pixels an inch.
    page.emulate_media(media="print")
    page.set_viewport_size({"width": round(182 / 25.4 * 96), "height": round((297 - 12 - 16) / 25.4 * 96)})
    for name, path in full_files.items():
        if name.startswith(lang):
            page.goto(path.as_uri())
            if "report" in name:
                bottom = page.evaluate("document.getElementById('synthese').closest('section').getBoundingClientRect().bottom")
                assert bottom <= page.evaluate("innerHeight")
            else:
                pages = pikepdf.open(io.BytesIO(page.pdf(prefer_css_page_size=True))).pages
                assert len(pages) == 1, name


def test_a_sheet_of_a_region_with_every_service_is_still_one_page(page: Page, tmp_path: Path) -> None:
    report = full_report(tmp_path / "catalogue")
    line = next(each for each in report.regions if each.region == "Bretagne")
    many = tuple(dataclasses.replace(line, service=f"un-service-au-nom-plutot-long-{number}") for number in range(40))
    path = tmp_path / "region.html"
    path.write_text(render_fiches(dataclasses.replace(report, regions=many))["region-bretagne.html"], encoding="utf-8")
    page.goto(path.as_uri())
    assert "25 autres services" in visible_text(page)
    assert len(pikepdf.open(io.BytesIO(page.pdf(prefer_css_page_size=True))).pages) == 1
