"""Measure trainings of Keras 3, on any of its backends::

    model.fit(x, y, callbacks=[EcoiaCallback(service="vadore")])

A model that MLflow's autologging follows, in a program with ``ecoia.autolog``, needs no callback to be measured.
"""

from __future__ import annotations

from typing import Any

import keras

from ecoia_integrations.training import Training, ends_trainings, local_of_host

keras.Model.fit = ends_trainings(keras.Model.fit)  # Keras has no event for a training that raises


class EcoiaCallback(keras.callbacks.Callback):  # type: ignore[misc]
    """Make each ``fit`` a span. Its units are the samples of the batches that this process trained on.

    Args:
        service: Id of the service; None for the one of the span around the training, or else the setting ``service``.
        phase: Phase of the trainings.

    Raises:
        UsageError: An argument is illegal. The message names it, its value and the remedy.

    Example:
        >>> callback = EcoiaCallback(service="vadore")
    """

    def __init__(self, service: str | None = None, phase: str = "training") -> None:
        super().__init__()
        self._training = Training(service, phase)
        self._samples = _Samples(None, None)

    def on_train_begin(self, logs: Any = None) -> None:
        """Begin the span."""
        self._training.begin()
        self._samples = _Samples(local_of_host("epoch_iterator"), local_of_host("x"))

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Count the batches of an epoch from the first one."""
        self._samples.begin_epoch()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Note how far the epoch has come. With ``steps_per_execution``, Keras tells of several batches at once."""
        self._samples.batches = batch + 1

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Count the samples of the epoch."""
        self._training.count(self._samples.of_epoch)

    def on_train_end(self, logs: Any = None) -> None:
        """End the span."""
        self._training.end()


class _Samples:
    """The samples of each epoch, from the batches that Keras tells of and the sizes that it knows. Keeps no data."""

    def __init__(self, iterator: Any, data: Any) -> None:
        adapter = getattr(iterator, "data_adapter", None)
        self._goes_on: bool = getattr(iterator, "steps_per_epoch", None) is not None  # the next epoch, where this one stopped
        self._size: int | None = _known(adapter, "batch_size")
        self._pass: int | None = _known(adapter, "num_batches")
        rest: int = 0 if getattr(data, "drop_last", False) else _known(adapter, "partial_batch_size") or 0
        self._missing = self._size - rest if self._size and rest else 0  # in the last batch of a pass through the data
        self._before = 0
        self.batches = 0

    def begin_epoch(self) -> None:
        self._before = (self._before + self.batches) if self._goes_on else 0
        self.batches = 0

    def of_epoch(self) -> int | None:
        """Return the samples of the epoch that ends; None if the batches have no known size."""
        if not self._size:
            return None
        if not self._pass:
            return self.batches * self._size
        if not self._goes_on:
            self.batches = min(self.batches, self._pass)  # steps_per_execution may go beyond the end
        passes = (self._before + self.batches) // self._pass - self._before // self._pass
        return self.batches * self._size - passes * self._missing


def _known(adapter: Any, name: str) -> int | None:
    """Return a number that Keras may know of its data; None where it does not: some kinds of data raise NotImplementedError."""
    try:
        number: int | None = getattr(adapter, name, None)
    except Exception:  # noqa: BLE001 - the data are the user's class
        return None
    return number
