"""Every page answers as HTML and as data."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ecoia_dashboards.dashboard.pages import PAGES
from support.dashboard import ask

OWN = [page for page in PAGES if "{" not in page.path]


@pytest.mark.parametrize("page", OWN, ids=lambda page: page.id)
def test_a_page_is_html_and_data(app: Any, page: Any) -> None:
    answer = ask(app, page.path)
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "<h1>" in answer.text
    data = ask(app, page.api_path)
    assert data.status == 200
    assert isinstance(json.loads(data.text), dict)
