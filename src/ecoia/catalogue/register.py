"""``services.yaml``: the register of services, which is the denominator of coverage."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ecoia.catalogue.boamps import BoAmps
from ecoia.catalogue.fields import Day, FieldError, Model, OneOrMany, Role, Slug, Text

SERVICES_FILE = "services.yaml"

Status = Literal["generalised", "qualification", "poc", "retired"]


Metric = Annotated[str, Field(min_length=1, max_length=100)]


class Service(Model):
    """A named AI service of the register.

    Attributes:
        lifetime_units: Functional units that the model in service is expected to deliver before it is replaced. Its training
            is amortised over them.
        since: First day on which the service existed. A baseline quarter with such days but no record of the service gets an
            estimate of it.
        instance_days: Days on which it runs in a full quarter, added up over its instances. Recorded days are compared with it.
        succeeds: Ids of the service that it replaces, or of several that were merged into it.
        quality: For each figure of quality, the direction in which it is better (``accuracy: higher``). Runs are compared only
            by figures with a direction.
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
    succeeds: Annotated[tuple[Slug, ...], OneOrMany] = ()
    quality: dict[Metric, Literal["higher", "lower"]] = Field(default_factory=dict)
    boamps: BoAmps | None = None

    @model_validator(mode="after")
    def _check_successor(self) -> Service:
        if self.id in self.succeeds:
            raise FieldError(
                "succeeds-itself",
                "'succeeds' names this very service: name the service that it replaces, or leave it out",
                at="succeeds",
            )
        return self


class UnnamedServices(Model):
    """Services that exist but are not named: they stay in the denominator of coverage."""

    count: Annotated[int, Field(ge=0)] = 0
    approximate: bool = False
    status: tuple[Status, ...] = ()


class ServicesFile(Model):
    """``services.yaml``."""

    as_of: Day | None = None
    unnamed: UnnamedServices = UnnamedServices()
    services: tuple[Service, ...] = ()
