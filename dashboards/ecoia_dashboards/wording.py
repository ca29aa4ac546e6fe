"""The sentence of every code that a report may hold. Message ids are French; an unknown code is shown as it is."""

from __future__ import annotations


def N_(message: str) -> str:  # noqa: N802 - the name by which gettext's tools find messages
    """Mark a message for extraction; it is translated where it is shown."""
    return message


STATUSES = {
    "measured": N_("mesuré"),
    "estimated": N_("estimé"),
    "declared": N_("déclaré"),
    "missing": N_("manquant"),
}

STATUS_MEANINGS = {
    "measured": N_("lu sur un compteur du matériel"),
    "estimated": N_("calculé par un modèle, faute de compteur lisible"),
    "declared": N_("saisi par l’organisation, avec sa source"),
    "missing": N_("ni lu ni calculé : inconnu, et non pas nul"),
}

METHODS = {
    "rapl": N_("compteur du processeur (RAPL)"),
    "rapl-dram": N_("compteur de la mémoire (RAPL)"),
    "nvml": N_("compteur de la carte graphique (NVML)"),
    "nvml-power": N_("puissance de la carte graphique, lue dix fois par seconde (NVML)"),
    "nvml-mig-share": N_("part d’une carte graphique, selon ses tranches de calcul (NVML)"),
    "amdsmi": N_("compteur de la carte graphique (AMD SMI)"),
    "load-model:tdp": N_("modèle de charge, puissance du processeur connue"),
    "load-model:generic-tdp": N_("modèle de charge, puissance générique"),
    "ram-model": N_("modèle de la mémoire"),
    "kwh": N_("consommation déclarée"),
    "kwh:undivided": N_("consommation déclarée, non répartie entre composants"),
    "wattmeter:undivided": N_("wattmètre à la prise : la machine entière, non répartie entre composants"),
    "wattmeter-unreadable": N_("fichier du wattmètre inutilisable"),
    "undivided": N_("compris dans un chiffre non réparti"),
    "power-model": N_("durée déclarée, puissance de l’équipement"),
    "no-device": N_("aucun appareil de ce type"),
    "no-driver": N_("appareil présent, pilote absent"),
    "hidden": N_("appareil que le processus ne peut pas utiliser"),
    "mig": N_("partie d’une carte graphique, sans compteur propre"),
    "claimed-twice": N_("compté chez un autre processus, qui revendique le même appareil"),
    "simulated": N_("simulé"),
    "none": N_("aucun moyen de mesure"),
}

COMPONENTS = {"cpu": N_("processeur"), "gpu": N_("carte graphique"), "ram": N_("mémoire")}

PHASES = {
    "data-preparation": N_("préparation des données"),
    "training": N_("entraînement"),
    "fine-tuning": N_("ajustement"),
    "evaluation": N_("évaluation"),
    "inference": N_("inférence"),
    "unspecified": N_("phase non précisée"),
    "idle": N_("veille réservée"),
}

KINDS = {
    "span": N_("exécutions des services"),
    "idle": N_("veille : capacité réservée, rien ne tournait"),
    "unattributed": N_("non attribué à un service"),
    "overhead": N_("ecoia lui-même : la mesure de la mesure"),
}

SERVICE_STATUSES = {
    "generalised": N_("généralisé"),
    "qualification": N_("en qualification"),
    "poc": N_("expérimentation"),
    "retired": N_("retiré"),
    "unregistered": N_("non enregistré"),
}

REASONS = {
    "no-data": N_("aucune donnée"),
    "not-measured": N_("non mesuré"),
    "no-zone": N_("non calculé : zone inconnue"),
    "no-factor": N_("non calculé : pas de facteur pour cette zone ou cette année"),
    "factor-gap": N_("non calculé : le jeu de facteurs a un trou, qu’aucune règle ne comble"),
    "no-contract": N_("aucun contrat déclaré"),
    "contract-scope": N_("non calculé : un contrat n’a pas la portée des facteurs utilisés"),
    "no-units": N_("aucune unité comptée"),
    "baseline-missing": N_("période de référence absente"),
    "not-computed": N_("non calculé par cette version"),
    "no-equipment": N_("non calculé : aucun équipement déclaré"),
    "equipment-incomplete": N_("non calculé : des machines ne sont pas décrites"),
    "no-calls": N_("aucun appel enregistré"),
    "calls-unmeasured": N_("non calculé : des modèles sans estimation"),
    "no-wue": N_("non calculé : WUE inconnu"),
    "no-water-factor": N_("non calculé : facteur d’eau inconnu"),
    "no-reference": N_("non calculé : aucune période de référence"),
    "no-training": N_("aucun entraînement enregistré"),
    "no-lifetime": N_("non calculé : durée de vie du modèle non déclarée"),
    "no-accepted": N_("aucun résultat accepté compté"),
    "no-outcomes": N_("issue des exécutions inconnue"),
    "idle-not-separated": N_("veille non séparée"),
    "too-few-quarters": N_("trop peu de trimestres enregistrés"),
}

STANDINGS = {
    "estimated": N_("estimé"),
    "metered": N_("laissé de côté : l’appareil est déjà mesuré"),
    "unmeasured": N_("non mesuré"),
}

WHY_UNMEASURED = {
    "no-ecologits": N_("EcoLogits n’est pas installé (pip install 'ecoia[api]')"),
    "drifting-name": N_("nom de modèle qui change de sens (« latest ») : nommer la version"),
    "unknown-model": N_("modèle ou fournisseur inconnu d’EcoLogits"),
    "input-only": N_("aucun jeton produit : EcoLogits ne modélise que la génération"),
    "not-metered": N_("modèle hébergé par l’organisation, sur un appareil sans mesure"),
}

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

DEVIATIONS = {
    "wattmeter": N_("wattmètre à la prise"),
    "counters": N_("compteurs du matériel non étalonnés"),
    "calibration": N_("étalonnage du site sans dispersion donnée"),
    "model": N_("modèle de charge d’un matériel connu"),
    "generic-model": N_("modèle de charge d’un matériel inconnu"),
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
"""What CO2e is set beside, after its unit."""

DOUBLES = {
    "copy": N_("enregistrements présents deux fois"),
    "host": N_("machine entière, revendiquée deux fois"),
    "device": N_("carte graphique entière, revendiquée deux fois"),
}
"""What was counted twice, by kind."""

INVENTORY_ITEMS = {
    "electricity": N_("émissions indirectes liées à la consommation d’électricité"),
    "capital-goods": N_("immobilisations de biens"),
    "services": N_("achats de services"),
}
"""Items of the regulatory French inventory (BEGES)."""

OPERATED = {"own": N_("exploité par l’organisation"), "hosted": N_("exploité par un hébergeur")}

ASSUMPTIONS = {
    "operated-not-said": N_("exploitant non déclaré, supposé être l’organisation (« operated » dans « sites.yaml »)"),
    "upstream-included": N_(
        "facteurs en cycle de vie : l’amont de l’électricité y est compris, que le GHG Protocol place en scope 3, catégorie 3"
    ),
    "equipment-owned": N_("machines supposées achetées par l’organisation"),
}

VERDICTS = {"tenu": N_("tenu"), "non-tenu": N_("non tenu"), "non-concluant": N_("non concluant")}

VERDICT_REASONS = {
    "below-value": N_("l’échéance est passée et la valeur n’est pas atteinte"),
    "deadline-ahead": N_("la valeur n’est pas atteinte et l’échéance est à venir"),
    "horizon-ahead": N_("l’horizon est à venir"),
    "no-data": N_("aucune donnée pour en juger"),
    "no-zone": N_("le CO₂e n’est pas calculé, faute de zone"),
    "no-factor": N_("le CO₂e n’est pas calculé, faute de facteur d’émission"),
    "factor-gap": N_("le CO₂e n’est pas calculé, faute de facteur d’émission à certaines heures"),
    "no-contract": N_("aucun contrat d’électricité n’est déclaré"),
    "contract-scope": N_("un contrat d’électricité n’a pas la portée des facteurs utilisés"),
    "baseline-missing": N_("la période de référence n’est pas enregistrée"),
    "interval-straddles": N_("l’intervalle contient la valeur visée : la mesure ne permet pas de trancher"),
    "simulated": N_("des données simulées ne prouvent rien"),
    "coverage-incomplete": N_("ce qui est connu est sous le plafond, mais des services ou des composants n’y sont pas"),
    "partial-quarter": N_("ce qui est connu est sous le plafond, mais le trimestre n’est pas terminé"),
    "not-computed": N_("cet indicateur n’est pas calculé par cette version"),
    "no-units": N_("aucune unité n’est comptée"),
    "no-equipment": N_("aucun équipement n’est déclaré"),
    "equipment-incomplete": N_("des machines ne sont pas décrites parmi les équipements"),
    "no-calls": N_("aucun appel à un modèle externe n’est enregistré"),
    "calls-unmeasured": N_("des appels à des modèles externes n’ont pas d’estimation"),
    "no-wue": N_("le WUE de tout ou partie des sites est inconnu"),
    "no-water-factor": N_("le facteur d’eau de tout ou partie des sites est inconnu"),
    "no-reference": N_("aucune cible ne nomme de trimestres de référence"),
    "no-training": N_("aucun entraînement n’est enregistré"),
    "no-lifetime": N_("la durée de vie du modèle, en unités, n’est pas déclarée"),
    "no-accepted": N_("aucun résultat accepté n’est compté"),
    "no-outcomes": N_("l’issue des exécutions d’entraînement est inconnue"),
    "idle-not-separated": N_("la veille n’est pas séparée du reste"),
    "too-few-quarters": N_("les quatre derniers trimestres ne sont pas tous enregistrés"),
}

COMPARED = {
    "previous-quarter": N_("Pourquoi le CO₂e n’est pas celui du trimestre précédent, %(quarter)s"),
    "year-before": N_("Pourquoi le CO₂e n’est pas celui du même trimestre un an avant, %(quarter)s"),
}

PARTS = {"operational": N_("usage"), "embodied": N_("fabrication"), "api": N_("appels à des modèles externes")}

TERMS = {
    "volume": N_("volume : unités rendues"),
    "intensity": N_("énergie informatique par unité"),
    "energy": N_("énergie informatique sans unités comptées"),
    "pue": N_("bâtiment (PUE)"),
    "factor": N_("réseau électrique (facteur d’émission)"),
    "embodied": N_("fabrication des équipements"),
    "api": N_("appels à des modèles externes"),
    "entry": N_("services apparus"),
    "exit": N_("services disparus"),
    "method": N_("mesure faite autrement"),
    "correction": N_("correction de ce qui était publié"),
}
"""What a change is made of."""

TARGET_STATUSES = {"proposed": N_("proposée"), "adopted": N_("adoptée")}

INDICATORS = {
    "energy_components": N_("énergie des composants"),
    "energy_it": N_("énergie informatique"),
    "energy": N_("énergie"),
    "co2e": N_("CO₂e"),
    "co2e_operational": N_("CO₂e d’usage"),
    "co2e_operational_market": N_("CO₂e d’usage, selon les contrats"),
    "co2e_embodied": N_("CO₂e de fabrication"),
    "co2e_api": N_("CO₂e des appels à des modèles externes"),
    "co2e_constant_factor": N_("CO₂e à facteur constant"),
    "water_direct": N_("eau directe"),
    "water_indirect": N_("eau indirecte"),
    "sci": N_("intensité SCI"),
    "training_intensity": N_("intensité de l’entraînement"),
    "co2e_per_accepted_outcome": N_("CO₂e par résultat accepté"),
    "idle_rate": N_("part de la veille"),
    "waste_rate": N_("part des exécutions perdues"),
    "coverage_services": N_("couverture des services"),
    "energy_by_method": N_("part de l’énergie comptée par des compteurs"),
    "precision": N_("part du CO₂e de précision 1 ou 2"),
}

SCOPES = {"lifecycle": N_("cycle de vie"), "direct": N_("combustion seule")}
BASES = {"production": N_("mix de production"), "consumption": N_("mix de consommation")}

FILLS = {
    "previous": N_("par la dernière valeur qui le précède"),
    "mean": N_("par la moyenne de ce qui est connu du trimestre"),
    "annual": N_("par la moyenne de ce qui est connu de l’année"),
}
"""How a gap in the emission factors is filled."""

LOST = {
    "invalid-service": N_("exécutions dont le service était illisible : comptées sous « unspecified »"),
    "invalid-phase": N_("exécutions dont la phase était inconnue : comptées sous « unspecified »"),
    "invalid-endpoint": N_("points d’accès illisibles, laissés de côté"),
    "invalid-model_version": N_("versions de modèle illisibles, laissées de côté"),
    "too-many-endpoints": N_("exécutions dont le point d’accès est au-delà des mille premiers : gardées ensemble"),
    "invalid-setting": N_("réglages illégaux, remplacés par leur valeur par défaut"),
    "invalid-units": N_("unités illisibles ou négatives, laissées de côté"),
    "missing-units": N_("unités que la requête devait dire et n’a pas dites"),
    "route-unread": N_("routes que le serveur n’a pas laissé lire : requêtes comptées sans elles"),
    "invalid-tokens": N_("nombres de jetons illisibles, laissés de côté"),
    "invalid-quality": N_("valeurs de qualité illisibles, laissées de côté"),
    "no-sampler": N_("exécutions que rien n’échantillonnait"),
    "stack-full": N_("exécutions qui ont épuisé la pile d’appels : leur temps n’est à personne"),
    "pool-not-followed": N_("groupes de fils d’exécution d’une version inconnue : leur travail est réparti, non suivi"),
    "clock-step": N_("changements d’heure ou mises en veille de la machine : la fenêtre garde sa durée"),
    "moved-between-threads": N_("exécutions commencées sur un fil et finies sur un autre"),
    "claim-unwritten": N_("temps de processeur que les autres processus n’ont pas pu déduire"),
    "mlflow-run-unread": N_("exécutions MLflow actives illisibles"),
    "mlflow-server-unmeasured": N_("serveurs de modèles MLflow qui n’ont pas pu être mesurés"),
    "host-load-unread": N_("lectures manquées de la charge de la machine, supposée constante"),
    "host-scope-taken": N_("processus sans énergie propre : un autre compte déjà toute la machine"),
    "unwritten-records": N_("enregistrements que le journal n’a pas pu écrire"),
    "cpu-wraps-inferred": N_("lectures du processeur où le nombre de tours du compteur est déduit de la puissance précédente"),
    "ram-wraps-inferred": N_("lectures de la mémoire où le nombre de tours du compteur est déduit de la puissance précédente"),
    "cpu-counter-reset": N_("remises à zéro du compteur du processeur : ce qui suit est compté"),
    "ram-counter-reset": N_("remises à zéro du compteur de la mémoire : ce qui suit est compté"),
    "idle-baseline-stale": N_("puissances au repos écartées : relevées sur une autre machine ou par une autre méthode"),
    "idle-baseline-unreadable": N_("puissances au repos illisibles"),
    "cpu-unread": N_("lectures manquées du compteur du processeur"),
    "gpu-unread": N_("lectures manquées du compteur de la carte graphique"),
    "gpu-counter-reset": N_("remises à zéro du compteur de la carte graphique, relayées par sa puissance"),
    "ram-unread": N_("lectures manquées du compteur de la mémoire"),
    "wattmeter-gap": N_("silences du wattmètre, comblés par la puissance qui les précède"),
    "wattmeter-clock-step": N_("changements d’heure de la machine, autour desquels le wattmètre n’a pu être suivi"),
}

NOTICES = {
    "no-data": N_("Aucune donnée n’est enregistrée pour ce trimestre : tout ce qui suit est inconnu, et non pas nul."),
    "no-catalogue": N_(
        "Aucun catalogue n’est fourni : tous les services sont « non enregistrés » et la couverture est inconnue. "
        "« ecoia init » écrit un catalogue à compléter ; le réglage « catalogue » en donne le dossier."
    ),
    "no-zone": N_(
        "Le CO₂e n’est pas calculé pour tout ou partie de l’énergie : la zone électrique est inconnue et n’est jamais devinée. "
        "Réglage « zone », par exemple ECOIA_ZONE=FRA ; ce qui est déjà enregistré sera calculé."
    ),
    "no-factor": N_(
        "Le CO₂e n’est pas calculé pour tout ou partie de l’énergie : aucun facteur d’émission ne couvre sa zone ou son année. "
        "Vérifier le code de zone (ISO 3166, trois lettres)."
    ),
    "factor-gap": N_(
        "Le CO₂e n’est pas calculé pour tout ou partie de l’énergie : le jeu de facteurs d’émission n’a pas de valeur aux heures "
        "où elle a été utilisée. « ecoia factors use » permet de choisir une règle de comblement, ou un autre jeu."
    ),
    "factor-gap-filled": N_(
        "Le jeu de facteurs d’émission n’a pas de valeur à certaines heures : elles sont comblées par la règle choisie "
        "(annexes, « Facteurs d’émission utilisés »)."
    ),
    "no-pue": N_(
        "Le PUE de tout ou partie de l’énergie est inconnu : elle est alors celle de l’informatique seule, hors bâtiment "
        "(refroidissement, onduleurs, éclairage). Réglage « pue », ou fichier « sites.yaml » du catalogue."
    ),
    "commitment-text-missing": N_(
        "Le texte de l’engagement n° 7 n’est pas fourni : l’organisation le colle dans « charter.yaml ». ecoia ne l’invente pas."
    ),
    "simulated-history": N_(
        "Des trimestres de ce rapport sont simulés, et non mesurés : ils sont hachurés et marqués « simulé »."
    ),
    "stand-in": N_("Un modèle de démonstration tient lieu du vrai service : ces chiffres ne disent rien de lui."),
    "simulated": N_("Ce trimestre contient des données simulées, et non mesurées : elles sont marquées « simulé »."),
    "stand-ins": N_(
        "Des modèles de démonstration tiennent lieu des vrais services : leurs chiffres ne disent rien de ces services."
    ),
    "partial-quarter": N_("Le trimestre n’est pas terminé : les totaux sont ceux connus à ce jour."),
    "idle-not-separated": N_(
        "L’énergie de veille n’est pas séparée : aucune référence à vide n’est mesurée sur tout ou partie des machines."
    ),
}
"""Codes of ``QuarterlyReport.notices``; ``simulated`` and ``stand-in`` are of the report and of a service."""

CAUSES = {
    "method": N_("méthode"),
    "correction": N_("relevés corrigés"),
    "boundary": N_("périmètre"),
    "factor": N_("facteurs d’émission"),
}
"""Why a published quarter is not what it was (``recalculation.CAUSES``)."""

SECTIONS = {
    "synthese": N_("Synthèse"),
    "engagement": N_("Engagement n° 7"),
    "perimetre": N_("Périmètre"),
    "resultats": N_("Résultats par service"),
    "evolution": N_("Évolution"),
    "trajectoire": N_("Trajectoire et budget"),
    "sobriete": N_("Sobriété"),
    "autres-engagements": N_("Liens avec les autres engagements"),
    "incertitudes": N_("Incertitudes, limites et retraitements"),
    "recommandations": N_("Recommandations, décisions et actions"),
    "annexes": N_("Annexes"),
}
"""The parts of the report, in its order (``catalogue.committees.Section``)."""

SAVINGS = {
    "lost-runs": N_("runs en échec ou abandonnés : leur énergie n’a rien produit"),
    "idle": N_("capacité réservée, pendant que rien ne tournait"),
    "dominated-runs": N_("runs qu’un autre égale en qualité pour moins d’énergie"),
    "other-hours": N_("le même travail à d’autres heures, où l’électricité émet moins"),
}
"""Where less would do (``report.SAVINGS``)."""

UNSUPPORTED = {
    "no-runs": N_("aucun run d’entraînement n’est enregistré"),
    "no-outcomes": N_("rien ne dit comment les runs ont fini"),
    "no-quality": N_("aucun run fini n’a de mesure de qualité"),
    "no-direction": N_("le registre ne dit pas dans quel sens la qualité est meilleure (« quality » dans « services.yaml »)"),
    "too-few-runs": N_("il faut au moins deux runs finis pour comparer"),
    "idle-not-separated": N_("la veille n’est pas séparée du reste"),
    "flat-factors": N_("les facteurs d’émission ne varient pas dans la journée, ou ne sont pas connus aux autres heures"),
    "nothing-found": N_(
        "cherché : moins de 1 %% de l’énergie, tous services réunis (d’autres heures : moins de 1 %% du CO₂e du travail)"
    ),
}
"""Why no saving of a kind is listed (``report.UNSUPPORTED``)."""

SENSITIVITIES = {
    "factor-set": N_("avec un autre jeu de facteurs d’émission"),
    "no-pue": N_("sans le bâtiment (aucun PUE)"),
    "idle-left-out": N_("sans la veille réservée"),
}
"""What is otherwise in a ``report.Sensitivity``."""

SAID = {
    "recommendation": N_("recommandation"),
    "decision": N_("décision"),
    "tie": N_("lien avec un autre engagement"),
    "comment": N_("commentaire"),
}
"""What committees and the organisation said (``report.Said``)."""

OUTCOMES = {"ok": N_("réussi"), "failed": N_("en échec"), "abandoned": N_("abandonné")}
"""How a run ended."""

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
