"""Measure what AI services cost the environment, quarter after quarter, and prove it.

This module and ``ecoia.testing`` are for programs and their tests, ``ecoia.integrating`` for integrations of host frameworks,
``ecoia.errors`` for both. All other modules are private.

Example:
    >>> import ecoia
    >>> @ecoia.track(service="vadore", phase="training")
    ... def train(): ...
"""

from __future__ import annotations

from ecoia.errors import EcoiaError, UsageError
from ecoia.instrument.engine import Engine
from ecoia.instrument.spans import Span
from ecoia.instrument.tracking import autolog, current, flush, track
from ecoia.semconv import VERSION
from ecoia.typing_light import TYPE_CHECKING

if TYPE_CHECKING:
    from ecoia.instrument.background import Background, Sampling
    from ecoia.instrument.following import EndedRun
    from ecoia.showing.run_summary import RunSummary

__all__ = ["EcoiaError", "Span", "UsageError", "__version__", "autolog", "current", "flush", "last_run", "track"]

__version__ = VERSION


def _sample(engine: Engine, background: Background) -> Sampling:
    """Make the sampler. The background thread calls it, so that its imports do not delay the host."""
    from ecoia.measuring.sampler import Sampler

    return Sampler(engine, background)


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
    from ecoia.showing.summing_up import last_run as find

    return find()


def _sum_up(span: Span) -> RunSummary | None:
    from ecoia.showing.summing_up import sum_up_span

    return sum_up_span(span)


def _show(ended: EndedRun) -> None:
    from ecoia.showing.end_of_run import show

    show(ended)


Engine.sampling_factory = staticmethod(_sample)
Engine.when_root_ended = staticmethod(_show)
Span.summing_up = staticmethod(_sum_up)
