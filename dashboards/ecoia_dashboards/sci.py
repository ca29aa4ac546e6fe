"""Export the SCI of each service, in the terms of ISO/IEC 21031: E, I, M, R, O, the score, and its boundary.

    SCI = (O + M + hosted models + training amortised) / R,   O = E x I

All terms are of serving; training counts by the part that is amortised over the units of the model's life. This score is our own;
``sci_for_ai`` holds the two of SCI for AI. An unknown value is null, with its reason, a code of ``report.REASONS``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ecoia.report import PhaseResult, Quantity, QuarterlyReport, ServiceFootprint
from ecoia.semconv import MISSING, NOT_LACKING, PROVIDER_PHASES
from ecoia.units import kwh
from ecoia_dashboards import sci_for_ai
from ecoia_dashboards.json_files import json_name, json_text
from ecoia_dashboards.sci_for_ai import ALWAYS_EXCLUDED
from ecoia_dashboards.written import in_grams, written

STANDARD = "ISO/IEC 21031:2024"
EQUATION = "SCI = (O + M + hosted + training) / R; O = E * I"

NAME = "SCI with training amortised (ecoia)"
OUTSIDE = "It is neither score of SCI for AI, which are in sci_for_ai."


def render_sci(report: QuarterlyReport, lang: str = "fr") -> dict[str, str]:
    """Write the SCI of every service of the quarter.

    Args:
        report: The quarter's data.
        lang: Ignored: codes and figures have no language.

    Returns:
        JSON texts by file name. Equal reports give equal bytes.

    Example:
        >>> json.loads(render_sci(report)["vadore.json"])["SCI"]["unit"]  # doctest: +SKIP
        'gCO2e per functional unit'
    """
    return {json_name(footprint.service): json_text(_statement(report, footprint)) for footprint in report.services}


def _statement(report: QuarterlyReport, footprint: ServiceFootprint) -> dict[str, Any]:
    entry = next(entry for entry in report.register if entry.id == footprint.service)
    mine = [result for result in report.results if result.service == footprint.service]
    phases = [result for result in mine if result.phase not in PROVIDER_PHASES]
    serving, amortised = footprint.serving, footprint.sci_training
    quarters = {report.quarter, footprint.training_quarter, *(footprint.provider.quarters if footprint.provider else ())}
    delivered = Quantity(serving.units, "1", reason="no-units" if serving.units is None else None)
    operational, embodied, hosted = map(in_grams, (serving.co2e_operational, serving.co2e_embodied, serving.co2e_api))
    return {
        "standard": STANDARD,
        "score": NAME,
        "score_note": OUTSIDE,
        "equation": EQUATION,
        "organisation": report.organisation,
        "quarter": report.quarter,
        "start_utc": report.start_utc,
        "end_utc": report.end_utc,
        "method_version": report.method_version,
        "service": footprint.service,
        "name": entry.name,
        "functional_unit": footprint.functional_unit,
        "functional_unit_reason": None if footprint.functional_unit else "not-declared",
        "simulated": any(result.simulated for result in mine),
        "stand_in": entry.stand_in,
        "SCI": written(footprint.sci, "gCO2e per functional unit"),
        "E": written(serving.energy),
        "I": written(_intensity(serving.energy, operational)),
        "O": written(operational),
        "M": written(embodied),
        "R": written(delivered, "functional units"),
        "hosted": written(hosted),
        "training": {**written(amortised, "gCO2e per functional unit"), "of_quarter": footprint.training_quarter},
        "boundary": _boundary(phases, entry.idle_microjoules, embodied, hosted, amortised),
        "sci_for_ai": sci_for_ai.scores(report, footprint),
        "intensity_basis": "location",
        "emission_factors": [
            {
                "zone": factor.zone,
                "year": factor.year,
                "gco2e_per_kwh": factor.value_g_per_kwh,
                "scope": factor.scope,
                "basis": factor.basis,
                "source": factor.source,
                "licence": factor.licence,
            }
            for factor in report.factors
            if factor.quarter in quarters
        ],
    }


def _intensity(energy: Quantity, operational: Quantity) -> Quantity:
    unit = "gCO2e/kWh"
    if not energy.value:
        return Quantity(None, unit, reason=energy.reason or "no-data")
    if operational.value is None:
        return Quantity(None, unit, reason=operational.reason)
    return Quantity(operational.value / energy.value, unit)


def _boundary(
    phases: Sequence[PhaseResult], idle_microjoules: int, embodied: Quantity, hosted: Quantity, amortised: Quantity
) -> dict[str, list[dict[str, Any]]]:
    """List the parts included in the score, with their methods, and the parts excluded, with their reasons."""
    with_energy = [result.measure for result in phases if result.measure.energy_components_microjoules]
    included: list[dict[str, Any]] = []
    excluded: list[dict[str, Any]] = []
    sums: dict[tuple[str, str, str], int] = {}
    for share in (share for result in phases for share in result.measure.methods):
        key = share.component, share.status, share.name
        sums[key] = sums.get(key, 0) + share.microjoules
    for (component, status, method), microjoules in sorted(sums.items()):
        what = {"what": component, "status": status, "method": method}
        if status != MISSING:
            included.append({**what, "kwh": kwh(microjoules)})
        elif method not in NOT_LACKING:
            excluded.append({**what, "reason": "not-measured"})
    if idle_microjoules:
        included.append({"what": "reserved-idle", "kwh": kwh(idle_microjoules)})
    else:
        excluded.append({"what": "reserved-idle", "reason": "idle-not-separated"})
    _sort_in(included, excluded, "building", "no-pue", [measure.boundary == "site" for measure in with_energy])
    _sort_in(
        included,
        excluded,
        "power-supply-and-fans",
        "not-calibrated",
        [measure.energy_at_wall_microjoules == measure.energy_components_microjoules for measure in with_energy],
    )
    for name, quantity in (("embodied", embodied), ("hosted-models", hosted), ("training-amortised", amortised)):
        if quantity.value is None:
            excluded.append({"what": name, "reason": quantity.reason})
        else:
            included.append({"what": name})
    excluded += [{"what": name, "reason": "not-counted"} for name in ALWAYS_EXCLUDED]
    return {"included": included, "excluded": excluded}


def _sort_in(included: list[dict[str, Any]], excluded: list[dict[str, Any]], what: str, reason: str, holds: list[bool]) -> None:
    """Include a part that holds for every phase, exclude it where it holds for none, and list it in both where for some."""
    extent = {"extent": "part"} if any(holds) and not all(holds) else {}
    if any(holds):
        included.append({"what": what, **extent})
    if not holds or not all(holds):
        excluded.append({"what": what, "reason": reason, **extent})
