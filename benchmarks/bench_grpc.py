"""Cost of a measured call of a gRPC server, its client in the same process: one method is measured, its twin is not.

Calls go to both in short turns, A B B A, so that a machine that slows down slows both. Times are CPU time of the whole process,
client, sampler and writing included.
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
    """Measure a call of a synchronous server and of one of asyncio, over a call that is not measured."""
    for program, how in ((_SYNC, "threads"), (_ASYNC, "asyncio")):
        few = effort.rounds > 1
        ours = interleave(
            effort, effort.few, {"ours": partial(run, program, calls=1_000 if few else 50, rounds=2 * effort.rounds)}
        )["ours"]
        yield Line(
            f"call of a gRPC server ({how}), process CPU over an unmeasured call", "µs", _over_bare(ours), 10.0,
            facts={"bare_us": figure(ours, "Bare").median / 1000},
            note="the client is in the same process; codecarbon has nothing for gRPC",
        )  # fmt: skip


def _over_bare(runs: list[Finished]) -> Figure | None:
    pairs = [pair for each in runs for pair in zip(each.result["Measured"], each.result["Bare"], strict=True)]
    return over([a for a, _ in pairs], [b for _, b in pairs], scale=1e-3)
