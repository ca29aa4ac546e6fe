"""Tables of what a figure is made of: phases, methods and the like, each line a part, the last one what they add up to."""

from __future__ import annotations

from collections.abc import Mapping

from ecoia.exploring import Selected
from ecoia.report import Quantity
from ecoia.units import kwh
from ecoia_dashboards import wording
from ecoia_dashboards.dashboard import marks
from ecoia_dashboards.dashboard.tables import FIGURE, MARK, Cell, Heading, Mark, Table
from ecoia_dashboards.figures.chart import ordered
from ecoia_dashboards.figures.roles import PHASE_STYLES, ROLES
from ecoia_dashboards.language import Language

Parts = Mapping[str, Selected]


def phases_table(parts: Parts, whole: Selected, language: Language, scope: str) -> Table | None:
    """List the energy by phase, reserved idle included; None where there is no energy.

    Args:
        parts: Figures by phase.
        whole: What they are parts of.
        language: Language of the texts.
        scope: Period and filters in words.
    """
    if not whole.microjoules:
        return None
    order = ordered(parts, PHASE_STYLES)
    words = wording.KINDS | wording.PHASES
    lines = tuple(part_line(language.of(words, name), parts[name], whole, name, language) for name in order)
    largest = max(order, key=lambda name: parts[name].microjoules)
    title = language.t(
        "%(phase)s : %(share)s de l’énergie",
        phase=capital(language.of(words, largest)),
        share=language.share(parts[largest].microjoules / whole.microjoules),
    )
    return Table(
        "phases",
        title,
        (Heading(language.t("Phase")), *part_headings(language)),
        lines,
        language.t("Énergie par phase et veille réservée · %(scope)s", scope=scope),
        foot=(rest_line(parts, whole, language),),
    )


def methods_table(parts: Parts, whole: Selected, language: Language, scope: str) -> Table | None:
    """List how the energy is known, and what of it is not; None where there is no energy.

    Args:
        parts: Figures by status and name of the method, with a space between them.
        whole: What they are parts of.
        language: Language of the texts.
        scope: Period and filters in words.
    """
    if not whole.microjoules:
        return None
    order = sorted((name for name, part in parts.items() if part.microjoules), key=lambda name: -parts[name].microjoules)
    lines = tuple(_method(name, parts[name], whole, language) for name in order)
    lacking = [language.of(wording.COMPONENTS, name) for name, found in whole.by_component_microjoules.items() if found is None]
    note = language.t("Rien n’est relevé de : %(components)s. Ce n’est pas zéro.", components=language.listed(lacking))
    rest = rest_line(parts, whole, language)
    return Table(
        "methods",
        _origin_title(whole, language),
        (Heading(language.t("Relevé par")), Heading(language.t("Origine")), *part_headings(language)),
        lines,
        language.t("Comment l’énergie est connue · %(scope)s", scope=scope),
        foot=((rest[0], "", *rest[1:]),),
        note=note if lacking else "",
    )


def _method(name: str, part: Selected, whole: Selected, language: Language) -> tuple[Cell, ...]:
    status, _, method = name.partition(" ")
    words = language.of(wording.METHODS, method)
    return words, language.of(wording.STATUSES, status), *part_line("", part, whole, status, language)[1:]


def _origin_title(whole: Selected, language: Language) -> str:
    shares = {status: part / whole.microjoules for status, part in whole.by_status_microjoules.items() if part}
    first = max(shares, key=lambda status: shares[status])
    return language.t(
        "%(share)s de l’énergie : %(origin)s",
        share=language.share(shares[first]),
        origin=language.of(wording.STATUS_MEANINGS, first),
    )


def part_headings(language: Language) -> tuple[Heading, ...]:
    """Return the heads of what ``part_line`` adds to the name of a part."""
    return (
        Heading(language.t("Part"), FIGURE),
        Heading(language.t("En barre"), MARK, less_important=True),
        Heading(language.t("Énergie"), FIGURE),
    )


def part_line(name: Cell, part: Selected, whole: Selected, role: str, language: Language) -> tuple[Cell, ...]:
    """Return the line of a part: its name, its share of the whole in figures and as a bar, and its energy."""
    share = part.microjoules / whole.microjoules if whole.microjoules else 0.0
    drawing = marks.stacked_bar({role if role in ROLES else "unspecified": share})
    return name, language.share(share), Mark(drawing, language.share(share)), part.energy


def rest_line(parts: Parts, whole: Selected, language: Language) -> tuple[Cell, ...]:
    """Return the last line: the whole; or, should the parts not add up to it, what remains."""
    remains = whole.microjoules - sum(part.microjoules for part in parts.values())
    if remains:
        return language.t("Hors de ces lignes"), "", "", Quantity(kwh(remains), "kWh")
    return language.t("Ensemble"), language.share(1.0), "", whole.energy


def capital(text: str) -> str:
    """Begin a text with a capital letter."""
    return text[:1].upper() + text[1:]
