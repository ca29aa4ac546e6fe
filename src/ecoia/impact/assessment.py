"""From energy to impact: building, grid, market, water. Energy is measured and never changes; an impact may be computed again.

    energy_it      = energy_components x wall factor (where the site is calibrated, else 1)
    energy         = sum over sites of energy_it x PUE (where known)
    co2e of use    = sum over half-hours of energy x emission factor of the zone then; beside it, never in a total: the same with
                     the factors of the contracts that cover a part (market-based)
    water_direct   = sum over sites of energy_it x WUE
    water_indirect = sum over sites of energy x water factor of the mix

Recorded energy goes into cells (``energy_cells``) by the conditions of its half-hours (``conditions``). Each quantity is a sum
of cells, whose shared errors give its interval (``uncertainty``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ecoia.impact.cell_sums import BearerAtSite, CellSums
from ecoia.impact.energy_cells import CellKey, EnergyCell, ExactSums, bearer_of_key
from ecoia.impact.estimates import Estimates
from ecoia.impact.grid import AppliedFactor, FactorGap
from ecoia.impact.ledger_sums import Bearer, LedgerSums
from ecoia.impact.market import MarketFactors
from ecoia.impact.parameters import AssessmentParameters
from ecoia.impact.shared_hosts import Sharing
from ecoia.impact.sites import figures_used, site_ratios
from ecoia.impact.uncertainty import Estimate, Interval
from ecoia.records import Row
from ecoia.semconv import COMPONENTS
from ecoia.units import kwh

if TYPE_CHECKING:  # importing the catalogue's models costs pydantic
    from ecoia.catalogue import Calibration, Contract, Site, SiteFigure


@dataclass(frozen=True)
class Impact:
    """The impact of some energy. None is not computed, never zero; an interval is also None where its quantity is 0.

    Attributes:
        energy_components_microjoules: Exact energy of components, before any factor.
        by_component_microjoules: The same by component; None where none was recorded.
        energy_components_kwh: The same in kWh.
        energy_kwh: Energy at the wall, with the building where its PUE is known.
        boundary: How much of the energy has a PUE: all (``site``), some (``part``) or none (``it``).
        factors_used: Emission factors applied, sorted.
        reason: Why there is no CO2e: ``no-data``, ``not-measured``, ``no-zone``, ``no-factor`` or ``factor-gap``.
        energy_at_wall_microjoules: The part of the energy that is calibrated, or that its method gives at the wall.
        calibrations_used: Calibrations applied, in the order given.
        figures_used: Id of the site and figure, in the catalogue's order.
        factor_gaps: Energy that no factor covers.
        market_reason: Why there is no market-based CO2e: ``no-contract``, ``contract-scope``, or ``reason``.
        contracts_used: Contracts that cover a part, in the order given.
        estimates: Gives the estimates, each when it is first asked for. None: there is no energy.
    """

    energy_components_microjoules: int
    by_component_microjoules: Mapping[str, int | None]
    energy_components_kwh: float | None
    energy_kwh: float | None
    boundary: str
    factors_used: tuple[AppliedFactor, ...]
    reason: str | None
    energy_at_wall_microjoules: int = 0
    calibrations_used: tuple[Calibration, ...] = ()
    figures_used: tuple[tuple[str, SiteFigure], ...] = ()
    factor_gaps: tuple[FactorGap, ...] = ()
    market_reason: str | None = "no-contract"
    contracts_used: tuple[Contract, ...] = ()
    estimates: Estimates | None = None

    @cached_property
    def energy_components(self) -> Estimate | None:
        """Energy of components, in kWh."""
        return self.estimates.energy_components() if self.estimates else None

    @cached_property
    def energy_it(self) -> Estimate | None:
        """Energy at the wall, before the building, in kWh."""
        return self.estimates.energy_it() if self.estimates else None

    @cached_property
    def energy(self) -> Estimate | None:
        """Energy at the wall, with the building where its PUE is known, in kWh."""
        return self.estimates.energy() if self.estimates else None

    @cached_property
    def operational(self) -> Estimate | None:
        """CO2e of use, in kg."""
        return self.estimates.operational() if self.estimates and self.reason is None else None

    @cached_property
    def market(self) -> Estimate | None:
        """Market-based CO2e of use, in kg."""
        return self.estimates.market() if self.estimates and self.market_reason is None else None

    @cached_property
    def water_direct(self) -> Estimate | None:
        """Litres consumed on site. None: some of the energy has no WUE."""
        return self.estimates.water_direct() if self.estimates else None

    @cached_property
    def water_indirect(self) -> Estimate | None:
        """Litres consumed upstream. None: some of the energy has no water factor."""
        return self.estimates.water_indirect() if self.estimates else None

    @property
    def energy_components_interval(self) -> Interval | None:
        """The interval of the energy of components, in kWh."""
        return self.energy_components.interval if self.energy_components else None

    @property
    def energy_interval(self) -> Interval | None:
        """The interval of the energy at the wall, in kWh."""
        return self.energy.interval if self.energy else None

    @property
    def co2e_kg(self) -> float | None:
        """CO2e of use."""
        return self.operational.value if self.operational else None

    @property
    def co2e_interval(self) -> Interval | None:
        """The interval of the CO2e of use, in kg."""
        return self.operational.interval if self.operational else None

    @property
    def co2e_market_kg(self) -> float | None:
        """Market-based CO2e of use."""
        return self.market.value if self.market else None

    @property
    def co2e_market_interval(self) -> Interval | None:
        """The interval of the market-based CO2e of use, in kg."""
        return self.market.interval if self.market else None

    @property
    def precision_class(self) -> int | None:
        """The precision class, 1 to 4, of the CO2e of use where computed, else of the energy."""
        known = self.operational or self.energy
        return known.precision_class if known else None


def assess(rows: Iterable[Row], parameters: AssessmentParameters) -> Impact:
    """Compute the energy and CO2e of some ledger rows, with their 95 % intervals.

    Args:
        rows: Ledger rows in any order.
        parameters: Parameters of the assessment.

    Example:
        >>> from ecoia.factors import default_factors
        >>> assess([], AssessmentParameters(default_factors(), zone="FRA")).reason
        'no-data'
    """
    return Assessment.of(LedgerSums.of(rows), parameters).impact()


def energy_cell(
    key: CellKey, sums: ExactSums, parameters: AssessmentParameters, order: int = 0, *, language_model: bool = False
) -> EnergyCell:
    """Return a cell with the calibration and site figures that its key stands for.

    Args:
        key: Its key.
        sums: Its sums.
        parameters: What the key's indexes count in.
        order: Its rank among all cells.
        language_model: Whether its bearer served a language model on our own cards.
    """
    calibration = parameters.calibrations[key.calibration] if key.calibration >= 0 else None
    site = site_ratios(key.site_figures, parameters.sites, parameters.pue)
    return EnergyCell(key, sums, calibration, site, order, language_model)


class Assessment:
    """The impact of some energy cell by cell, so that the impact of any part of it is a sum.

    Args:
        recorded: Recorded energy by cell.
        parameters: Parameters of the assessment.
        sharing: Which hosts it shared, and with what. None: as ``recorded`` says, with nothing that is not in it.

    Attributes:
        hosts: Which hosts bearers were on.
        sharing: Which hosts its energy shared, and with what.

    Example:
        >>> from ecoia.factors import default_factors
        >>> Assessment(CellSums(), AssessmentParameters(default_factors())).bearers
        set()
    """

    def __init__(self, recorded: CellSums, parameters: AssessmentParameters, sharing: Sharing | None = None) -> None:
        self._parameters = parameters
        self._grid, self._market = recorded.factors, MarketFactors(parameters.contracts)
        self._seen, self.hosts = recorded.seen, recorded.hosts
        self._impacts: dict[frozenset[BearerAtSite], Impact] = {}
        self._cells: dict[BearerAtSite, list[EnergyCell]] = {}
        cells = energy_cells(recorded, parameters)
        for cell in cells:
            self._cells.setdefault((bearer_of_key(cell.key), cell.key.site_figures[0]), []).append(cell)
        self.sharing = sharing or Sharing(recorded.hosts, cells)

    @classmethod
    def of(cls, recorded: LedgerSums, parameters: AssessmentParameters) -> Assessment:
        """Assess recorded energy."""
        return cls(CellSums.of(recorded, parameters), parameters)

    @property
    def cells(self) -> list[EnergyCell]:
        """All cells, in the order of their keys."""
        return sorted((cell for cells in self._cells.values() for cell in cells), key=lambda cell: cell.order)

    @property
    def bearers(self) -> set[Bearer]:
        """Every bearer with a row, with or without energy."""
        return {bearer for bearer, _ in self._seen}

    @property
    def sites(self) -> set[Site | None]:
        """Every site with a row; None stands for instances in no site."""
        return {self._site(index) for _, index in self._seen}

    @cached_property
    def by_bearer(self) -> dict[Bearer, Impact]:
        """The impact of each bearer, sorted by service and phase."""
        seen: dict[Bearer, list[BearerAtSite]] = {}
        for bearer, site in self._seen:
            seen.setdefault(bearer, []).append((bearer, site))
        ordered = sorted(seen, key=lambda bearer: (bearer[0] or "", bearer[1]))
        return {bearer: self._impact_of(seen[bearer]) for bearer in ordered}

    def impact(self, keep: Callable[[Bearer, Site | None], bool] = lambda bearer, site: True) -> Impact:
        """Compute the impact of a part.

        Where some of its energy has no zone, its zone no factor, or a gap is not filled, CO2e is None for the whole part: a
        known fraction is never presented as the sum.

        Args:
            keep: Whether a bearer at a site (None: in no site) belongs to the part.
        """
        return self._impact_of([(bearer, site) for bearer, site in self._seen if keep(bearer, self._site(site))])

    def _site(self, index: int) -> Site | None:
        return self._parameters.sites[index] if index >= 0 else None

    def _impact_of(self, seen: Collection[BearerAtSite]) -> Impact:
        same = frozenset(seen)
        if same not in self._impacts:
            cells = sorted((cell for each in seen for cell in self._cells.get(each, ())), key=lambda cell: cell.order)
            nothing = "not-measured" if seen else "no-data"
            self._impacts[same] = self._impact(cells) if cells else self._nothing(nothing)
        return self._impacts[same]

    def _nothing(self, reason: str) -> Impact:
        """Return the impact of no energy at all."""
        boundary = "it" if self._parameters.pue is None else "site"
        return Impact(0, _by_component(()), None, None, boundary, (), reason, market_reason=reason)

    def _impact(self, cells: Sequence[EnergyCell]) -> Impact:
        """Return the impact of one cell or more."""
        parameters = self._parameters
        total_microjoules = sum(cell.microjoules for cell in cells)
        uses, reason = self._grid.uses_of(cells)
        contracts = sorted({index for cell in cells for index in cell.key.contracts})
        market_reason = reason or self._market.reason(contracts, parameters.factors)
        return Impact(
            energy_components_microjoules=total_microjoules,
            by_component_microjoules=_by_component(cells),
            energy_components_kwh=kwh(total_microjoules),
            energy_kwh=_energy_kwh(cells),
            boundary=_boundary(cells),
            factors_used=() if uses is None else self._grid.applied(cells),
            reason=reason,
            energy_at_wall_microjoules=sum(cell.microjoules for cell in cells if cell.at_wall),
            calibrations_used=tuple(
                parameters.calibrations[index] for index in sorted({cell.key.calibration for cell in cells} - {-1})
            ),
            figures_used=figures_used({cell.key.site_figures for cell in cells}, parameters.sites),
            factor_gaps=self._grid.gaps(cells, total_microjoules),
            market_reason=market_reason,
            contracts_used=tuple(parameters.contracts[index] for index in contracts),
            estimates=Estimates(cells, parameters.gsd, uses, self.sharing),
        )


def energy_cells(recorded: CellSums, parameters: AssessmentParameters) -> list[EnergyCell]:
    """Return all cells, in the order of their keys."""
    models = recorded.language_models
    return [
        energy_cell(key, recorded.sums[key], parameters, order, language_model=bearer_of_key(key) in models)
        for order, key in enumerate(sorted(recorded.sums))
    ]


def _by_component(cells: Iterable[EnergyCell]) -> dict[str, int | None]:
    """Return exact energy by component; None where no cell has any."""
    found: dict[str, int | None] = dict.fromkeys(COMPONENTS)
    for cell in cells:
        found[cell.key.component] = (found[cell.key.component] or 0) + cell.microjoules
    return found


def _boundary(cells: Sequence[EnergyCell]) -> str:
    """Return whether all of the energy has a PUE (``site``), some (``part``) or none (``it``)."""
    with_pue = sum(cell.site.pue is not None for cell in cells)
    return "it" if with_pue == 0 else "site" if with_pue == len(cells) else "part"


def _energy_kwh(cells: Sequence[EnergyCell]) -> float:
    """Return energy with the building. Integers with equal factors add up first, so without factors the sum is exact."""
    sums: dict[tuple[float, float], int] = {}
    for cell in cells:
        factors = (cell.wall_factor, cell.pue)
        sums[factors] = sums.get(factors, 0) + cell.microjoules
    return math.fsum(kwh(microjoules) * wall_factor * pue for (wall_factor, pue), microjoules in sums.items())
