"""Dates as offices write them. Which of day and month comes first is told from the whole column, or not at all.

``03/04/2026`` is the third of April in France and the fourth of March in America. One date of the column that can be read in one
way only (``31/12/2026``) settles it for all; where none does, the column is ambiguous, and whoever reads it refuses it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime

_SLASHED = re.compile(r"(\d{1,2})[/.](\d{1,2})[/.](\d{4})(?:[ T](\d{1,2}):(\d{2})(?::(\d{2}))?)?")

DAY_FIRST, MONTH_FIRST = "day first", "month first"


class AmbiguousDatesError(ValueError):
    """A column of dates can be read in two ways. The message says which, and what to do."""


def is_slashed(text: str) -> bool:
    """Return whether a text is a date in figures, its year last: ``31/12/2026``, ``31.12.2026 08:00``."""
    return _SLASHED.fullmatch(text) is not None


def order_of(texts: Iterable[str], *, in_time: bool = False) -> str | None:
    """Find out whether the day or the month comes first in the dates of a column.

    Args:
        texts: The cells; those that are no slashed dates say nothing.
        in_time: Whether the dates come in the order of time, so that an order that breaks it is wrong.

    Returns:
        ``DAY_FIRST`` or ``MONTH_FIRST``; None where no cell is a slashed date.

    Raises:
        AmbiguousDatesError: both are possible, or neither is.

    Example:
        >>> order_of(["01/10/2026", "31/12/2026"])
        'day first'
    """
    written = [text for text in texts if is_slashed(text)]
    if not written:
        return None
    fitting = [order for order in (DAY_FIRST, MONTH_FIRST) if _fits(written, order, in_time=in_time)]
    if len(fitting) == 1 or (fitting and _same(written)):
        return fitting[0]
    if fitting:
        raise AmbiguousDatesError(f"{written[0]!r} can be day/month or month/day, and no other date tells: write 2026-10-31")
    together = ", in order of time" if in_time else ""
    raise AmbiguousDatesError(
        f"dates like {written[0]!r} are neither all day/month nor all month/day{together}: write 2026-10-31"
    )


def read_slashed(text: str, order: str) -> datetime:
    """Read a slashed date in a known order.

    Raises:
        ValueError: it is none.

    Example:
        >>> read_slashed("01/10/2026 08:30", DAY_FIRST).isoformat()
        '2026-10-01T08:30:00'
    """
    found = _SLASHED.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no date")
    one, two, year, *clock = (int(each or 0) for each in found.groups())
    day, month = (one, two) if order == DAY_FIRST else (two, one)
    hour, minute, second = clock
    return datetime(year, month, day, hour, minute, second)


def _fits(texts: Sequence[str], order: str, *, in_time: bool) -> bool:
    before = datetime.min
    for text in texts:
        try:
            read = read_slashed(text, order)
        except ValueError:
            return False
        if in_time and read < before:
            return False
        before = read
    return True


def _same(texts: Iterable[str]) -> bool:
    """Return whether both orders give the same days: 10/10/2026."""
    return all(read_slashed(text, DAY_FIRST) == read_slashed(text, MONTH_FIRST) for text in texts)
