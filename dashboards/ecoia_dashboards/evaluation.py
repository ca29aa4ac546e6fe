"""Word the self-assessment of commitment 7, and write the dossier of a service as one page."""

from __future__ import annotations

from collections.abc import Iterator

from ecoia.catalogue import QUESTIONS as BY_THEME
from ecoia.evaluating.dossier import NOT_MEASURED, SHEDS_LIGHT_ON, Evaluation
from ecoia.report import Quantity
from ecoia_dashboards import wording
from ecoia_dashboards.cleaning import clean
from ecoia_dashboards.language import Language
from ecoia_dashboards.pages.drawing import draw
from ecoia_dashboards.wording import N_

THEME_NAMES = {
    "besoin": N_("Le besoin"),
    "entrainement": N_("L’entraînement"),
    "usage": N_("L’usage"),
    "hebergement": N_("L’hébergement"),
    "suivi": N_("Le suivi"),
    "autres-engagements": N_("Les autres engagements"),
}

FIGURE_NAMES = {
    "energy": N_("Énergie du trimestre"),
    "co2e": N_("CO₂e d’usage du trimestre"),
    "energy_per_unit": N_("Énergie par unité"),
    "sci": N_("CO₂e par unité, entraînement amorti"),
    "co2e_per_accepted_outcome": N_("CO₂e par résultat accepté"),
    "energy_training": N_("Énergie de l’entraînement"),
    "training_intensity": N_("CO₂e de l’entraînement, par unité"),
    "waste_rate": N_("Part de l’énergie d’entraînement perdue"),
    "idle_rate": N_("Part de la veille réservée"),
    "co2e_embodied": N_("CO₂e de fabrication du trimestre"),
    "co2e_api": N_("CO₂e des modèles externes"),
    "water_direct": N_("Eau directe du trimestre"),
}

_NOT_YET = N_("pas encore mesuré")


def figure_text(quantity: Quantity, language: Language) -> str:
    """Write a figure with its interval, or the reason why there is none."""
    if quantity.value is None:
        reason = quantity.reason or NOT_MEASURED
        return language.t(_NOT_YET) if reason == NOT_MEASURED else language.of(wording.REASONS, reason)
    interval = language.interval(quantity)
    return f"{language.amount(quantity)}{f' ({interval})' if interval else ''}"


def figures_text(evaluation: Evaluation, question: str, language: Language) -> str | None:
    """Write the figures that shed light on a question, one a line; None where none does."""
    lines = []
    for name in SHEDS_LIGHT_ON.get(question, ()):
        figure = figure_text(evaluation.figures[name], language)
        lines.append(language.t("%(name)s : %(figure)s", name=language.t(FIGURE_NAMES[name]), figure=figure))
    return "\n".join(lines) or None


class _View:
    """Texts of the dossier's template."""

    def __init__(self, evaluation: Evaluation, language: Language) -> None:
        self.evaluation, self.language = evaluation, language
        self.quarter = language.quarter(evaluation.quarter)

    @property
    def footer(self) -> str:
        """Text at the foot of every printed page."""
        parts = (self.evaluation.organisation, self.evaluation.name, self.quarter, self.evaluation.ethics_contact)
        return " · ".join(part for part in parts if part)

    def figure(self, name: str) -> str:
        """Write a figure of the service."""
        return figure_text(self.evaluation.figures[name], self.language)

    @property
    def lacks(self) -> str:
        """Reason why there is no projection."""
        return figure_text(Quantity(None, "", reason=self.evaluation.projection_lacks), self.language)

    def amount(self, quantity: Quantity) -> str:
        """Write a figure of the projection."""
        return figure_text(quantity, self.language)

    def beside(self, question: str) -> list[str]:
        """List the figures beside a question."""
        return (figures_text(self.evaluation, question, self.language) or "").splitlines()

    def themes(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """List the themes and their questions, in order."""
        for theme, questions in BY_THEME.items():
            yield self.language.t(THEME_NAMES[theme]), questions

    def answer(self, question: str) -> str:
        """Write the answer to a question; a dash where there is none."""
        given = self.evaluation.answers.get(question)
        return self.language.t(wording.EVALUATION_ANSWERS[given.answer]) if given else "–"

    def question(self, question: str) -> str:
        """Word a question."""
        return self.language.t(wording.EVALUATION_QUESTIONS[question])


def render_evaluation(evaluation: Evaluation, lang: str = "fr") -> str:
    """Write the dossier of a service as one HTML page, drawn like the report's.

    Args:
        evaluation: The dossier.
        lang: Language of the page, one of ``language.LANGUAGES``.

    Returns:
        The page. Equal dossiers give equal pages.

    Raises:
        UsageError: the language is not one of ours.

    Example:
        >>> Path("dossier.html").write_text(render_evaluation(evaluation), encoding="utf-8")  # doctest: +SKIP
    """
    language = Language(lang)
    evaluation = clean(evaluation)
    view = _View(evaluation, language)
    return draw(
        "evaluation.html",
        language,
        organisation=evaluation.organisation,
        footer=view.footer,
        draft=False,
        it=evaluation,
        view=view,
        figure_names={name: language.t(text) for name, text in FIGURE_NAMES.items()},
    )
