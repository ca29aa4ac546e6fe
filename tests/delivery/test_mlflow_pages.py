"""MLflow's pages with our figures, in a real browser. ``ECOIA_PICTURES=FOLDER`` keeps their pictures, as docs/images has them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from ecoia.keeping.journal import Journal
from support.browser import ARGUMENTS
from support.mlflow_demo import Demo, make_demo
from support.mlflow_stores import MLFLOW_WARNINGS, free_port, mlflow_server

pytestmark = [
    pytest.mark.browser,
    pytest.mark.mlflow,
    *(pytest.mark.filterwarnings(line) for line in MLFLOW_WARNINGS),
]

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
    page.add_init_script(
        "for (const key of ['mlflow.assistant.panel.open', '_mlflow_assistant_open']) localStorage.setItem(key, 'false')"
    )
    page.set_default_timeout(60_000)
    yield page
    page.close()


@pytest.fixture
def picture(page: Page) -> Callable[[str], None]:
    """Takes the picture of a page, if somebody wants it."""

    def take(name: str) -> None:
        page.wait_for_timeout(1500)  # charts are drawn; nothing is asserted of it
        folder = os.environ.get("ECOIA_PICTURES")
        if folder:
            path = Path(folder) / f"mlflow-{name}.png"
            page.screenshot(path=path)

    return take
