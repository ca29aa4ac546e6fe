"""Name the indicators: in a sentence, at the head of a table's column, and at the head of the page's column."""

from __future__ import annotations

from dataclasses import dataclass

from ecoia_dashboards.wording.marking import N_


@dataclass(frozen=True)
class IndicatorWords:
    """Words of an indicator; each is a message id.

    Attributes:
        name: Name within a sentence.
        heading: Head of its column in a table. Empty: the name.
        page_heading: Head of its column on the page. Empty: the heading.
    """

    name: str
    heading: str = ""
    page_heading: str = ""


INDICATOR_WORDS = {
    "energy_components": IndicatorWords(N_("énergie des composants")),
    "energy_it": IndicatorWords(N_("énergie informatique"), N_("Énergie informatique")),
    "energy": IndicatorWords(N_("énergie")),
    "co2e": IndicatorWords(N_("CO₂e total"), N_("CO₂e total"), N_("Total")),
    "co2e_operational": IndicatorWords(N_("CO₂e d’usage"), N_("CO₂e d’usage"), N_("Usage")),
    "co2e_operational_market": IndicatorWords(N_("CO₂e d’usage, selon les contrats")),
    "co2e_embodied": IndicatorWords(N_("CO₂e de fabrication"), N_("CO₂e de fabrication"), N_("Fabrication")),
    "co2e_api": IndicatorWords(N_("CO₂e des modèles externes"), N_("CO₂e des modèles externes"), N_("Modèles externes")),
    "co2e_constant_factor": IndicatorWords(N_("CO₂e à facteur constant")),
    "water_direct": IndicatorWords(N_("eau directe"), N_("Eau directe")),
    "water_indirect": IndicatorWords(N_("eau indirecte"), N_("Eau indirecte")),
    "sci": IndicatorWords(
        N_("CO₂e par unité, entraînement amorti"),
        N_("CO₂e par unité, entraînement amorti"),
        N_("CO₂e par unité, entraînement amorti (ecoia)"),
    ),
    "sci_training": IndicatorWords(N_("part de l’entraînement amorti dans le CO₂e par unité"), N_("dont entraînement amorti")),
    "sci_consumer": IndicatorWords(N_("score SCI du consommateur"), N_("Score SCI du consommateur")),
    "sci_provider": IndicatorWords(N_("score SCI du fournisseur"), N_("Score SCI du fournisseur")),
    "training_intensity": IndicatorWords(N_("CO₂e de l’entraînement par unité"), N_("CO₂e de l’entraînement, par unité")),
    "co2e_per_accepted_outcome": IndicatorWords(N_("CO₂e par résultat accepté"), N_("Par résultat accepté")),
    "idle_rate": IndicatorWords(N_("part de la veille réservée"), N_("Part de la veille réservée")),
    "waste_rate": IndicatorWords(
        N_("part de l’énergie d’entraînement perdue"),
        N_("Part de l’énergie d’entraînement perdue"),
        N_("Part de l’énergie d’entraînement perdue"),
    ),
    "coverage_services": IndicatorWords(N_("couverture des services")),
    "energy_by_method": IndicatorWords(N_("part de l’énergie comptée par des compteurs")),
    "precision": IndicatorWords(N_("part du CO₂e de précision 1 ou 2")),
    "budget": IndicatorWords(N_("part employée du budget de l’année")),
    "absorbed_gain": IndicatorWords(N_("part des services dont le gain unitaire est absorbé par le volume")),
    "recalculation": IndicatorWords(N_("plus grand écart d’un trimestre publié à son recalcul")),
    "energy_per_unit": IndicatorWords(N_("énergie par unité")),
}
"""Words of each indicator of ``ecoia.indicators``, by id."""

INDICATORS = {id_: words.name for id_, words in INDICATOR_WORDS.items()}
"""Name of each indicator within a sentence, by id."""


def register(id_: str, words: IndicatorWords) -> None:
    """Name an indicator that was added to ``ecoia.indicators``.

    Args:
        id_: Its id.
        words: Its words.

    Example:
        >>> register("heat", IndicatorWords("chaleur réutilisée", "Chaleur réutilisée"))  # doctest: +SKIP
    """
    INDICATOR_WORDS[id_] = words
    INDICATORS[id_] = words.name


def heading(id_: str) -> str:
    """Return the head of an indicator's column in a table; the id itself where the indicator has no words.

    Example:
        >>> heading("co2e")
        'CO₂e total'
    """
    words = INDICATOR_WORDS.get(id_, IndicatorWords(id_))
    return words.heading or words.name


def page_heading(id_: str) -> str:
    """Return the head of an indicator's column on the page; the id itself where the indicator has no words.

    Example:
        >>> page_heading("co2e")
        'Total'
    """
    words = INDICATOR_WORDS.get(id_, IndicatorWords(id_))
    return words.page_heading or heading(id_)
