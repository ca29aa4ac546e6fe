"""Export the quarter as BoAmps reports (Boavizta), one a service and phase: measured energy, and the declared task.

A report without a required field is not written. A list beside the reports names every missing field, required or not, and the
energy that is in no report. Nothing is invented. Energy is of the components, before any factor: the format describes one
task's measure, so reserved idle and the building are in no report. The format has no field for CO2e.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ecoia.catalogue import BoAmps, TaskDescription
from ecoia.report import PhaseResult, Quantity, QuarterlyReport
from ecoia.semconv import BOAMPS_TASK_STAGE, DECLARED, KIND_SPAN, MISSING, NOT_LACKING
from ecoia.units import kwh
from ecoia_dashboards import wording
from ecoia_dashboards.json_files import json_name, json_text
from ecoia_dashboards.language import Language
from ecoia_dashboards.wording import N_

SPECIFICATION = "https://github.com/Boavizta/BoAmps/tree/3bfefec8446ee196d1723c0e35859eb7762da3c9/model"
"""Version of the format."""

LACKING_FILE = "manquants.json"

LACKING = {
    "not-declared": N_("À déclarer dans le bloc « boamps » du service (services.yaml)."),
    "not-recorded": N_("Le rapport du trimestre ne le contient pas."),
    "not-published": N_("Le trimestre n’est pas publié : le rapport n’a pas encore de date."),
    "simulated": N_("Données simulées : elles ne sont pas une mesure."),
    "not-measured": N_("Aucune énergie n’est connue pour cette phase."),
    "component-missing": N_("L’énergie d’un composant manque : le total est un minimum."),
    "several-zones": N_(
        "L’électricité vient de plusieurs zones, ou d’une zone inconnue : déclarer « country » dans le bloc « boamps »."
    ),
    "beyond-format": N_("L’intervalle dépasse ± 50 %% : le format n’a pas de valeur pour cela."),
    "no-units": N_("Aucune unité fonctionnelle n’a été comptée."),
    "no-stage": N_("La phase n’est pas une étape connue du format."),
}
"""Why a field is not filled, by code."""

_QUALITY = ((0.10, "high"), (0.25, "medium"), (0.50, "low"))
_NOT_RECORDED = ("version", "measurementDateTime", "averageUtilizationCpu", "averageUtilizationGpu")
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, SPECIFICATION)


@dataclass(frozen=True)
class Lack:
    """A field of the format that cannot be filled. ``why`` is a key of ``LACKING``."""

    field: str
    why: str
    required: bool = False


def render_boamps(report: QuarterlyReport, lang: str = "fr") -> dict[str, str]:
    """Write the quarter's BoAmps reports by file name, and ``LACKING_FILE`` with the missing fields and their reasons.

    Args:
        report: The quarter's data; a report has a date only once it is published.
        lang: Language of the sentences, ``fr`` or ``en``; fields and codes have none.

    Returns:
        One file a service and phase, valid against the format, and the list; JSON texts.

    Raises:
        UsageError: the language is not one of ours.

    Example:
        >>> sorted(render_boamps(report))  # doctest: +SKIP
        ['manquants.json', 'vadore-inference.json']
    """
    say = Language(lang)
    files: dict[str, str] = {}
    listed, written = [], 0
    for result in report.results:
        task = _Task(report, result, say)
        whole, name = task.whole(), json_name(f"{result.service}-{result.phase}")
        writes = not any(lack.required for lack in task.lacking)
        if writes:
            files[name] = json_text(_without_none(whole))
            written += result.measure.energy_components_microjoules
        listed.append(
            {
                "service": result.service,
                "phase": result.phase,
                "file": name if writes else None,
                "lacking": [
                    {"field": lack.field, "required": lack.required, "why": lack.why, "text": say.of(LACKING, lack.why)}
                    for lack in task.lacking
                ],
            }
        )
    kinds = {kind: kwh(energy) for kind, energy in report.energy_by_kind_microjoules.items() if kind != KIND_SPAN}
    spans = report.energy_by_kind_microjoules.get(KIND_SPAN, 0)
    files[LACKING_FILE] = json_text(
        {
            "quarter": report.quarter,
            "specification": SPECIFICATION,
            "tasks": listed,
            "energy_kwh": {"in_the_reports": kwh(written), "of_tasks_without_report": kwh(spans - written), "of_no_task": kinds},
        }
    )
    return files


class _Task:
    """One report in the making, and the fields that it lacks."""

    def __init__(self, report: QuarterlyReport, result: PhaseResult, say: Language) -> None:
        self.report, self.result, self.say = report, result, say
        self.entry = next(entry for entry in report.register if entry.id == result.service)
        self.block = BoAmps.model_validate(self.entry.boamps or {})
        self.said: TaskDescription = self.block.of(result.phase)
        self.lacking: list[Lack] = []

    def whole(self) -> dict[str, Any]:
        """Write the whole report."""
        if self.result.simulated:
            self.lack("measures", "simulated", required=True)
        return {
            "header": self.header(),
            "task": self.task(),
            "measures": [self.measure()],
            "system": self.system(),
            "software": self.software(),
            "infrastructure": self.infrastructure(),
            "environment": self.environment(),
            "quality": self.quality(),
        }

    def lack(self, field: str, why: str = "not-declared", *, required: bool = False) -> None:
        """Note a field that cannot be filled."""
        self.lacking.append(Lack(field, why, required))

    def declared(self, field: str, value: Any, *, required: bool = False) -> Any:
        """Return a declared value, and note its field where it is missing."""
        if value is None:
            self.lack(field, required=required)
        return value

    def header(self) -> dict[str, Any] | None:
        """Write the header; None of a quarter that is not published."""
        seal = self.report.seal
        if seal is None:
            self.lack("header", "not-published")
            return None
        report, block = self.report, self.block
        identity = "\n".join((report.organisation, report.quarter, self.result.service, self.result.phase))
        publisher = {
            "name": report.organisation or None,
            "division": block.division,
            "projectName": block.project,
            "confidentialityLevel": self.declared("header.publisher.confidentialityLevel", block.confidentiality),
        }
        return {
            "licensing": self.declared("header.licensing", block.licence),
            "formatVersionSpecificationUri": SPECIFICATION,
            "reportId": str(uuid.uuid5(_NAMESPACE, identity)),
            "reportDatetime": f"{seal.published_on} 00:00:00",  # only the day is known
            "reportStatus": "final" if seal.name == report.quarter else "corrective",
            "publisher": publisher if block.confidentiality else None,
        }

    def task(self) -> dict[str, Any]:
        """Write the task: its stage, family, algorithms and data."""
        result, said = self.result, self.said
        stage = BOAMPS_TASK_STAGE.get(result.phase)
        if stage is None:
            self.lack("task.taskStage", "no-stage", required=True)
        requests = None
        if result.phase == "inference":
            requests = result.units or None
            if requests is None:
                self.lack("task.nbRequest", "no-units")
        accuracy = result.quality.get("accuracy")
        return {
            "taskStage": stage,
            "taskFamily": self.declared("task.taskFamily", said.task_family, required=True),
            "nbRequest": requests,
            "algorithms": [_algorithm(each) for each in self.declared("task.algorithms", said.algorithms, required=True) or ()],
            "dataset": [_dataset(each) for each in self.declared("task.dataset", said.datasets, required=True) or ()],
            "measuredAccuracy": accuracy if accuracy is not None and 0 <= accuracy <= 1 else None,
            "estimatedAccuracy": said.estimated_accuracy,
            "taskDescription": " ".join(self.description()),
        }

    def description(self) -> Iterator[str]:
        """List the sentences that a reader needs and no other field holds."""
        say, result = self.say, self.result
        if self.said.description:
            yield self.said.description
        yield say.t(
            "Énergie des composants au %(quarter)s, hors bâtiment et hors capacité réservée inactive.",
            quarter=say.quarter(self.report.quarter),
        )
        statuses = [share.status for share in result.measure.methods if share.microjoules]
        if statuses:
            words = [say.of(wording.STATUSES, status) for status in dict.fromkeys(statuses)]
            yield say.t("Elle est de statut : %(statuses)s.", statuses=say.listed(words))
        if self.missing:
            yield say.t("Il manque celle de : %(components)s.", components=say.listed(self.missing))
        if result.phase == "inference" and result.units and result.functional_unit:
            yield say.t("Une requête est une unité fonctionnelle : %(unit)s.", unit=result.functional_unit)
        if self.entry.stand_in:
            yield say.t("Un modèle de démonstration tient lieu du service.")

    @property
    def missing(self) -> list[str]:
        """Components whose energy is missing."""
        shares = self.result.measure.methods
        return sorted({share.component for share in shares if share.status == MISSING and share.name not in NOT_LACKING})

    def measure(self) -> dict[str, Any]:
        """Write the measure: energy in kWh, duration in seconds, and how they were obtained."""
        result = self.result
        energy = result.measure.energy_components
        if energy.value is None:
            self.lack("measures.powerConsumption", "not-measured", required=True)
        elif self.missing:
            self.lack("measures.powerConsumption", "component-missing")
        for field in _NOT_RECORDED:
            self.lack(f"measures.{field}", "not-recorded")
        return {
            "measurementMethod": " + ".join(sorted(self.tools())) or None,
            "cpuTrackingMode": self.tracking("cpu"),
            "gpuTrackingMode": self.tracking("gpu"),
            "powerConsumption": energy.value,
            "measurementDuration": result.duration_seconds or None,
        }

    def tools(self) -> set[str]:
        """Name the tools that gave the energy."""
        return {
            "declared" if share.status == DECLARED else "wattmeter" if share.name.startswith("wattmeter") else "ecoia"
            for share in self.result.measure.methods
            if share.status != MISSING
        }

    def tracking(self, component: str) -> str | None:
        """Name the methods that gave the energy of a component."""
        shares = self.result.measure.methods
        names = {share.name for share in shares if share.component == component and share.status != MISSING}
        return " + ".join(sorted(names)) or None

    def system(self) -> dict[str, Any] | None:
        """Write the declared operating system."""
        said = self.declared("system", self.said.system)
        return said and {
            "os": said.os,
            "distribution": said.distribution,
            "distributionVersion": said.distribution_version,
        }

    def software(self) -> dict[str, Any] | None:
        """Write the declared software."""
        said = self.declared("software", self.said.software)
        return said and {"language": said.language, "version": said.version}

    def infrastructure(self) -> dict[str, Any] | None:
        """Write the declared infrastructure."""
        said = self.declared("infrastructure", self.said.infrastructure, required=True)
        return said and {
            "infraType": said.type,
            "cloudProvider": said.cloud_provider,
            "cloudInstance": said.cloud_instance,
            "cloudService": said.cloud_service,
            "components": [
                {
                    "componentName": part.name,
                    "componentType": part.type,
                    "nbComponent": part.count,
                    "memorySize": part.memory_gb,
                    "manufacturer": part.manufacturer,
                    "family": part.family,
                    "series": part.series,
                    "share": part.share,
                }
                for part in said.components
            ],
        }

    def environment(self) -> dict[str, Any] | None:
        """Write the only zone of the report's energy, else the declared country, with the carbon intensity of its electricity."""
        known = self.report.totals.co2e.reason != "no-zone" and len(self.report.zones) == 1
        country = self.report.zones[0] if known else self.said.country
        if country is None:
            self.lack("environment", "several-zones")
            return None
        factors = [factor for factor in self.report.factors_of_quarter if factor.zone == country]
        intensity = factors[0].value_g_per_kwh if len(factors) == 1 else None
        if intensity is None:
            self.lack("environment.powerSourceCarbonIntensity", "not-recorded")
        return {"country": country, "powerSourceCarbonIntensity": intensity}

    def quality(self) -> str | None:
        """Grade the measure by the width of its interval; None where it has none."""
        width = _half_width(self.result.measure.energy_components)
        if width is None:
            return None
        found = next((word for limit, word in _QUALITY if width <= limit), None)
        if found is None:
            self.lack("quality", "beyond-format")
        return found


def _algorithm(said: Any) -> dict[str, Any]:
    return {
        "trainingType": said.training_type,
        "algorithmType": said.type,
        "algorithmName": said.name,
        "algorithmUri": said.uri,
        "foundationModelName": said.foundation_model,
        "foundationModelUri": said.foundation_model_uri,
        "parametersNumber": said.parameters_billions,
        "framework": said.framework,
        "frameworkVersion": said.framework_version,
        "classPath": said.class_path,
        "layersNumber": said.layers,
        "epochsNumber": said.epochs,
        "optimizer": said.optimizer,
        "quantization": said.quantization,
    }


def _dataset(said: Any) -> dict[str, Any]:
    return {
        "dataUsage": said.usage,
        "dataType": said.type,
        "dataFormat": said.format,
        "dataSize": said.size_gb,
        "dataQuantity": said.quantity,
        "shape": said.shape,
        "source": said.source,
        "sourceUri": said.source_uri,
        "owner": said.owner,
    }


def _half_width(quantity: Quantity) -> float | None:
    """Compute half of the interval, relative to the value."""
    if not quantity.value or quantity.low is None or quantity.high is None:
        return None
    return (quantity.high - quantity.low) / 2 / quantity.value


def _without_none(value: Any) -> Any:
    """Leave out unknown values, which are never written as null."""
    if isinstance(value, dict):
        return {name: _without_none(part) for name, part in value.items() if part is not None}
    return [_without_none(part) for part in value] if isinstance(value, list) else value
