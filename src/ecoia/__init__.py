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
from ecoia.light import TYPE_CHECKING, Any
from ecoia.semconv import VERSION

if TYPE_CHECKING:
    from ecoia.analysing.frames import read as read
    from ecoia.exploring.card import show as show
    from ecoia.instrument.background import Background, Sampling
    from ecoia.instrument.mlflow_run import EndedRun
    from ecoia.showing.run_summary import RunSummary
    from ecoia.showing.summing_up import last_run as last_run

__all__ = ["EcoiaError", "Span", "UsageError", "__version__", "autolog", "current", "flush", "last_run", "read", "show", "track"]

__version__ = VERSION


def _sample(engine: Engine, background: Background) -> Sampling:
    """Make the sampler. The background thread calls it, so that its imports do not delay the host."""
    from ecoia.measuring.sampler import Sampler

    return Sampler(engine, background)


def __getattr__(name: str) -> Any:
    """Load what shows or reads figures at its first use: measuring needs none of it."""
    if name == "last_run":
        from ecoia.showing.summing_up import last_run

        return last_run
    if name == "read":
        from ecoia.analysing.frames import read

        return read
    if name == "show":
        from ecoia.exploring.card import show

        return show
    raise AttributeError(f"module 'ecoia' has no attribute {name!r}")


def _sum_up(span: Span) -> RunSummary | None:
    from ecoia.showing.summing_up import sum_up_span

    return sum_up_span(span)


def _tell(ended: EndedRun) -> None:
    from ecoia.showing.end_of_run import show

    show(ended)


Engine.sampling_factory = staticmethod(_sample)
Engine.when_root_ended = staticmethod(_tell)
Span.summing_up = staticmethod(_sum_up)
