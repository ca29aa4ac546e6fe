"""Name what a change of the CO2e is made of, and why a published quarter changed."""

from __future__ import annotations

from ecoia_dashboards.wording.marking import N_

COMPARED = {
    "previous-quarter": N_("Pourquoi le CO₂e n’est pas celui du trimestre précédent, %(quarter)s"),
    "year-before": N_("Pourquoi le CO₂e n’est pas celui du même trimestre un an avant, %(quarter)s"),
}

ELAPSED = {
    "previous-quarter": N_("Sur un trimestre (%(quarter)s)"),
    "year-before": N_("Sur un an (%(quarter)s)"),
}
"""The time that a change is over (``report.COMPARED``)."""

CO2E_PARTS = {
    "co2e_operational": N_("usage"),
    "co2e_embodied": N_("fabrication"),
    "co2e_api": N_("modèles externes"),
}
"""The parts of the whole CO2e (``report.Headline.parts``), beside it."""

CO2E_SHARES = {
    "co2e_operational": N_("pour l’électricité d’usage"),
    "co2e_embodied": N_("pour la fabrication des machines"),
    "co2e_api": N_("pour les modèles externes"),
}
"""The same, after a share of the whole."""

PARTS = {"operational": N_("usage"), "embodied": N_("fabrication"), "api": N_("modèles externes")}

TERMS = {
    "volume": N_("volume (unités rendues)"),
    "intensity": N_("énergie informatique par unité"),
    "energy": N_("énergie informatique sans unités comptées"),
    "pue": N_("bâtiment (PUE)"),
    "factor": N_("réseau électrique (facteur d’émission)"),
    "embodied": N_("fabrication des équipements"),
    "api": N_("modèles externes"),
    "entry": N_("services apparus"),
    "exit": N_("services disparus"),
    "coverage": N_("couverture (mesuré davantage, ou moins)"),
    "method": N_("mesure faite autrement"),
    "correction": N_("correction de ce qui était publié"),
}
"""The terms of a change."""

CAUSES = {
    "method": N_("méthode"),
    "correction": N_("relevés corrigés"),
    "boundary": N_("périmètre"),
    "factor": N_("facteurs d’émission"),
}
"""Why a published quarter has changed (``recalculation.CAUSES``)."""
