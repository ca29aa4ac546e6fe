"""One delivery: everything that the journal holds goes to the ledger, and figures to the runs that people open.

A delivery is safe to repeat because the ledger is updated by record id: delivering twice, being killed at any point, or reading
lines in another order changes no total. ``timed_delivery`` runs it in a process of its own.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import replace

from ecoia.delivery.abandoned import any_alive, close_abandoned
from ecoia.delivery.backlog import Backlog
from ecoia.delivery.power_series import PowerSeries
from ecoia.delivery.result import READING, DeliveryResult, Tell, tell_nobody
from ecoia.delivery.retention import remove_outlived
from ecoia.delivery.routes import find_routes
from ecoia.delivery.sender import Sender, delivery_lock
from ecoia.delivery.verified_days import VerifiedDays
from ecoia.errors import JournalError
from ecoia.keeping.adoption import adopt, waiting
from ecoia.keeping.journal import Journal
from ecoia.keeping.packing import pack_closed
from ecoia.settings import Settings

__all__ = ["DeliveryResult", "deliver"]


def deliver(
    journal: Journal,
    settings: Settings,
    *,
    tracking_uri: str | None = None,
    by_hand: bool = True,
    verify: bool = False,
    killed: bool = False,
    skip: Collection[str] = (),
    tell: Tell = tell_nobody,
    backlog: Backlog | None = None,
) -> DeliveryResult:
    """Send what the journal holds, now. A server that does not answer costs seconds, and no record is lost.

    What was delivered before is read back, each closed day once; a day that was altered or is gone is written again.

    Args:
        journal: The journal.
        settings: ``zone``, ``pue``, ``timezone`` and ``catalogue`` are used for the views, ``delivery_seconds`` for the time
            after which nothing new is begun.
        tracking_uri: Where records go that were measured with no tracking URI; ``None``: to ``MLFLOW_TRACKING_URI``, else to
            MLflow's own default.
        by_hand: Compare every day with the ledger, read closed days back once, and send records without a tracking URI too.
            ``False`` for the helper: only what was not delivered yet.
        verify: Read every day back, also those that were read back before.
        killed: Mark the runs of ended processes as abandoned where these left no outcome, although others live.
        skip: Public URIs of stores that nothing is sent to this time.
        tell: Receives the progress.
        backlog: What an earlier delivery of this process read of the journal, to go on from; ``None``: read all of it.

    Raises:
        MissingExtraError: MLflow is not installed.
        DeliveryError: another delivery of this home does not end.

    Example::

        deliver(Journal(settings.home), settings, tracking_uri="https://mlflow.example.org").pending  # 0
    """
    tell(READING, "")
    not_taken = _not_taken(journal)
    pack_closed(journal.folder)
    if not_taken:
        not_taken = _not_taken(journal)  # packing made room, perhaps
    with delivery_lock(journal.home):
        final = not any_alive(journal, journal.files())
        if by_hand or final or killed:
            try:
                close_abandoned(journal)
            except JournalError as error:  # as above
                not_taken = not_taken or f"runs that were killed are not marked as abandoned: {error}"
        backlog, power = backlog or Backlog(journal, tell), PowerSeries(journal, tell)
        backlog.catch_up(power.notice, power.noticed)
        if by_hand:
            backlog.mark_all_changed()
        default = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or None
        targets = {key.target for key in backlog.rows} | backlog.links.keys()
        routes = find_routes(journal, targets, default, by_hand=by_hand)
        final = final and not any_alive(journal, journal.files())
        verified = VerifiedDays(journal.home, again=verify) if by_hand else None
        sender = Sender(journal, settings, backlog, power, verified=verified, by_hand=by_hand, tell=tell)
        result = sender.send(routes, final=final, skip=skip)
        remove_outlived(journal, settings.retention_days)
    if not not_taken:
        return result
    return replace(result, pending=result.pending + waiting(journal.home), problems=(*result.problems, not_taken))


def _not_taken(journal: Journal) -> str:
    """Take open windows into the journal. Returns why one was not: at the journal's cap, its records must still be delivered."""
    try:
        adopt(journal)
    except JournalError as error:
        return f"the last seconds of a process that ended suddenly are not sent: {error}"
    return ""
