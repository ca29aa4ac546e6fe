"""The metrics page of a server of language models: tokens written and requests in flight, read beside the measuring.

A page is asked for once a second by a thread of its own, and takes one second and two mebibytes at most, whatever the server
does; the measuring thread only looks at what was read last. What cannot be read is said once and counted, and the server is
then measured as without its page.
"""

from __future__ import annotations

import io
import ipaddress
import math
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.client import HTTPException, HTTPResponse
from typing import NamedTuple
from urllib.parse import urlsplit

from ecoia import limits, losses
from ecoia.errors import MissingExtraError, UsageError

SECONDS = 1.0
"""How often a page is asked for, and how long it may take."""

_RECEIVED = 1 << 16


class Engine(NamedTuple):
    """The names of a kind of server.

    Attributes:
        prefix: How all its names begin.
        running: Requests in flight: a gauge.
        out: Tokens written since the server began: a counter.
    """

    prefix: str
    running: str
    out: str


ENGINES = {
    "vllm": Engine("vllm:", "vllm:num_requests_running", "vllm:generation_tokens_total"),
    "sglang": Engine("sglang:", "sglang:num_running_reqs", "sglang:generation_tokens_total"),
    "tgi": Engine("tgi_", "tgi_batch_current_size", "tgi_request_generated_tokens_sum"),
    "llamacpp": Engine("llamacpp:", "llamacpp:requests_processing", "llamacpp:tokens_predicted_total"),
}


class PageError(Exception):
    """A page cannot be used; says why, and what to do."""


class Reading(NamedTuple):
    """What a page says.

    Attributes:
        running: Requests in flight.
        out: Tokens written since the server began.
    """

    running: float
    out: float


class Activity(NamedTuple):
    """What a server did since it was last asked about.

    Attributes:
        tokens_out: Tokens written.
        in_flight: Requests in flight, the mean of what was read.
    """

    tokens_out: int
    in_flight: float

    @property
    def busy(self) -> bool:
        """Whether any request was in flight."""
        return self.in_flight > 0 or self.tokens_out > 0


def check_address(url: str, *, allow_remote: bool) -> str:
    """Return the address of a page.

    Args:
        url: The address.
        allow_remote: Whether it may be on another machine.

    Raises:
        UsageError: It is no address of this machine, or none at all.
        MissingExtraError: What reads such pages is not installed.

    Example:
        >>> check_address("http://127.0.0.1:8000/metrics", allow_remote=False)
        'http://127.0.0.1:8000/metrics'
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        parts, host = None, None
    if (
        parts is None
        or parts.scheme != "http"
        or not host
        or parts.username
        or not (url.isascii() and url.isprintable())
        or " " in url
    ):
        raise UsageError(f"--metrics-url {url[:200]!r}: write the page's address, e.g. http://127.0.0.1:8000/metrics")
    if not allow_remote and not _is_loopback(host):
        raise UsageError(
            f"--metrics-url {url[:200]!r}: '{host}' is not this machine, whose energy is measured: use 127.0.0.1, "
            "or add --metrics-remote where the server's page is published by another address of this machine"
        )
    try:
        import prometheus_client.parser  # noqa: F401
    except ModuleNotFoundError:
        raise MissingExtraError("--metrics-url", "prometheus-client", "metrics") from None
    return url


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def fetch(url: str, *, seconds: float = SECONDS, most_bytes: int = limits.METRICS_PAGE_BYTES) -> str:
    """Fetch a page within a time and a size. Follows no redirection and no proxy.

    Raises:
        PageError: It cannot be had.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 80
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    asked = f"GET {path} HTTP/1.0\r\nHost: {parts.netloc}\r\nAccept: text/plain\r\nConnection: close\r\n\r\n"
    deadline, received = time.monotonic() + seconds, bytearray()
    try:
        with socket.create_connection((host, port), timeout=seconds) as connection:
            connection.sendall(asked.encode("ascii"))
            while len(received) <= most_bytes:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise PageError(f"did not answer whole within {seconds:g} s")
                connection.settimeout(left)
                more = connection.recv(_RECEIVED)
                if not more:
                    break
                received += more
            else:
                raise PageError(f"is larger than {most_bytes} bytes")
    except TimeoutError:
        raise PageError(f"did not answer whole within {seconds:g} s") from None
    except OSError as error:
        raise PageError(f"cannot be reached ({error.strerror or error})") from None
    return _body_of(bytes(received))


class _Received:
    """What was received, as ``HTTPResponse`` wants it."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


def _body_of(received: bytes) -> str:
    try:
        response = HTTPResponse(_Received(received))  # type: ignore[arg-type]
        response.begin()
        body = response.read()
    except (HTTPException, ValueError, OSError) as error:
        raise PageError(f"does not speak HTTP ({type(error).__name__})") from None
    if response.status != 200:
        raise PageError(
            f"answers {response.status}: does the server publish metrics (SGLang: --enable-metrics, llama.cpp: --metrics)?"
        )
    return body.decode("utf-8", "replace")


def read_page(text: str, engine: str | None = None) -> Reading:
    """Read a page in Prometheus' text format.

    Args:
        text: The page.
        engine: A name of ``ENGINES``; None to find it out.

    Raises:
        PageError: It is none of such a server, or names are missing.

    Example:
        >>> read_page('llamacpp:requests_processing 2\\nllamacpp:tokens_predicted_total 812\\n')
        Reading(running=2.0, out=812.0)
    """
    if text.lstrip()[:1] == "<":
        raise PageError("is a page for people (HTML), not for machines: give the address that ends in /metrics")
    lines = text.splitlines()
    name = engine or next((each for each, of in ENGINES.items() if any(line.startswith(of.prefix) for line in lines)), None)
    if name is None:
        raise PageError(f"is of no server that ecoia knows ({', '.join(ENGINES)})")
    found: dict[str, list[float]] = {ENGINES[name].running: [], ENGINES[name].out: []}
    for sample, value in _samples(line for line in lines if line.startswith(tuple(found))):
        if sample in found and math.isfinite(value) and value >= 0:
            found[sample].append(value)
    missing = [each for each, values in found.items() if not values]
    if missing:
        raise PageError(
            f"has no {' and no '.join(missing)}: nothing was asked of {name} yet, or it is another version, or another server"
        )
    running, out = (math.fsum(values) for values in found.values())
    return Reading(running, out)


def _samples(lines: Iterator[str]) -> Iterator[tuple[str, float]]:
    from prometheus_client.parser import text_string_to_metric_families

    try:
        for family in text_string_to_metric_families("\n".join(lines) + "\n"):
            for sample in family.samples:
                yield sample.name, float(sample.value)
    except (ValueError, KeyError, IndexError) as error:
        raise PageError(f"is not in Prometheus' text format ({str(error)[:80]!r})") from None


class ServerMetrics:
    """Reads the page of a server, once a second, in a thread of its own.

    Args:
        url: Its address, from ``check_address``.
        engine: A name of ``ENGINES``; None to find it out.
        complain: Logs once, in the host's log, what is wrong.

    Example::

        page = ServerMetrics("http://127.0.0.1:8000/metrics", None, print)
        page.start()
        page.activity()  # since the last call; None where nothing is known
        page.stop()
    """

    def __init__(self, url: str, engine: str | None, complain: Callable[[str], None]) -> None:
        self._url, self._engine, self._complain = url, engine, complain
        self._stop = threading.Event()
        self._lock = threading.Lock()  # held for some additions
        self._before: Reading | None = None
        self._tokens_out = 0.0
        self._running: list[float] = []
        self._lost: Counter[str] = Counter()
        self._said: set[str] = set()
        self._thread = threading.Thread(target=self._repeat, name="ecoia-server-metrics", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """End reading; waits no longer than a page takes."""
        self._stop.set()
        self._thread.join(2 * SECONDS)

    def _repeat(self) -> None:
        while not self._stop.is_set():
            began = time.monotonic()
            self.read()
            self._stop.wait(max(SECONDS - (time.monotonic() - began), 0.1))

    def read(self) -> None:
        """Read the page once; never raises."""
        try:
            reading = read_page(fetch(self._url), self._engine)
        except PageError as error:
            self._fail(str(error))
        except Exception as error:  # noqa: BLE001 - no page may end the measuring
            self._fail(f"cannot be read ({type(error).__name__})")
        else:
            self._take(reading)

    def _fail(self, why: str) -> None:
        with self._lock:
            self._lost[losses.METRICS_PAGE_UNREAD] += 1
        if why not in self._said and len(self._said) < 10:
            self._said.add(why)
            self._complain(f"--metrics-url {self._url}: the page {why}; until it can be read, no tokens are counted")

    def _take(self, reading: Reading) -> None:
        with self._lock:
            if self._before is not None:
                more = reading.out - self._before.out
                self._tokens_out += more if more >= 0 else reading.out  # the server began again
            self._before = reading
            self._running.append(reading.running)

    def activity(self) -> Activity | None:
        """Return what the server did since the last call; None where no page was read since."""
        with self._lock:
            if not self._running:
                return None
            whole = int(self._tokens_out)
            self._tokens_out -= whole
            running, self._running = self._running, []
        return Activity(whole, math.fsum(running) / len(running))

    def lost(self) -> Counter[str]:
        """Return how many pages could not be read since the last call."""
        with self._lock:
            lost, self._lost = self._lost, Counter()
        return lost
