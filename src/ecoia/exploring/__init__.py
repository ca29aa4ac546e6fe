"""Explore what was recorded: figures of any days, services, phases, sites and instances, read from files filled beforehand.

``filling`` computes, in a process of its own; an ``Explorer`` only reads. The folder can be deleted at any time.
"""

from ecoia.exploring.explorer import Explorer
from ecoia.exploring.selection import DIMENSIONS, Selected, Selection
from ecoia.exploring.state import State

__all__ = ["DIMENSIONS", "Explorer", "Selected", "Selection", "State", "fill"]


def __getattr__(name: str) -> object:
    if name == "fill":  # loads all that computes, which a reader does without
        from ecoia.exploring.filling import fill

        return fill
    raise AttributeError(name)
