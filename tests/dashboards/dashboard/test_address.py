"""The address of a page: what of it a page obeys."""

from __future__ import annotations

from ecoia_dashboards.dashboard.address import Address


def test_a_page_keeps_only_the_filters_that_it_obeys() -> None:
    address = Address.parse({"service": "chat", "region": "idf", "q": "x", "period": "2026Q3", "sort": "energy"})
    kept = address.obeyed(("service",))
    assert kept.filters == {"service": ("chat",)}
    assert (kept.period, kept.sort) == (address.period, address.sort)
