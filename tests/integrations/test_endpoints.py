"""Labels of endpoints stay few and are checked when a server starts. Requests that serve nobody are left out."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ecoia
from ecoia.semconv import ENDPOINT_OTHERS
from ecoia_integrations.asgi import ImpactMiddleware, RequestHeader, ResponseHeader
from ecoia_integrations.celery import measure_tasks
from ecoia_integrations.endpoints import MOST_ENDPOINTS, PROBES, Endpoints, Paths, checked_units, give_units, pattern_of
from ecoia_integrations.wsgi import ImpactMiddleware as WsgiMiddleware
from support.quiet_engine import QuietEngine


def app(*_: Any) -> Any:
    raise AssertionError("not asked here")


@pytest.mark.parametrize("middleware", [ImpactMiddleware, WsgiMiddleware])
@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"service": None}, "service = None"),
        ({"service": "Analyse CV"}, "service = 'Analyse CV'"),
        ({"service": "cv\r\nset-cookie: a=b"}, "service = 'cv\\r\\nset-cookie: a=b'"),
        ({"phase": "serving"}, "phase = 'serving'"),
        ({"model_version": "v1\r\nx: y"}, "model_version = 'v1\\r\\nx: y'"),
        ({"model_version": "\x1b[31m"}, "model_version = '\\x1b[31m'"),
        ({"units": -1}, "units = -1"),
        ({"units": float("nan")}, "units = nan"),
        ({"units": "x-units"}, "units = 'x-units'"),
        ({"units": ResponseHeader("x units\n")}, "header 'x units\\n'"),
        ({"units": RequestHeader("")}, "header ''"),
        ({"routes": ["/cv"]}, "routes = ['/cv']"),
        ({"routes": {"/cv": 3}}, "routes['/cv'] = 3"),
        ({"routes": {"/cv": "CV"}}, "routes['/cv']: service = 'CV'"),
        ({"routes": {"/cv": ("cv", "serving")}}, "routes['/cv']: phase = 'serving'"),
        ({"routes": {"/c\nv": "cv"}}, "endpoint = '/c\\nv'"),
        ({"routes": {3: None}}, "routes: 3 is no endpoint"),
    ],
)
def test_a_wrong_configuration_is_refused_when_the_server_starts_with_field_value_and_remedy(
    middleware: Any, wrong: dict[str, Any], told: str
) -> None:
    with pytest.raises(ecoia.UsageError) as error:
        middleware(app, **{"service": "analyse-cv", **wrong})
    assert told in str(error.value)
    assert re.search(r"use |choose |give |write ", str(error.value))
    assert "\n" not in str(error.value)
    assert "\x1b" not in str(error.value)


def test_tasks_are_checked_as_routes_are() -> None:
    with pytest.raises(ecoia.UsageError, match=r"tasks\['app.score'\]: service = 'CV'"):
        measure_tasks(service="analyse-cv", tasks={"app.score": "CV"})
    with pytest.raises(ecoia.UsageError, match="units = -1"):
        measure_tasks(service="analyse-cv", units=-1)


@given(st.lists(st.text(max_size=130), max_size=40), st.integers(min_value=0, max_value=60))
def test_labels_are_few_whatever_endpoints_there_are(texts: list[str], more: int) -> None:
    endpoints = Endpoints("cv", "inference", "v1", {"/named": ("other", "evaluation")})
    asked = [*texts, *(f"/{number}" for number in range(more * 10)), "/named", None]
    labels = {endpoints.of(endpoint) for endpoint in asked}
    assert len(labels) <= MOST_ENDPOINTS + 3
    assert all(label.endpoint is None or label.endpoint.isprintable() for label in labels)
    assert endpoints.of("/named").service == "other"
    assert {endpoints.of(endpoint) for endpoint in asked} <= labels  # and the same again for the same question


def test_of_ten_thousand_endpoints_the_first_are_told_apart_and_the_rest_kept_together() -> None:
    endpoints = Endpoints("cv", "inference", None, None)
    labels = [endpoints.of(f"/{number}").endpoint for number in range(10_000)]
    assert labels[:MOST_ENDPOINTS] == [f"/{number}" for number in range(MOST_ENDPOINTS)]
    assert set(labels[MOST_ENDPOINTS:]) == {ENDPOINT_OTHERS}


@pytest.mark.parametrize(
    ("template", "inside", "outside"),
    [
        ("/cv/{id}", ["/cv/3", "/cv/é"], ["/cv", "/cv/", "/cv/3/4", "/xcv/3"]),
        ("/files/{name:path}", ["/files/a/b", "/files/"], ["/files"]),
        ("/cv/<int:id>/pages/<page>", ["/cv/3/pages/4"], ["/cv/3/pages", "/cv/3/4/pages/5"]),
        ("/f/<path:name>", ["/f/a/b"], ["/g/a"]),
        ("/a.b+c", ["/a.b+c"], ["/aXbbc"]),
    ],
)
def test_a_template_stands_for_the_paths_that_it_would_route(template: str, inside: list[str], outside: list[str]) -> None:
    assert all(re.fullmatch(pattern_of(template), path) for path in inside)
    assert not any(re.fullmatch(pattern_of(template), path) for path in outside)


def test_probes_and_files_are_left_out_and_what_routes_say() -> None:
    routes = {"/internal/{name}": None, "/admin/*": None, "/old": None, "/metrics": "telemetry"}
    paths = Paths(Endpoints("cv", "inference", None, routes), ["/files/"])
    out = [*(PROBES - {"/metrics"}), "/static/a.css", "/files/a.js", "/internal/x", "/admin/", "/admin/users/3", "/old"]
    assert [path for path in out if not paths.left_out(path)] == []
    assert [
        path for path in ("/metrics", "/", "/cv/3", "/internal/x/y", "/adminx", "/old/1", "/staticx") if paths.left_out(path)
    ] == []
    shown = Paths(Endpoints("cv", "inference", None, {"/static/{image}": "thumbnails"}))
    assert not shown.left_out("/static/a.png")


@pytest.mark.parametrize(
    ("text", "micro", "lost"),
    [
        ("3", 3_000_000, []),
        ("0.25", 250_000, []),
        ("0", 0, []),
        (None, None, ["missing-units"]),
        *(
            (wrong, None, ["invalid-units"])
            for wrong in ("-1", "nan", "inf", "", " 3", "3\n", "1e9", "0x10", "1_000", "9" * 400, "٣", "many")
        ),
    ],
)
def test_units_in_a_header_are_a_plain_number_or_lost(
    engine: QuietEngine, text: str | None, micro: int | None, lost: list[str]
) -> None:
    with ecoia.track(service="cv") as span:
        give_units(span, ResponseHeader("X-Units"), {}, 200, lambda name, _: text if name == "x-units" else None)
    (counters,) = engine.every("cv")
    assert (counters.units_micro if counters.units_given else None) == micro
    assert list(engine.lost) == lost


@pytest.mark.parametrize("answer", [-1, float("nan"), float("inf"), "3", object(), True, None, ValueError("as any callback may")])
def test_what_a_callback_says_wrongly_is_lost_and_raised_to_nobody(engine: QuietEngine, answer: Any) -> None:
    def units(_: Any, status: int) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    with ecoia.track(service="cv") as span:
        give_units(span, checked_units(units), {}, 200, lambda *_: None)
    assert not engine.every("cv")[0].units_given
    assert list(engine.lost) == ["missing-units" if answer is None else "invalid-units"]


@pytest.mark.parametrize("status", [None, 400, 404, 500, 503])
def test_a_request_that_is_answered_with_an_error_delivers_nothing(engine: QuietEngine, status: int | None) -> None:
    with ecoia.track(service="cv") as span:
        give_units(span, 1, {}, status, lambda *_: None)
        give_units(span, ResponseHeader("x-units"), {}, status, lambda *_: None)
    assert not engine.every("cv")[0].units_given
    assert not engine.lost
