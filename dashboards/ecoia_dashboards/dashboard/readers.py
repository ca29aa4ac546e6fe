"""The file that says which user may see which services (``ecoia dashboard --readers``)."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from ecoia.catalogue.fields import Model, Slug
from ecoia.catalogue.yaml_files import duplicates, parse, validate
from ecoia.errors import CatalogueError

ALL = "all"


class Reader(Model):
    """A user, and what they may see: all, or some services by their ids."""

    user: Annotated[str, Field(min_length=1, max_length=256)]
    services: Literal["all"] | Annotated[tuple[Slug, ...], Field(min_length=1)]


class ReadersFile(Model):
    """The file."""

    readers: tuple[Reader, ...]


class Readers:
    """What each user may see. A user who is not named sees nothing.

    Args:
        services: By user, the services; None: everything.

    Example:
        >>> readers = Readers({"ada": None, "bob": frozenset({"chat"})})
        >>> readers.services_of("ada"), readers.services_of("bob"), readers.services_of("eve")
        (None, frozenset({'chat'}), frozenset())
    """

    def __init__(self, services: Mapping[str, frozenset[str] | None]) -> None:
        self._services = dict(services)

    def services_of(self, user: str) -> frozenset[str] | None:
        """Return the ids of the services that a user may see; None: everything."""
        return self._services.get(user, frozenset())


def read_readers(path: Path, known: Collection[str] = ()) -> Readers:
    """Read the file of readers.

    Args:
        path: The file.
        known: Ids of the services that exist; none: they are not checked.

    Raises:
        CatalogueError: The file is missing or wrong; the message has a line for each mistake.
    """
    node, data, problems = parse(path.name, path)
    parts: dict[str, Any] = {}
    if not problems and node is None:
        raise CatalogueError(f"{path} is empty: write at least one reader, e.g. readers: [{{user: ada, services: all}}]")
    if node is not None:
        unique = ((("readers",), ("user",)),)
        problems = [*duplicates(path.name, node, unique), *validate(path.name, node, data, ReadersFile, parts)]
    if problems:
        raise CatalogueError("\n".join([f"'{path}' cannot be used", *map(str, problems)]))
    found: ReadersFile = parts[path.name]
    for index, reader in enumerate(found.readers):
        for service in () if reader.services == ALL or not known else reader.services:
            if service not in known:
                near = difflib.get_close_matches(service, known, 1)
                remedy = f"did you mean '{near[0]}'?" if near else "write the id of a service of the register"
                raise CatalogueError(f"{path.name}: readers[{index}].services: '{service}' does not exist: {remedy}")
    return Readers({each.user: None if each.services == ALL else frozenset(each.services) for each in found.readers})
