"""Deliveries in a process of its own, which is killed when the time of one is up.

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
from ecoia.delivery.result import CPU, FAILED, HTTP, READING, SENT, STEP, STORE, DeliveryResult
from ecoia.errors import DeliveryError, EcoiaError, MissingExtraError
from ecoia.keeping.helper_start import explicit_environment
from ecoia.settings import Settings


def deliver_in_time(settings: Settings, *, by_hand: bool, verify: bool = False) -> DeliveryResult:
    """Deliver what the journal of ``settings.home`` holds, once. Each store is given ``delivery_seconds``, and no longer.

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
    deliveries = Deliveries(settings)
    try:
        return deliveries.deliver(by_hand=by_hand, verify=verify)
    finally:
        deliveries.end()


class Deliveries:
    """Deliveries of one home, one after the other. Their process stays until ``end``, so that the next one costs what is new.

    Args:
        settings: All of them are handed on.

    Example::

        deliveries = Deliveries(settings)
        deliveries.deliver().pending  # 0
        deliveries.end()
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._process: _Process | None = None

    def deliver(self, *, by_hand: bool = False, verify: bool = False, killed: bool = False) -> DeliveryResult:
        """Deliver what the journal holds. Each store is given ``delivery_seconds``, and no longer.

        A store whose time is up does not stop the others: they are sent to in another process.

        Args:
            by_hand: As in ``deliver``.
            verify: As in ``deliver``.
            killed: As in ``deliver``.

        Raises:
            DeliveryError: another delivery of this home does not end, or the process of the delivery failed.
            MissingExtraError: MLflow is not installed.
        """
        order: dict[str, Any] = {"by_hand": by_hand, "verify": verify, "killed": killed}
        given_up: dict[str, str] = {}
        sent = 0
        while True:
            run = _Run(self._settings, order | {"skip": sorted(given_up)})
            result = self._run(run)
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

    def _run(self, run: _Run) -> DeliveryResult | None:
        """Have one order carried out. Its process stays if it gave a result, and is killed otherwise."""
        if self._process is not None and not self._process.may_stay():
            self.end()
        process = self._process = self._process or _Process(self._settings)
        result = None
        try:
            result = run.result(process)
        finally:
            if result is None:
                self.end()
        return result

    def cpu_seconds(self) -> float:
        """Return the processor time that all deliveries took so far, in seconds."""
        times = os.times()  # of the processes that ended
        return times.children_user + times.children_system + (self._process.cpu_seconds if self._process is not None else 0.0)

    def end(self) -> None:
        """End the process, if one stays. Nothing is lost: what it noted is on the disk."""
        if self._process is not None:
            self._process.kill()
            self._process = None


_READING_SECONDS = 150.0
"""How long a delivery may read the journal, wait for another delivery or load MLflow, without a word."""

_END_SECONDS = 10.0
"""How long a process may take to end after its last word."""

_LONGEST_LIFE_SECONDS = 3600.0
"""How long one process carries out orders. The next one pays for loading MLflow, and has none of its memory."""


class _Process:
    """A process that runs ``ecoia.delivery.one_delivery``.

    Attributes:
        cpu_seconds: Processor time that it had taken when it last said so.

    Raises:
        DeliveryError: it cannot be started.
    """

    def __init__(self, settings: Settings) -> None:
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "ecoia.delivery.one_delivery"],
                env=explicit_environment(settings),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,  # so that what it starts is killed with it
            )
        except OSError as error:
            raise DeliveryError(f"no process can be started for the delivery ({error.strerror}): try again later") from error
        self._began = time.monotonic()
        self.cpu_seconds = 0.0
        self._said: queue.Queue[bytes] = queue.Queue()
        self._reader = Thread(target=_read_lines, args=(self._process, self._said), daemon=True)
        self._reader.start()

    def may_stay(self) -> bool:
        """Return whether it can carry out one more order."""
        return self._process.poll() is None and time.monotonic() - self._began < _LONGEST_LIFE_SECONDS

    def ask(self, order: dict[str, Any]) -> None:
        """Give it an order. If it has ended, its next word is its last one."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.write((json.dumps(order) + "\n").encode())
                self._process.stdin.flush()

    def word(self, seconds: float) -> bytes:
        """Return the next line that it says; empty where it has ended.

        Raises:
            queue.Empty: it said nothing for so long.
        """
        return self._said.get(timeout=max(seconds, 0))

    def status(self) -> int | None:
        """Return its exit status once it has said its last word."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_SECONDS)
        return self._process.returncode

    def kill(self) -> None:
        """End it and all that it started."""
        process = self._process
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
            with contextlib.suppress(OSError):
                process.stdin.close()
        self._reader.join(_END_SECONDS)


class _Run:
    """One order that a process carries out.

    Attributes:
        store: Public URI of the store that it was sending to last; empty before the first one.
        gave_up: Why it was given up.
        sent: How many records it had sent before.
        failed: By public URI, why stores could not be used before.
    """

    def __init__(self, settings: Settings, order: dict[str, Any]) -> None:
        self._seconds: float = settings.delivery_seconds
        self._settings = settings
        self._order = order
        self._step = ""
        self._http = ""
        self.store = ""
        self.gave_up = ""
        self.sent = 0
        self.failed: dict[str, str] = {}

    def result(self, process: _Process) -> DeliveryResult | None:
        """Have it carried out. ``None``: its time was up, and the process has to be killed.

        Raises:
            EcoiaError: as the delivery raised it.
        """
        process.ask(self._order)
        until = time.monotonic() + _READING_SECONDS
        while True:
            try:
                line = process.word(until - time.monotonic())
            except queue.Empty:
                self.gave_up = self._reason()
                return None
            if not line:
                raise DeliveryError(f"the process of the delivery failed (status {process.status()}): its message is above")
            about, told = json.loads(line)
            if about == "result":
                return DeliveryResult.from_dict(told)
            if about == "error":
                raise _error(*told)
            if about == CPU:
                process.cpu_seconds = float(told)
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


def _error(name: str, message: str) -> EcoiaError:
    """Make the error that the delivery raised. The ones with arguments of their own are made by what they stand for."""
    kind: Any = getattr(errors, name, DeliveryError)
    return MissingExtraError("the ledger", "mlflow") if kind is MissingExtraError else kind(message)
