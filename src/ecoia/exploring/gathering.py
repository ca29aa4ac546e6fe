"""What a selection let through, summed up, and the figures of it: the same rules as the report's, on the same cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ecoia.exploring.selection import Selected
from ecoia.factors import FactorUse
from ecoia.impact.assessment import Assessment
from ecoia.impact.cell_sums import CellSums
from ecoia.impact.embodied import EmbodiedShare
from ecoia.impact.energy_cells import CellKey, ExactSums, bearer_of_key
from ecoia.impact.grid import UsedFactors
from ecoia.impact.hosted import TokenCounts, TokenKey, TokenUse, token_use
from ecoia.impact.hosted_estimates import Hypotheses
from ecoia.impact.ledger_sums import Bearer
from ecoia.impact.market import MarketFactors
from ecoia.impact.parameters import AssessmentParameters
from ecoia.impact.period_impact import BearerImpacts
from ecoia.impact.shared_hosts import Sharing
from ecoia.impact.sides import delivers, is_serving, is_training
from ecoia.report import Quantity
from ecoia.report.quantities import headline, per_unit, quantity, shown
from ecoia.semconv import KIND_IDLE, KIND_SPAN
from ecoia.units import NANOSECONDS_PER_SECOND, from_micro

NOT_SPLIT = "not-split"
"""Why the making of equipment is not known of a part: it is shared by service and phase, quarter by quarter."""


@dataclass
class Counts:
    """Counts of one bearer's work."""

    spans: int = 0
    cpu_ns: int = 0
    units_micro: int | None = None
    accepted_micro: int | None = None


@dataclass
class Gathered:
    """Sums of what a selection let through, of one quarter or several.

    Attributes:
        sums: Energy by cell; the keys count in ``uses``.
        uses: Uses of emission factors, with their lowest and highest factor.
        seen: Bearers with a row, and their site.
        counts: Counts of work by bearer.
        tokens: Counts of tokens, by their key.
        asked: What is known of each hosted model, by provider and model.
        shares: Shares of the making of equipment.
        undescribed: By bearer, its instances whose machine is not described.
        language_models: Bearers that served a language model on our own cards.
        sharing: Which hosts it shared, and with what. None: none.
        simulated: Whether any of it is simulated.
        equipment: Whether any machine is described.
        splits_making: Whether making of equipment is known of what was selected.
        splits_work: Whether counts and tokens are.
    """

    sums: dict[CellKey, ExactSums] = field(default_factory=dict)
    uses: dict[FactorUse, tuple[int, int]] = field(default_factory=dict)
    seen: set[tuple[Bearer, int]] = field(default_factory=set)
    counts: dict[Bearer, Counts] = field(default_factory=dict)
    tokens: dict[TokenKey, TokenCounts] = field(default_factory=dict)
    asked: dict[tuple[str, str], Hypotheses | str] = field(default_factory=dict)
    shares: list[EmbodiedShare] = field(default_factory=list)
    undescribed: dict[Bearer, set[str]] = field(default_factory=dict)
    language_models: frozenset[Bearer] = frozenset()
    sharing: Sharing | None = None
    simulated: bool = False
    equipment: bool = False
    splits_making: bool = True
    splits_work: bool = True

    def add_energy(self, key: CellKey, uses: Sequence[tuple[FactorUse, tuple[int, int]]], microjoules: int, emitted: int) -> None:
        """Add the energy of a cell, whose key counts in ``uses``."""
        self.seen.add((bearer_of_key(key), key.site_figures[0]))
        if key.factor_use >= 0:
            use, bounds = uses[key.factor_use]
            known = self.uses.get(use, bounds)
            self.uses[use] = min(known[0], bounds[0]), max(known[1], bounds[1])
            key = _renumbered(key, list(self.uses).index(use))
        found = self.sums.get(key)
        if found is None:
            found = self.sums[key] = ExactSums()
        found.microjoules += microjoules
        found.emitted += emitted

    def add_work(self, bearer: Bearer, site: int, kind: str, counts: Counts) -> None:
        """Add counts of a bearer; only spans count units."""
        self.seen.add((bearer, site))
        found = self.counts.setdefault(bearer, Counts())
        found.spans += counts.spans
        found.cpu_ns += counts.cpu_ns
        if kind == KIND_SPAN:
            found.units_micro = _added(found.units_micro, counts.units_micro)
            found.accepted_micro = _added(found.accepted_micro, counts.accepted_micro)

    def add_tokens(self, key: TokenKey, counts: TokenCounts) -> None:
        """Add counts of tokens."""
        self.tokens[key] = counts.plus(self.tokens.get(key, TokenCounts()))

    @property
    def by_status_microjoules(self) -> dict[str, int]:
        """Exact energy by status of the method."""
        found: dict[str, int] = {}
        for key, sums in self.sums.items():
            found[key.status] = found.get(key.status, 0) + sums.microjoules
        return dict(sorted(found.items()))

    def token_uses(self) -> list[TokenUse]:
        """Return the uses of hosted models."""

        def ask(provider: str, model: str) -> Hypotheses | str:
            return self.asked[provider, model]

        return [token_use(key, self.tokens[key], ask=ask) for key in sorted(self.tokens)]

    def cells(self, parameters: AssessmentParameters) -> CellSums:
        """Return its energy by cell."""
        market = MarketFactors(parameters.contracts)
        for key, sums in self.sums.items():
            contracted, uncovered = market.terms(key.contracts)
            sums.contracted, sums.uncovered = sums.microjoules * contracted, sums.emitted * uncovered
        uses = UsedFactors(self.uses, self.uses.values())
        return CellSums(self.sums, self.seen, uses, language_models=self.language_models)

    def impacts(self, parameters: AssessmentParameters) -> BearerImpacts:
        """Assess it."""
        unknown = {} if self.splits_making else {"embodied": NOT_SPLIT}
        if not self.equipment:
            unknown["embodied"] = "no-equipment"
        if not self.splits_work:
            unknown["api"] = NOT_SPLIT
        return BearerImpacts(
            Assessment(self.cells(parameters), parameters, self.sharing),
            self.shares,
            self.token_uses(),
            self.undescribed,
            parameters=parameters,
            unknown=unknown,
        )


def _renumbered(key: CellKey, factor_use: int) -> CellKey:
    start = (key.service, key.phase, key.component, key.status, key.name, key.zone)
    return CellKey(*start, factor_use, key.calibration, key.site_figures, key.contracts)


def _added(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else one + other


def figures(gathered: Gathered, parameters: AssessmentParameters, *, stated: float | None = None) -> Selected:
    """Draw the figures of what was gathered.

    Args:
        gathered: The sums.
        parameters: Parameters of the assessment.
        stated: Accepted outcomes as the organisation stated them, in place of those counted.
    """
    impacts = gathered.impacts(parameters)
    bearers = impacts.bearers(lambda _: True)
    impact, split = impacts.assessment.impact(), impacts.split(bearers)
    missing = impact.reason if impact.energy_kwh is None else None
    energy = quantity(impact.energy_kwh, "kWh", impact.energy_interval, missing)
    counted = gathered.splits_work
    units, of_unit = _units(gathered, impacts, bearers)
    return Selected(
        microjoules=impact.energy_components_microjoules,
        by_component_microjoules=impact.by_component_microjoules,
        by_status_microjoules=gathered.by_status_microjoules,
        idle_microjoules=impacts.energy_microjoules(each for each in bearers if each[1] == KIND_IDLE),
        training_microjoules=impacts.energy_microjoules(each for each in bearers if is_training(each)),
        energy=energy,
        energy_components=quantity(impact.energy_components_kwh, "kWh", impact.energy_components_interval, missing),
        boundary=impact.boundary,
        co2e_operational=shown(split.operational, "kgCO2e"),
        co2e_embodied=shown(split.embodied, "kgCO2e"),
        co2e_api=shown(split.api, "kgCO2e"),
        headline=headline(impacts.known_parts(bearers)),
        spans=sum(each.spans for each in gathered.counts.values()) if counted else None,
        cpu_seconds=sum(each.cpu_ns for each in gathered.counts.values()) / NANOSECONDS_PER_SECOND if counted else None,
        units=units,
        accepted=_count(gathered, bearers, "accepted_micro") if stated is None else stated,
        energy_per_unit=of_unit,
        precision_class=impact.precision_class,
        simulated=gathered.simulated,
        reason=impact.reason,
    )


def _units(gathered: Gathered, impacts: BearerImpacts, bearers: Sequence[Bearer]) -> tuple[float | None, Quantity]:
    """Return the units of one service, and its energy per unit: of serving, or of what is selected where nothing of it
    serves."""
    serving = [each for each in bearers if is_serving(each)] or list(bearers)
    services = {service for service, _ in bearers}
    if len(services) != 1 or None in services:
        return None, Quantity(None, "Wh", reason="no-units")
    units = _count(gathered, [each for each in serving if delivers(each)] or serving, "units_micro")
    return units, per_unit(shown(impacts.energy(serving), "kWh"), units)


def _count(gathered: Gathered, bearers: Sequence[Bearer], name: str) -> float | None:
    found = [getattr(gathered.counts[each], name) for each in bearers if each in gathered.counts]
    known = [number for number in found if number is not None]
    return float(from_micro(sum(known))) if known else None
