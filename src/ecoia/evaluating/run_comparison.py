"""Compare the energy of two MLflow runs: which was dearer, and whether that is beyond noise.

As in the gate of a pipeline, errors of meters that both runs share cancel, and each run has a deviation of its own. A change
whose 95 % interval holds zero is within noise. Where both runs count functional units, the energy per unit is compared as well.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ecoia.catalogue.error_widths import GSD
from ecoia.impact.change import log_ratio_variance
from ecoia.impact.uncertainty import Z95, Cell, Estimate, variance
from ecoia.methods import error_class
from ecoia.units import MICROJOULES_PER_WH, kwh

if TYPE_CHECKING:
    from ecoia.delivery.shown_runs import ShownRun, ShownRuns

DEARER, CHEAPER, WITHIN_NOISE = "dearer", "cheaper", "within-noise"


@dataclass(frozen=True)
class RunEnergy:
    """The energy that a run shows in MLflow.

    Attributes:
        run_id: MLflow's id.
        name: Its name.
        energy_wh: Energy by component, method status and name; of a run without components, one entry named ``all``.
        units: Functional units; None where none were counted.
        co2e_g: CO2e in grams; None where it was not computed.
        hosts: The instances that worked for it.
        quality: Its other metrics, to be read beside the energy.
    """

    run_id: str
    name: str
    energy_wh: Mapping[tuple[str, str, str], float]
    units: float | None = None
    co2e_g: float | None = None
    hosts: frozenset[str] = frozenset()
    quality: Mapping[str, float] = field(default_factory=dict)

    @property
    def total_wh(self) -> float:
        """The energy of all components."""
        return math.fsum(self.energy_wh.values())

    def estimate(self) -> Estimate:
        """Return the energy in kWh with the errors of its methods."""
        cells = tuple(
            Cell(kwh(round(energy * MICROJOULES_PER_WH)), frozenset({error_class(status, method)}), self.run_id)
            for (_, status, method), energy in self.energy_wh.items()
            if energy
        )
        return Estimate(cells, GSD, math.fsum(cell.mean for cell in cells))

    def compared(self) -> Estimate:
        """Return the energy in kWh for a comparison of many: runs that ``compare`` calls alike share errors, others do not."""
        kind = "\n".join((*(" ".join(key) for key in sorted(self.energy_wh)), *sorted(self.hosts)))
        names = {name: f"{name}\n{kind}" for name in GSD}
        found = self.estimate()
        cells = tuple(Cell(cell.mean, frozenset(names[each] for each in cell.shared), cell.own) for cell in found.cells)
        return Estimate(cells, {**GSD, **{names[each]: width for each, width in GSD.items()}}, found.upper_mean)


@dataclass(frozen=True)
class RunChange:
    """How a run differs from another.

    Attributes:
        change: E / E0 - 1.
        low: Lower end of its 95 % interval.
        high: Its upper end.
        alike: Whether both were measured the same way on the same hosts, so that the errors of their meters cancel.
        change_per_unit: The change of the energy per functional unit; None where one of them counts none.
    """

    change: float
    low: float
    high: float
    alike: bool
    change_per_unit: float | None

    @property
    def verdict(self) -> str:
        """``DEARER``, ``CHEAPER`` or ``WITHIN_NOISE``."""
        return DEARER if self.low > 0 else CHEAPER if self.high < 0 else WITHIN_NOISE


def energy_of(shown: ShownRuns, run: ShownRun) -> RunEnergy:
    """Return the energy of a run as MLflow shows it.

    Args:
        shown: The runs of its store.
        run: The run.
    """
    from ecoia.delivery.tags_and_metrics import instances_in

    return RunEnergy(
        run.run_id,
        run.name,
        shown.components(run),
        shown.units(run),
        run.co2e_g,
        frozenset(instances_in(run.tags)),
        run.metrics,
    )


def compare(run: RunEnergy, other: RunEnergy) -> RunChange | None:
    """Compare a run with another; None where one of them has no energy.

    Args:
        run: The run.
        other: The run that it is compared with.

    Example:
        >>> method = ("cpu", "measured", "rapl")
        >>> found = compare(RunEnergy("b", "", {method: 3.0}), RunEnergy("a", "", {method: 1.0}))
        >>> round(found.change, 2), found.verdict
        (2.0, 'dearer')
    """
    if not run.total_wh or not other.total_wh:
        return None
    ratio = run.total_wh / other.total_wh
    alike = run.energy_wh.keys() == other.energy_wh.keys() and run.hosts == other.hosts
    half = math.sqrt(_log_variance(run, other, alike=alike)) * Z95
    per_unit = (run.total_wh / run.units) / (other.total_wh / other.units) - 1 if run.units and other.units else None
    return RunChange(ratio - 1, ratio * math.exp(-half) - 1, ratio * math.exp(half) - 1, alike, per_unit)


def _log_variance(run: RunEnergy, other: RunEnergy, *, alike: bool) -> float:
    """Return the variance of ln(E / E0). Meters of two hosts, or of two kinds, have errors of their own."""
    if alike:
        return log_ratio_variance(run.estimate(), other.estimate())
    total = 0.0
    for each in (run, other):
        estimate = each.estimate()
        weights = [Cell(cell.mean / estimate.value, cell.shared, cell.own) for cell in estimate.cells]
        total += variance(weights, GSD, GSD["own"])
    return total
