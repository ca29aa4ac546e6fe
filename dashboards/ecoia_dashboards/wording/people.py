"""Name services' states, words of committees, actions, ties to other commitments, and sections of the report."""

from __future__ import annotations

from ecoia.sections import SECTIONS as _SECTIONS
from ecoia_dashboards.wording.marking import N_

SERVICE_STATUSES = {
    "generalised": N_("généralisé"),
    "qualification": N_("en qualification"),
    "poc": N_("expérimentation"),
    "retired": N_("retiré"),
    "unregistered": N_("non enregistré"),
}

SAID = {
    "recommendation": N_("recommandation"),
    "decision": N_("décision"),
    "tie": N_("lien avec un autre engagement"),
    "comment": N_("commentaire"),
}
"""Kinds of words of committees and of the organisation (``report.Said``)."""

ACTION_STATES = {
    "planned": N_("prévue"),
    "under-way": N_("en cours"),
    "done": N_("faite"),
    "dropped": N_("abandonnée"),
}

TIES = {
    "finalite-legitimite": N_(
        "L’utilité se lit en regard de l’impact : ce que chaque service a rendu, et ce qu’il a émis pour cela."
    ),
    "humain-au-centre": N_(
        "Les chiffres portent sur des services, des machines et des exécutions, jamais sur des personnes. Les responsables sont "
        "des rôles."
    ),
    "equite-non-discrimination": N_(
        "Un modèle plus léger peut être moins bon pour certains publics : toute piste de sobriété qui peut y nuire le dit, "
        "et la qualité enregistrée se lit à côté de l’énergie."
    ),
    "liberte-de-choix": N_(
        "Une énergie faible ne rend pas un service nécessaire : la question du besoin, et d’une solution sans IA, est posée dans "
        "l’auto-évaluation."
    ),
    "transparence": N_("La méthode, les facteurs et leur source sont publiés ; ce qui n’est pas mesuré est nommé."),
    "securite": N_(
        "Un trimestre publié est scellé : un seul octet changé se voit. Réduire les réserves peut réduire la disponibilité."
    ),
}
"""How the environmental commitment meets another one of the charter, by its id."""

SECTIONS = {section.id: section.title for section in _SECTIONS}
"""The titles of the report's sections, in its order."""
