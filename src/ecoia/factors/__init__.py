"""Emission factors of electricity: versioned, dated, sourced, licensed. One set is in use, by name; sources are never mixed.

- ``model``: a factor and a set of factors.
- ``reference_year``: the factors of one year at any time.
- ``builtin``: sets that need no import.
- ``files``: the normalised form, kept in the catalogue's folder ``factors``.
- ``importers``: files as publishers give them, one publisher a module.
"""

from __future__ import annotations

from datetime import UTC, tzinfo
from pathlib import Path
from typing import Protocol

from ecoia.errors import FactorError
from ecoia.factors import files
from ecoia.factors.builtin import BUILT_IN, DEFAULT, codecarbon_factors, default_factors, ember_factors
from ecoia.factors.model import BASES, FILLS, SCOPES, Factor, FactorSet, FactorUse
from ecoia.factors.reference_year import COARSER, FactorsOfYear, matching_half_hour

__all__ = [
    "BASES",
    "BUILT_IN",
    "COARSER",
    "DEFAULT",
    "FILLS",
    "FOLDER",
    "SCOPES",
    "Choice",
    "Factor",
    "FactorSet",
    "FactorUse",
    "FactorsOfYear",
    "codecarbon_factors",
    "default_factors",
    "ember_factors",
    "imported",
    "in_use",
    "load",
    "matching_half_hour",
]

FOLDER = "factors"
"""Folder of the catalogue with the imported sets, one normalised file each, named by the set's id."""


class Choice(Protocol):
    """Which set is in use, with its scope, basis and rule for gaps (the catalogue's ``factors.yaml``)."""

    @property
    def use(self) -> str:
        """Id of the set."""

    @property
    def scope(self) -> str | None:
        """One of ``SCOPES``. None: the only one of the set."""

    @property
    def basis(self) -> str | None:
        """One of ``BASES``. None: the only one of the set."""

    @property
    def fill(self) -> str | None:
        """The rule for gaps, one of ``FILLS``. None: gaps stay gaps."""


def in_use(choice: Choice, catalogue: str | Path | None, timezone: tzinfo) -> FactorSet:
    """Load the set that an organisation chose, in its one scope and basis.

    Args:
        choice: The choice.
        catalogue: Folder of the catalogue. None: there is none.
        timezone: Civil time in which days and years begin.

    Raises:
        FactorError: There is no such set, or it holds several scopes or bases and none was chosen.
        FactorFileError: Its file is wrong.

    Example:
        ``in_use(catalogue.factors_chosen(folder), folder, ZoneInfo("Europe/Paris")).at("FRA", half_hour_utc_ns)``
    """
    return load(choice.use, catalogue, timezone).choose(choice.scope, choice.basis, fill=choice.fill)


def imported(catalogue: str | Path | None) -> dict[str, Path]:
    """Return the files of a catalogue's imported sets, by id, sorted.

    Args:
        catalogue: Folder of the catalogue. None: there is none.

    Example:
        >>> imported(None)
        {}
    """
    folder = None if catalogue is None else Path(catalogue) / FOLDER
    if folder is None or not folder.is_dir():
        return {}
    return {path.stem: path for path in sorted(folder.glob(f"*{files.SUFFIX}")) if not path.name.startswith(".")}


def load(set_id: str, catalogue: str | Path | None = None, timezone: tzinfo = UTC) -> FactorSet:
    """Load a set by its id: a built-in one, or an imported one.

    Args:
        set_id: Its id.
        catalogue: Folder of the catalogue. None: built-in sets only.
        timezone: Civil time in which days and years begin.

    Raises:
        FactorError: There is no such set.
        FactorFileError: Its file is wrong.

    Example:
        >>> load("ember").zones()
        ('FRA',)
    """
    if set_id in BUILT_IN:
        return BUILT_IN[set_id](timezone)
    known = imported(catalogue)
    if set_id not in known:
        raise FactorError(
            f"no factor set '{set_id}': known are {', '.join((*BUILT_IN, *known))}; 'ecoia factors import' brings another"
        )
    return files.read(known[set_id], timezone)
