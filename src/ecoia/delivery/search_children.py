"""Shares for the runs that scikit-learn's autolog makes for the candidates of a search, once the search is over.

These runs never were active, so no row is theirs. Each gets the share of the search's energy that its fits had of the processor
time, by the times in ``cv_results.csv``: an estimate, marked as one and in no sum. What the search did beside the fits (logging
models, say) is no candidate's.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ecoia import limits, semconv
from ecoia.delivery.mlflow_runs import MlflowRuns
from ecoia.delivery.run_views import TOTALS, View
from ecoia.delivery.tags_and_metrics import estimated_share_tags, run_metrics, run_tags
from ecoia.impact.assessment import assess
from ecoia.impact.parameters import AssessmentParameters
from ecoia.keeping.csv_lines import CsvError, csv_lines
from ecoia.records import Row
from ecoia.units import NANOSECONDS_PER_SECOND

_BEST_SCORE = "best_cv_score"  # autolog's metric on the run of a search
_RESULTS = "cv_results.csv"
_FIT, _SCORE = "mean_fit_time", "mean_score_time"
_SPLIT = re.compile(r"split(\d+)_")


def write_search_children(runs: MlflowRuns, search: Any, root: str, rows: Sequence[Row], known: AssessmentParameters) -> None:
    """Write the shares of a search's candidates; nothing where a run is no search, or its times cannot be read.

    Args:
        runs: The store's runs.
        search: The run of the search.
        root: Its root run.
        rows: Its rows and those of the runs below it.
        known: Parameters that CO2e is computed with.

    Raises:
        DeliveryError: the store cannot be reached.
    """
    if _BEST_SCORE not in search.data.metrics:
        return
    table = runs.text_of(search, _RESULTS, limits.CSV_BYTES)
    with_rows = {row["run_id"] for row in rows}
    candidates = [run for run in runs.below(search) if run.info.run_id not in with_rows and _FIT in run.data.metrics]
    shares = shares_by_fit_time(table or "", {run.info.run_id: run.data.metrics for run in candidates}, _cpu_seconds(rows))
    impact = assess(rows, known)
    whole = {name: value for name, value in run_metrics(rows, impact).items() if name in (semconv.ENERGY.name, semconv.CO2E.name)}
    tags = {**run_tags(rows, "ok", impact), **estimated_share_tags(root)}
    for name in (semconv.TAG_ENERGY_RANGE, semconv.TAG_CO2E_RANGE):
        tags.pop(name, None)  # of the whole
    for run in candidates:
        if run.info.run_id in shares:
            share = shares[run.info.run_id]
            part = {name: value * share for name, value in whole.items()}
            runs.write_view(run.info.run_id, View(part, tags, TOTALS - part.keys()), run)


def shares_by_fit_time(table: str, candidates: Mapping[str, Mapping[str, float]], cpu_seconds: float) -> dict[str, float]:
    """Return the share of a search's energy that each candidate's fits had; together they never exceed 1.

    Args:
        table: ``cv_results.csv``. Its columns give the number of splits, its lines the times of all candidates.
        candidates: By run, its metrics: mean times of a split, in seconds.
        cpu_seconds: Processor time of the search. Where fits ran beside each other and waited, their times exceed it.

    Returns:
        By run; nothing where the table or the times cannot be read.

    Example:
        >>> table = "mean_fit_time,mean_score_time,split0_test_score,split1_test_score\\n1,0.5,0.9,0.8\\n0.5,0.25,0.7,0.6\\n"
        >>> shares_by_fit_time(table, {"run-1": {"mean_fit_time": 1.0, "mean_score_time": 0.5}}, 6.0)
        {'run-1': 0.5}
    """
    times: list[float] = []
    splits = 0
    with contextlib.suppress(CsvError, ValueError):
        lines = (cells for _, cells in csv_lines(table, ","))
        names = next(lines, [])
        splits = len({found[1] for name in names if (found := _SPLIT.match(name))})
        columns = [names.index(name) for name in (_FIT, _SCORE)]
        times = [sum(float(cells[column]) for column in columns) for cells in lines if len(cells) == len(names)]
    whole = max(splits * sum(time for time in times if math.isfinite(time)), cpu_seconds)
    if not splits or not times or not whole > 0:
        return {}
    shares = {
        run_id: splits * (metrics.get(_FIT, 0.0) + metrics.get(_SCORE, 0.0)) / whole for run_id, metrics in candidates.items()
    }
    total = sum(shares.values())
    if not all(0 <= share <= 1 for share in shares.values()) or total > 1 + 1e-9:
        return {}  # not the times of this search
    return {run_id: share / max(total, 1.0) for run_id, share in sorted(shares.items())}


def _cpu_seconds(rows: Sequence[Row]) -> float:
    return float(sum(row["cpu_ns"] for row in rows)) / NANOSECONDS_PER_SECOND
