"""Name what the organisation declares otherwise than in its last publication (``report.DeclaredChange``)."""

from __future__ import annotations

from ecoia_dashboards.wording.marking import N_

DECLARED_KINDS = {
    "target": N_("cible"),
    "service": N_("service"),
    "method": N_("méthode"),
    "factor": N_("facteurs d’émission"),
    "site": N_("site"),
    "equipment": N_("équipement"),
    "calibration": N_("étalonnage"),
    "contract": N_("contrat d’électricité"),
}

DECLARED_CHANGES = {"added": N_("ajouté"), "removed": N_("retiré"), "changed": N_("changé")}

DECLARED_EFFECTS = {
    "loosened": N_("cible assouplie"),
    "denominator-lowered": N_("la couverture en monte d’elle-même"),
}
"""What a change of the declarations does without anything being done (``report.DeclaredChange.effect``)."""

DECLARED_FIELDS = {
    "value": N_("valeur"),
    "status": N_("état"),
    "deadline": N_("échéance"),
    "reduction": N_("réduction"),
    "horizon": N_("horizon"),
    "version": N_("version"),
    "name": N_("nom"),
}
"""Fields of the declarations, as committees name them; another field is shown by its own name."""
