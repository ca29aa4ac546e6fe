"""Write one-page sheets from the report: one a service, in plain language, and one a region.

Each is a page of its own, like the report's: no script, no request to anywhere, and one A4 page when printed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from ecoia.report import QuarterlyReport
from ecoia_dashboards.cleaning import clean
from ecoia_dashboards.fiche import RegionSheet, ServiceSheet, Sheet
from ecoia_dashboards.language import Language
from ecoia_dashboards.pages.drawing import draw, foot
from ecoia_dashboards.versions import PAGE, versions


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
    views: dict[str, tuple[str, Sheet]] = {}
    for entry in report.register:
        if entry.in_scope:
            views[_file("service", entry.id, views)] = ("fiche-service.html", ServiceSheet(report, language, entry))
    for region in dict.fromkeys(each.region for each in report.regions if not each.is_residual):
        views[_file("region", region, views)] = ("fiche-region.html", RegionSheet(report, language, region))
    footer, draft = foot(report, language), report.seal is None
    return {
        name: draw(
            template,
            language,
            organisation=report.organisation,
            footer=footer,
            draft=draft,
            further_style="fiche.css",
            report=report,
            view=view,
        )
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
