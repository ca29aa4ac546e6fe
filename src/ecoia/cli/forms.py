"""Forms to fill in, which other distributions offer under the entry point group ``ecoia.forms``."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from ecoia.errors import EcoiaError, MissingExtraError, UsageError
from ecoia.settings import Settings

GROUP = "ecoia.forms"


def catalogue_folder(settings: Settings) -> str:
    """Return the folder of the setting ``catalogue``.

    Raises:
        UsageError: it is not set; the message names the command that writes one.
    """
    if settings.catalogue is None:
        raise UsageError("no catalogue is set: 'ecoia init' writes one to fill in, the setting 'catalogue' says where it is")
    return str(settings.catalogue)


def load_form(name: str) -> Any:
    """Load the module that is offered under a name.

    Raises:
        EcoiaError: none is installed.
        MissingExtraError: a package that the module needs is not installed.
    """
    found = next(iter(entry_points(group=GROUP, name=name)), None)
    if found is None:
        raise EcoiaError(f"no '{name}' is installed with ecoia: install it again")
    try:
        return found.load()
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"'ecoia {name}'", str(error.name)) from error


def write_new(path: Path, content: bytes) -> None:
    """Write a file that is not there yet, so that a filled workbook is never lost to a new one.

    Raises:
        EcoiaError: the file exists, or cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(content)
    except FileExistsError:
        raise EcoiaError(
            f"'{path}' exists and is not overwritten: read it back with 'ecoia workbook --read', or move it away"
        ) from None
    except OSError as error:
        raise EcoiaError(f"'{path}' cannot be written ({error.strerror}): choose another place with --out") from error
