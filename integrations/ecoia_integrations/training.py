"""What the callbacks of training loops share: the span of one training, and its end where the host tells of none.

A host calls its callbacks at the start and at the end of a training, but most hosts do not where a training raises. The module
of such a host wraps the public function that trains (``ends_trainings``): a training that is open when the function is left ends
there, as failed if the function raised.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from functools import wraps
from typing import Any

import ecoia
from ecoia.integrating import checked_label, complain, innermost, lose, losses


class _Open(threading.local):
    def __init__(self) -> None:
        self.trainings: list[Training] = []


_open = _Open()
"""The trainings that began on a thread and have not ended, the innermost last."""


class Training:
    """The span of a training, one after the other: a host may use a callback for several trainings, copy it and pickle it.

    A copy has the same arguments and no open span. No method raises, apart from the constructor.

    Args:
        service: Id of the service; None for the one of the span around the training, or else the setting ``service``.
        phase: Phase of the trainings, one of ``semconv.PHASES``.

    Raises:
        UsageError: An argument is illegal. The message names it, its value and the remedy.

    Example:
        >>> training = Training("vadore", "training")
        >>> training.begin()
        >>> training.count(len, ["a", "batch"])
        >>> training.end()
    """

    def __init__(self, service: str | None, phase: str) -> None:
        checked_label(service, phase, None, None)
        self._label = (service, phase)
        self._clear()

    def _clear(self) -> None:
        self._block: ecoia.track | None = None
        self._span = ecoia.current()
        self._among: list[Training] = []

    def __getstate__(self) -> tuple[str | None, str]:
        return self._label

    def __setstate__(self, label: tuple[str | None, str]) -> None:
        self._label = label
        self._clear()

    def begin(self) -> None:
        """Begin a training. One that is still open, since the host began again without an end, has failed."""
        self.end(failed=True)
        service, phase = self._label
        around = innermost()
        if service is None and around is not None:
            service = around.service
        self._block = ecoia.track(service, phase)
        self._span = self._block.__enter__()
        self._among = _open.trainings
        self._among.append(self)

    def count(self, samples: Callable[..., int | None], *arguments: Any) -> None:
        """Add the samples that a function finds in objects of the host. If it returns None or raises, count them as unknown."""
        if self._block is None:
            return
        try:
            number = samples(*arguments)
        except Exception:  # noqa: BLE001 - the host is another version, or its data are of a kind that nobody thought of
            number = None
        if number is None:
            lose(losses.MISSING_UNITS)
            complain("the number of samples that are trained on is unknown: give them by ecoia.current().units(...)")
        else:
            self._span.units(number)

    def end(self, *, failed: bool = False) -> None:
        """End the training. Does nothing if none is open."""
        block = self._block
        if block is None:
            return
        if self in self._among:
            self._among.remove(self)
        self._clear()
        block.__exit__(RuntimeError if failed else None, None, None)


def ends_trainings(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a host's function that trains: trainings that began in it on this thread end with it, as failed if it raises.

    Args:
        function: The host's function. Its result and its exceptions pass through.

    Example:
        >>> training = Training("vadore", "training")
        >>> ends_trainings(training.begin)()
    """

    @wraps(function)
    def ended(*args: Any, **kwargs: Any) -> Any:
        trainings = _open.trainings
        before = len(trainings)
        failed = True
        try:
            result = function(*args, **kwargs)
            failed = False
            return result
        finally:
            for training in reversed(trainings[before:]):
                training.end(failed=failed)

    return ended


def local_of_host(name: str) -> Any:
    """Return a local variable of the innermost function on the stack that has it; None without one.

    For what the function of a host that trains holds and passes to no callback, such as its training data.

    Args:
        name: Name of the variable.

    Example:
        >>> def train(data):
        ...     return local_of_host("data")
        >>> train([1, 2, 3])
        [1, 2, 3]
    """
    frame = sys._getframe(1)
    while frame is not None:
        if name in frame.f_code.co_varnames + frame.f_code.co_cellvars and name in frame.f_locals:
            return frame.f_locals[name]
        frame = frame.f_back  # type: ignore[assignment]
    return None
