"""Which ledger days were read back after their delivery: ``delivery/verified.json``.

A closed day is read back once, by the first delivery after the one that wrote it. Losing the file costs that reading again.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

from ecoia import semconv
from ecoia.keeping.destinations import write_atomically
from ecoia.periods import utc_day

_FILE = "verified.json"


class VerifiedDays:
    """Ledger runs of closed days that were read back, with the digest that they had.

    Args:
        home: Home of the journal.
        again: Whether to read every day back, also those that were read back before.

    Example::

        VerifiedDays(journal.home).has(run_id, digest)
    """

    def __init__(self, home: Path, *, again: bool = False) -> None:
        self._path = home / "delivery" / _FILE
        self._before = _read(self._path)
        self._now: dict[str, str] = {}
        self._again = again

    def has(self, run_id: str, digest: str) -> bool:
        """Return whether a run was read back with this digest, and need not be again."""
        return not self._again and self._before.get(run_id) == digest

    def note(self, run_id: str, day: str, digest: str) -> None:
        """Note that a run was read back with this digest. A day that is not over will change, so it is not noted."""
        if day < utc_day(time.time_ns()):
            self._now[run_id] = digest

    def save(self) -> None:
        """Write the file, if anything was noted."""
        if self._now:
            days = {"schema": semconv.SCHEMA_VERSION, "days": self._before | self._now}
            write_atomically(self._path, json.dumps(days, separators=(",", ":")) + "\n")


def _read(path: Path) -> dict[str, str]:
    try:
        days = json.loads(path.read_text(encoding="utf-8"))["days"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return {str(run_id): str(digest) for run_id, digest in days.items()} if isinstance(days, dict) else {}
