"""The register: its services as they were recorded, and how many of them are measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ecoia.report.model.figures import NO_HEADLINE, Headline, Quantity


@dataclass(frozen=True)
class PhaseDays:
    """Days of one phase on one instance: ``recorded``, and ``expected`` by the register for the civil days that have begun.

    ``phase`` is ``training`` for phases that make models, ``inference`` for all else. ``expected`` is None where the register
    declares no days of this phase and instance: such days fill no gap. ``instance`` is empty where the register adds days up over
    instances that it does not name.
    """

    phase: str
    instance: str
    recorded: int
    expected: float | None


@dataclass(frozen=True)
class ServiceEntry:
    """A service of the register, or a service that was recorded without being registered."""

    id: str
    name: str
    status: str  # generalised | qualification | poc | retired | unregistered
    registered: bool
    measured: bool
    declared_only: bool
    audience: str | None
    purpose: str | None
    functional_unit: str | None
    owner_role: str | None
    energy: Quantity
    co2e: Quantity  # the whole, as far as known: that of its headline
    stand_in: bool  # the demo's models stand in for the real service
    counted_among_generalised: bool = False  # the organisation counts it so, whatever its status
    scope: str | None = None
    energy_components_microjoules: int | None = None  # spans and idle of this service; None: nothing recorded
    idle_microjoules: int = 0  # the reserved idle in it
    # Recorded, neither simulated nor declared only: of the phases and instances that the register declares, else of all.
    instance_days: int = 0
    instance_days_declared: float | None = None  # for the civil days that have begun
    covered: float | None = None  # share of the declared days, of the phase with the least; 1 at most; None: none declared
    counted_by: str = ""  # meters | models | declared: what gave most of its energy; empty: nothing
    days_by_phase: tuple[PhaseDays, ...] = ()
    headline: Headline = NO_HEADLINE
    boamps: dict[str, Any] | None = None  # its tasks, in the shape of ``catalogue.BoAmps``

    @property
    def in_scope(self) -> bool:
        """Whether coverage counts it: a service of the register that is not retired."""
        return self.registered and self.status != "retired"


@dataclass(frozen=True)
class Coverage:
    """Coverage of the services. ``share`` is measured registered services / (named + unnamed services in scope).

    A service is measured when at least ``COVERED`` of its declared instance-days are recorded, in each declared phase; a service
    that declares no instance-days (``undeclared_days``) is measured as soon as it is recorded. ``partly`` lists the services
    recorded on fewer days, which do not count as measured. ``measured`` is ``metered`` (meters gave most of the energy) and
    ``estimated`` (models did, or the service calls models of others). A service whose energy is mostly declared is in
    ``declared``, not in ``measured``. Retired services are in neither part of the ratio.
    """

    measured: int
    named: int
    unnamed: int
    unnamed_approximate: bool
    share: float | None
    unregistered: tuple[str, ...]
    declared: int = 0
    partly: tuple[str, ...] = ()
    undeclared_days: tuple[str, ...] = ()
    metered: int = 0
    estimated: int = 0
