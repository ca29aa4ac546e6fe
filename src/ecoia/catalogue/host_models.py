"""``host-models.yaml``: what hosts draw at the wall, by their load."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import date
from typing import Annotated

from pydantic import Field, model_validator

from ecoia.catalogue.fields import Day, Model, Patterns, Text
from ecoia.instances import fits

HOST_MODELS_FILE = "host-models.yaml"

_TWIN, _SENSOR = 1.10, 1.05
"""Geometric standard deviations: between servers of one maker, system and processor at rest (published results of SPECpower), and
of a management controller's sensor (assumed)."""


def whole_gsd(fit: float, *, twin: bool) -> float:
    """Return the error of a host's calibrated power: of the fit, of the sensor, and between twins.

    Args:
        fit: Geometric standard deviation of the measured power around the fitted one.
        twin: Whether it stands for other hosts of the same kind, too.

    Example:
        >>> round(whole_gsd(1.03, twin=False), 3), round(whole_gsd(1.03, twin=True), 3)
        (1.059, 1.117)
    """
    parts = [fit, _SENSOR, *([_TWIN] if twin else [])]
    return math.exp(math.hypot(*map(math.log, parts)))


class HostModelEntry(Model):
    """The calibration of one kind of host: P = ``idle_w`` + ``busy_w`` x busy threads + ``gpu_factor`` x power of its cards.

    Attributes:
        cpu_model: Name of its processor, as ``/proc/cpuinfo`` writes it.
        threads: Its hardware threads.
        idle_w: Watts at the wall at rest, memory included.
        busy_w: Watts that each busy thread adds.
        gpu_factor: Watts at the wall for each watt that its graphics cards' meters give; None: it has no card.
        gib: Memory of the calibrated host; the host's power includes it.
        gsd: Geometric standard deviation of the whole (``whole_gsd``).
        n: Minutes that the fit rests on.
        instances: Names or patterns (``*``, ``?``) of the hosts of this kind, and of guests on them.
        start: First civil day on which it holds (``from``).
        until: First civil day on which it no longer holds.
        source: Where the measurement is documented.
    """

    cpu_model: Text
    threads: Annotated[int, Field(ge=1, le=100_000)]
    idle_w: Annotated[float, Field(gt=0, le=100_000)]
    busy_w: Annotated[float, Field(gt=0, le=1_000)]
    gpu_factor: Annotated[float, Field(gt=0, le=5)] | None = None
    gib: Annotated[float, Field(gt=0, le=1_000_000)]
    gsd: Annotated[float, Field(ge=1, le=3)]
    n: Annotated[int, Field(ge=120)]
    instances: Patterns
    start: Annotated[Day, Field(alias="from")]
    until: Day | None = None
    source: Text

    @model_validator(mode="after")
    def _check_days(self) -> HostModelEntry:
        if self.until is not None and self.until <= self.start:
            raise ValueError("'until' is the first day on which it no longer holds: write a day after 'from'")
        return self

    def covers(self, instance: str, day: date) -> bool:
        """Return whether it holds for an instance on a civil day."""
        return self.start <= day < (self.until or date.max) and fits(instance, self.instances)


class HostModelsFile(Model):
    """``host-models.yaml``."""

    host_models: tuple[HostModelEntry, ...] = ()


def widest_gsd(models: Iterable[HostModelEntry]) -> dict[str, float]:
    """Return the error of the site's calibrated hosts by its source: the widest of them, as records do not name their model.

    Example:
        >>> widest_gsd([])
        {}
    """
    widths = [each.gsd for each in models]
    return {"host-model": max(widths)} if widths else {}
