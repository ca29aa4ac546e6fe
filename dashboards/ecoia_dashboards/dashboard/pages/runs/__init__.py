"""Runs: all of them, some side by side, and one."""

from __future__ import annotations

from ecoia_dashboards.dashboard.page import Page
from ecoia_dashboards.dashboard.pages.runs import comparison, comparison_texts, listing, listing_texts, one_run, one_run_texts
from ecoia_dashboards.wording import N_

RUNS = Page(
    "runs",
    "/runs",
    N_("Runs"),
    listing.read,
    listing_texts.show,
    filters=("service", "phase", "site", "instance", "method", "outcome", "tolerance", "q"),
)
COMPARISON = Page(
    "runs_compare",
    "/runs/compare",
    N_("Comparer des runs"),
    comparison.read,
    comparison_texts.show,
    in_navigation=False,
)
RUN = Page("run", "/runs/{run}", N_("Run"), one_run.read, one_run_texts.show, in_navigation=False)
