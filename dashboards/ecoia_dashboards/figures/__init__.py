"""Define the report's figures, each once in Plotly: its finding, its shape in words, and its data as a table.

One module a figure draws it; ``chart`` holds the styles and axes that they share.
"""

from __future__ import annotations

from ecoia.report import QuarterlyReport
from ecoia_dashboards.figures.change import change
from ecoia_dashboards.figures.chart import MOST_BARS, Chart
from ecoia_dashboards.figures.fronts import fronts
from ecoia_dashboards.figures.roles import CHANGE_STYLES, PHASE_STYLES, STATUS_STYLES
from ecoia_dashboards.figures.services import services
from ecoia_dashboards.figures.statuses import statuses
from ecoia_dashboards.figures.trajectory import trajectories, trajectory
from ecoia_dashboards.figures.trend import constant, trend
from ecoia_dashboards.language import Language

__all__ = [
    "CHANGE_STYLES",
    "MOST_BARS",
    "PHASE_STYLES",
    "STATUS_STYLES",
    "Chart",
    "change",
    "charts",
    "constant",
    "fronts",
    "services",
    "statuses",
    "trajectories",
    "trajectory",
    "trend",
]


def charts(report: QuarterlyReport, language: Language) -> dict[str, Chart]:
    """Draw every figure that the report's data allows.

    Args:
        report: The quarter's data.
        language: Language of the texts.

    Returns:
        The figures by id: ``services``, ``statuses``, ``trend``, ``change``, ``constant``, ``trajectory-<target>`` of each target
        whose course is known, and ``front-0``, ``front-1``... of training runs that can be compared.

    Example:
        >>> charts(report, Language("fr"))["trend"].title  # doctest: +SKIP
        'T4 2026 : 12 % de moins qu’en T3 2026'
    """
    built = (
        services(report, language),
        statuses(report, language),
        trend(report, language),
        change(report, language),
        constant(report, language),
        *trajectories(report, language),
        *fronts(report, language),
    )
    return {chart.id: chart for chart in built if chart is not None}
