"""Word the report's requests to the internal committee, drawn from the data."""

from __future__ import annotations

from collections.abc import Iterator

from ecoia.report import QuarterlyReport
from ecoia.semconv import SERVICE_UNASSIGNED
from ecoia_dashboards.language import Language


def requests(report: QuarterlyReport, language: Language) -> list[str]:
    """List the requests to the committee: decisions, measurements and settings that the report lacks.

    Example:
        >>> requests(report, Language("fr"))  # doctest: +SKIP
        ['Adopter, amender ou écarter la cible proposée.']
    """
    return [
        *_on_promises(report, language),
        *_on_services(report, language),
        *_on_acts(report, language),
        *_on_places(report, language),
    ]


def _on_promises(report: QuarterlyReport, say: Language) -> Iterator[str]:
    proposed = [target for target in report.targets if target.status == "proposed"]
    if proposed:
        yield say.n(
            "Adopter, amender ou écarter la cible proposée.",
            "Adopter, amender ou écarter les %(count)s cibles proposées.",
            len(proposed),
        )
    commitment = report.environmental_commitment
    if commitment is not None and commitment.text is None:
        yield say.t("Fournir le texte de l’engagement n° 7.")


def _on_services(report: QuarterlyReport, say: Language) -> Iterator[str]:
    not_measured = [entry for entry in report.register if entry.registered and not entry.measured]
    if not_measured:
        yield say.n(
            "Faire mesurer le service nommé qui ne l’est pas assez.",
            "Faire mesurer les %(count)s services nommés qui ne le sont pas assez.",
            len(not_measured),
        )
    if report.coverage.unnamed:
        yield say.n(
            "Nommer au registre le service qui ne l’est pas encore.",
            "Nommer au registre les %(count)s services qui ne le sont pas encore.",
            report.coverage.unnamed,
        )
    if report.coverage.unregistered:
        yield say.n(
            "Enregistrer ou arrêter le service mesuré sans être au registre.",
            "Enregistrer ou arrêter les %(count)s services mesurés sans être au registre.",
            len(report.coverage.unregistered),
        )
    if SERVICE_UNASSIGNED in report.coverage.unregistered:
        yield say.t(
            "Rattacher à un service les exécutions MLflow qui n’en ont pas (« unassigned ») : réglage [mlflow.experiments]."
        )


def _on_acts(report: QuarterlyReport, say: Language) -> Iterator[str]:
    late = sum(action.late for action in report.actions)
    if late:
        yield say.n("Relancer l’action en retard.", "Relancer les %(count)s actions en retard.", late)
    if report.savings:
        yield say.n(
            "Décider de la piste de sobriété (partie 7).",
            "Décider des %(count)s pistes de sobriété (partie 7).",
            len(report.savings),
        )


def _on_places(report: QuarterlyReport, say: Language) -> Iterator[str]:
    if "no-zone" in report.notices:
        yield say.t("Indiquer la zone électrique (réglage « zone ») : sans elle, pas de CO₂e.")
    if "no-pue" in report.notices:
        yield say.t("Indiquer le PUE de chaque site (réglage « pue », ou « sites.yaml »).")
    if report.instances_without_equipment:
        yield say.t(
            "Décrire les machines qui ne sont pas dans « equipment.yaml » : %(names)s.",
            names=say.listed(report.instances_without_equipment),
        )
