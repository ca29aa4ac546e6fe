"""What an inference service pays at load: the example's, asked bare, with codecarbon around each request, and with ecoia.

Two programs ask it: ``wrk`` as fast as it answers, ``paced_load.py`` at a fixed rate. The variants serve side by side, each one
process, and are asked in turns for a moment: A B B A, so that a machine that slows down, or is busy with something else, slows
all of them.
"""

from __future__ import annotations

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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType

from harness import CODECARBON_IMPORT, UNREACHABLE, Effort, Figure, Line, end_helpers, environment_of

EXAMPLE = Path(__file__).resolve().parent.parent / "examples/inference"
PACED_LOAD = Path(__file__).with_name("paced_load.py")
RATE = 1000
MEMORY_RATE = 1500
CONNECTIONS = 16

_SERVE = """
import sys
sys.path.insert(0, example)
import uvicorn
from service import app
{more}
uvicorn.run(app, fd=socket, log_level="error", access_log=False)
"""

# The service as it was before anything was added: disabled, and without the middleware. What is left of ecoia is the
# handler's line that tells its units, some 0.3 us of a call that keeps nothing.
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

_POST = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = "[[" .. string.rep("0.5, ", 63) .. "0.5]]"
"""


@dataclass(frozen=True)
class _Asked:
    """What came of asking a service for some seconds."""

    answered: int
    per_second: float
    cpu_us: float  # of the whole process of the service, for each request
    p99_ms: float


class _Service:
    """The example service in a process of its own."""

    def __init__(self, folder: Path, model: Path, more: str = "", **environment: str) -> None:
        folder.mkdir()
        self._folder, self._home = folder, folder / "home"
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=200)
        # uvicorn leaves it out on a socket that it is handed, and each answer would wait 40 ms for the client's acknowledgement.
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
            self.paced(20, 1)  # it answers, and what is loaded at the first request is loaded
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()
        self._listener.close()
        end_helpers(self._home)

    def resident_mib(self) -> float:
        """What of its process is in memory, shared pages included."""
        rollup = Path(f"/proc/{self._process.pid}/smaps_rollup").read_text(encoding="ascii")
        return int(next(line.split()[1] for line in rollup.splitlines() if line.startswith("Rss:"))) / 1024

    def paced(self, rate: float, seconds: float) -> _Asked:
        """Asked at a fixed rate."""
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
        """Asked by ``wrk``."""
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
    """A tracking server of which nothing comes for ``seconds``, and then that it is out of order."""

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
"""Each round asked every variant twice."""


def _in_turns(rounds: int, ask: Mapping[str, Callable[[], _Asked]]) -> Rounds:
    """ABBA, ABBA: both of what each gave in a round."""
    done: Rounds = []
    for _ in range(rounds):
        there = {name: one() for name, one in ask.items()}
        back = {name: one() for name, one in reversed(ask.items())}
        done.append({name: (there[name], back[name]) for name in ask})
    return done


def _mean(pair: tuple[_Asked, _Asked], name: str) -> float:
    first, second = (getattr(each, name) for each in pair)
    return float(first + second) / 2


def _over_bare(rounds: Rounds, variant: str, name: str) -> list[float]:
    return [_mean(each[variant], name) - _mean(each["bare"], name) for each in rounds]


def _lost_percent(rounds: Rounds, variant: str) -> list[float]:
    return [100 * (1 - _mean(each[variant], "per_second") / _mean(each["bare"], "per_second")) for each in rounds]


def _there_and_back_percent(rounds: Rounds) -> list[float]:
    return [100 * (1 - back.per_second / there.per_second) for there, back in (each["bare"] for each in rounds)]


def _figure_of(rounds: Rounds, variant: str, name: str) -> Figure | None:
    return Figure.of([getattr(asked, name) for each in rounds for asked in each[variant]])


def _bootstrap(values: Sequence[float], draws: int = 10_000) -> Figure:
    """The median, with the 95 % interval of medians of values drawn again from these."""
    chance = random.Random(20261126)
    medians = sorted(statistics.median(chance.choices(values, k=len(values))) for _ in range(draws))
    return Figure(statistics.median(values), medians[round(draws * 0.025)], medians[round(draws * 0.975) - 1], len(values))


def _as_fast_as_it_answers(effort: Effort, bare: _Service, ours: _Service, peer: _Service | None) -> Iterator[Line]:
    seconds, number = 1, 30 if effort.rounds > 1 else 1
    asked = {"bare": bare, "ours": ours}
    rounds = _in_turns(number, {name: partial(each.as_fast_as_it_answers, seconds) for name, each in asked.items()})
    peers: Rounds = []
    if peer is not None:
        of_peer = {"bare": bare, "peer": peer}
        peers = _in_turns(effort.few, {name: partial(each.as_fast_as_it_answers, seconds) for name, each in of_peer.items()})
    facts = {
        "bare_per_second": _figure_of(rounds, "bare", "per_second"),
        "ours_per_second": _figure_of(rounds, "ours", "per_second"),
        "peer_per_second": _figure_of(peers, "peer", "per_second"),
        "bare_p99_ms": _figure_of(rounds, "bare", "p99_ms"),
        "ours_p99_ms": _figure_of(rounds, "ours", "p99_ms"),
    }
    peer_what = "a tracker around each request"
    note = "in brackets the bootstrap 95 % interval of the median"
    yield Line(
        "service under wrk: throughput lost", "%", _bootstrap(_lost_percent(rounds, "ours")), None,
        Figure.of(_lost_percent(peers, "peer")), peer_what, note=note, facts=facts,
    )  # fmt: skip
    yield Line(
        "floor: throughput of the bare service, less the second time", "%", _bootstrap(_there_and_back_percent(rounds)), note=note
    )
    yield Line(
        "service under wrk: process CPU a request, over bare", "µs", _bootstrap(_over_bare(rounds, "ours", "cpu_us")), 20,
        Figure.of(_over_bare(peers, "peer", "cpu_us")), peer_what, note=note,
    )  # fmt: skip


def _at_a_rate(effort: Effort, services: Mapping[str, _Service]) -> Iterator[Line]:
    seconds, number = (0.5, 60) if effort.rounds > 1 else (0.2, 1)
    # What the bare service holds with a third to spare: else what is measured is how it falls behind.
    most = max(services["bare"].paced(3 * RATE, seconds).per_second for _ in range(3))
    rate = min(RATE, most / 1.5)
    rounds = _in_turns(number, {name: partial(each.paced, rate, seconds) for name, each in services.items()})
    spread = Figure.of([abs(there.p99_ms - back.p99_ms) for there, back in (each["bare"] for each in rounds)])
    assert spread is not None
    note = f"at {rate:,.0f} requests a second; in brackets the bootstrap 95 % interval of the median"
    of_p99 = f"{note}; the target is by how much the bare service differs from itself within a round (median; the floor below)"
    for name, how in (("ours", ""), ("refusing", ", MLflow refusing"), ("slow", ", MLflow answering after 5 s")):
        yield Line(
            f"service at a fixed rate{how}: process CPU a request, over bare", "µs",
            _bootstrap(_over_bare(rounds, name, "cpu_us")), 20, note=note,
        )  # fmt: skip
        yield Line(
            f"service at a fixed rate{how}: p99 over bare", "ms",
            _bootstrap(_over_bare(rounds, name, "p99_ms")), spread.median, note=of_p99,
            facts={"p99_ms": _figure_of(rounds, name, "p99_ms"), "bare_p99_ms": _figure_of(rounds, "bare", "p99_ms")},
        )  # fmt: skip
    yield Line(
        "floor: p99 of the bare service against itself, apart",
        "ms",
        spread,
        note=f"at {rate:,.0f} requests a second; in brackets the quartiles",
    )


def _growth_bytes(service: _Service, requests: int) -> float:
    """Resident memory more for each request, after a tenth as many to warm up."""
    service.paced(MEMORY_RATE, requests / MEMORY_RATE / 10)
    before_mib = service.resident_mib()
    service.paced(MEMORY_RATE, requests / MEMORY_RATE)
    return max(service.resident_mib() - before_mib, 0) * 2**20 / requests


def serving(effort: Effort) -> Iterator[Line]:
    """The example service under ``wrk`` and at a fixed rate, over many requests, and while MLflow is away."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ecoia-bench-", ignore_cleanup_errors=True)))
        model = folder / "model.joblib"
        subprocess.run(
            [sys.executable, str(EXAMPLE / "train.py"), str(model)],
            env={**os.environ, "ECOIA_DISABLED": "1"}, check=True, capture_output=True,
        )  # fmt: skip

        def start(name: str, more: str = "", **environment: str) -> _Service:
            return stack.enter_context(_Service(folder / name, model, more, **environment))

        bare, ours = start("bare", _BARE, ECOIA_DISABLED="1"), start("ours")
        if shutil.which("wrk") is None:
            print("serving: wrk is not installed (apt-get install wrk): the lines under wrk are left out", file=sys.stderr)
        else:
            peer = start("peer", _PEER, ECOIA_DISABLED="1") if effort.peers else None
            yield from _as_fast_as_it_answers(effort, bare, ours, peer)
        slow = stack.enter_context(_Away(5.0))
        away = {
            name: start(name, MLFLOW_TRACKING_URI=uri, ECOIA_DELIVERY="helper", NO_PROXY="127.0.0.1")
            for name, uri in (("refusing", UNREACHABLE), ("slow", slow.uri))
        }
        yield from _at_a_rate(effort, {"bare": bare, "ours": ours, **away})
        requests = max(effort.spans // 10, 1)
        note = f"over {requests:,} requests at 1,500 a second; `--full` asks a million; a page of 4 kB more or less is noise"
        for what, each, target in (
            ("growth of memory, request after request", ours, 1.0),
            ("floor: growth of memory of the bare service", bare, None),
        ):
            yield Line(what, "bytes a request", Figure.of([_growth_bytes(each, requests)]), target, note=note)
