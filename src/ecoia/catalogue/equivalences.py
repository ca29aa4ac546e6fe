"""``equivalences.yaml``: what CO2e is set beside in the annexes, for those who ask for it. Without the file, nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, Field

from ecoia.catalogue.fields import Model

EQUIVALENCES_FILE = "equivalences.yaml"


@dataclass(frozen=True)
class Equivalence:
    """What emits how much, by unit, as its source has it. ``date`` is the day of the source's version."""

    kg_per_unit: float
    unit: str
    source: str
    date: str


_ADEME = "ADEME, Impact CO2 (impactco2.fr)"
_SNAPSHOT = "2026-07-01"

EQUIVALENCES: Mapping[str, Equivalence] = {
    # Use (fuel, or electricity of traction), then making of the vehicle.
    "km-voiture-thermique": Equivalence(0.1105577600556303 + 0.03169565217391306, "km", _ADEME, _SNAPSHOT),
    "km-tgv": Equivalence(0.0023 + 0.00063, "km", _ADEME, _SNAPSHOT),  # of one passenger
}
"""By id: a kilometre of a car with a combustion engine, and of a passenger in a TGV."""


def _known(value: str) -> str:
    if value not in EQUIVALENCES:
        raise ValueError(f"no such equivalence; known: {', '.join(EQUIVALENCES)}")
    return value


def _once(value: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(value)) < len(value):
        raise ValueError("the same equivalence twice: name each once")
    return value


class EquivalencesFile(Model):
    """``equivalences.yaml``: two at most, as more would be a page of its own and no clearer."""

    use: Annotated[tuple[Annotated[str, AfterValidator(_known)], ...], Field(max_length=2), AfterValidator(_once)] = ()
