"""A published quarter: its figures and everything that they come from, in one folder, sealed and chained to the previous one.

The files of a publication are listed in ``sealed_files``. A chain proves something only if others keep its head: in the
committee's minutes. Somebody who can rewrite the folder can rewrite the chain, but neither the minutes nor a signature.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
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
from ecoia.report import QuarterlyReport, Seal

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


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
    """

    folder: Path
    quarter: str
    restates: bool
    head: str
    previous: str | None
    published_on: str

    @property
    def name(self) -> str:
        """The name of its folder."""
        return self.folder.name

    @property
    def signed_with(self) -> str | None:
        """The public key that its signature is checked by, in base64; ``None`` if it is not signed."""
        found: str | None = read_canonical(self.folder / SEAL_FILE)["public_key"]
        return found

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

    def inputs(self) -> Inputs:
        """Read what the figures were computed from."""
        return read_inputs(self.folder / INPUTS_FOLDER)

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
        if not root.is_dir():
            return []
        folders = [path for path in root.iterdir() if not path.name.startswith(".")]
        manifests = [path for path in folders if os.path.lexists(path / MANIFEST_FILE)]  # also a link that leads nowhere
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


def read_publication(folder: Path) -> Published:
    """Read what the manifest of one publication says of it.

    Raises:
        PublicationError: the manifest cannot be read, or lacks a field.
    """
    manifest = read_canonical(folder / MANIFEST_FILE)
    try:
        return Published(
            folder=folder,
            quarter=str(Quarter.parse(manifest["quarter"])),
            restates=manifest["restates"],
            head=sha256(folder / MANIFEST_FILE),
            previous=manifest["previous"]["name"] if manifest["previous"] else None,
            published_on=date.fromisoformat(manifest["published_on"]).isoformat(),
        )
    except KeyError as error:
        raise PublicationError(f"{folder / MANIFEST_FILE} is not a manifest: it lacks {error}") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise PublicationError(f"{folder / MANIFEST_FILE} is not a manifest: {error}") from error


def publish(
    root: Path,
    inputs: Inputs,
    report: QuarterlyReport,
    documents: Callable[[QuarterlyReport, Path], None],
    *,
    on: date,
    catalogue_folder: Path | None,
    recalculation: Recalculation | None = None,
    key: Ed25519PrivateKey | None = None,
) -> Published:
    """Freeze a quarter. A crash leaves no publication, or a whole one.

    Args:
        root: The folder of all publications.
        inputs: The inputs that ``report`` was built from.
        report: The figures.
        documents: Writes the report as people read it into a folder. The report that it gets has its seal.
        on: Day of the publication.
        catalogue_folder: Where the catalogue was read from.
        recalculation: The difference to what was published, for a quarter that is restated.
        key: Signs the seal.

    Raises:
        PublicationError: the quarter is published already (or, to be restated, is not), holds no record, or the folder cannot be
            written.

    Example::

        publish(Path("publications"), inputs, report, write_page, on=date(2027, 1, 15), catalogue_folder=None).name
        # '2026Q4'
    """
    chain = publications(root)
    published_before = [each for each in chain if each.quarter == report.quarter]
    _check_publishable(root, report, published_before, recalculation)
    name = f"{report.quarter}-r{len(published_before)}" if recalculation else report.quarter
    draft = root / f".{name}-{secrets.token_hex(4)}"
    previous = chain[-1] if chain else None
    try:
        draft.mkdir(parents=True)
        _write_figures(draft, inputs, report, catalogue_folder, recalculation)
        (draft / MANIFEST_FILE).write_bytes(canonical(_manifest(draft, report, previous, on, restates=recalculation is not None)))
        head = sha256(draft / MANIFEST_FILE)
        (draft / DOCUMENTS_FOLDER).mkdir()
        seal = Seal(name, on.isoformat(), head, previous.name if previous else None, previous.head if previous else None)
        documents(replace(report, seal=seal), draft / DOCUMENTS_FOLDER)
        (draft / SEAL_FILE).write_bytes(canonical(_seal(draft, report.quarter, head, key)))
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


def _manifest(draft: Path, report: QuarterlyReport, previous: Published | None, on: date, *, restates: bool) -> dict[str, Any]:
    """Return the manifest of the files that a draft holds so far."""
    link = previous and {"name": previous.name, "head": previous.head, "seal": sha256(previous.folder / SEAL_FILE)}
    return {
        "schema": SCHEMA,
        "quarter": report.quarter,
        "restates": restates,
        "published_on": on.isoformat(),
        "method_version": report.method_version,
        "previous": link,
        "files": {path: sha256(draft / path) for path in files_below(draft)},
        "figures": section_digests(report.to_json()),
    }


def _seal(draft: Path, quarter: str, head: str, key: Ed25519PrivateKey | None) -> dict[str, Any]:
    """Return the seal of a draft whose documents are written, signed if there is a key."""
    documents = draft / DOCUMENTS_FOLDER
    seal = {
        "schema": SCHEMA,
        "quarter": quarter,
        "head": head,
        "documents": {path: sha256(documents / path) for path in files_below(documents)},
    }
    return signed(seal, key)
