"""Say what is wrong in a filled workbook, and what to do about it, by the kind of mistake."""

from __future__ import annotations

from ecoia_dashboards.wording.marking import N_

MISTAKES = {
    # a cell
    "empty": N_("cellule vide : la remplir, ou effacer toute la ligne"),
    "not-a-number": N_("« %(value)s » : écrire un nombre, par exemple %(example)s"),
    "not-a-number-alone": N_("« %(value)s » : écrire le nombre seul, sans unité ni autre mot"),
    "two-numbers": N_(
        "« %(value)s » se lit de deux façons : écrire %(whole)s, ou %(decimal)s si les trois derniers chiffres sont des décimales"
    ),
    "no-percentage": N_("« %(value)s » : pas de pourcentage ici, écrire un nombre"),
    "percentage-of-a-unit": N_("« %(value)s » : cet indicateur se compte en %(unit)s, écrire une valeur dans cette unité"),
    "not-whole": N_("« %(value)s » : écrire un nombre entier"),
    "not-a-day": N_("« %(value)s » : écrire un jour, par exemple %(example)s, dans une cellule au format date"),
    "not-a-quarter": N_("« %(value)s » : écrire un trimestre, comme T4 2026 ou 2026Q4"),
    "yes-or-no": N_("« %(value)s » : écrire oui ou non"),
    "not-a-choice": N_("« %(value)s » : choisir dans la liste : %(known)s"),
    "taken-for-a-day": N_(
        "%(value)s : le tableur a pris un texte pour une date ; mettre la cellule au format texte, puis récrire le texte"
    ),
    "formula-without-result": N_(
        "une formule sans résultat : ouvrir et enregistrer le classeur dans un tableur, ou écrire la valeur"
    ),
    "formula-error": N_("%(value)s : corriger la formule, ou écrire la valeur"),
    # a line or a sheet
    "line-of-totals": N_("« %(value)s » : une ligne de total n’est pas un élément de la liste ; la retirer"),
    "on-two-lines": N_("« %(value)s » est déjà à la ligne %(row)s : ne garder qu’une ligne"),
    "written-otherwise": N_("« %(value)s » est écrit « %(other)s » à la ligne %(row)s : l’écrire de la même façon"),
    "columns-missing": N_("il manque %(missing)s : remettre dans cette ligne les titres que le classeur avait"),
    "lines-missing": N_("il manque %(missing)s : remettre dans cette colonne les titres que le classeur avait"),
    "title-twice": N_("« %(value)s » est écrit deux fois : ne garder qu’une colonne"),
    "merged-across": N_("les cellules %(area)s sont fusionnées sur plusieurs colonnes : les séparer"),
    "sheet-renamed": N_("cette feuille a les colonnes de « %(title)s », qui manque : lui rendre ce nom, ou la supprimer"),
    # what changed meanwhile
    "removed-and-changed": N_(
        "la ligne « %(value)s » est retirée ici, mais elle a changé dans le catalogue depuis : écrire un nouveau classeur"
    ),
    "gone-meanwhile": N_("« %(value)s » n’est plus dans le catalogue : retirer la ligne, ou écrire un nouveau classeur"),
    "changed-meanwhile": N_(
        "« %(value)s » : le catalogue a « %(other)s » depuis l’écriture de ce classeur ; écrire un nouveau "
        "classeur, ou changer le catalogue"
    ),
    "emptied-meanwhile": N_(
        "« %(value)s » : la valeur a été retirée du catalogue depuis l’écriture de ce classeur ; écrire "
        "un nouveau classeur, ou changer le catalogue"
    ),
    # references
    "unknown": N_("« %(value)s » n’est pas dans la feuille « %(title)s » : l’y ajouter, ou choisir parmi : %(known)s"),
    "unknown-but-near": N_("« %(value)s » n’est pas dans la feuille « %(title)s » : écrire « %(near)s », ou l’y ajouter"),
    "unknown-service": N_("« %(value)s » n’est pas un service du registre : l’y ajouter, ou corriger"),
    "unknown-body": N_("« %(value)s » n’est pas une instance de la charte : l’y ajouter, ou corriger"),
    "unknown-trajectory": N_("« %(value)s » n’est pas l’identifiant d’une cible en réduction : corriger"),
    "unknown-answer": N_("« %(value)s » n’est ni une recommandation ni une décision connue : corriger l’identifiant"),
    "unknown-commitment": N_("« %(value)s » n’est pas le numéro d’un engagement de la charte : corriger"),
    "succeeded-already": N_(
        "« %(value)s » est déjà remplacé par « %(other)s » : un service n’a qu’un successeur, que plusieurs peuvent partager"
    ),
    "succeeds-each-other": N_(
        "« %(value)s » remplace lui-même « %(other)s » : l’un des deux est venu le premier, retirer l’autre"
    ),
    "succeeds-itself": N_("un service ne se remplace pas lui-même : donner l’identifiant de celui qu’il remplace, ou vider"),
    "used-twice": N_("« %(value)s » est déjà pris : chacun ne sert qu’une fois"),
    # fields of the catalogue
    "not-an-id": N_(
        "« %(value)s » : un identifiant a des minuscules sans accent, des chiffres, « . », « _ » ou « - », 63 au plus, et "
        "commence par une lettre ou un chiffre"
    ),
    "not-days": N_(
        "« %(value)s » : écrire un nombre de jours, ou des jours par phase et machine : « inférence gpu-01 : 92 "
        "; entraînement : 11 »"
    ),
    "a-person": N_("« %(value)s » : un rôle ou une instance, jamais une personne ni une adresse"),
    "not-a-count": N_("« %(value)s » : écrire un nombre, 0 ou plus"),
    "not-a-region": N_("« %(value)s » : écrire le nom d’une région, sans adresse, en 200 caractères au plus"),
    "no-such-indicator": N_("« %(value)s » n’est pas un indicateur : choisir dans la liste"),
    "no-such-question": N_("« %(value)s » n’est pas une question de l’auto-évaluation : remettre l’identifiant d’origine"),
    "string_too_long": N_("texte de %(count)s caractères : %(max_length)s au plus"),
    "string_pattern_mismatch": N_("« %(value)s » : une empreinte SHA-256 a 64 chiffres hexadécimaux, en minuscules"),
    "greater_than": N_("« %(value)s » : écrire un nombre plus grand que %(gt)s"),
    "greater_than_equal": N_("« %(value)s » : écrire %(ge)s ou plus"),
    "less_than": N_("« %(value)s » : écrire un nombre plus petit que %(lt)s"),
    "less_than_equal": N_("« %(value)s » : écrire %(le)s ou moins"),
    "missing": N_("cellule vide : la remplir"),
    # rules of a line
    "threshold-or-trajectory": N_(
        "remplir soit le sens, la valeur et l’échéance (un seuil), soit les trimestres de référence, la réduction et l’horizon "
        "(une trajectoire), et rien de l’autre"
    ),
    "share-above-one": N_("« %(value)s » : cet indicateur est une part ; écrire de 0 à 1, par exemple %(example)s pour 90 %%"),
    "ratio-without-budget": N_(
        "cet indicateur est un rapport, qui ne s’additionne pas d’un trimestre à l’autre : lui donner un seuil, ou choisir un "
        "autre indicateur"
    ),
    "service-needed": N_("cet indicateur est celui d’un seul service : écrire lequel"),
    "service-unwanted": N_("cet indicateur est jugé pour tous les services ensemble : vider cette cellule"),
    "trajectory-or-not": N_("« Trajectoire » se remplit pour la part du budget, et pour aucun autre indicateur"),
    "decision-lacking": N_("une cible adoptée porte sa décision : remplir %(fields)s, ou remettre l’état à « proposée »"),
    "closed-or-not": N_("« Close au » se remplit pour une action faite ou abandonnée, et pour aucune autre"),
    "before-opened": N_("%(value)s est avant l’ouverture (%(quarter)s) : corriger l’un des deux"),
}
"""Kinds of mistake: those of the workbook, of ``ecoia.catalogue.problems.Problem``, and of pydantic."""

OTHER_MISTAKE = N_("« %(value)s » est refusé : %(remedy)s")
"""A mistake without words of its own; the remedy is in English."""

QUOTED = N_("« %(text)s »")

SHEET_NOT_READ = N_("la feuille « %(title)s » n’est pas du classeur : elle n’a pas été lue")

NOT_READ = {
    "column": N_("%(title)s : la colonne « %(value)s » n’est pas du classeur : elle n’a pas été lue"),
    "untitled": N_("%(title)s : %(cell)s est dans une colonne sans titre : elle n’a pas été lue"),
}
"""What of a sheet is not read."""
