"""``equivalences.yaml``: everyday quantities that the annexes compare CO2e with. Without the file there is no comparison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, Field

from ecoia.catalogue.fields import Model

EQUIVALENCES_FILE = "equivalences.yaml"


@dataclass(frozen=True)
class Equivalence:
    """Emissions of one unit of something, as its source has them. ``date`` is the day of the source's version."""

    kg_per_unit: float
    unit: str
    source: str
    date: str


_ADEME = "ADEME, Impact CO2 (impactco2.fr)"
_SNAPSHOT = "2026-07-01"

EQUIVALENCES: Mapping[str, Equivalence] = {
    # Use (fuel, or traction electricity), then making of the vehicle.
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
        raise ValueError("named twice: name each once")
    return value


class EquivalencesFile(Model):
    """``equivalences.yaml``. It names two at most: more would fill a page without making the figure clearer."""

    use: Annotated[tuple[Annotated[str, AfterValidator(_known)], ...], Field(max_length=2), AfterValidator(_once)] = ()
