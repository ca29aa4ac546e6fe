"""Word the parts and changes of what one use of a service costs, in plain language."""

from __future__ import annotations

from ecoia_dashboards.wording.marking import N_

UNIT_PARTS = {
    "co2e_operational": N_("l’électricité des machines"),
    "co2e_embodied": N_("la fabrication des machines"),
    "co2e_api": N_("les calculs chez un fournisseur extérieur"),
    "sci_training": N_("la préparation du modèle, répartie sur tous ses usages"),
}
"""The parts of the CO2e of one use."""

UNIT_CHANGES = {
    "rise": N_("Depuis le %(quarter)s, l’électricité de chaque %(use)s a augmenté d’environ %(size)s (%(interval)s)."),
    "fall": N_("Depuis le %(quarter)s, l’électricité de chaque %(use)s a baissé d’environ %(size)s (%(interval)s)."),
    "unclear": N_("Depuis le %(quarter)s, l’évolution de l’électricité de chaque %(use)s n’est pas établie (%(interval)s)."),
}
SERVICE_CHANGES = {
    "rise": N_("Depuis le %(quarter)s, le CO₂e de tout le service a augmenté d’environ %(size)s (%(interval)s)."),
    "fall": N_("Depuis le %(quarter)s, le CO₂e de tout le service a baissé d’environ %(size)s (%(interval)s)."),
    "unclear": N_("Depuis le %(quarter)s, l’évolution du CO₂e de tout le service n’est pas établie (%(interval)s)."),
}
"""How a service changed, by the direction of the interval of the change."""

KNOWN_WHOLLY = {
    "measured": N_("toute l’électricité est mesurée par des compteurs"),
    "estimated": N_("toute l’électricité est estimée par calcul"),
    "declared": N_("toute l’électricité est déclarée, et non mesurée"),
}
KNOWN_FIRST = {
    "measured": N_("l’électricité est mesurée par des compteurs pour %(share)s"),
    "estimated": N_("l’électricité est estimée par calcul pour %(share)s"),
    "declared": N_("l’électricité est déclarée pour %(share)s"),
}
KNOWN_ALSO = {
    "measured": N_("mesurée par des compteurs pour %(share)s"),
    "estimated": N_("estimée par calcul pour %(share)s"),
    "declared": N_("déclarée pour %(share)s"),
}
"""How the electricity of a service is known."""

KNOWN_BY = {
    "co2e_embodied": N_("la fabrication est estimée d’après les machines déclarées"),
    "co2e_api": N_("les calculs du fournisseur sont estimés d’après le texte produit"),
}
"""How the other parts are known."""
