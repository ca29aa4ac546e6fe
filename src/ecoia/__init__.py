"""ecoia: what AI services cost the environment, quarter after quarter, with proof.

>>> import ecoia
>>> @ecoia.track(service="vadore", phase="training")
... def train(): ...
"""

from ecoia.errors import EcoiaError, UsageError
from ecoia.spans import Span
from ecoia.tracking import current, flush, track

__all__ = ["EcoiaError", "Span", "UsageError", "__version__", "current", "flush", "track"]

__version__ = "0.1.0"
