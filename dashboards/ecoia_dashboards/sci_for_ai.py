"""The two scores of SCI for AI for the SCI file of a service: the consumer's and the provider's, each with its boundary.

A boundary lists every item that the specification names, and says whether ecoia counts it. Some are never counted whole (network,
storage, users' devices), so a score is said to be partial and never to conform.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ecoia.report import Quantity, QuarterlyReport, ServiceFootprint
from ecoia.report.making import lacking
from ecoia.semconv import CONSUMER_PHASES, PROVIDER_PHASES
from ecoia_dashboards.written import in_grams, written

SPECIFICATION = "GSF SCI for AI, draft for public review of 2026-01-12 (Green-Software-Foundation/sci-ai 4b7c0f7c)"
ALWAYS_EXCLUDED = ("network", "storage", "user-devices", "energy-of-no-service")
"""Parts that no figure includes: networks, disks, users' devices, and energy that is attributed to no service."""

INCLUDED, PARTIAL, EXCLUDED = "included", "partial", "excluded"
_HOSTED = "calls to hosted models"  # where they are estimated
_IDLE = "reserved idle"
_WHY_LACKING = {"building": "no-pue", "power-supply-and-fans": "not-calibrated"}
"""Why a part of the energy is not counted; of a component: it is not measured."""


@dataclass(frozen=True)
class Item:
    """An item of a boundary.

    Attributes:
        name: As the specification writes it.
        sources: Where ecoia counts it: phases, calls to hosted models, reserved idle. None of them recorded: it is excluded.
        without: What of it is never counted, from ``ALWAYS_EXCLUDED`` or in words: it is partial at most.
        why: Why no source gives it, in words; only of an item without any.
    """

    name: str
    sources: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    why: str = ""


CONSUMER_ITEMS = (
    Item("API & Inference", ("inference", _HOSTED), ("network",)),
    Item("Orchestration", ("inference",), ("energy-of-no-service", "schedulers and control planes")),
    Item("Scaling", (_IDLE,), ("energy-of-no-service", "the machinery that scales")),
    Item("Observability & Monitoring", ("monitoring",)),
    Item("Data & Feature Management", ("inference",), ("storage", "databases and feature stores that other programs run")),
    Item("Storage & Artifacts", why="storage is not counted"),
    Item("UX & Client-side", why="user-devices are not counted"),
    Item("Model Tool & Service Connectors", (_HOSTED,), ("network", "tools and services that others run")),
)
"""Section 6.1 of the specification."""

PROVIDER_ITEMS = (
    Item("Project Scoping & Planning Systems", ("inception",)),
    Item("Data Collection Systems", ("data-preparation",), ("network", "storage")),
    Item("Data Preprocessing & Cleaning Systems", ("data-preparation",), ("storage",)),
    Item("Synthetic Data Generation", ("data-preparation",)),
    Item("Model Development & Training Infrastructure", ("training", "fine-tuning"), ("network", "storage")),
    Item("Feature Engineering Systems", ("data-preparation",), ("storage",)),
    Item("Distributed Training Systems", ("training", "fine-tuning"), ("network",)),
    Item("Model Evaluation & Benchmarking", ("evaluation",)),
    Item("Optimization & Efficiency Analysis", ("training", "fine-tuning", "evaluation")),
    Item("System Integration & Orchestration", ("deployment",), ("energy-of-no-service",)),
    Item("Testing & Validation Systems", ("evaluation", "deployment")),
    Item("Model Tool Systems", (_HOSTED,), ("network", "tools that others run")),
)
"""Section 6.2 of the specification."""

FUNCTIONAL_UNITS = {
    "flop": ("Per FLOP", "10^15 FLOP"),
    "training-token": ("Per Training Token", "1,000 training tokens"),
    "parameter": ("Per Parameter", "billion parameters"),
}
"""The provider's functional units as the specification names them (section 8.2), and what a score is per."""

RATIONALE = {
    "flop": "The register declares the operations of the training: they measure its own work.",
    "training-token": "The register declares training tokens and no operations: they measure the data that the training read.",
    "parameter": "The register declares parameters and neither operations nor tokens: they measure the size of the model only.",
}


@dataclass(frozen=True)
class _Evidence:
    """What is known of one side: where its energy comes from, and what of it is lacking, in words."""

    sources: frozenset[str]
    lacking: tuple[str, ...] = field(default=())


def scores(report: QuarterlyReport, footprint: ServiceFootprint) -> dict[str, Any]:
    """Write the block ``sci_for_ai`` of a service: the specification, and its two scores, which are never added up.

    Args:
        report: The quarter's data.
        footprint: The service.

    Example:
        >>> scores(report, report.services[0])["consumer"]["SCI"]["unit"]  # doctest: +SKIP
        'gCO2e per functional unit'
    """
    return {
        "specification": SPECIFICATION,
        "consumer": _consumer(report, footprint),
        "provider": _provider(footprint),
    }


def _consumer(report: QuarterlyReport, footprint: ServiceFootprint) -> dict[str, Any]:
    serving = footprint.serving
    parts = {"O": serving.co2e_operational, "M": serving.co2e_embodied, "hosted": serving.co2e_api}
    count = Quantity(serving.units, "functional units", reason="no-units" if serving.units is None else None)
    boundary = _boundary(CONSUMER_ITEMS, _serving_evidence(report, footprint, parts))
    return {
        **_terms(parts, serving.co2e),
        "R": written(count),
        "functional_unit": footprint.functional_unit,
        "SCI": written(footprint.sci_consumer, "gCO2e per functional unit"),
        "of_quarters": [report.quarter],
        "statement": _statement(boundary),
        "boundary": boundary,
    }


def _provider(footprint: ServiceFootprint) -> dict[str, Any] | None:
    work = footprint.provider
    if work is None:
        return None
    name, per = FUNCTIONAL_UNITS.get(work.unit or "", (None, "functional unit"))
    parts = {"O": work.co2e_operational, "M": work.co2e_embodied, "hosted": work.co2e_api}
    sources = {*work.phases, *({_HOSTED} if work.co2e_api.value else ())}
    boundary = _boundary(PROVIDER_ITEMS, _Evidence(frozenset(sources), _lacking(parts, work.lacking)))
    return {
        **_terms(parts, work.co2e),
        "R": written(Quantity(work.count, per, reason="no-model-size" if work.count is None else None)),
        "functional_unit": name,
        "functional_unit_rationale": RATIONALE.get(work.unit or ""),
        "values": work.values,
        "SCI": written(footprint.sci_provider, f"gCO2e per {per}"),
        "of_quarters": list(work.quarters),
        "assumptions": _assumptions(footprint),
        "statement": _statement(boundary),
        "boundary": boundary,
    }


def _terms(parts: Mapping[str, Quantity], whole: Quantity) -> dict[str, Any]:
    return {name: written(in_grams(part)) for name, part in {**parts, "C": whole}.items()}


def _serving_evidence(report: QuarterlyReport, footprint: ServiceFootprint, parts: Mapping[str, Quantity]) -> _Evidence:
    serving = [each for each in report.results if each.service == footprint.service and each.phase not in PROVIDER_PHASES]
    entry = next(each for each in report.register if each.id == footprint.service)
    sources = {each.phase if each.phase in CONSUMER_PHASES else "inference" for each in serving}
    sources |= {_HOSTED} if parts["hosted"].value else set()
    sources |= {_IDLE} if entry.idle_microjoules else set()
    return _Evidence(frozenset(sources), _lacking(parts, lacking(each.measure for each in serving)))


def _lacking(parts: Mapping[str, Quantity], energy: Sequence[str]) -> tuple[str, ...]:
    """Name what of a side's own terms is not known; that there was no call to a hosted model is no lack."""
    unknown = (f"{name} ({part.reason})" for name, part in parts.items() if part.value is None and part.reason != "no-calls")
    return (*unknown, *(f"{part} ({_WHY_LACKING.get(part, 'not-measured')})" for part in energy))


def _boundary(items: Sequence[Item], evidence: _Evidence) -> list[dict[str, str]]:
    return [{"item": item.name, **_extent(item, evidence)} for item in items]


def _extent(item: Item, evidence: _Evidence) -> dict[str, str]:
    if item.why:
        return {"extent": EXCLUDED, "reason": item.why}
    counted = [source for source in item.sources if source in evidence.sources]
    if not counted:
        return {"extent": EXCLUDED, "reason": f"nothing was recorded of: {', '.join(item.sources)}"}
    without = [*item.without, *evidence.lacking]
    if without:
        return {"extent": PARTIAL, "reason": f"counted: {', '.join(counted)}; not counted: {', '.join(without)}"}
    return {"extent": INCLUDED, "reason": f"counted: {', '.join(counted)}"}


def _statement(boundary: Sequence[Mapping[str, str]]) -> str:
    """Say in one line what a score leaves out."""
    said = []
    for words, extent in (("excludes", EXCLUDED), ("includes in part", PARTIAL)):
        names = [each["item"] for each in boundary if each["extent"] == extent]
        said += [f"{words} {', '.join(names)}"] if names else []
    return f"partial: {'; '.join(said)}" if said else "includes every item of the specification"


def _assumptions(footprint: ServiceFootprint) -> list[str]:
    """State what a reader of the provider's score must know of how it came about (section 8.2.2 of the specification)."""
    work = footprint.provider
    if work is None or not work.quarters:
        return []
    found = [
        f"Work counts since {work.made_from}, the first quarter that the register names for the model in service."
        if work.made_from
        else f"Work counts of {work.quarters[0]} alone, the latest quarter of a training: the register names no first one.",
        "All runs count, those that failed or were abandoned included.",
        "Retirement is of the provider alone: sections 6.2 and 7.5 of the specification differ.",
    ]
    if work.values:
        found.append(f"R is declared ({work.values} values) and not computed from energy.")
    if work.unit == "flop" and work.flop_method:
        found.append(f"Operations: {work.flop_method}.")
    return found
