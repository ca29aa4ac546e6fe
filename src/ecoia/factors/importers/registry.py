"""The registry of publishers: every module of this folder with a ``PUBLISHER`` is one.

To add a publisher, add a module that assigns a ``Publisher`` to ``PUBLISHER``; nothing here changes. The command line lists
publishers by name (``ecoia.cli.factors.Kind``), and a test asks for the new name there.
"""

from __future__ import annotations

import pkgutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module

from ecoia.factors.files import FactorValue
from ecoia.factors.tables import Faults

MISSING = ("", "ND", "-", "--")
"""Marks that publishers write, in capitals, in place of a missing value."""


@dataclass(frozen=True)
class PublisherFile:
    """A publisher's file while it is read.

    Attributes:
        text: Its text.
        given: Details that the user gave with the file, e.g. ``zone`` or ``resolution``.
        faults: Where mistakes are noted; a mistake refuses the file.
        left_out: Where lines that are left out are counted, by reason.
    """

    text: str
    given: Mapping[str, str]
    faults: Faults
    left_out: Counter[str]


@dataclass(frozen=True)
class Publisher:
    """The form of a publisher's files.

    Attributes:
        name: Its name on the command line (``--as``).
        details: Details (``files.DETAILS``) that hold for all of its files.
        read: Reads the values of a file, in the order of time within each zone, scope and basis.
        recognises: Whether a file is in this form, by the text of its first line. Without it, ``--as`` must name the publisher.
    """

    name: str
    details: Mapping[str, str]
    read: Callable[[PublisherFile], Iterable[FactorValue]]
    recognises: Callable[[str], bool] = lambda header: False


@cache
def publishers() -> Mapping[str, Publisher]:
    """Return the publishers by name, sorted.

    Example:
        >>> list(publishers())
        ['ademe', 'eco2mix', 'electricitymaps']
    """
    package = import_module(__package__)
    modules = (import_module(f"{package.__name__}.{found.name}") for found in pkgutil.iter_modules(package.__path__))
    found = [module.PUBLISHER for module in modules if hasattr(module, "PUBLISHER")]
    return {publisher.name: publisher for publisher in sorted(found, key=lambda publisher: publisher.name)}
