"""Write one-page sheets from the report: one a service, in plain language, and one a region.

Each is a page of its own, like the report's: no script, no request to anywhere, and one A4 page when printed.
"""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Mapping

from ecoia.impact.period_impact import TRAINING_PHASES
from ecoia.report import Quantity, QuarterlyReport, RegionShare, ServiceEntry, ServiceFootprint
from ecoia_dashboards import wording
from ecoia_dashboards.cleaning import clean
from ecoia_dashboards.language import Language
from ecoia_dashboards.naming import service_names
from ecoia_dashboards.pages.drawing import DRAFT, draw, foot, rounded, warned_of, whole_at_wall
from ecoia_dashboards.versions import PAGE, versions

MOST_LINES = 15
"""How many services a region's sheet lists, so that it stays one page; the tables hold the others."""
_MOST_CHARACTERS = 300  # characters of a purpose, and of a source
_FIGURES = 2  # significant figures of a number in plain language
_CERTAIN = ((0.1, "within-10"), (0.25, "within-25"), (0.5, "within-50"))


def drawn_with() -> dict[str, str]:
    """Return the versions of what decides the sheets' bytes (``ecoia.cli.formats``)."""
    return versions(*PAGE)


def render_fiches(report: QuarterlyReport, lang: str = "fr") -> dict[str, str]:
    """Write the sheets of a report.

    Args:
        report: The quarter's data.
        lang: Language of the sheets, one of ``language.LANGUAGES``.

    Returns:
        Pages by file name: ``service-<id>.html`` of each service of the register that is not retired, ``region-<name>.html``
        of each region that has units. Equal reports give equal pages.

    Raises:
        UsageError: the language is not one of ours.

    Example:
        >>> sorted(render_fiches(report))[0]  # doctest: +SKIP
        'service-vadore.html'
    """
    language, report = Language(lang), clean(report)
    views: dict[str, tuple[str, _Sheet]] = {}
    for entry in report.register:
        if entry.registered and entry.status != "retired":
            views[_file("service", entry.id, views)] = ("fiche-service.html", _ServiceSheet(report, language, entry))
    for region in dict.fromkeys(each.region for each in report.regions if not each.is_residual):
        views[_file("region", region, views)] = ("fiche-region.html", _RegionSheet(report, language, region))
    footer, draft = foot(report, language), report.seal is None
    return {
        name: draw(template, language, organisation=report.organisation, footer=footer, draft=draft, report=report, view=view)
        for name, (template, view) in views.items()
    }


def _file(kind: str, name: str, taken: Mapping[str, object]) -> str:
    """Make a file name of plain letters that no other sheet has."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    stem = f"{kind}-{re.sub('[^a-z0-9]+', '-', plain).strip('-')[:80] or 'sans-nom'}"
    found, number = f"{stem}.html", 1
    while found in taken:
        number += 1
        found = f"{stem}-{number}.html"
    return found


class _Sheet:
    """Texts that both templates use."""

    def __init__(self, report: QuarterlyReport, language: Language, name: str) -> None:
        self.report, self.language, self.name = report, language, name
        self.quarter = language.quarter(report.quarter)
        self.warnings = [language.t(DRAFT)] if report.seal is None else []
        self.warnings += [language.of(wording.NOTICES, code) for code in self._codes()]

    def _codes(self) -> list[str]:
        return [code for code in warned_of(self.report) if code in ("simulated", "no-data")]

    def say(self, sentences: Mapping[str, str], code: str) -> str:
        """Say a code in words; the code itself where it has none."""
        return self.language.of(dict(sentences), code)

    def service(self, service_id: str) -> str:
        """Name a service; its id where it is not registered."""
        return service_names(self.report).get(service_id, service_id)

    def amount(self, quantity: Quantity) -> str:
        """Write a value with its unit, or the reason why there is none."""
        if quantity.value is None:
            return self.language.of(wording.REASONS, quantity.reason or "no-data")
        return self.language.amount(quantity)

    def interval(self, quantity: Quantity) -> str | None:
        """Write the 95 % interval of a figure; None where it has none."""
        return self.language.interval(quantity)


class _ServiceSheet(_Sheet):
    """Texts of a service's sheet."""

    def __init__(self, report: QuarterlyReport, language: Language, entry: ServiceEntry) -> None:
        self.entry = entry
        self.found: ServiceFootprint | None = next((each for each in report.services if each.service == entry.id), None)
        super().__init__(report, language, service_names(report)[entry.id])

    def _codes(self) -> list[str]:
        simulated = any(result.simulated for result in self.report.results if result.service == self.entry.id)
        return [*(["simulated"] if simulated else []), *(["stand-in"] if self.entry.stand_in else [])]

    @property
    def purpose(self) -> str | None:
        """Purpose of the service, shortened."""
        if not self.entry.purpose:
            return None
        text = textwrap.shorten(self.entry.purpose, _MOST_CHARACTERS, placeholder="…")
        return text[:1].upper() + text[1:]

    @property
    def recorded(self) -> bool:
        """Whether any of its energy is known."""
        return self.entry.energy.value is not None

    @property
    def whole(self) -> str:
        """Energy of the quarter, to two significant figures."""
        return self._about(self.entry.energy)

    @property
    def per_use(self) -> Quantity:
        """Electricity of one use in Wh, reserved idle included; without a value where uses are not counted."""
        serving = self.found.serving if self.found else None
        if serving is None or serving.energy.value is None or not serving.units:
            return Quantity(None, "Wh", reason="no-units")
        energy, factor = serving.energy, 1000 / serving.units
        low, high = (None if bound is None else bound * factor for bound in (energy.low, energy.high))
        return Quantity(serving.energy.value * factor, "Wh", low, high)

    @property
    def for_a_thousand(self) -> str:
        """Electricity of a thousand uses."""
        return self._about(Quantity((self.per_use.value or 0.0) * 1000, "Wh"))

    @property
    def use(self) -> str:
        """Electricity of one use, always in Wh."""
        return self._in_wh(self.per_use.value or 0.0)

    @property
    def between(self) -> str | None:
        """Interval of the electricity of one use, always in Wh."""
        low, high = self.per_use.low, self.per_use.high
        if low is None or high is None:
            return None
        return self.language.t("entre %(low)s et %(high)s", low=self._in_wh(low), high=self._in_wh(high))

    def _about(self, quantity: Quantity) -> str:
        return self.language.amount(rounded(quantity, _FIGURES), _FIGURES)

    def _in_wh(self, number: float) -> str:
        about = rounded(Quantity(number, "Wh"), _FIGURES).value or 0.0
        return self.language.with_unit(self.language.number(about, _FIGURES), "Wh")

    @property
    def certainty(self) -> str | None:
        """How certain the figure of one use is: a code of ``wording.CERTAINTY``."""
        value, low, high = self.per_use.value, self.per_use.low, self.per_use.high
        if not value or low is None or high is None:
            return None
        reach = max(value - low, high - value) / value
        return next((code for limit, code in _CERTAIN if reach <= limit), "beyond")

    @property
    def not_counted(self) -> list[str]:
        """Parts that the figure of one use leaves out, in plain words."""
        say, results = self.language, [result for result in self.report.results if result.service == self.entry.id]
        found = [say.t("Votre ordinateur, votre téléphone et le réseau.")]
        if not results:
            return found
        if any(result.measure.boundary != "site" for result in results):
            found.append(say.t("Le refroidissement et l’éclairage des salles de machines."))
        if not all(whole_at_wall(result.measure) for result in results):
            found.append(say.t("L’alimentation, les ventilateurs et les disques des serveurs, pour tout ou partie."))
        found.append(say.t("La fabrication des machines."))
        if self.found and self.found.footprint.co2e_api.reason != "no-calls":
            found.append(say.t("Les calculs faits chez un fournisseur extérieur."))
        if any(result.phase in TRAINING_PHASES for result in results):
            found.append(say.t("La préparation et l’entraînement du modèle, comptés à part dans le rapport."))
        return found


class _RegionSheet(_Sheet):
    """Texts of a region's sheet."""

    def __init__(self, report: QuarterlyReport, language: Language, region: str) -> None:
        super().__init__(report, language, region)
        every = sorted(
            (each for each in report.regions if each.region == region),
            key=lambda each: (-(each.energy.value or 0.0), each.service),
        )
        self.lines: list[RegionShare] = every[:MOST_LINES]
        self.left_out = len(every) - len(self.lines)
        sources = "; ".join(dict.fromkeys(each.source for each in every))
        self.sources = textwrap.shorten(sources, _MOST_CHARACTERS, placeholder="…")
