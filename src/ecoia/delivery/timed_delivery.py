"""One delivery in a process of its own, which is killed when its time is up.

Whatever a server does, a delivery ends: a wait that the server asks for, redirects and answers that do not end all take place in
a process that can be killed at any point without loss (``deliver``). The kernel releases its lock. This module loads nothing of
MLflow, so that the helper stays small between deliveries.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import time
from dataclasses import replace
from threading import Thread
from typing import Any

from ecoia import errors
from ecoia.delivery.result import FAILED, HTTP, READING, SENT, STEP, STORE, DeliveryResult
from ecoia.errors import DeliveryError, EcoiaError, MissingExtraError
from ecoia.keeping.helper_start import explicit_environment
from ecoia.settings import Settings


def deliver_in_time(settings: Settings, *, by_hand: bool, verify: bool = False) -> DeliveryResult:
    """Deliver what the journal of ``settings.home`` holds. Each store is given ``delivery_seconds``, and no longer.

    A store whose time is up does not stop the others: they are sent to in another process.

    Args:
        settings: All of them are handed on.
        by_hand: As in ``deliver``.
        verify: As in ``deliver``.

    Raises:
        DeliveryError: another delivery of this home does not end, or the process of the delivery failed.
        MissingExtraError: MLflow is not installed.

    Example::

        deliver_in_time(settings, by_hand=True).pending  # 0
    """
    given_up: dict[str, str] = {}
    sent = 0
    while True:
        run = _Run(settings, by_hand=by_hand, verify=verify, skip=sorted(given_up))
        result = run.result()
        if result is not None:
            return replace(
                result,
                delivered=result.delivered + sent,
                problems=(*given_up.values(), *result.problems),
                failed=result.failed or bool(given_up),
                store_failed=result.store_failed or bool(given_up),
            )
        if not run.store or run.store in given_up:
            raise DeliveryError(run.gave_up)
        given_up |= {**run.failed, run.store: run.gave_up}
        sent += run.sent


_READING_SECONDS = 150.0
"""How long a delivery may read the journal, wait for another delivery or load MLflow, without a word."""

_END_SECONDS = 10.0
"""How long a delivery may take to end after its last word."""


class _Run:
    """One run of ``ecoia.delivery.one_delivery``.

    Attributes:
        store: Public URI of the store that it was sending to last; empty before the first one.
        gave_up: Why it was killed.
        sent: How many records it had sent before.
        failed: By public URI, why stores could not be used before.
    """

    def __init__(self, settings: Settings, *, by_hand: bool, verify: bool, skip: list[str]) -> None:
        self._seconds: float = settings.delivery_seconds
        self._settings = settings
        self._wanted = json.dumps({"by_hand": by_hand, "verify": verify, "skip": skip})
        self._step = ""
        self._http = ""
        self.store = ""
        self.gave_up = ""
        self.sent = 0
        self.failed: dict[str, str] = {}

    def result(self) -> DeliveryResult | None:
        """Run it to its end. ``None``: its time was up, and it was killed.

        Raises:
            EcoiaError: as the delivery raised it.
        """
        try:
            process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-P", "-m", "ecoia.delivery.one_delivery", self._wanted],
                env=explicit_environment(self._settings),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,  # so that what it starts is killed with it
            )
        except OSError as error:
            raise DeliveryError(f"no process can be started for the delivery ({error.strerror}): try again later") from error
        said: queue.Queue[bytes] = queue.Queue()
        reader = Thread(target=_read_lines, args=(process, said), daemon=True)
        reader.start()
        try:
            return self._follow(said, process)
        finally:
            _kill(process)
            reader.join(_END_SECONDS)

    def _follow(self, said: queue.Queue[bytes], process: subprocess.Popen[bytes]) -> DeliveryResult | None:
        until = time.monotonic() + _READING_SECONDS
        while True:
            try:
                line = said.get(timeout=max(until - time.monotonic(), 0))
            except queue.Empty:
                self.gave_up = self._reason()
                return None
            if not line:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_END_SECONDS)
                raise DeliveryError(f"the process of the delivery failed (status {process.returncode}): its message is above")
            about, told = json.loads(line)
            if about == "result":
                return DeliveryResult.from_dict(told)
            if about == "error":
                raise _error(*told)
            if about in (READING, STORE):
                until = time.monotonic() + (_READING_SECONDS if about == READING else self._seconds)
            self._note(about, told)

    def _note(self, about: str, text: str) -> None:
        if about == STORE:
            self.store, self._step, self._http = text, "", ""
        elif about == STEP:
            self._step, self._http = text, ""
        elif about == HTTP:
            self._http = text
        elif about == SENT:
            self.sent += int(text)
        elif about == FAILED:
            self.failed[self.store] = text

    def _reason(self) -> str:
        if not self.store:
            return f"reading the journal '{self._settings.home}' was given up after {_READING_SECONDS:g} s: check its disk"
        limit = f"after {self._seconds:g} s (setting 'delivery_seconds')"
        step = f", {self._step}" if self._step else ""
        did = self._http or "it took no request: check its address, the proxy and TLS"
        return f"MLflow at '{self.store}' was given up {limit}{step}: {did}; what is recorded stays in the journal"


def _read_lines(process: subprocess.Popen[bytes], said: queue.Queue[bytes]) -> None:
    if process.stdout is not None:
        with process.stdout:
            for line in process.stdout:
                said.put(line)
    said.put(b"")


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the process and all that it started."""
    with contextlib.suppress(OSError):
        if process.returncode is not None:
            pass  # its number may be another's by now
        elif hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):  # a disk that hangs holds it in the kernel
        process.wait(_END_SECONDS)
    if process.stdin is not None:
        process.stdin.close()


def _error(name: str, message: str) -> EcoiaError:
    """Make the error that the delivery raised. The ones with arguments of their own are made by what they stand for."""
    kind: Any = getattr(errors, name, DeliveryError)
    return MissingExtraError("the ledger", "mlflow") if kind is MissingExtraError else kind(message)
