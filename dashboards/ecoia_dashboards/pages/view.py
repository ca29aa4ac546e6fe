"""Prepare the report for its template, which then holds the page's words and order only."""

from __future__ import annotations

from urllib.parse import quote

from ecoia.report import QuarterlyReport
from ecoia.sections import SECTIONS
from ecoia_dashboards import svg
from ecoia_dashboards.figures import charts
from ecoia_dashboards.language import Language
from ecoia_dashboards.pages.changes import Changes
from ecoia_dashboards.pages.drawing import warned_of
from ecoia_dashboards.pages.people import People
from ecoia_dashboards.pages.requests import requests
from ecoia_dashboards.pages.results import Results
from ecoia_dashboards.pages.summary import Summary

# Characters that an address may hold unescaped, in `srcset` too (no space, no comma): less escaping keeps the page light.
_URL_SAFE = "=:/;.()!*?@&+-_"


class ReportView(Summary, Results, Changes, People):
    """The report as its template uses it; the template of a section finds its texts in the class of that section.

    Args:
        report: The quarter's data, cleaned.
        language: Language of the page.
    """

    def __init__(self, report: QuarterlyReport, language: Language) -> None:
        super().__init__(report, language)
        self.sections = SECTIONS
        self.quarter = language.quarter(report.quarter)
        self.charts = charts(report, language)
        self.registered = {entry.id: entry.registered for entry in report.register}
        self.banners = warned_of(report)
        self.commitment = report.environmental_commitment
        self.not_measured = [entry for entry in report.register if entry.registered and not entry.measured]
        self.denominator = report.coverage.named + report.coverage.unnamed
        self.draft = report.seal is None

    @property
    def fronts_not_drawn(self) -> int:
        """How many comparisons of runs have no figure."""
        return len(self.report.frontiers) - sum(id_.startswith("front-") for id_ in self.charts)

    def image(self, chart_id: str, width: int) -> str:
        """Draw a figure as the address of an image that the page itself holds, ``width`` pixels wide."""
        drawing = svg.draw(self.charts[chart_id].figure, width)
        return "data:image/svg+xml," + quote(drawing, safe=_URL_SAFE)

    def actions(self) -> list[str]:
        """List the requests to the committee."""
        return requests(self.report, self.language)
