"""The dashboard's drawings, style sheet and scripts in a real browser, under its content security policy."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from ecoia.report import QuarterlyReport
from ecoia_dashboards.figures import charts
from ecoia_dashboards.language import Language
from support.browser import ARGUMENTS
from support.gallery import served, with_runs
from support.matrix import represented

pytestmark = pytest.mark.browser

AXE = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"], "resultTypes": ["violations"]}
expect.set_options(timeout=60_000)  # Plotly's five megabytes, on a busy machine
WIDTHS = (320, 375, 768, 1440)
NOT_READABLE = """() => [...document.querySelectorAll('svg[role=img]')].flatMap(drawing => {
    const frame = drawing.getBoundingClientRect();
    const boxes = [...drawing.querySelectorAll('text')].map(each => [each.textContent, each.getBoundingClientRect()]);
    const clipped = boxes.filter(([, b]) => b.left < frame.left - 1 || b.right > frame.right + 1
        || b.top < frame.top - 2 || b.bottom > frame.bottom + 2).map(([words]) => 'clipped: ' + words);
    const over = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
        && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 4;
    const overlaid = boxes.flatMap(([words, a], place) =>
        boxes.slice(place + 1).filter(([, b]) => over(a, b)).map(([other]) => 'overlaid: ' + words + ' / ' + other));
    return [...clipped, ...overlaid];
})"""
VIOLATIONS = """globalThis.violations = [];
addEventListener('securitypolicyviolation', event => violations.push(event.violatedDirective + ' ' + event.blockedURI));"""


@pytest.fixture(scope="module")
def address(large: QuarterlyReport) -> Iterator[str]:
    language = Language("fr")
    with served(charts(with_runs(large), language), language) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    assert chromium is not None, "Chromium is not there: install it (apt-get install chromium) or say where it is in CHROMIUM"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """Give a page that notes what the policy refuses, what goes elsewhere, and every error."""
    context = browser.new_context(color_scheme="light", accept_downloads=True, permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.add_init_script(VIOLATIONS)
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on(
        "request",
        lambda request: None if request.url.startswith((address, "blob:" + address, "data:")) else wrong.append(request.url),
    )
    page.goto(address)
    yield page
    assert page.evaluate("violations") == []
    assert wrong == []
    context.close()


@pytest.mark.parametrize("width", WIDTHS)
def test_texts_are_whole_and_apart_at_every_width(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    assert page.locator("svg[role=img]").count() >= 8
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate(NOT_READABLE) == []


def test_text_is_as_large_on_a_telephone(page: Page) -> None:
    sizes = "[...document.querySelectorAll('svg[role=img] text')].map(each => each.getBoundingClientRect().height)"
    page.set_viewport_size({"width": 1440, "height": 900})
    wide = page.evaluate(sizes)
    page.set_viewport_size({"width": 375, "height": 900})
    assert page.evaluate(sizes) == pytest.approx(wide, abs=0.5)


def test_the_style_sheet_decides_the_colours(page: Page) -> None:
    color = "getComputedStyle(document.querySelector('svg .bar.measured')).fill"
    light = page.evaluate(color)
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(color)
    assert light == "rgb(31, 78, 121)"
    assert dark == "rgb(111, 168, 224)"
    page.emulate_media(color_scheme="dark", media="print")
    assert page.evaluate(color) == light
    page.emulate_media(color_scheme="light", media="screen")
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    assert page.evaluate(color) == dark


@pytest.mark.parametrize(
    ("width", "scheme"), represented(product((375, 1440), ("light", "dark")), by=[(375, "light"), (1440, "dark")])
)
def test_axe_finds_nothing(browser: Browser, address: str, scheme: str, width: int) -> None:
    context = browser.new_context(bypass_csp=True, color_scheme=scheme, viewport={"width": width, "height": 900})  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(address)
    page.locator("button.explore").first.wait_for()
    found = Axe().run(page, options=AXE).response["violations"]
    assert [(each["id"], [node["html"][:120] for node in each["nodes"][:3]]) for each in found] == []
    context.close()


def test_plotly_is_loaded_once_and_only_when_a_reader_asks_for_it(page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.rpartition("/")[2]))
    assert page.evaluate("typeof Plotly") == "undefined"
    buttons = page.get_by_role("button", name="Explorer")
    count = buttons.count()
    for place in range(count):
        buttons.first.press("Enter")
        expect(page.locator(".explored .modebar-btn")).to_have_count(6 * (place + 1))
    assert asked.count("plotly.js") == 1
    assert sum(name.endswith(".json") for name in asked) == count
    titles = page.eval_on_selector_all(".modebar-btn", "all => all.map(each => each.dataset.title)")
    assert titles[:6] == [
        "Agrandir une zone",
        "Déplacer",
        "Agrandir",
        "Réduire",
        "Revenir aux axes de départ",
        "Télécharger l’image en PNG",
    ]
    assert page.locator('[data-title*="loud"], [data-title*="hare"], .plotlyjsicon').count() == 0


def test_an_explored_chart_has_the_page_s_colours_and_language_and_gives_the_drawing_back(page: Page) -> None:
    page.emulate_media(color_scheme="dark")
    card = page.locator("section", has=page.locator("#title-trend"))
    card.get_by_role("button").press("Enter")
    expect(card.locator(".explored .bars path").first).to_be_visible()
    expect(card.locator("svg.drawing")).to_be_hidden()
    fill = card.locator(".explored .bars path").first.evaluate("each => getComputedStyle(each).fill")
    assert fill == "rgb(111, 168, 224)"
    page.emulate_media(color_scheme="light")
    expect(card.locator(".explored .bars path").first).to_have_css("fill", "rgb(31, 78, 121)")
    card.get_by_role("button", name="Revenir au dessin").press("Enter")
    expect(card.locator(".explored")).to_have_count(0)
    expect(card.locator("svg.drawing")).to_be_visible()


def test_the_buttons_of_an_explored_chart_are_reached_by_keyboard(page: Page) -> None:
    card = page.locator("section", has=page.locator("#title-trend"))
    button = card.locator("button.explore")
    button.press("Enter")
    expect(card.locator(".modebar-btn")).to_have_count(6)
    button.focus()
    page.keyboard.press("Shift+Tab")
    assert page.evaluate("document.activeElement.closest('.explored') !== null")


def test_a_figure_that_does_not_come_leaves_the_drawing(browser: Browser, address: str) -> None:
    page = browser.new_page()
    page.route("**/figures/trend.json", lambda route: route.abort())
    page.goto(address)
    card = page.locator("section", has=page.locator("#title-trend"))
    card.get_by_role("button").click()
    expect(card.get_by_role("button", name="Explorer")).to_be_enabled()
    expect(card.locator("svg.drawing")).to_be_visible()
    page.close()


def test_a_picture_is_made_in_the_browser(page: Page, tmp_path: Path) -> None:
    from PIL import Image

    with page.expect_download() as download:
        page.locator("section", has=page.locator("#title-statuses")).get_by_role("link", name="PNG").click()
    assert download.value.suggested_filename == "statuses.png"
    download.value.save_as(tmp_path / "statuses.png")
    with Image.open(tmp_path / "statuses.png") as picture:
        assert picture.width == 1440
        colors = {color for _, color in picture.convert("RGB").getcolors(1 << 20) or ()}
    assert {(31, 78, 121), (184, 80, 12), (255, 255, 255)} <= colors


def test_a_slash_goes_to_the_search_field_and_is_a_slash_there(page: Page) -> None:
    page.keyboard.press("/")
    search = page.get_by_role("searchbox")
    expect(search).to_be_focused()
    expect(search).to_have_value("")
    page.keyboard.press("/")
    expect(search).to_have_value("/")


def test_drawings_stand_without_script(browser: Browser, address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    assert page.locator("svg[role=img]").count() >= 8
    assert page.locator("button").count() == 0
    context.close()


def test_patterns_are_drawn_on_paper(page: Page) -> None:
    from pypdfium2 import PdfDocument

    document = PdfDocument(page.pdf(format="A4"))
    colors = set()
    for sheet in document:
        picture = sheet.render(scale=2).to_pil().convert("RGB")
        colors |= {color for count, color in picture.getcolors(1 << 22) or () if count > 20}
    assert (184, 80, 12) in colors
    assert (31, 78, 121) in colors
