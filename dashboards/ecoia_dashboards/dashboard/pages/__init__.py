"""The pages of the dashboard, in the order of the navigation: one module a page."""

from __future__ import annotations

from ecoia_dashboards.dashboard.page import Page
from ecoia_dashboards.dashboard.pages import (
    commitments,
    compare,
    formula,
    hosted,
    instance,
    load,
    method,
    overview,
    publications,
    quality,
    records,
    register,
    runs,
    service,
)

PAGES: tuple[Page, ...] = (
    overview.PAGE,
    register.PAGE,
    service.PAGE,
    instance.PAGE,
    compare.PAGE,
    runs.RUNS,
    runs.COMPARISON,
    runs.RUN,
    load.PAGE,
    hosted.PAGE,
    commitments.PAGE,
    method.PAGE,
    publications.PAGE,
    quality.PAGE,
    formula.PAGE,
    records.PAGE,
)
