"""The view that one MLflow run shows: totals of some ledger rows, and a table and a page of them.

Views are for people. They are never read back: the ledger is the account. The functions depend on their arguments only, so
showing the same rows again gives the same view. CO2e is in a view only where a zone and a factor are known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ecoia.delivery.tags_and_metrics import day_metrics, day_tags, hourly_metrics, model_versions, run_metrics, run_tags
from ecoia.delivery.view_page import DAY_COLUMNS, RUN_COLUMNS, breakdown, page, table
from ecoia.impact.assessment import assess
from ecoia.impact.parameters import AssessmentParameters
from ecoia.records import Row
from ecoia.units import NANOSECONDS_PER_SECOND


@dataclass(frozen=True)
class View:
    """The view that one MLflow run shows.

    Attributes:
        metrics: Totals by metric name.
        tags: Texts by tag name.
        step: Seconds from the start of the run or day to the end of the rows; grows as the totals do.
        hourly: By metric name, the total of each hour of the day (0 to 23).
        models: MLflow's URIs of the models that served (``models:/...``).
        page: The page that shows the table, HTML; ``None``: the run goes on, so there is none yet.
        table: The table, in the JSON of MLflow's ``log_table``; ``None`` where ``page`` is.
        status: How to mark a run of ecoia's own: ``RUNNING``, ``FINISHED``, ``FAILED`` or ``KILLED``. ``None`` on a user's run,
            whose status is not ours.
    """

    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    step: int
    hourly: Mapping[str, Mapping[int, float]] = field(default_factory=dict)
    models: Sequence[str] = ()
    page: str | None = None
    table: str | None = None
    status: str | None = None


def build_view(
    rows: Sequence[Row],
    outcomes: Iterable[str],
    *,
    known: AssessmentParameters,
    complete: bool = False,
    status: str | None = None,
) -> View:
    """Build the view of a training run.

    Args:
        rows: Its rows of kind ``span``; at least one.
        outcomes: How it ended, as far as known.
        known: Parameters that CO2e is computed with.
        complete: Whether to add the table and the page.
        status: How to mark a run of ecoia's own.

    Example::

        view = build_view(rows, ["ok"], known=AssessmentParameters(default_factors(), zone="FRA"))
        view.metrics["ecoia/energy_kwh"]  # 0.002
    """
    impact = assess(rows, known)
    tags = run_tags(rows, outcomes, impact)
    lines = breakdown(rows, ("service", "phase"), known) if complete else []
    return View(
        metrics=run_metrics(rows, impact),
        tags=tags,
        step=_seconds_until_end(rows, min(row["start_utc_ns"] for row in rows)),
        page=page(lines, RUN_COLUMNS, tags) if lines else None,
        table=table(lines, RUN_COLUMNS) if lines else None,
        status=status,
    )


def build_day_view(rows: Sequence[Row], *, known: AssessmentParameters, day_start_utc_ns: int, until_utc_ns: int | None) -> View:
    """Build the view of a service's inference on one instance and UTC day. Reserved idle energy stands apart in it.

    Args:
        rows: Its rows of kind ``span`` (phase ``inference``) and ``idle``; at least one.
        known: Parameters that CO2e is computed with.
        day_start_utc_ns: The day's midnight.
        until_utc_ns: Now, while the day goes on: hours that are not over are left out, as are the table and the page.
            ``None``: the day is complete.
    """
    complete = until_utc_ns is None
    tags = day_tags(rows, assess(rows, known))
    lines = breakdown(rows, ("service", "kind", "endpoint", "model_version"), known) if complete else []
    return View(
        metrics=day_metrics(rows, known),
        tags=tags,
        step=_seconds_until_end(rows, day_start_utc_ns),
        hourly=hourly_metrics(rows, day_start_utc_ns=day_start_utc_ns, until_utc_ns=until_utc_ns),
        models=tuple(model_versions(rows)),
        page=page(lines, DAY_COLUMNS, tags) if lines else None,
        table=table(lines, DAY_COLUMNS) if lines else None,
        status="FINISHED" if complete else "RUNNING",
    )


def _seconds_until_end(rows: Sequence[Row], origin_utc_ns: int) -> int:
    return max(0, int(max(row["end_utc_ns"] for row in rows) - origin_utc_ns) // NANOSECONDS_PER_SECOND)
