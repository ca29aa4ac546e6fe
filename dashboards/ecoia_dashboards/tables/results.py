"""Tabulate results: the register of services, their phases, footprints and intensities, and where the energy goes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from ecoia.indicators import Indicator, held_by, parts_first
from ecoia.report import (
    Footprint,
    Headline,
    Measure,
    MethodShare,
    PhaseDays,
    PhaseResult,
    Quantity,
    QuarterlyReport,
    ServiceEntry,
    ServiceFootprint,
    Serving,
)
from ecoia_dashboards import wording
from ecoia_dashboards.tables.base import (
    BOUNDARIES,
    CODES,
    FLAG,
    INTEGER,
    NUMBER,
    Column,
    Table,
    energy,
    phase,
    quantity,
    service,
    table,
)
from ecoia_dashboards.wording import N_
from ecoia_dashboards.wording.indicators import heading


def register(report: QuarterlyReport) -> Table:
    """Tabulate the services of the register, and those recorded without being in it."""
    columns: tuple[Column[ServiceEntry], ...] = (
        Column("service", N_("Identifiant"), lambda it: it.id),
        Column("name", N_("Service"), lambda it: it.name),
        Column("status", N_("État"), lambda it: it.status, words=wording.SERVICE_STATUSES),
        Column("registered", N_("Au registre"), lambda it: it.registered, FLAG),
        Column("measured", N_("Mesuré"), lambda it: it.measured, FLAG),
        Column("declared_only", N_("Seulement déclaré"), lambda it: it.declared_only, FLAG),
        Column("counted_by", N_("Compté par"), lambda it: it.counted_by, words=wording.COUNTED_BY),
        Column("audience", N_("Public"), lambda it: it.audience),
        Column("purpose", N_("Finalité"), lambda it: it.purpose),
        Column("functional_unit", N_("Unité fonctionnelle"), lambda it: it.functional_unit),
        Column("owner_role", N_("Rôle responsable"), lambda it: it.owner_role),
        Column("scope", N_("Précision du registre"), lambda it: it.scope),
        Column("counted_among_generalised", N_("Compté parmi les généralisés"), lambda it: it.counted_among_generalised, FLAG),
        Column("stand_in", N_("Démonstration"), lambda it: it.stand_in, FLAG),
        *quantity("energy", N_("Énergie"), lambda it: it.energy, "kWh"),
        *quantity("co2e", N_("CO₂e"), lambda it: it.co2e, "kgCO2e"),
        Column("co2e_lower_bound", N_("CO₂e incomplet"), lambda it: it.headline.is_lower_bound, FLAG),
        Column(
            "energy_components_microjoules",
            N_("Énergie des composants"),
            lambda it: it.energy_components_microjoules,
            INTEGER,
            "µJ",
        ),
        *energy("idle", N_("Veille réservée"), lambda it: it.idle_microjoules),
        Column("instance_days", N_("Jours-machine enregistrés"), lambda it: it.instance_days, INTEGER),
        Column(
            "instance_days_declared",
            N_("Jours-machine déclarés, à ce jour"),
            lambda it: it.instance_days_declared,
            NUMBER,
            "d",
        ),
        Column("covered_share", N_("Part des jours-machine déclarés"), lambda it: it.covered, NUMBER, "1"),
    )
    return table("register", N_("Registre des services"), report.register, *columns)


class _Days(NamedTuple):
    service: str
    days: PhaseDays


def instance_days(report: QuarterlyReport) -> Table:
    """Tabulate the recorded days of each service by phase and instance, beside those that the register expects."""
    columns: tuple[Column[_Days], ...] = (
        service(report, lambda it: it.service),
        phase(lambda it: it.days.phase),
        Column("instance", N_("Instance"), lambda it: it.days.instance or None),
        Column("days_recorded", N_("Jours enregistrés"), lambda it: it.days.recorded, INTEGER, "d"),
        Column("days_expected", N_("Jours attendus, à ce jour"), lambda it: it.days.expected, NUMBER, "d"),
    )
    lines = (_Days(entry.id, days) for entry in report.register for days in entry.days_by_phase)
    return table("instance_days", N_("Jours-machine par phase"), lines, *columns)


def results(report: QuarterlyReport) -> Table:
    """Tabulate each service and phase with work."""
    columns: tuple[Column[PhaseResult], ...] = (
        service(report, lambda it: it.service),
        phase(lambda it: it.phase),
        *quantity("energy", N_("Énergie"), lambda it: it.measure.energy, "kWh"),
        *quantity("co2e_operational", N_("CO₂e d’usage"), lambda it: it.measure.co2e, "kgCO2e"),
        Column(
            "energy_components_microjoules",
            N_("Énergie des composants"),
            lambda it: it.measure.energy_components_microjoules,
            INTEGER,
            "µJ",
        ),
        Column(
            "energy_at_wall_microjoules",
            N_("dont connue à la prise"),
            lambda it: it.measure.energy_at_wall_microjoules,
            INTEGER,
            "µJ",
        ),
        Column("precision_class", N_("Précision"), lambda it: it.measure.precision_class, INTEGER),
        Column("boundary", N_("Bâtiment"), lambda it: it.measure.boundary, words=BOUNDARIES),
        Column("spans", N_("Exécutions"), lambda it: it.spans, INTEGER),
        Column("cpu_seconds", N_("Temps de processeur"), lambda it: it.cpu_seconds, NUMBER, "s"),
        Column("duration_seconds", N_("Durée"), lambda it: it.duration_seconds, NUMBER, "s"),
        Column("units", N_("Unités"), lambda it: it.units, NUMBER, unit_column="functional_unit"),
        Column("accepted", N_("Unités acceptées"), lambda it: it.accepted, NUMBER, unit_column="functional_unit"),
        Column("functional_unit", N_("Unité fonctionnelle"), lambda it: it.functional_unit),
        *quantity("energy_per_unit", N_("Énergie par unité"), lambda it: it.energy_per_unit, "Wh"),
        Column("runs_ok", N_("Entraînements réussis"), lambda it: it.runs.get("ok", 0), INTEGER),
        Column("runs_failed", N_("Entraînements en échec"), lambda it: it.runs.get("failed", 0), INTEGER),
        Column("runs_abandoned", N_("Entraînements abandonnés"), lambda it: it.runs.get("abandoned", 0), INTEGER),
        *energy("waste", N_("Énergie perdue"), lambda it: it.waste_microjoules),
        Column("simulated", N_("Simulé"), lambda it: it.simulated, FLAG),
    )
    return table("results", N_("Résultats"), report.results, *columns)


class _Measured(NamedTuple):
    """A measure and its bearer; a service and phase of None: everything."""

    service: str | None
    phase: str | None
    measure: Measure


def _measures(report: QuarterlyReport) -> Iterator[_Measured]:
    yield _Measured(None, None, report.totals)
    for each in report.results:
        yield _Measured(each.service, each.phase, each.measure)


class _MethodLine(NamedTuple):
    of: _Measured
    share: MethodShare


def methods(report: QuarterlyReport) -> Table:
    """Tabulate how the energy of each component was obtained, of everything and of each service and phase."""
    columns: tuple[Column[_MethodLine], ...] = (
        service(report, lambda it: it.of.service),
        phase(lambda it: it.of.phase),
        Column("component", N_("Composant"), lambda it: it.share.component, words=wording.COMPONENTS),
        Column("status", N_("Comment l’énergie est connue"), lambda it: it.share.status, words=wording.STATUSES),
        Column("method", N_("Méthode"), lambda it: it.share.name, words=wording.METHODS),
        *energy("energy", N_("Énergie"), lambda it: it.share.microjoules),
    )
    lines = (_MethodLine(each, share) for each in _measures(report) for share in each.measure.methods)
    return table("methods", N_("Méthodes"), lines, *columns)


class _ComponentLine(NamedTuple):
    of: _Measured
    component: str
    microjoules: int | None


def components(report: QuarterlyReport) -> Table:
    """Tabulate the energy of each component, of everything and of each service and phase."""
    columns: tuple[Column[_ComponentLine], ...] = (
        service(report, lambda it: it.of.service),
        phase(lambda it: it.of.phase),
        Column("component", N_("Composant"), lambda it: it.component, words=wording.COMPONENTS),
        *energy("energy", N_("Énergie"), lambda it: it.microjoules),
    )
    lines = (
        _ComponentLine(each, component, microjoules)
        for each in _measures(report)
        for component, microjoules in each.measure.by_component_microjoules.items()
    )
    return table("components", N_("Composants"), lines, *columns)


class _QualityLine(NamedTuple):
    result: PhaseResult
    name: str
    value: float


def quality(report: QuarterlyReport) -> Table:
    """Tabulate the figures of quality of each service and phase."""
    columns: tuple[Column[_QualityLine], ...] = (
        service(report, lambda it: it.result.service),
        phase(lambda it: it.result.phase),
        Column("name", N_("Mesure de qualité"), lambda it: it.name),
        Column("value", N_("Valeur"), lambda it: it.value, NUMBER),
    )
    lines = (_QualityLine(each, name, value) for each in report.results for name, value in each.quality.items())
    return table("quality", N_("Qualité"), lines, *columns)


class _HeadlineLine(NamedTuple):
    service: str | None
    part: str | None
    co2e: Quantity
    lacking: str | None


def headlines(report: QuarterlyReport) -> Table:
    """Tabulate the known CO2e of each service, then of everything: the whole, then each part and why it is not (wholly) known."""
    columns: tuple[Column[_HeadlineLine], ...] = (
        service(report, lambda it: it.service),
        Column("part", N_("Partie"), lambda it: it.part, words=wording.INDICATORS),
        *quantity("co2e", N_("CO₂e connu"), lambda it: it.co2e, "kgCO2e"),
        Column("lacking", N_("Ce qui manque"), lambda it: it.lacking, words=wording.REASONS),
    )
    of = [*((entry.id, entry.headline) for entry in report.register), (None, report.headline)]
    lines = (line for service_id, found in of for line in _headline_lines(service_id, found))
    return table("headlines", N_("CO₂e connu, par partie"), lines, *columns)


def _headline_lines(service_id: str | None, found: Headline) -> Iterator[_HeadlineLine]:
    yield _HeadlineLine(service_id, None, found.co2e, None)
    for part in dict.fromkeys((*found.parts, *found.lacking)):
        lacking = found.lacking.get(part)
        known = found.breakdown.get(part) or Quantity(None, "kgCO2e", reason=lacking)
        yield _HeadlineLine(service_id, part, known, lacking)


class _FootprintLine(NamedTuple):
    service: str | None
    footprint: Footprint


def footprint(report: QuarterlyReport) -> Table:
    """Tabulate the parts of the impact of each service, then of everything."""
    columns: tuple[Column[_FootprintLine], ...] = (
        service(report, lambda it: it.service),
        *(column for each in parts_first(held_by("footprint")) for column in _of_footprint(each)),
    )
    lines = [*(_FootprintLine(each.service, each.footprint) for each in report.services), _FootprintLine(None, report.footprint)]
    return table("footprint", N_("Empreinte par service"), lines, *columns)


def _of_footprint(indicator: Indicator) -> tuple[Column[_FootprintLine], ...]:
    return quantity(indicator.id, heading(indicator.id), lambda it: it.footprint[indicator.id], indicator.unit)


def intensities(report: QuarterlyReport) -> Table:
    """Tabulate what each service takes per unit that it delivers."""
    columns: tuple[Column[ServiceFootprint], ...] = (
        service(report, lambda it: it.service),
        Column("functional_unit", N_("Unité fonctionnelle"), lambda it: it.functional_unit),
        *_of_serving(
            Column("serving_units", N_("Unités rendues"), lambda it: it.units, NUMBER, unit_column="functional_unit"),
            *quantity("serving_energy", N_("Énergie pour servir"), lambda it: it.energy, "kWh"),
            *quantity("serving_co2e_operational", N_("CO₂e d’usage pour servir"), lambda it: it.co2e_operational, "kgCO2e"),
            *quantity("serving_co2e_embodied", N_("CO₂e de fabrication pour servir"), lambda it: it.co2e_embodied, "kgCO2e"),
            *quantity("serving_co2e_api", N_("CO₂e des modèles externes pour servir"), lambda it: it.co2e_api, "kgCO2e"),
            *quantity("serving_co2e", N_("CO₂e pour servir"), lambda it: it.co2e, "kgCO2e"),
        ),
        *(column for each in held_by("intensity") for column in _of_intensity(each)),
    )
    return table("intensities", N_("CO₂e par unité, par service"), report.services, *columns)


def _of_serving(*columns: Column[Serving]) -> tuple[Column[ServiceFootprint], ...]:
    return tuple(column.of(lambda it: it.serving) for column in columns)


def _co2e_of_work(it: ServiceFootprint, name: str) -> Quantity:
    found: Quantity | None = _work(it, name)
    return found or Quantity(None, "kgCO2e", reason="not-computed")


def _work(it: ServiceFootprint, name: str) -> Any:
    return None if it.provider is None else getattr(it.provider, name)


# Columns that an intensity is read with; they stand before it.
_READ_WITH: dict[str, tuple[Column[ServiceFootprint], ...]] = {
    "training_intensity": (Column("training_quarter", N_("Trimestre de l’entraînement"), lambda it: it.training_quarter),),
    "sci_provider": (
        Column("provider_unit", N_("Score SCI du fournisseur, par"), lambda it: _work(it, "unit"), words=wording.PROVIDER_UNITS),
        Column(
            "provider_units", N_("Ce par quoi il est divisé"), lambda it: _work(it, "count"), NUMBER, unit_column="provider_unit"
        ),
        Column("provider_values", N_("Valeur déclarée"), lambda it: _work(it, "values"), words=wording.PROVIDER_VALUES),
        Column("provider_quarters", N_("Trimestres du modèle"), lambda it: _work(it, "quarters") or (), CODES),
        *quantity(
            "provider_co2e_operational", N_("CO₂e d’usage du modèle"), lambda it: _co2e_of_work(it, "co2e_operational"), "kgCO2e"
        ),
        *quantity(
            "provider_co2e_embodied", N_("CO₂e de fabrication du modèle"), lambda it: _co2e_of_work(it, "co2e_embodied"), "kgCO2e"
        ),
        *quantity(
            "provider_co2e_api", N_("CO₂e des modèles externes du modèle"), lambda it: _co2e_of_work(it, "co2e_api"), "kgCO2e"
        ),
        *quantity("provider_co2e", N_("CO₂e du modèle"), lambda it: _co2e_of_work(it, "co2e"), "kgCO2e"),
    ),
    "co2e_per_accepted_outcome": (
        Column("accepted", N_("Unités acceptées"), lambda it: it.accepted, NUMBER, unit_column="functional_unit"),
        Column("accepted_source", N_("Source des unités acceptées"), lambda it: it.accepted_source),
    ),
}


def _of_intensity(indicator: Indicator) -> tuple[Column[ServiceFootprint], ...]:
    figure: tuple[Column[ServiceFootprint], ...] = quantity(
        indicator.id, heading(indicator.id), lambda it: it.intensities[indicator.id], indicator.unit
    )
    return *_READ_WITH.get(indicator.id, ()), *figure


class _Kind(NamedTuple):
    kind: str
    microjoules: int


def energy_by_kind(report: QuarterlyReport) -> Table:
    """Tabulate where the energy goes: services, idle, unattributed, overhead."""
    columns: tuple[Column[_Kind], ...] = (
        Column("kind", N_("Part"), lambda it: it.kind, words=wording.KINDS),
        *energy("energy", N_("Énergie"), lambda it: it.microjoules),
    )
    lines = (_Kind(*item) for item in report.energy_by_kind_microjoules.items())
    return table("energy_by_kind", N_("Où va l’énergie"), lines, *columns)


class _Share(NamedTuple):
    of: str
    by: str
    item: str
    share: float


def shares(report: QuarterlyReport) -> Table:
    """Tabulate the shares of the energy by origin, and of the known CO2e by class of precision."""
    by = {"status": N_("façon dont l’énergie est connue"), "precision": N_("classe de précision")}
    columns: tuple[Column[_Share], ...] = (
        Column("of", N_("Total"), lambda it: it.of, words={"energy": N_("énergie"), "co2e": N_("CO₂e connu")}),
        Column("by", N_("Réparti par"), lambda it: it.by, words=by),
        Column("item", N_("Part"), lambda it: it.item, words=wording.STATUSES),
        Column("share", N_("Part du total"), lambda it: it.share, NUMBER, "1"),
    )
    lines = [
        *(_Share("energy", "status", *item) for item in report.energy_by_status.items()),
        *(_Share("co2e", "precision", *item) for item in report.precision.items()),
    ]
    return table("shares", N_("Parts de l’énergie et du CO₂e"), lines, *columns)
