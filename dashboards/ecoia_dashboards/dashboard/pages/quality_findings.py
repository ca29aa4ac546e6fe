"""What is not known of a quarter, the heaviest first, each with its remedy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ecoia.exploring import Selection
from ecoia.impact.ledger_gaps import LedgerGap, known_microjoules
from ecoia.periods import Quarter
from ecoia.report import QuarterlyReport
from ecoia.semconv import KIND_UNATTRIBUTED, SERVICE_UNASSIGNED, SERVICE_UNSPECIFIED
from ecoia_dashboards.dashboard.page import Reading
from ecoia_dashboards.language import Language
from ecoia_dashboards.wording import N_

_MOST_NAMES = 6


@dataclass(frozen=True)
class Finding:
    """Something that is not known, or not counted where it belongs.

    Attributes:
        code: A key of ``WORDS``.
        count: How many there are of it.
        microjoules: The energy that it is worth. None: not known.
        left_out: Whether this energy is in no total.
        names: What it is of: services, machines, runs.
    """

    code: str
    count: int
    microjoules: int | None = None
    left_out: bool = False
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class FindingWords:
    """A finding in words: what it is, what it is worth, what it is of, what to do, and the line to type."""

    title: str
    worth: str
    names: str
    remedy: str
    command: str


WORDS: dict[str, tuple[str, str, str]] = {
    "gaps": (
        N_("Jours de relevés manquants, en tout ou en partie : %(count)s"),
        N_("Sur la machine qui les a mesurés : relire chaque jour envoyé, et récrire ceux qui manquent."),
        "ecoia deliver --verify",
    ),
    "refused": (
        N_("Lignes de relevés refusées : %(count)s"),
        N_("Une ligne qui n’a pas la forme d’un relevé ne compte nulle part. Récrire le jour depuis la machine qui l’a mesuré."),
        "ecoia deliver --verify",
    ),
    "doubles": (
        N_("Revendications laissées de côté, la même énergie étant comptée ailleurs : %(count)s"),
        N_("Une seule des deux machines doit revendiquer le tout. Sur chacune, regarder ce qu’elle revendique."),
        "ecoia doctor",
    ),
    "lost": (
        N_("Pertes comptées pendant la mesure : %(count)s"),
        N_("Sur la machine concernée : chaque cause y est dite, avec son remède."),
        "ecoia doctor",
    ),
    "unassigned": (
        N_("Runs sans service : %(count)s"),
        N_("Dire le service dans le programme, par ECOIA_SERVICE, ou par le nom de l’expérience dans « ecoia.toml »."),
        'ecoia.autolog(service="...")',
    ),
    "unspecified": (
        N_("Travail sans service lisible"),
        N_("Le nom du service manquait ou n’était pas un identifiant (minuscules, chiffres, tirets)."),
        'ecoia.track(service="...", phase="...")',
    ),
    "unregistered": (
        N_("Services mesurés sans être au registre : %(count)s"),
        N_("Les ajouter au registre, ou corriger leur identifiant dans le programme."),
        "ecoia services",
    ),
    "unattributed": (
        N_("Énergie qui n’est à aucun service"),
        N_("Des fils d’exécution ont travaillé hors de toute mesure : entourer leur code."),
        'with ecoia.track(service="...", phase="..."):',
    ),
    "silent": (
        N_("Services qui tournent, d’après le registre, et dont rien n’est relevé : %(count)s"),
        N_("La liste des services dit, pour chacun, la ligne qui le mesurerait."),
        "ecoia services",
    ),
    "days": (
        N_("Services relevés sur moins de leurs jours qu’attendu : %(count)s"),
        N_("Sur leurs machines : la mesure tourne-t-elle, et les relevés partent-ils ?"),
        "ecoia doctor && ecoia deliver",
    ),
    "no-zone": (
        N_("Énergie sans zone électrique : son CO₂e n’est pas calculé"),
        N_("Réglage « zone », par exemple ECOIA_ZONE=FRA ; ce qui est déjà enregistré sera calculé."),
        "export ECOIA_ZONE=FRA",
    ),
    "no-factor": (
        N_("Énergie sans facteur d’émission : son CO₂e n’est pas calculé"),
        N_("Vérifier le code de zone (ISO 3166, trois lettres)."),
        "ecoia factors",
    ),
    "factor-gap": (
        N_("Heures sans facteur d’émission : leur CO₂e n’est pas calculé"),
        N_("« ecoia factors use » permet de choisir une règle de comblement, ou un autre jeu."),
        "ecoia factors use ID --fill previous",
    ),
    "no-pue": (
        N_("Énergie comptée hors bâtiment, faute de PUE"),
        N_("Réglage « pue », ou fichier « sites.yaml » du catalogue."),
        "ecoia workbook",
    ),
    "equipment": (
        N_("Machines dont la fabrication n’est pas décrite : %(count)s"),
        N_("Les décrire dans « equipment.yaml », ou dans la feuille des équipements du classeur."),
        "ecoia workbook",
    ),
    "idle": (
        N_("Veille non comptée à part"),
        N_("Mesurer la puissance au repos, machine au calme."),
        "ecoia baseline",
    ),
    "calls": (
        N_("Modèles externes sans estimation : %(count)s"),
        N_("Nommer la version du modèle, ou mettre EcoLogits à jour : un nom inconnu n’est pas estimé."),
        "pip install --upgrade ecologits",
    ),
    "simulated": (
        N_("Données simulées, et non mesurées"),
        N_("Elles sont marquées « simulé » partout ; elles ne prouvent rien."),
        "",
    ),
}
"""By code: what it is, the remedy, and the line to type."""


def findings(reading: Reading) -> tuple[Finding, ...]:
    """List what is not known; what is worth the most energy stands first, what is not worth any known energy last."""
    found = [*_of_ledger(reading.report), *_of_work(reading), *_of_declarations(reading.report)]
    return tuple(sorted(found, key=lambda each: (not each.left_out, -(each.microjoules or 0))))


def _of_ledger(report: QuarterlyReport) -> Iterator[Finding]:
    gaps = [each for each in report.ledger_gaps if each.reason != "refused-rows"]
    if gaps:
        yield Finding("gaps", len(gaps), _worth(gaps), left_out=True, names=_distinct(each.instance for each in gaps))
    refused = [each for each in report.ledger_gaps if each.reason == "refused-rows"]
    if refused:
        lines = sum(each.lines for each in refused)
        yield Finding("refused", lines, _worth(refused), left_out=True, names=_distinct(each.instance for each in refused))
    if report.doubles:
        energy = sum(each.microjoules for each in report.doubles)
        yield Finding("doubles", len(report.doubles), energy, names=_distinct(each.instance for each in report.doubles))
    if report.lost:
        yield Finding("lost", sum(report.lost.values()))


def _worth(gaps: Sequence[LedgerGap]) -> int | None:
    return known_microjoules(gaps) if any(each.microjoules is not None for each in gaps) else None


def _of_work(reading: Reading) -> Iterator[Finding]:
    report, quarter = reading.report, Selection.of_quarter(Quarter.parse(reading.quarter))
    parts = reading.explorer.parts(quarter, "service")
    if SERVICE_UNASSIGNED in parts:
        runs = reading.explorer.runs(quarter.only(services=(SERVICE_UNASSIGNED,)))
        energy = parts[SERVICE_UNASSIGNED].microjoules
        yield Finding("unassigned", max(len(runs), 1), energy, names=tuple(each.run_id for each in runs))
    if SERVICE_UNSPECIFIED in parts:
        yield Finding("unspecified", 1, parts[SERVICE_UNSPECIFIED].microjoules)
    known = (SERVICE_UNASSIGNED, SERVICE_UNSPECIFIED)
    strangers = tuple(each for each in report.coverage.unregistered if each not in known)
    if strangers:
        energy = sum(parts[each].microjoules for each in strangers if each in parts)
        yield Finding("unregistered", len(strangers), energy, names=strangers)
    if nobodys := report.energy_by_kind_microjoules.get(KIND_UNATTRIBUTED):
        yield Finding("unattributed", 1, nobodys)
    short = [each.id for each in report.register if each.covered is not None and each.covered < 1 and each.instance_days]
    if short:
        yield Finding("days", len(short), names=tuple(short))


def _of_declarations(report: QuarterlyReport) -> Iterator[Finding]:
    for code in ("no-zone", "no-factor", "factor-gap", "no-pue"):
        if code in report.notices:
            yield Finding(code, 1)
    if report.instances_without_equipment:
        yield Finding("equipment", len(report.instances_without_equipment), names=report.instances_without_equipment)
    if "idle-not-separated" in report.notices:
        yield Finding("idle", 1)
    unmeasured = _distinct(f"{each.provider}/{each.model}" for each in report.tokens if each.standing == "unmeasured")
    if unmeasured:
        yield Finding("calls", len(unmeasured), names=unmeasured)
    if report.simulated:
        yield Finding("simulated", 1)


def _distinct(names: Iterator[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def words_of(finding: Finding, language: Language, services: Mapping[str, str]) -> FindingWords:
    """Say a finding."""
    title, remedy, command = WORDS[finding.code]
    shown = [services.get(name, name) for name in finding.names[:_MOST_NAMES]]
    more = len(finding.names) - len(shown)
    if more > 0:
        shown.append(language.n("%(count)s autre", "%(count)s autres", more))
    if finding.microjoules is None:
        worth = language.t("ce que cela vaut n’est pas connu") if finding.left_out else ""
    elif finding.left_out:
        worth = language.t("%(energy)s, dans aucun total", energy=language.energy(finding.microjoules))
    else:
        worth = language.energy(finding.microjoules)
    names = language.listed(shown) if shown else ""
    return FindingWords(language.t(title, count=language.whole(finding.count)), worth, names, language.t(remedy), command)
