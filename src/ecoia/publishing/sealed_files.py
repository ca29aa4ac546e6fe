"""The files of a publication: their names, the one way to write them, and their SHA-256.

report.json      every figure
inputs/          what the figures are computed from (``ecoia.impact.inputs``)
manifest.json    SHA-256 of each of these files and of each section of the figures, and the head of the previous publication
documents/       the report as people read it, with the head printed in it
seal.json        the head (SHA-256 of the manifest), SHA-256 of each document, and the signature, if there is a key
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ecoia.errors import PublicationError

SCHEMA = 1
REPORT_FILE, INPUTS_FOLDER, MANIFEST_FILE = "report.json", "inputs", "manifest.json"
DOCUMENTS_FOLDER, SEAL_FILE, RECALCULATION_FILE = "documents", "seal.json", "recalculation.json"
MANIFEST_FIELDS = {"schema", "quarter", "restates", "published_on", "method_version", "previous", "files", "figures"}
SEAL_FIELDS = {"schema", "quarter", "head", "documents", "public_key", "signature"}


def canonical(data: Any) -> bytes:
    """Write data as JSON in the one way that publications use, so that equal data gives equal bytes.

    Raises:
        ValueError: the data holds NaN or an infinity.
    """
    return (json.dumps(data, ensure_ascii=False, allow_nan=False, indent=1, sort_keys=True) + "\n").encode()


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal.

    Raises:
        PublicationError: the file cannot be read.
    """
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise PublicationError(f"{path} cannot be read ({error.strerror})") from error


def files_below(folder: Path) -> list[str]:
    """Return the paths of all files below a folder, relative to it, sorted. Links are files, and are not followed."""
    return sorted(path.relative_to(folder).as_posix() for path in _walk(folder))


def _walk(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            yield from _walk(path)
        else:
            yield path


def section_digests(report: str) -> dict[str, str]:
    """Return the SHA-256 of each section of the figures, so that a difference can be named.

    Raises:
        ValueError: the text is not a JSON object.
    """
    data = json.loads(report)
    if not isinstance(data, dict):
        raise ValueError("it is not an object")  # noqa: TRY004 - callers treat it like text that is not JSON at all
    return {name: hashlib.sha256(canonical(value)).hexdigest() for name, value in data.items()}


def differing_section(path: Path, manifest: Mapping[str, Any]) -> str:
    """Name the first section of the figures that differs from the manifest, as the end of a message."""
    try:
        now = section_digests(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        return ": it is no longer a report"
    then = manifest["figures"]
    differing = [section for section in sorted({*now, *then}) if now.get(section) != then.get(section)]
    return f": section '{differing[0]}' differs" if differing else ": the figures are the same, and are written in another way"


def read_json(path: Path) -> Any:
    """Read a JSON file of a publication.

    Raises:
        PublicationError: it cannot be read, or is not JSON that could have been published.
    """
    try:
        data = json.loads(path.read_bytes())
        canonical(data)  # refuses NaN, which cannot be written again and so was never published
    except OSError as error:
        raise PublicationError(f"{path} cannot be read ({error.strerror}): is this the folder of a publication?") from error
    except (ValueError, RecursionError) as error:
        raise PublicationError(f"{path} is not what was published: it cannot be read ({error})") from error
    return data


def read_object(path: Path) -> dict[str, Any]:
    """Read a JSON file of a publication that holds an object.

    Raises:
        PublicationError: as ``read_json``, or it holds something else.
    """
    data = read_json(path)
    if not isinstance(data, dict):
        raise PublicationError(f"{path} is not what was published: it is not a JSON object")
    return data


def read_canonical(path: Path) -> dict[str, Any]:
    """Read a JSON object that has to be written as ``canonical`` writes it, so that every changed byte is found.

    Raises:
        PublicationError: as ``read_object``, or it is written in another way.
    """
    data = read_object(path)
    if canonical(data) != path.read_bytes():
        raise PublicationError(f"{path} is not what was published: it is written in another way")
    return data
