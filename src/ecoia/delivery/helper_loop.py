"""The helper's loop: deliver what the journal gains until nothing is left and no measured process lives."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping

from ecoia.delivery.abandoned import close_abandoned
from ecoia.delivery.backlog import Backlog, journal_sizes
from ecoia.delivery.mlflow_store import keep_telemetry_off
from ecoia.delivery.routes import Routes, find_routes
from ecoia.delivery.sender import Sender, delivery_lock
from ecoia.errors import JournalError
from ecoia.keeping.helper_start import HELPER_LOCK, try_lock
from ecoia.keeping.journal import Journal
from ecoia.keeping.open_windows import adopt
from ecoia.periods import utc_datetime
from ecoia.settings import Settings

_NICENESS = 10
_LONGEST_RETRY_SECONDS = 300.0
_WAITING_SECONDS = 5.0


def follow(
    journal: Journal,
    settings: Settings,
    *,
    poll_seconds: float = 1.0,
    flush_seconds: float = 60.0,
    give_up_seconds: float = 300.0,
) -> bool:
    """Deliver until nothing is left and no measured process lives. This is the helper.

    Records that were measured with no tracking URI stay for ``deliver``. While processes live, a run's view gets at most one step
    every ``flush_seconds``.

    Args:
        journal: The journal.
        settings: ``zone``, ``pue``, ``timezone`` and ``catalogue`` are used for the views.
        poll_seconds: How often to look at the journal.
        flush_seconds: Shortest time between two deliveries while a measured process lives.
        give_up_seconds: How long to try a store that does not answer once no measured process lives. The records stay, and the
            next helper sends them.

    Returns:
        ``False``: another helper serves this home.

    Raises:
        MissingExtraError: MLflow is not installed.
        DeliveryError: a delivery by hand of this home does not end.

    Example::

        follow(Journal(settings.home), settings, give_up_seconds=10)  # True
    """
    keep_telemetry_off()
    with contextlib.suppress(OSError, AttributeError):
        os.nice(_NICENESS)
    helper = _Helper(journal, settings, poll_seconds, flush_seconds, give_up_seconds)
    served = False
    # A process that found the lock held has already written; check the journal once more after releasing it.
    while not served or helper.has_news():
        with try_lock(journal.home, HELPER_LOCK) as free:
            if not free:
                return served
            served = True
            helper.run()
    return True


class _Helper:
    """The state of ``follow`` between two looks at the journal. Times are of the monotonic clock, in seconds."""

    def __init__(
        self, journal: Journal, settings: Settings, poll_seconds: float, flush_seconds: float, give_up_seconds: float
    ) -> None:
        self._journal = journal
        self._poll_seconds = poll_seconds
        self._flush_seconds = flush_seconds
        self._give_up_seconds = give_up_seconds
        self._backlog = Backlog(journal)
        self._sender = Sender(journal, settings, self._backlog)
        self._live: set[str] = set()
        self._dead: dict[str, int] = {}  # file -> its size in bytes when its process was found dead
        self._start_over()

    def _start_over(self) -> None:
        self._next_send = 0.0
        self._next_full_look = 0.0
        self._failures = 0  # sendings in a row that failed
        self._down_since: float | None = None
        self._outcomes_unchecked = True  # processes that died may have left runs without an outcome

    def has_news(self) -> bool:
        """Return whether the journal has grown since it was read, or a measured process lives."""
        sizes = journal_sizes(self._journal)
        return bool(self._backlog.grown(sizes)) or self._any_alive(sizes)

    def run(self) -> None:
        """Deliver until nothing is left that can be sent and no measured process lives, or the stores are given up."""
        self._start_over()
        while True:
            now = time.monotonic()
            alive = self._read_journal(now)
            if self._is_due(final=not alive) and (now >= self._next_send or (not alive and not self._failures)):
                self._send(final=not alive)
            if not alive and not self._is_due(final=True):
                return
            if self._gives_up(now, alive=alive):
                return
            time.sleep(self._poll_seconds)

    def _read_journal(self, now: float) -> bool:
        """Read what the journal gained, and close the runs of dead processes. Returns whether a measured process lives."""
        full_look = now >= self._next_full_look
        if full_look:
            with contextlib.suppress(JournalError):  # at the journal's cap, say; 'ecoia doctor' tells
                adopt(self._journal)
        sizes = self._look(whole=full_look)
        if full_look:
            self._next_full_look = now + self._flush_seconds
        grown = self._backlog.read(sizes)
        alive = self._any_alive(sizes)
        self._outcomes_unchecked |= grown or alive
        if alive:
            return True
        if self._outcomes_unchecked:
            close_abandoned(self._journal)
            self._outcomes_unchecked = False
        sizes = self._look(whole=True)
        self._backlog.read(sizes)
        return self._any_alive(sizes)

    def _send(self, *, final: bool) -> None:
        with delivery_lock(self._journal.home):
            result = self._sender.send(self._routes(), final=final)
        for message in (*result.conflicts, *result.problems):
            print(f"{utc_datetime(time.time_ns()):%Y-%m-%dT%H:%M:%SZ} {message}", flush=True)
        self._failures = self._failures + 1 if self._sender.failed else 0
        retry_seconds = min(2.0**self._failures, _LONGEST_RETRY_SECONDS)
        wait_seconds = retry_seconds if self._failures else self._flush_seconds
        self._next_send = time.monotonic() + (min(wait_seconds, _WAITING_SECONDS) if self._sender.waiting else wait_seconds)

    def _gives_up(self, now: float, *, alive: bool) -> bool:
        """Return whether stores have not answered for ``give_up_seconds`` since the last measured process ended."""
        if alive:
            self._down_since = None
        elif self._failures:
            self._down_since = now if self._down_since is None else self._down_since
            return now - self._down_since >= self._give_up_seconds
        return False

    def _routes(self) -> Routes:
        return find_routes(self._journal, {key.target for key in self._backlog.rows}, None, by_hand=False)

    def _is_due(self, *, final: bool) -> bool:
        return self._sender.has_work(self._routes().sendable, final=final)

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
        return bool(self._live)
