"""Sums of energy by cell, of some strands: all that an assessment needs of what was recorded.

``CellSums`` is by ``CellKey``. ``fine_sums`` is the same energy, further by kind of record, instance, whether it was simulated,
and a slot of time: fine sums that agree in their key add up to the sums of the cell, exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from ecoia.impact.conditions import Conditions, ConditionsLookup
from ecoia.impact.energy_cells import CellKey, ExactSums
from ecoia.impact.grid import GridFactors, UsedFactors
from ecoia.impact.ledger_sums import Bearer, Strand
from ecoia.impact.market import MarketFactors
from ecoia.impact.parameters import AssessmentParameters
from ecoia.methods import AT_WALL, error_class
from ecoia.semconv import COMPONENTS

_NOT_CALIBRATED = AT_WALL | {"declared"}
"""Classes of error of methods that no wall factor applies to."""

BearerAtSite = tuple[Bearer, int]
"""A bearer, and the index of a site; -1: in no site."""

Slot = Callable[[int], Hashable]
"""The slot of time of a half-hour, e.g. its civil day."""


class FineKey(NamedTuple):
    """What the energy of a fine sum has in common: the slot of time, and of the strand and the cell what figures depend on."""

    slot: Hashable
    kind: str
    instance: str
    simulated: bool
    cell: CellKey


@dataclass
class CellSums:
    """Energy by cell.

    Attributes:
        sums: Exact sums of each cell.
        seen: Every bearer with a row, with or without energy, and the site.
        factors: Uses of emission factors, which the keys of cells count in.
    """

    sums: dict[CellKey, ExactSums] = field(default_factory=dict)
    seen: set[BearerAtSite] = field(default_factory=set)
    factors: UsedFactors = field(default_factory=UsedFactors)

    @classmethod
    def of(cls, strands: Iterable[Strand], parameters: AssessmentParameters) -> CellSums:
        """Sum the energy of some strands by cell. A missing component is in no cell.

        Example:
            >>> from ecoia.factors import default_factors
            >>> CellSums.of([], AssessmentParameters(default_factors())).sums
            {}
        """
        adder = _Adder(parameters)
        found = cls(factors=adder.grid)
        for strand in strands:
            found.seen.add((strand.bearer, adder.lookup.group_of(strand.instance).site))
            for _, key, energy, factors, contracts in adder.additions(strand, None):
                cell = found.sums.get(key)
                if cell is None:
                    cell = found.sums[key] = ExactSums()
                cell.add(energy, factors, contracts)
        return found


def fine_sums(
    strands: Iterable[Strand], parameters: AssessmentParameters, slot: Slot
) -> tuple[dict[FineKey, ExactSums], UsedFactors]:
    """Sum the energy of some strands by cell, kind, instance, whether simulated, and slot of time.

    Args:
        strands: Recorded energy.
        parameters: Parameters of the assessment.
        slot: Gives the slot of a half-hour.

    Returns:
        The sums, and the uses of factors that their keys count in.
    """
    adder = _Adder(parameters)
    found: dict[FineKey, ExactSums] = {}
    for strand in strands:
        for when, key, energy, factors, contracts in adder.additions(strand, slot):
            fine = FineKey(when, strand.kind, strand.instance, strand.simulated, key)
            found.setdefault(fine, ExactSums()).add(energy, factors, contracts)
    return found, adder.grid


_Addition = tuple[Hashable, CellKey, list[int], list[int], tuple[int, int] | None]
"""A slot and a cell; energy and emission factor of each half-hour; the terms of contracts."""


class _Adder:
    """Finds the cells that strands add to."""

    def __init__(self, parameters: AssessmentParameters) -> None:
        self.grid, self._market = GridFactors(parameters.factors), MarketFactors(parameters.contracts)
        self.lookup = ConditionsLookup(parameters, self.grid, self._market)

    def additions(self, strand: Strand, slot: Slot | None) -> Iterator[_Addition]:
        """Give what a strand adds to each cell and slot; without a slot, to each cell."""
        zone = self.lookup.zone_of(strand.zone, strand.instance)
        for conditions, when, factors, taken in self._groups(strand, zone, slot):
            contracts = self._market.terms(conditions.contracts) if conditions.contracts else None
            for component, (status, name), energy, calibration in zip(
                COMPONENTS, strand.methods, strand.microjoules, conditions.calibrations, strict=True
            ):
                if energy is None:
                    continue
                key = CellKey(
                    strand.bearer[0] or "",
                    strand.bearer[1],
                    component,
                    status,
                    name,
                    zone,
                    conditions.factor_use,
                    -1 if error_class(status, name) in _NOT_CALIBRATED else calibration,
                    conditions.site_figures,
                    conditions.contracts,
                )
                yield when, key, energy if taken is None else [energy[index] for index in taken], factors, contracts

    def _groups(
        self, strand: Strand, zone: str, slot: Slot | None
    ) -> Iterator[tuple[Conditions, Hashable, list[int], list[int] | None]]:
        """Split the half-hours of a strand by their conditions and slot.

        Yields:
            Conditions and slot; the emission factors of their half-hours in micrograms per kWh; the indexes of these half-hours
            (None: all).
        """
        by_half_hour = self.lookup.half_hours(zone, strand.instance)
        conditions = list(map(by_half_hour.__getitem__, strand.half_hours_utc_ns))
        factors = list(map(by_half_hour.micrograms_per_kwh.__getitem__, strand.half_hours_utc_ns))
        slots = [None] * len(conditions) if slot is None else list(map(slot, strand.half_hours_utc_ns))
        groups: dict[tuple[Conditions, Hashable], list[int]] = {}
        for index, both in enumerate(zip(conditions, slots, strict=True)):
            groups.setdefault(both, []).append(index)
        for (met, when), taken in groups.items():
            if len(groups) == 1:  # most strands, without slots
                yield met, when, factors, None
            else:
                yield met, when, [factors[index] for index in taken], taken
