"""Cards of a notebook, run by a kernel and drawn by Chromium: light, dark, narrow; and the mail beside them.

``ECOIA_PICTURES=FOLDER`` keeps the pictures that docs/dashboard.md shows.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from io import BytesIO
from itertools import product
from pathlib import Path

import nbclient
import nbformat
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from ecoia.exploring import Explorer
from ecoia.periods import Quarter
from ecoia_dashboards.card import draw
from ecoia_dashboards.digest import write
from support.browser import ARGUMENTS
from support.command_line import fill
from support.matrix import represented
from support.records import kwh, record

PICTURES = os.environ.get("ECOIA_PICTURES") and Path(os.environ["ECOIA_PICTURES"]).absolute()  # tests work elsewhere
pytestmark = [pytest.mark.browser, pytest.mark.long]

AXE = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], "resultTypes": ["violations"]}
CELLS = (
    "import ecoia\nwith ecoia.track(service='cv', phase='inference') as span:\n    span.units(1)",
    "ecoia.show('cv', source='journal')",
    "ecoia.show(source='journal', lang='en')",
    "print(ecoia.show('nope', source='journal', lang='en'))",
)
PAGE = """<!DOCTYPE html><html lang="fr"><head><meta charset="utf-8"><title>notebook</title>
<meta name="viewport" content="width=device-width"><style>body {{ margin: 8px; background: {ground}; }}</style></head>
<body data-jp-theme-light="{light}"><main>{outputs}</main></body></html>"""
PARTS = """() => [...document.querySelectorAll('.ecoia-card')].map(card => [
    getComputedStyle(card).backgroundColor, getComputedStyle(card).color])"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    assert chromium is not None, "Chromium is not there: install it (apt-get install chromium) or say where it is in CHROMIUM"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield started
        started.close()


def test_a_notebook_shows_a_card_and_a_print_shows_text(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    fill(home, record("2026-11-23T10:00", cpu=kwh(2), service="cv", zone="FRA"))
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    nbclient.NotebookClient(
        notebook, kernel_name="python3", timeout=300, resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    _, service, organisation, printed = notebook.cells
    (card,) = [output.data for output in service.outputs if "data" in output]
    assert 'class="ecoia-card"' in card["text/html"]
    assert "cv : " in card["text/plain"].replace("\N{NO-BREAK SPACE}", " ")
    (listed,) = [output.data for output in organisation.outputs if "data" in output]
    assert "ecoia.show(&#39;cv&#39;, source=&#39;journal&#39;, lang=&#39;en&#39;)" in listed["text/html"]
    assert "Nothing here has the name “nope”." in "".join(output.text for output in printed.outputs)


def keep(picture: bytes, name: str) -> None:
    """Keep a picture for the documents, in few colours."""
    image = Image.open(BytesIO(picture)).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    image.save(f"{PICTURES}/{name}.png", optimize=True)


def outputs(explorer: Explorer) -> list[str]:
    """The cards of a service, of the organisation, and of what is not there."""
    given = {"source": "ledger", "lang": "fr", "dashboard_url": "https://ecoia.example.org", "trouble": ""}
    names = ("assistant-conseiller", None, "vadorre")
    return [draw(explorer, name, Quarter(2026, 3), **given)._repr_html_() or "" for name in names]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("theme", "width"), represented(product(("light", "dark"), (480, 1000)), by=[("light", 480), ("dark", 1000)])
)
def test_cards_fit_and_follow_the_theme_of_the_notebook(browser: Browser, explorer: Explorer, theme: str, width: int) -> None:
    other = "dark" if theme == "light" else "light"  # what the browser prefers does not matter in a notebook with a theme
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=other, java_script_enabled=True)  # type: ignore[arg-type]
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    ground = "#ffffff" if theme == "light" else "#111111"
    light = "true" if theme == "light" else "false"
    page.set_content(PAGE.format(outputs="\n".join(outputs(explorer)), light=light, ground=ground))
    assert page.evaluate("document.documentElement.scrollWidth") == width
    ink, paper = ("rgb(20, 24, 29)", "rgb(255, 255, 255)") if theme == "light" else ("rgb(233, 237, 241)", "rgb(25, 33, 42)")
    assert page.evaluate(PARTS) == [[paper, ink]] * 3
    assert asked == []
    found = Axe().run(page, options=AXE)
    assert found.violations_count == 0, found.generate_report()
    if PICTURES and (theme, width) == ("light", 1000):
        keep(page.locator(".ecoia-card").first.screenshot(), "notebook-card")
    context.close()


def test_the_mail_fits_and_shows_its_picture(browser: Browser, explorer: Explorer) -> None:
    context = browser.new_context(viewport={"width": 375, "height": 800})
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: None if request.url.startswith("data:") else asked.append(request.url))
    page.set_content(write(explorer, Quarter(2026, 3), lang="fr", form="html").decode())
    assert page.evaluate("document.documentElement.scrollWidth") == 375
    assert page.evaluate("[...document.images].map(each => each.naturalWidth > 500)") == [True]
    assert asked == []
    found = Axe().run(page, options=AXE)
    assert found.violations_count == 0, found.generate_report()
    if PICTURES:
        page.set_viewport_size({"width": 680, "height": 1150})
        keep(page.screenshot(), "digest-mail")
    context.close()
