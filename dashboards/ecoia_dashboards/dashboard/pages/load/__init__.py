"""Load and grid: when work is done, what the electricity emits then, and what the same work would have emitted at other hours."""

from __future__ import annotations

from ecoia_dashboards.dashboard.page import Page
from ecoia_dashboards.dashboard.pages.load.content import FILTERS, read
from ecoia_dashboards.dashboard.pages.load.texts import show
from ecoia_dashboards.wording import N_

PAGE = Page("load", "/load", N_("Charge et réseau"), read, show, filters=FILTERS)
