"""The quarterly report as one self-contained, accessible HTML page.

No script, no request to anywhere: the style sheet is inline and named by its hash in a strict content security
policy, the figures are images held in the page. Everything that comes from outside is escaped by Jinja.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ecoia.impact.embodied import MICROGRAMS_PER_KG
from ecoia.impact.recalculation import Recalculation
from ecoia.indicators import Indicator, held_by, parts_first
from ecoia.report import (
    COVERED,
    Answered,
    CalibrationUsed,
    Commitment,
    ContractUsed,
    EquipmentUsed,
    FactorUsed,
    FigureUsed,
    Measure,
    MethodShare,
    PhaseResult,
    Quantity,
    QuarterChange,
    QuarterlyReport,
    RegionShare,
    Said,
    Saving,
    Sensitivity,
    TargetVerdict,
    TokensUsed,
)
from ecoia.sections import SECTIONS
from ecoia.semconv import KINDS, MISSING, NOT_LACKING, STATUSES
from ecoia_dashboards import svg, wording
from ecoia_dashboards.cleaning import clean
from ecoia_dashboards.figures import charts
from ecoia_dashboards.language import NBSP, SHARE_UNIT, Language
from ecoia_dashboards.naming import service_names
from ecoia_dashboards.wording import N_
from ecoia_dashboards.wording.indicators import page_heading

WIDE_PX, NARROW_PX = 720, 340
"""Widths at which each figure is drawn: a page and a telephone."""

DRAFT = N_("Projet : ce document n’est pas la publication, ses chiffres peuvent changer.")
_BANNERS = ("simulated", "simulated-history", "stand-ins", "no-data")
_COMMITMENT = 7
_MOST_IDS = 5  # run ids named in a line
_MOST_LINES = 40  # of a table that grows with services and regions: the others are in the other formats
_SHOWN_ELSEWHERE = ("energy_it", "co2e_constant_factor")  # indicators that have a line of their own, or are in the tables alone
_FIGURES = 3  # significant, of a number as the page writes it

# What an address may hold as it is, in `srcset` too (no space, no comma): escaping less keeps the page light.
_URL_SAFE = "=:/;.()!*?@&+-_"


def render_report(report: QuarterlyReport, lang: str = "fr") -> str:
    """Write the report as one HTML page.

    Args:
        report: The quarter's data.
        lang: Language of the page, one of ``language.LANGUAGES``.

    Returns:
        The page. Equal reports give equal pages.

    Raises:
        UsageError: the language is not one of ours.
    """
    view = _View(clean(report), Language(lang))
    return draw(
        "report.html",
        view.language,
        organisation=view.report.organisation,
        footer=foot(view.report, view.language),
        draft=view.draft,
        report=view.report,
        view=view,
    )


def draw(template: str, language: Language, *, organisation: str, footer: str, draft: bool, **values: object) -> str:
    """A template as a page.

    Args:
        template: Its name; it extends ``document.html``.
        language: Of the page.
        organisation: Whose page it is.
        footer: What every printed page says at its foot.
        draft: Whether every printed page is marked as a draft.
        values: What the template asks for.
    """
    environment = _environment(language.code)
    style = environment.get_template("report.css").render(footer=footer, draft=language.t("PROJET") if draft else "")
    # The hash is of the element's exact text.
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return environment.get_template(template).render(
        style=Markup(style),  # noqa: S704 - our own sheet; its texts are escaped by _css_string
        style_hash=digest,
        lang=language.code,
        organisation=organisation,
        **values,
    )


def warned_of(report: QuarterlyReport) -> list[str]:
    """The codes of what a reader must know before any figure."""
    return [code for code in _BANNERS if code in report.notices or (code == "simulated" and report.simulated)]


def whole_at_wall(measure: Measure) -> bool:
    """Whether all of some energy is known at the plug, calibrated or read there."""
    return 0 < measure.energy_components_microjoules == measure.energy_at_wall_microjoules


def foot(report: QuarterlyReport, language: Language) -> str:
    """What every printed page says at its foot."""
    parts = [report.organisation, language.quarter(report.quarter)]
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
    """An estimate that claims fewer figures than numbers are written with: what is beyond is dropped, zeros included."""
    if figures >= _FIGURES:
        return quantity
    value, low, high = (
        None if number is None else float(f"{number:.{figures - 1}e}") for number in (quantity.value, quantity.low, quantity.high)
    )
    return dataclasses.replace(quantity, value=value, low=low, high=high)


@cache
def _environment(lang: str) -> Environment:
    language = Language(lang)
    environment = Environment(
        loader=PackageLoader("ecoia_dashboards"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.install_gettext_translations(language.translations, newstyle=True)  # type: ignore[attr-defined]
    environment.filters["css_string"] = _css_string
    environment.globals.update(wording=wording, WIDE=WIDE_PX, NARROW=NARROW_PX, COVERED=COVERED, DRAFT=DRAFT)
    return environment


def _css_string(text: str) -> Markup:
    """A CSS string: every character that is no letter or digit is escaped, so nothing can end it."""
    return Markup('"' + "".join(c if c.isalnum() else f"\\{ord(c):x} " for c in text) + '"')  # noqa: S704


class _View:
    """What the template asks for: choices and formatted texts, so that it holds the page's words and order only."""

    def __init__(self, report: QuarterlyReport, language: Language) -> None:
        self.report = report
        self.language = language
        self.names = service_names(report)
        self.quarter = language.quarter(report.quarter)
        self.charts = charts(report, language)
        self.registered = {entry.id: entry.registered for entry in report.register}
        self.banners = warned_of(report)
        self.commitment = next((c for c in report.commitments if c.number == _COMMITMENT), None)
        self.measured = [entry for entry in report.register if entry.measured]
        self.not_measured = [entry for entry in report.register if entry.registered and not entry.measured]
        self.denominator = report.coverage.named + report.coverage.unnamed
        self.sections = SECTIONS
        self.draft = report.seal is None
        self.bodies = {body.id: body.name for body in report.governance}

    # what people added

    def said(self, kind: str, about: str | None = None) -> list[Said]:
        """What was said of a kind, about a part or a commitment where one is asked for."""
        return [each for each in self.report.said if each.kind == kind and about in (None, each.about)]

    def body(self, id_: str | None) -> str:
        """The name of a body of the charter."""
        return self.bodies.get(id_ or "", id_ or "—")

    def commitment_name(self, number: int) -> str:
        """A commitment of the charter by its name, else by its number."""
        names = {commitment.number: commitment.name for commitment in self.report.commitments}
        return names.get(number) or self.language.t("engagement n° %(number)s", number=number)

    @property
    def others(self) -> list[Commitment]:
        """The commitments of the charter but this one."""
        return [commitment for commitment in self.report.commitments if commitment.number != _COMMITMENT]

    def harmful(self, number: int) -> list[str]:
        """The services of the savings that may harm a commitment."""
        return [saving.service for saving in self.report.savings if number in saving.may_harm]

    @property
    def unplaced_ties(self) -> list[Said]:
        """Ties to a commitment that the charter does not hold, or to this very one."""
        numbers = {str(commitment.number) for commitment in self.others}
        return [tie for tie in self.said("tie") if tie.about not in numbers]

    @property
    def fronts_not_drawn(self) -> int:
        """Comparisons of runs that have no figure."""
        return len(self.report.frontiers) - sum(id_.startswith("front-") for id_ in self.charts)

    def purpose(self, service_id: str) -> str | None:
        """What a service is for, as the register has it."""
        return next((entry.purpose for entry in self.report.register if entry.id == service_id), None)

    def harm(self, saving: Saving) -> str:
        """Which commitments acting on a saving may harm."""
        return self.language.listed(map(self.commitment_name, saving.may_harm))

    def run_ids(self, ids: Sequence[str]) -> str:
        """The first of some runs, and how many more there are."""
        first = ", ".join(ids[:_MOST_IDS])
        more = len(ids) - _MOST_IDS
        return (
            first
            if more <= 0
            else self.language.n("%(runs)s et %(count)s autre", "%(runs)s et %(count)s autres", more, runs=first)
        )

    def apportioned(self) -> tuple[list[RegionShare], int]:
        """The figures of regions that take the most, by region; and how many lines are left out."""
        kept = sorted(self.report.regions, key=lambda each: -(each.energy.value or 0.0))[:_MOST_LINES]
        return sorted(kept, key=lambda each: (each.region, each.service)), len(self.report.regions) - len(kept)

    def answers(self, question: str) -> list[tuple[str, list[Answered]]]:
        """Who answered what to a question of the self-assessment, by answer."""
        given = [each for each in self.report.evaluations if each.question == question]
        codes = dict.fromkeys((*wording.EVALUATION_ANSWERS, *(each.answer for each in given)))
        return [(code, found) for code in codes if (found := [each for each in given if each.answer == code])]

    @property
    def questions(self) -> list[str]:
        """Those that somebody answered."""
        given = {each.question for each in self.report.evaluations}
        return [
            *(id_ for id_ in wording.EVALUATION_QUESTIONS if id_ in given),
            *sorted(given - wording.EVALUATION_QUESTIONS.keys()),
        ]

    def otherwise(self, it: Sensitivity) -> str:
        """How many times less or more the CO2e of use would be."""
        now = self.report.footprint.co2e_operational.value
        if it.value.value is None or not now:
            return "—"
        return self.language.change(Quantity(it.value.value / now - 1, SHARE_UNIT))

    # figures

    def image(self, chart_id: str, width: int) -> str:
        """A figure as the address of an image that the page itself holds."""
        drawing = svg.draw(self.charts[chart_id].figure, width)
        return "data:image/svg+xml," + quote(drawing, safe=_URL_SAFE)

    # indicators

    @property
    def footprint_columns(self) -> list[Indicator]:
        """The sums that the page lists by service."""
        return [each for each in parts_first(held_by("footprint")) if each.unit != SHARE_UNIT and each.id not in _SHOWN_ELSEWHERE]

    @property
    def intensity_columns(self) -> list[Indicator]:
        """The intensities that the page lists by service."""
        return list(held_by("intensity"))

    @property
    def rate_columns(self) -> list[Indicator]:
        """The rates that the page lists by service."""
        return [each for each in held_by("footprint") if each.unit == SHARE_UNIT and each.id not in _SHOWN_ELSEWHERE]

    def headings(self, indicators: Sequence[Indicator]) -> list[tuple[str, str]]:
        """Head the columns of some indicators, each with its style."""
        return [(self.language.t(page_heading(each.id)), "num") for each in indicators]

    # words

    def service(self, service_id: str) -> str:
        """A service's name, or its id when it is not registered."""
        return self.names.get(service_id, service_id)

    def listed_services(self, service_ids: Iterable[str]) -> str:
        """The names of some services."""
        return self.language.listed(map(self.service, service_ids))

    def say(self, sentences: Mapping[str, str], code: str) -> str:
        """The sentence of a code."""
        return self.language.of(dict(sentences), code)

    def lost(self, cause: str) -> str:
        """What was lost, by cause; a cause may name its object after a colon."""
        head, _, rest = cause.partition(":")
        said = self.language.of(wording.LOST, head)
        return f"{said}{self.language.t(' : ')}{rest}" if rest else said

    def method(self, share: MethodShare) -> str:
        """How energy was obtained, in words; a meter that could not be read keeps its name."""
        if share.name.endswith(":unread"):
            return self.language.t(
                "%(meter)s illisible", meter=self.language.of(wording.METHODS, share.name.removesuffix(":unread"))
            )
        return self.language.of(wording.METHODS, share.name)

    def amount(self, quantity: Quantity, figures: int = 3) -> str:
        """Value and unit, or why there is none."""
        if quantity.value is None:
            return self.language.of(wording.REASONS, quantity.reason or "no-data")
        return self.language.amount(rounded(quantity, figures), figures)

    def interval(self, quantity: Quantity, figures: int = 3) -> str | None:
        """Its 95 % interval."""
        return self.language.interval(rounded(quantity, figures), figures)

    def tokens(self, use: TokensUsed) -> str:
        """The range of an estimate by tokens, to two figures; else what becomes of them."""
        if use.central_kg is None:
            return self.language.of(wording.STANDINGS, use.standing)
        quantity = Quantity(use.central_kg, "kgCO2e", use.low_kg, use.high_kg)
        return f"{self.amount(quantity, 2)} ({self.interval(quantity, 2)})"

    def made(self, micrograms: int) -> str:
        """Embodied impact kept in micrograms."""
        return self.amount(Quantity(micrograms / MICROGRAMS_PER_KG, "kgCO2e"))

    def changed(self, micrograms: int) -> str:
        """A change of as many micrograms, with its sign."""
        return self.language.change(Quantity(micrograms / MICROGRAMS_PER_KG, "kgCO2e"))

    def compared(self, change: QuarterChange) -> str:
        """What a change is against."""
        return self.language.t(
            wording.COMPARED.get(change.against, change.against), quarter=self.language.quarter(change.reference)
        )

    def causes_head(self) -> list[tuple[str, str]]:
        """A column for each cause of a recalculation."""
        return [(self.language.of(wording.CAUSES, cause), "num") for cause in wording.CAUSES]

    def restated(self, it: Recalculation) -> str:
        """How many times less or more a recalculated quarter is, against the threshold from which it is restated."""
        relative = self.language.change(Quantity(it.relative, SHARE_UNIT))
        return self.language.t(
            "%(relative)s, seuil %(threshold)s", relative=relative, threshold=self.language.share(it.threshold)
        )

    def named_parts(self, parts: Iterable[str]) -> str:
        """Some parts of the CO2e, by their indicator's name."""
        return self.language.listed(self.language.of(wording.INDICATORS, part) for part in parts)

    def listed_parts(self, change: QuarterChange) -> str:
        """The parts of the CO2e that are in a change."""
        return self.language.listed(self.language.of(wording.PARTS, part) for part in change.parts)

    @property
    def absorbed(self) -> bool:
        """Whether some service's gain is absorbed by its volume."""
        return any(line.explained.absorbed_gain for change in self.report.changes for line in change.services)

    def terms(self, change: QuarterChange) -> list[str]:
        """The terms that some service has."""
        lines = [*change.services, *([change.total] if change.total else [])]
        return [name for name in wording.TERMS if any(name in line.explained.terms for line in lines)]

    def borne(self, item: EquipmentUsed) -> list[tuple[str, str]]:
        """Who bears what of a piece of equipment."""
        nobody = self.language.t("aucun service")
        return [(self.service(id_) if id_ else nobody, self.made(part)) for id_, part in item.by_service_micrograms.items()]

    def precision(self) -> list[tuple[str, str]]:
        """Share of the known CO2e by class."""
        return [(rank, self.language.share(share)) for rank, share in self.report.precision.items()]

    def in_kwh(self, quantity: Quantity) -> str | None:
        """The value in kWh, where it is shown in a smaller unit."""
        if not quantity.value or self.language.amount(quantity).endswith(NBSP + "kWh"):
            return None
        return self.language.with_unit(self.language.number(quantity.value), "kWh")

    def energy(self, microjoules: int) -> str:
        """Microjoules as a reader wants them."""
        return self.language.energy(microjoules)

    def count(self, number: float) -> str:
        """Functional units: whole where they are, else with their decimals."""
        return self.language.plain(number)

    @property
    def wall(self) -> str:
        """How much of the energy is known at the plug, calibrated or read there: ``whole``, ``part`` or ``none``."""
        totals = self.report.totals
        if not totals.energy_at_wall_microjoules:
            return "none"
        return "whole" if whole_at_wall(totals) else "part"

    @property
    def wall_share(self) -> str:
        """That part, of what the components' meters gave."""
        totals = self.report.totals
        return self.language.share(totals.energy_at_wall_microjoules / totals.energy_components_microjoules)

    # tables

    def validity(self, used: CalibrationUsed | ContractUsed | FigureUsed | EquipmentUsed) -> str:
        """From when until when something holds."""
        day = self.language.day
        if used.from_day and used.until_day:
            return self.language.t("du %(start)s au %(end)s exclu", start=day(used.from_day), end=day(used.until_day))
        if used.from_day:
            return self.language.t("depuis le %(start)s", start=day(used.from_day))
        if used.until_day:
            return self.language.t("jusqu’au %(end)s exclu", end=day(used.until_day))
        return self.language.t("sans limite")

    @property
    def factors_now(self) -> list[FactorUsed]:
        """The factors of the quarter itself: of each zone the latest year, as the others are those of the trend."""
        latest: dict[str, int] = {}
        for factor in self.report.factors:
            latest[factor.zone] = max(latest.get(factor.zone, factor.year), factor.year)
        return [factor for factor in self.report.factors if factor.year == latest[factor.zone]]

    @property
    def at_constant_factor(self) -> Quantity | None:
        """The quarter's CO2e of use at the grid factors of the reference year; None where there is none."""
        now = next((point for point in self.report.trend if point.quarter == self.report.quarter), None)
        if now is None or now.co2e_at_constant_factor.value is None:
            return None
        return now.co2e_at_constant_factor

    def varies(self, factor: FactorUsed) -> bool:
        """Whether a factor is a mean of several."""
        return factor.least_g_per_kwh != factor.greatest_g_per_kwh

    def methods(self, result: PhaseResult) -> list[tuple[str, list[tuple[MethodShare, str | None]]]]:
        """Per component, how its energy was obtained, with the share of each where there are several."""
        rows = []
        for component in dict.fromkeys(share.component for share in result.measure.methods):
            shares = [share for share in result.measure.methods if share.component == component]
            whole = sum(share.microjoules for share in shares)
            rows.append(
                (
                    component,
                    [
                        (
                            share,
                            self.language.share(share.microjoules / whole)
                            if len(shares) > 1 and whole and share.status != MISSING
                            else None,
                        )
                        for share in shares
                    ],
                )
            )
        return rows

    def statuses(self) -> list[tuple[str, str]]:
        """Share of the energy by how it is known, in the fixed order, zero included."""
        shares = self.report.energy_by_status
        known = [status for status in STATUSES if status != MISSING]
        return [
            (status, self.language.share(shares.get(status, 0.0)))
            for status in (*known, *(s for s in shares if s not in STATUSES))
            if self.report.totals.energy_components_microjoules
        ]

    def missing_components(self) -> str:
        """Components that no service knows or only some do."""
        found = {
            share.component
            for result in self.report.results
            for share in result.measure.methods
            if share.status == MISSING and share.name not in NOT_LACKING
        }
        return self.language.listed(self.language.of(wording.COMPONENTS, name) for name in sorted(found))

    def kinds(self) -> list[tuple[str, int, str]]:
        """Where the energy went: services, idle, unattributed, overhead. They add up to the total, to the microjoule."""
        known = self.report.energy_by_kind_microjoules
        whole = sum(known.values())
        ordered = [kind for kind in KINDS if kind in known] + [kind for kind in known if kind not in KINDS]
        return [(kind, known[kind], self.language.share(known[kind] / whole) if whole else "—") for kind in ordered]

    @property
    def kinds_gap(self) -> int:
        """What the kinds and the total do not agree on, in microjoules: 0, or an error to be seen."""
        return self.report.totals.energy_components_microjoules - sum(self.report.energy_by_kind_microjoules.values())

    def aim(self, target: TargetVerdict) -> str:
        """What a target asks for."""
        if target.reduction is not None:
            return self.language.t(
                "%(share)s de moins en %(year)s que sur %(quarters)s",
                share=self.language.share(target.reduction),
                year=target.horizon,
                quarters=self.language.listed(map(self.language.quarter, target.baseline_quarters)),
            )
        if target.value is None:
            return "—"
        asked = self.amount(Quantity(target.value, target.unit)) if target.unit == SHARE_UNIT else self.exact(target)
        if target.op == ">=":
            return self.language.t("au moins %(value)s", value=asked)
        if target.op == "<=":
            return self.language.t("au plus %(value)s", value=asked)
        return f"{target.op or ''} {asked}".strip()

    def exact(self, target: TargetVerdict) -> str:
        """A threshold as it was decided: not rounded."""
        return self.language.with_unit(self.language.plain(target.value or 0.0), target.unit.replace("CO2e", "CO₂e"))

    def runs(self, result: PhaseResult) -> str:
        """How the runs of a service and phase ended; an outcome without a run is left out."""
        say, runs = self.language, result.runs
        found = [
            say.n("%(count)s réussi", "%(count)s réussis", runs.get("ok", 0)),
            say.n("%(count)s en échec", "%(count)s en échec", runs.get("failed", 0)),
            say.n("%(count)s abandonné", "%(count)s abandonnés", runs.get("abandoned", 0)),
        ]
        return ", ".join(text for text, code in zip(found, ("ok", "failed", "abandoned"), strict=True) if runs.get(code))

    def actions(self) -> list[str]:
        """What the committee is asked to decide or to have done, drawn from the data."""
        say, found = self.language, []
        proposed = [target for target in self.report.targets if target.status == "proposed"]
        if proposed:
            found.append(
                say.n(
                    "Adopter, amender ou écarter la cible proposée.",
                    "Adopter, amender ou écarter les %(count)s cibles proposées.",
                    len(proposed),
                )
            )
        if self.commitment is not None and self.commitment.text is None:
            found.append(say.t("Fournir le texte de l’engagement n° 7."))
        if self.not_measured:
            found.append(
                say.n(
                    "Faire mesurer le service nommé qui ne l’est pas assez.",
                    "Faire mesurer les %(count)s services nommés qui ne le sont pas assez.",
                    len(self.not_measured),
                )
            )
        if self.report.coverage.unnamed:
            found.append(
                say.n(
                    "Nommer au registre le service qui ne l’est pas encore.",
                    "Nommer au registre les %(count)s services qui ne le sont pas encore.",
                    self.report.coverage.unnamed,
                )
            )
        if self.report.coverage.unregistered:
            found.append(
                say.n(
                    "Enregistrer ou arrêter le service mesuré sans être au registre.",
                    "Enregistrer ou arrêter les %(count)s services mesurés sans être au registre.",
                    len(self.report.coverage.unregistered),
                )
            )
        late = sum(action.late for action in self.report.actions)
        if late:
            found.append(say.n("Relancer l’action en retard.", "Relancer les %(count)s actions en retard.", late))
        if self.report.savings:
            found.append(
                say.n(
                    "Décider de la piste de sobriété (partie 7).",
                    "Décider des %(count)s pistes de sobriété (partie 7).",
                    len(self.report.savings),
                )
            )
        if "no-zone" in self.report.notices:
            found.append(say.t("Indiquer la zone électrique (réglage « zone ») : sans elle, pas de CO₂e."))
        if "no-pue" in self.report.notices:
            found.append(say.t("Indiquer le PUE de chaque site (réglage « pue », ou « sites.yaml »)."))
        if self.report.instances_without_equipment:
            found.append(
                say.t(
                    "Décrire les machines qui ne sont pas dans « equipment.yaml » : %(names)s.",
                    names=self.language.listed(self.report.instances_without_equipment),
                )
            )
        return found
