"""The view that one MLflow run shows: totals of some ledger rows, a description, and a table and a page of them.

Views are for people. They are never read back: the ledger is the account. The functions depend on their arguments only, so
showing the same rows again gives the same view. CO2e is in a view only where a zone and a factor are known.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from ecoia import semconv
from ecoia.delivery.breakdown import Facts, day_lines, run_lines, table
from ecoia.delivery.notes import run_note
from ecoia.delivery.tags_and_metrics import (
    active_rows,
    day_metrics,
    day_tags,
    energy_by_component,
    factor_tag,
    hourly_metrics,
    methods_by_component,
    model_versions,
    run_metrics,
    run_tags,
    seconds_of,
    shows_co2e,
)
from ecoia.delivery.view_page import page
from ecoia.impact.assessment import Impact, assess
from ecoia.impact.parameters import AssessmentParameters
from ecoia.readable.run_line import RunFigures
from ecoia.records import Row

TOTALS = frozenset({semconv.ENERGY.name, semconv.CO2E.name, semconv.UNITS_PER_WH.name})
"""The totals of a run, each of which may not be known."""


@dataclass(frozen=True)
class View:
    """The view that one MLflow run shows.

    Attributes:
        metrics: Totals by metric name.
        tags: Texts by tag name.
        unknown: Names of metrics that nobody knows the value of. A value that the run shows under such a name goes.
        hourly: By metric name, the total of each hour of the day (0 to 23).
        models: MLflow's URIs of the models that served (``models:/...``).
        note: The run's description, Markdown; None: none is written.
        page: The page that shows the table, HTML; None: the run goes on, so there is none yet.
        table: The table, in the JSON of MLflow's ``log_table``; None where ``page`` is.
        status: How to mark a run of ecoia's own: ``RUNNING``, ``FINISHED``, ``FAILED`` or ``KILLED``. None on a user's run,
            whose status is not ours.
        end_utc_ns: When a run of ecoia's own ended: where its rows end.
    """

    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    unknown: Collection[str] = ()
    hourly: Mapping[str, Mapping[int, float]] = field(default_factory=dict)
    models: Sequence[str] = ()
    note: str | None = None
    page: str | None = None
    table: str | None = None
    status: str | None = None
    end_utc_ns: int | None = None


def build_view(
    rows: Sequence[Row],
    outcome: str | None,
    *,
    known: AssessmentParameters,
    facts: Facts | None = None,
    status: str | None = None,
) -> View:
    """Build the view of a run.

    Args:
        rows: Its rows of kind ``span``; at least one.
        outcome: How it ended, as far as known.
        known: Parameters that CO2e is computed with.
        facts: What MLflow knows of the run, once it ended: with it, the view has a description, a table and a page.
        status: How to mark a run of ecoia's own.

    Example::

        view = build_view(rows, "ok", known=AssessmentParameters(default_factors(), zone="FRA"))
        view.metrics["ecoia/energy_wh"]  # 2.0
    """
    impact = assess(rows, known)
    tags = run_tags(rows, outcome, impact)
    note = shown = kept = None
    if facts is not None:
        lines = run_lines(rows, known, outcome, facts)
        figures = figures_of(rows, impact, facts.seconds)
        factor = "".join(factor_tag(rows, impact).values())
        note = run_note(figures, lines, facts, outcome, factor)
        shown, kept = page(lines, figures, factor), table(lines)
    metrics = run_metrics(rows, impact)
    return View(
        metrics=metrics,
        tags=tags,
        unknown=TOTALS - metrics.keys(),
        note=note,
        page=shown,
        table=kept,
        status=status,
        end_utc_ns=max(row["end_utc_ns"] for row in rows),
    )


def build_day_view(rows: Sequence[Row], *, known: AssessmentParameters, day_start_utc_ns: int, until_utc_ns: int | None) -> View:
    """Build the view of a service's inference on one instance and UTC day. Reserved idle energy stands apart in it.

    Args:
        rows: Its rows of kind ``span`` (phase ``inference``) and ``idle``; at least one.
        known: Parameters that CO2e is computed with.
        day_start_utc_ns: The day's midnight.
        until_utc_ns: Now, while the day goes on: hours that are not over are left out, as are description, table and page.
            ``None``: the day is complete.
    """
    complete = until_utc_ns is None
    tags = day_tags(rows, assess(rows, known))
    note = shown = kept = None
    if complete:
        lines, active = day_lines(rows, known), active_rows(rows)
        impact = assess(active, known)
        figures = figures_of(active or rows, impact, None)
        factor = "".join(factor_tag(active, impact).values())
        note = run_note(figures, lines, Facts(), None, factor) if active else None
        shown, kept = page(lines, figures, factor), table(lines)
    metrics = day_metrics(rows, known)
    return View(
        metrics=metrics,
        tags=tags,
        unknown={*TOTALS, semconv.IDLE_ENERGY.name, semconv.IDLE_CO2E.name} - metrics.keys(),
        hourly=hourly_metrics(rows, day_start_utc_ns=day_start_utc_ns, until_utc_ns=until_utc_ns),
        models=tuple(model_versions(rows)),
        note=note,
        page=shown,
        table=kept,
        status="FINISHED" if complete else "RUNNING",
        end_utc_ns=max(row["end_utc_ns"] for row in rows),
    )


def figures_of(rows: Sequence[Row], impact: Impact, seconds: float | None) -> RunFigures:
    """Return the figures that a run's line shows.

    Args:
        rows: Its rows.
        impact: Their assessment.
        seconds: How long it took; None: as long as its rows.
    """
    interval = impact.co2e_interval
    shown = shows_co2e(rows, impact)
    return RunFigures(
        energy_microjoules=energy_by_component(rows),
        methods=methods_by_component(rows),
        seconds=seconds_of(rows) if seconds is None else seconds,
        co2e_g=impact.co2e_kg * 1000 if shown and impact.co2e_kg is not None else None,
        co2e_range_g=(interval.low * 1000, interval.high * 1000) if shown and interval else None,
        factors=sorted({f"{factor.use.zone} {factor.use.year}" for factor in impact.factors_used}),
        no_co2e=impact.reason,
        services=sorted({row["service"] for row in rows if row["service"]}),
        phases=sorted({row["phase"] for row in rows if row["phase"]}),
        simulated=any(row["simulated"] for row in rows),
    )
