"""Compare the trainings of a selection by quality and by what they took; see what came to nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ecoia.exploring.behind import ends_of_runs, took_by_run
from ecoia.exploring.selection import Selection
from ecoia.impact.quality_front import QualityFront, Scored
from ecoia.impact.uncertainty import Estimate
from ecoia.semconv import DEVELOPMENT_PHASES, OUTCOMES

if TYPE_CHECKING:
    from ecoia.exploring.data import Data
    from ecoia.exploring.gathering import Gathered

ENERGY, CO2E = "energy", "co2e"
COSTS: Mapping[str, str] = {ENERGY: "kWh", CO2E: "kgCO2e"}
"""What quality is paid with, and its unit: energy with the building where its PUE is known, or CO2e of use."""

OK, FAILED, ABANDONED = OUTCOMES


@dataclass(frozen=True)
class Waste:
    """Runs that failed or were abandoned, of a number of runs.

    Attributes:
        failed: How many failed.
        abandoned: How many were abandoned.
        cost: What they took; None where it is known of none.
        whole: What all runs took, those that ended well and those whose end is not known among them.
        unknown: How many of them took an unknown amount.
    """

    failed: int
    abandoned: int
    cost: Estimate | None
    whole: Estimate | None
    unknown: int = 0

    @property
    def count(self) -> int:
        """How many came to nothing."""
        return self.failed + self.abandoned

    @property
    def share(self) -> float | None:
        """Their share of what all runs took."""
        if not self.whole or not self.whole.value:
            return None
        return (self.cost.value if self.cost else 0.0) / self.whole.value

    @classmethod
    def of(cls, runs: Iterable[tuple[str | None, Estimate | None]]) -> Waste:
        """Add up what came to nothing.

        Args:
            runs: How each run ended (None: nothing says), and what it took (None: not known).
        """
        known = list(runs)
        lost = [cost for outcome, cost in known if outcome in (FAILED, ABANDONED)]
        return cls(
            sum(outcome == FAILED for outcome, _ in known),
            sum(outcome == ABANDONED for outcome, _ in known),
            _total(lost),
            _total([cost for _, cost in known]),
            sum(cost is None for cost in lost),
        )


@dataclass(frozen=True)
class ComparedRuns:
    """Runs of a service and phase, compared by a figure of quality.

    Attributes:
        service: The service.
        phase: The phase.
        metric: The figure of quality.
        front: The runs that ended well and have the figure, by their ids.
        waste: What came to nothing, of all runs of the service and phase.
        without_end: How many runs have no end that is recorded; they are not compared.
        without_figure: How many ended well and lack the figure of quality.
        without_cost: How many have the figure, and took an unknown amount.
    """

    service: str
    phase: str
    metric: str
    front: QualityFront[str]
    waste: Waste
    without_end: int = 0
    without_figure: int = 0
    without_cost: int = 0


def compared_runs(data: Data, selection: Selection, by: str) -> list[ComparedRuns]:
    """List the comparisons that can be made, sorted by service, phase and figure of quality; see ``Explorer.compared_runs``."""
    ends = ends_of_runs(data)
    works: dict[tuple[str, str], dict[str, Gathered]] = {}
    for (service, phase, run), gathered in took_by_run(data, selection).items():
        if phase in DEVELOPMENT_PHASES:
            works.setdefault((service, phase), {})[run] = gathered
    found: list[ComparedRuns] = []
    for work, runs in sorted(works.items()):
        costs = {run: _cost(gathered, data, by) for run, gathered in runs.items()}
        ended = {run: ends.get((*work, run), (None, {})) for run in runs}
        found += _comparisons(work, costs, ended, data)
    return found


def _comparisons(
    work: tuple[str, str],
    costs: Mapping[str, Estimate | None],
    ended: Mapping[str, tuple[str | None, Mapping[str, float]]],
    data: Data,
) -> Iterator[ComparedRuns]:
    entry = data.catalogue.service(work[0])
    waste = Waste.of((ended[run][0], cost) for run, cost in costs.items())
    done = [run for run in costs if ended[run][0] == OK]
    for metric, better in sorted((entry.quality if entry else {}).items()):
        rated = [(run, costs[run], ended[run][1][metric]) for run in sorted(done) if metric in ended[run][1]]
        scored = [Scored(run, quality, cost) for run, cost, quality in rated if cost is not None]
        if scored:
            without_end = sum(outcome is None for outcome, _ in ended.values())
            lacking = (without_end, len(done) - len(rated), len(rated) - len(scored))
            yield ComparedRuns(*work, metric, QualityFront(scored, better), waste, *lacking)


def _cost(gathered: Gathered, data: Data, by: str) -> Estimate | None:
    impact = gathered.impacts(data.parameters).assessment.impact()
    found = impact.energy if by == ENERGY else impact.operational
    return found if found is not None and found.value else None


def _total(costs: Iterable[Estimate | None]) -> Estimate | None:
    known = [cost for cost in costs if cost is not None]
    return Estimate.total(known) if known else None
