"""Explore what was recorded: figures of any days, services, phases, sites and instances, read from files filled beforehand.

``fill`` computes, in a process of its own; an ``Explorer`` only reads. The folder can be deleted at any time.
"""

from typing import TYPE_CHECKING

from ecoia.exploring.compared_runs import COSTS, ComparedRuns, Waste
from ecoia.exploring.explorer import Explorer
from ecoia.exploring.lines import (
    Change,
    FormulaTerm,
    HostedUse,
    HourCell,
    MakingPart,
    RecordedDay,
    RowLine,
    RowsPage,
    RunLine,
    VersionUse,
)
from ecoia.exploring.publications import KeptPublication, KeptPublications
from ecoia.exploring.selection import DIMENSIONS, Selected, Selection
from ecoia.exploring.state import State

if TYPE_CHECKING:
    from ecoia.exploring.filling import fill

__all__ = [
    "COSTS",
    "DIMENSIONS",
    "Change",
    "ComparedRuns",
    "Explorer",
    "FormulaTerm",
    "HostedUse",
    "HourCell",
    "KeptPublication",
    "KeptPublications",
    "MakingPart",
    "RecordedDay",
    "RowLine",
    "RowsPage",
    "RunLine",
    "Selected",
    "Selection",
    "State",
    "VersionUse",
    "Waste",
    "fill",
]


def __getattr__(name: str) -> object:
    if name == "fill":  # loads all that computes, which a reader does without
        from ecoia.exploring.filling import fill

        return fill
    raise AttributeError(f"module 'ecoia.exploring' has no attribute '{name}'")
