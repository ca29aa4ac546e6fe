"""MLflow's pages with our figures, in a real browser. ``ECOIA_PICTURES=FOLDER`` keeps their pictures, as docs/images has them."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from ecoia.keeping.journal import Journal
from support.browser import ARGUMENTS
from support.deliveries import api
from support.mlflow_demo import Demo, make_demo
from support.mlflow_stores import MLFLOW_WARNINGS, free_port, mlflow_server

pytestmark = [
    pytest.mark.browser,
    pytest.mark.mlflow,
    *(pytest.mark.filterwarnings(line) for line in MLFLOW_WARNINGS),
]

PICTURES = os.environ.get("ECOIA_PICTURES")
WIDTH, HEIGHT = 1280, 800
MOST_BYTES = 120_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    assert chromium, "Chromium is not there: install it (apt-get install chromium) or say where it is in CHROMIUM"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def served(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Demo]]:
    """A server with the runs of the demo, delivered through it."""
    folder = tmp_path_factory.mktemp("pages")
    shutil.copy(migrated, folder / "mlflow.db")
    with mlflow_server(f"sqlite:///{folder / 'mlflow.db'}", free_port(), folder / "artifacts") as uri:
        yield uri, make_demo(Journal(folder / "home"), uri)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
    page.set_default_timeout(60_000)
    yield page
    page.close()


@pytest.fixture
def picture(page: Page) -> Callable[[str], None]:
    """Takes the picture of a page, if somebody wants it."""

    def take(name: str) -> None:
        if PICTURES:
            page.wait_for_timeout(1500)  # charts move until they stand; nothing is asserted of it
            image = Image.open(io.BytesIO(page.screenshot())).convert("RGB").quantize(96)
            image.save(Path(PICTURES) / f"mlflow-{name}.png", optimize=True)

    return take


def close_assistant(page: Page) -> None:
    """Close the pane that covers a quarter of the page, where this MLflow has one."""
    heading = page.get_by_text("MLflow Assistant").first
    if heading.count():
        heading.locator("xpath=ancestor::div[count(.//button) >= 3][1]").get_by_role("button").nth(2).click()


def test_the_run_page_shows_its_energy_first_and_says_all_in_a_line(
    page: Page, served: tuple[str, Demo], picture: Callable[[str], None]
) -> None:
    uri, demo = served
    page.goto(f"{uri}/#/experiments/{demo.experiment}/runs/{demo.single}")
    page.get_by_text("ecoia: 12.4 Wh (GPU 9.8, CPU 1.9, RAM 0.7)").first.wait_for()
    page.get_by_text("GPU and CPU measured, RAM estimated; vadore, training").first.wait_for()
    close_assistant(page)
    page.get_by_text("ecoia: 12.4 Wh").first.scroll_into_view_if_needed()
    picture("run")
    page.goto(f"{uri}/#/experiments/{demo.experiment}/runs/{demo.single}/model-metrics")
    page.get_by_text("12.40").first.wait_for()  # a bar: a dot at a late step has no number
    page.goto(f"{uri}/#/experiments/{demo.experiment}/runs/{demo.single}/system-metrics")
    page.get_by_text("ecoia_gpu_power_w").first.wait_for()
    page.locator("svg.main-svg path.js-line").nth(1).wait_for()  # two lines over time
    picture("system")


def test_the_artifact_page_fits_the_frame_without_origin(
    page: Page, served: tuple[str, Demo], picture: Callable[[str], None]
) -> None:
    uri, demo = served
    page.goto(f"{uri}/#/experiments/{demo.experiment}/runs/{demo.search}/artifacts/ecoia/impact.html")
    element = page.locator("iframe").first
    element.wait_for()
    assert "allow-same-origin" not in (element.get_attribute("sandbox") or "")
    frame = page.frame_locator("iframe").first
    frame.get_by_text("Impact environnemental").first.wait_for()
    frame.get_by_text("trial-3").first.wait_for()
    frame.get_by_text("échoué").first.wait_for()
    assert frame.locator("svg rect").count() == 2
    assert frame.locator("html").evaluate("e => e.scrollWidth <= e.clientWidth")
    close_assistant(page)
    picture("artifact")


def test_runs_models_and_experiments_show_energy_side_by_side(
    page: Page, served: tuple[str, Demo], picture: Callable[[str], None]
) -> None:
    uri, demo = served
    page.goto(f"{uri}/#/experiments/{demo.experiment}/runs?compareRunsMode=CHART")
    page.get_by_text("ecoia: 19.2 Wh").first.wait_for()
    page.get_by_text("12.40").first.wait_for()
    page.get_by_text("6.84").first.wait_for()
    close_assistant(page)
    picture("comparison")
    page.goto(f"{uri}/#/experiments/{demo.experiment}/models/{demo.model}")
    page.get_by_text("ecoia/energy_wh").first.wait_for()
    picture("model")
    page.goto(f"{uri}/#/experiments")
    page.get_by_text("ecoia/ledger").first.wait_for()
    page.get_by_text("ecoia: 19.2 Wh").first.wait_for()
    picture("experiments")


@pytest.mark.parametrize("width", [480, 900])
def test_the_impact_page_leaves_nobody_out(page: Page, served: tuple[str, Demo], tmp_path: Path, width: int) -> None:
    uri, demo = served
    page.set_viewport_size({"width": width, "height": 700})
    for run_id in (demo.single, demo.search):
        path = api(uri).download_artifacts(run_id, "ecoia/impact.html", str(tmp_path))
        page.goto(Path(path).as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        results = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]})
        assert results.violations_count == 0, results.generate_report()


def test_pictures_of_the_documentation_are_small(repository: Path) -> None:
    pictures = list((repository / "docs" / "images").glob("mlflow-*.png"))
    assert len(pictures) >= 5
    assert [path.name for path in pictures if path.stat().st_size > MOST_BYTES] == []
