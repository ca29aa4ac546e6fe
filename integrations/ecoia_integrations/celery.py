"""Measure every task of a Celery worker, in the processes or threads that run them::

    measure_tasks(service="analyse-cv", units=len)

A task adds what only it knows: ``ecoia.current().units(len(batch))``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from celery import signals

import ecoia
from ecoia.errors import UsageError
from ecoia.integrating import Label, causes, is_disabled, is_units, lose
from ecoia_integrations.endpoints import Endpoints, Target


def measure_tasks(
    *,
    service: str,
    phase: str = "inference",
    tasks: Mapping[str, Target] | None = None,
    units: float | Callable[[Any], Any] | None = None,
    model_version: str | None = None,
) -> None:
    """Measure the tasks that the workers of this program run, from their start to their end; once, where the app is made.

    A task's name is its endpoint. One that fails, or is to be tried again, is measured and delivers no units.

    Args:
        service: Id of the service in the catalogue.
        phase: ``inference`` unless the tasks do something else.
        tasks: Names of tasks to the service, or (service, phase), that they serve; None: not measured.
        units: Functional units of a task that succeeded: a number, or a callable on its result.
        model_version: Version of the model that serves.

    Raises:
        UsageError: an illegal value; the message names it and the remedy.
    """
    if not is_units(units):
        raise UsageError(f"units = {units!r}: give a number of 0 or more, or a callable on the result")
    _Measurement(Endpoints(service, phase, model_version, tasks, field="tasks"), units).connect()


class _Measurement:
    def __init__(self, endpoints: Endpoints, units: Any) -> None:
        self._is_disabled = is_disabled()
        self._endpoints = endpoints
        self._excluded = frozenset(endpoints.excluded)
        self._units = units
        self._running: dict[int, tuple[ecoia.track, ecoia.Span]] = {}

    def connect(self) -> None:
        """Once: a second call replaces the first."""
        for signal, receiver in (
            (signals.task_prerun, self._begin),
            (signals.task_postrun, self._end),
            (signals.worker_process_shutdown, self._write),
            (signals.worker_shutdown, self._write),
        ):
            signal.disconnect(dispatch_uid="ecoia")
            signal.connect(receiver, weak=False, dispatch_uid="ecoia")

    def _begin(self, task: Any, **_: Any) -> None:
        if self._is_disabled or task.name in self._excluded:
            return
        label: Label = self._endpoints.of(task.name)
        block = ecoia.track(label.service, label.phase, endpoint=label.endpoint, model_version=label.model_version)
        # By execution: a message that a broker delivers again runs beside the first, under the same task's id.
        self._running[id(task.request)] = (block, block.__enter__())

    def _end(self, task: Any, retval: Any = None, state: str | None = None, **_: Any) -> None:
        block, span = self._running.pop(id(task.request), (None, None))
        if block is None or span is None:
            return
        failed = state != "SUCCESS"
        if not failed:
            self._give_units(span, retval)
        block.__exit__(RuntimeError if failed else None, None, None)

    def _give_units(self, span: ecoia.Span, result: Any) -> None:
        number = self._units
        if callable(number):
            try:
                number = number(result)
            except Exception:  # noqa: BLE001 - the user's counting function must not break the task
                lose(causes.INVALID_UNITS)
                return
            if number is None:
                lose(causes.MISSING_UNITS)
        if number is not None:
            span.units(number)

    def _write(self, **_: Any) -> None:
        ecoia.flush()  # Celery's processes end without running exit handlers
