"""Name verdicts of targets and the reasons for them, and say how likely a target is missed."""

from __future__ import annotations

from ecoia.report import BudgetState, TargetVerdict
from ecoia_dashboards.language import Language
from ecoia_dashboards.wording.marking import N_

VERDICTS = {
    "tenu": N_("tenu"),
    "non-tenu": N_("non tenu"),
    "non-concluant": N_("non concluant"),
    "depassement-quasi-certain": N_("dépassement quasi certain"),
    "en-bonne-voie": N_("en bonne voie"),
}
"""Words of each verdict on a cap or a trajectory."""

VERDICTS_ON_FLOORS = VERDICTS | {"depassement-quasi-certain": N_("manqué au niveau actuel")}
"""Words of each verdict on a floor, which nothing exceeds when it is missed."""

MARKS = {"tenu": "✓", "non-tenu": "✗", "non-concluant": "?", "depassement-quasi-certain": "✗", "en-bonne-voie": "✓"}
"""Mark beside the words of a verdict, so that colour alone says nothing."""

INCOMPLETE = ("ledger-incomplete", "coverage-incomplete", "days-missing", "days-not-declared", "partial-quarter")
"""Reasons of a verdict that something missing leaves open: its probability is of what is known."""

VERDICT_REASONS = {
    "below-value": N_("à son échéance, la cible n’est pas tenue"),
    "likely-missed": N_("au niveau de ce trimestre, la cible serait manquée à l’échéance"),
    "likely-met": N_("au niveau de ce trimestre, la cible serait tenue à l’échéance"),
    "deadline-ahead": N_("l’échéance est à venir et le niveau de ce trimestre ne tranche pas"),
    "budget-spent": N_("le budget de l’année est déjà dépassé"),
    "budget-likely-overrun": N_("si les trimestres à venir sont comme les derniers, l’année dépassera son budget"),
    "budget-likely-kept": N_("si les trimestres à venir sont comme les derniers, l’année tiendra dans son budget"),
    "horizon-ahead": N_("l’horizon est à venir"),
    "no-data": N_("aucune donnée pour en juger"),
    "no-zone": N_("le CO₂e n’est pas calculé, faute de zone électrique"),
    "no-factor": N_("le CO₂e n’est pas calculé, faute de facteur d’émission"),
    "factor-gap": N_("le CO₂e n’est pas calculé, faute de facteur d’émission à certaines heures"),
    "no-contract": N_("aucun contrat d’électricité n’est déclaré"),
    "contract-scope": N_("un contrat d’électricité n’a pas la portée des facteurs utilisés"),
    "baseline-missing": N_("la période de référence n’est pas enregistrée"),
    "interval-mostly-beyond": N_("l’intervalle contient encore la valeur visée, mais il est presque tout entier du mauvais côté"),
    "interval-straddles": N_("l’intervalle contient la valeur visée : la mesure ne permet pas de trancher"),
    "simulated": N_("des données simulées ne prouvent rien"),
    "ledger-incomplete": N_("d’après ce qui est connu, la cible serait tenue, mais des jours de relevés manquent"),
    "coverage-incomplete": N_(
        "d’après ce qui est connu, la cible serait tenue, mais des services ou des composants ne sont pas mesurés"
    ),
    "days-missing": N_("d’après ce qui est connu, la cible serait tenue, mais des jours de marche ne sont pas enregistrés"),
    "days-not-declared": N_("d’après ce qui est connu, la cible serait tenue, mais un service ne déclare pas ses jours-machine"),
    "partial-quarter": N_("d’après ce qui est connu, la cible serait tenue, mais le trimestre n’est pas terminé"),
    "not-computed": N_("cet indicateur n’est pas calculé par cette version"),
    "no-units": N_("aucune unité n’est comptée"),
    "no-equipment": N_("aucun équipement n’est déclaré"),
    "equipment-incomplete": N_("des machines ne sont pas décrites parmi les équipements"),
    "no-calls": N_("aucun appel à un modèle externe n’est enregistré"),
    "calls-unmeasured": N_("des appels à des modèles externes n’ont pas d’estimation"),
    "requests-uncounted": N_("des appels à des modèles externes n’ont pas été dénombrés, seuls leurs jetons comptent"),
    "no-wue": N_("l’eau consommée sur place (WUE) est inconnue pour tout ou partie des sites"),
    "no-water-factor": N_("le facteur d’eau de tout ou partie des sites est inconnu"),
    "no-reference": N_("aucune cible ne nomme de trimestres de référence"),
    "no-training": N_("aucun entraînement n’est enregistré"),
    "no-model-size": N_("la taille du modèle et de son entraînement n’est pas déclarée"),
    "no-lifetime": N_("la durée de vie du modèle, en unités, n’est pas déclarée"),
    "no-accepted": N_("aucun résultat accepté n’est compté"),
    "no-outcomes": N_("l’issue des entraînements est inconnue"),
    "idle-not-separated": N_("la veille n’est pas séparée du reste"),
    "too-few-quarters": N_("les quatre derniers trimestres ne sont pas tous enregistrés"),
}

TARGET_STATUSES = {"proposed": N_("proposée"), "adopted": N_("adoptée")}

_SURELY = 0.999  # a probability beyond it is not rounded to certainty


def verdict_words(language: Language, target: TargetVerdict) -> str:
    """Say the verdict on a target in a few words.

    Example:
        >>> verdict_words(Language("fr"), target)  # doctest: +SKIP
        'dépassement quasi certain'
    """
    return language.of(VERDICTS_ON_FLOORS if target.op == ">=" else VERDICTS, target.verdict)


def probability_words(language: Language, target: TargetVerdict) -> str | None:
    """Say how likely a target is missed; None where it is not known.

    Example:
        >>> probability_words(Language("fr"), target)  # doctest: +SKIP
        'probabilité de dépassement\xa0: 97\xa0%'
    """
    if target.miss_probability is None:
        return None
    share = probability(language, target.miss_probability, certain=target.reduction is None and target.observed.low is None)
    if target.reason in INCOMPLETE:
        share = language.t("%(share)s d’après ce qui est connu", share=share)
    if target.op == ">=":
        return language.t("probabilité de manquer la cible : %(share)s", share=share)
    if judged_by_budget(target):
        return language.t("probabilité que l’année dépasse son budget : %(share)s", share=share)
    if target.reduction is not None:
        return language.t("probabilité que la réduction ne soit pas atteinte : %(share)s", share=share)
    return language.t("probabilité de dépassement : %(share)s", share=share)


def probability(language: Language, value: float, *, certain: bool = False) -> str:
    """Write a probability; one that is not ``certain`` is never rounded to 0 or 100 %.

    Example:
        >>> probability(Language("fr"), 0.99998)
        'plus de 99,9\xa0%'
    """
    if not certain and value > _SURELY:
        return language.t("plus de %(share)s", share=language.share(_SURELY))
    if not certain and value < 1 - _SURELY:
        return language.t("moins de %(share)s", share=language.share(1 - _SURELY))
    return language.share(value)


def judged_by_budget(target: TargetVerdict) -> bool:
    """Say whether a trajectory is judged by the budget of the year, as it is until its horizon."""
    return target.reduction is not None and (target.reason or "").startswith(("budget-", "horizon-"))


def budget_words(language: Language, budget: BudgetState) -> str | None:
    """Say how much of its year's budget a trajectory has used; None where it is not known.

    Example:
        >>> budget_words(Language("fr"), target.budget)  # doctest: +SKIP
        '121\xa0% du budget 2026 employé (114\xa0% à 128\xa0%)'
    """
    if budget.consumed.value is None:
        return None
    used = language.t("%(share)s du budget %(year)s employés", share=language.share(budget.consumed.value), year=budget.year)
    interval = language.interval(budget.consumed)
    return f"{used} ({interval})" if interval else used
