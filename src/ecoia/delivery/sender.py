"""One sending of what the journal holds: the ledger's days first, then the views of what changed."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ecoia.delivery.backlog import Backlog, DayKey, InstanceDay
from ecoia.delivery.mlflow_ledger import MlflowLedger
from ecoia.delivery.mlflow_store import MlflowStore
from ecoia.delivery.routes import Routes
from ecoia.delivery.verified_days import VerifiedDays
from ecoia.delivery.view_updates import ViewUpdates
from ecoia.errors import DeliveryError, InstanceConflictError
from ecoia.keeping.destinations import public_uri
from ecoia.keeping.helper_start import try_lock
from ecoia.keeping.journal import Journal, Scan
from ecoia.records import Record, Row, merge_rows
from ecoia.settings import Settings

_DELIVERY_LOCK = "lock"
_LOCK_WAIT_SECONDS = 60.0


@dataclass(frozen=True)
class DeliveryResult:
    """Result of a delivery.

    Attributes:
        delivered: How many records are in the ledger since this call.
        pending: How many records are still in the journal only.
        conflicts: Messages on refused ledger days, which another journal home owns.
        problems: Every other message that somebody should read.
        targets: URIs of the stores that were reached, without credentials.
        store_failed: Whether a store did not answer or refused, so that not everything was written or written again.
    """

    delivered: int
    pending: int
    conflicts: tuple[str, ...]
    problems: tuple[str, ...]
    targets: tuple[str, ...]
    store_failed: bool = False


@dataclass
class _Tally:
    """A ``DeliveryResult`` in the making."""

    delivered: int = 0
    conflicts: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    reached: list[str] = field(default_factory=list)
    store_failed: bool = False


@contextlib.contextmanager
def delivery_lock(home: Path) -> Iterator[None]:
    """Hold the lock of a home's delivery while the block runs, so that each ledger day has one writer.

    Raises:
        DeliveryError: another delivery held it for 60 s.
    """
    until = time.monotonic() + _LOCK_WAIT_SECONDS
    while True:
        with try_lock(home, _DELIVERY_LOCK) as free:
            if free:
                yield
                return
        if time.monotonic() > until:
            raise DeliveryError(f"another delivery of '{home}' has not ended for {_LOCK_WAIT_SECONDS:.0f} s: try again later")
        time.sleep(0.1)


class Sender:
    """Sends a backlog to its stores. It lives as long as the helper.

    Args:
        journal: The journal.
        settings: ``zone``, ``pue``, ``timezone`` and ``catalogue`` are used for the views.
        backlog: The journal, folded.
        verified: Which days were read back after their delivery; ``None``: what was delivered is not read back.

    Attributes:
        failed: Whether a store did not answer in the last sending.
        waiting: Whether a store waits for the end of the measured processes, because its schema has to be made first.
    """

    def __init__(self, journal: Journal, settings: Settings, backlog: Backlog, verified: VerifiedDays | None = None) -> None:
        self._journal = journal
        self._verified = verified
        self._backlog = backlog
        self._views = ViewUpdates(journal.home, settings)
        self._stores: dict[str | None, MlflowStore] = {}
        self._refused: set[InstanceDay] = set()  # another home owns them
        self.failed = False
        self.waiting = False

    def has_work(self, targets: set[str], *, final: bool) -> bool:
        """Return whether some targets have changed days, or views are left to complete once no measured process lives."""
        return any(key.target in targets for key in self._backlog.changed) or (final and self._views.any_left)

    def send(self, routes: Routes, *, final: bool) -> DeliveryResult:
        """Send every changed day to its store, then the views that changed.

        A store that does not answer does not stop the others, and its records stay pending.

        Args:
            routes: Which store each target goes to.
            final: No measured process lives: views are completed, and a missing SQLite database is made.
        """
        self.failed = self.waiting = False
        tally = _Tally(problems=[f"{reason} (target {target or 'none'})" for target, reason in routes.nowhere.items()])
        for uri, targets in routes.stores.items():
            if self.has_work(targets, final=final):
                try:
                    self._send_to(uri, targets, tally, final=final)
                except DeliveryError as error:
                    self.failed = tally.store_failed = True
                    tally.problems.append(str(error))
        tally.problems += _lines_not_read(self._backlog.line_counts)
        return DeliveryResult(
            tally.delivered,
            len(self._backlog.pending),
            tuple(tally.conflicts),
            tuple(tally.problems),
            tuple(tally.reached),
            tally.store_failed,
        )

    def _send_to(self, uri: str | None, targets: set[str], tally: _Tally, *, final: bool) -> None:
        """Send what some targets have to their store."""
        store = self._stores.get(uri) or self._stores.setdefault(uri, MlflowStore(uri))
        if not final and not store.is_ready():
            self.waiting = True
            tally.problems.append(
                f"{public_uri(store.uri)}: its schema is not there yet, and is not made while a measured process lives"
            )
            return
        store.prepare()
        refused = self._send_days(store, uri, targets, tally)
        tally.conflicts += [str(error) for error in refused.values()]
        written = self._views.write(store, uri, self._accepted_rows(targets), final=final)
        self.failed |= written.failed
        tally.problems += written.problems
        tally.delivered += self._backlog.settle(targets, set(refused))
        tally.reached.append(public_uri(store.uri))

    def _send_days(
        self, store: MlflowStore, uri: str | None, targets: set[str], tally: _Tally
    ) -> dict[InstanceDay, InstanceConflictError]:
        """Write the changed days of some targets to the ledger. Returns the error of each day that it refused."""
        backlog = self._backlog
        ledger = MlflowLedger(store, verified=self._verified)
        changed = {key for key in backlog.changed if key.target in targets}
        refused: dict[InstanceDay, InstanceConflictError] = {}
        for instance in sorted({key.instance for key in changed}):
            days = {
                day: merge_rows(row for target in targets for row in backlog.rows.get(DayKey(target, instance, day), []))
                for day in {key.day for key in changed if key.instance == instance}
            }

            def records(instance: str = instance) -> list[Record]:
                return backlog.records_of(targets, instance)

            for day, error in ledger.upsert_days(instance, self._journal.home_id, days, records).items():
                refused[InstanceDay(instance, day)] = error
        tally.problems += ledger.problems
        if self._verified is not None:
            self._verified.save()
        self._views.note_changed(uri, (row for key in changed for row in backlog.rows.get(key, [])))
        backlog.changed -= changed
        self._refused = (self._refused - {key.instance_day for key in changed}) | refused.keys()
        return refused

    def _accepted_rows(self, targets: set[str]) -> Iterator[Row]:
        """Give the rows of some targets, except on days that the ledger refused: these are in no view."""
        for key, rows in self._backlog.rows.items():
            if key.target in targets and key.instance_day not in self._refused:
                yield from rows


def _lines_not_read(counts: Scan) -> list[str]:
    reasons = ((counts.corrupt, "corrupt"), (counts.newer, "of a newer schema: upgrade ecoia"), (counts.torn, "torn"))
    return [f"{number} journal line(s) not read: {reason}" for number, reason in reasons if number]
