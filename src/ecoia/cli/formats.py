"""The formats of a report: finding the renderer of each, and writing its files as a whole.

A renderer is a function ``(report, lang) -> str | bytes | {name: str | bytes}`` under the entry point group
``ecoia.renderers``. The entry point has the name of the format:

- a text or bytes become ``rapport-<name>.<format>``;
- several files become a folder, ``rapport-<name>-<format>/<name>``, which is replaced as a whole;
- several files whose names all begin with ``.`` or ``-`` stand beside each other: ``-preuves.pdf`` becomes
  ``rapport-<name>-preuves.pdf``.

The name is that of the quarter, or of its publication where it is restated (``2026Q1-r1``).

A renderer's module may hold ``drawn_with() -> {name: version}``: what decides the bytes beside the report and ecoia itself. A
publication records it, so that a verifier knows whether other bytes mean another document.
"""

from __future__ import annotations

import secrets
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import entry_points, version
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
        """Return the content of one file, or of several by name (``/`` separates folders). Equal reports give equal bytes."""


def _data(report: QuarterlyReport, lang: str) -> str:
    return report.to_json()


def known_formats() -> dict[str, Callable[[], Renderer]]:
    """Return the function that loads each format's renderer, by name; ``json`` first, which needs no other distribution."""
    found: dict[str, Callable[[], Renderer]] = {"json": lambda: _data}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        found.setdefault(entry.name, entry.load)
    return found


def chosen_formats(text: str) -> tuple[str, ...]:
    """Return the formats that an option names, in the order of ``known_formats``.

    Args:
        text: Names, separated by commas.

    Raises:
        UsageError: a name is unknown; the message lists the known ones.

    Example:
        >>> chosen_formats("html,json")
        ('json', 'html')
    """
    known = known_formats()
    asked = {name.strip().lower() for name in text.split(",")} - {""}
    unknown = sorted(asked - known.keys())
    if unknown or not asked:
        raise UsageError(f"--format {', '.join(unknown) or repr(text)}: no such format; known: {', '.join(known)}")
    return tuple(name for name in known if name in asked)


def drawn_with(format_: str) -> dict[str, str]:
    """Return the versions of the programs that decide the bytes of a format, by name; ecoia's is always among them.

    Raises:
        EcoiaError: a package that draws the format is not installed.

    Example:
        >>> drawn_with("json")  # doctest: +SKIP
        {'ecoia': '0.1.0'}
    """
    module = sys.modules[known_formats()[format_]().__module__]
    told: Callable[[], Mapping[str, str]] | None = getattr(module, "drawn_with", None) if format_ != "json" else None
    return {"ecoia": version("ecoia"), **(told() if told else {})}


def write_formats(
    report: QuarterlyReport,
    formats: Sequence[str],
    lang: str,
    folder: Path,
    *,
    started: Callable[[str], None] = lambda _: None,
) -> tuple[list[Path], list[str]]:
    """Write a report in some formats. If one fails, the others are written, and its previous file stays.

    Args:
        report: The report.
        formats: Some of ``known_formats``.
        lang: Language of the documents, ``fr`` or ``en``.
        folder: Where to write; created if it is missing.
        started: Called with the name of each format before it is drawn.

    Returns:
        The paths that were written (a file or a folder each), and the formats that failed, whose reasons are on stderr.

    Raises:
        EcoiaError: the folder cannot be written to.
    """
    known, name = known_formats(), f"rapport-{report.seal.name if report.seal else report.quarter}"
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
            if isinstance(rendered, Mapping) and _are_endings(rendered):
                written += [replace_file(folder / f"{name}{ending}", content) for ending, content in rendered.items()]
            elif isinstance(rendered, Mapping):
                written.append(_replace_folder(folder / f"{name}-{format_}", rendered))
            else:
                written.append(replace_file(folder / f"{name}.{format_}", rendered))
        except (EcoiaError, OSError) as error:
            failed.append(format_)
            say(f"the {format_} report was not written: {error}")
        except Exception as error:  # noqa: BLE001 - the other formats are still to be written
            failed.append(format_)
            say(f"the {format_} report was not written ({type(error).__name__}: {error}): please report this")
    return written, failed


def _are_endings(contents: Mapping[str, str | bytes]) -> bool:
    """Return whether names are endings of the report's own name, and not names inside a folder."""
    return bool(contents) and all(name.startswith((".", "-")) and "/" not in name for name in contents)


def _replace_folder(folder: Path, contents: Mapping[str, str | bytes]) -> Path:
    """Write a folder as a whole: it replaces the previous one, and none of its files is half written."""
    draft = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}")
    before = draft.with_name(f"{draft.name}-before")
    try:
        draft.mkdir()
        for name, content in contents.items():
            path = draft / name
            if not path.resolve().is_relative_to(draft.resolve()) or path == draft:
                raise EcoiaError(f"{name!r} does not name a file inside the folder: please report this")
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
