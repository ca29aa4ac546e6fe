"""Cells of energy: exact integer sums of energy that agrees in everything that changes a figure or its error."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import mul
from typing import TYPE_CHECKING

from ecoia.impact.ledger_sums import Bearer
from ecoia.impact.sites import FigureIndexes, SiteRatios
from ecoia.impact.uncertainty import Cell
from ecoia.methods import AT_WALL, error_class
from ecoia.semconv import DECLARED
from ecoia.units import MICROJOULES_PER_KWH, kwh

if TYPE_CHECKING:  # importing the catalogue's models costs pydantic
    from ecoia.catalogue import Calibration

WALL_FACTOR: Mapping[str, float] = {"cpu": 1.48, "gpu": 1.32, "ram": 1.48}
"""Published ratio of energy at the wall to energy of the components, by component: a bias, so it raises the upper bound only.

The ratio of sums over 318 runs on one machine (Core i9-13900K, GeForce RTX 4090; arXiv 2509.22092). Figures here are sums, and
their ratio is that of sums; the geometric mean of the runs' ratios (1.61 on processors) weighs a short run as a long one. Without
the card, components are processor and memory, so memory has the processor's.
"""

LANGUAGE_MODEL_WALL_FACTOR = 1.25
"""The same of a graphics card that serves a language model; it was 1.37 of cards that classified images."""


def published_wall_factor(component: str, *, language_model: bool) -> float:
    """Return the published wall factor of a component.

    Args:
        component: One of ``semconv.COMPONENTS``.
        language_model: Whether its work served a language model.

    Example:
        >>> published_wall_factor("gpu", language_model=True)
        1.25
    """
    return LANGUAGE_MODEL_WALL_FACTOR if component == "gpu" and language_model else WALL_FACTOR[component]


PPM = 1_000_000
"""Shares of contracts are counted in millionths."""

_PER_KILOGRAM = MICROJOULES_PER_KWH * 1_000_000 * 1000  # microjoule-micrograms per kWh in a kilogram


@dataclass(frozen=True, order=True, slots=True)
class CellKey:
    """Everything that the energy of a cell has in common.

    Attributes:
        service: Service; empty where there is none.
        phase: Phase; the kind of record where no service bears the energy.
        component: One of ``semconv.COMPONENTS``.
        status: Status of the method.
        name: Name of the method.
        zone: Zone of the electricity; empty where it is not known.
        factor_use: Index of the emission factors among the uses of ``GridFactors``, or why there is none (negative).
        calibration: Index among the calibrations given; -1: none.
        site_figures: Indexes of the site and its figures.
        contracts: Indexes of the contracts that cover a part.
    """

    service: str
    phase: str
    component: str
    status: str
    name: str
    zone: str
    factor_use: int
    calibration: int
    site_figures: FigureIndexes
    contracts: tuple[int, ...]


def bearer_of_key(key: CellKey) -> Bearer:
    """Return the bearer of a cell."""
    return key.service or None, key.phase


@dataclass(slots=True)
class ExactSums:
    """Exact sums of a cell.

    Attributes:
        microjoules: Energy.
        emitted: Energy x emission factor over its half-hours, in microjoule-micrograms per kWh.
        contracted: The part of the market-based sum that contracts cover, in millionths of the same unit.
        uncovered: The part that no contract covers, which has the factor of the grid, in millionths of the same unit.
    """

    microjoules: int = 0
    emitted: int = 0
    contracted: int = 0
    uncovered: int = 0

    def add(self, microjoules: Sequence[int], micrograms_per_kwh: Sequence[int], contracts: tuple[int, int] | None) -> None:
        """Add the energy of some half-hours.

        Args:
            microjoules: Energy of each half-hour.
            micrograms_per_kwh: Emission factor of each half-hour.
            contracts: Contracted picograms per kWh of the whole use, and the uncovered share in millionths
                (``MarketFactors.terms``). None: no contract, so all of it has the factor of the grid.
        """
        self.add_sums(sum(microjoules), sum(map(mul, microjoules, micrograms_per_kwh)), contracts)

    def add_sums(self, energy: int, emitted: int, contracts: tuple[int, int] | None) -> None:
        """Add energy and energy x emission factor that are sums over half-hours already; ``contracts`` is as for ``add``."""
        contracted, uncovered_ppm = contracts or (0, PPM)
        self.microjoules += energy
        self.emitted += emitted
        self.contracted += energy * contracted
        self.uncovered += emitted * uncovered_ppm

    def add_exact(self, other: ExactSums) -> None:
        """Add other sums."""
        self.microjoules += other.microjoules
        self.emitted += other.emitted
        self.contracted += other.contracted
        self.uncovered += other.uncovered


@dataclass(frozen=True)
class EnergyCell:
    """A cell of energy with the calibration and site figures that apply to it.

    Attributes:
        key: What its energy has in common.
        sums: Its sums.
        calibration: Its calibration; None without one.
        site: Figures of its site.
        order: Its rank among all, by key.
        language_model: Whether its bearer served a language model on our own cards.
    """

    key: CellKey
    sums: ExactSums
    calibration: Calibration | None
    site: SiteRatios
    order: int
    language_model: bool = False

    @property
    def microjoules(self) -> int:
        """Exact energy of the component."""
        return self.sums.microjoules

    @property
    def components_kwh(self) -> float:
        """Energy of the component itself."""
        return kwh(self.microjoules)

    @property
    def energy_it_kwh(self) -> float:
        """Energy at the wall, as far as a calibration is known."""
        return kwh(self.microjoules) * self.wall_factor

    @property
    def energy_kwh(self) -> float:
        """Energy at the wall, with the building where its PUE is known."""
        return self.energy_it_kwh * self.pue

    def kilograms(self, exact_sum: int, per: int = 1) -> float:
        """Return the kilograms of a sum of energy x factor (counted in ``per``-ths), at the wall and with the building."""
        return exact_sum / (_PER_KILOGRAM * per) * self.wall_factor * self.pue

    @property
    def wall_factor(self) -> float:
        """Energy at the wall over energy of the component; 1 without a calibration."""
        return 1.0 if self.calibration is None else self.calibration.wall_factor

    @property
    def pue(self) -> float:
        """The PUE; 1 where none is known."""
        return 1.0 if self.site.pue is None else self.site.pue

    @property
    def pue_errors(self) -> tuple[str, ...]:
        """Names of the errors that the PUE brings in."""
        return () if self.site.pue is None else (self.site.pue_error,)

    @cached_property
    def error_class(self) -> str:
        """Class of error of its method."""
        return error_class(self.key.status, self.key.name)

    @property
    def at_wall(self) -> bool:
        """Whether its energy is known at the wall: by a calibration, or because its method gives it there."""
        return self.calibration is not None or self.error_class in AT_WALL

    @property
    def wall_bias(self) -> float:
        """Factor by which the truth may be higher where no calibration is known."""
        # Declared energy comes from a bill or an inventory, not from a component's counter: its own error covers it.
        if self.at_wall or self.key.status == DECLARED:
            return 1.0
        return published_wall_factor(self.key.component, language_model=self.language_model)

    @property
    def calibration_error(self) -> str:
        """Name of the error that everything behind this calibration shares."""
        return f"calibration:{self.key.calibration}"

    @cached_property
    def own(self) -> str:
        """The owner of its own error: a service and phase."""
        return f"{self.key.service}\n{self.key.phase}"

    @cached_property
    def _wall_errors(self) -> tuple[str, ...]:
        if self.calibration is None:
            return (self.error_class,)
        # A calibration includes the counter's error. A model keeps its own: its load differs from the load while calibrating.
        model = () if self.error_class == "counters" else (self.error_class,)
        return (*model, self.calibration_error)

    def component_cell(self) -> Cell:
        """Return the term of the energy of the component itself, in kWh."""
        return Cell(self.components_kwh, frozenset((self.error_class,)), self.own)

    def cell(self, mean: float, errors: Iterable[str]) -> Cell:
        """Return a term that is derived from the energy at the wall.

        Args:
            mean: Its mean.
            errors: Names of the errors of what the energy was multiplied by.
        """
        return Cell(mean, frozenset((*self._wall_errors, *errors)), self.own)
