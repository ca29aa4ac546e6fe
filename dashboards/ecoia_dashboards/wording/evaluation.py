"""Word the questions and answers of the self-assessment, and how sure a figure is."""

from __future__ import annotations

from ecoia.report import Quantity
from ecoia_dashboards.wording.marking import N_

EVALUATION_QUESTIONS = {
    "besoin-ecrit": N_("Le besoin est-il écrit, avec ce qui montrera que le service y répond ?"),
    "sans-ia": N_("Une solution sans IA (règle, formulaire, recherche, statistique simple) a-t-elle été essayée ?"),
    "modele-plus-leger": N_(
        "Un modèle plus petit, ou déjà en service, a-t-il été comparé sur la qualité et sur l’énergie par unité ?"
    ),
    "utilite-chiffree": N_("L’utilité attendue est-elle chiffrée, pour la mettre en regard de l’impact ?"),
    "reutilisation": N_("A-t-on cherché un modèle ou des données à réutiliser avant d’entraîner ?"),
    "essais-bornes": N_("Le nombre d’essais d’entraînement est-il borné (budget, arrêt anticipé) ?"),
    "reentrainement": N_("Réentraîne-t-on quand la qualité baisse, plutôt qu’à date fixe ?"),
    "appels-evites": N_("Évite-t-on les appels inutiles (résultats gardés, regroupement, seuil, textes courts) ?"),
    "capacite-ajustee": N_("Les machines réservées suivent-elles la charge (arrêt la nuit, partage) ?"),
    "heures-peu-carbonees": N_("Ce qui peut attendre est-il lancé aux heures où l’électricité émet le moins ?"),
    "effet-rebond": N_("A-t-on examiné si l’usage peut croître au point d’absorber les gains ?"),
    "lieu-et-pue": N_("Sait-on où tourne le service, avec quel PUE et quelle eau ?"),
    "equipements": N_("Les équipements déjà en place suffisent-ils, sans achat ?"),
    "mesure-des-le-debut": N_("Le service est-il mesuré dès l’expérimentation ?"),
    "plafond": N_("Un plafond est-il fixé, et sait-on quel rôle agit s’il est dépassé ?"),
    "fin-de-vie": N_("Sait-on quand arrêter le service, et que faire de ses copies et de ses données ?"),
    "equite-et-qualite": N_("Ce qui réduit l’impact a-t-il été vérifié sans perte d’équité ni de qualité ?"),
    "questions-ouvertes": N_("Reste-t-il des questions à poser aux comités ?"),
}
"""The questions of the self-assessment (``catalogue.QUESTIONS``)."""

EVALUATION_ANSWERS = {
    "met": N_("oui"),
    "partly": N_("en partie"),
    "unmet": N_("non"),
    "not-applicable": N_("sans objet"),
    "open": N_("à instruire"),
}

CERTAINTY = {
    "within-10": N_("Ce chiffre est sûr, à 10 %% près."),
    "within-25": N_("Ce chiffre est assez sûr, à 25 %% près."),
    "within-50": N_("Ce chiffre est peu sûr, à 50 %% près."),
    "beyond": N_("Ce chiffre n’est qu’un ordre de grandeur."),
}
"""How sure a figure is, in plain words, by how far its interval goes."""

_REACHES = ((0.1, "within-10"), (0.25, "within-25"), (0.5, "within-50"))


def certainty(quantity: Quantity) -> str | None:
    """Say by a code of ``CERTAINTY`` how sure a figure is; None where it has no interval.

    Example:
        >>> certainty(Quantity(100.0, "kWh", 80.0, 120.0))
        'within-25'
    """
    if not quantity.value or quantity.low is None or quantity.high is None:
        return None
    reach = max(quantity.value - quantity.low, quantity.high - quantity.value) / quantity.value
    return next((code for limit, code in _REACHES if reach <= limit), "beyond")
