"""Say why a figure has no value, and what a reader must know before any figure."""

from __future__ import annotations

from ecoia_dashboards.wording.marking import N_

GAPS = {
    "missing": N_("données absentes"),
    "altered": N_("données altérées"),
    "unreadable": N_("données illisibles"),
    "unfinished": N_("envoi inachevé"),
    "refused-rows": N_("lignes refusées"),
    "deleted": N_("jour supprimé"),
    "newer": N_("écrit par une version plus récente d’ecoia"),
    "partly-restored": N_("rétabli en partie seulement"),
}
"""Codes of ``LedgerGap.reason``: why a day of the ledger is not, or not wholly, in the figures."""

REASONS = {
    "no-data": N_("aucune donnée"),
    "not-measured": N_("non mesuré"),
    "no-zone": N_("non calculé : zone électrique inconnue"),
    "no-factor": N_("non calculé : pas de facteur d’émission pour cette zone ou cette année"),
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
    "requests-uncounted": N_("incomplet : des appels n’ont pas été dénombrés"),
    "no-wue": N_("non calculé : eau consommée sur place (WUE) inconnue"),
    "no-water-factor": N_("non calculé : facteur d’eau inconnu"),
    "no-reference": N_("non calculé : aucune période de référence"),
    "no-training": N_("aucun entraînement enregistré"),
    "no-model-size": N_("non calculé : taille du modèle et de son entraînement non déclarée"),
    "no-lifetime": N_("non calculé : durée de vie du modèle non déclarée"),
    "no-accepted": N_("aucun résultat accepté compté"),
    "no-outcomes": N_("issue des entraînements inconnue"),
    "idle-not-separated": N_("veille non séparée"),
    "too-few-quarters": N_("trop peu de trimestres enregistrés"),
    "counted-otherwise": N_("non comparable : pas compté de la même façon"),
    "little-covered": N_("non comparable : moins de 80 %% de ses jours relevés"),
    "no-runs": N_("aucun run enregistré"),
    "part-not-compared": N_("dans une partie du CO₂e qui n’est pas connue des deux trimestres"),
    "not-quarters": N_("elles ne le sont qu’entre deux trimestres entiers"),
    "filtered": N_("elles ne le sont que sans filtre, ou par service"),
    "no-days-declared": N_("jours attendus non déclarés"),
    "days-unequal": N_("non comparable : pas enregistré sur autant de ses jours"),
    "not-split": N_("non réparti : connu pour l’ensemble seulement"),
}

NOTICES = {
    "ledger-incomplete": N_(
        "Les relevés sont incomplets : des jours de ce trimestre manquent en tout ou en partie, et les totaux sont trop bas."
    ),
    "ledger-history-incomplete": N_(
        "Les relevés sont incomplets : des jours de trimestres antérieurs manquent en tout ou en partie, et "
        "l’évolution est faussée."
    ),
    "no-data": N_("Aucune donnée n’est enregistrée pour ce trimestre : tout ce qui suit est inconnu, et non pas nul."),
    "no-catalogue": N_(
        "Aucun catalogue n’est fourni : tous les services sont « non enregistrés » et la couverture est inconnue."
    ),
    "no-zone": N_(
        "Le CO₂e n’est pas calculé pour tout ou partie de l’énergie : la zone électrique est inconnue et n’est jamais devinée."
    ),
    "no-factor": N_(
        "Le CO₂e n’est pas calculé pour tout ou partie de l’énergie : aucun facteur d’émission ne couvre sa zone ou son année."
    ),
    "factor-gap": N_(
        "Le CO₂e n’est pas calculé pour tout ou partie de l’énergie : le jeu de facteurs d’émission n’a pas de valeur aux heures "
        "où elle a été utilisée."
    ),
    "factor-gap-filled": N_(
        "Le jeu de facteurs d’émission n’a pas de valeur à certaines heures : elles sont comblées par la règle choisie."
    ),
    "no-pue": N_(
        "Le PUE, rapport de l’énergie du bâtiment à celle de l’informatique, est inconnu pour tout ou partie de "
        "l’énergie. Celle-ci est alors comptée hors bâtiment (refroidissement, onduleurs, éclairage)."
    ),
    "commitment-text-missing": N_("Le texte de l’engagement n° 7 n’est pas fourni : c’est à l’organisation de le donner."),
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
        "La veille n’est pas comptée à part : la puissance au repos n’est pas mesurée sur tout ou partie des machines."
    ),
}
"""Codes of ``QuarterlyReport.notices``; ``simulated`` and ``stand-in`` are of the report and of a service."""

REMEDIES = {
    "no-catalogue": N_("« ecoia init » écrit un catalogue à compléter ; le réglage « catalogue » en donne le dossier."),
    "no-zone": N_("Réglage « zone », par exemple ECOIA_ZONE=FRA ; ce qui est déjà enregistré sera calculé."),
    "no-factor": N_("Vérifier le code de zone (ISO 3166, trois lettres)."),
    "factor-gap": N_("« ecoia factors use » permet de choisir une règle de comblement, ou un autre jeu."),
    "no-pue": N_("Réglage « pue », ou fichier « sites.yaml » du catalogue."),
    "commitment-text-missing": N_("Coller le texte dans « charter.yaml » ; ecoia ne l’invente pas."),
}
"""What whoever runs ecoia can do about a notice. Files and commands are named in the evidence only."""
