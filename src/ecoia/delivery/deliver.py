"""One delivery, by hand: everything that the journal holds goes to the ledger, and figures to the runs that people open.

A delivery is safe to repeat because the ledger is updated by record id: delivering twice, being killed at any point, or reading
lines in another order changes no total.
"""

from __future__ import annotations

import os

from ecoia.delivery.abandoned import any_alive, close_abandoned
from ecoia.delivery.backlog import Backlog
from ecoia.delivery.routes import find_routes
from ecoia.delivery.sender import DeliveryResult, Sender, delivery_lock
from ecoia.delivery.verified_days import VerifiedDays
from ecoia.keeping.journal import Journal, journal_sizes
from ecoia.keeping.packing import pack_closed
from ecoia.settings import Settings

__all__ = ["DeliveryResult", "deliver"]


def deliver(journal: Journal, settings: Settings, *, tracking_uri: str | None = None, verify: bool = False) -> DeliveryResult:
    """Send everything that the journal holds, now. A server that does not answer costs seconds, and no record is lost.

    What was delivered before is read back, each closed day once; a day that was altered or is gone is written again.

    Args:
        journal: The journal.
        settings: ``zone``, ``pue``, ``timezone`` and ``catalogue`` are used for the views.
        tracking_uri: Where records go that were measured with no tracking URI; ``None``: to ``MLFLOW_TRACKING_URI``, else to
            MLflow's own default.
        verify: Read every day back, also those that were read back before.

    Raises:
        MissingExtraError: MLflow is not installed.
        DeliveryError: another delivery of this home does not end.

    Example::

        deliver(Journal(settings.home), settings, tracking_uri="https://mlflow.example.org").pending  # 0
    """
    close_abandoned(journal)
    pack_closed(journal.folder)
    with delivery_lock(journal.home):
        backlog = Backlog(journal)
        backlog.read(journal_sizes(journal))
        backlog.mark_all_changed()
        default = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or None
        routes = find_routes(journal, {key.target for key in backlog.changed}, default, by_hand=True)
        verified = VerifiedDays(journal.home, again=verify)
        return Sender(journal, settings, backlog, verified).send(routes, final=not any_alive(journal, journal.files()))
