"""Name the losses counted while measuring, and energy that was claimed twice."""

from __future__ import annotations

from ecoia_dashboards.wording.marking import N_

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
    "metrics-page-unread": N_("pages de métriques d’un serveur de modèles illisibles"),
    "invalid-weight": N_("poids illisibles dans le partage d’une carte graphique, laissés de côté"),
    "invalid-quality": N_("valeurs de qualité illisibles, laissées de côté"),
    "no-sampler": N_("exécutions que rien n’échantillonnait"),
    "meters-not-found": N_("programmes finis avant que leurs compteurs soient trouvés : énergie inconnue, le reste est compté"),
    "meters-failed": N_("programmes dont les compteurs n’ont pas pu être cherchés : énergie inconnue, le reste est compté"),
    "measuring-stopped": N_("programmes dont la mesure s’est arrêtée sur une erreur : énergie inconnue, le reste est compté"),
    "stack-full": N_("exécutions qui ont épuisé la pile d’appels : leur temps n’est à personne"),
    "pool-not-followed": N_("groupes de fils d’exécution d’une version inconnue : leur travail est réparti, non suivi"),
    "clock-step": N_("changements d’heure ou mises en veille de la machine : la fenêtre garde sa durée"),
    "moved-between-threads": N_("exécutions commencées sur un fil et finies sur un autre"),
    "claim-unwritten": N_("temps de processeur que les autres processus n’ont pas pu déduire"),
    "claim-refused": N_("temps de processeur qu’un autre processus disait avoir enregistré, au-delà de ce qu’il a pu employer"),
    "mlflow-run-unread": N_("exécutions MLflow actives illisibles"),
    "invalid-run_id": N_("exécutions MLflow désignées par un identifiant illisible : travail laissé à l’exécution active"),
    "run-not-followed": N_("débuts ou fins d’exécutions MLflow que la mesure n’a pas pu suivre"),
    "several-runs-open": N_("travaux faits pendant que plusieurs exécutions MLflow étaient ouvertes, attribués à aucune"),
    "experiment-unread": N_("expériences MLflow illisibles : service cherché ailleurs"),
    "mlflow-server-unmeasured": N_("serveurs de modèles MLflow qui n’ont pas pu être mesurés"),
    "cpu-steal": N_("fenêtres où l’hyperviseur a donné plus de 5 %% du temps de processeur à d’autres machines virtuelles"),
    "host-load-unread": N_("lectures manquées de la charge de la machine, supposée constante"),
    "host-scope-taken": N_("processus sans énergie propre : un autre compte déjà toute la machine"),
    "unwritten-records": N_("enregistrements que le journal n’a pas pu écrire"),
    "open-window-unkept": N_("relevés dont la fenêtre n’a pas pu être mise à l’abri d’un arrêt brutal"),
    "ended-suddenly": N_("processus arrêtés brutalement : leurs deux dernières secondes au plus manquent"),
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

DOUBLES = {
    "copy": N_("enregistrements présents deux fois"),
    "host": N_("machine entière, revendiquée deux fois"),
    "device": N_("carte graphique entière, revendiquée deux fois"),
}
"""Kinds of energy that was claimed twice."""
