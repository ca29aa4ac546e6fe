"""The process of one delivery, which ``timed_delivery`` starts. MLflow is loaded here, and ends with it.

Its standard output takes one JSON array a line: ``["reading", ""]``, ``["store", URI]``, ... (``ecoia.delivery.result``), and
last ``["result", {...}]`` or ``["error", [name of the class, message]]``. Its standard input is held open by the process that
started it: at its end this process and its children are killed, so that none of them is left behind.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

from ecoia import settings as configuration
from ecoia.delivery.result import DeliveryResult, Tell
from ecoia.errors import DeliveryError, EcoiaError
from ecoia.keeping.journal import Journal


def main() -> None:
    """Deliver as ``sys.argv[1]`` says, a JSON object: ``by_hand``, ``verify``, and ``skip``, public URIs to leave out."""
    wanted = json.loads(sys.argv[1])
    Thread(target=_end_with_parent, daemon=True).start()
    tell = _teller()
    try:
        result = _deliver(tell, by_hand=wanted["by_hand"], verify=wanted["verify"], skip=frozenset(wanted["skip"]))
    except EcoiaError as error:
        tell("error", [type(error).__name__, str(error)])
    except OSError as error:  # the home's disk is full or fails, or a part of the home belongs to another account
        told = f"the delivery stopped ({error}): free space, or make the journal home writable for this account, then deliver"
        tell("error", [DeliveryError.__name__, told])
    else:
        tell("result", result.to_dict())


def _deliver(tell: Tell, *, by_hand: bool, verify: bool, skip: frozenset[str]) -> DeliveryResult:
    from ecoia.delivery.deliver import deliver
    from ecoia.delivery.http_watch import watch_http
    from ecoia.delivery.mlflow_store import keep_telemetry_off

    settings = configuration.load()
    if not (Path(settings.home) / "home.json").exists():
        return DeliveryResult(0, 0)  # the home was removed meanwhile, and is not to be made again
    keep_telemetry_off()
    watch_http(tell)
    journal = Journal(settings.home, max_bytes=round(settings.journal_max_mb * 1e6))
    return deliver(journal, settings, by_hand=by_hand, verify=verify, skip=skip, tell=tell)


def _teller() -> Callable[[str, Any], None]:
    """Keep standard output for the protocol; whatever else is printed goes to standard error."""
    channel = os.dup(1)
    os.dup2(2, 1)

    def tell(about: str, text: Any) -> None:
        line = (json.dumps([about, text]) + "\n").encode()
        while line:
            line = line[os.write(channel, line) :]

    return tell


def _end_with_parent() -> None:
    while os.read(0, 1):
        pass
    if hasattr(os, "killpg"):
        os.killpg(0, signal.SIGKILL)  # this process leads its group
    os._exit(1)


if __name__ == "__main__":
    main()
