"""Ledger days that the clock makes doubtful: more than two days ahead of it, or older than the journal keeps its days.

A machine whose clock is wrong dates its records wrongly. Records of such days stay in the journal, are listed, and are in no
quarter, until somebody who knows better accepts the day (``ecoia deliver --accept-day``): its date may be right after all, and
the clock of the delivery wrong. A day that was doubtful once stays so, also when the clock has come to it. A clock that is wrong
by less, or behind by a year, cannot be told from one that is right.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterable, Iterator
from datetime import date
from pathlib import Path

from ecoia.delivery.backlog import DayKey
from ecoia.delivery.refused_days import DOUBTFUL, RefusedDay, RefusedDays
from ecoia.keeping.destinations import write_atomically
from ecoia.periods import DAY_NS

_FILE = "accepted.json"
_AHEAD_DAYS = 2


class DoubtfulDays:
    """Tells doubtful days from others.

    Args:
        home: The journal home.
        retention_days: Days that the journal keeps a day. Records that come later than that are doubtful.
        now_utc_ns: Now; ``None``: by the clock.

    Example:
        >>> import tempfile
        >>> days = DoubtfulDays(Path(tempfile.mkdtemp()), 100.0, now_utc_ns=1000 * DAY_NS)
        >>> days.why("1972-09-27"), days.why("1972-09-30")
        (None, "3 days ahead of this machine's clock")
        >>> days.accept(["1972-09-30"])
        >>> days.why("1972-09-30") is None
        True
    """

    def __init__(self, home: Path, retention_days: float, *, now_utc_ns: int | None = None) -> None:
        self._path = home / "delivery" / _FILE
        self._home = home
        self._now_ns = time.time_ns() if now_utc_ns is None else now_utc_ns
        self._retention_days = retention_days
        try:
            self._accepted = {str(day) for day in json.loads(self._path.read_text(encoding="utf-8"))}
        except (OSError, ValueError, TypeError, RecursionError):
            self._accepted = set()  # they are asked about again

    def accept(self, days: Iterable[str]) -> None:
        """From now on, take the dates of these days for right.

        Raises:
            OSError: the home cannot be written.
        """
        self._accepted.update(days)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self._path, json.dumps(sorted(self._accepted)) + "\n")

    def why(self, day: str) -> str | None:
        """Return how far a UTC day is from the clock; None where it is not doubtful, or was accepted."""
        if day in self._accepted:
            return None
        apart = _number_of(day) - self._now_ns // DAY_NS
        if apart > _AHEAD_DAYS:
            return f"{apart} days ahead of this machine's clock"
        if -apart > self._retention_days:
            return f"{-apart} days old, and the journal keeps days for {self._retention_days:g} ('retention_days')"
        return None

    def among(self, days: Collection[DayKey], pending: Collection[DayKey]) -> Iterator[RefusedDay]:
        """Give those of some ledger days that are doubtful, or were.

        Args:
            days: The days.
            pending: Those of them that hold a record that was not delivered; what is in the ledger already is not doubted.
        """
        before = {each.key: each for each in RefusedDays(self._home).listed if each.why == DOUBTFUL}
        for key in sorted(days):
            if key.day in self._accepted or key not in pending:
                continue
            if key in before:
                yield before[key]
            elif why := self.why(key.day):
                remedy = f"if the date is right, accept it: 'ecoia deliver --accept-day {key.day}'"
                message = f"'{key.instance}' on {key.day} is kept, and in no figure: it is {why}, so a clock is wrong; {remedy}"
                yield RefusedDay(*key, message=message, why=DOUBTFUL)


def _number_of(day: str) -> int:
    """Return the days from 1970 to a UTC day."""
    return date.fromisoformat(day).toordinal() - date(1970, 1, 1).toordinal()
