"""Estimates of quantities of some cells: energy, CO2e of use, water. Each is a sum with one term per cell, and its transfers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from ecoia.factors import FactorUse
from ecoia.impact.energy_cells import PPM, EnergyCell
from ecoia.impact.grid import grid_errors, grid_gsds
from ecoia.impact.shared_hosts import Sharing
from ecoia.impact.uncertainty import Estimate
from ecoia.units import kwh

Mean = Callable[[EnergyCell], float]
"""Gives a quantity of a cell."""


@dataclass(frozen=True)
class Estimates:
    """Estimates of the quantities of some cells. Each is a sum with one term per cell.

    Attributes:
        cells: Cells of energy.
        gsd: Geometric standard deviations by source of error.
        uses: The use of emission factors of each cell. None: some cell has none.
        sharing: Which hosts their bearers share with others.
    """

    cells: Sequence[EnergyCell]
    gsd: Mapping[str, float]
    uses: Sequence[FactorUse] | None
    sharing: Sharing = field(compare=False)

    @cached_property
    def _gsd(self) -> dict[str, float]:
        gsd = self.gsd
        found = {**gsd, **grid_gsds(self.uses or (), gsd)}
        for cell in self.cells:
            found[cell.site.pue_error] = gsd[f"pue-{cell.site.pue_quality}"]
            if cell.calibration is not None:
                found[cell.calibration_error] = cell.calibration.gsd or gsd["calibration"]
        return found

    @cached_property
    def _no_errors(self) -> list[tuple[str, ...]]:
        return [()] * len(self.cells)

    @cached_property
    def _pue_errors(self) -> list[tuple[str, ...]]:
        return [cell.pue_errors for cell in self.cells]

    @cached_property
    def _grid_errors(self) -> list[tuple[str, ...]]:
        grid = self._no_errors if self.uses is None else [grid_errors(use) for use in self.uses]
        return [(*cell.pue_errors, *errors) for cell, errors in zip(self.cells, grid, strict=True)]

    def _estimate(self, quantity: str, mean: Mean, errors: Sequence[Iterable[str]]) -> Estimate:
        means = [mean(cell) for cell in self.cells]
        terms = tuple(cell.cell(each, shared) for cell, each, shared in zip(self.cells, means, errors, strict=True))
        # Without a calibration the truth may be higher by the published wall factor.
        upper = math.fsum(cell.wall_bias * each for cell, each in zip(self.cells, means, strict=True))
        return Estimate(terms, self._gsd, upper, self.sharing.transfers(quantity, self.cells, mean))

    def energy_components(self) -> Estimate:
        """Return the energy of components in kWh, before any wall factor."""
        terms = tuple(cell.component_cell() for cell in self.cells)
        transfers = self.sharing.transfers("energy_components", self.cells, lambda cell: cell.components_kwh)
        return Estimate(terms, self._gsd, kwh(sum(cell.microjoules for cell in self.cells)), transfers)

    def energy_it(self) -> Estimate:
        """Return the energy at the wall in kWh."""
        return self._estimate("energy_it", lambda cell: cell.energy_it_kwh, self._no_errors)

    def energy(self) -> Estimate:
        """Return the energy in kWh with the building, where its PUE is known."""
        return self._estimate("energy", lambda cell: cell.energy_kwh, self._pue_errors)

    def operational(self) -> Estimate:
        """Return the CO2e of use in kg. Every cell needs a use of factors."""
        return self._estimate("operational", lambda cell: cell.kilograms(cell.sums.emitted), self._grid_errors)

    def market(self) -> Estimate:
        """Return the market-based CO2e of use in kg. The contracted part does not have the error of the grid; the rest does."""
        return Estimate.total(
            (
                self._estimate("contracted", lambda cell: cell.kilograms(cell.sums.contracted, PPM), self._pue_errors),
                self._estimate("uncovered", lambda cell: cell.kilograms(cell.sums.uncovered, PPM), self._grid_errors),
            )
        )

    def water_direct(self) -> Estimate | None:
        """Return the litres consumed on site; None where a cell has no WUE."""
        if any(cell.site.wue is None for cell in self.cells):
            return None  # a known fraction is never presented as the sum
        return self._water("wue", lambda cell: cell.energy_it_kwh * (cell.site.wue or 0.0), self._no_errors)

    def water_indirect(self) -> Estimate | None:
        """Return the litres consumed upstream; None where a cell has no water factor."""
        if any(cell.site.water_factor is None for cell in self.cells):
            return None
        return self._water("water", lambda cell: cell.energy_kwh * (cell.site.water_factor or 0.0), self._pue_errors)

    def _water(self, kind: str, litres: Mean, errors: Sequence[tuple[str, ...]]) -> Estimate:
        names = [f"{kind}:{cell.site.site}" for cell in self.cells]
        estimate = self._estimate(kind, litres, [(*each, name) for each, name in zip(errors, names, strict=True)])
        return replace(estimate, gsd={**self._gsd, **dict.fromkeys(names, self._gsd["water"])})
