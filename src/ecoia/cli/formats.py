"""The formats of a report: who can write each, and how files come to stand in a folder, each as a whole.

A renderer is a function ``(report, lang) -> str | bytes | {name: str | bytes}``, found by the entry point group
``ecoia.renderers``. The entry point's name is the format's:

- a text or bytes become ``rapport-<quarter>.<format>``;
- several files become a folder, ``rapport-<quarter>-<format>/<name>``, which is replaced as a whole.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Protocol

from ecoia.cli.common import encoded, replace_file, say
from ecoia.errors import EcoiaError, UsageError

if TYPE_CHECKING:
    from ecoia.report import QuarterlyReport

GROUP = "ecoia.renderers"
DEFAULT_FORMATS = "html,json"

Rendered = str | bytes | Mapping[str, str | bytes]


class Renderer(Protocol):
    """Draws a report in one format."""

    def __call__(self, report: QuarterlyReport, lang: str) -> Rendered:
        """The content of one file, or of several by name (``/`` sets folders apart). Equal reports give equal bytes."""


def _data(report: QuarterlyReport, lang: str) -> str:
    return report.to_json()


def known_formats() -> dict[str, Callable[[], Renderer]]:
    """What loads the renderer of each format, the data first: they need nobody else."""
    found: dict[str, Callable[[], Renderer]] = {"json": lambda: _data}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        found.setdefault(entry.name, entry.load)
    return found


def chosen_formats(text: str) -> tuple[str, ...]:
    """The formats of an option, in the order of ``known_formats``.

    Args:
        text: Names, set apart by commas.

    Raises:
        UsageError: a name is nobody's; the message lists the known ones.
    """
    known = known_formats()
    asked = {name.strip().lower() for name in text.split(",")} - {""}
    unknown = sorted(asked - known.keys())
    if unknown or not asked:
        raise UsageError(f"--format {', '.join(unknown) or repr(text)}: no such format; known: {', '.join(known)}")
    return tuple(name for name in known if name in asked)


def write_formats(
    report: QuarterlyReport,
    formats: Sequence[str],
    lang: str,
    folder: Path,
    *,
    started: Callable[[str], None] = lambda _: None,
) -> tuple[list[Path], list[str]]:
    """Write a report. A format that fails costs no other one, and leaves what was there before.

    Args:
        report: The report.
        formats: Some of ``known_formats``.
        lang: Language of what people read.
        folder: Where to; made when it is not there.
        started: Told the name of each format before it is drawn.

    Returns:
        What was written (a file, or a folder with several), and the formats that were not: why is said.

    Raises:
        EcoiaError: the folder cannot be written to.
    """
    known, name = known_formats(), f"rapport-{report.quarter}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise EcoiaError(f"'{folder}' cannot be written ({error.strerror}): choose another folder with --out") from error
    written: list[Path] = []
    failed: list[str] = []
    for format_ in formats:
        started(format_)
        try:
            rendered = known[format_]()(report, lang=lang)
            if isinstance(rendered, Mapping):
                written.append(_replace_folder(folder / f"{name}-{format_}", rendered))
            else:
                written.append(replace_file(folder / f"{name}.{format_}", rendered))
        except (EcoiaError, OSError) as error:
            failed.append(format_)
            say(f"the {format_} report was not written: {error}")
        except Exception as error:  # noqa: BLE001 - a format that fails must not cost the others
            failed.append(format_)
            say(f"the {format_} report was not written ({type(error).__name__}: {error}): please report this")
    return written, failed


def _replace_folder(folder: Path, contents: Mapping[str, str | bytes]) -> Path:
    """Write a folder as a whole: what was in it before is gone, and nothing is half there."""
    draft = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}")
    before = draft.with_name(f"{draft.name}-before")
    try:
        draft.mkdir()
        for name, content in contents.items():
            path = draft / name
            if not path.resolve().is_relative_to(draft.resolve()) or path == draft:
                raise EcoiaError(f"{name!r} is no name of a file in a folder")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encoded(content))
        if folder.is_dir():
            folder.rename(before)
        try:
            draft.rename(folder)
        except OSError:
            if before.is_dir():
                before.rename(folder)
            raise
    finally:
        for left in (draft, before):
            shutil.rmtree(left, ignore_errors=True)
    return folder
