"""List the sections of the report and their pieces once: pages, editions, committees' comments and the workbook follow the list.

Each piece is marked here as what a committee decides on, or as evidence. The page shows the first and folds the second; the PDF
has an edition of each. To add a section, add its line here, with its translation, and its template.
"""

from __future__ import annotations

from dataclasses import dataclass

DECISION = "decision"
"""What a committee reads to decide: on the page, and in the committee edition."""
EVIDENCE = "evidence"
"""What proves it: tables, identifiers, exact amounts, file names. Folded on the page; an annex of its own."""


@dataclass(frozen=True)
class Piece:
    """A piece of a section: one template, in one of the two editions.

    Attributes:
        name: Name of its template: ``sections/<name>.html``. A template that writes nothing for a report leaves the piece out.
        title: French heading; a message id. Empty: the piece stands below the section's own heading.
        kind: ``DECISION`` or ``EVIDENCE``.
    """

    name: str
    title: str = ""
    kind: str = DECISION

    @property
    def template_path(self) -> str:
        """Its template, below the templates' folder."""
        return f"sections/{self.name}.html"


def _decides(name: str, title: str = "") -> Piece:
    return Piece(name, title)


def _proves(name: str, title: str) -> Piece:
    return Piece(name, title, EVIDENCE)


@dataclass(frozen=True)
class Section:
    """A section of the report.

    Attributes:
        id: Name in the data, and anchor on the page.
        title: French title on the page; a message id.
        choice: French name in the workbook's list of choices; a message id. Empty: the title.
        pieces: Its pieces, in their order. Empty: one piece to decide on, of the section's own name.
    """

    id: str
    title: str
    choice: str = ""
    pieces: tuple[Piece, ...] = ()

    def __post_init__(self) -> None:
        if not self.pieces:
            object.__setattr__(self, "pieces", (Piece(self.id),))

    @property
    def name_in_choices(self) -> str:
        """The French name in the workbook's list of choices."""
        return self.choice or self.title

    def pieces_of(self, kind: str) -> tuple[Piece, ...]:
        """Return the pieces to decide on, or those that are evidence."""
        return tuple(piece for piece in self.pieces if piece.kind == kind)


SECTIONS = [
    Section(
        "synthese", "Synthèse", pieces=(_decides("synthese/premiere-page"), _proves("synthese/chiffres", "Chiffres d’ensemble"))
    ),
    Section(
        "engagement",
        "Engagement n° 7",
        pieces=(_decides("engagement/cibles"), _proves("engagement/preuves", "Cibles, verdicts et preuves")),
    ),
    Section(
        "perimetre",
        "Périmètre",
        pieces=(_decides("perimetre/couverture"), _proves("perimetre/registre", "Registre des services")),
    ),
    Section(
        "resultats",
        "Résultats par service",
        pieces=(
            _decides("resultats/services"),
            _proves("resultats/phases", "Énergie et CO₂e, par service et phase"),
            _proves("resultats/unites", "Service rendu, par service et phase"),
            _proves("resultats/empreinte", "Empreinte par service : usage, fabrication, modèles externes, eau"),
            _proves("resultats/intensites", "CO₂e par unité, veille et pertes, par service"),
            _proves("resultats/origines", "Comment l’énergie est connue, par service"),
            _proves("resultats/repartition", "Où va l’énergie"),
        ),
    ),
    Section(
        "evolution",
        "Évolution",
        pieces=(_decides("evolution/ecarts"), _proves("evolution/causes", "Pourquoi le CO₂e a changé, service par service")),
    ),
    Section(
        "trajectoire",
        "Trajectoire et budget",
        pieces=(
            _decides("trajectoire/budget"),
            _proves("trajectoire/ajouts", "Ajouté aux références par estimation"),
            _proves("trajectoire/constant", "À facteur constant"),
        ),
    ),
    Section(
        "sobriete",
        "Sobriété",
        pieces=(
            _decides("sobriete/pistes"),
            _proves("sobriete/designees", "Ce que désignent les pistes"),
            _proves("sobriete/non-liste", "Ce qui n’est pas listé, et pourquoi"),
            _proves("sobriete/fronts", "Qualité et énergie des entraînements"),
            _proves("sobriete/entrainements", "Entraînements les plus coûteux"),
        ),
    ),
    Section(
        "autres-engagements",
        "Liens avec les autres engagements",
        pieces=(
            _decides("autres-engagements/liens"),
            _proves("autres-engagements/service-rendu", "Service rendu et impact, par service"),
        ),
    ),
    Section(
        "incertitudes",
        "Incertitudes, limites et retraitements",
        choice="Incertitudes",
        pieces=(
            _decides("incertitudes/avis", "À savoir pour ce trimestre"),
            _decides("incertitudes/declarations", "Ce qui a changé dans les déclarations"),
            _decides("incertitudes/sensibilite", "Sensibilité : si une hypothèse changeait"),
            _decides("incertitudes/non-compte", "Ce qui n’est pas compté"),
            _decides("incertitudes/limites", "Ce que la méthode ne voit pas"),
            _proves("incertitudes/remedes", "Ce qui peut y être réglé"),
            _proves("incertitudes/retraitements", "Retraitements"),
            _proves("incertitudes/releves", "Ce qui manque aux relevés"),
            _proves("incertitudes/pertes", "Ce qui a été perdu"),
            _proves("incertitudes/doublons", "Ce qui était compté deux fois"),
        ),
    ),
    Section(
        "recommandations",
        "Recommandations, décisions et actions",
        choice="Recommandations et suites",
        pieces=(
            _decides("recommandations/comites"),
            _decides("recommandations/actions", "Actions et leur suivi"),
            _proves("recommandations/regions", "Chiffres par région"),
            _proves("recommandations/fiches", "Fiches"),
        ),
    ),
    Section(
        "annexes",
        "Annexes",
        pieces=(
            _decides("annexes/periode", "Période et méthode"),
            _decides("annexes/sceau", "Sceau"),
            _proves("annexes/facteurs", "Facteurs d’émission utilisés"),
            _proves("annexes/contrats", "Contrats d’électricité"),
            _proves("annexes/etalonnage", "Étalonnage du site"),
            _proves("annexes/sites", "Sites"),
            _proves("annexes/equipements", "Équipements"),
            _proves("annexes/jetons", "Modèles externes, par jetons"),
            _proves("annexes/bilan", "Place dans un bilan d’émissions"),
            _proves("annexes/equivalences", "Équivalences, demandées par l’organisation"),
            _proves("annexes/dispersions", "Incertitudes types"),
            _proves("annexes/evaluations", "Auto-évaluations des services"),
            _proves("annexes/instances", "Instances de la charte"),
            _proves("annexes/figures", "Données des figures"),
        ),
    ),
]
"""The sections in the order of the report."""


def register(section: Section, before: str | None = None) -> None:
    """Add a section to the report.

    Register before the catalogue or a renderer is imported: they read the list when they load.

    Args:
        section: A section whose id is new; the templates of its pieces must exist.
        before: Id of the section that it stands before; None: it stands last.

    Raises:
        ValueError: the id is taken, or ``before`` is no section.

    Example:
        >>> register(Section("eau", "Eau"), before="annexes")  # doctest: +SKIP
    """
    ids = [each.id for each in SECTIONS]
    if section.id in ids:
        raise ValueError(f"section '{section.id}' exists already: choose another id")
    if before is not None and before not in ids:
        raise ValueError(f"no section '{before}' to stand before; there are: {', '.join(ids)}")
    SECTIONS.insert(len(ids) if before is None else ids.index(before), section)
