"""The files of a publication: their names, the one way to write them, and their SHA-256.

report.json      every figure
inputs/          what the figures are computed from (``ecoia.impact.inputs``)
documents/       the report as people read it; it prints the SHA-256 of report.json and the head of the previous publication
manifest.json    SHA-256 of each of these files and of each section of the figures, how the documents were drawn, and the head of
                 the previous publication
seal.json        the head (SHA-256 of the manifest), and the signature, if there is a key
timestamp.tsr    the answer of a timestamping authority to the head, if one was asked

In publications of schema 1 the documents printed their own head, so the manifest does not list them: seal.json does.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from ecoia import limits
from ecoia.errors import EcoiaError, PublicationError
from ecoia.records import json_lines

SCHEMA = 2
SEQUENCED_SCHEMA = 3
"""Schema of a publication with a row that names its records by ranges (``records.record_ids``), and of those after it in a chain:
an ecoia that cannot read such rows says so, and does not take them for forged ones."""
TOLD_SCHEMA = 4
"""The same, with a row whose tokens tell more than input and output (``records.Tokens``)."""

REPORT_FILE, INPUTS_FOLDER, MANIFEST_FILE = "report.json", "inputs", "manifest.json"
DOCUMENTS_FOLDER, SEAL_FILE, RECALCULATION_FILE = "documents", "seal.json", "recalculation.json"
TIMESTAMP_FILE = "timestamp.tsr"
_MANIFEST_FIELDS = {"schema", "quarter", "restates", "published_on", "method_version", "previous", "files", "figures"}
_SEAL_FIELDS = {"schema", "quarter", "head", "public_key", "signature"}
_COVERING_FIELDS = _MANIFEST_FIELDS | {"documents", "timestamp_authority"}
MANIFEST_FIELDS = {1: _MANIFEST_FIELDS} | dict.fromkeys((SCHEMA, SEQUENCED_SCHEMA, TOLD_SCHEMA), _COVERING_FIELDS)
SEAL_FIELDS = {1: _SEAL_FIELDS | {"documents"}} | dict.fromkeys((SCHEMA, SEQUENCED_SCHEMA, TOLD_SCHEMA), _SEAL_FIELDS)
"""Fields of a manifest and of a seal, by schema."""


def canonical(data: Any) -> bytes:
    """Write data as JSON in the one way that publications use, so that equal data gives equal bytes.

    Raises:
        ValueError: the data holds NaN or an infinity.
    """
    return (json.dumps(data, ensure_ascii=False, allow_nan=False, indent=1, sort_keys=True) + "\n").encode()


@contextmanager
def reading(folder: Path) -> Iterator[None]:
    """Turn whatever reading a damaged or forged publication raises into one error that names its folder.

    Raises:
        PublicationError: a file cannot be read, or has another form than what was published.

    Example::

        with reading(folder):
            json.loads((folder / "manifest.json").read_text())["head"]
    """
    try:
        yield
    except EcoiaError:
        raise
    except OSError as error:
        raise PublicationError(f"{error.filename or folder} cannot be read ({error.strerror})") from error
    except (KeyError, TypeError, AttributeError, ValueError, IndexError, OverflowError, RecursionError) as error:
        said = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise PublicationError(f"{folder} is not what was published: a file has another form ({said})") from error


def published_bytes(path: Path) -> bytes:
    """Read a file of a publication.

    Raises:
        PublicationError: it cannot be read, is a link, a pipe or a device, or is larger than any file of a publication.
    """
    with _opened(path) as file:
        return file.read()


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal.

    Raises:
        PublicationError: as ``published_bytes``.
    """
    with _opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type] # it reads into a buffer


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        with open(limits.open_file(path, limits.PUBLISHED_FILE_BYTES, follow_links=False), "rb") as file:  # noqa: PTH123
            yield file
    except OSError as error:
        raise PublicationError(f"{path} cannot be read ({error.strerror}): is this the folder of a publication?") from error


def files_below(folder: Path) -> list[str]:
    """Return the paths of all files below a folder, relative to it, sorted. Links are files, and are not followed.

    Raises:
        PublicationError: there are more than any publication has.
        OSError: a folder cannot be read.
    """
    return sorted(path.relative_to(folder).as_posix() for path in _below(folder) if not _is_folder(path))


def empty_folders_below(folder: Path) -> list[str]:
    """Return the paths of all folders that hold no file, also none in a folder below them, as ``files_below``."""
    kept = {parent for path in files_below(folder) for parent in Path(path).parents}
    found = (path.relative_to(folder) for path in _below(folder) if _is_folder(path))
    return sorted(path.as_posix() for path in found if path not in kept)


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _below(folder: Path) -> Iterator[Path]:
    """Yield every file and folder below a folder."""
    waiting, found = [folder], 0
    while waiting:
        for path in waiting.pop().iterdir():
            found += 1
            if found > limits.PUBLISHED_FILES:
                raise PublicationError(f"{folder} holds more than {limits.PUBLISHED_FILES:,} files: it is no publication")
            yield path
            if _is_folder(path):
                waiting.append(path)


def section_digests(report: str | bytes) -> dict[str, str]:
    """Return the SHA-256 of each section of the figures, so that a difference can be named.

    Raises:
        ValueError: the text is not a JSON object.
    """
    data = json_lines.read_json(report)
    if not isinstance(data, dict):
        raise ValueError("it is not an object")  # noqa: TRY004 - callers treat it like text that is not JSON at all
    return {name: hashlib.sha256(canonical(value)).hexdigest() for name, value in data.items()}


def differing_section(path: Path, manifest: Mapping[str, Any]) -> str:
    """Name the first section of the figures that differs from the manifest, as the end of a message."""
    try:
        now = section_digests(published_bytes(path))
    except ValueError:
        return ": it is no longer a report"
    then = manifest["figures"]
    differing = [section for section in sorted({*now, *then}) if now.get(section) != then.get(section)]
    return f": section '{differing[0]}' differs" if differing else ": the figures are the same, and are written in another way"


def read_json(path: Path) -> Any:
    """Read a JSON file of a publication.

    Raises:
        PublicationError: it cannot be read, or is not JSON that could have been published.
    """
    return _parsed(path, published_bytes(path))


def _parsed(path: Path, text: bytes) -> Any:
    try:
        return json_lines.read_json(text)
    except json_lines.JsonError as error:
        raise PublicationError(f"{path} is not what was published: it cannot be read ({error})") from error


def read_object(path: Path) -> dict[str, Any]:
    """Read a JSON file of a publication that holds an object.

    Raises:
        PublicationError: as ``read_json``, or it holds something else.
    """
    return _object(path, published_bytes(path))


def _object(path: Path, text: bytes) -> dict[str, Any]:
    data = _parsed(path, text)
    if not isinstance(data, dict):
        raise PublicationError(f"{path} is not what was published: it is not a JSON object")
    return data


def read_canonical(path: Path) -> dict[str, Any]:
    """Read a JSON object that has to be written as ``canonical`` writes it, so that every changed byte is found.

    Raises:
        PublicationError: as ``read_object``, or it is written in another way.
    """
    text = published_bytes(path)
    data = _object(path, text)
    if canonical(data) != text:
        raise PublicationError(f"{path} is not what was published: it is written in another way")
    return data
