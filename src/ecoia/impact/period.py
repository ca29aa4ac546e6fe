"""Every part of the impact of a period, by who bears it: use, making, hosted models, water; and the ratios drawn from them.

    co2e              = co2e_operational + co2e_embodied + co2e_api
    sci               = (O + M of inference + training x R / lifetime units) / R
    training_intensity        = co2e of training / R'
    co2e_per_accepted_outcome = co2e / accepted outcomes
    idle_rate         = idle energy / all energy
    waste_rate        = energy of failed or abandoned training runs / energy of training
    precision         = share of co2e by class

Parts are sums of cells, so a sum of parts shares their errors (see ``assessment``). Sums come first, ratios last. A part that
is not known makes the whole unknown: what is known of it is never presented as the sum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ecoia.catalogue.uncertainty import GSD
from ecoia.impact.activity import Activity, Bearer, Strand
from ecoia.impact.assessment import Assessment, Cell, Estimate, Impact, Knowledge
from ecoia.impact.embodied import MICROGRAMS_PER_KG, Part, embodied_parts, without_equipment
from ecoia.impact.hosted import ESTIMATED, UNMEASURED, TokenUse, token_uses
from ecoia.semconv import PHASES

if TYPE_CHECKING:  # importing the catalogue costs pydantic
    from ecoia.catalogue import Equipment

TRAINING_PHASES = frozenset(PHASES) - {"inference"}
"""Phases that make a model. Everything else of a service, its reserved idle included, is inference: serving it."""

_NOTHING = Estimate((), GSD, 0.0)


@dataclass(frozen=True)
class Known:
    """An estimate, or the reason (a code) why there is none; both where nothing was there to be counted."""

    estimate: Estimate | None
    reason: str | None = None

    @staticmethod
    def total(parts: Iterable[Known]) -> Known:
        """The sum; unknown as soon as a part is, for the first reason."""
        estimates, reasons = [], []
        for part in parts:
            if part.estimate is None:
                return part
            estimates.append(part.estimate)
            reasons.append(part.reason)
        empty = next((reason for reason in reasons if reason), "no-data") if all(reasons) else None
        return Known(Estimate.total(estimates), empty)

    def scaled(self, factor: float) -> Known:
        """The same, times a number."""
        return self if self.estimate is None else Known(self.estimate.scaled(factor), self.reason)


@dataclass(frozen=True)
class Split:
    """CO2e in kg, by where it comes from."""

    operational: Known
    embodied: Known
    api: Known

    @property
    def total(self) -> Known:
        """The sum, with the errors that its parts share."""
        return Known.total((self.operational, self.embodied, self.api))


class Period:
    """What a period's activity amounts to, found once by bearer: any group of bearers is then a sum.

    Args:
        activity: What was done in the period.
        start_ns: First instant of the period, UTC nanoseconds.
        end_ns: First instant after it, or after the last record of one that is not over.
        known: What energy is assessed with.
        equipment: What the services run on.
    """

    def __init__(
        self, activity: Activity, start_ns: int, end_ns: int, *, known: Knowledge, equipment: Sequence[Equipment]
    ) -> None:
        self.activity = activity
        self._bounds, self._equipment, self._known = (start_ns, end_ns), equipment, known
        self.assessment = Assessment(activity.strands, known)
        self.impacts = self.assessment.by_bearer
        self.strands: dict[Bearer, list[Strand]] = {}
        for strand in activity.strands:
            self.strands.setdefault(strand.bearer, []).append(strand)
        self.embodied: list[Part] = embodied_parts(activity.strands, equipment, start_ns, end_ns, known.timezone)
        self.uses: list[TokenUse] = token_uses(activity.token_rows)
        self._micrograms: dict[Bearer, int] = {}
        for part in self.embodied:
            self._micrograms[part.bearer] = self._micrograms.get(part.bearer, 0) + part.micrograms
        self._bearers = sorted({*self.strands, *self._micrograms}, key=_order)

    @cached_property
    def whole(self) -> Impact:
        """The impact of all of it."""
        return self.assessment.impact()

    @cached_property
    def instances_without_equipment(self) -> tuple[str, ...]:
        """Instances with energy whose machine is not described, sorted."""
        return tuple(sorted(set().union(*self._without_equipment.values())))

    @cached_property
    def _without_equipment(self) -> dict[Bearer, set[str]]:
        return {
            bearer: without_equipment(strands, self._equipment, *self._bounds, self._known.timezone)
            for bearer, strands in self.strands.items()
        }

    def bearers(self, keep: Callable[[Bearer], bool]) -> list[Bearer]:
        """Those of the period that ``keep`` holds for, those of embodied parts alone included."""
        return [bearer for bearer in self._bearers if keep(bearer)]

    def split(self, bearers: Sequence[Bearer]) -> Split:
        """Use, making and hosted models of some bearers."""
        return Split(self.operational(bearers, self.impacts), self._embodied(bearers), self._api(bearers))

    def operational(self, bearers: Sequence[Bearer], impacts: Mapping[Bearer, Impact]) -> Known:
        """CO2e of use, by the impacts given: this period's, or those under other factors."""
        return self._sum(bearers, impacts, lambda impact: impact.operational, lambda impact: impact.reason)

    def under(self, known: Knowledge) -> Assessment:
        """The same activity, assessed with something else."""
        return Assessment(self.activity.strands, known)

    def energy_components(self, bearers: Sequence[Bearer]) -> Known:
        """Energy of components, before any factor, in kWh."""
        return self._sum(bearers, self.impacts, lambda impact: impact.energy_components, lambda impact: impact.reason)

    def energy_it(self, bearers: Sequence[Bearer]) -> Known:
        """Energy at the wall, before the building, in kWh."""
        return self._sum(bearers, self.impacts, lambda impact: impact.energy_it, lambda impact: impact.reason)

    def energy(self, bearers: Sequence[Bearer]) -> Known:
        """Energy at the wall, with the building where known, in kWh."""
        return self._sum(bearers, self.impacts, lambda impact: impact.energy, lambda impact: impact.reason)

    def water(self, bearers: Sequence[Bearer], *, direct: bool) -> Known:
        """Litres consumed on site, or upstream by the electricity."""
        code = "no-wue" if direct else "no-water-factor"
        return self._sum(
            bearers, self.impacts, lambda impact: impact.water_direct if direct else impact.water_indirect, lambda _: code
        )

    def energy_microjoules(self, bearers: Iterable[Bearer]) -> int:
        """Exact energy of components."""
        return sum(self.impacts[bearer].energy_components_microjoules for bearer in bearers if bearer in self.impacts)

    def precision(self) -> dict[str, float]:
        """Share of the known co2e by precision class, "1" to "4". Classes are never averaged; empty where nothing is known."""
        parts = [impact.operational for impact in self.impacts.values()]
        parts += [self._made(bearer) for bearer in self.bearers(lambda _: True)]
        parts += [_hosted([use], self._known.gsd) for use in self.uses if use.standing == ESTIMATED]
        sums: dict[str, float] = {}
        for part in parts:
            if part is not None and part.precision_class is not None:
                sums[str(part.precision_class)] = sums.get(str(part.precision_class), 0.0) + part.value
        whole = sum(sums[name] for name in sorted(sums))
        return {name: sums[name] / whole for name in sorted(sums)}

    def _sum(
        self,
        bearers: Sequence[Bearer],
        impacts: Mapping[Bearer, Impact],
        take: Callable[[Impact], Estimate | None],
        why: Callable[[Impact], str | None],
    ) -> Known:
        parts = []
        for bearer in bearers:
            if bearer not in impacts:
                continue  # embodied alone: nothing was used
            impact = impacts[bearer]
            estimate = take(impact)
            if estimate is not None:
                parts.append(Known(estimate))
            elif impact.energy_kwh is not None:
                parts.append(Known(None, why(impact)))
        # Rows without any energy (a count, an unread counter) add nothing to rows that have some; alone they are not measured.
        return Known.total(parts) if parts else Known(None, "not-measured" if bearers else "no-data")

    def _made(self, bearer: Bearer) -> Estimate:
        gsd = self._known.gsd
        micrograms = self._micrograms.get(bearer, 0)
        return _one(micrograms / MICROGRAMS_PER_KG, "embodied", gsd["embodied"], f"{bearer[0]}\n{bearer[1]}\nembodied", gsd)

    def _embodied(self, bearers: Sequence[Bearer]) -> Known:
        if not bearers:
            return Known(None, "no-data")
        if not self._equipment:
            return Known(None, "no-equipment")
        if any(self._without_equipment.get(bearer) for bearer in bearers):
            return Known(None, "equipment-incomplete")
        return Known(Estimate.total(self._made(bearer) for bearer in bearers))

    def _api(self, bearers: Sequence[Bearer]) -> Known:
        wanted = set(bearers)
        uses = [use for use in self.uses if use.bearer in wanted]
        if any(use.standing == UNMEASURED for use in uses):
            return Known(None, "calls-unmeasured")
        estimated = [use for use in uses if use.standing == ESTIMATED]
        return Known(_hosted(estimated, self._known.gsd)) if estimated else Known(_NOTHING, "no-calls")


def sci(serving: Known, units: float | None, training: Known | None, lifetime_units: float | None) -> tuple[Known, Known]:
    """The SCI in gCO2e per functional unit, and the part of it that is training amortised.

    Args:
        serving: O + M of inference, in kgCO2e (hosted models included).
        units: R, functional units delivered in the period.
        training: CO2e in kg of the training of the model in service. None: none was ever recorded.
        lifetime_units: Functional units that the model delivers before it is replaced, as declared.
    """
    if not units:
        return Known(None, "no-units"), Known(None, "no-units")
    if training is None:
        return serving.scaled(1000 / units), Known(_NOTHING, "no-training")
    if lifetime_units is None:
        return Known(None, "no-lifetime"), Known(None, "no-lifetime")
    amortised = training.scaled(units / lifetime_units)
    return Known.total((serving, amortised)).scaled(1000 / units), amortised.scaled(1000 / units)


def intensity(co2e: Known, count: float | None, reason: str) -> Known:
    """GCO2e per unit of something counted; unknown for ``reason`` where there is none of it."""
    return co2e.scaled(1000 / count) if count else Known(None, reason)


def _hosted(uses: Iterable[TokenUse], gsd: Mapping[str, float]) -> Estimate:
    """The sum of some estimates: the model's error is shared by all who call it."""
    parts = []
    for use in uses:
        if use.hypotheses is None or use.central_kg is None:
            continue
        spread = gsd["api-open" if use.hypotheses.architecture_published else "api-closed"]
        owner = f"{use.bearer[0]}\n{use.bearer[1]}\napi"
        parts.append(_one(use.central_kg, f"api:{use.provider}:{use.model}", spread, owner, gsd))
    return Estimate.total(parts)


def _one(value: float, error: str, spread: float, owner: str, gsd: Mapping[str, float]) -> Estimate:
    """A sum of one cell."""
    return Estimate((Cell(value, frozenset({error}), owner),), {**gsd, error: spread}, value)


def _order(bearer: Bearer) -> tuple[str, str]:
    return bearer[0] or "", bearer[1]
