"""Write the quarterly report as one self-contained, accessible HTML page."""

from __future__ import annotations

from ecoia.report import QuarterlyReport
from ecoia_dashboards.cleaning import clean
from ecoia_dashboards.language import Language
from ecoia_dashboards.pages.drawing import draw, foot
from ecoia_dashboards.pages.editions import Edition
from ecoia_dashboards.pages.view import ReportView
from ecoia_dashboards.versions import PAGE, versions

__all__ = ["Edition", "drawn_with", "render_edition", "render_report"]


def drawn_with() -> dict[str, str]:
    """Return the versions of what decides the page's bytes (``ecoia.cli.formats``)."""
    return versions(*PAGE)


def render_report(report: QuarterlyReport, lang: str = "fr") -> str:
    """Write the report as one HTML page.

    Args:
        report: The quarter's data.
        lang: Language of the page, one of ``language.LANGUAGES``.

    Returns:
        The page. Equal reports give equal pages.

    Raises:
        UsageError: the language is not one of ours.

    Example:
        >>> Path("report.html").write_text(render_report(report, "en"), encoding="utf-8")  # doctest: +SKIP
    """
    return render_edition(report, lang, Edition.PAGE)


def render_edition(report: QuarterlyReport, lang: str, edition: Edition) -> str:
    """Write one of the report's documents as HTML: the page, or an edition that is printed.

    Args:
        report: The quarter's data.
        lang: Language of the document, one of ``language.LANGUAGES``.
        edition: Which of the documents.

    Raises:
        UsageError: the language is not one of ours.

    Example:
        >>> render_edition(report, "fr", Edition.EVIDENCE)  # doctest: +SKIP
        '<!DOCTYPE html>...'
    """
    report, language = clean(report), Language(lang)
    view = ReportView(report, language, edition)
    footer = foot(report, language)
    return draw(
        "report.html", language, organisation=report.organisation, footer=footer, draft=view.draft, report=report, view=view
    )
