"""What each run that makes a model took in a period: its own energy, at the factors of its own half-hours and places.

The cells of all runs, and of the work that belongs to none, add up to the cells of the period, as integers: the CO2e of a run is
the part of the period's that its half-hours made, never its share of a mean.
"""

from __future__ import annotations

from collections.abc import Collection

from ecoia.impact.assessment import Assessment, Impact
from ecoia.impact.cell_sums import CellSums, sums_of_runs
from ecoia.impact.energy_cells import CellKey, ExactSums, bearer_of_key
from ecoia.impact.hosted import serving_models
from ecoia.impact.ledger_sums import LedgerSums, Run
from ecoia.impact.parameters import AssessmentParameters
from ecoia.impact.shared_hosts import Sharing


class RunImpacts:
    """The impact of use of runs, each found when it is asked for.

    Args:
        recorded: What was recorded in the period.
        parameters: Parameters of the assessment.
        sharing: Which hosts the period's work shared, and with what.

    Example:
        >>> from ecoia.factors import default_factors
        >>> from ecoia.impact.shared_hosts import SharedHosts
        >>> none = RunImpacts(LedgerSums(), AssessmentParameters(default_factors()), Sharing(SharedHosts(), ()))
        >>> none.impact([("chat", "training", "run-1")]).reason
        'no-data'
    """

    def __init__(self, recorded: LedgerSums, parameters: AssessmentParameters, sharing: Sharing) -> None:
        self._parameters, self._sharing = parameters, sharing
        self._runs, self._factors = sums_of_runs(recorded, parameters)
        self._language_models = serving_models(recorded.token_rows)

    def impact(self, runs: Collection[Run]) -> Impact:
        """Return the impact of some runs together."""
        sums: dict[CellKey, ExactSums] = {}
        for run in runs:
            for key, each in self._runs.get(run, {}).items():
                sums.setdefault(key, ExactSums()).add_exact(each)
        seen = {(bearer_of_key(key), key.site_figures[0]) for key in sums}
        cells = CellSums(sums, seen, self._factors, language_models=self._language_models)
        return Assessment(cells, self._parameters, self._sharing).impact()
