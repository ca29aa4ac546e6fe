"""The API answers as its description says, whatever is asked of it; and an address has one way to be written."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from ecoia_dashboards.dashboard.address import STATUSES, THEMES, UNITS, Address, BadAddressError
from ecoia_dashboards.dashboard.documentation import shape_of
from ecoia_dashboards.dashboard.pages import PAGES
from support.dashboard import ask

TEXTS = ("service", "phase", "site", "region", "instance", "status", "sort", "q", "view", "runs", "after", "as", "x")


@pytest.fixture(scope="module")
def openapi(app: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ask(app, "/api/v1/openapi.json").text)
    return found


def check_shape(openapi: dict[str, Any], page: Any, status: int, data: object) -> None:
    shape = openapi["paths"][page.api_path]["get"]["responses"][str(status)]["content"]["application/json"]["schema"]
    Draft202012Validator({**shape, "components": openapi["components"]}).validate(data)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.id)
def test_whatever_is_asked_is_answered_as_described(app: Any, openapi: dict[str, Any], page: Any) -> None:
    import schemathesis  # here alone: loading it takes three seconds of CPU time, and each worker would
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi import checks

    checked = [not_a_server_error, checks.status_code_conformance, checks.content_type_conformance, checks.unsupported_method]
    operation = schemathesis.openapi.from_asgi("/api/v1/openapi.json", app)[page.api_path]["GET"]

    @given(case=operation.as_strategy())
    @settings(max_examples=15, suppress_health_check=list(HealthCheck))
    def answered(case: schemathesis.Case) -> None:
        answer = case.call_and_validate(checks=checked)
        check_shape(openapi, page, answer.status_code, answer.json())

    answered()


def test_every_page_is_described(openapi: dict[str, Any]) -> None:
    assert openapi["openapi"].startswith("3.1")
    assert set(openapi["paths"]) == {page.api_path for page in PAGES}
    for path, operations in openapi["paths"].items():
        assert set(operations) == {"get"}, path
        assert operations["get"]["description"], path
        assert {"200", "400", "403", "404"} <= set(operations["get"]["responses"]), path


@pytest.mark.parametrize("page", [page for page in PAGES if "{" not in page.path], ids=lambda page: page.id)
@pytest.mark.parametrize(
    "query", ["", "?period=2025Q2&compare=year", "?period=2026-08-01..2026-08-31&lang=en", "?service=vadore"]
)
def test_data_have_the_shape_that_is_described(app: Any, openapi: dict[str, Any], page: Any, query: str) -> None:
    answer = ask(app, page.api_path + query)
    assert answer.status == 200
    check_shape(openapi, page, 200, json.loads(answer.text))


def test_the_description_is_a_page_too(app: Any, openapi: dict[str, Any]) -> None:
    for lang in ("fr", "en"):
        text = ask(app, f"/api/v1/docs?lang={lang}").text
        for path in openapi["paths"]:
            assert f"<code>{path}</code>" in text
        for name in openapi["components"]["schemas"]:
            assert f'id="shape-{name}"' in text


def test_shapes_in_short() -> None:
    ref = {"$ref": "#/components/schemas/Quantity"}
    assert shape_of({"type": "array", "items": ref}) == "[Quantity]"
    assert shape_of({"type": "object", "additionalProperties": {"anyOf": [ref, {"type": "null"}]}}) == "{Quantity | null}"
    assert shape_of({}) == "any"


# --- addresses ---

WORDS = st.text(max_size=20) | st.sampled_from(["vadore", "chat, chat", " ", ",", "a" * 299 + " b"])
QUERIES = st.fixed_dictionaries(
    {},
    optional={
        "period": st.sampled_from(["2026Q3", "2026q1", "2026-07-01..2026-09-30", "2026-07-02..2026-07-02", "0001Q1", ""]) | WORDS,
        "compare": st.sampled_from(["prev", "year", "none", "2025q4", "2025-01-01..2025-03-31"]) | WORDS,
        "unit": st.sampled_from(UNITS) | WORDS,
        "method": st.lists(st.sampled_from(STATUSES)).map(",".join) | WORDS,
        "theme": st.sampled_from(THEMES),
        "lang": st.sampled_from(["fr", "en"]),
        **dict.fromkeys(TEXTS, WORDS),
    },
)


@given(QUERIES)
@settings(max_examples=200)
def test_an_address_is_written_in_one_way(query: dict[str, str]) -> None:
    try:
        address = Address.parse(query)
    except BadAddressError:
        reject()
    written = address.query()
    again = Address.parse(dict(parse_qsl(written)))
    assert (again, again.query()) == (address, written)
    assert "x=" not in f"&{written}"


@given(QUERIES)
def test_no_address_is_a_fault(app: Any, query: dict[str, str]) -> None:
    for path in ("/", "/compare", "/api/v1/overview"):
        answer = ask(app, f"{path}?{urlencode(query)}")
        assert answer.status in (200, 400, 404), (path, query)
