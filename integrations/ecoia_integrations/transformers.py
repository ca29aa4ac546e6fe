"""Measure trainings of Hugging Face's ``Trainer``, and of trainers that derive from it::

    Trainer(..., callbacks=[EcoiaCallback(service="vadore")])

A ``Trainer`` that reports to MLflow, in a program with ``ecoia.autolog``, needs no callback to be measured.
"""

from __future__ import annotations

from typing import Any

from transformers import Trainer, TrainerCallback

from ecoia_integrations.training import Training, ends_trainings

Trainer.train = ends_trainings(Trainer.train)  # a Trainer has no event for a training that raises


class EcoiaCallback(TrainerCallback):  # type: ignore[misc]
    """Make each call of ``Trainer.train`` a span. Its units are the samples of the batches that this process trained on.

    Each process of a distributed training records its own energy and its own samples.

    Args:
        service: Id of the service; None for the one of the span around the training, or else the setting ``service``.
        phase: Phase of the trainings.

    Raises:
        UsageError: An argument is illegal. The message names it, its value and the remedy.

    Example:
        >>> callback = EcoiaCallback(service="vadore")
    """

    def __init__(self, service: str | None = None, phase: str = "fine-tuning") -> None:
        self._training = Training(service, phase)

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Begin the span."""
        self._training.begin()

    def on_substep_end(self, args: Any, state: Any, control: Any, train_dataloader: Any = None, **kwargs: Any) -> None:
        """Count a batch whose gradient waits for those of the next batches."""
        self._training.count(_batch_size, args, train_dataloader)

    def on_step_end(self, args: Any, state: Any, control: Any, train_dataloader: Any = None, **kwargs: Any) -> None:
        """Count the batch that a step of the optimizer follows: at a whole number of epochs the last batch of one."""
        if args.world_size == 1 and state.epoch == round(state.epoch or 0):
            self._training.count(_last_batch_size, args, train_dataloader)
        else:  # several ranks fill up the last batch
            self._training.count(_batch_size, args, train_dataloader)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """End the span."""
        self._training.end()


def _batch_size(args: Any, loader: Any) -> int:
    """Return the samples of a whole batch on this process, for all of its devices."""
    of_all_ranks: int | None = getattr(loader, "total_batch_size", None)
    return args.train_batch_size if of_all_ranks is None else of_all_ranks // args.world_size  # type: ignore[no-any-return]


def _last_batch_size(args: Any, loader: Any) -> int:
    """Return the samples of the last batch of an epoch. A stream has no length: its last batch counts as a whole one."""
    size = _batch_size(args, loader)
    batches: Any = getattr(loader, "batch_sampler", None)
    if getattr(batches, "drop_last", True) or not hasattr(batches.sampler, "__len__"):
        return size
    return len(batches.sampler) % size or size
