"""Define every indicator of the report once: its unit, its computation, its boundary, and whether it may be a target.

The report's figures, its tables and pages, the names that a target may use and the workbook's choices all read this table. To add
an indicator, add its definition here, its name (with its translation) in ``ecoia_dashboards.wording.indicators``, and its test.

Sums come first and ratios last: a sum adds up over services and quarters; a ratio is computed from sums, and never averaged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ecoia.semconv import DECLARED, ESTIMATED

if TYPE_CHECKING:  # what an indicator is computed from; the report passes it in
    from ecoia.impact.period_impact import EstimateOrReason
    from ecoia.report.model import Measure, PhaseResult, Quantity, QuarterlyReport
    from ecoia.report.parts import Parts

Held = Literal["footprint", "intensity", "measure", "whole", "phase", "comparison"]
"""The place of an indicator in the report. ``footprint``: of everything and of each service; ``intensity``: of each service, in
its own unit; ``measure``: of everything, and of each service and phase; ``phase``: of a service and phase alone; ``whole``: of
everything, or of one service, computed where a target asks for it; ``comparison``: of several quarters, taken out of the report
where a target asks for it."""

Target = Literal["any", "all", "service", "trajectory"]
"""The targets that may be set on an indicator: of all services or of one, of all only, of one only, or of a trajectory."""

Gaps = Literal["raise", "lower", "unknown", "none"]
"""What the figure would do if what is missing (services, components, days) were measured. ``raise``: a sum of what is known can
only grow. ``lower``: a share of what was counted well, of which the missing has none. ``unknown``: a ratio may go either way.
``none``: the figure counts the missing itself."""

_SUM_UNITS = ("kWh", "kgCO2e", "L")
_ALSO_DECLARED = (DECLARED,)  # making of machines is in it


@dataclass(frozen=True)
class Indicator:
    """One figure that the report gives, the same for every scope.

    Attributes:
        id: Name in the data, in lower case with underscores.
        unit: Unit of the figure, ``1`` for a share.
        held: Its place in the report.
        compute: Draws it from the assessed parts. A sum gives an ``EstimateOrReason``, a ratio a ``Quantity`` or an
            ``EstimateOrReason``. None: another place of the report holds it.
        of_measure: Takes it out of the measure of a service and phase, or of everything; None: it is not in a measure.
        of_phase: Takes it out of the result of a service and phase; None: it is not there alone.
        target: Targets that may be set on it, in either direction; None: no target.
        sum_of: Ids of the indicators that it is the sum of.
        per: Unit that an intensity is per: ``functional-unit``, ``accepted-outcome``, or ``provider-unit``, what the register
            declares of the model's size.
        boundary: ``it``: energy before the building; ``site``: with the building where its PUE is known.
        statuses: Origins of the figure, where they differ from the energy's.
        further_statuses: Origins in addition to the energy's.
        has_precision: Whether the figure has the precision class of its energy.
        is_coarse: Whether it rests on estimates by tokens, and is shown with two significant figures at most.
        of_report: Takes it out of a report and the service or trajectory of a target (None: all services), where it is held as
            ``comparison``.
        gaps: What the figure would do if what is missing were measured; None: ``raise`` for a sum, ``unknown`` for a ratio.
    """

    id: str
    unit: str
    held: Held
    compute: Callable[[Parts], EstimateOrReason | Quantity] | None = None
    of_measure: Callable[[Measure], Quantity] | None = None
    of_phase: Callable[[PhaseResult], Quantity] | None = None
    target: Target | None = None
    sum_of: tuple[str, ...] = ()
    per: Literal["functional-unit", "accepted-outcome", "provider-unit"] | None = None
    boundary: Literal["it", "site"] = "site"
    statuses: tuple[str, ...] = ()
    further_statuses: tuple[str, ...] = ()
    has_precision: bool = False
    is_coarse: bool = False
    of_report: Callable[[QuarterlyReport, str | None], Quantity] | None = None
    gaps: Gaps | None = None

    @property
    def effect_of_gaps(self) -> Gaps:
        """What the figure would do if what is missing were measured."""
        return self.gaps or ("raise" if self.unit in _SUM_UNITS else "unknown")

    def gaps_threaten(self, op: str) -> bool:
        """Say whether what is missing could turn a figure that keeps a target into one that misses it.

        Args:
            op: ``<=`` for a cap, ``>=`` for a floor.

        Example:
            >>> INDICATORS["energy"].gaps_threaten("<="), INDICATORS["energy"].gaps_threaten(">=")
            (True, False)
            >>> INDICATORS["energy_by_method"].gaps_threaten(">="), INDICATORS["coverage_services"].gaps_threaten(">=")
            (True, False)
        """
        return self.effect_of_gaps in ("unknown", "raise" if op == "<=" else "lower")

    @property
    def adds_up(self) -> bool:
        """Whether it adds up over services and quarters, as a trajectory needs."""
        return self.target is not None and self.unit in _SUM_UNITS


INDICATORS: dict[str, Indicator] = {}
"""Every indicator by id, in the order in which the report lists them."""


def register(*indicators: Indicator) -> None:
    """Add indicators to the table.

    Register before the catalogue or a renderer is imported: they read the table when they load.

    Args:
        *indicators: Definitions whose ids are new.

    Raises:
        ValueError: an id is taken, or is no name in lower case; a sum names an indicator that does not exist.

    Example:
        >>> register(Indicator("heat", "kWh", "footprint", lambda parts: parts.energy_it.scaled(0.9), target="any"))
        ... # doctest: +SKIP
    """
    for each in indicators:
        if not each.id.isidentifier() or each.id != each.id.lower() or hasattr(dict, each.id):
            raise ValueError(
                f"indicator '{each.id}': write the id in lower case with underscores, and no name of a dict's method"
            )
        if each.id in INDICATORS:
            raise ValueError(f"indicator '{each.id}' exists already: choose another id")
        unknown = [part for part in each.sum_of if part not in INDICATORS and part not in {it.id for it in indicators}]
        if unknown:
            raise ValueError(f"indicator '{each.id}' sums {', '.join(unknown)}, which no indicator is: register them with it")
        INDICATORS[each.id] = each


def held_by(*places: Held) -> tuple[Indicator, ...]:
    """List the indicators of some places of the report, in the table's order."""
    return tuple(each for each in INDICATORS.values() if each.held in places)


def of_targets(*kinds: Target) -> tuple[Indicator, ...]:
    """List the indicators that a target may be set on; of some kinds of target where any is named."""
    return tuple(each for each in INDICATORS.values() if each.target is not None and (not kinds or each.target in kinds))


def parts_first(indicators: Iterable[Indicator]) -> tuple[Indicator, ...]:
    """Order indicators so that a sum stands right after the last of its parts."""
    left, ordered = list(indicators), list[Indicator]()
    while left:
        waiting = {each.id for each in left}
        placed = next((each for each in left if waiting.isdisjoint(each.sum_of)), left[0])
        ordered.append(placed)
        left.remove(placed)
    return tuple(ordered)


register(
    Indicator(
        "energy_components",
        "kWh",
        "measure",
        lambda parts: parts.energy_components,
        of_measure=lambda measure: measure.energy_components,
        target="any",
        boundary="it",
    ),
    Indicator("energy_it", "kWh", "footprint", lambda parts: parts.energy_it, target="any", boundary="it"),
    Indicator(
        "energy",
        "kWh",
        "measure",
        lambda parts: parts.energy,
        of_measure=lambda measure: measure.energy,
        target="any",
        has_precision=True,
    ),
    Indicator(
        "co2e",
        "kgCO2e",
        "footprint",
        lambda parts: parts.split.total,
        target="any",
        sum_of=("co2e_operational", "co2e_embodied", "co2e_api"),
        further_statuses=_ALSO_DECLARED,
    ),
    Indicator(
        "co2e_operational",
        "kgCO2e",
        "footprint",
        lambda parts: parts.split.operational,
        of_measure=lambda measure: measure.co2e,
        target="any",
        has_precision=True,
    ),
    Indicator(
        "co2e_operational_market",
        "kgCO2e",
        "measure",
        lambda parts: parts.co2e_operational_market,
        of_measure=lambda measure: measure.co2e_operational_market,
        target="any",
    ),
    Indicator("co2e_embodied", "kgCO2e", "footprint", lambda parts: parts.split.embodied, target="any", statuses=(DECLARED,)),
    Indicator(
        "co2e_api", "kgCO2e", "footprint", lambda parts: parts.split.api, target="any", statuses=(ESTIMATED,), is_coarse=True
    ),
    Indicator("co2e_constant_factor", "kgCO2e", "footprint", lambda parts: parts.co2e_constant_factor, target="any"),
    Indicator("water_direct", "L", "footprint", lambda parts: parts.water_direct, target="any", boundary="it"),
    Indicator("water_indirect", "L", "footprint", lambda parts: parts.water_indirect, target="any"),
    Indicator(
        "sci",
        "gCO2e",
        "intensity",
        lambda parts: parts.sci,
        target="service",
        per="functional-unit",
        further_statuses=_ALSO_DECLARED,
    ),
    Indicator("sci_training", "gCO2e", "intensity", lambda parts: parts.sci_training, target="service", per="functional-unit"),
    Indicator(
        "sci_consumer",
        "gCO2e",
        "intensity",
        lambda parts: parts.sci_consumer,
        target="service",
        per="functional-unit",
        further_statuses=_ALSO_DECLARED,
    ),
    Indicator(
        "sci_provider",
        "gCO2e",
        "intensity",
        lambda parts: parts.sci_provider,
        target="service",
        per="provider-unit",
        further_statuses=_ALSO_DECLARED,
    ),
    Indicator(
        "training_intensity",
        "gCO2e",
        "intensity",
        lambda parts: parts.training_intensity,
        target="service",
        per="functional-unit",
    ),
    Indicator(
        "co2e_per_accepted_outcome",
        "gCO2e",
        "intensity",
        lambda parts: parts.co2e_per_accepted_outcome,
        target="service",
        per="accepted-outcome",
        further_statuses=_ALSO_DECLARED,
    ),
    Indicator(
        "idle_rate",
        "1",
        "footprint",
        lambda parts: parts.rate(parts.idle_microjoules, parts.energy_microjoules, "idle-not-separated", "no-data"),
        target="any",
        boundary="it",
    ),
    Indicator(
        "waste_rate",
        "1",
        "footprint",
        lambda parts: parts.rate(parts.lost_microjoules, parts.training_microjoules, "no-outcomes", "no-training"),
        target="any",
        boundary="it",
    ),
    Indicator("coverage_services", "1", "whole", lambda parts: parts.coverage_services, target="all", gaps="none"),
    # What is not measured was not counted by a meter, and is not precise: it can only lower these shares.
    Indicator("energy_by_method", "1", "whole", lambda parts: parts.energy_by_meters, target="any", gaps="lower"),
    Indicator("precision", "1", "whole", lambda parts: parts.precise_co2e, target="all", gaps="lower"),
    Indicator(
        "budget",
        "1",
        "comparison",
        target="trajectory",
        of_report=lambda report, trajectory: report.consumed(trajectory),
        gaps="raise",
    ),
    Indicator("absorbed_gain", "1", "comparison", target="any", of_report=lambda report, service: report.share_absorbed(service)),
    Indicator(
        "recalculation", "1", "comparison", target="all", of_report=lambda report, _: report.greatest_recalculation, gaps="none"
    ),
    Indicator(
        "energy_per_unit",
        "Wh",
        "phase",
        lambda parts: parts.energy_per_unit,
        of_phase=lambda result: result.energy_per_unit,
        target="service",
        per="functional-unit",
    ),
)
