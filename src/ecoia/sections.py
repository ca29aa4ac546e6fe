"""List the sections of the report once: the page, the comments that committees may write, and the workbook's choices follow it.

To add a section, add its line here, with its translation, and its template.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Section:
    """A section of the report.

    Attributes:
        id: Name in the data, and anchor on the page.
        title: French title on the page; a message id.
        choice: French name in the workbook's list of choices; a message id. Empty: the title.
        template: Template of its content, below the templates' folder. Empty: ``sections/<id>.html``.
    """

    id: str
    title: str
    choice: str = ""
    template: str = ""

    @property
    def name_in_choices(self) -> str:
        """The French name in the workbook's list of choices."""
        return self.choice or self.title

    @property
    def template_path(self) -> str:
        """The template of its content, below the templates' folder."""
        return self.template or f"sections/{self.id}.html"


SECTIONS = [
    Section("synthese", "Synthèse"),
    Section("engagement", "Engagement n° 7"),
    Section("perimetre", "Périmètre"),
    Section("resultats", "Résultats par service"),
    Section("evolution", "Évolution"),
    Section("trajectoire", "Trajectoire et budget"),
    Section("sobriete", "Sobriété"),
    Section("autres-engagements", "Liens avec les autres engagements"),
    Section("incertitudes", "Incertitudes, limites et retraitements", choice="Incertitudes"),
    Section("recommandations", "Recommandations, décisions et actions", choice="Recommandations et suites"),
    Section("annexes", "Annexes"),
]
"""The sections in the order of the report."""


def register(section: Section, before: str | None = None) -> None:
    """Add a section to the report.

    Register before the catalogue or a renderer is imported: they read the list when they load.

    Args:
        section: A section whose id is new; its template must exist.
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
