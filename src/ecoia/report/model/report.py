"""The whole report, and its JSON."""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import dataclass, field

from ecoia.impact.doublecounting import ListedRefusal
from ecoia.impact.grid import FactorGap
from ecoia.impact.hosted_estimates import Hypotheses
from ecoia.impact.ledger_gaps import LedgerGap, LedgerShortfall
from ecoia.impact.recalculation import Recalculation
from ecoia.report.model.changes import DeclaredChange, QuarterChange, TrendPoint
from ecoia.report.model.codes import ENVIRONMENTAL_COMMITMENT
from ecoia.report.model.figures import NO_HEADLINE, Footprint, Headline, Measure, PhaseResult, Quantity, ServiceFootprint
from ecoia.report.model.people import ActionState, Answered, Body, Commitment, RegionShare, Said
from ecoia.report.model.places import EquipmentUsed, FigureUsed, InventoryLine, SiteResult, TokensUsed
from ecoia.report.model.register import Coverage, ServiceEntry
from ecoia.report.model.savings import Frontier, RunUsed, Saving, Unsupported
from ecoia.report.model.sources import (
    CalibrationUsed,
    ContractUsed,
    CrosscheckKept,
    DeviationInUse,
    EquivalenceUsed,
    FactorSetInUse,
    FactorUsed,
    Sensitivity,
)
from ecoia.report.model.targets import TargetVerdict

REPORT_SCHEMA = 1

# Controls, marks of direction, ends of line of other alphabets: a viewer of JSON would show another text than the data holds.
_UNSEEN = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


@dataclass(frozen=True)
class Seal:
    """What a published report says of its publication.

    A document cannot print the head of its own publication, because the head covers the document. It prints the SHA-256 of the
    figures that it shows (``report.json``), and the head of the publication before.
    """

    name: str
    published_on: str
    figures_digest: str
    previous: str | None
    previous_head: str | None


@dataclass(frozen=True)
class QuarterlyReport:
    """The report that the committees receive, as data: values, units, ids and codes."""

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
    pue: float | None  # outside every site
    lost: dict[str, int]  # counted losses, by cause
    simulated: bool
    notices: tuple[str, ...] = ()  # of codes.NOTICES
    governance: tuple[Body, ...] = ()
    calibrations: tuple[CalibrationUsed, ...] = ()
    crosschecks: tuple[CrosscheckKept, ...] = ()
    sites: tuple[SiteResult, ...] = ()
    site_figures: tuple[FigureUsed, ...] = ()
    equipment: tuple[EquipmentUsed, ...] = ()
    instances_without_equipment: tuple[str, ...] = ()
    tokens: tuple[TokensUsed, ...] = ()
    model_hypotheses: tuple[Hypotheses, ...] = ()
    reference_year: int | None = None  # the year of the grid factors of co2e_constant_factor
    reference_factors: tuple[FactorUsed, ...] = ()
    register_as_of: str | None = None  # civil day of the register's source
    factor_set: FactorSetInUse | None = None
    factor_gaps: tuple[FactorGap, ...] = ()
    contracts: tuple[ContractUsed, ...] = ()
    doubles: tuple[ListedRefusal, ...] = ()  # claimed twice: the claims left out of every total
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
    restatements: tuple[Recalculation, ...] = ()  # published quarters computed again
    published_micrograms: dict[str, dict[str, int]] = field(default_factory=dict)  # by quarter and part, as published
    seal: Seal | None = None  # in a published report only
    deviations: tuple[DeviationInUse, ...] = ()
    equivalences: tuple[EquivalenceUsed, ...] = ()
    deviations_because: str | None = None  # why some deviations are not the default, in the organisation's words
    ledger_gaps: tuple[LedgerGap, ...] = ()  # ledger days up to the quarter's end that are in no figure
    incomplete_because: str | None = None  # why it is published all the same, in the organisation's words
    ledger_shortfalls: tuple[LedgerShortfall, ...] = ()  # what they are worth: of this quarter, and of those it compares with
    headline: Headline = NO_HEADLINE
    declared_changes: tuple[DeclaredChange, ...] = ()
    declared_since: str | None = None  # name of the publication that the declarations are compared with
    method_version: str = "4"
    schema: int = REPORT_SCHEMA

    def consumed(self, trajectory: str | None) -> Quantity:
        """Return the share of its year's budget that a trajectory has used, by the id of its target."""
        budget = next((each.budget for each in self.targets if each.id == trajectory and each.budget), None)
        return budget.consumed if budget else Quantity(None, "1", reason="baseline-missing")

    def share_absorbed(self, service: str | None = None) -> Quantity:
        """Return the share of services whose gain per unit was absorbed by volume since the same quarter a year before.

        Args:
            service: A service, whose share is 0 or 1; None: all services for which it can be said.
        """
        year = next((each for each in self.changes if each.against == "year-before"), None)
        if year is None or year.reason is not None:
            return Quantity(None, "1", reason=year.reason if year else "baseline-missing")
        absorbed = [
            line.explained.absorbed_gain
            for line in year.services
            if line.explained.absorbed_gain is not None and service in (None, line.explained.service)
        ]
        return Quantity(sum(absorbed) / len(absorbed), "1") if absorbed else Quantity(None, "1", reason="no-units")

    @property
    def greatest_recalculation(self) -> Quantity:
        """The greatest difference between a published quarter and its recalculation, relative to what was published."""
        found = [abs(each.relative) for each in self.restatements if each.relative is not None]
        return Quantity(max(found), "1") if found else Quantity(None, "1", reason="no-data")

    @property
    def is_restated(self) -> bool:
        """Whether this is a published quarter that was computed again and published beside the first."""
        return self.seal is not None and self.seal.name != self.quarter

    @property
    def factors_of_quarter(self) -> tuple[FactorUsed, ...]:
        """The emission factors that the report's own quarter used; ``factors`` has those of the quarters compared too."""
        return tuple(each for each in self.factors if each.quarter == self.quarter)

    @property
    def environmental_commitment(self) -> Commitment | None:
        """The commitment of the charter that the report is of; None where the charter does not hold it."""
        return next((each for each in self.commitments if each.number == ENVIRONMENTAL_COMMITMENT), None)

    def to_json(self) -> str:
        """Write the report as indented JSON, keys sorted: equal data gives equal bytes.

        Marks that a reader cannot see are escaped. Intensities of a service stand beside its other fields. Where the ledger is
        complete, nothing is said of it, nor of cross-checks where there are none: such a report has the bytes that it had before
        these were told.
        """
        data = dataclasses.asdict(self)
        for name in ("ledger_gaps", "ledger_shortfalls", "incomplete_because", "crosschecks"):
            if not data[name]:
                del data[name]
        for service in data["services"]:
            service |= service.pop("intensities")
        text = json.dumps(data, ensure_ascii=False, allow_nan=False, indent=2, sort_keys=True)
        return _UNSEEN.sub(lambda mark: f"\\u{ord(mark[0]):04x}", text) + "\n"
