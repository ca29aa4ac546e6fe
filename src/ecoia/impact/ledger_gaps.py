"""Days of the ledger, or lines of them, that are in no figure, and what they are worth.

A total without them is too low, so a report names them on its first page and a quarter is not published without a reason.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from ecoia.periods import DAY_NS, Quarter, utc_ns

GAP_REASONS = (
    "missing",  # the run is there and its day file is not
    "altered",  # the day file is not the one that was delivered
    "unreadable",  # the day file cannot be fetched or is none
    "unfinished",  # a delivery was cut short before it wrote the day file
    "refused-rows",  # some lines of the day file are no rows
    "deleted",  # the run was deleted, and no other run holds the day
    "newer",  # a newer ecoia wrote the day
    "partly-restored",  # the day was altered, and its journal no longer holds all of it
)
"""Reasons why a ledger day is not, or not wholly, in the figures."""

_EARLIEST_NS = 0


@dataclass(frozen=True, order=True)
class LedgerGap:
    """A ledger day that is not, or not wholly, in the figures.

    Attributes:
        day: The UTC day, as the run's tag has it; may be no day if the tag was altered.
        instance: The instance, as the run's tag has it.
        reason: One of ``GAP_REASONS``.
        run_id: The MLflow run that holds the day.
        microjoules: Energy of components that is in no figure, by the run's own metrics; None where these do not tell.
        lines: How many lines were refused.
        why: The first refused lines with field and value, or the error; for an engineer.
    """

    day: str
    instance: str
    reason: str
    run_id: str
    microjoules: int | None = None
    lines: int = 0
    why: tuple[str, ...] = ()

    @property
    def start_utc_ns(self) -> int:
        """Start of the day; the earliest instant where the day is not known, as its rows may be of any time."""
        try:
            return utc_ns(datetime.combine(date.fromisoformat(self.day), datetime.min.time(), UTC))
        except (ValueError, OverflowError):
            return _EARLIEST_NS

    def touches(self, start_utc_ns: int, end_utc_ns: int) -> bool:
        """Return whether a part of the day, or a day that is not known, may be in ``[start_utc_ns, end_utc_ns)``."""
        start = self.start_utc_ns
        return start == _EARLIEST_NS or (start < end_utc_ns and start_utc_ns < start + DAY_NS)


@dataclass(frozen=True)
class LedgerShortfall:
    """What the ledger lacks of a quarter: its figures are too low by it.

    Attributes:
        quarter: The quarter.
        days: How many days of instances are missing, in whole or in part.
        microjoules: Energy of components that they are known to be worth.
        unknown_days: How many of them are worth an unknown energy.
        refused_lines: How many lines were refused.
    """

    quarter: str
    days: int
    microjoules: int
    unknown_days: int
    refused_lines: int


def shortfall_of(quarter: Quarter, timezone: ZoneInfo, gaps: Iterable[LedgerGap]) -> LedgerShortfall | None:
    """Sum up the gaps that touch a quarter; None where none does. A day that is not known may be of any quarter.

    Args:
        quarter: The quarter.
        timezone: Its time zone.
        gaps: Gaps of any time.

    Example:
        >>> gaps = [LedgerGap("2026-11-23", "host-1", "missing", "r", 5), LedgerGap("2026-11-24", "host-1", "deleted", "s")]
        >>> shortfall_of(Quarter(2026, 4), ZoneInfo("UTC"), gaps)
        LedgerShortfall(quarter='2026Q4', days=2, microjoules=5, unknown_days=1, refused_lines=0)
    """
    mine = [gap for gap in gaps if gap.touches(*quarter.bounds_ns(timezone))]
    if not mine:
        return None
    unknown = sum(gap.microjoules is None for gap in mine)
    return LedgerShortfall(str(quarter), len(mine), known_microjoules(mine), unknown, sum(gap.lines for gap in mine))


def known_microjoules(gaps: Iterable[LedgerGap]) -> int:
    """Return the energy that some gaps are known to be worth.

    Example:
        >>> known_microjoules([LedgerGap("2026-11-23", "host-1", "missing", "r", 5), LedgerGap("", "", "missing", "s")])
        5
    """
    return sum(gap.microjoules or 0 for gap in gaps)
