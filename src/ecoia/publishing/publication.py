"""A published quarter: its figures and everything that they come from, in one folder, sealed and chained to the previous one.

The files of a publication are listed in ``sealed_files``. The documents are drawn first, so that the head covers what people
read. A chain proves something only if others keep its head: in the committee's minutes. Somebody who can rewrite the folder can
rewrite the chain, but neither the minutes nor a signature.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecoia.errors import PublicationError
from ecoia.impact.inputs import Inputs, read_inputs, write_inputs
from ecoia.impact.recalculation import Recalculation, published_level
from ecoia.periods import Quarter
from ecoia.publishing.sealed_files import (
    DOCUMENTS_FOLDER,
    INPUTS_FOLDER,
    MANIFEST_FILE,
    RECALCULATION_FILE,
    REPORT_FILE,
    SCHEMA,
    SEAL_FILE,
    SEQUENCED_SCHEMA,
    TIMESTAMP_FILE,
    TOLD_SCHEMA,
    canonical,
    files_below,
    read_canonical,
    read_json,
    read_object,
    reading,
    section_digests,
    sha256,
)
from ecoia.publishing.signing import signed
from ecoia.records import row_schema
from ecoia.report import QuarterlyReport, Seal
from ecoia.semconv import FIRST_SCHEMA_VERSION, SEQUENCE_SCHEMA_VERSION

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from ecoia.publishing.timestamping import Authority

_COVERS_DOCUMENTS = 2
"""The first schema whose head covers the documents."""


@dataclass(frozen=True)
class Drawing:
    """How documents were drawn: what is needed to draw the same bytes again.

    Attributes:
        language: Language of the documents; None: not known.
        formats: For each format, the versions of the programs that decide its bytes, by their names.
    """

    language: str | None = None
    formats: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Published:
    """A publication that was found.

    Attributes:
        folder: Its folder, which has its name.
        quarter: The quarter, such as ``2026Q4``.
        restates: Whether it is the quarter computed again, kept beside its earlier publication.
        head: SHA-256 of its manifest, in hexadecimal: the figure for the minutes.
        previous: Name of the publication before it; ``None`` for the first.
        published_on: Day of the publication, ISO 8601.
        schema: Schema of its manifest.
        previous_head: Head of the publication before it.
        drawing: How its documents were drawn; ``None`` where the manifest does not say so (schema 1).
        timestamp_authority: Address of the authority whose timestamp stands beside the seal, if one was asked.
        method_version: Version of the method of its figures.
    """

    folder: Path
    quarter: str
    restates: bool
    head: str
    previous: str | None
    published_on: str
    schema: int = SCHEMA
    previous_head: str | None = None
    drawing: Drawing | None = None
    timestamp_authority: str | None = None
    method_version: str = ""

    @property
    def name(self) -> str:
        """The name of its folder."""
        return self.folder.name

    @property
    def head_covers_documents(self) -> bool:
        """Whether the head is also that of the documents, and not of the figures and their inputs alone."""
        return self.schema >= _COVERS_DOCUMENTS

    @property
    def signed_with(self) -> str | None:
        """The public key that its signature is checked by, in base64; ``None`` if it is not signed."""
        found: str | None = read_canonical(self.folder / SEAL_FILE)["public_key"]
        return found

    def seal(self) -> Seal:
        """Return the seal that its documents print."""
        digest = sha256(self.folder / REPORT_FILE)
        return Seal(self.name, self.published_on, digest, self.previous, self.previous_head)

    def report(self) -> dict[str, Any]:
        """Read the figures as published.

        Raises:
            PublicationError: they cannot be read, or are no figures.
        """
        with reading(self.folder):
            figures = read_object(self.folder / REPORT_FILE)
            published_level(figures)
            int(figures["totals"]["energy_components_microjoules"])
            dict(figures["factor_set"] or {})
            return figures

    def inputs(self, *, with_rows: bool = True) -> Inputs:
        """Read what the figures were computed from; ``with_rows`` is as for ``read_inputs``."""
        return read_inputs(self.folder / INPUTS_FOLDER, with_rows=with_rows)

    def recalculation(self) -> Recalculation | None:
        """Read the difference to what was published before; ``None`` for a quarter that is published for the first time."""
        path = self.folder / RECALCULATION_FILE
        with reading(self.folder):
            return Recalculation.from_dict(read_json(path)) if path.exists() else None


def publications(root: Path) -> list[Published]:
    """Find what was published in a folder, in the order of publication.

    Args:
        root: The folder of all publications; it may be missing.

    Raises:
        PublicationError: a manifest cannot be read, or the chain has no single order.

    Example::

        [each.name for each in publications(Path("publications"))]  # ['2026Q2', '2026Q3', '2026Q2-r1']
    """
    with reading(root):
        manifests = [path for path in folders_in(root) if os.path.lexists(path / MANIFEST_FILE)]  # also a link that leads nowhere
        found = {path.name: read_publication(path) for path in manifests}
    ordered: list[Published] = []
    waiting = sorted(found.values(), key=lambda each: each.name)
    while waiting:
        last = ordered[-1].name if ordered else None
        following = [each for each in waiting if each.previous == last]
        if len(following) != 1:
            names = ", ".join(each.name for each in following or waiting)
            where = f"after {last}" if last else "at the beginning"
            raise PublicationError(f"the chain in '{root}' is broken {where}: {len(following)} publications follow it ({names})")
        ordered += following
        waiting.remove(following[0])
    return ordered


def folders_in(root: Path) -> list[Path]:
    """List what stands in the folder of all publications; drafts of a crash, whose names begin with a dot, are left out.

    Raises:
        PublicationError: a link stands there: what it leads to can change without anything here changing.
    """
    if not root.is_dir():
        return []
    found = sorted(path for path in root.iterdir() if not path.name.startswith("."))
    for path in found:
        if path.is_symlink():
            raise PublicationError(f"{path} is a link that leads to '{path.readlink()}': a publication is a folder of its own")
    return found


def read_publication(folder: Path) -> Published:
    """Read what the manifest of one publication says of it.

    Raises:
        PublicationError: the manifest cannot be read, or lacks a field.
    """
    manifest = read_canonical(folder / MANIFEST_FILE)
    try:
        drawn, previous = manifest.get("documents"), manifest["previous"] or {}
        return Published(
            folder=folder,
            quarter=str(Quarter.parse(manifest["quarter"])),
            restates=_flag(manifest["restates"]),
            head=sha256(folder / MANIFEST_FILE),
            previous=previous["name"] if manifest["previous"] else None,
            published_on=_day(manifest["published_on"]),
            schema=int(manifest["schema"]),
            previous_head=previous.get("head"),
            drawing=Drawing(drawn["language"], {name: dict(of) for name, of in drawn["formats"].items()}) if drawn else None,
            timestamp_authority=manifest.get("timestamp_authority"),
            method_version=str(manifest["method_version"]),
        )
    except KeyError as error:
        raise PublicationError(f"{folder / MANIFEST_FILE} is not a manifest: it lacks {error}") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise PublicationError(f"{folder / MANIFEST_FILE} is not a manifest: {error}") from error


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"'{value}' is neither true nor false")
    return value


def _day(text: str) -> str:
    if date.fromisoformat(text).isoformat() != text:
        raise ValueError(f"'{text}' is no day such as 2027-01-15")
    return text


def name_of(quarter: str, restatement: int | None) -> str:
    """Return the name of a publication.

    Args:
        quarter: The quarter.
        restatement: Which restatement of the quarter it is, from 1 on; None: the quarter is published for the first time.

    Example:
        >>> name_of("2026Q4", None), name_of("2026Q4", 1)
        ('2026Q4', '2026Q4-r1')
    """
    return quarter if restatement is None else f"{quarter}-r{restatement}"


def publish(
    root: Path,
    inputs: Inputs,
    report: QuarterlyReport,
    documents: Callable[[QuarterlyReport, Path], None],
    *,
    on: date,
    catalogue_folder: Path | None,
    drawing: Drawing = Drawing(),
    recalculation: Recalculation | None = None,
    key: Ed25519PrivateKey | None = None,
    authority: Authority | None = None,
) -> Published:
    """Freeze a quarter. A crash leaves no publication, or a whole one.

    Args:
        root: The folder of all publications.
        inputs: The inputs that ``report`` was built from.
        report: The figures.
        documents: Writes the report as people read it into a folder. The report that it gets has its seal.
        on: Day of the publication.
        catalogue_folder: Where the catalogue was read from.
        drawing: How ``documents`` draws.
        recalculation: The difference to what was published, for a quarter that is restated.
        key: Signs the seal.
        authority: Timestamps the head.

    Raises:
        PublicationError: the quarter is published already (or, to be restated, is not), holds no record, follows a signed
            publication without a key, the authority gives no timestamp, or the folder cannot be written.

    Example::

        publish(Path("publications"), inputs, report, write_page, on=date(2027, 1, 15), catalogue_folder=None).name
        # '2026Q4'
    """
    chain = publications(root)
    published_before = [each for each in chain if each.quarter == report.quarter]
    _check_publishable(root, report, published_before, recalculation)
    previous = chain[-1] if chain else None
    _check_stays_signed(previous, key)
    name = name_of(report.quarter, len(published_before) if recalculation else None)
    draft = root / f".{name}-{secrets.token_hex(4)}"
    try:
        draft.mkdir(parents=True)
        _write_figures(draft, inputs, report, catalogue_folder, recalculation)
        before = (previous.name, previous.head) if previous else (None, None)
        seal = Seal(name, on.isoformat(), sha256(draft / REPORT_FILE), *before)
        _write_documents(draft / DOCUMENTS_FOLDER, replace(report, seal=seal), documents)
        schema = _schema(inputs, previous)
        manifest = _manifest(draft, report, previous, on, drawing, schema, restates=recalculation is not None)
        _write_seal(draft, {**manifest, "timestamp_authority": authority.address if authority else None}, key)
        if authority is not None:
            (draft / TIMESTAMP_FILE).write_bytes(authority.stamp((draft / MANIFEST_FILE).read_bytes()))
        draft.rename(root / name)
    except OSError as error:
        raise PublicationError(f"'{root}' cannot be written ({error.strerror or error}): choose another folder") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return read_publication(root / name)


def _check_publishable(
    root: Path, report: QuarterlyReport, published_before: list[Published], recalculation: Recalculation | None
) -> None:
    """Check that a quarter may be published, or restated.

    Raises:
        PublicationError: it may not; with the remedy.
    """
    quarter = report.quarter
    if recalculation is not None:
        if not published_before:
            raise PublicationError(
                f"{quarter} is not published in '{root}', so there is nothing to restate: 'ecoia publish' first"
            )
        return
    if published_before:
        first = published_before[0]
        raise PublicationError(
            f"{quarter} was published on {first.published_on} ('{first.folder}') and stays as it is: "
            f"'ecoia recalculate' shows what it would amount to today"
        )
    if report.last_record_utc is None:
        raise PublicationError(f"{quarter} holds no record, so there is nothing to freeze: check the quarter, and '--from'")


def _check_stays_signed(previous: Published | None, key: Ed25519PrivateKey | None) -> None:
    """Check that a signed chain stays signed.

    Raises:
        PublicationError: the previous publication is signed, and there is no key.
    """
    if key is None and previous is not None and previous.signed_with is not None:
        raise PublicationError(
            f"{previous.name} is signed, and a chain that was signed and no longer is does not verify: give the key with --key"
        )


def _write_documents(folder: Path, report: QuarterlyReport, documents: Callable[[QuarterlyReport, Path], None]) -> None:
    folder.mkdir()
    documents(report, folder)
    if not any(folder.iterdir()):
        folder.rmdir()  # an empty folder in a publication was added to it


def _write_figures(
    draft: Path,
    inputs: Inputs,
    report: QuarterlyReport,
    catalogue_folder: Path | None,
    recalculation: Recalculation | None,
) -> None:
    """Write the figures and what they come from: every file that the manifest lists."""
    (draft / REPORT_FILE).write_text(report.to_json(), encoding="utf-8")
    if recalculation is not None:
        (draft / RECALCULATION_FILE).write_text(recalculation.to_json(), encoding="utf-8")
    write_inputs(inputs, Quarter.parse(report.quarter), draft / INPUTS_FOLDER, catalogue_folder)


def _schema(inputs: Inputs, previous: Published | None) -> int:
    of_rows = max(map(row_schema, inputs.rows), default=FIRST_SCHEMA_VERSION)
    needed = {FIRST_SCHEMA_VERSION: SCHEMA, SEQUENCE_SCHEMA_VERSION: SEQUENCED_SCHEMA}.get(of_rows, TOLD_SCHEMA)
    return max(needed, previous.schema) if previous else needed


def _manifest(
    draft: Path,
    report: QuarterlyReport,
    previous: Published | None,
    on: date,
    drawing: Drawing,
    schema: int,
    *,
    restates: bool,
) -> dict[str, Any]:
    """Return the manifest of the files that a draft holds so far, its documents among them."""
    link = previous and {"name": previous.name, "head": previous.head, "seal": sha256(previous.folder / SEAL_FILE)}
    return {
        "schema": schema,
        "quarter": report.quarter,
        "restates": restates,
        "published_on": on.isoformat(),
        "method_version": report.method_version,
        "previous": link,
        "documents": {"language": drawing.language, "formats": {name: dict(of) for name, of in drawing.formats.items()}},
        "files": {path: sha256(draft / path) for path in files_below(draft)},
        "figures": section_digests(report.to_json()),
    }


def _write_seal(draft: Path, manifest: dict[str, Any], key: Ed25519PrivateKey | None) -> None:
    """Write the manifest and its seal, signed if there is a key."""
    (draft / MANIFEST_FILE).write_bytes(canonical(manifest))
    seal = {"schema": manifest["schema"], "quarter": manifest["quarter"], "head": sha256(draft / MANIFEST_FILE)}
    (draft / SEAL_FILE).write_bytes(canonical(signed(seal, key)))
