"""Read what a filling left: reports, and the figures of any selection. Cheap to open, and safe for threads."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from ecoia.errors import UsageError
from ecoia.exploring.gathering import Gathered, figures
from ecoia.exploring.reading import QuarterFile
from ecoia.exploring.selection import DIMENSIONS, Selected, Selection
from ecoia.exploring.state import QUARTERS_FOLDER, STATE_FILE, Filled, State, read_state
from ecoia.factors import Factor, FactorSet
from ecoia.impact.parameters import AssessmentParameters
from ecoia.periods import Quarter
from ecoia.report import QuarterlyReport

if TYPE_CHECKING:
    from ecoia.catalogue import Catalogue

_KEPT = 512  # answers of each kind


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


class Data:
    """What one state names, open for reading.

    Args:
        folder: The folder.
        filled: The state.

    Raises:
        OSError: a file that the state names is not there.
    """

    def __init__(self, folder: Path, filled: Filled) -> None:
        self._folder, self.filled = folder, filled
        sites = [site.id for site in self.catalogue.sites]
        self.files = {
            quarter: QuarterFile(folder / QUARTERS_FOLDER / name, Quarter.parse(quarter), sites)
            for quarter, name in sorted(filled.files.items())
        }
        self.report = lru_cache(_KEPT)(self._report)
        self.selected = lru_cache(_KEPT)(self._selected)
        self.parts = lru_cache(_KEPT)(self._parts)

    def after(self, filled: Filled) -> Data:
        """Return the data of a newer state; the same where it names the same files, or its files are gone again."""
        if (filled.files, filled.catalogue, filled.pue) == (self.filled.files, self.filled.catalogue, self.filled.pue):
            self.filled = filled
            return self
        try:
            return Data(self._folder, filled)
        except OSError:
            return self

    @cached_property
    def catalogue(self) -> Catalogue:
        """The catalogue in use."""
        from ecoia import catalogue

        name = self.filled.catalogue
        return catalogue.load(self._folder / name if name else None)

    @cached_property
    def parameters(self) -> AssessmentParameters:
        """Parameters of assessments. Their factors serve as scope and basis only: emissions are summed up in the files."""
        catalogue, factor = self.catalogue, self.filled.factor
        return AssessmentParameters(
            FactorSet([Factor(*factor)] if factor else []),
            None,
            self.filled.pue,
            ZoneInfo(self.filled.state.timezone),
            catalogue.calibrations,
            catalogue.sites,
            catalogue.contracts,
            catalogue.gsd,
        )

    def of(self, quarter: str) -> QuarterFile:
        """Return the file of a quarter."""
        found = self.files.get(quarter)
        if found is None:
            known = ", ".join(self.files) or "none yet"
            raise UsageError(f"there is no data of quarter '{quarter}'; quarters with data: {known}")
        return found

    def _report(self, quarter: str) -> QuarterlyReport:
        return self.of(quarter).report()

    def gather(self, selection: Selection, by: str | None = None) -> Mapping[str, Gathered]:
        """Sum up what a selection lets through, split by a dimension, over all its quarters."""
        found: dict[str, Gathered] = {}
        for quarter in selection.quarters:
            if (file := self.files.get(str(quarter))) is not None:
                file.gather(selection, by, found)
        return found

    def _selected(self, selection: Selection) -> Selected:
        return figures(self.gather(selection).get("", Gathered()), self.parameters)

    def _parts(self, selection: Selection, by: str) -> Mapping[str, Selected]:
        if by not in DIMENSIONS:
            raise UsageError(f"cannot split by '{by}': choose one of {', '.join(DIMENSIONS)}")
        found = self.gather(selection, by)
        return {name: figures(found[name], self.parameters) for name in sorted(found)}
