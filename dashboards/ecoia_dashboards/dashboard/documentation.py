"""Describe the parameters of addresses for the API's documentation (OpenAPI)."""

from __future__ import annotations

from typing import Any

from ecoia_dashboards.dashboard.address import STATUSES, UNITS
from ecoia_dashboards.dashboard.page import Page
from ecoia_dashboards.language import LANGUAGES

_ALWAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "period": ("A quarter (2026Q3), or two days with both ends included (2026-07-01..2026-07-31).", {"type": "string"}),
    "compare": ("What it is compared with: prev, year, none, or a period.", {"type": "string"}),
    "unit": ("Unit of energies on pages; the API always answers in kWh.", {"enum": list(UNITS)}),
    "lang": ("Language of texts.", {"enum": list(LANGUAGES)}),
}
_FILTERS: dict[str, tuple[str, dict[str, Any]]] = {
    "service": ("Ids of services, separated by commas.", {"type": "string"}),
    "phase": ("Phases, separated by commas.", {"type": "string"}),
    "site": ("Ids of sites, separated by commas.", {"type": "string"}),
    "region": ("Id of a region: its share of each service.", {"type": "string"}),
    "instance": ("Instances, separated by commas.", {"type": "string"}),
    "method": (f"How energy is known: {', '.join(STATUSES)}, separated by commas.", {"type": "string"}),
    "status": ("Statuses in the register, separated by commas.", {"type": "string"}),
    "q": ("Text that is searched for.", {"type": "string"}),
}


def parameters_of(page: Page) -> list[dict[str, Any]]:
    """Describe what an address of a page may hold."""
    described = _ALWAYS | {name: _FILTERS[name] for name in page.filters}
    return [
        {"name": name, "in": "query", "required": False, "description": text, "schema": schema}
        for name, (text, schema) in described.items()
    ]
