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
from ecoia.instrument.tracking import current, flush, track
from ecoia.semconv import VERSION
from ecoia.typing_light import TYPE_CHECKING

if TYPE_CHECKING:
    from ecoia.instrument.background import Background, Sampling

__all__ = ["EcoiaError", "Span", "UsageError", "__version__", "current", "flush", "track"]

__version__ = VERSION


def _sample(engine: Engine, background: Background) -> Sampling:
    """Make the sampler. The background thread calls it, so that its imports do not delay the host."""
    from ecoia.measuring.sampler import Sampler

    return Sampler(engine, background)


Engine.sampling_factory = staticmethod(_sample)
