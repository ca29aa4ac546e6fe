"""Declare the sheets of the workbook and their columns: title, help, and place in the catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ecoia.catalogue import (
    CHARTER_FILE,
    COMMITTEES_FILE,
    EVALUATIONS_FILE,
    INDICATORS,
    OUTCOMES_FILE,
    REGIONS_FILE,
    SERVICES_FILE,
    TARGETS_FILE,
)
from ecoia.sections import SECTIONS
from ecoia_dashboards import wording
from ecoia_dashboards.wording import N_

Kind = Literal[
    "text", "id", "ids", "number", "days", "whole", "day", "quarter", "quarters", "boolean", "choice", "choices", "information"
]
"""How a cell is shown and understood. ``information`` is for the reader and is never read back."""


@dataclass(frozen=True)
class Column:
    """A column. ``path`` is its field (``decision.body``).

    ``of`` names the sheets that list what it may hold: their ids, or, for a whole number, their numbers. ``percent``: a text such
    as 90 % is read as 0.9. ``steady``: a name that every line must write alike.
    """

    path: str
    label: str
    help: str
    kind: Kind = "text"
    needed: bool = False
    width: int = 18
    words: Mapping[str, str] | None = None  # of a choice: codes and their names
    units: Mapping[str, str] | None = None  # of a choice: unit that follows the name
    of: tuple[str, ...] = ()
    percent: bool = False
    steady: bool = False


@dataclass(frozen=True)
class Sheet:
    """A sheet: a list of a file of the catalogue, one line an item; or, as a ``form``, some values of it, one a line.

    ``source`` is the place of the items in a loaded ``Catalogue``, ``path`` their place in the file, and ``key`` the columns that
    tell two lines apart. A line with none of the columns of ``substance`` filled in is ignored.
    """

    id: str
    title: str
    help: str
    file: str
    source: str
    path: tuple[str, ...]
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ("id",)
    form: bool = False
    substance: tuple[str, ...] = ()

    @property
    def fields(self) -> tuple[Column, ...]:
        """The columns that are read back."""
        return tuple(column for column in self.columns if column.kind != "information")

    @property
    def is_csv(self) -> bool:
        """Whether its file is a table."""
        return self.file.endswith(".csv")


_SECTIONS = {section.id: section.name_in_choices for section in SECTIONS}
OPERATORS = {">=": N_("au moins"), "<=": N_("au plus")}

_STATUSES = {code: name for code, name in wording.SERVICE_STATUSES.items() if code != "unregistered"}
_UNITS = {code: N_("part de 0 à 1") if unit == "1" else unit for code, unit in INDICATORS.items()}

_ID = N_("Minuscules, chiffres, « . », « _ », « - ». Ne change plus ensuite : un autre identifiant est une autre ligne.")
_QUARTER = N_("Comme T4 2026 ou 2026Q4.")
_SUCCEEDS = N_("Identifiant du service remplacé ; de plusieurs, séparés par des virgules, s’ils ont fusionné.")
_SERVICE = N_("Identifiant d’un service de la feuille « Registre » ; vide : tous les services.")
_BODY = N_("Identifiant d’une instance de la feuille « Instances ».")
_SOURCE = N_("D’où vient le nombre, par exemple « enquête de décembre 2026 ».")
_NOBODY = N_("Des rôles et des instances, jamais une personne ni une adresse.")


def _id(width: int = 26) -> Column:
    return Column("id", N_("Identifiant"), _ID, "id", needed=True, width=width)


def _quarter() -> Column:
    return Column("quarter", N_("Trimestre"), _QUARTER, "quarter", needed=True, width=12)


def _service(*, needed: bool = False) -> Column:
    help_text = N_("Identifiant d’un service de la feuille « Registre ».") if needed else _SERVICE
    return Column("service", N_("Service"), help_text, "id", needed=needed, width=26, of=("register",))


def _body(path: str = "body", *, needed: bool = True) -> Column:
    return Column(path, N_("Instance"), _BODY, "id", needed=needed, width=20, of=("bodies",))


REGISTER = Sheet(
    "register",
    N_("Registre"),
    N_("Les services d’IA de l’organisation, un par ligne : c’est le dénominateur de la couverture."),
    SERVICES_FILE,
    "register.services",
    ("services",),
    (
        _id(30),
        Column("name", N_("Nom"), N_("Tel qu’il paraît dans le rapport."), needed=True, width=34),
        Column(
            "status",
            N_("État"),
            N_("À choisir dans la liste."),
            "choice",
            needed=True,
            words=_STATUSES,
        ),
        Column("audience", N_("Public"), N_("À qui il sert, par exemple « conseillers »."), width=22),
        Column("purpose", N_("Finalité"), N_("Ce qu’il fait, en une phrase."), width=44),
        Column("functional_unit", N_("Unité fonctionnelle"), N_("Ce qu’est un résultat utile : « mail traité ».")),
        Column(
            "lifetime_units",
            N_("Unités attendues"),
            N_("Unités que le modèle rendra avant d’être remplacé : amortit l’entraînement."),
            "number",
        ),
        Column("since", N_("Existe depuis"), N_("Premier jour où il a existé."), "day", width=14),
        Column(
            "instance_days",
            N_("Jours-machine"),
            N_(
                "Jours de marche dans un trimestre plein, additionnés sur ses machines ; ou par phase et machine : « "
                "inférence gpu-01 : 92 ; entraînement : 11 »."
            ),
            "days",
        ),
        Column("scope", N_("Étendue"), N_("Géographique ou d’organisation.")),
        Column("owner_role", N_("Rôle responsable"), N_("Un rôle, jamais une personne ni une adresse."), width=24),
        Column(
            "counted_among_generalised",
            N_("Compté généralisé"),
            N_("« oui » si l’organisation le compte parmi les généralisés, quel que soit son état."),
            "boolean",
        ),
        Column("stand_in", N_("Démonstration"), N_("« oui » si un modèle de démonstration tient sa place."), "boolean"),
        Column(
            "succeeds",
            N_("Remplace"),
            _SUCCEEDS,
            "ids",
            width=26,
            of=("register",),
        ),
    ),
)

SCOPE = Sheet(
    "scope",
    N_("Périmètre"),
    N_("Ce qui vaut pour tout le registre."),
    SERVICES_FILE,
    "register",
    (),
    (
        Column("as_of", N_("Registre exact au"), N_("Jour auquel le registre est exact."), "day"),
        Column(
            "unnamed.count",
            N_("Services non nommés"),
            N_("Services qui existent sans être dans le registre : ils restent au dénominateur."),
            "whole",
        ),
        Column("unnamed.approximate", N_("Nombre approché"), N_("« oui » si ce nombre est un ordre de grandeur."), "boolean"),
        Column(
            "unnamed.status",
            N_("États des non nommés"),
            N_("Un ou plusieurs, séparés par des virgules."),
            "choices",
            words=_STATUSES,
        ),
    ),
    key=(),
    form=True,
)

TARGETS = Sheet(
    "targets",
    N_("Cibles"),
    N_(
        "Un seuil (sens, valeur, échéance) ou une réduction (trimestres de référence, réduction, horizon) ; une cible adoptée "
        "porte sa décision."
    ),
    TARGETS_FILE,
    "targets.targets",
    ("targets",),
    (
        _id(),
        Column(
            "indicator",
            N_("Indicateur"),
            N_("Ce qui est suivi, avec son unité."),
            "choice",
            needed=True,
            width=40,
            words={code: wording.INDICATORS[code] for code in INDICATORS},
            units=_UNITS,
        ),
        Column("service", N_("Service"), _SERVICE, "id", width=26, of=("register",)),
        Column("op", N_("Sens"), N_("Pour un seuil."), "choice", width=10, words=OPERATORS),
        Column(
            "value", N_("Valeur"), N_("Pour un seuil, dans l’unité de l’indicateur ; 90 %% s’écrit 0,9."), "number", percent=True
        ),
        Column("deadline", N_("Échéance"), N_("Pour un seuil : le trimestre où il doit être tenu."), "quarter"),
        Column(
            "baseline.quarters",
            N_("Trimestres de référence"),
            N_("Pour une réduction, séparés par des virgules : « T1 2027, T2 2027 »."),
            "quarters",
            width=28,
        ),
        Column("baseline.boundary", N_("Périmètre de référence"), N_("Pour une réduction : le nom du périmètre, facultatif.")),
        Column(
            "reduction", N_("Réduction"), N_("Part à retrancher de la référence : 35 %% s’écrit 0,35."), "number", percent=True
        ),
        Column("horizon", N_("Horizon"), N_("Année où la réduction doit être atteinte."), "whole", width=10),
        Column(
            "trajectory",
            N_("Trajectoire"),
            N_("Pour la part du budget : l’identifiant de la cible en réduction."),
            "id",
            width=26,
            of=("targets",),
        ),
        Column(
            "status",
            N_("État"),
            N_("« adoptée » demande la décision complète."),
            "choice",
            width=12,
            words=wording.TARGET_STATUSES,
        ),
        _body("decision.body", needed=False),
        Column("decision.date", N_("Jour de la décision"), N_("Jour où l’instance l’a adoptée."), "day", width=14),
        Column(
            "decision.minutes_sha256",
            N_("Empreinte du procès-verbal"),
            N_("SHA-256 du fichier du procès-verbal : 64 caractères."),
            width=28,
        ),
    ),
)

RECOMMENDATIONS = Sheet(
    "recommendations",
    N_("Recommandations"),
    N_("Ce que le comité externe recommande ou préconise, par service ou projet et par trimestre."),
    COMMITTEES_FILE,
    "committees.recommendations",
    ("recommendations",),
    (
        _id(),
        _quarter(),
        _body(),
        _service(),
        Column("text", N_("Recommandation"), _NOBODY, needed=True, width=70),
    ),
)

DECISIONS = Sheet(
    "decisions",
    N_("Décisions"),
    N_("Ce que le comité interne a décidé."),
    COMMITTEES_FILE,
    "committees.decisions",
    ("decisions",),
    (
        _id(),
        _quarter(),
        _body(),
        Column("date", N_("Jour de la décision"), N_("Facultatif."), "day", width=14),
        _service(),
        Column(
            "answers",
            N_("Répond à"),
            N_("Identifiant de la recommandation, s’il y en a une."),
            "id",
            width=22,
            of=("recommendations",),
        ),
        Column("text", N_("Décision"), _NOBODY, needed=True, width=70),
        Column(
            "minutes_sha256",
            N_("Empreinte du procès-verbal"),
            N_("SHA-256 du fichier du procès-verbal : 64 caractères."),
            width=28,
        ),
    ),
)

ACTIONS = Sheet(
    "actions",
    N_("Actions"),
    N_("Ce qui est entrepris : le rôle qui le porte, l’échéance et l’état ; le rapport les suit de trimestre en trimestre."),
    COMMITTEES_FILE,
    "committees.actions",
    ("actions",),
    (
        _id(),
        Column("quarter", N_("Ouverte au"), _QUARTER, "quarter", needed=True, width=12),
        Column("text", N_("Action"), _NOBODY, needed=True, width=60),
        Column("role", N_("Rôle qui la porte"), N_("Un rôle, jamais une personne ni une adresse."), needed=True, width=24),
        Column("due", N_("Échéance"), _QUARTER, "quarter", needed=True, width=12),
        _service(),
        Column(
            "answers",
            N_("Répond à"),
            N_("Identifiant d’une recommandation ou d’une décision."),
            "id",
            width=22,
            of=("recommendations", "decisions"),
        ),
        Column("state", N_("État"), N_("Vide : prévue."), "choice", width=12, words=wording.ACTION_STATES),
        Column(
            "closed",
            N_("Close au"),
            N_("Trimestre où elle est faite ou abandonnée ; vide sinon."),
            "quarter",
            width=12,
        ),
        Column("note", N_("Suivi"), N_("Où elle en est, en une phrase."), width=50),
    ),
)

COMMENTS = Sheet(
    "comments",
    N_("Commentaires"),
    N_("Ce que l’organisation dit à côté des chiffres d’une partie du rapport, un commentaire par trimestre et partie."),
    COMMITTEES_FILE,
    "committees.comments",
    ("comments",),
    (
        _quarter(),
        Column(
            "section",
            N_("Partie du rapport"),
            N_("À choisir dans la liste."),
            "choice",
            needed=True,
            width=34,
            words=_SECTIONS,
        ),
        Column("text", N_("Commentaire"), _NOBODY, needed=True, width=90),
    ),
    key=("quarter", "section"),
)

TIES = Sheet(
    "ties",
    N_("Autres engagements"),
    N_("Ce que l’impact environnemental doit aux autres engagements de la charte, et ce qu’il leur coûte."),
    COMMITTEES_FILE,
    "committees.ties",
    ("ties",),
    (
        _quarter(),
        Column(
            "commitment", N_("Engagement"), N_("Son numéro dans la charte."), "whole", needed=True, width=12, of=("commitments",)
        ),
        _service(),
        Column("text", N_("Lien"), _NOBODY, needed=True, width=90),
    ),
    key=("quarter", "commitment", "service"),
)

OUTCOMES = Sheet(
    "outcomes",
    N_("Résultats acceptés"),
    N_("Combien de résultats d’un service ont été acceptés dans un trimestre, et qui le dit."),
    OUTCOMES_FILE,
    "outcomes",
    (),
    (
        _service(needed=True),
        _quarter(),
        Column("accepted", N_("Résultats acceptés"), N_("Un nombre, 0 ou plus."), "number", needed=True),
        Column("source", N_("Source"), _SOURCE, needed=True, width=50),
    ),
    key=("service", "quarter"),
)

REGIONS = Sheet(
    "regions",
    N_("Unités par région"),
    N_("Unités rendues dans chaque région : les chiffres du trimestre y sont répartis d’après elles."),
    REGIONS_FILE,
    "regions",
    (),
    (
        Column("region", N_("Région"), N_("Son nom, toujours écrit pareil."), needed=True, width=30, steady=True),
        _service(needed=True),
        _quarter(),
        Column("units", N_("Unités"), N_("Un nombre, 0 ou plus."), "number", needed=True),
        Column("source", N_("Source"), _SOURCE, needed=True, width=50),
    ),
    key=("region", "service", "quarter"),
)

EVALUATION = Sheet(
    "evaluation",
    N_("Évaluation"),
    N_(
        "Auto-évaluation de l’engagement n° 7 par le chef de projet d’un service. Une ligne sans réponse n’est pas enregistrée ; "
        "« à instruire » se garde comme question ouverte."
    ),
    EVALUATIONS_FILE,
    "answers",
    ("answers",),
    (
        _service(needed=True),
        _quarter(),
        Column("theme", N_("Thème"), N_("Pour lire : n’est pas repris."), "information", width=22),
        Column("question", N_("Question"), N_("Identifiant de la question : ne pas changer."), "id", needed=True, width=22),
        Column("wording", N_("En clair"), N_("Pour lire : n’est pas repris."), "information", width=64),
        Column("figure", N_("Chiffre mesuré"), N_("Rempli par « ecoia evaluate » ; n’est pas repris."), "information", width=40),
        Column("answer", N_("Réponse"), N_("À choisir dans la liste."), "choice", width=14, words=wording.EVALUATION_ANSWERS),
        Column("comment", N_("Explication"), _NOBODY, width=60),
        Column("role", N_("Rôle qui répond"), N_("Un rôle, jamais une personne ni une adresse."), width=24),
    ),
    key=("service", "quarter", "question"),
    substance=("answer", "comment"),
)

COMMITMENTS = Sheet(
    "commitments",
    N_("Engagements"),
    N_("La charte. Le texte est celui de l’organisation, collé tel quel ; vide, le rapport le signale."),
    CHARTER_FILE,
    "charter.charter.commitments",
    ("charter", "commitments"),
    (
        _id(),
        Column("number", N_("Numéro"), N_("Dans la charte."), "whole", needed=True, width=10),
        Column("name", N_("Nom"), N_("Tel qu’il paraît dans le rapport."), needed=True, width=40),
        Column("text", N_("Texte"), N_("Le texte publié par l’organisation."), width=90),
    ),
)

BODIES = Sheet(
    "bodies",
    N_("Instances"),
    N_("Les instances qui font vivre la charte."),
    CHARTER_FILE,
    "charter.governance",
    ("governance",),
    (
        _id(),
        Column("name", N_("Nom"), N_("Tel qu’il paraît dans le rapport."), needed=True, width=34),
        Column("role", N_("Rôle"), N_("Ce qu’elle fait."), width=50),
        Column("members", N_("Composition"), N_("Des fonctions, jamais des personnes."), width=50),
        Column("count", N_("Nombre"), N_("De membres ou de correspondants."), "whole", width=10),
        Column("contact", N_("Contact"), N_("Une boîte partagée, rappelée sur chaque page du rapport."), width=34),
    ),
)

SHEETS = (
    REGISTER,
    SCOPE,
    TARGETS,
    RECOMMENDATIONS,
    DECISIONS,
    ACTIONS,
    COMMENTS,
    TIES,
    OUTCOMES,
    REGIONS,
    EVALUATION,
    COMMITMENTS,
    BODIES,
)
"""In the workbook's order."""
