"""Offer the live totals of a journal's home to Prometheus, as counters. Every worker of a server answers with the same::

    from ecoia_integrations.prometheus import asgi_app
    app.add_route("/metrics", asgi_app())     # FastAPI, Starlette; wsgi_app() for Flask and Django

Where an application has ``/metrics`` already, ``register()`` adds ecoia's counters to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import TYPE_CHECKING, Any

from prometheus_client import REGISTRY, CollectorRegistry, make_wsgi_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import choose_encoder, start_http_server
from prometheus_client.registry import Collector

from ecoia import __version__
from ecoia.errors import JournalError
from ecoia.integrating import LIVE_COUNTERS, journal_room, live_totals, load_settings

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

    from ecoia.integrating import LiveCounter, Room

_START_LOOK_BYTES = 64 << 20
"""Bytes of the journal that ``serve`` reads in one look before it answers: more than in a scrape, as nobody waits yet."""

_DAY_SECONDS = 86_400

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class JournalCollector(Collector):
    """A collector for ``prometheus_client``: the totals of all processes of one home. It never raises into a scrape.

    Args:
        home: Folder of the journal. None: the setting ``home``.

    Raises:
        SettingError: ``home`` is no path.

    Example:
        >>> from prometheus_client import CollectorRegistry
        >>> CollectorRegistry().register(JournalCollector())
    """

    def __init__(self, home: str | None = None) -> None:
        settings = load_settings({"home": home})
        for problem in settings.problems:
            if problem.name == "home" and problem.origin == "argument":
                raise problem
        self._settings = settings
        self.totals = live_totals(settings.home)
        self._complaint = ""

    def describe(self) -> list[Metric]:
        """Return the names of the metrics, without reading anything."""
        return [*(_counter(counter) for counter in LIVE_COUNTERS), _up(), _unread(), _home(), *_room(None)]

    def collect(self) -> Iterator[Metric]:
        """Read the new records and yield the counters; none for a journal that cannot be read, as unknown is not zero."""
        up, unread, home = _up(), _unread(), _home()
        try:
            totals = self.totals.look()
        except Exception as error:  # noqa: BLE001 - the same answer holds the host's own metrics
            self._complain(str(error) if isinstance(error, JournalError) else f"{type(error).__name__}: {error}")
            up.add_metric((), 0)
            yield up
            return
        self._complaint = ""
        up.add_metric((), 1)
        unread.add_metric((), totals.unread_bytes)
        home.add_metric((), {"home_id": totals.home_id, "version": __version__})
        yield from (up, unread, home, *_room(journal_room(self._settings)))
        families = {counter.name: (_counter(counter), counter.parts) for counter in LIVE_COUNTERS}
        for (name, labels), value in sorted(totals.values.items()):
            family, parts = families[name]
            family.add_metric(labels, value / parts)
        yield from (family for family, _ in families.values() if family.samples)

    def _complain(self, message: str) -> None:
        """Log the problem once, and not at each scrape."""
        if message != self._complaint:
            self._complaint = message
            logging.getLogger("ecoia").warning("ecoia: no metrics: %s", message)


def _counter(counter: LiveCounter) -> CounterMetricFamily:
    return CounterMetricFamily(counter.name, counter.meaning, labels=counter.labels, unit=counter.unit)


def _up() -> GaugeMetricFamily:
    return GaugeMetricFamily("ecoia_journal_up", "1 where the journal was read for this answer, 0 where there is none to read.")


def _unread() -> GaugeMetricFamily:
    meaning = "Bytes of the journal left for the next scrape. There are no counters until the whole journal was read once."
    return GaugeMetricFamily("ecoia_journal_unread_bytes", meaning, unit="bytes")


def _room(room: Room | None) -> Iterator[Metric]:
    """Give the gauges of the journal's room; one that is not known has no sample."""
    used = GaugeMetricFamily("ecoia_journal_used_bytes", "Bytes that the journal takes on the disk.", unit="bytes")
    cap = GaugeMetricFamily("ecoia_journal_cap_bytes", "Size at which the journal refuses new records.", unit="bytes")
    meaning = "Time until the journal is full, at the pace of the last days."
    left = GaugeMetricFamily("ecoia_journal_left_seconds", meaning, unit="seconds")
    if room is not None:
        used.add_metric((), room.used_bytes)
        cap.add_metric((), room.cap_bytes)
        if room.left_days is not None:
            left.add_metric((), room.left_days * _DAY_SECONDS)
    yield from (used, cap, left)


def _home() -> InfoMetricFamily:
    return InfoMetricFamily("ecoia_home", "Identity of the journal. Scrape each journal at one place only.")


def register(registry: CollectorRegistry = REGISTRY, home: str | None = None) -> JournalCollector:
    """Add the counters of a home to a registry of the application's.

    Args:
        registry: The registry; by default, the global one of ``prometheus_client``.
        home: Folder of the journal. None: the setting ``home``.

    Returns:
        The collector, for ``registry.unregister`` or for other registries.

    Raises:
        SettingError: ``home`` is no path.
        ValueError: The registry has such a collector already.

    Example:
        >>> from prometheus_client import CollectorRegistry
        >>> collector = register(CollectorRegistry())
    """
    collector = JournalCollector(home)
    registry.register(collector)
    return collector


def _registry(home: str | None) -> CollectorRegistry:
    # Ecoia's counters only: prometheus_client's own ones are of one process, so each worker would answer with other figures.
    registry = CollectorRegistry()
    register(registry, home)
    return registry


def wsgi_app(home: str | None = None) -> WSGIApplication:
    """Return a WSGI application that answers with the counters of a home, and nothing else.

    Args:
        home: Folder of the journal. None: the setting ``home``.

    Raises:
        SettingError: ``home`` is no path.

    Example:
        >>> application = wsgi_app()
    """
    application: WSGIApplication = make_wsgi_app(_registry(home))
    return application


class MetricsApp:
    """An ASGI application that answers with the counters of a home, and nothing else. See ``asgi_app``."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. A thread reads the journal, so other requests are served meanwhile."""
        accept = ",".join(value.decode("latin-1") for name, value in scope.get("headers", ()) if name == b"accept")
        encode, content_type = choose_encoder(accept)
        page = await asyncio.to_thread(encode, self._registry)
        headers = [(b"content-type", content_type.encode()), (b"content-length", b"%d" % len(page))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope.get("method") == "HEAD" else page})


def asgi_app(home: str | None = None) -> MetricsApp:
    """Return an ASGI application that answers with the counters of a home, and nothing else.

    Args:
        home: Folder of the journal. None: the setting ``home``.

    Raises:
        SettingError: ``home`` is no path.

    Example:
        >>> application = asgi_app()
    """
    return MetricsApp(_registry(home))


def serve(port: int, address: str, home: str | None = None, ready: Callable[[], None] = lambda: None) -> None:
    """Answer scrapes on a port of its own until the program is stopped, for servers that cannot have the endpoint themselves.

    Args:
        port: TCP port.
        address: Address of this machine to listen at.
        home: Folder of the journal. None: the setting ``home``.
        ready: Called once the whole journal is read and scrapes are answered.

    Raises:
        SettingError: ``home`` is no path.
        OSError: The port is in use, or not allowed.

    Example:
        ``serve(9464, "127.0.0.1")`` runs until it is interrupted.
    """
    registry = CollectorRegistry()
    totals = register(registry, home).totals
    server, thread = start_http_server(port, address, registry)
    with contextlib.suppress(JournalError):  # nothing is recorded yet; any other problem shows in the answers
        while not totals.look(_START_LOOK_BYTES).complete:
            pass
    ready()
    try:
        thread.join()
    finally:
        server.shutdown()
