"""The quarter's report as plain data. ``build_report(...) -> QuarterlyReport``; renderers draw it, tests compare it.

Nothing in it depends on when, where or from which store it was built: the same records, catalogue, settings and
factors give the same bytes. Sentences are the renderers' business: here are values, units, ids and codes.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass

REPORT_SCHEMA = 1

# Every code that the report may hold, so that a renderer can prove that it has a sentence for each.
REASONS = ("no-data", "not-measured", "no-zone", "no-factor", "no-units", "baseline-missing", "not-computed")
"""Why a ``Quantity`` has no value. ``no-data``: nothing recorded; ``not-measured``: recorded, but no component gave energy;
``no-zone``: some or all of the energy has no known zone; ``no-factor``: its zone or year has no emission factor;
``no-units``: no functional units were given; ``baseline-missing``: the reference quarters are not recorded;
``not-computed``: this version does not compute the indicator."""

NOTICES = (
    "no-data",
    "no-catalogue",
    "no-zone",
    "no-factor",
    "no-pue",
    "commitment-text-missing",
    "simulated-history",
    "stand-ins",
    "partial-quarter",
    "idle-not-separated",
)
"""Codes of ``QuarterlyReport.notices``, in the order in which they are listed."""

VERDICTS = ("tenu", "non-tenu", "non-concluant")
VERDICT_REASONS = (
    "below-value",
    "deadline-ahead",
    "horizon-ahead",
    "no-data",
    "no-zone",
    "no-factor",
    "baseline-missing",
    "interval-straddles",
    "simulated",
    "not-computed",
)
"""Why a verdict is not ``tenu``. ``below-value``: the deadline is reached and the value is not; ``deadline-ahead`` and
``horizon-ahead``: not reached yet, and there is time left; ``simulated``: simulated rows prove nothing; the others as in
``REASONS``."""


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
    ``energy`` is ``energy_components`` x wall factor x PUE; ``boundary`` says which of the two were applied:
    ``site`` (PUE applied) or ``it`` (no PUE known: hors bâtiment).
    """

    energy_components_microjoules: int
    by_component_microjoules: dict[str, int | None]
    energy_components: Quantity
    energy: Quantity
    boundary: str
    co2e: Quantity
    methods: tuple[MethodShare, ...]
    precision_class: int | None  # 1 to 4, of co2e where computed, else of energy


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


@dataclass(frozen=True)
class FactorUsed:
    """An emission factor with everything a reader needs to find it again."""

    zone: str
    value_g_per_kwh: float
    year: int
    scope: str
    basis: str
    source: str
    licence: str
    factor_set: str
    same_year: bool


@dataclass(frozen=True)
class TrendPoint:
    """One quarter of the trend. ``simulated``: replayed from a fixture, not measured."""

    quarter: str
    energy: Quantity
    co2e: Quantity
    simulated: bool


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
    factors: tuple[FactorUsed, ...]
    zones: tuple[str, ...]
    pue: float | None
    lost: dict[str, int]  # what could not be recorded, by cause
    simulated: bool
    notices: tuple[str, ...] = ()  # codes, of NOTICES
    governance: tuple[Body, ...] = ()
    register_as_of: str | None = None  # civil day of the register's source
    method_version: str = "1"
    schema: int = REPORT_SCHEMA

    def to_json(self) -> str:
        """The report as indented JSON, keys sorted: equal data gives equal bytes."""
        return json.dumps(dataclasses.asdict(self), ensure_ascii=False, allow_nan=False, indent=2, sort_keys=True) + "\n"
