"""Count what LightGBM trains on, as units of the span around it::

    with ecoia.track(service="vadore", phase="training"):
        lightgbm.train(params, data, callbacks=[count_units()])

LightGBM has no event for the start and the end of a training, so a callback cannot be a span.
"""

from __future__ import annotations

from typing import Any

import ecoia
from ecoia.integrating import complain, innermost, lose, losses


def count_units() -> _CountUnits:
    """Return a callback that counts the rows of the training data, once for each round of boosting, as units of the span around.

    Outside any span they are lost, which a warning says. With ``ecoia.autolog`` an MLflow run is such a span.

    Example:
        >>> callback = count_units()
    """
    return _CountUnits()


class _CountUnits:
    """A class, so that an estimator of scikit-learn that holds it can be pickled."""

    def __call__(self, env: Any) -> None:
        try:
            rows = sum(booster.train_set.num_data() for booster in getattr(env.model, "boosters", [env.model]))
        except Exception:  # noqa: BLE001 - a version of LightGBM that is written otherwise
            rows = None
        if innermost() is None or rows is None:
            lose(losses.MISSING_UNITS)
            complain('LightGBM trains outside any span: write `with ecoia.track(service="...", phase="training"):` around it')
        else:
            ecoia.current().units(rows)
