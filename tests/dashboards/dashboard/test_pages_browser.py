"""Every page of the dashboard in Chromium: by keyboard alone, by what a screen reader is told, on narrow and on large screens.

``ECOIA_PICTURES=FOLDER`` keeps the pictures that docs/images has.
"""

from __future__ import annotations

import io
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from ecoia.exploring import Explorer, Selection
from ecoia.periods import Quarter
from support.browser import ARGUMENTS
from support.dashboard import serving

pytestmark = [pytest.mark.browser, pytest.mark.no_cover]

PICTURES = os.environ.get("ECOIA_PICTURES")
MOST_BYTES = 120_000
AXE = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"], "resultTypes": ["violations"]}
PATHS = (
    "/",
    "/?period=2026-07-06..2026-07-19&service=vadore",
    "/services",
    "/services?q=nothing-has-this-name",
    "/services/assistant-conseiller",
    "/services/transcription",
    "/instances/gpu-01",
    "/compare?compare=year",
    "/compare?view=services&service=vadore,fraude",
    "/runs?outcome=failed",
    "/runs/compare?runs={one},{other}",
    "/runs/{one}",
    "/load",
    "/llm",
    "/commitments",
    "/method",
    "/publications",
    "/quality",
    "/formula?service=vadore",
    "/records?service=vadore",
    "/services/nothing-has-this-name",
    "/api/v1/docs",
)
WIDE, HIGH = 1440, 900
NARROW = 320
VIOLATIONS = """globalThis.violations = [];
addEventListener('securitypolicyviolation', event => violations.push(event.violatedDirective + ' ' + event.blockedURI));"""
SIDEWAYS = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
WITHOUT_TABLE = """[...document.querySelectorAll('figure svg[role=img]')].map(each => each.closest('section'))
    .filter(card => !card?.querySelector('table') || !card.querySelector('h2')?.textContent.trim())
    .map(card => card?.outerHTML.slice(0, 120))"""
FOCUSABLE = """() => [...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, summary, [tabindex="0"]')]
    .filter(each => each.checkVisibility({ visibilityProperty: true, contentVisibilityAuto: true }) && !each.disabled).length"""
FOCUSED = """() => {
    const it = document.activeElement;
    if (it === document.body || it === null) return null;
    globalThis.stops ??= new Map();
    const seen = stops.has(it);
    stops.set(it, stops.size);
    const box = it.getBoundingClientRect(), style = getComputedStyle(it);
    const middle = (from, to, most) => (Math.max(from, 0) + Math.min(to, most)) / 2;
    const x = middle(box.left, Math.min(box.right, box.left + 40), innerWidth), y = middle(box.top, box.bottom, innerHeight);
    const top = document.elementFromPoint(x, y);
    return {
        what: it.outerHTML.slice(0, 120), seen, ring: it.matches(':focus-visible') && parseFloat(style.outlineWidth) >= 2,
        inside: box.width * box.height > 0 && box.bottom > 0 && box.top < innerHeight && box.left < innerWidth && box.right > 0,
        covered: !(top !== null && (it.contains(top) || top.contains(it))),
    };
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    assert chromium is not None, "Chromium is not there: install it (apt-get install chromium) or say where it is in CHROMIUM"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def address(app: Any) -> Iterator[str]:
    with serving(app) as address:
        yield address


@pytest.fixture(scope="module")
def runs(explorer: Explorer) -> tuple[str, str]:
    one, other, *_ = explorer.runs(Selection.of_quarter(Quarter(2026, 3)))
    return one.run_id, other.run_id


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """Give a page that notes what the policy refuses, what goes elsewhere, and every error."""
    context = browser.new_context(viewport={"width": WIDE, "height": HIGH}, base_url=address, reduced_motion="reduce")
    page = context.new_page()
    page.add_init_script(VIOLATIONS)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith(address) else wrong.append(request.url))
    yield page
    assert page.evaluate("violations") == []
    assert wrong == []
    context.close()


def named(path: str, runs: tuple[str, str]) -> str:
    return path.format(one=runs[0], other=runs[1])


def told(page: Page) -> list[tuple[str, str]]:
    """Return role and name of everything that assistive technology is told of, in order."""
    session = page.context.new_cdp_session(page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    session.detach()
    return [(it["role"]["value"], it.get("name", {}).get("value", "").strip()) for it in nodes if not it["ignored"]]


@pytest.mark.parametrize("path", PATHS)
def test_nothing_overhangs_at_320_pixels_nor_at_twice_the_size(page: Page, runs: tuple[str, str], path: str) -> None:
    page.goto(named(path, runs))
    for width in (WIDE, WIDE // 2, NARROW):
        page.set_viewport_size({"width": width, "height": HIGH})
        wide, room = page.evaluate(SIDEWAYS)
        assert wide <= room, width


@pytest.mark.parametrize("path", PATHS)
def test_a_screen_reader_is_told_names_of_landmarks_charts_and_tables(page: Page, runs: tuple[str, str], path: str) -> None:
    page.goto(named(path, runs))
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    found = told(page)
    counted = Counter(role for role, _ in found)
    assert [counted[role] for role in ("banner", "main", "contentinfo")] == [1, 1, 1]
    assert counted["heading"] >= 1
    for role in ("navigation", "region", "form"):
        names = [name for each, name in found if each == role]
        assert all(names), role
        assert len(set(names)) == len(names), (role, names)
    nameless = {role for role, name in found if not name} & {
        *(
            "link",
            "button",
            "combobox",
            "checkbox",
            "searchbox",
            "image",
            "img",
            "SvgRoot",
            "graphics-document",
            "DisclosureTriangle",
        ),
    }
    assert nameless == set()
    assert page.evaluate(WITHOUT_TABLE) == []
    tables = [name for role, name in found if role == "table"]
    assert all(tables), "a table without a name"


@pytest.mark.parametrize("place", range(len(PATHS)))
def test_axe_finds_nothing(browser: Browser, address: str, runs: tuple[str, str], place: int) -> None:
    scheme, width = (("light", 375), ("dark", WIDE))[place % 2]
    context = browser.new_context(bypass_csp=True, color_scheme=scheme, viewport={"width": width, "height": HIGH})  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(address + named(PATHS[place], runs))
    violations = Axe().run(page, options=AXE).response["violations"]
    context.close()
    assert [(each["id"], [node["html"][:120] for node in each["nodes"][:3]]) for each in violations] == []


@pytest.mark.parametrize("path", ["/", "/compare", "/runs", "/services/assistant-conseiller"])
def test_tab_reaches_everything_once_and_shows_where_it_is(page: Page, path: str) -> None:
    page.goto(path)
    expected = page.evaluate(FOCUSABLE)
    stops = []
    for _ in range(expected + 5):
        page.keyboard.press("Tab")
        found = page.evaluate(FOCUSED)
        if found is None:
            break
        assert not found["seen"], found["what"]
        stops.append(found)
    assert len(stops) == expected
    assert [each["what"] for each in stops if not each["ring"]] == []
    assert [each["what"] for each in stops if not each["inside"] or each["covered"]] == []


def test_the_first_stop_skips_to_the_content(page: Page) -> None:
    page.goto("/")
    page.keyboard.press("Tab")
    skip = page.locator("a.skip").first
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")


def test_a_period_is_chosen_by_keyboard(page: Page) -> None:
    page.goto("/compare")
    tab_to(page, "select", "T3")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    tab_to(page, "button", "Afficher")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("period=2026Q2&compare=year"))
    expect(page.get_by_role("heading", level=1)).to_contain_text("T2")


def test_runs_are_filtered_sorted_and_compared_by_keyboard(page: Page) -> None:
    page.goto("/runs")
    tab_to(page, "summary", "Filtres")
    page.keyboard.press("Enter")
    tab_to(page, "summary", "Issue")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.keyboard.press("Escape")
    expect(page.locator("details.choice[open]")).to_have_count(0)
    expect(page.locator("summary", has_text="Issue")).to_be_focused()
    tab_to(page, "button", "Afficher")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("outcome=failed"))
    page.goto("/runs")
    tab_to(page, "a", "Durée")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("sort=duration"))
    expect(page.locator("th[aria-sort=ascending]")).to_have_text("Durée")
    for _ in range(2):
        tab_to(page, "input", "")
        page.keyboard.press("Space")
    expect(page.locator("input[name=runs]:checked")).to_have_count(2)
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/runs/compare[?].*runs="))
    expect(page.get_by_role("heading", level=1)).to_be_visible()


def tab_to(page: Page, name: str, words: str) -> None:
    """Press Tab until an element of a name, with some words, has the focus."""
    for _ in range(200):
        page.keyboard.press("Tab")
        found = page.evaluate("[document.activeElement.localName, document.activeElement.textContent]")
        if found[0] == name and words in found[1]:
            return
    raise AssertionError(f"no {name} with '{words}' was reached")


@pytest.mark.parametrize(
    ("name", "path"), [("overview", "/"), ("service", "/services/assistant-conseiller"), ("compare", "/compare")]
)
def test_pages_stand_without_script_as_the_documentation_shows_them(browser: Browser, address: str, name: str, path: str) -> None:
    context = browser.new_context(java_script_enabled=False, viewport={"width": 1280, "height": 800}, locale="en")
    page = context.new_page()
    page.goto(f"{address}{path}?lang=en")
    assert page.locator("main svg[role=img]").count() >= 1
    if PICTURES:
        shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        picture = shot.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)  # keeps colours that few points have
        picture.save(Path(PICTURES) / f"dashboard-{name}.png", optimize=True)
    context.close()


def test_pictures_of_the_documentation_are_small(repository: Path) -> None:
    pictures = list((repository / "docs" / "images").glob("dashboard-*.png"))
    assert len(pictures) == 3
    assert [path.name for path in pictures if path.stat().st_size > MOST_BYTES] == []
