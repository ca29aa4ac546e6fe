"""The block ``co2_eq_emissions`` of a Hugging Face model card: grams of CO2e of the training, where they are from, and merging.

``emissions`` is in **grams** (Hugging Face's documentation of model cards). It is one quantity: use of electricity and making of
equipment, the latter where it is known.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import pycountry

from ecoia.catalogue.editing import with_value
from ecoia.catalogue.yaml_files import YamlError, read_text
from ecoia.errors import UsageError
from ecoia.impact.period_impact import EstimateOrReason
from ecoia.impact.run_footprint import RunFootprint
from ecoia.semconv import MISSING, NOT_LACKING, VERSION

KEY = "co2_eq_emissions"
"""The key of the block in a card's metadata."""

GRAMS_PER_KG = 1000
TRAINING_TYPES: Mapping[str, str] = {"training": "pre-training", "fine-tuning": "fine-tuning"}
"""Hugging Face's word for each phase that has one."""

_FRONT_MATTER = re.compile(r"\A---[ \t]*\r?\n(.*?)^---[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)
_BOUNDARIES = {"site": "with the building (PUE)", "part": "with the building (PUE) in part", "it": "without the building"}
_SIGNIFICANT = 4


class Merged(NamedTuple):
    """A card with the block.

    Attributes:
        text: Its text; the text given, where it has another figure that is to be kept.
        before: The figure of emissions that it had, in grams as far as its author wrote grams; None where it had none.
        kept: Whether it has another figure, which was kept.
    """

    text: str
    before: Any
    kept: bool


def emissions_of(footprint: RunFootprint) -> EstimateOrReason:
    """Return the CO2e in kg that a card states: use and making of equipment, or use alone where making is not known."""
    if footprint.making.estimate is None:
        return footprint.use
    return EstimateOrReason.total((footprint.use, footprint.making))


def block_of(footprint: RunFootprint, hardware: str | None) -> dict[str, Any]:
    """Return the block of a card.

    Args:
        footprint: What the training took.
        hardware: The hardware, as declared; None: it is described by what was recorded.

    Raises:
        UsageError: it is simulated, or its CO2e cannot be computed; with the remedy.
    """
    if footprint.simulated:
        raise UsageError("the run is simulated: a model card states what was measured or estimated of a real training")
    known = emissions_of(footprint).estimate
    if known is None:
        raise UsageError(_no_co2e(footprint.use.reason or "no-data"))
    bounds = known.interval
    between = "" if bounds is None else f", interval {_text(_grams(bounds.low))}-{_text(_grams(bounds.high))} g"
    block = {
        "emissions": _grams(known.value),
        "source": f"ecoia {VERSION}{between}, scope {_scope(footprint)}",
        "training_type": _training_type(footprint),
        "geographical_location": _location(footprint),
        "hardware_used": hardware or _hardware(footprint),
    }
    return {name: value for name, value in block.items() if value is not None}


def merged(text: str, block: Mapping[str, Any], *, is_yaml: bool, replace: bool) -> Merged:
    """Put the block into a card, and leave everything else in it as it is.

    Args:
        text: The card: YAML, or Markdown with its metadata as front matter.
        block: The block.
        is_yaml: Whether it is YAML.
        replace: Whether another figure gives way.

    Raises:
        UsageError: its metadata cannot be read.

    Example:
        >>> merged("license: mit\\n", {"emissions": 83.5}, is_yaml=True, replace=False).text
        'license: mit\\n\\nco2_eq_emissions: {emissions: 83.5}\\n'
    """
    found = None if is_yaml else _FRONT_MATTER.match(text)
    metadata = text if is_yaml else found[1] if found else ""
    try:
        data = read_text(metadata)[1]
    except YamlError as error:
        raise UsageError(f"its metadata cannot be read: {error}") from error
    if not isinstance(data, Mapping | None):
        raise UsageError("its metadata is no mapping of fields to values: correct it first")
    before = (data or {}).get(KEY)
    if before == block:
        return Merged(text, _figure(before), kept=False)
    if before is not None and not replace:
        return Merged(text, _figure(before), kept=True)
    written = with_value(metadata, [KEY], dict(block))
    if not is_yaml:
        written = f"---\n{written.lstrip()}---\n{text[found.end() :] if found else text}"
    return Merged(written, _figure(before), kept=False)


def _figure(block: Any) -> Any:
    return block.get("emissions") if isinstance(block, Mapping) else block


def _grams(kilograms: float) -> float:
    """Convert kg into the card's unit, with as many digits as mean anything."""
    return float(f"{kilograms * GRAMS_PER_KG:.{_SIGNIFICANT}g}")


def _text(grams: float) -> str:
    return f"{grams:f}".rstrip("0").rstrip(".") if abs(grams) < 1e15 else str(grams)


def _scope(footprint: RunFootprint) -> str:
    counted = sorted({component for (component, status, _) in footprint.methods if status != MISSING})
    text = f"electricity of {', '.join(counted)} {_BOUNDARIES[footprint.boundary]}, by location"
    if footprint.making.estimate is None:
        text += f"; making of equipment not included ({footprint.making.reason})"
    else:
        text += ", and making of equipment"
    lacking = missing_components(footprint)
    return f"{text}; a minimum: {', '.join(lacking)} not measured" if lacking else text


def missing_components(footprint: RunFootprint) -> list[str]:
    """Return the components whose energy is missing, in part at least, and that the machine has."""
    return sorted({each for (each, status, name) in footprint.methods if status == MISSING and name not in NOT_LACKING})


def _training_type(footprint: RunFootprint) -> str | None:
    """Return Hugging Face's word for what was done; None where it was both."""
    found = {TRAINING_TYPES[phase] for phase in footprint.phases if phase in TRAINING_TYPES}
    return found.pop() if len(found) == 1 else None


def _location(footprint: RunFootprint) -> str | None:
    names = []
    for zone in footprint.zones:
        country = pycountry.countries.get(alpha_3=zone)
        names.append(country.name if country else zone)
    return ", ".join(names) or None


def _hardware(footprint: RunFootprint) -> str:
    hosts = _count(len(footprint.instances), "host")
    return f"{_count(len(footprint.devices), 'GPU')} on {hosts}" if footprint.devices else f"CPU of {hosts}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _no_co2e(reason: str) -> str:
    remedies = {
        "no-zone": "name where the electricity is used: setting 'zone', e.g. ECOIA_ZONE=FRA",
        "not-measured": "'ecoia doctor' shows which meter is missing",
    }
    remedy = remedies.get(reason, "choose emission factors that cover it with 'ecoia factors use'")
    return f"the CO2e of the run cannot be computed ({reason}): {remedy}"
