"""Name origins of energy, methods of measuring, components and phases."""

from __future__ import annotations

from ecoia.methods import SERVER_SHARE_RAM
from ecoia_dashboards.wording.marking import N_

STATUSES = {
    "measured": N_("mesuré"),
    "estimated": N_("estimé"),
    "declared": N_("déclaré"),
    "missing": N_("manquant"),
}

STATUS_MEANINGS = {
    "measured": N_("lu sur un compteur du matériel"),
    "estimated": N_("calculé, faute de compteur lisible"),
    "declared": N_("saisi par l’organisation, avec sa source"),
    "missing": N_("ni lu ni calculé : inconnu, et non pas nul"),
}

_SHARE_OF_MEMORY = N_("mémoire au-delà de la part du serveur, modélisée à la prise")

METHODS = {
    "rapl": N_("compteur du processeur (RAPL)"),
    "rapl-dram": N_("compteur de la mémoire (RAPL)"),
    "nvml": N_("compteur de la carte graphique (NVML)"),
    "nvml-power": N_("puissance de la carte graphique, lue dix fois par seconde (NVML)"),
    "nvml-mig-share": N_("part d’une carte graphique, selon ses tranches de calcul (NVML)"),
    "amdsmi": N_("compteur de la carte graphique (AMD SMI)"),
    "server-share:haswell": N_("part d’un serveur Intel Haswell, modélisée à la prise"),
    "server-share:broadwell": N_("part d’un serveur Intel Broadwell, modélisée à la prise"),
    "server-share:skylake": N_("part d’un serveur Intel Skylake, modélisée à la prise"),
    "server-share:cascadelake": N_("part d’un serveur Intel Cascade Lake, modélisée à la prise"),
    "server-share:icelake": N_("part d’un serveur Intel Ice Lake, modélisée à la prise"),
    "server-share:sapphirerapids": N_("part d’un serveur Intel Sapphire Rapids, modélisée à la prise"),
    "server-share:emeraldrapids": N_("part d’un serveur Intel Emerald Rapids, modélisée à la prise"),
    "server-share:graniterapids": N_("part d’un serveur Intel Granite Rapids, modélisée à la prise"),
    "server-share:zen1": N_("part d’un serveur AMD Zen, modélisée à la prise"),
    "server-share:zen2": N_("part d’un serveur AMD Zen 2, modélisée à la prise"),
    "server-share:zen3": N_("part d’un serveur AMD Zen 3, modélisée à la prise"),
    "server-share:zen4": N_("part d’un serveur AMD Zen 4, modélisée à la prise"),
    "server-share:zen5": N_("part d’un serveur AMD Zen 5, modélisée à la prise"),
    "server-share:neoverse-n1": N_("part d’un serveur Arm Neoverse N1, modélisée à la prise"),
    "server-share:intel": N_("part d’un serveur Intel de génération inconnue, modélisée à la prise"),
    "server-share:amd": N_("part d’un serveur AMD de génération inconnue, modélisée à la prise"),
    "server-share:arm": N_("part d’un serveur Arm de génération inconnue, modélisée à la prise"),
    "server-share:generic": N_("part d’un serveur inconnu, modélisée à la prise"),
    **{method.name: _SHARE_OF_MEMORY for method in SERVER_SHARE_RAM.values()},
    "host-model:calibrated": N_("puissance de l’hôte selon sa charge, étalonnée par le site"),
    "load-model:tdp": N_("modèle de charge, puissance du processeur connue"),
    "load-model:generic-tdp": N_("modèle de charge, puissance générique"),
    "ram-model": N_("modèle de la mémoire"),
    "kwh": N_("consommation déclarée"),
    "codecarbon:machine": N_("historique de codecarbon, machine entière"),
    "codecarbon:process": N_("historique de codecarbon, processus"),
    "codecarbon:undivided": N_("historique de codecarbon, non réparti entre composants"),
    "kwh:undivided": N_("consommation déclarée, non répartie entre composants"),
    "wattmeter:undivided": N_("wattmètre à la prise : la machine entière, non répartie entre composants"),
    "wattmeter-unreadable": N_("fichier du wattmètre inutilisable"),
    "guest-share:ecoia": N_("part de la machine virtuelle, mesurée et transmise par son hôte"),
    "guest-share:ecoia-wall": N_("part de la machine virtuelle, mesurée à la prise et transmise par son hôte"),
    "guest-energy-unreadable": N_("énergie transmise par l’hôte, illisible"),
    "handed-to-guest": N_("transmis à la machine virtuelle, qui l’enregistre"),
    "undivided": N_("compris dans un chiffre non réparti"),
    "power-model": N_("durée déclarée, puissance de l’équipement"),
    "no-device": N_("aucun appareil de ce type"),
    "no-driver": N_("appareil présent, pilote absent"),
    "hidden": N_("appareil que le processus ne peut pas utiliser"),
    "mig": N_("partie d’une carte graphique, sans compteur propre"),
    "claimed-twice": N_("compté chez un autre processus, qui revendique le même appareil"),
    "token-weighted": N_("répartie selon les jetons des requêtes"),
    "weighted": N_("répartie selon les poids que donne le programme"),
    "weights-missing": N_("répartie selon le temps en cours, faute de jetons"),
    "fitted": N_("poids ajustés sur place"),
    "few": N_("quatre requêtes à la fois au plus"),
    "w=0.1": N_("nombre de requêtes en cours inconnu"),
    "cache-unknown": N_("part du cache inconnue"),
    "simulated": N_("simulé"),
    "withdrawn": N_("déclaration retirée"),
    "none": N_("aucun moyen de mesure"),
}

COMPONENTS = {"cpu": N_("processeur"), "gpu": N_("carte graphique"), "ram": N_("mémoire")}

PHASES = {
    "inception": N_("étude préalable"),
    "data-preparation": N_("préparation des données"),
    "training": N_("entraînement"),
    "fine-tuning": N_("ajustement"),
    "evaluation": N_("évaluation"),
    "deployment": N_("mise en service"),
    "inference": N_("inférence"),
    "monitoring": N_("surveillance"),
    "retirement": N_("retrait"),
    "unspecified": N_("phase non précisée"),
    "idle": N_("veille réservée"),
}

KINDS = {
    "span": N_("exécutions des services"),
    "idle": N_("veille réservée (capacité inoccupée)"),
    "unattributed": N_("non attribué à un service"),
    "overhead": N_("ecoia lui-même (ce que coûte la mesure)"),
}
