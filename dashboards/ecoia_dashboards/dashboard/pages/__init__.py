"""The pages of the dashboard, in the order of the navigation: one module a page."""

from __future__ import annotations

from ecoia_dashboards.dashboard.page import Page
from ecoia_dashboards.dashboard.pages import commitments, compare, hosted, method, overview, register, runs

PAGES: tuple[Page, ...] = (
    overview.PAGE,
    register.PAGE,
    compare.PAGE,
    runs.RUNS,
    runs.COMPARISON,
    runs.RUN,
    hosted.PAGE,
    commitments.PAGE,
    method.PAGE,
)
