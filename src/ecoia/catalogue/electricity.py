"""``factors.yaml`` and ``contracts.yaml``: which emission factors are in use, what electricity was contracted."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Annotated, Literal

from pydantic import Field, model_validator

from ecoia.catalogue.fields import Day, Model, Patterns, Slug, Text, Zone, meet

FACTORS_FILE, CONTRACTS_FILE = "factors.yaml", "contracts.yaml"


class FactorsFile(Model):
    """``factors.yaml``: the set of emission factors in use, its one scope and basis, and how a gap in it is filled, if at all."""

    use: Slug = "default"
    scope: Literal["direct", "lifecycle"] | None = None
    basis: Literal["production", "consumption"] | None = None
    fill: Literal["previous", "mean", "annual"] | None = None


class Contract(Model):
    """Electricity that a supplier sold as its own: what a kilowatt-hour of it emits, and what part of the use it covers.

    ``instances`` are names or patterns (``*``, ``?``); ``from`` and ``until`` civil days in the organisation's time zone,
    half-open. ``evidence`` is what shows it (guarantees of origin cancelled, a certificate), never the contract's price.
    """

    supplier: Text
    gco2e_per_kwh: Annotated[float, Field(ge=0, le=2000, allow_inf_nan=False)]
    scope: Literal["direct", "lifecycle"]
    share: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
    zone: Zone
    instances: Patterns = ("*",)
    start: Annotated[Day, Field(alias="from")]
    until: Day
    evidence: Text

    @model_validator(mode="after")
    def _some_days(self) -> Contract:
        if self.until <= self.start:
            raise ValueError("'until' is the first day on which it no longer holds: write a day after 'from'")
        return self

    def covers(self, zone: str, instance: str, day: Day) -> bool:
        """Whether it holds for what an instance uses in a zone on a civil day."""
        return (
            zone == self.zone
            and self.start <= day < self.until
            and any(fnmatchcase(instance, pattern) for pattern in self.instances)
        )

    def meets(self, other: Contract) -> bool:
        """Whether the other could hold for some instance in the zone on this one's first day."""
        return (
            self.zone == other.zone
            and other.start <= self.start < other.until
            and any(meet(a, b) for a in self.instances for b in other.instances)
        )


class ContractsFile(Model):
    """``contracts.yaml``."""

    contracts: tuple[Contract, ...] = ()
