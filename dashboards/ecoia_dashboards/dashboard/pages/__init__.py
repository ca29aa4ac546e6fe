"""The pages of the dashboard, in the order of the navigation: one module a page."""

from __future__ import annotations

from ecoia_dashboards.dashboard.page import Page
from ecoia_dashboards.dashboard.pages import compare, method, overview

PAGES: tuple[Page, ...] = (overview.PAGE, compare.PAGE, method.PAGE)
