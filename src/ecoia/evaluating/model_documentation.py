"""Figures for the Model Documentation Form of the Code of Practice: energy, time and computation of a model's training.

The form asks for the energy of training in MWh with two significant figures at least, the training time, and computation in FLOP
(Regulation (EU) 2024/1689, annex XI, section 1, point 2 (d) and (e)). It defines no boundary, so the energy is given at both that
are known. Computation is never derived from energy: it is what the register declares.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ecoia.catalogue.error_widths import GSD
from ecoia.evaluating.model_card import missing_components
from ecoia.impact.period_impact import EstimateOrReason
from ecoia.impact.run_footprint import RunFootprint
from ecoia.methods import error_class
from ecoia.readable.scales import decimals_for
from ecoia.semconv import MISSING, VERSION

if TYPE_CHECKING:
    from ecoia.catalogue import Service

SECONDS_PER_DAY = 86_400
KWH_PER_MWH = 1000
NOT_DECLARED = "not-declared"
_FIGURES = 3
"""Significant figures of an energy; the form asks for two at least."""
_FIELDS = (
    "parameters_total_billion",
    "parameters_active_billion",
    "training_tokens",
    "training_tokens_effective",
    "training_flop",
    "flop_method",
)
_REASONS = {
    NOT_DECLARED: "not declared in the register (services.yaml, 'model')",
    "no-pue": "the PUE of the site is not known for all of it",
    "not-measured": "not measured",
    "no-data": "nothing was recorded",
}


@dataclass(frozen=True)
class ModelDocumentation:
    """The figures.

    Attributes:
        service: The service, and its name by the register.
        runs: The runs that the training is made of.
        energy: MWh at each boundary, ``components`` and ``with_building``: value, low, high; or the reason.
        hours: Wall-clock time in hours.
        host_days: Days of hosts.
        device_days: Days of GPUs; None where none is recorded.
        declared: What the register declares of the model.
        methods: Component, status, method, share of the energy, geometric standard deviation.
        lacking: Components whose energy is missing.
        simulated: Whether any of it is simulated.
    """

    service: tuple[str, str]
    runs: tuple[str, ...]
    energy: Mapping[str, Mapping[str, Any]]
    hours: float
    host_days: float
    device_days: float | None
    declared: Mapping[str, Any]
    methods: Sequence[Mapping[str, Any]]
    lacking: Sequence[str]
    simulated: bool


def declared_model(service: Service | None) -> dict[str, Any]:
    """Return what the register declares of a service's model; empty where it declares nothing."""
    block = getattr(service, "model", None)
    return {name: value for name in _FIELDS if (value := getattr(block, name, None)) is not None}


def documentation_of(
    footprint: RunFootprint, runs: Sequence[str], service: Service | None, gsd: Mapping[str, float] = GSD
) -> ModelDocumentation:
    """Gather the figures of a model's training.

    Args:
        footprint: What the training took.
        runs: The runs.
        service: The register's entry of their service; None where there is none.
        gsd: Geometric standard deviations in use.
    """
    components = footprint.energy_components
    building = footprint.energy if footprint.boundary == "site" else EstimateOrReason(None, "no-pue")
    name = service.name if service else ", ".join(footprint.services)
    return ModelDocumentation(
        service=(", ".join(footprint.services), name),
        runs=tuple(runs),
        energy={"components": _megawatt_hours(components), "with_building": _megawatt_hours(building)},
        hours=footprint.seconds / 3600,
        host_days=footprint.host_seconds / SECONDS_PER_DAY,
        device_days=footprint.device_seconds / SECONDS_PER_DAY if footprint.devices else None,
        declared=declared_model(service),
        methods=_methods(footprint, gsd),
        lacking=missing_components(footprint),
        simulated=footprint.simulated,
    )


def _megawatt_hours(known: EstimateOrReason) -> dict[str, Any]:
    if known.estimate is None:
        return {"value": None, "reason": known.reason or "no-data"}
    bounds = known.estimate.interval
    return {
        "value": known.estimate.value / KWH_PER_MWH,
        "low": bounds.low / KWH_PER_MWH if bounds else None,
        "high": bounds.high / KWH_PER_MWH if bounds else None,
        "text": _figure(known.estimate.value / KWH_PER_MWH),
    }


def _methods(footprint: RunFootprint, gsd: Mapping[str, float]) -> list[dict[str, Any]]:
    whole = sum(footprint.methods.values())
    return [
        {
            "component": component,
            "status": status,
            "method": name,
            "share": energy / whole if whole else None,
            "gsd": gsd[error_class(status, name)],
        }
        for (component, status, name), energy in footprint.methods.items()
        if status != MISSING
    ]


def as_data(found: ModelDocumentation) -> dict[str, Any]:
    """Return the figures as plain data, by the form's items."""
    declared = found.declared
    return {
        "form": "Code of Practice for general-purpose AI models, Model Documentation Form (2025-07-10)",
        "law": "Regulation (EU) 2024/1689, annex XI, section 1, point 2 (d) and (e)",
        "conformity": "none is claimed",
        "written_by": f"ecoia {VERSION}",
        "service": {"id": found.service[0], "name": found.service[1]},
        "runs": list(found.runs),
        "simulated": found.simulated,
        "training_energy_mwh": {name: dict(each) for name, each in found.energy.items()},
        "training_energy_is_a_minimum_without": list(found.lacking),
        "training_energy_methodology": _methodology(found),
        "training_energy_methods": [dict(each) for each in found.methods],
        "training_time": {
            "wall_clock_hours": found.hours,
            "wall_clock_days": found.hours / 24,
            "host_days": found.host_days,
            "gpu_days": found.device_days,
        },
        "training_computation_flop": _declared(declared, "training_flop"),
        "training_computation_methodology": _declared(declared, "flop_method"),
        "inference_computation_flop": {"value": None, "reason": "not-benchmarked"},
        "parameters_total_billion": _declared(declared, "parameters_total_billion"),
        "parameters_active_billion": _declared(declared, "parameters_active_billion"),
        "training_tokens": _declared(declared, "training_tokens"),
        "training_tokens_effective": _declared(declared, "training_tokens_effective"),
    }


def _declared(declared: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {"value": declared[name]} if name in declared else {"value": None, "reason": NOT_DECLARED}


def as_markdown(found: ModelDocumentation) -> str:
    """Return the figures as Markdown, by the form's items."""
    flop = found.declared.get("training_flop")
    rows = [
        ("Energy used for training, components", _energy_cell(found.energy["components"])),
        ("Energy used for training, with the building", _energy_cell(found.energy["with_building"])),
        ("Measurement methodology", _methodology(found)),
        ("Training time, wall clock", f"{_figure(found.hours)} hours ({_figure(found.hours / 24)} days)"),
        ("Training time, hardware", _hardware_cell(found)),
        ("Computation used for training", f"N/A: {_REASONS[NOT_DECLARED]}" if flop is None else f"{flop:.2e} FLOP (declared)"),
        ("Its methodology", str(found.declared.get("flop_method") or f"N/A: {_REASONS[NOT_DECLARED]}")),
        ("Benchmarked computation used for inference", "N/A: not benchmarked by ecoia, and never derived from energy"),
        *_size_rows(found.declared),
    ]
    lines = [f"| {item} | {_cell(text)} |" for item, text in rows]
    lead = [
        f"# Model documentation: {_cell(found.service[1])}",
        "",
        "Figures for the Model Documentation Form of the Code of Practice for general-purpose AI models (10 July 2025) and for",
        "annex XI, section 1, point 2 (d) and (e) of Regulation (EU) 2024/1689. No conformity is claimed.",
        "",
        f"Runs: {_cell(', '.join(found.runs))}. Written by ecoia {VERSION}.",
    ]
    if found.simulated:
        lead += ["", "**Simulated data: no measurement.**"]
    return "\n".join([*lead, "", "| item | value |", "|---|---|", *lines, ""])


def _energy_cell(energy: Mapping[str, Any]) -> str:
    if energy["value"] is None:
        return f"N/A: {_REASONS.get(energy['reason'], energy['reason'])}"
    text = f"{energy['text']} MWh"
    if energy["low"] is None:
        return text
    return f"{text} (95 % interval {_figure(energy['low'])} to {_figure(energy['high'])})"


def _hardware_cell(found: ModelDocumentation) -> str:
    hosts = f"{_figure(found.host_days)} days of hosts"
    return hosts if found.device_days is None else f"{hosts}, {_figure(found.device_days)} days of GPUs"


def _size_rows(declared: Mapping[str, Any]) -> list[tuple[str, str]]:
    names = {
        "parameters_total_billion": ("Parameters", "billion"),
        "parameters_active_billion": ("Active parameters", "billion"),
        "training_tokens": ("Training tokens", ""),
        "training_tokens_effective": ("Training tokens, effective", ""),
    }
    return [
        (f"{title} (declared)", f"{declared[name]:,} {unit}".strip()) for name, (title, unit) in names.items() if name in declared
    ]


def _methodology(found: ModelDocumentation) -> str:
    """Say how the energy was obtained, by the names of the methods and the widths of their errors."""
    parts = [
        f"{each['component']}: {each['method']} ({each['status']}, geometric standard deviation {each['gsd']:g}"
        + (f", {each['share']:.0%} of the energy)" if each["share"] is not None else ")")
        for each in found.methods
    ]
    text = "; ".join(parts) or "nothing was measured"
    if found.lacking:
        text += f"; a minimum, as {', '.join(found.lacking)} is not measured"
    return f"{text}. Components, of the training's own processes; with the building: times the site's wall factor and PUE."


def _figure(value: float) -> str:
    """Write a number with three significant figures, and never with fewer."""
    return f"{value:,.{min(decimals_for(value, _FIGURES), 15)}f}" if value else "0"


def _cell(text: str) -> str:
    """Keep a text on one line of a table."""
    return " ".join(text.replace("|", "\\|").split())
