"""Whether a change of a service between two periods may be read as one."""

from __future__ import annotations

from collections.abc import Iterable

from ecoia.exploring import Change
from ecoia.report import COVERED


def why_not_compared(services: Iterable[str], change: Change, covered: Iterable[float | None]) -> str | None:
    """Return why a change must not be read as one, a code of reasons; None where it may.

    Args:
        services: Ids that are compared as one service.
        change: The change between the two periods.
        covered: Share of the expected days that was recorded in each of them; None: no days are expected.
    """
    ids = set(services)
    if ids & set(change.days_unequal):
        return "days-unequal"
    if ids & set(change.counted_otherwise):
        return "counted-otherwise"
    return "little-covered" if any(share is not None and share < COVERED for share in covered) else None
