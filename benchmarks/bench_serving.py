"""Cost to the example's inference service at load: bare, with codecarbon around each request, and with ecoia.

Two programs send requests: ``wrk`` as fast as the service answers, ``paced_load.py`` at a fixed rate. They send to bare and
measured in short turns, A B B A, so that a machine that slows down, or is busy with something else, slows both.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from types import TracebackType

from harness import CODECARBON_IMPORT, UNREACHABLE, Effort, Figure, Line, end_helpers, environment_of

EXAMPLE = Path(__file__).resolve().parent.parent / "examples/inference"
PACED_LOAD = Path(__file__).with_name("paced_load.py")
RATE = 1000
MEMORY_RATE = 1500
CONNECTIONS = 16
_HOW = "median over the rounds of several processes, in brackets its bootstrap 95 % interval"

_SERVE = """
import sys
sys.path.insert(0, example)
import uvicorn
from service import app
{more}
uvicorn.run(app, fd=socket, log_level="error", access_log=False)
"""

# The bare service has no middleware, and ecoia is disabled. The handler still calls ecoia to add units: that call keeps nothing
# and takes some 0.3 us.
_BARE = "app.user_middleware.clear()"
_PEER = (
    _BARE
    + CODECARBON_IMPORT
    + """
class TrackerEachRequest:
    def __init__(self, inner):
        self.inner = inner

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http" or scope["path"] == "/health":
            return await self.inner(scope, receive, send)
        tracker = OfflineEmissionsTracker(**offline)
        tracker.start()
        try:
            await self.inner(scope, receive, send)
        finally:
            tracker.stop()

app.add_middleware(TrackerEachRequest)
"""
)

# One process, with and without measuring: the same code differs between two processes by some per cent, as much as the effect
# to be measured. Bare is an application of the same routes without the middleware, in a loop whose steps ecoia doesn't follow.
_SWITCHED = """
import asyncio.events
from fastapi import FastAPI

handle = asyncio.events.Handle
measured, bare = app, FastAPI()
bare.router.routes.extend(app.router.routes)
now, steps = measured, {bare: handle._run}

async def app(scope, receive, send):
    global now
    if scope["type"] == "http" and scope["path"] == "/switch":
        steps[now] = handle._run
        now = bare if scope["query_string"] == b"bare" else measured
        handle._run = steps.get(now, handle._run)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})
    else:
        await now(scope, receive, send)
"""

_POST = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = "[[" .. string.rep("0.5, ", 63) .. "0.5]]"
"""


@dataclass(frozen=True)
class _Asked:
    """Result of sending requests to a service for some seconds."""

    answered: int
    per_second: float
    cpu_us: float  # CPU time of the service's whole process, per request
    p99_ms: float


class _Service:
    """The example service in a process of its own."""

    def __init__(self, folder: Path, model: Path, more: str = "", **environment: str) -> None:
        folder.mkdir()
        self._folder, self._home = folder, folder / "home"
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=200)
        # uvicorn doesn't set TCP_NODELAY on a socket that it is given; without it, each answer waits 40 ms for the client's ACK.
        self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.port: int = self._listener.getsockname()[1]
        assignments = f"example, socket = {str(EXAMPLE)!r}, {self._listener.fileno()}\n"
        self._process = subprocess.Popen(
            [sys.executable, "-c", assignments + _SERVE.format(more=more)],
            cwd=folder,
            env=environment_of(self._home, {"MODEL": str(model), **environment}),
            pass_fds=[self._listener.fileno()],
            stdout=subprocess.DEVNULL,
            stderr=(folder / "complaints").open("wb"),
        )
        self._clock = (~self._process.pid << 3) | 2  # Linux's CPU clock of a process by its id

    def __enter__(self) -> _Service:
        try:
            self.paced(20, 1)  # wait until it answers, so that the first request's imports are done
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()
        self._listener.close()
        end_helpers(self._home)

    def switch(self, to: str) -> None:
        """Switch to the ``bare`` or the ``measured`` application."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request("GET", f"/switch?{to}")
        connection.getresponse().read()
        connection.close()

    def beside_ns(self) -> int:
        """Return the CPU time of all threads but the first: the time of measuring in the background."""
        threads = Path(f"/proc/{self._process.pid}/task").iterdir()
        return sum(int((each / "schedstat").read_text().split()[0]) for each in threads if each.name != str(self._process.pid))

    def resident_mib(self) -> float:
        """Return the resident memory of the service's process, shared pages included."""
        rollup = Path(f"/proc/{self._process.pid}/smaps_rollup").read_text(encoding="ascii")
        return int(next(line.split()[1] for line in rollup.splitlines() if line.startswith("Rss:"))) / 1024

    def paced(self, rate: float, seconds: float) -> _Asked:
        """Send requests at a fixed rate."""
        before_ns = time.clock_gettime_ns(self._clock)
        told = json.loads(
            _output(sys.executable, PACED_LOAD, "--port", self.port, "--rate", rate, "--seconds", seconds, "--connections", 32)
        )
        used_ns = time.clock_gettime_ns(self._clock) - before_ns
        if told["failed"]:
            raise RuntimeError(f"{told} requests failed\n{(self._folder / 'complaints').read_text(errors='replace')}")
        answered = told["answered"]
        return _Asked(answered, answered / told["seconds"], used_ns / answered / 1e3, told["p99_ms"])

    def as_fast_as_it_answers(self, seconds: float) -> _Asked:
        """Send requests with ``wrk``."""
        script = self._folder / "post.lua"
        script.write_text(_POST, encoding="ascii")
        before_ns = time.clock_gettime_ns(self._clock)
        told = _output(
            "wrk", "--threads", 1, "--connections", CONNECTIONS, "--duration", f"{seconds:.0f}s", "--timeout", "20s",
            "--latency", "--script", script, f"http://127.0.0.1:{self.port}/read",
        )  # fmt: skip
        used_ns = time.clock_gettime_ns(self._clock) - before_ns
        if "Non-2xx" in told or "Socket errors" in told:
            raise RuntimeError(f"{told}\n{(self._folder / 'complaints').read_text(errors='replace')}")
        answered = int(_found(r"(\d+) requests in", told))
        number, unit = _found(r"99%\s+([\d.]+)", told), _found(r"99%\s+[\d.]+(us|ms|s)", told)
        p99_ms = float(number) * {"us": 1e-3, "ms": 1.0, "s": 1e3}[unit]
        return _Asked(answered, float(_found(r"Requests/sec:\s+([\d.]+)", told)), used_ns / answered / 1e3, p99_ms)


def _output(*command: object) -> str:
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True).stdout


def _found(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    if found is None:
        raise RuntimeError(f"wrk answers otherwise now:\n{text}")
    return found[1]


class _Away:
    """Run a tracking server that stays silent for ``seconds``, then answers 503 (service unavailable)."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.uri = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            connection.recv(65536)
            time.sleep(self._seconds)
            connection.sendall(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    def __enter__(self) -> _Away:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()


Rounds = list[Mapping[str, tuple[_Asked, _Asked]]]
"""Figures of a round, in which every variant ran twice."""


def _in_turns(rounds: int, ask: Mapping[str, Callable[[], _Asked]]) -> Rounds:
    """Run ABBA, ABBA, and return both results of each variant in a round."""
    done: Rounds = []
    for _ in range(rounds):
        there = {name: one() for name, one in ask.items()}
        back = {name: one() for name, one in reversed(ask.items())}
        done.append({name: (there[name], back[name]) for name in ask})
    return done


def _mean(pair: tuple[_Asked, _Asked], name: str) -> float:
    first, second = (getattr(each, name) for each in pair)
    return float(first + second) / 2


Sets = list[Rounds]
"""Rounds by process."""


def _over_bare(sets: Sets, variant: str, name: str) -> list[list[float]]:
    return [[_mean(each[variant], name) - _mean(each["bare"], name) for each in rounds] for rounds in sets]


def _lost_percent(sets: Sets, variant: str) -> list[list[float]]:
    return [
        [100 * (1 - _mean(each[variant], "per_second") / _mean(each["bare"], "per_second")) for each in rounds] for rounds in sets
    ]


def _there_and_back_percent(sets: Sets) -> list[list[float]]:
    return [
        [100 * (1 - back.per_second / there.per_second) for there, back in (each["bare"] for each in rounds)] for rounds in sets
    ]


def _figure_of(sets: Sets, variant: str, name: str) -> Figure | None:
    return Figure.of([getattr(asked, name) for rounds in sets for each in rounds for asked in each[variant]])


def _bootstrap(values: list[list[float]], draws: int = 10_000) -> Figure:
    """Return the median over all rounds and its bootstrap 95 % interval, with sets and their rounds resampled."""
    chance = random.Random(20261126)
    medians = sorted(
        statistics.median(chain(*(chance.choices(rounds, k=len(rounds)) for rounds in chance.choices(values, k=len(values)))))
        for _ in range(draws)
    )
    everything = list(chain(*values))
    return Figure(
        statistics.median(everything), medians[round(draws * 0.025)], medians[round(draws * 0.975) - 1], len(everything)
    )


def _lines_under_wrk(sets: Sets, peers: Rounds) -> Iterator[Line]:
    of_peer = [peers] if peers else []
    facts = {
        "bare_per_second": _figure_of(sets, "bare", "per_second"),
        "ours_per_second": _figure_of(sets, "ours", "per_second"),
        "peer_per_second": _figure_of(of_peer, "peer", "per_second"),
        "bare_p99_ms": _figure_of(sets, "bare", "p99_ms"),
        "ours_p99_ms": _figure_of(sets, "ours", "p99_ms"),
    }
    peer_what = "a tracker around each request"
    yield Line(
        "service under wrk: throughput lost", "%", _bootstrap(_lost_percent(sets, "ours")), None,
        Figure.of(list(chain(*_lost_percent(of_peer, "peer")))), peer_what, note=_HOW, facts=facts,
    )  # fmt: skip
    yield Line(
        "floor: throughput of the bare service, less the second time", "%", _bootstrap(_there_and_back_percent(sets)), note=_HOW
    )
    yield Line(
        "service under wrk: process CPU a request, over bare", "µs", _bootstrap(_over_bare(sets, "ours", "cpu_us")), 10,
        Figure.of(list(chain(*_over_bare(of_peer, "peer", "cpu_us")))), peer_what, note=_HOW,
    )  # fmt: skip


def _lines_at_a_rate(variants: Mapping[str, Sets]) -> Iterator[Line]:
    of_bare = [each["bare"] for sets in variants.values() for rounds in sets for each in rounds]
    spread = Figure.of([abs(there.p99_ms - back.p99_ms) for there, back in of_bare])
    assert spread is not None
    rate = statistics.mean(asked.per_second for pair in of_bare for asked in pair)
    at_rate = f"at {round(rate, -1):,.0f} requests a second"
    of_p99 = f"{at_rate}; {_HOW}; the target is the difference of the bare service from itself within a round (the floor below)"
    for (name, sets), how in zip(variants.items(), ("", ", MLflow refusing", ", MLflow answering after 5 s"), strict=True):
        yield Line(
            f"service at a fixed rate{how}: process CPU a request, over bare", "µs",
            _bootstrap(_over_bare(sets, name, "cpu_us")), 10, note=f"{at_rate}; {_HOW}",
        )  # fmt: skip
        yield Line(
            f"service at a fixed rate{how}: p99 over bare", "ms",
            _bootstrap(_over_bare(sets, name, "p99_ms")), spread.median, note=of_p99,
            facts={"p99_ms": _figure_of(sets, name, "p99_ms"), "bare_p99_ms": _figure_of(sets, "bare", "p99_ms")},
        )  # fmt: skip
    yield Line(
        "floor: p99 of the bare service against itself, apart", "ms", spread, note=f"{at_rate}; median, in brackets the quartiles"
    )


def _growth_bytes(service: _Service, requests: int) -> float:
    """Return the growth of resident memory per request, after a tenth as many to warm up."""
    service.paced(MEMORY_RATE, requests / MEMORY_RATE / 10)
    before_mib = service.resident_mib()
    service.paced(MEMORY_RATE, requests / MEMORY_RATE)
    return max(service.resident_mib() - before_mib, 0) * 2**20 / requests


def _rate_of(bare: _Service, seconds: float, tries: int) -> float:
    """Return a rate that the bare service holds with a third to spare, so that it never falls behind."""
    return min(RATE, max(bare.paced(3 * RATE, seconds).per_second for _ in range(tries)) / 1.5)


@contextmanager
def _started(folder: Path, model: Path, variants: Mapping[str, tuple[str, Mapping[str, str]]]) -> Iterator[dict[str, _Service]]:
    """Start a set of processes, one of each variant."""
    folder.mkdir()
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(_Service(folder / name, model, more, **environment))
            for name, (more, environment) in variants.items()
        }


def _both_ways(ask: Callable[[_Service], _Asked], service: _Service, variant: str = "ours") -> dict[str, Callable[[], _Asked]]:
    """Send requests to a switched service, bare and measured; measured includes its background thread's CPU time per request."""

    def asked_as(name: str) -> _Asked:
        service.switch("bare" if name == "bare" else "measured")
        before_ns = service.beside_ns()
        asked = ask(service)
        beside_us = (service.beside_ns() - before_ns) / asked.answered / 1e3
        return replace(asked, cpu_us=asked.cpu_us - beside_us) if name == "bare" else asked

    return {name: partial(asked_as, name) for name in ("bare", variant)}


def serving(effort: Effort) -> Iterator[Line]:
    """Measure the example service under ``wrk``, at a fixed rate, over many requests, and while MLflow is away."""
    sets, rounds, seconds, tries = (1, 1, 0.05, 1) if effort.rounds == 1 else (4, 8, 0.5, 3)
    has_wrk = shutil.which("wrk") is not None
    if not has_wrk:
        print("serving: wrk is not installed (apt-get install wrk): the lines under wrk are left out", file=sys.stderr)
    by_wrk = partial(_Service.as_fast_as_it_answers, seconds=1)
    under_wrk: Sets = []
    at_rate: dict[str, Sets] = {"ours": [], "refusing": [], "slow": []}
    peers: Rounds = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ecoia-bench-", ignore_cleanup_errors=True)))
        model = folder / "model.joblib"
        subprocess.run(
            [sys.executable, str(EXAMPLE / "train.py"), str(model)],
            env={**os.environ, "ECOIA_DISABLED": "1"}, check=True, capture_output=True,
        )  # fmt: skip
        slow = stack.enter_context(_Away(5.0))
        away = {"ECOIA_DELIVERY": "helper", "NO_PROXY": "127.0.0.1"}
        bare = {"bare": (_BARE, {"ECOIA_DISABLED": "1"})}
        switched = {
            "ours": (_SWITCHED, {}),
            "refusing": (_SWITCHED, {**away, "MLFLOW_TRACKING_URI": UNREACHABLE}),
            "slow": (_SWITCHED, {**away, "MLFLOW_TRACKING_URI": slow.uri}),
        }
        for number in range(sets):
            with _started(folder / str(number), model, switched) as services:
                for name, service in services.items():
                    service.switch("bare")
                    paced = partial(_Service.paced, rate=_rate_of(service, seconds, tries), seconds=seconds)
                    at_rate[name].append(_in_turns(rounds, _both_ways(paced, service, name)))
                if has_wrk:
                    under_wrk.append(_in_turns(rounds, _both_ways(by_wrk, services["ours"])))
        if has_wrk and effort.peers:
            with _started(folder / "peer", model, {**bare, "peer": (_PEER, {"ECOIA_DISABLED": "1"})}) as services:
                peers = _in_turns(effort.few, {name: partial(by_wrk, each) for name, each in services.items()})
        if has_wrk:
            yield from _lines_under_wrk(under_wrk, peers)
        yield from _lines_at_a_rate(at_rate)
        requests = max(effort.spans // 10, 1)
        note = f"over {requests:,} requests at 1,500 a second; `--full` asks a million; a page of 4 kB more or less is noise"
        with _started(folder / "memory", model, {**bare, "ours": ("", {})}) as services:
            for what, name, target in (
                ("growth of memory, request after request", "ours", 1.0),
                ("floor: growth of memory of the bare service", "bare", None),
            ):
                yield Line(what, "bytes a request", Figure.of([_growth_bytes(services[name], requests)]), target, note=note)
