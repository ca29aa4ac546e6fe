"""The ASGI middleware around a real FastAPI application under uvicorn, in its own process."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from websockets.sync.client import connect

from ecoia.keeping.journal import Journal
from ecoia.records import Record
from ecoia_integrations.asgi import PROBES, ImpactMiddleware

SERVER = """
import asyncio, socket, sys, threading, time
import ecoia, uvicorn
from ecoia_integrations.asgi import ImpactMiddleware
from fastapi import FastAPI, WebSocket
from fastapi.responses import StreamingResponse

app = FastAPI()
app.add_middleware(ImpactMiddleware, service="analyse-cv")

def burn(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass

@app.get("/cv/{number}")
async def analyse(number: int):
    for _ in range(5):  # in steps, so that requests interleave on the one event loop
        burn(0.004)
        await asyncio.sleep(0)
    ecoia.current().units(1)
    return {"number": number}

@app.get("/wait")
async def wait():
    await asyncio.sleep(0.4)
    return {}

@app.get("/pooled")
def pooled():  # Starlette runs it in a thread, and the span follows
    ecoia.current().units(3)
    return {}

@app.get("/broken")
async def broken():
    raise RuntimeError("as any application may")

@app.get("/stream")
async def stream():
    async def parts():
        for _ in range(10):
            burn(0.01)
            await asyncio.sleep(0)
            yield b"part"
    return StreamingResponse(parts())

gone = asyncio.Event()

@app.get("/endless")
async def endless():
    async def parts():
        try:
            while True:
                yield b"x" * 1000
                await asyncio.sleep(0.01)
        finally:
            gone.set()
    return StreamingResponse(parts())

@app.get("/gone")
async def client_is_gone():
    await gone.wait()
    return {}

@app.websocket("/talk/{name}")
async def talk(socket: WebSocket, name: str):
    await socket.accept()
    async for text in socket.iter_text():
        burn(0.01)
        ecoia.current().units(1)
        await socket.send_text(text)

@app.get("/health")
async def health():
    return {}

listener = socket.create_server(("127.0.0.1", 0))
server = uvicorn.Server(uvicorn.Config(app, log_level="critical"))

def stop_when_told():
    print(listener.getsockname()[1], flush=True)
    sys.stdin.read()
    server.should_exit = True

threading.Thread(target=stop_when_told, daemon=True).start()
server.run(sockets=[listener])
assert ecoia.flush(60)
"""


def get(port: int, path: str) -> int:
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=600) as answer:
            json.load(answer)
            return int(answer.status)
    except HTTPError as error:
        error.close()
        return error.code


@pytest.fixture
def served(home: Path) -> list[Record]:
    """The span records of a server that answered 40 + 10 concurrent requests, some others, and probes."""
    process = subprocess.Popen([sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        port = int(process.stdout.readline())
        paths = [f"/cv/{number}" for number in range(40)] + ["/wait"] * 10
        with ThreadPoolExecutor(10) as pool:
            assert set(pool.map(lambda path: get(port, path), paths)) == {200}
        assert get(port, "/pooled") == 200
        assert get(port, "/broken") == 500
        with urlopen(f"http://127.0.0.1:{port}/stream", timeout=600) as answer:
            assert answer.read() == b"part" * 10
        with urlopen(f"http://127.0.0.1:{port}/endless", timeout=600) as answer:
            assert len(answer.read(3000)) == 3000  # and then the client closes the connection
        assert get(port, "/gone") == 200
        with connect(f"ws://127.0.0.1:{port}/talk/somebody") as socket:
            for number in range(5):
                socket.send(str(number))
                assert socket.recv(30) == str(number)
        assert get(port, "/nowhere/someone") == 404
        assert [get(port, "/health") for _ in range(3)] == [200] * 3
        process.stdin.close()
        assert process.wait(30) == 0
    return [record for record in Journal(home).scan().records if record.kind == "span"]


def test_every_request_is_a_span_of_its_service_and_route(served: list[Record]) -> None:
    assert {(record.service, record.phase) for record in served} == {("analyse-cv", "inference")}
    spans: dict[str | None, int] = {}
    for record in served:
        spans[record.endpoint] = spans.get(record.endpoint, 0) + record.spans
    # Probes are left out. A path without a route counts, and its text is not kept.
    assert {endpoint: count for endpoint, count in spans.items() if count} == {
        "/cv/{number}": 40, "/wait": 10, "/pooled": 1, "/broken": 1, "/stream": 1, "/endless": 1, "/gone": 1, "/talk/{name}": 1,
        None: 1,
    }  # fmt: skip


def test_units_of_the_handler_reach_its_span_from_the_loop_and_from_a_thread(served: list[Record]) -> None:
    units: dict[str | None, int] = {}
    for record in served:
        if record.units_micro is not None:
            units[record.endpoint] = units.get(record.endpoint, 0) + record.units_micro
    assert units == {"/cv/{number}": 40_000_000, "/pooled": 3_000_000, "/talk/{name}": 5_000_000}


def test_a_request_that_waits_is_not_charged_for_those_that_work(served: list[Record]) -> None:
    cpu_ns: dict[str | None, int] = {}
    for record in served:
        cpu_ns[record.endpoint] = cpu_ns.get(record.endpoint, 0) + record.cpu_ns
    assert cpu_ns["/cv/{number}"] >= 40 * 20_000_000
    # Ten requests slept while forty worked for 0.8 s: they are charged for their own CPU time only.
    assert cpu_ns["/wait"] < 0.15 * cpu_ns["/cv/{number}"]
    # A stream, which Starlette sends from another task, and a web socket are charged to their end.
    assert cpu_ns["/stream"] >= 10 * 10_000_000
    assert cpu_ns["/talk/{name}"] >= 5 * 10_000_000


def test_other_connections_and_probes_pass_through_unmeasured() -> None:
    seen = []

    async def app(scope: object, receive: object, send: object) -> None:
        seen.append(scope)

    middleware = ImpactMiddleware(app, service="analyse-cv")
    for scope in ({"type": "lifespan"}, {"type": "other"}, *({"type": "http", "path": path} for path in PROBES)):
        coroutine = middleware(scope, None, None)  # type: ignore[arg-type]
        with pytest.raises(StopIteration):
            coroutine.__await__().send(None)
        assert seen[-1] is scope
