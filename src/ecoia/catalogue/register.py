"""``services.yaml``: who is in the denominator of coverage."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ecoia.catalogue.boamps import BoAmps
from ecoia.catalogue.fields import Day, Listed, Model, Role, Slug, Text

SERVICES_FILE = "services.yaml"

Status = Literal["generalised", "qualification", "poc", "retired"]


Metric = Annotated[str, Field(min_length=1, max_length=100)]


class Service(Model):
    """A named AI service of the register.

    ``lifetime_units`` is how many functional units the model in service is expected to deliver before it is replaced: over
    these its training is amortised. ``instance_days`` is on how many days, added up over its instances, it runs in a full
    quarter: the recorded ones are compared with it. ``since`` is the first day on which it existed: it is added by estimate to
    a baseline quarter that holds such days and no record of it. ``succeeds`` names the service that it replaces, or
    several that were merged into it. ``quality`` says of a figure of quality (``accuracy: higher``)
    in which direction it is better: only then are runs compared by it.
    """

    id: Slug
    name: Text
    audience: Text | None = None
    purpose: Text | None = None
    status: Status
    counted_among_generalised: bool = False
    functional_unit: Text | None = None
    lifetime_units: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    since: Day | None = None
    instance_days: Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)] | None = None
    scope: Text | None = None
    owner_role: Role | None = None
    stand_in: bool = False
    succeeds: Annotated[tuple[Slug, ...], Listed] = ()
    quality: dict[Metric, Literal["higher", "lower"]] = Field(default_factory=dict)
    boamps: BoAmps | None = None

    @model_validator(mode="after")
    def _not_itself(self) -> Service:
        if self.id in self.succeeds:
            raise ValueError("'succeeds' names this very service: name the one that it replaces, or leave it out")
        return self


class Unnamed(Model):
    """Services that exist without being named: they stay in the denominator of coverage."""

    count: Annotated[int, Field(ge=0)] = 0
    approximate: bool = False
    status: tuple[Status, ...] = ()


class ServicesFile(Model):
    """``services.yaml``."""

    as_of: Day | None = None
    unnamed: Unnamed = Unnamed()
    services: tuple[Service, ...] = ()
