"""The helper's loop: have everything delivered that the journal gains, until nothing is left and no measured process lives.

The helper itself looks at sizes and locks of the journal's files only. Deliveries take place in a process of their own, which
loads MLflow (``timed_delivery``), so that the helper stays small. That process ends with its delivery, unless a user's MLflow run
is open: then the next delivery is near, and costs only what is new.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import random
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from ecoia import settings as configuration
from ecoia.delivery.open_runs import process_of
from ecoia.delivery.result import DeliveryResult
from ecoia.delivery.timed_delivery import Deliveries
from ecoia.errors import EcoiaError
from ecoia.instances import HOME_FILE
from ecoia.keeping import run_signs
from ecoia.keeping.adoption import adopt
from ecoia.keeping.helper_start import try_lock
from ecoia.keeping.journal import Journal, journal_sizes
from ecoia.keeping.known_already import HELPER_LOCK
from ecoia.periods import utc_datetime
from ecoia.settings import Settings

_NICENESS = 10
_OUTLIVES_SECONDS = 300.0
"""Longest time that the helper goes on for a store that does not answer, once no measured process lives."""

_LONGEST_RETRY_SECONDS = 300.0
_LEAST_RETRY_SECONDS = 10.0
_LEAST_REST_PER_CPU_SECOND = 10.0
"""Rest after a failure once the last measured process ended: programs that begin and end in turn do not load MLflow each time."""

_FAILURES_KEPT = 3
"""Failures that still count once the last measured process ended, so that the rest begins at seconds again."""

_WAITING_SECONDS = 5.0
_LONGEST_WAITING_SECONDS = 60.0
_MESSAGES_KEPT = 100
_REST_PER_CPU_SECOND = 50.0
"""While measured processes live, deliveries take a fiftieth of one processor's time at most."""

_CREDIT_CPU_SECONDS = 10.0
"""Processor time that is spent in advance of that fiftieth while a run is open, so that loading MLflow makes no figure late."""

_OPEN_SECONDS = 30.0
"""How long a run counts as open after its last window, and how long the process of deliveries stays after the last run."""

_FRESH_SECONDS = 45.0
"""Time from one delivery to the next while a run is open. With a window's length and the delivery's own, it is under a minute."""

_AFTER_END_SECONDS = 5.0
"""Shortest rest before the end of one more run is delivered."""


class Delivering(Protocol):
    """What delivers for the helper: ``timed_delivery.Deliveries``."""

    def deliver(self, *, killed: bool = False) -> DeliveryResult:
        """Deliver what the journal holds."""

    def cpu_seconds(self) -> float:
        """Return the processor time that all deliveries took so far."""

    def end(self) -> None:
        """End the process of deliveries, if one stays."""


def follow(
    journal: Journal,
    settings: Settings,
    *,
    poll_seconds: float = 1.0,
    flush_seconds: float = 60.0,
    give_up_seconds: float | None = None,
    deliveries: Delivering | None = None,
) -> bool:
    """Deliver until nothing is left that can be sent and no measured process lives. This is the helper.

    Records that were measured with no tracking URI stay for ``deliver``, and so do days that the ledger refused. While a user's
    run is open its figures are at most a minute old, and its end is delivered within seconds.

    Args:
        journal: The journal.
        settings: ``delivery_seconds``; the others are handed on to the deliveries.
        poll_seconds: How often to look at the journal.
        flush_seconds: Shortest time between two deliveries while a measured process lives, and no run of a user is open.
        give_up_seconds: How long to begin deliveries to a store that does not answer once no measured process lives. The records
            stay, and the next helper sends them. ``None``: so long that the last one has ended after five minutes.
        deliveries: What delivers; ``None``: a process of its own.

    Returns:
        ``False``: another helper serves this home.

    Example::

        follow(Journal(settings.home), settings, give_up_seconds=10)  # True
    """
    with contextlib.suppress(OSError, AttributeError):
        os.nice(_NICENESS)
    if give_up_seconds is None:
        give_up_seconds = max(_OUTLIVES_SECONDS - settings.delivery_seconds, 0.0)
    deliveries = deliveries or Deliveries(settings)
    open_seconds = max(_OPEN_SECONDS, min(2 * settings.flush_seconds, _OUTLIVES_SECONDS))  # longer than a window
    helper = _Helper(journal, deliveries, poll_seconds, flush_seconds, give_up_seconds, open_seconds)
    served = False
    # A process that found the lock held has already written; check the journal once more after releasing it.
    while not served or helper.has_news():
        with try_lock(journal.home, HELPER_LOCK) as free:
            if not free:
                return served
            served = True
            try:
                helper.run()
            finally:
                deliveries.end()
    return True


class _Helper:
    """The state of ``follow`` between two looks at the journal. Times are of the monotonic clock, in seconds."""

    def __init__(
        self,
        journal: Journal,
        deliveries: Delivering,
        poll_seconds: float,
        flush_seconds: float,
        give_up_seconds: float,
        open_seconds: float,
    ) -> None:
        self._journal = journal
        self._deliveries = deliveries
        self._poll_seconds = poll_seconds
        self._flush_seconds = flush_seconds
        self._give_up_seconds = give_up_seconds
        self._open_seconds = open_seconds
        self._log = _Log()
        self._debt = _Debt()
        self._signs: dict[str, int] = {}
        self._sent_sizes: dict[str, int] = {}  # of the files, as the last delivery that did not fail read them
        self._live: set[str] = set()
        self._dead: dict[str, int] = {}  # file -> its size in bytes when its process was found dead
        self._start_over()

    def _start_over(self) -> None:
        self._next_send = 0.0
        self._last_send = -math.inf
        self._last_sent = -math.inf
        self._last_cpu_seconds = 0.0
        self._open_until = -math.inf  # as long as no further window of a user's run is written
        self._run_ended = False  # since the last delivery began
        self._killed = False  # perhaps: a process ended while a user's run was open
        self._next_full_look = 0.0
        self._failures = 0  # deliveries in a row that failed
        self._waits = 0  # deliveries in a row that waited for a schema
        self._down_since: float | None = None
        self._was_alive = False
        self._unfinished = True  # views are to be completed, and runs of dead processes closed, once no process lives
        self._cut_short = False

    def has_news(self) -> bool:
        """Return whether the journal has grown since it was sent, or a measured process lives."""
        if not self._is_there():
            return False
        sizes = journal_sizes(self._journal)
        return self._any_alive(sizes) or (not self._failures and self._has_grown(sizes))

    def run(self) -> None:
        """Deliver until nothing is left that can be sent and no measured process lives, or the stores are given up."""
        self._start_over()
        while self._is_there():
            now = time.monotonic()
            whole = now >= self._next_full_look
            if whole:
                self._adopt()
            sizes = self._look(whole=whole)
            if whole:
                self._next_full_look = now + self._flush_seconds
            writing = {process_of(name) for name in self._live}
            alive = self._any_alive(sizes)
            self._look_for_runs(now, died=bool(writing - {process_of(name) for name in self._live}))
            self._unfinished |= alive
            due = self._has_grown(sizes) or self._failures or self._waits or self._cut_short or (self._unfinished and not alive)
            if not due and not alive:
                break
            if self._was_alive and not alive:
                self._try_soon(now)
            self._was_alive = alive
            if due and now >= self._due_at(alive=alive):
                self._send(alive=alive)
            if time.monotonic() >= self._open_until:
                self._deliveries.end()
            if self._gives_up(alive=alive):
                break
            time.sleep(self._poll_seconds)
        self._log.end()

    def _is_there(self) -> bool:
        """Return whether the home is there: without its identity, nothing of it can be sent."""
        return (self._journal.home / HOME_FILE).exists()

    def _try_soon(self, now: float) -> None:
        """Have the last records delivered, although the rest after failures may have grown longer than the helper goes on."""
        rest_seconds = max(_LEAST_RETRY_SECONDS, self._last_cpu_seconds * _LEAST_REST_PER_CPU_SECOND) if self._failures else 0.0
        self._next_send = min(self._next_send, max(now, self._last_send + rest_seconds))
        self._failures = min(self._failures, _FAILURES_KEPT)

    def _adopt(self) -> None:
        """Take into the journal what killed processes had kept of their open windows."""
        try:
            adopt(self._journal)
        except EcoiaError as error:
            self._log.say(str(error))

    def _look_for_runs(self, now: float, *, died: bool) -> None:
        """Look for signs of users' runs.

        Args:
            now: The time.
            died: Whether a measured process ended since the last look.
        """
        for sign in (run_signs.OPEN, run_signs.ENDED):
            given = run_signs.seen(self._journal.home, sign)
            if given != self._signs.get(sign, 0):
                self._signs[sign] = given
                self._open_until = now + self._open_seconds
                self._run_ended |= sign == run_signs.ENDED
        if died and now < self._open_until:
            self._adopt()
            self._run_ended = self._killed = True

    def _due_at(self, *, alive: bool) -> float:
        """Return when the next delivery may begin, if there is something to deliver."""
        if not alive or self._failures or self._waits or self._cut_short:
            return self._next_send
        if self._run_ended:
            return max(self._last_sent + _AFTER_END_SECONDS, self._debt.paid_at(_CREDIT_CPU_SECONDS))
        if time.monotonic() < self._open_until:
            return max(self._last_send + _FRESH_SECONDS, self._debt.paid_at(_CREDIT_CPU_SECONDS))
        return self._next_send

    def _send(self, *, alive: bool) -> None:
        self._last_send = time.monotonic()
        killed, self._killed, self._run_ended = self._killed, False, False
        cpu_seconds = self._deliveries.cpu_seconds()
        try:
            result = self._deliveries.deliver(killed=killed)
        except EcoiaError as error:
            result = DeliveryResult(0, 0, problems=(str(error),), failed=True, final=not alive)
        for message in (*result.conflicts, *result.problems):
            self._log.say(message)
        self._failures = self._failures + 1 if result.failed else 0
        self._waits = self._waits + 1 if result.waiting else 0
        self._cut_short = result.cut_short
        self._killed |= killed and result.failed
        if not result.failed:
            self._sent_sizes.update(result.sizes)
            self._unfinished &= not result.final
            if not result.final:
                self._dead.clear()  # the delivery met a living process: look at all of them again
        if result.failed:
            rest_seconds = spread(min(2.0**self._failures, _LONGEST_RETRY_SECONDS))
        elif result.waiting:
            rest_seconds = spread(min(_WAITING_SECONDS * 2.0 ** (self._waits - 1), _LONGEST_WAITING_SECONDS))
        else:
            rest_seconds = 0.0 if result.cut_short or (result.final and not alive) else self._flush_seconds
        self._last_cpu_seconds = self._deliveries.cpu_seconds() - cpu_seconds
        self._last_sent = time.monotonic()
        self._next_send = self._last_sent + rest_seconds
        if alive:
            self._debt.add(self._last_cpu_seconds)
            self._next_send = max(self._next_send, self._debt.paid_at(0.0))

    def _gives_up(self, *, alive: bool) -> bool:
        """Return whether stores have not answered for ``give_up_seconds`` since the last measured process ended."""
        now = time.monotonic()
        if alive:
            self._down_since = None
        elif self._failures:
            self._down_since = now if self._down_since is None else self._down_since
            return now - self._down_since >= self._give_up_seconds
        return False

    def _has_grown(self, sizes: Mapping[str, int]) -> bool:
        return any(size != self._sent_sizes.get(name, 0) for name, size in sizes.items())

    def _look(self, *, whole: bool) -> dict[str, int]:
        """Return the size in bytes of the journal's files, by name.

        Args:
            whole: Look at every file, a year's perhaps. Otherwise at the files of the last two days and of living processes.
        """
        sizes = journal_sizes(self._journal, last_days=None if whole else 2)
        for name in self._live - sizes.keys():
            with contextlib.suppress(FileNotFoundError):
                sizes[name] = (self._journal.folder / name).stat().st_size
        return sizes

    def _any_alive(self, sizes: Mapping[str, int]) -> bool:
        """Return whether a measured process lives. A file whose process was found dead is looked at again only if it grew."""
        for name, size in sizes.items():
            if self._dead.get(name) == size:
                continue
            if self._journal.is_alive(name):
                self._live.add(name)
                self._dead.pop(name, None)
            else:
                self._live.discard(name)
                self._dead[name] = size
        self._live.intersection_update(sizes)  # what was removed has no process that writes it
        return bool(self._live)


def spread(seconds: float) -> float:
    """Return between half of a rest and all of it, drawn anew: helpers that one outage stopped come back one after another."""
    return seconds * (1 + random.random()) / 2  # noqa: S311 - no secret


class _Debt:
    """Processor time that deliveries took while measured processes live. Each second pays a fiftieth of a second back."""

    def __init__(self) -> None:
        self._cpu_seconds = 0.0
        self._since = -math.inf

    def add(self, cpu_seconds: float) -> None:
        """Add what a delivery took that ended now."""
        now = time.monotonic()
        paid = (now - self._since) / _REST_PER_CPU_SECOND
        self._cpu_seconds = max(self._cpu_seconds - paid, 0.0) + cpu_seconds
        self._since = now

    def paid_at(self, credit_cpu_seconds: float) -> float:
        """Return when no more than a credit is left of it."""
        return self._since + max(self._cpu_seconds - credit_cpu_seconds, 0.0) * _REST_PER_CPU_SECOND


class _Log:
    """Messages of the helper on standard output. One that comes again is counted, and said again at growing numbers."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._said: dict[str, int] = {}

    def say(self, message: str) -> None:
        """Print a message the first, tenth, hundredth ... time that it comes."""
        if len(self._counts) >= _MESSAGES_KEPT:
            self.end()
        count = self._counts[message] = self._counts.get(message, 0) + 1
        if count >= 10 * self._said.get(message, 0):
            self._print(message, count)

    def end(self) -> None:
        """Print how often each message came, where that was not printed yet."""
        for message, count in self._counts.items():
            if count > self._said[message]:
                self._print(message, count)
        self._counts.clear()
        self._said.clear()

    def _print(self, message: str, count: int) -> None:
        self._said[message] = count
        times = f" ({count} times so far)" if count > 1 else ""
        print(f"{utc_datetime(time.time_ns()):%Y-%m-%dT%H:%M:%SZ} {message}{times}", flush=True)


def main() -> None:
    """Serve as the helper of a home: ``python -m ecoia.delivery.helper_loop --home FOLDER``."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", required=True)
    settings = configuration.load({"home": parser.parse_args().home})
    if (Path(settings.home) / HOME_FILE).exists():
        follow(Journal(settings.home, max_bytes=round(settings.journal_max_mb * 1e6)), settings)


if __name__ == "__main__":
    main()
