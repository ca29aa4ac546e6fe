"""Real processes: all CPU time that was used is in the records once, and with its rightful owner."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from support.programs import BURN, recorded, run_python

pytestmark = [pytest.mark.long, pytest.mark.timing]

MILLISECOND = 1_000_000

BLAS = """
import time, numpy
matrix = numpy.random.default_rng(1).random((700, 700))
def multiply(cpu_seconds):
    end = time.process_time() + cpu_seconds
    while time.process_time() < end: matrix @ matrix
import ecoia
{body}
assert ecoia.flush(60)
"""


@pytest.mark.parametrize(
    "body",
    [
        "with ecoia.track(service='blas'): multiply(3)",
        "for _ in range(15):\n    with ecoia.track(service='blas'): multiply(0.2)\n    time.sleep(0.1)",
    ],
    ids=["one long span", "short spans with pauses"],
)
def test_the_threads_of_blas_are_the_spans(home: Path, body: str) -> None:
    """Two threads, one of which carries no span: at least 99 % of what the process used is attributed.

    The pauses are pauses: BLAS's threads would spin on for a while, and where no span is left that is nobody's.
    """
    done = run_python(BLAS.format(body=body), OPENBLAS_NUM_THREADS="2", OPENBLAS_THREAD_TIMEOUT="4")
    assert (done.returncode, done.stderr) == (0, "")
    cpu_ns: Counter[str] = Counter()
    for record in recorded(home):
        cpu_ns[record.kind] += record.cpu_ns
    attributable = cpu_ns["span"] + cpu_ns["unattributed"]
    assert cpu_ns["span"] >= 0.99 * attributable


def test_beside_blas_a_sleeper_gets_next_to_nothing(home: Path) -> None:
    body = """
import threading
asleep, done = threading.Event(), threading.Event()
def sleep():
    with ecoia.track(service='sleeper'):
        asleep.set()
        done.wait(60)
        time.sleep(0.3)
sleeper = threading.Thread(target=sleep)
sleeper.start(); asleep.wait()
with ecoia.track(service='blas'): multiply(2)
done.set()
sleeper.join()
"""
    done = run_python(BLAS.format(body=body), OPENBLAS_NUM_THREADS="2")
    assert (done.returncode, done.stderr) == (0, "")
    energy: Counter[str | None] = Counter()
    for record in recorded(home):
        for microjoules in record.energy_microjoules.values():
            energy[record.service] += microjoules or 0
    assert energy["blas"] > 0
    assert energy["sleeper"] <= 0.005 * (energy["sleeper"] + energy["blas"])


FASTAPI = (
    BURN
    + """
import asyncio, threading
import fastapi
from ecoia_integrations.asgi import ImpactMiddleware
import ecoia

app = fastapi.FastAPI()

@app.get("/sleep")
def sleep():
    time.sleep(0.4)
    return "rested"

@app.get("/compute")
def compute():
    burn(20)
    return "done"

class ByRoute:
    \"\"\"Two services behind one application.\"\"\"
    def __init__(self, inner):
        self.services = {f"/{name}": ImpactMiddleware(inner, service=name) for name in ("sleep", "compute")}
        self.inner = inner
    async def __call__(self, scope, receive, send):
        await self.services.get(scope["path"], self.inner)(scope, receive, send)

served = ByRoute(app)

async def get(path):
    scope = dict(type="http", asgi={"version": "3.0"}, http_version="1.1", method="GET", path=path, root_path="", scheme="http",
                 raw_path=path.encode(), query_string=b"", headers=[], client=None, server=None, state={})
    status = []
    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}
    async def send(message):
        if message["type"] == "http.response.start": status.append(message["status"])
    await served(scope, receive, send)
    assert status == [200], status

async def main():
    sleepers = [asyncio.create_task(get("/sleep")) for _ in range(4)]
    for _ in range(20):
        await get("/compute")
    await asyncio.gather(*sleepers)

asyncio.run(main())
assert ecoia.flush(60)
"""
)


def test_a_sleeper_in_fastapis_thread_pool_gets_next_to_nothing(home: Path) -> None:
    done = run_python(FASTAPI)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    cpu_ns: Counter[str | None] = Counter()
    spans: Counter[str | None] = Counter()
    for record in recorded(home):
        cpu_ns[record.service] += record.cpu_ns
        spans[record.service] += record.spans
    assert (spans["sleep"], spans["compute"]) == (4, 20)
    assert cpu_ns["compute"] >= 400 * MILLISECOND
    assert cpu_ns["sleep"] <= 0.06 * (cpu_ns["sleep"] + cpu_ns["compute"])
