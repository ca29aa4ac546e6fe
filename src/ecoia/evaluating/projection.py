"""Projecting a year of general use of a service, from a measured experiment and a planned volume.

    yearly energy = energy of inference x units planned / units measured

Only figures that grow with units are projected: energy of inference, its CO2e and, apart, the CO2e of calls to hosted models. The
experiment's idle energy is shown and not projected; training and manufacturing are left out. Energy claimed twice counts once.
The interval covers the measurement only. That general use resembles the experiment is the reader's assumption.
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
    """A year of general use of a service.

    Attributes:
        service: Id of the service.
        quarter: Quarter of the experiment.
        units_measured: Functional units counted in the experiment.
        units_per_year: Functional units planned a year.
        functional_unit: Name of the unit, from the register.
        energy_per_unit: Wh.
        energy: kWh a year.
        co2e: kgCO2e a year, of use.
        co2e_api: kgCO2e a year, of calls to hosted models.
        idle: kWh of the experiment in the quarter, not projected.
        boundary: As in ``report.Measure``.
        simulated: Whether any of the measured work was simulated.
    """

    service: str
    quarter: str
    units_measured: float
    units_per_year: float
    functional_unit: str | None
    energy_per_unit: Quantity
    energy: Quantity
    co2e: Quantity
    co2e_api: Quantity
    idle: Quantity
    boundary: str
    simulated: bool

    def to_json(self) -> str:
        """Return it as indented JSON with sorted keys."""
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
    """Project the yearly energy and CO2e of a service's inference at a planned volume.

    Args:
        rows: Ledger rows in any order.
        service: Id of the service whose experiment was measured.
        units_per_year: Functional units planned, above 0.
        quarter: Quarter of the experiment, in the organisation's time zone.
        settings: ``timezone``, ``zone`` and ``pue`` are used.
        catalogue: Calibrations, sites and the functional unit; may be empty.
        factors: Emission factors.

    Raises:
        UsageError: nothing was recorded or measured, no units were counted, or CO2e cannot be computed; with the remedy.
        FactorError: the zone of the settings has no emission factor.

    Example::

        project(rows, "assistant", 2e6, quarter, settings=settings, catalogue=catalogue, factors=factors).energy.value
        # 412.0
    """
    timezone = ZoneInfo(settings.timezone)
    start_ns, end_ns = quarter.bounds_ns(timezone)
    counted_once, _ = refuse_doubles([row for row in rows if start_ns <= row["half_hour_utc_ns"] < end_ns])
    own_rows = [row for row in counted_once if row["service"] == service]
    work = [row for row in own_rows if row["kind"] == KIND_SPAN and row["phase"] == "inference"]
    units = _counted_units(work, service, quarter)
    known = AssessmentParameters(
        factors, settings.zone, settings.pue, timezone, catalogue.calibrations, catalogue.sites, gsd=catalogue.gsd
    )
    experiment = PeriodImpact(LedgerSums.of(work), start_ns, end_ns, parameters=known, equipment=())
    impact, api = experiment.whole, experiment.split(experiment.bearers(lambda _: True)).api
    if impact.energy is None or not impact.energy.value:
        raise UsageError(
            f"no energy was measured of service '{service}' in {quarter}: 'ecoia doctor' shows which meter is missing"
        )
    if impact.operational is None:
        raise _no_co2e(service, quarter, impact.reason or "no-data")
    idle = assess([row for row in own_rows if row["kind"] == KIND_IDLE], known).energy
    entry = catalogue.service(service)
    factor = units_per_year / units
    return Projection(
        service=service,
        quarter=str(quarter),
        units_measured=units,
        units_per_year=units_per_year,
        functional_unit=entry.functional_unit if entry else None,
        energy_per_unit=_quantity(impact.energy.scaled(1000 / units), "Wh"),
        energy=_quantity(impact.energy.scaled(factor), "kWh"),
        co2e=_quantity(impact.operational.scaled(factor), "kgCO2e"),
        co2e_api=shown(api.scaled(factor), "kgCO2e"),
        idle=_quantity(idle, "kWh") if idle else Quantity(None, "kWh", reason="idle-not-separated"),
        boundary=impact.boundary,
        simulated=any(row["simulated"] for row in work),
    )


def _counted_units(work: Sequence[Row], service: str, quarter: Quarter) -> float:
    """Return the functional units of an experiment.

    Raises:
        UsageError: nothing was recorded, or no units were counted.
    """
    if not work:
        raise UsageError(
            f"service '{service}' has no inference recorded in {quarter}: measure its experiment, or name its --quarter"
        )
    counted_micro = sum(row["units_micro"] for row in work if row["units_micro"] is not None)
    if not counted_micro:
        raise UsageError(
            f"service '{service}' counted no units in {quarter}: count them (span.units, or column 'units' of a declaration), "
            "then measure again"
        )
    return float(from_micro(counted_micro))


def _no_co2e(service: str, quarter: Quarter, reason: str) -> UsageError:
    remedies = {"no-zone": "name where the electricity is used: setting 'zone', e.g. ECOIA_ZONE=FRA"}
    remedy = remedies.get(reason, "choose emission factors that cover it with ecoia factors use")
    return UsageError(f"CO2e of service '{service}' in {quarter} cannot be computed ({reason}): {remedy}")


def _quantity(estimate: Estimate, unit: str) -> Quantity:
    bounds = estimate.interval
    return Quantity(estimate.value, unit, bounds.low, bounds.high) if bounds else Quantity(estimate.value, unit)
