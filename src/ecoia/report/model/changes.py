"""Changes: the trend, and why the quarter is not like another."""

from __future__ import annotations

from dataclasses import dataclass

from ecoia.impact.change import ExplainedChange
from ecoia.report.model.figures import Quantity

_NO_CHANGE = Quantity(None, "1", reason="not-computed")
_NO_REFERENCE = Quantity(None, "kgCO2e", reason="no-reference")


@dataclass(frozen=True)
class TrendPoint:
    """One quarter of the trend. ``simulated``: replayed from a fixture, not measured.

    ``co2e`` is CO2e of use; ``co2e_at_constant_factor`` is the same at the grid factors of the report's reference year.
    """

    quarter: str
    energy: Quantity
    co2e: Quantity
    simulated: bool
    co2e_at_constant_factor: Quantity = _NO_REFERENCE


@dataclass(frozen=True)
class ChangeLine:
    """The change of a service, or of everything: its terms in micrograms, and relative changes such as C / C0 - 1."""

    explained: ExplainedChange
    relative: Quantity
    energy: Quantity = _NO_CHANGE  # relative change of the energy
    energy_per_unit: Quantity = _NO_CHANGE  # of a service's serving, where both quarters measured and counted it alike


@dataclass(frozen=True)
class QuarterChange:
    """The change of the quarter's CO2e against ``reference``, explained. ``against``: previous-quarter | year-before.

    Only ``parts`` are in it: the parts of the CO2e that are known in both quarters. ``total`` is None where the change is not
    computed, for the ``reason``. A replaced service counts under the id of its successor.
    """

    against: str
    reference: str
    simulated: bool = False  # either quarter, in part or whole
    parts: tuple[str, ...] = ()  # operational, embodied, api
    total: ChangeLine | None = None
    services: tuple[ChangeLine, ...] = ()  # service None: borne by no service
    reason: str | None = None  # one of codes.REASONS
    energy: Quantity = _NO_CHANGE  # relative change of all energy, with the building where its PUE is known
    energy_it: Quantity = _NO_CHANGE  # the same before the building: a PUE that is declared anew is not in it

    @property
    def unequal_days(self) -> tuple[str, ...]:
        """Services that the two quarters recorded on unequal shares of their days: they are in the totals, which they distort."""
        return self._not_compared("days-unequal")

    @property
    def counted_otherwise(self) -> tuple[str, ...]:
        """Services that meters, models or declarations counted in one quarter, and another of them in the other: the same."""
        return self._not_compared("counted-otherwise")

    def _not_compared(self, reason: str) -> tuple[str, ...]:
        found = (line.explained.service for line in self.services if line.energy.reason == reason)
        return tuple(service for service in found if service is not None)


@dataclass(frozen=True)
class DeclaredChange:
    """What the organisation declares otherwise than in its last publication.

    ``kind``: target | service | method | factor | site | equipment | calibration | contract. ``what``: added | removed | changed.
    ``before`` and ``after`` are the values of ``field`` as the catalogue's files hold them, in ``unit`` (``1``: a share); empty
    where there is none. ``effect``: one of ``declared_changes.EFFECTS``; empty where it has none of its own. ``from_day`` is the
    civil day from which it holds, where several things have one id.
    """

    kind: str
    id: str
    name: str
    what: str
    field: str = ""
    before: str = ""
    after: str = ""
    effect: str = ""
    unit: str = ""
    from_day: str = ""
