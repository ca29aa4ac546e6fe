"""The process of deliveries, which ``timed_delivery`` starts. MLflow is loaded here, and ends with it.

Its standard input takes one order a line, a JSON object: ``by_hand``, ``verify``, ``killed`` (``ecoia.delivery.deliver``), and
``skip``, public URIs to leave out. Its standard output gives one JSON array a line: ``["reading", ""]``, ``["store", URI]``, ...
(``ecoia.delivery.result``), and last of an order ``["result", {...}]`` or ``["error", [name of the class, message]]``. At the end
of its standard input, which the process that started it holds open, this process and its children are killed, so that none of
them is left behind. What was read of the journal stays in memory from one order to the next.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any

from ecoia import settings as configuration
from ecoia.delivery.result import CPU, DeliveryResult, Tell
from ecoia.errors import DeliveryError, EcoiaError
from ecoia.keeping.journal import Journal

if TYPE_CHECKING:
    from ecoia.delivery.backlog import Backlog


def main() -> None:
    """Deliver as often as an order comes."""
    orders: SimpleQueue[str] = SimpleQueue()
    Thread(target=_take_orders, args=(orders,), daemon=True).start()
    tell = _teller()
    desk = _Desk(tell)
    while True:
        order = json.loads(orders.get())
        try:
            result = desk.deliver(order)
        except EcoiaError as error:
            tell("error", [type(error).__name__, str(error)])
        except OSError as error:  # the home's disk is full or fails, or a part of the home belongs to another account
            told = f"the delivery stopped ({error}): free space, or make the journal home writable for this account, then deliver"
            tell("error", [DeliveryError.__name__, told])
        else:
            tell(CPU, sum(os.times()[:4]))
            tell("result", result.to_dict())


class _Desk:
    """Carries out orders, and keeps what it read of the journal for the next one."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._settings = configuration.load()
        self._backlog: Backlog | None = None

    def deliver(self, order: Mapping[str, Any]) -> DeliveryResult:
        settings = self._settings
        if not (Path(settings.home) / "home.json").exists():
            return DeliveryResult(0, 0)  # the home was removed meanwhile, and is not to be made again
        from ecoia.delivery.deliver import deliver

        backlog = self._backlog = self._backlog or self._begin()
        return deliver(
            backlog.journal,
            settings,
            by_hand=order["by_hand"],
            verify=order["verify"],
            killed=order["killed"],
            skip=frozenset(order["skip"]),
            tell=self._tell,
            backlog=backlog,
        )

    def _begin(self) -> Backlog:
        from ecoia.delivery.backlog import Backlog
        from ecoia.delivery.http_watch import watch_http
        from ecoia.delivery.mlflow_store import keep_telemetry_off

        keep_telemetry_off()
        watch_http(self._tell)
        return Backlog(Journal(self._settings.home, max_bytes=round(self._settings.journal_max_mb * 1e6)), self._tell)


def _teller() -> Callable[[str, Any], None]:
    """Keep standard output for the protocol; whatever else is printed goes to standard error."""
    channel = os.dup(1)
    os.dup2(2, 1)

    def tell(about: str, text: Any) -> None:
        line = (json.dumps([about, text]) + "\n").encode()
        while line:
            line = line[os.write(channel, line) :]

    return tell


def _take_orders(orders: SimpleQueue[str]) -> None:
    """Hand on each line of standard input; at its end, end this process and its children."""
    for line in sys.stdin:
        orders.put(line)
    if hasattr(os, "killpg"):
        os.killpg(0, signal.SIGKILL)  # this process leads its group
    os._exit(1)


if __name__ == "__main__":
    main()
