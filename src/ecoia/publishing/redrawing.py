"""Drawing the documents of a publication again from its frozen inputs, and comparing them byte by byte.

What decides the bytes of a document beside the figures is recorded in the manifest: its language, and the versions of the
programs that draw its format. Where one of them is another here, other bytes prove nothing, so the document is neither confirmed
nor refuted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Literal

from ecoia.publishing.publication import Drawing, Published
from ecoia.publishing.sealed_files import DOCUMENTS_FOLDER, files_below, sha256
from ecoia.report import QuarterlyReport

SAME: Final = "the same"
DIFFERS: Final = "differs"
NOT_COMPARABLE: Final = "not comparable here"

Draw = Callable[[QuarterlyReport, str, str, Path], Mapping[str, str] | None]
"""Draws a report in a format and a language into a folder. Returns the versions of the programs that decide the bytes, by name;
``None`` if the format cannot be drawn here."""


@dataclass(frozen=True)
class Redrawn:
    """A document of a publication, compared with the one drawn again.

    Attributes:
        path: Its path below the folder of documents.
        standing: Whether its bytes are those drawn again.
        why: Why it cannot be compared here, or what about it differs; empty where it is the same.
    """

    path: str
    standing: Literal["the same", "differs", "not comparable here"]
    why: str = ""


def redraw(published: Published, report: QuarterlyReport, draw: Draw) -> list[Redrawn]:
    """Draw the documents of a publication again.

    Args:
        published: The publication, verified.
        report: Its figures, computed again.
        draw: Draws one format.

    Returns:
        Each document that was published or is drawn now, sorted by path.

    Example::

        [each.path for each in redraw(published, report, draw) if each.standing == DIFFERS]  # ['rapport-2026Q4.html']
    """
    folder = published.folder / DOCUMENTS_FOLDER
    left = set(files_below(folder)) if folder.is_dir() else set()
    drawing = published.drawing
    if drawing is None or drawing.language is None:
        return [Redrawn(path, NOT_COMPARABLE, "the manifest does not say how it was drawn") for path in sorted(left)]
    sealed, found, undrawn = replace(report, seal=published.seal()), [], []
    for format_ in drawing.formats:
        with TemporaryDirectory() as scratch:
            versions = draw(sealed, format_, drawing.language, Path(scratch))
            if versions is None:
                undrawn.append(format_)
                continue
            others = _other_versions(drawing, format_, versions)
            for path in files_below(Path(scratch)):
                found.append(_compared(path, folder if path in left else None, Path(scratch), others))
                left.discard(path)
    found += [_not_drawn(path, undrawn) for path in left]
    return sorted(found, key=lambda each: each.path)


def _other_versions(drawing: Drawing, format_: str, here: Mapping[str, str]) -> str:
    """Name the programs that are of another version here than where a format was drawn; empty: none."""
    there = drawing.formats[format_]
    named = [name for name in sorted({*there, *here}) if there.get(name) != here.get(name)]
    return ", ".join(f"{name} {there.get(name, 'none')} there, {here.get(name, 'none')} here" for name in named)


def _compared(path: str, published: Path | None, drawn: Path, others: str) -> Redrawn:
    """Compare a document drawn again with the published one; ``published`` is None where there is none."""
    if published is not None and sha256(published / path) == sha256(drawn / path):
        return Redrawn(path, SAME)
    if others:
        return Redrawn(path, NOT_COMPARABLE, others)
    return Redrawn(path, DIFFERS, "" if published else "it is drawn now, and was not published")


def _not_drawn(path: str, undrawn: list[str]) -> Redrawn:
    if undrawn:
        return Redrawn(path, NOT_COMPARABLE, f"{', '.join(undrawn)} cannot be drawn here")
    return Redrawn(path, DIFFERS, "it was published, and is not drawn now")
