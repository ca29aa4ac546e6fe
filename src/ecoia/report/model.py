"""The quarter's report as plain data: values, units, ids and codes. Sentences are the renderers' business."""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import dataclass, field
from typing import Any

from ecoia.impact.change import ExplainedChange
from ecoia.impact.doublecounting import ListedRefusal
from ecoia.impact.grid import FactorGap
from ecoia.impact.hosted import Hypotheses
from ecoia.impact.recalculation import Recalculation

REPORT_SCHEMA = 1

# Controls, marks of direction, ends of line of other alphabets: in a viewer of JSON they make a text read as another.
_UNSEEN = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")

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


SAVINGS = ("lost-runs", "idle", "dominated-runs", "other-hours")
"""``lost-runs``: failed or abandoned; ``idle``: reserved and idle; ``dominated-runs``: another run was as good for less energy;
``other-hours``: the same work at other hours would have emitted less."""

UNSUPPORTED = (
    "no-runs",
    "no-outcomes",
    "no-quality",
    "no-direction",
    "too-few-runs",
    "idle-not-separated",
    "flat-factors",
    "nothing-found",
)
"""Why there is no saving of a kind. ``no-runs``: none made a model; ``no-outcomes``: nothing says how they ended;
``no-quality``: no finished run has a figure of quality; ``no-direction``: the register does not say which way a figure is better;
``too-few-runs``: fewer than two finished runs to compare; ``idle-not-separated``: no idle energy is set apart;
``flat-factors``: emission factors do not vary within the day, or are not known at other hours; ``nothing-found``: looked for,
and nothing above the least share that is listed."""

ASSUMPTIONS = ("operated-not-said", "upstream-included", "equipment-owned")
"""What an ``InventoryLine`` supposes. ``operated-not-said``: the organisation runs the site; ``upstream-included``: the factors
are of the life cycle, and what is upstream of electricity (scope 3, category 3) is not told apart; ``equipment-owned``: the
organisation bought the machines."""

INVENTORY_ITEMS = ("electricity", "capital-goods", "services")


COVERED = 0.8
"""The share of its declared instance-days from which on a service counts as measured."""


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
    instance_days: int = 0  # recorded: distinct instances and civil days, neither simulated nor declared only
    instance_days_declared: float | None = None  # of the days that have begun
    covered: float | None = None  # the share of the declared ones, 1 at most; None: not declared
    boamps: dict[str, Any] | None = None  # what the register says of its tasks, as ``catalogue.BoAmps`` has it


@dataclass(frozen=True)
class Coverage:
    """Who is in the denominator. ``share`` is measured registered services / (named + unnamed) in scope.

    A service is measured when at least ``COVERED`` of its declared instance-days are recorded; one that declares none
    (``undeclared_days``) as soon as it is recorded. ``partly`` are those recorded on fewer of them, not measured.
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
    partly: tuple[str, ...] = ()
    undeclared_days: tuple[str, ...] = ()


@dataclass(frozen=True)
class BudgetState:
    """Where the year stands on a trajectory. ``budget`` is what ``year`` may use, a quarter of it each quarter.

    ``spent`` is what its quarters used to date, ``consumed`` that as a share of the budget, ``distance`` that less what was
    was to be used by then: below 0 is under the path. ``expected`` is what the year ends with if the quarters ahead are like the
    last four.
    """

    year: int
    budget: Quantity
    spent: Quantity
    consumed: Quantity
    distance: Quantity
    overrun_probability: Quantity
    expected: Quantity = Quantity(None, "1", reason="too-few-quarters")


@dataclass(frozen=True)
class BaselineAddition:
    """A service that existed in a quarter of the baseline and was not counted in it: what is added for it, by estimate.

    ``taken_from`` is the first quarter in which it was recorded, ``share`` on which part of the quarter's days it existed.
    """

    service: str
    quarter: str
    taken_from: str
    share: float
    quantity: Quantity


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
    additions: tuple[BaselineAddition, ...] = ()  # what its baseline holds by estimate


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
class DeviationInUse:
    """The geometric standard deviation of a source of error, and what it is where nobody chose another."""

    name: str  # of deviations.GSD
    gsd: float
    default: float


@dataclass(frozen=True)
class EquivalenceUsed:
    """What the CO2e is set beside, on request: ``quantity`` of it emits as much. The interval is that of the CO2e alone.

    ``of`` is the indicator that is set beside it: ``co2e``, or ``co2e_operational`` where not all parts are known.
    """

    id: str
    of: str
    quantity: Quantity
    kg_per_unit: float
    source: str
    dated: str


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
class Serving:
    """What serving took, idle capacity reserved for it included, making the models left out: the parts of ``sci``."""

    energy: Quantity  # with the building where known
    co2e_operational: Quantity
    co2e_embodied: Quantity
    co2e_api: Quantity
    units: float | None


@dataclass(frozen=True)
class ServiceFootprint:
    """A service's parts and intensities, each in its own unit: services are not ranked by them.

    ``sci_training`` is the part of ``sci`` that is training amortised, of ``training_quarter``. ``accepted_source`` is None
    where the count was recorded with the work.
    """

    service: str
    footprint: Footprint
    functional_unit: str | None
    serving: Serving
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
    record_ids: tuple[str, ...] = ()  # the first of the ``records`` that they are on
    records: int = 0


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
    """One quarter of the trend. ``simulated``: replayed from a fixture, not measured.

    ``co2e_at_constant_factor`` is that of use, as ``co2e`` is, at the grid factors of the report's reference year.
    """

    quarter: str
    energy: Quantity
    co2e: Quantity
    simulated: bool
    co2e_at_constant_factor: Quantity = Quantity(None, "kgCO2e", reason="no-reference")


@dataclass(frozen=True)
class ChangeLine:
    """The change of a service, or of all: its terms in micrograms, and how many times less or more, C / C0 - 1."""

    explained: ExplainedChange
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
class RunUsed:
    """A run that made a model, and what it took. ``outcome`` None: nothing says how it ended."""

    service: str
    phase: str
    run_id: str
    outcome: str | None
    energy: Quantity
    quality: dict[str, float]


@dataclass(frozen=True)
class Saving:
    """What the quarter's data shows could be spared. ``microjoules``, of components, are exact; ``energy`` is at the site.

    ``kind`` one of ``SAVINGS``. ``may_harm`` are numbers of commitments of the charter. Of ``dominated-runs``: ``metric`` is the
    figure of quality that was compared, ``front`` the runs that no other one equals for less.
    """

    kind: str
    service: str
    phase: str | None
    microjoules: int
    energy: Quantity
    co2e: Quantity
    role: str | None  # who can act, as the register has it
    may_harm: tuple[int, ...]
    runs: tuple[str, ...] = ()
    metric: str | None = None
    front: tuple[str, ...] = ()
    hours_later: int | None = None


@dataclass(frozen=True)
class Unsupported:
    """A kind of saving that is not in the report, and why. ``services``: of these alone; none named: of all."""

    kind: str  # one of SAVINGS
    reason: str  # one of UNSUPPORTED
    services: tuple[str, ...] = ()


@dataclass(frozen=True)
class Frontier:
    """Finished runs of a service and phase that a figure of quality compares, by energy; the register says which way is better.

    ``front`` are those that no other one equals for less. ``left_out`` are so many more, neither on the front nor costly.
    """

    service: str
    phase: str
    metric: str
    better: str  # higher | lower
    runs: tuple[RunUsed, ...]
    front: tuple[str, ...]
    left_out: int = 0


@dataclass(frozen=True)
class Said:
    """What committees recommended, decided or wrote beside the figures. ``kind``: recommendation | decision | tie | comment.

    ``about`` is the id that it answers, the number of the commitment that it ties to, or the section that it comments.
    """

    kind: str
    text: str
    id: str | None = None
    body: str | None = None
    service: str | None = None
    about: str | None = None
    date: str | None = None


@dataclass(frozen=True)
class ActionState:
    """An action and where it stood at the end of the quarter. ``state``: planned | under-way | done | dropped."""

    id: str
    text: str
    role: str
    due: str
    state: str
    late: bool
    service: str | None = None
    about: str | None = None
    note: str | None = None


@dataclass(frozen=True)
class RegionShare:
    """Figures of a service apportioned to a region by its units: a key for reading, not a measurement."""

    region: str
    service: str
    units: float
    share: float
    energy: Quantity
    co2e: Quantity
    source: str


@dataclass(frozen=True)
class Sensitivity:
    """What the whole would be if one thing were otherwise. ``kind``: factor-set | idle-left-out | no-pue.

    ``of`` is the indicator that changes; ``name`` what was taken instead, where it has a name.
    """

    kind: str
    of: str
    name: str | None
    value: Quantity


@dataclass(frozen=True)
class Answered:
    """An answer of a service's self-assessment, the last given. ``answer``: met | partly | unmet | not-applicable | open."""

    service: str
    question: str
    answer: str
    quarter: str
    comment: str | None
    role: str | None


@dataclass(frozen=True)
class Seal:
    """What a published report prints of its seal, for the minutes: ``head`` is the SHA-256 of its manifest."""

    name: str
    published_on: str
    head: str
    previous: str | None
    previous_head: str | None


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
    costliest_runs: tuple[RunUsed, ...] = ()
    savings: tuple[Saving, ...] = ()
    unsupported: tuple[Unsupported, ...] = ()
    frontiers: tuple[Frontier, ...] = ()
    said: tuple[Said, ...] = ()
    actions: tuple[ActionState, ...] = ()
    regions: tuple[RegionShare, ...] = ()
    evaluations: tuple[Answered, ...] = ()
    sensitivities: tuple[Sensitivity, ...] = ()
    restatements: tuple[Recalculation, ...] = ()  # published quarters computed again, with the bridge
    published_micrograms: dict[str, dict[str, int]] = field(default_factory=dict)  # by quarter and part, as published
    seal: Seal | None = None  # of a published one only, where it is printed
    deviations: tuple[DeviationInUse, ...] = ()
    equivalences: tuple[EquivalenceUsed, ...] = ()
    deviations_because: str | None = None  # why some are not the default, as the organisation says
    method_version: str = "1"
    schema: int = REPORT_SCHEMA

    def to_json(self) -> str:
        """The report as indented JSON, keys sorted: equal data gives equal bytes. Marks that a reader cannot see are escaped."""
        text = json.dumps(dataclasses.asdict(self), ensure_ascii=False, allow_nan=False, indent=2, sort_keys=True)
        return _UNSEEN.sub(lambda mark: f"\\u{ord(mark[0]):04x}", text) + "\n"
