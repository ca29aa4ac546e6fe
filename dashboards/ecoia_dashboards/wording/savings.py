"""Name savings, the reasons why none is listed, and the ends of runs."""

from __future__ import annotations

from ecoia_dashboards.wording.marking import N_

SAVINGS = {
    "lost-runs": N_("entraînements en échec ou abandonnés"),
    "idle": N_("veille réservée (capacité inoccupée)"),
    "dominated-runs": N_("entraînements qu’un autre égale en qualité pour moins d’énergie"),
    "other-hours": N_("le même travail à d’autres heures, où l’électricité émet moins"),
}
"""Where less would do (``report.SAVINGS``)."""

UNSUPPORTED = {
    "no-runs": N_("aucun entraînement n’est enregistré"),
    "no-outcomes": N_("rien ne dit comment les entraînements ont fini"),
    "no-quality": N_("aucun entraînement fini n’a de mesure de qualité"),
    "no-direction": N_("le registre ne dit pas dans quel sens la qualité est meilleure"),
    "too-few-runs": N_("il faut au moins deux entraînements finis pour comparer"),
    "idle-not-separated": N_("la veille n’est pas séparée du reste"),
    "flat-factors": N_("les facteurs d’émission ne varient pas dans la journée, ou ne sont pas connus aux autres heures"),
    "nothing-found": N_(
        "cherché : moins de 1 %% de l’énergie, tous services réunis (d’autres heures : moins de 1 %% du CO₂e du travail)"
    ),
}
"""Why no saving of a kind is listed (``report.UNSUPPORTED``)."""

OUTCOMES = {"ok": N_("réussi"), "failed": N_("en échec"), "abandoned": N_("abandonné")}
"""How a run ended."""
