"""Read what a filling left: reports, and the figures of any selection. Cheap to open, and safe for threads."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from ecoia.exploring import behind, beside_energy
from ecoia.exploring.compared_runs import ComparedRuns, compared_runs
from ecoia.exploring.comparing import compared, compared_by_service
from ecoia.exploring.data import Data
from ecoia.exploring.lines import (
    Change,
    FormulaTerm,
    HostedUse,
    HourCell,
    MakingPart,
    RecordedDay,
    RowsPage,
    RunLine,
    VersionUse,
)
from ecoia.exploring.publications import KeptPublications, read_publications
from ecoia.exploring.selection import Selected, Selection
from ecoia.exploring.state import STATE_FILE, Filled, State, read_state
from ecoia.periods import Quarter
from ecoia.records import Row
from ecoia.report import QuarterChange, QuarterlyReport

if TYPE_CHECKING:
    from ecoia.catalogue import Catalogue


class Explorer:
    """The read side of a filled folder. It notices a new state by itself; what it read last stays if the folder goes away.

    Args:
        folder: The folder; it may be missing or empty.

    Example::

        explorer = Explorer(Path(settings.home) / "cache" / "dashboard" / "journal")
        explorer.selected(Selection.of_quarter(Quarter(2026, 3), services=("chat",))).energy
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._stamp: tuple[int, int] | None = None
        self._data = Data(folder, Filled())

    @property
    def data(self) -> Data:
        """What was filled last."""
        try:
            found = (self._folder / STATE_FILE).stat()
            stamp = (found.st_mtime_ns, found.st_ino)
        except OSError:
            return self._data
        if stamp != self._stamp:
            with self._lock:
                if stamp != self._stamp:
                    self._data = self._data.after(read_state(self._folder))
                    self._stamp = stamp
        return self._data

    @property
    def state(self) -> State:
        """What was filled, from where, and until when."""
        return self.data.filled.state

    def report(self, quarter: str) -> QuarterlyReport:
        """Return the report of a quarter, as ``ecoia report`` builds it.

        Raises:
            UsageError: there is no data of the quarter; the message names what there is.
        """
        return self.data.report(quarter)

    def catalogue(self) -> Catalogue:
        """Return the catalogue that the figures were computed with."""
        return self.data.catalogue

    def publications(self) -> KeptPublications:
        """Return the publications as the last filling found and checked them."""
        return read_publications(self._folder)

    def selected(self, selection: Selection) -> Selected:
        """Return the figures of a selection."""
        return self.data.selected(selection)

    def parts(self, selection: Selection, by: str) -> dict[str, Selected]:
        """Split a selection; the energy of its parts adds up to that of the whole, exactly.

        Args:
            selection: The selection.
            by: One of ``DIMENSIONS``. A ``bearer`` is a service and phase with a slash between them, a ``method`` its status and
                name with a space; a ``day`` is written as in ISO 8601.

        Returns:
            The figures of each part, sorted by name; "" stands for none (no service, no site).

        Raises:
            UsageError: there is no such dimension.
        """
        return dict(self.data.parts(selection, by))

    def energies(self, selection: Selection, by: str) -> dict[str, int]:
        """Return the exact energy in microjoules of each of ``parts``, which costs less than all of their figures."""
        return dict(self.data.energies(selection, by))

    def change(self, now: Selection, before: Selection) -> Change:
        """Compare two selections; errors that both share cancel."""
        return compared(self.data, now, before)

    def changes_by_service(self, now: Selection, before: Selection) -> dict[str, Change]:
        """Compare each service of two selections; errors that both sides share cancel."""
        return compared_by_service(self.data, now, before)

    def explained(self, now: Quarter, before: Quarter) -> QuarterChange:
        """Explain the change of a quarter against any earlier one, as a report does.

        Raises:
            UsageError: ``before`` is not earlier, or there is no data of ``now``.
        """
        return self.data.explained(now, before)

    def recorded_days(self, selection: Selection) -> list[RecordedDay]:
        """List the civil days with a row of each service, phase and instance, sorted."""
        return behind.recorded_days(self.data, selection)

    def hours(self, selection: Selection) -> list[HourCell]:
        """List the hours with energy, or with a known emission factor, in order."""
        return list(self.data.hours(selection))

    def hosted(self, selection: Selection) -> list[HostedUse]:
        """List the uses of hosted models, sorted by service, phase, provider and model."""
        return beside_energy.hosted(self.data, selection)

    def making(self, selection: Selection) -> list[MakingPart]:
        """List what the selection bears of the making of each piece of equipment, largest first."""
        return beside_energy.making(self.data, selection)

    def runs(self, selection: Selection) -> list[RunLine]:
        """List the runs that worked, the largest energy first."""
        return list(self.data.runs(selection))

    def compared_runs(self, selection: Selection, by: str) -> list[ComparedRuns]:
        """Compare the trainings that ended well, by each figure of quality whose better direction the register states.

        Args:
            selection: The selection.
            by: What quality is paid with, one of ``compared_runs.COSTS``.
        """
        return compared_runs(self.data, selection, by)

    def versions(self, selection: Selection) -> list[VersionUse]:
        """List the versions of models that worked, the latest first; work without a version is in it, too."""
        return behind.versions(self.data, selection)

    def rows_of_run(self, run_id: str) -> list[Row]:
        """List the ledger rows of a run, in order of time; none where no run has the id."""
        return behind.rows_of_run(self.data, run_id)

    def rows(self, selection: Selection, after: str | None = None, limit: int = 200, of: str = "") -> RowsPage:
        """Return a page of the ledger rows behind a selection, in order of time.

        Args:
            selection: The selection.
            after: Id of the row to go on after: ``next`` of the page before. None: from the first.
            limit: How many rows, 1 to ``behind.MOST_ROWS``.
            of: A run or an instance, whose rows alone are returned and added up; empty: all rows.

        Raises:
            UsageError: ``after`` or ``limit`` cannot be.
        """
        return behind.rows(self.data, selection, after, limit, of)

    def formula(self, selection: Selection) -> list[FormulaTerm]:
        """List the terms that the selection's energy and CO2e of use are the sums of, largest energy first."""
        return behind.formula(self.data, selection)
