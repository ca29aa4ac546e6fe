"""What one state of a filled folder names, open for reading: quarters' files, the catalogue, and the figures of selections."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from ecoia.errors import UsageError
from ecoia.exploring import behind
from ecoia.exploring.gathering import Gathered, figures
from ecoia.exploring.reading import QuarterFile
from ecoia.exploring.selection import DIMENSIONS, Selected, Selection
from ecoia.exploring.state import QUARTERS_FOLDER, Filled
from ecoia.factors import Factor, FactorSet
from ecoia.impact.assessment import energy_cells
from ecoia.impact.parameters import AssessmentParameters
from ecoia.impact.shared_hosts import SharedHosts, Sharing
from ecoia.periods import Quarter
from ecoia.report import QuarterChange, QuarterlyReport

if TYPE_CHECKING:
    from ecoia.catalogue import Catalogue

_KEPT, _FEW_KEPT = 512, 16  # answers of each kind; of those with thousands of lines


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
        self._sharings = lru_cache(_FEW_KEPT)(self._sharing_of)
        self.energies = lru_cache(_KEPT)(self._energies)
        self.hours = lru_cache(_FEW_KEPT)(lambda selection: behind.hours(self, selection))
        self.runs = lru_cache(_FEW_KEPT)(lambda selection: behind.runs(self, selection))
        self.row_totals = lru_cache(_KEPT)(lambda selection, of: behind.row_totals(self, selection, of))

    def after(self, filled: Filled) -> Data:
        """Return the data of a newer state; the same where it names the same files, or its files are gone again."""
        if (filled.files, filled.catalogue, filled.pue) == (self.filled.files, self.filled.catalogue, self.filled.pue):
            self.filled = filled
            return self
        try:
            return Data(self._folder, filled)
        except OSError:
            return self

    def close(self) -> None:
        """Close the quarters' files."""
        for file in self.files.values():
            file.close()

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
            catalogue.hosted_factors,
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

    def explained(self, now: Quarter, before: Quarter) -> QuarterChange:
        """Return the change of a quarter against an earlier one.

        Raises:
            UsageError: it is not an earlier one, or there is no data of ``now``.
        """
        if before >= now:
            raise UsageError(f"a change is explained against an earlier quarter: '{before}' is not before '{now}'")
        found = self.of(str(now)).change(before)
        if found is None:
            return QuarterChange("", str(before), reason="baseline-missing")
        return found

    def files_of(self, selection: Selection) -> Iterator[tuple[QuarterFile, Selection]]:
        """Give the file of each quarter that a selection touches, and the selection; of a region, with its services alone."""
        for quarter in selection.quarters:
            file = self.files.get(str(quarter))
            if file is None:
                continue
            shares = self.shares(selection, file)
            if shares is None:
                yield file, selection
            elif services := tuple(each for each in sorted(shares) if not selection.services or each in selection.services):
                yield file, selection.only(services=services)

    def shares(self, selection: Selection, file: QuarterFile) -> Mapping[str, float] | None:
        """Return the share of each service that falls on the selected region, where it is known; None: no region is selected.

        Raises:
            UsageError: the days are not whole quarters, for which units are stated.
        """
        if selection.region is None:
            return None
        if selection.whole_quarters is None:
            raise UsageError("a region has its part of whole quarters: choose quarters in place of days")
        lines = self.report(str(file.quarter)).regions
        return {each.service: each.share for each in lines if each.region == selection.region and each.share is not None}

    def gathered(self, selection: Selection) -> Gathered:
        """Sum up all that a selection lets through."""
        return self._gather(selection, None).get("", Gathered())

    def gathered_by_service(self, selection: Selection) -> dict[str, Gathered]:
        """Sum up what a selection lets through, by service."""
        return self._gather(selection, "service")

    def _gather(self, selection: Selection, by: str | None) -> dict[str, Gathered]:
        found = self._let_through(selection, by)
        self.put_beside_the_rest(found, selection, by)
        return found

    def put_beside_the_rest(self, parts: Mapping[Any, Gathered], selection: Selection, by: str | None = None) -> None:
        """Say of parts of a selection what else there was on their hosts, which their intervals depend on."""
        apart = by if by in ("day", "instance") else None
        sharings = self._sharings(selection.only(services=(), phases=(), runs=(), region=None), apart)
        for name, part in parts.items():
            part.sharing = sharings.get(name if apart else "")

    def _sharing_of(self, selection: Selection, by: str | None) -> dict[str, Sharing]:
        hosts = SharedHosts()
        for file, _ in self.files_of(selection):
            hosts.add_all(file.hosts)
        hosts = hosts.on(selection.instances)
        return {
            name: Sharing(
                hosts.on((name,)) if by == "instance" else hosts, energy_cells(whole.cells(self.parameters), self.parameters)
            )
            for name, whole in self._let_through(selection, by).items()
        }

    def _let_through(self, selection: Selection, by: str | None) -> dict[str, Gathered]:
        found: dict[str, Gathered] = {}
        for file, narrowed in self.files_of(selection):
            file.gather(narrowed, by, found, self.shares(selection, file))
        return found

    def _stated(self, selection: Selection, service: str) -> float | None:
        """Return the accepted outcomes that the organisation stated of a service, where one whole quarter of it is selected."""
        if selection.quarter is None or selection != Selection.of_quarter(selection.quarter, services=selection.services):
            return None
        key = (service, str(selection.quarter))
        return next((each.accepted for each in self.catalogue.outcomes if (each.service, each.quarter) == key), None)

    def _answered(self, selection: Selection, by: str) -> Mapping[str, Selected]:
        """Return the figures of a whole quarter that were computed beforehand; nothing for any other selection."""
        file = self.files.get(str(selection.quarter))
        return {} if selection.filtered or file is None else file.answer(by)

    def _selected(self, selection: Selection) -> Selected:
        if answered := self._answered(selection, ""):
            return answered[""]
        stated = self._stated(selection, selection.services[0]) if len(selection.services) == 1 else None
        return figures(self.gathered(selection), self.parameters, stated=stated)

    def _energies(self, selection: Selection, by: str) -> Mapping[str, int]:
        """Return the exact energy of each part: what ``parts`` would say of it, without the work that intervals take."""
        if not self._answered(selection, _dimension(by)):
            found = self._let_through(selection, by)
            return {name: sum(found[name].by_status_microjoules.values()) for name in sorted(found)}
        return {name: part.microjoules for name, part in self.parts(selection, by).items()}

    def _parts(self, selection: Selection, by: str) -> Mapping[str, Selected]:
        if answered := self._answered(selection, _dimension(by)):
            return answered
        found = self._gather(selection, by)
        return {
            name: figures(found[name], self.parameters, stated=self._stated(selection, name) if by == "service" else None)
            for name in sorted(found)
        }


def _dimension(by: str) -> str:
    """Return the name of a dimension.

    Raises:
        UsageError: there is no such dimension.
    """
    if by not in DIMENSIONS:
        raise UsageError(f"cannot split by '{by}': choose one of {', '.join(DIMENSIONS)}")
    return by
