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
from ecoia.impact.hosted import serving_models
from ecoia.impact.ledger_sums import Bearer, LedgerSums, MomentEnergy, Run, Strand
from ecoia.impact.market import MarketFactors
from ecoia.impact.parameters import AssessmentParameters
from ecoia.impact.shared_hosts import SharedHosts
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
        hosts: Which hosts bearers were on.
        language_models: Bearers that served a language model on our own cards.
    """

    sums: dict[CellKey, ExactSums] = field(default_factory=dict)
    seen: set[BearerAtSite] = field(default_factory=set)
    factors: UsedFactors = field(default_factory=UsedFactors)
    hosts: SharedHosts = field(default_factory=SharedHosts)
    language_models: frozenset[Bearer] = frozenset()

    @classmethod
    def of(cls, recorded: LedgerSums, parameters: AssessmentParameters) -> CellSums:
        """Sum recorded energy by cell. A missing component is in no cell.

        Example:
            >>> from ecoia.factors import default_factors
            >>> CellSums.of(LedgerSums(), AssessmentParameters(default_factors())).sums
            {}
        """
        adder = _Adder(parameters)
        found = cls(
            factors=adder.grid,
            hosts=SharedHosts.of(recorded.strands, adder.lookup),
            language_models=serving_models(recorded.token_rows),
        )
        for strand in recorded.strands:
            found.seen.add((strand.bearer, adder.lookup.group_of(strand.instance).site))
            if strand.condensed:
                continue
            for _, key, energy, factors, contracts in adder.additions(strand, None):
                found._cell(key).add(energy, factors, contracts)
        for key, microjoules, emitted, contracts in adder.condensed(recorded):
            found._cell(key).add_sums(microjoules, emitted, contracts)
        return found

    def _cell(self, key: CellKey) -> ExactSums:
        cell = self.sums.get(key)
        if cell is None:
            cell = self.sums[key] = ExactSums()
        return cell


def sums_of_runs(
    recorded: LedgerSums, parameters: AssessmentParameters
) -> tuple[dict[Run, dict[CellKey, ExactSums]], UsedFactors]:
    """Sum the energy of each run that makes a model by cell.

    Args:
        recorded: Recorded energy.
        parameters: Parameters of the assessment.

    Returns:
        The sums of each run, and the uses of factors that the keys of all of them count in.
    """
    adder = _Adder(parameters)
    found: dict[Run, dict[CellKey, ExactSums]] = {}
    for run, strands in recorded.run_strands.items():
        cells = found.setdefault(run, {})
        for strand in strands:
            for _, key, energy, factors, contracts in adder.additions(strand, None):
                cells.setdefault(key, ExactSums()).add(energy, factors, contracts)
    for run, moment in recorded.condensed.by_run(adder.lookup) if recorded.condensed else ():
        cells = found.setdefault(run, {})
        for key, microjoules, emitted, contracts in adder.of_moment(moment):
            cells.setdefault(key, ExactSums()).add_sums(microjoules, emitted, contracts)
    return found, adder.grid


def fine_sums(
    groups: Iterable[Iterable[Strand]], parameters: AssessmentParameters, slot: Slot
) -> tuple[list[dict[FineKey, ExactSums]], UsedFactors]:
    """Sum the energy of groups of strands, each apart, by cell, kind, instance, whether simulated, and slot of time.

    Args:
        groups: Recorded energy.
        parameters: Parameters of the assessment.
        slot: Gives the slot of a half-hour.

    Returns:
        The sums of each group, and the uses of factors that the keys of all of them count in.
    """
    adder = _Adder(parameters)
    every = []
    for strands in groups:
        found: dict[FineKey, ExactSums] = {}
        for strand in strands:
            for when, key, energy, factors, contracts in adder.additions(strand, slot):
                fine = FineKey(when, strand.kind, strand.instance, strand.simulated, key)
                found.setdefault(fine, ExactSums()).add(energy, factors, contracts)
        every.append(found)
    return every, adder.grid


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
            keys = _keys(strand.bearer, zone, strand.methods, conditions)
            for key, energy in zip(keys, strand.microjoules, strict=True):
                if energy is not None:
                    yield when, key, energy if taken is None else [energy[index] for index in taken], factors, contracts

    def condensed(self, recorded: LedgerSums) -> Iterator[tuple[CellKey, int, int, tuple[int, int] | None]]:
        """Give what energy adds to each cell that was summed up where it lies: energy, energy x factor, terms of contracts."""
        for moment in recorded.condensed.by_moment(self.lookup) if recorded.condensed else ():
            yield from self.of_moment(moment)

    def of_moment(self, moment: MomentEnergy) -> Iterator[tuple[CellKey, int, int, tuple[int, int] | None]]:
        """Give what the energy of a moment adds to each cell, as ``condensed`` does."""
        met = moment.conditions
        contracts = self._market.terms(met.contracts) if met.contracts else None
        keys = _keys(moment.bearer, moment.zone, moment.methods, met)
        for key, energy, emitted in zip(keys, moment.microjoules, moment.emitted, strict=True):
            if energy is not None and emitted is not None:
                yield key, energy, emitted, contracts

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


def _keys(bearer: Bearer, zone: str, methods: Iterable[tuple[str, str]], met: Conditions) -> Iterator[CellKey]:
    """Give the key of the cell of each component."""
    for component, (status, name), calibration in zip(COMPONENTS, methods, met.calibrations, strict=True):
        yield CellKey(
            bearer[0] or "",
            bearer[1],
            component,
            status,
            name,
            zone,
            met.factor_use,
            -1 if error_class(status, name) in _NOT_CALIBRATED else calibration,
            met.site_figures,
            met.contracts,
        )
