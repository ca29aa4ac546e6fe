"""Keep what a filling found of the publications: what each says, whether it verifies, and when that was checked."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecoia.errors import PublicationError
from ecoia.keeping.destinations import write_atomically
from ecoia.periods import utc_datetime

if TYPE_CHECKING:
    from ecoia.publishing.publication import Published

PUBLICATIONS_FILE = "publications.json"
_SCHEMA = 1
_AGAIN_AFTER_NS = 3600 * 10**9
"""How long a check counts while no publication is added: all files are hashed anew by the next one."""


@dataclass(frozen=True)
class KeptPublication:
    """A publication, as the last check found it.

    Attributes:
        name: Its name, such as ``2026Q2`` or ``2026Q2-r1``.
        quarter: Its quarter.
        restates: Whether it is the quarter computed again, beside its earlier publication.
        published_on: Day of the publication.
        head: SHA-256 of its manifest: the figure for the minutes.
        previous: Name of the publication before it. None: it is the first.
        previous_head: Head of that publication.
        method_version: Version of the method of its figures.
        covers_documents: Whether the head is also that of the documents.
        signed: Whether it is signed.
        timestamped: Whether an authority's timestamp stands beside the seal.
        documents: Names of its documents.
        incomplete_because: Why it was published with days of the ledger missing. None: none was.
        microjoules: Energy of components as published. None: its figures cannot be read.
        energy_kwh: Energy as published, in kWh.
        co2e_kg: CO2e as published, by part, in kg; parts that were not known are left out.
        difference: The first difference from what was published. None: it is what was published.
    """

    name: str
    quarter: str
    restates: bool
    published_on: str
    head: str
    previous: str | None
    previous_head: str | None
    method_version: str
    covers_documents: bool
    signed: bool
    timestamped: bool
    documents: tuple[str, ...]
    incomplete_because: str | None
    microjoules: int | None
    energy_kwh: float | None
    co2e_kg: Mapping[str, float]
    difference: str | None


@dataclass(frozen=True)
class KeptPublications:
    """All publications, in their order, as the last check found them.

    Attributes:
        publications: The publications.
        folder: Name of the folder that holds them. Empty: there is no such setting.
        checked_utc: When they were checked. None: never.
        broken: Why they are no chain. None: each follows the one before.
    """

    publications: tuple[KeptPublication, ...] = ()
    folder: str = ""
    checked_utc: str | None = None
    broken: str | None = None
    checked_ns: int = field(default=0, compare=False)

    @property
    def said(self) -> str:
        """All but the time of the check, as text: part of the digest of what pages show."""
        return json.dumps([asdict(each) for each in self.publications] + [self.folder, self.broken], sort_keys=True)


def keep_publications(
    folder: Path, setting: str | None, chain: Sequence[Published], now_ns: int | None = None
) -> KeptPublications:
    """Check the publications, and keep what was found; what was checked within the hour stays, if none was added.

    Args:
        folder: The filled folder.
        setting: The setting ``publications``.
        chain: The publications, in their order.
        now_ns: The time, for tests. None: the clock's.
    """
    now_ns = now_ns or time.time_ns()
    before, name = read_publications(folder), Path(setting).name if setting else ""
    same = [each.head for each in before.publications] == [each.head for each in chain] and before.folder == name
    if same and 0 <= now_ns - before.checked_ns < _AGAIN_AFTER_NS:
        return before
    found = KeptPublications(
        tuple(_kept(each) for each in chain),
        name,
        utc_datetime(now_ns).strftime("%Y-%m-%dT%H:%M:%SZ"),
        _broken(setting) if chain and setting else None,
        now_ns,
    )
    write_atomically(folder / PUBLICATIONS_FILE, json.dumps({"schema": _SCHEMA, **asdict(found)}, ensure_ascii=False) + "\n")
    return found


def _kept(published: Published) -> KeptPublication:
    from ecoia.impact.recalculation import PARTS
    from ecoia.publishing.sealed_files import DOCUMENTS_FOLDER
    from ecoia.publishing.verification import verify

    difference, figures, signed = None, None, False
    try:
        figures = published.report()
        signed = published.signed_with is not None
        verify(published.folder)
    except PublicationError as error:
        difference = _without_folder(error, published.folder.parent)
    documents = sorted(path.name for path in (published.folder / DOCUMENTS_FOLDER).glob("*"))
    known = {part: figures["footprint"][part]["value"] for part in PARTS} if figures else {}
    return KeptPublication(
        published.name,
        published.quarter,
        published.restates,
        published.published_on,
        published.head,
        published.previous,
        published.previous_head,
        published.method_version,
        published.head_covers_documents,
        signed,
        published.timestamp_authority is not None,
        tuple(documents),
        figures.get("incomplete_because") if figures else None,
        figures["totals"]["energy_components_microjoules"] if figures else None,
        figures["totals"]["energy"]["value"] if figures else None,
        {part: kg for part, kg in known.items() if kg is not None},
        difference,
    )


def _broken(setting: str) -> str | None:
    from ecoia.publishing.verification import unaltered

    try:
        unaltered(Path(setting))
    except PublicationError as error:
        return _without_folder(error, Path(setting))
    return None


def _without_folder(error: PublicationError, root: Path) -> str:
    """Say what differs, without where on this machine the publications lie."""
    return str(error).replace(f"{root}/", "").replace(str(root), root.name)


def read_publications(folder: Path) -> KeptPublications:
    """Read what was kept; nothing where nothing was, or another version kept it."""
    try:
        data: dict[str, Any] = json.loads((folder / PUBLICATIONS_FILE).read_text(encoding="utf-8"))
        if data.pop("schema") != _SCHEMA:
            return KeptPublications()
        kept = tuple(KeptPublication(**{**each, "documents": tuple(each["documents"])}) for each in data.pop("publications"))
        return KeptPublications(kept, **data)
    except (OSError, ValueError, KeyError, TypeError):
        return KeptPublications()
