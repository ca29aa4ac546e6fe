"""One sending of what the journal holds: the ledger's days first, then the views of what changed."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ecoia.delivery.backlog import Backlog, DayKey, InstanceDay
from ecoia.delivery.doubtful_days import DoubtfulDays
from ecoia.delivery.linked_runs import LinkedRuns
from ecoia.delivery.mlflow_ledger import MlflowLedger
from ecoia.delivery.mlflow_store import MlflowStore
from ecoia.delivery.power_series import PowerSeries
from ecoia.delivery.refused_days import DOUBTFUL, RefusedDay, RefusedDays
from ecoia.delivery.result import FAILED, SENT, STEP, STORE, DeliveryResult, Tell, tell_nobody
from ecoia.delivery.retired_names import NamesOfStores
from ecoia.delivery.routes import Routes
from ecoia.delivery.verified_days import VerifiedDays
from ecoia.delivery.view_updates import ViewUpdates
from ecoia.errors import DeliveryError
from ecoia.keeping.destinations import public_uri
from ecoia.keeping.helper_start import wait_for_lock
from ecoia.keeping.journal import Journal, Scan
from ecoia.records import Record, Row, merge_rows
from ecoia.settings import Settings

_DELIVERY_LOCK = "lock"
_LOCK_WAIT_SECONDS = 60.0
_DAYS_AT_ONCE = 20
_BEGIN_SHARE = 0.75
"""Share of what a store has left of ``delivery_seconds`` once it is ready, after which nothing new is begun with it, so that what
was sent can be noted in time."""


@dataclass
class _Tally:
    """A ``DeliveryResult`` in the making."""

    delivered: int = 0
    conflicts: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    reached: list[str] = field(default_factory=list)
    failed: bool = False
    store_failed: bool = False
    waiting: bool = False
    cut_short: bool = False


@contextlib.contextmanager
def delivery_lock(home: Path) -> Iterator[None]:
    """Hold the lock of a home's delivery while the block runs, so that each ledger day has one writer.

    Raises:
        DeliveryError: another delivery held it for 60 s.
    """
    with wait_for_lock(home, _DELIVERY_LOCK, seconds=_LOCK_WAIT_SECONDS) as held:
        if not held:
            raise DeliveryError(f"another delivery of '{home}' has not ended for {_LOCK_WAIT_SECONDS:.0f} s: try again later")
        yield


class Sender:
    """Sends a backlog to its stores.

    Args:
        journal: The journal.
        settings: ``zone``, ``pue``, ``timezone`` and ``catalogue`` are used for the views, ``delivery_seconds`` for the time
            after which nothing new is begun with a store, ``ledger_sql`` for the ledger, ``retention_days`` for doubtful days.
        backlog: The journal, folded.
        power: The power over time, which noticed what was read of the journal.
        verified: Which days were read back after their delivery; ``None``: what was delivered is not read back.
        by_hand: Bring each store to today's names of metrics once, and describe experiments again.
        tell: Receives the progress.
    """

    def __init__(
        self,
        journal: Journal,
        settings: Settings,
        backlog: Backlog,
        power: PowerSeries,
        *,
        verified: VerifiedDays | None = None,
        by_hand: bool = False,
        tell: Tell = tell_nobody,
    ) -> None:
        self._journal = journal
        self._verified = verified
        self._by_hand = by_hand
        self._names = NamesOfStores(journal.home, journal.home_id)
        self._backlog = backlog
        self._power = power
        self._tell = tell
        self._seconds = settings.delivery_seconds
        self._by_sql = settings.ledger_sql
        self._views = ViewUpdates(journal.home, settings, tell)
        self._refused = RefusedDays(journal.home)
        self._doubtful = DoubtfulDays(journal.home, settings.retention_days)
        self._held: set[DayKey] = set()

    def send(self, routes: Routes, *, final: bool, skip: Collection[str] = ()) -> DeliveryResult:
        """Send every changed day to its store, then the views that changed.

        A store that does not answer does not stop the others, and its records stay pending.

        Args:
            routes: Which store each target goes to.
            final: No measured process lives: views are completed, and a missing SQLite database is made.
            skip: Public URIs of stores that nothing is sent to this time.
        """
        self._refused.replace(self._refused.days() - self._backlog.rows.keys(), ())  # archived since: nothing of them is left
        tally = _Tally(problems=[f"{reason} (target {target or 'none'})" for target, reason in routes.nowhere.items()])
        self._hold_doubtful(tally)
        for uri, targets in routes.stores.items():
            if (uri is None or public_uri(uri) not in skip) and self._has_work(uri, targets, final=final):
                store = MlflowStore(uri)
                if public_uri(store.uri) in skip:
                    continue
                try:
                    self._send_to(store, targets, tally, final=final)
                except DeliveryError as error:
                    self._tell(FAILED, str(error))
                    tally.failed = tally.store_failed = True
                    tally.problems.append(str(error))
        tally.problems += [*self._backlog.unread.values(), *_lines_not_read(self._backlog.line_counts)]
        return DeliveryResult(
            tally.delivered,
            self._backlog.pending,
            tuple(tally.conflicts),
            tuple(tally.problems),
            tuple(tally.reached),
            failed=tally.failed,
            store_failed=tally.store_failed,
            waiting=tally.waiting,
            cut_short=tally.cut_short,
            unread_files=len(self._backlog.unread),
            final=final,
            sizes=self._backlog.read_sizes,
        )

    def _hold_doubtful(self, tally: _Tally) -> None:
        """Leave doubtful days in the journal, and tell each."""
        held = [*self._doubtful.among(self._backlog.rows.keys(), self._backlog.pending_days)]
        self._refused.replace({each.key for each in self._refused.listed if each.why == DOUBTFUL}, held)
        self._held = {each.key for each in held}
        self._backlog.changed -= self._held
        tally.conflicts += dict.fromkeys(each.message for each in held)

    def _has_work(self, uri: str | None, targets: set[str], *, final: bool) -> bool:
        changed = any(key.target in targets for key in self._backlog.changed) or not targets.isdisjoint(self._backlog.new_links)
        return changed or (final and uri is not None and self._views.any_left(public_uri(uri)))

    def _send_to(self, store: MlflowStore, targets: set[str], tally: _Tally, *, final: bool) -> None:
        """Send what some targets have to their store."""
        name = public_uri(store.uri)
        self._tell(STORE, name)
        began = time.monotonic()
        if not final and not store.is_ready():
            tally.waiting = True
            tally.problems.append(f"{name}: its schema is not there yet, and is not made while a measured process lives")
            return
        store.prepare()
        # A part of what is left: a store that takes most of its time to get ready is sent something, too.
        begin_until = time.monotonic() + (began + self._seconds - time.monotonic()) * _BEGIN_SHARE
        if self._by_hand:
            self._tell(STEP, "at the names of metrics")
            tally.problems += self._names.bring(store, begin_until)
        left = self._send_days(store, targets, tally, begin_until)
        self._views.note_linked(name, {link for target in targets for link in self._backlog.new_links.pop(target, ())})
        linked = self._links_to(targets)
        written = self._views.write(
            store, self._accepted_rows(targets, linked), linked, final=final, begin_until=begin_until, by_hand=self._by_hand
        )
        tally.failed |= written.failed
        tally.problems += written.problems
        unwritten = self._power.write(store, targets, linked.runs_of, final=final, begin_until=begin_until)
        if unwritten:
            tally.failed = True
            tally.problems.append(unwritten)
        sent = self._backlog.settle(targets, self._refused.days() | left)
        self._tell(SENT, str(sent))
        tally.delivered += sent
        tally.reached.append(name)
        if left or written.left:
            tally.cut_short = True
            tally.problems.append(
                f"{name}: the time was up before {len(left)} ledger days and {written.left} runs were sent: deliver again, "
                "or raise the setting 'delivery_seconds'"
            )

    def _send_days(self, store: MlflowStore, targets: set[str], tally: _Tally, begin_until: float) -> set[DayKey]:
        """Write the changed days of some targets to the ledger. Returns the days that the time did not suffice for."""
        backlog = self._backlog
        ledger = MlflowLedger(store, verified=self._verified, by_sql=self._by_sql)
        left = {key for key in backlog.changed if key.target in targets}
        # An older ecoia may have put these records there.
        left |= ({key._replace(place="") for key in left} & backlog.rows.keys()) - self._held
        ledger.look_ahead((key.instance, key.day) for key in left)
        sent: set[DayKey] = set()
        refused: dict[InstanceDay, str] = {}
        for instance, place, days in _some_at_once(left):
            if time.monotonic() > begin_until:
                break
            self._tell(STEP, f"at the ledger of '{instance}' from {days[0]} to {days[-1]}")
            keys = {day: [DayKey(target, instance, day, place) for target in targets] for day in days}
            rows = {day: merge_rows(row for key in keys[day] for row in backlog.rows.get(key, [])) for day in days}

            def records(instance: str = instance, place: str = place) -> list[Record]:
                return backlog.records_of(targets, instance, place)

            for day, error in ledger.upsert_days(
                instance,
                self._journal.home_id,
                rows,
                records,
                place=place,
                replaced=backlog.replaced,
                elsewhere=backlog.ids_elsewhere(targets, instance, days, place),
            ).items():
                refused[InstanceDay(instance, day)] = str(error)
            sent.update(left.intersection(key for day in days for key in keys[day]))
        tally.problems += ledger.problems
        if self._verified is not None:
            self._verified.save()
        left -= sent
        backlog.changed -= sent
        self._views.note_changed(public_uri(store.uri), (row for key in sent for row in backlog.rows.get(key, [])))
        tally.conflicts += refused.values()
        days_refused = [RefusedDay(*key, message=refused[key.instance_day]) for key in sent if key.instance_day in refused]
        self._refused.replace(sent, days_refused)
        return left

    def _links_to(self, targets: set[str]) -> LinkedRuns:
        """Return the links to the store of some targets."""
        links = self._backlog.links
        here = [link for target in targets for link in links.get(target, ())]
        return LinkedRuns(here, {run_id for target in links.keys() - targets for run_id, _ in links[target]})

    def _accepted_rows(self, targets: set[str], linked: LinkedRuns) -> Iterator[Row]:
        """Give the rows that a store shows: those of its targets, except on days that the ledger refused.

        A rank that does not set the tracking URI, or the session of a command that sets it later, goes to another target than the
        run that shows it, or to none.
        """
        refused = self._refused.days()
        for key, rows in self._backlog.rows.items():
            if key in refused:
                continue
            if key.target in targets:
                yield from (row for row in rows if not row["run_id"] or not linked.is_shown_elsewhere(row["run_id"]))
            else:
                yield from (row for row in rows if row["run_id"] and linked.runs_of(row["run_id"]))


def _some_at_once(keys: Collection[DayKey]) -> Iterator[tuple[str, str, list[str]]]:
    """Give each instance and place with its days, a few at once, in order."""
    for instance, place in sorted({(key.instance, key.place) for key in keys}):
        days = sorted({key.day for key in keys if (key.instance, key.place) == (instance, place)})
        for first in range(0, len(days), _DAYS_AT_ONCE):
            yield instance, place, days[first : first + _DAYS_AT_ONCE]


def _lines_not_read(counts: Scan) -> list[str]:
    reasons = ((counts.corrupt, "corrupt"), (counts.newer, "of a newer schema: upgrade ecoia"), (counts.torn, "torn"))
    return [f"{number} journal line(s) not read: {reason}" for number, reason in reasons if number]
