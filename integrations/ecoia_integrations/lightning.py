"""Measure trainings of Lightning's ``Trainer``, from the package ``lightning`` or ``pytorch_lightning``::

    Trainer(..., callbacks=[EcoiaCallback(service="vadore")])

A ``Trainer`` with an ``MLFlowLogger``, in a program with ``ecoia.autolog``, needs no callback to be measured.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from ecoia_integrations.training import Training

if "pytorch_lightning" in sys.modules:  # either package calls a callback of the other, but importing both takes seconds
    from pytorch_lightning import Callback
else:
    try:
        from lightning.pytorch import Callback
    except ImportError:
        from pytorch_lightning import Callback


class EcoiaCallback(Callback):  # type: ignore[misc]
    """Make each ``fit`` a span. Its units are the samples of the batches that this process trained on.

    Each process of a distributed training records its own energy and its own samples.

    Args:
        service: Id of the service; None for the one of the span around the training, or else the setting ``service``.
        phase: Phase of the trainings.

    Raises:
        UsageError: An argument is illegal. The message names it, its value and the remedy.

    Example:
        >>> callback = EcoiaCallback(service="vadore")
    """

    def __init__(self, service: str | None = None, phase: str = "training") -> None:
        self._training = Training(service, phase)

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Begin the span, before the model goes to its devices."""
        if stage == "fit":
            self._training.begin()

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Count the samples of a batch."""
        self._training.count(_samples, batch)

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """End the span as failed."""
        self._training.end(failed=True)

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """End the span."""
        if stage == "fit":
            self._training.end()


def _samples(batch: Any) -> int | None:
    """Return the length of the first tensor or array in a batch, or of a list that holds none; None without either."""
    shape = getattr(batch, "shape", None)
    if shape is not None:
        return int(shape[0]) if len(shape) else 1
    if isinstance(batch, Mapping):
        batch = list(batch.values())
    if not isinstance(batch, (list, tuple)) or not batch:
        return None
    return next((size for size in map(_samples, batch) if size is not None), len(batch))
