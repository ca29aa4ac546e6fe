"""Rows that are recorded, wherever they lie: in this process, or in files that an engine sums up."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple, Protocol, runtime_checkable
from zoneinfo import ZoneInfo

from ecoia.impact.doublecounting import Refusal, refuse_doubles
from ecoia.impact.ledger_sums import LedgerSums, by_quarter, last_utc_ns
from ecoia.periods import Quarter
from ecoia.records import Row


class RecordedSums(NamedTuple):
    """Rows summed up by quarter, earliest first, and what was refused of them as counted twice."""

    by_quarter: dict[Quarter, LedgerSums]
    refusals: list[Refusal]


@runtime_checkable
class Elsewhere(Protocol):
    """Rows that do not lie in this process."""

    def last_utc_ns(self) -> int:
        """Return when the last record ended; the end of time without rows."""

    def sums(self, before_ns: int, timezone: ZoneInfo, boundaries_ns: Sequence[int]) -> RecordedSums:
        """Refuse what is counted twice, and sum up the rest, as ``sums_of`` says."""


def sums_of(rows: Collection[Row], before_ns: int, timezone: ZoneInfo, boundaries_ns: Iterable[int]) -> RecordedSums:
    """Refuse what is counted twice, and sum up the rest by quarter of civil time.

    Args:
        rows: Rows in any order.
        before_ns: Rows of half-hours from this instant on are left out.
        timezone: The time zone of days and quarters.
        boundaries_ns: Instants that the energy of a quarter is split at where an engine sums it up: equipment comes or goes.

    Example:
        >>> sums_of([], 1, ZoneInfo("UTC"), ()).by_quarter
        {}
    """
    if isinstance(rows, Elsewhere):
        return rows.sums(before_ns, timezone, sorted({*boundaries_ns}))
    past, refusals = refuse_doubles([row for row in rows if row["half_hour_utc_ns"] < before_ns])
    return RecordedSums(by_quarter(past, timezone), refusals)


def last_recorded_ns(rows: Collection[Row]) -> int:
    """Return when the last record ended; the end of time without rows."""
    return rows.last_utc_ns() if isinstance(rows, Elsewhere) else last_utc_ns(rows)
