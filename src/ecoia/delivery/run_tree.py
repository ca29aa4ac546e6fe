"""Which run is above which, by store: a journal knows many old runs, and a run's parent never changes."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from ecoia.delivery.mlflow_runs import MlflowRuns, RunRefusedError
from ecoia.keeping.destinations import write_atomically

_FILE = "parents.json"
_FILE_OF_0_1 = "roots.json"  # it kept the root run of each run
_OWN_RUN = "ecoia-"


class RunTree:
    """The runs above each run, kept in the file ``delivery/parents.json`` of the home.

    Args:
        home: The journal home.
    """

    def __init__(self, home: Path) -> None:
        self._path = home / "delivery" / _FILE
        with contextlib.suppress(OSError):
            (home / "delivery" / _FILE_OF_0_1).unlink()
        try:
            self._known: dict[str, dict[str, str]] = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            self._known = {}
        self._saved = self._text()

    def _text(self) -> str:
        return json.dumps(self._known, separators=(",", ":")) + "\n"

    def save(self) -> None:
        """Write the file, if it would differ.

        Raises:
            OSError: the home cannot be written.
        """
        if self._text() != self._saved:
            self._saved = self._text()
            write_atomically(self._path, self._saved)

    def chain(self, store: str, runs: MlflowRuns, run_id: str) -> tuple[str, ...]:
        """Return a run and the runs above it, the root run last; nothing for a session of ecoia's own or a run that is not there.

        Args:
            store: Public URI of the store.
            runs: Its runs.
            run_id: The run.

        Raises:
            DeliveryError: the store cannot be reached.
        """
        if run_id.startswith(_OWN_RUN):
            return ()
        known = self._known.setdefault(store, {})
        found: list[str] = []
        current: str | None = run_id
        while current and current not in found:
            if current not in known:
                try:
                    parent = runs.parent_of(current)
                except RunRefusedError:
                    return (*found, current)  # writing it will say so
                if parent is None:
                    break
                known[current] = parent
            found.append(current)
            current = known[current]
        return tuple(found)
