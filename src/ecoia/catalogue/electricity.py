"""``factors.yaml`` and ``contracts.yaml``: the emission factors in use, and contracted electricity."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ecoia.catalogue.fields import Day, Model, Patterns, Slug, Text, Zone, patterns_meet
from ecoia.instances import fits

FACTORS_FILE, CONTRACTS_FILE = "factors.yaml", "contracts.yaml"


class FactorsFile(Model):
    """``factors.yaml``: the set of emission factors in use, its one scope and basis, and the rule that fills gaps, if any."""

    use: Slug = "default"
    scope: Literal["direct", "lifecycle"] | None = None
    basis: Literal["production", "consumption"] | None = None
    fill: Literal["previous", "mean", "annual"] | None = None


class Contract(Model):
    """Contracted electricity: its emissions per kilowatt-hour, and the share of the use that it covers.

    Attributes:
        supplier: The supplier.
        gco2e_per_kwh: Emissions of a contracted kilowatt-hour.
        scope: Scope of these emissions: direct, or over the life cycle.
        share: Share of the use that the contract covers, above 0, up to 1.
        zone: Zone of the electricity.
        instances: Names or patterns (``*``, ``?``) of the instances that it covers.
        start: First civil day in the organisation's time zone that it covers (``from``).
        until: First civil day that it no longer covers.
        evidence: The evidence (cancelled guarantees of origin, a certificate), never the contract's price.
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
    def _check_days(self) -> Contract:
        if self.until <= self.start:
            raise ValueError("'until' is the first day on which it no longer holds: write a day after 'from'")
        return self

    def covers(self, zone: str, instance: str, day: Day) -> bool:
        """Return whether it covers what an instance uses in a zone on a civil day."""
        return zone == self.zone and self.start <= day < self.until and fits(instance, self.instances)

    def meets(self, other: Contract) -> bool:
        """Return whether the other could cover some instance of the zone on this one's first day."""
        return (
            self.zone == other.zone
            and other.start <= self.start < other.until
            and any(patterns_meet(a, b) for a in self.instances for b in other.instances)
        )


class ContractsFile(Model):
    """``contracts.yaml``."""

    contracts: tuple[Contract, ...] = ()
