"""``equipment.yaml``: what was made for the services."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Annotated

from pydantic import Field, model_validator

from ecoia.catalogue.fields import Day, Listed, Model, Patterns, Slug, Text

EQUIPMENT_FILE = "equipment.yaml"


class Equipment(Model):
    """A machine, or a device in it, with the footprint of its making (the manufacturer's, where there is one).

    ``reserved_share`` is the part of it that is there for AI services. ``devices`` are ids as records carry them; with none the
    entry is the machine. It is amortised over ``life_years`` from the day ``from``, and no further than ``until``.
    """

    id: Slug
    name: Text | None = None
    co2e_kg: Annotated[float, Field(gt=0, le=1_000_000, allow_inf_nan=False)]
    life_years: Annotated[float, Field(gt=0, le=50, allow_inf_nan=False)]
    reserved_share: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
    instances: Patterns
    devices: Annotated[tuple[Text, ...], Listed] = ()
    start: Annotated[Day, Field(alias="from")]
    until: Day | None = None
    source: Text
    date: Day

    @model_validator(mode="after")
    def _some_days(self) -> Equipment:
        if self.until is not None and self.until <= self.start:
            raise ValueError("'until' is the first day on which it is no longer used: write a day after 'from'")
        return self

    def on(self, instance: str) -> bool:
        """Whether an instance runs on it."""
        return any(fnmatchcase(instance, pattern) for pattern in self.instances)


class EquipmentFile(Model):
    """``equipment.yaml``."""

    equipment: tuple[Equipment, ...] = ()
