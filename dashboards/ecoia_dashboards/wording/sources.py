"""Name the sources of figures: emission factors, errors, equivalences, hosted models, sites, and the inventory."""

from __future__ import annotations

from ecoia_dashboards.wording.marking import N_

SCOPES = {"lifecycle": N_("cycle de vie"), "direct": N_("combustion seule")}

BASES = {"production": N_("mix de production"), "consumption": N_("mix de consommation")}

FILLS = {
    "previous": N_("par la dernière valeur qui le précède"),
    "mean": N_("par la moyenne de ce qui est connu du trimestre"),
    "annual": N_("par la moyenne de ce qui est connu de l’année"),
    "hours-of-quarter": N_("par la moyenne, à la même heure, de ce qui est connu du même trimestre de l’année de référence"),
    "hours-of-year": N_("par la moyenne, à la même heure, de ce qui est connu de l’année de référence"),
    "year": N_("par la moyenne de ce qui est connu de l’année de référence"),
}
"""How a gap in the emission factors is filled."""

DEVIATIONS = {
    "wattmeter": N_("wattmètre à la prise"),
    "counters": N_("compteurs du matériel non étalonnés"),
    "calibration": N_("étalonnage du site sans dispersion donnée"),
    "model": N_("modèle de charge d’un matériel connu"),
    "generic-model": N_("modèle de charge d’un matériel inconnu"),
    "server-share": N_("part d’un serveur de génération connue"),
    "server-share-vendor": N_("part d’un serveur dont seul le fabricant du processeur est connu"),
    "server-share-generic": N_("part d’un serveur inconnu"),
    "host-model": N_("modèle d’un hôte, étalonné par le site"),
    "guest-share": N_("part d’une machine virtuelle, transmise par son hôte"),
    "guest-share-wall": N_("part d’une machine virtuelle, mesurée à la prise et transmise par son hôte"),
    "attribution-cpu": N_("partage d’un hôte selon le temps de calcul : processeur, ou wattmètre"),
    "attribution-ram": N_("partage de la mémoire d’un hôte selon le temps de calcul"),
    "attribution-gpu": N_("partage d’une carte graphique à l’intérieur d’un processus"),
    "attribution-gpu-fitted": N_("partage d’une carte graphique selon les jetons, poids ajustés sur place"),
    "attribution-gpu-guessed": N_("partage d’une carte graphique selon les jetons, requêtes en cours ou cache inconnus"),
    "attribution-gpu-in-flight": N_("partage d’une carte graphique selon le temps en cours, faute de jetons"),
    "declared": N_("activité déclarée"),
    "pue-measured": N_("PUE mesuré"),
    "pue-declared": N_("PUE déclaré"),
    "pue-default": N_("PUE générique"),
    "grid-same-year": N_("facteur d’émission de la même année"),
    "grid-previous-year": N_("facteur d’émission de l’année précédente"),
    "grid-filled": N_("facteur d’émission d’un trou comblé"),
    "embodied": N_("fabrication des équipements"),
    "water": N_("WUE ou facteur d’eau"),
    "api-open": N_("modèle externe d’architecture publiée"),
    "api-closed": N_("modèle externe d’architecture non publiée"),
    "backcast": N_("service compté tard, ajouté à la référence"),
    "own": N_("écart propre à un service et une phase"),
}
"""Sources of error, each with a geometric standard deviation."""

EQUIVALENCES = {
    "km-voiture-thermique": N_("en voiture à moteur thermique, carburant et fabrication"),
    "km-tgv": N_("d’un voyageur en TGV, traction et fabrication"),
}
"""Everyday quantities that CO2e is compared with, as phrases that follow their unit."""

SENSITIVITIES = {
    "factor-set": N_("avec un autre jeu de facteurs d’émission"),
    "at-the-wall": N_("avec l’alimentation, la ventilation et les disques (facteur de prise publié)"),
    "no-pue": N_("sans le bâtiment (aucun PUE)"),
    "idle-left-out": N_("sans la veille réservée"),
}
"""The one thing that is changed in a ``report.Sensitivity``."""

QUALITIES = {
    "measured": N_("mesuré"),
    "declared": N_("déclaré par l’exploitant"),
    "default": N_("valeur générique"),
}

FIGURES = {
    "pue": N_("PUE (énergie du bâtiment / énergie informatique)"),
    "wue": N_("WUE (L sur place par kWh informatique)"),
    "water_factor": N_("facteur d’eau du mix (L par kWh d’électricité)"),
}

STANDINGS = {
    "estimated": N_("estimé"),
    "metered": N_("laissé de côté : l’appareil est déjà mesuré"),
    "unmeasured": N_("non mesuré"),
}

WHY_UNMEASURED = {
    "no-ecologits": N_("EcoLogits, qui les estime, n’est pas installé"),
    "drifting-name": N_("nom de modèle qui change de sens (« latest ») : nommer la version"),
    "unknown-model": N_("modèle ou fournisseur inconnu d’EcoLogits"),
    "input-only": N_("aucun jeton produit : EcoLogits ne modélise que la génération"),
    "not-metered": N_("modèle hébergé par l’organisation, sur un appareil sans mesure"),
}

INVENTORY_ITEMS = {
    "electricity": N_("émissions indirectes liées à la consommation d’électricité"),
    "capital-goods": N_("immobilisations de biens"),
    "services": N_("achats de services"),
}
"""Items of the regulatory French inventory (BEGES)."""

OPERATED = {"own": N_("exploité par l’organisation"), "hosted": N_("exploité par un hébergeur")}

ASSUMPTIONS = {
    "operated-not-said": N_("exploitant non déclaré, supposé être l’organisation"),
    "upstream-included": N_(
        "facteurs en cycle de vie : l’amont de l’électricité y est compris, que le GHG Protocol place en scope 3, catégorie 3"
    ),
    "equipment-owned": N_("machines supposées achetées par l’organisation"),
}
