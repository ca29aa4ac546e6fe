"""Say what was decided, what is late, whether the figures are published, and what is declared otherwise since."""

from __future__ import annotations

from ecoia.report import ActionState, DeclaredChange, QuarterlyReport, Said
from ecoia_dashboards import wording
from ecoia_dashboards.dashboard.pieces.words import Words

_DONE = ("done", "dropped")
_MOST_DECLARED = 5


def late_first(report: QuarterlyReport) -> list[ActionState]:
    """List actions: late ones first, the longest late before the others, then those ahead, then those that are over."""
    return sorted(report.actions, key=lambda action: (not action.late, action.state in _DONE, action.due, action.id))


def unanswered(report: QuarterlyReport) -> list[Said]:
    """List the recommendations that no decision answers."""
    answered = {said.about for said in report.said if said.kind == "decision"}
    return [said for said in report.said if said.kind == "recommendation" and said.id not in answered]


def decided_title(words: Words) -> str:
    """Say how many actions are late, and how many recommendations wait."""
    late = sum(action.late for action in words.report.actions)
    waiting = len(unanswered(words.report))
    said = []
    if late:
        said.append(words.language.n("%(count)s action en retard", "%(count)s actions en retard", late))
    if waiting:
        said.append(
            words.language.n("%(count)s recommandation sans décision", "%(count)s recommandations sans décision", waiting)
        )
    if said:
        return words.language.listed(said)
    if not (words.report.actions or words.report.said):
        return words.language.t("Aucune décision ni action n’est inscrite")
    return words.language.t("Aucune action n’est en retard, toute recommandation a sa réponse")


def published_title(words: Words) -> str:
    """Say whether the figures are published."""
    return words.language.t("Un projet, pas une publication") if words.report.seal is None else words.language.t("Publié")


def published(words: Words) -> str:
    """Say what it means for the figures."""
    seal, language = words.report.seal, words.language
    if seal is None:
        return language.t("Les chiffres de ce trimestre ne sont pas publiés : ils peuvent encore changer.")
    return language.t(
        "Publiés et scellés le %(day)s sous le nom %(name)s : un chiffre qui change ensuite se voit.",
        day=language.day(seal.published_on),
        name=seal.name,
    )


def declared(words: Words) -> str:
    """Say in a sentence what is declared otherwise than in the last publication."""
    report, language = words.report, words.language
    if report.declared_since is None:
        return language.t("Aucune publication antérieure : rien à quoi comparer le registre, les cibles et la méthode.")
    since = language.quarter(report.declared_since)
    if not report.declared_changes:
        return language.t("Rien n’a changé dans les déclarations depuis la publication de %(name)s.", name=since)
    return language.n(
        "%(count)s changement depuis la publication de %(name)s :",
        "%(count)s changements depuis la publication de %(name)s :",
        len(report.declared_changes),
        name=since,
    )


def declared_lines(words: Words) -> list[str]:
    """List the first changes of the declarations, those with an effect before the others."""
    changes = words.declared_changes[:_MOST_DECLARED]
    lines = [_declared_line(words, change) for change in changes]
    more = len(words.report.declared_changes) - len(lines)
    if more > 0:
        lines.append(words.language.n("%(count)s autre changement", "%(count)s autres changements", more))
    return lines


def _declared_line(words: Words, change: DeclaredChange) -> str:
    language = words.language
    kind = language.of(wording.DECLARED_KINDS, change.kind)
    name = words.declared_name(change)
    if change.what == "changed":
        said = language.t(
            "%(field)s, de %(before)s à %(after)s",
            field=language.of(wording.DECLARED_FIELDS, change.field),
            before=words.declared_value(change, change.before),
            after=words.declared_value(change, change.after),
        )
    else:
        said = language.of(wording.DECLARED_CHANGES, change.what)
    text = language.t("%(kind)s %(name)s : %(said)s", kind=kind, name=words.short(name), said=said)
    return f"{text} ({language.of(wording.DECLARED_EFFECTS, change.effect)})" if change.effect else text
