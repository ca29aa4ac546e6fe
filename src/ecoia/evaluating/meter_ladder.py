"""Holds the models of a processor's power against its counter, on a ladder of loads (``ecoia doctor --compare``)."""

from __future__ import annotations

import math
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NamedTuple

from ecoia.errors import EcoiaError
from ecoia.meters import Meter, hardware, load_model, rapl
from ecoia.meters.host_model import HostModelMeter, refusal, stored
from ecoia.meters.processor import identify
from ecoia.meters.server_share import ServerShareMeter
from ecoia.methods import AT_WALL, error_class

LOADS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Busy part of the threads, by step."""

_SPIN = "import os\np = os.getppid()\nwhile os.getppid() == p:\n    for _ in range(1000000):\n        pass\n"
"""A program that keeps one thread busy, and ends with the one that started it."""


class Step(NamedTuple):
    """One step of the ladder: means over it.

    Attributes:
        load: Busy part of the threads, as the kernel counted it.
        counter_w: Watts by the counter.
        models_w: Watts by each model, by its method.
    """

    load: float
    counter_w: float
    models_w: dict[str, float]


class ModelError(NamedTuple):
    """How a model stands to the counter, over all steps.

    Attributes:
        method: The model's method.
        ratio: Its energy over the counter's.
        gsd: Geometric standard deviation of its steps' ratios around 1: a factor by which a step is typically wrong.
        at_wall: Whether it stands for the whole server at the wall, and the counter for the processor alone.
    """

    method: str
    ratio: float
    gsd: float
    at_wall: bool


@contextmanager
def busy_threads(count: int) -> Iterator[None]:
    """Keep so many threads busy by programs of this Python's."""
    command = [sys.executable, "-S", "-c", _SPIN]
    programs = [subprocess.Popen(command, stdin=subprocess.DEVNULL) for _ in range(count)]  # noqa: S603 - all of it is ours
    try:
        yield
    finally:
        for each in programs:
            each.kill()
        for each in programs:
            each.wait()


def climb(
    home: str | Path,
    step_seconds: float,
    root: str | Path = hardware.ROOT,
    *,
    busy: Callable[[int], AbstractContextManager[None]] = busy_threads,
    sleep: Callable[[float], None] = time.sleep,
) -> list[Step]:
    """Load the machine step by step, and read its counter and the models.

    Args:
        home: Home of the journal, for a calibrated host model.
        step_seconds: Length of a step.
        root: Folder that holds ``/proc`` and ``/sys``.
        busy: Keeps so many threads busy while its context lasts.
        sleep: Waits so many seconds.

    Raises:
        EcoiaError: The machine has no counter to compare with, or it failed on the way.
    """
    counter = rapl.meter("cpu", root)
    if counter is None:
        raise EcoiaError(
            "no RAPL counter can be read on this machine, so there is nothing to compare the models with: "
            "run it on a physical host with readable counters ('ecoia doctor' says what hides them)"
        )
    models = _models(home, root)
    steps = []
    for load in LOADS:
        with busy(round(load * hardware.cpu_count())):
            sleep(min(step_seconds / 4, 1.0))  # frequencies settle
            counter.read(0.0, 0.0)
            counter.lost()
            before, began = hardware.host_busy_time(root), time.perf_counter()
            sleep(step_seconds)
            now, seconds = hardware.host_busy_time(root), time.perf_counter() - began
            energy = counter.read(seconds, 0.0)
        if energy is None or counter.lost() or energy == 0:
            raise EcoiaError("the counter could not be read, or restarted, during a step: run it again")
        found = (now.busy_ns - before.busy_ns) / max(now.total_ns - before.total_ns, 1)
        watts = {name: (model.read(seconds, found) or 0) / 1e6 / seconds for name, model in models.items()}
        steps.append(Step(found, energy / 1e6 / seconds, watts))
    return steps


def _models(home: str | Path, root: str | Path) -> dict[str, Meter]:
    """Return the models of the whole machine, by method: whichever it would use, and the others."""
    threads = hardware.cpu_count()
    models: list[Meter] = [
        load_model.load_meter(root, hardware.ControlGroup(None, None, None)),
        load_model.LoadMeter(load_model.GENERIC_CPU_WATTS * threads, known=False),
        *(ServerShareMeter(row, threads) for row in dict.fromkeys((identify(root).row, "generic"))),
    ]
    kept = stored(home)
    if kept is not None and refusal(kept, 1, root) is None:
        models.append(HostModelMeter(kept, threads))
    return {model.method.name: model for model in models}


def errors(steps: list[Step]) -> list[ModelError]:
    """Return how each model stands to the counter; steps count alike.

    Example:
        >>> (found,) = errors([Step(0.0, 10.0, {"load-model:tdp": 5.0}), Step(1.0, 100.0, {"load-model:tdp": 105.0})])
        >>> found.ratio, round(found.gsd, 2)
        (1.0, 1.63)
    """
    found = []
    for method in steps[0].models_w:
        ratios = [each.models_w[method] / each.counter_w for each in steps]
        whole = sum(each.models_w[method] for each in steps) / sum(each.counter_w for each in steps)
        spread = math.exp(math.sqrt(math.fsum(math.log(ratio) ** 2 for ratio in ratios if ratio > 0) / len(ratios)))
        found.append(ModelError(method, whole, spread, error_class("estimated", method) in AT_WALL))
    return found
