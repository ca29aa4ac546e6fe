"""What a service would take in a year of general use, from what an experiment measured and a planned volume.

    yearly energy = energy of inference x units planned / units measured

Only what grows with units is projected: energy of inference and its CO2e, and beside it that of calls to hosted models. The
idle energy of the experiment is stated apart, training and making are not in it. What was claimed twice counts once.
The interval is that of the measurement; that general use would be like the experiment is the reader's assumption.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from zoneinfo import ZoneInfo

from ecoia.catalogue import Catalogue
from ecoia.errors import UsageError
from ecoia.factors import FactorSet
from ecoia.impact.assessment import assess
from ecoia.impact.doublecounting import refuse_doubles
from ecoia.impact.ledger_sums import LedgerSums
from ecoia.impact.parameters import AssessmentParameters
from ecoia.impact.period_impact import PeriodImpact
from ecoia.impact.uncertainty import Estimate
from ecoia.periods import Quarter
from ecoia.records import Row
from ecoia.report import Quantity
from ecoia.report.quantities import shown
from ecoia.semconv import KIND_IDLE, KIND_SPAN
from ecoia.settings import Settings
from ecoia.units import from_micro


@dataclass(frozen=True)
class Projection:
    """A year of general use. ``boundary`` as in ``report.Measure``; ``idle`` is that of the experiment, as measured."""

    service: str
    quarter: str
    units_measured: float
    units_per_year: float
    functional_unit: str | None
    energy_per_unit: Quantity  # Wh
    energy: Quantity  # kWh a year
    co2e: Quantity  # kgCO2e of use a year
    co2e_api: Quantity  # kgCO2e a year of calls to hosted models
    idle: Quantity  # kWh in the quarter
    boundary: str
    simulated: bool

    def to_json(self) -> str:
        """As indented JSON, keys sorted."""
        return json.dumps(asdict(self), ensure_ascii=False, allow_nan=False, indent=2, sort_keys=True) + "\n"


def project(
    rows: Sequence[Row],
    service: str,
    units_per_year: float,
    quarter: Quarter,
    *,
    settings: Settings,
    catalogue: Catalogue,
    factors: FactorSet,
) -> Projection:
    """Yearly energy and CO2e of a service's inference at a planned volume.

    Args:
        rows: Ledger rows in any order.
        service: Id of the service whose experiment was measured.
        units_per_year: Functional units planned, above 0.
        quarter: That of the experiment, in the organisation's time zone.
        settings: ``timezone``, ``zone`` and ``pue`` are used.
        catalogue: Calibrations, sites and the functional unit; may be empty.
        factors: Emission factors.

    Raises:
        UsageError: nothing was recorded or measured, no units were counted, or CO2e cannot be computed; with the remedy.
        FactorError: the zone of the settings has no emission factor.
    """
    timezone = ZoneInfo(settings.timezone)
    start_ns, end_ns = quarter.bounds_ns(timezone)
    counted_once, _ = refuse_doubles([row for row in rows if start_ns <= row["half_hour_utc_ns"] < end_ns])
    mine = [row for row in counted_once if row["service"] == service]
    work = [row for row in mine if row["kind"] == KIND_SPAN and row["phase"] == "inference"]
    if not work:
        raise UsageError(
            f"service '{service}' has no inference recorded in {quarter}: measure its experiment, or name its --quarter"
        )

    known = AssessmentParameters(
        factors, settings.zone, settings.pue, timezone, catalogue.calibrations, catalogue.sites, gsd=catalogue.gsd
    )
    counted = [row["units_micro"] for row in work if row["units_micro"] is not None]
    if not sum(counted):
        raise UsageError(
            f"service '{service}' counted no units in {quarter}: count them (span.units, or column 'units' of a declaration), "
            "then measure again"
        )
    experiment = PeriodImpact(LedgerSums.of(work), start_ns, end_ns, parameters=known, equipment=())
    impact, api = experiment.whole, experiment.split(experiment.bearers(lambda _: True)).api
    if impact.energy is None or not impact.energy.value:
        raise UsageError(f"no energy was measured of service '{service}' in {quarter}: 'ecoia doctor' says what lacks a meter")
    if impact.operational is None:
        remedy = {"no-zone": "name where the electricity is used: setting 'zone', e.g. ECOIA_ZONE=FRA"}
        reason = impact.reason or "no-data"
        raise UsageError(
            f"CO2e of service '{service}' in {quarter} cannot be computed ({reason}): "
            f"{remedy.get(reason, 'choose emission factors that cover it with ecoia factors use')}"
        )
    units = float(from_micro(sum(counted)))
    idle = assess([row for row in mine if row["kind"] == KIND_IDLE], known).energy
    entry = catalogue.service(service)
    times = units_per_year / units
    return Projection(
        service=service,
        quarter=str(quarter),
        units_measured=units,
        units_per_year=units_per_year,
        functional_unit=entry.functional_unit if entry else None,
        energy_per_unit=_quantity(impact.energy.scaled(1000 / units), "Wh"),
        energy=_quantity(impact.energy.scaled(times), "kWh"),
        co2e=_quantity(impact.operational.scaled(times), "kgCO2e"),
        co2e_api=shown(api.scaled(times), "kgCO2e"),
        idle=_quantity(idle, "kWh") if idle else Quantity(None, "kWh", reason="idle-not-separated"),
        boundary=impact.boundary,
        simulated=any(row["simulated"] for row in work),
    )


def _quantity(estimate: Estimate, unit: str) -> Quantity:
    bounds = estimate.interval
    return Quantity(estimate.value, unit, bounds.low, bounds.high) if bounds else Quantity(estimate.value, unit)
