"""The dashboard under 50 readers: how long they wait for a page, how large it is, and what memory the server takes.

A server on thirty services and eight quarters is asked by 50 connections at once, each for one page after another without a
pause, which is far more than 50 people ask for. A page that was asked for before is kept; each new address is computed once.
"""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psutil
from harness import Effort, Figure, Line

READERS = 50
PATHS = (
    "/",
    "/services",
    "/services/vadore",
    "/compare",
    "/runs",
    "/load",
    "/llm",
    "/commitments",
    "/method",
    "/quality",
    "/formula",
    "/records",
)
QUERIES = ("", "?lang=en", "?period=2026Q2", "?period=2026Q2&lang=en", "?theme=dark")
DAYS = "?period=2026-07-06..2026-08-16&service=vadore,fraude&phase=inference"
"""Days within a quarter and filters, of which nothing is computed beforehand."""
_TESTS = Path(__file__).resolve().parent.parent / "tests"
_SERVE = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from ecoia.exploring import Explorer
from ecoia_dashboards.dashboard.serving import serve
from support.settings import make_settings
def ready(url):
    print(url, flush=True)

serve(Explorer(Path(sys.argv[2]) / "filled"), host="127.0.0.1", port=0, settings=make_settings(), ready=ready)
"""
_FILL = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from support.filled import fill_grown
fill_grown(Path(sys.argv[2]))
"""


def dashboard(effort: Effort) -> Iterator[Line]:
    """Yield the lines of the dashboard."""
    with tempfile.TemporaryDirectory(prefix="ecoia-bench-") as folder:
        subprocess.run([sys.executable, "-c", _FILL, str(_TESTS), folder], check=True)
        with _server(folder) as (address, process):
            addresses = [path + query for path in PATHS for query in QUERIES]
            first = asyncio.run(_ask_each(address, addresses))
            filtered = asyncio.run(_ask_each(address, [path + DAYS for path in PATHS]))
            again = asyncio.run(_ask_each(address, addresses))
            waits = asyncio.run(_under_load(address, addresses, effort.seconds))
            memory = process.memory_info().rss / 2**20
    milliseconds = sorted(1000 * wait for wait in waits)
    at = {share: milliseconds[min(len(milliseconds) - 1, int(share * len(milliseconds)))] for share in (0.5, 0.95, 0.99)}
    facts = {"readers": READERS, "requests_per_second": len(waits) / effort.seconds}
    facts |= {f"p{100 * share:.0f}_ms": wait for share, wait in at.items()}
    yield Line("dashboard: a page's first answer, median", "ms", Figure.of([1000 * wait for wait, _ in first]), 100)
    yield Line("dashboard: the same of filtered days, median", "ms", Figure.of([1000 * wait for wait, _ in filtered]), 100)
    yield Line("dashboard: a page asked for before, median", "ms", Figure.of([1000 * wait for wait, _ in again]), 20)
    yield Line("dashboard: the largest page, gzip", "kB", _one(max(size for _, size in first) / 1000), 40)
    yield Line(f"dashboard: p95 of {READERS} readers who never pause", "ms", _one(at[0.95]), 500, facts=facts)
    yield Line("dashboard: memory of the server after that", "MiB", _one(memory), 250)


def _one(value: float) -> Figure:
    return Figure(value, value, value, 1)


@contextmanager
def _server(folder: str) -> Iterator[tuple[str, psutil.Process]]:
    process = subprocess.Popen([sys.executable, "-c", _SERVE, str(_TESTS), folder], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip(), psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()


async def _ask_each(address: str, paths: list[str]) -> list[tuple[float, int]]:
    """Ask for each path once, one after the other; return seconds and bytes of each."""
    reader, writer = await asyncio.open_connection(urlsplit(address).hostname, urlsplit(address).port)
    try:
        return [await _get(reader, writer, path) for path in paths]
    finally:
        writer.close()


async def _under_load(address: str, paths: list[str], seconds: float) -> list[float]:
    """Ask on many connections at once until the time is over; return the seconds of each answer."""
    until = time.perf_counter() + seconds

    async def read(number: int) -> list[float]:
        choose = random.Random(number)
        reader, writer = await asyncio.open_connection(urlsplit(address).hostname, urlsplit(address).port)
        found = []
        while time.perf_counter() < until:
            found.append((await _get(reader, writer, choose.choice(paths)))[0])
        writer.close()
        return found

    return [wait for waits in await asyncio.gather(*map(read, range(READERS))) for wait in waits]


async def _get(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str) -> tuple[float, int]:
    begun = time.perf_counter()
    writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept-Encoding: gzip\r\n\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    assert " 200 " in head.splitlines()[0], (path, head)
    length = int(head.partition("content-length: ")[2].splitlines()[0])
    await reader.readexactly(length)
    return time.perf_counter() - begun, length


if __name__ == "__main__":
    for line in dashboard(Effort(seconds=20)):
        assert line.ours is not None
        print(
            f"{line.what}: {line.ours.median:.1f} {line.unit} ({line.ours.low:.1f} to {line.ours.high:.1f}; target {line.target})"
        )
        for name, value in line.facts.items():
            print(f"  {name}: {value:.1f}")
