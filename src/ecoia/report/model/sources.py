"""Sources of the figures: emission factors, contracts, calibrations, uncertainties."""

from __future__ import annotations

from dataclasses import dataclass

from ecoia.report.model.figures import Quantity


@dataclass(frozen=True)
class FactorUsed:
    """Emission factors of a zone and year, as a quarter used them, with the source to find them again.

    ``value_g_per_kwh`` is the factor; where it varies within the year, its mean over the energy, between
    ``least_g_per_kwh`` and ``greatest_g_per_kwh``. ``retrieved_on`` is a civil day, None where the source is read in place.
    ``filled`` names the rule, where these values fill a gap. ``same_year`` is of the quarter; of reference factors, of the
    reference year: False where the zone has no factors of that year, so ``year`` stands in for it.
    """

    zone: str
    value_g_per_kwh: float
    year: int
    scope: str
    basis: str
    source: str
    licence: str
    factor_set: str
    same_year: bool
    least_g_per_kwh: float
    greatest_g_per_kwh: float
    release: str
    retrieved_on: str | None = None
    filled: str | None = None
    quarter: str = ""  # whose energy they were applied to


@dataclass(frozen=True)
class FactorSetInUse:
    """The set of emission factors that the organisation chose, with its scope, its basis and its rule for gaps."""

    id: str
    version: str
    title: str
    scope: str
    basis: str
    fill: str | None


@dataclass(frozen=True)
class ContractUsed:
    """Contracted electricity that covers a part of the quarter's energy, with its evidence."""

    supplier: str
    gco2e_per_kwh: float
    scope: str
    share: float
    zone: str
    instances: tuple[str, ...]
    from_day: str  # half-open civil days in the report's time zone
    until_day: str
    evidence: str


@dataclass(frozen=True)
class CalibrationUsed:
    """A wall factor measured on site that was applied, with the source to find the measurement again."""

    component: str
    wall_factor: float
    gsd: float | None
    instances: tuple[str, ...]
    from_day: str | None  # half-open civil days in the report's time zone
    until_day: str | None
    source: str
    measured_on: str


@dataclass(frozen=True)
class CrosscheckKept:
    """Records of a host held against its power at the wall over the quarter, with the series to do it again.

    ``ratio`` is the geometric mean, over hours, of the wall's energy over what is recorded of it.
    """

    instance: str
    hours: int
    missing_hours: int
    ratio: float
    gsd: float
    low_hours: int
    high_hours: int
    series: str
    sha256: str
    compared_on: str


@dataclass(frozen=True)
class DeviationInUse:
    """The geometric standard deviation of a source of error, and its default."""

    name: str  # a key of catalogue.error_widths.GSD
    gsd: float
    default: float


@dataclass(frozen=True)
class EquivalenceUsed:
    """An everyday thing set beside the CO2e on request: ``quantity`` of it emits as much. The interval is of the CO2e alone.

    ``of`` is the indicator set beside it: ``co2e``, or ``co2e_operational`` where not all parts are known.
    """

    id: str
    of: str
    quantity: Quantity
    kg_per_unit: float
    source: str
    dated: str


@dataclass(frozen=True)
class Sensitivity:
    """The whole, computed again with one thing changed. ``kind``: factor-set | at-the-wall | no-pue |
    idle-left-out.

    ``of`` is the indicator that changes; ``name`` is the replacement, where it has a name.
    """

    kind: str
    of: str
    name: str | None
    value: Quantity
