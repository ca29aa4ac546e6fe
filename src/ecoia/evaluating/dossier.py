"""The dossier of a service for commitment 7: measured figures, the project manager's answers, a year of general use.

It can be made before the first measurement: each figure then says that it is not measured yet.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from ecoia.catalogue import THEMES, Catalogue
from ecoia.errors import UsageError
from ecoia.evaluating.projection import Projection, project
from ecoia.factors import FactorSet
from ecoia.periods import Quarter
from ecoia.records import Row
from ecoia.report import Quantity, QuarterlyReport, build_report
from ecoia.semconv import DEVELOPMENT_PHASES
from ecoia.settings import Settings

NOT_MEASURED = "not-measured"

FIGURES = {
    "energy": "kWh",
    "co2e": "kgCO2e",
    "energy_per_unit": "Wh",
    "sci": "gCO2e",
    "co2e_per_accepted_outcome": "gCO2e",
    "energy_training": "kWh",
    "training_intensity": "gCO2e",
    "waste_rate": "1",
    "idle_rate": "1",
    "co2e_embodied": "kgCO2e",
    "co2e_api": "kgCO2e",
    "water_direct": "L",
}
"""The figures of a service's quarter that its dossier shows, with their units."""

SHEDS_LIGHT_ON = {
    "modele-plus-leger": ("energy_per_unit", "sci"),
    "utilite-chiffree": ("co2e", "co2e_per_accepted_outcome"),
    "essais-bornes": ("energy_training", "waste_rate"),
    "reentrainement": ("training_intensity",),
    "appels-evites": ("energy_per_unit", "co2e_api"),
    "capacite-ajustee": ("idle_rate",),
    "effet-rebond": ("energy",),
    "lieu-et-pue": ("energy", "water_direct"),
    "equipements": ("co2e_embodied",),
    "mesure-des-le-debut": ("energy",),
}
"""The figures that stand beside each question."""


@dataclass(frozen=True)
class Given:
    """An answer to one question, and the quarter in which it was given.

    ``answer`` is ``met``, ``partly``, ``unmet``, ``not-applicable`` or ``open``. ``role`` is the role of the person who answered.
    """

    answer: str
    comment: str | None
    role: str | None
    quarter: str


@dataclass(frozen=True)
class Evaluation:
    """A service's dossier in a quarter.

    ``answers`` holds the last answer to each question up to the quarter. ``measured`` is true if anything was recorded of the
    service, on however few days. ``projection`` is ``None`` if no volume was given, or if nothing can be projected:
    ``projection_lacks`` then gives the reason, one of ``report.REASONS``. ``boundary`` is as in ``report.Measure``.
    """

    service: str
    name: str
    status: str
    purpose: str | None
    audience: str | None
    functional_unit: str | None
    owner_role: str | None
    organisation: str
    quarter: str
    measured: bool
    simulated: bool
    boundary: str
    figures: dict[str, Quantity]
    answers: dict[str, Given]
    projection: Projection | None = None
    projection_lacks: str | None = None
    ethics_contact: str | None = None

    @property
    def open_questions(self) -> tuple[str, ...]:
        """The questions that have no answer, or the answer ``open``."""
        return tuple(q for q in THEMES if q not in self.answers or self.answers[q].answer == "open")

    def to_json(self) -> str:
        """Return it as indented JSON with sorted keys."""
        return json.dumps(asdict(self), ensure_ascii=False, allow_nan=False, indent=2, sort_keys=True) + "\n"


def evaluate(
    rows: Sequence[Row],
    service: str,
    quarter: Quarter,
    *,
    settings: Settings,
    catalogue: Catalogue,
    factors: FactorSet,
    units_per_year: float | None = None,
) -> Evaluation:
    """Build the dossier of a service.

    Args:
        rows: Ledger rows in any order; may be empty.
        service: Id of a registered service, whatever its status.
        quarter: The quarter, in the organisation's time zone.
        settings: ``timezone``, ``zone`` and ``pue`` are used.
        catalogue: The register, the answers, and the organisation's other files.
        factors: Emission factors.
        units_per_year: Functional units planned in general use, above 0; ``None``: nothing is projected.

    Raises:
        UsageError: the service is not registered.
        FactorError: the zone of the settings or of a site has no emission factor.
        MissingExtraError: pandas and narwhals are not installed.

    Example::

        evaluate([], "assistant", quarter, settings=settings, catalogue=catalogue, factors=factors).open_questions
        # ('modele-plus-leger', ...)
    """
    entry = catalogue.service(service)
    if entry is None:
        raise UsageError(
            f"service '{service}' is not in the register: add it to services.yaml, or to the workbook's sheet 'Registre' "
            "(a project has status poc)"
        )
    report = build_report(rows, quarter, settings=settings, catalogue=catalogue, factors=factors)
    figures = _figures(report, service)
    lacks = None if units_per_year is None else _reason_not_projected(report, service)
    projection = None
    if units_per_year is not None and lacks is None:
        projection = project(rows, service, units_per_year, quarter, settings=settings, catalogue=catalogue, factors=factors)
    phases = [result for result in report.results if result.service == service]
    return Evaluation(
        service=service,
        name=entry.name,
        status=entry.status,
        purpose=entry.purpose,
        audience=entry.audience,
        functional_unit=entry.functional_unit,
        owner_role=entry.owner_role,
        organisation=report.organisation,
        quarter=report.quarter,
        measured=figures["energy"].value is not None or bool(phases),
        simulated=any(result.simulated for result in phases),
        boundary=phases[0].measure.boundary if phases else "it",
        figures=figures,
        answers=_answers(catalogue, service, report.quarter),
        projection=projection,
        projection_lacks=lacks,
        ethics_contact=report.ethics_contact,
    )


def _answers(catalogue: Catalogue, service: str, quarter: str) -> dict[str, Given]:
    return {
        question: Given(given.answer, given.comment, given.role, given.quarter)
        for question, given in catalogue.evaluation(service, quarter).items()
    }


def _figures(report: QuarterlyReport, service: str) -> dict[str, Quantity]:
    entry = next(item for item in report.register if item.id == service)
    found: dict[str, Quantity] = {"energy": entry.energy, "co2e": entry.co2e}
    for result in report.results:
        if result.service == service and result.phase == "inference":
            found["energy_per_unit"] = result.energy_per_unit
    made = [r.measure.energy for r in report.results if r.service == service and r.phase in DEVELOPMENT_PHASES]
    if made:
        found["energy_training"] = _together(made)
    own = next((item for item in report.services if item.service == service), None)
    if own is not None:
        for name in ("sci", "training_intensity", "co2e_per_accepted_outcome"):
            found[name] = getattr(own, name)
        for name in ("waste_rate", "idle_rate", "co2e_embodied", "co2e_api", "water_direct"):
            found[name] = getattr(own.footprint, name)
    return {name: _or_not_measured(found.get(name), unit) for name, unit in FIGURES.items()}


def _reason_not_projected(report: QuarterlyReport, service: str) -> str | None:
    """Return the reason why general use cannot be projected from the quarter; ``None`` if it can."""
    work = next((r for r in report.results if r.service == service and r.phase == "inference"), None)
    if work is None or not work.measure.energy.value:
        return NOT_MEASURED
    return work.measure.co2e.reason if work.units else "no-units"


def _or_not_measured(quantity: Quantity | None, unit: str) -> Quantity:
    """Return a figure; where nothing was recorded, one that says "not measured", which is not zero."""
    if quantity is None or quantity.reason == "no-data":
        return Quantity(None, unit, reason=NOT_MEASURED)
    return quantity


def _together(parts: Sequence[Quantity]) -> Quantity:
    """Return the sum of some figures. Its bounds add up, as if all errors went together: the widest interval possible."""
    unknown = next((part for part in parts if part.value is None), None)
    if unknown is not None:
        return unknown
    value, low, high = (
        sum(number for part in parts if (number := getattr(part, name)) is not None) for name in ("value", "low", "high")
    )
    return Quantity(value, parts[0].unit, low or None, high or None)
