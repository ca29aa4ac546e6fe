"""A service: how much, what rank, what moved, what it is made of, and how that is known."""

from __future__ import annotations

from ecoia_dashboards.dashboard.page import Page
from ecoia_dashboards.dashboard.pages.service.content import FILTERS, read
from ecoia_dashboards.dashboard.pages.service.texts import show
from ecoia_dashboards.wording import N_

PAGE = Page("service", "/services/{service}", N_("Service"), read, show, filters=FILTERS, in_navigation=False)
