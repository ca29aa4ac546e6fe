"""Sum up what this process recorded for a run or a span."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from time import perf_counter_ns
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from ecoia import settings as configuration
from ecoia.delivery.co2e_parameters import read_knowledge
from ecoia.delivery.run_views import figures_of
from ecoia.errors import EcoiaError
from ecoia.factors import default_factors
from ecoia.impact.assessment import assess
from ecoia.impact.parameters import AssessmentParameters
from ecoia.instrument.engine import engine
from ecoia.keeping.destinations import public_uri
from ecoia.readable.run_line import RunFigures
from ecoia.records import Row
from ecoia.semconv import SERVICE_UNSPECIFIED
from ecoia.settings import Settings
from ecoia.showing.earlier_runs import EarlierRuns
from ecoia.showing.run_summary import RunSummary

if TYPE_CHECKING:
    from ecoia.instrument.mlflow_run import EndedRun
    from ecoia.instrument.spans import Span
    from ecoia.measuring.recent_energy import RecentEnergy

LINE_SECONDS = 0.5
"""Longest time that a program waits for the line at the end of a run, which it did not ask for."""

_ASKED_SECONDS = 5.0
"""Longest time that it waits for figures that it asks for."""

_last: list[tuple[Span, RunSummary]] = []
"""The span that was asked for last, with its figures: ``energy_wh`` and ``co2e_g`` are asked for one after the other."""


def last_run() -> RunSummary | None:
    """Return the figures of the root MLflow run that this process ended last; None before the first one.

    It writes the open window first, which takes some milliseconds. A notebook shows the result as a card.

    Returns:
        Energy, CO2e with its interval, method, and how it compares with earlier runs here. None also where nothing of the run
        was measured.

    Example:
        >>> import ecoia
        >>> ecoia.last_run() is None  # no MLflow run yet
        True
    """
    following = sys.modules.get("ecoia.instrument.following")
    ended = list(following.ended_roots) if following is not None else []
    return sum_up_run(ended[-1], with_catalogue=True) if ended else None


def sum_up_run(ended: EndedRun, *, with_catalogue: bool, wait_seconds: float = _ASKED_SECONDS) -> RunSummary | None:
    """Return the figures of a run and the runs below it, as far as this process did their work.

    Args:
        ended: The run.
        with_catalogue: Use the emission factors of the catalogue, if the settings name one; reading it takes a moment. Otherwise
            such a run's CO2e is left to its page in MLflow.
        wait_seconds: Longest time to wait until its last records are written.

    Returns:
        None: nothing of it was measured here, or it could not be written in time.
    """
    recent = _written(wait_seconds)
    if recent is None:
        return None
    root = str(ended.run.run_id)
    rows = recent.of_runs({root, *_below(root)}, ended.start_utc_ns)
    if not rows:
        return None
    settings = configuration.load()
    figures = figures_of_rows(rows, settings, (ended.end_utc_ns - ended.start_utc_ns) / 1e9, with_catalogue=with_catalogue)
    earlier = EarlierRuns(settings.home)
    comparison = earlier.compare(root, figures)
    earlier.keep(root, figures, ended.end_utc_ns)
    return RunSummary(figures, root, _page_of(ended), comparison)


def sum_up_span(span: Span) -> RunSummary | None:
    """Return the figures of a span that is over; None where they are not known.

    Args:
        span: The span.
    """
    for known, summary in _last:
        if known is span:
            return summary
    end_ns: int | None = getattr(span, "_end_ns", None)  # a decorated call keeps none
    if end_ns is None or span._state.generation != engine.generation:
        return None
    recent = _written(_ASKED_SECONDS)
    if recent is None:
        return None
    settings = configuration.load()
    to_utc_ns = time.time_ns() - perf_counter_ns()
    label = span._counters.label
    services = {(label.given or label).service or settings.service or SERVICE_UNSPECIFIED}
    if label.service is None or label.given is not None:  # it had the service of each run that was active meanwhile
        given = label.given or label
        services |= {str(c.label.service) for c in list(span._state.counters.values()) if c.label.given is given}
    rows = recent.of_label(label, services, span._start_ns + to_utc_ns, end_ns + to_utc_ns)
    if not rows:
        return None
    figures = figures_of_rows(rows, settings, (end_ns - span._start_ns) / 1e9, with_catalogue=True)
    run = span._counters.run
    found = RunSummary(figures, None if run is None else run.run_id, None, "")
    _last[:] = [(span, found)]
    return found


def _written(wait_seconds: float) -> RecentEnergy | None:
    """Have the open window written, and return what is recorded by now; None where it takes too long."""
    background = engine.background
    if background is None or not background.flush(wait_seconds):
        return None
    recent: RecentEnergy | None = getattr(background.sampling, "recent", None)
    return recent


def _below(root: str) -> set[str]:
    """Return the ids of the runs below a run that this process began."""
    following = sys.modules.get("ecoia.instrument.following")
    above: dict[str, str] = {} if following is None else dict(following.run_above)
    found = {root}
    while True:
        more = {run_id for run_id, parent in above.items() if parent in found} - found
        if not more:
            return found - {root}
        found |= more


def figures_of_rows(rows: Sequence[Row], settings: Settings, seconds: float, *, with_catalogue: bool) -> RunFigures:
    """Return the figures of some rows.

    Args:
        rows: At least one.
        settings: ``zone``, ``pue``, ``timezone`` and ``catalogue``.
        seconds: How long the work took.
        with_catalogue: As for ``sum_up_run``.
    """
    catalogue = settings.catalogue if with_catalogue else None
    try:
        known = read_knowledge(settings, catalogue)
    except (EcoiaError, OSError):  # the zone has no factor, or the catalogue is wrong: 'ecoia check' says how
        known = AssessmentParameters(default_factors(ZoneInfo(settings.timezone)))
    figures = figures_of(rows, assess(rows, known), seconds)
    if settings.catalogue == catalogue:
        return figures
    return figures._replace(co2e_g=None, co2e_range_g=None, factors=(), no_co2e="catalogue")


def _page_of(ended: EndedRun) -> str | None:
    """Return the address of a run's page, without credentials; None where no server shows it."""
    uri = public_uri(ended.run.tracking_uri or "")
    if not uri.startswith(("http://", "https://")) or not ended.experiment_id:
        return None
    return f"{uri.rstrip('/')}/#/experiments/{ended.experiment_id}/runs/{ended.run.run_id}"
