"""Hooks of MkDocs (see ``mkdocs.yml``): links to files outside of ``docs``, and a build that fails on an undocumented name.

A page that is read in the repository may link to a pipeline or an example beside ``docs``. The site holds no such file, so
there the link becomes the file's path. Every warning fails ``make docs``, which builds in strict mode.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import griffe

ROOT = Path(__file__).resolve().parent.parent
PUBLIC_MODULES = ("ecoia", "ecoia.testing", "ecoia.integrating")
"""What others may import. Each has a page in ``docs/reference``."""

_OUTSIDE = re.compile(r"\[(?P<text>[^\]]+)\]\((?P<target>\.\./[^)#]+)(?:#[^)]*)?\)")
_SOURCES = ("src", "integrations", "dashboards")
_log = logging.getLogger("mkdocs.hooks.documentation_site")


def on_pre_build(config: Any) -> None:
    """Warn of each public name without a docstring."""
    for name in undocumented():
        _log.warning("%s has no docstring: every public name needs one", name)


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Replace links to files outside of ``docs`` by their paths, and the reference of a module that this version lacks."""
    for name in PUBLIC_MODULES:
        if _module_path(name) is None:
            markdown = re.sub(
                rf"^::: {re.escape(name)}\n(?: .*\n?)*", "This version does not have it.\n", markdown, flags=re.MULTILINE
            )

    def path_of(link: re.Match[str]) -> str:
        target = (Path(config.docs_dir) / page.file.src_uri).parent / link["target"]
        target = target.resolve()
        if target.is_relative_to(config.docs_dir):
            return link[0]
        if not target.exists():
            _log.warning("%s links to '%s', which does not exist", page.file.src_uri, link["target"])
        path = target.relative_to(ROOT).as_posix()
        text = link["text"].strip("`")
        return f"`{path}`" if path.endswith(text) else f"{link['text']} (`{path}`)"

    return _OUTSIDE.sub(path_of, markdown)


def public_modules() -> list[str]:
    """The public modules that exist."""
    return [name for name in PUBLIC_MODULES if _module_path(name) is not None]


def undocumented() -> list[str]:
    """Full names of the public functions, classes, methods and properties without a docstring, in order."""
    package = griffe.load("ecoia", search_paths=[str(ROOT / source) for source in _SOURCES], resolve_aliases=True)
    missing = []
    for name in public_modules():
        module = package if name == "ecoia" else package[name.removeprefix("ecoia.")]
        for exported in module.exports or ():
            missing += _undocumented(module[str(exported)])
    return sorted(set(missing))


def _undocumented(member: Any) -> list[str]:
    if member.is_alias:
        member = member.final_target
    if member.is_attribute and "property" not in member.labels:
        return []
    missing = [] if member.docstring else [member.path]
    if member.is_class:
        for name, inner in member.members.items():
            if not name.startswith("_") and not inner.is_alias:
                missing += _undocumented(inner)
    return missing


def _module_path(name: str) -> Path | None:
    path = ROOT / "src" / Path(*name.split("."))
    return next((each for each in (path.with_suffix(".py"), path / "__init__.py") if each.is_file()), None)
