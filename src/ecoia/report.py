"""The quarter's report as plain data. ``build_report(...) -> QuarterlyReport``; renderers draw it, tests compare it.

Nothing in it depends on when, where or from which store it was built: the same records, catalogue, settings and
factors give the same bytes. Sentences are the renderers' business: here are values, units, ids and codes.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from ecoia.assessment import AppliedFactor, Estimate, FactorGap, Impact, Interval, assess
from ecoia.change import Explained, accounts, change_interval, decompose, successors, total
from ecoia.doublecounting import ListedRefusal, listed, refuse_doubles
from ecoia.embodied import Bearer, amortised_micrograms
from ecoia.factors import FactorSet, FactorUse
from ecoia.hosted import Hypotheses
from ecoia.impacts import TRAINING_PHASES, Known, Period, intensity, sci
from ecoia.periods import Quarter, covered_seconds, utc_datetime
from ecoia.records import Row
from ecoia.semconv import (
    COMPONENTS,
    DECLARED,
    ESTIMATED,
    KIND_IDLE,
    KIND_OUTCOME,
    KIND_OVERHEAD,
    KIND_SPAN,
    KIND_UNATTRIBUTED,
    MEASURED,
    MISSING,
    NOT_LACKING,
    OUTCOMES,
    PHASE_UNSPECIFIED,
    SERVICE_UNSPECIFIED,
    UNREGISTERED,
)
from ecoia.settings import Settings
from ecoia.trajectory import QUARTERS_NEEDED, Trajectory
from ecoia.units import NANOSECONDS_PER_SECOND, from_micro

if TYPE_CHECKING:  # importing the catalogue costs pydantic
    from ecoia.catalogue import Calibration, Catalogue, Contract, Site, SiteFigure, Target

REPORT_SCHEMA = 1

# Every code that the report may hold, so that a renderer can prove that it has a sentence for each.
REASONS = (
    "no-data",
    "not-measured",
    "no-zone",
    "no-factor",
    "factor-gap",
    "no-contract",
    "contract-scope",
    "no-units",
    "baseline-missing",
    "not-computed",
    "no-equipment",
    "equipment-incomplete",
    "no-calls",
    "calls-unmeasured",
    "no-wue",
    "no-water-factor",
    "no-reference",
    "no-training",
    "no-lifetime",
    "no-accepted",
    "no-outcomes",
    "idle-not-separated",
    "too-few-quarters",
)
"""Why a ``Quantity`` has no value. ``no-data``: nothing recorded; ``not-measured``: recorded, but no component gave energy;
``no-zone``: some or all of the energy has no known zone; ``no-factor``: its zone or year has no emission factor;
``factor-gap``: half-hours of it have none, and no rule fills the gap; ``no-contract``: no contract covers any of it;
``contract-scope``: a contract counts another scope than the factors in use, and the two are not mixed;
``no-units``: no functional units were given; ``baseline-missing``: the reference quarters are not recorded;
``not-computed``: this version does not compute the indicator; ``no-equipment`` and ``equipment-incomplete``: none, or not all, of
the machines are in ``equipment.yaml``; ``no-calls``: no call to a hosted model was recorded; ``calls-unmeasured``: some were,
of a model that has no estimate; ``no-wue`` and ``no-water-factor``: some of the energy has none; ``no-reference``: no target
names reference quarters; ``no-training``: none was recorded; ``no-lifetime``: the service declares no ``lifetime_units``;
``no-accepted``: no accepted outcome was counted; ``no-outcomes``: nothing says how training runs ended;
``idle-not-separated``: no idle energy is set apart; ``too-few-quarters``: quarters that are needed are not recorded."""

NOTICES = (
    "no-data",
    "no-catalogue",
    "no-zone",
    "no-factor",
    "factor-gap",
    "factor-gap-filled",
    "no-pue",
    "commitment-text-missing",
    "simulated-history",
    "stand-ins",
    "partial-quarter",
    "idle-not-separated",
)
"""Codes of ``QuarterlyReport.notices``, in the order in which they are listed."""

COMPARED = (("previous-quarter", 1), ("year-before", 4))
"""What the quarter is compared with, and how many quarters earlier that is."""

VERDICTS = ("tenu", "non-tenu", "non-concluant")
VERDICT_REASONS = (
    *(reason for reason in REASONS if reason not in ("not-measured", "baseline-missing", "not-computed")),
    "below-value",
    "deadline-ahead",
    "horizon-ahead",
    "baseline-missing",
    "interval-straddles",
    "simulated",
    "coverage-incomplete",
    "partial-quarter",
    "not-computed",
)
"""Why a verdict is not ``tenu``. ``below-value``: the deadline is reached and the value is not; ``deadline-ahead`` and
``horizon-ahead``: not reached yet, and there is time left; ``simulated``: simulated rows prove nothing;
``coverage-incomplete`` and ``partial-quarter``: what is known is under a cap, but services, components or days are
not in it; the others as in ``REASONS``."""


ASSUMPTIONS = ("operated-not-said", "upstream-included", "equipment-owned")
"""What an ``InventoryLine`` supposes. ``operated-not-said``: the organisation runs the site; ``upstream-included``: the factors
are of the life cycle, and what is upstream of electricity (scope 3, category 3) is not told apart; ``equipment-owned``: the
organisation bought the machines."""

_INVENTORY: dict[str, tuple[int, int | None]] = {"electricity": (2, None), "capital-goods": (3, 2), "services": (3, 1)}
INVENTORY_ITEMS = tuple(_INVENTORY)


@dataclass(frozen=True)
class Quantity:
    """A number with its unit and 95 % interval. ``value`` None: not computed, for the ``reason`` (a code)."""

    value: float | None
    unit: str
    low: float | None = None
    high: float | None = None
    reason: str | None = None  # one of REASONS


@dataclass(frozen=True)
class MethodShare:
    """How much of some energy was obtained how. ``status`` measured | estimated | declared | missing (0 energy)."""

    component: str
    status: str
    name: str
    microjoules: int


@dataclass(frozen=True)
class Measure:
    """Energy and its impact for one cell (a service and phase, a service, or everything).

    ``energy_components_microjoules`` is the exact sum of what the journal holds, before any factor.
    ``energy`` is ``energy_components`` x wall factor x PUE. ``boundary`` says whether a PUE was applied: ``site``, ``part`` (to
    some of it), or ``it`` (none known: hors bâtiment). ``co2e`` is that of use (``co2e_operational``): its sum with making
    and hosted models is in ``Footprint``. ``energy_at_wall_microjoules`` is the part of the sum that is calibrated or was read
    at the plug; where it is not the whole, power supplies, fans, disks and network are left out of the rest.
    """

    energy_components_microjoules: int
    by_component_microjoules: dict[str, int | None]
    energy_components: Quantity
    energy: Quantity
    boundary: str
    co2e: Quantity
    methods: tuple[MethodShare, ...]
    precision_class: int | None  # 1 to 4, of co2e where computed, else of energy
    energy_at_wall_microjoules: int = 0
    co2e_operational_market: Quantity = Quantity(None, "kgCO2e", reason="no-contract")  # beside co2e, never in a total


@dataclass(frozen=True)
class PhaseResult:
    """One service and phase. ``label`` of ``method`` columns is the renderers' business."""

    service: str
    phase: str
    measure: Measure
    spans: int
    cpu_seconds: float
    duration_seconds: float
    units: float | None
    accepted: float | None
    energy_per_unit: Quantity  # Wh per functional unit
    functional_unit: str | None
    runs: dict[str, int]  # ok, failed, abandoned
    waste_microjoules: int  # energy of failed and abandoned runs
    quality: dict[str, float]
    simulated: bool


@dataclass(frozen=True)
class ServiceEntry:
    """A service of the register, or one that was recorded without being registered."""

    id: str
    name: str
    status: str  # generalised | qualification | poc | retired | unregistered
    registered: bool
    measured: bool
    declared_only: bool
    audience: str | None
    purpose: str | None
    functional_unit: str | None
    owner_role: str | None
    energy: Quantity
    co2e: Quantity
    stand_in: bool  # the demo's models stand in for the real service
    counted_among_generalised: bool = False  # the organisation counts it so, whatever its status
    scope: str | None = None
    energy_components_microjoules: int | None = None  # spans and idle of this service; None: nothing recorded
    idle_microjoules: int = 0  # of which: reserved and idle


@dataclass(frozen=True)
class Coverage:
    """Who is in the denominator. ``share`` is measured registered services / (named + unnamed) in scope.

    A service known by declared activity alone is not measured: it is in ``declared``, not in ``measured``.
    Retired services are in neither part of the ratio.
    """

    measured: int
    named: int
    unnamed: int
    unnamed_approximate: bool
    share: float | None
    unregistered: tuple[str, ...]
    declared: int = 0


@dataclass(frozen=True)
class BudgetState:
    """Where the year stands on a trajectory. ``budget`` is what ``year`` may use, a quarter of it each quarter.

    ``spent`` is what its quarters used to date, ``consumed`` that as a share of the budget, ``distance`` that less what was
    to be used by then: below 0 is under the path.
    """

    year: int
    budget: Quantity
    spent: Quantity
    consumed: Quantity
    distance: Quantity
    overrun_probability: Quantity


@dataclass(frozen=True)
class TargetVerdict:
    """A target and where it stands. ``verdict``: tenu | non-tenu | non-concluant; ``reason`` a code, evidence in figures."""

    id: str
    indicator: str
    op: str | None
    value: float | None
    unit: str
    deadline: str | None
    status: str  # proposed | adopted
    verdict: str  # one of VERDICTS
    reason: str | None  # one of VERDICT_REASONS; None when tenu
    observed: Quantity
    reduction: float | None = None  # of a trajectory: 0.35 is 35 % less than the baseline ...
    baseline_quarters: tuple[str, ...] = ()
    horizon: int | None = None  # ... in this year
    decision_body: str | None = None  # who adopted it, and when
    decision_date: str | None = None
    service: str | None = None  # of one service only
    budget: BudgetState | None = None  # of a trajectory whose baseline is known


@dataclass(frozen=True)
class FactorUsed:
    """Emission factors of a zone and year with everything a reader needs to find them again.

    ``value_g_per_kwh`` is the factor; where it varies within the year, the mean over the energy, between ``least`` and
    ``greatest``. ``retrieved_on`` is a civil day, None where the source is read in place. ``filled`` names the rule when these
    are the values that fill a gap.
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


@dataclass(frozen=True)
class FactorSetInUse:
    """The set of emission factors that the organisation chose, its one scope and basis, and its rule for gaps."""

    id: str
    version: str
    title: str
    scope: str
    basis: str
    fill: str | None


@dataclass(frozen=True)
class ContractUsed:
    """Contracted electricity that covers a part of the quarter's energy, with what shows it."""

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
    """A wall factor of the site that was applied, with what a reader needs to find the measurement again."""

    component: str
    wall_factor: float
    gsd: float | None
    instances: tuple[str, ...]
    from_day: str | None  # half-open civil days in the report's time zone
    until_day: str | None
    source: str
    measured_on: str


@dataclass(frozen=True)
class Footprint:
    """The parts of the impact and their sum, of one service or of everything. Water is consumption, and never one number."""

    energy_it: Quantity
    co2e: Quantity
    co2e_operational: Quantity
    co2e_embodied: Quantity
    co2e_api: Quantity
    co2e_constant_factor: Quantity
    water_direct: Quantity
    water_indirect: Quantity
    idle_rate: Quantity
    waste_rate: Quantity


@dataclass(frozen=True)
class ServiceFootprint:
    """A service's parts and intensities, each in its own unit: services are not ranked by them.

    ``sci_training`` is the part of ``sci`` that is training amortised, of ``training_quarter``. ``accepted_source`` is None
    where the count was recorded with the work.
    """

    service: str
    footprint: Footprint
    functional_unit: str | None
    sci: Quantity
    sci_training: Quantity
    training_quarter: str | None
    training_intensity: Quantity
    accepted: float | None
    accepted_source: str | None
    co2e_per_accepted_outcome: Quantity


@dataclass(frozen=True)
class SiteResult:
    """Energy at a site; ``id`` None: of what is in no site. ``boundary`` as in ``Measure``."""

    id: str | None
    name: str | None
    zone: str | None
    energy_it: Quantity
    energy: Quantity
    boundary: str


@dataclass(frozen=True)
class FigureUsed:
    """A PUE, WUE or water factor that was applied. ``kind``: pue | wue | water_factor; water in L/kWh."""

    site: str
    kind: str
    value: float
    quality: str  # measured | declared | default
    from_day: str | None
    until_day: str | None
    source: str
    dated: str


@dataclass(frozen=True)
class EquipmentUsed:
    """A piece of equipment and what of its making falls on the quarter."""

    id: str
    name: str | None
    co2e_kg: float
    life_years: float
    reserved_share: float
    instances: tuple[str, ...]
    devices: tuple[str, ...]
    from_day: str
    until_day: str | None
    source: str
    dated: str
    quarter_micrograms: int
    by_service_micrograms: dict[str, int]  # "" : borne by no service


@dataclass(frozen=True)
class TokensUsed:
    """Tokens exchanged with a model. ``standing``: estimated, metered (a device of ours: left out), unmeasured (``reason``)."""

    service: str | None
    phase: str
    provider: str
    model: str
    tokens_in: int
    tokens_out: int
    rows: int
    standing: str
    reason: str | None
    low_kg: float | None
    central_kg: float | None
    high_kg: float | None


@dataclass(frozen=True)
class InventoryLine:
    """Where a part of the total goes in an organisation's inventory.

    ``item`` is the regulatory French one (BEGES): ``electricity``, ``capital-goods`` or ``services``. ``operated`` is of the
    sites that a line of electricity is of: ``own``, ``hosted``, None where nothing says.
    """

    part: str  # an indicator: co2e_operational | co2e_embodied | co2e_api
    operated: str | None
    co2e: Quantity
    ghg_scope: int
    ghg_category: int | None  # of scope 3
    item: str
    assumptions: tuple[str, ...] = ()  # codes, of ASSUMPTIONS


@dataclass(frozen=True)
class TrendPoint:
    """One quarter of the trend. ``simulated``: replayed from a fixture, not measured."""

    quarter: str
    energy: Quantity
    co2e: Quantity
    simulated: bool


@dataclass(frozen=True)
class ChangeLine:
    """The change of a service, or of all: its terms in micrograms, and how many times less or more, C / C0 - 1."""

    explained: Explained
    relative: Quantity


@dataclass(frozen=True)
class QuarterChange:
    """Why the quarter's CO2e is not that of ``reference``. ``against``: previous-quarter | year-before.

    ``parts`` are those of the CO2e that are known in both quarters, and nothing else is in it. ``total`` None: not computed, for
    the ``reason``. A service that goes on under a new name is there under the new one.
    """

    against: str
    reference: str
    simulated: bool = False  # one of the two quarters, in part or whole
    parts: tuple[str, ...] = ()  # operational, embodied, api
    total: ChangeLine | None = None
    services: tuple[ChangeLine, ...] = ()  # service None: what no service bears
    reason: str | None = None  # one of REASONS


@dataclass(frozen=True)
class Commitment:
    """A commitment of the charter; ``text`` None until the organisation pastes its own wording."""

    number: int
    id: str
    name: str
    text: str | None


@dataclass(frozen=True)
class Body:
    """A body of the charter's governance (a committee, the ethics line), by its role, never by a person."""

    id: str
    name: str
    role: str | None
    members: str | None
    count: int | None
    contact: str | None


@dataclass(frozen=True)
class QuarterlyReport:
    """What the committees receive, as data."""

    quarter: str
    timezone: str
    start_utc: str
    end_utc: str
    last_record_utc: str | None
    organisation: str
    charter_title: str | None
    commitments: tuple[Commitment, ...]
    ethics_contact: str | None
    totals: Measure
    energy_by_kind_microjoules: dict[str, int]  # span, idle, unattributed, overhead
    energy_by_status: dict[str, float]  # share of the energy, by measured | estimated | declared
    results: tuple[PhaseResult, ...]
    register: tuple[ServiceEntry, ...]
    coverage: Coverage
    targets: tuple[TargetVerdict, ...]
    trend: tuple[TrendPoint, ...]
    footprint: Footprint
    services: tuple[ServiceFootprint, ...]
    precision: dict[str, float]  # share of the known co2e by class
    factors: tuple[FactorUsed, ...]
    zones: tuple[str, ...]
    pue: float | None  # of what is in no site
    lost: dict[str, int]  # what could not be recorded, by cause
    simulated: bool
    notices: tuple[str, ...] = ()  # codes, of NOTICES
    governance: tuple[Body, ...] = ()
    calibrations: tuple[CalibrationUsed, ...] = ()
    sites: tuple[SiteResult, ...] = ()
    site_figures: tuple[FigureUsed, ...] = ()
    equipment: tuple[EquipmentUsed, ...] = ()
    instances_without_equipment: tuple[str, ...] = ()
    tokens: tuple[TokensUsed, ...] = ()
    model_hypotheses: tuple[Hypotheses, ...] = ()
    reference_year: int | None = None  # of the grid factors of co2e_constant_factor
    reference_factors: tuple[FactorUsed, ...] = ()
    register_as_of: str | None = None  # civil day of the register's source
    factor_set: FactorSetInUse | None = None
    factor_gaps: tuple[FactorGap, ...] = ()
    contracts: tuple[ContractUsed, ...] = ()
    doubles: tuple[ListedRefusal, ...] = ()  # claimed twice: what was left out of every total, and what was kept
    inventory: tuple[InventoryLine, ...] = ()  # footprint.co2e by scope and item
    changes: tuple[QuarterChange, ...] = ()
    method_version: str = "1"
    schema: int = REPORT_SCHEMA

    def to_json(self) -> str:
        """The report as indented JSON, keys sorted: equal data gives equal bytes."""
        return json.dumps(dataclasses.asdict(self), ensure_ascii=False, allow_nan=False, indent=2, sort_keys=True) + "\n"


_COMMITMENT = 7
_ETHICS_LINE = "ligne-ethique"
_TREND_QUARTERS = 8
_PARTS = ("operational", "embodied", "api")
_ENERGY_KINDS = (KIND_SPAN, KIND_IDLE, KIND_UNATTRIBUTED, KIND_OVERHEAD)


def build_report(
    rows: Sequence[Row], quarter: Quarter, *, settings: Settings, catalogue: Catalogue, factors: FactorSet
) -> QuarterlyReport:
    """The report of one quarter.

    Args:
        rows: Ledger rows in any order, of this quarter and of those before it (for the trend).
        quarter: Which one, in the organisation's time zone.
        settings: ``timezone``, ``zone`` and ``pue`` are used.
        catalogue: The register, charter, targets, calibrations, sites, equipment and outcomes; may be empty.
        factors: Emission factors.

    Raises:
        FactorError: the zone of the settings or of a site has no emission factor; the message says the remedy.
        MissingExtraError: pandas and narwhals are not installed.
    """
    for zone in (settings.zone, *(site.zone for site in catalogue.sites)):
        if zone is not None:
            factors.check(zone)
    return _Builder(rows, quarter, settings, catalogue, factors).report()


class _Builder:
    """One report in the making: the quarter's rows cut by kind and service, and every factor met on the way."""

    def __init__(
        self, rows: Sequence[Row], quarter: Quarter, settings: Settings, catalogue: Catalogue, factors: FactorSet
    ) -> None:
        from ecoia import aggregation

        self.quarter, self.catalogue, self.factors = quarter, catalogue, factors
        self.zone: str | None = settings.zone
        self.pue: float | None = settings.pue
        self.timezone = ZoneInfo(settings.timezone)
        self.start_ns, self.end_ns = quarter.bounds_ns(self.timezone)
        past, refusals = refuse_doubles([row for row in rows if row["half_hour_utc_ns"] < self.end_ns])
        self.doubles = tuple(listed(one for one in refusals if one.half_hour_utc_ns >= self.start_ns))
        self.past = [_named(row) for row in past]
        self.rows = [row for row in self.past if row["half_hour_utc_ns"] >= self.start_ns]
        self.energy_rows = [row for row in self.rows if row["kind"] != KIND_OUTCOME]
        self.last_ns = max((row["end_utc_ns"] for row in rows), default=self.end_ns)
        self.partial = self.last_ns < self.end_ns
        self.simulated = any(row["simulated"] for row in self.rows)
        self.used: dict[FactorUse, tuple[AppliedFactor, bool]] = {}
        self.calibrated: set[Calibration] = set()
        self.figures: set[tuple[str, SiteFigure]] = set()
        self.in_site: dict[str, Site | None] = {}

        self.phases: dict[tuple[str, str], list[Row]] = {}
        self.by_service: dict[str, list[Row]] = {}
        for row in self.energy_rows:
            if row["kind"] == KIND_SPAN:
                self.phases.setdefault((row["service"], row["phase"]), []).append(row)
            if row["service"] is not None and row["kind"] in (KIND_SPAN, KIND_IDLE):
                self.by_service.setdefault(row["service"], []).append(row)
        self.outcomes = _latest_outcomes(self.rows)
        for service, phase, _ in self.outcomes:
            self.phases.setdefault((service, phase), [])
            self.by_service.setdefault(service, [])

        frame = aggregation.table(self.energy_rows, self.timezone)
        self.kinds = {line["kind"]: line["energy_microjoules"] for line in aggregation.records(aggregation.by_kind(frame))}
        self.statuses = {line["status"]: line["microjoules"] for line in aggregation.records(aggregation.by_status(frame))}
        self.methods = aggregation.records(aggregation.by_method(frame, "kind", "service", "phase"))
        self.sums = {(line["service"], line["phase"]): line for line in aggregation.records(aggregation.by_service_phase(frame))}
        self.runs = aggregation.records(aggregation.by_run(frame))

        self.quarters: dict[Quarter, list[Row]] = {}
        names: dict[int, Quarter] = {}
        for row in self.past:
            if row["kind"] != KIND_OUTCOME:
                half_hour = row["half_hour_utc_ns"]
                if half_hour not in names:
                    names[half_hour] = Quarter.of_instant(half_hour, self.timezone)
                self.quarters.setdefault(names[half_hour], []).append(row)
        self.periods: dict[Quarter, Period] = {}
        self.period = self.period_of(quarter)
        baselines = [target.baseline for target in catalogue.targets.targets if target.baseline is not None]
        self.reference_year = Quarter.parse(baselines[0].quarters[0]).year if baselines else None
        self.reference_used: set[AppliedFactor] = set()
        self.reference = factors.of_year(self.reference_year) if self.reference_year else factors
        self.constant = self.period.under(self.assess_constant) if self.reference_year else None
        self.constants = {quarter: self.constant} if self.constant is not None else {}

    def report(self) -> QuarterlyReport:
        charter = self.catalogue.charter
        governance = charter.governance if charter else ()
        commitments = charter.charter.commitments if charter and charter.charter else ()
        self.whole = self.assess(self.energy_rows)
        totals = _measure(self.whole, self.methods)
        results = tuple(self.phase(service, phase) for service, phase in sorted(self.phases))
        register = self.register()
        coverage = self.coverage(register)
        trend = self.trend()
        footprint = self.footprint(None)
        services = tuple(map(self.service_footprint, sorted(self.by_service)))
        sites = self.sites()
        energy = sum(self.statuses.values())
        last_ns = max((row["end_utc_ns"] for row in self.rows), default=None)
        report = QuarterlyReport(
            quarter=str(self.quarter),
            timezone=self.timezone.key,
            start_utc=_utc(self.start_ns),
            end_utc=_utc(self.end_ns),
            last_record_utc=None if last_ns is None else _utc(last_ns),
            organisation=charter.organisation.name if charter else "",
            charter_title=charter.charter.title if charter and charter.charter else None,
            commitments=tuple(Commitment(c.number, c.id, c.name, c.text) for c in sorted(commitments, key=lambda c: c.number)),
            ethics_contact=next((body.contact for body in governance if body.id == _ETHICS_LINE), None),
            totals=totals,
            energy_by_kind_microjoules={kind: self.kinds[kind] for kind in _ENERGY_KINDS if self.kinds.get(kind) is not None},
            energy_by_status=(
                {status: self.statuses.get(status, 0) / energy for status in (MEASURED, ESTIMATED, DECLARED)} if energy else {}
            ),
            results=results,
            register=register,
            coverage=coverage,
            targets=tuple(
                self.verdict(target, coverage, totals, footprint, services) for target in self.catalogue.targets.targets
            ),
            trend=trend,
            footprint=footprint,
            services=services,
            precision=self.period.precision(),
            factors=tuple(_factor_used(*self.used[use]) for use in sorted(self.used)),
            zones=tuple(sorted({zone for row in self.energy_rows if (zone := self.zone_of(row))})),
            pue=self.pue if not self.catalogue.sites or any(site.id is None for site in sites) else None,
            lost=_lost(self.rows),
            simulated=self.simulated,
            governance=tuple(Body(b.id, b.name, b.role, b.members, b.count, b.contact) for b in governance),
            calibrations=tuple(_calibration_used(each) for each in self.catalogue.calibrations if each in self.calibrated),
            sites=sites,
            site_figures=self.figures_used(),
            equipment=self.equipment(),
            instances_without_equipment=self.period.instances_without_equipment if self.catalogue.equipment else (),
            tokens=self.tokens(),
            model_hypotheses=self.hypotheses(),
            reference_year=self.reference_year,
            reference_factors=tuple(
                _factor_used(applied, same_year=applied.use.year == self.reference_year)
                for applied in sorted(self.reference_used)
            ),
            register_as_of=self.catalogue.register.as_of.isoformat() if self.catalogue.register.as_of else None,
            factor_set=_factor_set_in_use(self.factors),
            factor_gaps=self.whole.factor_gaps,
            contracts=tuple(_contract_used(contract) for contract in self.whole.contracts_used),
            doubles=self.doubles,
            inventory=self.inventory(footprint),
            changes=tuple(self.change(against, self.quarter.shift(-quarters)) for against, quarters in COMPARED),
        )
        return replace(report, notices=self.notices(report))

    def assess(self, rows: Sequence[Row]) -> Impact:
        impact = self.assess_under(self.factors, rows)
        self.calibrated.update(impact.calibrations_used)
        self.figures.update(impact.figures_used)
        for applied in impact.factors_used:
            key = replace(applied.use, age_years=0)
            first, same_year = self.used.get(key, (applied, True))
            self.used[key] = first, same_year and applied.use.age_years == 0
        return impact

    def assess_constant(self, rows: Sequence[Row]) -> Impact:
        """At the grid factors of the reference year."""
        impact = self.assess_under(self.reference, rows)
        self.reference_used.update(impact.factors_used)
        return impact

    def assess_under(self, factors: FactorSet, rows: Sequence[Row]) -> Impact:
        return assess(
            rows,
            zone=self.zone,
            pue=self.pue,
            factors=factors,
            timezone=self.timezone,
            calibrations=self.catalogue.calibrations,
            sites=self.catalogue.sites,
            contracts=self.catalogue.contracts,
        )

    def site_of(self, instance: str) -> Site | None:
        if instance not in self.in_site:
            self.in_site[instance] = next((site for site in self.catalogue.sites if site.holds(instance)), None)
        return self.in_site[instance]

    def zone_of(self, row: Row) -> str | None:
        site = self.site_of(row["instance"])
        zone: str | None = row["zone"] or (site.zone if site else None) or self.zone
        return zone

    def period_of(self, quarter: Quarter) -> Period:
        if quarter not in self.periods:
            start_ns, end_ns = quarter.bounds_ns(self.timezone)
            self.periods[quarter] = Period(
                self.quarters.get(quarter, []),
                start_ns,
                min(end_ns, self.last_ns),  # of a quarter that is not over, what is known to date
                assess=self.assess,
                equipment=self.catalogue.equipment,
                timezone=self.timezone,
            )
        return self.periods[quarter]

    def footprint(self, service: str | None) -> Footprint:
        """Of a service, or of everything."""
        period = self.period
        bearers = period.bearers(lambda bearer: service is None or bearer[0] == service)
        split = period.split(bearers)
        constant = Known(None, "no-reference")
        if self.constant is not None:
            constant = Known.total((period.operational(bearers, self.constant), split.embodied, split.api))
        return Footprint(
            energy_it=_known(period.energy_it(bearers), "kWh"),
            co2e=_known(split.total, "kgCO2e"),
            co2e_operational=_known(split.operational, "kgCO2e"),
            co2e_embodied=_known(split.embodied, "kgCO2e"),
            co2e_api=_known(split.api, "kgCO2e"),
            co2e_constant_factor=_known(constant, "kgCO2e"),
            water_direct=_known(period.water(bearers, direct=True), "L"),
            water_indirect=_known(period.water(bearers, direct=False), "L"),
            idle_rate=self.idle_rate(bearers),
            waste_rate=self.waste_rate(service, bearers),
        )

    def idle_rate(self, bearers: Sequence[Bearer]) -> Quantity:
        idle = [bearer for bearer in bearers if bearer[1] == KIND_IDLE]
        energy = self.period.energy_microjoules(bearers)
        if not idle or not energy:
            return Quantity(None, "1", reason="idle-not-separated" if energy else "no-data")
        return Quantity(self.period.energy_microjoules(idle) / energy, "1")

    def waste_rate(self, service: str | None, bearers: Sequence[Bearer]) -> Quantity:
        energy = self.period.energy_microjoules(bearer for bearer in bearers if _is_training(bearer))
        ends = {key: end for key, end in self.outcomes.items() if service in (None, key[0]) and key[1] in TRAINING_PHASES}
        if not energy or not ends:
            return Quantity(None, "1", reason="no-outcomes" if energy else "no-training")
        lost = sum(
            line["energy_microjoules"] or 0
            for line in self.runs
            if ends.get((line["service"], line["phase"], line["run_id"]), "ok") != "ok"
        )
        return Quantity(lost / energy, "1")

    def service_footprint(self, service: str) -> ServiceFootprint:
        period, entry = self.period, self.catalogue.service(service)
        footprint = self.footprint(service)
        serving = period.bearers(lambda bearer: bearer[0] == service and not _is_training(bearer))
        made = period.bearers(lambda bearer: bearer[0] == service and _is_training(bearer))
        trained, training = self.latest_training(service)
        per_unit, amortised = sci(
            period.split(serving).total, self.count(serving, "units_micro"), training, entry.lifetime_units if entry else None
        )
        whole = period.split(period.bearers(lambda bearer: bearer[0] == service)).total
        stated = next((o for o in self.catalogue.outcomes if (o.service, o.quarter) == (service, str(self.quarter))), None)
        accepted = self.count([*serving, *made], "accepted_micro") if stated is None else stated.accepted
        this = period.split(made).total if made else Known(None, "no-training")
        return ServiceFootprint(
            service=service,
            footprint=footprint,
            functional_unit=entry.functional_unit if entry else None,
            sci=_known(per_unit, "gCO2e"),
            sci_training=_known(amortised, "gCO2e"),
            training_quarter=None if trained is None else str(trained),
            training_intensity=_known(intensity(this, self.count(made, "units_micro"), "no-units") if made else this, "gCO2e"),
            accepted=accepted,
            accepted_source=None if stated is None else stated.source,
            co2e_per_accepted_outcome=_known(intensity(whole, accepted, "no-accepted"), "gCO2e"),
        )

    def latest_training(self, service: str) -> tuple[Quarter | None, Known | None]:
        """CO2e of the training of the model in service: that of the latest quarter in which there was any."""
        for quarter in sorted(self.quarters, reverse=True):
            if any(row["service"] == service and row["phase"] in TRAINING_PHASES for row in self.quarters[quarter]):
                period = self.period_of(quarter)
                made = period.bearers(lambda bearer: bearer[0] == service and _is_training(bearer))
                if made:
                    return quarter, period.split(made).total
        return None, None

    def count(self, bearers: Iterable[Bearer], column: str) -> float | None:
        """Units of some services and phases; None where none was counted."""
        found = [
            row[column]
            for bearer in bearers
            for row in self.period.rows.get(bearer, ())
            if row["kind"] == KIND_SPAN and row[column] is not None
        ]
        return float(from_micro(sum(found))) if found else None

    def sites(self) -> tuple[SiteResult, ...]:
        """Energy by site, in the catalogue's order, then what is in none."""
        groups: dict[str | None, list[Row]] = {}
        for row in self.energy_rows if self.catalogue.sites else ():
            site = self.site_of(row["instance"])
            groups.setdefault(site.id if site else None, []).append(row)
        results = []
        for site in (*self.catalogue.sites, None):
            rows = groups.get(site.id if site else None)
            if rows is None:
                continue
            impact = self.assess(rows)
            missing = impact.reason if impact.energy_kwh is None else None
            results.append(
                SiteResult(
                    id=site.id if site else None,
                    name=site.name if site else None,
                    zone=(site.zone if site else None) or self.zone,
                    energy_it=_known(Known(impact.energy_it, missing), "kWh"),
                    energy=_quantity(impact.energy_kwh, "kWh", impact.energy_interval, missing),
                    boundary=impact.boundary,
                )
            )
        return tuple(results)

    def inventory(self, footprint: Footprint) -> tuple[InventoryLine, ...]:
        """The parts of the footprint by scope and item: electricity by who runs the site, making, hosted models."""
        groups: dict[str | None, list[Row]] = {}
        for row in self.energy_rows:
            site = self.site_of(row["instance"])
            groups.setdefault(site.operated if site else None, []).append(row)
        upstream = ("upstream-included",) if any(scope == "lifecycle" for scope, _ in self.factors.pairs) else ()
        lines = []
        for operated in sorted(groups, key=str) or [None]:
            co2e = footprint.co2e_operational
            if len(groups) > 1:
                impact = self.assess(groups[operated])
                co2e = _quantity(impact.co2e_kg, "kgCO2e", impact.co2e_interval, impact.reason)
            supposed = upstream if operated else ("operated-not-said", *upstream)
            item, supposed = ("services", ()) if operated == "hosted" else ("electricity", supposed)
            lines.append(InventoryLine("co2e_operational", operated, co2e, *_INVENTORY[item], item, supposed))
        for part, item, supposed in (("co2e_embodied", "capital-goods", ("equipment-owned",)), ("co2e_api", "services", ())):
            lines.append(InventoryLine(part, None, getattr(footprint, part), *_INVENTORY[item], item, supposed))
        return tuple(lines)

    def figures_used(self) -> tuple[FigureUsed, ...]:
        return tuple(
            FigureUsed(
                site=site.id,
                kind=kind,
                value=figure.value,
                quality=figure.quality,
                from_day=figure.start.isoformat() if figure.start else None,
                until_day=figure.until.isoformat() if figure.until else None,
                source=figure.source,
                dated=figure.date.isoformat(),
            )
            for site in self.catalogue.sites
            for kind, figures in (("pue", site.pue), ("wue", site.wue), ("water_factor", site.water_factor))
            for figure in figures
            if (site.id, figure) in self.figures
        )

    def equipment(self) -> tuple[EquipmentUsed, ...]:
        end_ns = min(self.end_ns, self.last_ns)
        used = []
        for item in self.catalogue.equipment:
            borne: dict[str, int] = {}
            for part in self.period.embodied:
                if part.equipment == item.id:
                    borne[part.bearer[0] or ""] = borne.get(part.bearer[0] or "", 0) + part.micrograms
            used.append(
                EquipmentUsed(
                    id=item.id,
                    name=item.name,
                    co2e_kg=item.co2e_kg,
                    life_years=item.life_years,
                    reserved_share=item.reserved_share,
                    instances=item.instances,
                    devices=item.devices,
                    from_day=item.start.isoformat(),
                    until_day=item.until.isoformat() if item.until else None,
                    source=item.source,
                    dated=item.date.isoformat(),
                    quarter_micrograms=amortised_micrograms(item, self.start_ns, end_ns, self.timezone),
                    by_service_micrograms=dict(sorted(borne.items())),
                )
            )
        return tuple(used)

    def hypotheses(self) -> tuple[Hypotheses, ...]:
        found = {use.hypotheses for use in self.period.uses if use.hypotheses}
        return tuple(sorted(found, key=lambda each: (each.provider, each.model)))

    def tokens(self) -> tuple[TokensUsed, ...]:
        used = []
        for use in self.period.uses:
            found, millions = use.hypotheses, use.tokens_out / 1_000_000
            bounds = (None, None, None) if found is None else (found.low_kg, found.central_kg, found.high_kg)
            low, central, high = (None if kg is None else kg * millions for kg in bounds)
            service, phase = use.bearer
            used.append(
                TokensUsed(
                    service, phase, use.provider, use.model, use.tokens_in, use.tokens_out, use.rows,
                    use.standing, use.reason, low, central, high,
                )
            )  # fmt: skip
        return tuple(used)

    def phase(self, service: str, phase: str) -> PhaseResult:
        rows = self.phases[service, phase]
        spans = [m for m in self.methods if (m["kind"], m["service"], m["phase"]) == (KIND_SPAN, service, phase)]
        measure = _measure(self.period.impacts.get((service, phase)) or self.assess(rows), spans)
        sums = self.sums.get((service, phase), {})
        units, accepted = (
            None if sums.get(name) is None else float(from_micro(sums[name])) for name in ("units_micro", "accepted_micro")
        )
        ends = {run: end for (s, p, run), end in self.outcomes.items() if (s, p) == (service, phase)}
        lost_runs = {run for run, end in ends.items() if end != "ok"}
        waste = [
            line["energy_microjoules"] or 0
            for line in self.runs
            if (line["service"], line["phase"]) == (service, phase) and line["run_id"] in lost_runs
        ]
        entry = self.catalogue.service(service)
        quality: dict[str, float] = {}
        for row in sorted(rows, key=_when):
            quality |= row["quality"]
        return PhaseResult(
            service=service,
            phase=phase,
            measure=measure,
            spans=sums.get("spans") or 0,
            cpu_seconds=(sums.get("cpu_ns") or 0) / NANOSECONDS_PER_SECOND,
            duration_seconds=covered_seconds((row["start_utc_ns"], row["end_utc_ns"]) for row in rows),
            units=units,
            accepted=accepted,
            energy_per_unit=_per_unit(measure.energy, units),
            functional_unit=entry.functional_unit if entry else None,
            runs={end: sum(1 for known in ends.values() if known == end) for end in OUTCOMES},
            waste_microjoules=sum(waste),
            quality=dict(sorted(quality.items())),
            simulated=any(row["simulated"] for row in rows),
        )

    def register(self) -> tuple[ServiceEntry, ...]:
        registered = [service.id for service in self.catalogue.services]
        return tuple(map(self.entry, [*registered, *sorted(self.by_service.keys() - set(registered))]))

    def entry(self, service_id: str) -> ServiceEntry:
        service = self.catalogue.service(service_id)
        rows = self.by_service.get(service_id, [])
        kinds = (KIND_SPAN, KIND_IDLE)
        measure = _measure(self.assess(rows), [m for m in self.methods if m["service"] == service_id and m["kind"] in kinds])
        statuses = {
            row["method"][component]["status"]
            for row in rows
            for component in COMPONENTS
            # A simulated quarter measures nobody.
            if row["kind"] == KIND_SPAN and row["energy_microjoules"][component] is not None and not row["simulated"]
        }
        recorded = measure.energy.value is not None
        return ServiceEntry(
            id=service_id,
            name=service.name if service else service_id,
            status=service.status if service else UNREGISTERED,
            registered=service is not None,
            measured=bool(statuses - {DECLARED}),
            declared_only=statuses == {DECLARED},
            audience=service.audience if service else None,
            purpose=service.purpose if service else None,
            functional_unit=service.functional_unit if service else None,
            owner_role=service.owner_role if service else None,
            energy=measure.energy,
            co2e=measure.co2e,
            stand_in=service.stand_in if service else False,
            counted_among_generalised=service.counted_among_generalised if service else False,
            scope=service.scope if service else None,
            energy_components_microjoules=measure.energy_components_microjoules if recorded else None,
            idle_microjoules=sum(m["microjoules"] for m in self.methods if (m["service"], m["kind"]) == (service_id, KIND_IDLE)),
        )

    def coverage(self, register: Iterable[ServiceEntry]) -> Coverage:
        entries = list(register)
        active = [entry for entry in entries if entry.registered and entry.status != "retired"]
        unnamed = self.catalogue.register.unnamed
        measured = sum(entry.measured for entry in active)
        whole = len(active) + unnamed.count
        return Coverage(
            measured=measured,
            named=len(active),
            unnamed=unnamed.count,
            unnamed_approximate=unnamed.approximate,
            share=measured / whole if whole and self.rows else None,
            unregistered=tuple(entry.id for entry in entries if not entry.registered),
            declared=sum(entry.declared_only for entry in active),
        )

    def trend(self) -> tuple[TrendPoint, ...]:
        points = []
        for quarter in sorted(self.quarters)[-_TREND_QUARTERS:]:
            rows = self.quarters[quarter]
            measure = _measure(self.whole if quarter == self.quarter else self.assess(rows), ())
            points.append(TrendPoint(str(quarter), measure.energy, measure.co2e, any(row["simulated"] for row in rows)))
        return tuple(points)

    def change(self, against: str, reference: Quarter) -> QuarterChange:
        """Against another quarter, in the parts that both know."""
        simulated = any(row["simulated"] for quarter in (reference, self.quarter) for row in self.quarters.get(quarter, ()))
        found = QuarterChange(against, str(reference), simulated)
        if reference not in self.quarters or self.quarter not in self.quarters:
            return replace(found, reason="no-data" if reference in self.quarters else "baseline-missing")
        periods = (self.period, self.period_of(reference))
        splits = [period.split(period.bearers(lambda _: True)) for period in periods]
        unknown = next((split.operational for split in splits if split.operational.estimate is None), None)
        if unknown is not None:
            return replace(found, reason=unknown.reason or "no-data")
        parts = [part for part in _PARTS if all(getattr(split, part).estimate is not None for split in splits)]
        names = successors(self.catalogue.services)

        def line(explained: Explained, keep: Callable[[Bearer], bool]) -> ChangeLine:
            ends = []
            for period in periods:
                split = period.split(period.bearers(keep))
                estimates = [getattr(split, part).estimate for part in parts]
                ends.append(Estimate.total(estimate for estimate in estimates if estimate is not None))
            return ChangeLine(explained, _relative(*ends))

        now, before = (
            accounts(period, names, embodied="embodied" in parts, api="api" in parts) for period in periods
        )  # fmt: skip
        services = decompose(before, now)
        return replace(
            found,
            parts=tuple(parts),
            total=line(total(services), lambda _: True),
            services=tuple(
                line(each, lambda bearer, service=each.service: names.get(bearer[0] or "", bearer[0]) == service)  # type: ignore[misc]
                for each in services
            ),
        )

    def verdict(
        self,
        target: Target,
        coverage: Coverage,
        totals: Measure,
        footprint: Footprint,
        services: Iterable[ServiceFootprint],
    ) -> TargetVerdict:
        from ecoia.catalogue import INDICATORS

        reason: str | None
        unit = INDICATORS[target.indicator]
        budget: BudgetState | None = None
        if target.baseline is not None:
            verdict, reason, observed, budget = self.trajectory(target, target.baseline.quarters, coverage, totals)
        else:
            service = next((each for each in services if each.service == target.service), None)
            observed = _observed(target.indicator, target.service, coverage, totals, footprint, service)
            verdict, reason = self.threshold(target, observed, coverage, totals)
        decision = target.decision
        return TargetVerdict(
            id=target.id,
            indicator=target.indicator,
            op=target.op,
            value=target.value,
            unit=unit,
            deadline=target.deadline,
            status=target.status,
            verdict=verdict,
            reason=reason,
            observed=observed,
            reduction=target.reduction,
            baseline_quarters=target.baseline.quarters if target.baseline else (),
            horizon=target.horizon,
            decision_body=decision.body if decision else None,
            decision_date=decision.date.isoformat() if decision and decision.date else None,
            service=target.service,
            budget=budget,
        )

    def trajectory(
        self, target: Target, baseline: Sequence[str], coverage: Coverage, totals: Measure
    ) -> tuple[str, str | None, Quantity, BudgetState | None]:
        """Verdict, reason, the change of the last four quarters against the baseline, and where the year stands."""
        inconclusive = "non-concluant"
        measured = {quarter for quarter, rows in self.quarters.items() if not all(row["simulated"] for row in rows)}
        references = [Quarter.parse(text) for text in baseline]
        if not measured.issuperset(references):
            return inconclusive, "baseline-missing", Quantity(None, "1", reason="baseline-missing"), None
        last = [quarter for quarter in (self.quarter.shift(-back) for back in range(QUARTERS_NEEDED)) if quarter in measured]
        spent = [quarter for quarter in last if quarter.year == self.quarter.year]
        before, now = (self.mean_level(target, quarters) for quarters in (references, last))
        for known in (before, now):
            if known.estimate is None:
                why = "no-data" if known.reason == "not-measured" else known.reason
                return inconclusive, why, Quantity(None, "1", reason=known.reason), None
        if before.estimate is None or now.estimate is None or target.reduction is None or target.horizon is None:
            raise AssertionError("a trajectory has all of its parts")
        observed = _relative(now.estimate, before.estimate)
        path = Trajectory(before.estimate, max(references).year, target.horizon, target.reduction)
        budget = self.budget(target, path, spent, last)
        if observed.value is None:
            return inconclusive, observed.reason, observed, budget
        if self.quarter < Quarter(target.horizon, 4):
            return inconclusive, "horizon-ahead", observed, budget
        if len(last) < QUARTERS_NEEDED:
            return inconclusive, "too-few-quarters", observed, budget
        if any(row["simulated"] for quarter in (*references, *last) for row in self.quarters[quarter]):
            return inconclusive, "simulated", observed, budget
        low, high = (observed.value if bound is None else bound for bound in (observed.low, observed.high))
        if low < -target.reduction < high:
            return inconclusive, "interval-straddles", observed, budget
        if observed.value > -target.reduction:
            return "non-tenu", "below-value", observed, budget
        return *self.unless_incomplete(coverage, totals), observed, budget

    def budget(self, target: Target, path: Trajectory, spent: Sequence[Quarter], last: Sequence[Quarter]) -> BudgetState:
        from ecoia.catalogue import INDICATORS

        unit, year = INDICATORS[target.indicator], self.quarter.year
        budget = Quantity(path.budget(year), unit)
        lacking = Quantity(None, unit, reason="too-few-quarters")
        if len(spent) < self.quarter.number:
            share = replace(lacking, unit="1")
            return BudgetState(year, budget, lacking, share, lacking, share)
        known = [self.level(target, quarter).estimate for quarter in spent]
        used = [estimate for estimate in known if estimate is not None]
        recent = [estimate for quarter in last if (estimate := self.level(target, quarter).estimate) is not None]
        total_used = Estimate.total(used)
        probability = path.overrun_probability(year, used, recent)
        return BudgetState(
            year=year,
            budget=budget,
            spent=_known(Known(total_used), unit),
            consumed=Quantity(total_used.value / budget.value, "1") if budget.value else Quantity(None, "1", reason="no-data"),
            distance=Quantity(total_used.value - (budget.value or 0.0) * self.quarter.number / 4, unit),
            overrun_probability=Quantity(probability, "1", reason="too-few-quarters" if probability is None else None),
        )

    def mean_level(self, target: Target, quarters: Sequence[Quarter]) -> Known:
        """Where an indicator stood, on average of some quarters."""
        if not quarters:
            return Known(None, "no-data")
        return Known.total(self.level(target, quarter) for quarter in quarters).scaled(1 / len(quarters))

    def level(self, target: Target, quarter: Quarter) -> Known:
        """Where an indicator that adds up stood in a quarter."""
        period = self.period_of(quarter)
        bearers = period.bearers(lambda bearer: target.service in (None, bearer[0]))
        split = period.split(bearers)
        if target.indicator == "co2e_constant_factor":
            if quarter not in self.constants:
                self.constants[quarter] = period.under(lambda rows: self.assess_under(self.reference, rows))
            return Known.total((period.operational(bearers, self.constants[quarter]), split.embodied, split.api))
        found: dict[str, Callable[[], Known]] = {
            "energy_components": lambda: period.energy_components(bearers),
            "energy_it": lambda: period.energy_it(bearers),
            "energy": lambda: period.energy(bearers),
            "co2e": lambda: split.total,
            "co2e_operational": lambda: split.operational,
            "co2e_embodied": lambda: split.embodied,
            "co2e_api": lambda: split.api,
            "water_direct": lambda: period.water(bearers, direct=True),
            "water_indirect": lambda: period.water(bearers, direct=False),
        }
        return found.get(target.indicator, lambda: Known(None, "not-computed"))()

    def threshold(self, target: Target, observed: Quantity, coverage: Coverage, totals: Measure) -> tuple[str, str | None]:
        if observed.value is None or target.value is None or target.deadline is None:
            return "non-concluant", "no-data" if observed.reason == "not-measured" else observed.reason
        if self.simulated:
            return "non-concluant", "simulated"
        low = observed.value if observed.low is None else observed.low
        high = observed.value if observed.high is None else observed.high
        if low < target.value < high:
            return "non-concluant", "interval-straddles"
        if not (observed.value >= target.value if target.op == ">=" else observed.value <= target.value):
            late = self.quarter >= Quarter.parse(target.deadline)
            return ("non-tenu", "below-value") if late else ("non-concluant", "deadline-ahead")
        # Under a cap because little was measured is not under a cap: what is not measured is not zero.
        if target.op == "<=" and target.indicator != "coverage_services":
            return self.unless_incomplete(coverage, totals)
        return "tenu", None

    def unless_incomplete(self, coverage: Coverage, totals: Measure) -> tuple[str, str | None]:
        """Kept, unless something is not in what is known."""
        if coverage.share != 1 or any(m.status == MISSING and m.name not in NOT_LACKING for m in totals.methods):
            return "non-concluant", "coverage-incomplete"
        return ("non-concluant", "partial-quarter") if self.partial else ("tenu", None)

    def notices(self, report: QuarterlyReport) -> tuple[str, ...]:
        charter = self.catalogue.charter
        commitments = charter.charter.commitments if charter and charter.charter else ()
        holds = {
            "no-data": not self.energy_rows,
            "no-catalogue": not self.catalogue.services,
            "no-zone": report.totals.co2e.reason == "no-zone",
            "no-factor": report.totals.co2e.reason == "no-factor",
            "factor-gap": any(not gap.filled for gap in report.factor_gaps),
            "factor-gap-filled": any(gap.filled for gap in report.factor_gaps),
            "no-pue": report.totals.boundary != "site" and bool(self.energy_rows),
            "commitment-text-missing": any(c.number == _COMMITMENT and not c.text for c in commitments),
            "simulated-history": any(point.simulated for point in report.trend if point.quarter != report.quarter),
            "stand-ins": any(entry.stand_in and entry.id in self.by_service for entry in report.register),
            "partial-quarter": self.partial,
            "idle-not-separated": bool(self.energy_rows) and KIND_IDLE not in self.kinds,
        }
        return tuple(code for code in NOTICES if holds[code])


def _measure(impact: Impact, methods: Iterable[Mapping[str, Any]]) -> Measure:
    missing = impact.reason if impact.energy_kwh is None else None
    return Measure(
        energy_components_microjoules=impact.energy_components_microjoules,
        by_component_microjoules=dict(impact.by_component_microjoules),
        energy_components=_quantity(impact.energy_components_kwh, "kWh", impact.energy_components_interval, missing),
        energy=_quantity(impact.energy_kwh, "kWh", impact.energy_interval, missing),
        boundary=impact.boundary,
        co2e=_quantity(impact.co2e_kg, "kgCO2e", impact.co2e_interval, impact.reason),
        methods=_method_shares(methods),
        precision_class=impact.precision_class,
        energy_at_wall_microjoules=impact.energy_at_wall_microjoules,
        co2e_operational_market=_quantity(impact.co2e_market_kg, "kgCO2e", impact.co2e_market_interval, impact.market_reason),
    )


def _named(row: Row) -> Row:
    """The row, with a service and phase where its kind must have them."""
    if row["kind"] in (KIND_SPAN, KIND_OUTCOME) and not (row["service"] and row["phase"]):
        return {**row, "service": row["service"] or SERVICE_UNSPECIFIED, "phase": row["phase"] or PHASE_UNSPECIFIED}
    return row


def _when(row: Row) -> tuple[int, list[str]]:
    """Order in time; the ids decide between equal ends, so that no order of the rows does."""
    return row["end_utc_ns"], row["record_ids"]


def _latest_outcomes(rows: Iterable[Row]) -> dict[tuple[str, str, str], str]:
    """How each run of these rows ended: its latest outcome, by service, phase and run."""
    outcomes: dict[tuple[str, str, str], str] = {}
    for row in sorted((row for row in rows if row["kind"] == KIND_OUTCOME), key=_when):
        outcomes[row["service"], row["phase"], row["run_id"] or row["record_ids"][0]] = row["outcome"]
    return outcomes


def _quantity(value: float | None, unit: str, bounds: Interval | None, reason: str | None) -> Quantity:
    if value is None:
        return Quantity(None, unit, reason=reason)
    return Quantity(value, unit, bounds.low, bounds.high) if bounds else Quantity(value, unit)


def _known(known: Known, unit: str) -> Quantity:
    """What is known, with its interval; where nothing was there to be counted, no value, for that reason."""
    estimate = known.estimate
    if estimate is None or known.reason is not None:
        return Quantity(None, unit, reason=known.reason or "no-data")
    return _quantity(estimate.value, unit, estimate.interval, None)


def _is_training(bearer: Bearer) -> bool:
    return bearer[1] in TRAINING_PHASES


def _observed(
    indicator: str,
    asked: str | None,
    coverage: Coverage,
    totals: Measure,
    footprint: Footprint,
    service: ServiceFootprint | None,
) -> Quantity:
    """Where an indicator stands, for a service if one is ``asked`` for."""
    from ecoia.catalogue import INDICATORS

    unit = INDICATORS[indicator]
    if asked is not None and service is None:
        return Quantity(None, unit, reason="no-data")
    parts = footprint if service is None else service.footprint
    of_all = {
        "coverage_services": Quantity(coverage.share, unit, reason="no-data" if coverage.share is None else None),
        "energy_components": totals.energy_components,
        "energy": totals.energy,
        "co2e_operational_market": totals.co2e_operational_market,
    }
    found: Quantity | None = of_all.get(indicator) if asked is None else getattr(service, indicator, None)
    return found or getattr(parts, indicator, None) or Quantity(None, unit, reason="not-computed")


def _relative(now: Estimate, before: Estimate) -> Quantity:
    """C / C0 - 1."""
    if not before.value:
        return Quantity(None, "1", reason="baseline-missing")
    return _quantity(now.value / before.value - 1, "1", change_interval(now, before), None)


def _per_unit(energy: Quantity, units: float | None) -> Quantity:
    """Wh per functional unit: the sums first, the ratio last."""
    if energy.value is None:
        return Quantity(None, "Wh", reason=energy.reason)
    if not units:
        return Quantity(None, "Wh", reason="no-units")
    value, low, high = (None if number is None else number * 1000 / units for number in (energy.value, energy.low, energy.high))
    return Quantity(value, "Wh", low, high)


def _method_shares(lines: Iterable[Mapping[str, Any]]) -> tuple[MethodShare, ...]:
    sums: dict[tuple[str, str, str], int] = {}
    for line in lines:
        key = (line["component"], line["status"], line["method"])
        sums[key] = sums.get(key, 0) + line["microjoules"]
    order = {component: index for index, component in enumerate(COMPONENTS)}
    return tuple(MethodShare(*key, sums[key]) for key in sorted(sums, key=lambda key: (order[key[0]], *key)))


def _lost(rows: Iterable[Row]) -> dict[str, int]:
    lost: dict[str, int] = {}
    for row in rows:
        for cause, count in row["lost"].items():
            lost[cause] = lost.get(cause, 0) + count
    return dict(sorted(lost.items()))


def _factor_used(applied: AppliedFactor, same_year: bool) -> FactorUsed:
    use = applied.use
    return FactorUsed(
        zone=use.zone,
        value_g_per_kwh=applied.value_g_per_kwh,
        year=use.year,
        scope=use.scope,
        basis=use.basis,
        source=use.source,
        licence=use.licence,
        factor_set=use.factor_set,
        same_year=same_year,
        least_g_per_kwh=applied.least_g_per_kwh,
        greatest_g_per_kwh=applied.greatest_g_per_kwh,
        release=use.release,
        retrieved_on=use.retrieved_on or None,
        filled=use.filled or None,
    )


def _factor_set_in_use(factors: FactorSet) -> FactorSetInUse | None:
    if len(factors.pairs) != 1:
        return None  # an empty set, which nothing can be computed with
    scope, basis = factors.pairs[0]
    return FactorSetInUse(factors.id, factors.version, factors.title, scope, basis, factors.fill)


def _contract_used(contract: Contract) -> ContractUsed:
    return ContractUsed(
        supplier=contract.supplier,
        gco2e_per_kwh=contract.gco2e_per_kwh,
        scope=contract.scope,
        share=contract.share,
        zone=contract.zone,
        instances=contract.instances,
        from_day=contract.start.isoformat(),
        until_day=contract.until.isoformat(),
        evidence=contract.evidence,
    )


def _calibration_used(calibration: Calibration) -> CalibrationUsed:
    return CalibrationUsed(
        component=calibration.component,
        wall_factor=calibration.wall_factor,
        gsd=calibration.gsd,
        instances=calibration.instances,
        from_day=calibration.start.isoformat() if calibration.start else None,
        until_day=calibration.until.isoformat() if calibration.until else None,
        source=calibration.source,
        measured_on=calibration.date.isoformat(),
    )


def _utc(instant_ns: int) -> str:
    return utc_datetime(instant_ns).strftime("%Y-%m-%dT%H:%M:%SZ")
