"""Describe the API (OpenAPI): for every page its address, its parameters, the shape of its data and of its errors."""

from __future__ import annotations

import re
from typing import Any, get_type_hints

from ecoia_dashboards.dashboard.address import STATUSES, UNITS
from ecoia_dashboards.dashboard.failures import Failed
from ecoia_dashboards.dashboard.frame import Frame
from ecoia_dashboards.dashboard.page import Page
from ecoia_dashboards.dashboard.templating import render
from ecoia_dashboards.language import LANGUAGES

_DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_PERIOD = f"[0-9]{{4}}[Qq][1-4]|{_DAY}[.][.]{_DAY}"
_LIST, _TEXT = {"type": "string", "maxLength": 2000}, {"type": "string", "maxLength": 300}
_ALWAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "period": (
        "A quarter (2026Q3), or two days with both ends included (2026-07-01..2026-07-31). None: the latest quarter with data.",
        {"type": "string", "pattern": f"^({_PERIOD})$"},
    ),
    "compare": (
        "What it is compared with: the period before (prev), a year before (year), nothing (none), or a period.",
        {"type": "string", "pattern": f"^(prev|year|none|{_PERIOD})$"},
    ),
    "unit": ("Unit of energies on pages; the API always answers in kWh.", {"type": "string", "enum": list(UNITS)}),
    "lang": ("Language of texts.", {"type": "string", "enum": list(LANGUAGES)}),
}
_FILTERS: dict[str, tuple[str, dict[str, Any]]] = {
    "service": ("Ids of services, separated by commas.", _LIST),
    "phase": ("Phases, separated by commas.", _LIST),
    "site": ("Ids of sites, separated by commas.", _LIST),
    "region": ("Id of a region: its share of each service.", _TEXT),
    "run": ("Runs, separated by commas: their own work alone; for formula and records.", _LIST),
    "instance": ("Instances, separated by commas.", _LIST),
    "method": (
        f"How energy is known: {', '.join(STATUSES)}, separated by commas.",
        {"type": "string", "pattern": f"^({'|'.join(STATUSES)})(,({'|'.join(STATUSES)}))*$"},
    ),
    "status": ("Statuses in the register, separated by commas.", _LIST),
    "tolerance": (
        "How much worse than the best is good enough, in the unit of the figure of quality.",
        {"type": "string", "pattern": r"^[0-9]{1,9}([.,][0-9]{1,9})?$"},
    ),
    "outcome": ("How runs ended: ok, failed, abandoned, unknown; separated by commas.", _LIST),
    "q": ("Text that is searched for.", _TEXT),
}
_ERRORS = {
    400: "A parameter cannot be used.",
    401: "No user is named.",
    403: "The reader may not see it.",
    404: "It does not exist, or there is no data of the period.",
    500: "The server failed.",
    503: "The first figures are being computed.",
}


def described(page: Page) -> dict[str, Any]:
    """Describe a page's data: arguments of its route."""
    return {
        "summary": page.id,
        "description": (page.read.__doc__ or "").strip(),
        "operation_id": page.id,
        "tags": ["pages"],
        "responses": {200: {"model": get_type_hints(page.read)["return"], "description": "The data of the page."}}
        | {code: {"model": Failed, "description": said} for code, said in _ERRORS.items()},
        "openapi_extra": {"parameters": [*_names_of(page), *parameters_of(page)]},
    }


def _names_of(page: Page) -> list[dict[str, Any]]:
    schema = {"type": "string", "minLength": 1, "maxLength": 300}
    return [
        {"name": name, "in": "path", "required": True, "description": f"Id of the {name}.", "schema": schema}
        for name in re.findall("{([a-z_]+)(?::[a-z]+)?}", page.path)
    ]


def parameters_of(page: Page) -> list[dict[str, Any]]:
    """Describe what the query of a page's address may hold."""
    known = _ALWAYS | {name: _FILTERS[name] for name in page.filters}
    return [
        {"name": name, "in": "query", "required": False, "description": text, "schema": schema}
        for name, (text, schema) in known.items()
    ]


def documentation_page(frame: Frame, openapi: dict[str, Any]) -> str:
    """Write the description of the API as a page."""
    operations = [(path, each["get"]) for path, each in openapi["paths"].items()]
    return render("api.html", frame.language, view=frame, operations=operations, shape=shape_of, schemas=openapi["components"])


def shape_of(schema: dict[str, Any]) -> str:
    """Say in short what a value of a schema is: the name of its shape, or its type.

    Example:
        >>> shape_of({"anyOf": [{"$ref": "#/components/schemas/Quantity"}, {"type": "null"}]})
        'Quantity | null'
    """
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " | ".join(shape_of(each) for each in schema[several])
    if schema.get("type") == "array":
        items = schema.get("items", {})
        return f"[{shape_of(items)}]" if isinstance(items, dict) else "array"
    if isinstance(schema.get("additionalProperties"), dict):
        return f"{{{shape_of(schema['additionalProperties'])}}}"
    if "enum" in schema:
        return " | ".join(map(repr, schema["enum"]))
    return str(schema.get("type", "any"))
