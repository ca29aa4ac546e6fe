"""Say what the coverage of services counts."""

from __future__ import annotations

from ecoia.report import Coverage, PhaseDays
from ecoia_dashboards.language import Language
from ecoia_dashboards.wording.marking import N_
from ecoia_dashboards.wording.methods import PHASES

COUNTED_BY = {"meters": N_("compteurs"), "models": N_("calcul"), "declared": N_("déclaration")}
"""What gave most of the energy of a service."""


def coverage_sentence(language: Language, coverage: Coverage) -> str:
    """Say by what the services in scope are counted, and how many are not.

    Example:
        >>> coverage_sentence(Language("fr"), coverage)  # doctest: +SKIP
        '14 services comptés par des compteurs, 8 estimés par calcul, 2 seulement déclarés, 7 non mesurés ou trop peu mesurés.'
    """
    whole = coverage.named + coverage.unnamed
    parts = [
        language.n("%(count)s service compté par des compteurs", "%(count)s services comptés par des compteurs", coverage.metered)
    ]
    if coverage.estimated:
        parts.append(language.n("%(count)s estimé par calcul", "%(count)s estimés par calcul", coverage.estimated))
    if coverage.declared:
        parts.append(language.n("%(count)s seulement déclaré", "%(count)s seulement déclarés", coverage.declared))
    unmeasured = whole - coverage.measured - coverage.declared
    if unmeasured > 0:
        parts.append(
            language.n("%(count)s non mesuré ou trop peu mesuré", "%(count)s non mesurés ou trop peu mesurés", unmeasured)
        )
    return ", ".join(parts) + "."


def days_words(language: Language, days: PhaseDays) -> str:
    """Say how many days of a phase, on an instance, are recorded of those expected.

    Example:
        >>> days_words(Language("fr"), PhaseDays("inference", "gpu-01", 90, 92.0))
        'inférence, gpu-01\\xa0: 90 jours sur 92'
    """
    where = language.of(PHASES, days.phase) + (f", {days.instance}" if days.instance else "")
    recorded = language.n("%(count)s jour", "%(count)s jours", days.recorded)
    if days.expected is None:
        return language.t("%(where)s : %(recorded)s, sans nombre attendu", where=where, recorded=recorded)
    return language.t(
        "%(where)s : %(recorded)s sur %(expected)s",
        where=where,
        recorded=recorded,
        expected=language.plain(round(days.expected, 1)),
    )
