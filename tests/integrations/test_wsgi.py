"""The WSGI middleware around real Flask and Django applications: called as a strict server does, and under gunicorn."""

from __future__ import annotations

import asyncio
import weakref
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any
from wsgiref.util import FileWrapper
from wsgiref.validate import validator

import flask
import pytest

import ecoia
from ecoia.integrating import RequestSpan
from ecoia_integrations import asgi, wsgi
from ecoia_integrations.endpoints import MOST_ENDPOINTS
from ecoia_integrations.wsgi import ImpactMiddleware, RequestHeader, ResponseHeader
from support.programs import BURN, recorded, run_python
from support.quiet_engine import MILLISECOND, Passenger, QuietEngine, assert_about, burn, living, no_collection
from support.records import losses_of_ours
from support.servers import GUNICORN, Server
from support.wsgi import ask, environ_of


def spans_by_endpoint(engine: QuietEngine, service: str = "cv") -> dict[str | None, int]:
    found: Counter[str | None] = Counter()
    for counters in engine.every(service):
        found[counters.label.endpoint] += counters.spans
    return {endpoint: spans for endpoint, spans in found.items() if spans}


@pytest.fixture
def app() -> flask.Flask:
    app = flask.Flask("tested")

    @app.get("/cv/<int:number>")
    def cv(number: int) -> flask.Response:
        burn(3)
        ecoia.current().units(2)
        return flask.Response("done", headers={"X-Batch": "5"})

    @app.get("/stream")
    def stream() -> flask.Response:
        def parts() -> Iterable[str]:
            for _ in range(3):
                burn(3)
                yield "part"

        return flask.Response(parts())

    @app.get("/broken-stream")
    def broken_stream() -> flask.Response:
        def parts() -> Iterable[str]:
            yield "part"
            raise RuntimeError("in the middle")

        return flask.Response(parts())

    @app.get("/broken")
    def broken() -> str:
        raise RuntimeError("as any view may")

    @app.get("/nested")
    def nested() -> str:
        burn(3)
        with ThreadPoolExecutor(1) as pool:
            pool.submit(burn, 3).result()
        with ecoia.track(service="model"):
            burn(3)
        return "done"

    @app.get("/health")
    def health() -> str:
        return "up"

    return app


def test_every_request_of_flask_is_a_span_of_its_rule(engine: QuietEngine, app: flask.Flask) -> None:
    ask(app, "/cv/3")  # Flask gets ready at its first request, which takes more than the bookkeeping may
    # The middleware keeps the rules of PEP 3333 for applications and for servers.
    app.wsgi_app = ImpactMiddleware(validator(app.wsgi_app), service="cv")  # type: ignore[method-assign, arg-type]
    checked = validator(app)
    for path in ("/cv/3", "/cv/4", "/stream", "/nowhere/somebody", "/health", "/static/none.css"):
        ask(checked, path, REQUEST_METHOD="GET")
    assert spans_by_endpoint(engine) == {"/cv/<int:number>": 2, "/stream": 1, None: 1}
    cpu_ns = Counter({counters.label.endpoint: counters.cpu_ns for counters in engine.every("cv")})
    assert_about(cpu_ns["/cv/<int:number>"], 6)
    assert_about(cpu_ns["/stream"], 9)
    assert sum(counters.units_micro for counters in engine.every("cv")) == 4_000_000
    engine.assert_settled()


def test_what_a_view_does_before_other_spans_and_in_pools_is_charged_to_its_rule(engine: QuietEngine, app: flask.Flask) -> None:
    ask(ImpactMiddleware(app, service="cv"), "/nested")
    assert_about(sum(counters.cpu_ns for counters in engine.every("cv") if counters.label.endpoint == "/nested"), 6)
    assert_about(engine.cpu_ns("model"), 3)
    assert all(counters.label.endpoint or not counters.cpu_ns for counters in engine.every("cv"))


def test_what_a_server_does_between_the_parts_of_a_stream_is_not_the_requests(engine: QuietEngine, app: flask.Flask) -> None:
    response = ImpactMiddleware(app, service="cv")(environ_of("/stream"), lambda *_: None)
    for _ in response:
        burn(5)
    burn(5)
    response.close()  # type: ignore[attr-defined]
    assert_about(engine.cpu_ns("cv"), 9)
    assert spans_by_endpoint(engine) == {"/stream": 1}
    engine.assert_settled()


@pytest.mark.parametrize("parts", [0, 1])
def test_a_client_that_goes_is_measured_until_then(engine: QuietEngine, app: flask.Flask, parts: int) -> None:
    response: Any = ImpactMiddleware(app, service="cv", units=1)(environ_of("/stream"), lambda *_: None)
    for _ in range(parts):
        next(response)
    response.close()
    response.close()  # twice, as some servers do
    assert spans_by_endpoint(engine) == {"/stream": 1}
    engine.assert_settled()


def test_a_request_that_passes_two_middlewares_of_one_service_is_one_request(engine: QuietEngine, app: flask.Flask) -> None:
    twice = ImpactMiddleware(ImpactMiddleware(app, service="cv", units=1), service="cv", units=1)
    environ = environ_of("/nested")
    for _ in range(2):  # a middleware that retries a request uses the same environ again
        list(twice(environ, lambda *_: None))
    ask(ImpactMiddleware(twice, service="portal"), "/nested")
    assert spans_by_endpoint(engine) == {"/nested": 3}
    assert spans_by_endpoint(engine, "portal") == {"/nested": 1}
    assert sum(counters.units_micro for counters in engine.every("cv")) == 3_000_000
    engine.assert_settled()


def test_an_application_that_is_mounted_in_an_asgi_server_counts_its_requests_once(engine: QuietEngine, app: flask.Flask) -> None:
    measured = ImpactMiddleware(app, service="cv", units=1)

    async def bridge(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.to_thread(ask, measured, "/nested")

    scope = {"type": "http", "asgi": {"version": "3.0"}, "path": "/mounted/nested", "root_path": "", "headers": []}
    asyncio.run(asgi.ImpactMiddleware(bridge, service="cv", units=1)(scope, None, None))  # type: ignore[arg-type]
    asyncio.run(asgi.ImpactMiddleware(bridge, service="portal")(dict(scope), None, None))  # type: ignore[arg-type]
    assert sum(spans_by_endpoint(engine).values()) == 2
    assert sum(spans_by_endpoint(engine, "portal").values()) == 1
    assert_about(engine.cpu_ns("cv"), 12)
    engine.assert_settled()


def test_a_server_that_closes_nothing_leaves_no_span_open(engine: QuietEngine, app: flask.Flask) -> None:
    response = ImpactMiddleware(app, service="cv")(environ_of("/stream"), lambda *_: None)
    assert len(list(response)) == 3
    del response
    assert spans_by_endpoint(engine) == {"/stream": 1}
    engine.assert_settled()


def test_exceptions_of_views_and_streams_come_out_untouched(engine: QuietEngine, app: flask.Flask) -> None:
    app.testing = True  # so that exceptions of views reach the server
    measured = ImpactMiddleware(app, service="cv", units=1)
    with pytest.raises(RuntimeError, match="as any view may"):
        ask(measured, "/broken")
    with pytest.raises(RuntimeError, match="in the middle"):
        ask(measured, "/broken-stream")
    assert sum(spans_by_endpoint(engine).values()) == 2
    assert not any(counters.units_given for counters in engine.every("cv"))
    assert not engine.lost
    engine.assert_settled()


def test_a_response_may_be_started_and_begun_anew_in_every_way_that_servers_take(engine: QuietEngine) -> None:
    began: list[Any] = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> None:
        began.append((status, headers, exc_info))

    def app(environ: Any, start: Any) -> list[bytes]:
        start("2\u00b23 odd", headers=[])
        start("503 Failed", [], exc_info=(ValueError, None, None))
        return [b"failed"]

    measured = ImpactMiddleware(app, service="cv", units=1)  # type: ignore[arg-type]
    assert measured(environ_of("/"), start_response) == [b"failed"]
    assert began == [("2\u00b23 odd", [], None), ("503 Failed", [], (ValueError, None, None))]
    assert not any(counters.units_given for counters in engine.every("cv"))
    engine.assert_settled()


@pytest.mark.parametrize("headers", [[("X-Units", 3)], [(None, "3")], ["X-Units"], None])
def test_headers_that_are_none_break_no_request_that_has_ended(engine: QuietEngine, headers: Any) -> None:
    def app(environ: Any, start: Any) -> list[bytes]:
        start("200 OK", headers)
        return [b"done"]

    measured = ImpactMiddleware(app, service="cv", units=ResponseHeader("x-units"))  # type: ignore[arg-type]
    assert measured(environ_of("/"), lambda *_: None) == [b"done"]
    assert list(engine.lost) == ["invalid-units"]
    engine.assert_settled()


def test_what_sends_a_file_and_lists_reach_the_server_as_they_are(engine: QuietEngine) -> None:
    made = [b"a list"]
    file = FileWrapper(BytesIO(b"a file"))

    def lists(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return file if environ["PATH_INFO"] == "/file" else made

    measured = ImpactMiddleware(lists, service="cv")
    assert measured(environ_of("/"), lambda *_: None) is made
    assert measured(environ_of("/file", **{"wsgi.file_wrapper": FileWrapper}), lambda *_: None) is file
    file.close()
    assert engine.spans("cv") == 2
    engine.assert_settled()


@pytest.mark.parametrize(
    ("units", "micro", "lost"),
    [
        (1, 3_000_000, []),
        (ResponseHeader("x-batch"), 7_000_000, []),
        (RequestHeader("X-Size"), 11_000_000, []),
        (RequestHeader("x-none"), 2_000_000, ["missing-units"]),
        (lambda environ, status: status, 202_000_000, []),
        (lambda environ, status: -1, 2_000_000, ["invalid-units"]),
    ],
)
def test_units_come_from_a_number_a_header_or_a_callback(
    engine: QuietEngine, app: flask.Flask, units: Any, micro: int, lost: list[str]
) -> None:
    measured = ImpactMiddleware(app, service="cv", units=units, model_version="v2")
    assert ask(measured, "/cv/3", HTTP_X_SIZE="9")[0] == "200 OK"
    (counters,) = (counters for counters in engine.every("cv") if counters.spans)
    assert (counters.units_micro, counters.label.model_version) == (micro, "v2")  # including the two of the view itself
    assert list(engine.lost) == lost


def test_the_header_tells_cpu_time_until_the_answer_and_an_estimate_of_its_energy(
    engine: QuietEngine, app: flask.Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = ImpactMiddleware(app, service="cv", response_header=True)
    assert "ecoia-estimate" not in ask(measured, "/cv/3")[1]
    monkeypatch.setattr("ecoia_integrations.wsgi.joules_per_cpu_second", lambda: 10.0)
    told = dict(part.split("=") for part in ask(measured, "/cv/3")[1]["ecoia-estimate"].split(", "))
    assert 3000 <= int(told["cpu-microseconds"]) <= 9000
    assert int(told["energy-microjoules"]) == pytest.approx(int(told["cpu-microseconds"]) * 10, rel=0.01)


def test_rules_beyond_the_bound_are_kept_together(engine: QuietEngine) -> None:
    app = flask.Flask("many")
    for number in range(MOST_ENDPOINTS + 50):
        app.add_url_rule(f"/r{number}", f"r{number}", lambda: "done")
    measured = ImpactMiddleware(app, service="cv")
    for number in range(MOST_ENDPOINTS + 50):
        ask(measured, f"/r{number}")
    found = spans_by_endpoint(engine)
    assert len(found) == MOST_ENDPOINTS + 1
    assert found["other-endpoints"] == 50


# --- Django: once a process, so each in its own ------------------------------------------------------------------------

DJANGO = (
    BURN
    + """
import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import FileResponse, HttpResponse, StreamingHttpResponse
from django.urls import path
import ecoia
from ecoia_integrations.wsgi import ImpactMiddleware

def cv(request, number):
    burn(20)
    ecoia.current().units(1)
    return HttpResponse("499500")

def stream(request):
    def parts():
        for _ in range(3):
            burn(20)
            yield b"part"
    return StreamingHttpResponse(parts())

def broken(request):
    raise RuntimeError("as any view may")

def file(request):
    return FileResponse(open(__file__ if "__file__" in globals() else "/dev/null", "rb"))

urlpatterns = [path("", cv, {"number": 0}), path("cv/<int:number>/", cv), path("stream", stream), path("broken", broken),
               path("file", file)]
settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="tested", LOGGING_CONFIG=None, MIDDLEWARE=[])
application = ImpactMiddleware(get_wsgi_application(), service="cv")
"""
)


def test_every_request_of_django_is_a_span_of_its_route(home: Path) -> None:
    program = f"""{DJANGO}
import logging, sys
logging.disable()
sys.path.insert(0, sys.argv[1])
from support.wsgi import ask
assert ask(application, "/cv/3/")[2] == b"499500"
assert ask(application, "/cv/4/")[2] == b"499500"
assert ask(application, "/stream")[2] == b"part" * 3
assert ask(application, "/broken")[0].startswith("500")
assert ask(application, "/nowhere")[0].startswith("404")
assert ask(application, "/health")[0].startswith("404")
assert ecoia.flush(60)
"""
    done = run_python(program, str(Path(__file__).parents[1]))
    assert (done.returncode, done.stderr) == (0, "")
    spans: Counter[str | None] = Counter()
    cpu_ns: Counter[str | None] = Counter()
    for record in recorded(home):
        if record.service == "cv":
            spans[record.endpoint] += record.spans
            cpu_ns[record.endpoint] += record.cpu_ns
    assert spans == {"/cv/<int:number>/": 2, "/stream": 1, "/broken": 1, None: 1}
    # A reading in the middle of a view finds CPU time whose route Django does not tell yet: it counts without an endpoint.
    assert cpu_ns["/cv/<int:number>/"] >= 20 * MILLISECOND
    assert cpu_ns["/cv/<int:number>/"] + cpu_ns[None] >= 40 * MILLISECOND
    assert cpu_ns["/stream"] >= 60 * MILLISECOND


# --- under gunicorn ----------------------------------------------------------------------------------------------------

FLASK = (
    BURN
    + """
import flask, ecoia
from ecoia_integrations.wsgi import ImpactMiddleware

application = flask.Flask(__name__)

@application.get("/")
@application.get("/cv/<int:number>/")
def cv(number=0):
    burn(20)
    ecoia.current().units(1)
    return "499500"

@application.get("/stream")
def stream():
    def parts():
        for _ in range(3):
            burn(20)
            yield "part"
    return flask.Response(parts())

@application.get("/broken")
def broken():
    flask.abort(500)

@application.get("/file")
def file():
    return flask.send_file(__file__)

application.wsgi_app = ImpactMiddleware(application.wsgi_app, service="cv")
"""
)


@pytest.mark.long
@pytest.mark.parametrize("framework", ["flask", "django"])
@pytest.mark.parametrize("worker", ["sync", "gthread"])
def test_all_that_gunicorns_workers_answer_is_recorded_once(
    home: Path, serve: Callable[..., Server], framework: str, worker: str
) -> None:
    source = FLASK if framework == "flask" else DJANGO.replace("import django\n", "import django, logging; logging.disable()\n")
    server = serve(source, *GUNICORN, "--worker-class", worker, "--threads", "2" if worker == "gthread" else "1")
    assert server.answered(20) == 20
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(server.ask, [*["/cv/3/"] * 10, *["/stream"] * 5, "/broken", "/file", "/nowhere", "/health"]))
    assert [status for status, _ in answers] == [200] * 15 + [500, 200, 404, 404]
    assert answers[10][1] == b"part" * 3
    assert answers[16][1] == (Path(server.folder) / "app.py").read_bytes()
    server.stop()
    rule = "/cv/<int:number>/"
    spans: Counter[str | None] = Counter()
    cpu_ns: Counter[str | None] = Counter()
    records = [record for record in recorded(home) if record.service == "cv"]
    for record in records:
        spans[record.endpoint] += record.spans
        cpu_ns[record.endpoint] += record.cpu_ns
    assert spans == {"/": 20, rule: 10, "/stream": 5, "/broken": 1, "/file": 1, None: 1}
    assert sum(record.units_micro or 0 for record in records) == 30_000_000
    # Django's route is known once its view has answered. CPU time that was read before is recorded without an endpoint.
    assert cpu_ns["/"] + cpu_ns[None] >= 400 * MILLISECOND
    assert cpu_ns["/stream"] + cpu_ns[None] >= 300 * MILLISECOND
    assert cpu_ns[rule] + cpu_ns[None] >= 200 * MILLISECOND
    assert sum(cpu_ns.values()) >= 900 * MILLISECOND
    assert cpu_ns["/file"] < cpu_ns[rule]
    assert not losses_of_ours(recorded(home))
    assert {record.pid for record in records} <= {record.pid for record in records} - {server.process.pid}


def test_a_request_that_is_over_is_freed_without_a_collection(engine: QuietEngine) -> None:
    def bare(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        return [b"done"] if environ["PATH_INFO"] == "/list" else iter([b"do", b"ne"])

    measured = ImpactMiddleware(bare, service="cv", units=1, response_header=True)
    passengers = []
    with no_collection():
        for path in ("/list", "/stream"):
            passenger = Passenger()
            passengers.append(weakref.ref(passenger))
            ask(measured, path, **{"test.passenger": passenger})
            del passenger
        assert [passenger() for passenger in passengers] == [None, None]
        assert living(RequestSpan) == []
    assert engine.spans("cv") == 2


def test_nothing_of_a_finished_flask_request_is_ours(engine: QuietEngine, app: flask.Flask) -> None:
    measured = ImpactMiddleware(app, service="cv")
    with no_collection():
        for path in ("/cv/3", "/stream"):  # not an error: Flask itself keeps its traceback, and so every frame
            ask(measured, path)
        assert living(RequestSpan, wsgi._Request, wsgi._Response) == []
    assert engine.spans("cv") == 2
