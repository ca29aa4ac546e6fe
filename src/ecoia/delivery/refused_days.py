"""Ledger days that are not in MLflow although they were to be sent: ``delivery/refused.json``.

Another journal home owns them, or they are doubtful (``doubtful_days``).

A refused day stays in the file until a delivery brings it to the ledger, so that everybody who looks at the journal can say it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from ecoia.delivery.backlog import DayKey
from ecoia.keeping.destinations import write_atomically
from ecoia.periods import utc_day
from ecoia.records import Record

_FILE = "refused.json"

OF_ANOTHER_HOME, DOUBTFUL = "of-another-home", "doubtful"
"""Why a day is refused."""


@dataclass(frozen=True)
class RefusedDay:
    """A ledger day that was refused: the fields of its ``DayKey``, the message, and why, one of the reasons above."""

    target: str
    instance: str
    day: str
    place: str
    message: str
    why: str = OF_ANOTHER_HOME

    @property
    def key(self) -> DayKey:
        """The day as the backlog knows it."""
        return DayKey(self.target, self.instance, self.day, self.place)


_NAMES = tuple(name for name in RefusedDay.__dataclass_fields__ if name != "why")  # which was not there from the start


class RefusedDays:
    """The refused days of a journal home, as the last delivery left them.

    Args:
        home: The journal home.

    Example::

        [refused.message for refused in RefusedDays(home)]  # ["instance 'lab' on 2026-11-23 belongs to ..."]
    """

    def __init__(self, home: Path) -> None:
        self._path = home / "delivery" / _FILE
        try:
            listed = json.loads(self._path.read_text(encoding="utf-8"))
            self.listed = tuple(
                RefusedDay(**{name: str(day[name]) for name in _NAMES}, why=str(day.get("why", OF_ANOTHER_HOME)))
                for day in listed
            )
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            self.listed = ()  # the next delivery asks the ledger about each of their records again

    def days(self) -> set[DayKey]:
        """Return the refused days."""
        return {refused.key for refused in self.listed}

    def messages(self) -> list[str]:
        """Return the message of each refused day, once."""
        return list(dict.fromkeys(refused.message for refused in self.listed))

    def of(self, record: Record) -> bool:
        """Return whether a record falls on a refused day."""
        days = {utc_day(record.start_utc_ns), utc_day(record.end_utc_ns)}
        return any(
            refused.target == (record.target or "") and refused.instance == record.instance and refused.day in days
            for refused in self.listed
        )

    def replace(self, sent: Collection[DayKey], refused: Iterable[RefusedDay]) -> None:
        """Forget the days that were sent, and note those of them that were refused.

        Raises:
            OSError: the home cannot be written.
        """
        kept = (old for old in self.listed if old.key not in sent)
        listed = tuple(sorted({*kept, *refused}, key=lambda each: (each.day, each.key)))
        if listed != self.listed:
            self.listed = listed
            write_atomically(self._path, json.dumps([asdict(each) for each in listed], indent=2) + "\n")
