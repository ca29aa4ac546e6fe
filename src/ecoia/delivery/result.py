"""What one delivery did. Standard library only: the helper reads it and loads nothing of MLflow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

Tell = Callable[[str, Any], None]
"""Receives the progress of a delivery: what it is about (one of the constants below), and a text for people."""

READING, STORE, STEP, HTTP, SENT, FAILED, CPU = "reading", "store", "step", "http", "sent", "failed", "cpu"
"""What progress is about: the journal is read; a store is turned to; a step begins there; what its server does; how many
records are in its ledger now that were not before; why it cannot be used; processor time of the process so far, in seconds."""


def tell_nobody(about: str, text: Any) -> None:
    """Ignore the progress of a delivery."""


@dataclass(frozen=True)
class DeliveryResult:
    """Result of a delivery.

    Attributes:
        delivered: How many records are in the ledger since this call.
        pending: How many records are still in the journal only.
        conflicts: Messages on refused ledger days: another journal home owns them, or their date is doubtful.
        problems: Every other message that somebody should read.
        targets: URIs of the stores that were reached, without credentials.
        failed: Whether another try may succeed: a store did not answer, or a run could not be written.
        store_failed: Whether a store did not answer or refused, so that not everything was written or written again.
        waiting: Whether a store waits for the end of the measured processes, because its schema has to be made first.
        cut_short: Whether the time was up before everything was sent. The next delivery goes on where this one stopped.
        unread_files: How many files and day folders of the journal cannot be read, so that it is not known what is left in them.
        final: Whether no measured process lived, so that the runs that people open were completed.
        sizes: Size in bytes of each journal file that was looked at, by its path below ``journal/``.
    """

    delivered: int
    pending: int
    conflicts: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    failed: bool = False
    store_failed: bool = False
    waiting: bool = False
    cut_short: bool = False
    unread_files: int = 0
    final: bool = True
    sizes: Mapping[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON can hold it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> DeliveryResult:
        """Return the result that ``to_dict`` gave, also after it went through JSON."""
        fields: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in data.items()}
        return cls(**fields)
