"""``calibration.yaml``: measurements at the wall."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, model_validator

from ecoia.catalogue.fields import Day, Model, Patterns, Text, patterns_meet
from ecoia.instances import fits

CALIBRATION_FILE = "calibration.yaml"


class Calibration(Model):
    """The measurement of one component.

    Attributes:
        component: The component.
        wall_factor: Its energy at the wall over the energy that its meter gave.
        gsd: Geometric standard deviation of the measurement. None: ``calibration`` of ``error_widths.GSD``.
        instances: Names or patterns (``*``, ``?``) of the instances that it holds for.
        start: First civil day in the organisation's time zone on which it holds (``from``).
        until: First civil day on which it no longer holds.
        source: Where the measurement is documented.
        date: Day of the measurement.
    """

    component: Literal["cpu", "gpu", "ram"]
    wall_factor: Annotated[float, Field(ge=0.8, le=5, allow_inf_nan=False)]
    gsd: Annotated[float, Field(ge=1, le=3, allow_inf_nan=False)] | None = None
    instances: Patterns = ("*",)
    start: Annotated[Day | None, Field(alias="from")] = None
    until: Day | None = None
    source: Text
    date: Day

    @model_validator(mode="after")
    def _check_days(self) -> Calibration:
        if self.start is not None and self.until is not None and self.until <= self.start:
            raise ValueError("'until' is the first day on which it no longer holds: write a day after 'from'")
        return self

    def covers(self, component: str, instance: str, day: Day) -> bool:
        """Return whether it holds for a component of an instance on a civil day."""
        return (
            component == self.component
            and (self.start or date.min) <= day < (self.until or date.max)
            and fits(instance, self.instances)
        )

    def overlaps(self, other: Calibration) -> bool:
        """Return whether both could hold for one component of one instance on one day."""
        return (
            self.component == other.component
            and (self.start or date.min) < (other.until or date.max)
            and (other.start or date.min) < (self.until or date.max)
            and any(patterns_meet(a, b) for a in self.instances for b in other.instances)
        )


class CalibrationFile(Model):
    """``calibration.yaml``."""

    calibrations: tuple[Calibration, ...] = ()
