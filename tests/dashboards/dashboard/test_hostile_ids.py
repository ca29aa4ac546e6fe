"""Services, instances and runs whose ids hold what an address gives a meaning have their pages, and every link leads there."""

from __future__ import annotations

import html
import re
from typing import Any
from urllib.parse import quote

import pytest

from ecoia_dashboards.dashboard.app import create_app
from support.dashboard import ask
from support.filled import filled_explorer
from support.records import kwh, record

IDS = ("a/b", "50%", "a%2Fb", "figures", "compare")


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The dashboard of work whose service, instance and run have the same hostile id."""
    recorded = [
        record(f"2026-11-23T1{place}:00", cpu=kwh(1 + place), service=id_, instance=id_, run_id=id_, phase="training", zone="FRA")
        for place, id_ in enumerate(IDS)
    ]
    return create_app(filled_explorer(tmp_path_factory.mktemp("ids"), recorded, "services: []\n"))


@pytest.mark.parametrize("id_", IDS)
@pytest.mark.parametrize("kind", ["services", "instances", "runs"])
def test_each_has_its_page_its_data_and_its_files(app: Any, kind: str, id_: str) -> None:
    if (kind, id_) == ("runs", "compare"):
        return  # the page that compares runs has this address
    name = quote(id_, safe="")
    page = ask(app, f"/{kind}/{name}?lang=en")
    assert page.status == 200, page.text[:2000]
    assert html.escape(id_) in page.text
    assert ask(app, f"/api/v1/{kind}/{name}").status == 200
    files = re.findall(r'href="([^"]+[.](?:csv|svg)[^"]*)"', page.text)
    assert files
    assert [file for file in files if ask(app, html.unescape(file)).status != 200] == []


@pytest.mark.parametrize("path", ["/", "/services", "/runs", "/quality", "/hosted"])
def test_every_link_of_a_page_leads_somewhere(app: Any, path: str) -> None:
    page = ask(app, path)
    if page.status == 404:
        return
    links = {html.unescape(each) for each in re.findall(r'href="(/[^"#]*)"', page.text)}
    assert [link for link in links if ask(app, link).status != 200] == []


def test_a_page_of_files_is_not_taken_for_a_service(app: Any) -> None:
    assert ask(app, "/runs/compare").status == 200
    assert ask(app, "/services/nope/figures/course.svg").status == 404
    assert ask(app, "/services/nope").status == 404
