"""Checking that publications are what was published, and computing their figures again."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecoia.errors import PublicationError
from ecoia.impact.inputs import Inputs
from ecoia.impact.recalculation import recalculate
from ecoia.periods import Quarter
from ecoia.publishing.publication import Published, folders_in, name_of, publications, read_publication
from ecoia.publishing.published_before import PublishedBefore, published_before
from ecoia.publishing.sealed_files import (
    DOCUMENTS_FOLDER,
    MANIFEST_FIELDS,
    MANIFEST_FILE,
    RECALCULATION_FILE,
    REPORT_FILE,
    SEAL_FIELDS,
    SEAL_FILE,
    TIMESTAMP_FILE,
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


_NAMED_LIKE_ONE = re.compile(r"\d{4}Q[1-4](-r\d+)?", re.IGNORECASE)
_FIRST_METHOD = "1"
"""The version of the method of every publication of schema 1."""


def verify(folder: Path, public_keys: Sequence[Ed25519PublicKey] = ()) -> Published:
    """Check one publication, by its folder alone.

    Args:
        folder: The folder of the publication.
        public_keys: The organisation's keys; none: a signature is checked by the key that came with it.

    Raises:
        PublicationError: something differs from what was published; the message names the first difference.

    Example::

        verify(Path("publications/2026Q4"), [read_public_key(Path("ecoia-public.pem"))]).head  # '5f0c...'
    """
    with reading(folder):
        _check(folder, public_keys)
        found = read_publication(folder)
        _check_name(found)
        return found


def _check_name(published: Published, restatement: int | None = None) -> None:
    """Check that the folder of a publication has its name: people read the quarter there, and the head does not cover it.

    Args:
        published: The publication.
        restatement: Which restatement of its quarter it is, if it is one; None: whichever its name says.

    Raises:
        PublicationError: it has another name.
    """
    said = published.name.rpartition("-r")[2]
    number = restatement or (int(said) if said.isdecimal() and said.isascii() and int(said) else 1)
    name = name_of(published.quarter, number if published.restates else None)
    if published.folder.resolve().name != name:
        raise PublicationError(f"{published.folder} was published as {name}: its folder was renamed; give it that name again")


def _check(folder: Path, public_keys: Sequence[Ed25519PublicKey]) -> None:
    """Check one publication.

    Raises:
        PublicationError: as ``verify``.
    """
    seal, manifest = read_canonical(folder / SEAL_FILE), read_canonical(folder / MANIFEST_FILE)
    _check_fields(folder / SEAL_FILE, seal, SEAL_FIELDS)
    _check_fields(folder / MANIFEST_FILE, manifest, MANIFEST_FIELDS)
    check_signature(folder, seal, public_keys)
    if sha256(folder / MANIFEST_FILE) != seal["head"]:
        raise PublicationError(f"{folder / MANIFEST_FILE} is not the one that {SEAL_FILE} seals: its SHA-256 is not the head")
    if seal["quarter"] != manifest["quarter"]:
        raise PublicationError(f"{folder / SEAL_FILE} is of {seal['quarter']}, the manifest of {manifest['quarter']}")
    if seal["schema"] != manifest["schema"]:
        raise PublicationError(f"{folder / SEAL_FILE} is of schema {seal['schema']}, the manifest of {manifest['schema']}")
    if manifest["schema"] == 1 and manifest["method_version"] != _FIRST_METHOD:
        method = manifest["method_version"]
        raise PublicationError(f"{folder / MANIFEST_FILE} is of schema 1 and of method {method}: no ecoia published that")
    _check_files(folder, seal, manifest)
    _check_figures(folder, manifest)


def _check_fields(path: Path, data: Mapping[str, Any], fields: Mapping[int, set[str]]) -> None:
    """Check the schema and the fields of a seal or manifest.

    Raises:
        PublicationError: no version of ecoia writes them, or a field that lists files holds none.
    """
    schema = data.get("schema")
    if type(schema) is not int or schema not in fields:  # True is an int
        raise PublicationError(f"{path}: schema {schema!r}, this ecoia verifies {' and '.join(map(str, fields))}")
    if set(data) != fields[schema]:
        raise PublicationError(f"{path} is not what was published: {', '.join(sorted(set(data) ^ fields[schema]))}")
    for listing in {"files", "documents"} & fields[schema]:
        if not isinstance(data[listing], dict):
            raise PublicationError(f"{path} is not what was published: it lists no files")


def _check_files(folder: Path, seal: Mapping[str, Any], manifest: Mapping[str, Any]) -> None:
    """Check that the folder holds exactly the listed files, with the listed SHA-256.

    Raises:
        PublicationError: a file, folder or link was added, is missing, or was changed.
    """
    listed = {**manifest["files"], **{f"{DOCUMENTS_FOLDER}/{path}": digest for path, digest in seal.get("documents", {}).items()}}
    apart = {MANIFEST_FILE, SEAL_FILE, *([TIMESTAMP_FILE] if manifest.get("timestamp_authority") else [])}
    everything = files_below(folder)
    for path in sorted(apart.difference(everything)):
        raise PublicationError(f"{folder / path} is missing")
    present = [path for path in everything if path not in apart]
    for link in (folder / path for path in present if (folder / path).is_symlink()):
        raise PublicationError(f"{link} is a link that leads to '{link.readlink()}': a publication holds files of its own")
    for path in sorted({*listed, *present}):
        if path not in listed:
            raise PublicationError(f"{folder / path} was not published: it was added since")
        if path not in present:
            raise PublicationError(f"{folder / path} is missing")
        if sha256(folder / path) != listed[path]:
            where = differing_section(folder / path, manifest) if path == REPORT_FILE else ""
            raise PublicationError(f"{folder / path} is not what was published{where}")
    made = {DOCUMENTS_FOLDER} if manifest["schema"] == 1 else set()  # by publishing without a document
    if empty := [path for path in empty_folders_below(folder) if path not in made]:
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


def verify_chain(root: Path, public_keys: Sequence[Ed25519PublicKey] = ()) -> list[Published]:
    """Check every publication of a folder, that each follows the previous one, and that a signed chain stays signed.

    Args:
        root: The folder of all publications.
        public_keys: As for ``verify``. Without them, a chain whose key changes is refused.

    Raises:
        PublicationError: as ``verify``, or the chain is broken.
    """
    with reading(root):
        _check_folders(root)
    chain = unaltered(root)
    if not chain:
        raise PublicationError(f"'{root}' holds no publication: name the folder of one, or the folder of all of them")
    signed_first = next((place for place, each in enumerate(chain) if each.signed_with is not None), len(chain) - 1)
    for each in chain[signed_first:]:  # the first signature covers those before it, too: it is over their heads and seals
        verify(each.folder, public_keys)
    for before, each in pairwise(chain):
        _check_still_signed(before, each, public_keys)
    return chain


def unaltered(root: Path) -> list[Published]:
    """Check every publication of a folder, whoever signed it, and that each follows the previous one.

    Returns:
        The publications, in their order; none where the folder is missing or empty.

    Raises:
        PublicationError: as ``verify``, or the chain is broken.
    """
    chain = publications(root)
    of_quarter: Counter[str] = Counter()
    for each in chain:
        verify(each.folder)
        _check_name(each, of_quarter[each.quarter])
        of_quarter[each.quarter] += 1
    for before, each in pairwise(chain):
        with reading(each.folder):
            link = read_canonical(each.folder / MANIFEST_FILE)["previous"]
            unchained = (link["head"], link["seal"]) != (before.head, sha256(before.folder / SEAL_FILE))
        if unchained:
            raise PublicationError(f"{before.folder} is not the publication that {each.name} was chained to")
        if each.schema < before.schema:
            raise PublicationError(f"{each.folder} is of schema {each.schema}, and {before.name} before it of {before.schema}")
    return chain


def _check_folders(root: Path) -> None:
    """Check that whatever stands beside the publications is no publication that lost its manifest, and is not taken for one.

    Raises:
        PublicationError: a folder is empty, or holds files of a publication but no manifest, or has the name of a publication;
            or as ``folders_in``.
    """
    for path in not_covered(root):
        if path.is_dir() and not files_below(path):
            raise PublicationError(f"{path} is empty: a publication that was here is gone, or the folder was added")
        if _NAMED_LIKE_ONE.fullmatch(path.name) or any((path / name).exists() for name in (REPORT_FILE, SEAL_FILE)):
            raise PublicationError(f"{path / MANIFEST_FILE} is missing, so nothing vouches for what stands there")


def not_covered(root: Path) -> list[Path]:
    """Return what stands beside the publications of a folder and is none, so that no head covers it.

    Raises:
        PublicationError: as ``folders_in``.
    """
    return [path for path in folders_in(root) if not (path.is_dir() and (path / MANIFEST_FILE).exists())]


def _check_still_signed(before: Published, each: Published, public_keys: Sequence[Ed25519PublicKey]) -> None:
    """Check that a publication is signed as the one before it.

    Raises:
        PublicationError: signing ended with it, or it is signed with another key and the organisation's keys are not given.
    """
    then, now = before.signed_with, each.signed_with
    if then is None:
        return
    if now is None:
        raise PublicationError(f"{each.folder / SEAL_FILE} is not signed, and {before.name} before it is: signing ended there")
    if now != then and not public_keys:
        raise PublicationError(
            f"{each.folder / SEAL_FILE} is signed with another key ({shortened(now)}) than {before.name} before it "
            f"({shortened(then)}): if the organisation changed its key, give each one with --public-key"
        )


def shortened(key: str) -> str:
    """Return the beginning of a public key, enough to tell two keys apart."""
    return f"{key[:12]}…"


def check_heads(checked: Sequence[Published], heads: Sequence[str]) -> Published | None:
    """Find the last publication that a head known from elsewhere decides: its whole chain up to it is what was published.

    Args:
        checked: Verified publications, in the order of their chain.
        heads: Heads from the minutes, in hexadecimal.

    Returns:
        The publication; ``None`` where no head is given.

    Raises:
        PublicationError: a head is that of no publication here.
    """
    by_head = {each.head: place for place, each in enumerate(checked)}
    for head in heads:
        if head not in by_head:
            raise PublicationError(
                f"no publication here has the head {head}: what stands in the minutes was changed since, or is not here"
            )
    return checked[max(by_head[head] for head in heads)] if heads else None


def recompute(published: Published) -> bool:
    """Return whether this version of ecoia computes the very bytes of the published figures from the published inputs."""
    return is_published(recomputed_report(published), published)


def recomputed_report(published: Published) -> QuarterlyReport:
    """Build the report of a publication again from the published inputs.

    What it takes from the publications before it is read from those, where they all lie beside it, else from its figures.
    """
    inputs, figures = published.inputs(), published.report()
    chain = chain_before(published)
    before = None if chain is None else published_before(chain, inputs, Quarter.parse(published.quarter))
    return recomputed(inputs, figures, before)


def chain_before(published: Published) -> list[Published] | None:
    """Return the publications before one, in their order; None unless all of them lie beside it, unaltered."""
    found: list[Published] = []
    each = published
    while each.previous is not None:
        folder = each.folder.parent / each.previous
        if each.folder == folder or not (folder / MANIFEST_FILE).exists():
            return None
        try:
            before = verify(folder)
        except PublicationError:
            return None
        if before.head != each.previous_head:
            return None
        each = before
        found.insert(0, each)
    return found


def is_published(report: QuarterlyReport, published: Published) -> bool:
    """Return whether a report has the very bytes of the published figures."""
    return report.to_json().encode() == published_bytes(published.folder / REPORT_FILE)


def bridge_is_published(published: Published) -> bool:
    """Return whether the bridge of a restatement has the very bytes that come of it and of what it restates.

    True of a publication that restates nothing, and where not all publications before it lie beside.
    """
    chain = chain_before(published)
    if not published.restates or chain is None:
        return True
    restated = next(each for each in reversed(chain) if each.quarter == published.quarter)
    bridge = recalculate(restated.report(), restated.inputs(), published.inputs())
    return bridge.to_json().encode() == published_bytes(published.folder / RECALCULATION_FILE)


def recomputed(inputs: Inputs, figures: Mapping[str, Any], before: PublishedBefore | None = None) -> QuarterlyReport:
    """Build the report of a published quarter from some inputs.

    Args:
        inputs: The published ones, or others to compare with.
        figures: The published figures.
        before: What it takes from the publications before it; None: as the figures have it.
    """
    before = before or PublishedBefore.of(figures)
    return build_report(
        inputs.rows,
        Quarter.parse(figures["quarter"]),
        settings=inputs.settings,
        catalogue=inputs.catalogue,
        factors=inputs.factors,
        known_until_ns=inputs.known_until_utc_ns,
        over=True,
        published_micrograms=before.micrograms,
        restatements=before.restatements,
        gaps=inputs.gaps,
        incomplete_because=figures.get("incomplete_because"),
        declared_since=before.declared_since,
        declared_changes=before.declared_changes,
    )
