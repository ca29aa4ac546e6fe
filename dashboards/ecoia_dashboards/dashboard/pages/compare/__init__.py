"""Compare: two periods, or services side by side (``view=services``)."""

from __future__ import annotations

from ecoia_dashboards.dashboard.page import Page, Reading, Shown
from ecoia_dashboards.dashboard.pages.compare import period_texts, service_texts
from ecoia_dashboards.dashboard.pages.compare.periods import Periods, read_periods
from ecoia_dashboards.dashboard.pages.compare.services import Services, read_services
from ecoia_dashboards.language import Language
from ecoia_dashboards.wording import N_

SERVICES = "services"
"""The ``view`` that sets services side by side."""


def read(reading: Reading) -> Periods | Services:
    """Read the page's data."""
    return read_services(reading) if reading.address.view == SERVICES else read_periods(reading)


def show(content: Periods | Services, reading: Reading, language: Language) -> Shown:
    """Say it in words."""
    if isinstance(content, Services):
        return service_texts.show(content, reading, language)
    return period_texts.show(content, reading, language)


PAGE = Page(
    "compare", "/compare", N_("Comparer"), read, show, filters=("service", "phase", "site", "region", "instance", "method")
)
