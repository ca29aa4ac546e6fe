"""Measure every task of a Celery worker, in the processes or threads that run them::

    measure_tasks(service="analyse-cv", units=len)

A task adds what only the task knows: ``ecoia.current().units(len(batch))``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from celery import signals

import ecoia
from ecoia.errors import UsageError
from ecoia.integrating import Label, is_disabled, is_units
from ecoia_integrations.endpoints import Endpoints, Target, give_units_of_result


def measure_tasks(
    *,
    service: str,
    phase: str = "inference",
    tasks: Mapping[str, Target] | None = None,
    units: float | Callable[[Any], Any] | None = None,
    model_version: str | None = None,
) -> None:
    """Measure each task that the workers of this program run, from its start to its end.

    Call it once, where the Celery application is made; a second call replaces the first. A task's name is its endpoint. A task
    that fails, or asks for a retry, is measured and delivers no units.

    Args:
        service: Id of the service in the catalogue.
        phase: Phase of the tasks, one of ``semconv.PHASES``.
        tasks: Maps names of tasks to a service, to (service, phase), or to None for tasks that are not measured.
        units: Functional units of a task that succeeded: a number, or a callable on its result.
        model_version: Version of the model that serves.

    Raises:
        UsageError: An argument is illegal. The message names it, its value and the remedy.

    Example:
        >>> measure_tasks(service="analyse-cv", tasks={"cleanup": None})
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
        """Connect to Celery's signals, in place of an earlier measurement."""
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
        # Keyed by execution: a message that the broker delivers twice runs twice at the same time, under one task id.
        self._running[id(task.request)] = (block, block.__enter__())

    def _end(self, task: Any, retval: Any = None, state: str | None = None, **_: Any) -> None:
        block, span = self._running.pop(id(task.request), (None, None))
        if block is None or span is None:
            return
        failed = state != "SUCCESS"
        if not failed:
            give_units_of_result(span, self._units, retval)
        block.__exit__(RuntimeError if failed else None, None, None)

    def _write(self, **_: Any) -> None:
        ecoia.flush()  # Celery's processes end without running Python's exit handlers
