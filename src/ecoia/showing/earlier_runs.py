"""The figures of a user's own runs on this machine, so that a new one can be compared with them.

A file of the journal's home holds the last of them: no name, no parameter, only ids and sums. Losing it loses no record.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ecoia.keeping.destinations import write_atomically
from ecoia.readable.run_line import RunFigures, energy_text, number

_FILE = "runs.jsonl"
_MOST_KEPT = 200
_MOST_BYTES = 1_000_000
_COMPARED = 10
"""Runs that a comparison looks back at."""

_ALIKE = 0.05
"""A difference below this is not told: two runs of one program differ by as much."""


class EarlierRun(NamedTuple):
    """A run that ended: its id, whose work it was, and its energy.

    Attributes:
        run_id: MLflow's id.
        work: Its services and phases.
        microjoules: Its energy.
        end_utc_ns: When it ended.
    """

    run_id: str
    work: tuple[str, ...]
    microjoules: int
    end_utc_ns: int


class EarlierRuns:
    """The runs that ended on this machine, oldest first.

    Args:
        home: The journal's home.
    """

    def __init__(self, home: str | Path) -> None:
        self._path = Path(home) / _FILE
        self._runs = list(self._read())

    def _read(self) -> Iterator[EarlierRun]:
        try:
            if self._path.stat().st_size > _MOST_BYTES:
                return
            lines = self._path.read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError):
            return
        for line in lines:
            with suppress(ValueError, KeyError, TypeError, RecursionError):
                data = json.loads(line)
                yield EarlierRun(
                    str(data["run_id"]), tuple(map(str, data["work"])), int(data["microjoules"]), int(data["end_utc_ns"])
                )

    def keep(self, run_id: str, figures: RunFigures, end_utc_ns: int) -> None:
        """Keep the figures of a run for later ones; a home that cannot be written keeps nothing."""
        energy = figures.total_microjoules
        if energy is None or figures.simulated:
            return
        run = EarlierRun(run_id, _work(figures), energy, end_utc_ns)
        runs = [known for known in self._runs if known.run_id != run_id][1 - _MOST_KEPT :]
        self._runs = [*runs, run]
        with suppress(OSError):
            write_atomically(self._path, "".join(json.dumps(each._asdict()) + "\n" for each in self._runs))

    def compare(self, run_id: str, figures: RunFigures) -> str:
        """Say how a run compares with the user's earlier ones of the same services and phases; empty without any.

        Args:
            run_id: The run.
            figures: Its figures.

        Example:
            >>> import tempfile
            >>> runs = EarlierRuns(tempfile.mkdtemp())
            >>> figures = RunFigures({"cpu": 7_200_000_000}, {}, services=["vadore"], phases=["training"])
            >>> runs.keep("first", figures, 1)
            >>> runs.compare("second", figures._replace(energy_microjoules={"cpu": 3_600_000_000}))
            '50 % less than the last run here of vadore, training (2.00 Wh)'
        """
        energy = figures.total_microjoules
        work = _work(figures)
        same = [each.microjoules for each in self._runs if each.work == work and each.run_id != run_id][-_COMPARED:]
        if energy is None or not same:
            return ""
        usual = statistics.median(same)
        whose = f"here of {', '.join(work)}"
        which = f"the last run {whose}" if len(same) == 1 else f"the median of the last {len(same)} runs {whose}"
        if not usual or abs(energy / usual - 1) < _ALIKE:
            return f"about as much as {which} ({energy_text(usual)})"
        change = number(100 * abs(energy / usual - 1), 2) if energy < 2 * usual else ""
        than = f"than {which} ({energy_text(usual)})"
        if energy < usual:
            return f"{change} % less {than}"
        return f"{change} % more {than}" if change else f"{number(energy / usual, 2)} times {which} ({energy_text(usual)})"


def _work(figures: RunFigures) -> tuple[str, ...]:
    return (*figures.services, *figures.phases)
