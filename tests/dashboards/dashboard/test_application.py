"""Every page answers as HTML and as data, with headers that browsers need, and says what exists where something does not."""

from __future__ import annotations

import gzip
import json
import logging
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import Route

from ecoia.exploring import Explorer, State
from ecoia_dashboards.dashboard.access import Access
from ecoia_dashboards.dashboard.app import create_app
from ecoia_dashboards.dashboard.pages import PAGES
from support.dashboard import ask

OWN = [page for page in PAGES if "{" not in page.path]
FIGURE = "trajectory"


class Other(Explorer):
    """What is kept, in another state."""

    def __init__(self, explorer: Explorer, **changes: Any) -> None:
        self._explorer, self._changed = explorer, replace(explorer.state, **changes)

    @property
    def state(self) -> State:
        return self._changed

    def __getattribute__(self, name: str) -> Any:
        if name in ("report", "catalogue", "selected", "parts", "change", "explained", "data"):
            return getattr(object.__getattribute__(self, "_explorer"), name)
        return object.__getattribute__(self, name)


@pytest.fixture(scope="module")
def app(explorer: Explorer) -> Any:
    return create_app(explorer, Access(embedders=["https://intranet.example"]))


@pytest.mark.parametrize("page", OWN, ids=lambda page: page.id)
def test_a_page_is_html_and_data(app: Any, page: Any) -> None:
    answer = ask(app, page.path)
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.text.count("<h1>") == 1
    data = ask(app, page.api_path)
    assert data.status == 200
    assert isinstance(json.loads(data.text), dict)


@pytest.mark.parametrize(
    "path", ["/", "/nothing", "/static/dashboard.css", "/api/v1/overview", "/?period=x", f"/figures/{FIGURE}.svg"]
)
def test_every_answer_says_what_it_may_load_and_who_may_show_it(app: Any, path: str) -> None:
    headers = ask(app, path).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert (headers["x-frame-options"], headers["x-content-type-options"]) == ("DENY", "nosniff")
    assert "unsafe" not in headers["content-security-policy"]


def test_a_page_names_no_other_server_and_holds_no_script(app: Any) -> None:
    for page in OWN:
        text = ask(app, page.path).text
        assert re.findall(r'(?:src|srcset|action)="(?!/)[^"]+"', text) == []
        assert "<style" not in text
        assert re.findall(r"<script(?! src=)", text) == []
        assert re.findall(r' (?:style|on[a-z]+)="', text) == []


# --- answers that are known already ---


def test_an_answer_that_the_browser_has_is_not_sent_again(app: Any) -> None:
    first = ask(app, "/compare")
    again = ask(app, "/compare", {"if-none-match": first.headers["etag"]})
    assert (again.status, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert ask(app, "/compare?lang=en", {"if-none-match": first.headers["etag"]}).status == 200
    assert ask(app, "/compare", {"if-none-match": f'"x", {first.headers["etag"]}'}).status == 304


def test_an_answer_is_compressed_and_timed(app: Any) -> None:
    plain, small = ask(app, "/compare"), ask(app, "/compare", {"accept-encoding": "gzip"})
    assert small.headers["content-encoding"] == "gzip"
    assert gzip.decompress(small.content) == plain.content
    assert small.headers["etag"] == plain.headers["etag"]
    assert re.fullmatch(r"answer;dur=[0-9.]+", small.headers["server-timing"])


@pytest.mark.parametrize("page", OWN, ids=lambda page: page.id)
def test_a_page_is_small(app: Any, page: Any) -> None:
    assert len(ask(app, page.path, {"accept-encoding": "gzip"}).content) <= 40_000


def test_head_is_get_without_more(app: Any) -> None:
    for path in ("/compare", "/api/v1/compare", f"/figures/{FIGURE}.svg"):
        assert ask(app, path, method="HEAD").headers["etag"] == ask(app, path).headers["etag"]


def test_new_data_make_a_new_answer(explorer: Explorer) -> None:
    other = Other(explorer)
    app = create_app(other)
    first = ask(app, "/compare")
    other._changed = replace(explorer.state, data_until_utc="2026-09-29T22:00:00Z", digest="f" * 64)
    assert ask(app, "/compare", {"if-none-match": first.headers["etag"]}).status == 200
    assert "changé depuis" not in first.text
    assert "changé depuis" in ask(app, f"/compare?as={explorer.state.digest[:12]}").text


# --- a figure elsewhere ---


def test_a_figure_is_shown_by_the_sites_that_may(app: Any, explorer: Explorer) -> None:
    answer = ask(app, f"/embed/figures/{FIGURE}?lang=en")
    assert answer.status == 200
    assert "frame-ancestors https://intranet.example" in answer.headers["content-security-policy"]
    assert "x-frame-options" not in answer.headers
    assert answer.text.count("<svg") >= 1
    assert "Mon organisation" in answer.text
    assert 'href="/?lang=en"' in answer.text
    closed = ask(create_app(explorer), f"/embed/figures/{FIGURE}")
    assert "frame-ancestors 'none'" in closed.headers["content-security-policy"]


def test_a_picture_has_a_stable_address(app: Any) -> None:
    latest, named = ask(app, f"/figures/{FIGURE}.png"), ask(app, f"/figures/{FIGURE}.png?period=2026Q3")
    assert latest.headers["content-type"] == "image/png"
    assert latest.content.startswith(b"\x89PNG")
    assert (named.status, len(named.content) > 5000) == (200, True)
    assert ask(app, f"/figures/{FIGURE}.png", {"if-none-match": latest.headers["etag"]}).status == 304


def test_a_link_without_period_shows_the_latest(app: Any) -> None:
    assert json.loads(ask(app, "/api/v1/overview").text) == json.loads(ask(app, "/api/v1/overview?period=2026Q3").text)


# --- what does not exist ---


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/nothing", 404, "Cette page n’existe pas"),
        ("/comparer", 404, '<a href="/compare">'),
        ("/nothing?lang=en", 404, "This page does not exist"),
        ("/?period=2031Q1", 404, '<a href="/?period=2026Q3">'),
        ("/?period=2031Q1&lang=en", 404, "Quarters with data"),
        ("/?period=tomorrow", 400, "2026-07-01..2026-07-31"),
        ("/?period=2026-09-31..2026-10-02", 400, "vaut"),
        ("/?method=mesured", 400, '<a href="/?method=measured">'),
        ("/?lang=de", 400, "fr"),
        ("/?unit=Joule", 400, "kWh"),
        ("/figures/trajektory.svg", 404, '<a href="/figures/trajectory.svg">'),
        ("/figures/trajectory.gif", 404, "trajectory.png"),
        ("/figures/trajectory", 404, "trajectory.svg"),
        ("/tables/none.csv", 404, ".csv"),
        ("/tables/none.xlsx", 404, ".csv"),
        ("/embed/figures/none", 404, '<a href="/embed/figures/trajectory">'),
        ("/api", 404, "Cette page n’existe pas"),
    ],
)
def test_what_does_not_exist_is_answered_by_what_does(app: Any, path: str, status: int, said: str) -> None:
    answer = ask(app, path)
    assert answer.status == status
    assert said in answer.text
    assert '<nav aria-label="Pages">' in answer.text


def test_a_page_of_errors_keeps_language_and_drops_what_is_wrong(app: Any) -> None:
    text = ask(app, "/?period=2031Q1&lang=en&theme=dark").text
    assert '<html lang="en" data-theme="dark">' in text
    assert 'href="/compare?lang=en&amp;theme=dark"' in text


def test_errors_of_the_api_are_data(app: Any) -> None:
    answer = ask(app, "/api/v1/overview?period=2031Q1")
    assert answer.status == 404
    said = json.loads(answer.text)
    assert (said["parameter"], said["value"], said["known"][0]) == ("period", "2031Q1", "2026Q3")
    assert json.loads(ask(app, "/api/v1/overview?unit=J").text)["parameter"] == "unit"
    assert json.loads(ask(app, "/api/v1/nothing").text)["error"] == "Not Found"


@pytest.mark.parametrize("name", ['"><script>alert(1)</script>', "\u202egnp.exe", "a\nb", "=cmd|'/c calc'!A0", "x" * 3000])
def test_hostile_names_are_inert(app: Any, name: str) -> None:
    from urllib.parse import quote

    for path in (
        f"/{quote(name)}",
        f"/?period={quote(name)}",
        f"/?service={quote(name)}",
        f"/figures/{quote(name)}",
        f"/?q={quote(name)}",
    ):
        answer = ask(app, path)
        assert answer.status in (200, 400, 404), path[:80]
        assert "<script>alert" not in answer.text


# --- states ---


def test_a_fault_of_ours_is_counted_and_logged_and_not_shown(explorer: Explorer, caplog: pytest.LogCaptureFixture) -> None:
    other = Other(explorer)
    app = create_app(other)
    other.selected = other.parts = None  # type: ignore[method-assign, assignment]
    object.__setattr__(other, "_explorer", None)
    with caplog.at_level(logging.ERROR, "ecoia.dashboard"):
        page, data = ask(app, "/?q=secret"), ask(app, "/api/v1/overview")
    assert (page.status, data.status) == (500, 500)
    reference = json.loads(data.text)["reference"]
    assert reference in caplog.text
    assert "(the 2. since the start) at /api/v1/overview" in caplog.text
    assert "secret" not in "".join(record.message for record in caplog.records)
    assert "Traceback" not in page.text + data.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


def test_the_first_figures_are_waited_for(explorer: Explorer) -> None:
    app = create_app(Other(explorer, quarters=(), progress=(2, 7, "2026Q1")))
    answer = ask(app, "/?lang=en")
    assert (answer.status, answer.headers["retry-after"]) == (503, "3")
    assert '<meta http-equiv="refresh" content="3">' in answer.text
    assert '<progress max="7" value="2">' in answer.text
    assert "Step 3 of 7: Q1\xa02026." in answer.text
    assert json.loads(ask(app, "/api/v1/overview").text)["progress"] == [2, 7]


def test_before_the_first_filling_nobody_knows_whether_anything_was_measured(tmp_path: Path) -> None:
    answer = ask(create_app(Explorer(tmp_path)), "/")
    assert answer.status == 503
    assert "ecoia run" not in answer.text


def test_a_new_installation_is_told_the_next_steps(explorer: Explorer) -> None:
    app = create_app(Other(explorer, quarters=()))
    answer = ask(app, "/")
    assert answer.status == 404
    assert "ecoia run" in answer.text
    assert "http-equiv" not in answer.text


def test_an_empty_ledger_beside_a_full_journal_is_said(explorer: Explorer) -> None:
    app = create_app(Other(explorer, quarters=(), hints=("empty-ledger-beside-journal",)))
    assert "ecoia dashboard --from journal" in ask(app, "/").text


def test_a_store_that_is_away_is_said_on_every_page(explorer: Explorer) -> None:
    app = create_app(Other(explorer, away="connection refused", away_since_utc="2026-10-01T08:00:00Z", gaps=2))
    for path in ("/", "/nothing", f"/embed/figures/{FIGURE}"):
        assert "connection refused" in ask(app, path).text
    assert "2 jours du registre" in ask(app, "/").text


def test_a_span_that_ends_after_the_data_is_shown_with_the_last_quarter(app: Any) -> None:
    assert ask(app, "/?period=2026-09-01..2026-10-10").status == 200
    assert ask(app, "/?period=2026-10-02..2026-10-10").status == 404


# --- filters and skip links ---


def test_a_page_offers_its_filters_with_those_in_use(app: Any) -> None:
    text = ask(app, "/?service=vadore,voix-3949").text
    boxes = re.findall(r'<input type="checkbox" name="service" value="([^"]+)"( checked)?>', text)
    assert {value for value, checked in boxes if checked} == {"vadore", "voix-3949"}
    assert len(boxes) > 20
    assert 'name="phase" value="inference"' in text


def test_a_form_of_several_boxes_is_one_address(app: Any) -> None:
    boxes = ask(app, "/?service=vadore&service=voix-3949&phase=&unit=auto&period=2026Q3").text
    assert boxes == ask(app, "/?service=vadore,voix-3949&period=2026Q3").text


def test_keyboards_skip_to_what_is_sought(app: Any) -> None:
    text = ask(app, "/").text
    targets = re.findall(r'<a class="skip" href="#([^"]+)"', text)
    assert targets[:2] == ["main", "filters"]
    assert all(f'id="{target}"' in text for target in targets)


def test_plotly_is_served_from_its_package(app: Any) -> None:
    answer = ask(app, "/static/plotly.js", {"accept-encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert "immutable" in answer.headers["cache-control"]
    assert b"plotly" in gzip.decompress(answer.content)[:400]


def test_every_route_only_reads(app: Any) -> None:
    assert all(route.methods <= {"GET", "HEAD"} for route in app.routes if isinstance(route, Route))
