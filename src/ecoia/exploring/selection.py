"""What is looked at (``Selection``), and its figures (``Selected``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from ecoia.periods import Quarter
from ecoia.report import Headline, Quantity

DIMENSIONS = ("service", "phase", "bearer", "instance", "site", "day", "status", "component", "method", "zone")
"""What a selection can be split by."""

_FILTERS = ("services", "phases", "sites", "instances", "statuses", "runs")


@dataclass(frozen=True)
class Selection:
    """What is looked at: some civil days, and of these what the filters let through. An empty filter lets all through.

    Attributes:
        first_day: First civil day, in the organisation's time zone.
        until_day: First civil day after it.
        services: Ids of services; "" stands for what no service bears.
        phases: Phases; the kind of record where no service bears the energy, and ``idle`` for reserved capacity.
        sites: Ids of sites; "" stands for no site.
        region: A region, whose part of each service is its part of the units; of whole quarters only.
        instances: Names of instances.
        statuses: Of ``measured``, ``estimated`` and ``declared``.
        runs: Ids of runs; only what they worked. Work is not counted by run, so of runs there are energy and emissions alone.

    Example:
        >>> Selection.of_quarter(Quarter(2026, 3), services=("chat",)).until_day
        datetime.date(2026, 10, 1)
    """

    first_day: date
    until_day: date
    services: tuple[str, ...] = ()
    phases: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()
    region: str | None = None
    instances: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()

    @classmethod
    def of_quarter(cls, quarter: Quarter, **filters: Any) -> Selection:
        """Select a quarter."""
        return cls(quarter.first_day(), quarter.shift(1).first_day(), **filters)

    @property
    def quarter(self) -> Quarter | None:
        """The quarter, where the days are exactly one."""
        quarters = self.whole_quarters
        return quarters[0] if quarters is not None and len(quarters) == 1 else None

    @property
    def whole_quarters(self) -> tuple[Quarter, ...] | None:
        """The quarters, where the days are whole ones."""
        quarters = self.quarters
        starts, ends = quarters[0].first_day() == self.first_day, quarters[-1].shift(1).first_day() == self.until_day
        return quarters if starts and ends else None

    @property
    def quarters(self) -> tuple[Quarter, ...]:
        """Every quarter that has one of the days."""
        quarter, last = Quarter.of_date(self.first_day), Quarter.of_date(self.until_day)
        found = [quarter]
        while quarter < last:
            quarter = quarter.shift(1)
            if quarter.first_day() < self.until_day:
                found.append(quarter)
        return tuple(found)

    @property
    def filtered(self) -> bool:
        """Whether a filter leaves anything out."""
        return self.region is not None or any(getattr(self, name) for name in _FILTERS)

    def only(self, **filters: Any) -> Selection:
        """Return the same days with other filters."""
        return replace(self, **filters)


@dataclass(frozen=True)
class Selected:
    """Figures of a selection, or of a part of it.

    Counts are None where they are not known, or do not split like the part: work is counted by row, not by component. ``units``
    and ``energy_per_unit`` are of one service; of its serving, reserved idle included, unless only training is selected.

    Attributes:
        microjoules: Exact energy of components, before any factor.
        by_component_microjoules: The same by component; None where none was recorded.
        by_status_microjoules: The same by status of the method.
        idle_microjoules: The part of capacity that was reserved and stood idle.
        training_microjoules: The part of phases that make a model.
        energy: Energy in kWh, with the building where its PUE is known.
        energy_components: Energy of components in kWh.
        boundary: How much of the energy has a PUE: all (``site``), some (``part``) or none (``it``).
        co2e_operational: CO2e of use, in kg.
        co2e_embodied: CO2e of making equipment, in kg; known of services and phases in whole quarters only.
        co2e_api: CO2e of hosted models, in kg.
        headline: The CO2e of everything that is known.
        spans: Number of spans.
        cpu_seconds: CPU time.
        units: Functional units.
        accepted: Accepted outcomes.
        energy_per_unit: Energy in Wh per functional unit.
        precision_class: The precision class, 1 to 4, of the CO2e of use where computed, else of the energy.
        simulated: Whether any of it is simulated.
        reason: Why there is no CO2e of use.
    """

    microjoules: int
    by_component_microjoules: Mapping[str, int | None]
    by_status_microjoules: Mapping[str, int]
    idle_microjoules: int
    training_microjoules: int
    energy: Quantity
    energy_components: Quantity
    boundary: str
    co2e_operational: Quantity
    co2e_embodied: Quantity
    co2e_api: Quantity
    headline: Headline
    spans: int | None
    cpu_seconds: float | None
    units: float | None
    accepted: float | None
    energy_per_unit: Quantity
    precision_class: int | None
    simulated: bool
    reason: str | None
