"""Why a quarter's CO2e is not that of another: terms that add up to the change, to the microgram; and how sure the change is.

For what a service did in both quarters, measured the same way,

    co2e of use = V x (E / V) x PUE x F      units, IT energy a unit, building, emission factor (the means over the energy)
    L(C, C0) = (C - C0) / ln(C / C0)         the logarithmic mean
    term of x = L(C, C0) x ln(x / x0)        for each of the four

(LMDI-I: Ang, Energy Policy 32, 2004.) The four add up to C - C0, and neither the order of the factors nor which quarter comes
first matters. Everything else is a difference: what making the equipment and hosted models amount to, services that came or
went, what was measured another way, what was corrected since it was published.

**A change is surer than its two ends.** An error that both share cancels: with w = c / C for the cells of the quarter and
w = -c / C0 for those of the reference,

    Var(ln C / C0) = sum_ij w_i w_j (prod over shared f of (1 + r_f^2) - 1).

What a service and phase deviates on its own is taken as new each quarter.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ecoia.impact.activity import Bearer
from ecoia.impact.assessment import Cell, Estimate, Interval, variance
from ecoia.impact.embodied import MICROGRAMS_PER_KG
from ecoia.impact.period import TRAINING_PHASES, Known, Period
from ecoia.semconv import COMPONENTS, KIND_IDLE, KIND_SPAN

if TYPE_CHECKING:  # importing the catalogue costs pydantic
    from ecoia.catalogue import Service

TERMS = ("volume", "intensity", "energy", "pue", "factor", "embodied", "api", "entry", "exit", "method", "correction")
"""What a change is made of. ``volume``: more or fewer units; ``intensity``: IT energy a unit; ``energy``: IT energy of what
counts no units in both quarters, so that the two cannot be told apart; ``pue`` and ``factor``: building and grid; ``embodied``
and ``api``: making and hosted models; ``entry`` and ``exit``: services with energy in one of the quarters only; ``method``:
measured another way, or within another boundary; ``correction``: the reference is not what was published of it."""

_Z95 = 1.96


@dataclass(frozen=True)
class Use:
    """What a service did in a quarter, in one way: serving, or making its models.

    ``units_micro`` None: not counted. ``method`` is all that must be equal for two quarters to be measured the same way.
    """

    units_micro: int | None
    energy_it_kwh: float
    energy_kwh: float
    micrograms: int  # of use
    method: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Account:
    """A service's CO2e of a quarter, in micrograms, by what it did; making and hosted models apart."""

    activities: Mapping[str, Use] = field(default_factory=dict)
    embodied_micrograms: int = 0
    api_micrograms: int = 0

    @property
    def micrograms(self) -> int:
        """All of it."""
        return sum(each.micrograms for each in self.activities.values()) + self.embodied_micrograms + self.api_micrograms


@dataclass(frozen=True)
class Explained:
    """The change of a service (None: of what is no service's), or of all. ``terms`` holds those that are not 0, and adds up.

    ``absorbed_gain``: "gain unitaire absorbé par le volume": a unit took less energy and the service took more; no claim that the
    one made the other. None: it cannot be said.
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


def decompose(reference: Mapping[str | None, Account], quarter: Mapping[str | None, Account]) -> tuple[Explained, ...]:
    """The change of each service, sorted by id; what is no service's comes first.

    Args:
        reference: By service, the quarter to compare with.
        quarter: By service, the quarter to be explained.
    """
    return tuple(
        _explain(service, reference.get(service), quarter.get(service))
        for service in sorted({*reference, *quarter}, key=lambda service: (service is not None, service or ""))
    )


def total(services: Iterable[Explained], published_micrograms: int | None = None) -> Explained:
    """The change of all.

    Args:
        services: Those that are added up.
        published_micrograms: What was published of the reference, where that is not what it is now: the change is counted
            from there, and the difference is the ``correction``.
    """
    parts = list(services)
    reference = sum(part.reference_micrograms for part in parts)
    published = reference if published_micrograms is None else published_micrograms
    terms = {name: sum(part.terms.get(name, 0) for part in parts) for name in TERMS} | {"correction": reference - published}
    return Explained(None, published, sum(part.quarter_micrograms for part in parts), _not_zero(terms))


def change_interval(quarter: Estimate, reference: Estimate) -> Interval | None:
    """The 95 % interval of the relative change C / C0 - 1; None where one of the two is 0.

    Where no calibration is known the published wall factor is taken in, in both quarters or in neither.
    """
    if not quarter.value or not reference.value:
        return None
    spread = _Z95 * math.sqrt(log_ratio_variance(quarter, reference))
    ratios = (quarter.value / reference.value, quarter.upper_mean / reference.upper_mean)
    return Interval(min(ratios) * math.exp(-spread) - 1, max(ratios) * math.exp(spread) - 1)


def log_ratio_variance(quarter: Estimate, reference: Estimate) -> float:
    """Var(ln C / C0), as in the module's formula. Both are above 0."""
    gsd = Estimate.total((quarter, reference)).gsd
    cells = [
        Cell(sign * cell.mean / estimate.value, cell.shared, f"{sign}\n{cell.own}")
        for sign, estimate in ((1, quarter), (-1, reference))
        for cell in estimate.cells
    ]
    return max(variance(cells, gsd, gsd["own"]), 0.0)  # all in common: 0, but for the last digit


def accounts(period: Period, names: Mapping[str, str], *, embodied: bool, api: bool) -> dict[str | None, Account]:
    """A quarter by service. What has no known energy is in no account.

    Args:
        period: The quarter, every energy of which has its CO2e.
        names: The name under which a service is compared, where that is another (``successors``).
        embodied: Whether making is known, in all of it.
        api: Whether hosted models are.
    """
    groups: dict[str | None, dict[str, list[Bearer]]] = {}
    for bearer in period.bearers(lambda _: True):
        service = None if bearer[0] is None else names.get(bearer[0], bearer[0])
        what = bearer[1] if service is None else "training" if bearer[1] in TRAINING_PHASES else "serving"
        groups.setdefault(service, {}).setdefault(what, []).append(bearer)
    found = {}
    for service, listed in groups.items():
        activities = {what: activity for what, bearers in listed.items() if (activity := _activity(period, bearers))}
        split = period.split([bearer for bearers in listed.values() for bearer in bearers])
        account = Account(
            activities, known_micrograms(split.embodied) if embodied else 0, known_micrograms(split.api) if api else 0
        )
        if activities or account.micrograms:
            found[service] = account
    return found


def successors(services: Iterable[Service]) -> dict[str, str]:
    """Old id to the id of the service that goes on under a new one (``succeeds``), where both count the same unit.

    Several that were merged into one all go on in it.
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


def _activity(period: Period, bearers: list[Bearer]) -> Use | None:
    energy, energy_it = period.energy(bearers).estimate, period.energy_it(bearers).estimate
    if energy is None or energy_it is None:
        return None
    strands = [strand for bearer in bearers for strand in period.strands.get(bearer, ())]
    units = [strand.units_micro for strand in strands if strand.kind == KIND_SPAN and strand.units_micro is not None]
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
        method.add("idle")  # energy that is set apart only where power at rest is known
    use = period.operational(bearers, period.impacts)
    return Use(sum(units) if units else None, energy_it.value, energy.value, known_micrograms(use), frozenset(method))


def known_micrograms(known: Known) -> int:
    """Micrograms of a part, in whole ones; zero where it is unknown."""
    return round(known.estimate.value * MICROGRAMS_PER_KG) if known.estimate else 0


def _explain(service: str | None, before: Account | None, now: Account | None) -> Explained:
    old, new = before or Account(), now or Account()
    terms: dict[str, int] = {}
    if service is not None and (before is None or now is None):
        terms = {"entry": new.micrograms, "exit": -old.micrograms}
    else:
        for what in sorted({*old.activities, *new.activities}):
            for name, part in _of_use(old.activities.get(what), new.activities.get(what)).items():
                terms[name] = terms.get(name, 0) + part
        terms["embodied"] = new.embodied_micrograms - old.embodied_micrograms
        terms["api"] = new.api_micrograms - old.api_micrograms
    absorbed = _absorbed(old.activities.get("serving"), new.activities.get("serving"))
    return Explained(service, old.micrograms, new.micrograms, _not_zero(terms), absorbed)


def _of_use(before: Use | None, now: Use | None) -> dict[str, int]:
    """The terms of one activity's CO2e of use."""
    if before is None or now is None:
        return {"energy": (now.micrograms if now else 0) - (before.micrograms if before else 0)}
    change = now.micrograms - before.micrograms
    if before.method != now.method:
        return {"method": change}
    if not before.micrograms or not now.micrograms:
        return {_nothing(before, now): change}
    mean = _logarithmic_mean(now.micrograms, before.micrograms)
    old, new = _logarithms(before, now), _logarithms(now, before)
    exact = {name: mean * (new[name] - old[name]) for name in new}
    terms = {name: round(term) for name, term in exact.items()}
    largest = max(exact, key=lambda name: abs(exact[name]))
    terms[largest] += change - sum(terms.values())  # less than a few micrograms of rounding
    return terms


def _nothing(before: Use, now: Use) -> str:
    """The term that a change from or to nothing is: of what there was none."""
    nothing, something = (now, before) if before.micrograms else (before, now)
    if nothing.energy_kwh * something.micrograms >= something.energy_kwh:
        return "factor"  # at the other's factor there would be a microgram at least
    if before.units_micro is None or now.units_micro is None:
        return "energy"
    return "intensity" if nothing.units_micro else "volume"


def _logarithms(one: Use, other: Use) -> dict[str, float]:
    """Ln of each factor of ``one``; units are a factor where both count some."""
    energy_it, energy = math.log(one.energy_it_kwh), math.log(one.energy_kwh)
    rest = {"pue": energy - energy_it, "factor": math.log(one.micrograms) - energy}
    if not one.units_micro or not other.units_micro:
        return {"energy": energy_it, **rest}
    units = math.log(one.units_micro)
    return {"volume": units, "intensity": energy_it - units, **rest}


def _logarithmic_mean(one: int, other: int) -> float:
    if one == other:
        return float(one)
    high, low = max(one, other), min(one, other)
    ratio = (high - low) / low
    return (high - low) / math.log1p(ratio)


def _absorbed(before: Use | None, now: Use | None) -> bool | None:
    if before is None or now is None or before.method != now.method or not before.units_micro or not now.units_micro:
        return None
    less_a_unit = now.energy_it_kwh * before.units_micro < before.energy_it_kwh * now.units_micro
    return less_a_unit and now.energy_it_kwh > before.energy_it_kwh


def _not_zero(terms: Mapping[str, int]) -> dict[str, int]:
    return {name: terms[name] for name in TERMS if terms.get(name)}
