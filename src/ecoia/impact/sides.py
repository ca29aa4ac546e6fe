"""Say what a bearer of impact does for its service: it makes a model, or it serves; and whether it delivers units."""

from __future__ import annotations

from ecoia.impact.ledger_sums import Bearer
from ecoia.semconv import CONSUMER_PHASES, DEVELOPMENT_PHASES, PROVIDER_PHASES, RUN_PHASES


def is_training(bearer: Bearer) -> bool:
    """Say whether a bearer's phase makes a model.

    Example:
        >>> is_training(("chat", "evaluation")), is_training(("chat", "deployment"))
        (True, False)
    """
    return bearer[1] in DEVELOPMENT_PHASES


def is_serving(bearer: Bearer) -> bool:
    """Say whether a bearer serves, as all of a service does but its provider's phases.

    Example:
        >>> [is_serving(("chat", phase)) for phase in ("inference", "monitoring", "idle", "deployment")]
        [True, True, True, False]
    """
    return bearer[1] not in PROVIDER_PHASES


def delivers(bearer: Bearer) -> bool:
    """Say whether a bearer serves and its units are functional units of its service: those of monitoring are of what it checks.

    Example:
        >>> [delivers(("chat", phase)) for phase in ("inference", "idle", "monitoring", "training")]
        [True, True, False, False]
    """
    return is_serving(bearer) and bearer[1] not in CONSUMER_PHASES.intersection(RUN_PHASES)
