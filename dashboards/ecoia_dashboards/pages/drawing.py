"""Draw templates as self-contained, accessible HTML pages.

A page holds no script and loads nothing from elsewhere: its style sheet is inline and named by its hash in a strict content
security policy, and its figures are images that the page itself holds. Jinja escapes every text that comes from outside.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
from functools import cache

from jinja2 import Environment
from markupsafe import Markup

from ecoia.report import COVERED, NEARLY_CERTAIN, ON_TRACK, Measure, Quantity, QuarterlyReport
from ecoia.sections import DECISION, EVIDENCE
from ecoia_dashboards import wording
from ecoia_dashboards.language import Language
from ecoia_dashboards.templating import environment_of
from ecoia_dashboards.wording import N_

WIDE_PX, NARROW_PX, SMALL_PX = 720, 340, 400
"""Widths at which a figure is drawn: for a page, for a telephone, and beside the text of the first page."""

DRAFT = N_("Projet : ce document n’est pas la publication, ses chiffres peuvent changer.")
_BANNERS = ("simulated", "simulated-history", "stand-ins", "no-data")
MOST_LINES = 30
"""How many services a committee's table lists; the evidence holds all of them."""
_FIGURES = 3  # significant figures of a number on the page


def draw(
    template: str,
    language: Language,
    *,
    organisation: str,
    footer: str,
    draft: bool,
    further_style: str = "",
    **values: object,
) -> str:
    """Draw a template as a page.

    Args:
        template: Name of the template; it extends ``document.html``.
        language: Language of the page.
        organisation: The organisation that the page is of.
        footer: Text at the foot of every printed page.
        draft: Whether every printed page is marked as a draft.
        further_style: Name of a style sheet that follows the report's; empty where there is none.
        **values: Names that the template uses.

    Returns:
        The page. Equal values give equal pages.

    Raises:
        jinja2.UndefinedError: the template uses a name that is not among the values.

    Example:
        >>> draw("evaluation.html", Language("fr"), organisation="", footer="", draft=False, it=it, view=view)  # doctest: +SKIP
    """
    environment = _environment(language.code)
    style = environment.get_template("report.css").render(footer=footer, draft=language.t("PROJET") if draft else "")
    if further_style:
        style += environment.get_template(further_style).render()
    # The hash is of the element's exact text.
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return environment.get_template(template).render(
        style=Markup(style),  # noqa: S704 - our own sheet; its texts are escaped by _css_string
        style_hash=digest,
        lang=language.code,
        organisation=organisation,
        **values,
    )


@cache
def _environment(lang: str) -> Environment:
    language = Language(lang)
    environment = environment_of(language)
    environment.filters["css_string"] = _css_string
    environment.globals.update(wording=wording, WIDE=WIDE_PX, NARROW=NARROW_PX, SMALL=SMALL_PX, MOST_LINES=MOST_LINES)
    environment.globals.update(COVERED=COVERED, NEARLY_CERTAIN=NEARLY_CERTAIN, ON_TRACK=ON_TRACK)
    environment.globals.update(DECISION=DECISION, EVIDENCE=EVIDENCE)
    return environment


def _css_string(text: str) -> Markup:
    """Write a CSS string: every character but letters and digits is escaped, so that nothing can end the string."""
    return Markup('"' + "".join(c if c.isalnum() else f"\\{ord(c):x} " for c in text) + '"')  # noqa: S704


def warned_of(report: QuarterlyReport) -> list[str]:
    """List the codes of the notices that stand before any figure."""
    return [code for code in _BANNERS if code in report.notices or (code == "simulated" and report.simulated)]


def whole_at_wall(measure: Measure) -> bool:
    """Return whether all of some energy is known at the plug, by calibration or by a meter there."""
    return 0 < measure.energy_components_microjoules == measure.energy_at_wall_microjoules


def title_of(report: QuarterlyReport, language: Language) -> str:
    """Write the title of the report; a restated quarter says so."""
    quarter = language.quarter(report.quarter)
    if report.is_restated and report.seal is not None:
        return language.t(
            "Énergie et CO₂e des services d’IA, %(quarter)s, retraité (%(name)s)", quarter=quarter, name=report.seal.name
        )
    return language.t("Énergie et CO₂e des services d’IA, %(quarter)s", quarter=quarter)


def foot(report: QuarterlyReport, language: Language) -> str:
    """Write the text at the foot of every printed page."""
    parts = [report.organisation, language.quarter(report.quarter)]
    if report.is_restated and report.seal is not None:
        parts.append(language.t("retraité, publié sous le nom %(name)s", name=report.seal.name))
    if report.seal is None:
        parts.append(language.t("projet, et non la publication"))
    if report.simulated or "simulated-history" in report.notices:
        parts.append(language.t("contient des données simulées"))
    if "stand-ins" in report.notices:
        parts.append(language.t("modèles de démonstration"))
    if report.ethics_contact:
        parts.append(report.ethics_contact)
    return " · ".join(part for part in parts if part)


def rounded(quantity: Quantity, figures: int) -> Quantity:
    """Round an estimate to fewer significant figures than numbers are written with; further digits are dropped, zeros included.

    Example:
        >>> rounded(Quantity(1234.5, "kWh"), 2).value
        1200.0
    """
    if figures >= _FIGURES:
        return quantity
    value, low, high = (
        None if number is None else float(f"{number:.{figures - 1}e}") for number in (quantity.value, quantity.low, quantity.high)
    )
    return dataclasses.replace(quantity, value=value, low=low, high=high)
