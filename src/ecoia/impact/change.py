"""Why a quarter's CO2e differs from another's: terms that add up to the change, to the microgram; and how sure the change is.

For the use of a service that was measured the same way in both quarters,

    co2e of use = K x (V / K) x (E / V) x PUE x F    share of its days recorded, units on all of its days, IT energy a unit,
                                                     building, emission factor (the means over the energy)
    L(C, C0) = (C - C0) / ln(C / C0)                 the logarithmic mean
    term of x = L(C, C0) x ln(x / x0)                for each of the five

(LMDI-I: Ang, Energy Policy 32, 2004.) The five terms add up to C - C0. Neither the order of the factors nor which quarter comes
first matters. Everything else is a plain difference: making of equipment, hosted models, services that came or went, services
that were not measured before, use that was measured another way, corrections of a published quarter.

**A change is surer than its two ends.** An error that both share cancels: with w = c / C for the cells of the quarter and
w = -c / C0 for those of the reference,

    Var(ln C / C0) = sum_ij w_i w_j (prod over shared f of (1 + r_f^2) - 1).

The own error of a service and phase is taken as new in each quarter.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from ecoia.impact.embodied import MICROGRAMS_PER_KG
from ecoia.impact.ledger_sums import Bearer
from ecoia.impact.period_impact import EstimateOrReason, PeriodImpact
from ecoia.impact.sides import delivers, is_serving
from ecoia.impact.uncertainty import Z95, Estimate, Interval, contrast_variance
from ecoia.semconv import COMPONENTS, KIND_IDLE, KIND_SPAN

if TYPE_CHECKING:  # importing the catalogue costs pydantic
    from ecoia.catalogue import Service

TERMS = ("volume", "intensity", "energy", "pue", "factor", "embodied", "api", "entry", "exit", "coverage", "method", "correction")
"""Terms of a change, in the order of the report.

- ``volume``: more or fewer units.
- ``intensity``: IT energy per unit.
- ``energy``: IT energy where one of the quarters counts no units, so volume and intensity cannot be separated.
- ``pue``, ``factor``: building and grid.
- ``embodied``, ``api``: making of equipment, and hosted models.
- ``entry``, ``exit``: services that began after the reference quarter, or were retired, by the register.
- ``coverage``: more or less was measured: a service recorded in one of the quarters only that neither began nor was retired, or
  on another share of its days.
- ``method``: measured another way, or within another boundary.
- ``correction``: the reference quarter differs from what was published.
"""


@dataclass(frozen=True)
class Use:
    """The use of a service in a quarter for one purpose: serving, or training its models.

    Attributes:
        units_micro: Functional units delivered, in millionths. None: not counted.
        energy_it_kwh: Energy at the wall, before the building.
        energy_kwh: Energy at the wall, with the building where its PUE is known.
        micrograms: CO2e of use.
        method: How it was measured. Two quarters are comparable if these sets are equal.
        covered: Share of the days on which the service ran that were recorded, above 0. 1: all of them, or not declared.
        estimate: Its energy at the wall before the building, for the interval of a change. None: not given.
    """

    units_micro: int | None
    energy_it_kwh: float
    energy_kwh: float
    micrograms: int
    method: frozenset[str] = frozenset()
    covered: float = 1.0
    estimate: Estimate | None = None


@dataclass(frozen=True)
class ServiceFootprint:
    """A service's CO2e in a quarter, in micrograms: its uses by purpose, making of equipment, hosted models."""

    uses: Mapping[str, Use] = field(default_factory=dict)
    embodied_micrograms: int = 0
    api_micrograms: int = 0

    @property
    def micrograms(self) -> int:
        """The sum."""
        return sum(each.micrograms for each in self.uses.values()) + self.embodied_micrograms + self.api_micrograms


@dataclass(frozen=True)
class RelativeChange:
    """A relative change, 0.1 standing for 10 % more, and its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class ExplainedChange:
    """The change of one service, or of all together.

    Attributes:
        service: The service. None: no service, or all of them.
        reference_micrograms: CO2e of the reference quarter.
        quarter_micrograms: CO2e of the quarter.
        terms: The terms that are not 0; they add up to the change.
        absorbed_gain: Whether a unit took less energy while the service took more ("gain unitaire absorbé par le volume"), both
            beyond noise. It makes no claim that one caused the other. None: it cannot be computed.
    """

    service: str | None
    reference_micrograms: int
    quarter_micrograms: int
    terms: Mapping[str, int]
    absorbed_gain: bool | None = None

    @property
    def micrograms(self) -> int:
        """The change."""
        return self.quarter_micrograms - self.reference_micrograms


def decompose(
    reference: Mapping[str | None, ServiceFootprint],
    quarter: Mapping[str | None, ServiceFootprint],
    *,
    began: Collection[str] = (),
    retired: Collection[str] = (),
) -> tuple[ExplainedChange, ...]:
    """Explain the change of each service.

    Args:
        reference: Footprint of each service in the quarter to compare with. None stands for what no service bears.
        quarter: Footprint of each service in the quarter to explain.
        began: Services that did not exist yet in the reference quarter.
        retired: Services that no longer exist. A service that is in one of the quarters only, and neither began nor was retired,
            was not measured in the other.

    Returns:
        One change per service, sorted by id; what no service bears comes first.

    Example:
        >>> now = {"chat": ServiceFootprint(embodied_micrograms=5)}
        >>> [dict(decompose({}, now, began=began)[0].terms) for began in (["chat"], [])]
        [{'entry': 5}, {'coverage': 5}]
    """
    return tuple(
        _explain(
            service,
            reference.get(service),
            quarter.get(service),
            came="entry" if service in began else "coverage",
            went="exit" if service in retired else "coverage",
        )
        for service in sorted({*reference, *quarter}, key=lambda service: (service is not None, service or ""))
    )


def total(services: Iterable[ExplainedChange], published_micrograms: int | None = None) -> ExplainedChange:
    """Add up the changes of services.

    Args:
        services: Their changes.
        published_micrograms: CO2e published for the reference quarter. The change then starts from it, and its difference to
            today's reference is the ``correction``. None: the same as today's.

    Example:
        >>> total([ExplainedChange("chat", 10, 12, {"volume": 2})], published_micrograms=9).terms
        {'volume': 2, 'correction': 1}
    """
    parts = list(services)
    reference = sum(part.reference_micrograms for part in parts)
    published = reference if published_micrograms is None else published_micrograms
    terms = {name: sum(part.terms.get(name, 0) for part in parts) for name in TERMS} | {"correction": reference - published}
    return ExplainedChange(None, published, sum(part.quarter_micrograms for part in parts), _not_zero(terms))


def change_interval(quarter: Estimate, reference: Estimate) -> Interval | None:
    """Compute the 95 % interval of the relative change C / C0 - 1.

    Where no calibration is known, the published wall factor applies to both quarters or to neither.

    Args:
        quarter: C.
        reference: C0, in the same unit.

    Returns:
        The interval, 0.1 standing for 10 % more; None where C or C0 is 0.

    Example:
        >>> from ecoia.impact.uncertainty import Cell
        >>> same = Estimate((Cell(2.0, frozenset({"pue"}), "a"),), {"pue": 1.1, "own": 1.0}, 2.0)
        >>> change_interval(same.scaled(1.5), same)  # the shared error cancels
        Interval(low=0.5, high=0.5)
    """
    if not quarter.value or not reference.value:
        return None
    spread = Z95 * math.sqrt(log_ratio_variance(quarter, reference))
    ratios = (quarter.value / reference.value, quarter.upper_mean / reference.upper_mean)
    return Interval(min(ratios) * math.exp(-spread) - 1, max(ratios) * math.exp(spread) - 1)


def difference_interval(quarter: Estimate, reference: Estimate) -> Interval | None:
    """Compute the 95 % interval of the change C - C0, in the unit of both; None where both are 0.

    Errors that both share cancel as far as the sums are alike; the own error of a service and phase is new in each. Where no
    calibration is known, the published wall factor applies to both or to neither, as in ``change_interval``.

    Example:
        >>> from ecoia.impact.uncertainty import Cell
        >>> same = Estimate((Cell(2.0, frozenset({"pue"}), "a"),), {"pue": 1.1, "own": 1.0}, 2.0)
        >>> difference_interval(same, same)
        Interval(low=0.0, high=0.0)
    """
    if not quarter.cells and not reference.cells:
        return None
    spread = Z95 * math.sqrt(contrast_variance(quarter, reference))
    changes = (quarter.value - reference.value, quarter.upper_mean - reference.upper_mean)
    return Interval(min(changes) - spread, max(changes) + spread)


def energy_per_unit_change(before: Use | None, now: Use | None) -> RelativeChange | None:
    """Compute the relative change of the IT energy per unit, (E / V) / (E0 / V0) - 1; units are counted without error.

    Args:
        before: The use in the reference quarter. None: there was none.
        now: The same in the quarter.

    Returns:
        The change; None where it was not measured the same way in both quarters, or one of them counts no units.
    """
    energy = _energy_change(before, now)
    if before is None or now is None or energy is None or before.method != now.method:
        return None
    if not before.units_micro or not now.units_micro:
        return None
    units = before.units_micro / now.units_micro
    return RelativeChange(*((1 + change) * units - 1 for change in (energy.value, energy.low, energy.high)))


def log_ratio_variance(quarter: Estimate, reference: Estimate) -> float:
    """Return Var(ln C / C0), by the module's formula.

    Args:
        quarter: C, above 0.
        reference: C0, above 0, in the same unit.

    Example:
        >>> from ecoia.impact.uncertainty import Cell
        >>> same = Estimate((Cell(2.0, frozenset({"pue"}), "a"),), {"pue": 1.1, "own": 1.0}, 2.0)
        >>> log_ratio_variance(same.scaled(3), same)  # the shared error cancels
        0.0
    """
    return contrast_variance(quarter, reference, (quarter.value, reference.value))


def footprints_by_service(
    period: PeriodImpact,
    names: Mapping[str, str],
    *,
    embodied: bool,
    api: bool,
    covered: Mapping[str, float] = MappingProxyType({}),
) -> dict[str | None, ServiceFootprint]:
    """Return the footprint of each service in a quarter. None stands for what no service bears.

    Args:
        period: Impact of the quarter; all of its energy must have a CO2e.
        names: Id under which a service is compared, where it is not its own (see ``successors``).
        embodied: Whether making of equipment is known for all of the quarter.
        api: Whether CO2e of hosted models is known for all of the quarter.
        covered: Share of the days on which a service served that were recorded, by the id under which it is compared. A service
            that is not named: 1.

    Returns:
        Footprints of the services with known energy or CO2e.
    """
    groups: dict[str | None, dict[str, list[Bearer]]] = {}
    for bearer in period.bearers(lambda _: True):
        service = None if bearer[0] is None else names.get(bearer[0], bearer[0])
        purpose = bearer[1] if service is None else "serving" if is_serving(bearer) else "training"
        groups.setdefault(service, {}).setdefault(purpose, []).append(bearer)
    found = {}
    for service, by_purpose in groups.items():
        uses = {purpose: use for purpose, bearers in by_purpose.items() if (use := _use(period, bearers))}
        if "serving" in uses and service is not None:
            uses["serving"] = replace(uses["serving"], covered=covered.get(service, 1.0))
        split = period.split([bearer for bearers in by_purpose.values() for bearer in bearers])
        footprint = ServiceFootprint(
            uses, known_micrograms(split.embodied) if embodied else 0, known_micrograms(split.api) if api else 0
        )
        if uses or footprint.micrograms:
            found[service] = footprint
    return found


def successors(services: Iterable[Service]) -> dict[str, str]:
    """Map the id of each replaced service to the id of the service that carries on its work today (``succeeds``).

    A service counts as a successor only if its functional unit is the same. Several services may be merged into one.

    Args:
        services: The register.

    Example:
        >>> from ecoia.catalogue import Service
        >>> old = Service(id="mail", name="Mail", status="retired")
        >>> successors([old, Service(id="contacts", name="Contacts", status="generalised", succeeds="mail")])
        {'mail': 'contacts'}
    """
    known = {service.id: service for service in services}
    follows = {
        old: new.id
        for new in known.values()
        for old in new.succeeds
        if old in known and known[old].functional_unit == new.functional_unit
    }
    names = {}
    for old in follows:
        new, seen = follows[old], {old}
        while new in follows and new not in seen:
            seen.add(new)
            new = follows[new]
        names[old] = new
    return names


def _use(period: PeriodImpact, bearers: list[Bearer]) -> Use | None:
    energy, energy_it = period.energy(bearers).estimate, period.energy_it(bearers).estimate
    if energy is None or energy_it is None:
        return None
    strands = [strand for bearer in bearers for strand in period.strands.get(bearer, ())]
    counting = [
        strand for strand in strands if strand.kind == KIND_SPAN and (delivers(strand.bearer) or not is_serving(strand.bearer))
    ]
    units = [strand.units_micro for strand in counting if strand.units_micro is not None]
    method = {
        f"{component} {status} {name}"
        for strand in strands
        for component, (status, name), known in zip(COMPONENTS, strand.methods, strand.microjoules, strict=True)
        if known is not None
    }
    for impact in (period.impacts[bearer] for bearer in bearers if bearer in period.impacts):
        method |= {f"boundary {impact.boundary}"} if impact.energy_kwh is not None else set()
        method |= {f"calibration {each.component} {each.wall_factor} {each.date}" for each in impact.calibrations_used}
    if any(bearer[1] == KIND_IDLE for bearer in bearers):
        method.add("idle")  # idle energy is only separated where the idle power is known
    micrograms = known_micrograms(period.operational(bearers, period.impacts))
    whole_units = sum(units) if units else None
    return Use(whole_units, energy_it.value, energy.value, micrograms, frozenset(method), estimate=energy_it)


def known_micrograms(known: EstimateOrReason) -> int:
    """Return CO2e in whole micrograms; 0 where it is unknown.

    Example:
        >>> known_micrograms(EstimateOrReason(None, "no-zone"))
        0
    """
    return round(known.estimate.value * MICROGRAMS_PER_KG) if known.estimate else 0


def _explain(
    service: str | None, before: ServiceFootprint | None, now: ServiceFootprint | None, *, came: str, went: str
) -> ExplainedChange:
    old, new = before or ServiceFootprint(), now or ServiceFootprint()
    terms: dict[str, int] = {}
    if service is not None and (before is None or now is None):
        terms = {came: new.micrograms} if before is None else {went: -old.micrograms}
    else:
        for purpose in sorted({*old.uses, *new.uses}):
            for name, term in _terms_of_use(old.uses.get(purpose), new.uses.get(purpose)).items():
                terms[name] = terms.get(name, 0) + term
        terms["embodied"] = new.embodied_micrograms - old.embodied_micrograms
        terms["api"] = new.api_micrograms - old.api_micrograms
    absorbed = _gain_is_absorbed(old.uses.get("serving"), new.uses.get("serving"))
    return ExplainedChange(service, old.micrograms, new.micrograms, _not_zero(terms), absorbed)


def _terms_of_use(before: Use | None, now: Use | None) -> dict[str, int]:
    """Return the terms of the change of one use's CO2e."""
    if before is None or now is None:
        return {"energy": (now.micrograms if now else 0) - (before.micrograms if before else 0)}
    change = now.micrograms - before.micrograms
    if before.method != now.method:
        return {"method": change}
    if not before.micrograms or not now.micrograms:
        return {_term_of_nothing(before, now): change}
    mean = _logarithmic_mean(now.micrograms, before.micrograms)
    old, new = _logarithms(before, now), _logarithms(now, before)
    exact = {name: mean * (new[name] - old[name]) for name in new}
    terms = {name: round(term) for name, term in exact.items()}
    largest = max(exact, key=lambda name: abs(exact[name]))
    terms[largest] += change - sum(terms.values())  # a few micrograms of rounding at most
    return terms


def _term_of_nothing(before: Use, now: Use) -> str:
    """Return the term of a change from or to zero CO2e: the factor of the product that is zero."""
    nothing, something = (now, before) if before.micrograms else (before, now)
    if nothing.energy_kwh * something.micrograms >= something.energy_kwh:
        return "factor"  # at the other quarter's factor it would be a microgram at least
    if before.units_micro is None or now.units_micro is None:
        return "energy"
    return "intensity" if nothing.units_micro else "volume"


def _logarithms(one: Use, other: Use) -> dict[str, float]:
    """Return ln of each factor of ``one``. Units are a factor of their own where both quarters count some."""
    energy_it, energy = math.log(one.energy_it_kwh), math.log(one.energy_kwh)
    rest = {"pue": energy - energy_it, "factor": math.log(one.micrograms) - energy}
    covered = math.log(one.covered)
    if not one.units_micro or not other.units_micro:
        return {"coverage": covered, "energy": energy_it - covered, **rest}
    units = math.log(one.units_micro)
    return {"coverage": covered, "volume": units - covered, "intensity": energy_it - units, **rest}


def _logarithmic_mean(one: int, other: int) -> float:
    if one == other:
        return float(one)
    high, low = max(one, other), min(one, other)
    ratio = (high - low) / low
    return (high - low) / math.log1p(ratio)


def _gain_is_absorbed(before: Use | None, now: Use | None) -> bool | None:
    per_unit = energy_per_unit_change(before, now)
    energy = _energy_change(before, now)
    if before is None or now is None or per_unit is None or energy is None:
        return None
    on_all_days = (1 + energy.low) * before.covered / now.covered - 1
    return per_unit.high < 0 and energy.low > 0 and on_all_days > 0


def _energy_change(before: Use | None, now: Use | None) -> RelativeChange | None:
    """Return the relative change of the energy of a use; None where one of the quarters has none."""
    if before is None or now is None or before.estimate is None or now.estimate is None:
        return None
    bounds = change_interval(now.estimate, before.estimate)
    return RelativeChange(now.estimate.value / before.estimate.value - 1, bounds.low, bounds.high) if bounds else None


def _not_zero(terms: Mapping[str, int]) -> dict[str, int]:
    return {name: terms[name] for name in TERMS if terms.get(name)}
