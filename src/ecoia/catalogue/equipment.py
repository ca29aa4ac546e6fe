"""``equipment.yaml``: machines and devices that the services run on."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from ecoia.catalogue.fields import Day, Model, OneOrMany, Patterns, Slug, Text
from ecoia.instances import fits

EQUIPMENT_FILE = "equipment.yaml"


class Equipment(Model):
    """A machine, or a device in it, with the footprint of making it.

    Attributes:
        id: Its id.
        name: Its name.
        co2e_kg: Footprint of making it, the manufacturer's where there is one.
        life_years: Expected life, over which the footprint is amortised.
        reserved_share: Share of it that is reserved for AI services.
        instances: Names or patterns (``*``, ``?``) of the instances on it.
        devices: Ids of devices, as records carry them. With none, the entry is the machine.
        start: First civil day of use (``from``).
        until: First civil day on which it is no longer used; nothing is amortised from then on.
        source: Publisher or body that states the footprint.
        date: Day of the source.
    """

    id: Slug
    name: Text | None = None
    co2e_kg: Annotated[float, Field(gt=0, le=1_000_000, allow_inf_nan=False)]
    life_years: Annotated[float, Field(gt=0, le=50, allow_inf_nan=False)]
    reserved_share: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
    instances: Patterns
    devices: Annotated[tuple[Text, ...], OneOrMany] = ()
    start: Annotated[Day, Field(alias="from")]
    until: Day | None = None
    source: Text
    date: Day

    @model_validator(mode="after")
    def _check_days(self) -> Equipment:
        if self.until is not None and self.until <= self.start:
            raise ValueError("'until' is the first day on which it is no longer used: write a day after 'from'")
        return self

    def on(self, instance: str) -> bool:
        """Return whether an instance runs on it."""
        return fits(instance, self.instances)


class EquipmentFile(Model):
    """``equipment.yaml``."""

    equipment: tuple[Equipment, ...] = ()
