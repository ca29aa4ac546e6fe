"""Name verdicts of targets, and the reasons why a target is not kept."""

from __future__ import annotations

from ecoia_dashboards.wording.marking import N_

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

TARGET_STATUSES = {"proposed": N_("proposée"), "adopted": N_("adoptée")}
