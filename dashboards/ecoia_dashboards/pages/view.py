"""Prepare the report for its template, which then holds the page's words and order only."""

from __future__ import annotations

from urllib.parse import quote

from ecoia.report import QuarterlyReport
from ecoia.sections import SECTIONS, Section
from ecoia_dashboards import svg
from ecoia_dashboards.figure_files import figure_csv
from ecoia_dashboards.figures import Chart, charts, trajectory
from ecoia_dashboards.language import Language
from ecoia_dashboards.pages.changes import Changes
from ecoia_dashboards.pages.declarations import Declarations
from ecoia_dashboards.pages.drawing import title_of
from ecoia_dashboards.pages.editions import Edition
from ecoia_dashboards.pages.first_page import FirstPage
from ecoia_dashboards.pages.headline import Headlines
from ecoia_dashboards.pages.people import People
from ecoia_dashboards.pages.results import Results

# Characters that an address may hold unescaped, in `srcset` too (no space, no comma): less escaping keeps the page light.
_URL_SAFE = "=:/;.()!*?@&+-_"
_COURSE = "trajectory-"  # ids of figures of a trajectory begin so


class ReportView(FirstPage, Headlines, Declarations, Results, Changes, People):
    """The report as its template uses it; the template of a piece finds its texts in the class of that subject.

    Args:
        report: The quarter's data, cleaned.
        language: Language of the page.
        edition: Which of the documents is drawn.
    """

    def __init__(self, report: QuarterlyReport, language: Language, edition: Edition = Edition.PAGE) -> None:
        super().__init__(report, language)
        self.edition = edition
        self.sections = SECTIONS
        self.charts = charts(report, language)
        self.registered = {entry.id: entry.registered for entry in report.register}
        self.commitment = report.environmental_commitment
        self.denominator = report.coverage.named + report.coverage.unnamed
        self.draft = report.seal is None
        self.decides, self.proves, self.folds = edition.decides, edition.proves, edition.folds

    def service(self, service_id: str) -> str:
        """Name a service, shortened where the pages are counted: the evidence has the whole name."""
        name = super().service(service_id)
        return self.short(name) if self.edition is Edition.COMMITTEE else name

    @property
    def title(self) -> str:
        """Title of the document: the quarter, whether it is restated, and the edition where it is the evidence."""
        title = title_of(self.report, self.language)
        return self.language.t("%(title)s : preuves", title=title) if self.edition is Edition.EVIDENCE else title

    @property
    def subtitle(self) -> str:
        """Say what the document is, and until when its data go."""
        said = [
            self.language.t("Annexe du rapport trimestriel aux comités : ce qui en prouve les chiffres.")
            if self.edition is Edition.EVIDENCE
            else self.language.t("Rapport trimestriel aux comités.")
        ]
        if self.report.last_record_utc:
            moment = self.language.moment(self.report.last_record_utc, self.report.timezone)
            said.append(
                self.language.t("Données jusqu’au %(moment)s (%(timezone)s).", moment=moment, timezone=self.report.timezone)
            )
        return " ".join(said)

    @property
    def imprint(self) -> str:
        """Say what made the document, and where the rest is."""
        if self.edition is Edition.COMMITTEE:
            return self.language.t(
                "Produit par ecoia. Les preuves de chaque chiffre sont dans l’annexe qui accompagne ce document."
            )
        return self.language.t("Produit par ecoia. Les mêmes données sont dans le fichier JSON livré avec ce document.")

    def number(self, section: Section) -> int:
        """Number a section; it is the same in every edition."""
        return self.sections.index(section) + 1

    def comments(self, section: Section) -> list[str]:
        """List the organisation's comments on a section; the first section has room for a short one."""
        if section is self.sections[0]:
            return [self.first_comment] if self.first_comment else []
        return [each.text for each in self.said("comment", section.id)]

    @property
    def first_chart(self) -> Chart | None:
        """The figure of the first page: the trajectory of the first target that has one, else the trend."""
        drawn = (trajectory(self.report, target, self.language, compact=True) for target in self.targets if target.course)
        return next((chart for chart in drawn if chart is not None), self.charts.get("trend"))

    @property
    def course_charts(self) -> list[str]:
        """Ids of the figures of the trajectories."""
        return [id_ for id_ in self.charts if id_.startswith(_COURSE)]

    @property
    def fronts_not_drawn(self) -> int:
        """How many comparisons of runs have no figure."""
        return len(self.report.frontiers) - sum(id_.startswith("front-") for id_ in self.charts)

    def image(self, chart: Chart, width: int) -> str:
        """Draw a figure as the address of an image that the page itself holds, ``width`` pixels wide."""
        return "data:image/svg+xml," + quote(svg.draw(chart.figure, width), safe=_URL_SAFE)

    def data_file(self, chart: Chart) -> str:
        """Hold a figure's data as the address of a CSV file that the page itself holds."""
        return "data:text/csv;charset=utf-8," + quote(figure_csv(chart), safe="")
