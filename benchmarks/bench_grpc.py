"""Cost of a measured call of a gRPC server: in a loop without a server, and of a server with its client in the same process.

In the loop a call is what the interceptor adds: finding the measured method, and calling it; times are CPU time of the thread.
Calls of the server go to a method that is measured and to its twin that is not, in short turns, A B B A, so that a machine that
slows down slows both; times are CPU time of the whole process, client, sampler and writing included.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from harness import Effort, Figure, Finished, Line, figure, interleave, over, run

_SERVER = """
import asyncio
from concurrent.futures import ThreadPoolExecutor
from time import process_time_ns
import grpc
import ecoia
from ecoia_integrations.grpc import AsyncImpactInterceptor, ImpactInterceptor

no_proxy = [("grpc.enable_http_proxy", 0)]
arguments = dict(service="bench", units=1, methods={"/bench.Bench/Bare": None})

def handlers(behaviour):
    handler = grpc.unary_unary_rpc_method_handler(behaviour)
    return grpc.method_handlers_generic_handler("bench.Bench", {"Bare": handler, "Measured": handler})

def keep(kind, cost):
    result.setdefault(kind, []).append(cost)
"""

_LOOP = (
    _SERVER
    + """
from time import thread_time_ns

details = type("Details", (), {"method": "/bench.Bench/Measured"})()
context = type("Context", (), {"code": staticmethod(lambda: None)})()

def answer(request, context):
    return request

async def async_answer(request, context):
    return request

handler = grpc.unary_unary_rpc_method_handler(answer)
async_handler = grpc.unary_unary_rpc_method_handler(async_answer)
interceptor, async_interceptor = ImpactInterceptor(**arguments), AsyncImpactInterceptor(**arguments)

async def found(details):
    return async_handler

def measured():
    return interceptor.intercept_service(lambda details: handler, details).unary_unary(b"", context)

def bare():
    return (lambda details: handler)(details).unary_unary(b"", context)

async def async_measured():
    return await (await async_interceptor.intercept_service(found, details)).unary_unary(b"", context)

async def async_bare():
    return await (await found(details)).unary_unary(b"", context)

def cost_ns(function):
    start = thread_time_ns()
    for _ in range(calls):
        function()
    return (thread_time_ns() - start) / calls

async def async_cost_ns(function):
    start = thread_time_ns()
    for _ in range(calls):
        await function()
    return (thread_time_ns() - start) / calls

async def main():
    measured(), await async_measured()
    ecoia.flush(60)
    for _ in range(rounds):
        keep("Bare", cost_ns(bare))
        keep("Measured", cost_ns(measured))
        keep("AsyncBare", await async_cost_ns(async_bare))
        keep("AsyncMeasured", await async_cost_ns(async_measured))

asyncio.run(main())
"""
)

_SYNC = (
    _SERVER
    + """
server = grpc.server(ThreadPoolExecutor(1), interceptors=[ImpactInterceptor(**arguments)])
server.add_generic_rpc_handlers((handlers(lambda request, context: request),))
port = server.add_insecure_port("127.0.0.1:0")
server.start()
channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=no_proxy)
call = {kind: channel.unary_unary(f"/bench.Bench/{kind}") for kind in ("Bare", "Measured")}
for kind in call:
    call[kind](b"cv")
ecoia.flush(60)  # the meters are found
for _ in range(rounds):
    for kind in ("Bare", "Measured", "Measured", "Bare"):
        start = process_time_ns()
        for _ in range(calls):
            call[kind](b"cv")
        keep(kind, (process_time_ns() - start) / calls)
channel.close()
server.stop(None).wait()
"""
)

_ASYNC = (
    _SERVER
    + """
async def answer(request, context):
    return request

async def main():
    server = grpc.aio.server(interceptors=[AsyncImpactInterceptor(**arguments)])
    server.add_generic_rpc_handlers((handlers(answer),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=no_proxy) as channel:
        call = {kind: channel.unary_unary(f"/bench.Bench/{kind}") for kind in ("Bare", "Measured")}
        for kind in call:
            await call[kind](b"cv")
        ecoia.flush(60)
        for _ in range(rounds):
            for kind in ("Bare", "Measured", "Measured", "Bare"):
                start = process_time_ns()
                for _ in range(calls):
                    await call[kind](b"cv")
                keep(kind, (process_time_ns() - start) / calls)
    await server.stop(None)

asyncio.run(main())
"""
)


def grpc_calls(effort: Effort) -> Iterator[Line]:
    """Measure a call in a loop, then one of a synchronous server and one of asyncio, each over a call that is not measured."""
    few = effort.rounds > 1
    loop = _runs(effort, _LOOP, calls=20_000 if few else 500)
    for kind, how in (("", "threads"), ("Async", "asyncio")):
        yield Line(
            f"call of a gRPC method in a loop ({how}), thread CPU over a bare call", "µs", _over_bare(loop, kind), 10.0,
            facts={"bare_us": _middle(loop, kind)},
        )  # fmt: skip
    for program, how in ((_SYNC, "threads"), (_ASYNC, "asyncio")):
        ours = _runs(effort, program, calls=1_000 if few else 50)
        yield Line(
            f"call of a gRPC server ({how}), process CPU over an unmeasured call", "µs", _over_bare(ours), 10.0,
            facts={"bare_us": _middle(ours)},
            note="the client is in the same process; codecarbon has nothing for gRPC",
        )  # fmt: skip


def _runs(effort: Effort, program: str, calls: int) -> list[Finished]:
    return interleave(effort, effort.few, {"ours": partial(run, program, calls=calls, rounds=effort.rounds)})["ours"]


def _over_bare(runs: list[Finished], kind: str = "") -> Figure | None:
    pairs = [pair for each in runs for pair in zip(each.result[f"{kind}Measured"], each.result[f"{kind}Bare"], strict=True)]
    return over([a for a, _ in pairs], [b for _, b in pairs], scale=1e-3)


def _middle(runs: list[Finished], kind: str = "") -> float | None:
    found = figure(runs, f"{kind}Bare", scale=1e-3)
    return found.median if found else None
