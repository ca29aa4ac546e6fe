"""A published quarter computed again today, and the bridge from the published figures, cause by cause.

Start from the published figures and replace one thing after the other by what it is now:

    method       the rules: this version of ecoia, on everything as it was published
    correction   the records: corrected, late, or refused since
    boundary     what is counted: sites and PUE, calibrations, equipment, services
    factor       the emission factors

The difference that a step makes is the amount of its cause. Amounts are whole micrograms, so the causes add up exactly to the
change (GHG Protocol, base-year recalculation; BEGES, "recalcul de l'année de référence"). Organic growth is no cause: the
quarter is the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from ecoia.factors import FactorSet
from ecoia.impact.doublecounting import refuse_doubles
from ecoia.impact.embodied import MICROGRAMS_PER_KG
from ecoia.impact.inputs import Inputs
from ecoia.impact.ledger_sums import Bearer, LedgerSums, by_quarter
from ecoia.impact.parameters import AssessmentParameters
from ecoia.impact.period_impact import PeriodImpact
from ecoia.periods import Quarter
from ecoia.settings import Surroundings

if TYPE_CHECKING:  # importing the catalogue costs pydantic
    from ecoia.catalogue import Catalogue

CAUSES = ("method", "correction", "boundary", "factor")
PARTS = ("co2e_operational", "co2e_embodied", "co2e_api")

Level = dict[str | None, dict[str, int]]
"""Micrograms by service (None: borne by no service) and part of the CO2e. An unknown part is left out."""


@dataclass(frozen=True)
class Restatement:
    """CO2e of a service, or of all, as published and as recalculated.

    Attributes:
        service: The service. None: no service, or all of them.
        published_micrograms: CO2e as published.
        recalculated_micrograms: CO2e as it is today.
        causes: Amount of each cause that is not 0; they add up to the difference.
    """

    service: str | None
    published_micrograms: int
    recalculated_micrograms: int
    causes: Mapping[str, int] = field(default_factory=dict)

    @property
    def micrograms(self) -> int:
        """The difference."""
        return self.recalculated_micrograms - self.published_micrograms


@dataclass(frozen=True)
class Recalculation:
    """A published quarter, computed again.

    Attributes:
        quarter: The quarter.
        parts: Parts of the CO2e known both then and now. Micrograms count only these.
        parts_added: Parts known only now.
        parts_lost: Parts known only then.
        total: All services together.
        services: Each service with any CO2e.
        energy_published_microjoules: Energy of components as published.
        energy_recalculated_microjoules: Energy of components as it is today.
        relative: The difference over the published CO2e; None where that is 0.
        threshold: Relative difference from which a quarter is restated.
        needed: Whether the difference exceeds the threshold, either way.
        factor_set_published: Id of the factor set in use at publication.
        factor_set: Id of the factor set in use today.
    """

    quarter: str
    parts: tuple[str, ...]
    parts_added: tuple[str, ...]
    parts_lost: tuple[str, ...]
    total: Restatement
    services: tuple[Restatement, ...]
    energy_published_microjoules: int
    energy_recalculated_microjoules: int
    relative: float | None
    threshold: float
    needed: bool
    factor_set_published: str | None
    factor_set: str

    @property
    def changes_nothing(self) -> bool:
        """Whether the quarter still is as it was published."""
        same_energy = self.energy_published_microjoules == self.energy_recalculated_microjoules
        return same_energy and not (any(each.causes for each in self.services) or self.parts_added or self.parts_lost)

    def to_json(self) -> str:
        """Return indented JSON with sorted keys."""
        return json.dumps(asdict(self), ensure_ascii=False, allow_nan=False, indent=2, sort_keys=True) + "\n"

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Recalculation:
        """Build from parsed JSON that ``to_json`` wrote."""
        return cls(
            **{
                **data,
                **{name: tuple(data[name]) for name in ("parts", "parts_added", "parts_lost")},
                "total": Restatement(**data["total"]),
                "services": tuple(Restatement(**each) for each in data["services"]),
            }
        )


class RowsByQuarter:
    """Ledger rows without doubles, summed up once by quarter, to be assessed as often as needed.

    Args:
        inputs: Inputs whose rows to read.
        timezone: IANA name of the time zone in which quarters begin.
    """

    def __init__(self, inputs: Inputs, timezone: str) -> None:
        self.timezone = ZoneInfo(timezone)
        self._by_quarter = by_quarter(refuse_doubles([*inputs.rows])[0], self.timezone)

    def of(self, quarter: Quarter) -> LedgerSums:
        """Return the sums of a quarter; empty where no row is of that quarter."""
        return self._by_quarter.get(quarter) or LedgerSums()


def recalculate(
    published: Mapping[str, Any],
    frozen: Inputs,
    now: Inputs,
    *,
    recorded: tuple[RowsByQuarter, RowsByQuarter] | None = None,
) -> Recalculation:
    """Compute a published quarter again, with the bridge from the published figures.

    Args:
        published: Data of its report as published (``QuarterlyReport.to_json``).
        frozen: Inputs that the report was computed from.
        now: Inputs of today. Quarters still begin in the time zone of ``frozen``: they do not move.
        recorded: Rows of ``frozen`` and ``now`` that were already read, to recalculate several quarters from. None: read them.

    Example:
        ``recalculate(json.loads(report.to_json()), frozen, under(frozen, other_factors)).total.causes`` gives the change
        that other emission factors make, as ``{"factor": ...}``.
    """
    quarter = Quarter.parse(published["quarter"])
    timezone = frozen.settings.timezone
    then, today = recorded or (RowsByQuarter(frozen, timezone), RowsByQuarter(now, timezone))
    levels = {"published": published_level(published), **_levels_by_cause(quarter, frozen, now, then, today)}
    known = {step: _parts(level) for step, level in levels.items()}
    parts = [part for part in PARTS if all(part in each for each in known.values())]
    services = _services(levels, parts)
    total = _total(services)
    relative = total.micrograms / total.published_micrograms if total.published_micrograms else None
    threshold = now.catalogue.targets.recalculation.threshold
    return Recalculation(
        quarter=str(quarter),
        parts=tuple(parts),
        parts_added=tuple(part for part in PARTS if part in known["factor"] and part not in known["published"]),
        parts_lost=tuple(part for part in PARTS if part in known["published"] and part not in parts),
        total=total,
        services=tuple(each for each in services if each.published_micrograms or each.recalculated_micrograms),
        energy_published_microjoules=published["totals"]["energy_components_microjoules"],
        energy_recalculated_microjoules=sum(
            energy or 0 for strand in today.of(quarter).strands for energy in strand.known_microjoules
        ),
        relative=relative,
        threshold=threshold,
        needed=relative is not None and abs(relative) > threshold,
        factor_set_published=(published["factor_set"] or {}).get("id"),
        factor_set=now.factors.id,
    )


def _levels_by_cause(
    quarter: Quarter, frozen: Inputs, now: Inputs, then: RowsByQuarter, today: RowsByQuarter
) -> dict[str, Level]:
    """Return the level after each step of the bridge. A step that replaces nothing has the level of the step before it."""
    older = _covering(frozen.factors, now, today.of(quarter))
    steps = {
        "method": (then, frozen.catalogue, frozen.factors, frozen.settings),
        "correction": (today, frozen.catalogue, older, frozen.settings),
        "boundary": (today, now.catalogue, older, now.settings),
        "factor": (today, now.catalogue, now.factors, now.settings),
    }
    levels: dict[str, Level] = {}
    computed: dict[tuple[int, ...], Level] = {}
    for cause, step in steps.items():
        key = tuple(map(id, step))
        if key not in computed:
            computed[key] = _level(quarter, *step)
        levels[cause] = computed[key]
    return levels


def _services(levels: Mapping[str, Level], parts: Sequence[str]) -> tuple[Restatement, ...]:
    """Return the restatement of each service, sorted by id; what no service bears comes first."""
    names = sorted({service for level in levels.values() for service in level}, key=lambda name: (name is not None, name or ""))
    return tuple(_restated(name, [level.get(name, {}) for level in levels.values()], parts) for name in names)


def _total(services: Sequence[Restatement]) -> Restatement:
    return Restatement(
        None,
        sum(each.published_micrograms for each in services),
        sum(each.recalculated_micrograms for each in services),
        _not_zero({cause: sum(each.causes.get(cause, 0) for each in services) for cause in CAUSES}),
    )


def under(frozen: Inputs, factors: FactorSet) -> Inputs:
    """Return the same inputs with other emission factors, to see what they alone would have changed.

    Example:
        ``recalculate(published, frozen, under(frozen, factors))`` gives the change that other emission factors make.
    """
    return replace(frozen, factors=factors)


def published_micrograms(report: Mapping[str, Any]) -> dict[str, int]:
    """Return the CO2e of all services together that a report published, by known part."""
    return _figures(report["footprint"])


def published_level(report: Mapping[str, Any]) -> Level:
    """Return the CO2e of each service that a report published, by known part, and of what no service bears."""
    level: Level = {each["service"]: _figures(each["footprint"]) for each in report["services"]}
    return _with_rest(level, _figures(report["footprint"]))


def _figures(footprint: Mapping[str, Any]) -> dict[str, int]:
    return {part: _micrograms(value) for part in PARTS if (value := _value(footprint[part])) is not None}


def _value(quantity: Mapping[str, Any]) -> float | None:
    # Without a call to a hosted model its CO2e is zero, not unknown.
    value: float | None = 0.0 if quantity["reason"] == "no-calls" else quantity["value"]
    return value


def _level(quarter: Quarter, recorded: RowsByQuarter, catalogue: Catalogue, factors: FactorSet, settings: Surroundings) -> Level:
    parameters = AssessmentParameters(
        factors, settings.zone, settings.pue, recorded.timezone, catalogue.calibrations, catalogue.sites, catalogue.contracts
    )
    bounds = quarter.bounds_ns(recorded.timezone)  # a published quarter is over, whenever its last record ended
    period = PeriodImpact(recorded.of(quarter), *bounds, parameters=parameters, equipment=catalogue.equipment)
    level: Level = {}
    for service in {bearer[0] for bearer in period.strands if bearer[0] is not None}:
        level[service] = _split(period, [bearer for bearer in period.strands if bearer[0] == service])
    return _with_rest(level, _split(period, period.bearers(lambda _: True)))


def _split(period: PeriodImpact, bearers: Sequence[Bearer]) -> dict[str, int]:
    split = period.split(bearers)
    parts = zip(PARTS, (split.operational, split.embodied, split.api), strict=True)
    return {part: _micrograms(known.estimate.value) for part, known in parts if known.estimate is not None}


def _with_rest(level: Level, total: Mapping[str, int]) -> Level:
    """Add what no service bears to the level of each service, so that they add up to the total."""
    rest = {part: whole - sum(figures.get(part, 0) for figures in level.values()) for part, whole in total.items()}
    return {**level, None: rest}


def _covering(frozen: FactorSet, now: Inputs, today: LedgerSums) -> FactorSet:
    """Return the frozen factors, and today's factors of the zones that they do not cover because they count only since."""
    needed = {strand.zone for strand in today.strands} | {site.zone for site in now.catalogue.sites} | {now.settings.zone}
    missing = needed.difference(frozen.zones())
    added = [each for each in now.factors.factors if each.zone in missing and each.pair in frozen.pairs]
    if not added:
        return frozen
    return FactorSet(
        (*frozen.factors, *added),
        id=frozen.id,
        version=frozen.version,
        title=frozen.title,
        timezone=frozen.timezone,
        fill=frozen.fill,
    )


def _parts(level: Level) -> set[str]:
    """Return the parts known for all services together. The line of no service has all of them (see ``_with_rest``)."""
    return set(level[None])


def _restated(service: str | None, levels: Sequence[Mapping[str, int]], parts: Sequence[str]) -> Restatement:
    sums = [sum(level.get(part, 0) for part in parts) for level in levels]
    causes = {cause: after - before for cause, before, after in zip(CAUSES, sums, sums[1:], strict=False)}
    return Restatement(service, sums[0], sums[-1], _not_zero(causes))


def _not_zero(causes: Mapping[str, int]) -> dict[str, int]:
    return {cause: causes[cause] for cause in CAUSES if causes[cause]}


def _micrograms(kilograms: float) -> int:
    return round(kilograms * MICROGRAMS_PER_KG)
