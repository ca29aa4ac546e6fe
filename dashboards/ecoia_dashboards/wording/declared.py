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
    "loosened": N_("assoupli, ou supprimé"),
    "tightened": N_("resserré"),
    "unclear": N_("porte sur autre chose qu’avant"),
    "denominator-lowered": N_("la couverture en monte sans mesure de plus"),
}
"""What a change of the declarations does by itself (``report.DeclaredChange.effect``)."""

DECLARED_FIELDS = {
    "baseline.quarters": N_("trimestres de référence"),
    "because": N_("motif"),
    "co2e_kg": N_("fabrication"),
    "deadline": N_("échéance"),
    "denominator": N_("services comptés au dénominateur"),
    "gco2e_per_kwh": N_("facteur"),
    "gsd": N_("dispersion"),
    "horizon": N_("horizon"),
    "indicator": N_("indicateur"),
    "instance_days": N_("jours-instance"),
    "life_years": N_("durée de vie"),
    "name": N_("nom"),
    "op": N_("sens"),
    "pue": N_("PUE"),
    "pue.value": N_("PUE"),
    "reduction": N_("réduction"),
    "reserved_share": N_("part réservée"),
    "service": N_("service"),
    "share": N_("part couverte"),
    "status": N_("état"),
    "threshold": N_("seuil de retraitement"),
    "unnamed.count": N_("services sans nom"),
    "value": N_("valeur"),
    "values": N_("valeurs changées sous le même nom"),
    "version": N_("version"),
    "wall_factor": N_("facteur de prise"),
    "zone": N_("zone électrique"),
}
"""Fields of the declarations as committees name them (``report.DeclaredChange.field``); another is shown by its own name."""
