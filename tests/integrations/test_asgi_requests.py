"""Each request through the ASGI middleware, whatever the application does. The applications are real, the server is not."""

from __future__ import annotations

import asyncio
import copy
import threading
import time
import weakref
from collections import Counter
from collections.abc import Awaitable, Callable
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, WebSocket
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

import ecoia
from ecoia.instrument.start import StartReadings
from ecoia.integrating import RequestSpan
from ecoia.measuring.this_process import ThisProcess
from ecoia.settings import load as load_settings
from ecoia_integrations.asgi import ImpactMiddleware, RequestHeader, ResponseHeader
from support.asgi import Message, ask, scope_of
from support.programs import BURN, recorded, run_python
from support.quiet_engine import MILLISECOND, Passenger, QuietEngine, assert_about, burn, living, no_collection


def by_endpoint(engine: QuietEngine, service: str = "cv") -> dict[str | None, int]:
    """Spans by endpoint, including endpoints that have only CPU time."""
    found: dict[str | None, int] = {}
    for counters in engine.every(service):
        found[counters.label.endpoint] = found.get(counters.label.endpoint, 0) + counters.spans
    return found


async def answer(*_: Any) -> Response:
    burn(2)
    return PlainTextResponse("done")


def test_every_request_is_known_by_the_whole_template_of_its_route(engine: QuietEngine, tmp_path: Path) -> None:
    app, router, inner, tenant = FastAPI(), APIRouter(), APIRouter(), FastAPI()
    inner.add_api_route("/deep/{y}", answer_api)
    router.add_api_route("/items/{x}", answer_api)
    router.include_router(inner, prefix="/inner")
    app.include_router(router, prefix="/v1")
    app.include_router(router, prefix="/v2")  # the same routes once more
    tenant.add_api_route("/s/{z}", answer_api)
    app.mount("/tenant/{name}", tenant)
    app.mount("/st", Starlette(routes=[Route("/p/{q}", answer), Mount("/m", routes=[Route("/n/{q}", answer)])]))
    app.mount("/pictures", StaticFiles(directory=tmp_path))
    app.add_middleware(ImpactMiddleware, service="cv")
    (tmp_path / "a.png").write_bytes(b"a picture")

    async def main() -> None:
        for path in ("/v1/items/3", "/v2/items/3", "/v2/items/4", "/v1/inner/deep/5", "/tenant/t/s/6", "/st/p/7", "/st/m/n/8"):
            assert (await ask(app, path))[0]["status"] == 200
        assert (await ask(app, "/pictures/a.png"))[0]["status"] == 200
        assert (await ask(app, "/nowhere/somebody"))[0]["status"] == 404

    asyncio.run(main())
    found = {endpoint: spans for endpoint, spans in by_endpoint(engine).items() if spans}
    assert found == {
        "/v1/items/{x}": 1, "/v2/items/{x}": 2, "/v1/inner/deep/{y}": 1, "/tenant/{name}/s/{z}": 1, "/st/p/{q}": 1,
        "/st/m/n/{q}": 1, None: 1,
    }  # fmt: skip
    assert_about(sum(counters.cpu_ns for counters in engine.every("cv") if counters.label.endpoint == "/v2/items/{x}"), 4)
    engine.assert_settled()


async def answer_api() -> str:
    burn(2)
    return "done"


def test_a_request_is_routed_once_by_its_application(engine: QuietEngine) -> None:
    asked = []

    class Counted(Route):
        def matches(self, scope: Any) -> Any:
            asked.append(self.path)
            return super().matches(scope)

    app = ImpactMiddleware(Starlette(routes=[Counted("/a", answer), Counted("/b", answer)]), service="cv")
    asyncio.run(ask(app, "/b"))
    assert asked == ["/a", "/b"]
    assert by_endpoint(engine) == {None: 0, "/b": 1}


def test_what_runs_before_the_route_is_known_and_inside_other_spans_is_charged_where_it_belongs(engine: QuietEngine) -> None:
    @ecoia.track(service="model")
    def predict() -> None:
        burn(10)

    async def handler(_: Any) -> Response:
        burn(4)
        predict()
        ecoia.current().units(3)
        await asyncio.sleep(0)
        burn(4)
        await asyncio.to_thread(burn, 4)
        return PlainTextResponse("done")

    class Before:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, *arguments: Any) -> None:
            burn(4)
            await self.app(*arguments)

    app = ImpactMiddleware(Before(Starlette(routes=[Route("/cv/{id}", handler)])), service="cv")
    asyncio.run(ask(app, "/cv/3"))
    routed = [counters for counters in engine.every("cv") if counters.label.endpoint == "/cv/{id}"]
    assert_about(sum(counters.cpu_ns for counters in routed), 16)
    assert sum(counters.units_micro for counters in routed) == 3_000_000
    assert_about(engine.cpu_ns("model"), 10)
    assert engine.cpu_ns("cv") == sum(counters.cpu_ns for counters in routed)
    engine.assert_settled()


GROUPS = (
    BURN
    + """
import asyncio, ecoia, ecoia.instrument.handoff
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import StreamingResponse
from starlette.routing import Route
from ecoia_integrations.asgi import ImpactMiddleware
import sys
import weakref
sys.path.insert(0, sys.argv[1])
from support.asgi import ask

if sys.argv[2] == "uvloop":  # or any loop whose steps are not Python's
    ecoia.instrument.handoff._followed.add("tasks")

async def stream(request):
    async def parts():
        for _ in range(5):
            burn(20)
            await asyncio.sleep(0)
            yield b"part"
    burn(50)
    return StreamingResponse(parts())

async def dispatch(request, call_next):
    return await call_next(request)

app = Starlette(routes=[Route("/stream", stream)])
app.add_middleware(BaseHTTPMiddleware, dispatch=dispatch)
app.add_middleware(ImpactMiddleware, service="cv", units=1)
sent = asyncio.run(ask(app, "/stream"))
assert sum(len(message.get("body", b"")) for message in sent) == 20, sent
assert ecoia.flush(60)
"""
)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_stream_in_the_tasks_of_starlette_is_its_requests_own(home: Path, repository: Path, loop: str) -> None:
    """A middleware from a function, and a streaming response under uvicorn, run the application in further tasks."""
    done = run_python(GROUPS, str(Path(__file__).parents[1]), loop)
    assert (done.returncode, done.stderr) == (0, "")
    records = [record for record in recorded(home) if record.service == "cv" and record.endpoint == "/stream"]
    assert sum(record.spans for record in records) == 1
    assert sum(record.units_micro or 0 for record in records) == 1_000_000
    assert sum(record.cpu_ns for record in records) >= 145 * MILLISECOND


def test_an_exception_comes_out_untouched_and_its_request_is_measured(engine: QuietEngine) -> None:
    error = RuntimeError("as any application may")

    async def broken(scope: Any, receive: Any, send: Any) -> None:
        burn(3)
        await asyncio.sleep(0)
        raise error

    with pytest.raises(RuntimeError) as raised:
        asyncio.run(ask(ImpactMiddleware(broken, service="cv", units=1), "/"))
    assert raised.value is error
    assert_about(engine.cpu_ns("cv"), 3)
    assert (engine.spans("cv"), sum(counters.units_given for counters in engine.every("cv"))) == (1, 0)
    assert not engine.lost
    engine.assert_settled()


def test_a_scope_may_be_copied_by_the_application(engine: QuietEngine) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        inner = ImpactMiddleware(answering, service="cv")
        await inner(copy.deepcopy(scope), receive, send)

    async def answering(scope: Any, receive: Any, send: Any) -> None:
        burn(2)
        await send({"type": "http.response.start", "status": 200, "headers": []})

    middleware = ImpactMiddleware(app, service="cv")
    middleware.lock = threading.Lock()  # type: ignore[attr-defined]  # as many an application has: it cannot be copied
    assert asyncio.run(ask(middleware, "/a"))[0]["status"] == 200
    assert engine.spans("cv") == 1
    assert_about(engine.cpu_ns("cv"), 2)
    engine.assert_settled()


@pytest.mark.parametrize("routes", [list, 3, [type("Route", (), {"path": "/a", "routes": 3})()]])
def test_an_application_whose_routes_are_something_else_is_served(engine: QuietEngine, routes: Any) -> None:
    class Other:
        def __init__(self) -> None:
            self.routes = routes

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            burn(2)
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"done"})

    app = ImpactMiddleware(Other(), service="cv")
    for path in ("/a", "/b", "/health"):
        assert [message["type"] for message in asyncio.run(ask(app, path))] == ["http.response.start", "http.response.body"]
    assert engine.spans("cv") == 2
    assert_about(engine.cpu_ns("cv"), 4)
    assert list(engine.lost) == ["route-unread"]
    engine.assert_settled()


def test_a_request_that_passes_two_middlewares_of_one_service_is_one_request(
    engine: QuietEngine, caplog: pytest.LogCaptureFixture
) -> None:
    app, mounted, other = FastAPI(), FastAPI(), FastAPI()
    for inner, service in ((mounted, "cv"), (other, "model")):
        inner.add_api_route("/items/{x}", answer_api)
        inner.add_middleware(ImpactMiddleware, service=service, units=1)
    app.mount("/mounted", mounted)
    app.mount("/other", other)
    app.mount("/left", mounted)
    app.add_middleware(ImpactMiddleware, service="cv", units=1, routes={"/left/*": None})

    plain = FastAPI()
    plain.add_api_route("/", answer_api)
    asyncio.run(ask(plain, "/"))  # the first request of a process loads some milliseconds of FastAPI

    async def main() -> None:
        for path in ("/mounted/items/1", "/mounted/items/2", "/other/items/3", "/left/items/4"):
            assert (await ask(app, path))[0]["status"] == 200

    asyncio.run(main())
    spans = {endpoint: number for endpoint, number in by_endpoint(engine).items() if number}
    assert spans == {"/mounted/items/{x}": 2, "/other/items/{x}": 1, "/left/items/{x}": 1}
    assert sum(by_endpoint(engine, "model").values()) == 1  # the other service counts its own
    assert sum(counters.units_micro for counters in engine.every("cv")) == 4_000_000
    assert_about(engine.cpu_ns("cv"), 6)
    assert_about(engine.cpu_ns("model"), 2)
    assert [record.getMessage() for record in caplog.records] == [
        "ecoia: two ImpactMiddlewares measure cv around each other: the inner one is without effect"
    ]
    engine.assert_settled()


def test_a_client_that_goes_is_measured_until_then(engine: QuietEngine) -> None:
    async def endless(_: Any) -> Response:
        burn(3)
        await asyncio.Event().wait()
        raise AssertionError

    async def main() -> None:
        app = ImpactMiddleware(Starlette(routes=[Route("/endless", endless)]), service="cv", units=1)
        task = asyncio.create_task(ask(app, "/endless"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()  # as servers do
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert {endpoint: spans for endpoint, spans in by_endpoint(engine).items() if spans} == {"/endless": 1}
    assert_about(engine.cpu_ns("cv"), 3)
    engine.assert_settled()


def test_a_web_socket_is_one_span_until_it_closes(engine: QuietEngine) -> None:
    app = FastAPI()

    @app.websocket("/talk/{name}")
    async def talk(socket: WebSocket, name: str) -> None:
        await socket.accept()
        burn(3)
        await asyncio.sleep(0)
        burn(3)
        await socket.close()

    app.add_middleware(ImpactMiddleware, service="cv", units=1)
    sent = asyncio.run(ask(app, "/talk/somebody", "websocket"))
    assert [message["type"] for message in sent] == ["websocket.accept", "websocket.close"]
    assert {endpoint: spans for endpoint, spans in by_endpoint(engine).items() if spans} == {"/talk/{name}": 1}
    assert_about(engine.cpu_ns("cv"), 6)
    assert sum(counters.units_micro for counters in engine.every("cv")) == 1_000_000


def test_a_task_after_the_response_is_its_requests(engine: QuietEngine) -> None:
    async def handler(_: Any) -> Response:
        return PlainTextResponse("done", background=BackgroundTask(later))

    async def later() -> None:
        await asyncio.sleep(0)
        burn(5)

    asyncio.run(ask(ImpactMiddleware(Starlette(routes=[Route("/", handler)]), service="cv"), "/"))
    assert_about(engine.cpu_ns("cv"), 5)


@pytest.mark.parametrize(
    ("units", "headers", "micro", "lost"),
    [
        (2, {}, 2_000_000, []),
        (ResponseHeader("X-Batch"), {}, 5_000_000, []),
        (ResponseHeader("x-none"), {}, None, ["missing-units"]),
        (RequestHeader("X-Size"), {"x_size": "7"}, 7_000_000, []),
        (RequestHeader("x-size"), {"x_size": "-7"}, None, ["invalid-units"]),
        (RequestHeader("x-size"), {}, None, ["missing-units"]),
        (lambda scope, status: len(scope["path"]) if status == 200 else 0, {}, 3_000_000, []),
        (lambda scope, status: 1 / 0, {}, None, ["invalid-units"]),
    ],
)
def test_units_come_from_a_number_a_header_or_a_callback(
    engine: QuietEngine, units: Any, headers: dict[str, str], micro: int | None, lost: list[str]
) -> None:
    async def handler(_: Any) -> Response:
        return PlainTextResponse("done", headers={"x-batch": "5"})

    app = ImpactMiddleware(Starlette(routes=[Route("/cv", handler)]), service="cv", units=units, model_version="v3")
    sent = asyncio.run(ask(app, "/cv", **headers))
    assert sent[0]["status"] == 200
    (counters,) = (counters for counters in engine.every("cv") if counters.spans)
    assert (counters.label.endpoint, counters.label.model_version) == ("/cv", "v3")
    assert (counters.units_micro if counters.units_given else None) == micro
    assert list(engine.lost) == lost


def test_routes_have_services_and_phases_of_their_own_or_none(engine: QuietEngine) -> None:
    routes = [Route(path, answer) for path in ("/cv/{id}", "/match", "/drift", "/internal/{x}", "/health")]
    named = {"/match": "matching", "/drift": ("matching", "evaluation"), "/internal/{x}": None, "/health": "probing"}
    app = ImpactMiddleware(Starlette(routes=routes), service="cv", routes=named)

    async def main() -> None:
        for path in ("/cv/1", "/match", "/drift", "/internal/1", "/health", "/metrics", "/favicon.ico"):
            await ask(app, path)

    asyncio.run(main())
    found = {
        (counters.label.service, counters.label.phase, counters.label.endpoint): counters.spans
        for state in engine.threads
        for counters in state.counters.values()
        if counters.spans
    }
    assert found == {
        ("cv", "inference", "/cv/{id}"): 1,
        ("matching", "inference", "/match"): 1,
        ("matching", "evaluation", "/drift"): 1,
        ("probing", "inference", "/health"): 1,
    }


@pytest.mark.parametrize("pooled", [False, True])
def test_the_header_tells_cpu_time_until_the_answer_and_an_estimate_of_its_energy(
    engine: QuietEngine, monkeypatch: pytest.MonkeyPatch, pooled: bool
) -> None:
    @ecoia.track(service="model")
    def predict() -> None:
        burn(5)

    async def handler(_: Any) -> Response:
        burn(5)
        await asyncio.sleep(0)
        await asyncio.to_thread(predict) if pooled else predict()
        return PlainTextResponse("done", headers={"x-own": "kept"})

    app = ImpactMiddleware(Starlette(routes=[Route("/", handler)]), service="cv", response_header=True)
    before = asyncio.run(ask(app, "/"))[0]["headers"]
    assert b"ecoia-estimate" not in dict(before)  # no window is closed, so the energy is not known
    monkeypatch.setattr("ecoia_integrations.asgi.joules_per_cpu_second", lambda: 20.0)
    headers = dict(asyncio.run(ask(app, "/"))[0]["headers"])
    assert headers[b"x-own"] == b"kept"
    told = dict(part.split("=") for part in headers[b"ecoia-estimate"].decode().split(", "))
    used_us = int(told["cpu-microseconds"])
    assert 10_000 <= used_us <= 10_000 + 8_000
    assert int(told["energy-microjoules"]) == pytest.approx(used_us * 20, rel=0.001)
    engine.assert_settled()


def test_without_the_header_a_response_is_what_the_application_sent(engine: QuietEngine) -> None:
    message = {"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]}
    sent: list[Message] = []

    async def plain(scope: Any, receive: Any, send: Callable[[Message], Awaitable[None]]) -> None:
        await send(message)

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        raise AssertionError

    asyncio.run(ImpactMiddleware(plain, service="cv", units=1)(scope_of("/"), receive, send))
    assert sent == [message]
    assert sent[0] is message


def test_ten_thousand_paths_are_one_route(engine: QuietEngine) -> None:
    async def fast(_: Any) -> Response:
        return Response()

    app = ImpactMiddleware(Starlette(routes=[Route("/cv/{id}", fast)]), service="cv")

    async def main() -> None:
        for number in range(10_000):
            await ask(app, f"/cv/{number}")
        await ask(app, "/wp-admin/setup.php")

    asyncio.run(main())
    assert by_endpoint(engine) == {"/cv/{id}": 10_000, None: 1}


def test_a_request_that_is_over_is_freed_without_a_collection(engine: QuietEngine) -> None:
    async def bare(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        if scope["path"] == "/suspended":
            await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": b"done"})

    measured = ImpactMiddleware(bare, service="cv", units=1, response_header=True)

    async def drop(_: Any) -> None:
        """Send nothing on."""

    async def main() -> list[weakref.ref[Passenger]]:
        passengers = []
        for path in ("/", "/suspended"):
            scope = {**scope_of(path), "test.passenger": Passenger()}
            passengers.append(weakref.ref(scope["test.passenger"]))
            await measured(scope, drop, drop)
        return passengers

    with no_collection():
        passengers = asyncio.run(main())
        assert [passenger() for passenger in passengers] == [None, None]
        assert living(RequestSpan) == []
    assert engine.spans("cv") == 2


def test_turned_off_the_application_is_called_as_it_is(engine: QuietEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "disabled", True)
    asyncio.run(ask(ImpactMiddleware(Starlette(routes=[Route("/", answer)]), service="cv"), "/"))
    assert not engine.threads


CLOCK = (
    BURN
    + """
import asyncio, datetime, sys
sys.path.insert(0, sys.argv[1])
from support.asgi import ask
import ecoia, time
begin = int(datetime.datetime.fromisoformat(sys.argv[2]).timestamp()) * 10**9
real, offset = time.time_ns, [begin - time.time_ns()]
time.time_ns = lambda: real() + offset[0]
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from ecoia_integrations.asgi import ImpactMiddleware

async def handler(request):
    burn(30)
    await asyncio.sleep(0.05)
    offset[0] += int(sys.argv[3]) * 10**9
    burn(30)
    return PlainTextResponse("done")

app = ImpactMiddleware(Starlette(routes=[Route("/cv", handler)]), service="cv", units=1)
asyncio.run(ask(app, "/cv"))
assert ecoia.flush(60)
asyncio.run(ask(app, "/cv"))
assert ecoia.flush(60)
"""
)


@pytest.mark.parametrize("jump_seconds", [2, 86_400, -3600], ids=["two seconds on", "a day on", "an hour back"])
@pytest.mark.parametrize("begin", ["2026-09-30T21:59:59+00:00", "2026-11-25T22:59:59+00:00"], ids=["quarter", "midnight"])
def test_a_clock_that_jumps_during_a_request_loses_nothing_and_counts_nothing_twice(
    home: Path, begin: str, jump_seconds: int
) -> None:
    done = run_python(CLOCK, str(Path(__file__).parents[1]), begin, str(jump_seconds))
    assert (done.returncode, done.stderr) == (0, "")
    records = recorded(home)
    requests = [record for record in records if record.service == "cv"]
    assert sum(record.spans for record in requests) == 2
    assert sum(record.units_micro or 0 for record in requests) == 2_000_000
    assert sum(record.cpu_ns for record in requests) >= 120 * MILLISECOND
    assert all(record.start_utc_ns <= record.end_utc_ns for record in records)
    for record in records:  # however far the clock jumped, a window has its true length
        assert record.end_utc_ns - record.start_utc_ns < 60 * 10**9


def test_what_was_read_before_its_route_was_known_is_counted_once(engine: QuietEngine) -> None:
    """It stays where it was read. At the end of the step, its remaining CPU time is charged to the route."""
    subject = ThisProcess(engine, StartReadings(), "session", load_settings())
    routed = Starlette(routes=[Route("/cv", answer)])
    cpu_ns: Counter[str | None] = Counter()

    def look() -> None:
        for key, delta in subject.look(time.perf_counter_ns()).deltas.items():
            cpu_ns[key.endpoint] += delta.cpu_ns

    async def app(scope: Any, receive: Any, send: Any) -> None:
        burn(20)
        look()
        burn(10)
        look()
        await routed(scope, receive, send)

    measured = ImpactMiddleware(app, service="cv")
    look()
    for _ in range(2):
        asyncio.run(ask(measured, "/cv"))
        look()
    assert cpu_ns[None] >= 60 * MILLISECOND
    assert cpu_ns["/cv"] >= 4 * MILLISECOND
    assert cpu_ns.total() == engine.cpu_ns("cv")
    engine.assert_settled()


LONG = (
    BURN
    + """
import asyncio, json, sys
sys.path.insert(0, sys.argv[1])
from support.asgi import ask
import ecoia
from ecoia.instrument.engine import joules_per_cpu_second
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from ecoia_integrations.asgi import ImpactMiddleware

async def handler(request):
    burn(2500)
    return PlainTextResponse("done")

app = ImpactMiddleware(Starlette(routes=[Route("/cv", handler)]), service="cv")
with ecoia.track(service="first"):
    assert joules_per_cpu_second() is None
    assert ecoia.flush(60)  # the meters are found
asyncio.run(ask(app, "/cv"))
assert ecoia.flush(60)
print(joules_per_cpu_second())
"""
)


def test_a_long_step_is_in_the_windows_in_which_it_ran_and_under_its_route(home: Path) -> None:
    """The sampler knows the route before the step has ended. Estimates use the factor of the last window."""
    done = run_python(LONG, str(Path(__file__).parents[1]), ECOIA_FLUSH_SECONDS="0.5")
    assert (done.returncode, done.stderr) == (0, "")
    requests = [record for record in recorded(home) if record.service == "cv"]
    assert {record.endpoint for record in requests} == {"/cv"}
    assert len(requests) >= 3
    requests.sort(key=lambda record: record.end_utc_ns)
    until_now = list(accumulate(record.cpu_ns for record in requests))
    for record, cpu_ns in zip(requests, until_now, strict=True):  # the one thread cannot have used more than time has passed
        assert cpu_ns <= record.end_utc_ns - requests[0].start_utc_ns + 50 * MILLISECOND
    assert until_now[-2] >= until_now[-1] / 4, "not all in the last one"
    assert 2500 * MILLISECOND <= until_now[-1] <= 3500 * MILLISECOND
    factors = []
    for end_utc_ns in {record.end_utc_ns for record in recorded(home)}:
        window = [record for record in recorded(home) if record.end_utc_ns == end_utc_ns and record.kind != "idle"]
        microjoules = sum(energy or 0 for record in window for energy in record.energy_microjoules.values())
        cpu_ns = sum(record.cpu_ns for record in window)
        if cpu_ns >= 10 * MILLISECOND:
            factors.append(pytest.approx(microjoules * 1000 / cpu_ns, rel=1e-6))
    if done.stdout.strip() != "None":  # its window had almost no CPU time
        assert float(done.stdout) in factors
