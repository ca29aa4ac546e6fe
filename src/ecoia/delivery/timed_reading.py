"""Reading a store ends in time: a server that answers a byte a second, or asks to wait a day, is given up."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

from ecoia.delivery.http_watch import watch_http


@contextmanager
def reading_in_time(store: str, seconds: float, give_up: Callable[[str], None]) -> Iterator[None]:
    """Watch what a store's server does while the block runs.

    The time begins anew with each request and with each answer's head, so a great ledger may take as long as it needs.

    Args:
        store: Public URI of the store.
        seconds: Longest time of one answer.
        give_up: Called in another thread, with the reason, when an answer takes longer. It should end the process, because
            nothing else ends a wait in a library.

    Example::

        with reading_in_time(public_uri(store.uri), settings.delivery_seconds, give_up=print):
            rows = ledger.read_rows(0, end_ns)
    """
    said = ["it took no request: check its address, the proxy and TLS"]
    last = [time.monotonic()]
    done = Event()

    def note(_: str, text: str) -> None:
        said[0], last[0] = text, time.monotonic()

    def watch() -> None:
        while not done.wait(max(last[0] + seconds - time.monotonic(), 0.01)):
            if time.monotonic() - last[0] >= seconds:
                give_up(f"MLflow at '{store}' was given up after {seconds:g} s (setting 'delivery_seconds'): {said[0]}")
                return

    unwatch = watch_http(note)
    Thread(target=watch, name="ecoia-reading", daemon=True).start()
    try:
        yield
    finally:
        done.set()
        unwatch()
