"""The impact of a period by bearer: use, making, hosted models, water; and the ratios drawn from them.

    co2e              = co2e_operational + co2e_embodied + co2e_api
    sci               = (O + M of serving + training x R / lifetime units) / R
    sci_consumer      = C of serving / R
    sci_provider      = C of the provider's phases / R as the register declares it
    training_intensity        = co2e of training / R'
    co2e_per_accepted_outcome = co2e / accepted outcomes
    idle_rate         = idle energy / all energy
    waste_rate        = energy of failed or abandoned training runs / energy of training
    precision         = share of co2e by class

Parts are sums of cells, so a sum of parts keeps the errors that they share (see ``uncertainty``). Add up first, divide last.
An unknown part makes the whole unknown: a known fraction is never presented as the sum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING

from ecoia.catalogue.error_widths import GSD
from ecoia.impact.assessment import Assessment, Impact
from ecoia.impact.embodied import MICROGRAMS_PER_KG, EmbodiedShare, embodied_shares, without_equipment
from ecoia.impact.hosted import ESTIMATED, UNMEASURED, TokenUse, token_uses
from ecoia.impact.hosted_estimates import asking
from ecoia.impact.ledger_sums import Bearer, LedgerSums, Strand
from ecoia.impact.parameters import AssessmentParameters
from ecoia.impact.uncertainty import Cell, Estimate

if TYPE_CHECKING:  # importing the catalogue costs pydantic
    from ecoia.catalogue import Equipment

_NOTHING = Estimate((), GSD, 0.0)


@dataclass(frozen=True)
class EstimateOrReason:
    """An estimate, or a code for the reason why there is none. It has both where there was nothing to count.

    Example:
        >>> EstimateOrReason.total([EstimateOrReason(_NOTHING), EstimateOrReason(None, "no-zone")]).reason
        'no-zone'
    """

    estimate: Estimate | None
    reason: str | None = None

    @staticmethod
    def total(parts: Iterable[EstimateOrReason]) -> EstimateOrReason:
        """Add parts up. If one is unknown, so is the sum, for the reason of the first unknown part."""
        estimates, reasons = [], []
        for part in parts:
            if part.estimate is None:
                return part
            estimates.append(part.estimate)
            reasons.append(part.reason)
        empty = next((reason for reason in reasons if reason), "no-data") if all(reasons) else None
        return EstimateOrReason(Estimate.total(estimates), empty)

    def scaled(self, factor: float) -> EstimateOrReason:
        """Multiply by a number without error; an unknown stays as it is."""
        return self if self.estimate is None else EstimateOrReason(self.estimate.scaled(factor), self.reason)


@dataclass(frozen=True)
class Split:
    """CO2e in kg, split into use, making of equipment, and hosted models."""

    operational: EstimateOrReason
    embodied: EstimateOrReason
    api: EstimateOrReason

    @property
    def total(self) -> EstimateOrReason:
        """The sum, with the errors that its parts share."""
        return EstimateOrReason.total((self.operational, self.embodied, self.api))


@dataclass(frozen=True)
class KnownPart:
    """The known amount of one part of the CO2e, in kg, and the reason (a code) why there may be more of it.

    Attributes:
        estimate: What is known. None: nothing.
        lacking: Why something is not known. None: all of it is known, or there was nothing to count.
    """

    estimate: Estimate | None
    lacking: str | None = None


class BearerImpacts:
    """The impact of bearers, found once for each: the impact of any group of bearers is then a sum.

    Args:
        assessment: Their energy, assessed.
        embodied: Shares of the making of equipment.
        uses: Uses of hosted models.
        undescribed: By bearer, its instances with energy whose machine is not described.
        parameters: Parameters of the assessment.
        unknown: Why a part of the CO2e (``embodied``, ``api``) is known of no bearer (a code), by part.
    """

    def __init__(
        self,
        assessment: Assessment,
        embodied: Iterable[EmbodiedShare],
        uses: Iterable[TokenUse],
        undescribed: Mapping[Bearer, set[str]],
        *,
        parameters: AssessmentParameters,
        unknown: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.assessment = assessment
        self.impacts = assessment.by_bearer
        self.embodied = list(embodied)
        self.uses = list(uses)
        self._undescribed, self._gsd, self._unknown = undescribed, parameters.gsd, unknown
        self._splits: dict[frozenset[Bearer], Split] = {}
        self._micrograms: dict[Bearer, int] = {}
        for share in self.embodied:
            self._micrograms[share.bearer] = self._micrograms.get(share.bearer, 0) + share.micrograms
        self._bearers = sorted({*assessment.bearers, *self._micrograms}, key=_order)

    @cached_property
    def whole(self) -> Impact:
        """The impact of use of all bearers together."""
        return self.assessment.impact()

    def bearers(self, keep: Callable[[Bearer], bool]) -> list[Bearer]:
        """Return the bearers for which ``keep`` holds, sorted; also those that bear equipment only."""
        return [bearer for bearer in self._bearers if keep(bearer)]

    def split(self, bearers: Sequence[Bearer]) -> Split:
        """Return the CO2e of some bearers."""
        same = frozenset(bearers)
        if same not in self._splits:
            self._splits[same] = Split(self.operational(bearers, self.impacts), self._embodied(bearers), self._api(bearers))
        return self._splits[same]

    def known_parts(self, bearers: Sequence[Bearer]) -> dict[str, KnownPart]:
        """Return what is known of each part of some bearers' CO2e, by the id of its indicator.

        Where ``split`` gives a reason, because some energy, machine or call is not known, this gives the rest of it too.
        """
        split = self.split(bearers)
        used = [self.impacts[bearer].operational for bearer in bearers if bearer in self.impacts]
        made = [self._embodied_of(bearer) for bearer in bearers if self._micrograms.get(bearer)]
        estimated = [use for use in self._uses_of(bearers) if use.standing == ESTIMATED]
        api = _known_part(split.api, [hosted_co2e([use], self._gsd) for use in estimated])
        if api.lacking is None and any(use.is_lower_bound for use in estimated):
            api = replace(api, lacking="requests-uncounted")
        return {
            "co2e_operational": _known_part(split.operational, [each for each in used if each is not None]),
            "co2e_embodied": _known_part(split.embodied, made),
            "co2e_api": api,
        }

    def operational(self, bearers: Sequence[Bearer], impacts: Mapping[Bearer, Impact]) -> EstimateOrReason:
        """Return the CO2e of use of some bearers in kg.

        Args:
            bearers: Bearers.
            impacts: Their impacts: this period's ``impacts``, or those of ``under`` other parameters.
        """
        return self._sum(bearers, impacts, lambda impact: impact.operational, lambda impact: impact.reason)

    def energy_components(self, bearers: Sequence[Bearer]) -> EstimateOrReason:
        """Return the energy of components in kWh, before any factor."""
        return self._sum(bearers, self.impacts, lambda impact: impact.energy_components, lambda impact: impact.reason)

    def energy_it(self, bearers: Sequence[Bearer]) -> EstimateOrReason:
        """Return the energy at the wall in kWh, before the building."""
        return self._sum(bearers, self.impacts, lambda impact: impact.energy_it, lambda impact: impact.reason)

    def energy(self, bearers: Sequence[Bearer]) -> EstimateOrReason:
        """Return the energy at the wall in kWh, with the building where its PUE is known."""
        return self._sum(bearers, self.impacts, lambda impact: impact.energy, lambda impact: impact.reason)

    def water(self, bearers: Sequence[Bearer], *, direct: bool) -> EstimateOrReason:
        """Return the litres consumed on site (``direct``), or upstream by the electricity."""
        code = "no-wue" if direct else "no-water-factor"
        return self._sum(
            bearers, self.impacts, lambda impact: impact.water_direct if direct else impact.water_indirect, lambda _: code
        )

    def energy_microjoules(self, bearers: Iterable[Bearer]) -> int:
        """Return the exact energy of components."""
        return sum(self.impacts[bearer].energy_components_microjoules for bearer in bearers if bearer in self.impacts)

    def precision(self) -> dict[str, float]:
        """Return the share of the known CO2e by precision class, "1" to "4"; empty where no CO2e is known.

        Classes are never averaged.
        """
        parts = [impact.operational for impact in self.impacts.values()]
        parts += [self._embodied_of(bearer) for bearer in self.bearers(lambda _: True)]
        parts += [hosted_co2e([use], self._gsd) for use in self.uses if use.standing == ESTIMATED]
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
    ) -> EstimateOrReason:
        parts = []
        for bearer in bearers:
            if bearer not in impacts:
                continue  # it bears equipment only
            impact = impacts[bearer]
            estimate = take(impact)
            if estimate is not None:
                parts.append(EstimateOrReason(estimate))
            elif impact.energy_kwh is not None:
                parts.append(EstimateOrReason(None, why(impact)))
        # Rows without energy (a count, an unread counter) add nothing to rows with energy; by themselves they are not measured.
        return EstimateOrReason.total(parts) if parts else EstimateOrReason(None, "not-measured" if bearers else "no-data")

    def _embodied_of(self, bearer: Bearer) -> Estimate:
        gsd = self._gsd
        micrograms = self._micrograms.get(bearer, 0)
        return _one(micrograms / MICROGRAMS_PER_KG, "embodied", gsd["embodied"], f"{bearer[0]}\n{bearer[1]}\nembodied", gsd)

    def _embodied(self, bearers: Sequence[Bearer]) -> EstimateOrReason:
        if not bearers:
            return EstimateOrReason(None, "no-data")
        if "embodied" in self._unknown:
            return EstimateOrReason(None, self._unknown["embodied"])
        if any(self._undescribed.get(bearer) for bearer in bearers):
            return EstimateOrReason(None, "equipment-incomplete")
        if not any(bearer in self._micrograms or self._has_energy(bearer) for bearer in bearers):
            return EstimateOrReason(None, "not-measured")  # making is shared by energy, so without energy the share is not known
        return EstimateOrReason(Estimate.total(self._embodied_of(bearer) for bearer in bearers))

    def _api(self, bearers: Sequence[Bearer]) -> EstimateOrReason:
        if "api" in self._unknown:
            return EstimateOrReason(None, self._unknown["api"])
        uses = self._uses_of(bearers)
        if any(use.standing == UNMEASURED for use in uses):
            return EstimateOrReason(None, "calls-unmeasured")
        estimated = [use for use in uses if use.standing == ESTIMATED]
        return EstimateOrReason(hosted_co2e(estimated, self._gsd)) if estimated else EstimateOrReason(_NOTHING, "no-calls")

    def _uses_of(self, bearers: Iterable[Bearer]) -> list[TokenUse]:
        wanted = set(bearers)
        return [use for use in self.uses if use.bearer in wanted]

    def _has_energy(self, bearer: Bearer) -> bool:
        return bearer in self.impacts and self.impacts[bearer].energy_kwh is not None


class PeriodImpact(BearerImpacts):
    """The impact of a period by bearer.

    Args:
        sums: Ledger rows of the period, summed up.
        start_ns: First instant of the period, UTC nanoseconds.
        end_ns: First instant after it, or after the last record of a period that is not over.
        parameters: Parameters of the assessment.
        equipment: Equipment that the services run on.

    Example:
        >>> from ecoia.factors import default_factors
        >>> empty = PeriodImpact(LedgerSums(), 0, 1, parameters=AssessmentParameters(default_factors()), equipment=())
        >>> empty.split([]).total.reason
        'no-data'
    """

    def __init__(
        self, sums: LedgerSums, start_ns: int, end_ns: int, *, parameters: AssessmentParameters, equipment: Sequence[Equipment]
    ) -> None:
        self.sums = sums
        self._bounds, self._equipment, self._parameters = (start_ns, end_ns), equipment, parameters
        self.strands: dict[Bearer, list[Strand]] = {}
        for strand in sums.strands:
            self.strands.setdefault(strand.bearer, []).append(strand)
        super().__init__(
            Assessment.of(sums, parameters),
            embodied_shares(sums.strands, equipment, start_ns, end_ns, parameters.timezone),
            token_uses(sums.token_rows, ask=asking(parameters.hosted_factors)),
            self.without_equipment,
            parameters=parameters,
            unknown={} if equipment else {"embodied": "no-equipment"},
        )

    @cached_property
    def instances_without_equipment(self) -> tuple[str, ...]:
        """Instances with energy whose machine is not described, sorted."""
        return tuple(sorted(set().union(*self.without_equipment.values())))

    @cached_property
    def without_equipment(self) -> dict[Bearer, set[str]]:
        """By bearer, its instances with energy whose machine is not described."""
        return {
            bearer: without_equipment(strands, self._equipment, *self._bounds, self._parameters.timezone)
            for bearer, strands in self.strands.items()
        }

    def under(self, parameters: AssessmentParameters) -> Assessment:
        """Assess the same energy with other parameters."""
        return Assessment.of(self.sums, parameters)


def _known_part(whole: EstimateOrReason, known: Sequence[Estimate]) -> KnownPart:
    """Return the whole of a part where it is known, else the sum of what is."""
    if whole.estimate is not None:
        return KnownPart(whole.estimate if whole.reason is None else None)
    return KnownPart(Estimate.total(known) if known else None, whole.reason or "no-data")


def sci(
    serving: EstimateOrReason, units: float | None, training: EstimateOrReason | None, lifetime_units: float | None
) -> tuple[EstimateOrReason, EstimateOrReason]:
    """Compute the CO2e of serving a unit, with the training amortised over the model's life, in gCO2e per functional unit.

    It is a Software Carbon Intensity (ISO/IEC 21031) of our own, and neither of the two scores of SCI for AI.

    Args:
        serving: O + M of serving in kgCO2e, hosted models included.
        units: R, functional units delivered in the period.
        training: CO2e in kg of training the model in service. None: no training was ever recorded.
        lifetime_units: Functional units that the model is declared to deliver before it is replaced.

    Returns:
        The SCI, and the part of it that is amortised training.

    Example:
        >>> one = EstimateOrReason(Estimate((Cell(2.0, frozenset(), "a"),), GSD, 2.0))  # 2 kg
        >>> whole, training = sci(one, 100, one, 1000)
        >>> whole.estimate.value, training.estimate.value
        (22.0, 2.0)
    """
    if not units:
        return EstimateOrReason(None, "no-units"), EstimateOrReason(None, "no-units")
    if training is None:
        return serving.scaled(1000 / units), EstimateOrReason(_NOTHING, "no-training")
    if lifetime_units is None:
        return EstimateOrReason(None, "no-lifetime"), EstimateOrReason(None, "no-lifetime")
    amortised = training.scaled(units / lifetime_units)
    return EstimateOrReason.total((serving, amortised)).scaled(1000 / units), amortised.scaled(1000 / units)


def intensity(co2e: EstimateOrReason, count: float | None, reason: str) -> EstimateOrReason:
    """Divide CO2e by a count.

    Args:
        co2e: CO2e in kg.
        count: The divisor. None or 0: there is no count.
        reason: Why the intensity is unknown where there is no count.

    Returns:
        GCO2e per unit counted.

    Example:
        >>> intensity(EstimateOrReason(_NOTHING), 0, "no-units").reason
        'no-units'
    """
    return co2e.scaled(1000 / count) if count else EstimateOrReason(None, reason)


def hosted_co2e(uses: Iterable[TokenUse], gsd: Mapping[str, float]) -> Estimate:
    """Add up the CO2e of calls to hosted models, in kg. All calls to one model share its error.

    The upper bound takes in what a published analysis finds (``hosted_estimates.PUBLISHED_ABOVE``).
    """
    parts = []
    for use in uses:
        if use.hypotheses is None or use.central_kg is None or use.greatest_kg is None:
            continue
        spread = gsd["api-open" if use.hypotheses.architecture_published else "api-closed"]
        owner = f"{use.bearer[0]}\n{use.bearer[1]}\napi"
        one = _one(use.central_kg, f"api:{use.provider}:{use.model}", spread, owner, gsd)
        parts.append(replace(one, upper_mean=use.greatest_kg))
    return Estimate.total(parts)


def _one(value: float, error: str, spread: float, owner: str, gsd: Mapping[str, float]) -> Estimate:
    """Return an estimate of one cell."""
    return Estimate((Cell(value, frozenset({error}), owner),), {**gsd, error: spread}, value)


def _order(bearer: Bearer) -> tuple[str, str]:
    return bearer[0] or "", bearer[1]
