"""Emission factors of electricity: versioned, dated, sourced, licensed. One set is in use and named; sources are never mixed.

``model``: what a factor and a set are. ``builtin``: what is there without an import. ``files``: the normalised form, kept in
the catalogue's folder ``factors``. ``importers``: what publishers give.
"""

from __future__ import annotations

from datetime import UTC, tzinfo
from pathlib import Path
from typing import Protocol

from ecoia.errors import FactorError
from ecoia.factors import files
from ecoia.factors.builtin import BUILT_IN, DEFAULT, codecarbon_factors, default_factors, ember_factors
from ecoia.factors.model import BASES, FILLS, SCOPES, Factor, FactorSet, FactorUse

__all__ = [
    "BASES",
    "BUILT_IN",
    "DEFAULT",
    "FILLS",
    "FOLDER",
    "SCOPES",
    "Choice",
    "Factor",
    "FactorSet",
    "FactorUse",
    "codecarbon_factors",
    "default_factors",
    "ember_factors",
    "imported",
    "in_use",
    "load",
]

FOLDER = "factors"
"""Where the catalogue keeps imported sets, one normalised file each, named by the set's id."""


class Choice(Protocol):
    """Which set is in use, and how (the catalogue's ``factors.yaml``)."""

    @property
    def use(self) -> str: ...
    @property
    def scope(self) -> str | None: ...
    @property
    def basis(self) -> str | None: ...
    @property
    def fill(self) -> str | None: ...


def in_use(choice: Choice, catalogue: str | Path | None, timezone: tzinfo) -> FactorSet:
    """The set that an organisation chose, in its one scope and basis.

    Raises:
        FactorError: there is no such set, or it leaves a choice that was not made.
        FactorFileError: its file is wrong.
    """
    return load(choice.use, catalogue, timezone).choose(choice.scope, choice.basis, fill=choice.fill)


def imported(catalogue: str | Path | None) -> dict[str, Path]:
    """The imported sets of a catalogue's folder: their files by id, sorted."""
    folder = None if catalogue is None else Path(catalogue) / FOLDER
    if folder is None or not folder.is_dir():
        return {}
    return {path.stem: path for path in sorted(folder.glob(f"*{files.SUFFIX}")) if not path.name.startswith(".")}


def load(set_id: str, catalogue: str | Path | None = None, timezone: tzinfo = UTC) -> FactorSet:
    """A set by its id: one that is built in, or one that was imported.

    Args:
        set_id: Its id.
        catalogue: The catalogue's folder, if any.
        timezone: Civil time in which days and years begin.

    Raises:
        FactorError: there is no such set.
        FactorFileError: its file is wrong.
    """
    if set_id in BUILT_IN:
        return BUILT_IN[set_id](timezone)
    known = imported(catalogue)
    if set_id not in known:
        raise FactorError(
            f"no factor set '{set_id}': known are {', '.join((*BUILT_IN, *known))}; 'ecoia factors import' brings another"
        )
    return files.read(known[set_id], timezone)
