"""Sidecars: what a closed file of the journal gave when it was folded, kept in ``delivery/folded`` so that it is not read again.

A packed file never changes, so its rows do not either. A sidecar is taken for a file of the same name, size, inode and time of
change, and only if its own checksums are right; otherwise the file is read. All of them can be removed at any time.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

from ecoia.delivery.folded_file import FoldedFile
from ecoia.delivery.open_runs import OpenRuns
from ecoia.keeping.journal import Journal
from ecoia.keeping.journal_lines import decode_line, encode_line
from ecoia.keeping.journal_size import PACKED

FOLD_VERSION = 1
"""Raise it with any change of what a journal's lines give: sidecars of another version are not taken."""

LEAST_BYTES = 1 << 18
"""Bytes of text from which a file has a sidecar: a smaller one is read as quickly."""

_FOLDER, _ENDING = "folded", ".json.gz"
_UNREADABLE = (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError, AttributeError, IndexError)


def identity_of(journal: Journal, name: str) -> list[Any] | None:
    """Return what tells a packed file from any other; None for one that is not packed, goes on in a plain one, or is gone."""
    path = journal.folder / name
    try:
        facts = Path(f"{path}{PACKED}").stat()
        return None if path.exists() else [name, facts.st_size, facts.st_ino, facts.st_mtime_ns]
    except OSError:
        return None


def load(journal: Journal, name: str) -> FoldedFile | None:
    """Return what a file gave, if a sidecar of it can be taken."""
    with contextlib.suppress(*_UNREADABLE), _opened(journal, name) as file:
        known = _known(journal, name, file.readline())
        return FoldedFile.from_json(name, known, json.loads(decode_line(file.readline())))
    return None


def load_runs(journal: Journal, name: str) -> OpenRuns | None:
    """Return what a file says about runs, if a sidecar of it can be taken. Its rows are not read."""
    with contextlib.suppress(*_UNREADABLE), _opened(journal, name) as file:
        return OpenRuns.from_json(name, _known(journal, name, file.readline())["runs"])
    return None


def save(journal: Journal, folded: FoldedFile, identity: list[Any]) -> None:
    """Keep what a file gave that was folded from its start. A disk that refuses costs the sidecar and nothing else.

    Args:
        journal: The journal.
        folded: What the file gave.
        identity: Its ``identity_of`` from before it was read.
    """
    with contextlib.suppress(OSError):
        if identity != identity_of(journal, folded.name):
            return
        known, rows = folded.to_json()
        path = _path(journal, folded.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}-{os.urandom(4).hex()}")
        try:
            with gzip.open(draft, "wb", compresslevel=1) as file:
                for each in ({"fold": FOLD_VERSION, "file": identity, **known}, rows):
                    file.write(encode_line(json.dumps(each, ensure_ascii=False, separators=(",", ":"))))
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)


def sweep(journal: Journal, names: Collection[str]) -> None:
    """Remove the sidecars of files that are gone.

    Args:
        journal: The journal.
        names: All of its files.
    """
    folder = journal.home / "delivery" / _FOLDER
    for path in folder.glob("*/*"):
        if f"{path.parent.name}/{path.name.removesuffix(_ENDING)}" not in names:
            with contextlib.suppress(OSError):
                path.unlink()
    for day in folder.glob("*"):
        with contextlib.suppress(OSError):
            day.rmdir()  # if it is empty


def _path(journal: Journal, name: str) -> Path:
    return journal.home / "delivery" / _FOLDER / f"{name}{_ENDING}"


def _opened(journal: Journal, name: str) -> gzip.GzipFile:
    return gzip.open(_path(journal, name))


def _known(journal: Journal, name: str, line: bytes) -> dict[str, Any]:
    """Return what a sidecar's first line says of a file.

    Raises:
        ValueError: it is of another file, or of another version.
    """
    known: dict[str, Any] = json.loads(decode_line(line))
    if known["fold"] != FOLD_VERSION or known["file"] != identity_of(journal, name):
        raise ValueError("of another file")
    return known
