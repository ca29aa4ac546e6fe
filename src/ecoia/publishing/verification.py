"""Checking that publications are what was published, and computing their figures again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecoia.errors import PublicationError
from ecoia.impact.inputs import Inputs
from ecoia.impact.recalculation import Recalculation
from ecoia.periods import Quarter
from ecoia.publishing.publication import Published, publications, read_publication
from ecoia.publishing.sealed_files import (
    DOCUMENTS_FOLDER,
    MANIFEST_FIELDS,
    MANIFEST_FILE,
    REPORT_FILE,
    SCHEMA,
    SEAL_FIELDS,
    SEAL_FILE,
    differing_section,
    empty_folders_below,
    files_below,
    published_bytes,
    read_canonical,
    read_object,
    reading,
    section_digests,
    sha256,
)
from ecoia.publishing.signing import check_signature
from ecoia.report import QuarterlyReport, build_report

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def verify(folder: Path, public_key: Ed25519PublicKey | None = None) -> Published:
    """Check one publication, by its folder alone.

    Args:
        folder: The folder of the publication.
        public_key: The organisation's key; ``None``: a signature is checked by the key that came with it.

    Raises:
        PublicationError: something differs from what was published; the message names the first difference.

    Example::

        verify(Path("publications/2026Q4"), read_public_key(Path("ecoia-public.pem"))).head  # '5f0c...'
    """
    with reading(folder):
        _check(folder, public_key)
        return read_publication(folder)


def _check(folder: Path, public_key: Ed25519PublicKey | None) -> None:
    """Check one publication.

    Raises:
        PublicationError: as ``verify``.
    """
    seal, manifest = read_canonical(folder / SEAL_FILE), read_canonical(folder / MANIFEST_FILE)
    _check_fields(folder / SEAL_FILE, seal, SEAL_FIELDS, listing="documents")
    _check_fields(folder / MANIFEST_FILE, manifest, MANIFEST_FIELDS, listing="files")
    check_signature(folder, seal, public_key)
    if sha256(folder / MANIFEST_FILE) != seal["head"]:
        raise PublicationError(f"{folder / MANIFEST_FILE} is not the one that {SEAL_FILE} seals: its SHA-256 is not the head")
    if seal["quarter"] != manifest["quarter"]:
        raise PublicationError(f"{folder / SEAL_FILE} is of {seal['quarter']}, the manifest of {manifest['quarter']}")
    _check_files(folder, seal, manifest)
    _check_figures(folder, manifest)


def _check_fields(path: Path, data: Mapping[str, Any], fields: set[str], *, listing: str) -> None:
    """Check the schema and the fields of a seal or manifest.

    Raises:
        PublicationError: they differ from this version's, or the field ``listing`` holds no files.
    """
    if data.get("schema") != SCHEMA:
        raise PublicationError(f"{path}: schema {data.get('schema')!r}, this ecoia verifies {SCHEMA}")
    if set(data) != fields:
        raise PublicationError(f"{path} is not what was published: {', '.join(sorted(set(data) ^ fields))}")
    if not isinstance(data[listing], dict):
        raise PublicationError(f"{path} is not what was published: it lists no files")


def _check_files(folder: Path, seal: Mapping[str, Any], manifest: Mapping[str, Any]) -> None:
    """Check that the folder holds exactly the listed files, with the listed SHA-256.

    Raises:
        PublicationError: a file or folder was added, is missing, or was changed.
    """
    listed = {**manifest["files"], **{f"{DOCUMENTS_FOLDER}/{path}": digest for path, digest in seal["documents"].items()}}
    present = [path for path in files_below(folder) if path not in (MANIFEST_FILE, SEAL_FILE)]
    for path in sorted({*listed, *present}):
        if path not in listed:
            raise PublicationError(f"{folder / path} was not published: it was added since")
        if path not in present:
            raise PublicationError(f"{folder / path} is missing")
        if sha256(folder / path) != listed[path]:
            where = differing_section(folder / path, manifest) if path == REPORT_FILE else ""
            raise PublicationError(f"{folder / path} is not what was published{where}")
    if empty := [path for path in empty_folders_below(folder) if path != DOCUMENTS_FOLDER]:  # publishing makes that one
        raise PublicationError(f"{folder / empty[0]} was not published: the empty folder was added since")


def _check_figures(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Check that the manifest describes the figures beside it.

    Raises:
        PublicationError: it describes others.
    """
    report = read_object(folder / REPORT_FILE)
    names = ("quarter", "method_version")
    expected = {"figures": section_digests(json.dumps(report)), **{name: report.get(name) for name in names}}
    for name, value in expected.items():
        if manifest[name] != value:
            raise PublicationError(f"{folder / MANIFEST_FILE} does not describe {REPORT_FILE}: '{name}' differs")


def verify_chain(root: Path, public_key: Ed25519PublicKey | None = None) -> list[Published]:
    """Check every publication of a folder, and that each follows the previous one.

    Args:
        root: The folder of all publications.
        public_key: As for ``verify``.

    Raises:
        PublicationError: as ``verify``, or the chain is broken.
    """
    with reading(root):
        for path in sorted(path for name in (REPORT_FILE, SEAL_FILE) for path in root.glob(f"[!.]*/{name}")):
            if not (path.parent / MANIFEST_FILE).exists():
                raise PublicationError(f"{path.parent / MANIFEST_FILE} is missing")
    chain = publications(root)
    if not chain:
        raise PublicationError(f"'{root}' holds no publication: name the folder of one, or the folder of all of them")
    for before, each in zip([None, *chain], chain, strict=False):
        verify(each.folder, public_key)
        if each.name.partition("-r")[0] != each.quarter:
            raise PublicationError(f"{each.folder} was published as {each.quarter}: its folder was renamed")
        with reading(each.folder):
            link = read_canonical(each.folder / MANIFEST_FILE)["previous"]
            unchained = before is not None and (link["head"], link["seal"]) != (before.head, sha256(before.folder / SEAL_FILE))
        if before is not None and unchained:
            raise PublicationError(f"{before.folder} is not the publication that {each.name} was chained to")
    return chain


def recompute(published: Published) -> bool:
    """Return whether this version of ecoia computes the very bytes of the published figures from the published inputs."""
    again = recomputed(published.inputs(), published.report())
    return again.to_json().encode() == published_bytes(published.folder / REPORT_FILE)


def recomputed(inputs: Inputs, figures: Mapping[str, Any]) -> QuarterlyReport:
    """Build the report of a published quarter from some inputs.

    Args:
        inputs: The published ones, or others to compare with.
        figures: The published figures; what was published before the quarter is taken from them.
    """
    return build_report(
        inputs.rows,
        Quarter.parse(figures["quarter"]),
        settings=inputs.settings,
        catalogue=inputs.catalogue,
        factors=inputs.factors,
        known_until_ns=inputs.known_until_utc_ns,
        over=True,
        published_micrograms={quarter: dict(parts) for quarter, parts in figures["published_micrograms"].items()},
        restatements=tuple(Recalculation.from_dict(each) for each in figures["restatements"]),
        gaps=inputs.gaps,
        incomplete_because=figures.get("incomplete_because"),
    )
