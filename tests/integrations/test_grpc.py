"""gRPC servers, with grpcio's own server and client: each call is a span of its method, until its last message."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import grpc
import pytest

import ecoia
from ecoia.errors import UsageError
from ecoia.integrating import losses
from ecoia_integrations.grpc import AsyncImpactInterceptor, ImpactInterceptor
from support.quiet_engine import QuietEngine, burn, quiet

SERVICE = "cv.Analysis"
NO_PROXY = [("grpc.enable_http_proxy", 0)]
MAKERS: dict[tuple[bool, bool], Callable[..., Any]] = {
    (False, False): grpc.unary_unary_rpc_method_handler,
    (False, True): grpc.unary_stream_rpc_method_handler,
    (True, False): grpc.stream_unary_rpc_method_handler,
    (True, True): grpc.stream_stream_rpc_method_handler,
}


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> QuietEngine:
    return quiet(monkeypatch)


# --- methods: a message is the bytes of the client ---


def score(request: bytes, context: grpc.ServicerContext) -> bytes:
    burn(10)
    return request.upper()


def pieces(request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
    for piece in request.split():
        burn(10)
        yield piece


def listed(request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
    return map(bytes.upper, pieces(request, context))


def join(requests: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
    found = []
    for each in requests:
        burn(10)
        found.append(each)
    return b" ".join(found)


def echo(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
    for each in requests:
        burn(10)
        yield each


def refuse(request: bytes, context: grpc.ServicerContext) -> bytes:
    burn(10)
    context.abort(grpc.StatusCode.NOT_FOUND, "no such CV")
    raise AssertionError("abort raises")


def break_(request: bytes, context: grpc.ServicerContext) -> bytes:
    raise ValueError("as any method may")


def warn(request: bytes, context: grpc.ServicerContext) -> bytes:
    context.set_code(grpc.StatusCode.FAILED_PRECONDITION)
    return b""


def endless(request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
    while True:
        yield request


METHODS = {
    "Score": (score, False, False),
    "Pieces": (pieces, False, True),
    "Listed": (listed, False, True),
    "Join": (join, True, False),
    "Echo": (echo, True, True),
    "Refuse": (refuse, False, False),
    "Break": (break_, False, False),
    "Warn": (warn, False, False),
    "Endless": (endless, False, True),
}


def handlers(methods: dict[str, tuple[Any, bool, bool]], service: str = SERVICE) -> grpc.GenericRpcHandler:
    made = {name: MAKERS[streams](behaviour) for name, (behaviour, *kinds) in methods.items() for streams in [tuple(kinds)]}
    return grpc.method_handlers_generic_handler(service, made)


@contextmanager
def served(*interceptors: ImpactInterceptor) -> Iterator[grpc.Channel]:
    server = grpc.server(ThreadPoolExecutor(4), interceptors=interceptors)
    server.add_generic_rpc_handlers((handlers(METHODS), handlers({"Check": (score, False, False)}, "grpc.health.v1.Health")))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}", options=NO_PROXY) as channel:
            yield channel
    finally:
        server.stop(None).wait(60)


def call_all(channel: grpc.Channel) -> list[Any]:
    """Call every method, and return what a client sees of each."""
    path = partial("/{}/{}".format, SERVICE)
    seen: list[Any] = [
        channel.unary_unary(path("Score"))(b"cv", timeout=60),
        list(channel.unary_stream(path("Pieces"))(b"a b c", timeout=60)),
        list(channel.unary_stream(path("Listed"))(b"a b", timeout=60)),
        channel.stream_unary(path("Join"))(iter([b"x", b"y"]), timeout=60),
        list(channel.stream_stream(path("Echo"))(iter([b"x", b"y"]), timeout=60)),
    ]
    for name in ("Refuse", "Break", "Warn", "Unknown"):
        with pytest.raises(grpc.RpcError) as refused:
            channel.unary_unary(path(name))(b"cv", timeout=60)
        seen.append((refused.value.code(), refused.value.details()))
    return seen


def measured(engine: QuietEngine, service: str = "analyse-cv") -> dict[str | None, tuple[int, int, float]]:
    """Return spans, whole tens of milliseconds of CPU time and units of each endpoint."""
    found: dict[str | None, list[float]] = {}
    for each in engine.every(service):
        sums = found.setdefault(each.label.endpoint, [0, 0, 0])
        sums[0] += each.spans
        sums[1] += each.cpu_ns
        sums[2] += each.units_micro
    return {name: (int(spans), int(cpu // 10_000_000), units / 1e6) for name, (spans, cpu, units) in found.items()}


def test_a_client_sees_the_same_answers_and_each_call_is_a_span_of_its_method(engine: QuietEngine) -> None:
    with served() as plain:
        untouched = call_all(plain)
    with served(ImpactInterceptor(service="analyse-cv", units=len)) as channel:
        assert call_all(channel) == untouched
        assert channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=60) == b""
    assert untouched[-4:] == [
        (grpc.StatusCode.NOT_FOUND, "no such CV"),
        (grpc.StatusCode.UNKNOWN, "Exception calling application: as any method may"),
        (grpc.StatusCode.FAILED_PRECONDITION, ""),
        (grpc.StatusCode.UNIMPLEMENTED, "Method not found!"),
    ]
    assert measured(engine) == {
        "/cv.Analysis/Score": (1, 1, 2),
        "/cv.Analysis/Pieces": (1, 3, 3),
        "/cv.Analysis/Listed": (1, 2, 2),
        "/cv.Analysis/Join": (1, 2, 3),
        "/cv.Analysis/Echo": (1, 2, 2),
        "/cv.Analysis/Refuse": (1, 1, 0),
        "/cv.Analysis/Break": (1, 0, 0),
        "/cv.Analysis/Warn": (1, 0, 0),
    }
    engine.assert_settled()


def test_a_stream_that_its_client_leaves_has_ended(engine: QuietEngine) -> None:
    with served(ImpactInterceptor(service="analyse-cv")) as channel:
        stream = channel.unary_stream(f"/{SERVICE}/Endless")(b"cv")
        assert next(stream) == b"cv"
        stream.cancel()
    assert measured(engine)["/cv.Analysis/Endless"][0] == 1
    engine.assert_settled()


def test_a_method_may_belong_to_another_service_or_to_none(engine: QuietEngine) -> None:
    methods = {
        f"/{SERVICE}/Score": ("matching", "evaluation"),
        f"/{SERVICE}/J*": None,
        "/grpc.health.v1.Health/Check": "health",
    }
    with served(ImpactInterceptor(service="analyse-cv", methods=methods, units=2, model_version="v4")) as channel:
        call_all(channel)
        channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=60)
    assert measured(engine, "matching") == {"/cv.Analysis/Score": (1, 1, 2)}
    assert {each.label.phase for each in engine.every("matching")} == {"evaluation"}
    assert measured(engine, "health") == {"/grpc.health.v1.Health/Check": (1, 1, 2)}
    found = measured(engine)
    assert "/cv.Analysis/Join" not in found
    assert found["/cv.Analysis/Pieces"] == (1, 3, 2)
    assert {each.label.model_version for each in engine.every("analyse-cv")} == {"v4"}


def test_units_that_cannot_be_counted_are_lost_and_break_no_call(engine: QuietEngine) -> None:
    with served(ImpactInterceptor(service="analyse-cv", units=lambda response: response["items"])) as channel:
        assert channel.unary_unary(f"/{SERVICE}/Score")(b"cv", timeout=60) == b"CV"
    with served(ImpactInterceptor(service="analyse-cv", units=lambda response: None)) as channel:
        assert channel.unary_unary(f"/{SERVICE}/Score")(b"cv", timeout=60) == b"CV"
    assert sorted(engine.lost) == sorted((losses.INVALID_UNITS, losses.MISSING_UNITS))
    assert measured(engine) == {"/cv.Analysis/Score": (2, 2, 0)}


@pytest.mark.parametrize("kind", [ImpactInterceptor, AsyncImpactInterceptor])
@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"service": "Not an id"}, "service"),
        ({"units": -1}, "units"),
        ({"methods": {"/a/B": 3}}, "methods"),
        ({"phase": "x"}, "phase"),
    ],
)
def test_an_illegal_argument_stops_the_server_at_its_start(kind: type, arguments: dict[str, Any], field: str) -> None:
    with pytest.raises(UsageError, match=field):
        kind(**{"service": "analyse-cv", **arguments})


# --- asyncio ---


async def async_score(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
    burn(10)
    await asyncio.sleep(0)
    burn(10)
    return request.upper()


async def async_pieces(request: bytes, context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
    for piece in request.split():
        await asyncio.sleep(0)
        burn(10)
        yield piece


async def async_write(request: bytes, context: grpc.aio.ServicerContext) -> None:
    for piece in request.split():
        burn(10)
        await context.write(piece)
    ecoia.current().units(7)


async def async_echo(requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
    async for each in requests:
        burn(10)
        yield each


async def async_refuse(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
    await context.abort(grpc.StatusCode.NOT_FOUND, "no such CV")
    raise AssertionError("abort raises")


ASYNC_METHODS = {
    "Score": (async_score, False, False),
    "Pieces": (async_pieces, False, True),
    "Write": (async_write, False, True),
    "Echo": (async_echo, True, True),
    "Refuse": (async_refuse, False, False),
    "Threaded": (score, False, False),
}


async def call_all_async(*interceptors: AsyncImpactInterceptor) -> list[Any]:
    server = grpc.aio.server(ThreadPoolExecutor(2), interceptors=interceptors)
    server.add_generic_rpc_handlers((handlers(ASYNC_METHODS),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    path = partial("/{}/{}".format, SERVICE)
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=NO_PROXY) as channel:
            score_call = channel.unary_unary(path("Score"))
            seen: list[Any] = [
                await asyncio.gather(score_call(b"cv"), score_call(b"cw")),
                [each async for each in channel.unary_stream(path("Pieces"))(b"a b c")],
                [each async for each in channel.unary_stream(path("Write"))(b"a b")],
                [each async for each in channel.stream_stream(path("Echo"))(iter([b"x", b"y"]))],
                await channel.unary_unary(path("Threaded"))(b"cv"),
            ]
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await channel.unary_unary(path("Refuse"))(b"cv")
            seen.append((refused.value.code(), refused.value.details()))
            left = channel.unary_stream(path("Pieces"))(b"a b c d e f g h")
            assert await left.read() == b"a"
            left.cancel()
            return seen
    finally:
        await server.stop(None)


def test_an_asyncio_server_is_measured_alike(engine: QuietEngine) -> None:
    untouched = asyncio.run(call_all_async())
    assert asyncio.run(call_all_async(AsyncImpactInterceptor(service="analyse-cv", units=len))) == untouched
    found = measured(engine)
    assert found["/cv.Analysis/Score"] == (2, 4, 4)
    assert found["/cv.Analysis/Pieces"][0] == 2
    assert found["/cv.Analysis/Pieces"][2] >= 4
    assert found["/cv.Analysis/Write"] == (1, 2, 7)
    assert found["/cv.Analysis/Echo"] == (1, 2, 2)
    assert found["/cv.Analysis/Refuse"] == (1, 0, 0)
    assert found["/cv.Analysis/Threaded"] == (1, 1, 2)
    engine.assert_settled()


def test_calls_at_once_are_each_charged_with_their_own_work(engine: QuietEngine) -> None:
    with served(ImpactInterceptor(service="analyse-cv")) as channel:
        calls = [threading.Thread(target=channel.unary_unary(f"/{SERVICE}/Score"), args=(b"cv",)) for _ in range(8)]
        for each in calls:
            each.start()
        for each in calls:
            each.join(60)
    spans, tens, _ = measured(engine)["/cv.Analysis/Score"]
    assert (spans, tens) == (8, 8)
