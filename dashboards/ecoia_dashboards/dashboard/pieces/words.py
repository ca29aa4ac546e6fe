"""The report's phrases, as the dashboard's pages use them."""

from __future__ import annotations

from ecoia_dashboards.pages.declarations import Declarations
from ecoia_dashboards.pages.first_page import FirstPage
from ecoia_dashboards.pages.headline import Headlines
from ecoia_dashboards.pages.people import People


class Words(FirstPage, Headlines, Declarations, People):
    """Phrases on a quarter's targets, services, declarations and people: those of the report, so that both say the same.

    Example:
        >>> Words(report, Language("fr")).ways_of_counting  # doctest: +SKIP
    """
