"""The quarter's report as plain data. ``build_report(...) -> QuarterlyReport``; renderers draw it, tests compare it.

Nothing in it depends on when, where or from which store it was built: the same records, catalogue, settings and
factors give the same bytes. Sentences are the renderers' business: here are values, units, ids and codes.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass

REPORT_SCHEMA = 1


@dataclass(frozen=True)
class Quantity:
    """A number with its unit and 95 % interval. ``value`` None: not computed, for the ``reason`` (a code)."""

    value: float | None
    unit: str
    low: float | None = None
    high: float | None = None
    reason: str | None = None  # no-data | no-zone | no-factor | no-units


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


@dataclass(frozen=True)
class Coverage:
    """Who is in the denominator. ``share`` is measured registered services / (named + unnamed) in scope."""

    measured: int
    named: int
    unnamed: int
    unnamed_approximate: bool
    share: float | None
    unregistered: tuple[str, ...]


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
    verdict: str
    reason: str | None
    observed: Quantity


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
    notices: tuple[str, ...] = ()  # codes: no-zone, no-pue, commitment-text-missing, no-catalogue, ...
    method_version: str = "1"
    schema: int = REPORT_SCHEMA

    def to_json(self) -> str:
        """The report as indented JSON, keys sorted: equal data gives equal bytes."""
        return json.dumps(dataclasses.asdict(self), ensure_ascii=False, allow_nan=False, indent=2, sort_keys=True) + "\n"
