"""What a published quarter amounts to today, and the bridge from what was published, cause by cause.

From the published figures, one thing after the other is replaced by what it is now:

    method       the rules: this version of ecoia, on everything as it was published
    correction   the records: corrected, late, or refused since
    boundary     what is counted: sites and PUE, calibrations, equipment, services
    factor       the emission factors

Each step's difference is its cause; whole micrograms, so the causes add up exactly to what changed (GHG Protocol, base-year
recalculation; BEGES, "recalcul de l'année de référence"). Organic growth is in none: the quarter is the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from ecoia.factors import FactorSet
from ecoia.impact.activity import Activity, Bearer, by_quarter
from ecoia.impact.assessment import Knowledge
from ecoia.impact.doublecounting import refuse_doubles
from ecoia.impact.embodied import MICROGRAMS_PER_KG
from ecoia.impact.inputs import Inputs
from ecoia.impact.period import Period
from ecoia.periods import Quarter
from ecoia.settings import Surroundings

if TYPE_CHECKING:  # importing the catalogue costs pydantic
    from ecoia.catalogue import Catalogue

CAUSES = ("method", "correction", "boundary", "factor")
PARTS = ("co2e_operational", "co2e_embodied", "co2e_api")

Level = dict[str | None, dict[str, int]]
"""Micrograms by service (None: of what no service bears) and part; a part that is not known is in none."""


@dataclass(frozen=True)
class Restated:
    """A service's CO2e (``service`` None, in ``services``: of what no service bears), or that of all, in micrograms."""

    service: str | None
    published_micrograms: int
    recalculated_micrograms: int
    causes: Mapping[str, int] = field(default_factory=dict)  # those that are not 0; they add up to the difference

    @property
    def micrograms(self) -> int:
        """The difference."""
        return self.recalculated_micrograms - self.published_micrograms


@dataclass(frozen=True)
class Recalculation:
    """A published quarter, computed again.

    ``parts`` are those known then and now, and nothing else is in the micrograms; ``parts_added`` are known only now,
    ``parts_lost`` only then. ``relative`` is the difference over what was published, None of nothing. ``needed``: it is more
    than the ``threshold`` either way, so the quarter is to be restated.
    """

    quarter: str
    parts: tuple[str, ...]
    parts_added: tuple[str, ...]
    parts_lost: tuple[str, ...]
    total: Restated
    services: tuple[Restated, ...]
    energy_published_microjoules: int
    energy_recalculated_microjoules: int
    relative: float | None
    threshold: float
    needed: bool
    factor_set_published: str | None
    factor_set: str

    @property
    def changes_nothing(self) -> bool:
        """Whether the quarter is what was published of it."""
        same_energy = self.energy_published_microjoules == self.energy_recalculated_microjoules
        return same_energy and not (any(each.causes for each in self.services) or self.parts_added or self.parts_lost)

    def to_json(self) -> str:
        """As indented JSON, keys sorted."""
        return json.dumps(asdict(self), ensure_ascii=False, allow_nan=False, indent=2, sort_keys=True) + "\n"

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Recalculation:
        """Read what ``to_json`` wrote."""
        return cls(
            **{
                **data,
                **{name: tuple(data[name]) for name in ("parts", "parts_added", "parts_lost")},
                "total": Restated(**data["total"]),
                "services": tuple(Restated(**each) for each in data["services"]),
            }
        )


class Recorded:
    """Some rows, read once, to be assessed as often as needed."""

    def __init__(self, inputs: Inputs, timezone: str) -> None:
        self.timezone = ZoneInfo(timezone)
        self._activities = by_quarter(refuse_doubles(inputs.rows)[0], self.timezone)

    def of(self, quarter: Quarter) -> Activity:
        """What was done in a quarter."""
        return self._activities.get(quarter) or Activity()


def recalculate(
    published: Mapping[str, Any],
    frozen: Inputs,
    now: Inputs,
    *,
    recorded: tuple[Recorded, Recorded] | None = None,
) -> Recalculation:
    """Compute a published quarter again, and the bridge.

    Args:
        published: The data of its report, as published (``QuarterlyReport.to_json``).
        frozen: What it was computed from.
        now: What it would be computed from today. Its time zone is that of ``frozen``: quarters do not move.
        recorded: The rows of both, already read (for several quarters).
    """
    quarter = Quarter.parse(published["quarter"])
    timezone = frozen.settings.timezone
    then, today = recorded or (Recorded(frozen, timezone), Recorded(now, timezone))
    older = _covering(frozen.factors, now, today.of(quarter))
    # From what was published to what it is now, one cause at a time; a step that replaces nothing is the step before.
    steps = {
        "method": (then, frozen.catalogue, frozen.factors, frozen.settings),
        "correction": (today, frozen.catalogue, older, frozen.settings),
        "boundary": (today, now.catalogue, older, now.settings),
        "factor": (today, now.catalogue, now.factors, now.settings),
    }
    levels = {"published": _published(published)}
    computed: dict[tuple[int, ...], Level] = {}
    for cause, step in steps.items():
        key = tuple(map(id, step))
        if key not in computed:
            computed[key] = _level(quarter, *step)
        levels[cause] = computed[key]
    known = {name: _parts(level) for name, level in levels.items()}
    parts = [part for part in PARTS if all(part in each for each in known.values())]
    names = sorted({service for level in levels.values() for service in level}, key=lambda name: (name is not None, name or ""))
    services = tuple(_restated(name, [levels[step].get(name, {}) for step in levels], parts) for name in names)
    total = Restated(
        None,
        sum(each.published_micrograms for each in services),
        sum(each.recalculated_micrograms for each in services),
        _not_zero({cause: sum(each.causes.get(cause, 0) for each in services) for cause in CAUSES}),
    )
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


def under(frozen: Inputs, factors: FactorSet) -> Inputs:
    """The same inputs with other emission factors: what the quarter would have been under them."""
    return replace(frozen, factors=factors)


def published_micrograms(report: Mapping[str, Any]) -> dict[str, int]:
    """What a published report told of the whole, by part that was known."""
    return _figures(report["footprint"])


def _published(report: Mapping[str, Any]) -> Level:
    level: Level = {each["service"]: _figures(each["footprint"]) for each in report["services"]}
    return _with_rest(level, _figures(report["footprint"]))


def _figures(footprint: Mapping[str, Any]) -> dict[str, int]:
    return {part: _micrograms(value) for part in PARTS if (value := _value(footprint[part])) is not None}


def _value(quantity: Mapping[str, Any]) -> float | None:
    # Where nothing was there to be counted there is nothing: no call to a hosted model is zero of it.
    value: float | None = 0.0 if quantity["reason"] == "no-calls" else quantity["value"]
    return value


def _level(quarter: Quarter, recorded: Recorded, catalogue: Catalogue, factors: FactorSet, settings: Surroundings) -> Level:
    known = Knowledge(
        factors, settings.zone, settings.pue, recorded.timezone, catalogue.calibrations, catalogue.sites, catalogue.contracts
    )
    bounds = quarter.bounds_ns(recorded.timezone)  # a published quarter is over, whenever its last record was
    period = Period(recorded.of(quarter), *bounds, known=known, equipment=catalogue.equipment)
    level: Level = {}
    for service in {bearer[0] for bearer in period.strands if bearer[0] is not None}:
        level[service] = _split(period, [bearer for bearer in period.strands if bearer[0] == service])
    return _with_rest(level, _split(period, period.bearers(lambda _: True)))


def _split(period: Period, bearers: Sequence[Bearer]) -> dict[str, int]:
    split = period.split(bearers)
    parts = zip(PARTS, (split.operational, split.embodied, split.api), strict=True)
    return {part: _micrograms(known.estimate.value) for part, known in parts if known.estimate is not None}


def _with_rest(level: Level, total: Mapping[str, int]) -> Level:
    """The level of each service and of what none bears, so that they add up to the total."""
    rest = {part: whole - sum(figures.get(part, 0) for figures in level.values()) for part, whole in total.items()}
    return {**level, None: rest}


def _covering(frozen: FactorSet, now: Inputs, activity: Activity) -> FactorSet:
    """The factors as frozen, which are those of the zones that counted; with today's of a zone that counts only since."""
    needed = {strand.zone for strand in activity.strands} | {site.zone for site in now.catalogue.sites} | {now.settings.zone}
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
    """The parts known for the whole: those of what no service bears are the total's."""
    return set(level[None])


def _restated(service: str | None, levels: Sequence[Mapping[str, int]], parts: Sequence[str]) -> Restated:
    sums = [sum(level.get(part, 0) for part in parts) for level in levels]
    causes = {cause: after - before for cause, before, after in zip(CAUSES, sums, sums[1:], strict=False)}
    return Restated(service, sums[0], sums[-1], _not_zero(causes))


def _not_zero(causes: Mapping[str, int]) -> dict[str, int]:
    return {cause: causes[cause] for cause in CAUSES if causes[cause]}


def _micrograms(kilograms: float) -> int:
    return round(kilograms * MICROGRAMS_PER_KG)
