"""``evaluations.yaml``: answers of project managers to the self-assessment of commitment 7, by service."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator

from ecoia.catalogue.committees import Said
from ecoia.catalogue.fields import FieldError, Model, QuarterText, Role, Slug

EVALUATIONS_FILE = "evaluations.yaml"

QUESTIONS = {
    "besoin": (
        "besoin-ecrit",
        "sans-ia",
        "modele-plus-leger",
        "utilite-chiffree",
    ),
    "entrainement": (
        "reutilisation",
        "essais-bornes",
        "reentrainement",
    ),
    "usage": (
        "appels-evites",
        "capacite-ajustee",
        "heures-peu-carbonees",
        "effet-rebond",
    ),
    "hebergement": (
        "lieu-et-pue",
        "equipements",
    ),
    "suivi": (
        "mesure-des-le-debut",
        "plafond",
        "fin-de-vie",
    ),
    "autres-engagements": (
        "equite-et-qualite",
        "questions-ouvertes",
    ),
}
"""Ids of the questions by theme, in the order in which they are asked. The pages have their wording."""

THEMES = {question: theme for theme, questions in QUESTIONS.items() for question in questions}

Answered = Literal["met", "partly", "unmet", "not-applicable", "open"]


def _question(value: str) -> str:
    if value not in THEMES:
        raise FieldError("no-such-question", f"no such question; known: {', '.join(THEMES)}", known=tuple(THEMES))
    return value


class Answer(Model):
    """An answer to one question about one service. ``open``: not answered yet."""

    service: Slug
    quarter: QuarterText
    question: Annotated[str, AfterValidator(_question)]
    answer: Answered
    comment: Said | None = None
    role: Role | None = None


class EvaluationsFile(Model):
    """``evaluations.yaml``."""

    answers: tuple[Answer, ...] = ()
