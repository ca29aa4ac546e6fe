"""The documentation as a site: it builds in strict mode, and asks nobody for anything when it is read."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from support.browser import ARGUMENTS

pytestmark = pytest.mark.checkout

REPOSITORY = Path(__file__).resolve().parents[2]


def build(root: Path, out: Path) -> subprocess.CompletedProcess[str]:
    """Build the site of a checkout, as ``make docs`` does."""
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(out)],
        cwd=root,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built pages."""
    out = tmp_path_factory.mktemp("site")
    done = build(REPOSITORY, out)
    assert done.returncode == 0, done.stderr
    return out


class _Loaded(HTMLParser):
    """Addresses that a page loads by itself: all but the links that a reader clicks."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("src", "srcset", "data", "poster") or (name == "href" and tag == "link"):
                self.addresses.append(value or "")


def test_no_page_names_anything_from_elsewhere(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        loaded = _Loaded()
        loaded.feed(page.read_text(encoding="utf-8"))
        assert loaded.addresses
        assert not [address for address in loaded.addresses if re.match(r"(https?:)?//", address)], page.name
        assert "mermaid" not in page.read_text(encoding="utf-8"), f"{page.name}: the theme loads mermaid from a CDN"
    for sheet in site.rglob("*.css"):
        assert not re.search(r"""(url\(|@import)\s*['"]?(https?:)?//""", sheet.read_text(encoding="utf-8")), sheet.name


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    """The address at which this machine serves the pages."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.mark.browser
def test_a_browser_asks_nobody_else_and_finds_what_it_searches(site: Path, address: str) -> None:
    asked: set[str] = set()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        page = browser.new_page()
        page.on("request", lambda request: asked.add(request.url))
        for file in ("index", "architecture", "method", "reference/ecoia", "reference/testing"):
            page.goto(f"{address}{file}.html", wait_until="networkidle")
        page.goto(f"{address}index.html", wait_until="networkidle")
        page.locator(".md-search__input").click()
        page.keyboard.type("idle power")
        page.locator(".md-search-result__item").first.wait_for()
        assert page.locator(".md-search-result__item").count() > 1
        browser.close()
    assert asked
    assert not {url for url in asked if not url.startswith((address, "data:", "blob:"))}


MISTAKES = (
    ("docs/index.md", "(configuration.md)", "(nowhere.md)", "'nowhere.md'"),
    ("docs/index.md", "(cli.md)", "(cli.md#not-there)", "'#not-there'"),
    ("docs/ci.md", "(../integrations/ci/gitlab-ci.yml)", "(../integrations/ci/none.yml)", "none.yml"),
    ("mkdocs.yml", "      - The journal: journal.md\n", "", "journal.md"),
    (
        "src/ecoia/testing/__init__.py",
        '        """See ``Subject.lost``."""\n',
        "",
        "testing.MemorySubject.lost has no docstring",
    ),
)
"""File, text in it, the mistake in its place, and what the build then names."""


def test_the_build_fails_and_names_each_mistake(tmp_path: Path) -> None:
    for name in ("docs", "tools", "src", "integrations", "dashboards", "mkdocs.yml"):
        path = REPOSITORY / name
        if path.is_dir():
            shutil.copytree(path, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, tmp_path)
    for file, before, after, _ in MISTAKES:
        text = (tmp_path / file).read_text(encoding="utf-8")
        assert before in text
        (tmp_path / file).write_text(text.replace(before, after, 1), encoding="utf-8")
    done = build(tmp_path, tmp_path / "site")
    assert done.returncode != 0
    assert not [said for *_, said in MISTAKES if said not in done.stderr], done.stderr
