"""Importers of emission factors: files as publishers give them, turned into a ``FactorSet`` and its normalised file.

One publisher is one module of this folder that assigns a ``Publisher`` to ``PUBLISHER`` (see ``registry``). A line that is no
factor of electricity is left out and counted, by reason. A line that should be a factor and is wrong refuses the file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path

from ecoia.errors import FactorError, UsageError
from ecoia.factors import files, tables
from ecoia.factors.importers.registry import PublisherFile, publishers
from ecoia.factors.model import FactorSet
from ecoia.factors.tables import Faults

__all__ = ["GENERIC", "Imported", "kind_of", "read_as"]

GENERIC = "generic"
"""The kind of a generic or normalised CSV, which no publisher has of its own (see ``files``)."""


@dataclass(frozen=True)
class Imported:
    """The result of an import.

    Attributes:
        factors: The set.
        text: Its normalised file.
        left_out: How many lines were left out, by reason.
    """

    factors: FactorSet
    text: str
    left_out: Mapping[str, int]


def kind_of(path: Path, encoding: str | None = None) -> str:
    """Recognise the form of a file by its first line, as ``read_as`` names it.

    Args:
        path: The file.
        encoding: Its encoding. None: told by its bytes, as ``tables.decode`` says.

    Raises:
        UsageError: It is in no form that is known, or in several: the message names them.
        FactorFileError: It cannot be read.
        LookupError: There is no such encoding.

    Example:
        ``kind_of(Path("eCO2mix_2025.xls"))`` is ``"eco2mix"``
    """
    data = tables.read_bytes(path)
    text = tables.decode(data, encoding, Faults(path.name))
    header = text.partition("\n")[0].strip("\r\ufeff")
    found = [name for name, publisher in publishers().items() if publisher.recognises(header)]
    if header.startswith("#") or {*files.NEEDED} <= {each.strip() for each in header.split(",")}:
        found.append(GENERIC)
    if len(found) == 1:
        return found[0]
    kinds = ", ".join(found or (*publishers(), GENERIC))
    why = "its first line fits several forms" if found else "its first line fits no form that is known"
    raise UsageError(f"'{path}': {why}: name the form with --as ({kinds})")


def read_as(path: Path, kind: str, given: Mapping[str, str], timezone: tzinfo, *, encoding: str | None = None) -> Imported:
    """Read a publisher's file.

    Args:
        path: The file.
        kind: Name of a publisher (``registry.publishers``), or ``GENERIC``.
        given: Details (``files.DETAILS``) that override the publisher's; ``id`` and ``retrieved_on`` are required. ``zone``
            names the zone of a file that does not, ``resolution`` how long its lines hold.
        timezone: Civil time in which the days of a generic file begin.
        encoding: Its encoding. None: told by its bytes, as ``tables.decode`` says.

    Raises:
        FactorError: There is no such kind.
        FactorFileError: Something is wrong with the file; the message has one line per mistake.
        LookupError: There is no such encoding.

    Example:
        ``read_as(Path("eCO2mix_2025.xls"), "eco2mix", {"id": "rte-2025", "retrieved_on": "2026-11-25"}, UTC).factors``
    """
    details = {name: value for name, value in given.items() if name in files.DETAILS}
    if kind == GENERIC:
        return _read_generic(path, details, timezone, encoding)
    known = publishers()
    if kind not in known:
        raise FactorError(f"no kind of factor file '{kind}': choose one of {', '.join((*known, GENERIC))}")
    publisher, data, faults = known[kind], tables.read_bytes(path), Faults(path.name)
    text = tables.decode(data, encoding, faults)
    description = files.read_details({**publisher.details, **details}, data, faults)
    left_out = Counter[str]()
    values = list(publisher.read(PublisherFile(text, given, faults, left_out)))
    factors = files.build(values, description, timezone, faults)
    return Imported(factors, files.render(factors, description), dict(left_out))


def _read_generic(path: Path, details: Mapping[str, str], timezone: tzinfo, encoding: str | None) -> Imported:
    data = tables.read_bytes(path)
    data = tables.decode(data, encoding, Faults(path.name)).encode()
    factors, description = files.parse_generic(data, path.name, timezone, details)
    return Imported(factors, files.render(factors, description), {})
