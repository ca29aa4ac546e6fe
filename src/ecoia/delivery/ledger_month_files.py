"""The file that holds a month of one instance, ``rows.jsonl.gz``: read back, and looked into by day."""

from __future__ import annotations

from ecoia.delivery.day_file import DayFile
from ecoia.delivery.ledger_reader import read_day
from ecoia.delivery.ledger_run import LedgerRun
from ecoia.delivery.mlflow_store import MlflowStore
from ecoia.delivery.verified_days import VerifiedDays
from ecoia.errors import DeliveryError
from ecoia.periods import utc_day
from ecoia.records import Row


def month_start(day: str) -> str:
    """Return the first day of a UTC day's month.

    Example:
        >>> month_start("2026-09-24")
        '2026-09-01'
    """
    return f"{day[:-2]}01"


def by_day(rows: list[Row]) -> dict[str, list[Row]]:
    """Return rows by UTC day, in the order that they have."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(utc_day(row["half_hour_utc_ns"]), []).append(row)
    return found


class MonthFiles:
    """The months of a store that a delivery looks into; each is fetched once.

    Args:
        store: The store.
        verified: Which months were read back before; ``None``: none is read back.
        problems: Receives what somebody should read.
    """

    def __init__(self, store: MlflowStore, verified: VerifiedDays | None, problems: list[str]) -> None:
        self._store = store
        self._verified = verified
        self._problems = problems
        self._read: dict[str, dict[str, list[Row]] | None] = {}

    def reads_back(self, month: LedgerRun) -> bool:
        """Return whether a month's file is the one that its digest names. It is read back once."""
        if self._verified is None or self._verified.has(month.run_id, month.digest):
            return True
        try:
            if self._rows(month) is None:
                return False
        except Exception as error:  # noqa: BLE001 - MLflow's or a storage client's: who may write need not be allowed to read
            self._problems.append(f"ledger month {month.month} cannot be read back, and is taken as whole ({error!r:.200})")
            return True
        self._verified.note(month.run_id, max(month.days), month.digest)
        return True

    def day_of(self, month: LedgerRun, day: str) -> DayFile | None:
        """Return what a month holds of a day; None where its file is gone or altered."""
        rows = self._rows(month)
        return None if rows is None else DayFile(month.days.get(day, ""), rows.get(day, []))

    def _rows(self, month: LedgerRun) -> dict[str, list[Row]] | None:
        if month.run_id not in self._read:
            try:
                self._read[month.run_id] = by_day(read_day(self._store, month).rows)
            except (FileNotFoundError, DeliveryError):
                self._problems.append(f"ledger month {month.month} of '{month.instance}' was altered or gone: written again")
                self._read[month.run_id] = None
        return self._read[month.run_id]
