"""Which errors the interval of a selection has, how wide each is, and how much of the energy has it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ecoia.catalogue.error_widths import GSD
from ecoia.exploring import FormulaTerm
from ecoia.methods import error_class, sharing_error
from ecoia.report import Quantity
from ecoia.semconv import DECLARED
from ecoia_dashboards import wording
from ecoia_dashboards.dashboard.page import Reading
from ecoia_dashboards.dashboard.tables import FIGURE, Heading, Table
from ecoia_dashboards.language import SHARE_UNIT, Language

WALL_BIAS = "wall-bias"
"""Power supplies, fans and disks that no calibration adds: they raise the upper bound alone."""


@dataclass(frozen=True)
class ErrorInUse:
    """A source of error of a selection.

    Attributes:
        name: A key of ``catalogue.error_widths.GSD``, or ``WALL_BIAS``.
        width: Its geometric standard deviation; of ``WALL_BIAS``, the factor that it raises the upper bound of its energy by.
        default: The method's.
        share: The part of the energy with the building that has it.
    """

    name: str
    width: float
    default: float
    share: float


def errors_in_use(terms: Sequence[FormulaTerm], reading: Reading) -> tuple[ErrorInUse, ...]:
    """List the errors of some terms, that which weighs most first."""
    whole = math.fsum(each.energy_kwh for each in terms)
    if not whole:
        return ()
    widths = {each.name: (each.gsd, each.default) for each in reading.report.deviations}
    energy: dict[str, list[float]] = {}
    for term in terms:
        for name in _errors_of(term, reading):
            energy.setdefault(name, []).append(term.energy_kwh)
        if term.shared_microjoules:
            part = term.energy_kwh * (term.shared_microjoules / term.microjoules)
            energy.setdefault(sharing_error(term.component, term.method), []).append(part)
    found = []
    for name, under in energy.items():
        part = math.fsum(under)
        biased = [each for each in terms if each.wall_bias > 1]
        bias = math.fsum(each.energy_kwh * each.wall_bias for each in biased) / part if name == WALL_BIAS and part else 1.0
        width, default = (bias, bias) if name == WALL_BIAS else widths.get(name) or (GSD[name], GSD[name])
        found.append(ErrorInUse(name, width, default, min(part / whole, 1.0)))
    return tuple(sorted(found, key=lambda each: (-each.share * math.log(each.width), each.name)))


def _errors_of(term: FormulaTerm, reading: Reading) -> Iterator[str]:
    kind = error_class(term.status, term.method)
    if term.wall_factor is None or kind != "counters":  # a calibration includes the counter's error
        yield kind
    if term.wall_factor is not None:
        yield "calibration"
    if term.wall_bias > 1:
        yield WALL_BIAS
    if term.pue is not None:
        yield f"pue-{_quality(term, reading)}"
    if term.factor_year is not None:
        used = [each for each in reading.report.factors if (each.zone, each.year) == (term.zone, term.factor_year)]
        yield "grid-same-year" if all(each.same_year for each in used) else "grid-previous-year"
        if any(each.filled for each in used):
            yield "grid-filled"
    yield "own"


def _quality(term: FormulaTerm, reading: Reading) -> str:
    """Return the quality of the PUE of a term; that of the setting ``pue``, outside every site, is taken as declared."""
    figures = [each for each in reading.report.site_figures if each.kind == "pue" and each.site == term.site]
    return next((each.quality for each in figures if each.value == term.pue), DECLARED)


def errors_table(errors: Sequence[ErrorInUse], language: Language) -> Table:
    """Tabulate the errors that make the interval."""
    headings = (
        Heading(language.t("Source d’erreur")),
        Heading(language.t("Dispersion"), FIGURE),
        Heading(language.t("Par défaut"), FIGURE),
        Heading(language.t("Part de l’énergie"), FIGURE),
    )
    lines = tuple(
        (
            _name(each, language),
            language.number(each.width) if each.name == WALL_BIAS else language.plain(each.width),
            None if each.name == WALL_BIAS else language.plain(each.default),
            Quantity(each.share, SHARE_UNIT),
        )
        for each in errors
    )
    title = language.t("Ce qui élargit l’intervalle")
    if errors:
        title = language.t("Ce qui élargit le plus l’intervalle : %(name)s", name=_name(errors[0], language))
    subtitle = language.t("Dispersion (écart-type géométrique) de chaque source d’erreur, et part de l’énergie qui l’a")
    return Table("errors", title, headings, lines, subtitle)


def _name(error: ErrorInUse, language: Language) -> str:
    if error.name == WALL_BIAS:
        return language.t("alimentation, ventilation et disques non mesurés (la borne haute seule est relevée)")
    return language.of(wording.DEVIATIONS, error.name)
