"""Say which one line would measure a service that is not measured, or not enough."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass

from ecoia.report import COVERED, ServiceEntry

_TRAINING = "training"


@dataclass(frozen=True)
class Remedy:
    """What would measure a service.

    Attributes:
        kind: Where the line goes: ``middleware`` (the application that serves), ``decorator`` (the function that answers),
            ``command`` (before the command that trains, or that runs what cannot be changed), ``machine`` (on the machine whose
            days are missing), ``register`` (the catalogue's ``services.yaml``).
        line: The line.
    """

    kind: str
    line: str


def remedy_of(entry: ServiceEntry, phase: str | None = None) -> Remedy | None:
    """Choose the line by what is missing; None where nothing is.

    Args:
        entry: The service.
        phase: The phase that its declared activity is of; None: inference.

    Example:
        >>> remedy_of(entry).line  # doctest: +SKIP
        'app.add_middleware(ImpactMiddleware, service="transcription")'
    """
    if not entry.registered:
        return Remedy("register", f"- {{id: {json.dumps(entry.id)}, name: {json.dumps(entry.name)}, status: poc}}")
    if entry.status == "retired" or entry.measured:
        return None
    if entry.covered:  # recorded, on too few of its days
        return Remedy("machine", "ecoia doctor")
    if entry.counted_by == "declared":
        return Remedy("command", _command(entry.id, phase or "inference"))
    missing = next((days.phase for days in entry.days_by_phase if _lacks(days.recorded, days.expected)), None)
    if missing == _TRAINING:
        return Remedy("command", _command(entry.id, _TRAINING))
    if entry.status == "poc":
        return Remedy("decorator", f'@ecoia.track(service={json.dumps(entry.id)}, phase="inference")')
    return Remedy("middleware", f"app.add_middleware(ImpactMiddleware, service={json.dumps(entry.id)})")


def _lacks(recorded: int, expected: float | None) -> bool:
    return expected is not None and recorded < COVERED * expected


def _command(service: str, phase: str) -> str:
    return f"ecoia run --service {shlex.quote(service)} --phase {phase} -- …"
