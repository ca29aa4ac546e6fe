"""``services.yaml``: the register of services, which is the denominator of coverage."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field, PlainValidator, model_validator

from ecoia.catalogue.boamps import BoAmps
from ecoia.catalogue.described_model import DescribedModel
from ecoia.catalogue.fields import Day, FieldError, Model, OneOrMany, Role, Slug, Text

SERVICES_FILE = "services.yaml"

Status = Literal["generalised", "qualification", "poc", "retired"]


Metric = Annotated[str, Field(min_length=1, max_length=100)]

INFERENCE, TRAINING = "inference", "training"
DAY_PHASES = (INFERENCE, TRAINING)
"""Phases that instance-days are declared for: ``training`` is every phase that makes models, ``inference`` is serving and its
reserved idle. Days of other phases count for neither (``report.context.day_phase``)."""

_MOST_DAYS = 1e6
_EXAMPLE = "{inference: {gpu-01: 92, gpu-03: 92}, training: 11}"


class ExpectedDays(NamedTuple):
    """Days on which a service runs in a full quarter: ``phase`` is one of ``DAY_PHASES``; ``instance`` is "" where the days are
    added up over instances that are not named."""

    phase: str
    instance: str
    days: float


def _instance_days(value: Any) -> float | dict[str, float | dict[str, float]]:
    """Check ``instance_days``: a number, or numbers by phase, or by phase and instance."""
    if not isinstance(value, Mapping):
        return _days(value)
    if not value or not set(value) <= set(DAY_PHASES):
        wrong = ", ".join(repr(key) for key in value if key not in DAY_PHASES) or "empty"
        raise FieldError("not-days", f"{wrong}: write the days of {' and '.join(DAY_PHASES)}, e.g. {_EXAMPLE}")
    return {
        phase: {str(instance): _days(number, f"{phase}.{instance}: ") for instance, number in days.items()}
        if isinstance(days, Mapping) and days
        else _days(days, f"{phase}: ")
        for phase, days in value.items()
    }


def _days(value: Any, where: str = "") -> float:
    """Check a number of days; ``where`` names the key of a number within a mapping."""
    of = f"{where}{value!r}: " if where else ""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FieldError("not-days", f"{of}write a number of days, or days by phase and instance, e.g. {_EXAMPLE}")
    if not math.isfinite(value):
        raise FieldError("not-days", f"{of}write a finite number of days")
    if not 0 < value <= _MOST_DAYS:
        raise FieldError(
            "not-days", f"{of}write on how many days it runs in a full quarter, added up over its instances; or leave it out"
        )
    return float(value)


InstanceDays = Annotated[float | dict[str, float | dict[str, float]], PlainValidator(_instance_days)]


class Service(Model):
    """A named AI service of the register.

    Attributes:
        lifetime_units: Functional units that the model in service is expected to deliver before it is replaced. Its training
            is amortised over them.
        since: First day on which the service existed. A baseline quarter with such days but no record of the service gets an
            estimate of it.
        instance_days: Days on which it runs in a full quarter. A number is of its inference, added up over its instances; days of
            training never count towards it. Or days by phase (``DAY_PHASES``), each a number or numbers by instance:
            ``{inference: {gpu-01: 92, gpu-03: 92}, training: 11}``. Recorded days are compared with it.
        succeeds: Ids of the service that it replaces, or of several that were merged into it.
        quality: For each figure of quality, the direction in which it is better (``accuracy: higher``). Runs are compared only
            by figures with a direction.
        model: The size of the model in service and of its training, which the provider's score of SCI for AI is divided by.
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
    instance_days: InstanceDays | None = None
    scope: Text | None = None
    owner_role: Role | None = None
    stand_in: bool = False
    succeeds: Annotated[tuple[Slug, ...], OneOrMany] = ()
    quality: dict[Metric, Literal["higher", "lower"]] = Field(default_factory=dict)
    boamps: BoAmps | None = None
    model: DescribedModel | None = None

    @property
    def expected_days(self) -> tuple[ExpectedDays, ...]:
        """``instance_days``, one entry for each phase, or phase and instance; empty where none are declared.

        Example:
            >>> Service(id="chat", name="Chat", status="poc", instance_days=184).expected_days
            (ExpectedDays(phase='inference', instance='', days=184.0),)
        """
        if self.instance_days is None:
            return ()
        by_phase = self.instance_days if isinstance(self.instance_days, dict) else {INFERENCE: self.instance_days}
        return tuple(
            ExpectedDays(phase, instance, days)
            for phase, of_phase in by_phase.items()
            for instance, days in (of_phase.items() if isinstance(of_phase, dict) else (("", of_phase),))
        )

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
